//! The events of the vault's log, in plain types.

use purr_engine::PlayerId;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Events that move money or numbers; other events do not concern the ledger.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", tag = "event")]
pub enum VaultEvent {
    Deposited {
        player: PlayerId,
        amount: u64,
    },
    Withdrawn {
        player: PlayerId,
        amount: u64,
        nonce: u64,
    },
    ExitRequested {
        player: PlayerId,
        ready_at_s: u64,
    },
    ExitFinalised {
        player: PlayerId,
        amount: u64,
    },
    PermitCancelled {
        player: PlayerId,
        nonce: u64,
    },
    TableOpened {
        #[serde(with = "word")]
        table: [u8; 32],
    },
    Seated {
        #[serde(with = "word")]
        table: [u8; 32],
        player: PlayerId,
        seq: u64,
        seat: u8,
        amount: u64,
        nonce: u64,
    },
    ToppedUp {
        #[serde(with = "word")]
        table: [u8; 32],
        player: PlayerId,
        seq: u64,
        seat: u8,
        amount: u64,
        nonce: u64,
    },
    SeatingRefused {
        #[serde(with = "word")]
        table: [u8; 32],
        player: PlayerId,
        seq: u64,
        nonce: u64,
        reason: [u8; 4],
    },
    HandsSettled {
        #[serde(with = "word")]
        table: [u8; 32],
        first: u64,
        last: u64,
        rake: u64,
    },
    Shortfall {
        #[serde(with = "word")]
        table: [u8; 32],
        first: u64,
        amount: u64,
        reserve: u64,
        rake: u64,
        winners: u64,
    },
    LateWinnings {
        #[serde(with = "word")]
        table: [u8; 32],
        player: PlayerId,
        first: u64,
        amount: u64,
    },
    Left {
        #[serde(with = "word")]
        table: [u8; 32],
        player: PlayerId,
        seq: u64,
        seat: u8,
        stack: u64,
    },
    SeatVacated {
        #[serde(with = "word")]
        table: [u8; 32],
        player: PlayerId,
        seat: u8,
        stack: u64,
    },
    RangeVoided {
        #[serde(with = "word")]
        table: [u8; 32],
        first: u64,
        last: u64,
    },
    ItemRejected {
        #[serde(with = "word")]
        table: [u8; 32],
        seq: u64,
        reason: Reason,
    },
    RakeSwept {
        #[serde(with = "word")]
        table: [u8; 32],
        amount: u64,
    },
    ReserveFunded {
        amount: u64,
    },
    HousePaid {
        to: PlayerId,
        amount: u64,
    },
}

/// 32 bytes as 64 hex digits.
mod word {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(super) fn serialize<S: Serializer>(bytes: &[u8; 32], to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&hex::encode(bytes))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<[u8; 32], D::Error> {
        let text = String::deserialize(from)?;
        let mut bytes = [0; 32];
        hex::decode_to_slice(&text, &mut bytes).map_err(|_| D::Error::custom("want 64 hex digits"))?;
        Ok(bytes)
    }
}

impl VaultEvent {
    /// The contract's id of the table that an event is about.
    pub fn table(&self) -> Option<[u8; 32]> {
        match self {
            Self::TableOpened { table }
            | Self::Seated { table, .. }
            | Self::ToppedUp { table, .. }
            | Self::SeatingRefused { table, .. }
            | Self::HandsSettled { table, .. }
            | Self::Shortfall { table, .. }
            | Self::LateWinnings { table, .. }
            | Self::Left { table, .. }
            | Self::SeatVacated { table, .. }
            | Self::RangeVoided { table, .. }
            | Self::ItemRejected { table, .. }
            | Self::RakeSwept { table, .. } => Some(*table),
            Self::Deposited { .. }
            | Self::Withdrawn { .. }
            | Self::ExitRequested { .. }
            | Self::ExitFinalised { .. }
            | Self::PermitCancelled { .. }
            | Self::ReserveFunded { .. }
            | Self::HousePaid { .. } => None,
        }
    }

    /// Whether the seats are recomputed from the accepted entries after this event. A void and a refusal undo entries.
    /// At a table with a vacated seat (`vacated`), the chain carries out entries that the model does not allow: it pays
    /// nothing for the Leave of a vacated seat, whatever stack the entry names, and seats its player elsewhere.
    #[must_use]
    pub const fn rebases(&self, vacated: bool) -> bool {
        match self {
            Self::RangeVoided { .. } | Self::SeatingRefused { .. } => true,
            Self::Seated { .. } | Self::ToppedUp { .. } | Self::Left { .. } => vacated,
            _ => false,
        }
    }

    /// Whether an event consumes the numbers of [`Self::range`], so that the next event of its table continues after
    /// them.
    #[must_use]
    pub const fn uses_numbers(&self) -> bool {
        !matches!(self, Self::ItemRejected { .. })
    }

