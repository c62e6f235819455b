//! Limits that players set for themselves: when a change takes effect, and whether a seat may be reserved.
//!
//! # Guarantees
//! A limit is raised at the earliest [`COOL_OFF_S`] after it was asked for, and lowered at once. No seat and no chips are
//! reserved beyond a limit in force.
//!
//! # Caveats
//! A limit does not stand anybody up: whoever sits when it is reached plays on with what is there. A loss is what was brought to
//! tables within a day and not taken back; chips that were at tables before the day count nowhere.

use purr_engine::{Chips, config::AMOUNT_MAX};
use purr_protocol::limits::{ChangeLimits, OwnLimit, OwnLimits, Raise};
use serde::{Deserialize, Serialize};

/// Between the request of a raise and its effect, in seconds.
pub const COOL_OFF_S: u64 = 86_400;
/// The period over which a loss is counted, in seconds.
pub const DAY_S: u64 = 86_400;
/// A session ends after so many seconds without a seat.
pub const BREAK_S: u64 = 1_800;
/// The longest limit of a session, in seconds.
pub const SESSION_MAX_S: u64 = 86_400;

/// The reason why a value cannot be a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadLimit {
    #[error("{name}: {value} is more than {AMOUNT_MAX}, the largest amount that there is")]
    Amount { name: &'static str, value: u64 },
    #[error("sessionS: {0} is more than {SESSION_MAX_S}, a day")]
    Session(u64),
}

/// The player's own limit that forbids a seat.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OwnRefusal {
    #[error("your own limit: at most {limit} at one table, and this would make {would}, in minor units")]
    BuyIn { limit: Chips, would: u64 },
    #[error(
        "your own limit: a loss of at most {limit} within 24 hours, of which {left} is left, in minor units; this is {amount}"
    )]
    Loss { limit: Chips, left: Chips, amount: Chips },
    #[error(
        "your own limit: {limit_s} s for a session, and this one has lasted {lasted_s} s; a new one begins after \
         {BREAK_S} s without a seat"
    )]
    Session { limit_s: u64, lasted_s: u64 },
}

/// Since when a player has had seats without a break, in seconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Session {
    pub began_s: u64,
    /// When the player was last known to have a seat.
    pub seen_s: u64,
}

/// All that a decision about a player's own limits looks at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Own {
    pub limits: OwnLimits,
    pub session: Option<Session>,
    /// Whether the player has a seat at any table.
    pub is_seated: bool,
    /// See [`lost`].
    pub lost_day: Chips,
}

/// Chips that went to tables, or came back from them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moved {
    Brought(Chips),
    Taken(Chips),
}

/// Returns the chips brought and not taken back, in the order of the moves. Wins count as nothing: they may not be lost on top
/// of the limit.
pub fn lost(moves: impl IntoIterator<Item = Moved>) -> Chips {
    moves.into_iter().fold(0, |lost: Chips, moved| match moved {
        Moved::Brought(amount) => lost.saturating_add(amount),
        Moved::Taken(amount) => lost.saturating_sub(amount),
    })
}

/// A limit's value at a time.
pub fn in_force(limit: &OwnLimit, now_s: u64) -> Option<u64> {
    match limit.next {
        Some(raise) if raise.from_s <= now_s => raise.to,
        _ => limit.now,
    }
}

/// Whether one limit allows more than another.
fn is_above(one: Option<u64>, other: Option<u64>) -> bool {
    match (one, other) {
        (_, None) => false,
        (None, Some(_)) => true,
        (Some(one), Some(other)) => one > other,
    }
}

/// Returns the limit after a request. A raise waits for the cooling-off; a smaller raise than the waiting one keeps its
/// time.
#[must_use]
pub fn change(limit: &OwnLimit, wanted: Option<u64>, now_s: u64) -> OwnLimit {
    let now = in_force(limit, now_s);
    if !is_above(wanted, now) {
        return OwnLimit { now: wanted, next: None };
    }
    let from_s = match limit.next.filter(|waiting| waiting.from_s > now_s) {
        Some(waiting) if !is_above(wanted, waiting.to) => waiting.from_s,
        _ => now_s.saturating_add(COOL_OFF_S),
    };
    OwnLimit { now, next: Some(Raise { to: wanted, from_s }) }
}

