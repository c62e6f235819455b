//! Messages of `/v1/drain`: the controller orders a table to drain, pause or close, and reads the progress of the
//! drain.

use serde::{Deserialize, Serialize};

/// An order of the controller to a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DrainReason {
    /// The table ends: players are paid out once the running hand has ended.
    Delete,
    /// The table moves to another pod: no hand starts.
    Rollout,
    /// Hands stop after the running one.
    Pause,
    /// Hands go on.
    Resume,
    /// Refuse new players.
    Close,
    /// Seats are given again.
    Open,
}

/// `POST /v1/drain`. May be repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DrainRequest {
    pub reason: DrainReason,
}

/// Answer to `GET` and `POST /v1/drain`: how far a drain has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DrainStatus {
    pub drained: bool,
    pub hand_running: bool,
    /// Players with a seat.
    pub seated: usize,
    /// Entries that the signer has not accepted.
    pub unsettled: usize,
    /// The table has been asked to drain.
    #[serde(default)]
    pub asked: bool,
}
