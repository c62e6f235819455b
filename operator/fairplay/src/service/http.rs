//! The internal API, for gateways alone. The gateway has checked who asks and with which role; `by` names the person.
//!
//! # Guarantees
//! Only `…/evidence/{n}` gives hidden cards, and only after the opening is in the log. A reviewer does not see the others'
//! opinions of the running round before giving their own.

use super::{
    cases::{PAGE_MAX, STATES, StepError},
    database::{Database, DatabaseError, now_ms, undb},
    metrics::Metrics,
    openings::{Opening, Openings, reason_of_case},
    options::Keys,
    refunding::{RefundView, RefundingError, VaultNow, refund_hand},
};
use crate::{
    cases::{Action, Case, CaseError, Opinion, Reviewer, State as CaseState, TEXT_BYTES_MAX},
    explain::{Explained, explain},
    record::{ended_hand, open},
    replay::{Replay, replay},
    report::{Report, month},
    sanctions::apart,
    signal::Scored,
};
use axum::{
    Extension, Json, Router,
    body::Bytes,
    extract::{DefaultBodyLimit, Path, Query, Request, State, rejection::QueryRejection},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use purr_engine::PlayerId;
use purr_fairplay_hands::HandKey;
use purr_protocol::{
    Problem, fairplay_feed::FedHand, hold::ActionNumber, record::HandRecord, settlement::ChainConfig,
};
use purr_runtime::{ClientError, InternalClient, Peer, Role, problem::Answer};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::{collections::BTreeSet, sync::Arc, time::Duration};

/// Two texts of reasons, and 500 hands of a refund.
const BODY_MAX: usize = 128 * 1024;
const WAIT: Duration = Duration::from_secs(10);
/// Longest name of a reviewer, in bytes.
const BY_MAX: usize = 100;

#[derive(Clone)]
pub struct App {
    pub database: Database,
    pub records: Arc<InternalClient>,
    pub signer: Arc<InternalClient>,
    pub keys: Arc<Keys>,
    pub metrics: Metrics,
}

pub fn routes(app: App) -> Router {
    Router::new()
        .route("/v1/cases", get(cases))
        .route("/v1/cases/{id}", get(case))
        .route("/v1/cases/{id}/evidence/{n}", post(evidence))
        .route("/v1/cases/{id}/opinions", post(opinion))
        .route("/v1/cases/{id}/appeals", post(appeal))
        .route("/v1/cases/{id}/refunds", get(refunds).post(order_refund))
        .route("/v1/keep-apart", get(keep_apart))
        .route("/v1/openings", get(openings))
        .route("/v1/report", get(report))
        .fallback(async || Answer::from(Problem::new(404, "not-found", "There is no such resource")))
        .layer(middleware::from_fn(only_gateways))
        .layer(DefaultBodyLimit::max(BODY_MAX))
        .with_state(app)
}

async fn only_gateways(Extension(peer): Extension<Peer>, request: Request, next: Next) -> Response {
    if peer.role == Some(Role::Gateway) {
        return next.run(request).await;
    }
    Answer::from(Problem::new(403, "role", "This caller may not do that")).into_response()
}

fn bad(detail: impl Into<String>) -> Answer {
    Problem::new(400, "bad-request", "The request is malformed").detail(detail).into()
}

fn no_case(id: i64) -> Answer {
    Problem::new(404, "no-such-case", "There is no such case").detail(format!("case {id}")).into()
}

impl From<DatabaseError> for Answer {
    fn from(error: DatabaseError) -> Self {
        tracing::error!(%error, "a request failed");
        match error {
            DatabaseError::Corrupt { .. } | DatabaseError::Chain(_) => {
                Problem::new(500, "corrupt", "What is stored cannot be read").into()
            }
            _ => Problem::new(503, "unavailable", "Cases are not available now").into(),
        }
    }
}

impl From<StepError> for Answer {
    fn from(error: StepError) -> Self {
        match error {
            StepError::Database(error) => error.into(),
            StepError::NoCase(id) => no_case(id),
            StepError::Refused(error) => refused(&error),
        }
    }
}

fn refused(error: &CaseError) -> Answer {
    let (status, kind, title) = match error {
        CaseError::NoReasons | CaseError::NoInnocentExplanation | CaseError::TooLong { .. } => {
            (422, "opinion", "The opinion cannot be taken")
        }
        CaseError::NotAMember(_) => (404, "no-such-case", "There is no such case"),
        CaseError::SameReviewer(_) | CaseError::DecidedBefore(_) => {
            (409, "reviewer", "Another reviewer has to decide")
        }
        _ => (409, "state", "The case is not in a state for that"),
    };
    // Callers who are not members learn nothing about the case.
    let problem = Problem::new(status, kind, title);
    if status == 404 { problem.into() } else { problem.detail(error.to_string()).into() }
}

impl From<RefundingError> for Answer {
    fn from(error: RefundingError) -> Self {
        match error {
            RefundingError::Step(error) => error.into(),
            RefundingError::NotDecided(_) | RefundingError::Refunded(_) => {
                Problem::new(409, "refund", "This cannot be refunded").detail(error.to_string()).into()
            }
            error => Problem::new(422, "refund", "This cannot be refunded").detail(error.to_string()).into(),
        }
    }
}

/// Maps a failure of records or of the signer to an answer.
fn upstream(error: &ClientError) -> Answer {
    match error.problem().filter(|problem| matches!(problem.status, 400 | 404 | 410)) {
        Some(problem) => problem.clone().into(),
        None => {
            tracing::warn!(%error, "call");
            Problem::new(503, "unavailable", "Records or the signer does not answer now").into()
        }
    }
}

fn parse<T: DeserializeOwned>(body: &Bytes) -> Result<T, Answer> {
    serde_json::from_slice(body).map_err(|error| bad(error.to_string()))
}

fn query<T>(query: Result<Query<T>, QueryRejection>) -> Result<T, Answer> {
    query.map(|Query(query)| query).map_err(|error| bad(error.body_text()))
}

fn named(by: &str) -> Result<&str, Answer> {
    let fits = (1..=BY_MAX).contains(&by.len()) && by.chars().all(|c| c.is_ascii_graphic());
    if fits && by != super::openings::DETECTORS {
        Ok(by)
    } else {
        Err(bad("by is 1 to 100 visible characters"))
    }
}

#[derive(Deserialize)]
struct CasesQuery {
    state: Option<String>,
    before: Option<i64>,
    limit: Option<i64>,
}

/// A line of the queue.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Line {
    id: i64,
    members: BTreeSet<PlayerId>,
    state: CaseState,
    strongest: Option<Scored>,
    signals: usize,
    /// Opinions of the running round.
    opinions: usize,
    opened_at: u64,
    updated_at: u64,
}

