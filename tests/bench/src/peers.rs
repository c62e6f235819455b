//! Evaluators of several libraries behind one trait, each in its fastest form.

use purr_engine::{Card, eval};
use std::{hint::black_box, sync::LazyLock};

/// A library that ranks seven cards.
pub trait Evaluator {
    type Card: Copy;
    /// A card in the form in which it is added most quickly.
    type Added: Copy;
    /// Some of a hand's cards, in a form in which the library can reuse earlier work.
    type Partial: Copy;
    /// Seven cards in the form from which the library ranks them most quickly.
    type Prebuilt;

    /// 0 to 51, as [`Card::number`].
    fn card(number: u8) -> Self::Card;
    fn added(card: Self::Card) -> Self::Added;
    fn empty() -> Self::Partial;
    fn with(hand: Self::Partial, card: Self::Added) -> Self::Partial;
    fn rank_partial(hand: &Self::Partial) -> u32;
    fn rank_cards(cards: &[Self::Card; 7]) -> u32;
    fn prebuild(cards: &[Self::Card; 7]) -> Self::Prebuilt;
    fn rank_prebuilt(hand: &Self::Prebuilt) -> u32;
}

pub struct Purr;

impl Evaluator for Purr {
    type Card = Card;
    type Added = eval::Hand;
    type Partial = eval::Hand;
    type Prebuilt = eval::Hand;

    fn card(number: u8) -> Card {
        Card::all().nth(number.into()).expect("below 52")
    }

    fn empty() -> eval::Hand {
        eval::Hand::EMPTY
    }

    fn added(card: Card) -> eval::Hand {
        eval::Hand::EMPTY.with(card)
    }

    #[inline(always)]
    fn with(hand: eval::Hand, card: eval::Hand) -> eval::Hand {
        hand.and(card)
    }

    #[inline(always)]
    fn rank_partial(hand: &eval::Hand) -> u32 {
        hand.rank().value().into()
    }

    #[inline(always)]
    fn rank_cards(cards: &[Card; 7]) -> u32 {
        eval::evaluate(cards).value().into()
    }

    fn prebuild(cards: &[Card; 7]) -> eval::Hand {
        cards.iter().copied().collect()
    }

    #[inline(always)]
    fn rank_prebuilt(hand: &eval::Hand) -> u32 {
        hand.rank().value().into()
    }
}

pub struct AyaPoker;

impl Evaluator for AyaPoker {
    type Card = aya_poker::base::Card;
    type Added = Self::Card;
    type Partial = aya_poker::base::Hand;
    type Prebuilt = aya_poker::base::Hand;

    fn card(number: u8) -> Self::Card {
        aya_poker::base::CARDS[usize::from(number)]
    }

    fn added(card: Self::Card) -> Self::Added {
        card
    }

    fn empty() -> Self::Partial {
        aya_poker::base::Hand::new()
    }

    #[inline(always)]
    fn with(mut hand: Self::Partial, card: Self::Added) -> Self::Partial {
        hand.insert_unchecked(&card);
        hand
    }

    #[inline(always)]
    fn rank_partial(hand: &Self::Partial) -> u32 {
        aya_poker::poker_rank(hand).0.into()
    }

    #[inline(always)]
    fn rank_cards(cards: &[Self::Card; 7]) -> u32 {
        Self::rank_partial(&cards.iter().fold(Self::empty(), |hand, card| Self::with(hand, *card)))
    }

    fn prebuild(cards: &[Self::Card; 7]) -> Self::Prebuilt {
        cards.iter().collect()
    }

    #[inline(always)]
    fn rank_prebuilt(hand: &Self::Prebuilt) -> u32 {
        Self::rank_partial(hand)
    }
}

/// Cards so far, for libraries that have no form for some of a hand.
#[derive(Clone, Copy)]
pub struct Cards<C> {
    cards: [C; 7],
    len: usize,
}

impl<C: Copy> Cards<C> {
    #[inline(always)]
    fn with(mut self, card: C) -> Self {
        self.cards[self.len] = card;
        self.len += 1;
        self
    }
}

pub struct RsPoker;

impl RsPoker {
    /// Its ranks as numbers: the category above the strength within it.
    #[inline(always)]
    fn number(rank: rs_poker::core::Rank) -> u32 {
        use rs_poker::core::Rank::*;
        match rank {
            HighCard(within) => within,
            OnePair(within) => 1 << 28 | within,
            TwoPair(within) => 2 << 28 | within,
            ThreeOfAKind(within) => 3 << 28 | within,
            Straight(within) => 4 << 28 | within,
            Flush(within) => 5 << 28 | within,
            FullHouse(within) => 6 << 28 | within,
            FourOfAKind(within) => 7 << 28 | within,
            StraightFlush(within) => 8 << 28 | within,
        }
    }
}

