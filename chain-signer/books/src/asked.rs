//! Compares what a table asked for with the journal's rows: rows are never believed by themselves.
//!
//! **Guarantees.** An entry's hash, lanes and moved chips follow from its payload, and are those that the hash chain
//! noted as it was accepted. What does not agree is named by table, column and row.

use crate::policy::{Lane, Terms};
use purr_protocol::settlement::{Entry, EntryBody, OpenTable};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Why a column is not believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Why {
    #[error("does not follow from what the table asked for")]
    NotAsked,
    #[error("is not what the hash chain has")]
    NotNoted,
    #[error("has no row in the hash chain")]
    Unknown,
    #[error("does not read")]
    Malformed,
    #[error("is not what the journal makes again from its beginning")]
    NotMadeAgain,
    #[error("is not what the key signed")]
    NotSigned,
    #[error("is not what the chain says")]
    NotOnChain,
}

/// A row that somebody changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{table}.{column} of {row} {why}")]
pub struct Changed {
    pub table: &'static str,
    pub column: &'static str,
    pub row: String,
    pub why: Why,
}

impl Changed {
    pub fn new(table: &'static str, column: &'static str, row: impl Into<String>, why: Why) -> Self {
        Self { table, column, row: row.into(), why }
    }
}

/// Lanes by seat.
pub type Lanes = BTreeMap<u8, Lane>;

/// The hash chain's note of an accepted entry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EntryNote {
    pub uid: String,
    pub seq: u64,
    pub payload_hash: String,
    /// None in rows of releases before, and of entries that move no chips between seats.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lanes: Option<Lanes>,
}

/// An entry as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EntryRow {
    pub uid: String,
    pub seq: u64,
    pub kind: String,
    pub payload_hash: [u8; 32],
    pub payload: String,
    pub moved: i64,
    pub lanes: String,
    /// `None`: the hash chain has no such row, or the row was changed after it was written.
    pub noted: Option<EntryNote>,
    /// Whether the table's own certificate signed the entry. True if no signature is required.
    pub is_signed: bool,
}

/// How a body is named in the column `kind`.
pub fn kind(body: &EntryBody) -> &'static str {
    match body {
        EntryBody::Sit { .. } => "sit",
        EntryBody::TopUp { .. } => "topUp",
        EntryBody::Hand { .. } => "hand",
        EntryBody::Leave { .. } => "leave",
    }
}

/// Whether lanes are those of a body: the same seats and deltas, and shares that sum to its rake. Which seat bears how much
/// of the rake depends on the seats at the time and is in the hash chain.
pub fn lanes_follow(body: &EntryBody, lanes: &Lanes) -> bool {
    let EntryBody::Hand { deltas, rake, .. } = body else { return lanes.is_empty() };
    let same = deltas
        .iter()
        .map(|one| (one.seat.0, one.delta))
        .eq(lanes.iter().map(|(seat, lane)| (*seat, lane.delta)));
    same && lanes.values().map(|lane| u128::from(lane.rake)).sum::<u128>() == u128::from(*rake)
}

/// Chips that change hands by lanes.
pub fn moved(lanes: &Lanes) -> u128 {
    lanes.values().filter(|lane| lane.delta < 0).map(|lane| u128::from(lane.delta.unsigned_abs())).sum()
}

/// Builds an entry from its row, if every column follows from what the table submitted.
///
/// # Errors
/// The column that does not.
pub fn entry(row: &EntryRow) -> Result<(Entry, Lanes), Changed> {
    let changed = |column, why| Changed::new("entries", column, format!("{}/{}", row.uid, row.seq), why);
    let Some(noted) = &row.noted else { return Err(changed("seq", Why::Unknown)) };
    if noted.payload_hash != hex::encode(row.payload_hash) {
        return Err(changed("payload_hash", Why::NotNoted));
    }
    let entry: Entry = serde_json::from_str(&row.payload).map_err(|_| changed("payload", Why::Malformed))?;
    if entry.payload_hash().ok() != Some(row.payload_hash) || entry.seq != row.seq {
        return Err(changed("payload", Why::NotNoted));
    }
    if !row.is_signed {
        return Err(changed("signature or certificate", Why::NotSigned));
    }
    if kind(&entry.body) != row.kind {
        return Err(changed("kind", Why::NotAsked));
    }
    let lanes: Lanes = serde_json::from_str(&row.lanes).map_err(|_| changed("lanes", Why::Malformed))?;
    if !lanes_follow(&entry.body, &lanes) {
        return Err(changed("lanes", Why::NotAsked));
    }
    if noted.lanes.as_ref().is_some_and(|noted| *noted != lanes) {
        return Err(changed("lanes", Why::NotNoted));
    }
    if u128::try_from(row.moved) != Ok(moved(&lanes)) {
        return Err(changed("moved", Why::NotAsked));
    }
    Ok((entry, lanes))
}

/// The hash chain's note of a new table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TableNote {
    pub uid: String,
    pub table_id: String,
    pub terms: OpenTable,
}

/// A table as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableAsked {
    pub uid: String,
    pub table_id: [u8; 32],
    pub config: String,
    pub noted: Option<TableNote>,
}

