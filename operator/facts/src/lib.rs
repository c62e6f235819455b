//! The facts of one hand about each player: counts that add up over hands, and nothing that does not.
//!
//! # Guarantees
//! [`facts`] is a function of the record: no clock, no I/O, no floating point. All figures are integers, numerator and
//! denominator apart, so that hands can be added and subtracted in any order with the same result to the bit. Amounts
//! are minor units of the table's token.
//!
//! # Definitions
//! Those of PokerTracker 4 as `README.md` beside this crate states them; each edge has a named test.
//!
//! # Caveats
//! A record does not say on which day its hand ended: the caller adds that. All-in equity needs the cards of everybody
//! who plays for a pot; where a record does not show them, the hand counts with its real result and in
//! [`Counters::all_in_unknown`].

mod all_in;
mod betting;
mod counters;
mod position;
mod postflop;
mod preflop;
pub mod rates;

pub use counters::{Counters, NAMES, SQUARES, WIDTH};
pub use position::Position;

use all_in::Adjusted;
use betting::Betting;
use postflop::Postflop;
use preflop::Preflop;
use purr_engine::{
    Event, PlayerId, SeatIndex,
    event::Street,
    history::HandHistory,
    ids::{Chips, SEATS_MAX, SeatSet},
    rake::split_rake,
};
use purr_protocol::record::HandRecord;

/// The version of the definitions: another number where a hand that was counted before would count otherwise, or where
/// there is a new counter. Who stores counters makes them anew then.
pub const VERSION: i32 = 2;

/// Why no facts can be derived from a record.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FactsError {
    #[error("fixed limit is not counted: no table of the fleet plays it")]
    FixedLimit,
    #[error("seat {0} is named and was not dealt in")]
    Seat(SeatIndex),
    #[error("{0} players are dealt in: must be 2 to {SEATS_MAX}")]
    Players(usize),
    #[error("the history does not say how the hand began")]
    NoStart,
    #[error("an amount is out of range")]
    Range,
}

/// The facts of one hand about one player.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlayerFacts {
    pub player: PlayerId,
    pub seat: SeatIndex,
    pub position: Position,
    /// Players dealt in.
    pub dealt_in: u8,
    pub small_blind: Chips,
    pub big_blind: Chips,
    pub counters: Counters,
}

/// One entry for everybody dealt in, in the order of the deal. Empty where the hand is void: every bet went back.
///
/// # Errors
/// Where the record is not of a hand that an engine of this game has played.
pub fn facts(record: &HandRecord) -> Result<Vec<PlayerFacts>, FactsError> {
    facts_of(&record.history, record.end.void)
}

/// As [`facts`], for a hand without a table's record.
///
/// # Errors
/// As [`facts`].
pub fn facts_of(history: &HandHistory, void: bool) -> Result<Vec<PlayerFacts>, FactsError> {
    if void {
        return Ok(Vec::new());
    }
    if !matches!(history.config.betting, purr_engine::Betting::NoLimit) {
        return Err(FactsError::FixedLimit);
    }
    let count = history.seats.len();
    if !(2..=SEATS_MAX).contains(&count) {
        return Err(FactsError::Players(count));
    }
    if !history.events.iter().any(|event| matches!(event, Event::HandStarted { .. })) {
        return Err(FactsError::NoStart);
    }
    let mut all = [Counters::default(); SEATS_MAX];
    let positions = position::positions(history);
    let mut betting = Betting::new(history)?;
    let mut preflop = Preflop::new(positions);
    let mut postflop = Postflop::default();
    let (mut won, mut flop, mut acted_preflop) = ([0; SEATS_MAX], SeatSet::default(), SeatSet::default());
    for event in &history.events {
        if let Event::Acted { seat, action, .. } = event {
            let turn = betting.turn(*seat)?;
            let counters = &mut all[seat.index()];
            if betting.street == Street::Preflop {
                acted_preflop.insert(*seat);
                preflop.act(turn, *action, counters);
            } else {
                postflop.act(turn, *action, counters);
            }
        }
        betting.apply(event)?;
        match event {
            Event::StreetDealt { board: 0, street, .. } => {
                if *street == Street::Flop {
                    flop = betting.live();
                }
                postflop.street(*street, preflop.last_raiser());
            }
            Event::PotWon { seat, amount, .. } => {
                let sum: &mut Chips = won.get_mut(seat.index()).ok_or(FactsError::Seat(*seat))?;
                *sum = sum.checked_add(*amount).ok_or(FactsError::Range)?;
            }
            _ => {}
        }
    }
    preflop.conclude(&mut all);
    let showdown = if betting.live().len() > 1 { betting.live() } else { SeatSet::default() };
    let results = results(&betting, &won)?;
    let adjusted = all_in::adjusted(&betting, &history.events, &results)?;
    let dealt_in = u8::try_from(count).map_err(|_| FactsError::Players(count))?;
    let config = &history.config;
    let facts = history.seats.iter().map(|start| {
        let (seat, at) = (start.seat, start.seat.index());
        let position = positions.of(seat);
        let mut counters = all[at];
        counters.hands = 1;
        let walk = position == Position::BigBlind && !acted_preflop.contains(seat);
        counters.walks = walk.into();
        let (saw, shown, any) = (flop.contains(seat), showdown.contains(seat), won[at] > 0);
        counters.saw_flop = saw.into();
        counters.showdowns = shown.into();
        counters.won_showdown = (shown && any).into();
        counters.won_saw_flop = (saw && any).into();
        let SeatResult { delta, rake } = results[at];
        counters.rake = rake;
        counters.set_won(delta, delta + rake, adjusted.of(seat).unwrap_or(delta));
        counters.all_in_hands = adjusted.of(seat).is_some().into();
        counters.all_in_unknown = matches!(adjusted, Adjusted::Unknown(seats) if seats.contains(seat)).into();
        PlayerFacts {
            player: start.player,
            seat,
            position,
            dealt_in,
            small_blind: config.small_blind,
            big_blind: config.big_blind,
            counters,
        }
    });
    Ok(facts.collect())
}

/// Chips won after rake, and the part of the rake that counts as this seat's.
#[derive(Clone, Copy, Default)]
struct SeatResult {
    delta: i128,
    rake: i128,
}

/// Splits the rake as the table splits it over permits: in proportion to what each seat won net. The permits themselves
/// are not in the record, so they do not limit any part.
fn results(betting: &Betting, won: &[Chips; SEATS_MAX]) -> Result<[SeatResult; SEATS_MAX], FactsError> {
    let seats: Vec<SeatIndex> = betting.dealt_in().iter().collect();
    let delta = |seat: &SeatIndex| {
        let delta = i128::from(won[seat.index()]) - i128::from(betting.paid(*seat));
        Ok((i64::try_from(delta).map_err(|_| FactsError::Range)?, Chips::MAX))
    };
    let deltas = seats.iter().map(delta).collect::<Result<Vec<_>, FactsError>>()?;
    let parts = split_rake(&deltas, betting.rake).ok_or(FactsError::Range)?;
    let mut results = [SeatResult::default(); SEATS_MAX];
    for ((seat, (delta, _)), part) in seats.iter().zip(deltas).zip(parts) {
        results[seat.index()] = SeatResult { delta: delta.into(), rake: part.into() };
    }
    Ok(results)
}
