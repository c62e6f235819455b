//! Chips appear at the table only for what the chain has taken.
#![allow(clippy::unwrap_used, reason = "tests may fail loudly")]

use purr_engine::{Ante, ClockConfig, PlayerId, RakeConfig, SeatIndex, Table, TableConfig};
use purr_protocol::{
    Currency, Settlement, TableSpec,
    settlement::{Entry, EntryBody, Notice, NoticeState, Permit, Reserve},
};
use purr_store::{DataKeys, Sealer};
use purr_table::core::{Core, Input, Pace, State};
use std::sync::Arc;

fn core() -> Core {
    let spec = TableSpec {
        name: "seating".into(),
        engine: TableConfig {
            seats: 6,
            small_blind: 5,
            big_blind: 10,
            ante: Ante::None,
            buy_in_min: 200,
            buy_in_max: 1_000,
            rake: RakeConfig { basis_points: 0, caps: Vec::new(), no_flop_no_drop: true },
            clock: ClockConfig {
                turn_ms: 15_000,
                time_bank_ms: 0,
                time_bank_gain_ms: 0,
                disconnect_ms: 10_000,
            },
            rat_hole_ms: 0,
        },
        currency: Currency { token: format!("0x{}", "1".repeat(40)), decimals: 6, unit: "PLAY".into() },
        settlement: Settlement {
            vault: format!("0x{}", "2".repeat(40)),
            chain_id: 1,
            max_hands: 1,
            max_delay_ms: 0,
        },
        paused: false,
    };
    let state = State::new(Table::new(spec.engine.clone()).unwrap());
    let sealer = Sealer::new(Arc::new(DataKeys::ephemeral([7; 32])), "t");
    Core::new(1, spec, state, sealer, Pace { hand_gap_ms: 0, reveal_ms: 0 })
}

/// The signer has reserved 500 for this chair; the entry goes on its way under the next number.
fn reserve(core: &mut Core, seat: u8, top_up: bool) {
    let permit = Permit {
        amount: 500,
        max_total_rake: 50,
        expiry_s: 9,
        nonce: u64::from(seat),
        signature: String::new(),
    };
    let request = Box::new(Reserve {
        epoch: 1,
        seat: SeatIndex(seat),
        player: PlayerId([seat + 1; 20]),
        permit,
        top_up,
    });
    core.handle(0, Input::Reserved { connection: 1, id: 1, request, refused: None });
}

fn notice(core: &mut Core, id: u64, seq: u64, state: NoticeState) {
    let notice = Notice { id, seq_from: seq, seq_to: seq, state, tx_hash: String::new() };
    core.handle(0, Input::Notices(vec![notice]));
}

fn stack(core: &Core, seat: u8) -> Option<u64> {
    core.state().table.seat(SeatIndex(seat)).map(|chair| chair.stack + chair.pending)
}

#[test]
fn a_seat_that_the_chain_refused_never_holds_chips_and_is_free_again() {
    let mut core = core();
    reserve(&mut core, 0, false);
    reserve(&mut core, 1, false);
    notice(&mut core, 1, 1, NoticeState::Rejected);
    // What is confirmed after it does not bring it back.
    notice(&mut core, 2, 2, NoticeState::Confirmed);
    assert_eq!((stack(&core, 0), stack(&core, 1)), (None, Some(500)));
    reserve(&mut core, 0, false);
    notice(&mut core, 3, 3, NoticeState::Confirmed);
    assert_eq!(stack(&core, 0), Some(500));
}

#[test]
fn a_top_up_that_the_chain_refused_adds_nothing() {
    let mut core = core();
    reserve(&mut core, 0, false);
    notice(&mut core, 1, 1, NoticeState::Confirmed);
    reserve(&mut core, 0, true);
    notice(&mut core, 2, 2, NoticeState::Rejected);
    reserve(&mut core, 1, false);
    notice(&mut core, 3, 3, NoticeState::Confirmed);
    assert_eq!(stack(&core, 0), Some(500));
}

#[test]
fn a_table_that_is_deleted_lets_its_hand_be_played_before_anybody_leaves() {
    let mut core = core();
    for seat in 0..2 {
        reserve(&mut core, seat, false);
        notice(&mut core, u64::from(seat) + 1, u64::from(seat) + 1, NoticeState::Confirmed);
        core.handle(0, Input::Connected { player: PlayerId([seat + 1; 20]) });
    }
    core.handle(1, Input::Tick { seed: [3; 32] });
    let hand = core.state().table.hand().map(|hand| hand.number);
    assert_eq!(hand, Some(1));

    core.handle(2, Input::Drain { delete: true });
    let status = core.drain_status();
    assert!(status.hand_running && status.seated == 2 && !status.drained, "{status:?}");
    let leaving = core.state().table.seats().iter().flatten().any(|chair| chair.leaving);
    assert!(!leaving, "a seat is folded by the deletion");

    // Nobody acts: the clock plays the hand to its end, then both leave with what they have.
    let mut now = 2;
    while core.state().table.hand().is_some() {
        now = core.next_deadline().unwrap().max(now + 1);
        core.handle(now, Input::Tick { seed: [4; 32] });
    }
    assert_eq!((stack(&core, 0), stack(&core, 1)), (None, None));
    let left: u64 = core.state().outbox.iter().filter_map(leaves).sum();
    assert_eq!(left, 1_000);
}

fn leaves(entry: &Entry) -> Option<u64> {
    match entry.body {
        EntryBody::Leave { stack, .. } => Some(stack),
        _ => None,
    }
}
