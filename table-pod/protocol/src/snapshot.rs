//! Versions of the snapshots that tables keep of themselves in the store. What is in them is the table's alone.

/// The version that a table writes unless told otherwise, and the highest that it reads: a part that many commits share,
/// and the changes since.
pub const VERSION: u8 = 2;
/// The lowest that it can be told to write: the whole state with every commit.
pub const VERSION_WRITTEN_MIN: u8 = 1;
