//! Properties of every game, with random and even illegal commands.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests may fail loudly")]

mod common;
use common::{config, player};
use proptest::prelude::*;
use purr_engine::{
    Action, Ante, Card, ClockConfig, Command, Deck, Event, HouseRules, Post, RakeConfig, Refusal, SeatIndex,
    ShowWish, Table, TableConfig,
};

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

    fn small(&mut self, sides: u8) -> u8 {
        u8::try_from(self.roll(sides.into())).unwrap()
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

fn any_wish(dice: &mut Dice) -> ShowWish {
    [ShowWish::Muck, ShowWish::Ask, ShowWish::Ask, ShowWish::Show][usize::from(dice.small(4))]
}

fn any_command(dice: &mut Dice, table: &Table) -> Command {
    let seat = SeatIndex(dice.small(table.config().seats + 1));
    let turn = table.to_act().unwrap_or(seat);
    let asked = table.asked_twice().iter().next();
    let to_show = table.asked_to_show();
    match dice.roll(32) {
        0 => Command::Sit { seat, player: player(dice.small(12)), stack: dice.roll(1_100) },
        1 => Command::Leave { seat },
        2 => Command::SitOut { seat },
        3..=4 => Command::SitIn { seat, post: dice.roll(2) == 0 },
        5 => Command::TopUp { seat, amount: dice.roll(500) },
        6 => Command::Disconnected { seat },
        7 => Command::Reconnected { seat },
        8 => Command::Tick,
        9 if dice.roll(8) == 0 => Command::VoidHand,
        10 if dice.roll(4) == 0 => Command::PauseClock,
        11 if dice.roll(8) == 0 => Command::RestartClock,
        12 | 13 => Command::ResumeClock,
        14 => Command::Act { seat, action: Action::RaiseTo(dice.roll(2_000)) },
        15 | 16 => Command::StartHand { hand: table.last_hand() + dice.roll(2), deck: dice.deck() },
        17 => Command::Act { seat: turn, action: Action::Fold },
        18 if dice.roll(2) == 0 => Command::WishShow { seat, wish: any_wish(dice) },
        18 => Command::Straddle { seat, on: dice.roll(3) > 0 },
        19 => Command::RunItTwice { seat, agree: dice.roll(2) == 0 },
        20 => Command::Seat {
            seat,
            player: player(dice.small(12)),
            stack: 1 + dice.roll(700),
            rake_allowed: (dice.roll(2) == 0).then(|| dice.roll(60)),
        },
        _ if !to_show.is_empty() => {
            Command::Show { seat: to_show.iter().next().unwrap(), show: dice.roll(2) == 0 }
        }
        _ if asked.is_some() => Command::RunItTwice { seat: asked.unwrap(), agree: dice.roll(6) > 0 },
        21..=24 => Command::Act { seat: turn, action: Action::Check },
        25..=28 => Command::Act { seat: turn, action: Action::Call },
        _ => {
            let bounds = table.legal_actions(turn).and_then(|legal| legal.raise_to);
            let (min, max) = bounds.unwrap_or((10, 20));
            let total = if dice.roll(3) == 0 { max } else { min + dice.roll(max - min + 1) };
            Command::Act { seat: turn, action: Action::RaiseTo(total) }
        }
    }
}

/// Two to ten players of unequal stacks, at a table with every optional rule or none.
fn table(dice: &mut Dice, seats: u8, ante: Ante) -> Table {
    let rake = RakeConfig { basis_points: 450, caps: vec![], no_flop_no_drop: true };
    let (straddle, run_it_twice) = (dice.roll(2) == 0, dice.roll(3) > 0);
    let clock = ClockConfig { time_bank_max_ms: 60_000, disconnect_max_ms: 40_000, ..config().clock };
    let house = HouseRules {
        newcomer_posts_big_alone: dice.roll(2) == 0,
        straddle_back_in: straddle && dice.roll(2) == 0,
    };
    let config = TableConfig { seats, ante, rake, straddle, house, run_it_twice, clock, ..config() };
    let mut table = Table::new(config).unwrap();
    for seat in 0..seats {
        let stack = 10 + dice.roll(900);
        table.apply(0, Command::Sit { seat: SeatIndex(seat), player: player(seat), stack }).unwrap();
        let wish = any_wish(dice);
        table.apply(0, Command::WishShow { seat: SeatIndex(seat), wish }).unwrap();
        if straddle {
            table.apply(0, Command::Straddle { seat: SeatIndex(seat), on: dice.roll(2) == 0 }).unwrap();
        }
    }
    table
}

fn antes() -> impl Strategy<Value = Ante> {
    prop_oneof![Just(Ante::None), Just(Ante::Each(3)), Just(Ante::BigBlind(10))]
}

/// All commands that are possible now, with amounts at their bounds.
fn offered(table: &Table) -> Vec<Command> {
    if let Some(seat) = table.asked_twice().iter().next() {
        return [true, false].map(|agree| Command::RunItTwice { seat, agree }).to_vec();
    }
    if let Some(seat) = table.asked_to_show().iter().next() {
        return [true, false].map(|show| Command::Show { seat, show }).to_vec();
    }
    let Some(seat) = table.to_act() else { return Vec::new() };
    let legal = table.legal_actions(seat).unwrap();
    let mut actions = vec![Action::Fold];
    actions.extend(legal.check.then_some(Action::Check));
    actions.extend(legal.call.map(|_| Action::Call));
    if let Some((min, max)) = legal.raise_to {
        actions.extend([Action::RaiseTo(min), Action::RaiseTo(min + (max - min) / 2), Action::RaiseTo(max)]);
    }
    actions.into_iter().map(|action| Command::Act { seat, action }).collect()
}

/// Illegal commands: beyond each bound, out of turn, or without a question.
fn unoffered(table: &Table) -> Vec<Command> {
    let everybody = (0..=table.config().seats).map(SeatIndex);
    let asked = table.asked_twice();
    let unasked = everybody.clone().filter(|seat| !asked.contains(*seat));
    let mut commands: Vec<Command> = unasked.map(|seat| Command::RunItTwice { seat, agree: true }).collect();
    let to_show = table.asked_to_show();
    let unasked = everybody.clone().filter(|seat| !to_show.contains(*seat));
    commands.extend(unasked.map(|seat| Command::Show { seat, show: true }));
    let turn = table.to_act();
    for seat in everybody.filter(|seat| Some(*seat) != turn) {
        let all = [Action::Fold, Action::Check, Action::Call, Action::RaiseTo(20)];
        commands.extend(all.map(|action| Command::Act { seat, action }));
    }
    if let Some(seat) = turn {
        let legal = table.legal_actions(seat).unwrap();
        let mut actions = vec![if legal.check { Action::Call } else { Action::Check }, Action::RaiseTo(0)];
        match legal.raise_to {
            Some((min, max)) => actions.extend([Action::RaiseTo(min - 1), Action::RaiseTo(max + 1)]),
            None => actions.extend([1, 10, 100, 1_000, u64::MAX].map(Action::RaiseTo)),
        }
        commands.extend(actions.into_iter().map(|action| Command::Act { seat, action }));
    }
    commands
}

fn snapshot(table: &Table) -> Table {
    serde_json::from_str(&serde_json::to_string(table).unwrap()).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    /// Conservation is asserted inside `apply`, so a chip that appears or vanishes fails here as a
    /// refusal; so does a stack below zero, which would be a panic.
    #[test]
    fn random_commands_never_lose_a_chip_and_refusals_change_nothing(
        seed in any::<u64>(), seats in 2u8..=10, ante in antes(),
    ) {
        let mut dice = Dice(seed);
        let mut table = table(&mut dice, seats, ante);
        let mut now = 0;
        let mut events = Vec::new();
        for _ in 0..400 {
            now += dice.roll(8_000);
            let command = any_command(&mut dice, &table);
            let before = table.clone();
            events.clear();
            match table.apply_into(now, command.clone(), &mut events) {
                Ok(()) => {
                    // The same inputs give the same table, also from a snapshot.
                    let mut again = snapshot(&before);
                    prop_assert_eq!(&again.apply(now, command).unwrap(), &events);
                    prop_assert_eq!(&again, &table);
                }
                Err(refusal) => {
                    prop_assert!(!matches!(refusal, Refusal::NotConserved { .. }), "{}", refusal);
                    prop_assert_eq!(&table, &before, "refused with {}", refusal);
                    prop_assert!(events.is_empty());
                }
            }
        }
    }

    /// Every hand ends, whatever is chosen among the offered actions; each offered one is accepted,
    /// and each other one is refused without a change.
    #[test]
    fn every_hand_ends_what_is_offered_is_accepted_and_nothing_else(
        seed in any::<u64>(), seats in 2u8..=10, ante in antes(),
    ) {
        let mut dice = Dice(seed);
        let mut table = table(&mut dice, seats, ante);
        for hand in 1..=6 {
            if table.ready() < 2 {
                break;
            }
            let chips: u64 = table.seats().iter().flatten().map(|seat| seat.stack).sum();
            let mut events = table.apply(0, Command::StartHand { hand, deck: dice.deck() }).unwrap();
            let mut actions = 0;
            while table.hand().is_some() {
                let offered = offered(&table);
                for command in &offered {
                    let accepted = table.clone().apply(0, command.clone());
                    prop_assert!(accepted.is_ok(), "{:?}: {:?}", command, accepted);
                }
                let before = table.clone();
                for command in unoffered(&table) {
                    let refused = table.apply(0, command.clone());
                    prop_assert!(refused.is_err(), "{:?}", command);
                    prop_assert_eq!(&table, &before);
                }
                let pick = usize::try_from(dice.roll(offered.len() as u64)).unwrap();
                events.extend(table.apply(0, offered[pick].clone()).unwrap());
                actions += 1;
                prop_assert!(actions < 2_000, "a hand must end");
            }
            let Some(Event::HandEnded(end)) =
                events.iter().find(|event| matches!(event, Event::HandEnded(_))) else {
                panic!("a hand without an end");
            };
            let deltas: i64 = end.results.iter().map(|result| result.delta).sum();
            prop_assert_eq!(deltas + i64::try_from(end.rake).unwrap(), 0);
            let after: u64 = table.seats().iter().flatten().map(|seat| seat.stack).sum();
            prop_assert_eq!(after + end.rake, chips);
        }
    }

    /// Cards that may be mucked are only seen if their player chose so, in advance or when asked, and no chips depend
    /// on it. The same table without any choice shows what must be shown.
    #[test]
    fn nobodys_cards_are_seen_without_their_consent_and_no_chip_depends_on_it(
        seed in any::<u64>(), seats in 2u8..=10, ante in antes(),
    ) {
        let mut dice = Dice(seed);
        let mut table = table(&mut dice, seats, ante);
        let (mut now, mut plain_end): (u64, Option<(Event, Vec<SeatIndex>)>) = (0, None);
        for _ in 0..300 {
            now += dice.roll(3_000);
            let command = any_command(&mut dice, &table);
            let before = table.clone();
            let Ok(events) = table.apply(now, command.clone()) else { continue };
            let showing = !before.asked_to_show().is_empty();
            if !showing {
                // The same step where nobody wishes anything: it shows what must be shown, and pays.
                let mut plain = before.clone();
                for seat in (0..seats).map(SeatIndex).filter(|seat| before.seat(*seat).is_some()) {
                    plain.apply(now, Command::WishShow { seat, wish: ShowWish::Muck }).unwrap();
                }
                let told = plain.apply(now, command.clone()).unwrap();
                let must = told.iter().filter_map(|event| match event {
                    Event::Shown { seat, .. } => Some(*seat),
                    _ => None,
                });
                let must: Vec<SeatIndex> = must.collect();
                plain_end = told.iter().find(|e| matches!(e, Event::HandEnded(_))).map(|e| (e.clone(), must));
            }
            for event in &events {
                match event {
                    Event::Shown { seat, .. } => {
                        let must = !showing && plain_end.as_ref().is_some_and(|(_, must)| must.contains(seat));
                        let wishes = before.seat(*seat).unwrap().show == ShowWish::Show && !showing;
                        let says = command == Command::Show { seat: *seat, show: true };
                        prop_assert!(must || wishes || says, "{:?} after {:?}", event, command);
                    }
                    Event::HandEnded(end) if !end.void => {
                        let (plain, _) = plain_end.take().unwrap();
                        prop_assert_eq!(event, &plain);
                    }
                    _ => {}
                }
            }
        }
    }

    /// A snapshot taken anywhere, and the commands after it, are the hand: event by event.
    #[test]
    fn a_snapshot_at_any_point_and_the_commands_after_it_give_the_same_hand(
        seed in any::<u64>(), seats in 2u8..=10, ante in antes(), at in 0usize..120,
    ) {
        let mut dice = Dice(seed);
        let mut table = table(&mut dice, seats, ante);
        let (mut now, mut copy) = (0, None);
        for step in 0..160 {
            if step == at {
                copy = Some(snapshot(&table));
            }
            now += dice.roll(4_000);
            let command = any_command(&mut dice, &table);
            let told = table.apply(now, command.clone());
            if let Some(copy) = copy.as_mut() {
                prop_assert_eq!(copy.apply(now, command), told);
            }
        }
        prop_assert_eq!(copy.unwrap(), table);
    }

    /// Left alone, every hand ends by its clocks: there is always a deadline, and it always helps.
    #[test]
    fn a_hand_that_everybody_leaves_alone_ends_by_its_clocks(
        seed in any::<u64>(), seats in 2u8..=10, ante in antes(),
    ) {
        let mut dice = Dice(seed);
        let mut table = table(&mut dice, seats, ante);
        table.apply(0, Command::StartHand { hand: 1, deck: dice.deck() }).unwrap();
        for _ in 0..dice.roll(12) {
            let offered = offered(&table);
            if offered.is_empty() {
                break;
            }
            let pick = usize::try_from(dice.roll(offered.len() as u64)).unwrap();
            table.apply(0, offered[pick].clone()).unwrap();
        }
        let mut ticks = 0;
        while table.hand().is_some() {
            let due = table.next_deadline().unwrap();
            prop_assert!(!table.apply(due, Command::Tick).unwrap().is_empty());
            ticks += 1;
            prop_assert!(ticks < 200);
        }
    }
}

/// The random commands above make games that are worth checking: all of this happens in them.
#[test]
fn the_random_games_have_hands_showdowns_straddles_second_boards_and_clocks_that_run_out() {
    type Kind = (&'static str, fn(&Event) -> bool);
    let kinds: [Kind; 11] = [
        ("hands", |event| matches!(event, Event::HandEnded(end) if !end.void)),
        ("void hands", |event| matches!(event, Event::HandEnded(end) if end.void)),
        ("showdowns", |event| matches!(event, Event::Shown { .. })),
        ("questions whether to show", |event| matches!(event, Event::ShowAsked { .. })),
        ("side pots", |event| matches!(event, Event::PotWon { pot: 1.., .. })),
        ("straddles", |event| matches!(event, Event::Posted { post: Post::Straddle, .. })),
        ("dead blinds", |event| matches!(event, Event::Posted { post: Post::Dead, .. })),
        ("second boards", |event| matches!(event, Event::RunItTwiceDecided { twice: true })),
        ("time-outs", |event| matches!(event, Event::Acted { timed_out: true, .. })),
        ("leaves", |event| matches!(event, Event::Left { .. })),
        ("rake", |event| matches!(event, Event::Raked { .. })),
    ];
    let mut counts = [0; 11];
    for seed in 0..300 {
        let mut dice = Dice(seed);
        let seats = 2 + dice.small(9);
        let ante = [Ante::None, Ante::Each(3), Ante::BigBlind(10)][usize::from(dice.small(3))];
        let (mut table, mut now) = (table(&mut dice, seats, ante), 0);
        for _ in 0..400 {
            now += dice.roll(8_000);
            let command = any_command(&mut dice, &table);
            for event in table.apply(now, command).unwrap_or_default() {
                kinds.iter().zip(&mut counts).for_each(|((_, of), count)| *count += u32::from(of(&event)));
            }
        }
    }
    for ((name, _), count) in kinds.iter().zip(counts) {
        assert!(count >= 10, "{count} {name} in {counts:?}");
    }
}
