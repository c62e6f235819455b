//! Signing in with a wallet (EIP-4361).

use crate::{
    app::{App, read_json},
    auth::{AuthError, Caller, NONCE_S, outside::OutsideError, siwe::Message},
    client_address::ClientAddress,
    guard::refusal,
    limits::{Class, headers},
    retry_after::RetryAfter,
};
use axum::{
    Extension, Json,
    body::Body,
    extract::State,
    http::{HeaderName, StatusCode, header},
    response::{IntoResponse, Response},
};
use jsonwebtoken::jwk::JwkSet;
use purr_protocol::{
    Problem,
    sign_in::{Nonce, Tokens},
};
use purr_runtime::problem::Answer;
use schemars::JsonSchema;
use serde::Deserialize;
use std::time::Duration;

/// `Retry-After` when the store has no room for a sign-in: unused sign-ins expire within minutes.
const NO_ROOM: Duration = Duration::from_secs(60);

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SignIn {
    message: String,
    signature: String,
}

#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Refresh {
    refresh_token: String,
}

impl IntoResponse for AuthError {
    fn into_response(self) -> Response {
        let detail = self.to_string();
        let problem = match self {
            Self::Malformed(_) => Problem::new(400, "message", "Not a message of EIP-4361"),
            Self::Store(_)
            | Self::Keys(_)
            | Self::Random(_)
            | Self::Outside(OutsideError::Keys(_) | OutsideError::Fetch(_) | OutsideError::Roles { .. }) => {
                tracing::warn!(detail, "a sign-in failed");
                let problem = Problem::new(503, "unavailable", "Sign-ins are not possible at the moment");
                return (RetryAfter(Duration::from_secs(1)), Answer::from(problem)).into_response();
            }
            Self::NoRoom => {
                let problem =
                    Problem::new(503, "no-room", "There is no room for new sign-ins").detail(detail);
                return (RetryAfter(NO_ROOM), Answer::from(problem)).into_response();
            }
            Self::Outside(OutsideError::NotSetUp) => {
                Problem::new(404, "outside", "There are no sign-ins of outside issuers here")
            }
            Self::Outside(OutsideError::Token(_)) | Self::Used => {
                Problem::new(401, "id-token", "The sign-in is refused")
            }
            Self::Denied(_) => Problem::new(403, "denied", "This wallet is denied"),
            Self::NotLinked => Problem::new(403, "not-linked", "Link this identity to a wallet first"),
            Self::LinkedElsewhere => Problem::new(409, "linked", "This identity is linked to another wallet"),
            Self::NotNamed => Problem::new(401, "sign-in", "The sign-in is refused"),
            Self::Mismatch(_) | Self::BadSignature(_) | Self::OtherSigner => {
                Problem::new(401, "sign-in", "The sign-in is refused")
            }
            Self::Nonce => Problem::new(401, "nonce", "The sign-in is refused"),
            Self::Refresh | Self::Stolen | Self::Revoked | Self::Token(_) => {
                Problem::new(401, "token", "Sign in again")
            }
        };
        Answer::from(problem.detail(detail)).into_response()
    }
}

pub async fn nonce(State(app): State<App>) -> Result<Json<Nonce>, AuthError> {
    let site = &app.auth.site;
    Ok(Json(Nonce {
        nonce: app.auth.nonce()?,
        domain: site.domain.clone(),
        uri: site.url.clone(),
        chain_id: site.chain_id,
        expires_in_s: NONCE_S,
    }))
}

pub async fn sign_in(
    State(app): State<App>,
    client: Option<Extension<ClientAddress>>,
    body: Body,
) -> Result<Json<Tokens>, Response> {
    let ask: SignIn = read_json(body).await.map_err(IntoResponse::into_response)?;
    let tokens = app.auth.sign_in(&ask.message, &ask.signature).await.map_err(IntoResponse::into_response)?;
    if let (Some(Extension(ClientAddress(ip))), Ok(message)) = (client, Message::parse(&ask.message)) {
        app.auth.origins.signed_in(ip, message.address);
    }
    Ok(Json(tokens))
}

/// The limit is applied here, and not by the address before the body is read: a refresh with a token that a gateway has
/// issued counts under its own sign-in, which neighbours of the address cannot use up. Any other request counts as a
/// sign-in of the address.
pub async fn refresh(
    State(app): State<App>,
    client: Option<Extension<ClientAddress>>,
    body: Body,
) -> Response {
    let ask = read_json::<Refresh>(body).await;
    let sid = ask.as_ref().ok().and_then(|ask| app.auth.refreshes(&ask.refresh_token));
    let (class, verdict) = match (sid, client) {
        (Some(sid), _) => (Class::Refresh, app.limiter.check(Class::Refresh, sid).await),
        (None, Some(Extension(ClientAddress(ip)))) => {
            (Class::SignIn, app.limiter.check_address(Class::SignIn, ip).await)
        }
        (None, None) => (Class::SignIn, app.limiter.check(Class::SignIn, "unknown").await),
    };
    let mut response = match (refusal(&app, class, verdict), ask) {
        (Some(refused), _) => refused,
        (None, Err(bad)) => bad.into_response(),
        (None, Ok(ask)) => {
            let tokens = app.auth.refresh(&ask.refresh_token).await;
            tokens.map_or_else(IntoResponse::into_response, |tokens| Json(tokens).into_response())
        }
    };
    headers::tell(response.headers_mut(), &[(class, verdict)]);
    response
}

pub async fn logout(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
) -> Result<StatusCode, AuthError> {
    app.auth.logout(&caller).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub async fn jwks(State(app): State<App>) -> ([(HeaderName, &'static str); 1], Json<JwkSet>) {
    // Shorter than the time in a rotation between publishing a key and signing with it.
    ([(header::CACHE_CONTROL, "public, max-age=60")], Json(app.auth.keys.published()))
}
