//! What stands between players and this gateway: proxies, address policies, and how much it bears.

use crate::{api::lobby::StreamBounds, auth::outside, limits::Rate, relay::SpectatorBounds};
use purr_protocol::floor::Thresholds;
use purr_runtime::{Cidr, Edge, breaker};
use std::time::Duration;

/// Private networks and this machine (RFC 1918, RFC 4193).
pub const INSIDE: &str = "127.0.0.0/8,10.0.0.0/8,172.16.0.0/12,192.168.0.0/16,::1,fc00::/7";
pub const ANYWHERE: &str = "0.0.0.0/0,::/0";

#[derive(Clone, Debug)]
pub struct Front {
    /// Proxies that speak the PROXY protocol, and how long callers may take.
    pub edge: Edge,
    /// Whose `X-Forwarded-For` is believed.
    pub forwarded_from: Vec<Cidr>,
    /// From where administrators' and auditors' routes are open.
    pub admin_addresses: Vec<Cidr>,
    /// From where money may be withdrawn.
    pub withdrawal_addresses: Vec<Cidr>,
    /// Sockets that one address opens.
    pub socket_rate: Rate,
    /// Withdrawals and administrators' requests of one person.
    pub money_rate: Rate,
    /// Requests that are answered at once.
    pub requests_max: u32,
    /// Of one address.
    pub address_requests_max: u32,
    /// Bodies of one address that are being waited for. One that comes with its head is not.
    pub address_bodies_max: u32,
    /// What a request that finds no room is told to wait.
    pub overload_wait: Duration,
    pub breaker: breaker::Settings,
    /// Age at which the lobby's list is made anew.
    pub lobby_every: Duration,
    /// Streams of lobby changes at once.
    pub lobby_streams: StreamBounds,
    /// From where on a rate of the floor is unusual.
    pub thresholds: Thresholds,
    /// Spectators at once.
    pub spectators: SpectatorBounds,
    /// How long one stream lasts; its client then comes again.
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

/// The networks of [`INSIDE`].
pub fn inside() -> Vec<Cidr> {
    networks(INSIDE)
}

/// Networks that are written in this program.
fn networks(list: &str) -> Vec<Cidr> {
    list.split(',').filter_map(|text| text.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_networks_of_this_program_are_networks() {
        assert_eq!(networks(INSIDE).len(), 6);
        assert_eq!(networks(ANYWHERE).len(), 2);
    }
}
