//! Keys that never leave their token.
//!
//! The token holds secp256k1 key pairs, generated inside it and not extractable. This module turns
//! a 32-byte digest into an Ethereum signature (EIP-2: low s; recovery id found and checked) and
//! knows nothing of what is signed: that is `policy`'s part.

mod login;
mod multiples;
mod queue;
mod signature;
mod token;

pub use login::PinDigest;
pub use signature::{KnownKey, Signature, address_of, to_ethereum, unwrap_ec_point};
pub use token::{Token, TokenConfig, pin_digest};

use async_trait::async_trait;
use sha3::{Digest, Keccak256};
use std::{path::PathBuf, time::Duration};

#[derive(Debug, thiserror::Error)]
pub enum HsmError {
    #[error("the PKCS#11 module {module} cannot be loaded: {source}")]
    Module { module: PathBuf, source: cryptoki::error::Error },
    #[error("no token with label '{0}'; start with --init-token to make one")]
    NoToken(String),
    #[error("no free slot to initialise a token in")]
    NoFreeSlot,
    #[error(
        "token '{0}' refused the PIN, or is locked; the PIN is tried again only after its file has changed, because \
         tokens lock after a few wrong ones"
    )]
    WrongPin(String),
    #[error("token '{label}' is away; the next login is tried in {} ms", retry_in.as_millis())]
    Away { label: String, retry_in: Duration },
    #[error("no key '{0}' in the token; `purr-chain-signer keys --create` makes it")]
    NoKey(String),
    #[error("key '{label}': {reason}")]
    BadKey { label: String, reason: &'static str },
    #[error("{file}: {source}")]
    PinFile { file: PathBuf, source: std::io::Error },
    #[error("PKCS#11, {doing}: {source}")]
    Pkcs11 { doing: &'static str, source: cryptoki::error::Error },
    #[error("the token's signature does not belong to its public key")]
    BadSignature,
    #[error("the token did not answer within {0} ms")]
    Stalled(u64),
    #[error("all sessions of the token are busy")]
    Busy,
}

/// A probe signs the Keccak-256 hash of these bytes. They are not the beginning of a transaction (RLP) or of typed data
/// (0x1901).
const PROBE: &[u8] = b"purr-chain-signer: probe of a key, worth nothing";

/// Signs digests with one key of a token.
#[async_trait]
pub trait Signer: Send + Sync {
    /// The Ethereum address of the key.
    fn address(&self) -> [u8; 20];
    /// Signs exactly these 32 bytes.
    async fn sign(&self, digest: [u8; 32]) -> Result<Signature, HsmError>;

    /// Signs a meaningless digest, to learn whether the key can be used now.
    ///
    /// # Errors
    /// What stands against signing.
    async fn probe(&self) -> Result<(), HsmError> {
        self.sign(Keccak256::digest(PROBE).into()).await.map(drop)
    }
}
