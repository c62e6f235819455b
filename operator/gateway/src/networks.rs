//! Networks that options default to.

use purr_runtime::Cidr;

/// Private networks and this machine (RFC 1918, RFC 4193).
pub const INSIDE: &str = "127.0.0.0/8,10.0.0.0/8,172.16.0.0/12,192.168.0.0/16,::1,fc00::/7";
/// Every network.
pub const ANYWHERE: &str = "0.0.0.0/0,::/0";

/// The networks of [`INSIDE`].
pub fn inside() -> Vec<Cidr> {
    networks(INSIDE)
}

/// Parses a constant list of networks.
pub(crate) fn networks(list: &str) -> Vec<Cidr> {
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
