//! Button and blinds over random tables, where players join, leave, sit out and return all the time.
//! What a player owes is counted here by the player, beside the engine's own flags.
//!
//! The rules force two exceptions, and no others are made:
//! - The game begins anew once nobody of the last hand has kept a chair and is ready. Then nobody owes
//!   anything, and the first hand's big blind can be somebody who had the one before.
//! - Who had the last big blind, left, and came back owes one as a newcomer (WSOP 154). With one other
//!   player ready they would pay twice running (WSOP Tournament 87): the other has the big blind, and
//!   what was paid in the last hand counts.
//!
//! `PURR_ROTATION_HANDS` says how many hands; 4,000 by default.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests may fail loudly")]

mod common;
use common::{config, player};
use purr_engine::{
    Action, Ante, Command, Deck, Event, HouseRules, PlayerId, Post, SeatIndex, Table, TableConfig,
};
use std::collections::{BTreeMap, BTreeSet};

const HANDS_OF_A_TABLE: u64 = 80;

/// A stream of choices from a seed (SplitMix64; Steele, Lea, Flood 2014).
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) % sides.max(1)
    }

    fn small(&mut self, sides: u8) -> u8 {
        u8::try_from(self.roll(sides.into())).unwrap()
    }
}

/// Counts of the events that the test must have seen.
#[derive(Debug, Default)]
struct Counts {
    hands: u64,
    begun: u64,
    heads_up: u64,
    newcomers: u64,
    posted: u64,
    bought: u64,
    waited: u64,
    missed: u64,
    came_back: u64,
    passed_over: u64,
    orbits: u64,
}

/// The test's own record of a table, from what it has seen.
#[derive(Default)]
struct Ledger {
    /// Owe a big blind.
    owes: BTreeSet<PlayerId>,
    /// Had the big blind of the last hand, was dealt in, and has kept the seat.
    payer: Option<PlayerId>,
    stayed: BTreeSet<PlayerId>,
    big: Option<SeatIndex>,
    /// The big blinds since the last change of who is ready.
    run: Vec<PlayerId>,
    ready: BTreeSet<(SeatIndex, PlayerId)>,
}

/// The start of one hand.
#[derive(Debug)]
struct Begun {
    dealt: BTreeSet<(SeatIndex, PlayerId)>,
    big: SeatIndex,
    /// Posted a big blind in any way.
    paid: BTreeSet<PlayerId>,
    bought: bool,
}

fn begun(table: &Table, events: &[Event]) -> Begun {
    let id = |seat: SeatIndex| table.seat(seat).unwrap().player;
    let mut dealt = BTreeSet::new();
    let (mut big, mut live, mut paid) = (None, None, BTreeSet::new());
    for event in events {
        match event {
            Event::HandStarted { dealt_in, .. } => {
                dealt = dealt_in.iter().map(|seat| (*seat, id(*seat))).collect();
            }
            Event::Posted { seat, post, amount, .. } => match post {
                Post::BigBlind | Post::Live | Post::Straddle => {
                    assert!(*amount >= 10, "a short post");
                    if *post == Post::BigBlind {
                        assert_eq!(big.replace(*seat), None, "two big blinds");
                    } else if *post == Post::Live {
                        live = live.or(Some(*seat));
                    }
                    assert!(paid.insert(id(*seat)), "seat {seat} paid twice in one hand");
                }
                Post::SmallBlind | Post::Dead | Post::Ante => {}
            },
            _ => {}
        }
    }
    // A player who buys the button is the big blind of the hand.
    Begun { dealt, bought: big.is_none(), big: big.or(live).unwrap(), paid }
}

impl Ledger {
    fn ready_of(table: &Table) -> BTreeSet<(SeatIndex, PlayerId)> {
        let chairs = (0u8..).map(SeatIndex).zip(table.seats());
        let ready = |(seat, chair): (SeatIndex, &Option<purr_engine::table::Seat>)| {
            chair.as_ref().filter(|chair| chair.is_ready()).map(|chair| (seat, chair.player))
        };
        chairs.filter_map(ready).collect()
    }

