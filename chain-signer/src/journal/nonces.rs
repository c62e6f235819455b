//! What the journal knows of a sender's nonces.

use super::{Journal, JournalError, Purpose, Transaction, bytes, rows::OPEN, transactions::last_nonce};
use crate::chain::{
    eip712::word_uid,
    vault::{Call, decode_call},
};
use sqlx::Row;

/// What is known, beside a node's count, of a transaction that no node has a receipt of. All of it is at final depth.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NonceEvidence {
    /// The hash of the version that an event of the vault's log named.
    pub named: Option<[u8; 32]>,
    /// The table that it opens is open.
    pub opened: bool,
    /// A later transaction of its sender is in a block.
    pub passed: bool,
    /// Some entry that it carries is not final.
    pub waits: bool,
}

impl Journal {
    /// Transactions of a sender, up to the last nonce.
    pub async fn transactions_of(&self, sender: [u8; 20]) -> Result<u64, JournalError> {
        Ok(last_nonce(&self.pool, sender).await?.map_or(0, |last| last + 1))
    }

    pub async fn nonce_evidence(&self, tx: &Transaction) -> Result<NonceEvidence, JournalError> {
        let opens = match (tx.purpose, decode_call(&tx.calldata)) {
            (Purpose::Open, Ok(Call::Open { uid, .. })) => word_uid(&uid),
            _ => None,
        };
        // A former key's transaction that was given up is final as well, and in no block.
        let row = sqlx::query(
            "SELECT (SELECT a.tx_hash FROM attempts a JOIN entries e ON e.tx_id = a.tx_id
                 JOIN notices n ON n.uid = e.uid AND e.seq BETWEEN n.seq_from AND n.seq_to
                 WHERE a.tx_id = $1 AND n.state IN ('confirmed', 'rejected')
                 AND n.tx_hash = '0x' || encode(a.tx_hash, 'hex') LIMIT 1) AS named,
             EXISTS (SELECT 1 FROM tables WHERE uid = $2 AND state = $3) AS opened,
             EXISTS (SELECT 1 FROM transactions WHERE sender = $4 AND nonce > $5
                 AND state IN ('confirmed', 'rejected') AND mined_hash IS NOT NULL) AS passed,
             EXISTS (SELECT 1 FROM entries WHERE tx_id = $1 AND state NOT IN ('confirmed', 'rejected')) AS waits",
        )
        .bind(tx.id)
        .bind(opens)
        .bind(OPEN)
        .bind(tx.sender.as_slice())
        .bind(super::db(tx.nonce, "nonce")?)
        .fetch_one(&self.pool)
        .await?;
        let named: Option<Vec<u8>> = row.try_get("named")?;
        Ok(NonceEvidence {
            named: named.map(|hash| bytes(&hash, "hash")).transpose()?,
            opened: row.try_get("opened")?,
            passed: row.try_get("passed")?,
            waits: row.try_get("waits")?,
        })
    }
}
