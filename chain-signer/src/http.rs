//! The internal API: who may call what, and what an error looks like.

use crate::{
    journal::{BadDenial, JournalError},
    reconcile,
    service::{Service, ServiceError, Voucher, Withdrawal},
};
use axum::{
    Extension, Json, Router,
    body::Bytes,
    extract::{DefaultBodyLimit, Path, Query, State},
    routing::{get, post},
};
use purr_books::ledger::LedgerError;
use purr_engine::PlayerId;
use purr_protocol::{
    Problem,
    denial::{DenialTrail, Denials, DeniedWallets, Deny, Lift, PAGE_MAX},
    feed::Feed,
    settlement::{
        Accepted, Balance, ChainConfig, Entries, Fence, Fenced, HandReceipt, Notices, OpenTable,
        Reconciliation, Reservation, Reserve, SignedSubmit, TableStatus,
    },
};
use purr_runtime::{CancellationToken, Peer, Role, problem::Answer};
use serde::{Deserialize, de::DeserializeOwned};
use std::{sync::Arc, time::Duration};

/// Thirty-two entries with their opaque parts are far smaller.
const BODY_MAX: usize = 1024 * 1024;
/// Entries in one request.
const ENTRIES_MAX: usize = 256;
const WAIT_MAX_MS: u64 = 30_000;

#[derive(Clone)]
pub(crate) struct App {
    pub(crate) service: Arc<Service>,
    stop: CancellationToken,
}

pub fn routes(service: Arc<Service>, stop: CancellationToken) -> Router {
    Router::new()
        .route("/v1/tables/{uid}", get(table).put(open_table))
        .route("/v1/tables/{uid}/fence", post(fence))
        .route("/v1/tables/{uid}/reservations", post(reserve))
        .route("/v1/tables/{uid}/entries", get(entries).post(submit))
        .route("/v1/tables/{uid}/events", get(events))
        .route("/v1/tables/{uid}/hands/{hand}/receipt", get(receipt))
        .route("/v1/config", get(config))
        .route("/v1/feed", get(feed))
        .route("/v1/balances/{player}", get(balance))
        .route("/v1/reconciliation", get(reconciliation))
        .route("/v1/withdrawals", post(withdraw))
        .route("/v1/denials", get(denials).post(deny))
        .route("/v1/denials/lift", post(lift))
        .route("/v1/denials/wallets", get(denied_wallets))
        .route("/v1/denials/players/{player}", get(denial_trail))
        .merge(crate::http_fairplay::routes())
        .layer(DefaultBodyLimit::max(BODY_MAX))
        .with_state(App { service, stop })
}

pub(crate) fn allow(peer: &Peer, roles: &[Role]) -> Result<(), Answer> {
    match &peer.role {
        Some(role) if roles.contains(role) => Ok(()),
        _ => Err(Problem::new(403, "role", "This caller may not do that").into()),
    }
}

pub(crate) fn parse<T: DeserializeOwned>(body: &Bytes) -> Result<T, Answer> {
    serde_json::from_slice(body).map_err(|error| {
        Answer(Problem::new(400, "body", "The body is not what this request takes").detail(error.to_string()))
    })
}

fn own(uid: &str) -> Role {
    Role::Table(uid.to_owned())
}

impl App {
    pub(crate) fn failed(&self, error: &ServiceError) -> Answer {
        let problem = problem(error);
        match error {
            ServiceError::Journal(JournalError::Refused(refusal)) => {
                self.service.metrics.refused.with_label_values(&[refusal.rule()]).inc();
            }
            ServiceError::Journal(JournalError::Conflict { uid, seq }) => {
                tracing::error!(uid, seq, "ALARM: another payload for an old number");
                self.service.metrics.conflicts.inc();
            }
            ServiceError::Journal(JournalError::Fenced { .. }) => self.service.metrics.fenced.inc(),
            _ if problem.status >= 500 => tracing::warn!(%error, "request failed"),
            _ => {}
        }
        Answer(problem)
    }
}

