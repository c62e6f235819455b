//! The floor, for staff: every table with its players, pace, pauses and unusual figures, without hidden cards. And
//! staff's one order to a table: pause and resume.

mod board;
mod view;

pub use board::{FloorBoard, FloorTable};

use super::lobby::uid;
use crate::{
    app::{App, read_json},
    auth::Caller,
    client_address::ClientAddress,
    guard::bearer_text,
    limits::address_key,
    retry_after::RetryAfter,
    upstream::Failed,
};
use axum::{
    Extension, Json,
    body::Body,
    extract::{
        Path, Query, State,
        rejection::{PathRejection, QueryRejection},
    },
    http::HeaderMap,
    response::{
        IntoResponse, Response,
        sse::{Event, KeepAlive, Sse},
    },
};
use futures::stream::{self, Stream};
use purr_protocol::{
    Problem,
    floor::{ActKind, Acts, NewAct, REASON_MAX, RecordedAct, StaffPause, StaffPaused},
};
use purr_runtime::{ClientError, InternalClient, Role, assertion::NO_LANE, problem::Answer};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeMap,
    convert::Infallible,
    time::{Duration, SystemTime},
};
use tokio::time::{Instant, sleep};

/// Tables of one answer or stream.
const TABLES_MAX: usize = 500;
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// Time for a table to commit an order.
const ORDER_WAIT: Duration = Duration::from_secs(10);

/// Which tables one wants to see.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default)]
pub struct FloorQuery {
    /// Small and big blind in minor units, for instance 50/100.
    stakes: Option<String>,
    /// Part of a table's name or UID.
    name: Option<String>,
    /// Address of somebody who sits there.
    player: Option<String>,
    /// Only tables that deal no hands, with true.
    paused: Option<bool>,
    /// Only tables with something unusual, with true.
    unusual: Option<bool>,
}

impl FloorQuery {
    fn fits(&self, table: &FloorTable) -> bool {
        let summary = &table.listed.summary;
        let named = |text: &String| {
            let text = text.to_lowercase();
            summary.name.to_lowercase().contains(&text) || summary.uid.contains(&text)
        };
        let seated = |text: &String| {
            let seats = table.floor.iter().flat_map(|floor| &floor.seats);
            seats.into_iter().any(|seat| seat.player.to_string().eq_ignore_ascii_case(text))
        };
        let stakes = format!("{}/{}", summary.small_blind, summary.big_blind);
        self.stakes.as_ref().is_none_or(|wanted| *wanted == stakes)
            && self.name.as_ref().is_none_or(named)
            && self.player.as_ref().is_none_or(seated)
            && (self.paused != Some(true) || summary.paused.is_some())
            && (self.unusual != Some(true) || !table.unusual.is_empty())
    }
}

/// The floor as it is now; tables with something unusual first, then by UID, at most 500.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Floors {
    tables: Vec<FloorTable>,
    /// How many tables fit, shown or not.
    all: usize,
}

fn bad(error: &QueryRejection) -> Response {
    let problem = Problem::new(400, "query", "The query is not as expected").detail(error.body_text());
    Answer::from(problem).into_response()
}

fn shown(all: &[FloorTable], query: &FloorQuery) -> Floors {
    let mut tables: Vec<FloorTable> = all.iter().filter(|table| query.fits(table)).cloned().collect();
    let count = tables.len();
    tables.sort_by_key(|table| table.unusual.is_empty());
    tables.truncate(TABLES_MAX);
    Floors { tables, all: count }
}

pub async fn tables(
    State(app): State<App>,
    query: Result<Query<FloorQuery>, QueryRejection>,
) -> Result<Json<Floors>, Response> {
    let Query(query) = query.map_err(|error| bad(&error))?;
    Ok(Json(shown(&view::current(&app).await, &query)))
}

/// What is new on the floor since the event before; the first one has all of it.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FloorChanges {
    tables: Vec<FloorTable>,
    gone: Vec<String>,
    all: usize,
}

