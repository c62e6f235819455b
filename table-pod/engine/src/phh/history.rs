//! Histories in the notation.

use super::{Amount, Cards, Line, Phh, PhhAction, PhhError, Value, Variant};
use crate::{
    command::Action,
    config::{Ante, Betting},
    event::{Event, HandEnd, Post},
    history::{HandHistory, SeatStart},
    ids::{Chips, SeatIndex},
};
use std::borrow::Cow;

impl Phh {
    /// Converts a history; hole cards that it does not have are `????`.
    pub fn from_history(history: &HandHistory) -> Self {
        let seats = &history.seats;
        let (small, big) = (history.config.small_blind, history.config.big_blind);
        let posted = |seat: SeatIndex, what: Post| posted(&history.events, seat, what);
        let ante = |start: &SeatStart| {
            // The ante of the table, not the part that a short stack could pay: the notation caps it itself.
            let own = match history.config.ante {
                Ante::Each(ante) => ante,
                Ante::BigBlind(ante) if posted(start.seat, Post::Ante) > 0 => ante,
                Ante::BigBlind(_) | Ante::None => 0,
            };
            // A missed small blind is dead money, and antes are the notation's only dead money.
            Amount::whole(own + posted(start.seat, Post::Dead))
        };
        let blind = |start: &SeatStart| {
            if posted(start.seat, Post::Straddle) > 0 {
                Amount::whole(2 * big)
            } else if posted(start.seat, Post::BigBlind) > 0 {
                Amount::whole(big)
            } else if posted(start.seat, Post::Live) > 0 {
                // The blind does not belong to this position, so it does not change who acts first.
                Amount { digits: -Amount::whole(big).digits, decimals: 0 }
            } else if posted(start.seat, Post::SmallBlind) > 0 {
                Amount::whole(small)
            } else {
                Amount::ZERO
            }
        };
        let mut antes: Vec<Amount> = seats.iter().map(ante).collect();
        let mut blinds: Vec<Amount> = seats.iter().map(blind).collect();
        if seats.len() == 2 {
            // The notation names the small blind first, and heads-up that is the last player's.
            antes.reverse();
            blinds.reverse();
        }
        let end = history.events.iter().find_map(|event| match event {
            Event::HandEnded(end) => Some(end),
            _ => None,
        });
        let (variant, [small_bet, big_bet, min_bet]) = match history.config.betting {
            Betting::NoLimit => (Variant::NoLimit, [None, None, Some(big)]),
            Betting::FixedLimit { small_bet, big_bet, .. } => {
                (Variant::FixedLimit, [Some(small_bet), Some(big_bet), None])
            }
        };
        let seat_number = |start: &SeatStart| Value::from(u64::from(start.seat.0) + 1);
        let mut fields = vec![
            (Cow::Borrowed("hand"), Value::from(history.hand)),
            (Cow::Borrowed("seats"), Value::List(seats.iter().map(seat_number).collect())),
        ];
        if let Some(rake) = end.map(|end| end.rake).filter(|rake| *rake > 0) {
            fields.push((Cow::Borrowed("_rake"), Value::from(rake)));
        }
        Self {
            variant,
            ante_trimming_status: antes.windows(2).all(|two| two[0] == two[1]),
            antes,
            blinds_or_straddles: blinds,
            bring_in: None,
            small_bet: small_bet.map(Amount::whole),
            big_bet: big_bet.map(Amount::whole),
            min_bet: min_bet.map(Amount::whole),
            starting_stacks: seats.iter().map(|start| Amount::whole(start.stack).into()).collect(),
            actions: actions(history).into_iter().map(Line::from).collect(),
            players: Some(seats.iter().map(|start| start.player.to_string()).collect()),
            finishing_stacks: end
                .map(|end| seats.iter().map(|start| Amount::whole(finishing(end, start)).into()).collect()),
            winnings: None,
            fields,
        }
    }
}

impl HandHistory {
    /// The hand in the PHH notation.
    pub fn to_phh(&self) -> Result<String, PhhError> {
        Phh::from_history(self).to_text()
    }
}

fn posted(events: &[Event], seat: SeatIndex, what: Post) -> Chips {
    let of_seat = |event: &Event| match event {
        Event::Posted { seat: at, post, amount, .. } if *at == seat && *post == what => *amount,
        _ => 0,
    };
    events.iter().map(of_seat).sum()
}

fn finishing(end: &HandEnd, start: &SeatStart) -> Chips {
    end.results.iter().find(|result| result.seat == start.seat).map_or(start.stack, |result| result.stack)
}

fn actions(history: &HandHistory) -> Vec<PhhAction> {
    let number = |seat: SeatIndex| {
        let place = history.seats.iter().position(|start| start.seat == seat).unwrap_or(0);
        u8::try_from(place + 1).unwrap_or(u8::MAX)
    };
    let hole = |seat: SeatIndex| {
        let told = history.events.iter().find_map(|event| match event {
            Event::Shown { seat: at, cards } | Event::Dealt { seat: at, cards } if *at == seat => {
                Some(Cards::known(cards))
            }
            _ => None,
        });
        told.unwrap_or_else(|| Cards::new([None; 2]))
    };
    let mut lines: Vec<PhhAction> = history
        .seats
        .iter()
        .map(|start| PhhAction::Hole { player: number(start.seat), cards: hole(start.seat) })
        .collect();
    let folds = |event: &&Event| matches!(event, Event::Acted { action: Action::Fold, .. });
    // The format has no showing after everybody else has folded: the cards stand where they were dealt.
    let contested = history.events.iter().filter(folds).count() + 1 < history.seats.len();
    for event in &history.events {
        lines.extend(match event {
            Event::Acted { seat, action, total, .. } => Some(match action {
                Action::Fold => PhhAction::Fold { player: number(*seat) },
                Action::Check | Action::Call => PhhAction::CheckOrCall { player: number(*seat) },
                Action::RaiseTo(_) => {
                    PhhAction::RaiseTo { player: number(*seat), total: Amount::whole(*total) }
                }
            }),
            // A second board follows the first, as in the events.
            Event::StreetDealt { cards, .. } => Some(PhhAction::Board(Cards::known(cards))),
            Event::Shown { seat, cards } if contested => {
                Some(PhhAction::Show { player: number(*seat), cards: Cards::known(cards) })
            }
            Event::Mucked { seat } => Some(PhhAction::Muck { player: number(*seat) }),
            _ => None,
        });
    }
    lines
}
