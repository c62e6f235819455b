//! The views of each receiver: the engine's events and state turned into messages for one seat, or
//! for a spectator. Hole cards leave the table here and nowhere else.

use crate::{
    pb,
    spec::{ChatRule, TableSpec},
};
use purr_engine::{
    Action, Card, Event, LegalActions, Millis, Post, SeatIndex, ShowWish, Table,
    deal::{Opening, SealedDeck},
};

/// The receiver of a view.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Viewer {
    Seat(SeatIndex),
    Spectator,
}

/// Inputs of a view beside the event: the time, the deck for openings, and the legal actions.
pub struct Context<'a> {
    pub now: Millis,
    pub deal: Option<&'a SealedDeck>,
    pub table: &'a Table,
}

impl Context<'_> {
    /// These cards, each with what proves it.
    pub fn openings(&self, cards: &[Card]) -> Vec<pb::Opening> {
        cards.iter().map(|&card| opening(card, self.deal.and_then(|deal| deal.opening_of(card)))).collect()
    }
}

/// A card with what proves it; without a proof it stands alone.
pub(crate) fn opening(card: Card, opening: Option<Opening>) -> pb::Opening {
    let Some(opening) = opening else {
        return pb::Opening { card: card.to_string(), ..pb::Opening::default() };
    };
    pb::Opening {
        card: card.to_string(),
        leaf: opening.leaf.into(),
        salt: opening.salt.to_vec(),
        path: opening.path.concat(),
    }
}

fn at(seat: SeatIndex) -> u32 {
    seat.0.into()
}

fn action_kind(action: Action) -> pb::ActionKind {
    match action {
        Action::Fold => pb::ActionKind::Fold,
        Action::Check => pb::ActionKind::Check,
        Action::Call => pb::ActionKind::Call,
        Action::RaiseTo(_) => pb::ActionKind::RaiseTo,
    }
}

fn post_kind(post: Post) -> pb::PostKind {
    match post {
        Post::Ante => pb::PostKind::Ante,
        Post::SmallBlind => pb::PostKind::SmallBlind,
        Post::BigBlind => pb::PostKind::BigBlind,
        Post::Live => pb::PostKind::Live,
        Post::Dead => pb::PostKind::Dead,
        Post::Straddle => pb::PostKind::Straddle,
    }
}

const fn show_wish(wish: ShowWish) -> pb::ShowWish {
    match wish {
        ShowWish::Muck => pb::ShowWish::Muck,
        ShowWish::Ask => pb::ShowWish::Ask,
        ShowWish::Show => pb::ShowWish::Show,
    }
}

/// The wish that a message names.
pub const fn wish_of(wish: pb::ShowWish) -> ShowWish {
    match wish {
        pb::ShowWish::Unspecified | pb::ShowWish::Muck => ShowWish::Muck,
        pb::ShowWish::Ask => ShowWish::Ask,
        pb::ShowWish::Show => ShowWish::Show,
    }
}

fn options(legal: LegalActions) -> pb::Options {
    pb::Options {
        check: legal.check,
        call: legal.call,
        raise_min: legal.raise_to.map(|(min, _)| min),
        raise_max: legal.raise_to.map(|(_, max)| max),
    }
}

/// The event for this viewer; `None`: hidden.
pub fn event(event: &Event, viewer: Viewer, context: &Context<'_>) -> Option<pb::Event> {
    match own(event, context) {
        Some((seat, own)) if viewer == Viewer::Seat(seat) => Some(own),
        _ => public(event, context),
    }
}

/// The one seat that sees more of this event than everybody does, and the event as that seat sees it.
pub fn own(event: &Event, context: &Context<'_>) -> Option<(SeatIndex, pb::Event)> {
    use pb::event::Kind;
    let (seat, kind) = match event {
        Event::Dealt { seat, cards } => {
            (seat, Kind::Dealt(pb::Dealt { seat: at(*seat), cards: context.openings(cards) }))
        }
        Event::TurnStarted { seat, deadline } => {
            (seat, Kind::Turn(turn(*seat, *deadline, false, true, context)))
        }
        Event::TimeBankStarted { seat, deadline } => {
            (seat, Kind::Turn(turn(*seat, *deadline, true, true, context)))
        }
        _ => return None,
    };
    Some((*seat, pb::Event { kind: Some(kind) }))
}

