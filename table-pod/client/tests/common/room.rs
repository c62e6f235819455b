//! Random hands of an engine's table as records: players come and go, owe blinds, straddle, and run it twice.

use purr_engine::{
    Action, Ante, Betting, Card, ClockConfig, Command as Ask, Event, PlayerId, RakeCap, RakeConfig,
    SeatIndex, Table, TableConfig,
    deal::{Commitment, Reveal, SealedDeck, commitment},
    history::{HandHistory, SeatStart},
};
use purr_protocol::record::HandRecord;

pub const TABLE: &str = "0a0b0c0d-0000-4000-8000-000000000000";

pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// Below `sides`.
    pub fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % sides
    }
}

pub struct Room {
    pub table: Table,
    pub dice: Dice,
    hand: u64,
    came: u8,
}

pub fn config(dice: &mut Dice) -> TableConfig {
    let ante = match dice.roll(4) {
        0 => Ante::Each(3),
        1 => Ante::BigBlind(10),
        _ => Ante::None,
    };
    let caps = if dice.roll(2) == 0 { vec![RakeCap { players: 2, amount: 4 }] } else { Vec::new() };
    TableConfig {
        house: purr_engine::config::HouseRules::NONE,
        seats: u8::try_from(2 + dice.roll(5)).unwrap(),
        small_blind: 5,
        big_blind: 10,
        ante,
        betting: Betting::NoLimit,
        straddle: dice.roll(2) == 0,
        run_it_twice: dice.roll(2) == 0,
        buy_in_min: 10,
        buy_in_max: 1_000,
        rake: RakeConfig { basis_points: 500, caps, no_flop_no_drop: true },
        clock: ClockConfig {
            turn_ms: 1_000,
            time_bank_ms: 0,
            time_bank_gain_ms: 0,
            disconnect_ms: 1_000,
            time_bank_hands: 1,
            time_bank_max_ms: 0,
            disconnect_max_ms: 0,
            reconnect_grace_ms: 0,
            disconnect_total_ms: 0,
        },
        rat_hole_ms: 0,
    }
}

impl Room {
    pub fn new(seed: u64) -> Self {
        let mut dice = Dice::new(seed);
        let table = Table::new(config(&mut dice)).unwrap();
        Self { table, dice, hand: 0, came: 0 }
    }

    /// Lets players come, go, sit out and return between two hands.
    fn between(&mut self) {
        for seat in 0..self.table.config().seats {
            let seat = SeatIndex(seat);
            let Some(chair) = self.table.seat(seat).copied() else {
                if self.dice.roll(3) > 0 {
                    self.came = self.came.wrapping_add(1);
                    let (player, stack) = (PlayerId([self.came; 20]), 10 + self.dice.roll(300));
                    let _ = self.table.apply(0, Ask::Sit { seat, player, stack });
                    let _ = self.table.apply(0, Ask::SitIn { seat, post: true });
                }
                continue;
            };
            let ask = match self.dice.roll(12) {
                0 => Ask::Leave { seat },
                1 => Ask::SitOut { seat },
                2 => Ask::Straddle { seat, on: true },
                _ if chair.stack == 0 => Ask::TopUp { seat, amount: 10 + self.dice.roll(300) },
                _ if chair.sitting_out => Ask::SitIn { seat, post: self.dice.roll(2) == 0 },
                _ => continue,
            };
            let _ = self.table.apply(0, ask);
        }
    }

