//! Equities against published ones, against a count by hand, and against each other.

#![allow(clippy::unwrap_used, reason = "tests")]

use purr_engine::{
    Card,
    equity::{BOARD_SHARES, Equity, EquityError, exact, monte_carlo},
    eval::evaluate,
};
use std::collections::BTreeMap;

fn cards<const N: usize>(text: &str) -> [Card; N] {
    let cards: Vec<Card> =
        text.split(' ').filter(|c| !c.is_empty()).map(|card| card.parse().unwrap()).collect();
    cards.try_into().unwrap()
}

fn hands<const N: usize>(texts: [&str; N]) -> [[Card; 2]; N] {
    texts.map(cards)
}

/// Computes the equities by evaluating every board, without classes.
fn one_by_one(hands: &[[Card; 2]], dead: &[Card]) -> Vec<Equity> {
    let taken: Vec<Card> = hands.iter().flatten().chain(dead).copied().collect();
    let deck: Vec<Card> = Card::all().filter(|card| !taken.contains(card)).collect();
    let mut equities = vec![Equity::default(); hands.len()];
    let mut board = [deck[0]; 5];
    fn next(deck: &[Card], at: usize, board: &mut [Card; 5], each: &mut impl FnMut(&[Card; 5])) {
        if at == 5 {
            return each(board);
        }
        for (place, card) in deck.iter().enumerate() {
            board[at] = *card;
            next(&deck[place + 1..], at + 1, board, each);
        }
    }
    next(&deck, 0, &mut board, &mut |board| {
        let rank = |hand: &[Card; 2]| {
            evaluate(&[hand[0], hand[1], board[0], board[1], board[2], board[3], board[4]]).value()
        };
        let ranks: Vec<u16> = hands.iter().map(rank).collect();
        let best = *ranks.iter().max().unwrap();
        let winners = ranks.iter().filter(|rank| **rank == best).count() as u64;
        for (equity, rank) in equities.iter_mut().zip(ranks) {
            equity.boards += 1;
            if rank == best {
                equity.wins += u64::from(winners == 1);
                equity.ties += u64::from(winners > 1);
                equity.shares += BOARD_SHARES / winners;
            }
        }
    });
    equities
}

#[test]
fn boards_in_classes_give_the_same_as_boards_one_by_one() {
    // Suited, of one suit, pairs, dominated, straight flushes that cross, several hands, dead cards.
    let spots: [(&[&str], &str); 9] = [
        (&["As Ks", "Qh Jh"], ""),
        (&["As Ks", "Qs Js"], ""),
        (&["2c 2d", "2h 2s"], ""),
        (&["Ac Kd", "Qh Js"], ""),
        (&["9s 8s", "7s 6s", "Th 5s"], ""),
        (&["Ac Ad", "Kc Kd", "Qc Qd", "Jc Jd"], ""),
        (&["Ah Kh", "As Ks"], "2h 3h 4h 5h 6h 7h 8h"),
        (&["3c 2d", "3d 2c"], "Ac Ad Ah As"),
        (&["Tc 9c", "Td 9d", "Th 9h", "Ts 9s", "Ac 2d"], "5c 5d"),
    ];
    for (texts, dead) in spots {
        let hands: Vec<[Card; 2]> = texts.iter().map(|text| cards(text)).collect();
        let dead: Vec<Card> =
            dead.split(' ').filter(|c| !c.is_empty()).map(|card| card.parse().unwrap()).collect();
        assert_eq!(exact(&hands, &[], &dead).unwrap(), one_by_one(&hands, &dead), "{texts:?}");
    }
}

/// All ways to hold two cards of these ranks, suited, of different suits, or a pair.
fn combinations(high: &str, low: &str, suited: bool) -> Vec<[Card; 2]> {
    let all = "cdhs".chars().flat_map(|a| "cdhs".chars().map(move |b| (a, b)));
    all.filter(|(a, b)| if high == low { a < b } else { (a == b) == suited })
        .map(|(a, b)| [format!("{high}{a}").parse().unwrap(), format!("{low}{b}").parse().unwrap()])
        .collect()
}

/// A canonical form of the hands: the least of the 24 ways to name the suits.
fn pattern(hands: &[[Card; 2]]) -> Vec<[u8; 2]> {
    let mut names = Vec::new();
    for name in 0..256u32 {
        let suit = |suit: u8| u8::try_from(name >> (2 * suit) & 3).unwrap();
        if (0..4).map(suit).fold(0, |seen, s| seen | 1 << s) == 0b1111 {
            let renamed = |card: Card| card.rank() * 4 + suit(card.suit());
            names.push(
                hands
                    .iter()
                    .map(|hand| {
                        let mut hand = hand.map(renamed);
                        hand.sort_unstable();
                        hand
                    })
                    .collect(),
            );
        }
    }
    names.into_iter().min().unwrap()
}

