//! An opened hand for a reviewer: hole cards, actions, and each player's equity.

use purr_engine::{Card, Chips, PlayerId, SeatIndex, Street, equity};
use purr_fairplay_hands::{ActionKind, EndedHand, StreetPost, preflop_percentile};
use serde::Serialize;

/// One street as it was played.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ReplayStreet {
    pub street: Street,
    /// The board as it lay on this street.
    pub board: Vec<Card>,
    /// Equity of each player in the hand when the street began. Before the flop: the percentile among all starting
    /// hands.
    pub equities: Vec<SeatEquity>,
    pub actions: Vec<ReplayAction>,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SeatEquity {
    pub seat: SeatIndex,
    /// Share of the pot over all boards that can still come, 0 to 1.
    pub equity: f64,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ReplayAction {
    pub seat: SeatIndex,
    pub action: ActionKind,
    /// Chips in front of the seat on this street after the action.
    pub to: Chips,
    pub think_ms: Option<u32>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ReplaySeat {
    pub seat: SeatIndex,
    pub player: PlayerId,
    pub stack: Chips,
    pub cards: Option<[Card; 2]>,
    pub delta: i64,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Replay {
    pub table: String,
    pub hand: u64,
    pub ended_at_ms: u64,
    pub big_blind: Chips,
    pub button: SeatIndex,
    pub rake: Chips,
    pub seats: Vec<ReplaySeat>,
    pub posts: Vec<StreetPost>,
    pub streets: Vec<ReplayStreet>,
}

const STREETS: [(Street, usize); 4] =
    [(Street::Preflop, 0), (Street::Flop, 3), (Street::Turn, 4), (Street::River, 5)];

/// Replays a hand street by street.
pub fn replay(hand: &EndedHand) -> Replay {
    let mut live: Vec<SeatIndex> = hand.seats.iter().map(|seat| seat.seat).collect();
    let mut streets = Vec::new();
    for (street, cards) in STREETS {
        let actions: Vec<ReplayAction> = hand
            .actions
            .iter()
            .filter(|action| action.street == street)
            .map(|action| ReplayAction {
                seat: action.seat,
                action: action.action,
                to: action.to,
                think_ms: action.think_ms,
            })
            .collect();
        if hand.board.len() < cards {
            break;
        }
        let board = hand.board[..cards].to_vec();
        let equities = equities(hand, &live, &board);
        live.retain(|seat| !actions.iter().any(|a| a.seat == *seat && a.action == ActionKind::Fold));
        streets.push(ReplayStreet { street, board, equities, actions });
    }
    let seats = hand.seats.iter().map(|seat| ReplaySeat {
        seat: seat.seat,
        player: seat.player,
        stack: seat.stack,
        cards: seat.cards,
        delta: seat.delta,
    });
    Replay {
        table: hand.table.clone(),
        hand: hand.hand,
        ended_at_ms: hand.ended_at_ms,
        big_blind: hand.big_blind,
        button: hand.button,
        rake: hand.rake,
        seats: seats.collect(),
        posts: hand.posts.clone(),
        streets,
    }
}

/// Computes equities; empty if cards are unknown. After the flop every board is tried, at most 990 of them.
fn equities(hand: &EndedHand, live: &[SeatIndex], board: &[Card]) -> Vec<SeatEquity> {
    let known = hand.seats.iter().map(|seat| Some((seat.seat, seat.cards?)));
    let Some(known) = known.collect::<Option<Vec<(SeatIndex, [Card; 2])>>>() else { return Vec::new() };
    let (playing, folded): (Vec<_>, Vec<_>) = known.into_iter().partition(|(seat, _)| live.contains(seat));
    if board.is_empty() {
        let percentile = |(seat, cards): &(SeatIndex, [Card; 2])| SeatEquity {
            seat: *seat,
            equity: f64::from(preflop_percentile(*cards)),
        };
        return playing.iter().map(percentile).collect();
    }
    let own: Vec<[Card; 2]> = playing.iter().map(|(_, cards)| *cards).collect();
    let dead: Vec<Card> = folded.iter().flat_map(|(_, cards)| *cards).collect();
    let Ok(shares) = equity::exact(&own, board, &dead) else { return Vec::new() };
    let of = |((seat, _), equity): (&(SeatIndex, _), &equity::Equity)| SeatEquity {
        seat: *seat,
        equity: equity.fraction(),
    };
    playing.iter().zip(&shares).map(of).collect()
}
