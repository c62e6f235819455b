//! Sizes of an action's messages and commit, at a full table with realistic amounts.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests may fail loudly")]

mod common;

use common::Dice;
use prost::Message as _;
use purr_engine::{ClockConfig, PlayerId, SeatIndex, Table, TableConfig};
use purr_protocol::{
    pb::{self, ActionKind, client_message::Body as Ask, event::Kind, server_message::Body},
    settlement::{Notice, NoticeState, Permit, Reserve},
};
use purr_store::{DataKeys, Sealer};
use purr_table::{
    core::{Core, Input, Pace, Shown, State, Step},
    snapshot::{self, Format, Writer},
};
use std::sync::Arc;

const SEATS: u8 = 9;
/// Amounts of USDC with six decimals: blinds of 0.50 and 1, stacks of a hundred big blinds.
const SMALL_BLIND: u64 = 500_000;
const BUY_IN: u64 = 100_000_000;
/// The epoch of a pod of the third generation that was started once.
const EPOCH: u64 = (3 << 16) + 1;
const ACTIONS: usize = 5_000;
const BYTES_MEDIAN_MAX: usize = 40;
/// For the seat to act: the event plus its options, with up to three amounts.
const TO_ACT_BYTES_MEDIAN_MAX: usize = 50;
/// Maximum of the median size of state and log in a commit with an action, in bytes.
const COMMIT_BYTES_MEDIAN_MAX: usize = 800;

fn player(seat: u8) -> PlayerId {
    PlayerId([seat + 1; 20])
}

fn table() -> Core {
    let clock = ClockConfig { time_bank_ms: 30_000, ..common::CONFIG.clock };
    let config = TableConfig {
        seats: SEATS,
        small_blind: SMALL_BLIND,
        big_blind: 2 * SMALL_BLIND,
        buy_in_min: BUY_IN / 5,
        buy_in_max: BUY_IN,
        clock,
        ..common::CONFIG
    };
    let spec = common::spec("sizes", config);
    let state = State::new(Table::new(spec.engine.clone()).unwrap());
    let sealer = Sealer::new(Arc::new(DataKeys::ephemeral([7; 32])), "t");
    Core::new(EPOCH, spec, state, sealer, Pace { hand_gap_ms: 0, reveal_ms: 0 })
}

/// Seats a player, or tops the seat up, as the signer and the chain would.
fn seat(core: &mut Core, seat: u8, top_up: bool, notice: &mut u64) {
    let permit = Permit {
        amount: BUY_IN,
        max_total_rake: BUY_IN,
        expiry_s: 9,
        nonce: *notice,
        signature: String::new(),
    };
    let request =
        Box::new(Reserve { epoch: EPOCH, seat: SeatIndex(seat), player: player(seat), permit, top_up });
    core.handle(0, Input::Reserved { connection: 1, id: 1, request, refused: None });
    let seq = core.state().sequence;
    *notice += 1;
    let state = NoticeState::Confirmed;
    let news = Notice { id: *notice, seq_from: seq, seq_to: seq, state, tx_hash: String::new() };
    core.handle(0, Input::Notices(vec![news]));
    core.handle(0, Input::Connected { player: player(seat) });
}

/// Realistic play: most hands are folded, most others are called or checked.
fn choose(hand: u64, options: &pb::Options, dice: &mut Dice) -> Ask {
    let act =
        |kind: ActionKind, amount| Ask::Act(pb::Act { hand, kind: kind.into(), amount, question: None });
    match (dice.roll(10), options.raise_min, options.raise_max) {
        (0, Some(min), Some(max)) => act(ActionKind::RaiseTo, (min + dice.roll(3) * min / 2).min(max)),
        (1..=5, ..) if !options.check => act(ActionKind::Fold, 0),
        _ if options.check => act(ActionKind::Check, 0),
        _ => act(ActionKind::Call, 0),
    }
}

/// The message's payload as a receiver gets it, in bytes.
fn size(shown: &Shown, receiver: PlayerId) -> usize {
    let events = shown.for_player(receiver).unwrap();
    let message = pb::ServerMessage { epoch: EPOCH, offset: shown.offset, body: Some(Body::Events(events)) };
    message.encoded_len()
}

/// The table's commits, without records and entries for the signer.
struct Commits {
    writer: Writer,
    sealer: Sealer,
    base: Option<purr_store::Base>,
    number: u64,
    bases: u64,
    /// Bytes of all commits.
    bytes: usize,
    /// Bytes of each commit with an action.
    acted: Vec<usize>,
}

impl Commits {
    fn new() -> Self {
        let sealer = Sealer::new(Arc::new(DataKeys::ephemeral([7; 32])), "t");
        let writer = Writer::new(Format::Parts);
        Self { writer, sealer, base: None, number: 0, bases: 0, bytes: 0, acted: Vec::new() }
    }

