//! Routes about the caller's money, answered by the chain-signer.

use crate::{
    app::{App, read_json},
    auth::Caller,
    clock::now_ms,
    upstream::Failed,
};
use axum::{
    Extension, Json,
    body::Body,
    extract::State,
    http::header,
    response::{IntoResponse, Response},
};
use purr_engine::{Chips, PlayerId};
use purr_protocol::limits::{ChangeLimits, LimitsTold, PlayerChange};
use purr_protocol::settlement::{Balance, ChainConfig, PublishedBalance, Reconciliation};
use purr_protocol::withdrawal::OwnedWithdrawal;
use serde_json::Value;

pub async fn config(State(app): State<App>) -> Result<Json<ChainConfig>, Failed> {
    app.signer.get("/v1/config").await.map(Json)
}

/// Returns the signer's answer; while the signer is away, the last published balance with its age.
pub async fn balance(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
) -> Result<Response, Failed> {
    match app.signer.get::<Balance>(&format!("/v1/balances/{}", caller.player)).await {
        Ok(balance) => Ok(Json(balance).into_response()),
        Err(failed @ Failed::Unavailable(..)) => published(&app, caller.player).await.ok_or(failed),
        Err(failed) => Err(failed),
    }
}

/// A player's free balance, from the signer or as last published.
pub async fn free(app: &App, player: PlayerId) -> Result<Chips, Failed> {
    match app.signer.get::<Balance>(&format!("/v1/balances/{player}")).await {
        Ok(balance) => Ok(balance.free),
        Err(failed @ Failed::Unavailable(..)) => {
            let held = last_published(app, player).await;
            held.map(|held| held.balance.free).ok_or(failed)
        }
        Err(failed) => Err(failed),
    }
}

async fn last_published(app: &App, player: PlayerId) -> Option<PublishedBalance> {
    let text = app.auth.sessions.get(&PublishedBalance::key(player)).await.ok()??;
    serde_json::from_str(&text).ok()
}

/// The last published balance, with its age in seconds (RFC 9111, section 5.1).
async fn published(app: &App, player: PlayerId) -> Option<Response> {
    let held = last_published(app, player).await?;
    let age = now_ms().saturating_sub(held.at_ms) / 1_000;
    Some(([(header::AGE, age.to_string())], Json(held.balance)).into_response())
}

pub async fn withdraw(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    body: Body,
) -> Result<Json<Value>, Response> {
    let withdrawal = read_json(body).await.map_err(IntoResponse::into_response)?;
    // The owner is always the caller.
    let ask = OwnedWithdrawal { player: caller.player, withdrawal };
    app.signer.post("/v1/withdrawals", &ask).await.map(Json).map_err(IntoResponse::into_response)
}

pub async fn limits(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
) -> Result<Json<LimitsTold>, Failed> {
    app.signer.get(&format!("/v1/limits/{}", caller.player)).await.map(Json)
}

pub async fn change_limits(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    body: Body,
) -> Result<Json<LimitsTold>, Response> {
    let change: ChangeLimits = read_json(body).await.map_err(IntoResponse::into_response)?;
    let ask = PlayerChange { player: caller.player, change };
    app.signer.post("/v1/limits", &ask).await.map(Json).map_err(IntoResponse::into_response)
}

pub async fn reconciliation(State(app): State<App>) -> Result<Json<Reconciliation>, Failed> {
    app.signer.get("/v1/reconciliation").await.map(Json)
}