    /// Plays the next hand and returns its record.
    pub fn play(&mut self) -> HandRecord {
        while self.table.ready() < 2 {
            self.between();
        }
        self.between();
        while self.table.ready() < 2 {
            self.between();
        }
        self.hand += 1;
        let stacks: Vec<_> =
            self.table.seats().iter().map(|seat| seat.as_ref().map(|s| (s.player, s.stack))).collect();
        let mut secret = [7; 32];
        secret[..8].copy_from_slice(&self.hand.to_be_bytes());
        secret[8..16].copy_from_slice(&self.dice.roll(u64::MAX).to_be_bytes());
        let sealed = SealedDeck::new(&secret).unwrap();
        let reveals = vec![Reveal { seat: 0, entropy: [1; 32] }, Reveal { seat: 1, entropy: [2; 32] }];
        let deck = sealed.deck(&reveals).unwrap();
        let start = Ask::StartHand { hand: self.hand, deck };
        let mut events = self.table.apply(0, start).unwrap();
        let fate = self.dice.roll(20);
        while self.table.hand().is_some() {
            if let Some(seat) = self.table.asked_twice().iter().next() {
                let agree = self.dice.roll(4) > 0;
                events.extend(self.table.apply(0, Ask::RunItTwice { seat, agree }).unwrap());
                continue;
            }
            let Some(seat) = self.table.to_act() else { break };
            if fate == 0 && self.dice.roll(6) == 0 {
                events.extend(self.table.apply(0, Ask::VoidHand).unwrap());
                break;
            }
            match self.dice.roll(40) {
                0 => events.extend(self.table.apply(0, Ask::TopUp { seat, amount: 40 }).unwrap()),
                1 => events.extend(self.table.apply(0, Ask::Disconnected { seat }).unwrap()),
                2 => {
                    events.extend(self.table.apply(0, Ask::Leave { seat }).unwrap_or_default());
                    continue;
                }
                _ => {}
            }
            let legal = self.table.legal_actions(seat).unwrap();
            let action = match (self.dice.roll(8), legal.raise_to) {
                (0, Some((_, max))) => Action::RaiseTo(max),
                (1 | 2, Some((min, max))) => Action::RaiseTo(min + self.dice.roll(max - min + 1) / 3),
                (3, _) => Action::Fold,
                _ if legal.check => Action::Check,
                _ => Action::Call,
            };
            events.extend(self.table.apply(0, Ask::Act { seat, action }).unwrap());
        }
        let record = record(self.hand, self.table.config().clone(), &stacks, &events, &sealed, &reveals);
        for seat in 0..self.table.config().seats {
            let _ = self.table.apply(0, Ask::Reconnected { seat: SeatIndex(seat) });
        }
        record
    }
}

fn record(
    hand: u64,
    config: TableConfig,
    stacks: &[Option<(PlayerId, u64)>],
    events: &[Event],
    sealed: &SealedDeck,
    reveals: &[Reveal],
) -> HandRecord {
    let dealt_in = events.iter().find_map(|event| match event {
        Event::HandStarted { dealt_in, .. } => Some(dealt_in.to_vec()),
        _ => None,
    });
    let start = |seat: SeatIndex| {
        let (player, stack) = stacks[seat.index()].unwrap();
        SeatStart { seat, player, stack }
    };
    let seats = dealt_in.unwrap().into_iter().map(start).collect();
    let deck = sealed.deck(reveals).unwrap();
    let seen = events.iter().flat_map(|event| match event {
        Event::StreetDealt { cards, .. } => cards.to_vec(),
        Event::Shown { cards, .. } => cards.to_vec(),
        _ => Vec::new(),
    });
    let opening = |card: Card| {
        let place = deck.cards().iter().position(|at| *at == card).unwrap();
        (u8::try_from(place).unwrap(), sealed.opening_of(card).unwrap())
    };
    let end = events.iter().find_map(|event| match event {
        Event::HandEnded(end) => Some(end.clone()),
        _ => None,
    });
    let json = serde_json::json!({
        "version": 2,
        "table": TABLE,
        "epoch": 65_536,
        "history": HandHistory::public(hand, config, seats, events),
        "end": end.unwrap(),
        "root": hex::encode(sealed.root()),
        "commitments": reveals
            .iter()
            .map(|Reveal { seat, entropy }| Commitment { seat: *seat, hash: commitment(entropy) })
            .collect::<Vec<_>>(),
        "reveals": reveals,
        "openings": seen.map(opening).collect::<Vec<_>>(),
    });
    // Fields of other releases are filled in as this release knows them.
    serde_json::from_value(json).unwrap()
}
