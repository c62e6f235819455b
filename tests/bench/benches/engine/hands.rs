//! The hands that every engine plays: equal deep stacks, no ante, nobody all-in, so that all of them agree on what is
//! legal and each plays the same actions.

use purr_engine::{
    Action, Ante, Betting, Card, Chips, ClockConfig, Command, Deck, Event, HouseRules, PlayerId, RakeConfig,
    SeatIndex, Table, TableConfig,
};
use rand::{Rng, SeedableRng, rngs::SmallRng};
use serde::Serialize;

pub const SMALL_BLIND: Chips = 5;
pub const BIG_BLIND: Chips = 10;
pub const STACK: Chips = 10_000;
/// Most bets and raises on a street; each is at most a quarter of the stack.
const RAISES_MAX: u32 = 3;

#[derive(Serialize)]
pub struct Hand {
    #[serde(skip)]
    pub deck: Deck,
    #[serde(skip)]
    pub actions: Vec<(SeatIndex, Action)>,
    /// For PokerKit, whose place 0 is the seat after the button: hole cards, board, and steps as fold, call or a total.
    holes: Vec<String>,
    board: String,
    steps: Vec<Option<Chips>>,
    folds: Vec<usize>,
    finish: Vec<Chips>,
    /// Chips that were bet, including an uncalled bet, to check that the peers played the same hand.
    #[serde(skip)]
    #[allow(dead_code, reason = "the count of allocations has no peer")]
    pub pot: Chips,
}

pub fn table(players: u8) -> Table {
    let config = TableConfig {
        seats: players,
        small_blind: SMALL_BLIND,
        big_blind: BIG_BLIND,
        betting: Betting::NoLimit,
        straddle: false,
        house: HouseRules::NONE,
        run_it_twice: false,
        ante: Ante::None,
        buy_in_min: BIG_BLIND,
        buy_in_max: STACK,
        rake: RakeConfig { basis_points: 0, caps: Vec::new(), no_flop_no_drop: true },
        clock: ClockConfig {
            turn_ms: 10_000,
            time_bank_ms: 0,
            time_bank_gain_ms: 0,
            time_bank_hands: 0,
            time_bank_max_ms: 0,
            disconnect_ms: 10_000,
            disconnect_max_ms: 0,
            reconnect_grace_ms: 5_000,
            disconnect_total_ms: 300_000,
        },
        rat_hole_ms: 0,
    };
    let mut table = Table::new(config).expect("a valid table");
    for seat in 0..players {
        let sit = Command::Sit { seat: SeatIndex(seat), player: PlayerId([seat + 1; 20]), stack: STACK };
        table.apply(0, sit).expect("a free chair");
    }
    table
}

/// A shuffled deck. The shuffle is timed, as in the arena.
pub fn deck(rng: &mut SmallRng) -> Deck {
    let mut cards: [Card; 52] =
        std::array::from_fn(|number| Card::new(u8::try_from(number).unwrap_or(0)).expect("52 cards"));
    for last in (1..cards.len()).rev() {
        cards.swap(last, rng.random_range(0..=last));
    }
    Deck::new(cards).expect("a permutation of all cards is a deck")
}

pub fn hands(players: u8, count: usize) -> Vec<Hand> {
    let mut rng = SmallRng::seed_from_u64(u64::from(players));
    let fresh = table(players);
    (0..count).map(|_| play(&mut rng, fresh.clone())).collect()
}

fn play(rng: &mut SmallRng, mut table: Table) -> Hand {
    let players = table.seats().len();
    let deck = deck(rng);
    table.apply(0, Command::StartHand { hand: 1, deck: deck.clone() }).expect("a hand");
    let button = table.hand().expect("a hand").button.index();
    let place = |seat: SeatIndex| (seat.index() + players - button - 1) % players;
    let (mut actions, mut steps, mut folds) = (Vec::new(), Vec::new(), Vec::new());
    let (mut raises, mut street, mut pot) = (0, None, table.pot());
    while let Some(seat) = table.to_act() {
        let now = table.hand().map(|hand| hand.street);
        if now != street {
            (street, raises) = (now, 0);
        }
        let legal = table.legal_actions(seat).expect("who is to act has legal actions");
        let (min, max) = legal.raise_to.unwrap_or((Chips::MAX, 0));
        let total = min.saturating_add(rng.random_range(0..4) * BIG_BLIND);
        let action = match rng.random_range(0..100) {
            0..20 if !legal.check => Action::Fold,
            20..40 if raises < RAISES_MAX && total <= max / 4 => Action::RaiseTo(total),
            _ if legal.check => Action::Check,
            _ => Action::Call,
        };
        match action {
            Action::Fold => folds.push(steps.len()),
            Action::RaiseTo(_) => raises += 1,
            Action::Check | Action::Call => {}
        }
        steps.push(if let Action::RaiseTo(total) = action { Some(total) } else { None });
        actions.push((seat, action));
        let before = table.seat(seat).map_or(0, |chair| chair.stack);
        for event in table.apply(0, Command::Act { seat, action }).expect("a legal action") {
            if let Event::Acted { stack, .. } = event {
                pot += before - stack;
            }
        }
    }
    let cards = deck.cards();
    let mut finish = vec![0; players];
    for (seat, chair) in (0..).map(SeatIndex).zip(table.seats()) {
        finish[place(seat)] = chair.as_ref().map_or(0, |chair| chair.stack);
    }
    Hand {
        holes: (0..players).map(|at| format!("{}{}", cards[at], cards[players + at])).collect(),
        board: cards[players * 2..players * 2 + 5].iter().map(ToString::to_string).collect(),
        deck,
        actions,
        steps,
        folds,
        finish,
        pot,
    }
}
