//! Limits on streams of the lobby: signed-in players come first, and each address and account has a bounded share.

use purr_engine::PlayerId;
use purr_runtime::CancellationToken;
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// Bounds on streams of lobby changes at once, in one gateway.
#[derive(Clone, Copy, Debug)]
pub struct StreamBounds {
    pub all_max: u32,
    pub address_max: u32,
    /// Most streams of one signed-in player.
    pub account_max: u32,
}

impl Default for StreamBounds {
    fn default() -> Self {
        Self { all_max: 1_000, address_max: 20, account_max: 4 }
    }
}

/// Why a stream is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoPlace {
    #[error("your address has all streams of lobby changes that it may have")]
    Address,
    #[error("you have all streams of lobby changes that you may have")]
    Account,
    #[error("there are too many streams of lobby changes")]
    Full,
}

struct Entry {
    address: Arc<str>,
    account: Option<PlayerId>,
    end: CancellationToken,
}

#[derive(Default)]
struct Held {
    last: u64,
    /// By age.
    open: BTreeMap<u64, Entry>,
}

/// All open streams.
#[derive(Clone, Default)]
pub struct Places(Arc<Mutex<Held>>);

/// The place of one stream, freed when dropped.
pub struct Open {
    places: Places,
    number: u64,
    /// Cancelled when a signed-in player needs the place.
    pub end: CancellationToken,
}

impl Places {
    fn held(&self) -> MutexGuard<'_, Held> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn count(&self) -> usize {
        self.held().open.len()
    }

    /// Takes a place for one more stream. Callers who have not signed in get at most half of all places; if none is
    /// left, the oldest of their streams ends for a signed-in player.
    ///
    /// # Errors
    /// Names the bound.
    pub fn enter(
        &self,
        bounds: StreamBounds,
        address: &str,
        account: Option<PlayerId>,
    ) -> Result<Open, NoPlace> {
        let mut held = self.held();
        let count = |wanted: &dyn Fn(&Entry) -> bool| {
            u32::try_from(held.open.values().filter(|entry| wanted(entry)).count()).unwrap_or(u32::MAX)
        };
        if count(&|entry| &*entry.address == address) >= bounds.address_max {
            return Err(NoPlace::Address);
        }
        if account.is_some() && count(&|entry| entry.account == account) >= bounds.account_max {
            return Err(NoPlace::Account);
        }
        let (all, strangers) = (count(&|_| true), count(&|entry| entry.account.is_none()));
        let strangers_max = bounds.all_max.div_ceil(2);
        if account.is_none() && (strangers >= strangers_max || all >= bounds.all_max) {
            return Err(NoPlace::Full);
        }
        if all >= bounds.all_max {
            let oldest =
                held.open.iter().find(|(_, entry)| entry.account.is_none()).map(|(number, _)| *number);
            let stranger = oldest.and_then(|number| held.open.remove(&number)).ok_or(NoPlace::Full)?;
            stranger.end.cancel();
        }
        held.last += 1;
        let (number, end) = (held.last, CancellationToken::new());
        held.open.insert(number, Entry { address: address.into(), account, end: end.clone() });
        Ok(Open { places: self.clone(), number, end })
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.places.held().open.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUNDS: StreamBounds = StreamBounds { all_max: 6, address_max: 4, account_max: 2 };

    fn player(number: u8) -> Option<PlayerId> {
        Some(PlayerId([number; 20]))
    }

    #[test]
    fn no_address_and_no_account_has_more_than_its_share() {
        let places = Places::default();
        let bounds = StreamBounds { all_max: 100, ..BOUNDS };
        let enter = |address: &str, account| places.enter(bounds, address, account);
        let mut open: Vec<Open> = (0..4).map(|_| enter("a", None).ok().unwrap()).collect();
        assert_eq!(enter("a", player(1)).err(), Some(NoPlace::Address));
        open.extend((0..2).map(|_| enter("b", player(1)).ok().unwrap()));
        assert_eq!(enter("c", player(1)).err(), Some(NoPlace::Account));
        drop(open.remove(0));
        assert!(enter("a", player(2)).is_ok());
        drop(open);
        assert_eq!(places.count(), 0);
    }

    #[test]
    fn strangers_have_half_of_the_places_and_give_way_to_players() {
        let places = Places::default();
        let enter = |address: &str, account| places.enter(BOUNDS, address, account);
        let strangers: Vec<Open> = (0..3).map(|_| enter("a", None).ok().unwrap()).collect();
        assert_eq!(enter("b", None).err(), Some(NoPlace::Full));
        let mut players: Vec<Open> =
            (1..=5).map(|at| enter("p", player(at)).ok()).map_while(|open| open).collect();
        assert_eq!(players.len(), 4, "the address has no more");
        players.extend((5..=6).map(|at| enter("q", player(at)).ok().unwrap()));
        assert!(strangers.iter().all(|stranger| stranger.end.is_cancelled()));
        assert_eq!((places.count(), enter("q", player(7)).err()), (6, Some(NoPlace::Full)));
        drop(strangers);
        assert_eq!(places.count(), 6);
    }
}
