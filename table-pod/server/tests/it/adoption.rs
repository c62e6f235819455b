//! A store that lost commits, and a signer with the entries of those commits: the table continues from the journal.
#![allow(clippy::unwrap_used, clippy::cast_possible_truncation, reason = "tests may fail loudly")]

use crate::common;

use purr_engine::{PlayerId, RakeCap, RakeConfig, Table, TableConfig};
use purr_protocol::{
    TableSpec,
    pb::{self, client_message::Body as Ask},
    settlement::{Entry, EntryBody, Notice, NoticeState},
};
use purr_store::{DataKeys, Sealer};
use purr_table::core::{AdoptError, Core, Input, Pace, State, Step};
use serde_json::Value;
use std::sync::Arc;

fn spec() -> TableSpec {
    let caps = vec![RakeCap { players: 2, amount: 9 }];
    let rake = RakeConfig { basis_points: 500, caps, no_flop_no_drop: true };
    common::spec("adoption", TableConfig { seats: 4, rake, ..common::CONFIG })
}

fn core(epoch: u64, state: State) -> Core {
    let sealer = Sealer::new(Arc::new(DataKeys::ephemeral([7; 32])), "t");
    Core::new(epoch, spec(), state, sealer, Pace { hand_gap_ms: 0, reveal_ms: 0 })
}

fn empty() -> State {
    State::new(Table::new(spec().engine).unwrap())
}

/// A small generator: the same seed plays the same session.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }
}

/// A session, with all entries that the signer would have of it.
struct Live {
    core: Core,
    dice: Dice,
    now: u64,
    id: u64,
    journal: Vec<Entry>,
    notices: Vec<Notice>,
    told_through: u64,
}

/// The state after a step, and the lengths of journal and notices.
type Moment = (State, usize, usize);

impl Live {
    fn new(seed: u64) -> Self {
        let core = core(1, empty());
        Self {
            core,
            dice: Dice(seed),
            now: 0,
            id: 0,
            journal: Vec::new(),
            notices: Vec::new(),
            told_through: 0,
        }
    }

    fn take(&mut self, input: Input) {
        let step = self.core.handle(self.now, input);
        self.follow(step);
    }

    fn follow(&mut self, step: Step) {
        self.journal.extend(step.entries);
        for (connection, id, request) in step.reserve {
            let request = Box::new(request);
            self.take(Input::Reserved { connection, id, request, refused: None });
        }
    }

    fn ask(&mut self, player: PlayerId, body: Ask) {
        self.id += 1;
        let message = pb::ClientMessage { id: self.id, body: Some(body) };
        self.take(Input::Message { connection: 1, player, message });
    }

    fn notice(&mut self, seq: u64, state: NoticeState) {
        let id = self.notices.len() as u64 + 1;
        let notice = Notice { id, seq_from: seq, seq_to: seq, state, tx_hash: String::new() };
        self.notices.push(notice.clone());
        self.take(Input::Notices(vec![notice]));
    }

    fn step(&mut self) -> Moment {
        self.now += 1_000;
        let player = PlayerId([self.dice.roll(4) as u8 + 1; 20]);
        let permit = |nonce| pb::Permit {
            amount: 400,
            max_total_rake: 50,
            expiry_s: 9,
            nonce,
            signature: vec![0; 65],
        };
        match self.dice.roll(20) {
            0 | 1 => {
                let (seat, permit) = (self.dice.roll(4) as u32, Some(permit(self.id)));
                self.ask(player, Ask::Sit(pb::Sit { seat, amount: 400, permit }));
            }
            2 => {
                let permit = Some(permit(self.id));
                self.ask(player, Ask::TopUp(pb::TopUp { amount: 400, permit }));
            }
            3 => self.ask(player, Ask::Leave(pb::Leave {})),
            4 if self.dice.roll(8) == 0 => {
                self.notice(self.core.state().sequence, NoticeState::Exit(player));
            }
            4..=9 => self.hear_of_next(),
            _ => self.play(),
        }
        (self.core.state().clone(), self.journal.len(), self.notices.len())
    }