/// The event for the public; `None`: hidden.
pub fn public(event: &Event, context: &Context<'_>) -> Option<pb::Event> {
    use pb::event::Kind;
    let kind = match event {
        Event::Seated { seat, player, stack } => {
            let waits_for_big_blind = waits_for_big_blind(context.table, *seat);
            let player = player.to_string();
            Kind::Seated(pb::Seated { seat: at(*seat), player, stack: *stack, waits_for_big_blind })
        }
        Event::ToppedUp { seat, amount, stack } => {
            Kind::ToppedUp(pb::ToppedUp { seat: at(*seat), amount: *amount, stack: *stack })
        }
        Event::SatOut { seat } => Kind::SatOut(pb::SatOut { seat: at(*seat) }),
        Event::SatIn { seat } => {
            let waits_for_big_blind = waits_for_big_blind(context.table, *seat);
            Kind::SatIn(pb::SatIn { seat: at(*seat), waits_for_big_blind })
        }
        Event::Disconnected { seat } => {
            Kind::Connection(pb::ConnectionChanged { seat: at(*seat), connected: false })
        }
        Event::Reconnected { seat } => {
            Kind::Connection(pb::ConnectionChanged { seat: at(*seat), connected: true })
        }
        Event::Left { seat, stack, .. } => Kind::Left(pb::Left { seat: at(*seat), stack: *stack }),
        Event::HandStarted { hand, button, dealt_in } => Kind::HandStarted(pb::HandStarted {
            hand: *hand,
            button: at(*button),
            dealt_in: dealt_in.iter().map(|seat| at(*seat)).collect(),
        }),
        Event::Posted { seat, post, amount, stack } => Kind::Posted(pb::Posted {
            seat: at(*seat),
            kind: post_kind(*post).into(),
            amount: *amount,
            stack: *stack,
        }),
        // Another seat's hole cards are hidden completely.
        Event::Dealt { .. } => return None,
        Event::Acted { seat, action, total, stack, timed_out, .. } => Kind::Acted(pb::Acted {
            seat: at(*seat),
            kind: action_kind(*action).into(),
            total: *total,
            stack: *stack,
            timed_out: *timed_out,
        }),
        Event::TurnStarted { seat, deadline } => Kind::Turn(turn(*seat, *deadline, false, false, context)),
        Event::TimeBankStarted { seat, deadline } => Kind::Turn(turn(*seat, *deadline, true, false, context)),
        Event::StreetDealt { board, cards, .. } => {
            Kind::Street(pb::StreetDealt { cards: context.openings(cards), board: (*board).into() })
        }
        Event::Uncalled { seat, amount, stack } => {
            Kind::Uncalled(pb::Uncalled { seat: at(*seat), amount: *amount, stack: *stack })
        }
        Event::Shown { seat, cards } => {
            Kind::Shown(pb::Shown { seat: at(*seat), cards: context.openings(cards) })
        }
        Event::Mucked { seat } => Kind::Mucked(pb::Mucked { seat: at(*seat) }),
        Event::Raked { amount } => Kind::Raked(pb::Raked { amount: *amount }),
        Event::PotWon { pot, board, seat, amount, stack } => Kind::PotWon(pb::PotWon {
            pot: (*pot).into(),
            seat: at(*seat),
            amount: *amount,
            stack: *stack,
            board: (*board).into(),
        }),
        Event::ShowAsked { seats, deadline } => Kind::ShowAsked(pb::ShowAsked {
            seats: seats.iter().map(|seat| at(*seat)).collect(),
            remaining_ms: deadline.saturating_sub(context.now),
        }),
        Event::RunItTwiceAsked { seats, deadline } => Kind::RunItTwiceAsked(pb::RunItTwiceAsked {
            seats: seats.iter().map(|seat| at(*seat)).collect(),
            remaining_ms: deadline.saturating_sub(context.now),
        }),
        Event::RunItTwiceAnswered { seat, agree } => {
            Kind::RunItTwiceAnswered(pb::RunItTwiceAnswered { seat: at(*seat), agree: *agree })
        }
        Event::RunItTwiceDecided { twice } => {
            Kind::RunItTwiceDecided(pb::RunItTwiceDecided { twice: *twice })
        }
        Event::StraddleWished { seat, on } => {
            Kind::StraddleWished(pb::StraddleWished { seat: at(*seat), on: *on })
        }
        Event::HandEnded(end) => Kind::HandEnded(pb::HandEnded {
            hand: end.hand,
            rake: end.rake,
            void: end.void,
            results: end
                .results
                .iter()
                .map(|r| pb::SeatResult { seat: at(r.seat), delta: r.delta, stack: r.stack })
                .collect(),
        }),
        Event::ClockPaused => Kind::ClockPaused(pb::ClockPaused {}),
        Event::ClockResumed => Kind::ClockResumed(pb::ClockResumed {}),
    };
    Some(pb::Event { kind: Some(kind) })
}

