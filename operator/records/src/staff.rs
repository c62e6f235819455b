//! The log of what staff ordered at tables, and what operators ask about seated players.

use crate::{
    database::{Database, DatabaseError},
    problem::bad,
};
use axum::{
    Json,
    extract::{
        Query, State,
        rejection::{JsonRejection, QueryRejection},
    },
};
use purr_engine::PlayerId;
use purr_protocol::{
    TableUid,
    floor::{ActKind, Acts, NewAct, RecordedAct, StaffAct, StakesAsked, StakesPlayed},
};
use purr_runtime::problem::Answer;
use serde::Deserialize;
use std::{collections::BTreeMap, time::SystemTime};

const LIMIT_MAX: i64 = 200;
/// Characters of a reason.
const REASON_MAX: usize = 500;
/// Maximum number of players in one request.
const PLAYERS_MAX: usize = 1_000;
/// Number of days before today in which the stakes played are looked up.
const STAKES_DAYS: i32 = 30;

type Row = (i64, Vec<u8>, String, String, String, Option<i64>, i64);

impl Database {
    /// Appends an act and returns its number.
    ///
    /// # Errors
    /// Where PostgreSQL does not answer: then nothing may be done.
    pub async fn note_act(&self, act: &NewAct) -> Result<i64, DatabaseError> {
        let NewAct { actor, act, table, reason, order } = act;
        let id = sqlx::query_scalar(
            "INSERT INTO staff_acts (actor, act, table_uid, reason, order_id) VALUES ($1, $2, $3, $4, $5) RETURNING id",
        )
        .bind(actor.0.as_slice())
        .bind(act.name())
        .bind(table)
        .bind(reason)
        .bind(order)
        .fetch_one(&self.pool)
        .await?;
        Ok(id)
    }

    /// Acts before this number, newest first.
    ///
    /// # Errors
    /// Where PostgreSQL does not answer.
    pub async fn acts(&self, before: i64, limit: i64) -> Result<Acts, DatabaseError> {
        let mut rows: Vec<Row> = sqlx::query_as(
            "SELECT id, actor, act, table_uid, reason, order_id, extract(epoch FROM at)::bigint FROM staff_acts
             WHERE id < $1 ORDER BY id DESC LIMIT $2",
        )
        .bind(before)
        .bind(limit + 1)
        .fetch_all(&self.pool)
        .await?;
        let more = rows.len() > usize::try_from(limit).unwrap_or(0);
        rows.truncate(usize::try_from(limit).unwrap_or(0));
        let next = rows.last().filter(|_| more).map(|row| row.0);
        let act = |(id, actor, act, table, reason, order, at_s): Row| {
            // Constraints of the schema bound both values.
            let actor = PlayerId(actor.try_into().ok()?);
            Some(StaffAct {
                id,
                at_s,
                what: NewAct { actor, act: ActKind::from_name(&act)?, table, reason, order },
            })
        };
        Ok(Acts { acts: rows.into_iter().filter_map(act).collect(), next })
    }

    /// The highest big blind that each of these players has played in the days before `today`; who has played none is
    /// left out.
    ///
    /// # Errors
    /// Where PostgreSQL does not answer.
    pub async fn stakes_before(
        &self,
        players: &[PlayerId],
        today: i32,
    ) -> Result<BTreeMap<PlayerId, u64>, DatabaseError> {
        let rows: Vec<(Vec<u8>, i64)> = sqlx::query_as(
            "SELECT player, max(big_blind) FROM player_counters
             WHERE player = ANY($1) AND day >= $2 AND day < $3 AND hands > 0 GROUP BY player",
        )
        .bind(players.iter().map(|player| player.0.as_slice()).collect::<Vec<_>>())
        .bind(today.saturating_sub(STAKES_DAYS))
        .bind(today)
        .fetch_all(&self.pool)
        .await?;
        let pair = |(player, blind): (Vec<u8>, i64)| {
            Some((PlayerId(player.try_into().ok()?), blind.try_into().ok()?))
        };
        Ok(rows.into_iter().filter_map(pair).collect())
    }
}

pub(crate) async fn note(
    State(database): State<Database>,
    body: Result<Json<NewAct>, JsonRejection>,
) -> Result<Json<RecordedAct>, Answer> {
    let Json(act) = body.map_err(|error| bad(error.body_text()))?;
    if !TableUid::is_one(&act.table) {
        return Err(bad("the table's UID is malformed"));
    }
    if act.reason.trim().is_empty() || act.reason.chars().count() > REASON_MAX {
        return Err(bad(format!("reason has 1 to {REASON_MAX} characters")));
    }
    if act.act.is_outcome() != act.order.is_some() {
        return Err(bad("an outcome names its order, and an order names none"));
    }
    Ok(Json(RecordedAct { id: database.note_act(&act).await? }))
}

#[derive(Deserialize)]
pub(crate) struct ActsQuery {
    before: Option<i64>,
    limit: Option<i64>,
}

pub(crate) async fn acts(
    State(database): State<Database>,
    query: Result<Query<ActsQuery>, QueryRejection>,
) -> Result<Json<Acts>, Answer> {
    let Query(ActsQuery { before, limit }) = query.map_err(|error| bad(error.body_text()))?;
    let limit = limit.unwrap_or(LIMIT_MAX);
    if !(1..=LIMIT_MAX).contains(&limit) {
        return Err(bad(format!("limit is 1 to {LIMIT_MAX}")));
    }
    Ok(Json(database.acts(before.unwrap_or(i64::MAX), limit).await?))
}

pub(crate) async fn stakes(
    State(database): State<Database>,
    body: Result<Json<StakesAsked>, JsonRejection>,
) -> Result<Json<StakesPlayed>, Answer> {
    let Json(StakesAsked { players }) = body.map_err(|error| bad(error.body_text()))?;
    if players.len() > PLAYERS_MAX {
        return Err(bad(format!("at most {PLAYERS_MAX} players")));
    }
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let today = i32::try_from(since.as_secs() / 86_400).unwrap_or(i32::MAX);
    let highest = database.stakes_before(&players, today).await?;
    Ok(Json(StakesPlayed { highest: highest.into_iter().collect() }))
}
