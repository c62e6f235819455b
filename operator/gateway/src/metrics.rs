//! What a gateway counts. Labels come from closed sets.

use crate::limits::Class;
use prometheus::{IntCounter, IntCounterVec, IntGauge, Opts, Registry};
use purr_protocol::CloseCode;

/// How a sign-in or refresh ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignIn {
    Ok,
    Refreshed,
    Malformed,
    Mismatch,
    Signature,
    Nonce,
    RefreshRefused,
    RefreshStolen,
    Unavailable,
}

impl SignIn {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Refreshed => "refreshed",
            Self::Malformed => "malformed",
            Self::Mismatch => "mismatch",
            Self::Signature => "signature",
            Self::Nonce => "nonce",
            Self::RefreshRefused => "refresh_refused",
            Self::RefreshStolen => "refresh_stolen",
            Self::Unavailable => "unavailable",
        }
    }
}

/// Whom a gateway depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Upstream {
    Signer,
    Records,
    Sessions,
    Table,
}

impl Upstream {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Signer => "signer",
            Self::Records => "records",
            Self::Sessions => "sessions",
            Self::Table => "table",
        }
    }
}

#[derive(Clone)]
pub struct Metrics {
    pub sockets: IntGauge,
    pub tables: IntGauge,
    pub reattached: IntCounter,
    closed: IntCounterVec,
    sign_ins: IntCounterVec,
    limited: IntCounterVec,
    upstream_errors: IntCounterVec,
}

impl Metrics {
    pub fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        let vec = |name: &str, help: &str, label: &str| {
            let metric = IntCounterVec::new(Opts::new(name, help), &[label])?;
            registry.register(Box::new(metric.clone()))?;
            Ok::<_, prometheus::Error>(metric)
        };
        let gauge = |name: &str, help: &str| {
            let metric = IntGauge::new(name, help)?;
            registry.register(Box::new(metric.clone()))?;
            Ok::<_, prometheus::Error>(metric)
        };
        let reattached = IntCounter::new(
            "purr_gateway_reattached_total",
            "Times that a player's socket was attached to a pod again after its pod ended",
        )?;
        registry.register(Box::new(reattached.clone()))?;
        Ok(Self {
            sockets: gauge("purr_gateway_sockets", "Players' sockets")?,
            tables: gauge("purr_gateway_tables", "Tables that have a pod")?,
            reattached,
            closed: vec(
                "purr_gateway_sockets_closed_total",
                "Sockets closed by the gateway, by code",
                "code",
            )?,
            sign_ins: vec("purr_gateway_sign_ins_total", "Sign-ins and refreshes", "result")?,
            limited: vec(
                "purr_gateway_rate_limited_total",
                "Requests and messages refused with 429",
                "class",
            )?,
            upstream_errors: vec("purr_gateway_upstream_errors_total", "Calls that failed", "upstream")?,
        })
    }

    pub fn sign_in(&self, result: SignIn) {
        self.sign_ins.with_label_values(&[result.name()]).inc();
    }

    pub fn limited(&self, class: Class) {
        self.limited.with_label_values(&[class.name()]).inc();
    }

    pub fn message_limited(&self) {
        self.limited.with_label_values(&["message"]).inc();
    }

    pub fn upstream_error(&self, upstream: Upstream) {
        self.upstream_errors.with_label_values(&[upstream.name()]).inc();
    }

    pub fn closed(&self, code: CloseCode) {
        self.closed.with_label_values(&[close_name(code)]).inc();
    }
}

const fn close_name(code: CloseCode) -> &'static str {
    match code {
        CloseCode::Normal => "normal",
        CloseCode::GoingAway => "going_away",
        CloseCode::Protocol => "protocol",
        CloseCode::TooBig => "too_big",
        CloseCode::TryAgain => "try_again",
        CloseCode::Replaced => "replaced",
        CloseCode::TokenExpired => "token_expired",
        CloseCode::Revoked => "revoked",
        CloseCode::SlowReader => "slow_reader",
        CloseCode::NoSuchTable => "no_such_table",
    }
}
