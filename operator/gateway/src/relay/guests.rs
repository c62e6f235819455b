//! Sockets of players without a seat: newcomers who have not attached yet, and spectators.
//!
//! Seated players are not counted here, so no number of spectators keeps a player out.

use purr_engine::PlayerId;
use purr_runtime::CancellationToken;
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// Most sockets of one address that have not attached yet; a new one replaces the oldest.
const ARRIVING_MAX: usize = 32;

/// Bounds on spectators at once, in one gateway.
#[derive(Clone, Copy, Debug)]
pub struct SpectatorBounds {
    /// Most spectators at one table.
    pub table_max: u32,
    /// Most spectators from one address.
    pub address_max: u32,
    /// Most spectators of one account.
    pub account_max: u32,
}

impl Default for SpectatorBounds {
    fn default() -> Self {
        Self { table_max: 256, address_max: 50, account_max: 8 }
    }
}

/// Why a spectator is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Crowded {
    #[error("this table has all spectators that it may have here")]
    Table,
    #[error("your address has all spectators that it may have")]
    Address,
    #[error("you look on at as many tables as you may")]
    Account,
    #[error("this gateway has all spectators that it may have")]
    Gateway,
}

struct Guest {
    address: Option<Arc<str>>,
    end: CancellationToken,
    /// The table that the spectator watches; `None` before the attach.
    watches: Option<(PlayerId, Arc<str>)>,
}

#[derive(Default)]
struct Held {
    last: u64,
    guests: BTreeMap<u64, Guest>,
    arriving: HashMap<Arc<str>, BTreeSet<u64>>,
    watching: BTreeSet<u64>,
    tables: HashMap<Arc<str>, u32>,
    addresses: HashMap<Arc<str>, u32>,
    accounts: HashMap<PlayerId, u32>,
}

pub(crate) struct Guests {
    held: Mutex<Held>,
    bounds: SpectatorBounds,
    /// Spectators altogether: the rest of the sockets is for players.
    all_max: usize,
}

/// The entry of one socket, removed when dropped.
pub(crate) struct Pass {
    guests: Arc<Guests>,
    number: u64,
}

fn less<K: std::hash::Hash + Eq>(counts: &mut HashMap<K, u32>, key: &K) {
    if let Some(count) = counts.get_mut(key) {
        *count -= 1;
        if *count == 0 {
            counts.remove(key);
        }
    }
}

impl Held {
    fn arrived(&mut self, number: u64, address: Option<&Arc<str>>) {
        let Some(address) = address else { return };
        if let Some(numbers) = self.arriving.get_mut(address) {
            numbers.remove(&number);
            if numbers.is_empty() {
                self.arriving.remove(address);
            }
        }
    }
}

impl Guests {
    pub fn new(bounds: SpectatorBounds, sockets_max: u32) -> Self {
        let all_max = usize::try_from(sockets_max).unwrap_or(usize::MAX);
        Self { held: Mutex::default(), bounds, all_max: (all_max / 4 * 3).max(1) }
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Registers a new socket. If its address has too many sockets that have not attached, `end` of the oldest of them
    /// is cancelled.
    pub fn arrive(self: &Arc<Self>, address: Option<Arc<str>>, end: CancellationToken) -> Pass {
        let mut held = self.held();
        held.last += 1;
        let number = held.last;
        if let Some(address) = &address {
            let numbers = held.arriving.entry(address.clone()).or_default();
            numbers.insert(number);
            let oldest = (numbers.len() > ARRIVING_MAX).then(|| numbers.pop_first()).flatten();
            if let Some(guest) = oldest.and_then(|oldest| held.guests.get(&oldest)) {
                guest.end.cancel();
            }
        }
        held.guests.insert(number, Guest { address, end, watches: None });
        Pass { guests: self.clone(), number }
    }

    /// Ends the socket of the newest spectator. Returns false if there is none.
    pub fn make_room(&self) -> bool {
        let mut held = self.held();
        let last = held.watching.pop_last();
        let guest = last.and_then(|number| held.guests.get(&number));
        guest.inspect(|guest| guest.end.cancel()).is_some()
    }
}

impl Pass {
    /// Registers a spectator: a player who has attached and has no seat.
    ///
    /// # Errors
    /// Where there are too many spectators already; the pass stays as it is.
    pub fn watch(&self, player: PlayerId, table: &str) -> Result<(), Crowded> {
        self.enter(player, table, true)
    }

    /// Keeps a player who gave a seat back as a spectator, regardless of the limits.
    pub fn stay(&self, player: PlayerId, table: &str) {
        let _ = self.enter(player, table, false);
    }

