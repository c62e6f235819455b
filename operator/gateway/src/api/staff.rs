//! Routes for staff's programs.

use crate::app::App;
use axum::{
    Json,
    extract::{Query, State, rejection::QueryRejection},
    response::{IntoResponse, Response},
};
use purr_protocol::Problem;
use purr_runtime::problem::Answer;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;
use std::time::Duration;

const WAIT_MAX_MS: u64 = 20_000;

/// Where the stream is read on.
#[derive(Deserialize, JsonSchema)]
pub struct EventsAfter {
    /// `next` of the answer before; 0: from the oldest event that is kept.
    #[serde(default)]
    after: u64,
    /// 1 to 1000; by default 100.
    limit: Option<u32>,
    /// Milliseconds to wait for an event where there is none yet, at most 20000; by default 0.
    #[serde(default)]
    wait_ms: u64,
}

/// The room's events in the order of their positions. Each comes at least once, and its id tells repetitions.
pub async fn events(
    State(app): State<App>,
    query: Result<Query<EventsAfter>, QueryRejection>,
) -> Result<Json<Value>, Response> {
    let Query(EventsAfter { after, limit, wait_ms }) = query.map_err(|error| {
        let problem = Problem::new(400, "query", "The query is not as expected").detail(error.body_text());
        Answer::from(problem).into_response()
    })?;
    let wait_ms = wait_ms.min(WAIT_MAX_MS);
    let limit = limit.map(|limit| format!("&limit={limit}")).unwrap_or_default();
    let path = format!("/v1/events?after={after}&wait_ms={wait_ms}{limit}");
    let asked = app.records.get_within(&path, Duration::from_millis(wait_ms)).await;
    asked.map(Json).map_err(IntoResponse::into_response)
}