    fn check(
        &mut self,
        table: &Table,
        begun: &Begun,
        ready: &BTreeSet<(SeatIndex, PlayerId)>,
        counts: &mut Counts,
    ) {
        let payer = table.seat(begun.big).unwrap().player;
        let anew = !ready.iter().any(|(_, player)| self.stayed.contains(player));
        counts.hands += 1;
        counts.begun += u64::from(anew);
        counts.heads_up += u64::from(begun.dealt.len() == 2);
        counts.waited += u64::from(begun.dealt.len() < ready.len());
        counts.bought += u64::from(begun.bought);
        counts.posted += begun.paid.len() as u64 - 1;
        assert!(begun.dealt.len() >= 2 && begun.dealt.is_subset(ready), "dealt in are ready players");
        if anew {
            ready.iter().for_each(|(_, player)| {
                self.owes.remove(player);
            });
            self.run.clear();
        } else {
            // 1. Nobody has the big blind twice running.
            assert_ne!(self.payer, Some(payer), "twice running");
            // 2. Nobody who owes a blind is dealt in.
            for (_, player) in &begun.dealt {
                if !self.owes.contains(player) || begun.paid.contains(player) {
                    continue;
                }
                assert!(
                    ready.len() == 2 && self.payer == Some(*player),
                    "{player} is dealt in owing one: ready {ready:?}, last big blind {:?}, stayed {:?}, owing {:?}, {begun:?}",
                    self.payer,
                    self.stayed,
                    self.owes
                );
                counts.came_back += 1;
            }
            // 3. Nobody who owes nothing is left out.
            for (_, player) in ready.difference(&begun.dealt) {
                let chair = table.seats().iter().flatten().find(|chair| chair.player == *player).unwrap();
                assert!(self.owes.contains(player) || chair.owes_small, "{player} is kept out");
            }
            // 4. The big blind skips no ready player, except where only newcomers were left or the player had the last
            // one.
            if self.passed(table, begun, ready) {
                counts.passed_over += 1;
                self.run.clear();
            }
        }
        // 5. Over an orbit of the same players everybody has it once.
        if anew || begun.bought || self.ready != *ready {
            self.run.clear();
        }
        if !begun.bought {
            self.run.push(payer);
        }
        let round = ready.len();
        if self.run.len() >= round && !begun.bought {
            let last: BTreeSet<PlayerId> = self.run[self.run.len() - round..].iter().copied().collect();
            let all: BTreeSet<PlayerId> = ready.iter().map(|(_, player)| *player).collect();
            assert_eq!(last, all, "an orbit of {round}");
            counts.orbits += 1;
        }
        self.ready = ready.clone();
        counts.newcomers += self.owes.intersection(&begun.paid).count() as u64;
        self.note(table, begun, ready, anew, counts);
        self.payer = Some(payer);
        self.stayed = begun.dealt.iter().map(|(_, player)| *player).collect();
        if !begun.bought {
            self.big = Some(begun.big);
        }
    }

    fn passed(&self, table: &Table, begun: &Begun, ready: &BTreeSet<(SeatIndex, PlayerId)>) -> bool {
        if begun.bought {
            return false;
        }
        let seats = table.config().seats;
        let (mut at, mut passed) = (self.big.unwrap(), false);
        loop {
            at = SeatIndex((at.0 + 1) % seats);
            if at == begun.big {
                return passed;
            }
            let Some((_, player)) = ready.iter().find(|(seat, _)| *seat == at) else { continue };
            if self.payer == Some(*player) {
                continue;
            }
            passed = true;
            let due = |(_, other): &&(SeatIndex, PlayerId)| other != player && !self.owes.contains(other);
            let small_alone = |(seat, _): &&(SeatIndex, PlayerId)| table.seat(*seat).unwrap().owes_small;
            let able = begun.dealt.iter().filter(due).filter(|other| !small_alone(other)).count();
            assert_eq!(able, 0, "the big blind passed over {player}, who could have played");
        }
    }