fn problem(error: &ServiceError) -> Problem {
    use JournalError as J;
    let (status, kind, title) = match error {
        ServiceError::BadUid(_) => (400, "uid".to_owned(), "Not a table"),
        ServiceError::Unsigned(_) => (422, "unsigned".into(), "Not signed by this table"),
        ServiceError::NoVault => (503, "no-vault".into(), "No vault configured"),
        ServiceError::NoHand { .. } => (404, "no-receipt".into(), "No receipt of this hand"),
        ServiceError::NotSigned(_) => (404, "not-signed".into(), "The receipt is not signed yet"),
        ServiceError::NotReady(_) => (503, "not-ready".into(), "Not ready yet"),
        ServiceError::Token(_) => (503, "token".into(), "The token did not sign"),
        ServiceError::Outflow { .. } => (422, "outflow-limit".into(), "Beyond the vault's limits now"),
        ServiceError::Chain(_) => (503, "chain".into(), "The chain cannot be asked"),
        ServiceError::Journal(error) => match error {
            J::UnknownTable(_) => (404, "unknown-table".into(), "No such table"),
            J::Fenced { .. } => (409, "fenced".into(), "A higher epoch has spoken"),
            J::Conflict { .. } => (409, "conflict".into(), "Another payload for this number"),
            J::OtherTerms(_) => (409, "other-terms".into(), "The table was opened with other terms"),
            J::NotOpen(_) => (409, "not-open".into(), "The table is not open on chain yet"),
            J::NonceUsed(_) => (409, "nonce-used".into(), "This nonce was used before"),
            J::Frozen(_) => (409, "frozen".into(), "A deposit has vanished"),
            J::Differs(_) => (409, "differs".into(), "Ledger and chain do not agree about this"),
            J::Denied(_) => (409, "denied".into(), "This wallet is denied"),
            J::BadDenial(BadDenial::NotDenied) => (404, "not-denied".into(), "This wallet is not denied"),
            J::BadDenial(BadDenial::Full) => (409, "full".into(), "The deny list is full"),
            J::BadDenial(_) => (422, "denial".into(), "Not a denial"),
            J::Held(_) => (409, "held".into(), "Vouchers of this wallet are held"),
            J::BadHold(_) => (422, "hold".into(), "Not a hold"),
            J::Gap { .. } => (422, "gap".into(), "Not the next number"),
            J::NoReservation => (422, "no-reservation".into(), "No reservation for this permit"),
            J::Refused(refusal) => (422, refusal.rule().replace('_', "-"), "A rule refuses this"),
            error if error.is_insufficient() => {
                (422, "insufficient-balance".into(), "The free balance is too small")
            }
            J::Range(_) | J::Ledger(LedgerError::Range(_)) => {
                (400, "range".into(), "A number is out of range")
            }
            J::Sql(_) | J::Migrate(_) => (503, "unavailable".into(), "The journal cannot be reached"),
            _ => (500, "internal".into(), "The signer failed"),
        },
    };
    let told = Problem::new(status, &kind, title);
    // What went wrong inside is for the log.
    if status == 500 { told } else { told.detail(error.to_string()) }
}

async fn open_table(
    State(app): State<App>,
    Extension(peer): Extension<Peer>,
    Path(uid): Path<String>,
    body: Bytes,
) -> Result<Json<TableStatus>, Answer> {
    allow(&peer, &[own(&uid)])?;
    let open: OpenTable = parse(&body)?;
    app.service.open_table(&uid, &open).await.map(Json).map_err(|error| app.failed(&error))
}

async fn table(
    State(app): State<App>,
    Extension(peer): Extension<Peer>,
    Path(uid): Path<String>,
) -> Result<Json<TableStatus>, Answer> {
    allow(&peer, &[own(&uid), Role::Gateway, Role::Controller])?;
    app.service.table(&uid).await.map(Json).map_err(|error| app.failed(&error))
}

async fn fence(
    State(app): State<App>,
    Extension(peer): Extension<Peer>,
    Path(uid): Path<String>,
    body: Bytes,
) -> Result<Json<Fenced>, Answer> {
    allow(&peer, &[own(&uid), Role::Controller])?;
    let fence: Fence = parse(&body)?;
    app.service.journal.fence(&uid, fence.epoch).await.map(Json).map_err(|error| app.failed(&error.into()))
}

async fn reserve(
    State(app): State<App>,
    Extension(peer): Extension<Peer>,
    Path(uid): Path<String>,
    body: Bytes,
) -> Result<Json<Reservation>, Answer> {
    allow(&peer, &[own(&uid)])?;
    let reserve: Reserve = parse(&body)?;
    app.service.reserve(&uid, &reserve).await.map(Json).map_err(|error| app.failed(&error))
}

async fn submit(
    State(app): State<App>,
    Extension(peer): Extension<Peer>,
    Path(uid): Path<String>,
    body: Bytes,
) -> Result<Json<Accepted>, Answer> {
    allow(&peer, &[own(&uid)])?;
    let SignedSubmit { submit, signed } = parse(&body)?;
    if submit.entries.is_empty() || submit.entries.len() > ENTRIES_MAX {
        return Err(Problem::new(400, "entries", "Want 1 to 256 entries").into());
    }
    match app.service.submit(&uid, &submit, signed.as_ref()).await {
        Ok(accepted_through) => Ok(Json(Accepted { accepted_through })),
        Err(error) => Err(app.failed(&error)),
    }
}

async fn receipt(
    State(app): State<App>,
    Extension(peer): Extension<Peer>,
    Path((uid, hand)): Path<(String, u64)>,
) -> Result<Json<HandReceipt>, Answer> {
    allow(&peer, &[own(&uid), Role::Gateway])?;
    app.service.receipt(&uid, hand).await.map(Json).map_err(|error| app.failed(&error))
}

/// For a table whose store has lost what the journal has.
async fn entries(
    State(app): State<App>,
    Extension(peer): Extension<Peer>,
    Path(uid): Path<String>,
    Query(query): Query<After>,
) -> Result<Json<Entries>, Answer> {
    allow(&peer, &[own(&uid)])?;
    match app.service.journal.entries_after(&uid, query.after).await {
        Ok(entries) => Ok(Json(Entries { entries })),
        Err(error) => Err(app.failed(&error.into())),
    }
}

