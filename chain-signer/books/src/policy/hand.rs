//! One hand: zero sum, solvency, rake, and which seat is charged how much of it.

use super::{Effect, Limits, Refusal, Table};
use purr_protocol::settlement::SeatDelta;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The win or loss of one seat in a range of hands, and the rake charged to it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lane {
    /// Net, after rake.
    pub delta: i64,
    pub rake: u64,
}

/// Which seat is charged how much of a hand's rake: the table's own rule, [`purr_engine::split_rake`].
///
/// # Errors
/// [`Refusal::RakeAbovePermits`] where all permits together are too small.
pub fn split_rake(seats: &[(i64, u64)], rake: u64) -> Result<Vec<u64>, Refusal> {
    purr_engine::split_rake(seats, rake).ok_or(Refusal::RakeAbovePermits(rake))
}

/// The hand's lanes by seat, checked against the table.
pub fn lanes(table: &Table, deltas: &[SeatDelta], rake: u64) -> Result<BTreeMap<u8, Lane>, Refusal> {
    if !deltas.windows(2).all(|pair| pair[0].seat < pair[1].seat) {
        return Err(Refusal::SeatOrder);
    }
    if deltas.len() < 2 {
        return Err(Refusal::TooFewSeats);
    }
    let mut held = Vec::with_capacity(deltas.len());
    let mut stacks = 0_u128;
    for delta in deltas {
        let seat = delta.seat.0;
        let owner = table.seats.get(&seat).ok_or(Refusal::SeatEmpty(seat))?;
        if owner.player != delta.player {
            return Err(Refusal::WrongPlayer(seat));
        }
        if delta.delta < 0 && delta.delta.unsigned_abs() > owner.stack {
            return Err(Refusal::Insolvent { seat, stack: owner.stack, loss: delta.delta.unsigned_abs() });
        }
        stacks += u128::from(owner.stack);
        held.push((delta.delta, owner.rake_left));
    }
    let sum = deltas.iter().map(|delta| i128::from(delta.delta)).sum::<i128>() + i128::from(rake);
    if sum != 0 {
        return Err(Refusal::NotZeroSum(sum));
    }
    let terms = table.terms;
    let cap = terms.rake_max(stacks);
    if u128::from(rake) > cap {
        return Err(Refusal::RakeAboveCap { rake, cap: u64::try_from(cap).unwrap_or(u64::MAX) });
    }
    let shares = split_rake(&held, rake)?;
    Ok(deltas
        .iter()
        .zip(shares)
        .map(|(delta, rake)| (delta.seat.0, Lane { delta: delta.delta, rake }))
        .collect())
}

pub(super) fn apply(
    table: &mut Table,
    deltas: &[SeatDelta],
    rake: u64,
    limits: &Limits,
) -> Result<Effect, Refusal> {
    let lanes = lanes(table, deltas, rake)?;
    let moved: u64 = lanes.values().filter(|lane| lane.delta < 0).map(|lane| lane.delta.unsigned_abs()).sum();
    if limits.hand_max != 0 && moved > limits.hand_max {
        return Err(Refusal::HandLimit { moved, limit: limits.hand_max });
    }
    for (seat, lane) in &lanes {
        let held = table.seats.get_mut(seat).ok_or(Refusal::SeatEmpty(*seat))?;
        held.stack = held.stack.checked_add_signed(lane.delta).ok_or(Refusal::Amount(held.stack))?;
        held.rake_left -= lane.rake;
    }
    Ok(Effect { moved, lanes })
}
