//! What the controller remembers of a table's Secret.

use std::time::Instant;

/// What this process remembers of a table's Secret; may be lost with the process.
#[derive(Clone, Debug, Default)]
pub struct Memory {
    /// When the certificate is due for renewal, in seconds since 1970; 0: not read yet.
    pub renew_at_s: i64,
    /// The version that was last read or written.
    pub(super) checked: Option<String>,
    pub(super) written: Option<Instant>,
    /// UID of the Secret whose missing owner was reported.
    pub(super) unowned: Option<String>,
}
