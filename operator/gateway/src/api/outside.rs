//! Signing in with an identity of an outside issuer (OpenID Connect), once it is linked to a wallet.

use crate::app::{App, read_json};
use axum::{
    Json,
    body::Body,
    extract::State,
    response::{IntoResponse, Response},
};
use purr_protocol::sign_in::Tokens;
use schemars::JsonSchema;
use serde::Deserialize;

#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct OutsideSignIn {
    /// The issuer's ID token; each counts once.
    id_token: String,
}

/// The ID token, and the wallet's own sign-in message, whose resources name the identity
/// (`urn:purr:outside:` and the SHA-256 in hex of issuer, line feed and subject).
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct OutsideLink {
    id_token: String,
    message: String,
    signature: String,
}

pub async fn sign_in(State(app): State<App>, body: Body) -> Result<Json<Tokens>, Response> {
    let ask: OutsideSignIn = read_json(body).await.map_err(IntoResponse::into_response)?;
    let tokens = app.auth.outside_sign_in(&ask.id_token).await;
    tokens.map(Json).map_err(IntoResponse::into_response)
}

pub async fn link(State(app): State<App>, body: Body) -> Result<Json<Tokens>, Response> {
    let ask: OutsideLink = read_json(body).await.map_err(IntoResponse::into_response)?;
    let tokens = app.auth.outside_link(&ask.id_token, &ask.message, &ask.signature).await;
    tokens.map(Json).map_err(IntoResponse::into_response)
}
