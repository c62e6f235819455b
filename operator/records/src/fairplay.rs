//! Ended hands for the fair-play program: all of them, in an order that never changes, with their stored bodies.
//!
//! # Guarantees
//! Hands come by their `id`. A transaction that stores hands takes its ids before it commits, so a lower id can become
//! visible after a higher one. No hand is skipped for that: a page ends at a [fence](Fence), an id below which every
//! transaction that took one has ended.
//!
//! # Assumptions
//! A transaction that stores hands has its own number before it takes an id: `Database::ingest` locks the hands' tables
//! first, which gives it one. The order of the three reads in `Database::settle` rests on that.
//!
//! # Caveats
//! The oldest transaction of the whole PostgreSQL server that writes holds a fence back. Hands then come late, not never.

use crate::{
    database::{Database, DatabaseError},
    problem::bad,
};
use axum::{
    Extension, Json, Router,
    extract::{Path, Query, Request, State, rejection::QueryRejection},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::get,
};
use purr_engine::PlayerId;
use purr_protocol::{
    Problem, TableUid,
    fairplay_feed::{Erased, FedHand, HandCounts, HandFeed},
};
use purr_runtime::{Peer, Role, problem::Answer};
use serde::Deserialize;
use std::sync::Arc;
use tokio::sync::Mutex;

const LIMIT_DEFAULT: i64 = 200;
const LIMIT_MAX: i64 = 500;
/// Bytes of bodies in one answer; the first hand is in it whatever its size. Internal callers read at most 4 MiB, and a
/// body grows by its escaped quotes.
const BYTES_MAX: i64 = 2 * 1024 * 1024;

pub(crate) fn routes(database: Database) -> Router {
    Router::new()
        .route("/v1/fairplay/hands", get(hands))
        .route("/v1/fairplay/tables/{uid}/hands/{hand}", get(one))
        .route("/v1/fairplay/counts", get(counts))
        .route("/v1/fairplay/erased", get(erased))
        .layer(middleware::from_fn(only_fair_play))
        .with_state(App { database, fences: Arc::default() })
}

#[derive(Clone)]
struct App {
    database: Database,
    fences: Arc<Mutex<Fences>>,
}

async fn only_fair_play(Extension(peer): Extension<Peer>, request: Request, next: Next) -> Response {
    if peer.role == Some(Role::FairPlay) {
        return next.run(request).await;
    }
    Answer::from(Problem::new(403, "role", "This caller may not do that")).into_response()
}

/// All ids up to this one are final once no transaction with a lower number is running.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Fence {
    id: i64,
    /// The next free transaction number (`xid8` as text) when the fence was made.
    transaction: String,
}

/// The settled ids that this process knows.
#[derive(Debug, Default)]
struct Fences {
    settled: i64,
    waiting: Option<Fence>,
}

#[derive(Deserialize)]
struct Wanted {
    #[serde(default)]
    after: i64,
    limit: Option<i64>,
}

async fn hands(
    State(app): State<App>,
    query: Result<Query<Wanted>, QueryRejection>,
) -> Result<Json<HandFeed>, Answer> {
    let Query(Wanted { after, limit }) = query.map_err(|error| bad(error.body_text()))?;
    let limit = limit.unwrap_or(LIMIT_DEFAULT);
    if after < 0 {
        return Err(bad("after counts from 0"));
    }
    if !(1..=LIMIT_MAX).contains(&limit) {
        return Err(bad(format!("limit is 1 to {LIMIT_MAX}")));
    }
    let last = app.database.last_id().await?;
    if after > last {
        let problem = Problem::new(409, "cursor", "The cursor is ahead of all hands");
        let detail =
            format!("after is {after}, the newest hand {last}: the database was restored from a backup");
        return Err(problem.detail(detail).into());
    }
    let settled = {
        let mut fences = app.fences.lock().await;
        if fences.settled <= after {
            app.database.settle(&mut fences).await?;
        }
        fences.settled
    };
    let hands = app.database.fed_hands(after, settled, limit).await?;
    let next = match hands.last() {
        Some(hand) => hand.cursor,
        // The missing ids belong to transactions that were rolled back, so no record will appear under them.
        None => settled.max(after),
    };
    Ok(Json(HandFeed { hands, next, behind: (last - next).max(0) }))
}

/// The first record of one hand, as evidence cites it.
async fn one(
    State(app): State<App>,
    Path((table, hand)): Path<(String, String)>,
) -> Result<Json<FedHand>, Answer> {
    let number: i64 = hand.parse().ok().filter(|hand| *hand >= 1).ok_or_else(|| bad("hands count from 1"))?;
    if !TableUid::is_one(&table) {
        return Err(bad("the table's UID is malformed"));
    }
    let found = app.database.fed_hand(&table, number).await?;
    found.map(Json).ok_or_else(|| Problem::new(404, "no-such-hand", "There is no record of this hand").into())
}

/// All players who asked to be erased: they are few, and each row is small.
async fn erased(State(app): State<App>) -> Result<Json<Erased>, Answer> {
    Ok(Json(Erased { players: app.database.erased_players().await? }))
}

#[derive(Deserialize)]
struct Between {
    from: i64,
    to: i64,
}

/// Longest time that is counted at once, in milliseconds: a month and a day.
const COUNTED_MS_MAX: i64 = 32 * 86_400_000;

