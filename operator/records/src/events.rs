//! The event stream: what happened in the room, typed and numbered, for operators' programs.
//!
//! Transactions put events into an inbox; one writer at a time, under an advisory lock that ends after its commit is seen,
//! moves what has committed into the stream and gives it positions. So a transaction that commits late gets a later
//! position, and who has read up to a position has missed nothing below it. Every event is delivered at least once; its
//! id tells repetitions.

use crate::{
    database::{Database, DatabaseError},
    day::Day,
    problem::bad,
};
use axum::{
    Json,
    extract::{Query, State, rejection::QueryRejection},
};
use purr_runtime::problem::Answer;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sqlx::PgConnection;
use std::time::Duration;
use tokio::time::Instant;

/// The advisory lock of the writer that assigns positions.
const LOCK: i64 = 0x7075_7272_0002;
/// Events that get their positions in one transaction.
const PUBLISHED_AT_ONCE: i64 = 2_000;
const LIMIT_DEFAULT: i64 = 100;
const LIMIT_MAX: i64 = 1_000;
const WAIT_MAX_MS: u64 = 20_000;
/// Interval at which a reader that waits for events asks the database again.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// Events in one report of a gateway.
const REPORTED_MAX: usize = 500;
/// Bytes of a reported event's data.
const DATA_BYTES_MAX: usize = 2_048;

/// The kind of an event. A kind's version rises where its data change in a way that a reader must know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Kind {
    HandEnded,
    SeatTaken,
    ToppedUp,
    SeatLeft,
    SeatRefused,
    Deposit,
    Withdrawal,
    Settled,
    Void,
    SignIn,
    /// Staff read or changed another person's data.
    StaffAccess,
}

impl Kind {
    pub const ALL: [Self; 11] = [
        Self::HandEnded,
        Self::SeatTaken,
        Self::ToppedUp,
        Self::SeatLeft,
        Self::SeatRefused,
        Self::Deposit,
        Self::Withdrawal,
        Self::Settled,
        Self::Void,
        Self::SignIn,
        Self::StaffAccess,
    ];

    pub const fn name(self) -> &'static str {
        match self {
            Self::HandEnded => "handEnded",
            Self::SeatTaken => "seatTaken",
            Self::ToppedUp => "toppedUp",
            Self::SeatLeft => "seatLeft",
            Self::SeatRefused => "seatRefused",
            Self::Deposit => "deposit",
            Self::Withdrawal => "withdrawal",
            Self::Settled => "settled",
            Self::Void => "void",
            Self::SignIn => "signIn",
            Self::StaffAccess => "staffAccess",
        }
    }

    pub const fn version(self) -> i16 {
        1
    }
}

/// An event on its way into the inbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// A key that identifies the event: the same event reported twice is stored once.
    pub key: String,
    pub kind: Kind,
    /// Milliseconds since 1970.
    pub at_ms: i64,
    pub data: Value,
}

/// Puts events into the inbox, within the caller's transaction.
pub(crate) async fn put(database: &mut PgConnection, events: &[Event]) -> Result<(), sqlx::Error> {
    if events.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "INSERT INTO event_inbox (key, kind, version, at_ms, data) SELECT key, kind, version, at_ms, data::jsonb
         FROM unnest($1::text[], $2::text[], $3::smallint[], $4::bigint[], $5::text[])
         AS new(key, kind, version, at_ms, data)",
    )
    .bind(events.iter().map(|event| event.key.as_str()).collect::<Vec<_>>())
    .bind(events.iter().map(|event| event.kind.name()).collect::<Vec<_>>())
    .bind(events.iter().map(|event| event.kind.version()).collect::<Vec<_>>())
    .bind(events.iter().map(|event| event.at_ms).collect::<Vec<_>>())
    .bind(events.iter().map(|event| event.data.to_string()).collect::<Vec<_>>())
    .execute(database)
    .await?;
    Ok(())
}

/// One event of the stream.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Published {
    /// Rises; there may be gaps.
    pub position: i64,
    /// The same in every repetition.
    pub id: String,
    pub kind: String,
    pub version: i16,
    /// When it happened, in milliseconds since 1970.
    pub at_ms: i64,
    pub data: Value,
}

/// A piece of the stream.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Events {
    pub events: Vec<Published>,
    /// The next request's `after`.
    pub next: i64,
    /// The first position that is still kept; none: the stream is empty. What lies between `after` and it is lost.
    pub oldest: Option<i64>,
}

type Row = (i64, String, String, i16, i64, Value);

