//! All boards of five cards in classes on which every hand has one rank.
//!
//! Where no hand makes a flush, ranks alone decide: one class for each of the 6175 multisets of five ranks, with as many
//! boards as the deck has suits for it, less those on which some hand has a flush. A flush needs three cards of its suit on
//! the board, so no two suits make one on the same board: for each suit, the sets of its cards that are enough for some
//! hand are gone through with the ranks of the other cards. Other cards that pair nothing on the board are one class: without
//! a pair on the board nobody has a full house or four of a kind, so the flushes alone decide.

use super::Count;
use crate::{card::Card, eval::Hand};

const RANKS: usize = 13;
const BOARD: usize = 5;
const SUITS: usize = 4;

/// The rest of one rank: how many cards, and of which suits.
#[derive(Clone, Copy, Default)]
struct Left {
    cards: [Option<Card>; SUITS],
    count: usize,
}

/// `n` over `k`, of at most four cards.
const CHOOSE: [[u16; 5]; 5] =
    [[1, 0, 0, 0, 0], [1, 1, 0, 0, 0], [1, 2, 1, 0, 0], [1, 3, 3, 1, 0], [1, 4, 6, 4, 1]];

fn choose(n: usize, k: usize) -> u16 {
    CHOOSE[n][k]
}

/// Counts every board of five cards of `deck`.
pub(super) fn count(holes: &[[Card; 2]], deck: &[Card], count: &mut Count) {
    let hands: Vec<Hand> = holes.iter().map(|cards| cards.iter().copied().collect()).collect();
    let mut left = [Left::default(); RANKS];
    for card in deck {
        let rank = &mut left[usize::from(card.rank())];
        rank.cards[usize::from(card.suit())] = Some(*card);
        rank.count += 1;
    }
    // From how many cards of a suit on the board some hand has a flush.
    let enough: [usize; SUITS] = std::array::from_fn(|suit| {
        let held = |hole: &[Card; 2]| hole.iter().filter(|card| usize::from(card.suit()) == suit).count();
        BOARD - holes.iter().map(held).max().unwrap_or(0)
    });
    for (suit, enough) in enough.into_iter().enumerate() {
        Flushes::new(suit, enough, &left).count(&hands, count);
    }
    let hands: Vec<Hand> = hands.into_iter().map(Hand::ranks_alone).collect();
    let steps: Vec<Vec<Step>> =
        left.iter().map(|left| (1..=left.count).map(|take| Step::new(left, take)).collect()).collect();
    let mut ways = Ways { boards: 1, of_suit: [[0; SUITS]; BOARD + 1] };
    ways.of_suit[0] = [1; SUITS];
    // Those that are flushes whatever comes, and those that one more card of the suit makes one.
    let (flushes, almost) = (at_least(|suit| enough[suit]), at_least(|suit| enough[suit] - 1));
    Ranks { steps: &steps, flushes, almost, hands: &hands }.from(
        0,
        BOARD,
        Hand::EMPTY.ranks_alone(),
        &ways,
        count,
    );
}

/// Some cards of one rank.
struct Step {
    cards: Hand,
    /// In how many ways they are taken.
    ways: u16,
    /// By suit: those ways without its card of this rank, and those with it.
    without: [u16; SUITS],
    with: [u16; SUITS],
}

impl Step {
    fn new(left: &Left, take: usize) -> Self {
        let there = |suit: usize| left.cards[suit].is_some();
        let others = |suit: usize| left.count - usize::from(there(suit));
        Self {
            cards: left
                .cards
                .iter()
                .flatten()
                .take(take)
                .fold(Hand::EMPTY.ranks_alone(), |cards, card| cards.with_rank(*card)),
            ways: choose(left.count, take),
            without: std::array::from_fn(|suit| choose(others(suit), take)),
            with: std::array::from_fn(|suit| if there(suit) { choose(others(suit), take - 1) } else { 0 }),
        }
    }
}

/// Boards of some ranks: how many in all, at most 4⁵, and how many with 0, 1, … 5 cards of each suit. So no number of boards
/// here overflows 16 bits, and arithmetic without that check is done for the four suits at once.
struct Ways {
    boards: u16,
    of_suit: [[u16; SUITS]; BOARD + 1],
}

impl Ways {
    fn and(&self, step: &Step) -> Self {
        let of_suit = std::array::from_fn(|cards| {
            std::array::from_fn(|suit| {
                let without = self.of_suit[cards][suit].wrapping_mul(step.without[suit]);
                let fewer = if cards == 0 { 0 } else { self.of_suit[cards - 1][suit] };
                without.wrapping_add(fewer.wrapping_mul(step.with[suit]))
            })
        });
        Self { boards: self.boards * step.ways, of_suit }
    }

    /// By suit, those whose number of cards of it `mask` leaves.
    fn under(&self, mask: &Mask) -> [u16; SUITS] {
        let mut sum = [0_u16; SUITS];
        for (of_suit, mask) in self.of_suit.iter().zip(mask) {
            for suit in 0..SUITS {
                sum[suit] = sum[suit].wrapping_add(of_suit[suit] & mask[suit]);
            }
        }
        sum
    }
}