/// All limits after a request.
///
/// # Errors
/// [`BadLimit`]; then nothing is changed.
pub fn change_all(limits: &OwnLimits, wanted: &ChangeLimits, now_s: u64) -> Result<OwnLimits, BadLimit> {
    for (name, value) in [("buyIn", wanted.buy_in), ("lossDay", wanted.loss_day)] {
        if let Some(Some(value)) = value
            && value > AMOUNT_MAX
        {
            return Err(BadLimit::Amount { name, value });
        }
    }
    if let Some(Some(session)) = wanted.session_s
        && session > SESSION_MAX_S
    {
        return Err(BadLimit::Session(session));
    }
    let after =
        |limit: &OwnLimit, wanted: Option<Option<u64>>| wanted.map_or(*limit, |to| change(limit, to, now_s));
    Ok(OwnLimits {
        buy_in: after(&limits.buy_in, wanted.buy_in),
        loss_day: after(&limits.loss_day, wanted.loss_day),
        session_s: after(&limits.session_s, wanted.session_s),
    })
}

/// The session that a seat taken now belongs to.
#[must_use]
pub fn session(own: &Own, now_s: u64) -> Session {
    let goes_on = |session: &Session| own.is_seated || now_s < session.seen_s.saturating_add(BREAK_S);
    let began_s = own.session.filter(goes_on).map_or(now_s, |session| session.began_s.min(now_s));
    Session { began_s, seen_s: now_s }
}

