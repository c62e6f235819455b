//! All-in adjusted results: players who are all-in before the river get their exact equity of each pot.

use crate::{FactsError, SeatResult, betting::Betting};
use purr_engine::{
    Card, Event, SeatIndex, equity,
    ids::{Chips, SEATS_MAX, SeatSet},
    pots::{Contribution, Pot, pots},
};

/// The outcome of the adjustment.
pub(crate) enum Adjusted {
    /// Betting went on until the river: the result stays as it was.
    No,
    /// Betting ended earlier, but the cards of a player who can win a pot are not known.
    Unknown(SeatSet),
    By(Box<[Option<i128>; SEATS_MAX]>),
}

impl Adjusted {
    pub(crate) fn of(&self, seat: SeatIndex) -> Option<i128> {
        match self {
            Self::By(values) => *values.get(seat.index())?,
            _ => None,
        }
    }
}

/// Where at most one of those who show down has chips behind and cards were to come when the last chip went in: each pot
/// less its rake times equity, over every board that could come, uncalled bets out. Each part is rounded down to the minor
/// unit and the rest goes to the lowest seat in the pot, so that the sum over players is exact.
pub(crate) fn adjusted(
    betting: &Betting,
    events: &[Event],
    results: &[SeatResult; SEATS_MAX],
) -> Result<Adjusted, FactsError> {
    let (live, board) = (betting.live(), betting.board_at_last_chip);
    if live.len() < 2 || betting.able().len() > 1 || board.len() >= 5 {
        return Ok(Adjusted::No);
    }
    let contributions: Vec<Contribution> = betting
        .dealt_in()
        .iter()
        .map(|seat| Contribution { seat, amount: betting.total(seat), folded: !live.contains(seat) })
        .collect();
    let holes = shown(events);
    let known = live.iter().all(|seat| holes[seat.index()].is_some());
    if !known {
        return Ok(Adjusted::Unknown(live));
    }
    let mut won = [0; SEATS_MAX];
    for (Pot { eligible, .. }, amount) in pots(&contributions, betting.dead).iter().zip(pots_paid(events)) {
        let seats: Vec<SeatIndex> = eligible.iter().collect();
        for (seat, part) in seats.iter().zip(parts(&seats, live, &holes, &board, amount)?) {
            won[seat.index()] += i128::from(part);
        }
    }
    let paid_out: i128 = won.iter().sum();
    let value =
        |at: usize| won[at] - i128::from(betting.paid(SeatIndex(u8::try_from(at).unwrap_or(u8::MAX))));
    let mut values = [None; SEATS_MAX];
    for seat in live {
        values[seat.index()] = Some(value(seat.index()));
    }
    // Folded seats lost what they put in; the players at showdown share the rest.
    let real: i128 =
        live.iter().map(|seat| results[seat.index()].delta + i128::from(betting.paid(seat))).sum();
    if paid_out != real {
        return Err(FactsError::Range);
    }
    Ok(Adjusted::By(Box::new(values)))
}

/// Returns the payment of each pot, rake taken off, on one board or two; from the main pot on.
fn pots_paid(events: &[Event]) -> [Chips; SEATS_MAX] {
    let mut paid = [0; SEATS_MAX];
    for event in events {
        if let Event::PotWon { pot, amount, .. } = event
            && let Some(sum) = paid.get_mut(usize::from(*pot))
        {
            *sum += *amount;
        }
    }
    paid
}

/// By seat: the cards that were turned up.
fn shown(events: &[Event]) -> [Option<[Card; 2]>; SEATS_MAX] {
    let mut holes = [None; SEATS_MAX];
    for event in events {
        if let Event::Shown { seat, cards } = event
            && let Some(hole) = holes.get_mut(seat.index())
        {
            *hole = Some(*cards);
        }
    }
    holes
}

/// The parts of one pot, in the order of `seats`, which rise.
fn parts(
    seats: &[SeatIndex],
    live: SeatSet,
    holes: &[Option<[Card; 2]>; SEATS_MAX],
    board: &[Card],
    amount: Chips,
) -> Result<Vec<Chips>, FactsError> {
    if seats.len() == 1 {
        return Ok(vec![amount]);
    }
    let own: Vec<[Card; 2]> = seats.iter().filter_map(|seat| holes[seat.index()]).collect();
    let others = live.iter().filter(|seat| !seats.contains(seat));
    let dead: Vec<Card> = others.filter_map(|seat| holes[seat.index()]).flatten().collect();
    let equities = equity::exact(&own, board, &dead).map_err(|_| FactsError::Range)?;
    let part = |equity: &equity::Equity| {
        let of = u128::from(equity.boards) * u128::from(equity::BOARD_SHARES);
        // The share is at most the whole pot.
        Chips::try_from(u128::from(amount) * u128::from(equity.shares) / of).unwrap_or(amount)
    };
    let mut parts: Vec<Chips> = equities.iter().map(part).collect();
    let rest = amount - parts.iter().sum::<Chips>();
    if let Some(lowest) = parts.first_mut() {
        *lowest += rest;
    }
    Ok(parts)
}
