//! The message that a wallet signs (EIP-4361), parsed strictly by its ABNF.

use super::signature;
use jiff::Timestamp;
use purr_engine::PlayerId;

/// No honest message is longer, in bytes.
const MESSAGE_BYTES_MAX: usize = 4 * 1024;
const RESOURCES_MAX: usize = 16;
/// A message may be this old, in seconds: as long as its nonce lives.
pub const AGE_MAX_S: i64 = 300;
/// Clocks of wallets run ahead of ours a little, in seconds.
const SKEW_S: i64 = 60;

/// A parsed sign-in message. Times are seconds since 1970.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    pub scheme: Option<String>,
    pub domain: String,
    pub address: PlayerId,
    pub statement: Option<String>,
    pub uri: String,
    pub chain_id: u64,
    pub nonce: String,
    pub issued_at_s: i64,
    pub expiration_s: Option<i64>,
    pub not_before_s: Option<i64>,
    pub request_id: Option<String>,
    pub resources: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    #[error("longer than {MESSAGE_BYTES_MAX} bytes")]
    TooLong,
    #[error("line {line}: expected {expected}")]
    Expected { line: usize, expected: &'static str },
    #[error("line {line}: the address is not written by EIP-55 (mixed-case checksum)")]
    Address { line: usize },
    #[error("line {line}: not a time by RFC 3339")]
    Time { line: usize },
    #[error("line {line}: nothing may follow here")]
    Trailing { line: usize },
    #[error("more than {RESOURCES_MAX} resources")]
    Resources,
}

/// The values that a sign-in message must have.
#[derive(Clone, Debug)]
pub struct Expected<'a> {
    /// Authority without scheme, as the wallet shows it.
    pub domain: &'a str,
    /// The gateway's own URL.
    pub url: &'a str,
    pub chain_id: u64,
    pub now_s: i64,
}

/// Why a well-formed message is not accepted: it is for another site or another time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Mismatch {
    #[error("the message is for another domain")]
    Domain,
    #[error("the message is for another scheme")]
    Scheme,
    #[error("the message is for another URI")]
    Uri,
    #[error("the message is for another chain")]
    Chain,
    #[error("the message was issued too long ago")]
    TooOld,
    #[error("the message was issued in the future")]
    FromTheFuture,
    #[error("the message has expired")]
    Expired,
    #[error("the message is not valid yet")]
    NotYet,
}

/// The lines of a message, with the next line's number (from 1) for errors.
struct Lines<'a> {
    rest: Option<&'a str>,
    line: usize,
}

impl<'a> Lines<'a> {
    fn new(text: &'a str) -> Self {
        Self { rest: Some(text), line: 0 }
    }

