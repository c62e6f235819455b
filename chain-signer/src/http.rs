//! The internal API, with the roles that may call each route.

use crate::{
    http_app::{App, allow, parse},
    reconcile,
    service::Service,
};
use axum::{
    Extension, Json, Router,
    body::Bytes,
    extract::{DefaultBodyLimit, Path, Query, State},
    routing::{get, post},
};
use purr_engine::PlayerId;
use purr_protocol::{
    Problem,
    denial::{DenialTrail, Denials, DeniedWallets, Deny, Lift, PAGE_MAX},
    feed::Feed,
    limits::{LimitsTold, PlayerChange},
    settlement::{
        Accepted, Balance, ChainConfig, Entries, Fence, Fenced, HandReceipt, Notices, OpenTable,
        Reconciliation, Reservation, Reserve, SignedSubmit, TableStatus,
    },
    withdrawal::{OwnedWithdrawal, Voucher},
};
use purr_runtime::{CancellationToken, Peer, Role, problem::Answer};
use serde::Deserialize;
use std::{sync::Arc, time::Duration};

/// Thirty-two entries with their opaque parts are far smaller.
const BODY_MAX: usize = 1024 * 1024;
/// Entries in one request.
const ENTRIES_MAX: usize = 256;
const WAIT_MAX_MS: u64 = 30_000;

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
        .route("/v1/limits", post(change_limits))
        .route("/v1/limits/{player}", get(own_limits))
        .route("/v1/denials", get(denials).post(deny))
        .route("/v1/denials/lift", post(lift))
        .route("/v1/denials/wallets", get(denied_wallets))
        .route("/v1/denials/players/{player}", get(denial_trail))
        .merge(crate::http_fairplay::routes())
        .merge(crate::http_seated::routes())
        .layer(DefaultBodyLimit::max(BODY_MAX))
        .with_state(App { service, stop })
}

fn own(uid: &str) -> Role {
    Role::Table(uid.to_owned())
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

/// `GET` a table's entries, for a table whose store has lost entries that the journal has.
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

/// The deny list, for a gateway that finds none in Redis.
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

async fn own_limits(
    State(app): State<App>,
    Extension(peer): Extension<Peer>,
    Path(player): Path<String>,
) -> Result<Json<LimitsTold>, Answer> {
    allow(&peer, &[Role::Gateway])?;
    let player: PlayerId =
        player.parse().map_err(|_| Answer(Problem::new(400, "player", "Want 0x and 40 hex digits")))?;
    app.service.own_limits(player).await.map(Json).map_err(|error| app.failed(&error))
}

async fn change_limits(
    State(app): State<App>,
    Extension(peer): Extension<Peer>,
    body: Bytes,
) -> Result<Json<LimitsTold>, Answer> {
    allow(&peer, &[Role::Gateway])?;
    let ask: PlayerChange = parse(&body)?;
    app.service.change_limits(&ask).await.map(Json).map_err(|error| app.failed(&error))
}

async fn withdraw(
    State(app): State<App>,
    Extension(peer): Extension<Peer>,
    body: Bytes,
) -> Result<Json<Voucher>, Answer> {
    allow(&peer, &[Role::Gateway])?;
    let withdrawal: OwnedWithdrawal = parse(&body)?;
    app.service.withdraw(&withdrawal).await.map(Json).map_err(|error| app.failed(&error))
}
