//! What administrators do.

use crate::{
    app::{App, read_json},
    auth::Caller,
};
use axum::{
    Extension, Json,
    body::Body,
    extract::State,
    response::{IntoResponse, Response},
};
use purr_engine::PlayerId;
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
