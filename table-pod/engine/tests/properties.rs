//! What holds for every game, whoever plays and however badly.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests may fail loudly")]

mod common;
use common::{config, player};
use proptest::prelude::*;
use purr_engine::{Action, Ante, Card, Command, Deck, RakeConfig, SeatIndex, Table, TableConfig};

/// A stream of choices from a seed: enough for tests, and the same on every machine.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        // SplitMix64 (Steele, Lea, Flood 2014).
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) % sides.max(1)
    }

    fn deck(&mut self) -> Deck {
        let mut cards: Vec<Card> = Card::all().collect();
        for last in (1..cards.len()).rev() {
            let other = usize::try_from(self.roll(last as u64 + 1)).unwrap();
            cards.swap(last, other);
        }
        Deck::try_from(cards).unwrap()
    }
}

fn any_command(dice: &mut Dice, table: &Table) -> Command {
    let seat = SeatIndex(u8::try_from(dice.roll(u64::from(table.config().seats) + 1)).unwrap());
    let turn = table.to_act().unwrap_or(seat);
    match dice.roll(24) {
        0 => Command::Sit {
            seat,
            player: player(u8::try_from(dice.roll(12)).unwrap()),
            stack: dice.roll(1_100),
        },
        1 => Command::Leave { seat },
        2 => Command::SitOut { seat },
        3 => Command::SitIn { seat, post: dice.roll(2) == 0 },
        4 => Command::TopUp { seat, amount: dice.roll(500) },
        5 => Command::Disconnected { seat },
        6 => Command::Reconnected { seat },
        7 => Command::Tick,
        8 if dice.roll(8) == 0 => Command::VoidHand,
        9 if dice.roll(4) == 0 => Command::PauseClock,
        10 | 11 => Command::ResumeClock,
        12 => Command::Act { seat, action: Action::RaiseTo(dice.roll(2_000)) },
        13 | 14 => Command::StartHand { hand: table.last_hand() + dice.roll(2), deck: dice.deck() },
        15 => Command::Act { seat: turn, action: Action::Fold },
        16..=18 => Command::Act { seat: turn, action: Action::Check },
        19..=21 => Command::Act { seat: turn, action: Action::Call },
        _ => {
            let bounds = table.legal_actions(turn).and_then(|legal| legal.raise_to);
            let (min, max) = bounds.unwrap_or((10, 20));
            let total = if dice.roll(3) == 0 { max } else { min + dice.roll(max - min + 1) };
            Command::Act { seat: turn, action: Action::RaiseTo(total) }
        }
    }
}

fn table(seats: u8, ante: Ante) -> Table {
    let rake = RakeConfig { basis_points: 450, caps: vec![], no_flop_no_drop: true };
    let mut table = Table::new(TableConfig { seats, ante, rake, ..config() }).unwrap();
    for seat in 0..seats {
        let stack = 10 + u64::from(seat) * 97;
        table.apply(0, Command::Sit { seat: SeatIndex(seat), player: player(seat), stack }).unwrap();
    }
    table
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// Conservation is asserted inside `apply`, so a chip that appears or vanishes fails here as a refusal.
    #[test]
    fn random_commands_never_lose_a_chip_and_refusals_change_nothing(
        seed in any::<u64>(), seats in 2u8..=10, ante in prop_oneof![
            Just(Ante::None), Just(Ante::Each(3)), Just(Ante::BigBlind(10))
        ],
    ) {
        let mut dice = Dice(seed);
        let mut table = table(seats, ante);
        let mut now = 0;
        for _ in 0..400 {
            now += dice.roll(8_000);
            let command = any_command(&mut dice, &table);
            let before = table.clone();
            match table.apply(now, command.clone()) {
                Ok(events) => {
                    // The same inputs give the same table, also from a snapshot.
                    let snapshot = serde_json::to_string(&before).unwrap();
                    let mut again: Table = serde_json::from_str(&snapshot).unwrap();
                    prop_assert_eq!(again.apply(now, command).unwrap(), events);
                    prop_assert_eq!(&again, &table);
                }
                Err(refusal) => {
                    prop_assert!(!matches!(refusal, purr_engine::Refusal::NotConserved { .. }), "{}", refusal);
                    prop_assert_eq!(&table, &before, "refused with {}", refusal);
                }
            }
        }
    }

    /// Every hand ends, whatever is chosen among the offered actions, and each offered one is accepted.
    #[test]
    fn every_hand_ends_and_every_offered_action_is_accepted(seed in any::<u64>(), seats in 2u8..=10) {
        let mut dice = Dice(seed);
        let mut table = table(seats, Ante::None);
        for hand in 1..=6 {
            if table.ready() < 2 {
                break;
            }
            table.apply(0, Command::StartHand { hand, deck: dice.deck() }).unwrap();
            let mut actions = 0;
            while let Some(seat) = table.to_act() {
                let legal = table.legal_actions(seat).unwrap();
                let mut offered = vec![Action::Fold];
                offered.extend(legal.check.then_some(Action::Check));
                offered.extend(legal.call.map(|_| Action::Call));
                if let Some((min, max)) = legal.raise_to {
                    offered.extend([Action::RaiseTo(min), Action::RaiseTo(max)]);
                }
                for &action in &offered {
                    let accepted = table.clone().apply(0, Command::Act { seat, action });
                    prop_assert!(accepted.is_ok(), "{:?}", action);
                }
                let unoffered = if legal.check { Action::Call } else { Action::Check };
                let refused = table.clone().apply(0, Command::Act { seat, action: unoffered });
                prop_assert!(refused.is_err());
                let pick = usize::try_from(dice.roll(offered.len() as u64)).unwrap();
                table.apply(0, Command::Act { seat, action: offered[pick] }).unwrap();
                actions += 1;
                prop_assert!(actions < 2_000, "a hand must end");
            }
            prop_assert!(table.hand().is_none());
        }
    }
}