    /// Whether this event changes what the vault holds or the house's reserve.
    #[must_use]
    pub const fn moves_sums(&self) -> bool {
        match self {
            Self::Deposited { .. }
            | Self::Withdrawn { .. }
            | Self::ExitFinalised { .. }
            | Self::RakeSwept { .. }
            | Self::ReserveFunded { .. }
            | Self::HousePaid { .. } => true,
            Self::Shortfall { reserve, .. } => *reserve > 0,
            _ => false,
        }
    }

    /// The player whose free balance or promises an event may change.
    pub fn player(&self) -> Option<PlayerId> {
        match self {
            Self::Deposited { player, .. }
            | Self::Withdrawn { player, .. }
            | Self::ExitRequested { player, .. }
            | Self::ExitFinalised { player, .. }
            | Self::PermitCancelled { player, .. }
            | Self::Seated { player, .. }
            | Self::ToppedUp { player, .. }
            | Self::SeatingRefused { player, .. }
            | Self::LateWinnings { player, .. }
            | Self::Left { player, .. }
            | Self::SeatVacated { player, .. } => Some(*player),
            Self::TableOpened { .. }
            | Self::HandsSettled { .. }
            | Self::Shortfall { .. }
            | Self::RangeVoided { .. }
            | Self::ItemRejected { .. }
            | Self::RakeSwept { .. }
            | Self::ReserveFunded { .. }
            | Self::HousePaid { .. } => None,
        }
    }

    /// The nonce of the permit or voucher that an event is about.
    pub fn nonce(&self) -> Option<u64> {
        match self {
            Self::Withdrawn { nonce, .. }
            | Self::PermitCancelled { nonce, .. }
            | Self::Seated { nonce, .. }
            | Self::ToppedUp { nonce, .. }
            | Self::SeatingRefused { nonce, .. } => Some(*nonce),
            _ => None,
        }
    }

    /// The numbers of the table's sequence that an event is about. A rejected item's last number is in the transaction.
    pub fn range(&self) -> Option<(u64, u64)> {
        match self {
            Self::Seated { seq, .. }
            | Self::ToppedUp { seq, .. }
            | Self::SeatingRefused { seq, .. }
            | Self::Left { seq, .. }
            | Self::ItemRejected { seq, .. } => Some((*seq, *seq)),
            Self::HandsSettled { first, last, .. } | Self::RangeVoided { first, last, .. } => {
                Some((*first, *last))
            }
            _ => None,
        }
    }
}

/// Why an item was skipped, as far as the signer acts on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Reason {
    /// The number was not the next, or came too fast: what came before decides, it may be tried again.
    Again([u8; 4]),
    Never([u8; 4]),
}

/// An event and its position on the chain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VaultLog {
    pub block: u64,
    #[serde(with = "word")]
    pub tx: [u8; 32],
    pub index: u64,
    pub event: VaultEvent,
}

impl VaultLog {
    /// Names the log for ever: it is posted once under this key.
    pub fn key(&self) -> String {
        format!("log:0x{}:{}", hex::encode(self.tx), self.index)
    }
}

/// Returns numbers that events skip, for each table: the first number without an event, and the last. `confirmed` is
/// the last number that the chain has used, by the contract's table id.
pub fn skipped(confirmed: &BTreeMap<[u8; 32], u64>, logs: &[VaultLog]) -> Vec<([u8; 32], u64, u64)> {
    let mut through = confirmed.clone();
    let mut skipped = Vec::new();
    for log in logs.iter().filter(|log| log.event.uses_numbers()) {
        let (Some(table), Some((first, last))) = (log.event.table(), log.event.range()) else { continue };
        let Some(through) = through.get_mut(&table) else { continue };
        if first > through.saturating_add(1) {
            skipped.push((table, *through + 1, first - 1));
        }
        *through = last.max(*through);
    }
    skipped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_that_events_skip_are_found_for_each_table_that_is_known() {
        let hands = |table: u8, first, last| VaultLog {
            block: 1,
            tx: [0; 32],
            index: 0,
            event: VaultEvent::HandsSettled { table: [table; 32], first, last, rake: 0 },
        };
        let rejected = VaultEvent::ItemRejected { table: [1; 32], seq: 9, reason: Reason::Again([0; 4]) };
        let rejected = VaultLog { block: 1, tx: [0; 32], index: 0, event: rejected };
        let confirmed = [([1; 32], 4), ([2; 32], 0)].into();
        let logs = [hands(1, 5, 6), hands(2, 3, 3), rejected, hands(1, 9, 9), hands(1, 7, 7), hands(3, 5, 5)];
        assert_eq!(skipped(&confirmed, &logs), [([2; 32], 1, 2), ([1; 32], 7, 8)]);
        assert!(skipped(&confirmed, &[hands(1, 3, 4), hands(1, 5, 5)]).is_empty());
    }
}
