//! W3C trace context between programs (<https://www.w3.org/TR/trace-context/>, level 1).
//!
//! A request that brings a `traceparent` is logged with its ids, and the requests of the fleet that it causes carry them
//! on. Without one nothing is made and nothing is sent. Only ids travel: `tracestate` and baggage, which could carry
//! anything, end here.

use futures::future::Either;
use http::{HeaderMap, HeaderValue};
use std::{fmt, str::FromStr};
use tracing::Instrument;

pub const HEADER: &str = "traceparent";

/// Length of the header in version 00.
const LENGTH: usize = 55;
const SAMPLED: u8 = 1;

/// The trace that a request belongs to, and the span that caused the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceParent {
    trace: [u8; 16],
    step: [u8; 8],
    sampled: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a W3C traceparent: want 00-<32 hex>-<16 hex>-<2 hex> in lower case, ids not zero")]
pub struct NotATraceParent;

/// Lower-case hex of exactly this length.
fn hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    let mut out = [0; N];
    let pairs = text.as_bytes().chunks_exact(2);
    if text.len() != 2 * N {
        return None;
    }
    for (byte, pair) in out.iter_mut().zip(pairs) {
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Some(out)
}

impl FromStr for TraceParent {
    type Err = NotATraceParent;

    fn from_str(text: &str) -> Result<Self, NotATraceParent> {
        let read = || {
            let (known, more) = text.split_at_checked(LENGTH)?;
            let mut parts = known.split('-');
            let mut part = || parts.next();
            let [version] = hex::<1>(part()?)?;
            let (trace, step, [flags]) = (hex::<16>(part()?)?, hex::<8>(part()?)?, hex::<1>(part()?)?);
            // A later version may have more fields, separated by another dash.
            let fits = match version {
                0 => more.is_empty(),
                0xff => false,
                _ => more.is_empty() || more.starts_with('-'),
            };
            let named = trace != [0; 16] && step != [0; 8];
            (fits && named).then_some(Self { trace, step, sampled: flags & SAMPLED != 0 })
        };
        read().ok_or(NotATraceParent)
    }
}

/// The hexadecimal form of an id.
struct Id<'a>(&'a [u8]);

impl fmt::Display for Id<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Display for TraceParent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "00-{}-{}-{:02x}", Id(&self.trace), Id(&self.step), u8::from(self.sampled))
    }
}

impl TraceParent {
    /// The trace of a request. Several headers, or a malformed one, count as none.
    pub fn of(headers: &HeaderMap) -> Option<Self> {
        let mut all = headers.get_all(HEADER).iter();
        match (all.next(), all.next()) {
            (Some(only), None) => only.to_str().ok()?.parse().ok(),
            _ => None,
        }
    }

    /// Another span of the same trace. Without random bytes it keeps the previous span's id.
    fn next_step(self) -> Self {
        let mut step = [0; 8];
        let made = getrandom::fill(&mut step).is_ok() && step != [0; 8];
        if made { Self { step, ..self } } else { self }
    }
}

tokio::task_local! {
    static CURRENT: TraceParent;
}

/// The step that this task works for.
pub fn current() -> Option<TraceParent> {
    CURRENT.try_with(|current| *current).ok()
}

/// Names the current step in a request.
pub(crate) fn put(headers: &mut HeaderMap) {
    let value = current().and_then(|current| HeaderValue::try_from(current.to_string()).ok());
    if let Some(value) = value {
        headers.insert(HEADER, value);
    }
}

/// Runs `work` as a step of the trace `cause`: its logs have the ids `trace_id`, `span_id` and `parent_id`. Without a
/// cause the future is `work` itself, and no larger.
pub fn within<F: Future>(cause: Option<TraceParent>, work: F) -> impl Future<Output = F::Output> {
    let Some(cause) = cause else { return Either::Left(work) };
    let own = cause.next_step();
    let (trace_id, span_id, parent_id) = (Id(&own.trace), Id(&own.step), Id(&cause.step));
    let span = tracing::info_span!("step", %trace_id, %span_id, %parent_id);
    Either::Right(Box::pin(CURRENT.scope(own, work.instrument(span))))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn a_traceparent_is_read_and_written_as_the_standard_says() {
        let parent: TraceParent = TEXT.parse().unwrap();
        assert_eq!(parent.to_string(), TEXT);
        // Bits of flags that are unknown are not passed on.
        let odd: TraceParent = TEXT.replace("-01", "-ff").parse().unwrap();
        assert_eq!(odd.to_string(), TEXT);
        for later in ["cc-", "01-"] {
            let later = TEXT.replacen("00-", later, 1);
            assert_eq!(later.parse::<TraceParent>().unwrap(), parent);
            assert_eq!(format!("{later}-more").parse::<TraceParent>().unwrap(), parent);
            assert!(format!("{later}more").parse::<TraceParent>().is_err());
        }
        for wrong in [
            "",
            "00",
            &TEXT[..54],
            &format!("{TEXT}-"),
            &format!("{TEXT}0"),
            &TEXT.replacen("00-", "ff-", 1),
            &TEXT.to_uppercase(),
            &TEXT.replace("4bf92f3577b34da6a3ce929d0e0e4736", &"0".repeat(32)),
            &TEXT.replace("00f067aa0ba902b7", &"0".repeat(16)),
            &TEXT.replace("4bf9", "4bg9"),
            &TEXT.replace("4bf9", "4bé"),
            &TEXT.replace('-', "_"),
        ] {
            assert_eq!(wrong.parse::<TraceParent>(), Err(NotATraceParent), "{wrong}");
        }
    }

    #[test]
    fn a_request_with_two_parents_has_none() {
        let mut headers = HeaderMap::new();
        assert_eq!(TraceParent::of(&headers), None);
        headers.append(HEADER, HeaderValue::from_static(TEXT));
        assert_eq!(TraceParent::of(&headers), TEXT.parse().ok());
        headers.append(HEADER, HeaderValue::from_static(TEXT));
        assert_eq!(TraceParent::of(&headers), None);
    }

    #[tokio::test]
    async fn what_a_request_causes_is_another_step_of_its_trace_and_without_one_there_is_nothing() {
        let sent = || async {
            let mut headers = HeaderMap::new();
            put(&mut headers);
            headers
        };
        assert!(within(None, sent()).await.is_empty());
        let cause: TraceParent = TEXT.parse().unwrap();
        let next = TraceParent::of(&within(Some(cause), sent()).await).unwrap();
        assert_eq!((next.trace, next.sampled), (cause.trace, true));
        assert_ne!(next.step, cause.step);
        assert_eq!(current(), None);
    }
}