    /// The chain takes the next entry; an entry that brings chips to a seat may be refused.
    fn hear_of_next(&mut self) {
        let next = self.told_through + 1;
        let Some(entry) = self.journal.iter().find(|entry| entry.seq == next) else { return };
        let may_refuse = matches!(entry.body, EntryBody::Sit { .. } | EntryBody::TopUp { .. });
        let refused = may_refuse && self.dice.roll(4) == 0;
        self.told_through = next;
        self.notice(next, if refused { NoticeState::Rejected } else { NoticeState::Confirmed });
    }

    fn play(&mut self) {
        let table = &self.core.state().table;
        let Some(seat) = table.to_act() else { return self.take(Input::Tick { seed: [self.id as u8; 32] }) };
        let legal = table.legal_actions(seat).unwrap();
        let player = table.seat(seat).unwrap().player;
        let hand = table.last_hand();
        let (kind, amount) = match (self.dice.roll(8), legal.raise_to) {
            (0, _) if !legal.check => (pb::ActionKind::Fold, 0),
            (1, Some((min, _))) => (pb::ActionKind::RaiseTo, min),
            (2, Some((_, max))) => (pb::ActionKind::RaiseTo, max),
            _ if legal.check => (pb::ActionKind::Check, 0),
            _ => (pb::ActionKind::Call, 0),
        };
        self.id += 1;
        self.ask(player, Ask::Act(pb::Act { hand, kind: kind.into(), amount, question: None }));
    }
}

/// The data in which chain and table must agree: seats, chips, rake left by seat, and entries in flight.
fn books(core: &Core) -> (Vec<Value>, Value, Value, u64) {
    let chairs = core.state().table.seats().iter().map(|chair| match chair {
        Some(chair) => serde_json::json!([chair.player, chair.stack + chair.pending, chair.rake_left]),
        None => Value::Null,
    });
    let state = serde_json::to_value(core.state()).unwrap();
    (chairs.collect(), state["seating"].clone(), state["exiting"].clone(), core.state().sequence)
}

fn head_of(journal: &[Entry]) -> Option<&str> {
    journal.iter().rev().find_map(|entry| match &entry.body {
        EntryBody::Hand { next, .. } => Some(next.as_str()),
        _ => None,
    })
}

/// A take-over from a store with this state.
fn take_over(state: &State, journal: &[Entry]) -> Result<Core, AdoptError> {
    let next = head_of(journal);
    let after = state.adopts_after(next)?;
    let rest: Vec<Entry> = journal.iter().filter(|entry| entry.seq > after).cloned().collect();
    let adopted = state.clone().adopt(journal.last().unwrap().seq, next, &rest)?;
    let mut core = core(2, adopted.state);
    core.restart(0, adopted.events);
    Ok(core)
}

#[test]
fn a_table_whose_store_lost_any_number_of_commits_goes_on_as_the_signer_has_it() {
    let (mut compared, mut voided, mut without_hand) = (0, 0, 0);
    for seed in 0..40 {
        let mut live = Live::new(seed);
        let moments: Vec<Moment> = (0..400).map(|_| live.step()).collect();
        let mut dice = Dice(seed + 1_000);
        for _ in 0..200 {
            let (i, j) = (dice.roll(400) as usize, dice.roll(400) as usize);
            let ((old, ..), (new, entries, notices)) = (&moments[i.min(j)], &moments[i.max(j)]);
            let journal = &live.journal[..*entries];
            let behind = journal.last().is_some_and(|entry| entry.seq > old.sequence);
            // Events within a hand are in no entry, so the two only agree between hands. A leave that waits for a
            // top-up is not in an entry either: if it is lost, its player is asked to leave again.
            let half_left = |state: &State| {
                let state = serde_json::to_value(state).unwrap();
                state["seating"].as_array().unwrap().iter().any(|held| !held["left_with"].is_null())
            };
            if !behind || new.table.hand().is_some() || half_left(new) {
                continue;
            }
            let mut adopted = take_over(old, journal).unwrap_or_else(|error| panic!("seed {seed}: {error}"));
            adopted.handle(0, Input::Notices(live.notices[..*notices].to_vec()));
            let mut kept = core(2, new.clone());
            kept.restart(0, Vec::new());
            kept.handle(0, Input::Notices(Vec::new()));
            assert_eq!(books(&adopted), books(&kept), "seed {seed}, from step {i} to {j}");
            assert!(adopted.state().hands_lost > old.hands_lost);
            compared += 1;
            voided += u32::from(old.table.hand().is_some());
            without_hand += u32::from(head_of(journal).is_none());
        }
    }
    assert!(compared > 1_000 && voided > 100 && without_hand > 20, "{compared} {voided} {without_hand}");
}

