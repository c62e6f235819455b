//! A search of a player's own hands.
//!
//! # Guarantees
//! A page costs a bounded number of rows, however many hands the player has and whatever is looked for. Where the bound
//! ends a page early, its `next` goes on below the last hand that was examined.

use crate::{
    api::Page,
    database::{Database, DatabaseError},
    day::Day,
    names::Viewer,
    players::{day, parsed, player},
    problem::bad,
    query::Row,
};
use axum::{
    Json,
    extract::{Path, Query, State, rejection::QueryRejection},
};
use purr_engine::{Card, PlayerId};
use purr_runtime::problem::Answer;
use serde::Deserialize;
use sqlx::{PgConnection, Postgres, QueryBuilder};

const LIMIT_DEFAULT: i64 = 50;
const LIMIT_MAX: i64 = 200;
/// Maximum number of the player's hands that one page examines; reading each may cost an access to the disk.
const EXAMINED_MAX: i64 = 2_000;
/// If an index finds at most this many hands for one criterion, only those are examined. Otherwise the search walks all
/// hands in the order of storage.
const FEW: i64 = 1_500;
const FEW_BY_DAY: &str =
    "SELECT hand_id FROM hand_players WHERE player = $1 AND day BETWEEN $2 AND $3 AND hand_id < $4 LIMIT $5";
const FEW_BY_POT: &str =
    "SELECT hand_id FROM hand_players WHERE player = $1 AND pot BETWEEN $2 AND $3 AND hand_id < $4 LIMIT $5";
/// Maximum number of days for each of which the index is searched for the last hand.
const DAYS_MAX: Day = 4_000;
/// Milliseconds of a day.
const DAY_MS: i64 = 86_400_000;

/// Filters of a search in the player's own hands.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Search {
    /// `next` of the page before.
    before: Option<i64>,
    limit: Option<i64>,
    /// Two hole cards that everybody saw, in any order, for instance AsKd.
    cards: Option<String>,
    /// Won or lost chips.
    result: Option<Outcome>,
    /// Bounds of all pots together before rake, minor units.
    pot_min: Option<i64>,
    pot_max: Option<i64>,
    /// Another player who was dealt in.
    opponent: Option<String>,
    /// One of the player's own tags.
    tag: Option<String>,
    /// First and last day on which the hand ended, UTC, for instance 2026-11-29.
    from: Option<String>,
    to: Option<String>,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Outcome {
    Won,
    Lost,
}

/// The numbers of two cards, the low one first.
fn cards(text: &str) -> Option<(i16, i16)> {
    let (one, other) = (text.get(..2)?.parse::<Card>().ok()?, text.get(2..)?.parse::<Card>().ok()?);
    let (one, other) = (i16::from(one.number()), i16::from(other.number()));
    (one != other).then(|| (one.min(other), one.max(other)))
}

/// A checked search.
struct Wanted {
    own: PlayerId,
    before: i64,
    limit: i64,
    cards: Option<(i16, i16)>,
    result: Option<Outcome>,
    pot: Option<(i64, i64)>,
    opponent: Option<PlayerId>,
    tag: Option<String>,
    days: Option<(Day, Day)>,
}

impl Search {
    fn wanted(self, own: PlayerId) -> Result<Wanted, Answer> {
        let Self { before, limit, cards: both, result, pot_min, pot_max, opponent, tag, from, to } = self;
        let (before, limit) = (before.unwrap_or(i64::MAX), limit.unwrap_or(LIMIT_DEFAULT));
        if before < 1 || !(1..=LIMIT_MAX).contains(&limit) {
            return Err(bad(format!("before counts from 1, limit is 1 to {LIMIT_MAX}")));
        }
        let both = both.map(|text| cards(&text).ok_or_else(|| bad("cards is two cards, for instance AsKd")));
        let (from, to) = (from.as_deref().map(day).transpose()?, to.as_deref().map(day).transpose()?);
        Ok(Wanted {
            own,
            before,
            limit,
            cards: both.transpose()?,
            result,
            pot: (pot_min.is_some() || pot_max.is_some())
                .then(|| (pot_min.unwrap_or(i64::MIN), pot_max.unwrap_or(i64::MAX))),
            opponent: opponent.map(|text| player(&text)).transpose()?,
            tag,
            days: (from.is_some() || to.is_some())
                .then(|| (from.unwrap_or(Day::MIN), to.unwrap_or(Day::MAX - 1))),
        })
    }
}

/// The candidates of a search, newest first.
enum Source {
    /// Hands with one of the player's tags.
    Tag(String),
    /// Hands with two shown cards.
    Cards(i16, i16),
    /// Hands of one day.
    Day(Day),
    /// All hands that fit one of the criteria.
    Few(Vec<i64>),
    /// Own hands.
    All,
}

