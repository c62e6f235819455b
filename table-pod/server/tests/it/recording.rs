//! Content of a hand's record: think times, and the fair-play part.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests may fail loudly")]

use crate::common;

use purr_engine::{Command, Event, PlayerId, SeatIndex, Table};
use purr_protocol::{
    fairplay::FairPlaySecret,
    pb::{self, client_message::Body as Ask},
    record::HandRecord,
    snapshot::VERSION,
    timing::{ActionTiming, Rtt},
};
use purr_store::{DataKeys, Sealer};
use purr_table::{
    core::{Arrival, Core, Input, Pace, Recording, State, Step},
    snapshot::{self, Format, Writer},
};
use std::sync::Arc;

fn player(seat: u8) -> PlayerId {
    PlayerId([seat + 1; 20])
}

struct Game {
    core: Core,
    now: u64,
    id: u64,
}

impl Game {
    /// Two players; the first turn is sent at 1000.
    fn new(recording: Recording) -> Self {
        let mut table = Table::new(common::CONFIG).unwrap();
        for seat in 0..2 {
            let sit = Command::Sit { seat: SeatIndex(seat), player: player(seat), stack: 500 };
            table.apply(0, sit).unwrap();
        }
        let mut game = Self { core: core(State::new(table), recording), now: 0, id: 0 };
        for seat in 0..2 {
            game.core.handle(0, Input::Connected { player: player(seat) });
        }
        game.now = 990;
        game.core.handle(990, Input::Tick { seed: [3; 32] });
        assert!(game.core.state().table.hand().is_some());
        game.core.sent(1_000);
        game
    }

    fn act(&mut self, kind: pb::ActionKind, at: u64, rtt: Rtt) -> Step {
        self.id += 1;
        let table = &self.core.state().table;
        let (seat, hand) = (table.to_act().unwrap(), table.hand().unwrap().number);
        let body = Some(Ask::Act(pb::Act { hand, kind: kind.into(), ..pb::Act::default() }));
        let message = pb::ClientMessage { id: self.id, body };
        let input = Input::Message { connection: 1, player: player(seat.0), message };
        // The table has handled other inputs since the command arrived, and sends the next events later.
        self.now = at + 7;
        let step = self.core.handle_arrived(self.now, Arrival { at: Some(at), rtt }, input);
        self.core.sent(at + 20);
        step
    }
}

fn core(state: State, recording: Recording) -> Core {
    let spec = common::spec("recording", common::CONFIG);
    let sealer = Sealer::new(Arc::new(DataKeys::ephemeral([7; 32])), "0a");
    let mut core = Core::new(1, spec, state, sealer, Pace { hand_gap_ms: 0, reveal_ms: 0 });
    core.restart(0, Vec::new());
    core.with_recording(recording)
}

fn record(step: &Step) -> HandRecord {
    serde_json::from_slice(&step.hand.as_ref().unwrap().record).unwrap()
}

fn timing(think_ms: u32, rtt: Rtt) -> ActionTiming {
    ActionTiming { think_ms: Some(think_ms), rtt }
}

#[test]
fn thinking_is_counted_from_the_sent_turn_to_the_arrived_command() {
    let mut game = Game::new(Recording::default());
    game.act(pb::ActionKind::Call, 3_500, Rtt::Under50);
    let step = game.act(pb::ActionKind::Fold, 4_000, Rtt::Over);
    let record = record(&step);
    assert_eq!(record.timings, [timing(2_500, Rtt::Under50), timing(480, Rtt::Over)]);
    assert_eq!(record.version, 3);
}

#[test]
fn who_runs_out_of_time_has_no_time_to_think_and_a_turn_of_another_process_neither() {
    let mut game = Game::new(Recording::default());
    game.act(pb::ActionKind::Call, 2_000, Rtt::Under150);
    // The next process has the state, and not the moment at which the turn was sent.
    let state: State = serde_json::from_str(&serde_json::to_string(game.core.state()).unwrap()).unwrap();
    game.core = core(state, Recording::default());
    game.core.sent(10);
    for seat in 0..2 {
        game.core.handle(10, Input::Connected { player: player(seat) });
    }
    game.act(pb::ActionKind::Check, 500, Rtt::Under150);
    let mut step = Step::default();
    while game.core.state().table.hand().is_some() {
        let due = game.core.next_deadline().unwrap();
        step = game.core.handle(due, Input::Tick { seed: [4; 32] });
        game.core.sent(due);
    }
    let record = record(&step);
    let acted = record.history.events.iter().filter(|event| matches!(event, Event::Acted { .. })).count();
    assert_eq!(record.timings.len(), acted);
    let unmeasured = ActionTiming { think_ms: None, rtt: Rtt::Under150 };
    assert_eq!(record.timings[..2], [timing(1_000, Rtt::Under150), unmeasured]);
    assert!(record.timings[2..].iter().all(|timing| *timing == ActionTiming::default()));
}

