//! Versions of the snapshots that tables keep of themselves in the store. What is in them is the table's alone.

/// The version that a table writes by default, and the highest that it reads: a base that many commits share, and the
/// changes since.
pub const VERSION: u8 = 2;
/// The lowest version that a table can be configured to write: the whole state with every commit.
pub const VERSION_WRITTEN_MIN: u8 = 1;