impl Source {
    /// Appends the statement of up to [`EXAMINED_MAX`] rows of the player.
    fn select(&self, sql: &mut QueryBuilder<Postgres>, own: PlayerId, before: i64) {
        if let Self::Tag(tag) = self {
            sql.push("SELECT t.hand_id, p.delta, p.low, p.high FROM (SELECT hand_id FROM hand_tags WHERE player = ");
            sql.push_bind(own.0.to_vec());
            sql.push(" AND tag = ").push_bind(tag.clone()).push(" AND hand_id < ").push_bind(before);
            sql.push(format!(" ORDER BY hand_id DESC LIMIT {EXAMINED_MAX}) t CROSS JOIN LATERAL"));
            sql.push(" (SELECT * FROM hand_players o WHERE o.hand_id = t.hand_id AND o.player = ");
            sql.push_bind(own.0.to_vec()).push(" OFFSET 0) p ORDER BY t.hand_id DESC");
            return;
        }
        sql.push("SELECT p.hand_id, p.delta, p.low, p.high FROM hand_players p WHERE p.player = ");
        sql.push_bind(own.0.to_vec()).push(" AND p.hand_id < ").push_bind(before);
        match self {
            Self::Cards(low, high) => {
                sql.push(" AND p.low = ").push_bind(*low).push(" AND p.high = ").push_bind(*high);
            }
            Self::Day(day) => {
                sql.push(" AND p.day = ").push_bind(*day);
            }
            Self::Few(ids) => {
                sql.push(" AND p.hand_id = ANY(").push_bind(ids.clone()).push(")");
            }
            Self::Tag(_) | Self::All => {}
        }
        sql.push(format!(" ORDER BY p.hand_id DESC LIMIT {EXAMINED_MAX}"));
    }
}

impl Wanted {
    /// Chooses the source of candidates, and the number below which the first match lies.
    async fn source(&self, database: &mut PgConnection) -> Result<(Source, i64), sqlx::Error> {
        let Self { own, before, cards, pot, opponent, tag, days, .. } = self;
        let mut top = *before;
        if let Some(tag) = tag {
            return Ok((Source::Tag(tag.clone()), top));
        }
        if let Some((low, high)) = *cards {
            return Ok((Source::Cards(low, high), top));
        }
        // Rows that are not filled yet are not in the indexes.
        let filled: bool =
            sqlx::query_scalar("SELECT NOT EXISTS (SELECT 1 FROM hand_players_filled WHERE below > 0)")
                .fetch_one(&mut *database)
                .await?;
        if let Some((from, to)) = days.filter(|_| filled) {
            if from == to {
                return Ok((Source::Day(from), top));
            }
            if let Some(few) = few_between(database, FEW_BY_DAY, *own, (from.into(), to.into()), top).await? {
                return Ok((few, top));
            }
            top = last_of_days(database, *own, (from, to), top).await?;
        }
        if let Some(bounds) = pot.filter(|_| filled)
            && let Some(few) = few_between(database, FEW_BY_POT, *own, bounds, top).await?
        {
            return Ok((few, top));
        }
        if let Some(opponent) = opponent {
            let ids: Vec<i64> = sqlx::query_scalar(
                "SELECT hand_id FROM hand_players WHERE player = $1 AND hand_id < $2 ORDER BY hand_id DESC LIMIT $3",
            )
            .bind(opponent.0.as_slice())
            .bind(top)
            .bind(FEW + 1)
            .fetch_all(&mut *database)
            .await?;
            let newest = ids.first().map_or(0, |id| id + 1);
            if let Some(few) = few(ids) {
                return Ok((few, top));
            }
            top = top.min(newest);
        }
        Ok((Source::All, top))
    }

    /// Appends the SQL conditions of the search, over the rows `p` of the source and `hands h`.
    fn criteria(&self, sql: &mut QueryBuilder<Postgres>) {
        if let Some((low, high)) = self.cards {
            sql.push(" AND p.low = ").push_bind(low).push(" AND p.high = ").push_bind(high);
        }
        match self.result {
            Some(Outcome::Won) => sql.push(" AND p.delta > 0"),
            Some(Outcome::Lost) => sql.push(" AND p.delta < 0"),
            None => sql,
        };
        if let Some((least, most)) = self.pot {
            sql.push(" AND h.pot BETWEEN ").push_bind(least).push(" AND ").push_bind(most);
        }
        if let Some(opponent) = self.opponent {
            sql.push(" AND EXISTS (SELECT 1 FROM hand_players o WHERE o.hand_id = p.hand_id AND o.player = ")
                .push_bind(opponent.0.to_vec())
                .push(")");
        }
        if let Some((from, to)) = self.days {
            // The last day itself is in it.
            sql.push(" AND h.ended_ms >= ").push_bind(i64::from(from) * DAY_MS);
            sql.push(" AND h.ended_ms < ").push_bind((i64::from(to) + 1) * DAY_MS);
        }
    }
}

