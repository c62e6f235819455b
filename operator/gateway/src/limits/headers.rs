//! The fields `RateLimit-Policy` and `RateLimit` of draft-ietf-httpapi-ratelimit-headers-09: lists of structured fields
//! (RFC 9651), one member for each checked policy.

use super::{Class, Verdict};
use http::{HeaderMap, HeaderName, HeaderValue};
use std::time::Duration;

const POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
const LIMIT: HeaderName = HeaderName::from_static("ratelimit");

/// Whole seconds, rounded up: who waits that long has waited long enough.
pub fn seconds(duration: Duration) -> u64 {
    duration.as_secs() + u64::from(duration.subsec_nanos() > 0)
}

/// Tells a client where it stands: quota `q` in a window of `w` seconds, `r` requests left, and all
/// of the quota again in `t` seconds.
pub fn tell(headers: &mut HeaderMap, verdicts: &[(Class, Verdict)]) {
    if verdicts.is_empty() {
        return;
    }
    let list = |member: &dyn Fn(&Verdict) -> String| {
        let members =
            verdicts.iter().map(|(class, verdict)| format!("\"{}\"{}", class.name(), member(verdict)));
        HeaderValue::from_str(&members.collect::<Vec<_>>().join(", ")).ok()
    };
    let policy = list(&|verdict| {
        let window = seconds(Duration::from_micros(verdict.rate.tolerance_us()));
        format!(";q={};w={window}", verdict.rate.burst)
    });
    let limit = list(&|verdict| format!(";r={};t={}", verdict.remaining, seconds(verdict.reset)));
    for (name, value) in [(POLICY, policy), (LIMIT, limit)] {
        if let Some(value) = value {
            headers.insert(name, value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::Rate;

    #[test]
    fn each_policy_is_a_member_of_both_fields() {
        let mut headers = HeaderMap::new();
        let slow = Rate { per_s: 5, burst: 20 }.verdict(true, 3_200_000);
        let fast = Rate { per_s: 20, burst: 80 }.verdict(false, 4_000_000);
        tell(&mut headers, &[(Class::Address, slow), (Class::Player, fast)]);
        assert_eq!(headers[POLICY], "\"address\";q=20;w=4, \"player\";q=80;w=4");
        assert_eq!(headers[LIMIT], "\"address\";r=4;t=4, \"player\";r=0;t=4");
    }

    #[test]
    fn seconds_are_rounded_up() {
        assert_eq!(seconds(Duration::from_millis(1)), 1);
        assert_eq!(seconds(Duration::from_secs(2)), 2);
        assert_eq!(seconds(Duration::ZERO), 0);
    }
}