#[derive(Serialize)]
struct Lines {
    cases: Vec<Line>,
    next: Option<i64>,
}

async fn cases(
    State(app): State<App>,
    asked: Result<Query<CasesQuery>, QueryRejection>,
) -> Result<Json<Lines>, Answer> {
    let CasesQuery { state, before, limit } = query(asked)?;
    let state = match state.as_deref() {
        None => None,
        Some(state) if STATES.contains(&state) => Some(state),
        Some(_) => return Err(bad(format!("state is one of {}", STATES.join(", ")))),
    };
    let limit = limit.unwrap_or(PAGE_MAX);
    if !(1..=PAGE_MAX).contains(&limit) {
        return Err(bad(format!("limit is 1 to {PAGE_MAX}")));
    }
    let mut found = app.database.cases(state, before.unwrap_or(i64::MAX), limit + 1).await?;
    let more = found.len() as u64 > limit.unsigned_abs();
    found.truncate(usize::try_from(limit).unwrap_or(0));
    let next = found.last().filter(|_| more).map(|(id, _)| *id);
    let line = |(id, case): (i64, Case)| Line {
        id,
        strongest: case.signals.first().cloned(),
        signals: case.signals.len(),
        opinions: case.opinions.len(),
        members: case.members,
        state: case.state,
        opened_at: case.opened_at,
        updated_at: case.updated_at,
    };
    Ok(Json(Lines { cases: found.into_iter().map(line).collect(), next }))
}

