//! Builds the floor's list of tables, at most once per interval, however many staff watch it.

use super::board::{All, FloorTable};
use crate::{
    api::lobby::{Listed, all_tables},
    app::{App, Inner},
    metrics::Upstream,
};
use purr_engine::PlayerId;
use purr_protocol::floor::{Floor, StakesAsked, StakesPlayed, unusual};
use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
    time::Duration,
};
use tokio::time::Instant;

/// Tables report to the floor every five seconds, so the floor is read less often than the lobby, by this factor.
const TIMES: u32 = 3;
/// Floors read in one command.
const CHUNK: usize = 1_000;
/// Players whose stakes are asked for at once.
const ASKED_MAX: usize = 500;
/// Players whose stakes are remembered.
const KNOWN_MAX: usize = 50_000;
/// How long a player's earlier stakes are cached.
const KNOWN_FOR: Duration = Duration::from_secs(3_600);

/// The floor's tables, somewhat older than the lobby's.
pub(super) async fn current(app: &App) -> All {
    // Few staff watch the floor, so they may wait for each other.
    let mut held = app.floor.0.lock().await;
    if let Some((since, all)) = &held.made
        && since.elapsed() < app.front.lobby_every * TIMES
    {
        return all.clone();
    }
    let listed = all_tables(app).await;
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
        let seated = floors.values().flat_map(|floor| floor.seats.iter().map(|seat| seat.player)).collect();
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

/// Asks records about unknown players; those beyond one request follow with the next read of the floor.
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
