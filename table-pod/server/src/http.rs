//! The table's HTTPS server: trunks of players from gateways, and drains from the controller.

use crate::{
    actor::Handle,
    core::Input,
    standing::{ASK_WAIT, Post},
    tokens::Tokens,
    trunk,
};
use axum::{
    Extension, Json, Router,
    body::Body,
    extract::{Path, State},
    http::{Request, StatusCode},
    response::Response,
    routing::{get, post as post_to},
};
use purr_protocol::{
    Problem,
    drain::{DrainReason, DrainRequest, DrainStatus},
    floor::{PausedBy, REASON_MAX, StaffPause, StaffPaused},
    handover::{HandOver, HandedOver, Order, Successor},
    trunk::{ASSERTED, SUBPROTOCOL},
};
use purr_runtime::{
    Peer, Role,
    problem::Answer,
    token::UserRole,
    ws::{Upgrade, trunk_limits},
};
use purr_store::Sealer;
use std::sync::Arc;

#[derive(Clone)]
struct App {
    post: Arc<Post>,
    tokens: Arc<Tokens>,
    sealer: Sealer,
}

impl App {
    fn table(&self) -> Result<&Handle, Answer> {
        let unready = || Problem::new(503, "stands-by", "This pod has not taken the table over").into();
        self.post.table().ok_or_else(unready)
    }
}

/// Routes of a running table.
pub fn routes(handle: Handle, tokens: Arc<Tokens>, sealer: Sealer) -> Router {
    routes_of(Arc::new(Post::serving(handle)), tokens, sealer)
}

/// Routes of a process that may not have its table yet.
pub fn routes_of(post: Arc<Post>, tokens: Arc<Tokens>, sealer: Sealer) -> Router {
    Router::new()
        .route("/v1/tables/{uid}/trunk", get(open_trunk))
        .route("/v1/tables/{uid}/pause", post_to(staff_pause))
        .route("/v1/drain", get(drain_status).post(drain))
        .route("/v1/standing", get(standing))
        .route("/v1/take-over", post_to(take_over))
        .route("/v1/hand-over", post_to(hand_over))
        .with_state(App { post, tokens, sealer })
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
        // The address belonged to another table's pod until recently: the gateway looks the address up again.
        return Err(Problem::new(421, "wrong-table", "This pod is another table").into());
    }
    let handle = app.table()?.clone();
    let upgrade = Upgrade::from_request(&mut request)?;
    let offers = |wanted: &str| upgrade.subprotocols.iter().any(|name| name == wanted);
    let subprotocol = if offers(ASSERTED) && app.tokens.assertions().is_some() {
        ASSERTED
    } else if offers(SUBPROTOCOL) && app.tokens.access_tokens {
        SUBPROTOCOL
    } else {
        let why = "this table takes no access tokens, or has no keys to verify assertions with";
        return Err(Problem::new(400, "subprotocol", "Ask for purr.trunk.v2").detail(why).into());
    };
    let asserted = subprotocol == ASSERTED;
    let run = move |socket| trunk::serve(socket, handle, app.tokens, app.sealer, asserted);
    Ok(upgrade.accept_within(trunk_limits(), Some(subprotocol), run))
}

/// Whether these roles may pause tables.
fn may_order(roles: &[UserRole]) -> bool {
    roles.iter().any(|role| matches!(role, UserRole::Support | UserRole::Admin))
}

/// Pauses or resumes the table for staff. The answer is sent after the commit.
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
    // The gateway asserts who gives the order and with which roles.
    let refused = |kind: &'static str| {
        move |detail: &dyn std::fmt::Display| {
            Answer::from(Problem::new(403, kind, "This token may not do that").detail(detail.to_string()))
        }
    };
    // A release without assertions answers `role` in both cases, by which a gateway recognises it.
    let (player, roles) = app.tokens.orders(&token).await.map_err(|error| refused("assertion")(&error))?;
    if !may_order(&roles) {
        return Err(refused("role")(&"neither support nor admin"));
    }
    if reason.is_empty() || reason.len() > REASON_MAX {
        return Err(Problem::new(400, "reason", "The reason has 1 to 200 bytes").into());
    }
    tracing::warn!(by = %player, pause, reason, "ordered by staff");
    let pause = pause.then(|| PausedBy { by: player.to_string(), reason, at_s: 0 });
    let table = app.table()?;
    table.input(Input::StaffPause { pause }).await;
    // Read through the actor's queue, so after everything that was sent before.
    let hand_running = status(&app).await?.hand_running;
    let floor = table.floor().await;
    let floor = floor.ok_or_else(|| Problem::new(503, "stopped", "The table has stopped"))?;
    Ok(Json(StaffPaused { paused_by: floor.paused_by, hand_running }))
}

async fn drain(
    State(app): State<App>,
    Extension(peer): Extension<Peer>,
    Json(request): Json<DrainRequest>,
) -> Result<(StatusCode, Json<DrainStatus>), Answer> {
    only(&peer, &Role::Controller)?;
    tracing::info!(reason = ?request.reason, "asked by the controller");
    app.table()?
        .input(match request.reason {
            DrainReason::Delete => Input::Drain { delete: true },
            DrainReason::Rollout => Input::Drain { delete: false },
            DrainReason::Pause => Input::Pause { paused: true },
            DrainReason::Resume => Input::Pause { paused: false },
            DrainReason::Close => Input::Close { closed: true },
            DrainReason::Open => Input::Close { closed: false },
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
    let status = app.table()?.drain_status().await;
    status.map(Json).ok_or_else(|| Problem::new(503, "stopped", "The table has stopped").into())
}

async fn standing(
    State(app): State<App>,
    Extension(peer): Extension<Peer>,
) -> Result<Json<Successor>, Answer> {
    only(&peer, &Role::Controller)?;
    Ok(Json(app.post.now()))
}

async fn take_over(
    State(app): State<App>,
    Extension(peer): Extension<Peer>,
    Json(order): Json<Order>,
) -> Result<(StatusCode, Json<Successor>), Answer> {
    only(&peer, &Role::Controller)?;
    tracing::info!(?order, "ordered by the controller");
    app.post.order(order);
    Ok((StatusCode::ACCEPTED, Json(app.post.now())))
}

/// Answers when no hand runs, or after [`ASK_WAIT`].
async fn hand_over(
    State(app): State<App>,
    Extension(peer): Extension<Peer>,
    Json(HandOver { epoch, taken }): Json<HandOver>,
) -> Result<Json<HandedOver>, Answer> {
    // Holders of this table's certificate may fence the table anyway.
    only(&peer, &Role::Table(app.sealer.table().to_owned()))?;
    let table = app.table()?;
    if taken {
        tracing::info!(epoch, "the successor has taken over");
        table.moved().await;
        return Ok(Json(HandedOver { free: true, rested_ms: None }));
    }
    let stopped = || Problem::new(410, "stopped", "The table has stopped");
    table.hand_over(ASK_WAIT).await.map(Json).ok_or_else(|| stopped().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn support_and_admins_pause_tables_and_nobody_else() {
        use UserRole::{Admin, Auditor, Player, Support};
        assert!(may_order(&[Player, Support]) && may_order(&[Admin]));
        assert!(!may_order(&[]) && !may_order(&[Player, Auditor]));
    }
}
