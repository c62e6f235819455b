//! Settings of the gateway's front: proxies, networks and capacity.

use crate::{
    api::lobby::StreamBounds,
    auth::outside,
    limits::Rate,
    networks::{ANYWHERE, INSIDE, networks},
    relay::SpectatorBounds,
};
use purr_protocol::floor::Thresholds;
use purr_runtime::{Cidr, Edge, breaker};
use std::time::Duration;

#[derive(Clone, Debug)]
pub struct Front {
    /// Proxies that speak the PROXY protocol, and how long callers may take.
    pub edge: Edge,
    /// Proxies whose `X-Forwarded-For` is trusted.
    pub forwarded_from: Vec<Cidr>,
    /// Networks that administrators' and auditors' routes accept.
    pub admin_addresses: Vec<Cidr>,
    /// Networks that withdrawals are accepted from.
    pub withdrawal_addresses: Vec<Cidr>,
    /// Sockets that one address opens.
    pub socket_rate: Rate,
    /// Withdrawals and administrators' requests of one person.
    pub money_rate: Rate,
    /// Requests that are answered at once.
    pub requests_max: u32,
    /// Most requests of one address at once.
    pub address_requests_max: u32,
    /// Most slow bodies of one address. A body that arrives together with its head is not counted.
    pub address_bodies_max: u32,
    /// `Retry-After` of a request that is refused for lack of capacity.
    pub overload_wait: Duration,
    pub breaker: breaker::Settings,
    /// Age at which the lobby's list is built again.
    pub lobby_every: Duration,
    /// Streams of lobby changes at once.
    pub lobby_streams: StreamBounds,
    /// Thresholds above which a figure of the floor is marked as unusual.
    pub thresholds: Thresholds,
    /// Spectators at once.
    pub spectators: SpectatorBounds,
    /// Duration of one stream; its client then reconnects.
    pub lobby_stream: Duration,
    /// How often mounted keys and roles are read again.
    pub reload_every: Duration,
    /// An issuer of identities outside the fleet.
    pub outside: Option<outside::Settings>,
}

impl Default for Front {
    fn default() -> Self {
        Self {
            edge: Edge::default(),
            forwarded_from: Vec::new(),
            admin_addresses: networks(INSIDE),
            withdrawal_addresses: networks(ANYWHERE),
            socket_rate: Rate { per_s: 20, burst: 200 },
            money_rate: Rate { per_s: 1, burst: 20 },
            requests_max: 1_000,
            address_requests_max: 64,
            address_bodies_max: 16,
            overload_wait: Duration::from_secs(2),
            breaker: breaker::Settings::default(),
            lobby_every: Duration::from_secs(1),
            lobby_streams: StreamBounds::default(),
            thresholds: Thresholds::default(),
            spectators: SpectatorBounds::default(),
            lobby_stream: Duration::from_secs(15 * 60),
            reload_every: Duration::from_secs(10),
            outside: None,
        }
    }
}
