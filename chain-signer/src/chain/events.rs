//! The vault's log in plain types.

use super::abi;
use ethers_contract::EthLogDecode;
use ethers_core::{
    abi::RawLog,
    types::{H160, Log, U256},
    utils::id,
};
use purr_books::events::{Reason, VaultEvent, VaultLog};
use purr_engine::PlayerId;

pub(super) fn read(log: &Log) -> Option<VaultLog> {
    if log.removed == Some(true) {
        return None;
    }
    let raw = RawLog { topics: log.topics.clone(), data: log.data.to_vec() };
    let event = event(abi::PurrVaultEvents::decode_log(&raw).ok()?)?;
    Some(VaultLog {
        block: log.block_number?.as_u64(),
        tx: log.transaction_hash?.0,
        index: u64::try_from(log.log_index?.min(U256::from(u64::MAX))).ok()?,
        event,
    })
}

fn event(event: abi::PurrVaultEvents) -> Option<VaultEvent> {
    use abi::PurrVaultEvents as E;
    let player = |address: H160| PlayerId(address.0);
    Some(match event {
        E::DepositedFilter(e) => VaultEvent::Deposited { player: player(e.player), amount: e.amount },
        E::WithdrawnFilter(e) => {
            VaultEvent::Withdrawn { player: player(e.player), amount: e.amount, nonce: e.nonce }
        }
        E::ExitRequestedFilter(e) => {
            VaultEvent::ExitRequested { player: player(e.player), ready_at_s: e.ready_at }
        }
        E::ExitFinalisedFilter(e) => VaultEvent::ExitFinalised { player: player(e.player), amount: e.amount },
        E::PermitCancelledFilter(e) => {
            VaultEvent::PermitCancelled { player: player(e.player), nonce: e.nonce }
        }
        E::TableOpenedFilter(e) => VaultEvent::TableOpened { table: e.table_id },
        E::SeatedFilter(e) => VaultEvent::Seated {
            table: e.table_id,
            player: player(e.player),
            seq: e.seq,
            seat: e.seat,
            amount: e.amount,
            nonce: e.nonce,
        },
        E::ToppedUpFilter(e) => VaultEvent::ToppedUp {
            table: e.table_id,
            player: player(e.player),
            seq: e.seq,
            seat: e.seat,
            amount: e.amount,
            nonce: e.nonce,
        },
        E::SeatingRefusedFilter(e) => VaultEvent::SeatingRefused {
            table: e.table_id,
            player: player(e.player),
            seq: e.seq,
            nonce: e.nonce,
            reason: e.reason,
        },
        E::HandsSettledFilter(e) => {
            VaultEvent::HandsSettled { table: e.table_id, first: e.first_seq, last: e.last_seq, rake: e.rake }
        }
        E::ShortfallFilter(e) => VaultEvent::Shortfall {
            table: e.table_id,
            first: e.first_seq,
            amount: e.amount,
            reserve: e.from_reserve,
            rake: e.from_rake,
            winners: e.from_winners,
        },
        E::LateWinningsFilter(e) => VaultEvent::LateWinnings {
            table: e.table_id,
            player: player(e.player),
            first: e.first_seq,
            amount: e.amount,
        },
        E::LeftFilter(e) => VaultEvent::Left {
            table: e.table_id,
            player: player(e.player),
            seq: e.seq,
            seat: e.seat,
            stack: e.stack,
        },
        E::SeatVacatedFilter(e) => VaultEvent::SeatVacated {
            table: e.table_id,
            player: player(e.player),
            seat: e.seat,
            stack: e.stack,
        },
        E::RangeVoidedFilter(e) => {
            VaultEvent::RangeVoided { table: e.table_id, first: e.first_seq, last: e.last_seq }
        }
        E::ItemRejectedFilter(e) => {
            VaultEvent::ItemRejected { table: e.table_id, seq: e.seq, reason: reason(e.reason) }
        }
        E::RakeSweptFilter(e) => VaultEvent::RakeSwept { table: e.table_id, amount: e.amount },
        E::ReserveFundedFilter(e) => VaultEvent::ReserveFunded { amount: e.amount },
        E::HousePaidFilter(e) => VaultEvent::HousePaid { to: PlayerId(e.to.0), amount: e.amount },
        _ => return None,
    })
}

/// Maps the selectors of errors that depend on earlier entries.
fn reason(selector: [u8; 4]) -> Reason {
    let again = ["BadSequence(uint64)", "TooFast()"].into_iter().any(|error| id(error) == selector);
    if again { Reason::Again(selector) } else { Reason::Never(selector) }
}
