//! Rows for hands and their players: the same contributions to sums as the counters in PostgreSQL.

use super::columns::{Column, Values, file};
use crate::{day::day_of, rooms::pot_of};
use parquet::errors::ParquetError;
use purr_engine::PlayerId;
use purr_facts::{NAMES, PlayerFacts, Position, SQUARES, WIDTH};
use purr_protocol::record::HandRecord;
use std::sync::Arc;

const NARROW: usize = WIDTH - SQUARES;

/// One hand that counts.
struct HandRow {
    table: Arc<str>,
    hand: i64,
    hash: String,
    ended_ms: i64,
    epoch: i64,
    small_blind: i64,
    big_blind: i64,
    dealt_in: i32,
    pot: i64,
    rake: i64,
}

/// One player of one hand.
struct FactRow {
    player: PlayerId,
    table: Arc<str>,
    hand: i64,
    ended_ms: i64,
    seat: i32,
    position: Position,
    dealt_in: i32,
    small_blind: i64,
    big_blind: i64,
    narrow: [i64; NARROW],
    squares: [i128; SQUARES],
}

/// Rows of the files that are being made, one of each kind.
#[derive(Default)]
pub(crate) struct Rows {
    hands: Vec<HandRow>,
    facts: Vec<FactRow>,
}

fn narrow(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

impl Rows {
    pub(crate) fn hands(&self) -> usize {
        self.hands.len()
    }

    pub(crate) fn facts(&self) -> usize {
        self.facts.len()
    }

    /// `name` gives the name under which a player is exported, `None` for players who are not counted.
    pub(crate) fn add(
        &mut self,
        record: &HandRecord,
        hash: &[u8],
        ended_ms: i64,
        name: impl Fn(PlayerId) -> Option<PlayerId>,
    ) {
        let (table, config): (Arc<str>, _) = (record.table.as_str().into(), &record.history.config);
        let hand = narrow(record.end.hand);
        self.hands.push(HandRow {
            table: table.clone(),
            hand,
            hash: hex::encode(hash),
            ended_ms,
            epoch: narrow(record.epoch),
            small_blind: narrow(config.small_blind),
            big_blind: narrow(config.big_blind),
            dealt_in: i32::try_from(record.history.seats.len()).unwrap_or(i32::MAX),
            pot: i64::try_from(pot_of(record)).unwrap_or(i64::MAX),
            rake: narrow(record.end.rake),
        });
        // As with the counters, a hand that cannot be counted has no facts.
        for facts in purr_facts::facts(record).unwrap_or_default() {
            let PlayerFacts { player, seat, position, dealt_in, small_blind, big_blind, counters } = facts;
            let (Some(player), Ok(small_blind), Ok(big_blind)) =
                (name(player), small_blind.try_into(), big_blind.try_into())
            else {
                continue;
            };
            let values = counters.values();
            self.facts.push(FactRow {
                player,
                table: table.clone(),
                hand,
                ended_ms,
                seat: seat.0.into(),
                position,
                dealt_in: dealt_in.into(),
                small_blind,
                big_blind,
                narrow: std::array::from_fn(|at| i64::try_from(values[at]).unwrap_or(i64::MAX)),
                squares: std::array::from_fn(|at| values[NARROW + at]),
            });
        }
    }

    /// Sorted by table and hand.
    pub(crate) fn hands_file(&mut self) -> Result<Vec<u8>, ParquetError> {
        let mut rows = std::mem::take(&mut self.hands);
        rows.sort_by(|a, b| (&a.table, a.hand, &a.hash).cmp(&(&b.table, b.hand, &b.hash)));
        let long = |of: fn(&HandRow) -> i64| Values::Long(rows.iter().map(of).collect());
        let columns: Vec<Column> = vec![
            ("table_uid", Values::Text(rows.iter().map(|row| row.table.to_string()).collect())),
            ("hand", long(|row| row.hand)),
            ("hash", Values::Text(rows.iter().map(|row| row.hash.clone()).collect())),
            ("ended_at", Values::Moment(rows.iter().map(|row| row.ended_ms).collect())),
            ("day", Values::Date(rows.iter().map(|row| day_of(row.ended_ms)).collect())),
            ("epoch", long(|row| row.epoch)),
            ("small_blind", long(|row| row.small_blind)),
            ("big_blind", long(|row| row.big_blind)),
            ("dealt_in", Values::Small(rows.iter().map(|row| row.dealt_in).collect())),
            ("pot", long(|row| row.pot)),
            ("rake", long(|row| row.rake)),
        ];
        file(columns, 2)
    }

    /// Sorted by player, table and hand.
    pub(crate) fn facts_file(&mut self) -> Result<Vec<u8>, ParquetError> {
        let mut rows = std::mem::take(&mut self.facts);
        rows.sort_by(|a, b| (a.player, &a.table, a.hand).cmp(&(b.player, &b.table, b.hand)));
        let long = |of: fn(&FactRow) -> i64| Values::Long(rows.iter().map(of).collect());
        let mut columns: Vec<Column> = vec![
            ("player", Values::Text(rows.iter().map(|row| row.player.to_string()).collect())),
            ("table_uid", Values::Text(rows.iter().map(|row| row.table.to_string()).collect())),
            ("hand", long(|row| row.hand)),
            ("ended_at", Values::Moment(rows.iter().map(|row| row.ended_ms).collect())),
            ("day", Values::Date(rows.iter().map(|row| day_of(row.ended_ms)).collect())),
            ("small_blind", long(|row| row.small_blind)),
            ("big_blind", long(|row| row.big_blind)),
            ("dealt_in", Values::Small(rows.iter().map(|row| row.dealt_in).collect())),
            ("position", Values::Text(rows.iter().map(|row| row.position.name().into()).collect())),
            ("seat", Values::Small(rows.iter().map(|row| row.seat).collect())),
        ];
        for (at, name) in NAMES.iter().enumerate() {
            let values = if at < NARROW {
                Values::Long(rows.iter().map(|row| row.narrow[at]).collect())
            } else {
                Values::Wide(rows.iter().map(|row| row.squares[at - NARROW]).collect())
            };
            columns.push((name, values));
        }
        file(columns, 3)
    }
}
