//! Summaries of tables without a process: KWOK's pods have none, so this writes their summaries.

use super::api::Seen;
use anyhow::Context;
use purr_protocol::{Epoch, summary::Summary};
use purr_store::Link;
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tokio::time::MissedTickBehavior;

/// Interval between two summaries of a table. A real table writes one a second; the controller tolerates three seconds
/// without one.
const EVERY: Duration = Duration::from_secs(2);
/// Number of summaries in one round trip.
const BATCH: usize = 500;
/// Seconds between two hands of a table.
const HAND_S: u64 = 30;
/// Seconds between two players who come or go at a table.
const PLAYER_S: u64 = 120;
/// Lifetime of a summary, as a table sets it.
const KEPT_S: u64 = 60;

/// Writes until dropped. While `dealing`, each table starts a hand every 30 s and has a player come or go every two minutes.
pub(super) async fn speak(
    link: Link,
    seen: Arc<Seen>,
    namespaces: Vec<String>,
    dealing: Arc<AtomicBool>,
) -> anyhow::Result<()> {
    let mut tick = tokio::time::interval(EVERY);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut connection = link.connect().await.context("the sessions' Redis")?;
    let (mut beat, mut dealt_s) = (0, 0);
    loop {
        let of = tokio::select! {
            _ = tick.tick() => {
                beat += 1;
                if dealing.load(Ordering::Relaxed) {
                    dealt_s += EVERY.as_secs();
                }
                seen.serving(&namespaces)
            }
            // Like a table, which writes its first summary before it reports that it is ready.
            fresh = seen.fresh(&namespaces) => fresh,
        };
        for tables in of.chunks(BATCH) {
            let mut pipe = redis::pipe();
            for (uid, generation) in tables {
                let summary = summary(uid, *generation, beat, dealt_s);
                let json = serde_json::to_string(&summary)?;
                pipe.set_ex(format!("summary:{uid}"), json, KEPT_S).ignore();
            }
            let () = pipe.query_async(&mut connection).await?;
        }
    }
}

fn summary(uid: &str, generation: u64, beat: u64, dealt_s: u64) -> Summary {
    // Each table is at a different point of its hand.
    let offset = uid.bytes().fold(0_u64, |sum, byte| sum.wrapping_mul(31).wrapping_add(byte.into()));
    let (hand, moves) = ((dealt_s + offset % HAND_S) / HAND_S, (dealt_s + offset % PLAYER_S) / PLAYER_S);
    let players = if dealt_s == 0 { 0 } else { u8::try_from((moves + offset) % 6).unwrap_or_default() };
    let hands = if dealt_s == 0 { 0 } else { hand };
    Summary {
        uid: uid.to_owned(),
        epoch: Epoch::new(generation, 1).unwrap_or_default(),
        seats: 6,
        players,
        hand: hands,
        hand_running: hands > 0,
        sequence: hands,
        confirmed: hands,
        beat,
        ..Summary::default()
    }
}
