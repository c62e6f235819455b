//! Tables, their hands, and the way to them.

mod board;
mod events;
mod places;

pub use board::{Board, Listed};
pub use events::{Changes, events};
pub use places::{Places, StreamBounds};

use crate::{
    app::App, auth::Caller, client_address::ClientAddress, guard::RetryAfter, metrics::Upstream,
    relay::Refused, routing::Known, upstream::Failed,
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
    settlement::{HandReceipt, TableState, TableStatus},
    summary::Summary,
};
use purr_runtime::{problem::Answer, token::UserRole, ws::Upgrade};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

const TABLES_DEFAULT: usize = 50;
const LIST_MAX: usize = 200;
const HANDS_DEFAULT: usize = 20;
const STATUSES_MAX: usize = 20_000;

/// What the signer said of tables that are open: that does not change any more.
#[derive(Default)]
pub struct Statuses(Mutex<HashMap<String, TableStatus>>);

impl Statuses {
    async fn get(&self, app: &App, uid: &str) -> Result<TableStatus, Failed> {
        let held = self.0.lock().unwrap_or_else(PoisonError::into_inner).get(uid).cloned();
        if let Some(status) = held {
            return Ok(status);
        }
        let status: TableStatus = app.signer.get(&format!("/v1/tables/{uid}")).await?;
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if status.state == TableState::Open && held.len() < STATUSES_MAX {
            held.insert(uid.to_owned(), status.clone());
        }
        Ok(status)
    }
}

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
    /// What permits sign.
    table_id: String,
    state: TableState,
}

/// Which tables one wants to see. A table that has not spoken lately has neither stakes nor seats.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Wanted {
    /// Small and big blind in minor units, for instance 50/100.
    stakes: Option<String>,
    /// At least so many free seats.
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

    /// A filter, once the words of it are understood.
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

/// A UID goes into paths of other servers and names of certificates: nothing else may pass.
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
    // Who sits where is for the seating alone, and the typed reason for the controller.
    (summary.taken, summary.held_by) = (Vec::new(), None);
    Listed { summary, ready: known.ready }
}

/// Summaries are a convenience: without them the tables are listed all the same.
async fn summaries(app: &App, uids: &[String]) -> Vec<Option<Summary>> {
    app.auth.sessions.summaries(uids).await.unwrap_or_else(|error| {
        app.metrics.upstream_error(Upstream::Sessions);
        tracing::warn!(%error, "summaries");
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
    let all = app.lobby.current(&app).await;
    // In the order of UIDs, so that a table that is gone leaves no page without a start.
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
    let status = app.tables.get(&app, &uid).await.map_err(IntoResponse::into_response)?;
    Ok(Json(OneTable { listed: listed(known, summary), table_id: status.table_id, state: status.state }))
}

/// The UID of a table that there is.
///
/// # Errors
/// 404 where there is no such table.
pub async fn reach(app: &App, path: Result<Path<String>, PathRejection>) -> Result<String, Response> {
    let uid = uid(path).map_err(IntoResponse::into_response)?;
    if app.routes.read(|table| table.known(&uid)).is_none() {
        // Between two pods a table has none for a moment; its summary outlives that.
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

/// For whom records are asked: auditors and administrators see every address, players those of their own hands.
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
