//! Routes of tables: the lobby, hands, and players' sockets.

mod board;
mod events;
mod places;
mod statuses;

pub use board::{All, Board, Listed};
pub use events::{Changes, events};
pub use places::{Places, StreamBounds};
pub use statuses::Statuses;

use crate::{
    app::App, auth::Caller, client_address::ClientAddress, metrics::Upstream, relay::Refused,
    retry_after::RetryAfter, routing::Known,
};
use axum::{
    Extension, Json,
    body::Body,
    extract::{
        Path, Query, State,
        rejection::{PathRejection, QueryRejection},
    },
    http::{HeaderName, Request, header},
    response::{IntoResponse, Response},
};
use purr_protocol::{
    Codec, Problem, TableUid,
    hand::HandQuery,
    settlement::{HandReceipt, TableState},
    summary::Summary,
};
use purr_runtime::{problem::Answer, token::UserRole, ws::Upgrade};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::time::Duration;

const TABLES_DEFAULT: usize = 50;
const LIST_MAX: usize = 200;
const HANDS_DEFAULT: usize = 20;
/// Summaries read in one command.
const CHUNK: usize = 2_000;

/// One page of the lobby.
#[derive(Serialize, JsonSchema)]
pub struct Tables {
    tables: Vec<Listed>,
    /// The cursor of the next page, where there is one.
    next: Option<String>,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct OneTable {
    #[serde(flatten)]
    listed: Listed,
    /// The table's id in permits.
    table_id: String,
    state: TableState,
}

/// Which tables one wants to see. A table that has not spoken lately has neither stakes nor seats.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Wanted {
    /// Small and big blind in minor units, for instance 50/100.
    stakes: Option<String>,
    /// At least this number of free seats.
    free: Option<u8>,
    /// Exactly so many seats, free ones included.
    seats: Option<u8>,
    /// Only tables that have a pod that is ready.
    ready: Option<bool>,
}

impl Wanted {
    fn stakes(&self) -> Result<Option<(u64, u64)>, Answer> {
        let Some(text) = &self.stakes else { return Ok(None) };
        let blinds =
            text.split_once('/').and_then(|(small, big)| Some((small.parse().ok()?, big.parse().ok()?)));
        let expected =
            || Problem::new(400, "query", "The query is not as expected").detail("stakes is small/big");
        blinds.map(Some).ok_or_else(|| expected().into())
    }

    /// Returns the filter. Errors name the parameter that cannot be parsed.
    fn filter(&self) -> Result<impl Fn(&Listed) -> bool + Send + Sync + use<>, Answer> {
        let stakes = self.stakes()?;
        let Self { free, seats, ready, .. } = self.clone();
        Ok(move |listed: &Listed| {
            let summary = &listed.summary;
            stakes.is_none_or(|blinds| (summary.small_blind, summary.big_blind) == blinds)
                && free.is_none_or(|free| {
                    !summary.closed && summary.seats.saturating_sub(summary.players) >= free
                })
                && seats.is_none_or(|seats| summary.seats == seats)
                && ready.is_none_or(|ready| listed.ready == ready)
        })
    }
}

/// Where a page starts and how long it is.
#[derive(Deserialize, JsonSchema)]
pub struct Page {
    /// `next` of the page before.
    #[serde(alias = "after")]
    cursor: Option<String>,
    /// At most 200.
    limit: Option<usize>,
}

#[derive(Deserialize, JsonSchema)]
pub struct HandsPage {
    before: Option<u64>,
    limit: Option<usize>,
}

fn no_table() -> Answer {
    Problem::new(404, "table", "There is no such table").into()
}

/// Extracts a table's UID. It becomes part of other servers' paths and of certificate names, so nothing else may pass.
pub(super) fn uid(path: Result<Path<String>, PathRejection>) -> Result<String, Answer> {
    let Path(uid) = path.map_err(|_| no_table())?;
    TableUid::try_from(uid).map(String::from).map_err(|_| no_table())
}

fn query<T>(query: Result<Query<T>, QueryRejection>) -> Result<T, Answer> {
    query.map(|Query(query)| query).map_err(|error| {
        Problem::new(400, "query", "The query is not as expected").detail(error.body_text()).into()
    })
}

