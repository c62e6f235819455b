//! A player's own statistics, and a graph by days.

use crate::{
    blocks,
    database::{Database, DatabaseError},
    day::Day,
    problem::bad,
};
use axum::{
    Json,
    extract::{Path, Query, State, rejection::QueryRejection},
};
use purr_engine::PlayerId;
use purr_facts::{
    Counters, NAMES, Position, WIDTH,
    rates::{self, Figure, Winning},
};
use purr_runtime::problem::Answer;
use serde::{Deserialize, Serialize};
use sqlx::AssertSqlSafe;
use std::collections::BTreeMap;

/// Days of one graph.
const DAYS_MAX: i64 = 3_660;
/// Stakes that are listed.
const STAKES_MAX: i64 = 100;

/// Which hands count.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Wanted {
    /// Small and big blind in minor units, for instance 50/100.
    stakes: Option<String>,
    /// Players dealt in.
    seats: Option<i16>,
    /// As in [`Position::name`].
    position: Option<String>,
    /// First and last day, UTC, for instance 2026-11-29.
    from: Option<String>,
    to: Option<String>,
}

struct Filter {
    stakes: Option<(i64, i64)>,
    seats: Option<i16>,
    position: Option<i16>,
    from: Day,
    to: Day,
}

impl Wanted {
    fn filter(&self) -> Result<Filter, Answer> {
        let stakes = self.stakes.as_ref().map(|text| {
            let blinds =
                text.split_once('/').and_then(|(small, big)| Some((small.parse().ok()?, big.parse().ok()?)));
            blinds.ok_or_else(|| bad("stakes is small/big"))
        });
        let position = self.position.as_ref().map(|name| {
            Position::from_name(name).map(Position::code).ok_or_else(|| {
                bad(format!("position is one of {}", Position::ALL.map(Position::name).join(", ")))
            })
        });
        if self.seats.is_some_and(|seats| !(2..=10).contains(&seats)) {
            return Err(bad("seats is 2 to 10"));
        }
        Ok(Filter {
            stakes: stakes.transpose()?,
            seats: self.seats,
            position: position.transpose()?,
            from: self.from.as_deref().map_or(Ok(0), day)?,
            to: self.to.as_deref().map_or(Ok(Day::MAX), day)?,
        })
    }
}

/// Days since 1970 of a date.
pub(crate) fn day_of_date(text: &str) -> Option<Day> {
    let date: jiff::civil::Date = text.parse().ok()?;
    Day::try_from(date.duration_since(jiff::civil::date(1970, 1, 1)).as_hours() / 24).ok()
}

pub(crate) fn day(text: &str) -> Result<Day, Answer> {
    day_of_date(text).ok_or_else(|| bad("a date is YYYY-MM-DD"))
}

pub(crate) fn date(day: Day) -> String {
    let start = jiff::civil::date(1970, 1, 1);
    start.checked_add(jiff::Span::new().days(day)).unwrap_or(start).to_string()
}

/// Statistics of one player, each figure with its sample size and a 95% interval.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Statistics {
    pub hands: i64,
    /// Hands among the player's last thousand, whatever is asked for, that count and are not final on chain yet.
    #[serde(default)]
    pub pending: i64,
    /// Shares of `n`; null where nothing could be counted.
    pub rates: BTreeMap<String, Option<Figure>>,
    /// Bets and raises for each call after the flop; null without calls.
    pub aggression_factor: Option<f64>,
    /// The same with its sample size, bets, raises and calls, and its interval.
    #[serde(default)]
    pub aggression: Option<Figure>,
    /// Big blinds won per 100 hands: after rake, before it, and after rake with all-ins by equity.
    pub won: Option<Winning>,
    pub won_before_rake: Option<Winning>,
    pub adjusted: Option<Winning>,
    /// All stakes that the player has played, whatever the filter, those with most hands first.
    #[serde(default)]
    pub played: Vec<Stakes>,
}

/// Blinds in minor units, and how many hands were played at them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, sqlx::FromRow)]
#[serde(rename_all = "camelCase")]
pub struct Stakes {
    pub small_blind: i64,
    pub big_blind: i64,
    pub hands: i64,
}

/// One day of a player, in minor units.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Point {
    /// UTC, for instance 2026-11-29.
    pub day: String,
    pub hands: i64,
    /// After rake.
    pub won: i64,
    /// After rake, all-ins by equity.
    pub adjusted: i64,
    pub rake: i64,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Graph {
    /// Days with hands, oldest first.
    pub points: Vec<Point>,
}

const FITS: &str = "($4::bigint IS NULL OR (small_blind, big_blind) = ($4, $5))
     AND ($6::smallint IS NULL OR dealt_in = $6) AND ($7::smallint IS NULL OR position = $7)";

/// Sums by big blind, in which winnings are measured.
#[derive(Default)]
struct Totals {
    all: Counters,
    sums: [f64; 3],
    squares: [f64; 3],
}

impl Totals {
    #[allow(clippy::cast_precision_loss, reason = "for showing alone")]
    fn add(&mut self, big_blind: i64, counters: &Counters) {
        let blind = big_blind as f64;
        let own = [
            (counters.won, counters.won_sq),
            (counters.won_before_rake, counters.won_before_rake_sq),
            (counters.adjusted, counters.adjusted_sq),
        ];
        for (at, (sum, square)) in own.into_iter().enumerate() {
            self.sums[at] += sum as f64 / blind;
            self.squares[at] += square as f64 / (blind * blind);
        }
        self.all = self.all.plus(counters);
    }

