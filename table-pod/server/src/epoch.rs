//! The number that fences a table: generation * 2^16 + restarts.
//!
//! The controller raises the generation in the Kubernetes API before it makes a pod; restarts in
//! place are counted in a file that lives as long as the pod.

use purr_protocol::epoch::{Epoch, GenerationTooLarge};
use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    path::Path,
};

#[derive(Debug, thiserror::Error)]
pub enum EpochError {
    #[error("{0}: {1}")]
    Io(String, io::Error),
    #[error("the file of restarts holds '{0}', not a number")]
    Corrupt(String),
    #[error("this pod has restarted 65535 times: it needs a new generation")]
    Exhausted,
    #[error(transparent)]
    Generation(#[from] GenerationTooLarge),
}

/// Raises the count of restarts, durably, and returns the epoch to use. Two processes never get
/// the same one.
pub fn next(dir: &Path, generation: u64) -> Result<Epoch, EpochError> {
    let path = dir.join("restarts");
    let failed = |error| EpochError::Io(path.display().to_string(), error);
    let before: u64 = match fs::read_to_string(&path) {
        Ok(text) => text.trim().parse().map_err(|_| EpochError::Corrupt(text.chars().take(32).collect()))?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => 0,
        Err(error) => return Err(failed(error)),
    };
    let restarts = u16::try_from(before + 1).map_err(|_| EpochError::Exhausted)?;
    let fresh = dir.join("restarts.new");
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).open(&fresh).map_err(failed)?;
    writeln!(file, "{restarts}").map_err(failed)?;
    file.sync_all().map_err(failed)?;
    fs::rename(&fresh, &path).map_err(failed)?;
    // A new name is durable only with its folder.
    File::open(dir).and_then(|dir| dir.sync_all()).map_err(failed)?;
    Ok(Epoch::new(generation, restarts)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_restart_gets_a_higher_epoch_and_every_generation_a_higher_one_still() {
        let dir = tempfile::tempdir().unwrap();
        let first = next(dir.path(), 7).unwrap();
        let second = next(dir.path(), 7).unwrap();
        assert_eq!((first, second), (Epoch::new(7, 1).unwrap(), Epoch::new(7, 2).unwrap()));
        let other = tempfile::tempdir().unwrap();
        assert!(next(other.path(), 8).unwrap() > second);
    }

    #[test]
    fn a_corrupt_file_is_an_error_and_not_a_fresh_start() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("restarts"), "x").unwrap();
        assert!(matches!(next(dir.path(), 1), Err(EpochError::Corrupt(_))));
    }
}
