//! Reads hands from PostgreSQL.

use crate::{
    api::{MissingHands, Page, Stored, Summary},
    database::{Database, DatabaseError},
    erasure,
    names::{self, Rule, Shown, Viewer},
    standing::from_code,
};
use purr_engine::{PlayerId, SeatIndex, SeatResult, history::HandHistory};
use purr_protocol::record::HandRecord;
use std::{collections::HashMap, time::SystemTime};

const GAPS_MAX: i64 = 200;

/// Columns: hash, end of the hand, record, whether everybody sees addresses, the time from which others may read it,
/// its standing, and whether the signer has it.
type RecordRow = (Vec<u8>, i64, Option<Vec<u8>>, bool, i64, i16, bool);

/// The answer to a reader who asks for a hand.
pub(crate) enum Found {
    Nothing,
    /// Not shown to other players before this time, in milliseconds since 1970.
    NotBefore(i64),
    Hand(Box<Stored>),
}

fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

#[derive(sqlx::FromRow)]
pub(crate) struct Row {
    pub(crate) id: i64,
    table_uid: String,
    hand: i64,
    hash: Vec<u8>,
    ended_ms: i64,
    void: bool,
    rake: i64,
    conflict: bool,
    public: bool,
    shown_ms: i64,
    standing: i16,
    confirmed: bool,
}

impl Database {
    /// Hands of a table with numbers below `before`.
    pub(crate) async fn table_hands(
        &self,
        table: &str,
        before: i64,
        limit: i64,
        viewer: Viewer,
    ) -> Result<Page, DatabaseError> {
        let rows: Vec<Row> = sqlx::query_as(
            "SELECT id, table_uid, hand, hash, ended_ms, void, rake, conflict, public, shown_ms, standing, confirmed FROM hands
             WHERE table_uid = $1 AND hand < $2 AND version = 0 AND (shown_ms <= $4 OR $5
             OR EXISTS (SELECT 1 FROM hand_players p WHERE p.hand_id = hands.id AND p.player = $6))
             ORDER BY hand DESC LIMIT $3",
        )
        .bind(table)
        .bind(before)
        .bind(limit + 1)
        .bind(now_ms())
        .bind(viewer == Viewer::Everything)
        .bind(viewer.player().map(|player| player.0.to_vec()))
        .fetch_all(&self.pool)
        .await?;
        self.page(rows, limit, |row| row.hand, viewer).await
    }

    /// Hands of a player that were stored before the last one of the previous page.
    pub(crate) async fn player_hands(
        &self,
        player: PlayerId,
        before: i64,
        limit: i64,
    ) -> Result<Page, DatabaseError> {
        let rows: Vec<Row> = sqlx::query_as(
            "SELECT h.id, table_uid, hand, hash, ended_ms, void, rake, conflict, public, shown_ms, standing, confirmed
             FROM hand_players p JOIN hands h ON h.id = p.hand_id
             WHERE p.player = $1 AND p.hand_id < $2 AND h.version = 0 ORDER BY p.hand_id DESC LIMIT $3",
        )
        .bind(player.0.as_slice())
        .bind(before)
        .bind(limit + 1)
        .fetch_all(&self.pool)
        .await?;
        // All of them are the player's own hands.
        self.page(rows, limit, |row| row.id, Viewer::Player(player)).await
    }

    /// Makes a page. One row more than the limit is read, to know whether there is a next page.
    pub(crate) async fn page(
        &self,
        mut rows: Vec<Row>,
        limit: i64,
        cursor: fn(&Row) -> i64,
        viewer: Viewer,
    ) -> Result<Page, DatabaseError> {
        let (key, now_ms) = (self.names_key().await?, now_ms());
        let limit = usize::try_from(limit).unwrap_or(0);
        let more = rows.len() > limit;
        rows.truncate(limit);
        let next = rows.last().filter(|_| more).map(cursor);
        let ids: Vec<i64> = rows.iter().map(|row| row.id).collect();
        let seats: Vec<(i64, i16, Vec<u8>, i64, i64)> = sqlx::query_as(
            "SELECT hand_id, seat, player, delta, stack FROM hand_players WHERE hand_id = ANY($1) ORDER BY hand_id, seat",
        )
        .bind(&ids)
        .fetch_all(&self.pool)
        .await?;
        let mut results: HashMap<i64, Vec<SeatResult>> = HashMap::with_capacity(ids.len());
        for (id, seat, player, delta, stack) in seats {
            // The schema bounds all three.
            let (Ok(seat), Ok(player), Ok(stack)) = (seat.try_into(), player.try_into(), stack.try_into())
            else {
                continue;
            };
            let result = SeatResult { seat: SeatIndex(seat), player: PlayerId(player), delta, stack };
            results.entry(id).or_default().push(result);
        }
        let summary = |row: Row| {
            let mut results = results.remove(&row.id).unwrap_or_default();
            let rule = Rule { public: row.public, shown_ms: row.shown_ms };
            let players = results.iter().map(|result| result.player);
            // A hand that became readable between the two queries is shown under pseudonyms like any other.
            let pseudonymous = rule.shown(viewer, players, now_ms) != Shown::Addresses;
            if pseudonymous {
                for result in &mut results {
                    result.player = names::name(&key, &row.table_uid, result.player);
                }
            }
            Summary {
                results,
                pseudonymous,
                table: row.table_uid,
                hand: row.hand,
                hash: hex::encode(row.hash),
                ended_at_ms: row.ended_ms,
                void: row.void,
                rake: row.rake,
                conflict: row.conflict,
                standing: from_code(row.standing),
                confirmed: row.confirmed,
                tags: Vec::new(),
            }
        };
        Ok(Page { hands: rows.into_iter().map(summary).collect(), next })
    }

