//! A player's own statistics and hands.

use crate::{
    app::{App, read_json},
    auth::Caller,
};
use axum::{
    Extension, Json,
    body::Body,
    extract::{
        Path, Query, State,
        rejection::{PathRejection, QueryRejection},
    },
    response::{IntoResponse, Response},
};
use purr_engine::PlayerId;
use purr_protocol::Problem;
use purr_runtime::problem::Answer;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Which hands count.
#[derive(Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct StatisticsQuery {
    /// Small and big blind in minor units, for instance 50/100.
    stakes: Option<String>,
    /// Players dealt in, 2 to 10.
    seats: Option<u8>,
    /// btn, co, hj, lj, mp, ep3, ep2, ep1, sb or bb.
    position: Option<String>,
    /// First day (UTC), for instance 2026-11-01.
    from: Option<String>,
    /// Last day (UTC), itself included.
    to: Option<String>,
}

/// Which of the own hands are looked for.
#[derive(Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct HandSearch {
    /// `next` of the page before.
    before: Option<u64>,
    /// At most 200. One page looks through a bounded number of hands: it may have fewer hands, or none, though `next` says that
    /// there are more to look through.
    limit: Option<u64>,
    /// Two hole cards that everybody saw, in any order, for instance AsKd.
    cards: Option<String>,
    /// won or lost.
    result: Option<String>,
    /// Least of all pots together before rake, in minor units.
    pot_min: Option<u64>,
    /// Most of all pots together before rake, in minor units.
    pot_max: Option<u64>,
    /// Address of somebody who was dealt in, too.
    opponent: Option<String>,
    /// One of the caller's own tags.
    tag: Option<String>,
    /// First day (UTC) on which the hand ended, for instance 2026-11-01.
    from: Option<String>,
    /// Last day (UTC), itself included.
    to: Option<String>,
}

/// No parameters.
#[derive(Default, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct NoQuery {}

/// All tags that one of the own hands has from now on.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Tagging {
    table: String,
    hand: u64,
    /// At most 8, each of at most 32 characters without commas.
    tags: Vec<String>,
}

/// Accepts the caller only: `me`, or the caller's own address.
fn own(path: Result<Path<String>, PathRejection>, caller: &Caller) -> Result<PlayerId, Answer> {
    let Path(named) = path.map_err(|_| not_own())?;
    let is_own = named == "me" || named.parse::<PlayerId>().is_ok_and(|player| player == caller.player);
    if is_own { Ok(caller.player) } else { Err(not_own()) }
}

fn not_own() -> Answer {
    Problem::new(403, "not-own-statistics", "Only a player's own statistics and hands are shown").into()
}

async fn ask<Q: Serialize>(
    app: &App,
    player: PlayerId,
    what: &str,
    query: Result<Query<Q>, QueryRejection>,
) -> Result<Json<Value>, Response> {
    let Query(query) = query.map_err(|error| {
        let problem = Problem::new(400, "query", "The query is not as expected").detail(error.body_text());
        Answer::from(problem).into_response()
    })?;
    let fields = serde_json::to_value(query).unwrap_or_default();
    let pairs: Vec<String> = fields
        .as_object()
        .into_iter()
        .flatten()
        .filter_map(|(name, value)| match value {
            Value::String(text) => Some(format!("{name}={}", escaped(text))),
            Value::Number(number) => Some(format!("{name}={number}")),
            _ => None,
        })
        .collect();
    let asked = app.records.get(&format!("/v1/players/{player}/{what}?{}", pairs.join("&"))).await;
    asked.map(Json).map_err(IntoResponse::into_response)
}

/// Percent-encodes a value, so that it cannot end the parameter or begin another (RFC 3986, section 2.3).
fn escaped(text: &str) -> String {
    let keep = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~');
    text.bytes()
        .map(|byte| if keep(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}

pub async fn statistics(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    path: Result<Path<String>, PathRejection>,
    query: Result<Query<StatisticsQuery>, QueryRejection>,
) -> Result<Json<Value>, Response> {
    ask(&app, own(path, &caller).map_err(IntoResponse::into_response)?, "statistics", query).await
}

pub async fn graph(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    path: Result<Path<String>, PathRejection>,
    query: Result<Query<StatisticsQuery>, QueryRejection>,
) -> Result<Json<Value>, Response> {
    ask(&app, own(path, &caller).map_err(IntoResponse::into_response)?, "graph", query).await
}

pub async fn hands(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    path: Result<Path<String>, PathRejection>,
    query: Result<Query<HandSearch>, QueryRejection>,
) -> Result<Json<Value>, Response> {
    ask(&app, own(path, &caller).map_err(IntoResponse::into_response)?, "search", query).await
}

pub async fn sessions(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    path: Result<Path<String>, PathRejection>,
    query: Result<Query<NoQuery>, QueryRejection>,
) -> Result<Json<Value>, Response> {
    ask(&app, own(path, &caller).map_err(IntoResponse::into_response)?, "sessions", query).await
}

pub async fn tag(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    path: Result<Path<String>, PathRejection>,
    body: Body,
) -> Result<Json<Value>, Response> {
    let player = own(path, &caller).map_err(IntoResponse::into_response)?;
    let tagging: Tagging = read_json(body).await.map_err(IntoResponse::into_response)?;
    let asked = app.records.post(&format!("/v1/players/{player}/tags"), &tagging).await;
    asked.map(Json).map_err(IntoResponse::into_response)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_cannot_become_another_parameter() {
        assert_eq!(escaped("5/10&seats=6#ä"), "5%2F10%26seats%3D6%23%C3%A4");
    }
}
