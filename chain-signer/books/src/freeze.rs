//! Players whose final deposit is no longer on the chain.
//!
//! This happens when the chain is reorganised beyond the final depth. Reservations and vouchers that were backed by the
//! deposit stay in the ledger. Until the deposit is back or an administrator has decided, the player is dealt no hand
//! and is paid nothing.

use crate::books::{Books, Change};
use purr_engine::PlayerId;
use purr_protocol::settlement::NoticeState;

/// A deposit that the ledger has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deposit {
    /// Its key in the ledger.
    pub key: String,
    pub player: PlayerId,
    pub tx: [u8; 32],
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("'{key}' of '{account}' is no deposit")]
pub struct BadDeposit {
    key: String,
    account: String,
}

impl Deposit {
    /// Reads a deposit from what the ledger calls it.
    ///
    /// # Errors
    /// Where the ledger's entry is none.
    pub fn read(key: String, account: &str) -> Result<Self, BadDeposit> {
        let player = account.strip_prefix("free:").and_then(|text| text.parse().ok());
        let tx = key.strip_prefix("log:0x").and_then(|rest| rest.split(':').next());
        let tx = tx.and_then(|tx| hex::decode(tx).ok()?.try_into().ok());
        match (player, tx) {
            (Some(player), Some(tx)) => Ok(Self { key, player, tx }),
            _ => Err(BadDeposit { key, account: account.into() }),
        }
    }
}

/// Returns the changes after a look for a deposit's receipt. The player's tables are notified.
pub fn looked(books: &Books, deposit: &Deposit, on_chain: bool) -> Vec<Change> {
    let Deposit { key, player, tx } = deposit;
    let frozen = books.frozen.get(player);
    match (on_chain, frozen) {
        (false, None) => vec![
            Change::PlayerNotice { player: *player, state: NoticeState::Frozen(*player), tx: *tx },
            Change::Frozen { player: *player, key: key.clone() },
        ],
        (true, Some(missing)) if missing == key => vec![
            Change::PlayerNotice { player: *player, state: NoticeState::Thawed(*player), tx: *tx },
            Change::Thawed { player: *player, key: key.clone() },
        ],
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn deposit(n: u64) -> Deposit {
        let (key, account) =
            (format!("log:0x{}:{n}", "ab".repeat(32)), format!("free:0x{}", "01".repeat(20)));
        Deposit::read(key, &account).unwrap()
    }

    #[test]
    fn a_deposit_is_read_from_what_the_ledger_calls_it() {
        let read = deposit(7);
        assert_eq!((read.player, read.tx), (PlayerId([1; 20]), [0xab; 32]));
        assert!(Deposit::read(read.key, "house").is_err());
        assert!(Deposit::read("void:3".into(), "free:0x").is_err());
    }

    #[test]
    fn a_player_is_frozen_once_and_thaws_with_the_deposit_that_had_vanished() {
        let mut books = Books::default();
        assert_eq!(looked(&books, &deposit(1), true), []);
        for change in looked(&books, &deposit(1), false) {
            books.apply(&change).unwrap();
        }
        assert!(books.frozen.contains_key(&PlayerId([1; 20])));
        assert_eq!(looked(&books, &deposit(1), false), [], "that is no news");
        assert_eq!(looked(&books, &deposit(2), true), [], "another deposit does not bring it back");
        let thaw = looked(&books, &deposit(1), true);
        assert_eq!(thaw.len(), 2);
        thaw.iter().for_each(|change| books.apply(change).unwrap());
        assert!(books.frozen.is_empty());
    }
}
