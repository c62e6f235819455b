//! Nonces of a sender: what a node's count says of one, and when a transaction without a receipt is over.

use super::{Sender, SenderError};
use crate::{
    chain::Address,
    journal::{NonceEvidence, Purpose, Transaction},
};
use purr_books::whole::believable;
use std::collections::BTreeMap;

/// What a node's count of a sender's transactions says of one nonce.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Nonce {
    /// No block has a transaction with it.
    Unused,
    /// Some block has one.
    Used,
    /// Nothing: the count is beyond all transactions of the journal, so it is a lie, or the key is used elsewhere.
    Unknown,
}

/// `known`: transactions of the sender that the journal has; `told`: the chain's, as a node counts them.
fn nonce(nonce: u64, known: u64, told: u64) -> Nonce {
    match believable(known, told) {
        None => Nonce::Unknown,
        Some(count) if count > nonce => Nonce::Used,
        Some(_) => Nonce::Unused,
    }
}

/// What one round has found of nonces.
#[derive(Default)]
pub(super) struct Counts {
    /// How many transactions of a sender the journal has, and how many the chain as nodes say.
    of: BTreeMap<Address, (u64, u64)>,
    /// Some transaction's nonce seems to be used by another one that the journal does not know.
    pub foreign: bool,
}

/// A transaction whose nonce is used and that no node has a receipt of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Used {
    /// The receipt may come, or an event.
    Wait,
    /// Another transaction took its nonce.
    Foreign,
    /// It is over, whichever version it was.
    Over,
}

/// The count that says that the nonce is used is one node's word, so it ends nothing: an event does, of the transaction
/// itself or of a later one of its sender. One that ended by a count alone would leave a gap where the count was wrong, and
/// everything behind that nonce would wait for ever. `deep`: the nonce was counted as used for so many blocks that events of
/// then are read.
pub(super) fn used_nonce(evidence: &NonceEvidence, purpose: Purpose, deep: bool) -> Used {
    let NonceEvidence { named, opened, passed, waits } = *evidence;
    match purpose {
        _ if (named.is_some() || opened || passed) && !waits => Used::Over,
        Purpose::Settle if deep => Used::Foreign,
        Purpose::Settle | Purpose::Open | Purpose::Fill => Used::Wait,
    }
}

impl Sender {
    /// What the nodes' count says of a transaction's nonce. A count that cannot be right is reported, and says nothing.
    pub(super) async fn nonce_of(&self, tx: &Transaction, counts: &mut Counts) -> Result<Nonce, SenderError> {
        let (known, told) = match counts.of.get(&tx.sender) {
            Some(known) => *known,
            None => {
                let known = self.journal.transactions_of(tx.sender).await?;
                let told = self.rpc.nonce_within(tx.sender, known).await?;
                counts.of.insert(tx.sender, (known, told));
                (known, told)
            }
        };
        let said = nonce(tx.nonce, known, told);
        if said == Nonce::Unknown {
            counts.foreign = true;
            tracing::error!(
                known,
                told,
                "ALARM: nodes count transactions of the key that the journal does not know: do they lie, or is the key used elsewhere?"
            );
        }
        Ok(said)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Purpose::{Fill, Open, Settle};

    const ALL: [Purpose; 3] = [Settle, Open, Fill];
    const NONE: NonceEvidence = NonceEvidence { named: None, opened: false, passed: false, waits: false };

    #[test]
    fn a_count_beyond_the_journals_own_says_nothing_of_a_nonce() {
        assert_eq!(nonce(4, 6, 4), Nonce::Unused);
        assert_eq!((nonce(4, 6, 5), nonce(5, 6, 6)), (Nonce::Used, Nonce::Used));
        assert_eq!((nonce(4, 6, 7), nonce(4, 6, u64::MAX)), (Nonce::Unknown, Nonce::Unknown));
    }

    #[test]
    fn no_transaction_ends_by_a_count_alone() {
        for purpose in ALL {
            for (waits, deep) in [(false, false), (false, true), (true, false), (true, true)] {
                let evidence = NonceEvidence { waits, ..NONE };
                assert_ne!(used_nonce(&evidence, purpose, deep), Used::Over, "{purpose:?} {waits} {deep}");
            }
        }
    }

    #[test]
    fn an_event_of_its_own_or_a_later_transaction_ends_what_carries_nothing_that_waits() {
        let named = Some([7; 32]);
        for evidence in [
            NonceEvidence { named, ..NONE },
            NonceEvidence { opened: true, ..NONE },
            NonceEvidence { passed: true, ..NONE },
        ] {
            for (purpose, deep) in ALL.into_iter().flat_map(|purpose| [(purpose, false), (purpose, true)]) {
                assert_eq!(used_nonce(&evidence, purpose, deep), Used::Over, "{evidence:?} {purpose:?}");
            }
            let waits = NonceEvidence { waits: true, ..evidence };
            assert_eq!(used_nonce(&waits, Settle, false), Used::Wait);
            assert_eq!(used_nonce(&waits, Settle, true), Used::Foreign);
        }
    }

    #[test]
    fn a_used_nonce_that_no_event_explains_is_foreign_where_an_event_was_due() {
        let waits = NonceEvidence { waits: true, ..NONE };
        assert_eq!(used_nonce(&waits, Settle, false), Used::Wait);
        assert_eq!(used_nonce(&waits, Settle, true), Used::Foreign);
        // Its entries were passed over by two admins: no event names it.
        assert_eq!(used_nonce(&NONE, Settle, true), Used::Foreign);
        // A table that it did not open is opened again; a transfer of nothing has no event.
        assert_eq!((used_nonce(&NONE, Open, true), used_nonce(&NONE, Fill, true)), (Used::Wait, Used::Wait));
    }
}