pub async fn events(
    State(app): State<App>,
    query: Result<Query<FloorQuery>, QueryRejection>,
    address: Option<Extension<ClientAddress>>,
    Extension(caller): Extension<Caller>,
) -> Result<Response, Response> {
    let Query(query) = query.map_err(|error| bad(&error))?;
    let address = address.map(|Extension(ClientAddress(ip))| address_key(ip)).unwrap_or_default();
    let entered = app.lobby_places.enter(app.front.lobby_streams, &address, Some(caller.player));
    let open = entered.map_err(|why| {
        let problem = Problem::new(429, "crowded", "No more streams").detail(why.to_string());
        (RetryAfter(app.front.lobby_every), Answer::from(problem)).into_response()
    })?;
    let end = open.end.clone();
    // The stream ends with the token, or with the sign-in.
    let until = Instant::now() + app.front.lobby_stream.min(left(&caller));
    let held: BTreeMap<String, FloorTable> = BTreeMap::new();
    let state = (app, query, held, true, open);
    let sid = caller.sid;
    let events = stream::unfold(state, move |(app, query, mut held, first, open)| {
        let (end, sid) = (end.clone(), sid.clone());
        async move {
            loop {
                if !first {
                    tokio::select! {
                        () = app.stop.cancelled() => return None,
                        () = end.cancelled() => return None,
                        () = sleep(app.front.lobby_every) => {}
                    }
                }
                if Instant::now() >= until || app.auth.revoked.contains(&sid) {
                    return None;
                }
                let Floors { tables, all } = shown(&view::current(&app).await, &query);
                let now: BTreeMap<String, FloorTable> =
                    tables.into_iter().map(|table| (table.listed.summary.uid.clone(), table)).collect();
                let fresh: Vec<FloorTable> = now
                    .iter()
                    .filter(|(uid, table)| held.get(*uid) != Some(table))
                    .map(|(_, t)| t.clone())
                    .collect();
                let gone: Vec<String> = held.keys().filter(|uid| !now.contains_key(*uid)).cloned().collect();
                held = now;
                if !first && fresh.is_empty() && gone.is_empty() {
                    continue;
                }
                let changes = FloorChanges { tables: fresh, gone, all };
                let Ok(event) = Event::default().event("tables").json_data(&changes) else { return None };
                return Some((Ok::<_, Infallible>(event), (app, query, held, false, open)));
            }
        }
    });
    let events: std::pin::Pin<Box<dyn Stream<Item = Result<Event, Infallible>> + Send>> = Box::pin(events);
    Ok(Sse::new(events).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)).into_response())
}

/// How long a caller's token is still valid.
fn left(caller: &Caller) -> Duration {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Duration::from_secs(caller.expires_s).saturating_sub(since)
}

/// Why a table is paused, or goes on.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct StaffReason {
    /// 1 to 200 bytes. Of a pause: players at the table read it.
    reason: String,
}