/// Equities of kinds of hands, summed over all their suits: each pattern of suits is evaluated once and multiplied.
fn kinds(kinds: &[Vec<[Card; 2]>; 3]) -> Vec<Equity> {
    let mut patterns = BTreeMap::new();
    for a in &kinds[0] {
        for b in &kinds[1] {
            for c in &kinds[2] {
                let hands = vec![*a, *b, *c];
                let mut distinct: Vec<Card> = hands.iter().flatten().copied().collect();
                distinct.sort_unstable();
                distinct.dedup();
                if distinct.len() == 6 {
                    patterns.entry(pattern(&hands)).or_insert((hands, 0)).1 += 1;
                }
            }
        }
    }
    let mut sums = vec![Equity::default(); 3];
    for (hands, times) in patterns.into_values() {
        for (sum, one) in sums.iter_mut().zip(exact(&hands, &[], &[]).unwrap()) {
            sum.wins += one.wins * times;
            sum.ties += one.ties * times;
            sum.shares += one.shares * times;
            sum.boards += one.boards * times;
        }
    }
    sums
}

fn percent(equity: &Equity) -> f64 {
    (equity.fraction() * 1e5).round() / 1e3
}

/// Source: PokerStove's result, kept in the repository sweeterthancandy/CandyPoker, `reg_script.sh`:
/// 592,165,728 games, AA 70.739 %, QQ 18.304 %, 93o 10.957 %.
#[test]
fn three_hands_before_the_flop_have_their_published_equities() {
    let equities =
        kinds(&[combinations("A", "A", false), combinations("Q", "Q", false), combinations("9", "3", false)]);
    assert_eq!(equities[0].boards, 592_165_728);
    assert_eq!(equities.iter().map(percent).collect::<Vec<_>>(), [70.739, 18.304, 10.957]);
}

/// Source: as above: 394,777,152 games, A2o 24.514 %, 88 36.900 %, QJs 38.586 %.
#[test]
fn three_hands_that_share_no_rank_have_their_published_equities() {
    let equities =
        kinds(&[combinations("A", "2", false), combinations("8", "8", false), combinations("Q", "J", true)]);
    assert_eq!(equities[0].boards, 394_777_152);
    assert_eq!(equities.iter().map(percent).collect::<Vec<_>>(), [24.514, 36.9, 38.586]);
}

/// Compared with a count by hand: of the 44 rivers, nine spades make the flush; their 2s and 3s pair the board and give
/// the three queens a full house.
#[test]
fn a_flush_draw_on_the_turn_has_its_outs() {
    let hands = hands(["As Ks", "Qc Qd"]);
    let board: [Card; 4] = cards("Qs 7s 2h 3d");
    let equities = exact(&hands, &board, &[]).unwrap();
    assert_eq!((equities[0].wins, equities[0].ties, equities[0].boards), (7, 0, 44));
    // Two spades that are dead are no outs.
    let equities = exact(&hands, &board, &cards::<2>("4s 5s")).unwrap();
    assert_eq!((equities[0].wins, equities[1].wins, equities[0].boards), (5, 37, 42));
}

#[test]
fn a_board_that_plays_is_shared_by_all_ten() {
    let hands =
        hands(["2c 3d", "2d 3c", "4c 5d", "4d 5c", "6c 7d", "6d 7c", "8c 9d", "8d 9c", "2h 3h", "4h 5h"]);
    let equities = exact(&hands, &cards::<5>("As Ks Qs Js Ts"), &[]).unwrap();
    assert!(equities.iter().all(|e| (e.wins, e.ties, e.shares, e.boards) == (0, 1, BOARD_SHARES / 10, 1)));
}

#[test]
fn the_shares_of_all_hands_are_the_boards() {
    let hands =
        hands(["Ac Kd", "As Kh", "7c 7d", "Jh Th", "2s 2h", "Qd 9d", "5c 4c", "8h 8s", "Td 9c", "6s 3d"]);
    for count in 2..=10 {
        for board in [&cards::<3>("Ts 8d 2c")[..], &cards::<4>("Ts 8d 2c Kc")] {
            let equities = exact(&hands[..count], board, &cards::<1>("3s")).unwrap();
            let boards = equities[0].boards;
            assert_eq!(equities.iter().map(|e| e.shares).sum::<u64>(), boards * BOARD_SHARES);
        }
    }
}

