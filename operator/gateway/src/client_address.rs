//! The address of the client: the peer of the connection, or the address that a listed proxy names.

use http::HeaderMap;
use purr_runtime::Cidr;
use std::net::{IpAddr, SocketAddr};

/// More entries than any honest chain of proxies has.
const HOPS_MAX: usize = 16;

/// The address that limits and address policies count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientAddress(pub IpAddr);

/// Each proxy appends the address of its own peer to `X-Forwarded-For`. Read from the right, entries are reliable up to
/// the first address that is not a listed proxy; anybody may have written the entries to its left. If the peer itself
/// is not listed, the header is ignored.
pub fn client_address(peer: IpAddr, headers: &HeaderMap, proxies: &[Cidr]) -> IpAddr {
    let mut known = peer.to_canonical();
    let lines: Vec<&str> =
        headers.get_all("x-forwarded-for").iter().map(|value| value.to_str().unwrap_or("?")).collect();
    let hops = lines.iter().rev().flat_map(|line| line.rsplit(','));
    for hop in hops.take(HOPS_MAX) {
        if !Cidr::any_contains(proxies, known) {
            break;
        }
        // The last entry that parses is used, so clients that send nonsense share one address.
        let Some(ip) = address(hop.trim()) else { break };
        known = ip;
    }
    known
}

/// Parses an entry. Some proxies add the port: `192.0.2.1:80`, `[2001:db8::1]:80`, `[2001:db8::1]`.
fn address(text: &str) -> Option<IpAddr> {
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    let ip = bare.parse::<IpAddr>().ok().or_else(|| Some(text.parse::<SocketAddr>().ok()?.ip()))?;
    Some(ip.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(peer: &str, lines: &[&str], proxies: &[&str]) -> String {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append("x-forwarded-for", line.parse().unwrap());
        }
        let proxies: Vec<Cidr> = proxies.iter().map(|text| text.parse().unwrap()).collect();
        client_address(peer.parse().unwrap(), &headers, &proxies).to_string()
    }

    #[test]
    fn without_a_list_the_header_says_nothing() {
        assert_eq!(client("198.51.100.1", &["192.0.2.1"], &[]), "198.51.100.1");
        assert_eq!(client("::ffff:198.51.100.1", &[], &[]), "198.51.100.1");
    }

    #[test]
    fn whoever_is_not_listed_is_the_client_whatever_it_writes() {
        assert_eq!(client("198.51.100.1", &["10.0.0.1", "192.0.2.1"], &["10.0.0.0/8"]), "198.51.100.1");
    }

    #[test]
    fn behind_listed_proxies_the_first_address_from_the_right_that_is_none_of_them_counts() {
        let proxies = ["10.0.0.0/8", "2001:db8:1::/48"];
        for (lines, expected) in [
            (vec!["192.0.2.1"], "192.0.2.1"),
            // The client itself wrote the left entry.
            (vec!["203.0.113.9, 192.0.2.1"], "192.0.2.1"),
            (vec!["203.0.113.9", "192.0.2.1, 10.0.0.7"], "192.0.2.1"),
            (vec!["203.0.113.9, 192.0.2.1", "2001:db8:1::5"], "192.0.2.1"),
            (vec!["10.9.9.9, 10.0.0.7"], "10.9.9.9"),
            (vec!["192.0.2.1:4711"], "192.0.2.1"),
            (vec!["[2001:db8:2::1]:4711"], "2001:db8:2::1"),
            (vec!["[2001:db8:2::1]"], "2001:db8:2::1"),
            (vec!["::ffff:192.0.2.1"], "192.0.2.1"),
            (vec![], "10.0.0.1"),
            (vec!["192.0.2.1, unknown"], "10.0.0.1"),
            (vec!["192.0.2.1,"], "10.0.0.1"),
            (vec!["192.0.2.1, unknown, 10.0.0.7"], "10.0.0.7"),
        ] {
            assert_eq!(client("10.0.0.1", &lines, &proxies), expected, "{lines:?}");
        }
    }

    #[test]
    fn a_chain_without_an_end_is_read_to_a_bound() {
        let long = vec!["10.0.0.1"; 1_000].join(", ");
        assert_eq!(client("10.0.0.1", &["192.0.2.1", &long], &["10.0.0.0/8"]), "10.0.0.1");
    }
}