/// All bits for numbers of cards of a suit that are wanted, none for the others: without a branch.
type Mask = [[u16; SUITS]; BOARD + 1];

fn at_least(enough: impl Fn(usize) -> usize) -> Mask {
    std::array::from_fn(|cards| std::array::from_fn(|suit| if cards >= enough(suit) { u16::MAX } else { 0 }))
}

/// Boards on which nobody has a flush.
struct Ranks<'a> {
    /// By rank: one, two, … cards of it.
    steps: &'a [Vec<Step>],
    flushes: Mask,
    almost: Mask,
    hands: &'a [Hand],
}

impl Ranks<'_> {
    /// The boards that `board` and `missing` cards of the ranks from `rank` on make.
    fn from(&self, rank: usize, missing: usize, board: Hand, ways: &Ways, count: &mut Count) {
        let (flushes, almost) = (ways.under(&self.flushes), ways.under(&self.almost));
        for (rank, steps) in self.steps.iter().enumerate().skip(rank) {
            for (step, take) in steps.iter().zip(1..=missing) {
                let board = board.and_ranks(step.cards);
                if take < missing {
                    self.from(rank + 1, missing - take, board, &ways.and(step), count);
                    continue;
                }
                let mut flushed = 0u16;
                for suit in 0..SUITS {
                    let without = flushes[suit].wrapping_mul(step.without[suit]);
                    let with = almost[suit].wrapping_mul(step.with[suit]);
                    flushed = flushed.wrapping_add(without).wrapping_add(with);
                }
                let boards = ways.boards * step.ways - flushed;
                if boards > 0 {
                    count
                        .boards_alike(boards.into(), self.hands, |hand| hand.and_ranks(board).rank().value());
                }
            }
        }
    }
}

/// Boards with enough cards of one suit.
struct Flushes {
    enough: usize,
    of_suit: Vec<Card>,
    /// No, one or two cards of the other suits.
    others: [Vec<Others>; 3],
}

/// Cards beside those of a suit.
#[derive(Clone, Copy)]
struct Others {
    cards: Hand,
    /// As many boards as they stand for.
    boards: u64,
    /// Their ranks, a bit each.
    ranks: u16,
    /// Two of one rank.
    pair: bool,
}

fn bit(card: Card) -> u16 {
    1 << card.rank()
}

impl Flushes {
    fn new(suit: usize, enough: usize, left: &[Left; RANKS]) -> Self {
        let of_suit = left.iter().filter_map(|left| left.cards[suit]).collect();
        // By rank: the cards of other suits.
        let by_rank: Vec<Vec<Card>> = left
            .iter()
            .map(|left| (0..SUITS).filter(|at| *at != suit).filter_map(|at| left.cards[at]).collect())
            .collect();
        let none = Others { cards: Hand::EMPTY, boards: 1, ranks: 0, pair: false };
        let mut others = [vec![none], Vec::new(), Vec::new()];
        for (rank, cards) in by_rank.iter().enumerate() {
            let Some((first, more)) = cards.split_first() else { continue };
            let n = cards.len() as u64;
            let one = Others { cards: Hand::EMPTY.with(*first), boards: n, ranks: bit(*first), pair: false };
            others[1].push(one);
            if let Some(second) = more.first() {
                let boards = n * (n - 1) / 2;
                others[2].push(Others { cards: one.cards.with(*second), boards, pair: true, ..one });
            }
            for higher in &by_rank[rank + 1..] {
                if let Some(second) = higher.first() {
                    let (boards, ranks) = (n * higher.len() as u64, one.ranks | bit(*second));
                    others[2].push(Others { cards: one.cards.with(*second), boards, ranks, pair: false });
                }
            }
        }
        Self { enough, of_suit, others }
    }

    fn count(&self, hands: &[Hand], count: &mut Count) {
        self.from(0, 0, Hand::EMPTY, 0, hands, count);
    }

    fn from(&self, next: usize, have: usize, board: Hand, ranks: u16, hands: &[Hand], count: &mut Count) {
        if have >= self.enough {
            let mut alike = |boards, others: Hand| {
                let board = board.and(others);
                count.boards_alike(boards, hands, |hand| hand.and(board).rank().value());
            };
            let mut unpaired = (0, Hand::EMPTY);
            for others in &self.others[BOARD - have] {
                if others.pair || others.ranks & ranks != 0 {
                    alike(others.boards, others.cards);
                } else {
                    unpaired = (unpaired.0 + others.boards, others.cards);
                }
            }
            if unpaired.0 > 0 {
                alike(unpaired.0, unpaired.1);
            }
        }
        if have == BOARD {
            return;
        }
        for (at, card) in self.of_suit.iter().enumerate().skip(next) {
            self.from(at + 1, have + 1, board.with(*card), ranks | bit(*card), hands, count);
        }
    }
}
