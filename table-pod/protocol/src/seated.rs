//! Seats by the signer's journal, for the controller's search for seats at tables that no longer exist.

use purr_engine::{Chips, PlayerId, SeatIndex};
use serde::{Deserialize, Serialize};

/// Tables in one answer.
pub const SEATED_PAGE_MAX: u16 = 1_000;

/// A table at which somebody sits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SeatedTable {
    pub uid: String,
    pub players: u32,
    /// In minor units.
    pub chips: Chips,
}

/// `GET /v1/seated?after=UID`: tables with players after this UID, in the order of their UIDs, at most
/// [`SEATED_PAGE_MAX`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SeatedTables {
    pub tables: Vec<SeatedTable>,
}

/// A seat as the accepted entries leave it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SeatStack {
    pub seat: SeatIndex,
    pub player: PlayerId,
    /// In minor units.
    pub stack: Chips,
}

/// `GET /v1/tables/{uid}/seats`: everybody who sits at a table, by seat.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TableSeats {
    /// The highest epoch that has spoken.
    pub epoch: u64,
    /// The last entry in the journal.
    pub head_seq: u64,
    pub seats: Vec<SeatStack>,
}
