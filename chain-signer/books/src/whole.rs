//! Whether a journal has everything that was signed and seen: before that nothing is signed.

/// How far journal and chain are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// Transactions of the settling key that the journal knows.
    pub known: u64,
    /// Transactions of the settling key that the chain has.
    pub sent: u64,
    /// Whether a key that was used before this journal began is accepted.
    pub accept_used_key: bool,
    /// Whether the vault's log was read to the final block, or the journal has anything of its own.
    pub has_read: bool,
    /// A table of the vault that the journal does not know.
    pub unknown_table: Option<String>,
    pub tables: Vec<TableStanding>,
    /// A checkpoint that the journal is not the continuation of: its counter, and the row that it was signed over.
    pub rewritten: Option<(u64, u64)>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableStanding {
    pub uid: String,
    /// The last number in the journal.
    pub head: u64,
    /// The last number on the chain, at its head.
    pub chain: u64,
    /// Highest number that admins have passed over although the journal never had it.
    pub voided: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Behind {
    #[error(
        "the journal is behind the chain: it knows {known} transactions of the settling key, the chain {sent}"
    )]
    Nonce { known: u64, sent: u64 },
    #[error("the journal is behind the chain: table {uid} is at {chain} there, at {head} here")]
    Table { uid: String, chain: u64, head: u64 },
    #[error("the journal is behind the chain: the vault has table {0}, which the journal does not know")]
    UnknownTable(String),
    #[error(
        "the journal is not the one that was signed: row {row} of checkpoint {counter} is missing, or was written anew"
    )]
    Rewritten { counter: u64, row: u64 },
    #[error("the journal is empty: the vault's log was not read yet")]
    Unread,
}

/// Why nothing may be signed yet, if there is a reason. An empty journal beside a used vault is one that was lost: it is
/// refused as one that came out of a backup.
pub fn behind(standing: &Standing) -> Option<Behind> {
    let Standing { known, sent, .. } = *standing;
    if let Err(behind) = next_nonce(known, sent, standing.accept_used_key) {
        return Some(behind);
    }
    if let Some((counter, row)) = standing.rewritten {
        return Some(Behind::Rewritten { counter, row });
    }
    if let Some(table) = &standing.unknown_table {
        return Some(Behind::UnknownTable(table.clone()));
    }
    let ahead = |table: &&TableStanding| table.chain > table.head && table.chain > table.voided;
    if let Some(TableStanding { uid, chain, head, .. }) = standing.tables.iter().find(ahead) {
        return Some(Behind::Table { uid: uid.clone(), chain: *chain, head: *head });
    }
    (!standing.has_read).then_some(Behind::Unread)
}

/// A node's count of a sender's transactions, where it can be right. `known`: transactions of the sender that the journal
/// has, each of them before it is sent.
pub fn believable(known: u64, sent: u64) -> Option<u64> {
    (sent <= known).then_some(sent)
}

/// The most transactions of the settling key that a node can count; see [`next_nonce`].
pub fn most_sent(known: u64, accept_used_key: bool) -> u64 {
    if known == 0 && accept_used_key { u64::MAX } else { known }
}

/// The nonce of the settling key's next transaction. `known`: transactions of the key that the journal has; `sent`: what a
/// node counts. A journal has its transactions before they are sent, so a node that counts more is wrong, or the key is
/// used elsewhere: one transaction with a nonce beyond would leave a gap that nothing ever fills.
///
/// # Errors
/// [`Behind::Nonce`]; a new journal takes over a key that was used before where `accept_used_key` says so.
pub fn next_nonce(known: u64, sent: u64, accept_used_key: bool) -> Result<u64, Behind> {
    match believable(most_sent(known, accept_used_key), sent) {
        Some(sent) => Ok(known.max(sent)),
        None => Err(Behind::Nonce { known, sent }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fresh() -> Standing {
        Standing { has_read: true, ..Standing::default() }
    }

    #[test]
    fn a_journal_that_knows_all_of_the_keys_transactions_is_whole() {
        assert_eq!(behind(&fresh()), None);
        assert_eq!(behind(&Standing { known: 5, sent: 4, ..fresh() }), None);
        let lost = Standing { known: 3, sent: 4, ..fresh() };
        assert_eq!(behind(&lost), Some(Behind::Nonce { known: 3, sent: 4 }));
        // A used key is accepted for a new journal only.
        assert!(behind(&Standing { accept_used_key: true, ..lost }).is_some());
        assert_eq!(behind(&Standing { sent: 4, accept_used_key: true, ..fresh() }), None);
    }

    #[test]
    fn no_nonce_is_beyond_what_the_journal_knows_whatever_a_node_counts() {
        assert_eq!(next_nonce(0, 0, false), Ok(0));
        assert_eq!((next_nonce(7, 7, false), next_nonce(7, 3, true)), (Ok(7), Ok(7)));
        let wild = 1_000_000_000_000;
        for accept_used_key in [false, true] {
            assert_eq!(next_nonce(7, wild, accept_used_key), Err(Behind::Nonce { known: 7, sent: wild }));
        }
        assert_eq!(next_nonce(0, 4, true), Ok(4));
        assert!(next_nonce(0, 4, false).is_err());
    }

    #[test]
    fn a_count_is_believed_up_to_what_the_journal_has() {
        assert_eq!((believable(7, 0), believable(7, 7)), (Some(0), Some(7)));
        assert_eq!((believable(7, 8), believable(0, 1)), (None, None));
        assert_eq!((most_sent(7, true), most_sent(0, false), most_sent(0, true)), (7, 0, u64::MAX));
    }

    #[test]
    fn an_empty_journal_is_not_whole_before_it_has_read_the_vaults_log() {
        assert_eq!(behind(&Standing::default()), Some(Behind::Unread));
    }

    #[test]
    fn an_empty_journal_beside_a_used_vault_is_behind_although_the_key_is_new() {
        let standing = Standing { unknown_table: Some("0x07".into()), ..fresh() };
        assert_eq!(behind(&standing), Some(Behind::UnknownTable("0x07".into())));
        assert!(behind(&Standing { accept_used_key: true, ..standing }).is_some());
    }

    #[test]
    fn a_journal_that_a_checkpoint_contradicts_was_written_anew() {
        let standing = Standing { rewritten: Some((7, 40)), ..fresh() };
        assert_eq!(behind(&standing), Some(Behind::Rewritten { counter: 7, row: 40 }));
        assert!(behind(&Standing { accept_used_key: true, ..standing }).is_some());
    }

    #[test]
    fn a_table_that_the_chain_has_further_is_behind_unless_its_numbers_were_passed_over() {
        let table = |head, chain, voided| TableStanding { uid: "t".into(), head, chain, voided };
        let with = |table| behind(&Standing { tables: vec![table], ..fresh() });
        assert_eq!(with(table(4, 4, 4)), None);
        assert_eq!(with(table(4, 6, 6)), None);
        assert_eq!(with(table(4, 6, 5)), Some(Behind::Table { uid: "t".into(), chain: 6, head: 4 }));
    }
}
