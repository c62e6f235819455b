//! Chips only appear at the table once the chain has them.
#![allow(clippy::unwrap_used, reason = "tests may fail loudly")]

use crate::common;

use purr_engine::{PlayerId, RakeCap, RakeConfig, SeatIndex, Table, TableConfig};
use purr_protocol::{
    pb::{self, ErrorCode, client_message::Body as Ask, server_message::Body},
    settlement::{Entry, EntryBody, Notice, NoticeState, Permit, Reserve},
};
use purr_store::{DataKeys, Sealer};
use purr_table::core::{Core, ExitBounds, Input, Pace, State, Step};
use std::sync::Arc;

fn core() -> Core {
    core_with(common::RAKE_FREE)
}

fn core_with(rake: RakeConfig) -> Core {
    let spec = common::spec("seating", TableConfig { rake, ..common::CONFIG });
    let state = State::new(Table::new(spec.engine.clone()).unwrap());
    let sealer = Sealer::new(Arc::new(DataKeys::ephemeral([7; 32])), "t");
    Core::new(1, spec, state, sealer, Pace { hand_gap_ms: 0, reveal_ms: 0 })
}

/// The signer has reserved 500 for this seat; the entry gets the next number.
fn reserve(core: &mut Core, seat: u8, top_up: bool) -> Step {
    reserve_amount(core, seat, 500, top_up)
}

fn reserve_amount(core: &mut Core, seat: u8, amount: u64, top_up: bool) -> Step {
    let permit =
        Permit { amount, max_total_rake: 50, expiry_s: 9, nonce: u64::from(seat), signature: String::new() };
    let request = Box::new(Reserve {
        epoch: 1,
        seat: SeatIndex(seat),
        player: PlayerId([seat + 1; 20]),
        permit,
        top_up,
    });
    core.handle(0, Input::Reserved { connection: 1, id: 1, request, refused: None })
}

#[test]
fn a_request_for_a_chair_that_is_sent_again_while_the_signer_is_asked_has_one_answer() {
    let mut core = core();
    let first = ask(&mut core, 0, 7, sit_down(0, 50));
    assert_eq!((first.reserve.len(), first.replies.len()), (1, 0));
    // The player's connection broke, and the next one repeats the request.
    let message = pb::ClientMessage { id: 7, body: Some(sit_down(0, 50)) };
    let again = core.handle(0, Input::Message { connection: 2, player: PlayerId([1; 20]), message });
    assert_eq!((again.reserve.len(), again.replies.len()), (0, 0));
    let (connection, id, request) = first.reserve.into_iter().next().unwrap();
    let request = Box::new(request);
    let step = core.handle(0, Input::Reserved { connection, id, request, refused: None });
    let acks =
        |id| move |(to, body): &(u64, Body)| *to == 2 && matches!(body, Body::Ack(ack) if ack.id == id);
    assert_eq!(step.replies.len(), 1);
    assert!(step.replies.iter().all(acks(7)), "{:?}", step.replies);
    // A request with another id is a new request.
    assert!(refusal(&ask(&mut core, 0, 8, sit_down(0, 50))).is_some());
}

/// The player of this seat sends a request.
fn ask(core: &mut Core, seat: u8, id: u64, body: Ask) -> Step {
    let message = pb::ClientMessage { id, body: Some(body) };
    core.handle(0, Input::Message { connection: 1, player: PlayerId([seat + 1; 20]), message })
}

fn leave(core: &mut Core, seat: u8) -> Step {
    ask(core, seat, 100, Ask::Leave(pb::Leave {}))
}

fn sit_down(seat: u8, max_total_rake: u64) -> Ask {
    let permit = pb::Permit { amount: 500, max_total_rake, expiry_s: 9, nonce: 1, signature: vec![0; 65] };
    Ask::Sit(pb::Sit { seat: seat.into(), amount: 500, permit: Some(permit) })
}

