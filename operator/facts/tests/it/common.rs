//! Hands for tests, played by the engine.

use purr_engine::{
    Action, Ante, Betting, Card, ClockConfig, Command, Deck, Event, HouseRules, PlayerId, RakeConfig,
    SeatIndex, Table, TableConfig,
    history::{HandHistory, SeatStart},
};
use purr_facts::{Counters, PlayerFacts, facts_of};

pub const CONFIG: TableConfig = TableConfig {
    seats: 6,
    small_blind: 5,
    big_blind: 10,
    ante: Ante::None,
    betting: Betting::NoLimit,
    straddle: false,
    house: HouseRules::NONE,
    run_it_twice: false,
    buy_in_min: 10,
    buy_in_max: 10_000,
    rake: RakeConfig { basis_points: 0, caps: Vec::new(), no_flop_no_drop: true },
    clock: ClockConfig {
        turn_ms: 20_000,
        time_bank_ms: 0,
        time_bank_gain_ms: 0,
        time_bank_hands: 1,
        time_bank_max_ms: 0,
        disconnect_ms: 10_000,
        disconnect_max_ms: 0,
        reconnect_grace_ms: 5_000,
        disconnect_total_ms: 300_000,
    },
    rat_hole_ms: 0,
};

/// A new table's first hand: seat 0 has the button, 1 and 2 the blinds; heads-up 0 has the small one.
pub struct Game {
    pub table: Table,
    pub history: HandHistory,
    void: bool,
}

impl Game {
    pub fn deal(config: TableConfig, stacks: &[u64], cards: &str) -> Self {
        let config = TableConfig { seats: u8::try_from(stacks.len()).unwrap(), ..config };
        let mut table = Table::new(config.clone()).unwrap();
        for (seat, stack) in (0u8..).map(SeatIndex).zip(stacks) {
            table.apply(0, Command::Sit { seat, player: PlayerId([seat.0 + 1; 20]), stack: *stack }).unwrap();
            if config.straddle && seat.0 == 3 {
                table.apply(0, Command::Straddle { seat, on: true }).unwrap();
            }
        }
        Self::start(table, cards)
    }

    /// The next hand of a table; the cards in the order in which they are dealt, one at a time from the button's left.
    pub fn start(mut table: Table, cards: &str) -> Self {
        let config = table.config().clone();
        let before = table.seats().to_vec();
        let first: Vec<Card> = cards.split_whitespace().map(|card| card.parse().unwrap()).collect();
        let (hand, deck) = (table.last_hand() + 1, Deck::starting_with(&first).unwrap());
        let events = table.apply(0, Command::StartHand { hand, deck }).unwrap();
        let Some(Event::HandStarted { dealt_in, .. }) = events.first() else { panic!("no start") };
        let start = |seat: &SeatIndex| {
            let chair = before[seat.index()].unwrap();
            SeatStart { seat: *seat, player: chair.player, stack: chair.stack }
        };
        let seats = dealt_in.iter().map(start).collect();
        Self { table, history: HandHistory { hand, config, seats, events }, void: false }
    }

    pub fn apply(&mut self, command: Command) {
        let events = self.table.apply(0, command).unwrap();
        self.void |= events.iter().any(|event| matches!(event, Event::HandEnded(end) if end.void));
        self.history.events.extend(events);
    }

    /// f, x (check), c (call), or a number to raise to, of whoever is to act.
    pub fn play(mut self, script: &str) -> Self {
        for word in script.split_whitespace() {
            let action = match word {
                "f" => Action::Fold,
                "x" => Action::Check,
                "c" => Action::Call,
                total => Action::RaiseTo(total.parse().unwrap()),
            };
            let seat = self.table.to_act().unwrap();
            self.apply(Command::Act { seat, action });
        }
        self
    }

    pub fn facts(&self) -> Facts {
        let facts = facts_of(&self.history, self.void).unwrap();
        if !facts.is_empty() {
            let sum = |of: fn(&Counters) -> i128| facts.iter().map(|one| of(&one.counters)).sum::<i128>();
            let rake = sum(|counters| counters.rake);
            assert_eq!(sum(|counters| counters.won), -rake);
            assert_eq!(sum(|counters| counters.won_before_rake), 0);
            assert_eq!(sum(|counters| counters.adjusted), -rake);
        }
        Facts(facts)
    }
}

pub struct Facts(pub Vec<PlayerFacts>);

impl Facts {
    pub fn of(&self, seat: u8) -> Counters {
        self.one(seat).counters
    }

    /// By seat, of everybody dealt in.
    pub fn positions(&self) -> Vec<&'static str> {
        let mut all: Vec<_> = self.0.iter().map(|one| (one.seat, one.position.name())).collect();
        all.sort_unstable();
        all.into_iter().map(|(_, name)| name).collect()
    }

    pub fn one(&self, seat: u8) -> &PlayerFacts {
        self.0.iter().find(|facts| facts.seat == SeatIndex(seat)).unwrap()
    }

    pub fn each(&self, of: impl Fn(&Counters) -> (i128, i128)) -> Vec<(i128, i128)> {
        let mut sorted: Vec<&PlayerFacts> = self.0.iter().collect();
        sorted.sort_by_key(|facts| facts.seat);
        sorted.iter().map(|facts| of(&facts.counters)).collect()
    }
}

pub fn played(players: usize, script: &str) -> Facts {
    Game::deal(CONFIG, &vec![1_000; players], "").play(script).facts()
}