/// Compares the enumeration with loops over the whole deck that rank seven cards at a time.
#[test]
fn enumeration_agrees_with_ranking_every_board_by_itself() {
    let hands = hands(["Ac Kd", "7c 7d", "Jh Th"]);
    let flop: [Card; 3] = cards("Kc 7h 9h");
    let left = |card: &Card| !hands.iter().flatten().chain(&flop).any(|other| other == card);
    let (mut wins, mut ties, mut boards) = ([0; 3], [0; 3], 0);
    for turn in Card::all().filter(left) {
        for river in Card::all().filter(left).filter(|river| *river > turn) {
            let ranks = hands.map(|[a, b]| evaluate(&[a, b, flop[0], flop[1], flop[2], turn, river]));
            let best = ranks.iter().max().unwrap();
            let winners = ranks.iter().filter(|rank| *rank == best).count();
            for (place, _) in ranks.iter().enumerate().filter(|(_, rank)| *rank == best) {
                if winners == 1 { wins[place] += 1 } else { ties[place] += 1 }
            }
            boards += 1;
        }
    }
    for (place, equity) in exact(&hands, &flop, &[]).unwrap().iter().enumerate() {
        assert_eq!((equity.wins, equity.ties, equity.boards), (wins[place], ties[place], boards));
    }
}

#[test]
fn a_sample_is_near_the_exact_equity_and_the_same_for_the_same_seed() {
    const BOARDS: u64 = 400_000;
    let hands = hands(["As Ah", "Kd Kc", "7s 6s"]);
    let exact = exact(&hands, &[], &[]).unwrap();
    let sample = monte_carlo(&hands, &[], &[], BOARDS, 7).unwrap();
    for (exact, sample) in exact.iter().zip(&sample) {
        // Five standard errors at the most.
        assert!((exact.fraction() - sample.fraction()).abs() < 2.5 / (BOARDS as f64).sqrt());
        assert_eq!(sample.boards, BOARDS);
    }
    assert_eq!(sample, monte_carlo(&hands, &[], &[], BOARDS, 7).unwrap());
    assert_ne!(sample, monte_carlo(&hands, &[], &[], BOARDS, 8).unwrap());
}

#[test]
fn a_sample_draws_cards_equally_often_and_none_that_is_dead() {
    let board: [Card; 4] = cards("2c 7d 9h Js");
    let hands = hands(["As Ah", "Kd Kc"]);
    let known: Vec<Card> = hands.iter().flatten().chain(&board).copied().collect();
    let mut rivers = Vec::new();
    for river in Card::all().filter(|card| !known.contains(card)) {
        // With all other cards dead, the one remaining river determines the winner.
        let dead: Vec<Card> = Card::all().filter(|card| !known.contains(card) && *card != river).collect();
        let one = monte_carlo(&hands, &board, &dead, 10, 1).unwrap();
        assert_eq!(
            one,
            exact(&hands, &board, &dead)
                .unwrap()
                .iter()
                .map(|e| Equity { wins: e.wins * 10, ties: e.ties * 10, shares: e.shares * 10, boards: 10 })
                .collect::<Vec<_>>()
        );
        rivers.push((river, one[1].wins > 0));
    }
    assert_eq!(rivers.iter().filter(|(_, kings)| *kings).count(), 2, "two kings are left");
    let sample = monte_carlo(&hands, &board, &[], 440_000, 3).unwrap();
    // 2 of 44 rivers: 20,000 expected, standard deviation 138; the bound is five deviations.
    assert!(sample[1].wins.abs_diff(20_000) < 690, "{sample:?}");
}

#[test]
fn what_cannot_be_counted_is_refused_by_name() {
    let two = hands(["As Ah", "Kd Kc"]);
    let none: [Card; 0] = [];
    assert_eq!(exact(&two[..1], &none, &[]), Err(EquityError::Hands(1)));
    assert_eq!(exact(&[two[0]; 11], &none, &[]), Err(EquityError::Hands(11)));
    assert_eq!(exact(&two, &cards::<6>("2c 3c 4c 5c 6c 7c"), &[]), Err(EquityError::Board(6)));
    assert_eq!(exact(&two, &cards::<1>("As"), &[]), Err(EquityError::Twice("As".parse().unwrap())));
    assert_eq!(exact(&two, &[], &cards::<1>("Kc")), Err(EquityError::Twice("Kc".parse().unwrap())));
    assert_eq!(monte_carlo(&two, &[], &[], 0, 1), Err(EquityError::Sample(0)));
    let dead: Vec<Card> =
        Card::all().filter(|c| !two.iter().flatten().any(|other| other == c)).take(44).collect();
    assert_eq!(exact(&two, &[], &dead), Err(EquityError::Deck { left: 4, missing: 5 }));
}
