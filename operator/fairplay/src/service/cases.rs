//! Cases in PostgreSQL. Each step applies [`cases::next`] to the stored case under the row's lock, and stores the event
//! with it.

use super::database::{Database, DatabaseError, db};
use crate::{
    cases::{self, Case, CaseError, CaseEvent, Opinion, Placement, State},
    sanctions::in_force,
    signal::Scored,
};
use purr_engine::PlayerId;
use sqlx::{Postgres, Transaction};
use std::collections::{BTreeMap, BTreeSet};

/// Cases are placed one after the other, so that a group gets one case; any constant that no other lock uses.
const LOCK: i64 = 0x7075_7272_6361_7365;
/// Most cases that one placement reads: those that share a member with the signal.
const RELATED_MAX: i64 = 256;
/// Cases of one page.
pub const PAGE_MAX: i64 = 100;

#[derive(Debug, thiserror::Error)]
pub enum StepError {
    #[error(transparent)]
    Database(#[from] DatabaseError),
    #[error("there is no case {0}")]
    NoCase(i64),
    #[error(transparent)]
    Refused(#[from] CaseError),
}

impl From<sqlx::Error> for StepError {
    fn from(error: sqlx::Error) -> Self {
        Self::Database(error.into())
    }
}

/// The effect of a signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Placed {
    Opened(i64),
    Joined(i64),
    /// A case has this information already.
    Known,
}

/// The stored form of an event.
#[derive(Clone, Debug, PartialEq)]
pub struct Happened {
    pub seq: i32,
    pub actor: String,
    pub body: String,
    pub at_ms: i64,
}

fn name(state: State) -> &'static str {
    match state {
        State::Open => "open",
        State::Dissent => "dissent",
        State::Decided { .. } => "decided",
        State::Appealed { .. } => "appealed",
        State::Closed { .. } => "closed",
    }
}

/// Names of all states, as they are stored and shown.
pub const STATES: [&str; 5] = ["open", "dissent", "decided", "appealed", "closed"];

fn parse(id: i64, body: &str) -> Result<Case, DatabaseError> {
    serde_json::from_str(body).map_err(|error| DatabaseError::Corrupt {
        what: "case",
        id,
        detail: error.to_string(),
    })
}

fn text(value: &impl serde::Serialize) -> Result<String, DatabaseError> {
    serde_json::to_string(value).map_err(|error| DatabaseError::Corrupt {
        what: "value",
        id: 0,
        detail: error.to_string(),
    })
}

fn members(case: &Case) -> Vec<Vec<u8>> {
    case.members.iter().map(|member| member.0.to_vec()).collect()
}

impl Database {
    /// Places a signal by [`cases::place`].
    pub async fn put_signal(&self, scored: &Scored, now_ms: u64) -> Result<Placed, DatabaseError> {
        let about: Vec<Vec<u8>> = cases::members_of(scored).iter().map(|member| member.0.to_vec()).collect();
        let mut tx = self.pool.begin().await?;
        sqlx::query("SELECT pg_advisory_xact_lock($1)").bind(LOCK).execute(&mut *tx).await?;
        let rows: Vec<(i64, String)> = sqlx::query_as(
            "SELECT id, body FROM cases WHERE members && $1 ORDER BY state = 'closed', id DESC LIMIT $2 FOR UPDATE",
        )
        .bind(&about)
        .bind(RELATED_MAX)
        .fetch_all(&mut *tx)
        .await?;
        let mut related = Vec::with_capacity(rows.len());
        for (id, body) in rows {
            related.push((id, parse(id, &body)?));
        }
        // The oldest first, whatever the order of reading.
        related.sort_by_key(|(id, _)| *id);
        let known: Vec<Case> = related.iter().map(|(_, case)| case.clone()).collect();
        if cases::says_nothing_new(&known, scored) {
            return Ok(Placed::Known);
        }
        let placed = match cases::place(&known, scored) {
            Placement::Join(at) => {
                let (id, case) = &related[at];
                let event = CaseEvent::Signal(scored.clone());
                let next = cases::next(case, event.clone(), now_ms.max(case.updated_at));
                // A case that place() returns always accepts the signal.
                let Ok(next) = next else { return Ok(Placed::Known) };
                keep(&mut tx, *id, &next, "detectors", &event).await?;
                Placed::Joined(*id)
            }
            Placement::New => {
                let case = cases::open(scored.clone(), now_ms);
                let id: i64 = sqlx::query_scalar(
                    "INSERT INTO cases (members, state, body, opened_ms, updated_ms)
                     VALUES ($1, 'open', $2, $3, $3) RETURNING id",
                )
                .bind(members(&case))
                .bind(text(&case)?)
                .bind(db(now_ms))
                .fetch_one(&mut *tx)
                .await?;
                keep(&mut tx, id, &case, "detectors", &CaseEvent::Signal(scored.clone())).await?;
                Placed::Opened(id)
            }
        };
        tx.commit().await?;
        Ok(placed)
    }

