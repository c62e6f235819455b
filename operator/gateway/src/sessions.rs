//! What sign-ins need kept outside this process, so that any gateway can answer: refresh families, marks of used nonces,
//! revocations, counts of requests. It may be lost; then people sign in again.
//!
//! Nothing is evicted: from [`ROOM_PERCENT`] of its memory on the store refuses new sign-ins, and those that are open go
//! on. What anybody may cause without signing in (counts of requests) ends by itself within seconds.

mod memory;
mod redis;

pub use self::{memory::MemorySessions, redis::RedisSessions};

use crate::limits::{Rate, Verdict};
use async_trait::async_trait;
use futures::stream::BoxStream;
use purr_protocol::{floor::Floor, summary::Summary};
use purr_store::StoreError;

/// Sign-ins of one player at once; a new one ends the oldest.
pub const SIGN_INS_MAX: usize = 100;

/// Per cent of the store's memory from which on no new sign-in is stored. The rest is for what belongs to those who are
/// signed in: longer families, revocations, limits, and what tables and signer publish.
pub const ROOM_PERCENT: u64 = 75;
/// Revocations in one page of [`SessionStore::revoked_since`].
pub const REVOKED_PAGE: usize = 10_000;

/// A new sign-in, and what must hold for it.
#[derive(Clone, Copy, Debug)]
pub struct Opening<'a> {
    pub player: &'a str,
    pub sid: &'a str,
    /// The family as JSON.
    pub family: &'a str,
    /// Seconds for which all that belongs to the sign-in is kept.
    pub ttl_s: u64,
    /// Marks of what counts once (a nonce, an ID token), with the seconds for which they are kept.
    pub once: &'a [(String, u64)],
    /// The key of an outside identity that is this player's, with the seconds for which the link is kept.
    pub link: Option<(&'a str, u64)>,
    pub now_ms: u64,
}

/// What became of an [`Opening`]. Nothing is stored unless it was opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Opened {
    /// Sign-ins of the player that are too many now, oldest first; they are no longer listed.
    Opened(Vec<String>),
    /// This one of the marks was set before.
    Used(usize),
    /// The identity is another player's.
    LinkedElsewhere,
    /// The store has no room for one more sign-in.
    Full,
}

#[async_trait]
pub trait SessionStore: Send + Sync + 'static {
    /// Stores a new sign-in in one step: marks, link, family, and the player's list of sign-ins.
    async fn open(&self, opening: &Opening<'_>) -> Result<Opened, StoreError>;

    async fn get(&self, key: &str) -> Result<Option<String>, StoreError>;

    /// Reads and removes in one step: only one caller gets it.
    async fn take(&self, key: &str) -> Result<Option<String>, StoreError>;

    /// Replaces a sign-in's family where it is still `old`, or removes it; says whether it was. The player's list of
    /// sign-ins lives as long as the family. Works while the store has no room.
    async fn renew(
        &self,
        player: &str,
        sid: &str,
        old: &str,
        new: Option<(&str, u64)>,
        now_ms: u64,
    ) -> Result<bool, StoreError>;

    /// Ends a sign-in for every gateway. Kept for longer than any of its access tokens lives.
    async fn revoke(&self, sid: &str, now_ms: u64) -> Result<(), StoreError>;

    /// The sign-ins that are ended from now on, as they are: a hint, which may miss some and ends with
    /// its connection. [`SessionStore::revoked_since`] is the record.
    async fn revocations(&self) -> Result<BoxStream<'static, String>, StoreError>;

    /// The sign-ins that were ended since a time, in milliseconds since 1970, newest first: page `page` of
    /// [`REVOKED_PAGE`] each.
    async fn revoked_since(&self, since_ms: u64, page: usize) -> Result<Vec<String>, StoreError>;

    /// Hands a letter to another gateway, at once or not at all; says whether it was there to take it.
    async fn post(&self, gateway: &str, letter: &str) -> Result<bool, StoreError>;

    /// The letters to this gateway from now on; they end with the connection.
    async fn letters(&self, gateway: &str) -> Result<BoxStream<'static, String>, StoreError>;

    /// Counts one request against each of these keys (GCRA), by the store's own clock; against none where one of them
    /// refuses it. Works while the store has no room.
    async fn arrive(&self, keys: &[(String, Rate)]) -> Result<Verdict, StoreError>;

    /// All sign-ins of a player that are listed.
    async fn sign_ins(&self, player: &str) -> Result<Vec<String>, StoreError>;

    /// Takes these sign-ins off their player's list.
    async fn forget(&self, player: &str, sids: &[String]) -> Result<(), StoreError>;

    /// The summaries of these tables, in their order; `None` where a table has not spoken lately.
    async fn summaries(&self, uids: &[String]) -> Result<Vec<Option<Summary>>, StoreError>;

    /// What these tables told operators last; in any order, those that have told nothing left out or `None`.
    async fn floors(&self, uids: &[String]) -> Result<Vec<Option<Floor>>, StoreError>;
}

/// The key of a sign-in's family.
pub fn family_key(sid: &str) -> String {
    format!("family:{sid}")
}

/// The key of a player's list of sign-ins.
fn list_key(player: &str) -> String {
    format!("signins:{player}")
}