fn listed(known: Known, summary: Option<Summary>) -> Listed {
    let mut summary = summary.unwrap_or(Summary { uid: known.uid, name: known.name, ..Summary::default() });
    // Players' seats are for the seating alone, and the typed reason is for the controller.
    (summary.taken, summary.held_by) = (Vec::new(), None);
    Listed { summary, ready: known.ready }
}

/// All tables, in the order of UIDs.
pub(super) async fn all_tables(app: &App) -> All {
    app.lobby.current(app.front.lobby_every, read(app)).await
}

async fn read(app: &App) -> Vec<Listed> {
    let known = app.routes.read(|table| table.list(None, usize::MAX));
    let mut all = Vec::with_capacity(known.len());
    for chunk in known.chunks(CHUNK) {
        let uids: Vec<String> = chunk.iter().map(|known| known.uid.clone()).collect();
        let summaries = summaries(app, &uids).await;
        all.extend(chunk.iter().cloned().zip(summaries).map(|(known, summary)| listed(known, summary)));
    }
    all
}

/// Reads summaries. Without them the tables are still listed.
async fn summaries(app: &App, uids: &[String]) -> Vec<Option<Summary>> {
    app.auth.sessions.summaries(uids).await.unwrap_or_else(|error| {
        app.metrics.upstream_error(Upstream::Sessions);
        tracing::warn!(%error, "the tables' summaries cannot be read");
        vec![None; uids.len()]
    })
}

pub async fn tables(
    State(app): State<App>,
    page: Result<Query<Page>, QueryRejection>,
    wanted: Result<Query<Wanted>, QueryRejection>,
) -> Result<Json<Tables>, Answer> {
    let Page { cursor, limit } = query(page)?;
    let filter = query(wanted)?.filter()?;
    let limit = limit.unwrap_or(TABLES_DEFAULT).clamp(1, LIST_MAX);
    let all = all_tables(&app).await;
    // Sorted by UID, so that a cursor stays valid when its table is gone.
    let from = cursor.map_or(0, |cursor| all.partition_point(|listed| listed.summary.uid <= cursor));
    let mut fitting = all.get(from..).unwrap_or_default().iter().filter(|listed| filter(listed));
    let tables: Vec<Listed> = fitting.by_ref().take(limit).cloned().collect();
    let more = fitting.next().is_some();
    let next = tables.last().filter(|_| more).map(|listed| listed.summary.uid.clone());
    Ok(Json(Tables { tables, next }))
}

pub async fn table(
    State(app): State<App>,
    path: Result<Path<String>, PathRejection>,
) -> Result<Json<OneTable>, Response> {
    let uid = uid(path).map_err(IntoResponse::into_response)?;
    let known = app.routes.read(|table| table.known(&uid));
    let summary = summaries(&app, std::slice::from_ref(&uid)).await.pop().flatten();
    let known = match (known, &summary) {
        (Some(known), _) => known,
        // Its pod is being replaced.
        (None, Some(summary)) => Known { uid: uid.clone(), name: summary.name.clone(), ready: false },
        (None, None) => return Err(no_table().into_response()),
    };
    let status = app.tables.get(&app.signer, &uid).await.map_err(IntoResponse::into_response)?;
    Ok(Json(OneTable { listed: listed(known, summary), table_id: status.table_id, state: status.state }))
}

/// Returns the UID of an existing table.
///
/// # Errors
/// 404 where there is no such table.
pub async fn reach(app: &App, path: Result<Path<String>, PathRejection>) -> Result<String, Response> {
    let uid = uid(path).map_err(IntoResponse::into_response)?;
    if app.routes.read(|table| table.known(&uid)).is_none() {
        // Between two pods a table has none for a moment, but its summary still exists.
        if summaries(app, std::slice::from_ref(&uid)).await.iter().all(Option::is_none) {
            return Err(no_table().into_response());
        }
    }
    Ok(uid)
}

/// 503: this gateway has no place for one more player.
pub fn no_place(refused: Refused) -> Response {
    let (wait_s, problem) = match refused {
        Refused::Full => (2, Problem::new(503, "full", "Too many players at the moment")),
        Refused::Stopping => (1, Problem::new(503, "stopping", "This gateway stops")),
    };
    (RetryAfter(Duration::from_secs(wait_s)), Answer::from(problem)).into_response()
}

