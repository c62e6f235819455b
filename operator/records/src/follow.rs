//! Follows the signer's feed: seats and money become events, and settlements decide which records count.

use crate::{
    bulk, counting,
    database::{Database, DatabaseError},
    events::{self, Event, Kind},
    standing::{self, Hash, Verdict},
};
use purr_protocol::{
    TableUid,
    feed::{Feed, FeedItem, Happened, SettledHand},
};
use purr_runtime::{CancellationToken, ClientError, InternalClient};
use serde_json::json;
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

/// Interval between reads when there is nothing new.
const EVERY: Duration = Duration::from_millis(500);
/// After a failure.
const PAUSE: Duration = Duration::from_secs(5);
const WAIT: Duration = Duration::from_secs(10);

/// Follows the signer's journal until stopped.
pub(crate) async fn run(database: Database, signer: InternalClient, stop: CancellationToken) {
    let mut failing = false;
    loop {
        let pause = match once(&database, &signer).await {
            Ok(true) => Duration::ZERO,
            Ok(false) => EVERY,
            Err(error) => {
                // Logged once. Hands are counted meanwhile and stay marked as pending.
                if !failing {
                    tracing::warn!(%error, "the signer's feed cannot be read: nothing new of settled hands");
                }
                failing = true;
                PAUSE
            }
        };
        failing &= pause == PAUSE;
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = stop.cancelled() => return,
        }
    }
}

#[derive(Debug, thiserror::Error)]
enum FollowError {
    #[error(transparent)]
    Database(#[from] DatabaseError),
    #[error("the signer: {0}")]
    Signer(#[from] ClientError),
}

/// Reads one page; returns whether there is more.
async fn once(database: &Database, signer: &InternalClient) -> Result<bool, FollowError> {
    let after = database.followed().await?;
    let feed: Feed = signer.get(&format!("/v1/feed?after={after}"), WAIT).await?;
    if feed.through <= after {
        return Ok(false);
    }
    Ok(database.follow(after, &feed).await?)
}

/// The event of an item; none for items that only records uses.
fn event(item: &FeedItem) -> Option<Event> {
    let (kind, data) = match &item.what {
        Happened::SeatTaken { table, seat, player, amount } => {
            (Kind::SeatTaken, json!({ "table": table, "seat": seat, "player": player, "amount": amount }))
        }
        Happened::ToppedUp { table, seat, player, amount } => {
            (Kind::ToppedUp, json!({ "table": table, "seat": seat, "player": player, "amount": amount }))
        }
        Happened::SeatLeft { table, seat, player, stack } => {
            (Kind::SeatLeft, json!({ "table": table, "seat": seat, "player": player, "stack": stack }))
        }
        Happened::SeatRefused { table, player } => {
            (Kind::SeatRefused, json!({ "table": table, "player": player }))
        }
        Happened::Deposit { player, amount } => {
            (Kind::Deposit, json!({ "player": player, "amount": amount }))
        }
        Happened::Withdrawal { player, amount } => {
            (Kind::Withdrawal, json!({ "player": player, "amount": amount }))
        }
        Happened::Settled { table, hands } => (Kind::Settled, json!({ "table": table, "hands": hands })),
        Happened::Void { table, hands } => (Kind::Void, json!({ "table": table, "hands": hands })),
        Happened::Accepted { .. } | Happened::AlreadySettled { .. } | Happened::Other => return None,
    };
    Some(Event { key: item.id.clone(), kind, at_ms: item.at_ms, data })
}

fn hash_of(settled: &SettledHand) -> Option<(i64, Hash)> {
    let mut bytes = [0; 32];
    hex::decode_to_slice(&settled.hash, &mut bytes).ok()?;
    Some((i64::try_from(settled.hand).ok()?, bytes))
}

/// Accepted hands, by table.
fn accepted(feed: &Feed) -> BTreeMap<&str, Vec<(i64, Hash)>> {
    let mut tables: BTreeMap<&str, Vec<(i64, Hash)>> = BTreeMap::new();
    for item in &feed.items {
        let Happened::Accepted { table, hands } = &item.what else { continue };
        if TableUid::is_one(table) {
            tables.entry(table).or_default().extend(hands.iter().filter_map(hash_of));
        }
    }
    tables
}

/// The signer's verdicts about hands, by table.
fn verdicts(feed: &Feed) -> BTreeMap<&str, Vec<(i64, Verdict)>> {
    let mut tables: BTreeMap<&str, Vec<(i64, Verdict)>> = BTreeMap::new();
    for item in &feed.items {
        let (table, hands, is_final) = match &item.what {
            Happened::Settled { table, hands } | Happened::AlreadySettled { table, hands } => {
                (table, hands, true)
            }
            Happened::Void { table, hands } => (table, hands, false),
            _ => continue,
        };
        if !TableUid::is_one(table) {
            continue;
        }
        let decided = hands.iter().filter_map(|settled| {
            let (hand, hash) = hash_of(settled)?;
            Some((hand, if is_final { Verdict::Final(hash) } else { Verdict::Void }))
        });
        tables.entry(table).or_default().extend(decided);
    }
    tables
}

impl Database {
    pub(crate) async fn followed(&self) -> Result<u64, DatabaseError> {
        let through: i64 = sqlx::query_scalar("SELECT through FROM feed").fetch_one(&self.pool).await?;
        Ok(through.unsigned_abs())
    }

    /// Applies the feed's rows after `after`. Returns false when another replica has applied them already.
    ///
    /// # Errors
    /// Where PostgreSQL does not answer: nothing has changed then.
    pub async fn follow(&self, after: u64, feed: &Feed) -> Result<bool, DatabaseError> {
        let mut transaction = self.pool.begin().await?;
        let moved = sqlx::query("UPDATE feed SET through = $2 WHERE through = $1")
            .bind(i64::try_from(after).unwrap_or(i64::MAX))
            .bind(i64::try_from(feed.through).unwrap_or(i64::MAX))
            .execute(&mut *transaction)
            .await?;
        if moved.rows_affected() == 0 {
            return Ok(false);
        }
        let tables = verdicts(feed);
        let accepted = accepted(feed);
        let uids: BTreeSet<&str> = tables.keys().chain(accepted.keys()).copied().collect();
        bulk::lock_tables(&mut transaction, &uids).await?;
        let mut counting = counting::begin(&mut transaction).await?;
        // The journal has a hand before the chain has it.
        for (table, hands) in &accepted {
            standing::accept(&mut transaction, table, hands, &mut counting).await?;
        }
        for (table, hands) in &tables {
            standing::settle(&mut transaction, table, hands, &mut counting).await?;
        }
        let all: Vec<Event> = feed.items.iter().filter_map(event).collect();
        events::put(&mut transaction, &all).await?;
        if let Some(changes) = counting {
            Box::pin(changes.write(&mut transaction)).await?;
        }
        transaction.commit().await?;
        Ok(true)
    }
}
