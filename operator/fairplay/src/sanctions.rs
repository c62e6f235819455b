//! Sanctions in force, as a function of the cases.
//!
//! A decision is in force from the second reviewer on, also while it is appealed, until the appeal ends it. Every sanction
//! keeps the members of its group apart. No sanction reaches the exit clock: the contract has no call that could, and
//! nothing here names one.

use crate::cases::{Action, Case, State};
use purr_engine::PlayerId;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// What the signer enforces.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Sanction {
    /// The deny list: no sign-in, no seat, no voucher.
    RefuseSeats,
    /// Vouchers are not signed.
    HoldVouchers,
}

/// The action that is in force.
pub fn in_force(state: State) -> Option<Action> {
    match state {
        State::Decided { action } | State::Appealed { action } | State::Closed { action } => {
            Some(action).filter(|action| action.is_sanction())
        }
        State::Open | State::Dissent => None,
    }
}

/// The wanted sanctions by player, with the case that each is based on; the oldest case of several.
pub fn wanted<'a>(cases: impl Iterator<Item = (i64, &'a Case)>) -> BTreeMap<(PlayerId, Sanction), i64> {
    let mut wanted = BTreeMap::new();
    for (id, case) in cases {
        let sanction = match in_force(case.state) {
            Some(Action::RefuseSeats) => Sanction::RefuseSeats,
            Some(Action::HoldVouchers) => Sanction::HoldVouchers,
            _ => continue,
        };
        for member in &case.members {
            let known = wanted.entry((*member, sanction)).or_insert(id);
            *known = id.min(*known);
        }
    }
    wanted
}

/// Pairs that are not seated at one table, the lower address first.
pub fn apart<'a>(cases: impl Iterator<Item = &'a Case>) -> BTreeSet<[PlayerId; 2]> {
    let mut pairs = BTreeSet::new();
    for case in cases.filter(|case| in_force(case.state).is_some()) {
        let members: Vec<PlayerId> = case.members.iter().copied().collect();
        for (at, a) in members.iter().enumerate() {
            pairs.extend(members[at + 1..].iter().map(|b| [*a, *b]));
        }
    }
    pairs
}
