//! The floor's tables, made anew at most once in a while however many look at them.

use crate::{
    api::lobby::Listed,
    app::{App, Inner},
    metrics::Upstream,
};
use purr_engine::PlayerId;
use purr_protocol::floor::{Floor, StakesAsked, StakesPlayed, Unusual, unusual};
use schemars::JsonSchema;
use serde::Serialize;
use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
    time::Duration,
};
use tokio::{sync::Mutex, time::Instant};

/// Tables tell of themselves every five seconds: the floor is read more rarely than the lobby, by this factor.
const TIMES: u32 = 3;
/// Floors read in one command.
const CHUNK: usize = 1_000;
/// Players whose stakes are asked for at once.
const ASKED_MAX: usize = 500;
/// Players whose stakes are remembered.
const KNOWN_MAX: usize = 50_000;
/// How long a player's stakes of before are taken as they were.
const KNOWN_FOR: Duration = Duration::from_secs(3_600);

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
    fn new(listed: &Listed, floor: Option<Floor>, unusual: Vec<Unusual>) -> Self {
        let pace = floor.as_ref().filter(|floor| floor.window_s >= 60);
        let hands_per_hour = pace.map(|floor| {
            let hands = u64::from(floor.hands) * 3_600 / u64::from(floor.window_s);
            u32::try_from(hands).unwrap_or(u32::MAX)
        });
        // The settlement lag is told by the entries that wait; numbers that change with every hand are not the lobby's.
        Self { listed: listed.shown(), floor, hands_per_hour, unusual }
    }
}

type All = Arc<Vec<FloorTable>>;

#[derive(Default)]
struct Held {
    made: Option<(Instant, All)>,
    /// The highest big blind of before, by player; none: has played none.
    stakes: HashMap<PlayerId, (Instant, Option<u64>)>,
}

/// In the order of UIDs.
#[derive(Default)]
pub struct FloorBoard(Mutex<Held>);

impl FloorBoard {
    pub async fn current(&self, app: &App) -> All {
        // Few look at the floor: they may wait for one another.
        let mut held = self.0.lock().await;
        if let Some((since, all)) = &held.made
            && since.elapsed() < app.front.lobby_every * TIMES
        {
            return all.clone();
        }
        let listed = app.lobby.current(app).await;
        let mut floors: HashMap<String, Floor> = HashMap::with_capacity(listed.len());
        for chunk in listed.chunks(CHUNK) {
            let uids: Vec<String> = chunk.iter().map(|listed| listed.summary.uid.clone()).collect();
            match app.auth.sessions.floors(&uids).await {
                Ok(found) => {
                    floors.extend(found.into_iter().flatten().map(|floor| (floor.uid.clone(), floor)));
                }
                Err(error) => {
                    app.metrics.upstream_error(Upstream::Sessions);
                    tracing::warn!(%error, "floors");
                }
            }
        }
        if app.front.thresholds.stakes_factor > 0 {
            let seated =
                floors.values().flat_map(|floor| floor.seats.iter().map(|seat| seat.player)).collect();
            ask_stakes(app, &mut held.stakes, &seated).await;
        }
        let highest = |player: PlayerId| held.stakes.get(&player).and_then(|(_, blind)| *blind);
        let table = |listed: &Listed| {
            let floor = floors.get(&listed.summary.uid).cloned();
            let found = floor
                .as_ref()
                .map(|floor| unusual(floor, listed.summary.big_blind, highest, &app.front.thresholds))
                .unwrap_or_default();
            FloorTable::new(listed, floor, found)
        };
        let all: All = Arc::new(listed.iter().map(table).collect());
        held.made = Some((Instant::now(), all.clone()));
        all
    }
}

/// Asks records about players that are not known; those beyond one question come with the next look.
async fn ask_stakes(
    app: &Inner,
    known: &mut HashMap<PlayerId, (Instant, Option<u64>)>,
    seated: &BTreeSet<PlayerId>,
) {
    known.retain(|player, (since, _)| since.elapsed() < KNOWN_FOR && seated.contains(player));
    let players: Vec<PlayerId> = seated
        .iter()
        .filter(|player| !known.contains_key(*player))
        .take(ASKED_MAX.min(KNOWN_MAX.saturating_sub(known.len())))
        .copied()
        .collect();
    if players.is_empty() {
        return;
    }
    let asked = StakesAsked { players };
    match app.records.post::<_, StakesPlayed>("/v1/staff/stakes", &asked).await {
        Ok(StakesPlayed { highest }) => {
            let highest: HashMap<PlayerId, u64> = highest.into_iter().collect();
            let now = Instant::now();
            known.extend(asked.players.iter().map(|player| (*player, (now, highest.get(player).copied()))));
        }
        Err(_) => tracing::debug!("stakes of before are not known now"),
    }
}