/// The terms of a table, if they are those that it asked for. What its id has to be is the contract's rule.
///
/// # Errors
/// The column that is another.
pub fn table(row: &TableAsked, id: impl FnOnce(Terms) -> Option<[u8; 32]>) -> Result<Terms, Changed> {
    let changed = |column, why| Changed::new("tables", column, row.uid.clone(), why);
    let Some(noted) = &row.noted else { return Err(changed("uid", Why::Unknown)) };
    let config: OpenTable =
        serde_json::from_str(&row.config).map_err(|_| changed("config", Why::Malformed))?;
    if noted.terms != config {
        return Err(changed("config", Why::NotNoted));
    }
    if noted.table_id != hex::encode(row.table_id) {
        return Err(changed("table_id", Why::NotNoted));
    }
    let terms = Terms::from(&config);
    if id(terms).is_some_and(|id| id != row.table_id) {
        return Err(changed("table_id", Why::NotAsked));
    }
    Ok(terms)
}

#[cfg(test)]
mod tests {
    use super::*;
    use purr_engine::{PlayerId, SeatIndex};
    use purr_protocol::settlement::SeatDelta;

    fn row() -> EntryRow {
        let delta = |n: u8, delta| SeatDelta { seat: SeatIndex(n), player: PlayerId([n; 20]), delta };
        let body = EntryBody::Hand {
            hand: 7,
            deltas: vec![delta(0, 8), delta(3, -10)],
            rake: 2,
            record_hash: "ab".repeat(32),
            next: String::new(),
        };
        let entry = Entry { seq: 4, body };
        let lanes: Lanes = [(0, Lane { delta: 8, rake: 2 }), (3, Lane { delta: -10, rake: 0 })].into();
        let payload_hash = entry.payload_hash().unwrap();
        EntryRow {
            uid: "t".into(),
            seq: 4,
            kind: "hand".into(),
            payload_hash,
            payload: serde_json::to_string(&entry).unwrap(),
            moved: 10,
            lanes: serde_json::to_string(&lanes).unwrap(),
            is_signed: true,
            noted: Some(EntryNote {
                uid: "t".into(),
                seq: 4,
                payload_hash: hex::encode(payload_hash),
                lanes: Some(lanes),
            }),
        }
    }

    #[test]
    fn an_entry_is_read_only_where_each_of_its_columns_follows_from_what_was_asked() {
        let good = row();
        let (read, lanes) = entry(&good).unwrap();
        assert_eq!((read.seq, lanes.len()), (4, 2));
        let column = |change: fn(&mut EntryRow)| {
            let mut row = row();
            change(&mut row);
            entry(&row).unwrap_err().column
        };
        assert_eq!(column(|row| row.noted = None), "seq");
        assert_eq!(column(|row| row.seq = 5), "payload");
        assert_eq!(column(|row| row.kind = "leave".into()), "kind");
        assert_eq!(column(|row| row.is_signed = false), "signature or certificate");
        assert_eq!(column(|row| row.payload_hash = [1; 32]), "payload_hash");
        assert_eq!(column(|row| row.payload = row.payload.replace("-10", "-11")), "payload");
        assert_eq!(column(|row| row.payload = "{".into()), "payload");
        assert_eq!(column(|row| row.moved = 11), "moved");
        assert_eq!(column(|row| row.moved = -10), "moved");
        // Chips, and which seat bears the rake.
        assert_eq!(column(|row| row.lanes = row.lanes.replace("-10", "-30")), "lanes");
        let other: Lanes = [(0, Lane { delta: 8, rake: 0 }), (3, Lane { delta: -10, rake: 2 })].into();
        let changed = EntryRow { lanes: serde_json::to_string(&other).unwrap(), ..row() };
        assert_eq!(
            entry(&changed).unwrap_err().to_string(),
            "entries.lanes of t/4 is not what the hash chain has"
        );
    }

    #[test]
    fn an_entry_of_a_release_before_is_read_without_noted_lanes() {
        let mut old = row();
        old.noted = old.noted.map(|noted| EntryNote { lanes: None, ..noted });
        assert!(entry(&old).is_ok());
        let note: EntryNote = serde_json::from_str(r#"{"uid":"t","seq":1,"payloadHash":"00"}"#).unwrap();
        assert_eq!(note.lanes, None);
    }

    #[test]
    fn a_table_keeps_the_terms_and_the_id_that_it_was_opened_with() {
        let terms = OpenTable {
            epoch: 1,
            seats: 6,
            big_blind: 2,
            rake_basis_points: 500,
            rake_cap: 3,
            max_hands: 8,
            max_delay_ms: 300,
        };
        let noted = TableNote { uid: "t".into(), table_id: hex::encode([7; 32]), terms: terms.clone() };
        let config = serde_json::to_string(&terms).unwrap();
        let row = TableAsked { uid: "t".into(), table_id: [7; 32], config, noted: Some(noted) };
        assert_eq!(table(&row, |_| Some([7; 32])), Ok(Terms::from(&terms)));
        assert_eq!(table(&row, |_| Some([8; 32])).unwrap_err().column, "table_id");
        let other = OpenTable { max_delay_ms: 301, ..terms };
        let changed = TableAsked { config: serde_json::to_string(&other).unwrap(), ..row.clone() };
        assert_eq!(table(&changed, |_| None).unwrap_err().column, "config");
        let changed = TableAsked { table_id: [8; 32], ..row.clone() };
        assert_eq!(table(&changed, |_| None).unwrap_err().column, "table_id");
        assert_eq!(table(&TableAsked { noted: None, ..row }, |_| None).unwrap_err().why, Why::Unknown);
    }
}
