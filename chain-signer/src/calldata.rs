//! The last check before the token signs: decodes the finished calldata and compares it with the journal and the
//! ledger, so that its builder need not be trusted.

use crate::chain::{
    Address,
    batch::{Item, ItemBody, Waiting, items},
    vault::{Call, decode_call},
};
use purr_books::policy::{Lane, Refusal, Terms};
use std::collections::BTreeMap;

/// The destination and chain of everything that may be signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Allowed {
    pub chain_id: u64,
    pub vault: Address,
}

/// The journal's and the ledger's view of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    pub terms: Terms,
    /// The last number that the chain has taken, at final depth.
    pub confirmed_seq: u64,
    /// Stacks by seat at that point, from the ledger. For a seat that an exit has emptied: what the seat would hold,
    /// because the contract still lets it lose that much.
    pub stacks: BTreeMap<u8, u64>,
    /// Accepted entries after it, in order.
    pub waiting: Vec<Waiting>,
}

fn refuse<T>(why: impl Into<String>) -> Result<T, Refusal> {
    Err(Refusal::Calldata(why.into()))
}

/// Checks a call of `settle`; returns the ranges that it carries.
///
/// # Errors
/// [`Refusal`] names the rule. Nothing is signed then.
pub fn check_settle(
    allowed: Allowed,
    chain_id: u64,
    destination: Address,
    calldata: &[u8],
    known: &BTreeMap<[u8; 32], Known>,
) -> Result<Vec<([u8; 32], u64, u64)>, Refusal> {
    check_target(allowed, chain_id, destination)?;
    let Call::Settle(called) = decode_call(calldata).map_err(|bad| Refusal::Calldata(bad.to_string()))?
    else {
        return refuse("is not settle");
    };
    if called.is_empty() {
        return refuse("settles nothing");
    }
    let mut ranges = BTreeMap::<[u8; 32], (u64, u64)>::new();
    let mut stacks: BTreeMap<[u8; 32], BTreeMap<u8, u64>> =
        known.iter().map(|(id, table)| (*id, table.stacks.clone())).collect();
    for item in &called {
        let (Some(table), Some(stacks)) = (known.get(&item.table), stacks.get_mut(&item.table)) else {
            return refuse("names an unknown table");
        };
        let next = ranges.get(&item.table).map_or(table.confirmed_seq, |(_, last)| *last) + 1;
        if item.first != next || item.last < item.first {
            return refuse(format!("skips from {next} to {}", item.first));
        }
        same_as_journal(table, item)?;
        settle_item(table.terms, stacks, item)?;
        ranges.entry(item.table).or_insert((item.first, item.last)).1 = item.last;
    }
    Ok(ranges.into_iter().map(|(id, (first, last))| (id, first, last)).collect())
}

/// Passes a call of `openTable` with exactly these terms.
pub fn check_open(
    allowed: Allowed,
    chain_id: u64,
    destination: Address,
    calldata: &[u8],
    (uid, terms): ([u8; 32], Terms),
) -> Result<(), Refusal> {
    check_target(allowed, chain_id, destination)?;
    match decode_call(calldata).map_err(|bad| Refusal::Calldata(bad.to_string()))? {
        Call::Open { uid: called, terms: with } if called == uid && with == terms => Ok(()),
        _ => refuse("opens another table"),
    }
}

fn check_target(allowed: Allowed, chain_id: u64, destination: Address) -> Result<(), Refusal> {
    if chain_id != allowed.chain_id {
        return refuse(format!("is for chain {chain_id}"));
    }
    if destination != allowed.vault {
        return refuse("goes to another contract");
    }
    Ok(())
}

/// Nets the journal's entries of the item's range again, and compares.
fn same_as_journal(table: &Known, item: &Item) -> Result<(), Refusal> {
    let range: Vec<Waiting> = table
        .waiting
        .iter()
        .filter(|one| (item.first..=item.last).contains(&one.entry.seq))
        .cloned()
        .collect();
    let again =
        items(item.table, &range, usize::MAX).map_err(|error| Refusal::Calldata(error.to_string()))?;
    if again.as_slice() == [item.clone()] { Ok(()) } else { refuse("is not what the journal has") }
}

fn settle_item(terms: Terms, stacks: &mut BTreeMap<u8, u64>, item: &Item) -> Result<(), Refusal> {
    match &item.body {
        ItemBody::Hands { lanes, .. } => settle_hands(terms, stacks, lanes, item.last - item.first + 1),
        ItemBody::Sit(seating) => {
            if seating.seat >= terms.seats {
                return Err(Refusal::NoSuchSeat(seating.seat));
            }
            if stacks.insert(seating.seat, seating.amount).is_some_and(|stack| stack > 0) {
                return Err(Refusal::SeatTaken(seating.seat));
            }
            Ok(())
        }
        ItemBody::TopUp(seating) => {
            let stack = stacks.get_mut(&seating.seat).ok_or(Refusal::SeatEmpty(seating.seat))?;
            *stack = stack.checked_add(seating.amount).ok_or(Refusal::Amount(seating.amount))?;
            Ok(())
        }
        ItemBody::Leave { seat, stack, .. } => {
            let have = stacks.remove(seat).unwrap_or(0);
            if have == *stack { Ok(()) } else { Err(Refusal::StackMismatch { have, given: *stack }) }
        }
    }
}

fn settle_hands(
    terms: Terms,
    stacks: &mut BTreeMap<u8, u64>,
    lanes: &BTreeMap<u8, Lane>,
    hands: u64,
) -> Result<(), Refusal> {
    let mut sum = 0_i128;
    let (mut rake, mut held) = (0_u128, 0_u128);
    for (seat, lane) in lanes {
        let stack = stacks.get_mut(seat).ok_or(Refusal::SeatEmpty(*seat))?;
        held += u128::from(*stack);
        sum += i128::from(lane.delta) + i128::from(lane.rake);
        rake += u128::from(lane.rake);
        *stack = stack.checked_add_signed(lane.delta).ok_or(Refusal::Insolvent {
            seat: *seat,
            stack: *stack,
            loss: lane.delta.unsigned_abs(),
        })?;
    }
    if sum != 0 {
        return Err(Refusal::NotZeroSum(sum));
    }
    let cap = terms.rake_max(held) * u128::from(hands);
    if rake > cap {
        let short = |value: u128| u64::try_from(value).unwrap_or(u64::MAX);
        return Err(Refusal::RakeAboveCap { rake: short(rake), cap: short(cap) });
    }
    Ok(())
}
