//! Lines on stdout and stderr.

use anyhow::Context;
use std::io::{ErrorKind, Write};

/// The reader of stdout has gone away, as `head` does: the command ends, and that is no failure.
#[derive(Debug, thiserror::Error)]
#[error("stdout is closed")]
pub(crate) struct StdoutClosed;

/// Prints one line on stdout.
///
/// # Errors
/// [`StdoutClosed`], which [`crate::cli::run`] ends quietly for, or what else is wrong with stdout.
pub(crate) fn print_line(line: &str) -> anyhow::Result<()> {
    match writeln!(std::io::stdout(), "{line}") {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Err(StdoutClosed.into()),
        result => result.context("stdout"),
    }
}

/// Prints one line of progress on stderr.
pub(crate) fn note(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}