fn refusal(step: &Step) -> Option<(ErrorCode, Option<u64>)> {
    step.replies.iter().find_map(|(_, body)| match body {
        Body::Error(error) => Some((error.code(), error.min)),
        _ => None,
    })
}

/// Stacks of all seats given back so far.
fn given_back(core: &Core) -> Vec<u64> {
    core.state().outbox.iter().filter_map(leaves).collect()
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
    // A later confirmation does not bring the seat back.
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

    // Nobody acts: the clock plays the hand to its end, then both leave with their stacks.
    let mut now = 2;
    while core.state().table.hand().is_some() {
        now = core.next_deadline().unwrap().max(now + 1);
        core.handle(now, Input::Tick { seed: [4; 32] });
    }
    assert_eq!((stack(&core, 0), stack(&core, 1)), (None, None));
    assert_eq!(given_back(&core).iter().sum::<u64>(), 1_000);
}

#[test]
fn a_player_who_leaves_during_a_top_up_is_paid_out_once_it_is_final() {
    for (end, stack) in [(NoticeState::Confirmed, 1_000), (NoticeState::Rejected, 500)] {
        let mut core = core();
        reserve(&mut core, 0, false);
        notice(&mut core, 1, 1, NoticeState::Confirmed);
        reserve(&mut core, 0, true);
        leave(&mut core, 0);
        assert!(given_back(&core).is_empty(), "nobody knows yet how much it is");
        let taken = ask(&mut core, 1, 1, sit_down(0, 50));
        assert_eq!(refusal(&taken), Some((ErrorCode::Refused, None)), "the chair is not free yet");
        let again = ask(&mut core, 0, 101, sit_down(3, 50));
        assert_eq!(refusal(&again), Some((ErrorCode::Refused, None)), "nor is its player");

        notice(&mut core, 2, 2, end);
        assert_eq!(given_back(&core), [stack]);
        notice(&mut core, 3, 3, NoticeState::Confirmed);
        assert_eq!(refusal(&ask(&mut core, 1, 2, sit_down(0, 50))), None);
    }
}

#[test]
fn a_top_up_confirmed_in_the_last_hand_of_who_leaves_is_paid_out_with_it() {
    let mut core = core();
    for seat in 0..2 {
        reserve(&mut core, seat, false);
        notice(&mut core, u64::from(seat) + 1, u64::from(seat) + 1, NoticeState::Confirmed);
    }
    core.handle(0, Input::Tick { seed: [3; 32] });
    assert!(core.state().table.hand().is_some());
    reserve(&mut core, 0, true);
    leave(&mut core, 1);
    leave(&mut core, 0);
    notice(&mut core, 3, 3, NoticeState::Confirmed);
    let mut now = 0;
    while core.state().table.hand().is_some() {
        now = core.next_deadline().unwrap().max(now + 1);
        core.handle(now, Input::Tick { seed: [4; 32] });
    }
    let back = given_back(&core);
    assert_eq!((back.len(), back.iter().sum::<u64>()), (2, 1_500));
}

#[test]
fn a_top_up_reserved_for_who_has_left_meanwhile_is_refused() {
    let mut core = core();
    reserve(&mut core, 0, false);
    notice(&mut core, 1, 1, NoticeState::Confirmed);
    leave(&mut core, 0);
    let late = reserve(&mut core, 0, true);
    assert_eq!((refusal(&late), late.entries.len()), (Some((ErrorCode::Refused, None)), 0));
    assert_eq!(given_back(&core), [500]);
}

#[test]
fn what_the_chain_has_taken_is_at_the_table_whatever_the_buy_ins_bounds_say() {
    let mut core = core();
    reserve_amount(&mut core, 0, 1_500, false);
    reserve_amount(&mut core, 1, 500, false);
    notice(&mut core, 1, 2, NoticeState::Confirmed);
    assert_eq!((stack(&core, 0), stack(&core, 1)), (Some(1_500), Some(500)));
    // The stack has grown since the top-up was requested.
    reserve_amount(&mut core, 0, 500, true);
    notice(&mut core, 2, 3, NoticeState::Confirmed);
    assert_eq!(stack(&core, 0), Some(2_000));
}

