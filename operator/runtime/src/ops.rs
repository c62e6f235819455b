//! Liveness, readiness and metrics, over plain HTTP on a port of their own.

use axum::{Router, extract::State, http::StatusCode, routing::get};
use prometheus::{Encoder, IntGaugeVec, Opts, Registry, TextEncoder};
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

    /// Returns the conditions that do not hold; none when ready.
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

/// Registers the release: the version of the sources, and the revision that the image has in its environment. The
/// revision is not a build constant, because then every commit would recompile every program.
fn build_info(registry: &Registry, revision: &str) -> Result<(), prometheus::Error> {
    let info = IntGaugeVec::new(
        Opts::new("purr_build_info", "1, with the program's version and the revision of its sources"),
        &["version", "revision"],
    )?;
    registry.register(Box::new(info.clone()))?;
    let plain = |c: &char| c.is_ascii_alphanumeric() || "._-+".contains(*c);
    let revision: String = revision.chars().filter(plain).take(REVISION_MAX).collect();
    info.with_label_values(&[env!("CARGO_PKG_VERSION"), &revision]).set(1);
    Ok(())
}

/// Characters of a revision that are shown.
const REVISION_MAX: usize = 40;
/// The environment variable with the revision.
const REVISION: &str = "PURR_REVISION";

/// Serves `/livez`, `/readyz` and `/metrics` until stopped.
pub async fn serve(
    listen: SocketAddr,
    registry: Registry,
    readiness: Readiness,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    build_info(&registry, &std::env::var(REVISION).unwrap_or_default())?;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_shows_its_version_and_the_revision_of_its_image() {
        let registry = Registry::new();
        build_info(&registry, "0123abc\n\"x\"").unwrap();
        let text = TextEncoder::new().encode_to_string(&registry.gather()).unwrap();
        let version = env!("CARGO_PKG_VERSION");
        assert!(
            text.contains(&format!("purr_build_info{{revision=\"0123abcx\",version=\"{version}\"}} 1")),
            "{text}"
        );
    }
}