    /// A player who paid owes nothing, and a player who was away when the big blind passed owes one.
    fn note(
        &mut self,
        table: &Table,
        begun: &Begun,
        ready: &BTreeSet<(SeatIndex, PlayerId)>,
        anew: bool,
        counts: &mut Counts,
    ) {
        for (_, player) in &begun.dealt {
            self.owes.remove(player);
        }
        if anew || begun.bought {
            return;
        }
        let next = |at: SeatIndex| SeatIndex((at.0 + 1) % table.config().seats);
        let mut at = next(self.big.unwrap());
        while at != begun.big {
            if let Some(chair) = table.seat(at)
                && !ready.contains(&(at, chair.player))
            {
                counts.missed += u64::from(self.owes.insert(chair.player));
            }
            at = next(at);
        }
    }
}

struct Game {
    table: Table,
    dice: Dice,
    ledger: Ledger,
    started: bool,
}

impl Game {
    fn new(seed: u64) -> Self {
        let mut dice = Dice(seed);
        let seats = [2, 3, 3, 4, 5, 6, 8, 10][usize::from(dice.small(8))];
        let straddle = dice.roll(3) == 0;
        let house = HouseRules {
            newcomer_posts_big_alone: dice.roll(2) == 0,
            straddle_back_in: straddle && dice.roll(2) == 0,
        };
        let buy_in_max = 1 << 40;
        let ante = if dice.roll(4) == 0 { Ante::Each(1) } else { Ante::None };
        let config = TableConfig { seats, straddle, house, buy_in_max, ante, rat_hole_ms: 0, ..config() };
        let table = Table::new(config).unwrap();
        let mut game = Self { table, dice, ledger: Ledger::default(), started: false };
        for seat in (0..seats).map(SeatIndex) {
            let new = player(game.dice.small(12));
            game.sit(seat, new);
        }
        game
    }

    fn sit(&mut self, seat: SeatIndex, player: PlayerId) {
        let sit = Command::Seat { seat, player, stack: 1 << 32, rake_allowed: None };
        if self.table.apply(0, sit).is_ok() && self.started {
            self.ledger.owes.insert(player);
        }
    }

    fn changes(&mut self, restless: u64) {
        while self.dice.roll(100) < restless {
            let seat = SeatIndex(self.dice.small(self.table.config().seats));
            let newcomer = player(self.dice.small(12));
            match self.dice.roll(12) {
                0..=2 => self.sit(seat, newcomer),
                3 => self.leave(seat),
                4 | 5 => drop(self.table.apply(0, Command::SitOut { seat })),
                6 => drop(self.table.apply(0, Command::Straddle { seat, on: self.dice.roll(3) > 0 })),
                _ => drop(self.table.apply(0, Command::SitIn { seat, post: self.dice.roll(2) == 0 })),
            }
        }
    }

    /// The player leaves, and often returns at once, to the same seat or another.
    fn leave(&mut self, seat: SeatIndex) {
        let Some(gone) = self.table.seat(seat).map(|chair| chair.player) else { return };
        let events = self.table.apply(0, Command::Leave { seat }).unwrap_or_default();
        self.note_left(&events);
        if self.table.seat(seat).is_none() && self.dice.roll(5) < 2 {
            let other = SeatIndex(self.dice.small(self.table.config().seats));
            let back = if self.dice.roll(5) < 3 { seat } else { other };
            self.sit(back, gone);
        }
    }

    fn note_left(&mut self, events: &[Event]) {
        for event in events {
            if let Event::Left { player, .. } = event {
                self.ledger.owes.remove(player);
                self.ledger.stayed.remove(player);
            }
        }
    }