pub async fn socket(
    State(app): State<App>,
    path: Result<Path<String>, PathRejection>,
    mut request: Request<Body>,
) -> Result<Response, Response> {
    let uid = reach(&app, path).await?;
    let upgrade =
        Upgrade::from_request(&mut request).map_err(|problem| Answer::from(problem).into_response())?;
    let codec = upgrade.subprotocols.iter().find_map(|name| Codec::from_subprotocol(name));
    let codec = codec.ok_or_else(|| {
        Answer::from(Problem::new(400, "subprotocol", "Ask for purr.v1.proto or purr.v1.json"))
            .into_response()
    })?;
    let address = request.extensions().get::<ClientAddress>().map(|ClientAddress(ip)| *ip);
    let relay = app.relays.open(uid, codec, address).await.map_err(no_place)?;
    Ok(upgrade.accept(codec.subprotocol(), move |socket| relay.serve(socket)))
}

/// The viewer to ask records for: auditors and administrators see all addresses, players those in their own hands.
fn viewer(caller: &Caller) -> String {
    let all = caller.roles.iter().any(|role| matches!(role, UserRole::Auditor | UserRole::Admin));
    if all { "all".into() } else { caller.player.to_string() }
}

pub async fn hands(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    path: Result<Path<String>, PathRejection>,
    page: Result<Query<HandsPage>, QueryRejection>,
) -> Result<Json<Value>, Response> {
    let uid = uid(path).map_err(IntoResponse::into_response)?;
    let HandsPage { before, limit } = query(page).map_err(IntoResponse::into_response)?;
    let limit = limit.unwrap_or(HANDS_DEFAULT).clamp(1, LIST_MAX);
    let before = before.map(|before| format!("&before={before}")).unwrap_or_default();
    let asked = app
        .records
        .get(&format!("/v1/tables/{uid}/hands?limit={limit}{before}&viewer={}", viewer(&caller)))
        .await;
    asked.map(Json).map_err(IntoResponse::into_response)
}

/// A hand's record with the deck that is encrypted to the auditor.
pub async fn hand_audit(
    State(app): State<App>,
    path: Result<Path<(TableUid, u64)>, PathRejection>,
) -> Result<Json<Value>, Response> {
    let no_hand = || Answer::from(Problem::new(404, "hand", "There is no such hand")).into_response();
    let Path((uid, hand)) = path.map_err(|_| no_hand())?;
    let asked = app.records.get(&format!("/v1/tables/{uid}/hands/{hand}/audit")).await;
    asked.map(Json).map_err(IntoResponse::into_response)
}

/// The operator's signature over a hand, from the signer's journal.
pub async fn hand_receipt(
    State(app): State<App>,
    path: Result<Path<(TableUid, u64)>, PathRejection>,
) -> Result<Json<HandReceipt>, Response> {
    let no_hand = || Answer::from(Problem::new(404, "hand", "There is no such hand")).into_response();
    let Path((uid, hand)) = path.map_err(|_| no_hand())?;
    let asked = app.signer.get(&format!("/v1/tables/{uid}/hands/{hand}/receipt")).await;
    asked.map(Json).map_err(IntoResponse::into_response)
}

pub async fn hand(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    path: Result<Path<(TableUid, u64)>, PathRejection>,
    format: Result<Query<HandQuery>, QueryRejection>,
) -> Result<([(HeaderName, &'static str); 1], Vec<u8>), Response> {
    let no_hand = || Answer::from(Problem::new(404, "hand", "There is no such hand")).into_response();
    let Path((uid, hand)) = path.map_err(|_| no_hand())?;
    let HandQuery { format } = query(format).map_err(IntoResponse::into_response)?;
    let viewer = viewer(&caller);
    let asked = app
        .records
        .get_bytes(&format!("/v1/tables/{uid}/hands/{hand}?format={}&viewer={viewer}", format.name()))
        .await;
    let body = asked.map_err(IntoResponse::into_response)?;
    Ok(([(header::CONTENT_TYPE, format.content_type())], body.to_vec()))
}
