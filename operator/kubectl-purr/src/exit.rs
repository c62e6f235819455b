//! Exit codes, which scripts read.

use std::process::ExitCode;

/// How a command ended. An error is 1 ([`ExitCode::FAILURE`]).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// 0: done, or everything is healthy.
    Done,
    /// 2: stopped, and does not go on by itself.
    Stopped,
    /// 3: not done within the time, or not yet.
    Unfinished,
    /// 4: `status` names a part that is unhealthy or cannot be read.
    Unwell,
    /// 64: options that do not fit together (sysexits.h, EX_USAGE).
    Usage,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::Done => 0,
            Exit::Stopped => 2,
            Exit::Unfinished => 3,
            Exit::Unwell => 4,
            Exit::Usage => 64,
        })
    }
}