    fn hand(&mut self, restless: u64, counts: &mut Counts) {
        let ready = Ledger::ready_of(&self.table);
        let hand = self.table.last_hand() + 1;
        let deck = Deck::starting_with(&[]).unwrap();
        let events = self.table.apply(0, Command::StartHand { hand, deck }).unwrap();
        let begun = begun(&self.table, &events);
        self.started = true;
        self.ledger.check(&self.table, &begun, &ready, counts);
        self.changes(restless / 2);
        while let Some(seat) = self.table.to_act() {
            let events = self.table.apply(0, Command::Act { seat, action: Action::Fold }).unwrap();
            self.note_left(&events);
        }
    }
}

#[test]
fn nobody_has_the_big_blind_twice_running_nobody_plays_owing_one_and_over_an_orbit_everybody_pays_once() {
    let wanted = std::env::var("PURR_ROTATION_HANDS").map_or(4_000, |hands| hands.parse().unwrap());
    let mut counts = Counts::default();
    let mut seed = 0;
    while counts.hands < wanted {
        let mut game = Game::new(seed);
        let restless = [5, 20, 45, 75][usize::try_from(seed % 4).unwrap()];
        let until = (counts.hands + HANDS_OF_A_TABLE).min(wanted);
        while counts.hands < until {
            game.changes(restless);
            if game.table.ready() < 2 {
                let (seat, new) = (game.dice.small(game.table.config().seats), game.dice.small(12));
                game.sit(SeatIndex(seat), player(new));
                drop(game.table.apply(0, Command::SitIn { seat: SeatIndex(seat), post: new % 2 == 0 }));
                continue;
            }
            game.hand(restless, &mut counts);
        }
        seed += 1;
    }
    println!("{counts:?}");
    // The hands were worth counting.
    let Counts {
        heads_up, newcomers, posted, bought, waited, missed, came_back, passed_over, orbits, ..
    } = counts;
    let all = [heads_up, newcomers, posted, bought, waited, missed, came_back, passed_over, orbits];
    assert!(all.iter().all(|count| *count >= wanted / 400), "{counts:?}");
}

/// Plays `hands` hands with `change` between them, and returns the seats of the big blinds.
fn big_blinds(table: &mut Table, hands: u64, mut change: impl FnMut(&mut Table)) -> BTreeMap<u8, u64> {
    let mut paid = BTreeMap::new();
    for _ in 0..hands {
        let (hand, deck) = (table.last_hand() + 1, Deck::starting_with(&[]).unwrap());
        for event in table.apply(0, Command::StartHand { hand, deck }).unwrap() {
            if let Event::Posted { seat, post: Post::BigBlind, .. } = event {
                *paid.entry(seat.0).or_default() += 1;
            }
        }
        while let Some(seat) = table.to_act() {
            table.apply(0, Command::Act { seat, action: Action::Fold }).unwrap();
        }
        change(table);
    }
    paid
}

fn seated(seats: &[u8]) -> Table {
    let config = TableConfig { seats: 6, buy_in_max: 1 << 40, rat_hole_ms: 0, ..config() };
    let mut table = Table::new(config).unwrap();
    for &seat in seats {
        sit(&mut table, seat, seat);
    }
    table
}

fn sit(table: &mut Table, seat: u8, who: u8) {
    let sit = Command::Sit { seat: SeatIndex(seat), player: player(who), stack: 1 << 30 };
    table.apply(0, sit).unwrap();
}

/// Heads-up, leaving and returning avoids no big blind, in whatever seat (WSOP Tournament 87).
#[test]
fn heads_up_a_player_who_leaves_and_returns_pays_every_other_big_blind() {
    for leaver in [0, 1] {
        let mut table = seated(&[0, 1]);
        let paid = big_blinds(&mut table, 10, |table| {
            table.apply(0, Command::Leave { seat: SeatIndex(leaver) }).unwrap();
            sit(table, leaver, leaver);
        });
        assert_eq!(paid, BTreeMap::from([(0, 5), (1, 5)]), "seat {leaver} left and returned");
    }
}