#[derive(Deserialize)]
struct After {
    #[serde(default)]
    after: u64,
    #[serde(default)]
    wait_ms: u64,
}

async fn events(
    State(app): State<App>,
    Extension(peer): Extension<Peer>,
    Path(uid): Path<String>,
    Query(query): Query<After>,
) -> Result<Json<Notices>, Answer> {
    allow(&peer, &[own(&uid)])?;
    let wait = Duration::from_millis(query.wait_ms.min(WAIT_MAX_MS));
    match app.service.notices(&uid, query.after, wait, &app.stop).await {
        Ok(notices) => Ok(Json(Notices { notices })),
        Err(error) => Err(app.failed(&error)),
    }
}

#[derive(Deserialize)]
struct FeedAfter {
    #[serde(default)]
    after: u64,
}

async fn feed(
    State(app): State<App>,
    Extension(peer): Extension<Peer>,
    Query(FeedAfter { after }): Query<FeedAfter>,
) -> Result<Json<Feed>, Answer> {
    allow(&peer, &[Role::Records])?;
    app.service.journal.feed(after).await.map(Json).map_err(|error| app.failed(&error.into()))
}

async fn config(
    State(app): State<App>,
    Extension(peer): Extension<Peer>,
) -> Result<Json<ChainConfig>, Answer> {
    allow(&peer, &[Role::Gateway, Role::FairPlay])?;
    app.service.config().map(Json).map_err(|error| app.failed(&error))
}

async fn balance(
    State(app): State<App>,
    Extension(peer): Extension<Peer>,
    Path(player): Path<String>,
) -> Result<Json<Balance>, Answer> {
    allow(&peer, &[Role::Gateway])?;
    let player: PlayerId =
        player.parse().map_err(|_| Answer(Problem::new(400, "player", "Want 0x and 40 hex digits")))?;
    app.service.journal.balance(player).await.map(Json).map_err(|error| app.failed(&error.into()))
}

#[derive(Deserialize)]
struct DenialsPage {
    after: Option<PlayerId>,
    limit: Option<usize>,
}

async fn denials(
    State(app): State<App>,
    Extension(peer): Extension<Peer>,
    Query(page): Query<DenialsPage>,
) -> Result<Json<Denials>, Answer> {
    allow(&peer, &[Role::Gateway])?;
    let found = app.service.journal.denials(page.after, page.limit.unwrap_or(PAGE_MAX)).await;
    found.map(Json).map_err(|error| app.failed(&error.into()))
}

async fn deny(
    State(app): State<App>,
    Extension(peer): Extension<Peer>,
    body: Bytes,
) -> Result<Json<DenialTrail>, Answer> {
    allow(&peer, &[Role::Gateway, Role::FairPlay])?;
    let deny: Deny = parse(&body)?;
    app.service.deny(&deny).await.map(Json).map_err(|error| app.failed(&error))
}

async fn lift(
    State(app): State<App>,
    Extension(peer): Extension<Peer>,
    body: Bytes,
) -> Result<Json<DenialTrail>, Answer> {
    allow(&peer, &[Role::Gateway, Role::FairPlay])?;
    let lift: Lift = parse(&body)?;
    app.service.lift(&lift).await.map(Json).map_err(|error| app.failed(&error))
}

/// For a gateway that finds nothing published.
async fn denied_wallets(
    State(app): State<App>,
    Extension(peer): Extension<Peer>,
) -> Result<Json<DeniedWallets>, Answer> {
    allow(&peer, &[Role::Gateway])?;
    app.service.journal.denied_wallets().await.map(Json).map_err(|error| app.failed(&error.into()))
}

async fn denial_trail(
    State(app): State<App>,
    Extension(peer): Extension<Peer>,
    Path(player): Path<String>,
) -> Result<Json<DenialTrail>, Answer> {
    allow(&peer, &[Role::Gateway, Role::FairPlay])?;
    let player: PlayerId =
        player.parse().map_err(|_| Answer(Problem::new(400, "player", "Want 0x and 40 hex digits")))?;
    app.service.journal.denial_trail(player).await.map(Json).map_err(|error| app.failed(&error.into()))
}

async fn reconciliation(
    State(app): State<App>,
    Extension(peer): Extension<Peer>,
) -> Result<Json<Reconciliation>, Answer> {
    allow(&peer, &[Role::Gateway])?;
    reconcile::compare(&app.service).await.map(Json).map_err(|error| app.failed(&error))
}

async fn withdraw(
    State(app): State<App>,
    Extension(peer): Extension<Peer>,
    body: Bytes,
) -> Result<Json<Voucher>, Answer> {
    allow(&peer, &[Role::Gateway])?;
    let withdrawal: Withdrawal = parse(&body)?;
    app.service.withdraw(&withdrawal).await.map(Json).map_err(|error| app.failed(&error))
}