#[test]
fn a_hand_that_a_release_without_timings_began_has_one_for_each_action_all_the_same() {
    let mut game = Game::new(Recording::default());
    game.act(pb::ActionKind::Call, 2_000, Rtt::Under50);
    let mut state = serde_json::to_value(game.core.state()).unwrap();
    assert!(state["deal"].as_object_mut().unwrap().remove("timings").is_some());
    game.core = core(serde_json::from_value(state).unwrap(), Recording::default());
    let step = game.act(pb::ActionKind::Fold, 3_000, Rtt::Under50);
    let unmeasured = ActionTiming { think_ms: None, rtt: Rtt::Under50 };
    assert_eq!(record(&step).timings, [ActionTiming::default(), unmeasured]);
}

#[test]
fn version_2_is_written_as_before_for_a_release_that_may_come_back() {
    let fair_play = Some(FairPlaySecret::derive(&[5; 32]).public());
    let mut game = Game::new(Recording { version: 2, fair_play, ..Recording::default() });
    let step = game.act(pb::ActionKind::Fold, 2_000, Rtt::Under50);
    let fields: serde_json::Map<String, serde_json::Value> =
        serde_json::from_slice(&step.hand.as_ref().unwrap().record).unwrap();
    assert_eq!(fields["version"], 2);
    assert!(!fields.contains_key("timings") && !fields.contains_key("fairPlay"));
}

#[test]
fn the_fair_play_key_opens_every_hole_card_and_the_deck_they_came_from() {
    let secret = FairPlaySecret::derive(&[5; 32]);
    let mut game = Game::new(Recording { fair_play: Some(secret.public()), ..Recording::default() });
    let table = &game.core.state().table;
    let holes: Vec<_> = table.hand().unwrap().players().map(|(seat, hole)| (seat.0, hole.cards)).collect();
    let step = game.act(pb::ActionKind::Fold, 2_000, Rtt::Under50);
    let record = record(&step);
    let hidden = secret.open(record.fair_play.as_ref().unwrap(), &record.about()).unwrap();
    let mut opened = hidden.holes.clone();
    opened.sort_unstable_by_key(|(seat, _)| *seat);
    assert_eq!(opened, holes);
    for (place, (_, [first, second])) in hidden.holes.iter().enumerate() {
        assert_eq!((hidden.deck[place], hidden.deck[place + 2]), (*first, *second));
    }
    assert_eq!(hidden.deck.len(), 52);
    if std::env::var_os("PURR_PRINT").is_some() {
        println!("secret {}", secret.to_hex());
        println!("{}", String::from_utf8_lossy(&step.hand.as_ref().unwrap().record));
        println!("{}", serde_json::to_string(&hidden).unwrap());
    }
}

/// A measurement to be run under callgrind, with PURR_RECORD_VERSION 2 and 3 and PURR_SNAPSHOT_VERSION 1 and 2, to
/// compare the instructions.
#[test]
#[ignore = "a measurement"]
fn commits_of_whole_hands() {
    let version = std::env::var("PURR_RECORD_VERSION").unwrap().parse().unwrap();
    let fair_play = (version >= 3 && std::env::var_os("PURR_FAIRPLAY").is_some())
        .then(|| FairPlaySecret::derive(&[5; 32]).public());
    let sealer = Sealer::new(Arc::new(DataKeys::ephemeral([7; 32])), "0a");
    let mut table = Table::new(common::CONFIG).unwrap();
    for seat in 0..6 {
        let sit = Command::Sit { seat: SeatIndex(seat), player: player(seat), stack: 1_000 };
        table.apply(0, sit).unwrap();
    }
    let mut game = Game {
        core: core(State::new(table), Recording { version, fair_play, ..Recording::default() }),
        now: 0,
        id: 0,
    };
    for seat in 0..6 {
        game.core.handle(0, Input::Connected { player: player(seat) });
    }
    let snapshots =
        std::env::var("PURR_SNAPSHOT_VERSION").map_or(VERSION, |version| version.parse().unwrap());
    let format = Format::try_from(snapshots).unwrap();
    let mut writer = Writer::new(format);
    let (mut commits, mut hands, mut bytes, mut base) = (0, 0, 0, None);
    while hands < 40 {
        let step = match game.core.state().table.to_act() {
            Some(seat) => {
                let legal = game.core.state().table.legal_actions(seat).unwrap();
                let kind = if legal.check { pb::ActionKind::Check } else { pb::ActionKind::Call };
                let at = game.now + 2_345;
                game.act(kind, at, Rtt::Under50)
            }
            None => {
                let sequence = game.core.state().sequence;
                game.core.handle(game.now, Input::Accepted { through: sequence });
                game.now += 10;
                let step = game.core.handle(game.now, Input::Tick { seed: [3; 32] });
                game.core.sent(game.now + 1);
                step
            }
        };
        // Encodes what a commit contains.
        commits += 1;
        let (snapshot, with) = writer.write(&sealer, (1, commits), game.core.state()).unwrap();
        bytes += snapshot.len();
        if with != base {
            bytes += with.as_ref().map_or(0, |with| with.sealed().len());
            base = with;
        }
        if let Some(shown) = &step.shown {
            let log = snapshot::log(format, shown).unwrap();
            bytes += sealer.seal("log", 1, commits, &log).unwrap().len();
        }
        hands += u32::from(step.hand.is_some());
    }
    println!(
        "records {version}, snapshots {snapshots}: {commits} commits in {hands} hands, {} bytes a snapshot with its log",
        bytes as u64 / commits
    );
}
