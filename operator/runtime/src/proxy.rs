//! Callers behind load balancers: networks in CIDR notation (RFC 4632), and the PROXY protocol in
//! both versions, as HAProxy's "proxy-protocol.txt" of 2020 defines it.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    str::FromStr,
};
use tokio::io::{AsyncRead, AsyncReadExt};

/// A network, or one address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cidr {
    network: IpAddr,
    prefix: u8,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is not a network such as 10.0.0.0/8 or 2001:db8::/32, or has bits beyond its prefix")]
pub struct BadCidr(String);

impl FromStr for Cidr {
    type Err = BadCidr;

    fn from_str(text: &str) -> Result<Self, BadCidr> {
        let bad = || BadCidr(text.to_owned());
        let (network, prefix) = text.split_once('/').map_or((text, None), |(ip, len)| (ip, Some(len)));
        let network: IpAddr = network.parse().map_err(|_| bad())?;
        let bits = if network.is_ipv4() { 32 } else { 128 };
        let prefix = match prefix {
            None => bits,
            // `parse` alone would accept a plus sign, so each byte must be a digit.
            Some(text) if text.bytes().all(|byte| byte.is_ascii_digit()) => {
                text.parse().ok().filter(|prefix| *prefix <= bits).ok_or_else(bad)?
            }
            Some(_) => return Err(bad()),
        };
        let cidr = Self { network, prefix };
        if masked(network, prefix) == network { Ok(cidr) } else { Err(bad()) }
    }
}

impl fmt::Display for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.network, self.prefix)
    }
}

/// An address with the bits after the prefix set to zero.
fn masked(ip: IpAddr, prefix: u8) -> IpAddr {
    match ip {
        IpAddr::V4(ip) => {
            let mask = u32::MAX.checked_shl(32 - u32::from(prefix.min(32))).unwrap_or(0);
            Ipv4Addr::from_bits(ip.to_bits() & mask).into()
        }
        IpAddr::V6(ip) => {
            let mask = u128::MAX.checked_shl(128 - u32::from(prefix.min(128))).unwrap_or(0);
            Ipv6Addr::from_bits(ip.to_bits() & mask).into()
        }
    }
}

impl Cidr {
    /// An IPv4 address that an IPv6 socket shows as `::ffff:a.b.c.d` is the IPv4 address.
    pub fn contains(&self, ip: IpAddr) -> bool {
        let ip = ip.to_canonical();
        ip.is_ipv4() == self.network.is_ipv4() && masked(ip, self.prefix) == self.network
    }

    pub fn any_contains(networks: &[Self], ip: IpAddr) -> bool {
        networks.iter().any(|network| network.contains(ip))
    }
}

const V2_SIGNATURE: [u8; 12] = *b"\r\n\r\n\0\r\nQUIT\n";
/// The longest header of version 1, with its line end.
const V1_BYTES_MAX: usize = 107;
/// Addresses and extensions (TLVs) of version 2 beyond this are no header of any proxy in use.
const V2_BYTES_MAX: usize = 2048;

fn bad(detail: &'static str) -> std::io::Error {
    std::io::Error::new(std::io::ErrorKind::InvalidData, detail)
}

/// Reads exactly the header. `None`: the proxy speaks for itself (`LOCAL`) or does not know the client's address.
///
/// # Errors
/// There is no header, or it is malformed: whoever is listed as such a proxy must send one.
pub async fn read_header<S: AsyncRead + Unpin>(stream: &mut S) -> std::io::Result<Option<SocketAddr>> {
    let mut start = [0; 12];
    stream.read_exact(&mut start).await?;
    if start == V2_SIGNATURE {
        return read_v2(stream).await;
    }
    if !start.starts_with(b"PROXY ") {
        return Err(bad("no PROXY header"));
    }
    let mut line = start.to_vec();
    // Reads one byte at a time, so that the TLS handshake that follows is not consumed.
    while !line.ends_with(b"\r\n") {
        if line.len() >= V1_BYTES_MAX {
            return Err(bad("a PROXY header without an end"));
        }
        line.push(stream.read_u8().await?);
    }
    parse_v1(&line).ok_or_else(|| bad("a malformed PROXY header"))
}

fn parse_v1(line: &[u8]) -> Option<Option<SocketAddr>> {
    let text = std::str::from_utf8(line).ok()?.strip_prefix("PROXY ")?.strip_suffix("\r\n")?;
    let mut words = text.split(' ');
    let family = words.next()?;
    if family == "UNKNOWN" {
        return Some(None);
    }
    let (source, _destination) = (words.next()?, words.next()?);
    let (port, _destination_port) = (words.next()?, words.next()?);
    let source: IpAddr = source.parse().ok()?;
    let of_family = matches!((family, source), ("TCP4", IpAddr::V4(_)) | ("TCP6", IpAddr::V6(_)));
    let whole = of_family && words.next().is_none() && port.bytes().all(|byte| byte.is_ascii_digit());
    whole.then_some(Some(SocketAddr::new(source, port.parse().ok()?)))
}

