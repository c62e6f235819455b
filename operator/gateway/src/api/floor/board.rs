//! The cached list of the floor's tables.

use crate::api::lobby::Listed;
use purr_engine::PlayerId;
use purr_protocol::floor::{Floor, Unusual};
use schemars::JsonSchema;
use serde::Serialize;
use std::{collections::HashMap, sync::Arc};
use tokio::{sync::Mutex, time::Instant};

/// A table as staff see it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FloorTable {
    #[serde(flatten)]
    pub listed: Listed,
    /// None where the table has not told lately.
    pub floor: Option<Floor>,
    /// Hands an hour over the floor's window; none before a minute of it.
    pub hands_per_hour: Option<u32>,
    /// Worth a look, and proof of nothing.
    pub unusual: Vec<Unusual>,
}

impl FloorTable {
    pub(super) fn new(listed: &Listed, floor: Option<Floor>, unusual: Vec<Unusual>) -> Self {
        let pace = floor.as_ref().filter(|floor| floor.window_s >= 60);
        let hands_per_hour = pace.map(|floor| {
            let hands = u64::from(floor.hands) * 3_600 / u64::from(floor.window_s);
            u32::try_from(hands).unwrap_or(u32::MAX)
        });
        // The settlement lag shows in the number of waiting entries; figures that change with every hand are left out
        // of the lobby.
        Self { listed: listed.shown(), floor, hands_per_hour, unusual }
    }
}

pub(super) type All = Arc<Vec<FloorTable>>;

#[derive(Default)]
pub(super) struct Held {
    pub(super) made: Option<(Instant, All)>,
    /// The highest big blind that each player has played before; none: the player has played none.
    pub(super) stakes: HashMap<PlayerId, (Instant, Option<u64>)>,
}

/// The tables and players of the floor, read from the records and kept for a while.
#[derive(Default)]
pub struct FloorBoard(pub(super) Mutex<Held>);