impl Evaluator for RsPoker {
    type Card = rs_poker::core::Card;
    type Added = Self::Card;
    type Partial = Cards<Self::Card>;
    type Prebuilt = rs_poker::core::FlatHand;

    fn card(number: u8) -> Self::Card {
        rs_poker::core::Card { value: (number / 4).into(), suit: (number % 4).into() }
    }

    fn added(card: Self::Card) -> Self::Added {
        card
    }

    fn empty() -> Self::Partial {
        Cards { cards: [Self::card(0); 7], len: 0 }
    }

    #[inline(always)]
    fn with(hand: Self::Partial, card: Self::Added) -> Self::Partial {
        hand.with(card)
    }

    #[inline(always)]
    fn rank_partial(hand: &Self::Partial) -> u32 {
        Self::rank_cards(&hand.cards)
    }

    #[inline(always)]
    fn rank_cards(cards: &[Self::Card; 7]) -> u32 {
        use rs_poker::core::Rankable;
        Self::number(cards.as_slice().rank())
    }

    fn prebuild(cards: &[Self::Card; 7]) -> Self::Prebuilt {
        rs_poker::core::FlatHand::new_with_cards(cards.to_vec())
    }

    #[inline(always)]
    fn rank_prebuilt(hand: &Self::Prebuilt) -> u32 {
        use rs_poker::core::Rankable;
        Self::number(hand.rank())
    }
}

pub struct Freezeout;

impl Evaluator for Freezeout {
    type Card = freezeout_eval::Card;
    type Added = Self::Card;
    type Partial = Cards<Self::Card>;
    type Prebuilt = [Self::Card; 7];

    fn card(number: u8) -> Self::Card {
        let rank = freezeout_eval::Rank::ranks().nth((number / 4).into()).expect("13 ranks");
        let suit = freezeout_eval::Suit::suits().nth((number % 4).into()).expect("4 suits");
        freezeout_eval::Card::new(rank, suit)
    }

    fn added(card: Self::Card) -> Self::Added {
        card
    }

    fn empty() -> Self::Partial {
        Cards { cards: [Self::card(0); 7], len: 0 }
    }

    #[inline(always)]
    fn with(hand: Self::Partial, card: Self::Added) -> Self::Partial {
        hand.with(card)
    }

    #[inline(always)]
    fn rank_partial(hand: &Self::Partial) -> u32 {
        Self::rank_cards(&hand.cards)
    }

    /// The library's best rank is 1.
    #[inline(always)]
    fn rank_cards(cards: &[Self::Card; 7]) -> u32 {
        10_000 - u32::from(freezeout_eval::HandValue::eval(cards).value())
    }

    fn prebuild(cards: &[Self::Card; 7]) -> Self::Prebuilt {
        *cards
    }

    #[inline(always)]
    fn rank_prebuilt(hand: &Self::Prebuilt) -> u32 {
        Self::rank_cards(hand)
    }
}

pub struct Poker;

static POKER: LazyLock<poker::Evaluator> = LazyLock::new(poker::Evaluator::new);

impl Evaluator for Poker {
    type Card = poker::Card;
    type Added = Self::Card;
    type Partial = Cards<Self::Card>;
    type Prebuilt = [Self::Card; 7];

    fn card(number: u8) -> Self::Card {
        let name = Card::new(number).expect("below 52").to_string();
        name.parse().expect("a card's name")
    }

    fn added(card: Self::Card) -> Self::Added {
        card
    }

    fn empty() -> Self::Partial {
        Cards { cards: [Self::card(0); 7], len: 0 }
    }

    #[inline(always)]
    fn with(hand: Self::Partial, card: Self::Added) -> Self::Partial {
        hand.with(card)
    }

    #[inline(always)]
    fn rank_partial(hand: &Self::Partial) -> u32 {
        Self::rank_cards(&hand.cards)
    }

    /// The library returns no number, so its whole answer has to be computed.
    #[inline(always)]
    fn rank_cards(cards: &[Self::Card; 7]) -> u32 {
        let rank = POKER.evaluate_five(cards).expect("seven different cards");
        u32::from(black_box(rank) == poker::Eval::<poker::FiveCard>::BEST)
    }

    fn prebuild(cards: &[Self::Card; 7]) -> Self::Prebuilt {
        *cards
    }

    #[inline(always)]
    fn rank_prebuilt(hand: &Self::Prebuilt) -> u32 {
        Self::rank_cards(hand)
    }
}
