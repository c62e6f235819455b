//! Reasons of a table's conditions that fleets act on.

/// Reason of `Progressing` while an outdated table waits for its turn.
pub const QUEUED: &str = "RolloutQueued";
/// Reason of `Ready` while the table's owner has paused it: its process serves, and no hands are dealt.
pub const PAUSED: &str = "Paused";
