//! Public statistics of a player (rates over the hands before today, from a hundred hands on), and leaderboards under
//! names of their own.
//!
//! Today's hands are left out: by comparing the figures before and after a hand one could learn how a player played at
//! another table, which the hand's own delay prevents.

use crate::{
    boards::Place,
    database::{Database, DatabaseError},
    day::{self, Day},
    names,
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
use purr_facts::{Counters, NAMES, WIDTH, rates};
use purr_protocol::statistics::{
    HANDS_MIN, Leader, Leaders, LeadersBy, PLAYERS_MAX, PublicAsked, PublicStatistics, PublicTold, Rate,
};
use purr_runtime::problem::Answer;
use serde::Deserialize;
use sqlx::AssertSqlSafe;
use std::{
    sync::Arc,
    time::{Duration, Instant},
};

/// Periods of leaderboards in days. The set is closed because each leaderboard is computed and cached.
const DAYS: [i32; 3] = [1, 7, 30];
/// Places of a leaderboard.
const PLACES: i64 = 100;
/// Age at which a leaderboard is computed again.
const EVERY: Duration = Duration::from_secs(300);
/// Purpose of the names on leaderboards.
const NAMED_FOR: &str = "leaderboard";

fn public(counters: &Counters) -> PublicStatistics {
    let rate =
        |figure: rates::Figure| Rate { value: figure.value, n: figure.n, low: figure.low, high: figure.high };
    PublicStatistics {
        hands: i64::try_from(counters.hands).unwrap_or(i64::MAX),
        rates: rates::shares(counters)
            .into_iter()
            .map(|(name, figure)| (name.into(), figure.map(rate)))
            .collect(),
        aggression_factor: rates::aggression_factor(counters),
    }
}

impl Database {
    /// Statistics before this day, for those of the players who have enough hands.
    ///
    /// # Errors
    /// Where PostgreSQL does not answer.
    pub async fn public_statistics(
        &self,
        players: &[PlayerId],
        before: Day,
    ) -> Result<PublicTold, DatabaseError> {
        let sums: Vec<String> = NAMES.iter().map(|name| format!("sum({name})::text")).collect();
        let sql = format!(
            "SELECT player, ARRAY[{}] FROM player_counters WHERE player = ANY($1) AND day < $2
             GROUP BY player HAVING sum(hands) >= $3",
            sums.join(", ")
        );
        let rows: Vec<(Vec<u8>, Vec<String>)> = sqlx::query_as(AssertSqlSafe(sql))
            .bind(players.iter().map(|player| player.0.to_vec()).collect::<Vec<_>>())
            .bind(before)
            .bind(HANDS_MIN)
            .fetch_all(&self.pool)
            .await?;
        let told = rows.into_iter().filter_map(|(player, values)| {
            let parsed: Vec<i128> = values.iter().filter_map(|value| value.parse().ok()).collect();
            let counters = Counters::from_values(<[i128; WIDTH]>::try_from(parsed).ok()?);
            Some((PlayerId(player.try_into().ok()?), public(&counters)))
        });
        Ok(PublicTold { players: told.collect() })
    }

    /// The leading players over the given number of days before today.
    ///
    /// # Errors
    /// Where PostgreSQL does not answer.
    pub async fn leaders(
        &self,
        days: i32,
        by: LeadersBy,
        today: Day,
        caller: Option<PlayerId>,
    ) -> Result<Leaders, DatabaseError> {
        let places = {
            // Concurrent callers wait for one query.
            let mut boards = self.boards.0.lock().await;
            match boards.get(&(days, by)) {
                Some((since, places)) if since.elapsed() < EVERY => places.clone(),
                _ => {
                    let places = Arc::new(self.places(days, by, today).await?);
                    boards.insert((days, by), (Instant::now(), places.clone()));
                    places
                }
            }
        };
        let key = self.names_key().await?;
        let leader = |(place, Place { player, hands, big_blinds }): (u32, &Place)| Leader {
            place,
            name: names::name(&key, NAMED_FOR, *player),
            you: caller == Some(*player),
            hands: *hands,
            big_blinds: *big_blinds,
        };
        Ok(Leaders { days, by, leaders: (1..).zip(places.iter()).map(leader).collect() })
    }

    async fn places(&self, days: i32, by: LeadersBy, today: Day) -> Result<Vec<Place>, DatabaseError> {
        let order = match by {
            LeadersBy::Won => "3 DESC, 2 DESC, 1",
            LeadersBy::Hands => "2 DESC, 3 DESC, 1",
        };
        let sql = format!(
            "SELECT player, sum(hands)::bigint, sum(won::float8 / big_blind) FROM player_counters
             WHERE day >= $1 AND day < $2 GROUP BY player HAVING sum(hands) >= $3 ORDER BY {order} LIMIT $4"
        );
        let rows: Vec<(Vec<u8>, i64, f64)> = sqlx::query_as(AssertSqlSafe(sql))
            .bind(today - days)
            .bind(today)
            .bind(HANDS_MIN)
            .bind(PLACES)
            .fetch_all(&self.pool)
            .await?;
        let place = |(player, hands, big_blinds): (Vec<u8>, i64, f64)| {
            Some(Place { player: PlayerId(player.try_into().ok()?), hands, big_blinds })
        };
        Ok(rows.into_iter().filter_map(place).collect())
    }
}

pub(crate) async fn statistics(
    State(database): State<Database>,
    asked: Result<Json<PublicAsked>, JsonRejection>,
) -> Result<Json<PublicTold>, Answer> {
    let Json(PublicAsked { players }) = asked.map_err(|error| bad(error.body_text()))?;
    if players.len() > PLAYERS_MAX {
        return Err(bad(format!("at most {PLAYERS_MAX} players at once")));
    }
    Ok(Json(database.public_statistics(&players, day::today()).await?))
}

#[derive(Deserialize)]
pub(crate) struct LeadersQuery {
    days: Option<i32>,
    #[serde(default)]
    by: LeadersBy,
    /// The reader's address.
    viewer: Option<String>,
}

pub(crate) async fn leaders(
    State(database): State<Database>,
    query: Result<Query<LeadersQuery>, QueryRejection>,
) -> Result<Json<Leaders>, Answer> {
    let Query(LeadersQuery { days, by, viewer }) = query.map_err(|error| bad(error.body_text()))?;
    let days = days.unwrap_or(DAYS[2]);
    if !DAYS.contains(&days) {
        return Err(bad(format!("days is one of {DAYS:?}, got {days}")));
    }
    let viewer = viewer.as_deref().map(crate::players::player).transpose()?;
    Ok(Json(database.leaders(days, by, day::today(), viewer).await?))
}
