//! Tells whether the mounted certificates are others than those the servers have loaded.

use sha2::{Digest, Sha256};
use std::{fs, path::Path, time::Duration};

/// The files as they were at one time; a hash, since kubelet replaces them by links.
pub type Print = [u8; 32];

/// `None` while the files cannot be read, for instance in the middle of a replacement.
pub fn print(dir: &Path) -> Option<Print> {
    let mut hash = Sha256::new();
    for file in ["tls.crt", "tls.key", "ca.crt"] {
        let bytes = fs::read(dir.join(file)).ok()?;
        hash.update((bytes.len() as u64).to_be_bytes());
        hash.update(bytes);
    }
    Some(hash.finalize().into())
}

/// The certificates that the servers have loaded.
#[derive(Debug, Default)]
pub struct Loaded {
    print: Option<Print>,
    changed: Option<Duration>,
}

impl Loaded {
    pub fn load(&mut self, print: Option<Print>) {
        (self.print, self.changed) = (print, None);
    }

    /// Time since others were first seen.
    pub fn stale(&mut self, now: Duration, print: Option<Print>) -> Option<Duration> {
        if self.print.is_none() || print.is_none() || self.print == print {
            self.changed = None;
            return None;
        }
        let since = *self.changed.get_or_insert(now);
        Some(now - since)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn certificates_are_new_until_they_are_loaded() {
        let (old, new, s) = (Some([1; 32]), Some([2; 32]), Duration::from_secs);
        let mut loaded = Loaded::default();
        assert_eq!(loaded.stale(s(1), old), None, "no server runs");
        loaded.load(old);
        assert_eq!(loaded.stale(s(2), old), None);
        assert_eq!(loaded.stale(s(3), None), None, "in the middle of a replacement");
        assert_eq!(loaded.stale(s(4), new), Some(s(0)));
        assert_eq!(loaded.stale(s(9), new), Some(s(5)));
        loaded.load(new);
        assert_eq!(loaded.stale(s(10), new), None);
    }
}
