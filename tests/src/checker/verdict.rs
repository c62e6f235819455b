//! The faults of a history, by name.

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Violation {
    #[error("table {table}, hand {hand}: results and rake sum to {sum}")]
    HandNotConserved { table: String, hand: u64, sum: i64 },
    #[error("table {table}, commit {number}: {chips} chips, the sequence says {wanted}")]
    ChipsNotConserved { table: String, number: u64, chips: u64, wanted: i64 },
    #[error("in all: {granted} chips were granted, {found} are there")]
    PurseNotConserved { granted: u64, found: i64 },

    #[error("the ledger has {ledger} for {account}, the sequence says {wanted}")]
    LedgerDiffers { account: String, ledger: u64, wanted: i64 },
    #[error("the signer's books are wrong: {0}")]
    BooksFlawed(String),

    #[error("table {table}: hand {hand} settled as {first} and as {second}")]
    SettledTwice { table: String, hand: u64, first: u64, second: u64 },
    #[error("table {table}: {player} saw the end of hand {hand}, which is not settled")]
    NotSettled { table: String, hand: u64, player: String },
    #[error("table {table}, hand {hand}: {player} saw another result than was settled as {seq}")]
    SettledOtherwise { table: String, hand: u64, seq: u64, player: String },
    #[error("table {table}, hand {hand}: no record has the hash that was settled as {seq}")]
    NoRecord { table: String, hand: u64, seq: u64 },
    #[error("table {table}, hand {hand}: {player} saw {seen:?}, the record has {recorded:?}")]
    OtherCards { table: String, hand: u64, player: String, seen: Vec<String>, recorded: Vec<String> },
    #[error("table {table}: the journal has {found} after {last}")]
    SequenceGap { table: String, last: u64, found: u64 },
    #[error("table {table}: number {seq} was offered with two payloads")]
    Renumbered { table: String, seq: u64 },

    #[error("table {table}: action {id} of {player}, acknowledged in epoch {epoch} at {offset}, is missing")]
    ActionMissing { table: String, player: String, id: u64, epoch: u64, offset: u64 },
    #[error("table {table}: commit {number} of epoch {epoch} was acknowledged and is missing")]
    CommitMissing { table: String, epoch: u64, number: u64 },
    #[error("table {table}: the store has commit {found} after {last}")]
    CommitGap { table: String, last: u64, found: u64 },
    #[error("table {table}: action {id} of {player} was carried out again by commit {number}")]
    AppliedTwice { table: String, player: String, id: u64, number: u64 },
    #[error("table {table}, hand {hand}: {player} sent {asked} actions and {acted} were carried out")]
    ActedTooOften { table: String, hand: u64, player: String, acted: usize, asked: usize },

    #[error("table {table}, epoch {epoch}: {player} received offset {found} after {last}")]
    OffsetGap { table: String, epoch: u64, player: String, last: u64, found: u64 },
    #[error(
        "table {table}, offset {offset}: {first} (epoch {first_epoch}) and {second} (epoch {second_epoch}) received different events"
    )]
    Fork { table: String, offset: u64, first: String, first_epoch: u64, second: String, second_epoch: u64 },
    #[error("table {table}: {first} and {second} both served epoch {epoch}")]
    TwoPods { table: String, epoch: u64, first: String, second: String },
    #[error("table {table}: {player} received epoch {epoch} after epoch {last}")]
    OldEpoch { table: String, player: String, last: u64, epoch: u64 },

    #[error("table {table}, hand {hand}: {player} saw {seen:?}, epoch {epoch} goes on from {board:?}")]
    LostHandResumed {
        table: String,
        hand: u64,
        player: String,
        epoch: u64,
        seen: Vec<String>,
        board: Vec<String>,
    },
    #[error(
        "table {table}, epoch {epoch}: {player} saw offset {last}, the table went back to {offset} and did not count it"
    )]
    LossNotCounted { table: String, epoch: u64, player: String, last: u64, offset: u64 },
    #[error("table {table}, hand {hand}: {player} was dealt in and never received how it ended")]
    LossNotAnnounced { table: String, hand: u64, player: String },
}

impl Violation {
    /// Something happened more than once, or in two ways; every other violation is something lost or made up.
    pub fn is_double(&self) -> bool {
        matches!(
            self,
            Self::SettledTwice { .. }
                | Self::Renumbered { .. }
                | Self::AppliedTwice { .. }
                | Self::ActedTooOften { .. }
                | Self::Fork { .. }
                | Self::TwoPods { .. }
        )
    }
}