#[derive(Deserialize)]
struct Viewer {
    by: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct CaseView {
    id: i64,
    case: Case,
    /// Number of opinions in the running round, including those hidden from this reader.
    opinions_given: usize,
    explained: Vec<Explained>,
    /// Hands of the evidence, each once, in the order of their signals.
    evidence: Vec<HandKey>,
    /// Hands that people have opened for this case.
    opened: i64,
    events: Vec<EventView>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct EventView {
    seq: i32,
    kind: &'static str,
    /// Empty if hidden from this reader.
    actor: String,
    at_ms: i64,
}

fn evidence_of(case: &Case) -> Vec<HandKey> {
    let mut seen = BTreeSet::new();
    let hands = case.signals.iter().flat_map(|signal| &signal.evidence);
    hands.filter(|key| seen.insert((*key).clone())).cloned().collect()
}

fn view(id: i64, mut case: Case, by: &str, opened: i64, events: Vec<super::cases::Happened>) -> CaseView {
    let opinions_given = case.opinions.len();
    let is_running = matches!(case.state, CaseState::Open | CaseState::Dissent | CaseState::Appealed { .. });
    let has_spoken = case.opinions.iter().any(|opinion| opinion.reviewer.0 == by);
    let hidden = is_running && !has_spoken;
    let round: BTreeSet<String> = case.opinions.iter().map(|opinion| opinion.reviewer.0.clone()).collect();
    if hidden {
        case.opinions.clear();
    }
    let event = |happened: super::cases::Happened| {
        let kind = match happened.body.split('"').nth(1) {
            Some("signal") => "signal",
            Some("opinion") => "opinion",
            Some("appeal") => "appeal",
            _ => "other",
        };
        let kept = hidden && kind == "opinion" && round.contains(&happened.actor);
        let actor = if kept { String::new() } else { happened.actor };
        EventView { seq: happened.seq, kind, actor, at_ms: happened.at_ms }
    };
    CaseView {
        id,
        opinions_given,
        explained: case.signals.iter().map(explain).collect(),
        evidence: evidence_of(&case),
        opened,
        events: events.into_iter().map(event).collect(),
        case,
    }
}

async fn shown(app: &App, id: i64, by: &str) -> Result<Json<CaseView>, Answer> {
    let case = app.database.case(id).await?.ok_or_else(|| no_case(id))?;
    let opened = app.database.openings_of_case(id).await?;
    Ok(Json(view(id, case, by, opened, app.database.events(id).await?)))
}

async fn case(
    State(app): State<App>,
    Path(id): Path<i64>,
    asked: Result<Query<Viewer>, QueryRejection>,
) -> Result<Json<CaseView>, Answer> {
    let Viewer { by } = query(asked)?;
    shown(&app, id, named(&by)?).await
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Evidence {
    replay: Replay,
    /// Whether the fair-play part was opened.
    has_cards: bool,
    /// Hands that people have opened for this case, this one included.
    opened: i64,
}

fn key_path(key: &HandKey) -> String {
    format!("/v1/fairplay/tables/{}/hands/{}", key.table, key.hand)
}

async fn evidence(
    State(app): State<App>,
    Path((id, n)): Path<(i64, usize)>,
    body: Bytes,
) -> Result<Json<Evidence>, Answer> {
    let Viewer { by } = parse(&body)?;
    let by = named(&by)?;
    let case = app.database.case(id).await?.ok_or_else(|| no_case(id))?;
    let keys = evidence_of(&case);
    let key = keys.get(n).ok_or_else(|| {
        let detail = format!("the evidence has {} hands", keys.len());
        Answer::from(
            Problem::new(404, "no-such-hand", "There is no such hand in the evidence").detail(detail),
        )
    })?;
    let fed: FedHand = app.records.get(&key_path(key), WAIT).await.map_err(|error| upstream(&error))?;
    let gone = || Answer::from(Problem::new(410, "expired", "The record of this hand is no longer kept"));
    let text = fed.record.as_ref().ok_or_else(gone)?;
    let unreadable = || Answer::from(Problem::new(500, "corrupt", "The record cannot be read"));
    let record: HandRecord = serde_json::from_str(text).map_err(|_| unreadable())?;
    let hash = HandRecord::hash(text.as_bytes());
    let secret = record.fair_play.as_ref().and_then(|part| app.keys.get(&part.key));
    let hidden = match secret {
        None => None,
        Some(secret) => {
            let opening = Opening { table: key.table.clone(), hand: fed.hand, record: hash };
            app.database.log_openings(by, &reason_of_case(id), &[opening], now_ms()).await?;
            app.metrics.openings.with_label_values(&["reviewers"]).inc();
            open(&record, secret).map_err(|_| unreadable())?
        }
    };
    let hand = ended_hand(&record, hidden.as_ref(), undb(fed.ended_at_ms)).map_err(|error| {
        tracing::error!(%error, table = key.table, hand = key.hand, "evidence");
        unreadable()
    })?;
    let replayed = tokio::task::spawn_blocking(move || replay(&hand)).await.map_err(|_| unreadable())?;
    let opened = app.database.openings_of_case(id).await?;
    Ok(Json(Evidence { replay: replayed, has_cards: hidden.is_some(), opened }))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct NewOpinion {
    by: String,
    action: Action,
    reasons: String,
    #[serde(default)]
    innocent_explanation: String,
}

async fn opinion(State(app): State<App>, Path(id): Path<i64>, body: Bytes) -> Result<Json<CaseView>, Answer> {
    let NewOpinion { by, action, reasons, innocent_explanation } = parse(&body)?;
    let (by, now) = (named(&by)?.to_owned(), now_ms());
    let reviewer = Reviewer(by.clone());
    // A reviewer who is a member would decide about themselves.
    let case = app.database.case(id).await?.ok_or_else(|| no_case(id))?;
    if by.parse().is_ok_and(|member: PlayerId| case.members.contains(&member)) {
        return Err(Problem::new(409, "reviewer", "A member of the case cannot review it").into());
    }
    let opinion = Opinion { reviewer, action, reasons, innocent_explanation, at: now };
    app.database.opinion(id, opinion, now).await?;
    tracing::info!(case = id, by, ?action, "an opinion");
    shown(&app, id, &by).await
}

#[derive(Deserialize)]
struct NewAppeal {
    by: PlayerId,
    text: String,
}

#[derive(Serialize)]
struct Appealed {
    id: i64,
    state: CaseState,
}

async fn appeal(State(app): State<App>, Path(id): Path<i64>, body: Bytes) -> Result<Json<Appealed>, Answer> {
    let NewAppeal { by, text } = parse(&body)?;
    if text.trim().is_empty() || text.len() > TEXT_BYTES_MAX {
        return Err(bad(format!("text is 1 to {TEXT_BYTES_MAX} bytes")));
    }
    // Callers who are not members do not learn the case's state.
    let case = app.database.case(id).await?.filter(|case| case.members.contains(&by));
    case.ok_or_else(|| no_case(id))?;
    let case = app.database.appeal(id, by, text, now_ms()).await?;
    Ok(Json(Appealed { id, state: case.state }))
}

async fn vault(app: &App) -> Result<VaultNow, Answer> {
    let config: ChainConfig = app.signer.get("/v1/config", WAIT).await.map_err(|error| upstream(&error))?;
    let ActionNumber { number } =
        app.signer.get("/v1/action-number", WAIT).await.map_err(|error| upstream(&error))?;
    Ok(VaultNow { address: config.vault, number })
}

#[derive(Serialize)]
struct RefundViews {
    refunds: Vec<RefundView>,
}

async fn refunds(State(app): State<App>, Path(id): Path<i64>) -> Result<Json<RefundViews>, Answer> {
    let vault = vault(&app).await?;
    Ok(Json(RefundViews { refunds: app.database.refunds_of(id, &vault).await? }))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct NewRefund {
    by: String,
    hands: Vec<HandKey>,
    #[serde(default)]
    with_rake: bool,
}

async fn order_refund(
    State(app): State<App>,
    Path(id): Path<i64>,
    body: Bytes,
) -> Result<Json<RefundViews>, Answer> {
    let NewRefund { by, hands, with_rake } = parse(&body)?;
    let by = named(&by)?;
    let vault = vault(&app).await?;
    if hands.is_empty() || hands.len() > super::refunding::HANDS_MAX {
        return Err(RefundingError::Hands(hands.len()).into());
    }
    let mut read = Vec::with_capacity(hands.len());
    for key in &hands {
        let fed: FedHand = app.records.get(&key_path(key), WAIT).await.map_err(|error| upstream(&error))?;
        read.push(refund_hand(key, &fed)?);
    }
    let refund = app.database.order_refund(id, by, read, with_rake, now_ms()).await?;
    tracing::warn!(case = id, refund, by, "a refund is ordered");
    Ok(Json(RefundViews { refunds: app.database.refunds_of(id, &vault).await? }))
}

#[derive(Serialize)]
struct Apart {
    pairs: BTreeSet<[PlayerId; 2]>,
}

async fn keep_apart(State(app): State<App>) -> Result<Json<Apart>, Answer> {
    let cases = app.database.decided().await?;
    Ok(Json(Apart { pairs: apart(cases.values()) }))
}

#[derive(Deserialize)]
struct OpeningsQuery {
    #[serde(default)]
    after: i64,
    limit: Option<i64>,
    /// Only what people have opened.
    #[serde(default)]
    people: bool,
}

async fn openings(
    State(app): State<App>,
    asked: Result<Query<OpeningsQuery>, QueryRejection>,
) -> Result<Json<Openings>, Answer> {
    let OpeningsQuery { after, limit, people } = query(asked)?;
    Ok(Json(app.database.openings(after, limit.unwrap_or(200), people).await?))
}

#[derive(Deserialize)]
struct ReportQuery {
    month: String,
}

async fn report(
    State(app): State<App>,
    asked: Result<Query<ReportQuery>, QueryRejection>,
) -> Result<Json<Report>, Answer> {
    let ReportQuery { month: text } = query(asked)?;
    let (from, to) = month(&text).map_err(|error| bad(error.to_string()))?;
    let mut report = app.database.report(&text, from, to).await?;
    let hands = super::hands_between(&app.records, from, to).await.map_err(|error| upstream(&error))?;
    report.hands = Some(hands);
    Ok(Json(report))
}