#[test]
fn no_hand_starts_while_the_oldest_that_the_chain_does_not_have_is_older_than_half_the_exit_clock() {
    let mut core = core();
    core.handle(0, Input::ExitBounds(ExitBounds { delay_s: 60, sequences: 0 }));
    for seat in 0..2 {
        reserve(&mut core, seat, false);
        notice(&mut core, u64::from(seat) + 1, u64::from(seat) + 1, NoticeState::Confirmed);
        core.handle(0, Input::Connected { player: PlayerId([seat + 1; 20]) });
    }
    // Every hand takes ten seconds and the next begins at once.
    let mut now = 0;
    let mut play = |core: &mut Core, hands: u64| {
        (0..hands)
            .take_while(|_| {
                core.handle(now, Input::Tick { seed: [3; 32] });
                let Some(hand) = core.state().table.hand().map(|hand| hand.number) else { return false };
                now += 10_000;
                core.handle(now, Input::Pause { paused: false });
                let seat = core.state().table.to_act().unwrap().0;
                let fold = pb::Act { hand, kind: pb::ActionKind::Fold.into(), amount: 0, question: None };
                ask(core, seat, 1_000 + hand, Ask::Act(fold));
                core.state().table.hand().is_none()
            })
            .count()
    };
    // The first ends at 10 s. The one that begins at 40 s is the last: 30 s are half the clock.
    assert_eq!(play(&mut core, 10), 5);
    assert_eq!(core.holding().as_deref(), Some("the chain has not settled the last hands for too long"));
    // The first of them is final, and the second was played ten seconds later.
    notice(&mut core, 3, 3, NoticeState::Confirmed);
    assert_eq!((core.holding(), play(&mut core, 10)), (None, 1));
    notice(&mut core, 4, 8, NoticeState::Confirmed);
    assert_eq!(play(&mut core, 3), 3);
}

#[test]
fn no_hand_starts_while_half_of_the_numbers_that_an_exit_leaves_wait_for_the_chain() {
    let mut core = core();
    core.handle(0, Input::ExitBounds(ExitBounds { delay_s: 0, sequences: 8 }));
    for seat in 0..2 {
        reserve(&mut core, seat, false);
        notice(&mut core, u64::from(seat) + 1, u64::from(seat) + 1, NoticeState::Confirmed);
        core.handle(0, Input::Connected { player: PlayerId([seat + 1; 20]) });
    }
    let mut now = 0;
    let mut play = |core: &mut Core| {
        let mut hands = 0;
        while hands < 20 {
            core.handle(now, Input::Tick { seed: [3; 32] });
            let Some(hand) = core.state().table.hand().map(|hand| hand.number) else { break };
            now += 1_000;
            core.handle(now, Input::Pause { paused: false });
            let seat = core.state().table.to_act().unwrap().0;
            let fold = pb::Act { hand, kind: pb::ActionKind::Fold.into(), amount: 0, question: None };
            ask(core, seat, 1_000 + hand, Ask::Act(fold));
            hands += 1;
        }
        hands
    };
    // Numbers 1 and 2 are the sits; of eight that an exit leaves, four may wait.
    assert_eq!(play(&mut core), 4);
    assert_eq!(core.holding().as_deref(), Some("too many hands wait for the chain"));
    notice(&mut core, 3, 4, NoticeState::Confirmed);
    assert_eq!((core.holding(), play(&mut core)), (None, 2));
}