pub async fn pause(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    path: Result<Path<String>, PathRejection>,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<StaffPaused>, Response> {
    order(&app, &caller, ActKind::Pause, path, &headers, body).await
}

pub async fn resume(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    path: Result<Path<String>, PathRejection>,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<StaffPaused>, Response> {
    order(&app, &caller, ActKind::Resume, path, &headers, body).await
}

/// Carries out an order. It is logged before the table gets it, and its result after the table has committed it.
/// Without the log no order is sent.
async fn order(
    app: &App,
    caller: &Caller,
    act: ActKind,
    path: Result<Path<String>, PathRejection>,
    headers: &HeaderMap,
    body: Body,
) -> Result<Json<StaffPaused>, Response> {
    let uid = uid(path).map_err(IntoResponse::into_response)?;
    let StaffReason { reason } = read_json(body).await.map_err(IntoResponse::into_response)?;
    let reason = reason.trim().to_owned();
    if reason.is_empty() || reason.len() > REASON_MAX || reason.chars().any(char::is_control) {
        let problem = Problem::new(400, "reason", "The reason is not as expected")
            .detail(format!("1 to {REASON_MAX} bytes on one line"));
        return Err(Answer::from(problem).into_response());
    }
    let no_table = || Answer::from(Problem::new(404, "table", "There is no such table")).into_response();
    let target = app.routes.read(|table| table.target(&uid)).ok_or_else(no_table)?;
    let noted = NewAct { actor: caller.player, act, table: uid.clone(), reason: reason.clone(), order: None };
    let RecordedAct { id } =
        app.records.post("/v1/staff/acts", &noted).await.map_err(IntoResponse::into_response)?;
    let client =
        InternalClient::new(app.identity.clone(), target.address.to_string(), Role::Table(uid.clone()));
    let asked = ask_table(app, caller, &client, &uid, headers, act == ActKind::Pause, &reason).await;
    let (outcome, words) = match &asked {
        Ok(_) => (ActKind::Done, "committed by the table".to_owned()),
        Err(error) => (ActKind::Failed, error.to_string().chars().take(400).collect()),
    };
    tracing::warn!(by = %caller.player, table = uid, order = id, act = act.name(), outcome = outcome.name(), "staff");
    let ended = NewAct { act: outcome, reason: words, order: Some(id), ..noted };
    if let Err(Failed::Unavailable(..)) = app.records.post::<_, RecordedAct>("/v1/staff/acts", &ended).await {
        tracing::error!(order = id, "the end of an order is not in the log");
    }
    asked.map(Json).map_err(|error| match error.problem() {
        Some(problem) if problem.status < 500 => Answer::from(problem.clone()).into_response(),
        _ => {
            let problem = Problem::new(503, "unknown", "The table did not answer in time")
                .detail("it may have carried the order out: look at the floor");
            (RetryAfter(Duration::from_secs(1)), Answer::from(problem)).into_response()
        }
    })
}

/// Sends an order to the table with an assertion of who gives it. A table of the previous release does not know
/// assertions and refuses the order; then it gets the access token.
async fn ask_table(
    app: &App,
    caller: &Caller,
    client: &InternalClient,
    uid: &str,
    headers: &HeaderMap,
    pause: bool,
    reason: &str,
) -> Result<StaffPaused, ClientError> {
    let path = format!("/v1/tables/{uid}/pause");
    let order = |token| StaffPause { token, pause, reason: reason.to_owned() };
    let assertions = &app.auth.assertions;
    let roles = caller.roles.clone();
    let refused = match assertions.assert(uid, caller.player, NO_LANE, caller.expires_s, roles) {
        Ok(assertion) => match client.post(&path, &order(assertion), ORDER_WAIT).await {
            Err(ClientError::Problem(problem)) if problem.status == 403 && problem.code() == "role" => {
                ClientError::Problem(problem)
            }
            answer => return answer,
        },
        Err(error) => {
            tracing::debug!(%error, "an order without an assertion");
            let problem = Problem::new(503, "assertion", "The order cannot be signed for the table");
            ClientError::Problem(problem.detail(error.to_string()))
        }
    };
    if !assertions.access_tokens {
        return Err(refused);
    }
    let token = bearer_text(headers).unwrap_or_default().to_owned();
    client.post(&path, &order(token), ORDER_WAIT).await
}

/// Where a page of the log starts.
#[derive(Deserialize, JsonSchema)]
pub struct ActsPage {
    /// `next` of the page before.
    before: Option<i64>,
    /// At most 200.
    limit: Option<u32>,
}

pub async fn acts(
    State(app): State<App>,
    query: Result<Query<ActsPage>, QueryRejection>,
) -> Result<Json<Acts>, Response> {
    let Query(ActsPage { before, limit }) = query.map_err(|error| bad(&error))?;
    let (before, limit) = (before.unwrap_or(i64::MAX), limit.unwrap_or(50).clamp(1, 200));
    let asked = app.records.get(&format!("/v1/staff/acts?before={before}&limit={limit}")).await;
    asked.map(Json).map_err(IntoResponse::into_response)
}
