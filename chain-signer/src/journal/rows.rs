//! Conversions between database values and the journal's types: rows, players, seats, nonces.

use super::{JournalError, bytes, undb};
use purr_books::{entry::State, policy::Terms};
use purr_engine::PlayerId;
use purr_protocol::settlement::{OpenTable, TableState};
use sqlx::{Row, postgres::PgRow};

/// The kind of a number that was passed over before the journal had it.
pub(super) const VOID: &str = "void";

/// A table that is open on chain, as it is stored.
pub(super) const OPEN: &str = "open";
pub(super) const OPENING: &str = "opening";

#[derive(Clone, Debug)]
pub struct TableRow {
    pub uid: String,
    pub table_id: [u8; 32],
    pub terms: Terms,
    pub max_hands: u32,
    pub max_delay_ms: u64,
    pub state: TableState,
    pub epoch: u64,
    pub head_seq: u64,
    pub head_next: Option<String>,
    pub confirmed_seq: u64,
}

pub(super) fn read_table(row: &PgRow) -> Result<TableRow, JournalError> {
    let config: String = row.try_get("config")?;
    let config: OpenTable = serde_json::from_str(&config)?;
    let state: String = row.try_get("state")?;
    Ok(TableRow {
        uid: row.try_get("uid")?,
        table_id: bytes(row.try_get("table_id")?, "table_id")?,
        terms: Terms::from(&config),
        max_hands: config.max_hands,
        max_delay_ms: config.max_delay_ms,
        state: match state.as_str() {
            OPEN => TableState::Open,
            OPENING => TableState::Opening,
            other => return Err(JournalError::Corrupt(format!("table state '{other}'"))),
        },
        epoch: undb(row.try_get("epoch")?)?,
        head_seq: undb(row.try_get("head_seq")?)?,
        head_next: row.try_get("head_next")?,
        confirmed_seq: undb(row.try_get("confirmed_seq")?)?,
    })
}

pub(super) fn player_of(row: &PgRow) -> Result<PlayerId, JournalError> {
    Ok(PlayerId(bytes(row.try_get("player")?, "player")?))
}

pub(super) fn seat_of(row: &PgRow) -> Result<u8, JournalError> {
    u8::try_from(row.try_get::<i16, _>("seat")?)
        .map_err(|_| JournalError::Corrupt("seat out of range".into()))
}

/// Permit nonces are any u64; the database has signed ones.
pub(super) fn nonce_db(nonce: u64) -> i64 {
    i64::from_be_bytes(nonce.to_be_bytes())
}

pub(super) fn nonce_of(row: &PgRow) -> Result<u64, JournalError> {
    Ok(u64::from_be_bytes(row.try_get::<i64, _>("nonce")?.to_be_bytes()))
}

pub(super) fn words(states: &[State]) -> Vec<&'static str> {
    states.iter().map(|state| state.as_str()).collect()
}