    /// The first stored record of a hand, or the one with this hash.
    pub(crate) async fn hand(
        &self,
        table: &str,
        hand: i64,
        hash: Option<[u8; 32]>,
        viewer: Viewer,
    ) -> Result<Found, DatabaseError> {
        let rows: Vec<RecordRow> = sqlx::query_as(
            "SELECT h.hash, h.ended_ms, coalesce(h.record, b.record), h.public, h.shown_ms, h.standing, h.confirmed
             FROM hands h LEFT JOIN hand_bodies b
             ON b.day = (h.ended_ms / 86400000)::integer AND b.hand_id = h.id
             WHERE h.table_uid = $1 AND h.hand = $2 ORDER BY h.version",
        )
        .bind(table)
        .bind(hand)
        .fetch_all(&self.pool)
        .await?;
        let hashes: Vec<String> = rows.iter().map(|(hash, ..)| hex::encode(hash)).collect();
        let wanted = rows.into_iter().find(|(found, ..)| hash.is_none_or(|hash| *found == hash));
        let Some((hash, ended_at_ms, bytes, public, shown_ms, standing, confirmed)) = wanted else {
            return Ok(Found::Nothing);
        };
        let uid = table;
        let Some(bytes) = bytes else {
            return Err(DatabaseError::Expired { table: table.to_owned(), hand });
        };
        let corrupt = |detail: String| DatabaseError::Corrupt { table: table.to_owned(), hand, detail };
        if HandRecord::hash(&bytes).as_slice() != hash {
            return Err(corrupt("its hash is another one".into()));
        }
        let mut record: HandRecord =
            serde_json::from_slice(&bytes).map_err(|error| corrupt(error.to_string()))?;
        // The table leaves hole cards out of the history; this removes them a second time, in case of an error there.
        let HandHistory { hand, config, seats, events } = record.history;
        record.history = HandHistory::public(hand, config, seats, &events);
        let players = record.history.seats.iter().map(|start| start.player);
        let pseudonymous = match (Rule { public, shown_ms }).shown(viewer, players, now_ms()) {
            Shown::Addresses => false,
            Shown::Names => true,
            Shown::NotBefore(shown_ms) => return Ok(Found::NotBefore(shown_ms)),
        };
        if pseudonymous {
            let key = self.names_key().await?;
            let mut value = serde_json::to_value(&record).map_err(|error| corrupt(error.to_string()))?;
            names::replace(&mut value, &|player| names::name(&key, uid, player));
            record = serde_json::from_value(value).map_err(|error| corrupt(error.to_string()))?;
        }
        let erased = erasure::erased(&mut *self.pool.acquire().await?).await?;
        if record.history.seats.iter().any(|start| erased.contains(&start.player)) {
            let key = self.names_key().await?;
            let mut value = serde_json::to_value(&record).map_err(|error| corrupt(error.to_string()))?;
            names::replace(&mut value, &|player| {
                if erased.contains(&player) { erasure::name(&key, player) } else { player }
            });
            record = serde_json::from_value(value).map_err(|error| corrupt(error.to_string()))?;
        }
        Ok(Found::Hand(Box::new(Stored {
            hash: hex::encode(hash),
            ended_at_ms,
            hashes,
            standing: from_code(standing),
            confirmed,
            pseudonymous,
            record,
        })))
    }

    pub(crate) async fn gaps(&self, table: &str) -> Result<Vec<MissingHands>, DatabaseError> {
        let gaps: Vec<(i64, i64)> = sqlx::query_as(
            "SELECT first_hand, last_hand FROM gaps WHERE table_uid = $1 ORDER BY first_hand LIMIT $2",
        )
        .bind(table)
        .bind(GAPS_MAX)
        .fetch_all(&self.pool)
        .await?;
        Ok(gaps.into_iter().map(|(first, last)| MissingHands { first, last }).collect())
    }
}