    /// A reviewer's opinion.
    pub async fn opinion(&self, id: i64, opinion: Opinion, now_ms: u64) -> Result<Case, StepError> {
        let by = opinion.reviewer.0.clone();
        self.step(id, CaseEvent::Opinion(opinion), &by, now_ms).await
    }

    /// A member's appeal.
    pub async fn appeal(&self, id: i64, by: PlayerId, text: String, now_ms: u64) -> Result<Case, StepError> {
        self.step(id, CaseEvent::Appeal { by, text }, &by.to_string(), now_ms).await
    }

    async fn step(&self, id: i64, event: CaseEvent, by: &str, now_ms: u64) -> Result<Case, StepError> {
        let mut tx = self.pool.begin().await?;
        let body: Option<String> = sqlx::query_scalar("SELECT body FROM cases WHERE id = $1 FOR UPDATE")
            .bind(id)
            .fetch_optional(&mut *tx)
            .await?;
        let case = parse(id, &body.ok_or(StepError::NoCase(id))?)?;
        let next = cases::next(&case, event.clone(), now_ms.max(case.updated_at))?;
        keep(&mut tx, id, &next, by, &event).await?;
        tx.commit().await?;
        Ok(next)
    }

    pub async fn case(&self, id: i64) -> Result<Option<Case>, DatabaseError> {
        let body: Option<String> = sqlx::query_scalar("SELECT body FROM cases WHERE id = $1")
            .bind(id)
            .fetch_optional(&self.pool)
            .await?;
        body.map(|body| parse(id, &body)).transpose()
    }

    /// Cases in one state, or in all, newest first, with ids below `before`.
    pub async fn cases(
        &self,
        state: Option<&str>,
        before: i64,
        limit: i64,
    ) -> Result<Vec<(i64, Case)>, DatabaseError> {
        let rows: Vec<(i64, String)> = sqlx::query_as(
            "SELECT id, body FROM cases WHERE ($1::text IS NULL OR state = $1) AND id < $2 ORDER BY id DESC LIMIT $3",
        )
        .bind(state)
        .bind(before)
        .bind(limit.clamp(1, PAGE_MAX + 1))
        .fetch_all(&self.pool)
        .await?;
        rows.into_iter().map(|(id, body)| Ok((id, parse(id, &body)?))).collect()
    }

    /// Cases whose decision is in force: see [`crate::sanctions`].
    pub async fn decided(&self) -> Result<BTreeMap<i64, Case>, DatabaseError> {
        let rows: Vec<(i64, String)> =
            sqlx::query_as("SELECT id, body FROM cases WHERE in_force ORDER BY id")
                .fetch_all(&self.pool)
                .await?;
        rows.into_iter().map(|(id, body)| Ok((id, parse(id, &body)?))).collect()
    }

    /// The events of a case, in order.
    pub async fn events(&self, id: i64) -> Result<Vec<Happened>, DatabaseError> {
        let rows: Vec<(i32, String, String, i64)> = sqlx::query_as(
            "SELECT seq, actor, body, at_ms FROM case_events WHERE case_id = $1 ORDER BY seq LIMIT 1000",
        )
        .bind(id)
        .fetch_all(&self.pool)
        .await?;
        let happened = |(seq, actor, body, at_ms)| Happened { seq, actor, body, at_ms };
        Ok(rows.into_iter().map(happened).collect())
    }

