//! The internal API, for gateways alone.

use crate::{
    api::{Gaps, Hand, Page},
    check::is_uid,
    database::{Database, DatabaseError},
    players,
};
use axum::{
    Extension, Json, Router,
    extract::{Path, Query, Request, State, rejection::QueryRejection},
    http::header,
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::get,
};
use purr_engine::{
    PlayerId,
    ohh::{Context, Ohh},
};
use purr_protocol::{Problem, record::HandRecord};
use purr_runtime::{Peer, Role, problem::Answer};
use serde::Deserialize;

const LIMIT_DEFAULT: i64 = 50;
const LIMIT_MAX: i64 = 200;

pub fn routes(database: Database) -> Router {
    Router::new()
        .route("/v1/tables/{uid}/hands", get(table_hands))
        .route("/v1/tables/{uid}/hands/{hand}", get(hand))
        .route("/v1/tables/{uid}/hands/{hand}/audit", get(audit))
        .route("/v1/tables/{uid}/gaps", get(gaps))
        .route("/v1/players/{player}/hands", get(player_hands))
        .route("/v1/players/{player}/search", get(players::search))
        .route("/v1/players/{player}/statistics", get(players::statistics))
        .route("/v1/players/{player}/graph", get(players::graph))
        .fallback(async || Answer::from(Problem::new(404, "not-found", "There is no such resource")))
        .layer(middleware::from_fn(only_gateways))
        .with_state(database)
}

async fn only_gateways(Extension(peer): Extension<Peer>, request: Request, next: Next) -> Response {
    if peer.role == Some(Role::Gateway) {
        return next.run(request).await;
    }
    Answer::from(Problem::new(403, "role", "This caller may not do that")).into_response()
}

pub(crate) fn bad(detail: impl Into<String>) -> Answer {
    Problem::new(400, "bad-request", "The request is malformed").detail(detail).into()
}

impl From<DatabaseError> for Answer {
    fn from(error: DatabaseError) -> Self {
        tracing::error!(%error, "request");
        match error {
            DatabaseError::Expired { .. } => {
                Problem::new(410, "expired", "The record of this hand is no longer kept").into()
            }
            DatabaseError::Corrupt { .. } => Problem::new(500, "corrupt", "The record cannot be read").into(),
            _ => Problem::new(503, "unavailable", "The hand history is not available now").into(),
        }
    }
}

fn uid(text: &str) -> Result<&str, Answer> {
    if is_uid(text) { Ok(text) } else { Err(bad("the table's UID is malformed")) }
}

#[derive(Deserialize)]
struct PageQuery {
    before: Option<i64>,
    limit: Option<i64>,
}

impl PageQuery {
    fn bounds(query: Result<Query<Self>, QueryRejection>) -> Result<(i64, i64), Answer> {
        let Query(Self { before, limit }) = query.map_err(|error| bad(error.body_text()))?;
        let (before, limit) = (before.unwrap_or(i64::MAX), limit.unwrap_or(LIMIT_DEFAULT));
        if before < 1 {
            return Err(bad("before counts from 1"));
        }
        if !(1..=LIMIT_MAX).contains(&limit) {
            return Err(bad(format!("limit is 1 to {LIMIT_MAX}")));
        }
        Ok((before, limit))
    }
}

async fn table_hands(
    State(database): State<Database>,
    Path(table): Path<String>,
    query: Result<Query<PageQuery>, QueryRejection>,
) -> Result<Json<Page>, Answer> {
    let (before, limit) = PageQuery::bounds(query)?;
    Ok(Json(database.table_hands(uid(&table)?, before, limit).await?))
}

async fn player_hands(
    State(database): State<Database>,
    Path(player): Path<String>,
    query: Result<Query<PageQuery>, QueryRejection>,
) -> Result<Json<Page>, Answer> {
    let player: PlayerId = player.parse().map_err(|error| bad(format!("{error}")))?;
    let (before, limit) = PageQuery::bounds(query)?;
    Ok(Json(database.player_hands(player, before, limit).await?))
}

async fn gaps(State(database): State<Database>, Path(table): Path<String>) -> Result<Json<Gaps>, Answer> {
    Ok(Json(Gaps { gaps: database.gaps(uid(&table)?).await? }))
}

#[derive(Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Format {
    #[default]
    Json,
    Phh,
    Ohh,
}

#[derive(Deserialize)]
struct HandQuery {
    #[serde(default)]
    format: Format,
    /// Which record, where there are several.
    hash: Option<String>,
}

/// The record with its part for the auditor, which everybody else does not get: a stolen auditor's key
/// must not open what all players have.
async fn audit(
    State(database): State<Database>,
    Path((table, hand)): Path<(String, String)>,
) -> Result<Json<HandRecord>, Answer> {
    let number: i64 = hand.parse().ok().filter(|hand| *hand >= 1).ok_or_else(|| bad("hands count from 1"))?;
    let stored = database.hand(uid(&table)?, number, None).await?;
    let stored =
        stored.ok_or_else(|| Problem::new(404, "no-such-hand", "There is no record of this hand"))?;
    // What other keys open stays here.
    Ok(Json(HandRecord { sealed: String::new(), fair_play: None, ..stored.record }))
}

async fn hand(
    State(database): State<Database>,
    Path((table, hand)): Path<(String, String)>,
    query: Result<Query<HandQuery>, QueryRejection>,
) -> Result<Response, Answer> {
    let Query(HandQuery { format, hash }) = query.map_err(|error| bad(error.body_text()))?;
    let number: i64 = hand.parse().ok().filter(|hand| *hand >= 1).ok_or_else(|| bad("hands count from 1"))?;
    let hash = hash.map(|text| {
        let mut bytes = [0; 32];
        hex::decode_to_slice(&text, &mut bytes).map(|()| bytes).map_err(|_| bad("hash is 64 hex digits"))
    });
    let stored = database.hand(uid(&table)?, number, hash.transpose()?).await?;
    let stored =
        stored.ok_or_else(|| Problem::new(404, "no-such-hand", "There is no record of this hand"))?;
    match format {
        Format::Json => Ok(Json(Hand::from(stored)).into_response()),
        Format::Phh => {
            let text = stored.record.history.to_phh().map_err(|error| {
                tracing::error!(%error, "PHH");
                Answer::from(Problem::new(500, "phh", "This hand cannot be written as PHH"))
            })?;
            Ok(([(header::CONTENT_TYPE, "application/toml")], text).into_response())
        }
        // Amounts stay minor units: a record does not say of which currency.
        Format::Ohh => {
            let context = Context { table_name: stored.record.table.clone(), ..Context::default() };
            let text = Ohh::from_history(&stored.record.history, &context).to_string();
            Ok(([(header::CONTENT_TYPE, "application/json")], text).into_response())
        }
    }
}