    fn peek(&self) -> Option<&'a str> {
        self.rest.map(|rest| rest.split_once('\n').map_or(rest, |(line, _)| line))
    }

    fn next(&mut self, expected: &'static str) -> Result<&'a str, Malformed> {
        self.line += 1;
        let rest = self.rest.ok_or(Malformed::Expected { line: self.line, expected })?;
        let (line, rest) = rest.split_once('\n').map_or((rest, None), |(line, rest)| (line, Some(rest)));
        self.rest = rest;
        Ok(line)
    }

    fn wrong(&self, expected: &'static str) -> Malformed {
        Malformed::Expected { line: self.line, expected }
    }

    fn empty(&mut self) -> Result<(), Malformed> {
        if self.next("an empty line")?.is_empty() { Ok(()) } else { Err(self.wrong("an empty line")) }
    }

    fn field(&mut self, name: &'static str) -> Result<&'a str, Malformed> {
        let line = self.next(name)?;
        line.strip_prefix(name)
            .and_then(|rest| rest.strip_prefix(": "))
            .filter(|value| !value.is_empty())
            .ok_or_else(|| self.wrong(name))
    }

    /// A field that may be left out.
    fn optional(&mut self, name: &'static str) -> Result<Option<&'a str>, Malformed> {
        let here = self.peek().is_some_and(|line| {
            line.strip_prefix(name).is_some_and(|rest| rest.starts_with(": ") || rest.is_empty())
        });
        if here { self.field(name).map(Some) } else { Ok(None) }
    }

    fn time(&self, text: &str) -> Result<i64, Malformed> {
        rfc3339(text).ok_or(Malformed::Time { line: self.line })
    }

    fn optional_time(&mut self, name: &'static str) -> Result<Option<i64>, Malformed> {
        self.optional(name)?.map(|text| self.time(text)).transpose()
    }
}

/// Seconds since 1970. The library reads more of ISO 8601 than RFC 3339 allows, so the shape comes first.
fn rfc3339(text: &str) -> Option<i64> {
    let bytes = text.as_bytes();
    let shape = bytes.get(..19)?.iter().zip(b"dddd-dd-ddTdd:dd:dd").all(|(byte, kind)| match kind {
        b'd' => byte.is_ascii_digit(),
        b'T' => matches!(byte, b'T' | b't'),
        _ => byte == kind,
    });
    let zone = text.get(19..)?.trim_start_matches(|c: char| c == '.' || c.is_ascii_digit());
    let offset = zone.len() == 6 && zone.starts_with(['+', '-']) && zone.as_bytes().get(3) == Some(&b':');
    if !shape || !(zone.eq_ignore_ascii_case("z") || offset) {
        return None;
    }
    text.parse::<Timestamp>().ok().map(Timestamp::as_second)
}

/// Characters of a URI (RFC 3986, section 2), with a scheme before the first colon.
fn is_uri(text: &str) -> bool {
    let scheme = text.split_once(':').map(|(scheme, _)| scheme);
    scheme.is_some_and(is_scheme)
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~:/?#[]@!$&'()*+,;=%".contains(&byte))
}

fn is_scheme(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
}

/// `authority` of RFC 3986: host and port, no user information (it would let a domain pose as another).
fn is_domain(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~:[]%".contains(&byte))
}

impl Message {
    /// # Errors
    /// The first line that is not as EIP-4361 has it.
    pub fn parse(text: &str) -> Result<Self, Malformed> {
        if text.len() > MESSAGE_BYTES_MAX {
            return Err(Malformed::TooLong);
        }
        let mut lines = Lines::new(text);
        let preamble = "'<domain> wants you to sign in with your Ethereum account:'";
        let authority = lines
            .next(preamble)?
            .strip_suffix(" wants you to sign in with your Ethereum account:")
            .ok_or_else(|| lines.wrong(preamble))?;
        let (scheme, domain) = match authority.split_once("://") {
            Some((scheme, domain)) if is_scheme(scheme) => (Some(scheme.to_owned()), domain),
            Some(_) => return Err(lines.wrong("a scheme")),
            None => (None, authority),
        };
        if !is_domain(domain) {
            return Err(lines.wrong("a domain"));
        }
        let address = signature::parse_checksummed(lines.next("an address")?)
            .ok_or(Malformed::Address { line: lines.line })?;
        lines.empty()?;
        // A statement stands between two empty lines; without one there are two empty lines.
        let statement = match lines.next("a statement or an empty line")? {
            "" => None,
            statement => {
                if !statement.bytes().all(|byte| (0x20..0x7f).contains(&byte)) {
                    return Err(lines.wrong("a statement in ASCII"));
                }
                lines.empty()?;
                Some(statement.to_owned())
            }
        };
        let uri = lines.field("URI")?.to_owned();
        if !is_uri(&uri) {
            return Err(lines.wrong("a URI"));
        }
        if lines.field("Version")? != "1" {
            return Err(lines.wrong("Version: 1"));
        }
        let chain_id = lines.field("Chain ID")?;
        let chain_id = Some(chain_id).filter(|id| id.bytes().all(|byte| byte.is_ascii_digit()));
        let chain_id =
            chain_id.and_then(|id| id.parse().ok()).ok_or_else(|| lines.wrong("a chain id in digits"))?;
        let nonce = lines.field("Nonce")?.to_owned();
        if nonce.len() < 8 || !nonce.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            return Err(lines.wrong("a nonce of at least 8 letters and digits"));
        }
        let issued_at = lines.field("Issued At")?;
        let issued_at_s = lines.time(issued_at)?;
        let expiration_s = lines.optional_time("Expiration Time")?;
        let not_before_s = lines.optional_time("Not Before")?;
        let request_id = lines.optional("Request ID")?.map(str::to_owned);
        let resources = Self::resources(&mut lines)?;
        if lines.rest.is_some() {
            return Err(Malformed::Trailing { line: lines.line + 1 });
        }
        Ok(Self {
            scheme,
            domain: domain.to_owned(),
            address,
            statement,
            uri,
            chain_id,
            nonce,
            issued_at_s,
            expiration_s,
            not_before_s,
            request_id,
            resources,
        })
    }

    fn resources(lines: &mut Lines<'_>) -> Result<Vec<String>, Malformed> {
        if lines.peek() != Some("Resources:") {
            return Ok(Vec::new());
        }
        lines.next("Resources:")?;
        let mut resources = Vec::new();
        while lines.peek().is_some() {
            let line = lines.next("a resource")?;
            let uri = line.strip_prefix("- ").filter(|uri| is_uri(uri));
            resources.push(uri.ok_or_else(|| lines.wrong("'- ' and a URI"))?.to_owned());
            if resources.len() > RESOURCES_MAX {
                return Err(Malformed::Resources);
            }
        }
        Ok(resources)
    }

    /// Whether the message is for this gateway, this chain and this time.
    ///
    /// # Errors
    /// The first thing that it is not for.
    pub fn check(&self, expected: &Expected<'_>) -> Result<(), Mismatch> {
        let url = expected.url.trim_end_matches('/');
        let below = self.uri.strip_prefix(url).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
        let scheme_is_ours =
            self.scheme.as_deref().is_none_or(|scheme| url.split("://").next() == Some(scheme));
        let age = expected.now_s - self.issued_at_s;
        for (holds, mismatch) in [
            (self.domain == expected.domain, Mismatch::Domain),
            (scheme_is_ours, Mismatch::Scheme),
            (below, Mismatch::Uri),
            (self.chain_id == expected.chain_id, Mismatch::Chain),
            (age <= AGE_MAX_S, Mismatch::TooOld),
            (age >= -SKEW_S, Mismatch::FromTheFuture),
            (self.expiration_s.is_none_or(|at| expected.now_s < at), Mismatch::Expired),
            (self.not_before_s.is_none_or(|at| expected.now_s >= at), Mismatch::NotYet),
        ] {
            if !holds {
                return Err(mismatch);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // The example of EIP-4361, "Message Template".
    const EXAMPLE: &str = "https://example.com wants you to sign in with your Ethereum account:\n\
        0xC02aaA39b223FE8D0A0e5C4F27eAD9083C756Cc2\n\n\
        I accept the ExampleOrg Terms of Service: https://example.com/tos\n\n\
        URI: https://example.com/login\nVersion: 1\nChain ID: 1\nNonce: 32891756\n\
        Issued At: 2021-09-30T16:25:24Z\nExpiration Time: 2021-09-30T16:30:24.000Z\n\
        Not Before: 2021-09-30T18:25:24+02:00\nRequest ID: some-id\nResources:\n\
        - ipfs://bafybeiemxf5abjwjbikoz4mc3a3dla6ual3jsgpdr4cjr3oz3evfyavhwq/\n\
        - https://example.com/my-web2-claim.json";
    const ISSUED: i64 = 1_633_019_124;

    fn expected(now_s: i64) -> Expected<'static> {
        Expected { domain: "example.com", url: "https://example.com", chain_id: 1, now_s }
    }

    #[test]
    fn the_example_of_the_standard_is_read() {
        let message = Message::parse(EXAMPLE).unwrap();
        assert_eq!(message.scheme.as_deref(), Some("https"));
        assert_eq!(message.domain, "example.com");
        assert_eq!(message.uri, "https://example.com/login");
        assert_eq!(message.nonce, "32891756");
        assert_eq!((message.issued_at_s, message.not_before_s), (ISSUED, Some(ISSUED)));
        assert_eq!(message.expiration_s, Some(ISSUED + 300));
        assert_eq!(message.resources.len(), 2);
        assert_eq!(message.check(&expected(ISSUED + 10)), Ok(()));
    }

    #[test]
    fn a_message_without_a_statement_has_two_empty_lines() {
        let short = "example.com wants you to sign in with your Ethereum account:\n\
            0xC02aaA39b223FE8D0A0e5C4F27eAD9083C756Cc2\n\n\n\
            URI: https://example.com\nVersion: 1\nChain ID: 1\nNonce: 32891756\nIssued At: 2021-09-30T16:25:24Z";
        let message = Message::parse(short).unwrap();
        assert_eq!((message.statement, message.request_id), (None, None));
        let one_line = short.replacen("\n\n\n", "\n\n", 1);
        assert!(Message::parse(&one_line).is_err());
    }

    #[test]
    fn what_the_grammar_does_not_have_is_refused() {
        for (from, to) in [
            ("wants you to sign in", "wants you to log in"),
            ("https://example.com wants", "https://user@example.com wants"),
            ("0xC02aaA39", "0xc02aaA39"),
            ("Version: 1", "Version: 2"),
            ("Chain ID: 1", "Chain ID: +1"),
            ("Nonce: 32891756", "Nonce: short"),
            ("Nonce: 32891756", "Nonce: 3289-1756"),
            ("2021-09-30T16:25:24Z", "2021-09-30"),
            ("2021-09-30T16:25:24Z", "2021-09-30 16:25:24Z"),
            ("2021-09-30T16:25:24Z", "2021-09-30T16:25:24"),
            ("Version: 1\nChain ID: 1", "Chain ID: 1\nVersion: 1"),
            ("\nRequest ID", "\n\nRequest ID"),
            ("- https://example.com/my", "https://example.com/my"),
            ("URI: https", "URI:https"),
        ] {
            let changed = EXAMPLE.replacen(from, to, 1);
            assert_ne!(changed, EXAMPLE);
            assert!(Message::parse(&changed).is_err(), "{from} -> {to}");
        }
        assert!(Message::parse(&format!("{EXAMPLE}\n")).is_err());
        assert!(Message::parse("").is_err());
    }

    #[test]
    fn a_message_for_something_else_or_another_time_is_refused() {
        let message = Message::parse(EXAMPLE).unwrap();
        let now = expected(ISSUED + 10);
        let cases = [
            (Expected { domain: "example.org", ..now.clone() }, Mismatch::Domain),
            (Expected { url: "http://example.com", ..now.clone() }, Mismatch::Scheme),
            (Expected { url: "https://example.co", ..now.clone() }, Mismatch::Uri),
            (Expected { chain_id: 999, ..now.clone() }, Mismatch::Chain),
            (expected(ISSUED + AGE_MAX_S + 1), Mismatch::TooOld),
            (expected(ISSUED - SKEW_S - 1), Mismatch::FromTheFuture),
            (expected(ISSUED + 300), Mismatch::Expired),
            (expected(ISSUED - 1), Mismatch::NotYet),
        ];
        for (expected, mismatch) in cases {
            assert_eq!(message.check(&expected), Err(mismatch));
        }
    }
}
