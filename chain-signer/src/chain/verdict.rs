//! Whether a refusal is about the request or about the node that refuses.
//!
//! Only what the chain itself decides is the same at every node: that a call reverts, and that a nonce is used. All
//! else (rate limits, -32005, -32603, "header not found", a full pool) is this node's, and another one may do better.

use std::time::{Duration, Instant};

/// The code that execution clients give a reverted call (geth, reth, anvil).
const REVERTED: i64 = 3;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The chain refuses the request: every node would answer the same, so no other node is asked.
    OfTheChain,
    /// The node refuses for reasons of its own: its breaker counts it, and the next node is asked.
    OfTheNode,
}

pub(super) fn of_refusal(code: i64, message: &str) -> Verdict {
    let used = message.to_lowercase().contains("nonce too low");
    if used || is_revert(code, message) || is_known(message) {
        Verdict::OfTheChain
    } else {
        Verdict::OfTheNode
    }
}

/// Whether an error means that the contract reverted. geth, reth and anvil send code 3; other nodes only say it in the
/// message.
pub(super) fn is_revert(code: i64, message: &str) -> bool {
    code == REVERTED || message.to_lowercase().contains("revert")
}

/// A call needs more gas than a block or the node has: geth says "gas required exceeds allowance", others "out of gas" or
/// "exceeds block gas limit". Or a transaction has less than its bytes cost: "intrinsic gas too low", "insufficient gas for
/// floor data gas cost".
pub(super) fn is_about_gas(message: &str) -> bool {
    let message = message.to_lowercase();
    ["gas required exceeds", "out of gas", "gas limit", "intrinsic gas", "floor data gas", "gas too low"]
        .iter()
        .any(|text| message.contains(text))
}

/// The node has the transaction already.
pub(super) fn is_known(message: &str) -> bool {
    let message = message.to_lowercase();
    message.contains("already known") || message.contains("already imported")
}

/// Greatest distance between heads of nodes in sync: a block takes a moment to propagate.
const APART_MAX: u64 = 2;
/// A head that has not moved for this long is compared with another node's.
const STILL: Duration = Duration::from_secs(10);

/// Whether a node with this head follows the chain as the best one does.
pub(super) fn follows(head: u64, best: u64) -> bool {
    head.saturating_add(APART_MAX) >= best
}

/// The highest head seen, and since when.
#[derive(Debug, Default)]
pub(super) struct Seen {
    highest: Option<(u64, Instant)>,
}

impl Seen {
    /// Records a node's head. Returns whether no comparison with another node is needed: the head is not below earlier
    /// ones and has moved lately.
    pub(super) fn is_alive(&mut self, head: u64, now: Instant) -> bool {
        match self.highest {
            Some((highest, at)) if head <= highest => {
                head == highest && now.saturating_duration_since(at) < STILL
            }
            _ => {
                self.highest = Some((head, now));
                true
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_reverts_and_used_nonces_are_the_chains_word() {
        let chain = [
            (3, "execution reverted: 0x1234"),
            (-32_000, "execution reverted"),
            (-32_603, "VM Exception while processing transaction: revert"),
            (-32_000, "nonce too low: next nonce 7, tx nonce 5"),
            (-32_003, "Nonce too low"),
            (-32_000, "already known"),
            (-32_000, "transaction already imported"),
        ];
        for (code, message) in chain {
            assert_eq!(of_refusal(code, message), Verdict::OfTheChain, "{code} {message}");
        }
        let node = [
            (-32_005, "daily request count exceeded, request rate limited"),
            (429, "Too Many Requests"),
            (-32_603, "internal error"),
            (-32_000, "header not found"),
            (-32_001, "block not found"),
            (-32_000, "insufficient funds for gas * price + value"),
            (-32_000, "missing trie node"),
            (-32_000, "txpool is full"),
            (-32_000, "nonce too far ahead"),
            (-32_601, "the method eth_getLogs does not exist"),
        ];
        for (code, message) in node {
            assert_eq!(of_refusal(code, message), Verdict::OfTheNode, "{code} {message}");
        }
    }

    #[test]
    fn refusals_about_gas_are_told_from_those_about_fees() {
        for message in [
            "gas required exceeds allowance (1000)",
            "exceeds block gas limit",
            "intrinsic gas too low: gas 176250, minimum needed 286000",
            "insufficient gas for floor data gas cost: gas 176250, minimum needed 286000",
        ] {
            assert!(is_about_gas(message), "{message}");
        }
        for message in
            ["insufficient funds for gas * price + value", "transaction underpriced", "nonce too low"]
        {
            assert!(!is_about_gas(message), "{message}");
        }
    }

    #[test]
    fn a_head_below_what_was_seen_or_that_stands_still_is_compared() {
        let start = Instant::now();
        let mut seen = Seen::default();
        assert!(seen.is_alive(100, start));
        assert!(seen.is_alive(100, start + STILL / 2));
        assert!(!seen.is_alive(99, start + STILL / 2));
        assert!(!seen.is_alive(100, start + STILL));
        assert!(seen.is_alive(101, start + STILL), "it goes on");
        assert!(seen.is_alive(101, start + STILL * 3 / 2));
        assert!(follows(99, 101) && follows(102, 101) && !follows(98, 101));
    }
}
