//! Leaderboards, kept for some minutes because many ask for the same ones.

use purr_engine::PlayerId;
use purr_protocol::statistics::LeadersBy;
use std::{collections::BTreeMap, sync::Arc, time::Instant};
use tokio::sync::Mutex;

/// One place of a leaderboard.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    pub(crate) player: PlayerId,
    pub(crate) hands: i64,
    pub(crate) big_blinds: f64,
}

/// When a leaderboard was made, and its places.
pub(crate) type Board = (Instant, Arc<Vec<Place>>);

/// Leaderboards as they were made last, by days and order.
#[derive(Clone, Debug, Default)]
pub(crate) struct Boards(pub(crate) Arc<Mutex<BTreeMap<(i32, LeadersBy), Board>>>);
