//! Routes for the fair-play program: holds of vouchers, the house's payments, and the number of the next payment.

use crate::{
    http_app::{App, allow, parse},
    service::ServiceError,
};
use axum::{
    Extension, Json, Router,
    body::Bytes,
    extract::{Path, Query, State},
    routing::{get, post},
};
use purr_engine::PlayerId;
use purr_protocol::{
    Problem,
    hold::{ActionNumber, HousePayments, VoucherHold, VoucherHoldTrail},
};
use purr_runtime::{Peer, Role, problem::Answer};
use serde::Deserialize;

pub(crate) fn routes() -> Router<App> {
    Router::new()
        .route("/v1/voucher-holds", post(hold))
        .route("/v1/voucher-holds/{player}", get(trail))
        .route("/v1/house-payments", get(payments))
        .route("/v1/action-number", get(action_number))
}

async fn hold(
    State(app): State<App>,
    Extension(peer): Extension<Peer>,
    body: Bytes,
) -> Result<Json<VoucherHoldTrail>, Answer> {
    allow(&peer, &[Role::FairPlay])?;
    let hold: VoucherHold = parse(&body)?;
    let done = app.service.journal.hold_vouchers(&hold).await;
    done.map(Json).map_err(|error| app.failed(&ServiceError::from(error)))
}

async fn trail(
    State(app): State<App>,
    Extension(peer): Extension<Peer>,
    Path(player): Path<String>,
) -> Result<Json<VoucherHoldTrail>, Answer> {
    allow(&peer, &[Role::FairPlay, Role::Gateway])?;
    let player: PlayerId =
        player.parse().map_err(|_| Answer(Problem::new(400, "player", "Want 0x and 40 hex digits")))?;
    let found = app.service.journal.voucher_hold_trail(player).await;
    found.map(Json).map_err(|error| app.failed(&ServiceError::from(error)))
}

#[derive(Deserialize)]
struct After {
    #[serde(default)]
    after: i64,
}

async fn payments(
    State(app): State<App>,
    Extension(peer): Extension<Peer>,
    Query(After { after }): Query<After>,
) -> Result<Json<HousePayments>, Answer> {
    allow(&peer, &[Role::FairPlay])?;
    let found = app.service.journal.house_payments(after).await;
    found.map(Json).map_err(|error| app.failed(&ServiceError::from(error)))
}

async fn action_number(
    State(app): State<App>,
    Extension(peer): Extension<Peer>,
) -> Result<Json<ActionNumber>, Answer> {
    allow(&peer, &[Role::FairPlay])?;
    let number = app.service.action_number().await.map_err(|error| app.failed(&error))?;
    Ok(Json(ActionNumber { number }))
}
