//! How strong cards are: percentiles among all hands, cheap enough for every decision of every hand.

use crate::random::Random;
use purr_engine::{
    Card,
    eval::{Category, Hand},
};
use std::sync::OnceLock;

/// Hands that a board's percentiles are measured against. The standard error is at most 0.036.
const SAMPLE: usize = 192;
const CLASSES: usize = 169;
/// Boards for each of the 169 starting hands: enough to order them for our purpose.
const PREFLOP_BOARDS: usize = 3_000;

/// The share of starting hands that are weaker, by equity against one random hand: 0 to 1.
pub fn preflop_percentile(cards: [Card; 2]) -> f32 {
    static TABLE: OnceLock<[f32; CLASSES]> = OnceLock::new();
    TABLE.get_or_init(preflop_table)[class(cards)]
}

fn class(cards: [Card; 2]) -> usize {
    let (high, low) = (cards[0].rank().max(cards[1].rank()), cards[0].rank().min(cards[1].rank()));
    let (high, low) = (usize::from(high), usize::from(low));
    if cards[0].suit() == cards[1].suit() { high * 13 + low } else { low * 13 + high }
}

fn preflop_table() -> [f32; CLASSES] {
    let mut random = Random::new(0x5eed_ca4d);
    let mut equity = [0.0f64; CLASSES];
    let mut combos = [0u32; CLASSES];
    let cards: Vec<Card> = Card::all().collect();
    for (place, first) in cards.iter().enumerate() {
        for second in &cards[place + 1..] {
            let class = class([*first, *second]);
            if combos[class] == 0 {
                equity[class] = against_random([*first, *second], &cards, &mut random);
            }
            combos[class] += 1;
        }
    }
    let mut order: Vec<usize> = (0..CLASSES).collect();
    order.sort_by(|a, b| equity[*a].total_cmp(&equity[*b]));
    let mut table = [0.0; CLASSES];
    let mut below = 0;
    for class in order {
        table[class] = (f64::from(below) + f64::from(combos[class]) / 2.0) as f32 / 1326.0;
        below += combos[class];
    }
    table
}

fn against_random(mine: [Card; 2], all: &[Card], random: &mut Random) -> f64 {
    let mut deck: Vec<Card> = all.iter().copied().filter(|card| !mine.contains(card)).collect();
    let mut shares = 0.0;
    for _ in 0..PREFLOP_BOARDS {
        for place in 0..7 {
            let other = place + random.below(deck.len() - place);
            deck.swap(place, other);
        }
        let board: Hand = deck[2..7].iter().copied().collect();
        let (me, them) = (board.with(mine[0]).with(mine[1]).rank(), board.with(deck[0]).with(deck[1]).rank());
        shares += if me > them { 1.0 } else { f64::from(u8::from(me == them)) / 2.0 };
    }
    shares / PREFLOP_BOARDS as f64
}

/// A board of three to five cards, against which hands are measured.
pub struct BoardStrength {
    board: Hand,
    sample: [u16; SAMPLE],
}

impl BoardStrength {
    /// The sample follows from the board alone, so that a replay measures the same.
    pub fn new(cards: &[Card]) -> Self {
        let board: Hand = cards.iter().copied().collect();
        let used = cards.iter().fold(0u64, |used, card| used | 1 << card.number());
        let mut random = Random::new(used);
        let mut sample = [0; SAMPLE];
        for rank in &mut sample {
            let first = other_card(used, &mut random);
            let second = other_card(used | 1 << first.number(), &mut random);
            *rank = board.with(first).with(second).rank().value();
        }
        Self { board, sample }
    }

    /// The rank of these hole cards on the board.
    pub fn rank(&self, cards: [Card; 2]) -> u16 {
        self.board.with(cards[0]).with(cards[1]).rank().value()
    }

    /// The share of other hands that this rank beats; ties count half.
    pub fn percentile(&self, rank: u16) -> f32 {
        let (mut below, mut level) = (0u16, 0u16);
        for other in &self.sample {
            below += u16::from(*other < rank);
            level += u16::from(*other == rank);
        }
        (f32::from(below) + f32::from(level) / 2.0) / SAMPLE as f32
    }
}

fn other_card(used: u64, random: &mut Random) -> Card {
    loop {
        let card = Card::new(random.below(52) as u8).unwrap_or(Card::LOWEST);
        if used & 1 << card.number() == 0 {
            return card;
        }
    }
}

/// How many of the unseen cards would make a straight or better of a hand that is less now; 0 on the river.
pub fn straight_or_better_outs(cards: [Card; 2], board: &[Card]) -> u8 {
    if board.len() >= 5 || board.len() < 3 {
        return 0;
    }
    let hand: Hand = board.iter().chain(&cards).copied().collect();
    if hand.rank().category() >= Category::Straight {
        return 0;
    }
    let used = board.iter().chain(&cards).fold(0u64, |used, card| used | 1 << card.number());
    let made = Card::all()
        .filter(|card| used & 1 << card.number() == 0)
        .filter(|card| hand.with(*card).rank().category() >= Category::Straight)
        .count();
    u8::try_from(made).unwrap_or(u8::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cards(text: &str) -> Vec<Card> {
        text.split(' ').map(|card| card.parse().unwrap()).collect()
    }

    #[test]
    fn aces_are_the_best_start_and_percentiles_have_mean_one_half() {
        let aces = preflop_percentile([cards("As")[0], cards("Ad")[0]]);
        assert!(aces > 0.99);
        assert!(preflop_percentile([cards("7s")[0], cards("2d")[0]]) < 0.1);
        let all: Vec<Card> = Card::all().collect();
        let (mut sum, mut count) = (0.0, 0.0);
        for (place, first) in all.iter().enumerate() {
            for second in &all[place + 1..] {
                sum += preflop_percentile([*first, *second]);
                count += 1.0;
            }
        }
        assert!((sum / count - 0.5f32).abs() < 1e-3);
    }

    #[test]
    fn the_nuts_beat_the_whole_sample_and_a_flush_draw_has_nine_outs_or_more() {
        let board = cards("Ts Js 2d");
        let strength = BoardStrength::new(&board);
        let set = [cards("Th")[0], cards("Td")[0]];
        assert!(strength.percentile(strength.rank(set)) > 0.95);
        assert_eq!(straight_or_better_outs([cards("9s")[0], cards("3s")[0]], &board), 9);
        // A set improves by the last ten and by the six cards that pair the board.
        assert_eq!(straight_or_better_outs(set, &board), 1 + 3 + 3);
    }
}