/// A player who stays does not pay again for each newcomer, who owes a big blind (WSOP 154).
#[test]
fn a_resident_does_not_pay_again_for_each_newcomer() {
    for (resident, newcomers) in [(0, 3), (3, 0)] {
        let mut table = seated(&[resident, newcomers]);
        let mut who = 10;
        let paid = big_blinds(&mut table, 9, |table| {
            table.apply(0, Command::Leave { seat: SeatIndex(newcomers) }).unwrap();
            sit(table, newcomers, who);
            who += 1;
        });
        let first = u64::from(resident == 3);
        assert_eq!(
            paid.get(&resident).copied().unwrap_or(0),
            first,
            "the first hand's alone, where it is theirs"
        );
        assert_eq!(paid[&newcomers], 9 - first, "each newcomer pays one");
    }
}

/// When the third player leaves, what somebody owes is still owed (WSOP 156).
#[test]
fn a_debt_outlives_the_third_player() {
    let mut table = seated(&[0, 1, 2]);
    big_blinds(&mut table, 1, |_| {}); // big blind 2
    table.apply(0, Command::SitOut { seat: SeatIndex(0) }).unwrap();
    big_blinds(&mut table, 2, |_| {}); // 1 and 2 play on, 0 is passed
    assert!(table.seat(SeatIndex(0)).unwrap().owes_big);
    table.apply(0, Command::Leave { seat: SeatIndex(1) }).unwrap();
    table.apply(0, Command::SitIn { seat: SeatIndex(0), post: false }).unwrap();
    let paid = big_blinds(&mut table, 1, |_| {});
    assert_eq!(paid, BTreeMap::from([(0, 1)]), "it comes to who owes it");
    assert!(!table.seat(SeatIndex(0)).unwrap().owes_big);
}

/// The big blind may come to a newcomer in the seat that had the last one: the small blind is dead then, and the
/// newcomer does not buy the button.
#[test]
fn a_newcomer_on_the_last_big_blinds_chair_posts_the_big_blind_alone() {
    let mut table = seated(&[0, 3]);
    big_blinds(&mut table, 2, |_| {}); // the last big blind is seat 0's
    table.apply(0, Command::Leave { seat: SeatIndex(0) }).unwrap();
    sit(&mut table, 0, 9);
    // The player who had the last big blind sits in seat 1 now, is skipped, and posts like the other newcomer.
    sit(&mut table, 1, 0);
    for seat in [0, 1].map(SeatIndex) {
        table.apply(0, Command::SitIn { seat, post: true }).unwrap();
    }
    let (hand, deck) = (table.last_hand() + 1, Deck::starting_with(&[]).unwrap());
    let events = table.apply(0, Command::StartHand { hand, deck }).unwrap();
    let posts: Vec<_> = events
        .iter()
        .filter_map(|event| match event {
            Event::Posted { seat, post, amount, .. } => Some((seat.0, *post, *amount)),
            _ => None,
        })
        .collect();
    assert_eq!(posts, [(0, Post::BigBlind, 10), (1, Post::Live, 10)]);
}

/// A table that an earlier release stored has neither the last hand's players nor its big blind.
#[test]
fn a_snapshot_of_an_earlier_release_goes_on_where_it_was() {
    let mut table = seated(&[0, 1, 2]);
    big_blinds(&mut table, 2, |_| {});
    let mut json = serde_json::to_value(&table).unwrap();
    json.as_object_mut().unwrap().remove("last").unwrap();
    json["config"].as_object_mut().unwrap().remove("house").unwrap();
    for gone in json["departed"].as_array_mut().unwrap() {
        gone.as_object_mut().unwrap().remove("paid").unwrap();
    }
    let mut old: Table = serde_json::from_value(json).unwrap();
    assert_eq!(big_blinds(&mut old, 3, |_| {}), BTreeMap::from([(0, 1), (1, 1), (2, 1)]));
}