    /// For each state that waits for people, when the oldest case began to wait: when it was opened, or when a person
    /// last acted.
    pub async fn waiting_since(&self) -> Result<BTreeMap<String, i64>, DatabaseError> {
        let rows: Vec<(String, i64)> = sqlx::query_as(
            "SELECT state, min(coalesce((SELECT max(e.at_ms) FROM case_events e
                 WHERE e.case_id = c.id AND e.actor <> 'detectors'), c.opened_ms))
             FROM cases c WHERE state IN ('open', 'dissent', 'appealed') GROUP BY state",
        )
        .fetch_all(&self.pool)
        .await?;
        Ok(rows.into_iter().collect())
    }

    /// Removes texts and hands from at most 100 cases that were cleared before this time; returns how many.
    pub async fn redact_cleared(&self, before_ms: u64) -> Result<u64, DatabaseError> {
        let mut tx = self.pool.begin().await?;
        let rows: Vec<(i64, String)> = sqlx::query_as(
            "SELECT id, body FROM cases WHERE state = 'closed' AND NOT in_force AND NOT redacted AND updated_ms < $1
             ORDER BY updated_ms LIMIT 100 FOR UPDATE",
        )
        .bind(db(before_ms))
        .fetch_all(&mut *tx)
        .await?;
        for (id, body) in &rows {
            let case = parse(*id, body)?.redacted();
            sqlx::query("UPDATE cases SET body = $2, redacted = true WHERE id = $1")
                .bind(id)
                .bind(text(&case)?)
                .execute(&mut *tx)
                .await?;
            let events: Vec<(i32, String)> =
                sqlx::query_as("SELECT seq, body FROM case_events WHERE case_id = $1 ORDER BY seq")
                    .bind(id)
                    .fetch_all(&mut *tx)
                    .await?;
            for (seq, body) in events {
                let event: CaseEvent = serde_json::from_str(&body).map_err(|error| {
                    DatabaseError::Corrupt { what: "an event of case", id: *id, detail: error.to_string() }
                })?;
                sqlx::query("UPDATE case_events SET body = $3 WHERE case_id = $1 AND seq = $2")
                    .bind(id)
                    .bind(seq)
                    .bind(text(&event.redacted())?)
                    .execute(&mut *tx)
                    .await?;
            }
        }
        tx.commit().await?;
        Ok(rows.len() as u64)
    }

    /// Members of cases that are not cleared.
    pub async fn members_under_review(&self) -> Result<BTreeSet<PlayerId>, DatabaseError> {
        let rows: Vec<Vec<u8>> = sqlx::query_scalar(
            "SELECT DISTINCT unnest(members) FROM cases WHERE state <> 'closed' OR in_force",
        )
        .fetch_all(&self.pool)
        .await?;
        Ok(rows.into_iter().filter_map(|member| Some(PlayerId(member.try_into().ok()?))).collect())
    }

    /// How many cases there are in each state.
    pub async fn case_counts(&self) -> Result<BTreeMap<String, i64>, DatabaseError> {
        let rows: Vec<(String, i64)> =
            sqlx::query_as("SELECT state, count(*) FROM cases GROUP BY state").fetch_all(&self.pool).await?;
        Ok(rows.into_iter().collect())
    }
}

/// Stores the case after an event, and the event.
async fn keep(
    tx: &mut Transaction<'_, Postgres>,
    id: i64,
    case: &Case,
    actor: &str,
    event: &CaseEvent,
) -> Result<(), DatabaseError> {
    sqlx::query(
        "UPDATE cases SET members = $2, state = $3, body = $4, updated_ms = $5, in_force = $6 WHERE id = $1",
    )
    .bind(id)
    .bind(members(case))
    .bind(name(case.state))
    .bind(text(case)?)
    .bind(db(case.updated_at))
    .bind(in_force(case.state).is_some())
    .execute(&mut **tx)
    .await?;
    sqlx::query(
        "INSERT INTO case_events (case_id, seq, actor, body, at_ms)
         SELECT $1, coalesce(max(seq), 0) + 1, $2, $3, $4 FROM case_events WHERE case_id = $1",
    )
    .bind(id)
    .bind(actor)
    .bind(text(event)?)
    .bind(db(case.updated_at))
    .execute(&mut **tx)
    .await?;
    Ok(())
}
