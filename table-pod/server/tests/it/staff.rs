//! Staff pauses a table: the pause is committed, sent to players and kept by a successor; and the floor's figures
//! meanwhile.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests may fail loudly")]

use crate::common;

use purr_engine::{Action, Command, PlayerId, SeatIndex, Table};
use purr_protocol::{floor::PausedBy, pb::event::Kind};
use purr_store::{DataKeys, Sealer};
use purr_table::core::{Core, Input, Pace, State, Step};
use std::sync::Arc;

fn sealer() -> Sealer {
    Sealer::new(Arc::new(DataKeys::ephemeral([7; 32])), "t")
}

/// Two players, and a hand that can start.
fn core() -> Core {
    let spec = common::spec("staff", common::CONFIG);
    let mut table = Table::new(spec.engine.clone()).unwrap();
    for seat in 0..2 {
        let (at, player) = (SeatIndex(seat), PlayerId([seat + 1; 20]));
        table.apply(0, Command::Sit { seat: at, player, stack: 500 }).unwrap();
    }
    Core::new(1, spec, State::new(table), sealer(), Pace { hand_gap_ms: 0, reveal_ms: 0 })
}

fn pause(reason: &str) -> Input {
    Input::StaffPause { pause: Some(PausedBy { by: "0xab".into(), reason: reason.into(), at_s: 0 }) }
}

fn tick(core: &mut Core, now: u64) -> Step {
    core.handle(now, Input::Tick { seed: [3; 32] })
}

/// Texts about a pause that all players get.
fn told(step: &Step) -> Vec<String> {
    let shown = step.shown.as_ref().map(|shown| shown.for_player(PlayerId([9; 20])).unwrap());
    let kinds = shown.into_iter().flat_map(|events| events.events).filter_map(|event| event.kind);
    kinds
        .filter_map(|kind| match kind {
            Kind::StaffPaused(paused) => Some(paused.reason),
            _ => None,
        })
        .collect()
}

#[test]
fn a_pause_of_staff_is_committed_told_with_its_reason_and_kept_by_a_successor_until_staff_ends_it() {
    let mut core = core();
    core.tell_time(1_700_000_000);
    let step = core.handle(0, pause("two players are looked at"));
    assert!(step.dirty, "a successor must know");
    assert_eq!(told(&step), ["two players are looked at"]);
    assert!(!core.handle(0, pause("two players are looked at")).dirty, "the same again changes nothing");
    assert_eq!(core.holding().as_deref(), Some("paused by staff: two players are looked at"));
    assert_eq!(core.paused_by().unwrap().at_s, 1_700_000_000);
    tick(&mut core, 10);
    assert!(core.state().table.hand().is_none(), "no hand starts");
    // The owner's pause and staff's pause are separate: ending one does not end the other.
    core.handle(10, Input::Pause { paused: true });
    core.handle(10, Input::Pause { paused: false });
    assert!(core.holding().is_some());

    let state: State = serde_json::from_str(&serde_json::to_string(core.state()).unwrap()).unwrap();
    let mut next = Core::new(2, core.spec().clone(), state, sealer(), Pace { hand_gap_ms: 0, reveal_ms: 0 });
    next.restart(0, Vec::new());
    assert_eq!(next.holding().as_deref(), Some("paused by staff: two players are looked at"));
    let snapshot = next.snapshot_for(PlayerId([9; 20]));
    assert_eq!(snapshot.staff_paused, "two players are looked at", "who comes later is told, too");
    let step = next.handle(20, Input::StaffPause { pause: None });
    assert_eq!((step.dirty, told(&step)), (true, vec![String::new()]));
    assert_eq!(next.holding(), None);
}

#[test]
fn a_running_hand_is_played_to_its_end() {
    let mut core = core();
    tick(&mut core, 0);
    tick(&mut core, 10);
    let hand = core.state().table.hand().expect("a hand runs").number;
    core.handle(20, pause("x"));
    assert_eq!(core.state().table.hand().map(|hand| hand.number), Some(hand));
    let seat = core.state().table.to_act().unwrap();
    let mut table = core.state().table.clone();
    assert!(table.apply(20, Command::Act { seat, action: Action::Fold }).is_ok());
}

#[test]
fn a_state_of_the_release_before_has_no_pause() {
    let mut state = serde_json::to_value(core().state()).unwrap();
    assert!(
        state.as_object_mut().unwrap().remove("paused_by").is_none(),
        "nothing is written where there is none"
    );
    let state: State = serde_json::from_value(state).unwrap();
    let spec = common::spec("staff", common::CONFIG);
    let core = Core::new(2, spec, state, sealer(), Pace { hand_gap_ms: 0, reveal_ms: 0 });
    assert_eq!(core.paused_by(), None);
}

#[test]
fn operators_see_seats_and_rates_and_no_card() {
    let mut core = core();
    let floor = core.floor();
    assert_eq!((floor.seats.len(), floor.seats[1].stack, floor.hands), (2, 500, 0));
    let text = serde_json::to_string(&floor).unwrap();
    assert!(!text.contains("card") && !text.contains("hole"), "{text}");
}
