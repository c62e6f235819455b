//! State shared by all requests. [`crate::router`] composes the handlers.

use crate::{
    api::{
        floor::FloorBoard,
        lobby::{Board, Places, Statuses},
        rooms::RoomBoard,
    },
    auth::Auth,
    crowd::Crowd,
    endpoints::BODY_MAX,
    front::Front,
    limits::Limiter,
    metrics::Metrics,
    overload::Room,
    relay::Relays,
    routing::Routes,
    seating::Seating,
    upstream,
};
use axum::body::{Body, Bytes};
use http::HeaderValue;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use purr_protocol::Problem;
use purr_runtime::{CancellationToken, Identity, problem::Answer};
use serde::de::DeserializeOwned;
use std::{error::Error, sync::Arc, time::Duration};
use tokio::time::timeout;

/// Time for a body to arrive.
const BODY: Duration = Duration::from_secs(10);

/// Shared by all requests.
#[derive(Clone)]
pub struct App(Arc<Inner>);

pub struct Inner {
    pub auth: Arc<Auth>,
    pub routes: Arc<Routes>,
    pub relays: Relays,
    pub seating: Arc<Seating>,
    pub signer: upstream::Server,
    pub records: upstream::Server,
    /// The fair-play service, if there is one.
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

impl Inner {
    /// Whether pages of this origin may call the API.
    pub fn allows(&self, origin: &HeaderValue) -> bool {
        let origin = origin.to_str().unwrap_or_default().to_ascii_lowercase();
        self.allowed_origins.contains(&origin)
    }
}

/// Reads a body of at most `max` bytes, within a time limit.
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
