//! The internal API, for gateways alone.

use crate::{
    api::{Gaps, Page, Stored},
    database::Database,
    events, fairplay,
    names::Viewer,
    others, players,
    problem::bad,
    query::Found,
    rooms, search, sessions, staff, tags,
};
use axum::{
    Extension, Json, Router,
    extract::{FromRef, Path, Query, Request, State, rejection::QueryRejection},
    http::header,
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use purr_engine::PlayerId;
use purr_protocol::{
    Problem, TableUid,
    hand::{HandQuery, RenderError, Rendered, Site, render},
    record::HandRecord,
};
use purr_runtime::{Peer, Role, problem::Answer};
use serde::Deserialize;
use std::sync::Arc;

const LIMIT_DEFAULT: i64 = 50;
const LIMIT_MAX: i64 = 200;

pub fn routes(database: Database, site: Site) -> Router {
    Router::new()
        .route("/v1/tables/{uid}/hands", get(table_hands))
        .route("/v1/tables/{uid}/hands/{hand}", get(hand))
        .route("/v1/tables/{uid}/hands/{hand}/audit", get(audit))
        .route("/v1/tables/{uid}/gaps", get(gaps))
        .route("/v1/players/{player}/hands", get(player_hands))
        .route("/v1/players/{player}/search", get(search::search))
        .route("/v1/players/{player}/statistics", get(players::statistics))
        .route("/v1/players/{player}/graph", get(players::graph))
        .route("/v1/events", get(events::read).post(events::report))
        .route("/v1/players/{player}/sessions", get(sessions::own))
        .route("/v1/players/{player}/tags", post(tags::set))
        .route("/v1/statistics", post(others::statistics))
        .route("/v1/leaders", get(others::leaders))
        .route("/v1/rooms", get(rooms::rooms))
        .route("/v1/staff/acts", get(staff::acts).post(staff::note))
        .route("/v1/staff/stakes", post(staff::stakes))
        .fallback(async || Answer::from(Problem::new(404, "not-found", "There is no such resource")))
        .layer(middleware::from_fn(only_gateways))
        .with_state(App { database: database.clone(), site: Arc::new(site) })
        .merge(fairplay::routes(database))
}

#[derive(Clone)]
struct App {
    database: Database,
    /// The site that appears in exported hands.
    site: Arc<Site>,
}

impl FromRef<App> for Database {
    fn from_ref(app: &App) -> Self {
        app.database.clone()
    }
}

impl FromRef<App> for Arc<Site> {
    fn from_ref(app: &App) -> Self {
        app.site.clone()
    }
}

async fn only_gateways(Extension(peer): Extension<Peer>, request: Request, next: Next) -> Response {
    if peer.role == Some(Role::Gateway) {
        return next.run(request).await;
    }
    Answer::from(Problem::new(403, "role", "This caller may not do that")).into_response()
}

fn uid(text: &str) -> Result<&str, Answer> {
    TableUid::check(text).map(|()| text).map_err(|error| bad(error.to_string()))
}

#[derive(Deserialize)]
struct PageQuery {
    before: Option<i64>,
    limit: Option<i64>,
    #[serde(default)]
    viewer: Asking,
}

/// The viewer that a gateway asks for: `all`, or a player's address. A gateway of the previous release sends none and
/// gets the public view.
#[derive(Clone, Copy, Default, Deserialize)]
#[serde(try_from = "String")]
struct Asking(Viewer);

#[derive(Debug, thiserror::Error)]
#[error("viewer '{0}' is neither 'all' nor an address")]
struct BadViewer(String);

impl TryFrom<String> for Asking {
    type Error = BadViewer;

    fn try_from(text: String) -> Result<Self, BadViewer> {
        match text.as_str() {
            "all" => Ok(Self(Viewer::Everything)),
            player => {
                let player = player.parse().map_err(|_| BadViewer(text.clone()))?;
                Ok(Self(Viewer::Player(player)))
            }
        }
    }
}

fn hand_of(found: Found) -> Result<Stored, Answer> {
    match found {
        Found::Hand(stored) => Ok(*stored),
        Found::Nothing => Err(Problem::new(404, "no-such-hand", "There is no record of this hand").into()),
        Found::NotBefore(shown_ms) => {
            Err(Problem::new(404, "not-shown-yet", "This hand is not shown to others yet")
                .detail(format!("it is from {shown_ms} on (milliseconds since 1970)"))
                .into())
        }
    }
}

impl PageQuery {
    fn bounds(query: Result<Query<Self>, QueryRejection>) -> Result<(i64, i64, Viewer), Answer> {
        let Query(Self { before, limit, viewer: Asking(viewer) }) =
            query.map_err(|error| bad(error.body_text()))?;
        let (before, limit) = (before.unwrap_or(i64::MAX), limit.unwrap_or(LIMIT_DEFAULT));
        if before < 1 {
            return Err(bad("before counts from 1"));
        }
        if !(1..=LIMIT_MAX).contains(&limit) {
            return Err(bad(format!("limit is 1 to {LIMIT_MAX}")));
        }
        Ok((before, limit, viewer))
    }
}

async fn table_hands(
    State(database): State<Database>,
    Path(table): Path<String>,
    query: Result<Query<PageQuery>, QueryRejection>,
) -> Result<Json<Page>, Answer> {
    let (before, limit, viewer) = PageQuery::bounds(query)?;
    Ok(Json(database.table_hands(uid(&table)?, before, limit, viewer).await?))
}

async fn player_hands(
    State(database): State<Database>,
    Path(player): Path<String>,
    query: Result<Query<PageQuery>, QueryRejection>,
) -> Result<Json<Page>, Answer> {
    let player: PlayerId = player.parse().map_err(|error| bad(format!("{error}")))?;
    let (before, limit, _) = PageQuery::bounds(query)?;
    Ok(Json(database.player_hands(player, before, limit).await?))
}

async fn gaps(State(database): State<Database>, Path(table): Path<String>) -> Result<Json<Gaps>, Answer> {
    Ok(Json(Gaps { gaps: database.gaps(uid(&table)?).await? }))
}

#[derive(Deserialize)]
struct RecordQuery {
    #[serde(flatten)]
    hand: HandQuery,
    /// Selects a record if a hand has several.
    hash: Option<String>,
    #[serde(default)]
    viewer: Asking,
}

/// The record with its part for the auditor, which everybody else does not get: a stolen auditor's key
/// must not open what all players have.
async fn audit(
    State(database): State<Database>,
    Path((table, hand)): Path<(String, String)>,
) -> Result<Json<HandRecord>, Answer> {
    let number: i64 = hand.parse().ok().filter(|hand| *hand >= 1).ok_or_else(|| bad("hands count from 1"))?;
    let stored = hand_of(database.hand(uid(&table)?, number, None, Viewer::Everything).await?)?;
    // Parts that other keys open stay here.
    Ok(Json(HandRecord { sealed: String::new(), fair_play: None, ..stored.record }))
}

async fn hand(
    State(database): State<Database>,
    State(site): State<Arc<Site>>,
    Path((table, hand)): Path<(String, String)>,
    query: Result<Query<RecordQuery>, QueryRejection>,
) -> Result<Response, Answer> {
    let Query(RecordQuery { hand: HandQuery { format }, hash, viewer: Asking(viewer) }) =
        query.map_err(|error| bad(error.body_text()))?;
    let number: i64 = hand.parse().ok().filter(|hand| *hand >= 1).ok_or_else(|| bad("hands count from 1"))?;
    let hash = hash.map(|text| {
        let mut bytes = [0; 32];
        hex::decode_to_slice(&text, &mut bytes).map(|()| bytes).map_err(|_| bad("hash is 64 hex digits"))
    });
    let stored = hand_of(database.hand(uid(&table)?, number, hash.transpose()?, viewer).await?)?;
    let Rendered { content_type, text } = render(stored, format, &site).map_err(|error| {
        tracing::error!(%error, "a hand");
        let (kind, title) = match error {
            RenderError::Phh(_) => ("phh", "This hand cannot be written as PHH"),
            RenderError::Text(ref error) => {
                let title = "This hand cannot be written as text";
                return Answer::from(Problem::new(422, "text", title).detail(error.to_string()));
            }
            RenderError::Json(_) => ("json", "This hand cannot be written as JSON"),
        };
        Answer::from(Problem::new(500, kind, title))
    })?;
    Ok(([(header::CONTENT_TYPE, content_type)], text).into_response())
}