#[test]
fn who_is_frozen_plays_the_hand_to_its_end_and_neither_plays_on_nor_leaves_until_thawed() {
    let mut core = core();
    for seat in 0..3 {
        reserve(&mut core, seat, false);
        notice(&mut core, u64::from(seat) + 1, u64::from(seat) + 1, NoticeState::Confirmed);
        core.handle(0, Input::Connected { player: PlayerId([seat + 1; 20]) });
    }
    core.handle(1, Input::Tick { seed: [3; 32] });
    let in_hand = |core: &Core| {
        let hand = core.state().table.hand().unwrap();
        (0..3).filter(|seat| hand.player(SeatIndex(*seat)).is_some()).collect::<Vec<u8>>()
    };
    assert_eq!(in_hand(&core), [0, 1, 2]);
    let player = PlayerId([2; 20]);
    // A notice about an absent player leaves nothing in the state.
    notice(&mut core, 4, 0, NoticeState::Frozen(PlayerId([9; 20])));
    notice(&mut core, 5, 0, NoticeState::Frozen(player));
    assert_eq!(in_hand(&core), [0, 1, 2], "the hand is played to its end");
    let folds = |core: &mut Core, id: u64| {
        for at in 0..2 {
            let hand = core.state().table.hand().unwrap().number;
            let seat = core.state().table.to_act().unwrap().0;
            let fold = pb::Act { hand, kind: pb::ActionKind::Fold.into(), amount: 0, question: None };
            ask(core, seat, id + at, Ask::Act(fold));
        }
        assert!(core.state().table.hand().is_none());
    };
    folds(&mut core, 1_000);
    let before = stack(&core, 1);
    for (id, what) in [Ask::SitIn(pb::SitIn { post: true }), Ask::Leave(pb::Leave {})].into_iter().enumerate()
    {
        let step = ask(&mut core, 1, 2_000 + id as u64, what);
        assert_eq!(refusal(&step), Some((ErrorCode::Refused, None)));
    }
    core.handle(2, Input::Tick { seed: [4; 32] });
    assert_eq!(in_hand(&core), [0, 2]);
    // Neither a deletion nor an exit on chain frees the seat.
    let sequence = core.state().sequence;
    notice(&mut core, 6, sequence, NoticeState::Exit(player));
    core.handle(3, Input::Drain { delete: true });
    let mut now = 3;
    while core.state().table.hand().is_some() {
        now = core.next_deadline().unwrap().max(now + 1);
        core.handle(now, Input::Tick { seed: [5; 32] });
    }
    assert_eq!((stack(&core, 0), stack(&core, 1), stack(&core, 2)), (None, before, None));
    assert!(!core.drain_status().drained);
    notice(&mut core, 7, 0, NoticeState::Thawed(player));
    assert_eq!(stack(&core, 1), None, "now it leaves with the others");
}

#[test]
fn a_deletion_waits_for_a_top_up_and_gives_it_back() {
    let mut core = core();
    reserve(&mut core, 0, false);
    notice(&mut core, 1, 1, NoticeState::Confirmed);
    reserve(&mut core, 0, true);
    core.handle(0, Input::Drain { delete: true });
    core.handle(0, Input::Accepted { through: 2 });
    assert_eq!((given_back(&core).len(), core.drain_status().drained), (0, false));
    notice(&mut core, 2, 2, NoticeState::Confirmed);
    assert_eq!(given_back(&core), [1_000]);
    core.handle(0, Input::Accepted { through: 3 });
    notice(&mut core, 3, 3, NoticeState::Confirmed);
    assert!(core.drain_status().drained);
}

#[test]
fn a_deletion_waits_for_a_seat_being_asked_for_and_refuses_it() {
    let mut core = core();
    let step = ask(&mut core, 0, 1, sit_down(0, 50));
    assert_eq!(step.reserve.len(), 1);
    core.handle(0, Input::Drain { delete: true });
    assert!(!core.drain_status().drained, "the seat may become an entry yet");
    let late = reserve(&mut core, 0, false);
    assert_eq!((refusal(&late), late.entries.len()), (Some((ErrorCode::Draining, None)), 0));
    assert!(core.drain_status().drained);
}

