//! Generates the test data of the page's replay: hands played by the engine, with the table's state after each command.
//! `PURR_GENERATE=1` writes the file again; the page's tests (`tests/page/replay.test.mjs`) read it.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests may fail loudly")]

mod common;
use common::{config, player};
use purr_engine::{
    Action, Ante, Card, Chips, Command, Deck, Event, HandEnd, HouseRules, RakeConfig, SeatIndex, Table,
    TableConfig, equity,
    history::{HandHistory, SeatStart},
    pots::{Contribution, pots},
};
use serde_json::{Value, json};

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/page/replay-hands.json");
const TABLES: u64 = 10;
const HANDS_OF_A_TABLE: u64 = 3;

/// SplitMix64 (Steele, Lea, Flood 2014).
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) % sides.max(1)
    }

    fn cards(&mut self) -> Vec<Card> {
        let mut cards: Vec<Card> = Card::all().collect();
        for last in (1..cards.len()).rev() {
            let other = usize::try_from(self.roll(last as u64 + 1)).unwrap();
            cards.swap(last, other);
        }
        cards
    }
}

fn table(dice: &mut Dice, number: u64) -> Table {
    let seats = u8::try_from(2 + number % 6).unwrap();
    let ante = [Ante::None, Ante::Each(3), Ante::BigBlind(10)][usize::try_from(number % 3).unwrap()];
    let straddle = number % 4 == 1;
    let config = TableConfig {
        seats,
        ante,
        straddle,
        run_it_twice: number.is_multiple_of(2),
        house: HouseRules::NONE,
        rake: RakeConfig { basis_points: 450, caps: vec![], no_flop_no_drop: true },
        ..config()
    };
    let mut table = Table::new(config).unwrap();
    for seat in 0..seats {
        let stack = 20 + dice.roll(400);
        table.apply(0, Command::Sit { seat: SeatIndex(seat), player: player(seat), stack }).unwrap();
        if straddle {
            table.apply(0, Command::Straddle { seat: SeatIndex(seat), on: true }).unwrap();
        }
    }
    table
}

/// More calls than folds, and some all-ins, so that hands reach later streets.
fn choice(dice: &mut Dice, table: &Table) -> Command {
    if let Some(seat) = table.asked_twice().iter().next() {
        return Command::RunItTwice { seat, agree: dice.roll(5) > 0 };
    }
    let seat = table.to_act().unwrap();
    let legal = table.legal_actions(seat).unwrap();
    let action = match (dice.roll(10), legal.raise_to) {
        (0, _) if !legal.check => Action::Fold,
        (1, Some((_, max))) => Action::RaiseTo(max),
        (2..=3, Some((min, max))) => Action::RaiseTo(min + (max - min) / 4),
        _ if legal.check => Action::Check,
        _ => Action::Call,
    };
    Command::Act { seat, action }
}

/// The table as the engine has it after `events` events.
fn check(table: &Table, events: usize) -> Value {
    let Some(hand) = table.hand() else {
        return json!({ "events": events, "over": true, "pot": 0 });
    };
    let totals: Chips = hand.players().map(|(_, player)| player.total).sum();
    let contributions: Vec<Contribution> = hand
        .players()
        .map(|(seat, player)| Contribution { seat, amount: player.total, folded: player.folded })
        .collect();
    let pots: Vec<Value> = pots(&contributions, table.pot() - totals)
        .iter()
        .map(|pot| {
            json!({ "amount": pot.amount, "eligible": pot.eligible.iter().map(|s| s.0).collect::<Vec<u8>>() })
        })
        .collect();
    let seats: Vec<Value> = hand
        .players()
        .map(|(seat, player)| {
            json!({
                "seat": seat.0, "stack": table.seat(seat).unwrap().stack, "bet": player.street_bet,
                "folded": player.folded,
            })
        })
        .collect();
    json!({
        "events": events, "pot": table.pot(), "pots": pots, "board": hand.board.to_vec(),
        "toAct": table.to_act(), "seats": seats,
    })
}