#[test]
fn a_hand_that_may_have_gone_on_unseen_is_void_and_recorded_and_its_bets_go_back() {
    let mut live = Live::new(7);
    let mut found = None;
    for _ in 0..2_000 {
        let (state, entries, _) = live.step();
        let Some(hand) = state.table.hand().map(|hand| hand.number) else { continue };
        // A player asks for a seat during the hand: the signer gets the request, and the store loses it.
        let player = PlayerId([9; 20]);
        for seat in 0..4 {
            let permit =
                pb::Permit { amount: 400, max_total_rake: 50, expiry_s: 9, nonce: 1, signature: vec![0; 65] };
            live.ask(player, Ask::Sit(pb::Sit { seat, amount: 400, permit: Some(permit) }));
        }
        if live.journal.len() > entries {
            found = Some((state, hand));
            break;
        }
    }
    let (state, hand) = found.unwrap();
    let chips = |table: &Table| {
        table.seats().iter().flatten().map(|chair| chair.stack + chair.pending).sum::<u64>() + table.pot()
    };
    let next = head_of(&live.journal);
    let after = state.adopts_after(next).unwrap();
    let rest: Vec<Entry> = live.journal.iter().filter(|entry| entry.seq > after).cloned().collect();
    let head = live.journal.last().unwrap().seq;
    let adopted = state.clone().adopt(head, next, &rest).unwrap();
    let mut core = core(2, adopted.state);
    let step = core.restart(0, adopted.events);
    assert!(core.state().table.hand().is_none());
    assert_eq!(chips(&core.state().table), chips(&state.table));
    assert_eq!(step.hand.unwrap().hand, hand);
    assert!(step.entries.iter().all(|entry| !matches!(entry.body, EntryBody::Hand { .. })));
}

#[test]
fn entries_that_do_not_follow_are_an_error_and_nothing_is_made_up() {
    let mut live = Live::new(3);
    while live.journal.len() < 6 {
        live.step();
    }
    let (next, head) = (head_of(&live.journal), live.journal.last().unwrap().seq);
    let after = empty().adopts_after(next).unwrap();
    let rest: Vec<Entry> = live.journal.iter().filter(|entry| entry.seq > after).cloned().collect();
    assert!(matches!(
        empty().adopt(head + 1, next, &rest).unwrap_err(),
        AdoptError::Short { head: h, last } if h == head + 1 && last == head
    ));
    let gap = empty().adopt(head, None, &live.journal[1..]).unwrap_err();
    assert!(matches!(gap, AdoptError::Gap { last: 0, found: 2 }), "{gap}");
}

#[test]
fn a_player_who_asked_on_chain_to_leave_plays_the_hand_and_is_dealt_no_other() {
    let mut live = Live::new(11);
    while live.core.state().table.to_act().is_none() {
        live.step();
    }
    let table = &live.core.state().table;
    let seat = table.to_act().unwrap();
    let (player, hand) = (table.seat(seat).unwrap().player, table.last_hand());
    live.notice(live.core.state().sequence, NoticeState::Exit(player));
    let table = &live.core.state().table;
    assert_eq!(table.to_act(), Some(seat), "the hand goes on, with the same choice");
    assert!(table.legal_actions(seat).is_some());
    while live.core.state().table.hand().is_some() {
        live.now += 1_000;
        live.play();
    }
    assert_eq!(live.core.state().table.last_hand(), hand);
    assert_eq!(live.core.state().table.seat_of(player), None);
    let leaves =
        |entry: &&Entry| matches!(&entry.body, EntryBody::Leave { player: who, .. } if *who == player);
    assert_eq!(live.journal.iter().rev().take(2).filter(leaves).count(), 1);
}
