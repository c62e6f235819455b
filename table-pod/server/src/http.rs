//! What a table answers: trunks of players from gateways, drains from the controller.

use crate::{
    actor::Handle,
    core::{DrainStatus, Input},
    trunk,
};
use axum::{
    Extension, Json, Router,
    body::Body,
    extract::{Path, State},
    http::{Request, StatusCode},
    response::Response,
    routing::{get, post},
};
use jsonwebtoken::jwk::JwkSet;
use purr_engine::PlayerId;
use purr_protocol::{
    Problem,
    floor::{PausedBy, REASON_MAX, StaffPause, StaffPaused},
    trunk::SUBPROTOCOL,
};
use purr_runtime::{
    InternalClient, Peer, Role,
    problem::Answer,
    token::{Claims, TokenError, UserRole, Verifier},
    ws::{Upgrade, trunk_limits},
};
use purr_store::Sealer;
use serde::Deserialize;
use std::{sync::Arc, time::Duration};
use tokio::{sync::Mutex, time::Instant};

/// Published keys are read again at most this often, however many unknown keys are named.
const KEYS_EVERY: Duration = Duration::from_secs(5);

/// Verifies players' tokens by the gateways' published keys.
pub struct Tokens {
    gateway: InternalClient,
    verifier: Verifier,
    read: Mutex<Option<Instant>>,
}

impl Tokens {
    pub fn new(gateway: InternalClient, issuer: &str, audience: &str) -> Self {
        let verifier = Verifier::new(issuer, audience, JwkSet { keys: Vec::new() });
        Self { gateway, verifier, read: Mutex::default() }
    }

    /// The player behind a token, and its claims.
    pub async fn player(&self, token: &str) -> Result<(PlayerId, Claims), String> {
        let claims = match self.verifier.verify(token) {
            Err(TokenError::UnknownKey) => {
                // Boxed, as it is rare: every player's task would have its room.
                Box::pin(self.read_keys()).await;
                self.verifier.verify(token)
            }
            other => other,
        }
        .map_err(|error| error.to_string())?;
        let player = claims.sub.parse().map_err(|_| "the token's subject is not an address".to_owned())?;
        Ok((player, claims))
    }

    /// For how long a token is still good.
    pub fn left(&self, claims: &Claims) -> Duration {
        self.verifier.left(claims)
    }

    async fn read_keys(&self) {
        let mut read = self.read.lock().await;
        if read.is_some_and(|at| at.elapsed() < KEYS_EVERY) {
            return;
        }
        *read = Some(Instant::now());
        match self.gateway.get::<JwkSet>("/.well-known/jwks.json", Duration::from_secs(3)).await {
            Ok(keys) => self.verifier.replace_keys(keys),
            Err(error) => tracing::warn!(%error, "keys of the gateway"),
        }
    }
}

#[derive(Clone)]
struct App {
    handle: Handle,
    tokens: Arc<Tokens>,
    sealer: Sealer,
}

pub fn routes(handle: Handle, tokens: Arc<Tokens>, sealer: Sealer) -> Router {
    Router::new()
        .route("/v1/tables/{uid}/trunk", get(open_trunk))
        .route("/v1/tables/{uid}/pause", post(staff_pause))
        .route("/v1/drain", get(drain_status).post(drain))
        .with_state(App { handle, tokens, sealer })
}

fn only(peer: &Peer, role: &Role) -> Result<(), Answer> {
    if peer.role.as_ref() == Some(role) {
        return Ok(());
    }
    Err(Problem::new(403, "role", "This caller may not do that").into())
}

async fn open_trunk(
    State(app): State<App>,
    Extension(peer): Extension<Peer>,
    Path(uid): Path<String>,
    mut request: Request<Body>,
) -> Result<Response, Answer> {
    only(&peer, &Role::Gateway)?;
    if uid != app.sealer.table() {
        // The pod's address was another table's a moment ago: the gateway looks again.
        return Err(Problem::new(421, "wrong-table", "This pod is another table").into());
    }
    let upgrade = Upgrade::from_request(&mut request)?;
    if !upgrade.subprotocols.iter().any(|name| name == SUBPROTOCOL) {
        return Err(Problem::new(400, "subprotocol", "Ask for purr.trunk.v1").into());
    }
    let run = move |socket| trunk::serve(socket, app.handle, app.tokens, app.sealer);
    Ok(upgrade.accept_within(trunk_limits(), Some(SUBPROTOCOL), run))
}

/// Staff pauses the table, or lets it go on. The answer comes after the commit.
async fn staff_pause(
    State(app): State<App>,
    Extension(peer): Extension<Peer>,
    Path(uid): Path<String>,
    Json(StaffPause { token, pause, reason }): Json<StaffPause>,
) -> Result<Json<StaffPaused>, Answer> {
    only(&peer, &Role::Gateway)?;
    if uid != app.sealer.table() {
        return Err(Problem::new(421, "wrong-table", "This pod is another table").into());
    }
    // A gateway alone pauses no table: the token must be of somebody who may.
    let refused =
        |detail: String| Answer::from(Problem::new(403, "role", "This token may not do that").detail(detail));
    let (player, claims) = app.tokens.player(&token).await.map_err(refused)?;
    if !claims.roles.iter().any(|role| matches!(role, UserRole::Support | UserRole::Admin)) {
        return Err(refused("neither support nor admin".into()));
    }
    if reason.is_empty() || reason.len() > REASON_MAX {
        return Err(Problem::new(400, "reason", "The reason has 1 to 200 bytes").into());
    }
    tracing::warn!(by = %player, pause, reason, "ordered by staff");
    let pause = pause.then(|| PausedBy { by: player.to_string(), reason, at_s: 0 });
    app.handle.input(Input::StaffPause { pause }).await;
    // Answered after what was sent before it.
    let hand_running = status(&app).await?.hand_running;
    let floor = app.handle.floor().await;
    let floor = floor.ok_or_else(|| Problem::new(503, "stopped", "The table has stopped"))?;
    Ok(Json(StaffPaused { paused_by: floor.paused_by, hand_running }))
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Reason {
    Delete,
    Rollout,
    Pause,
    Resume,
    Close,
    Open,
}

#[derive(Deserialize)]
struct DrainRequest {
    reason: Reason,
}

async fn drain(
    State(app): State<App>,
    Extension(peer): Extension<Peer>,
    Json(request): Json<DrainRequest>,
) -> Result<(StatusCode, Json<DrainStatus>), Answer> {
    only(&peer, &Role::Controller)?;
    tracing::info!(reason = ?request.reason, "asked by the controller");
    app.handle
        .input(match request.reason {
            Reason::Delete => Input::Drain { delete: true },
            Reason::Rollout => Input::Drain { delete: false },
            Reason::Pause => Input::Pause { paused: true },
            Reason::Resume => Input::Pause { paused: false },
            Reason::Close => Input::Close { closed: true },
            Reason::Open => Input::Close { closed: false },
        })
        .await;
    Ok((StatusCode::ACCEPTED, status(&app).await?))
}

async fn drain_status(
    State(app): State<App>,
    Extension(peer): Extension<Peer>,
) -> Result<Json<DrainStatus>, Answer> {
    only(&peer, &Role::Controller)?;
    status(&app).await
}

async fn status(app: &App) -> Result<Json<DrainStatus>, Answer> {
    let status = app.handle.drain_status().await;
    status.map(Json).ok_or_else(|| Problem::new(503, "stopped", "The table has stopped").into())
}