async fn counts(
    State(app): State<App>,
    query: Result<Query<Between>, QueryRejection>,
) -> Result<Json<HandCounts>, Answer> {
    let Query(Between { from, to }) = query.map_err(|error| bad(error.body_text()))?;
    if from < 0 || to < from || to - from > COUNTED_MS_MAX {
        return Err(bad("from and to are at most 32 days apart, in this order"));
    }
    Ok(Json(app.database.counts(from, to).await?))
}

type Row = (i64, String, i64, Vec<u8>, i64, bool, Option<Vec<u8>>);

/// The columns of a [`Row`] and where they come from.
macro_rules! body {
    () => {
        "h.id, h.table_uid, h.hand, h.hash, h.ended_ms, h.conflict, coalesce(h.record, b.record) AS body
         FROM hands h LEFT JOIN hand_bodies b ON b.day = (h.ended_ms / 86400000)::integer AND b.hand_id = h.id"
    };
}

fn fed((cursor, table, hand, hash, ended_at_ms, conflict, body): Row) -> Result<FedHand, DatabaseError> {
    let corrupt = |_| DatabaseError::Corrupt { table: table.clone(), hand, detail: "not UTF-8".into() };
    let record = body.map(String::from_utf8).transpose().map_err(corrupt)?;
    Ok(FedHand { cursor, table, hand, hash: hex::encode(hash), ended_at_ms, conflict, record })
}

impl Database {
    /// The highest id that the sequence has handed out, whether or not its transaction has ended.
    async fn last_id(&self) -> Result<i64, DatabaseError> {
        let last = "SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM hands_id_seq";
        Ok(sqlx::query_scalar(last).fetch_one(&self.pool).await?)
    }

    /// Raises the settled id as far as the running transactions allow.
    async fn settle(&self, fences: &mut Fences) -> Result<(), DatabaseError> {
        let fence = match fences.waiting.take() {
            Some(fence) => fence,
            None => {
                // The order matters: any transaction that has taken an id by now had its number before the second
                // statement.
                let id = self.last_id().await?;
                let next = "SELECT pg_snapshot_xmax(pg_current_snapshot())::text";
                Fence { id, transaction: sqlx::query_scalar(next).fetch_one(&self.pool).await? }
            }
        };
        let passed: bool =
            sqlx::query_scalar("SELECT pg_snapshot_xmin(pg_current_snapshot()) >= $1::text::xid8")
                .bind(&fence.transaction)
                .fetch_one(&self.pool)
                .await?;
        if passed {
            fences.settled = fences.settled.max(fence.id);
        } else {
            fences.waiting = Some(fence);
        }
        Ok(())
    }

    async fn fed_hands(&self, after: i64, to: i64, limit: i64) -> Result<Vec<FedHand>, DatabaseError> {
        let rows: Vec<Row> = sqlx::query_as(concat!(
            "SELECT id, table_uid, hand, hash, ended_ms, conflict, body FROM (
             SELECT *, sum(coalesce(octet_length(body), 0)) OVER (ORDER BY id) AS bytes, row_number() OVER (ORDER BY id) AS n
             FROM (SELECT ",
            body!(),
            " WHERE h.id > $1 AND h.id <= $2 ORDER BY h.id LIMIT $3) AS page) AS sized
             WHERE n = 1 OR bytes <= $4 ORDER BY id"
        ))
        .bind(after)
        .bind(to)
        .bind(limit)
        .bind(BYTES_MAX)
        .fetch_all(&self.pool)
        .await?;
        rows.into_iter().map(fed).collect()
    }

    async fn erased_players(&self) -> Result<Vec<(PlayerId, u64)>, DatabaseError> {
        let rows: Vec<(Vec<u8>, i64)> = sqlx::query_as(
            "SELECT player, (extract(epoch FROM at) * 1000)::bigint FROM erased ORDER BY at LIMIT 50000",
        )
        .fetch_all(&self.pool)
        .await?;
        let player =
            |(player, at_ms): (Vec<u8>, i64)| Some((PlayerId(player.try_into().ok()?), at_ms.unsigned_abs()));
        Ok(rows.into_iter().filter_map(player).collect())
    }

    async fn counts(&self, from: i64, to: i64) -> Result<HandCounts, DatabaseError> {
        let (stored, void, conflict): (i64, i64, i64) = sqlx::query_as(
            "SELECT count(*), count(*) FILTER (WHERE void), count(*) FILTER (WHERE conflict) FROM hands
             WHERE version = 0 AND ended_ms >= $1 AND ended_ms < $2",
        )
        .bind(from)
        .bind(to)
        .fetch_one(&self.pool)
        .await?;
        let lost: i64 = sqlx::query_scalar(
            "SELECT coalesce(sum(last_hand - first_hand + 1), 0)::bigint FROM gaps
             WHERE noticed >= to_timestamp($1::float8 / 1000) AND noticed < to_timestamp($2::float8 / 1000)",
        )
        .bind(from)
        .bind(to)
        .fetch_one(&self.pool)
        .await?;
        let count = i64::unsigned_abs;
        Ok(HandCounts {
            stored: count(stored),
            void: count(void),
            conflict: count(conflict),
            lost: count(lost),
        })
    }

    async fn fed_hand(&self, table: &str, hand: i64) -> Result<Option<FedHand>, DatabaseError> {
        let row: Option<Row> = sqlx::query_as(concat!(
            "SELECT ",
            body!(),
            " WHERE h.table_uid = $1 AND h.hand = $2 AND h.version = 0"
        ))
        .bind(table)
        .bind(hand)
        .fetch_optional(&self.pool)
        .await?;
        row.map(fed).transpose()
    }
}