/// Whether the player's own limits allow `amount` on top of the `stack` at the table; gives the session that it belongs to.
///
/// # Errors
/// [`OwnRefusal`] names the limit.
pub fn may_seat(own: &Own, stack: Chips, amount: Chips, now_s: u64) -> Result<Session, OwnRefusal> {
    let OwnLimits { buy_in, loss_day, session_s } = &own.limits;
    let session = session(own, now_s);
    if let Some(limit_s) = in_force(session_s, now_s) {
        let lasted_s = now_s.saturating_sub(session.began_s);
        if lasted_s >= limit_s {
            return Err(OwnRefusal::Session { limit_s, lasted_s });
        }
    }
    let would = stack.saturating_add(amount);
    if let Some(limit) = in_force(buy_in, now_s).filter(|limit| would > *limit) {
        return Err(OwnRefusal::BuyIn { limit, would });
    }
    if let Some(limit) = in_force(loss_day, now_s) {
        let left = limit.saturating_sub(own.lost_day);
        if amount > left {
            return Err(OwnRefusal::Loss { limit, left, amount });
        }
    }
    Ok(session)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn limit() -> impl Strategy<Value = Option<u64>> {
        prop_oneof![Just(None), (0..20_u64).prop_map(Some)]
    }

    /// Generates requests with the seconds since the one before; many are just before or just after the cooling-off
    /// ends.
    fn requests() -> impl Strategy<Value = Vec<(u64, Option<u64>)>> {
        let gap = prop_oneof![0..10_u64, COOL_OFF_S - 3..COOL_OFF_S + 3, Just(COOL_OFF_S / 2)];
        prop::collection::vec((gap, limit()), 1..12)
    }

    fn at_most(one: Option<u64>, other: Option<u64>) -> bool {
        !is_above(one, other)
    }

    proptest! {
        #[test]
        fn a_raise_waits_a_day_and_a_reduction_does_not_wait(requests in requests(), later in 0..3 * COOL_OFF_S) {
            let (mut held, mut now, mut made) = (OwnLimit::default(), 1_000_000, Vec::new());
            for (gap, wanted) in requests {
                now += gap;
                let before = in_force(&held, now);
                held = change(&held, wanted, now);
                made.push((now, wanted));
                let after = in_force(&held, now);
                prop_assert!(at_most(after, before), "a request raised the limit at once");
                prop_assert!(at_most(after, wanted), "a reduction waits");
                // Whatever is in force later was requested a day before, or is in force now.
                for at in [now + later, now + COOL_OFF_S - 1, now + COOL_OFF_S] {
                    let then = in_force(&held, at);
                    let asked = made.iter().any(|(when, to)| when + COOL_OFF_S <= at && at_most(then, *to));
                    prop_assert!(at_most(then, after) || asked, "{then:?} at {at} of {made:?}");
                }
                prop_assert_eq!(in_force(&held, now + COOL_OFF_S), wanted, "a request is carried out within a day");
            }
        }

        #[test]
        fn what_is_allowed_stays_within_every_limit(
            (buy_in, loss, session) in (limit(), limit(), limit()),
            (stack, amount, lost_day) in (0..20_u64, 1..20_u64, 0..20_u64),
            (began, seen, now) in (0..10_u64, 0..10_u64, 10..40_u64),
            is_seated in any::<bool>(),
        ) {
            let of = |now| OwnLimit { now, next: None };
            let limits = OwnLimits { buy_in: of(buy_in), loss_day: of(loss), session_s: of(session) };
            let own = Own { limits, session: Some(Session { began_s: began, seen_s: seen }), is_seated, lost_day };
            let fits = buy_in.is_none_or(|limit| stack + amount <= limit)
                && loss.is_none_or(|limit| lost_day + amount <= limit)
                && session.is_none_or(|limit| now - began < limit);
            let decided = may_seat(&own, stack, amount, now);
            prop_assert_eq!(decided.is_ok(), fits);
            if let Ok(session) = decided {
                prop_assert_eq!(session, Session { began_s: began, seen_s: now });
            }
        }

        #[test]
        fn no_more_than_the_limit_is_lost_in_a_day_whatever_is_won(
            limit in 0..50_u64,
            steps in prop::collection::vec((1..30_u64, 0..100_u64), 0..20),
        ) {
            // Each step brings an amount to a table and takes back what is left of all amounts at tables.
            let of = |now| OwnLimit { now, next: None };
            let limits = OwnLimits { loss_day: of(Some(limit)), ..OwnLimits::default() };
            let (mut moves, mut brought, mut taken) = (Vec::new(), 0, 0);
            for (amount, back) in steps {
                let own = Own { limits, lost_day: lost(moves.iter().copied()), ..Own::default() };
                if may_seat(&own, 0, amount, 5).is_ok() {
                    moves.extend([Moved::Brought(amount), Moved::Taken(back)]);
                    brought += amount;
                    taken += back;
                    prop_assert!(brought <= taken + limit);
                }
            }
        }
    }

    #[test]
    fn a_session_ends_after_a_break_and_not_by_being_refused() {
        let of = |now| OwnLimit { now, next: None };
        let limits = OwnLimits { session_s: of(Some(3_600)), ..OwnLimits::default() };
        let session = Some(Session { began_s: 10_000, seen_s: 13_000 });
        let own = Own { limits, session, ..Own::default() };
        assert_eq!(may_seat(&own, 0, 1, 13_599), Ok(Session { began_s: 10_000, seen_s: 13_599 }));
        assert_eq!(
            may_seat(&own, 0, 1, 13_600),
            Err(OwnRefusal::Session { limit_s: 3_600, lasted_s: 3_600 })
        );
        assert_eq!(may_seat(&own, 0, 1, 13_000 + BREAK_S), Ok(Session { began_s: 14_800, seen_s: 14_800 }));
        // Time that a player sits at a table is not a break.
        let own = Own { is_seated: true, ..own };
        assert!(may_seat(&own, 0, 1, 13_000 + BREAK_S).is_err());
    }

    #[test]
    fn limits_have_bounds() {
        let wanted = |buy_in, session_s| ChangeLimits { buy_in, loss_day: None, session_s };
        let limits = OwnLimits::default();
        let amount = change_all(&limits, &wanted(Some(Some(AMOUNT_MAX + 1)), None), 5);
        assert_eq!(amount, Err(BadLimit::Amount { name: "buyIn", value: AMOUNT_MAX + 1 }));
        assert_eq!(change_all(&limits, &wanted(None, Some(Some(86_401))), 5), Err(BadLimit::Session(86_401)));
        assert!(change_all(&limits, &wanted(Some(Some(AMOUNT_MAX)), Some(None)), 5).is_ok());
    }
}
