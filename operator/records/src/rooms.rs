//! Figures of each table by the hour for the lobby: hands an hour, pots, players at the flop, rake. They name no
//! player.

use crate::{
    database::{Database, DatabaseError},
    problem::bad,
};
use axum::{
    Json,
    extract::{Query, State, rejection::QueryRejection},
};
use purr_engine::{Event, event::Street};
use purr_protocol::record::HandRecord;
use purr_runtime::problem::Answer;
use serde::{Deserialize, Serialize};
use sqlx::PgConnection;
use std::{collections::BTreeMap, time::SystemTime};

const HOUR_MS: i64 = 3_600_000;
const MINUTE_MS: i64 = 60_000;
/// Tables of one answer, those with most hands.
const TABLES_MAX: i64 = 20_000;
const HOURS_DEFAULT: i32 = 24;
/// A week.
const HOURS_MAX: i32 = 168;

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    table: String,
    hour: i32,
    small_blind: i64,
    big_blind: i64,
}

/// Sums over hands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Sums {
    hands: i64,
    pot: i128,
    rake: i128,
    dealt_in: i64,
    flops: i64,
    saw_flop: i64,
}

impl Sums {
    fn of(record: &HandRecord) -> Self {
        let mut folded = 0_i64;
        let dealt_in = i64::try_from(record.history.seats.len()).unwrap_or(0);
        let mut sums = Self { hands: 1, dealt_in, rake: record.end.rake.into(), ..Self::default() };
        sums.pot = sums.rake;
        for event in &record.history.events {
            match event {
                Event::Acted { action: purr_engine::Action::Fold, .. } => folded += 1,
                Event::StreetDealt { board: 0, street: Street::Flop, .. } => {
                    (sums.flops, sums.saw_flop) = (1, dealt_in - folded);
                }
                Event::PotWon { amount, .. } => sums.pot += i128::from(*amount),
                _ => {}
            }
        }
        sums
    }

    fn change(&mut self, by: &Self, sign: i64) {
        self.hands += sign * by.hands;
        self.pot += i128::from(sign) * by.pot;
        self.rake += i128::from(sign) * by.rake;
        self.dealt_in += sign * by.dealt_in;
        self.flops += sign * by.flops;
        self.saw_flop += sign * by.saw_flop;
    }
}

/// All pots of a hand before rake.
pub(crate) fn pot_of(record: &HandRecord) -> i128 {
    Sums::of(record).pot
}

/// Changes to the rows that one transaction adds up.
#[derive(Default)]
pub(crate) struct Hours(BTreeMap<Key, Sums>);

impl Hours {
    fn each(&mut self, record: &HandRecord, ended_ms: i64, sign: i64) {
        let config = &record.history.config;
        let (Ok(small_blind), Ok(big_blind), Ok(hour)) = (
            config.small_blind.try_into(),
            config.big_blind.try_into(),
            i32::try_from(ended_ms.div_euclid(HOUR_MS)),
        ) else {
            return;
        };
        // Void hands are not counted.
        if record.end.void {
            return;
        }
        let key = Key { table: record.table.clone(), hour, small_blind, big_blind };
        self.0.entry(key).or_default().change(&Sums::of(record), sign);
    }

    pub(crate) fn add(&mut self, record: &HandRecord, ended_ms: i64) {
        self.each(record, ended_ms, 1);
    }

    pub(crate) fn take_away(&mut self, record: &HandRecord, ended_ms: i64) {
        self.each(record, ended_ms, -1);
    }

    pub(crate) async fn write(self, database: &mut PgConnection) -> Result<(), sqlx::Error> {
        if self.0.is_empty() {
            return Ok(());
        }
        let column = |of: fn(&(&Key, &Sums)) -> i64| self.0.iter().map(|row| of(&row)).collect::<Vec<i64>>();
        let text =
            |of: fn(&Sums) -> i128| self.0.values().map(|sums| of(sums).to_string()).collect::<Vec<_>>();
        sqlx::query(
            "INSERT INTO table_hours
                 (table_uid, hour, small_blind, big_blind, hands, pot, rake, dealt_in, flops, saw_flop, changes)
             SELECT t, h, s, b, n, p::numeric, r::numeric, d, f, w, 1 FROM unnest(
                 $1::text[], $2::integer[], $3::bigint[], $4::bigint[], $5::bigint[], $6::text[], $7::text[],
                 $8::bigint[], $9::bigint[], $10::bigint[]) AS v(t, h, s, b, n, p, r, d, f, w)
             ON CONFLICT (table_uid, hour, small_blind, big_blind) DO UPDATE SET
                 hands = table_hours.hands + EXCLUDED.hands, pot = table_hours.pot + EXCLUDED.pot,
                 rake = table_hours.rake + EXCLUDED.rake, dealt_in = table_hours.dealt_in + EXCLUDED.dealt_in,
                 flops = table_hours.flops + EXCLUDED.flops, saw_flop = table_hours.saw_flop + EXCLUDED.saw_flop,
                 changes = table_hours.changes + 1",
        )
        .bind(self.0.keys().map(|key| key.table.clone()).collect::<Vec<String>>())
        .bind(self.0.keys().map(|key| key.hour).collect::<Vec<i32>>())
        .bind(column(|(key, _)| key.small_blind))
        .bind(column(|(key, _)| key.big_blind))
        .bind(column(|(_, sums)| sums.hands))
        .bind(text(|sums| sums.pot))
        .bind(text(|sums| sums.rake))
        .bind(column(|(_, sums)| sums.dealt_in))
        .bind(column(|(_, sums)| sums.flops))
        .bind(column(|(_, sums)| sums.saw_flop))
        .execute(&mut *database)
        .await?;
        if self.0.values().any(|sums| sums.hands <= 0) {
            // Rows without hands, which a rebuild would not make. A count below 0 comes from hands that a release
            // without this table had counted.
            let tables: Vec<&str> = self.0.keys().map(|key| key.table.as_str()).collect();
            sqlx::query("DELETE FROM table_hours WHERE hands <= 0 AND table_uid = ANY($1)")
                .bind(&tables)
                .execute(&mut *database)
                .await?;
        }
        Ok(())
    }
}

