//! Compressed bodies (RFC 9110, section 12.5.3): the page's files are text, and most of its weight is saved.

use bytes::Bytes;
use flate2::{Compression, write::GzEncoder};
use http::{HeaderMap, header};
use std::io::Write;

/// Smaller bodies fit into one packet as they are, in bytes.
const WORTH_IT_MIN: usize = 1_000;

/// The body by gzip; `None` where nothing is won. Done once for each file, when the page is made.
pub(super) fn gzip(body: &[u8]) -> Option<Bytes> {
    if body.len() < WORTH_IT_MIN {
        return None;
    }
    let mut encoder = GzEncoder::new(Vec::with_capacity(body.len() / 2), Compression::best());
    // Writing to a vector does not fail.
    encoder.write_all(body).ok()?;
    let compressed = encoder.finish().ok()?;
    (compressed.len() < body.len()).then(|| compressed.into())
}

/// Whether the client takes gzip: named, or by `*`, and not with a weight of zero.
pub(super) fn takes_gzip(asked: &HeaderMap) -> bool {
    let lists = asked.get_all(header::ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    let mut by_star = false;
    for coding in lists.flat_map(|list| list.split(',')) {
        let (name, weight) = coding.split_once(';').unwrap_or((coding, "q=1"));
        let weight = weight.trim().strip_prefix("q=").unwrap_or("1").trim();
        let wanted = weight.parse::<f32>().is_ok_and(|weight| weight > 0.0);
        match name.trim().to_ascii_lowercase().as_str() {
            "gzip" | "x-gzip" => return wanted,
            "*" => by_star = wanted,
            _ => {}
        }
    }
    by_star
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::read::GzDecoder;
    use std::io::Read;

    #[test]
    fn a_compressed_body_is_smaller_and_the_same_once_it_is_unpacked() {
        let body = "const seat = 7;\n".repeat(200);
        let compressed = gzip(body.as_bytes()).unwrap();
        assert!(compressed.len() < body.len() / 4);
        let mut again = String::new();
        GzDecoder::new(compressed.as_ref()).read_to_string(&mut again).unwrap();
        assert_eq!(again, body);
        assert_eq!(gzip(b"const seat = 7;"), None);
    }

    #[test]
    fn gzip_is_sent_to_who_takes_it() {
        let takes = |value: &str| {
            let mut asked = HeaderMap::new();
            asked.insert(header::ACCEPT_ENCODING, value.parse().unwrap());
            takes_gzip(&asked)
        };
        for yes in ["gzip", "gzip, deflate, br, zstd", "br;q=1.0, GZIP;q=0.8", "*", "x-gzip"] {
            assert!(takes(yes), "{yes}");
        }
        for no in ["", "identity", "br", "gzip;q=0", "gzip;q=0.000, *", "*;q=0", "gzip;q=x"] {
            assert!(!takes(no), "{no}");
        }
        assert!(!takes_gzip(&HeaderMap::new()));
    }
}
