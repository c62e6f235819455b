//! Transactions of a key that was the settling key before: they are followed to their end, and what can have none is given
//! up, so that the key of now settles what they carried.

use super::{
    Sender, SenderError,
    check::OPERATOR,
    nonces::{Counts, Nonce},
};
use crate::{
    chain::Block,
    journal::{Lease, Transaction},
};

/// The next step of a former key's transaction that no block has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// Its bytes are given to the nodes again: the vault still takes the key.
    Send,
    /// The key is revoked, and not for long enough that no block before the revocation can still turn up.
    Wait,
    /// No block can carry it out any more.
    Abandon,
}

/// `is_signed`: bytes of it may be with a node. `revoked_at`: the head at which the vault was first seen to take the key no
/// more, which is for ever.
pub(super) fn fate(is_signed: bool, revoked_at: Option<u64>, head: u64, confirmations: u64) -> Fate {
    match revoked_at {
        // Nobody else has ever had it, and the key that would sign it is not here.
        _ if !is_signed => Fate::Abandon,
        None => Fate::Send,
        Some(at) if head >= at.saturating_add(confirmations) => Fate::Abandon,
        Some(_) => Fate::Wait,
    }
}

impl Sender {
    /// One step on for a former key's transaction that is in no block as far as the journal knows.
    pub(super) async fn follow(
        &mut self,
        lease: &Lease,
        tx: &Transaction,
        head: Block,
        counts: &mut Counts,
    ) -> Result<(), SenderError> {
        let is_signed = tx.attempts.iter().any(|attempt| attempt.raw.is_some());
        if is_signed && self.nonce_of(tx, counts).await? != Nonce::Unused && self.found(lease, tx).await? {
            return Ok(());
        }
        if is_signed {
            if self.vault.is_active(&self.rpc, tx.sender, OPERATOR).await? {
                self.revoked.remove(&tx.sender);
            } else {
                self.revoked.entry(tx.sender).or_insert(head.number);
            }
        }
        let revoked_at = self.revoked.get(&tx.sender).copied();
        match fate(is_signed, revoked_at, head.number, self.confirmations) {
            Fate::Send => self.send_again(tx).await,
            Fate::Wait => {}
            Fate::Abandon => {
                tracing::warn!(
                    nonce = tx.nonce,
                    "a former key's transaction is given up: the key of now settles it"
                );
                self.journal.abandon(lease, tx.id).await?;
                self.metrics.transactions.with_label_values(&["abandoned"]).inc();
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_never_signed_is_given_up_at_once() {
        assert_eq!(fate(false, None, 10, 2), Fate::Abandon);
        assert_eq!(fate(false, Some(10), 10, 2), Fate::Abandon);
    }

    #[test]
    fn what_was_signed_is_sent_while_the_key_is_active_and_given_up_once_its_revocation_is_final() {
        assert_eq!(fate(true, None, 10, 2), Fate::Send);
        assert_eq!(fate(true, Some(10), 11, 2), Fate::Wait);
        assert_eq!(fate(true, Some(10), 12, 2), Fate::Abandon);
    }
}
