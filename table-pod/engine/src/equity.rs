//! The worth of hands before the board is complete: each hand's share of the pot, over every board
//! that can still come or over a sample of them.
//!
//! A tied pot counts in equal parts for those who tie. Sums are integers: a share is counted in
//! 2520ths of a board, which divides by every number of winners up to ten.

mod preflop;

use crate::{card::Card, eval::Hand};

/// Shares of one board, the least number that 1 to 10 divide.
pub const BOARD_SHARES: u64 = 2520;
/// The most hands at one table.
pub const HANDS_MAX: usize = 10;
/// The most boards of a sample, so that no sum of shares overflows.
pub const SAMPLE_MAX: u64 = 1 << 48;

/// The result of one hand.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Equity {
    /// Boards on which the hand wins alone.
    pub wins: u64,
    /// Boards on which it is one of several that win.
    pub ties: u64,
    /// The hand's wins in all, in 2520ths of a board: 2520 for a win, 1260 for a tie of two.
    pub shares: u64,
    /// Boards that were looked at.
    pub boards: u64,
}

impl Equity {
    /// The hand's part of the pot, 0 to 1.
    #[allow(clippy::cast_precision_loss, reason = "a share of 53 bits is precise enough for a fraction")]
    pub fn fraction(&self) -> f64 {
        self.shares as f64 / (self.boards as f64 * BOARD_SHARES as f64)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EquityError {
    #[error("2 to 10 hands, not {0}")]
    Hands(usize),
    #[error("a board has at most five cards, not {0}")]
    Board(usize),
    #[error("{0} is there twice")]
    Twice(Card),
    #[error("{left} cards are left for the {missing} that are still to come")]
    Deck { left: usize, missing: usize },
    #[error("a sample has 1 to 2^48 boards, not {0}")]
    Sample(u64),
}

/// The equities, in the order of `hands`, over every board that can come: `board` and then any of the
/// cards that are in nobody's hand, not on the board and not `dead`.
///
/// Two hands before the flop are 1,712,304 boards; they are counted in classes that end alike, about fifty times as fast
/// as one by one.
///
/// # Errors
/// Fewer than two or more than ten hands, a board of more than five cards, a card twice, or too few
/// cards left.
pub fn exact(hands: &[[Card; 2]], board: &[Card], dead: &[Card]) -> Result<Vec<Equity>, EquityError> {
    let spot = Spot::new(hands, board, dead)?;
    let mut count = Count::new(hands.len());
    if spot.missing == 5 {
        preflop::count(&spot.holes, &spot.deck, &mut count);
    } else {
        spot.enumerate(spot.board, &spot.deck, spot.missing, &mut count);
    }
    Ok(count.equities())
}

/// The equities, in the order of `hands`, over `boards` boards drawn at random (1 to 2^48), each
/// independent of the others. The same seed gives the same result. The standard error of a fraction
/// is at most `0.5 / sqrt(boards)`.
///
/// The generator is for statistics only: nothing that is dealt to a player may come from it.
///
/// # Errors
/// As of [`exact`], and a sample of no boards or of too many.
pub fn monte_carlo(
    hands: &[[Card; 2]],
    board: &[Card],
    dead: &[Card],
    boards: u64,
    seed: u64,
) -> Result<Vec<Equity>, EquityError> {
    if !(1..=SAMPLE_MAX).contains(&boards) {
        return Err(EquityError::Sample(boards));
    }
    let mut spot = Spot::new(hands, board, dead)?;
    let (mut count, mut random) = (Count::new(hands.len()), SplitMix(seed));
    for _ in 0..boards {
        let mut board = spot.board;
        // The first steps of a Fisher–Yates shuffle; that the deck is not in order before them does
        // not matter.
        for place in 0..spot.missing {
            let other = place + random.below(spot.deck.len() - place);
            spot.deck.swap(place, other);
            board.add(spot.deck[place]);
        }
        count.board(&spot.hands, board);
    }
    Ok(count.equities())
}

/// The hands, and the cards that are left.
struct Spot {
    holes: Vec<[Card; 2]>,
    hands: Vec<Hand>,
    board: Hand,
    deck: Vec<Card>,
    /// How many cards are still to come.
    missing: usize,
}

impl Spot {
    fn new(hands: &[[Card; 2]], board: &[Card], dead: &[Card]) -> Result<Self, EquityError> {
        if !(2..=HANDS_MAX).contains(&hands.len()) {
            return Err(EquityError::Hands(hands.len()));
        }
        if board.len() > 5 {
            return Err(EquityError::Board(board.len()));
        }
        let mut seen = [false; 52];
        for &card in hands.iter().flatten().chain(board).chain(dead) {
            if std::mem::replace(&mut seen[usize::from(card.number())], true) {
                return Err(EquityError::Twice(card));
            }
        }
        let deck: Vec<Card> = Card::all().filter(|card| !seen[usize::from(card.number())]).collect();
        let missing = 5 - board.len();
        if deck.len() < missing {
            return Err(EquityError::Deck { left: deck.len(), missing });
        }
        let holes = hands.to_vec();
        let hands = hands.iter().map(|cards| cards.iter().copied().collect()).collect();
        Ok(Self { holes, hands, board: board.iter().copied().collect(), deck, missing })
    }

    /// Counts every board that `board` and `missing` cards of `deck` make, each once.
    fn enumerate(&self, board: Hand, deck: &[Card], missing: usize, count: &mut Count) {
        if missing == 0 {
            count.board(&self.hands, board);
            return;
        }
        for (place, card) in deck.iter().enumerate().take(deck.len() + 1 - missing) {
            self.enumerate(board.with(*card), &deck[place + 1..], missing - 1, count);
        }
    }
}

/// The counts so far. Boards are counted by who shares the pot, and become shares only at the end.
struct Count {
    hands: usize,
    /// By the set of winners, a bit for each hand: how many boards. So no branch depends on who wins.
    by_winners: Vec<u64>,
}

impl Count {
    fn new(hands: usize) -> Self {
        Self { hands, by_winners: vec![0; 1 << hands] }
    }

    /// One complete board.
    #[inline]
    fn board(&mut self, hands: &[Hand], board: Hand) {
        self.boards_alike(1, hands, |hand| hand.and(board).rank().value());
    }

    /// So many boards on which every hand has one rank.
    #[inline(always)]
    fn boards_alike(&mut self, boards: u64, hands: &[Hand], rank: impl Fn(Hand) -> u16) {
        let (mut best, mut winners, mut bit) = (0, 0, 1);
        for hand in hands {
            let rank = rank(*hand);
            winners = if rank > best { 0 } else { winners };
            winners |= if rank >= best { bit } else { 0 };
            best = best.max(rank);
            bit <<= 1;
        }
        self.by_winners[winners] += boards;
    }

    fn equities(&self) -> Vec<Equity> {
        let mut equities = vec![Equity::default(); self.hands];
        let boards = self.by_winners.iter().sum();
        for (place, equity) in equities.iter_mut().enumerate() {
            equity.boards = boards;
            for (winners, boards) in self.by_winners.iter().enumerate() {
                if winners >> place & 1 == 0 {
                    continue;
                }
                let sharing = u64::from(winners.count_ones());
                *(if sharing == 1 { &mut equity.wins } else { &mut equity.ties }) += boards;
                equity.shares += boards * (BOARD_SHARES / sharing);
            }
        }
        equities
    }
}

/// SplitMix64 (Steele, Lea and Flood 2014): small, quick, and good enough for a sample.
struct SplitMix(u64);

impl SplitMix {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    /// A number below `bound`, at most 52, each equally likely: what would favour the low ones is
    /// drawn again (Lemire 2019).
    #[allow(clippy::cast_possible_truncation, reason = "the product's halves are what is wanted")]
    fn below(&mut self, bound: usize) -> usize {
        let bound = bound as u64;
        loop {
            let product = u128::from(self.next()) * u128::from(bound);
            if product as u64 >= bound.wrapping_neg() % bound {
                return (product >> 64) as usize;
            }
        }
    }
}
