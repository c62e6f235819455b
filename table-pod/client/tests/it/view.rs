//! The view against the engine itself: random tables, every viewer, events as the table shows them.
#![allow(clippy::unwrap_used, reason = "tests may fail loudly")]

use proptest::prelude::*;
use purr_client::{View, bot::Dice, verify, view::Table as Seen};
use purr_engine::{
    Action, Ante, Betting, ClockConfig, Command, Event, HouseRules, PlayerId, Post, RakeConfig, SeatIndex,
    Table, TableConfig,
    deal::{Commitment, Reveal, SealedDeck, commitment},
};
use purr_protocol::{
    Currency, Settlement, TableSpec,
    pb::{self, server_message::Body},
    views::{self, Context, Viewer},
};
use std::collections::BTreeSet;

const PLAYERS: u8 = 7;

fn player(number: u8) -> PlayerId {
    PlayerId([number + 1; 20])
}

fn spec(dice: &mut Dice) -> TableSpec {
    let ante = match dice.roll(3) {
        0 => Ante::None,
        1 => Ante::Each(3),
        _ => Ante::BigBlind(10),
    };
    TableSpec {
        name: "t".into(),
        engine: TableConfig {
            seats: u8::try_from(2 + dice.roll(5)).unwrap(),
            small_blind: 5,
            big_blind: 10,
            ante,
            betting: Betting::NoLimit,
            straddle: true,
            house: HouseRules::NONE,
            run_it_twice: true,
            buy_in_min: 20,
            buy_in_max: 1_000,
            rake: RakeConfig { basis_points: 500, caps: Vec::new(), no_flop_no_drop: true },
            clock: ClockConfig {
                turn_ms: 1_000,
                time_bank_ms: 1_500,
                time_bank_gain_ms: 100,
                disconnect_ms: 1_000,
                time_bank_hands: 1,
                time_bank_max_ms: 0,
                disconnect_max_ms: 0,
                reconnect_grace_ms: 5_000,
                disconnect_total_ms: 300_000,
            },
            rat_hole_ms: 0,
        },
        currency: Currency { token: String::new(), decimals: 6, unit: "X".into() },
        settlement: Settlement { vault: String::new(), chain_id: 1, max_hands: 1, max_delay_ms: 0 },
        paused: false,
        history: purr_protocol::HistoryRule::default(),
        room: Default::default(),
    }
}

/// A table and all its viewers, with the messages that the server would send them.
struct World {
    dice: Dice,
    spec: TableSpec,
    table: Table,
    now: u64,
    epoch: u64,
    offset: u64,
    sealed: Option<SealedDeck>,
    views: Vec<View>,
    proven: u64,
    /// Kinds of posts that came up.
    posts: BTreeSet<i32>,
    /// Hands that were run twice.
    twice: u64,
}

impl World {
    fn new(seed: u64) -> Self {
        let mut dice = Dice::new(seed);
        let spec = spec(&mut dice);
        Self::of(dice, spec)
    }

    fn of(dice: Dice, spec: TableSpec) -> Self {
        let table = Table::new(spec.engine.clone()).unwrap();
        let views = (0..PLAYERS).map(|number| View::new(player(number))).collect();
        let mut world = Self {
            dice,
            spec,
            table,
            now: 0,
            epoch: 1,
            offset: 0,
            sealed: None,
            views,
            proven: 0,
            posts: BTreeSet::new(),
            twice: 0,
        };
        for number in 0..PLAYERS {
            let snapshot = world.snapshot(number);
            world.views[usize::from(number)].apply(&snapshot).unwrap();
        }
        world
    }

    fn viewer(&self, number: u8) -> Viewer {
        self.table.seat_of(player(number)).map_or(Viewer::Spectator, Viewer::Seat)
    }

    fn snapshot(&self, number: u8) -> pb::ServerMessage {
        let root = self.table.hand().and(self.sealed.as_ref()).map(SealedDeck::root);
        let snapshot = views::snapshot("t", &self.spec, &self.table, root, self.viewer(number));
        self.message(Body::Snapshot(snapshot))
    }

    fn message(&self, body: Body) -> pb::ServerMessage {
        pb::ServerMessage { epoch: self.epoch, offset: self.offset, body: Some(body) }
    }

