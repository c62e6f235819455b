//! The destination of exported files: a folder today; an object store would implement the same four operations.

use std::{
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
};

/// Files by name, with `/` between folders. Nobody else writes while an export runs.
pub trait Bucket {
    /// Reads a file; `None` if there is none.
    fn get(&self, name: &str) -> io::Result<Option<Vec<u8>>>;
    /// Writes or replaces a file atomically. The file survives a crash once this returns.
    fn put(&self, name: &str, bytes: &[u8]) -> io::Result<()>;
    /// Names of all files in a folder; empty if there is no such folder.
    fn list(&self, folder: &str) -> io::Result<Vec<String>>;
    /// Removes a file; does nothing if there is none.
    fn remove(&self, name: &str) -> io::Result<()>;
}

/// A folder of a volume.
#[derive(Clone, Debug)]
pub struct Folder(pub PathBuf);

fn absent<T>(error: io::Error, default: T) -> io::Result<T> {
    if error.kind() == io::ErrorKind::NotFound { Ok(default) } else { Err(error) }
}

/// A name in a folder lasts once the folder itself is on disk.
fn sync(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

impl Bucket for Folder {
    fn get(&self, name: &str) -> io::Result<Option<Vec<u8>>> {
        fs::read(self.0.join(name)).map(Some).or_else(|error| absent(error, None))
    }

    fn put(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let path = self.0.join(name);
        let parent = path.parent().unwrap_or(&self.0);
        fs::create_dir_all(parent)?;
        let half = path.with_extension("tmp");
        let mut file = File::create(&half)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&half, &path)?;
        sync(parent)?;
        sync(parent.parent().unwrap_or(&self.0))
    }

    fn list(&self, folder: &str) -> io::Result<Vec<String>> {
        let found = match fs::read_dir(self.0.join(folder)) {
            Ok(found) => found,
            Err(error) => return absent(error, Vec::new()),
        };
        found.map(|file| Ok(format!("{folder}/{}", file?.file_name().to_string_lossy()))).collect()
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        fs::remove_file(self.0.join(name)).or_else(|error| absent(error, ()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_gives_back_what_was_put_and_lists_it_until_it_is_removed() {
        let dir = tempfile::tempdir().unwrap();
        let folder = Folder(dir.path().into());
        assert_eq!(folder.get("a/b/c.parquet").unwrap(), None);
        assert!(folder.list("a/b").unwrap().is_empty());
        for bytes in [b"one".as_slice(), b"two"] {
            folder.put("a/b/c.parquet", bytes).unwrap();
            assert_eq!(folder.get("a/b/c.parquet").unwrap().unwrap(), bytes);
        }
        assert_eq!(folder.list("a/b").unwrap(), ["a/b/c.parquet"]);
        folder.remove("a/b/c.parquet").unwrap();
        folder.remove("a/b/c.parquet").unwrap();
        assert!(folder.list("a/b").unwrap().is_empty());
    }
}
