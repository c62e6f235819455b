//! Messages of a hand-over: a table moves from one pod to its successor between two hands.
//!
//! The controller starts the successor, which connects to everything and stands by. [`Order`] makes the successor ask its
//! predecessor for the table ([`HandOver`]) until no hand runs there, and take over then. A lost message costs time and
//! nothing else: the epoch in every write decides who the writer is.

use serde::{Deserialize, Serialize};

/// How far a process is with its table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Standing {
    /// Connects to its store group and the signer.
    #[default]
    Connecting,
    /// Ready to take over. The predecessor is not fenced.
    StandingBy,
    /// Asks the predecessor for the table, or takes over.
    TakingOver,
    Serving,
    /// Sent by a newer release.
    #[serde(other)]
    Unknown,
}

/// Answer to `GET /v1/standing` and to an [`Order`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Successor {
    pub standing: Standing,
    /// The condition that the process waits for.
    pub waits_for: Option<String>,
    /// The predecessor does not answer [`HandOver`], as a release without hand-overs does. It is drained first.
    pub refused: bool,
}

/// `POST /v1/take-over`: the controller orders a successor to take over. May be repeated.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Order {
    /// Address of the predecessor, host:port, which ends its hand first. None: the successor takes over at once.
    pub predecessor: Option<String>,
}

/// `POST /v1/hand-over`: a successor asks its predecessor for the table.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct HandOver {
    /// The successor's epoch.
    pub epoch: u64,
    /// The successor has taken over: the predecessor sends its players away.
    pub taken: bool,
}

/// Answer to [`HandOver`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct HandedOver {
    /// No hand runs, and none starts for some seconds.
    pub free: bool,
    /// Milliseconds since the last hand ended. None: no hand has ended at this process, or its release does not report
    /// it.
    pub rested_ms: Option<u64>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_newer_release_adds_is_read_over() {
        let text = r#"{"standing": "resting", "waitsFor": null, "more": 1}"#;
        let read: Successor = serde_json::from_str(text).unwrap();
        assert_eq!(read, Successor { standing: Standing::Unknown, ..Successor::default() });
        assert_eq!(serde_json::from_str::<Order>("{}").unwrap(), Order::default());
    }
}
