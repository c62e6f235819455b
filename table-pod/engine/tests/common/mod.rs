//! A table in a test's hand.
#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::panic,
    reason = "each test file uses a part; tests may fail loudly"
)]

use purr_engine::{
    Action, Ante, Betting, Card, ClockConfig, Command, Deck, Event, HouseRules, LegalActions, PlayerId,
    RakeConfig, Refusal, SeatIndex, Table, TableConfig,
};

pub const RAKE_FREE: TableConfig = TableConfig {
    seats: 2,
    small_blind: 5,
    big_blind: 10,
    ante: Ante::None,
    betting: Betting::NoLimit,
    straddle: false,
    house: HouseRules::NONE,
    run_it_twice: false,
    buy_in_min: 10,
    buy_in_max: 1_000,
    rake: RakeConfig { basis_points: 0, caps: Vec::new(), no_flop_no_drop: true },
    clock: ClockConfig {
        turn_ms: 20_000,
        time_bank_ms: 30_000,
        time_bank_gain_ms: 1_000,
        time_bank_hands: 1,
        time_bank_max_ms: 30_000,
        disconnect_ms: 10_000,
        disconnect_max_ms: 10_000,
        reconnect_grace_ms: 5_000,
        disconnect_total_ms: 300_000,
    },
    rat_hole_ms: 3_600_000,
};

pub fn config() -> TableConfig {
    RAKE_FREE
}

pub struct Game {
    pub table: Table,
    pub now: u64,
}

pub fn player(seat: u8) -> PlayerId {
    PlayerId([seat + 1; 20])
}

impl Game {
    /// A game with these stacks; 0 leaves a seat free. A stack below the minimum buy-in is reached by losing chips.
    pub fn new(config: TableConfig, stacks: &[u64]) -> Self {
        let seats = u8::try_from(stacks.len()).unwrap();
        let low = stacks.iter().copied().filter(|stack| *stack > 0).min().unwrap();
        let config = TableConfig { seats, ..config };
        let mut game = Self { table: Table::new(config).unwrap(), now: 0 };
        for (seat, &stack) in (0..).zip(stacks) {
            if stack > 0 {
                game.sit(seat, stack.max(10));
            }
        }
        if low < 10 {
            let seat = stacks.iter().position(|stack| *stack == low).unwrap();
            game.set_up_stack(u8::try_from(seat).unwrap(), low);
        }
        game
    }

    /// Shortens a stack below what one may buy in for, through the snapshot.
    pub fn set_up_stack(&mut self, seat: u8, stack: u64) {
        let mut json = serde_json::to_value(&self.table).unwrap();
        let had = json["seats"][usize::from(seat)]["stack"].as_u64().unwrap();
        json["seats"][usize::from(seat)]["stack"] = stack.into();
        let bank = json["bank"].as_u64().unwrap();
        json["bank"] = (bank - had + stack).into();
        self.table = serde_json::from_value(json).unwrap();
    }

    pub fn apply(&mut self, command: Command) -> Vec<Event> {
        self.table.apply(self.now, command).unwrap()
    }

    pub fn try_sit(&mut self, seat: u8, stack: u64) -> Result<Vec<Event>, Refusal> {
        let sit = Command::Sit { seat: SeatIndex(seat), player: player(seat), stack };
        self.table.apply(self.now, sit)
    }

    pub fn sit(&mut self, seat: u8, stack: u64) {
        self.try_sit(seat, stack).unwrap();
    }

    pub fn leave(&mut self, seat: u8) {
        self.apply(Command::Leave { seat: SeatIndex(seat) });
    }

    pub fn deal(&mut self) -> Vec<Event> {
        self.deal_cards("")
    }

    /// Deals from a deck that starts with these cards, in deal order.
    pub fn deal_cards(&mut self, first: &str) -> Vec<Event> {
        let first: Vec<Card> = first.split_whitespace().map(|card| card.parse().unwrap()).collect();
        let hand = self.table.last_hand() + 1;
        self.apply(Command::StartHand { hand, deck: Deck::starting_with(&first).unwrap() })
    }

    pub fn try_act(&mut self, seat: u8, action: Action) -> Result<Vec<Event>, Refusal> {
        let before = self.table.clone();
        let result = self.table.apply(self.now, Command::Act { seat: SeatIndex(seat), action });
        if result.is_err() {
            assert_eq!(self.table, before, "a refusal must change nothing");
        }
        result
    }

    pub fn act(&mut self, seat: u8, action: Action) -> Vec<Event> {
        self.try_act(seat, action).unwrap_or_else(|refusal| panic!("seat {seat} {action:?}: {refusal}"))
    }

    pub fn legal(&self, seat: u8) -> LegalActions {
        self.table.legal_actions(SeatIndex(seat)).unwrap()
    }

    pub fn hand_running(&self) -> bool {
        self.table.hand().is_some()
    }

    pub fn fold_around(&mut self) -> Vec<Event> {
        let mut events = Vec::new();
        while let Some(seat) = self.table.to_act() {
            events.extend(self.act(seat.0, Action::Fold));
        }
        events
    }

    pub fn check_down(&mut self) -> Vec<Event> {
        let mut events = Vec::new();
        while let Some(seat) = self.table.to_act() {
            events.extend(self.act(seat.0, Action::Check));
        }
        events
    }

    pub fn stacks(&self) -> Vec<u64> {
        self.table.seats().iter().map(|seat| seat.as_ref().map_or(0, |seat| seat.stack)).collect()
    }
}
