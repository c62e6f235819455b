//! What requests share.

use crate::{
    api::{
        floor::FloorBoard,
        lobby::{Board, Places, Statuses},
        rooms::RoomBoard,
    },
    auth::Auth,
    crowd::Crowd,
    endpoints::{self, Endpoint},
    front::Front,
    guard::guard,
    limits::Limiter,
    metrics::Metrics,
    overload::Room,
    relay::Relays,
    routing::Routes,
    upstream,
};
use axum::{
    Router,
    body::{Body, Bytes},
    middleware,
    routing::get,
};
use http::HeaderValue;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use purr_protocol::Problem;
use purr_runtime::{CancellationToken, Identity, problem::Answer};
use serde::de::DeserializeOwned;
use std::{error::Error, sync::Arc, time::Duration};
use tokio::time::timeout;

/// No honest request's body is larger, in bytes.
pub const BODY_MAX: usize = 16 * 1024;
/// Time for a body to arrive.
const BODY: Duration = Duration::from_secs(10);

/// Shared by all requests.
#[derive(Clone)]
pub struct App(Arc<Inner>);

pub struct Inner {
    pub auth: Arc<Auth>,
    pub routes: Arc<Routes>,
    pub relays: Relays,
    pub signer: upstream::Server,
    pub records: upstream::Server,
    /// Where the house has one.
    pub fairplay: Option<upstream::Server>,
    pub limiter: Arc<dyn Limiter>,
    pub metrics: Metrics,
    pub allowed_origins: Vec<String>,
    pub tables: Statuses,
    pub lobby: Board,
    pub floor: FloorBoard,
    pub rooms: RoomBoard,
    /// Towards table pods.
    pub identity: Identity,
    /// Open streams of lobby changes.
    pub lobby_places: Places,
    pub room: Arc<Room>,
    /// Requests that are being answered, and bodies that are being waited for, by address.
    pub callers: Crowd,
    pub bodies: Crowd,
    pub front: Front,
    /// The API's own description.
    pub document: String,
    /// Ends streams.
    pub stop: CancellationToken,
    pub page: crate::page::Page,
}

impl From<Inner> for App {
    fn from(inner: Inner) -> Self {
        Self(Arc::new(inner))
    }
}

impl std::ops::Deref for App {
    type Target = Inner;

    fn deref(&self) -> &Inner {
        &self.0
    }
}

/// What players reach.
pub fn public(app: App) -> Router {
    endpoints::routes()
        .merge(crate::page::routes())
        .fallback(async || Answer::from(Problem::new(404, "not-found", "There is nothing here")))
        .method_not_allowed_fallback(async || {
            Answer::from(Problem::new(405, "method", "Not with this method"))
        })
        .layer(middleware::from_fn_with_state(app.clone(), guard))
        .with_state(app)
}

/// What table pods reach: the keys that tokens are signed with.
pub fn internal(app: App) -> Router {
    Router::new().route(Endpoint::Jwks.path(), get(crate::api::auth::jwks)).with_state(app)
}

impl Inner {
    /// Whether pages of this origin may ask.
    pub fn allows(&self, origin: &HeaderValue) -> bool {
        let origin = origin.to_str().unwrap_or_default().to_ascii_lowercase();
        self.allowed_origins.contains(&origin)
    }
}

/// A body of at most so many bytes, within the bound of time.
///
/// # Errors
/// 408, 413, or 400 where it breaks off.
pub async fn read(body: Body, max: usize) -> Result<Bytes, Answer> {
    let slow = |_| Problem::new(408, "slow", "The body did not arrive in time");
    let collected = timeout(BODY, Limited::new(body, max).collect()).await.map_err(slow)?;
    let bytes = collected.map_err(|error| {
        let too_large = error.downcast_ref::<LengthLimitError>().is_some() || is_limit(error.as_ref());
        if too_large {
            Problem::new(413, "size", "The body is too large").detail(format!("at most {max} bytes"))
        } else {
            Problem::new(400, "body", "The body cannot be read")
        }
    })?;
    Ok(bytes.to_bytes())
}

/// A JSON body within the bounds of size and time.
pub async fn read_json<T: DeserializeOwned>(body: Body) -> Result<T, Answer> {
    let bytes = read(body, BODY_MAX).await?;
    serde_json::from_slice(&bytes).map_err(|error| {
        Problem::new(400, "json", "The body is not as expected").detail(error.to_string()).into()
    })
}

fn is_limit(error: &(dyn Error + 'static)) -> bool {
    error.source().is_some_and(|source| source.is::<LengthLimitError>() || is_limit(source))
}