    fn enter(&self, player: PlayerId, table: &str, bounded: bool) -> Result<(), Crowded> {
        let Guests { bounds, all_max, .. } = &*self.guests;
        let mut guard = self.guests.held();
        let held = &mut *guard;
        let Some(guest) = held.guests.get_mut(&self.number).filter(|guest| guest.watches.is_none()) else {
            return Ok(());
        };
        let address = guest.address.clone();
        let has = |count: Option<&u32>| count.copied().unwrap_or_default();
        for (crowded, why) in [
            (has(held.accounts.get(&player)) >= bounds.account_max, Crowded::Account),
            (
                address.as_ref().is_some_and(|key| has(held.addresses.get(key)) >= bounds.address_max),
                Crowded::Address,
            ),
            (has(held.tables.get(table)) >= bounds.table_max, Crowded::Table),
            (held.watching.len() >= *all_max, Crowded::Gateway),
        ] {
            if crowded && bounded {
                return Err(why);
            }
        }
        let table: Arc<str> =
            held.tables.get_key_value(table).map_or_else(|| Arc::from(table), |(known, _)| known.clone());
        guest.watches = Some((player, table.clone()));
        held.watching.insert(self.number);
        *held.tables.entry(table).or_default() += 1;
        *held.accounts.entry(player).or_default() += 1;
        if let Some(address) = &address {
            *held.addresses.entry(address.clone()).or_default() += 1;
        }
        held.arrived(self.number, address.as_ref());
        Ok(())
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        let mut held = self.guests.held();
        let Some(Guest { address, watches, .. }) = held.guests.remove(&self.number) else { return };
        held.arrived(self.number, address.as_ref());
        held.watching.remove(&self.number);
        let Some((player, table)) = watches else { return };
        less(&mut held.tables, &table);
        less(&mut held.accounts, &player);
        if let Some(address) = address {
            less(&mut held.addresses, &address);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guests(table_max: u32, address_max: u32, account_max: u32, sockets_max: u32) -> Arc<Guests> {
        Arc::new(Guests::new(SpectatorBounds { table_max, address_max, account_max }, sockets_max))
    }

    fn arrive(guests: &Arc<Guests>, address: &str) -> (Pass, CancellationToken) {
        let end = CancellationToken::new();
        (guests.arrive(Some(address.into()), end.clone()), end)
    }

    fn player(number: u8) -> PlayerId {
        PlayerId([number; 20])
    }

    #[test]
    fn spectators_are_bounded_by_account_address_table_and_gateway() {
        let guests = guests(3, 2, 2, 8);
        let one = arrive(&guests, "a").0;
        let two = arrive(&guests, "b").0;
        let three = arrive(&guests, "c").0;
        assert_eq!((one.watch(player(1), "t"), two.watch(player(1), "u")), (Ok(()), Ok(())));
        assert_eq!(three.watch(player(1), "v"), Err(Crowded::Account));
        assert_eq!(three.watch(player(2), "t"), Ok(()));
        let (four, five) = (arrive(&guests, "a").0, arrive(&guests, "a").0);
        assert_eq!(four.watch(player(3), "t"), Ok(()));
        assert_eq!(five.watch(player(4), "x"), Err(Crowded::Address));
        let six = arrive(&guests, "d").0;
        assert_eq!(six.watch(player(4), "t"), Err(Crowded::Table));
        drop(one);
        assert_eq!((six.watch(player(4), "t"), five.watch(player(5), "x")), (Ok(()), Ok(())));
        let (seven, eight) = (arrive(&guests, "e").0, arrive(&guests, "f").0);
        assert_eq!(seven.watch(player(6), "y"), Ok(()));
        assert_eq!(eight.watch(player(7), "z"), Err(Crowded::Gateway));
        // A player who gave a seat back is not disconnected.
        eight.stay(player(7), "z");
        drop((two, three, four, five, six, seven, eight));
        let held = guests.held();
        assert!(held.guests.is_empty() && held.arriving.is_empty() && held.watching.is_empty());
        assert!(held.tables.is_empty() && held.addresses.is_empty() && held.accounts.is_empty());
    }

    #[test]
    fn of_too_many_newcomers_of_one_address_the_oldest_gives_way() {
        let guests = guests(9, 9, 9, 1_000);
        let mut all: Vec<_> = (0..ARRIVING_MAX).map(|_| arrive(&guests, "a")).collect();
        let other = arrive(&guests, "b");
        assert!(all.iter().all(|(_, end)| !end.is_cancelled()));
        // A player who has attached no longer counts as a newcomer.
        all[0].0.watch(player(1), "t").unwrap();
        all.push(arrive(&guests, "a"));
        assert!(all.iter().all(|(_, end)| !end.is_cancelled()));
        all.push(arrive(&guests, "a"));
        let cut: Vec<usize> = (0..all.len()).filter(|at| all[*at].1.is_cancelled()).collect();
        assert_eq!((cut, other.1.is_cancelled()), (vec![1], false));
    }

    #[test]
    fn room_is_made_by_the_spectator_who_came_last() {
        let guests = guests(9, 9, 9, 1_000);
        let (one, two, new) = (arrive(&guests, "a"), arrive(&guests, "b"), arrive(&guests, "c"));
        one.0.watch(player(1), "t").unwrap();
        two.0.watch(player(2), "t").unwrap();
        assert!(guests.make_room());
        assert_eq!((one.1.is_cancelled(), two.1.is_cancelled()), (false, true));
        assert!(guests.make_room() && !guests.make_room() && !new.1.is_cancelled());
    }
}