/// Averages over hands of one table, or of all. They are null where there is nothing to divide by.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RoomFigures {
    pub hands: i64,
    /// Over the hours in which hands were played, of the running one the minutes that are over.
    pub hands_per_hour: Option<f64>,
    /// Minor units, before rake.
    pub average_pot: Option<f64>,
    /// Average over the hands that had a flop.
    pub players_per_flop: Option<f64>,
    /// Minor units.
    pub rake: i64,
}

/// The last hours of all tables.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Rooms {
    pub hours: i32,
    pub all: RoomFigures,
    /// Figures by the table's UID.
    pub tables: BTreeMap<String, RoomFigures>,
}

/// Time in hours with hands, in milliseconds: of the running one what is over, at least a minute.
fn played_ms(hours: i64, running: bool, now_ms: i64) -> i64 {
    let ahead = if running { HOUR_MS - now_ms.rem_euclid(HOUR_MS).max(MINUTE_MS) } else { 0 };
    hours * HOUR_MS - ahead
}

#[allow(clippy::cast_precision_loss, reason = "for showing alone")]
fn figures(hands: i64, played_ms: i64, pot: &str, rake: &str, flops: i64, saw_flop: i64) -> RoomFigures {
    let per = |sum: f64, of: i64| (of > 0).then(|| sum / of as f64);
    RoomFigures {
        hands,
        hands_per_hour: per(hands as f64 * HOUR_MS as f64, played_ms),
        average_pot: per(pot.parse().unwrap_or(0.0), hands),
        players_per_flop: per(saw_flop as f64, flops),
        rake: rake.parse().unwrap_or(i64::MAX),
    }
}

/// The table, or none for all of them; its hands; the hours that have some, and whether the running one is among them; pots,
/// rake, hands with a flop, and players who saw it.
type Row = (Option<String>, i64, i64, bool, String, String, i64, i64);

impl Database {
    /// The figures of the last hours, the running one included.
    ///
    /// # Errors
    /// Where PostgreSQL does not answer.
    pub async fn rooms(&self, hours: i32, now_ms: i64) -> Result<Rooms, DatabaseError> {
        let now = i32::try_from(now_ms.div_euclid(HOUR_MS)).unwrap_or(i32::MAX);
        let rows: Vec<Row> = sqlx::query_as(
            "SELECT table_uid, sum(hands)::bigint, count(DISTINCT hour), bool_or(hour = $2), sum(pot)::text, sum(rake)::text,
                 sum(flops)::bigint, sum(saw_flop)::bigint
             FROM table_hours WHERE hour > $1 AND hour <= $2
             GROUP BY GROUPING SETS ((table_uid), ()) HAVING count(*) > 0 ORDER BY 2 DESC LIMIT $3",
        )
        .bind(now.saturating_sub(hours))
        .bind(now)
        .bind(TABLES_MAX + 1)
        .fetch_all(&self.pool)
        .await?;
        let mut rooms = Rooms { hours, ..Rooms::default() };
        for (table, hands, with_hands, runs, pot, rake, flops, saw_flop) in rows {
            let played = played_ms(with_hands, runs, now_ms);
            let found = figures(hands, played, &pot, &rake, flops, saw_flop);
            match table {
                Some(table) => drop(rooms.tables.insert(table, found)),
                None => rooms.all = found,
            }
        }
        Ok(rooms)
    }
}

#[derive(Deserialize)]
pub(crate) struct RoomsQuery {
    hours: Option<i32>,
}

pub(crate) async fn rooms(
    State(database): State<Database>,
    query: Result<Query<RoomsQuery>, QueryRejection>,
) -> Result<Json<Rooms>, Answer> {
    let hours = query.map_err(|error| bad(error.body_text()))?.hours.unwrap_or(HOURS_DEFAULT);
    if !(1..=HOURS_MAX).contains(&hours) {
        return Err(bad(format!("hours is 1 to {HOURS_MAX}")));
    }
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Ok(Json(database.rooms(hours, i64::try_from(since.as_millis()).unwrap_or(i64::MAX)).await?))
}
