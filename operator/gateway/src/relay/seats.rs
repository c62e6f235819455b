//! Seated players, as tables report them over their trunks.
//!
//! **Guarantees.** Memory is bounded by the tables that this gateway serves. **Caveats.** For a table without a trunk
//! the last report counts: a player seated then still counts as seated, but a player without a seat may have one by
//! now.

use purr_engine::PlayerId;
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::time::Instant;

/// Tables whose seats are kept; beyond it, tables without a pod are evicted.
const TABLES_MAX: usize = 20_000;
/// Most addresses of seated players in memory, and how long each is kept after its last use.
const ADDRESSES_MAX: usize = 20_000;
const ADDRESS_KEPT: Duration = Duration::from_secs(600);

#[derive(Default)]
struct Held {
    tables: HashMap<Arc<str>, Roster>,
    /// Tables at which each player has a seat.
    players: HashMap<PlayerId, u32>,
    /// Addresses from which players with a seat came, and when the last one was seen.
    addresses: HashMap<Arc<str>, Instant>,
}

struct Roster {
    players: Vec<PlayerId>,
    /// Whether the reporting trunk is still open.
    live: bool,
}

/// Seats of all tables of this gateway.
#[derive(Default)]
pub struct Seats(Mutex<Held>);

impl Seats {
    fn held(&self) -> MutexGuard<'_, Held> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Stores a table's report of its seated players. `is_there` tells whether a table has a pod.
    pub(super) fn told(&self, uid: &str, players: Vec<PlayerId>, is_there: impl Fn(&str) -> bool) {
        let mut held = self.held();
        if !held.tables.contains_key(uid) && held.tables.len() >= TABLES_MAX {
            let gone: Vec<Arc<str>> = held.tables.keys().filter(|uid| !is_there(uid)).cloned().collect();
            gone.iter().for_each(|uid| held.forget(uid));
            if held.tables.len() >= TABLES_MAX {
                return;
            }
        }
        held.forget(uid);
        for player in &players {
            *held.players.entry(*player).or_default() += 1;
        }
        held.tables.insert(uid.into(), Roster { players, live: true });
    }

    /// The trunk has ended: seats may now change without a report.
    pub(super) fn ended(&self, uid: &str) {
        if let Some(roster) = self.held().tables.get_mut(uid) {
            roster.live = false;
        }
    }

    /// Whether this player has a seat at this table; `None` if this gateway does not know.
    pub fn is_seated(&self, uid: &str, player: PlayerId) -> Option<bool> {
        let held = self.held();
        let roster = held.tables.get(uid)?;
        let seated = roster.players.contains(&player);
        (seated || roster.live).then_some(seated)
    }

    /// Whether any player in the table's last report satisfies `is`.
    pub fn any_at(&self, uid: &str, is: impl Fn(PlayerId) -> bool) -> bool {
        self.held().tables.get(uid).is_some_and(|roster| roster.players.iter().any(|player| is(*player)))
    }

    /// Whether this player has a seat at any table of this gateway.
    pub fn plays(&self, player: PlayerId) -> bool {
        self.held().players.contains_key(&player)
    }

    /// A player with a seat is, or was until now, at this address.
    pub(super) fn seen_at(&self, address: &Arc<str>) {
        let (now, mut held) = (Instant::now(), self.held());
        if held.addresses.len() >= ADDRESSES_MAX && !held.addresses.contains_key(address) {
            held.addresses.retain(|_, seen| now.duration_since(*seen) < ADDRESS_KEPT);
            if held.addresses.len() >= ADDRESSES_MAX {
                return;
            }
        }
        held.addresses.insert(address.clone(), now);
    }

    /// Whether a player with a seat was at this address lately.
    pub fn plays_from(&self, address: &str) -> bool {
        self.held().addresses.get(address).is_some_and(|seen| seen.elapsed() < ADDRESS_KEPT)
    }
}

impl Held {
    fn forget(&mut self, uid: &str) {
        for player in self.tables.remove(uid).into_iter().flat_map(|roster| roster.players) {
            if let Some(count) = self.players.get_mut(&player) {
                *count -= 1;
                if *count == 0 {
                    self.players.remove(&player);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: PlayerId = PlayerId([1; 20]);
    const TWO: PlayerId = PlayerId([2; 20]);

    #[test]
    fn a_seat_outlives_the_trunk_that_told_of_it_and_having_none_does_not() {
        let seats = Seats::default();
        assert_eq!((seats.is_seated("a", ONE), seats.plays(ONE)), (None, false));
        seats.told("a", vec![ONE], |_| true);
        assert_eq!((seats.is_seated("a", ONE), seats.is_seated("a", TWO)), (Some(true), Some(false)));
        assert_eq!((seats.is_seated("b", ONE), seats.plays(ONE), seats.plays(TWO)), (None, true, false));
        seats.ended("a");
        assert_eq!((seats.is_seated("a", ONE), seats.is_seated("a", TWO)), (Some(true), None));
        let at = |uid, player| seats.any_at(uid, |seated| seated == player);
        assert_eq!((at("a", ONE), at("a", TWO), at("b", ONE)), (true, false, false));
    }

    #[test]
    fn who_leaves_one_of_two_tables_still_plays() {
        let seats = Seats::default();
        seats.told("a", vec![ONE, TWO], |_| true);
        seats.told("b", vec![ONE], |_| true);
        seats.told("a", vec![TWO], |_| true);
        assert!(seats.plays(ONE) && seats.plays(TWO));
        seats.told("b", vec![], |_| true);
        assert!(!seats.plays(ONE) && seats.plays(TWO));
    }

    #[tokio::test(start_paused = true)]
    async fn an_address_of_a_player_is_known_for_a_while() {
        let seats = Seats::default();
        seats.seen_at(&"192.0.2.1".into());
        assert!(seats.plays_from("192.0.2.1") && !seats.plays_from("192.0.2.2"));
        tokio::time::advance(ADDRESS_KEPT).await;
        assert!(!seats.plays_from("192.0.2.1"));
    }
}
