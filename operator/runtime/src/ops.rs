//! Liveness, readiness and metrics, over plain HTTP on a port of their own.

use axum::{Router, extract::State, http::StatusCode, routing::get};
use prometheus::{Encoder, Registry, TextEncoder};
use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// Why a program is not ready: named conditions, all of which must hold.
#[derive(Clone, Default)]
pub struct Readiness {
    conditions: Arc<Mutex<BTreeMap<&'static str, Option<String>>>>,
}

impl Readiness {
    /// Says that a condition does not hold, and why. A condition never named holds.
    pub fn not_ready(&self, condition: &'static str, why: impl Into<String>) {
        self.set(condition, Some(why.into()));
    }

    pub fn ready(&self, condition: &'static str) {
        self.set(condition, None);
    }

    fn set(&self, condition: &'static str, why: Option<String>) {
        let mut conditions = self.conditions.lock().unwrap_or_else(PoisonError::into_inner);
        let before = conditions.insert(condition, why.clone());
        if before.as_ref() != Some(&why) {
            match why {
                Some(why) => tracing::warn!(condition, why, "not ready"),
                None => tracing::info!(condition, "ready"),
            }
        }
    }

    /// What is missing; empty when ready.
    pub fn missing(&self) -> Vec<String> {
        let conditions = self.conditions.lock().unwrap_or_else(PoisonError::into_inner);
        conditions.iter().filter_map(|(name, why)| Some(format!("{name}: {}", why.as_ref()?))).collect()
    }
}

#[derive(Clone)]
struct Ops {
    readiness: Readiness,
    registry: Registry,
}

/// Serves `/livez`, `/readyz` and `/metrics` until stopped.
pub async fn serve(
    listen: SocketAddr,
    registry: Registry,
    readiness: Readiness,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let routes = Router::new()
        .route("/livez", get(async || "ok\n"))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .with_state(Ops { readiness, registry });
    let listener = TcpListener::bind(listen).await?;
    axum::serve(listener, routes).with_graceful_shutdown(stop.cancelled_owned()).await?;
    Ok(())
}

async fn readyz(State(ops): State<Ops>) -> (StatusCode, String) {
    let missing = ops.readiness.missing();
    if missing.is_empty() {
        return (StatusCode::OK, "ok\n".into());
    }
    (StatusCode::SERVICE_UNAVAILABLE, missing.join("\n") + "\n")
}

async fn metrics(State(ops): State<Ops>) -> (StatusCode, Vec<u8>) {
    let mut text = Vec::new();
    match TextEncoder::new().encode(&ops.registry.gather(), &mut text) {
        Ok(()) => (StatusCode::OK, text),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string().into_bytes()),
    }
}
