//! Encryption at rest: only the fleet's data key can open the cards that Redis stores.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use hkdf::Hkdf;
use sha2::Sha256;
use std::{
    collections::HashMap,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};
use zeroize::Zeroizing;

#[derive(Debug, thiserror::Error)]
pub enum SealError {
    #[error("data key: cannot read {path}: {source}")]
    Read { path: String, source: std::io::Error },
    #[error("data key {0}: want base64 of 32 bytes")]
    BadKey(String),
    #[error("data key {0} is not mounted")]
    UnknownKey(String),
    #[error("more than AES-GCM can seal at once")]
    TooLong,
    #[error("what was stored does not open: it was changed, or belongs to another table or commit")]
    Forged,
}

/// The mounted data keys: `current` names the one that seals, and any of them opens.
pub struct DataKeys {
    current: String,
    keys: HashMap<String, Zeroizing<Vec<u8>>>,
}

impl DataKeys {
    /// Reads a mounted Secret: a file `current` with a key's name, and one file a key with base64 of 32 bytes.
    pub fn load(dir: &Path) -> Result<Self, SealError> {
        let read = |path: &Path| {
            std::fs::read_to_string(path)
                .map_err(|source| SealError::Read { path: path.display().to_string(), source })
        };
        let current = read(&dir.join("current"))?.trim().to_owned();
        let mut keys = HashMap::new();
        let entries = std::fs::read_dir(dir)
            .map_err(|source| SealError::Read { path: dir.display().to_string(), source })?;
        for entry in entries.flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            // A Secret volume has `..data` links beside the keys.
            if name == "current" || name.starts_with('.') || name.len() > 32 {
                continue;
            }
            let text = Zeroizing::new(read(&entry.path())?);
            let key =
                Zeroizing::new(STANDARD.decode(text.trim()).map_err(|_| SealError::BadKey(name.clone()))?);
            if key.len() != 32 {
                return Err(SealError::BadKey(name));
            }
            keys.insert(name, key);
        }
        if !keys.contains_key(&current) {
            return Err(SealError::UnknownKey(current));
        }
        Ok(Self { current, keys })
    }

    /// A set with one given key, for tests and tables without a store.
    pub fn ephemeral(key: [u8; 32]) -> Self {
        Self { current: "k".into(), keys: HashMap::from([("k".into(), Zeroizing::new(key.to_vec()))]) }
    }
}

/// Seals for one table. The key is HKDF(data key, table, epoch), the nonce the commit's number:
/// within an epoch a number is used once for each purpose, so no nonce comes twice under one key.
#[derive(Clone)]
pub struct Sealer {
    keys: Arc<DataKeys>,
    table: String,
    /// Derived ciphers of the last purposes, because commits use the same few purposes.
    ciphers: Arc<Mutex<Vec<Made>>>,
}

/// A cipher, and what its key was made for.
struct Made {
    name: String,
    purpose: String,
    epoch: u64,
    cipher: Arc<LessSafeKey>,
}

/// Number of ciphers that are kept: the purposes of one epoch, and one of the previous epoch.
const CIPHERS_MAX: usize = 8;

impl Sealer {
    pub fn new(keys: Arc<DataKeys>, table: &str) -> Self {
        Self { keys, table: table.to_owned(), ciphers: Arc::default() }
    }

    /// The table that is sealed for.
    pub fn table(&self) -> &str {
        &self.table
    }

    /// `purpose` separates what shares a commit, for instance `snapshot` and `log`.
    pub fn seal(&self, purpose: &str, epoch: u64, number: u64, plain: &[u8]) -> Result<Bytes, SealError> {
        let name = &self.keys.current;
        let cipher = self.cipher(name, purpose, epoch)?;
        let head = 1 + name.len();
        let mut out = Vec::with_capacity(head + plain.len() + AES_256_GCM.tag_len());
        // Names are at most 32 bytes (see `load`).
        out.push(u8::try_from(name.len()).unwrap_or(u8::MAX));
        out.extend(name.as_bytes());
        out.extend(plain);
        let aad = Aad::from(associated(name, purpose, epoch, number));
        let tag = cipher.seal_in_place_separate_tag(nonce(number), aad, &mut out[head..]);
        out.extend(tag.map_err(|_| SealError::TooLong)?.as_ref());
        Ok(Bytes::from(out))
    }

    /// # Errors
    /// [`SealError::Forged`] unless exactly this was sealed for this table, purpose, epoch and number.
    pub fn open(&self, purpose: &str, epoch: u64, number: u64, sealed: &[u8]) -> Result<Vec<u8>, SealError> {
        let (&length, rest) = sealed.split_first().ok_or(SealError::Forged)?;
        let (name, body) = rest.split_at_checked(length.into()).ok_or(SealError::Forged)?;
        let name = std::str::from_utf8(name).map_err(|_| SealError::Forged)?;
        let aad = Aad::from(associated(name, purpose, epoch, number));
        let cipher = self.cipher(name, purpose, epoch)?;
        let mut plain = body.to_vec();
        let length =
            cipher.open_in_place(nonce(number), aad, &mut plain).map_err(|_| SealError::Forged)?.len();
        // Removes the tag, which follows the text.
        plain.truncate(length);
        Ok(plain)
    }