/// Whether the seat owes a blind and waits for the big blind instead of posting at once (WSOP Live 154).
fn waits_for_big_blind(table: &Table, seat: SeatIndex) -> bool {
    table.seat(seat).is_some_and(|chair| {
        (chair.owes_big || chair.owes_small) && !chair.posts && !chair.sitting_out && !chair.leaving
    })
}

/// Returns the question to a seat; `None` when it is not its turn.
pub fn question(table: &Table, seat: SeatIndex) -> Option<pb::Question> {
    let legal = table.legal_actions(seat)?;
    let hand = table.hand()?;
    Some(pb::Question {
        board_cards: u32::try_from(hand.board.len()).ok()?,
        to_match: hand.player(seat)?.street_bet + legal.call.unwrap_or(0),
    })
}

fn turn(
    seat: SeatIndex,
    deadline: Millis,
    time_bank: bool,
    own: bool,
    context: &Context<'_>,
) -> pb::TurnStarted {
    pb::TurnStarted {
        seat: at(seat),
        remaining_ms: deadline.saturating_sub(context.now),
        time_bank,
        options: own.then(|| context.table.legal_actions(seat)).flatten().map(options),
    }
}

/// The whole table for this viewer.
pub fn snapshot(
    uid: &str,
    spec: &TableSpec,
    table: &Table,
    root: Option<[u8; 32]>,
    viewer: Viewer,
) -> pb::Snapshot {
    let you = match viewer {
        Viewer::Seat(seat) => Some(seat),
        Viewer::Spectator => None,
    };
    let config = table.config();
    pb::Snapshot {
        table: uid.into(),
        name: spec.name.clone(),
        seats: (0u8..)
            .zip(table.seats())
            .filter_map(|(seat, chair)| {
                let chair = chair.as_ref()?;
                Some(pb::Seat {
                    seat: seat.into(),
                    player: chair.player.to_string(),
                    stack: chair.stack,
                    sitting_out: chair.sitting_out,
                    connected: chair.connected,
                    leaving: chair.leaving,
                    pending: chair.pending,
                    straddle: chair.straddle,
                    waits_for_big_blind: waits_for_big_blind(table, SeatIndex(seat)),
                    show_wish: match you {
                        Some(own) if own.0 == seat => show_wish(chair.show).into(),
                        _ => pb::ShowWish::Unspecified.into(),
                    },
                })
            })
            .collect(),
        seat_count: config.seats.into(),
        small_blind: config.small_blind,
        big_blind: config.big_blind,
        buy_in_min: config.buy_in_min,
        buy_in_max: config.buy_in_max,
        hand: table.hand().map(|hand| pb::Hand {
            hand: hand.number,
            button: at(hand.button),
            board: hand.board.iter().map(ToString::to_string).collect(),
            pot: table.pot(),
            bet: hand.bet,
            players: hand
                .players()
                .map(|(seat, player)| pb::InHand {
                    seat: at(seat),
                    street_bet: player.street_bet,
                    folded: player.folded,
                    cards: match you == Some(seat) || table.face_up().contains(seat) {
                        true => player.cards.iter().map(ToString::to_string).collect(),
                        false => Vec::new(),
                    },
                })
                .collect(),
            to_act: table.to_act().map(at),
            options: you.and_then(|seat| table.legal_actions(seat)).map(options),
            deal_root: root.map(|root| root.to_vec()).unwrap_or_default(),
            second_board: hand.second_board.iter().map(ToString::to_string).collect(),
            asked_twice: table.asked_twice().iter().map(at).collect(),
            asked_to_show: table.asked_to_show().iter().map(at).collect(),
            ..pb::Hand::default()
        }),
        you: you.map(at),
        last_hand: table.last_hand(),
        paused: table.hand().is_some() && table.next_deadline().is_none(),
        straddles: config.straddle,
        run_it_twice: config.run_it_twice,
        rabbit_hunt: spec.room.rabbit_hunt,
        chat: match spec.room.chat {
            ChatRule::Off => pb::ChatRule::Unspecified,
            ChatRule::Reactions => pb::ChatRule::Reactions,
            ChatRule::Text => pb::ChatRule::Text,
        }
        .into(),
        // `deal::prove` adds the known part of the deal.
        ..pb::Snapshot::default()
    }
}
