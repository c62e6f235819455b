//! What the chain-signer knows about money, for those it concerns.

use crate::{
    app::{App, read_json},
    auth::{Caller, now_ms},
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
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A withdrawal as its owner asks for it, with an EIP-712 signature that the signer checks.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Withdrawal {
    amount: Chips,
    nonce: u64,
    /// Seconds since 1970.
    deadline_s: u64,
    signature: String,
}

/// The same with its owner, who is the caller and nobody else.
#[derive(Serialize)]
struct OwnedWithdrawal {
    player: PlayerId,
    #[serde(flatten)]
    withdrawal: Withdrawal,
}

pub async fn config(State(app): State<App>) -> Result<Json<ChainConfig>, Failed> {
    app.signer.get("/v1/config").await.map(Json)
}

/// The signer's own answer; while it is away the one that it published last, with its age.
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

/// A player's free balance, from the signer or as it was published last.
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

/// With its age in seconds (RFC 9111, section 5.1).
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
