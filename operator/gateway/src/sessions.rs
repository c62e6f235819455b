//! The store of sign-ins, shared by all gateways: refresh families, marks of used nonces, revocations and request
//! counts. It may be lost; then players sign in again.
//!
//! Nothing is evicted: above [`ROOM_PERCENT`] of its memory the store refuses new sign-ins, and existing ones go on.
//! Data that anybody can create without signing in (request counts) expires within seconds.

mod memory;
mod redis;

pub use self::{memory::MemorySessions, redis::RedisSessions};

use crate::{
    limits::{Rate, Verdict},
    seating::{
        key::FleetKey,
        step::{Outcome, Standing, Step},
    },
};
use async_trait::async_trait;
use futures::stream::BoxStream;
use purr_engine::PlayerId;
use purr_protocol::{floor::Floor, summary::Summary};
use purr_store::StoreError;

/// Seconds for which an access token is valid. Revocations are kept longer.
pub const ACCESS_S: u64 = 300;
/// Sign-ins of one player at once; a new one ends the oldest.
pub const SIGN_INS_MAX: usize = 100;

/// Per cent of the store's memory above which no new sign-in is stored. The rest is for data of existing sign-ins:
/// longer families, revocations, limits, and what tables and signer publish.
pub const ROOM_PERCENT: u64 = 75;
/// Revocations in one page of [`SessionStore::revoked_since`].
pub const REVOKED_PAGE: usize = 10_000;

/// A new sign-in, and its preconditions.
#[derive(Clone, Copy, Debug)]
pub struct Opening<'a> {
    pub player: &'a str,
    pub sid: &'a str,
    /// The family as JSON.
    pub family: &'a str,
    /// Seconds for which all that belongs to the sign-in is kept.
    pub ttl_s: u64,
    /// Marks of values that count once (a nonce, an ID token), with the seconds for which they are kept.
    pub once: &'a [(String, u64)],
    /// The key of an outside identity that is this player's, with the seconds for which the link is kept.
    pub link: Option<(&'a str, u64)>,
    pub now_ms: u64,
}

/// The outcome of an [`Opening`]. Nothing is stored unless it was opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Opened {
    /// Surplus sign-ins of the player, oldest first; they are no longer listed.
    Opened(Vec<String>),
    /// This mark was already set.
    Used(usize),
    /// The identity is linked to another player.
    LinkedElsewhere,
    /// The store has no room for one more sign-in.
    Full,
}

#[async_trait]
pub trait SessionStore: Send + Sync + 'static {
    /// Stores a new sign-in in one step: marks, link, family, and the player's list of sign-ins.
    async fn open(&self, opening: &Opening<'_>) -> Result<Opened, StoreError>;

    async fn get(&self, key: &str) -> Result<Option<String>, StoreError>;

    /// Reads and removes atomically: only one caller gets the value.
    async fn take(&self, key: &str) -> Result<Option<String>, StoreError>;

    /// Replaces or removes a sign-in's family if it still is `old`; returns whether it was. The player's list of
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

    /// Revocations from now on: a hint, which may miss some and ends with its connection.
    /// [`SessionStore::revoked_since`] is the record.
    async fn revocations(&self) -> Result<BoxStream<'static, String>, StoreError>;

    /// The sign-ins that were ended since a time, in milliseconds since 1970, newest first: page `page` of
    /// [`REVOKED_PAGE`] each.
    async fn revoked_since(&self, since_ms: u64, page: usize) -> Result<Vec<String>, StoreError>;

    /// Sends a message to another gateway through Pub/Sub; returns whether that gateway was subscribed.
    async fn post(&self, gateway: &str, letter: &str) -> Result<bool, StoreError>;

    /// Messages to this gateway from now on; the stream ends with the connection.
    async fn letters(&self, gateway: &str) -> Result<BoxStream<'static, String>, StoreError>;

    /// Counts one request against each of these keys (GCRA), by the store's own clock; if one of them refuses it,
    /// against none. Works while the store has no room.
    async fn arrive(&self, keys: &[(String, Rate)]) -> Result<Verdict, StoreError>;

    /// All sign-ins of a player that are listed.
    async fn sign_ins(&self, player: &str) -> Result<Vec<String>, StoreError>;

    /// Removes these sign-ins from their player's list.
    async fn forget(&self, player: &str, sids: &[String]) -> Result<(), StoreError>;

    /// The summaries of these tables, in their order; `None` where a table has not spoken lately.
    async fn summaries(&self, uids: &[String]) -> Result<Vec<Option<Summary>>, StoreError>;

    /// Applies one step of a player to a fleet's books of seats, atomically.
    async fn seat(&self, fleet: &FleetKey, player: PlayerId, step: &Step) -> Result<Outcome, StoreError>;

    /// A fleet's books with at most `first` players of its waiting list. `keep` extends the lifetime of the books.
    async fn seats(&self, fleet: &FleetKey, first: usize, keep: bool) -> Result<Standing, StoreError>;

    /// Records that these players on a fleet's waiting list are present.
    async fn seen(&self, fleet: &FleetKey, players: &[PlayerId]) -> Result<(), StoreError>;

    /// The last floor reports of these tables, in any order; tables without a report are left out or `None`.
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