    fn statistics(&self) -> Statistics {
        let winning = |at: usize| rates::winning(self.all.hands, self.sums[at], self.squares[at]);
        Statistics {
            hands: i64::try_from(self.all.hands).unwrap_or(i64::MAX),
            pending: 0,
            rates: rates::shares(&self.all).into_iter().map(|(name, figure)| (name.into(), figure)).collect(),
            aggression_factor: rates::aggression_factor(&self.all),
            aggression: rates::aggression(&self.all),
            won: winning(0),
            won_before_rake: winning(1),
            adjusted: winning(2),
            played: Vec::new(),
        }
    }
}

impl Database {
    async fn statistics(&self, player: PlayerId, filter: &Filter) -> Result<Statistics, DatabaseError> {
        let sums: Vec<String> = NAMES.iter().map(|name| format!("sum({name})::text")).collect();
        let sql = format!(
            "SELECT big_blind, ARRAY[{}] FROM {} AS row WHERE {FITS} GROUP BY big_blind ORDER BY big_blind",
            sums.join(", "),
            blocks::rows(),
        );
        let rows: Vec<(i64, Vec<String>)> = self.filtered(sql, player, filter).await?;
        let mut totals = Totals::default();
        for (big_blind, values) in rows {
            let parsed: Vec<i128> = values.iter().filter_map(|value| value.parse().ok()).collect();
            let Ok(values) = <[i128; WIDTH]>::try_from(parsed) else { continue };
            totals.add(big_blind, &Counters::from_values(values));
        }
        let played = sqlx::query_as(AssertSqlSafe(format!(
            "SELECT small_blind, big_blind, sum(hands)::bigint AS hands FROM {} AS row
             GROUP BY small_blind, big_blind ORDER BY 3 DESC LIMIT $4",
            blocks::rows(),
        )))
        .bind(player.0.as_slice())
        .bind(0)
        .bind(Day::MAX)
        .bind(STAKES_MAX)
        .fetch_all(&self.pool)
        .await?;
        let pending = self.pending(&player.0).await?;
        Ok(Statistics { played, pending, ..totals.statistics() })
    }

    async fn graph(&self, player: PlayerId, filter: &Filter) -> Result<Graph, DatabaseError> {
        let sql = format!(
            "SELECT day, sum(hands)::bigint, sum(won)::bigint, sum(adjusted)::bigint, sum(rake)::bigint
             FROM player_counters
             WHERE player = $1 AND day BETWEEN $2 AND $3 AND {FITS} GROUP BY day ORDER BY day DESC LIMIT {DAYS_MAX}"
        );
        let rows: Vec<(Day, i64, i64, i64, i64)> = self.filtered(sql, player, filter).await?;
        let point = |(day, hands, won, adjusted, rake)| Point { day: date(day), hands, won, adjusted, rake };
        Ok(Graph { points: rows.into_iter().rev().map(point).collect() })
    }

    /// `sql` is this file's own text.
    async fn filtered<R>(
        &self,
        sql: String,
        player: PlayerId,
        filter: &Filter,
    ) -> Result<Vec<R>, DatabaseError>
    where
        R: for<'r> sqlx::FromRow<'r, sqlx::postgres::PgRow> + Send + Unpin,
    {
        let rows = sqlx::query_as(AssertSqlSafe(sql))
            .bind(player.0.to_vec())
            .bind(filter.from)
            .bind(filter.to)
            .bind(filter.stakes.map(|(small, _)| small))
            .bind(filter.stakes.map(|(_, big)| big))
            .bind(filter.seats)
            .bind(filter.position)
            .fetch_all(&self.pool)
            .await?;
        Ok(rows)
    }
}

pub(crate) fn parsed<T>(query: Result<Query<T>, QueryRejection>) -> Result<T, Answer> {
    query.map(|Query(query)| query).map_err(|error| bad(error.body_text()))
}

pub(crate) fn player(text: &str) -> Result<PlayerId, Answer> {
    text.parse().map_err(|error| bad(format!("{error}")))
}

pub(crate) async fn statistics(
    State(database): State<Database>,
    Path(who): Path<String>,
    wanted: Result<Query<Wanted>, QueryRejection>,
) -> Result<Json<Statistics>, Answer> {
    Ok(Json(database.statistics(player(&who)?, &parsed(wanted)?.filter()?).await?))
}

pub(crate) async fn graph(
    State(database): State<Database>,
    Path(who): Path<String>,
    wanted: Result<Query<Wanted>, QueryRejection>,
) -> Result<Json<Graph>, Answer> {
    Ok(Json(database.graph(player(&who)?, &parsed(wanted)?.filter()?).await?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_and_dates_are_the_same_both_ways() {
        for (text, number) in [("1970-01-01", 0), ("2026-11-29", 20_786), ("2000-02-29", 11_016)] {
            assert_eq!((day(text).ok(), date(number).as_str()), (Some(number), text));
        }
        assert!(day("29.11.2026").is_err());
    }
}
