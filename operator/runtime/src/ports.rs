//! Ports that programs of the fleet have in common.

/// Port for other programs of the fleet, over mutual TLS.
pub const INTERNAL: u16 = 8_443;
/// Port for liveness, readiness and metrics, over plain HTTP.
pub const OPS: u16 = 9_090;

/// Returns `host:port`, with an IPv6 address in brackets (RFC 3986, section 3.2.2).
pub fn address(ip: &str, port: u16) -> String {
    if ip.contains(':') { format!("[{ip}]:{port}") } else { format!("{ip}:{port}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_of_ipv6_has_brackets() {
        assert_eq!(address("10.0.0.1", OPS), "10.0.0.1:9090");
        assert_eq!(address("2001:db8::1", INTERNAL), "[2001:db8::1]:8443");
    }
}