    fn show(&mut self, events: &[Event], told: &[pb::event::Kind]) {
        if events.is_empty() && told.is_empty() {
            return;
        }
        self.offset += 1;
        self.posts.extend(events.iter().filter_map(|event| match event {
            Event::Posted { post, .. } => Some(*post as i32),
            _ => None,
        }));
        let twice = |event: &&Event| matches!(event, Event::RunItTwiceDecided { twice: true });
        self.twice += u64::try_from(events.iter().filter(twice).count()).unwrap();
        for number in 0..PLAYERS {
            let context = Context { now: self.now, deal: self.sealed.as_ref(), table: &self.table };
            let seen = events.iter().filter_map(|event| views::event(event, self.viewer(number), &context));
            let more = told.iter().map(|kind| pb::Event { kind: Some(kind.clone()) });
            let message = self.message(Body::Events(pb::Events { events: seen.chain(more).collect() }));
            let view = &mut self.views[usize::from(number)];
            let before = view.ended().map(|ended| ended.hand);
            view.apply(&message).unwrap();
            if let Some(ended) = view.ended().filter(|ended| Some(ended.hand) != before) {
                let proven = verify::deal(&ended.deal, None);
                assert!(ended.deal.joined || proven.is_ok(), "{proven:?}");
                self.proven += u64::try_from(proven.unwrap_or(0)).unwrap();
                let delta: i64 = ended.results.iter().map(|(_, delta, _)| delta).sum();
                assert_eq!(delta + i64::try_from(ended.rake).unwrap(), 0);
            }
        }
    }

    fn apply(&mut self, command: Command) {
        if let Ok(events) = self.table.apply(self.now, command) {
            self.show(&events, &[]);
        }
    }

    fn deal(&mut self) {
        let mut seed = [0; 32];
        seed.iter_mut().for_each(|byte| *byte = u8::try_from(self.dice.roll(256)).unwrap());
        let (sealed, hand) = (SealedDeck::new(&seed).unwrap(), self.table.last_hand() + 1);
        let root = sealed.root();
        let reveals = match self.dice.roll(3) {
            0 => Vec::new(),
            _ => vec![Reveal { seat: 0, entropy: seed }],
        };
        let deck = sealed.deck(&reveals).unwrap();
        let before = self.sealed.replace(sealed);
        let mut probe = self.table.clone();
        if probe.apply(self.now, Command::StartHand { hand, deck: deck.clone() }).is_err() {
            self.sealed = before;
            return;
        }
        let commit =
            |Reveal { seat, entropy }: &Reveal| Commitment { seat: *seat, hash: commitment(entropy) };
        let commitments: Vec<Commitment> = reveals.iter().map(commit).collect();
        let told = |reveals: &[Reveal]| {
            pb::event::Kind::Deal(purr_protocol::deal::committed(hand, root, &commitments, reveals))
        };
        let events = self.table.apply(self.now, Command::StartHand { hand, deck }).unwrap();
        if reveals.is_empty() {
            // If nobody has committed, the root is published in the same step as the cards.
            self.show(&events, &[told(&[])]);
        } else {
            let table = std::mem::replace(&mut self.table, probe);
            self.show(&[], &[told(&[])]);
            self.table = table;
            self.show(&events, &[told(&reveals)]);
        }
    }

    fn some_seat(&mut self) -> SeatIndex {
        SeatIndex(u8::try_from(self.dice.roll(self.spec.engine.seats.into())).unwrap())
    }

    fn act(&mut self) {
        if let Some(seat) = self.table.asked_twice().iter().next() {
            let agree = self.dice.roll(8) > 0;
            return self.apply(Command::RunItTwice { seat, agree });
        }
        let Some(seat) = self.table.to_act() else { return self.deal() };
        let legal = self.table.legal_actions(seat).unwrap();
        let action = match (self.dice.roll(10), legal.raise_to) {
            (0, Some((_, max))) => Action::RaiseTo(max),
            (1..=2, Some((min, max))) => Action::RaiseTo(min + self.dice.roll(max - min + 1)),
            (3, _) => Action::Fold,
            _ if legal.check => Action::Check,
            _ => Action::Call,
        };
        self.apply(Command::Act { seat, action });
    }

    fn step(&mut self) {
        self.now += self.dice.roll(200);
        let seat = self.some_seat();
        match self.dice.roll(40) {
            0..=4 => {
                let number = u8::try_from(self.dice.roll(PLAYERS.into())).unwrap();
                let stack = 20 + self.dice.roll(300);
                self.apply(Command::Sit { seat, player: player(number), stack });
            }
            5 => self.apply(Command::Leave { seat }),
            6 => self.apply(Command::SitOut { seat }),
            7..=8 => self.apply(Command::SitIn { seat, post: !self.now.is_multiple_of(4) }),
            9..=10 => {
                let amount = 1 + self.dice.roll(200);
                self.apply(Command::TopUp { seat, amount });
            }
            11 => self.apply(Command::Disconnected { seat }),
            12 => self.apply(Command::Reconnected { seat }),
            13 => {
                self.now += 3_000;
                self.apply(Command::Tick);
            }
            14 => self.apply(Command::PauseClock),
            15..=17 => self.apply(Command::ResumeClock),
            20 => self.apply(Command::Straddle { seat, on: !self.now.is_multiple_of(3) }),
            18 if self.dice.roll(4) == 0 => self.apply(Command::VoidHand),
            19 => {
                // Another process takes the table over.
                self.epoch += 1;
                if let Ok(events) = self.table.apply(self.now, Command::RestartClock) {
                    self.show(&events, &[]);
                }
                let resumed = self.message(Body::TableResumed(pb::TableResumed {}));
                self.views.iter_mut().for_each(|view| view.apply(&resumed).unwrap());
            }
            _ => self.act(),
        }
    }

