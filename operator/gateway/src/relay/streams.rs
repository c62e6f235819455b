//! Which open stream a posted message belongs to.

use purr_engine::PlayerId;
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use tokio::sync::mpsc::{self, error::TrySendError};
use tokio_tungstenite::tungstenite::Utf8Bytes;

/// Messages posted to a stream and not looked at yet.
const WAITING_MAX: usize = 32;

/// Why a message was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotTaken {
    /// There is no such stream of this player at this table, or not any more.
    Gone,
    /// Too many wait already.
    Busy,
}

struct Open {
    player: PlayerId,
    uid: String,
    up: mpsc::Sender<Utf8Bytes>,
}

/// The streams of this gateway, as many at most as it has places for sockets.
#[derive(Clone, Default)]
pub struct Streams(Arc<Mutex<HashMap<String, Open>>>);

/// A stream's entry. Dropping it ends the entry.
pub(super) struct Place {
    streams: Streams,
    pub id: String,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.streams.held().remove(&self.id);
    }
}

impl Streams {
    fn held(&self) -> MutexGuard<'_, HashMap<String, Open>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A stream of this player with an id that nobody guesses; `None`: no randomness.
    pub(super) fn open(&self, player: PlayerId, uid: String) -> Option<(Place, mpsc::Receiver<Utf8Bytes>)> {
        let mut id = [0; 16];
        getrandom::fill(&mut id).ok()?;
        let (id, (up, waiting)) = (hex::encode(id), mpsc::channel(WAITING_MAX));
        self.held().insert(id.clone(), Open { player, uid, up });
        Some((Place { streams: self.clone(), id }, waiting))
    }

    /// Hands a message to the stream of this id, if it is this player's at this table.
    ///
    /// # Errors
    /// Where there is none, or no room.
    pub fn take(&self, id: &str, player: PlayerId, uid: &str, text: Utf8Bytes) -> Result<(), NotTaken> {
        let held = self.held();
        let open = held.get(id).filter(|open| open.player == player && open.uid == uid);
        open.ok_or(NotTaken::Gone)?.up.try_send(text).map_err(|error| match error {
            TrySendError::Full(_) => NotTaken::Busy,
            TrySendError::Closed(_) => NotTaken::Gone,
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may fail loudly")]
mod tests {
    use super::*;

    #[test]
    fn a_message_reaches_the_stream_of_its_own_player_at_its_own_table_only() {
        let streams = Streams::default();
        let (own, other) = (PlayerId([1; 20]), PlayerId([2; 20]));
        let (place, mut waiting) = streams.open(own, "a".into()).unwrap();
        let take = |id: &str, player, uid: &str| streams.take(id, player, uid, "{}".into());
        assert_eq!(take(&place.id, other, "a"), Err(NotTaken::Gone));
        assert_eq!(take(&place.id, own, "b"), Err(NotTaken::Gone));
        assert_eq!(take("0", own, "a"), Err(NotTaken::Gone));
        assert!(waiting.try_recv().is_err());
        assert_eq!(take(&place.id, own, "a"), Ok(()));
        assert_eq!(waiting.try_recv().unwrap().as_str(), "{}");
    }

    #[test]
    fn what_waits_is_bounded_and_a_stream_that_ended_takes_nothing() {
        let streams = Streams::default();
        let own = PlayerId([1; 20]);
        let (place, _waiting) = streams.open(own, "a".into()).unwrap();
        let id = place.id.clone();
        let mut taken = 0;
        while streams.take(&id, own, "a", "{}".into()).is_ok() {
            taken += 1;
        }
        assert_eq!(taken, WAITING_MAX);
        assert_eq!(streams.take(&id, own, "a", "{}".into()), Err(NotTaken::Busy));
        drop(place);
        assert_eq!(streams.take(&id, own, "a", "{}".into()), Err(NotTaken::Gone));
    }

    #[test]
    fn ids_are_long_and_differ() {
        let streams = Streams::default();
        let open = || streams.open(PlayerId([1; 20]), "a".into()).unwrap();
        let (a, b) = (open(), open());
        assert_ne!(a.0.id, b.0.id);
        assert_eq!(a.0.id.len(), 32);
    }
}