impl Database {
    /// Assigns positions to a number of committed events; returns how many.
    ///
    /// # Errors
    /// Where PostgreSQL does not answer: nothing has changed then.
    pub async fn publish(&self, today: Day) -> Result<u64, DatabaseError> {
        // The usual case, an empty inbox, takes no lock.
        let any: bool =
            sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM event_inbox)").fetch_one(&self.pool).await?;
        if !any {
            return Ok(0);
        }
        self.ensure_days(&[today].into()).await?;
        let mut transaction = self.pool.begin().await?;
        sqlx::query("SELECT pg_advisory_xact_lock($1)").bind(LOCK).execute(&mut *transaction).await?;
        let moved = sqlx::query(
            "WITH moved AS (
                 DELETE FROM event_inbox WHERE id IN (SELECT id FROM event_inbox ORDER BY id LIMIT $2) RETURNING *
             )
             INSERT INTO events (day, position, key, kind, version, at_ms, data)
             SELECT $1, nextval('events_position'), key, kind, version, at_ms, data FROM
             (SELECT * FROM moved ORDER BY id) ordered",
        )
        .bind(today)
        .bind(PUBLISHED_AT_ONCE)
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok(moved.rows_affected())
    }

    /// Events after a position, in order.
    ///
    /// # Errors
    /// Where PostgreSQL does not answer.
    pub async fn events(&self, after: i64, limit: i64) -> Result<Events, DatabaseError> {
        let rows: Vec<Row> = sqlx::query_as(
            "SELECT position, key, kind, version, at_ms, data FROM events WHERE position > $1 ORDER BY position LIMIT $2",
        )
        .bind(after)
        .bind(limit)
        .fetch_all(&self.pool)
        .await?;
        let oldest = sqlx::query_scalar("SELECT min(position) FROM events").fetch_one(&self.pool).await?;
        let published = |(position, id, kind, version, at_ms, data): Row| Published {
            position,
            id,
            kind,
            version,
            at_ms,
            data,
        };
        let events: Vec<Published> = rows.into_iter().map(published).collect();
        let next = events.last().map_or(after, |event| event.position);
        Ok(Events { events, next, oldest })
    }

    /// Stores events that a gateway reports.
    async fn reported(&self, events: &[Event]) -> Result<(), DatabaseError> {
        let mut transaction = self.pool.begin().await?;
        put(&mut transaction, events).await?;
        transaction.commit().await?;
        Ok(())
    }
}

#[derive(Deserialize)]
pub(crate) struct After {
    after: Option<i64>,
    limit: Option<i64>,
    wait_ms: Option<u64>,
}

/// `GET /v1/events`: waits for the first event after the position as long as the caller wants.
pub(crate) async fn read(
    State(database): State<Database>,
    query: Result<Query<After>, QueryRejection>,
) -> Result<Json<Events>, Answer> {
    let Query(After { after, limit, wait_ms }) = query.map_err(|error| bad(error.body_text()))?;
    let (after, limit) = (after.unwrap_or(0), limit.unwrap_or(LIMIT_DEFAULT));
    if after < 0 || !(1..=LIMIT_MAX).contains(&limit) {
        return Err(bad(format!("after is a position, limit is 1 to {LIMIT_MAX}")));
    }
    let until = Instant::now() + Duration::from_millis(wait_ms.unwrap_or(0).min(WAIT_MAX_MS));
    loop {
        let found = database.events(after, limit).await?;
        if !found.events.is_empty() || Instant::now() >= until {
            return Ok(Json(found));
        }
        tokio::time::sleep_until(until.min(Instant::now() + LOOK_EVERY)).await;
    }
}

/// A gateway's report: sign-ins and acts of staff.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Report {
    events: Vec<Reported>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Reported {
    id: String,
    kind: Kind,
    at_ms: i64,
    data: Value,
}

/// `POST /v1/events`.
pub(crate) async fn report(
    State(database): State<Database>,
    Json(Report { events }): Json<Report>,
) -> Result<Json<Value>, Answer> {
    if events.len() > REPORTED_MAX {
        return Err(bad(format!("at most {REPORTED_MAX} events at once")));
    }
    let mut all = Vec::with_capacity(events.len());
    for Reported { id, kind, at_ms, data } in events {
        let named = (1..=100).contains(&id.len()) && id.chars().all(|c| c.is_ascii_graphic());
        if !named || data.to_string().len() > DATA_BYTES_MAX {
            return Err(bad(
                "an event has an id of 1 to 100 visible characters and at most 2048 bytes of data",
            ));
        }
        if !matches!(kind, Kind::SignIn | Kind::StaffAccess) {
            return Err(bad(format!("gateways do not say {}", kind.name())));
        }
        all.push(Event { key: format!("{}:{id}", kind.name()), kind, at_ms, data });
    }
    database.reported(&all).await?;
    Ok(Json(json!({ "kept": all.len() })))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_is_called_the_same_in_json_and_in_the_database() {
        for kind in Kind::ALL {
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.name());
        }
    }
}
