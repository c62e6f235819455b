//! Metrics of a gateway. Labels come from closed sets.

use crate::{limits::Class, priority::Priority};
use prometheus::{IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Registry};
use purr_protocol::CloseCode;
use purr_runtime::metrics::Maker;

/// How a sign-in or refresh ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignIn {
    Ok,
    Refreshed,
    Malformed,
    Mismatch,
    Signature,
    Nonce,
    Outside,
    RefreshRefused,
    RefreshStolen,
    NoRoom,
    Denied,
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
            Self::Outside => "outside_refused",
            Self::RefreshRefused => "refresh_refused",
            Self::RefreshStolen => "refresh_stolen",
            Self::NoRoom => "no_room",
            Self::Denied => "denied",
            Self::Unavailable => "unavailable",
        }
    }
}

/// How a gateway learned that another one has ended a sign-in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Learned {
    Channel,
    /// The channel had missed the revocation, or had not delivered it yet.
    Record,
}

impl Learned {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Channel => "channel",
            Self::Record => "record",
        }
    }
}

/// Outcome of a request for a seat in a fleet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seat {
    Held,
    Waiting,
    Back,
    Refused,
    Unavailable,
}

impl Seat {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Held => "held",
            Self::Waiting => "waiting",
            Self::Back => "back",
            Self::Refused => "refused",
            Self::Unavailable => "unavailable",
        }
    }
}

/// Services that a gateway depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Upstream {
    Signer,
    Records,
    FairPlay,
    Sessions,
    Table,
}

impl Upstream {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Signer => "signer",
            Self::Records => "records",
            Self::FairPlay => "fair-play",
            Self::Sessions => "sessions",
            Self::Table => "table",
        }
    }
}

#[derive(Clone)]
pub struct Metrics {
    pub sockets: IntGauge,
    /// The part of the sockets that are HTTP streams.
    pub streams: IntGauge,
    pub tables: IntGauge,
    pub reattached: IntCounter,
    /// Times that mounted keys and roles were read again.
    pub files_read: IntCounter,
    /// Connections that were cut because their address had all that it may have.
    pub crowded: IntCounter,
    /// 1 while all gateways count together.
    pub limits_shared: IntGauge,
    pub in_flight: IntGauge,
    pub lobby_streams: IntGauge,
    /// 1 while the channel of revocations is open.
    pub listening: IntGauge,
    /// 1 while many wallets sign in from one private address.
    pub clients_hidden: IntGauge,
    /// 1 while seats of fleets are given.
    pub seating: IntGauge,
    seats: IntCounterVec,
    learned: IntCounterVec,
    breakers: IntGaugeVec,
    overloaded: IntCounterVec,
    keys_fetched: IntCounterVec,
    closed: IntCounterVec,
    sign_ins: IntCounterVec,
    events_lost: IntCounter,
    limited: IntCounterVec,
    upstream_errors: IntCounterVec,
}

impl Metrics {
    pub fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        let make = Maker(registry);
        Ok(Self {
            sockets: make.gauge("purr_gateway_sockets", "Players' sockets")?,
            streams: make.gauge("purr_gateway_streams", "Those of players' sockets that are an HTTP stream")?,
            tables: make.gauge("purr_gateway_tables", "Tables that have a pod")?,
            reattached: make.counter(
                "purr_gateway_reattached_total",
                "Times that a player's socket was attached to a pod again after its pod ended",
            )?,
            files_read: make.counter(
                "purr_gateway_files_read_total",
                "Times that mounted keys and roles were read again",
            )?,
            crowded: make.counter(
                "purr_gateway_connections_crowded_total",
                "Connections cut because their address had all that it may have",
            )?,
            limits_shared: make.gauge(
                "purr_gateway_limits_shared",
                "1 while limits are counted by all gateways together, 0 while by each alone",
            )?,
            in_flight: make.gauge("purr_gateway_requests_in_flight", "Requests that are being answered")?,
            lobby_streams: make.gauge("purr_gateway_lobby_streams", "Open streams of lobby changes")?,
            listening: make.gauge(
                "purr_gateway_revocations_listening",
                "1 while ended sign-ins are told as they end, 0 while they are only read from the record",
            )?,
            clients_hidden: make.gauge(
                "purr_gateway_clients_hidden",
                "1 where many wallets sign in from one private address: players' addresses do not reach the gateway",
            )?,
            seating: make.gauge(
                "purr_gateway_seating_available",
                "1 while seats of fleets are given, 0 while the store of holds and waiting lists does not answer",
            )?,
            seats: make.counters("purr_gateway_seats_total", "Requests for seats in fleets", &["result"])?,
            learned: make.counters(
                "purr_gateway_revocations_total",
                "Sign-ins that another gateway has ended, by how this one learned of it",
                &["by"],
            )?,
            breakers: make.gauges(
                "purr_gateway_breaker_state",
                "Circuit breakers: 0 closed, 1 half-open, 2 open (calls are refused at once)",
                &["upstream"],
            )?,
            overloaded: make.counters(
                "purr_gateway_overloaded_total",
                "Requests refused with 503 because too many were being answered",
                &["priority"],
            )?,
            keys_fetched: make.counters(
                "purr_gateway_outside_keys_fetched_total",
                "Times that the outside issuer's keys were asked for",
                &["result"],
            )?,
            closed: make.counters(
                "purr_gateway_sockets_closed_total",
                "Sockets closed by the gateway, by code",
                &["code"],
            )?,
            sign_ins: make.counters("purr_gateway_sign_ins_total", "Sign-ins and refreshes", &["result"])?,
            events_lost: make.counter(
                "purr_gateway_events_lost_total",
                "Sign-ins that records was not told of because too many were waiting",
            )?,
            limited: make.counters(
                "purr_gateway_rate_limited_total",
                "Requests and messages refused with 429",
                &["class"],
            )?,
            upstream_errors: make.counters("purr_gateway_upstream_errors_total", "Calls that failed", &["upstream"])?,
        })
    }

    pub fn learned(&self, by: Learned, count: u64) {
        self.learned.with_label_values(&[by.name()]).inc_by(count);
    }

    pub fn seat(&self, result: Seat) {
        self.seats.with_label_values(&[result.name()]).inc();
    }

    pub fn sign_in(&self, result: SignIn) {
        self.sign_ins.with_label_values(&[result.name()]).inc();
    }

    pub fn event_lost(&self) {
        self.events_lost.inc();
    }

    pub fn events_lost(&self) -> u64 {
        self.events_lost.get()
    }

    pub fn limited(&self, class: Class) {
        self.limited.with_label_values(&[class.name()]).inc();
    }

    pub fn message_limited(&self) {
        self.limited.with_label_values(&["message"]).inc();
    }

    pub fn breaker(&self, upstream: Upstream) -> IntGauge {
        self.breakers.with_label_values(&[upstream.name()])
    }

    pub fn overloaded(&self, priority: Priority) {
        self.overloaded.with_label_values(&[priority.name()]).inc();
    }

    pub fn keys_fetched(&self, ok: bool) {
        self.keys_fetched.with_label_values(&[if ok { "ok" } else { "failed" }]).inc();
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
        CloseCode::NotText => "not_text",
        CloseCode::TooBig => "too_big",
        CloseCode::TryAgain => "try_again",
        CloseCode::Replaced => "replaced",
        CloseCode::TokenExpired => "token_expired",
        CloseCode::Revoked => "revoked",
        CloseCode::SlowReader => "slow_reader",
        CloseCode::NoSuchTable => "no_such_table",
        CloseCode::Crowded => "crowded",
    }
}