    fn cipher(&self, name: &str, purpose: &str, epoch: u64) -> Result<Arc<LessSafeKey>, SealError> {
        let mut ciphers = self.ciphers.lock().unwrap_or_else(PoisonError::into_inner);
        let known = |made: &Made| (made.epoch, &*made.purpose, &*made.name) == (epoch, purpose, name);
        if let Some(made) = ciphers.iter().find(|made| known(made)) {
            return Ok(made.cipher.clone());
        }
        let cipher = Arc::new(self.make(name, purpose, epoch)?);
        if ciphers.len() >= CIPHERS_MAX {
            ciphers.remove(0);
        }
        ciphers.push(Made {
            name: name.to_owned(),
            purpose: purpose.to_owned(),
            epoch,
            cipher: cipher.clone(),
        });
        Ok(cipher)
    }

    /// 256 secret bits for another purpose, the same each time in an epoch.
    ///
    /// # Errors
    /// Where the current data key is not mounted.
    pub fn secret(&self, purpose: &str, epoch: u64) -> Result<Zeroizing<[u8; 32]>, SealError> {
        self.derive(&self.keys.current, &format!("secret of {purpose}"), epoch)
    }

    fn make(&self, name: &str, purpose: &str, epoch: u64) -> Result<LessSafeKey, SealError> {
        let key = self.derive(name, purpose, epoch)?;
        let key = UnboundKey::new(&AES_256_GCM, key.as_slice());
        Ok(LessSafeKey::new(key.map_err(|_| SealError::BadKey(name.to_owned()))?))
    }

    fn derive(&self, name: &str, purpose: &str, epoch: u64) -> Result<Zeroizing<[u8; 32]>, SealError> {
        let data_key = self.keys.keys.get(name).ok_or_else(|| SealError::UnknownKey(name.to_owned()))?;
        let mut key = Zeroizing::new([0u8; 32]);
        let info = format!("purr {purpose} {} {epoch}", self.table);
        Hkdf::<Sha256>::new(None, data_key)
            .expand(info.as_bytes(), key.as_mut())
            .map_err(|_| SealError::BadKey(name.to_owned()))?;
        Ok(key)
    }
}

fn associated(name: &str, purpose: &str, epoch: u64, number: u64) -> Vec<u8> {
    format!("{name} {purpose} {epoch} {number}").into_bytes()
}

fn nonce(number: u64) -> Nonce {
    let mut bytes = [0; 12];
    bytes[4..].copy_from_slice(&number.to_be_bytes());
    Nonce::assume_unique_for_key(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sealer(table: &str) -> Sealer {
        Sealer::new(Arc::new(DataKeys::ephemeral([3; 32])), table)
    }

    #[test]
    fn what_is_sealed_opens_only_where_it_belongs() {
        let sealed = sealer("a").seal("snapshot", 7, 9, b"aces").unwrap();
        assert_eq!(sealer("a").open("snapshot", 7, 9, &sealed).unwrap(), b"aces");
        for wrong in [
            sealer("b").open("snapshot", 7, 9, &sealed),
            sealer("a").open("log", 7, 9, &sealed),
            sealer("a").open("snapshot", 8, 9, &sealed),
            sealer("a").open("snapshot", 7, 8, &sealed),
        ] {
            assert!(matches!(wrong, Err(SealError::Forged)));
        }
    }

    #[test]
    fn what_another_library_has_sealed_opens_and_is_sealed_the_same() {
        // Computed by OpenSSL from the key, nonce and associated data above.
        let sealed = [
            [0x01, 0x6b, 0xad, 0x32, 0x39, 0x23, 0x57, 0x2f, 0xdd, 0x69, 0x5f],
            [0xff, 0xf6, 0x56, 0x90, 0x3a, 0x06, 0xf1, 0x97, 0x71, 0xa2, 0xab],
        ]
        .concat();
        assert_eq!(sealer("a").open("snapshot", 7, 9, &sealed).unwrap(), b"aces");
        assert_eq!(sealer("a").seal("snapshot", 7, 9, b"aces").unwrap(), sealed);
    }

    #[test]
    fn an_old_key_still_opens_after_rotation() {
        let dir = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| std::fs::write(dir.path().join(name), text).unwrap();
        write("k1", &STANDARD.encode([1; 32]));
        write("current", "k1");
        let old = Sealer::new(Arc::new(DataKeys::load(dir.path()).unwrap()), "t");
        let sealed = old.seal("log", 1, 1, b"x").unwrap();
        write("k2", &STANDARD.encode([2; 32]));
        write("current", "k2\n");
        let new = Sealer::new(Arc::new(DataKeys::load(dir.path()).unwrap()), "t");
        assert_eq!(new.open("log", 1, 1, &sealed).unwrap(), b"x");
        assert_ne!(new.seal("log", 1, 1, b"x").unwrap(), sealed);
    }

    #[test]
    fn a_missing_current_key_is_an_error_that_names_it() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("current"), "k9").unwrap();
        assert_eq!(DataKeys::load(dir.path()).err().unwrap().to_string(), "data key k9 is not mounted");
    }
}
