//! Routes for administrators.

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
use purr_protocol::{
    Problem,
    denial::{DenialTrail, Denials, DeniedWallet, Deny, Lift, PAGE_MAX},
};
use purr_runtime::problem::Answer;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Whose sign-ins to end.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Revocation {
    #[schemars(with = "String")]
    player: PlayerId,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Revoked {
    /// How many there were.
    ended: usize,
}

/// Ends every sign-in of a player, on every gateway: its tokens, its refresh tokens, its sockets.
pub async fn revoke(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    body: Body,
) -> Result<Json<Revoked>, Response> {
    let ask: Revocation = read_json(body).await.map_err(IntoResponse::into_response)?;
    let ended = app.auth.revoke_player(ask.player).await.map_err(IntoResponse::into_response)?;
    tracing::warn!(by = %caller.player, player = %ask.player, ended, "an administrator ended sign-ins");
    Ok(Json(Revoked { ended }))
}

/// Whom to deny, and why.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NewDenial {
    #[schemars(with = "String")]
    player: PlayerId,
    /// 1 to 500 bytes; kept for ever.
    reason: String,
    /// Seconds since 1970; none: until the denial is lifted.
    #[serde(default)]
    until_s: Option<u64>,
}

/// Why a denial is lifted.
#[derive(Deserialize, JsonSchema)]
pub struct LiftReason {
    /// 1 to 500 bytes; kept for ever.
    reason: String,
}

/// Where a page starts and how long it is.
#[derive(Deserialize, JsonSchema)]
pub struct DenialsPage {
    /// `next` of the page before.
    after: Option<String>,
    /// At most 200.
    limit: Option<usize>,
}

fn player(text: &str) -> Result<PlayerId, Answer> {
    text.parse().map_err(|_| Problem::new(400, "player", "Want 0x and 40 hex digits").into())
}

fn in_path(path: Result<Path<String>, PathRejection>) -> Result<PlayerId, Answer> {
    path.map_or_else(|_| player(""), |Path(text)| player(&text))
}

fn in_query<T>(query: Result<Query<T>, QueryRejection>) -> Result<T, Answer> {
    query.map(|Query(query)| query).map_err(|error| {
        Problem::new(400, "query", "The query is not as expected").detail(error.body_text()).into()
    })
}

/// Denies a wallet. The signer's journal keeps it before anything else happens; then the wallet's sign-ins end.
pub async fn deny(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    body: Body,
) -> Result<Json<DenialTrail>, Response> {
    let NewDenial { player, reason, until_s } = read_json(body).await.map_err(IntoResponse::into_response)?;
    let deny = Deny { player, by: caller.player.to_string(), reason, until_s };
    let trail = app.signer.post("/v1/denials", &deny).await.map_err(IntoResponse::into_response)?;
    app.auth.denied.add(DeniedWallet { player, until_s });
    // Every gateway ends the sign-ins when it learns of the denial, so a failure here only delays this.
    match app.auth.revoke_player(player).await {
        Ok(ended) => tracing::warn!(by = %caller.player, %player, ended, "an administrator denied a wallet"),
        Err(error) => {
            tracing::warn!(by = %caller.player, %player, %error, "a denied wallet's sign-ins could not be ended");
        }
    }
    Ok(Json(trail))
}

pub async fn lift(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    path: Result<Path<String>, PathRejection>,
    query: Result<Query<LiftReason>, QueryRejection>,
) -> Result<Json<DenialTrail>, Response> {
    let player = in_path(path).map_err(IntoResponse::into_response)?;
    let LiftReason { reason } = in_query(query).map_err(IntoResponse::into_response)?;
    let lift = Lift { player, by: caller.player.to_string(), reason };
    let trail = app.signer.post("/v1/denials/lift", &lift).await.map_err(IntoResponse::into_response)?;
    app.auth.denied.remove(player);
    tracing::warn!(by = %caller.player, %player, "an administrator lifted a denial");
    Ok(Json(trail))
}

pub async fn denials(
    State(app): State<App>,
    query: Result<Query<DenialsPage>, QueryRejection>,
) -> Result<Json<Denials>, Response> {
    let DenialsPage { after, limit } = in_query(query).map_err(IntoResponse::into_response)?;
    let after = after.map(|text| player(&text)).transpose().map_err(IntoResponse::into_response)?;
    let limit = limit.unwrap_or(PAGE_MAX).clamp(1, PAGE_MAX);
    let after = after.map(|after| format!("&after={after}")).unwrap_or_default();
    let asked = app.signer.get(&format!("/v1/denials?limit={limit}{after}")).await;
    asked.map(Json).map_err(IntoResponse::into_response)
}

pub async fn denial_trail(
    State(app): State<App>,
    path: Result<Path<String>, PathRejection>,
) -> Result<Json<DenialTrail>, Response> {
    let player = in_path(path).map_err(IntoResponse::into_response)?;
    let asked = app.signer.get(&format!("/v1/denials/players/{player}")).await;
    asked.map(Json).map_err(IntoResponse::into_response)
}