    fn write(&mut self, core: &Core, step: &Step) -> usize {
        self.number += 1;
        let (snapshot, base) = self.writer.write(&self.sealer, (EPOCH, self.number), core.state()).unwrap();
        let mut bytes = snapshot.len();
        if base != self.base {
            bytes += base.as_ref().map_or(0, |base| base.sealed().len());
            self.base = base;
            self.bases += 1;
        }
        if let Some(shown) = &step.shown {
            let log = snapshot::log(Format::Parts, shown).unwrap();
            bytes += self.sealer.seal("log", EPOCH, self.number, &log).unwrap().len();
        }
        self.bytes += bytes;
        bytes
    }

    fn add(&mut self, core: &Core, step: &Step) {
        let bytes = self.write(core, step);
        self.acted.push(bytes);
    }

    fn between_hands(&mut self, core: &Core, step: &Step) {
        if step.dirty {
            self.write(core, step);
        }
    }
}

fn turn_of(shown: &Shown) -> Option<u8> {
    let events = shown.for_player(PlayerId([0xff; 20])).unwrap().events;
    events.into_iter().find_map(|event| match event.kind {
        Some(Kind::Turn(turn)) => u8::try_from(turn.seat).ok(),
        _ => None,
    })
}

fn median(sizes: &mut [usize]) -> usize {
    sizes.sort_unstable();
    sizes[sizes.len() / 2]
}

#[test]
fn a_message_that_tells_of_an_action_at_a_full_table_has_at_most_forty_bytes_by_the_median() {
    let mut core = table();
    // The first command of each player was to sit.
    let (mut dice, mut notice, mut now, mut id) = (Dice(5), 0, 1, 1);
    for number in 0..SEATS {
        seat(&mut core, number, false, &mut notice);
    }
    let [mut acted, mut to_act, mut another, mut spectator, mut all] = [const { Vec::new() }; 5];
    let mut commits = Commits::new();
    let mut steps = 0;
    while acted.len() < ACTIONS {
        steps += 1;
        assert!(steps < 10 * ACTIONS, "the table stands still after {} actions", acted.len());
        now += 1_700;
        let hand = core.state().table.hand().map(|hand| hand.number);
        let (Some(hand), Some(at)) = (hand, core.state().table.to_act()) else {
            // Between hands the signer accepts the last one, and players without chips get some, so that the table
            // stays full.
            core.handle(now, Input::Accepted { through: core.state().sequence });
            for number in 0..SEATS {
                let chair = core.state().table.seat(SeatIndex(number)).unwrap();
                if chair.stack + chair.pending < 2 * SMALL_BLIND {
                    seat(&mut core, number, true, &mut notice);
                    let back = pb::ClientMessage {
                        id: 1 << 40 | notice,
                        body: Some(Ask::SitIn(pb::SitIn { post: true })),
                    };
                    core.handle(now, Input::Message { connection: 1, player: player(number), message: back });
                }
            }
            let seed = std::array::from_fn(|_| u8::try_from(dice.roll(256)).unwrap());
            let step = core.handle(now, Input::Tick { seed });
            commits.between_hands(&core, &step);
            continue;
        };
        let legal = core.state().table.legal_actions(at).unwrap();
        let options = pb::Options {
            check: legal.check,
            call: legal.call,
            raise_min: legal.raise_to.map(|(min, _)| min),
            raise_max: legal.raise_to.map(|(_, max)| max),
        };
        id += 1;
        let message = pb::ClientMessage { id, body: Some(choose(hand, &options, &mut dice)) };
        let step = core.handle(now, Input::Message { connection: 1, player: player(at.0), message });
        commits.add(&core, &step);
        let shown = step.shown.unwrap_or_else(|| panic!("{at:?} {legal:?}: {:?}", step.replies));
        let next = turn_of(&shown);
        for number in 0..SEATS {
            let bytes = size(&shown, player(number));
            all.push(bytes);
            match number {
                number if number == at.0 => acted.push(bytes),
                number if Some(number) == next => to_act.push(bytes),
                _ => another.push(bytes),
            }
        }
        let bytes = size(&shown, PlayerId([0xff; 20]));
        all.push(bytes);
        spectator.push(bytes);
    }
    let hands = core.state().table.last_hand();
    println!("{ACTIONS} actions in {hands} hands of {SEATS}");
    println!(
        "commits: {} bytes in the mean, with what is written between hands",
        commits.bytes / usize::try_from(commits.number).unwrap()
    );
    for (who, sizes, most_median) in [
        ("a commit", &mut commits.acted, COMMIT_BYTES_MEDIAN_MAX),
        ("the seat that acted", &mut acted, BYTES_MEDIAN_MAX),
        ("another seat", &mut another, BYTES_MEDIAN_MAX),
        ("a spectator", &mut spectator, BYTES_MEDIAN_MAX),
        ("all of them", &mut all, BYTES_MEDIAN_MAX),
        ("the seat to act", &mut to_act, TO_ACT_BYTES_MEDIAN_MAX),
    ] {
        let median = median(sizes);
        let (p90, most) = (sizes[sizes.len() * 9 / 10], sizes[sizes.len() - 1]);
        println!("{who:<20} median {median:>3} bytes, 90th percentile {p90:>4}, most {most:>5}");
        assert!(median <= most_median, "{who}: {median} bytes");
    }
}
