//! Fair-play cases for staff: `support` reads them without hidden cards, `integrity` reviews. The fair-play program
//! stores them; the caller's name is added here, from the token.

use crate::{
    app::{App, read_json},
    auth::Caller,
    upstream::Server,
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
use purr_protocol::Problem;
use purr_runtime::problem::Answer;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::{Value, json};

/// Which cases, newest first.
#[derive(Deserialize, JsonSchema)]
pub struct CasesPage {
    /// open, dissent, decided, appealed or closed; none: all.
    state: Option<CaseState>,
    /// `next` of the page before.
    before: Option<u64>,
    /// At most 100.
    limit: Option<u32>,
}

#[derive(Clone, Copy, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum CaseState {
    Open,
    Dissent,
    Decided,
    Appealed,
    Closed,
}

/// What a reviewer can decide; each sanction also keeps the members apart. None of them stops an exit on chain.
#[derive(Clone, Copy, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum CaseAction {
    Clear,
    KeepApart,
    RefuseSeats,
    HoldVouchers,
}

/// A reviewer's opinion.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NewOpinion {
    action: CaseAction,
    /// 1 to 8192 bytes; kept for ever.
    reasons: String,
    /// Another explanation of the findings; required unless the action is clear.
    #[serde(default)]
    innocent_explanation: String,
}

/// A member's appeal against a decision.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NewAppeal {
    /// 1 to 8192 bytes.
    text: String,
}

/// Hands of a decided case that are refunded: 1 to 200.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NewRefund {
    hands: Vec<HandOfCase>,
    /// Whether each loser's share of the rake is refunded, too.
    #[serde(default)]
    with_rake: bool,
}

#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HandOfCase {
    /// The table's UID.
    table: String,
    hand: u64,
}

/// Where a page of the log of openings starts.
#[derive(Deserialize, JsonSchema)]
pub struct OpeningsPage {
    /// `next` of the page before.
    after: Option<u64>,
    /// At most 500.
    limit: Option<u32>,
    /// Only openings by people, not by the program.
    people: Option<bool>,
}

/// A month (UTC), YYYY-MM.
#[derive(Deserialize, JsonSchema)]
pub struct ReportMonth {
    month: String,
}

type Answered = Result<Json<Value>, Response>;

fn fair_play(app: &App) -> Result<&Server, Answer> {
    let missing = || Problem::new(404, "not-configured", "This house has no fair-play program").into();
    app.fairplay.as_ref().ok_or_else(missing)
}

fn response(refused: impl IntoResponse) -> Response {
    refused.into_response()
}

async fn ask(app: &App, path: &str) -> Answered {
    fair_play(app).map_err(response)?.get(path).await.map(Json).map_err(response)
}

async fn tell<T: Serialize>(app: &App, path: &str, by: &Caller, body: T) -> Answered {
    let mut body = serde_json::to_value(body).unwrap_or_default();
    if let Some(fields) = body.as_object_mut() {
        fields.insert("by".into(), json!(by.player));
    }
    fair_play(app).map_err(response)?.post(path, &body).await.map(Json).map_err(response)
}

fn in_path<T>(path: Result<Path<T>, PathRejection>) -> Result<T, Answer> {
    path.map(|Path(path)| path).map_err(|error| {
        Problem::new(400, "path", "The path is not as expected").detail(error.body_text()).into()
    })
}

fn in_query<T>(query: Result<Query<T>, QueryRejection>) -> Result<T, Answer> {
    query.map(|Query(query)| query).map_err(|error| {
        Problem::new(400, "query", "The query is not as expected").detail(error.body_text()).into()
    })
}

async fn body<T: DeserializeOwned>(body: Body) -> Result<T, Response> {
    read_json(body).await.map_err(response)
}

pub async fn cases(State(app): State<App>, query: Result<Query<CasesPage>, QueryRejection>) -> Answered {
    let CasesPage { state, before, limit } = in_query(query).map_err(response)?;
    let state =
        state.and_then(|state| Some(format!("&state={}", serde_json::to_value(state).ok()?.as_str()?)));
    let before = before.map(|before| format!("&before={before}")).unwrap_or_default();
    let limit = limit.unwrap_or(100).clamp(1, 100);
    ask(&app, &format!("/v1/cases?limit={limit}{}{before}", state.unwrap_or_default())).await
}

pub async fn case(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    path: Result<Path<u64>, PathRejection>,
) -> Answered {
    ask(&app, &format!("/v1/cases/{}?by={}", in_path(path).map_err(response)?, caller.player)).await
}

/// Hidden cards of one hand of the evidence. The opening is logged before the answer is sent.
pub async fn evidence(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    path: Result<Path<(u64, u32)>, PathRejection>,
) -> Answered {
    let (id, n) = in_path(path).map_err(response)?;
    tell(&app, &format!("/v1/cases/{id}/evidence/{n}"), &caller, json!({})).await
}

pub async fn opinion(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    path: Result<Path<u64>, PathRejection>,
    opinion: Body,
) -> Answered {
    let id = in_path(path).map_err(response)?;
    tell(&app, &format!("/v1/cases/{id}/opinions"), &caller, body::<NewOpinion>(opinion).await?).await
}

pub async fn appeal(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    path: Result<Path<u64>, PathRejection>,
    appeal: Body,
) -> Answered {
    let id = in_path(path).map_err(response)?;
    tell(&app, &format!("/v1/cases/{id}/appeals"), &caller, body::<NewAppeal>(appeal).await?).await
}

pub async fn refunds(State(app): State<App>, path: Result<Path<u64>, PathRejection>) -> Answered {
    ask(&app, &format!("/v1/cases/{}/refunds", in_path(path).map_err(response)?)).await
}

pub async fn order_refund(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    path: Result<Path<u64>, PathRejection>,
    refund: Body,
) -> Answered {
    let id = in_path(path).map_err(response)?;
    tell(&app, &format!("/v1/cases/{id}/refunds"), &caller, body::<NewRefund>(refund).await?).await
}

pub async fn openings(
    State(app): State<App>,
    query: Result<Query<OpeningsPage>, QueryRejection>,
) -> Answered {
    let OpeningsPage { after, limit, people } = in_query(query).map_err(response)?;
    let (after, limit) = (after.unwrap_or(0), limit.unwrap_or(200).clamp(1, 500));
    ask(&app, &format!("/v1/openings?after={after}&limit={limit}&people={}", people.unwrap_or(false))).await
}

pub async fn report(State(app): State<App>, query: Result<Query<ReportMonth>, QueryRejection>) -> Answered {
    let ReportMonth { month } = in_query(query).map_err(response)?;
    if month.len() != 7 || !month.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-') {
        let problem = Problem::new(400, "query", "The query is not as expected").detail("month is YYYY-MM");
        return Err(Answer::from(problem).into_response());
    }
    ask(&app, &format!("/v1/report?month={month}")).await
}