#[test]
fn a_permit_that_does_not_cover_the_rake_of_one_hand_is_refused() {
    let caps = [(2, 30), (5, 60)].map(|(players, amount)| RakeCap { players, amount }).to_vec();
    let mut core = core_with(RakeConfig { basis_points: 500, caps, no_flop_no_drop: true });
    let low = ask(&mut core, 0, 1, sit_down(0, 59));
    assert_eq!((refusal(&low), low.reserve.len()), (Some((ErrorCode::Amount, Some(60))), 0));
    let enough = ask(&mut core, 0, 2, sit_down(0, 60));
    assert_eq!((refusal(&enough), enough.reserve.len()), (None, 1));
}

#[test]
fn a_seat_is_taken_from_the_moment_that_the_signer_is_asked() {
    let seats = |core: &Core| core.seats_taken().iter().map(|taken| taken.seat).collect::<Vec<_>>();
    let mut core = core();
    assert!(seats(&core).is_empty());
    ask(&mut core, 1, 70, sit_down(1, 50));
    assert_eq!(seats(&core), [1]);
    reserve(&mut core, 0, false);
    assert_eq!(seats(&core), [0, 1]);
    notice(&mut core, 1, 1, NoticeState::Confirmed);
    // A top-up is no second seat.
    reserve(&mut core, 0, true);
    assert_eq!(seats(&core), [0, 1]);
    let players: std::collections::BTreeSet<_> =
        core.seats_taken().iter().map(|taken| taken.player).collect();
    assert_eq!(players.len(), 2);
}

#[test]
fn a_snapshot_of_the_version_before_is_read() {
    let mut core = core();
    reserve(&mut core, 0, false);
    let json = serde_json::to_string(core.state()).unwrap();
    let old = json.replace(",\"left_with\":null", "");
    assert_ne!(json, old);
    assert_eq!(&serde_json::from_str::<State>(&old).unwrap(), core.state());
}

fn leaves(entry: &Entry) -> Option<u64> {
    match entry.body {
        EntryBody::Leave { stack, .. } => Some(stack),
        _ => None,
    }
}

#[test]
fn a_closed_table_takes_nobody_new_keeps_who_sits_and_stays_closed_for_its_successor() {
    let mut core = core();
    reserve(&mut core, 0, false);
    notice(&mut core, 1, 1, NoticeState::Confirmed);
    // One more request was made before the table closes: its chips may be reserved already.
    ask(&mut core, 1, 70, sit_down(1, 50));
    assert_eq!(core.arriving(), 1);
    let step = core.handle(0, Input::Close { closed: true });
    assert!(step.dirty && core.is_closed() && !core.handle(0, Input::Close { closed: true }).dirty);
    let step = ask(&mut core, 2, 71, sit_down(2, 50));
    assert_eq!(refusal(&step), Some((ErrorCode::Draining, None)));
    assert_eq!(core.holding(), None, "hands go on");
    let top_up = reserve(&mut core, 0, true);
    assert_eq!((refusal(&top_up), top_up.entries.len()), (None, 1));
    let state = serde_json::to_string(core.state()).unwrap();
    let successor = |state: &str| {
        let sealer = Sealer::new(Arc::new(DataKeys::ephemeral([7; 32])), "t");
        let state = serde_json::from_str(state).unwrap();
        Core::new(2, core.spec().clone(), state, sealer, Pace { hand_gap_ms: 0, reveal_ms: 0 })
    };
    let mut next = successor(&state);
    assert_eq!(refusal(&ask(&mut next, 2, 72, sit_down(2, 50))), Some((ErrorCode::Draining, None)));
    next.handle(0, Input::Close { closed: false });
    assert_eq!(refusal(&ask(&mut next, 2, 73, sit_down(2, 50))), None);
    let old = state.replace("\"closed\":true,", "");
    assert!(!successor(&old).is_closed(), "a state of the release before");
}