async fn read_v2<S: AsyncRead + Unpin>(stream: &mut S) -> std::io::Result<Option<SocketAddr>> {
    let mut head = [0; 4];
    stream.read_exact(&mut head).await?;
    let [version_command, family, high, low] = head;
    let length = usize::from(u16::from_be_bytes([high, low]));
    if length > V2_BYTES_MAX {
        return Err(bad("a PROXY header that is too long"));
    }
    let mut rest = vec![0; length];
    stream.read_exact(&mut rest).await?;
    match version_command {
        0x20 => return Ok(None),
        0x21 => {}
        _ => return Err(bad("another version or command of the PROXY protocol")),
    }
    // Source address, destination address, source port, destination port.
    let source = match family {
        0x11 => address::<4>(&rest).map(|(ip, port)| SocketAddr::new(Ipv4Addr::from(ip).into(), port)),
        0x21 => address::<16>(&rest).map(|(ip, port)| SocketAddr::new(Ipv6Addr::from(ip).into(), port)),
        // The address of a datagram or local socket is not used: the client stays unknown.
        _ => return Ok(None),
    };
    source.map(Some).ok_or_else(|| bad("a PROXY header that is too short"))
}

fn address<const N: usize>(rest: &[u8]) -> Option<([u8; N], u16)> {
    let ip = rest.get(..N)?.try_into().ok()?;
    let port = rest.get(2 * N..2 * N + 2)?.try_into().ok()?;
    rest.get(..2 * N + 4)?;
    Some((ip, u16::from_be_bytes(port)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cidr(text: &str) -> Cidr {
        text.parse().unwrap()
    }

    #[test]
    fn a_network_contains_its_addresses_and_no_others() {
        for (network, inside, outside) in [
            ("10.0.0.0/8", "10.255.0.1", "11.0.0.0"),
            ("192.0.2.7", "192.0.2.7", "192.0.2.8"),
            ("0.0.0.0/0", "255.255.255.255", "::1"),
            ("::/0", "2001:db8::1", "192.0.2.1"),
            ("2001:db8::/33", "2001:db8:7fff::", "2001:db8:8000::"),
            ("192.0.2.0/31", "::ffff:192.0.2.1", "::ffff:192.0.2.2"),
        ] {
            assert!(cidr(network).contains(inside.parse().unwrap()), "{network} {inside}");
            assert!(!cidr(network).contains(outside.parse().unwrap()), "{network} {outside}");
        }
    }

    #[test]
    fn what_is_no_network_is_refused() {
        for text in ["", "10.0.0.0/33", "10.0.0.1/8", "::/129", "10.0.0.0/", "10.0.0.0/+8", "a/8", "10/8"] {
            assert!(text.parse::<Cidr>().is_err(), "{text}");
        }
    }

    async fn read(bytes: &[u8]) -> std::io::Result<(Option<SocketAddr>, Vec<u8>)> {
        let mut stream = bytes;
        let address = read_header(&mut stream).await?;
        Ok((address, stream.to_vec()))
    }

    fn v2(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
        let length = u16::try_from(rest.len()).unwrap().to_be_bytes();
        [&V2_SIGNATURE[..], &[command, family], &length, rest, b"TLS"].concat()
    }

    #[tokio::test]
    async fn headers_of_both_versions_are_read_to_their_last_byte() {
        let v4 = [192, 0, 2, 1, 10, 0, 0, 1, 0x1f, 0x90, 0, 80];
        let with_extension = [&v4[..], &[0x04, 0, 1, 9]].concat();
        let v6 = [&[0x20, 1, 0xd, 0xb8][..], &[0; 11], &[7], &[0; 16], &[0, 9, 0, 80]].concat();
        for (bytes, expected) in [
            (b"PROXY TCP4 192.0.2.1 10.0.0.1 8080 443\r\nTLS".to_vec(), Some("192.0.2.1:8080")),
            (b"PROXY TCP6 2001:db8::7 ::1 9 443\r\nTLS".to_vec(), Some("[2001:db8::7]:9")),
            (b"PROXY UNKNOWN\r\nTLS".to_vec(), None),
            (v2(0x21, 0x11, &v4), Some("192.0.2.1:8080")),
            (v2(0x21, 0x11, &with_extension), Some("192.0.2.1:8080")),
            (v2(0x21, 0x21, &v6), Some("[2001:db8::7]:9")),
            (v2(0x20, 0x00, &[]), None),
            (v2(0x21, 0x31, &[0; 216]), None),
        ] {
            let (address, rest) = read(&bytes).await.unwrap();
            assert_eq!(address, expected.map(|text| text.parse().unwrap()), "{bytes:?}");
            assert_eq!(rest, b"TLS");
        }
    }

    #[tokio::test]
    async fn what_is_no_header_is_an_error() {
        let endless = [b"PROXY TCP4 ".as_slice(), &[b'1'; 200]].concat();
        for bytes in [
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\x00\x00".as_slice(),
            b"GET / HTTP/1.1\r\n\r\n",
            b"PROXY TCP4 2001:db8::7 ::1 9 443\r\n",
            b"PROXY TCP4 192.0.2.1 10.0.0.1 +80 443\r\n",
            b"PROXY TCP4 192.0.2.1 10.0.0.1 80 443 1\r\n",
            b"PROXY TCP4 192.0.2.1 10.0.0.1\r\n",
            b"PROXY UNK",
            &endless,
            &v2(0x11, 0x11, &[0; 12]),
            &v2(0x22, 0x11, &[0; 12]),
            &v2(0x21, 0x11, &[0; 11]),
            &v2(0x21, 0x21, &[0; 12]),
            &v2(0x21, 0x11, &vec![0; V2_BYTES_MAX + 1]),
        ] {
            assert!(read(bytes).await.is_err(), "{bytes:?}");
        }
    }
}
