//! All boards of five cards in classes on which every hand has one rank.
//!
//! Where no hand makes a flush, ranks alone decide: one class for each of the 6175 multisets of five ranks, with as many
//! boards as the deck has suits for it, less those on which some hand has a flush. A flush needs three cards of its suit on
//! the board, so no two suits make one on the same board: for each suit, the sets of its cards that are enough for some
//! hand are gone through with the ranks of the other cards.

use super::Count;
use crate::{card::Card, eval::Hand};

const RANKS: usize = 13;
const BOARD: usize = 5;

/// The rest of one rank: how many cards, and of which suits.
#[derive(Clone, Copy, Default)]
struct Left {
    cards: [Option<Card>; 4],
    count: u8,
}

/// `n` over `k`, of at most four cards.
const CHOOSE: [[u64; 5]; 5] =
    [[1, 0, 0, 0, 0], [1, 1, 0, 0, 0], [1, 2, 1, 0, 0], [1, 3, 3, 1, 0], [1, 4, 6, 4, 1]];

fn choose(n: u8, k: u8) -> u64 {
    CHOOSE[usize::from(n)][usize::from(k)]
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
    let enough: [usize; 4] = std::array::from_fn(|suit| {
        let held = |hole: &[Card; 2]| hole.iter().filter(|card| usize::from(card.suit()) == suit).count();
        BOARD - holes.iter().map(held).max().unwrap_or(0)
    });
    for (suit, enough) in enough.into_iter().enumerate() {
        Flushes::new(suit, enough, &left).count(&hands, count);
    }
    let ways = Ways { boards: 1, of_suit: [[1, 0, 0, 0, 0, 0]; 4] };
    let hands: Vec<Hand> = hands.into_iter().map(Hand::ranks_alone).collect();
    Ranks { left: &left, enough, hands: &hands }.from(0, BOARD, Hand::EMPTY.ranks_alone(), ways, count);
}

/// Boards of some ranks: how many in all, and by suit how many with 0, 1, … 5 cards of it.
#[derive(Clone, Copy)]
struct Ways {
    boards: u64,
    of_suit: [[u64; BOARD + 1]; 4],
}

impl Ways {
    /// With `take` more cards, of a rank of its own.
    fn with(&self, left: &Left, take: u8) -> Self {
        let mut of_suit = [[0; BOARD + 1]; 4];
        for ((ways, before), card) in of_suit.iter_mut().zip(&self.of_suit).zip(&left.cards) {
            let others = left.count - u8::from(card.is_some());
            let (without, with) =
                (choose(others, take), if card.is_some() && take > 0 { choose(others, take - 1) } else { 0 });
            for cards in 0..=BOARD {
                ways[cards] = before[cards] * without;
                if cards > 0 {
                    ways[cards] += before[cards - 1] * with;
                }
            }
        }
        Self { boards: self.boards * choose(left.count, take), of_suit }
    }
}

/// Boards on which nobody has a flush.
struct Ranks<'a> {
    left: &'a [Left; RANKS],
    enough: [usize; 4],
    hands: &'a [Hand],
}

impl Ranks<'_> {
    fn from(&self, rank: usize, missing: usize, board: Hand, ways: Ways, count: &mut Count) {
        if missing == 0 {
            let flushes: u64 =
                ways.of_suit.iter().zip(self.enough).flat_map(|(ways, enough)| &ways[enough..]).sum();
            let boards = ways.boards - flushes;
            if boards > 0 {
                count.boards_alike(boards, self.hands, |hand| hand.and_ranks(board).rank().value());
            }
            return;
        }
        let Some(left) = self.left.get(rank) else { return };
        self.from(rank + 1, missing, board, ways, count);
        let (mut board, mut take) = (board, 0);
        for card in left.cards.iter().flatten().take(missing) {
            take += 1;
            board = board.with_rank(*card);
            self.from(rank + 1, missing - usize::from(take), board, ways.with(left, take), count);
        }
    }
}

/// Boards with enough cards of one suit.
struct Flushes {
    enough: usize,
    of_suit: Vec<Card>,
    /// One or two cards of the other suits, as many boards as they stand for.
    others: [Vec<(Hand, u64)>; 3],
}

impl Flushes {
    fn new(suit: usize, enough: usize, left: &[Left; RANKS]) -> Self {
        let of_suit = left.iter().filter_map(|left| left.cards[suit]).collect();
        // By rank: the cards of other suits.
        let by_rank: Vec<Vec<Card>> = left
            .iter()
            .map(|left| (0..4).filter(|at| *at != suit).filter_map(|at| left.cards[at]).collect())
            .collect();
        let mut others = [vec![(Hand::EMPTY, 1)], Vec::new(), Vec::new()];
        for (rank, cards) in by_rank.iter().enumerate() {
            let Some((first, more)) = cards.split_first() else { continue };
            let (one, n) = (Hand::EMPTY.with(*first), cards.len() as u64);
            others[1].push((one, n));
            if let Some(second) = more.first() {
                others[2].push((one.with(*second), n * (n - 1) / 2));
            }
            for higher in &by_rank[rank + 1..] {
                if let Some(second) = higher.first() {
                    others[2].push((one.with(*second), n * higher.len() as u64));
                }
            }
        }
        Self { enough, of_suit, others }
    }

    fn count(&self, hands: &[Hand], count: &mut Count) {
        self.from(0, 0, Hand::EMPTY, hands, count);
    }

    fn from(&self, next: usize, have: usize, board: Hand, hands: &[Hand], count: &mut Count) {
        if have >= self.enough {
            for (others, boards) in self.others.get(BOARD - have).into_iter().flatten() {
                let board = board.and(*others);
                count.boards_alike(*boards, hands, |hand| hand.and(board).rank().value());
            }
        }
        if have == BOARD {
            return;
        }
        for (at, card) in self.of_suit.iter().enumerate().skip(next) {
            self.from(at + 1, have + 1, board.with(*card), hands, count);
        }
    }
}
