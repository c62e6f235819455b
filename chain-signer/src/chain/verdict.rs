//! What a node's refusal speaks of: the request, or the node.

/// Any node would say the same: the contract reverts, the nonce is used, or the transaction is there already. Everything
/// else may be the node's own trouble (rate limits, internal errors, a head that it does not have), and another node is
/// asked.
pub(super) fn is_verdict(code: i64, message: &str) -> bool {
    is_revert(code, message) || message.to_lowercase().contains("nonce too low") || is_known(message)
}

/// geth, reth and anvil say code 3 where the contract reverts; others say it in words.
pub(super) fn is_revert(code: i64, message: &str) -> bool {
    code == 3 || message.to_lowercase().contains("revert")
}

/// The node has the transaction already.
pub(super) fn is_known(message: &str) -> bool {
    let message = message.to_lowercase();
    message.contains("already known") || message.contains("already imported")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reverts_used_nonces_and_known_transactions_are_verdicts() {
        for (code, message) in [
            (3, "execution reverted"),
            (-32000, "execution reverted: BadSequence"),
            (-32000, "VM Exception while processing transaction: revert"),
            (-32000, "nonce too low: next nonce 5, tx nonce 4"),
            (-32003, "Nonce too low"),
            (-32000, "already known"),
            (-32000, "transaction already imported"),
        ] {
            assert!(is_verdict(code, message), "{code} {message}");
        }
    }

    #[test]
    fn limits_internal_errors_and_missing_heads_count_against_the_node() {
        for (code, message) in [
            (-32005, "limit exceeded"),
            (429, "Too Many Requests"),
            (-32603, "internal error"),
            (-32000, "header not found"),
            (-32001, "block not found"),
            (-32601, "the method eth_getLogs does not exist/is not available"),
            (-32000, "insufficient funds for gas * price + value"),
        ] {
            assert!(!is_verdict(code, message), "{code} {message}");
        }
    }
}
