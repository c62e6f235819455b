//! Finds the open stream that a posted message belongs to, and its gateway.
//!
//! A stream is open at one gateway, and a load balancer may route its posts to any. A stream's id begins with the name
//! of its gateway; a gateway that receives another's message forwards it through Redis Pub/Sub.

use crate::sessions::SessionStore;
use futures::StreamExt;
use purr_engine::PlayerId;
use purr_runtime::CancellationToken;
use purr_store::StoreError;
use serde::{Deserialize, Serialize};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::sync::mpsc::{self, error::TrySendError};
use tokio_tungstenite::tungstenite::Utf8Bytes;

/// Messages posted to a stream and not read yet.
const WAITING_MAX: usize = 32;
/// Hex digits of a gateway's name, and of the rest of an id.
const NAME_DIGITS: usize = 16;
const REST_DIGITS: usize = 32;
/// Wait before the closed channel of forwarded messages is opened again.
const LISTEN_AGAIN: Duration = Duration::from_secs(1);

/// Why a posted message is refused.
#[derive(Debug, thiserror::Error)]
pub enum NotTaken {
    #[error("there is no such stream of this player at this table, or not any more")]
    Gone,
    #[error("too many messages wait already")]
    Busy,
    #[error("the stream's gateway cannot be reached: {0}")]
    Unreachable(#[from] StoreError),
}

/// A message forwarded to the gateway of its stream. The sender's identity is the only thing verified so far.
#[derive(Debug, Serialize, Deserialize)]
struct Letter {
    stream: String,
    player: PlayerId,
    uid: String,
    text: String,
}

struct Open {
    player: PlayerId,
    uid: String,
    up: mpsc::Sender<Utf8Bytes>,
}

/// The open streams of this gateway, bounded by its places for sockets.
#[derive(Clone)]
pub struct Streams(Arc<Own>);

struct Own {
    /// This gateway's name; `None`: no random bytes were available.
    name: Option<String>,
    open: Mutex<HashMap<String, Open>>,
}

impl Default for Streams {
    fn default() -> Self {
        Self(Arc::new(Own { name: random::<{ NAME_DIGITS / 2 }>(), open: Mutex::default() }))
    }
}

fn random<const BYTES: usize>() -> Option<String> {
    let mut bytes = [0; BYTES];
    getrandom::fill(&mut bytes).ok()?;
    Some(hex::encode(bytes))
}

/// The entry of a stream, removed when dropped.
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
        self.0.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A stream of this player with an id that nobody guesses; `None`: no randomness.
    pub(super) fn open(&self, player: PlayerId, uid: String) -> Option<(Place, mpsc::Receiver<Utf8Bytes>)> {
        let id = self.0.name.clone()? + &random::<{ REST_DIGITS / 2 }>()?;
        let (up, waiting) = mpsc::channel(WAITING_MAX);
        self.held().insert(id.clone(), Open { player, uid, up });
        Some((Place { streams: self.clone(), id }, waiting))
    }

    /// Delivers a message to the stream of this id, if the stream belongs to this player at this table.
    ///
    /// # Errors
    /// Where there is none, or no room.
    pub(super) fn take(
        &self,
        id: &str,
        player: PlayerId,
        uid: &str,
        text: Utf8Bytes,
    ) -> Result<(), NotTaken> {
        let held = self.held();
        let open = held.get(id).filter(|open| open.player == player && open.uid == uid);
        open.ok_or(NotTaken::Gone)?.up.try_send(text).map_err(|error| match error {
            TrySendError::Full(_) => NotTaken::Busy,
            TrySendError::Closed(_) => NotTaken::Gone,
        })
    }

    /// As [`Streams::take`], for a stream of any gateway.
    ///
    /// # Errors
    /// As [`Streams::take`], and where the other gateway cannot be written to.
    pub async fn hand_on(
        &self,
        sessions: &dyn SessionStore,
        id: &str,
        player: PlayerId,
        uid: &str,
        text: Utf8Bytes,
    ) -> Result<(), NotTaken> {
        let is_id = id.len() == NAME_DIGITS + REST_DIGITS && id.bytes().all(|byte| byte.is_ascii_hexdigit());
        let gateway = id.get(..NAME_DIGITS).filter(|_| is_id).ok_or(NotTaken::Gone)?;
        if self.0.name.as_deref() == Some(gateway) {
            return self.take(id, player, uid, text);
        }
        let letter = Letter { stream: id.to_owned(), player, uid: uid.to_owned(), text: text.to_string() };
        let letter = serde_json::to_string(&letter).map_err(|_| NotTaken::Gone)?;
        if sessions.post(gateway, &letter).await? { Ok(()) } else { Err(NotTaken::Gone) }
    }

    /// Receives messages that other gateways forward, until stopped. A lost message is sent again when the player
    /// reconnects, because a command only counts once it is acknowledged.
    pub async fn listen(&self, sessions: Arc<dyn SessionStore>, stop: CancellationToken) {
        let Some(name) = &self.0.name else { return };
        let listening = async {
            loop {
                match sessions.letters(name).await {
                    Ok(mut letters) => {
                        while let Some(letter) = letters.next().await {
                            self.open_letter(&letter);
                        }
                    }
                    Err(error) => tracing::debug!(%error, "the channel of letters"),
                }
                tokio::time::sleep(LISTEN_AGAIN).await;
            }
        };
        tokio::select! {
            () = stop.cancelled() => {}
            () = listening => {}
        }
    }

    fn open_letter(&self, letter: &str) {
        let Ok(Letter { stream, player, uid, text }) = serde_json::from_str(letter) else {
            return tracing::warn!("another gateway's message cannot be decoded and is dropped");
        };
        if let Err(NotTaken::Busy) = self.take(&stream, player, &uid, text.into()) {
            // The sender's gateway has accepted the message already, so the player has to reconnect and send it again.
            self.held().remove(&stream);
        }
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
        assert!(matches!(take(&place.id, other, "a"), Err(NotTaken::Gone)));
        assert!(matches!(take(&place.id, own, "b"), Err(NotTaken::Gone)));
        assert!(matches!(take("0", own, "a"), Err(NotTaken::Gone)));
        assert!(waiting.try_recv().is_err());
        assert!(take(&place.id, own, "a").is_ok());
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
        assert!(matches!(streams.take(&id, own, "a", "{}".into()), Err(NotTaken::Busy)));
        drop(place);
        assert!(matches!(streams.take(&id, own, "a", "{}".into()), Err(NotTaken::Gone)));
    }

    #[test]
    fn ids_are_long_differ_and_name_their_gateway() {
        let (one, other) = (Streams::default(), Streams::default());
        let open = |streams: &Streams| streams.open(PlayerId([1; 20]), "a".into()).unwrap().0.id.clone();
        let (a, b, c) = (open(&one), open(&one), open(&other));
        assert_eq!(a.len(), NAME_DIGITS + REST_DIGITS);
        assert_eq!(a[..NAME_DIGITS], b[..NAME_DIGITS]);
        assert_ne!(a[NAME_DIGITS..], b[NAME_DIGITS..]);
        assert_ne!(a[..NAME_DIGITS], c[..NAME_DIGITS]);
    }
}