fn play(dice: &mut Dice, table: &mut Table, hand: u64) -> Value {
    let stacks: Vec<(SeatIndex, Chips)> =
        (0..table.config().seats).map(SeatIndex).map(|at| (at, table.seat(at).unwrap().stack)).collect();
    let deck = Deck::try_from(dice.cards()).unwrap();
    let mut events = table.apply(0, Command::StartHand { hand, deck }).unwrap();
    let public =
        |events: &[Event]| events.iter().filter(|event| !matches!(event, Event::Dealt { .. })).count();
    let mut checks = vec![check(table, public(&events))];
    while table.hand().is_some() {
        let command = if dice.roll(60) == 0 { Command::VoidHand } else { choice(dice, table) };
        events.extend(table.apply(0, command).unwrap());
        checks.push(check(table, public(&events)));
    }
    let order = events.iter().find_map(|event| match event {
        Event::HandStarted { dealt_in, .. } => Some(dealt_in.to_vec()),
        _ => None,
    });
    let start = |seat: SeatIndex| SeatStart { seat, player: player(seat.0), stack: stacks[seat.index()].1 };
    let seats = order.unwrap().into_iter().map(start).collect();
    let end: Option<&HandEnd> = events.iter().find_map(|event| match event {
        Event::HandEnded(end) => Some(end),
        _ => None,
    });
    let history = HandHistory::public(hand, table.config().clone(), seats, &events);
    json!({ "history": history, "end": end.unwrap(), "checks": checks })
}

fn spot(dice: &mut Dice, hands: usize, board: usize, dead: usize) -> Value {
    let mut cards = dice.cards().into_iter();
    let mut take = |count: usize| cards.by_ref().take(count).collect::<Vec<Card>>();
    let holes: Vec<[Card; 2]> = (0..hands).map(|_| take(2).try_into().unwrap()).collect();
    let (board, dead) = (take(board), take(dead));
    let equities = equity::exact(&holes, &board, &dead).unwrap();
    let shares: Vec<u64> = equities.iter().map(|equity| equity.shares).collect();
    json!({ "hands": holes, "board": board, "dead": dead, "shares": shares, "boards": equities[0].boards })
}

fn generated() -> String {
    let mut dice = Dice(2026);
    let mut lines = Vec::new();
    for number in 0..TABLES {
        let mut table = table(&mut dice, number);
        for hand in 1..=HANDS_OF_A_TABLE {
            if table.ready() < 2 || table.seats().iter().any(Option::is_none) {
                break;
            }
            lines.push(play(&mut dice, &mut table, hand).to_string());
        }
    }
    let mut spots: Vec<String> = Vec::new();
    for (hands, board, dead) in
        [(2, 0, 10), (2, 3, 0), (3, 3, 2), (6, 3, 0), (10, 3, 4), (2, 4, 0), (4, 4, 2), (9, 4, 0), (3, 5, 0)]
    {
        for _ in 0..if board == 0 { 1 } else { 6 } {
            spots.push(spot(&mut dice, hands, board, dead).to_string());
        }
    }
    format!("{{\"hands\":[\n{}\n],\"spots\":[\n{}\n]}}\n", lines.join(",\n"), spots.join(",\n"))
}

#[test]
fn the_page_is_compared_with_hands_as_this_engine_plays_them() {
    let text = generated();
    if std::env::var_os("PURR_GENERATE").is_some() {
        std::fs::write(FILE, &text).unwrap();
    }
    let held = std::fs::read_to_string(FILE).unwrap();
    assert!(
        held == text,
        "tests/page/replay-hands.json is old: PURR_GENERATE=1 cargo test --release -p purr-engine --test replay_states"
    );
    for seen in [
        "\"twice\":true",
        "\"void\":true",
        "\"board\":1",
        "\"straddle\"",
        "\"pot\":1",
        "\"all_in\":true",
        "mucked",
    ] {
        assert!(text.contains(seen), "no hand has {seen}");
    }
}
