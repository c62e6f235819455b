//! Tables, their hands, and the way to them.

use crate::{
    app::{App, retry_after},
    metrics::Upstream,
    relay::Refused,
    routing::Known,
};
use axum::{
    Json,
    body::Body,
    extract::{
        Path, Query, State,
        rejection::{PathRejection, QueryRejection},
    },
    http::{HeaderName, Request, header},
    response::{IntoResponse, Response},
};
use purr_protocol::{
    Codec, Problem,
    settlement::{TableState, TableStatus},
    summary::Summary,
};
use purr_runtime::{problem::Answer, ws::Upgrade};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

const TABLES_DEFAULT: usize = 50;
const LIST_MAX: usize = 200;
const HANDS_DEFAULT: usize = 20;
const STATUSES_MAX: usize = 20_000;

/// What the signer said of tables that are open: that does not change any more.
#[derive(Default)]
pub struct Statuses(Mutex<HashMap<String, TableStatus>>);

impl Statuses {
    async fn get(&self, app: &App, uid: &str) -> Result<TableStatus, Answer> {
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

#[derive(Serialize)]
pub struct Listed {
    #[serde(flatten)]
    summary: Summary,
    ready: bool,
}

#[derive(Serialize)]
pub struct Tables {
    tables: Vec<Listed>,
    /// For `after`, where there are more.
    next: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct OneTable {
    #[serde(flatten)]
    listed: Listed,
    table_id: String,
    state: TableState,
}

#[derive(Deserialize)]
pub struct Page {
    after: Option<String>,
    limit: Option<usize>,
}

#[derive(Deserialize)]
pub struct HandsPage {
    before: Option<u64>,
    limit: Option<usize>,
}

#[derive(Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Format {
    #[default]
    Json,
    Phh,
}

#[derive(Deserialize)]
pub struct HandQuery {
    #[serde(default)]
    format: Format,
}

fn no_table() -> Answer {
    Problem::new(404, "table", "There is no such table").into()
}

/// A UID goes into paths of other servers and names of certificates: nothing else may pass.
fn uid(path: Result<Path<String>, PathRejection>) -> Result<String, Answer> {
    let Path(uid) = path.map_err(|_| no_table())?;
    if is_uid(&uid) { Ok(uid) } else { Err(no_table()) }
}

fn is_uid(text: &str) -> bool {
    (1..=63).contains(&text.len())
        && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f' | b'-'))
        && !text.starts_with('-')
        && !text.ends_with('-')
}

fn query<T>(query: Result<Query<T>, QueryRejection>) -> Result<T, Answer> {
    query.map(|Query(query)| query).map_err(|error| {
        Problem::new(400, "query", "The query is not as expected").detail(error.body_text()).into()
    })
}

fn listed(known: Known, summary: Option<Summary>) -> Listed {
    let summary = summary.unwrap_or(Summary { uid: known.uid, name: known.name, ..Summary::default() });
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
) -> Result<Json<Tables>, Answer> {
    let Page { after, limit } = query(page)?;
    let limit = limit.unwrap_or(TABLES_DEFAULT).clamp(1, LIST_MAX);
    let mut known = app.routes.read(|table| table.list(after.as_deref(), limit + 1));
    let more = known.len() > limit;
    known.truncate(limit);
    let uids: Vec<String> = known.iter().map(|known| known.uid.clone()).collect();
    let summaries = summaries(&app, &uids).await;
    let next = more.then(|| uids.last().cloned()).flatten();
    let tables = known.into_iter().zip(summaries).map(|(known, summary)| listed(known, summary)).collect();
    Ok(Json(Tables { tables, next }))
}

pub async fn table(
    State(app): State<App>,
    path: Result<Path<String>, PathRejection>,
) -> Result<Json<OneTable>, Answer> {
    let uid = uid(path)?;
    let known = app.routes.read(|table| table.known(&uid));
    let summary = summaries(&app, std::slice::from_ref(&uid)).await.pop().flatten();
    let known = match (known, &summary) {
        (Some(known), _) => known,
        // Its pod is being replaced.
        (None, Some(summary)) => Known { uid: uid.clone(), name: summary.name.clone(), ready: false },
        (None, None) => return Err(no_table()),
    };
    let status = app.tables.get(&app, &uid).await?;
    Ok(Json(OneTable { listed: listed(known, summary), table_id: status.table_id, state: status.state }))
}

pub async fn socket(
    State(app): State<App>,
    path: Result<Path<String>, PathRejection>,
    mut request: Request<Body>,
) -> Result<Response, Response> {
    let uid = uid(path).map_err(IntoResponse::into_response)?;
    if app.routes.read(|table| table.known(&uid)).is_none() {
        // Between two pods a table has none for a moment; its summary outlives that.
        if summaries(&app, std::slice::from_ref(&uid)).await.iter().all(Option::is_none) {
            return Err(no_table().into_response());
        }
    }
    let upgrade =
        Upgrade::from_request(&mut request).map_err(|problem| Answer::from(problem).into_response())?;
    let codec = upgrade.subprotocols.iter().find_map(|name| Codec::from_subprotocol(name));
    let codec = codec.ok_or_else(|| {
        Answer::from(Problem::new(400, "subprotocol", "Ask for purr.v1.proto or purr.v1.json"))
            .into_response()
    })?;
    let relay = app.relays.open(uid, codec).map_err(|refused| match refused {
        Refused::Full => retry_after(Problem::new(503, "full", "Too many players at the moment").into(), 2),
        Refused::Stopping => retry_after(Problem::new(503, "stopping", "This gateway stops").into(), 1),
    })?;
    Ok(upgrade.accept(codec.subprotocol(), move |socket| relay.serve(socket)))
}

pub async fn hands(
    State(app): State<App>,
    path: Result<Path<String>, PathRejection>,
    page: Result<Query<HandsPage>, QueryRejection>,
) -> Result<Json<Value>, Answer> {
    let uid = uid(path)?;
    let HandsPage { before, limit } = query(page)?;
    let limit = limit.unwrap_or(HANDS_DEFAULT).clamp(1, LIST_MAX);
    let before = before.map(|before| format!("&before={before}")).unwrap_or_default();
    app.records.get(&format!("/v1/tables/{uid}/hands?limit={limit}{before}")).await.map(Json)
}

/// A hand's record with the deck that is encrypted to the auditor.
pub async fn hand_audit(
    State(app): State<App>,
    path: Result<Path<(String, u64)>, PathRejection>,
) -> Result<Json<Value>, Answer> {
    let no_hand = || Answer::from(Problem::new(404, "hand", "There is no such hand"));
    let Path((uid, hand)) = path.map_err(|_| no_hand())?;
    if !is_uid(&uid) {
        return Err(no_hand());
    }
    app.records.get(&format!("/v1/tables/{uid}/hands/{hand}/audit")).await.map(Json)
}

pub async fn hand(
    State(app): State<App>,
    path: Result<Path<(String, u64)>, PathRejection>,
    format: Result<Query<HandQuery>, QueryRejection>,
) -> Result<([(HeaderName, &'static str); 1], Vec<u8>), Answer> {
    let no_hand = || Answer::from(Problem::new(404, "hand", "There is no such hand"));
    let Path((uid, hand)) = path.map_err(|_| no_hand())?;
    if !is_uid(&uid) {
        return Err(no_hand());
    }
    let (format, content_type) = match query(format)?.format {
        Format::Json => ("json", "application/json"),
        Format::Phh => ("phh", "application/toml"),
    };
    let body = app.records.get_bytes(&format!("/v1/tables/{uid}/hands/{hand}?format={format}")).await?;
    Ok(([(header::CONTENT_TYPE, content_type)], body.to_vec()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_looks_like_a_uid_passes() {
        assert!(is_uid("0a0b0c0d-0000-4000-8000-000000000000"));
        for text in ["", "..", "a/b", "a%2fb", "A", "g", "-a", "a-", "a.b", "a?b", "ä", &"a".repeat(64)] {
            assert!(!is_uid(text), "{text}");
        }
    }
}