/// The player's hands below `before` that are within the bounds of the statement, unless there are too many.
async fn few_between(
    database: &mut PgConnection,
    sql: &'static str,
    own: PlayerId,
    (least, most): (i64, i64),
    before: i64,
) -> Result<Option<Source>, sqlx::Error> {
    let ids =
        sqlx::query_scalar(sql).bind(own.0.as_slice()).bind(least).bind(most).bind(before).bind(FEW + 1);
    Ok(few(ids.fetch_all(database).await?))
}

/// The candidates by id, unless there are too many.
fn few(ids: Vec<i64>) -> Option<Source> {
    (ids.len() as i64 <= FEW).then_some(Source::Few(ids))
}

/// The number after the newest hand of these days below `before`, or `before` itself when finding it would cost too
/// much. A hand that arrived late has a higher number than hands of later days.
async fn last_of_days(
    database: &mut PgConnection,
    own: PlayerId,
    (from, to): (Day, Day),
    before: i64,
) -> Result<i64, sqlx::Error> {
    let (first, last): (Option<Day>, Option<Day>) = sqlx::query_as(
        "SELECT (SELECT min(day) FROM hand_players WHERE player = $1), (SELECT max(day) FROM hand_players WHERE player = $1)",
    )
    .bind(own.0.as_slice())
    .fetch_one(&mut *database)
    .await?;
    let (from, to) = (from.max(first.unwrap_or(from)), to.min(last.unwrap_or(to)));
    if to.saturating_sub(from) > DAYS_MAX {
        return Ok(before);
    }
    let newest: Option<i64> = sqlx::query_scalar(
        "SELECT max(newest.hand_id) FROM generate_series($2::integer, $3::integer) AS one(day) CROSS JOIN LATERAL (
             SELECT p.hand_id FROM hand_players p WHERE p.player = $1 AND p.day = one.day AND p.hand_id < $4
             ORDER BY p.hand_id DESC LIMIT 1) newest",
    )
    .bind(own.0.as_slice())
    .bind(from)
    .bind(to)
    .bind(before)
    .fetch_one(database)
    .await?;
    Ok(newest.map_or(0, |id| id + 1))
}

impl Database {
    /// Returns rows that match, at most one more than the limit, and the number to continue from when the bound on
    /// examined hands ended the search.
    async fn find(&self, wanted: &Wanted) -> Result<(Vec<Row>, Option<i64>), DatabaseError> {
        let mut snapshot = self.pool.begin().await?;
        // All queries of a search see the same hands: new ones would shift the bound.
        sqlx::query("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            .execute(&mut *snapshot)
            .await?;
        let (source, top) = wanted.source(&mut snapshot).await?;
        let mut sql = QueryBuilder::new(
            "SELECT h.id, h.table_uid, h.hand, h.hash, h.ended_ms, h.void, h.rake, h.conflict, h.public, h.shown_ms, h.standing, h.confirmed
             FROM (",
        );
        source.select(&mut sql, wanted.own, top);
        // Hands are looked up one by one in the order of the source: OFFSET keeps the planner from joining all of them
        // first.
        sql.push(") p CROSS JOIN LATERAL (SELECT * FROM hands h WHERE h.id = p.hand_id AND h.version = 0");
        wanted.criteria(&mut sql);
        sql.push(" OFFSET 0) h ORDER BY p.hand_id DESC LIMIT ").push_bind(wanted.limit + 1);
        // A plan for all values of the parameters would not use the source's index.
        let rows: Vec<Row> = sql.build_query_as().persistent(false).fetch_all(&mut *snapshot).await?;
        let mut next = None;
        if rows.len() as i64 <= wanted.limit && !matches!(source, Source::Few(_)) {
            let mut last = QueryBuilder::new("SELECT hand_id FROM (");
            source.select(&mut last, wanted.own, top);
            last.push(") p OFFSET ").push_bind(EXAMINED_MAX - 1);
            next = last.build_query_scalar().persistent(false).fetch_optional(&mut *snapshot).await?;
        }
        snapshot.commit().await?;
        Ok((rows, next))
    }
}

pub(crate) async fn search(
    State(database): State<Database>,
    Path(who): Path<String>,
    query: Result<Query<Search>, QueryRejection>,
) -> Result<Json<Page>, Answer> {
    let own = player(&who)?;
    let wanted = parsed(query)?.wanted(own)?;
    let (rows, further) = database.find(&wanted).await?;
    // All of them are the player's own hands.
    let page = database.page(rows, wanted.limit, |row| row.id, Viewer::Player(own)).await?;
    let page = Page { next: page.next.or(further), ..page };
    Ok(Json(database.with_tags(own, page).await?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_cards_are_the_same_in_either_order_and_one_twice_is_no_pair() {
        assert_eq!(cards("AsKd"), cards("KdAs"));
        assert!(cards("AsKd").is_some());
        for bad in ["", "As", "AsAs", "AsKx", "AsKdQc", "ÄsKd"] {
            assert_eq!(cards(bad), None, "{bad}");
        }
    }
}