    /// Compares every viewer's state with a fresh snapshot.
    fn compare(&self) {
        for number in 0..PLAYERS {
            let view = &self.views[usize::from(number)];
            let mut fresh = View::new(player(number));
            fresh.apply(&self.snapshot(number)).unwrap();
            assert_eq!(told(view), told(&fresh), "player {number}");
            assert_eq!(view.cursor(), fresh.cursor());
            let (root, of_snapshot) = (view.deal().and_then(|d| d.root), fresh.deal().and_then(|d| d.root));
            assert!(view.hand().is_none() || root == of_snapshot);
            let own = self.table.seat_of(player(number));
            for (seat, dealt) in view.hand().into_iter().flat_map(|hand| &hand.players) {
                assert!(dealt.cards.is_empty() || Some(*seat) == own, "a foreign hole card");
            }
        }
    }

    /// Reconnects one viewer, who starts from a snapshot.
    fn rejoin(&mut self) {
        let number = u8::try_from(self.dice.roll(PLAYERS.into())).unwrap();
        let snapshot = self.snapshot(number);
        self.views[usize::from(number)].apply(&snapshot).unwrap();
    }
}

/// No event reports a player who leaves after the hand.
fn told(view: &View) -> Seen {
    let mut table = view.table().unwrap().clone();
    table.seats.values_mut().for_each(|seat| seat.leaving = false);
    table
}

fn play(seed: u64, steps: u32) -> World {
    let mut world = World::new(seed);
    for step in 0..steps {
        world.step();
        world.compare();
        if step % 50 == 49 {
            world.rejoin();
        }
    }
    world
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn snapshot_and_events_make_the_same_view_as_a_later_snapshot(seed: u64) {
        play(seed, 300);
    }
}

#[test]
fn the_random_tables_play_real_hands_whose_deals_are_proven() {
    let worlds: Vec<World> = (0..12).map(|seed| play(seed, 1_500)).collect();
    let hands: u64 = worlds.iter().map(|world| world.table.last_hand()).sum();
    let proven: u64 = worlds.iter().map(|world| world.proven).sum();
    assert!(hands > 300, "{hands} hands");
    assert!(proven > 3_000, "{proven} cards");
    assert!(worlds.iter().any(|world| world.posts.contains(&(Post::Straddle as i32))), "no straddle");
    let twice: u64 = worlds.iter().map(|world| world.twice).sum();
    assert!(twice > 5, "{twice} hands run twice");
}

#[test]
fn missed_blinds_that_are_posted_are_seen_where_they_go() {
    let mut dice = Dice::new(1);
    let mut spec = spec(&mut dice);
    spec.engine.seats = 4;
    let mut world = World::of(dice, spec);
    for number in 0..4 {
        world.apply(Command::Sit { seat: SeatIndex(number), player: player(number), stack: 500 });
    }
    let away = SeatIndex(2);
    for hand in 0..12 {
        match hand {
            1 => world.apply(Command::SitOut { seat: away }),
            6 => world.apply(Command::SitIn { seat: away, post: true }),
            _ => {}
        }
        world.deal();
        world.compare();
        while let Some(seat) = world.table.to_act() {
            let action =
                if world.table.legal_actions(seat).unwrap().check { Action::Check } else { Action::Call };
            world.apply(Command::Act { seat, action });
            world.compare();
        }
    }
    for post in [Post::SmallBlind, Post::BigBlind, Post::Live, Post::Dead] {
        assert!(world.posts.contains(&(post as i32)), "{post:?} of {:?}", world.posts);
    }
}

#[test]
fn a_missing_step_is_noticed_and_a_snapshot_heals_it() {
    let mut world = World::new(3);
    let mut behind = world.views[0].clone();
    while world.offset < 2 {
        world.step();
    }
    let skipped = pb::ServerMessage { epoch: 1, offset: 2, body: Some(Body::Events(pb::Events::default())) };
    let error = behind.apply(&skipped).unwrap_err();
    assert_eq!(error, purr_client::view::ViewError::Gap { at: 0, got: 2 });
    assert_eq!(behind.cursor(), None);
    assert!(behind.apply(&skipped).is_err(), "nothing is built on a gap");
    behind.apply(&world.snapshot(0)).unwrap();
    assert_eq!(told(&behind), told(&world.views[0]));
}

#[test]
fn a_table_of_the_past_is_not_believed() {
    let mut world = World::new(3);
    world.epoch = 5;
    let snapshot = world.snapshot(0);
    world.views[0].apply(&snapshot).unwrap();
    world.epoch = 4;
    let old = world.snapshot(0);
    assert!(matches!(world.views[0].apply(&old), Err(purr_client::view::ViewError::OldEpoch { .. })));
}
