//! A hand's deck for an auditor's eyes: all 52 leaves, encrypted to the auditor's public key.
//!
//! HPKE in base mode (RFC 9180) with DHKEM(X25519, HKDF-SHA256), HKDF-SHA256 and AES-256-GCM. What is
//! sealed is bound to table, hand, epoch and root. Nothing here takes entropy of its own: the ephemeral
//! key comes from the deck's secret and from all that is sealed, so a record that is made again is the
//! same, and no key ever seals two different texts.

use base64::{Engine, engine::general_purpose::STANDARD};
use hkdf::Hkdf;
use hpke::{
    Deserializable, Kem, OpModeR, OpModeS, Serializable,
    aead::{AeadCtxS, AesGcm256},
    kdf::HkdfSha256,
    kem::X25519HkdfSha256,
    rand_core::{CryptoRng, RngCore},
    setup_receiver, setup_sender, single_shot_open, single_shot_seal,
};
use purr_engine::deal::{Hash, Leaves, SealedDeck};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// The purpose that a part is sealed for: no part of one purpose opens as another's.
#[derive(Clone, Copy)]
pub(crate) enum Purpose {
    Audit,
    /// One key agreement for each hand, in records of earlier releases.
    FairPlay,
    /// One key agreement for each epoch of a table.
    FairPlayEpoch,
}

impl Purpose {
    fn info(self) -> &'static [u8] {
        match self {
            Self::Audit => b"purr audit v1",
            Self::FairPlay => b"purr fair play v1",
            Self::FairPlayEpoch => b"purr fair play v2",
        }
    }
}

/// The encapsulated key in hex, and the sealed text with its tag in base64.
pub(crate) struct SealedText {
    pub encapsulated: String,
    pub text: String,
}

type PublicKey = <X25519HkdfSha256 as Kem>::PublicKey;
type SecretKey = <X25519HkdfSha256 as Kem>::PrivateKey;
type Encapsulated = <X25519HkdfSha256 as Kem>::EncappedKey;

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AuditError {
    #[error("not a key: want 64 hex digits of a point on Curve25519")]
    Key,
    #[error("sealed to the key {sealed}, this one is {given}")]
    OtherKey { sealed: String, given: String },
    #[error("the auditor's part does not belong to this record, or was changed")]
    Forged,
    #[error("the auditor's part cannot be sealed")]
    Seal,
}

/// Which deal this is: no part can be taken for another's.
#[derive(Clone, Copy, Debug)]
pub struct About<'a> {
    pub table: &'a str,
    pub hand: u64,
    pub epoch: u64,
    /// 64 hex digits.
    pub root: &'a str,
}

impl About<'_> {
    pub(crate) fn bytes(&self) -> Vec<u8> {
        // No part of these texts has a line break: tables have UIDs, roots are hex.
        format!("{}\n{}\n{}\n{}", self.table, self.hand, self.epoch, self.root).into_bytes()
    }
}

/// The auditor's part of a record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AuditBox {
    /// [`AuditorKey::id`].
    pub key: String,
    /// The encapsulated key, 64 hex digits.
    pub encapsulated: String,
    /// The 52 leaves with the tag, base64.
    pub leaves: String,
}

/// An auditor's public key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditorKey(PublicKey);

impl std::str::FromStr for AuditorKey {
    type Err = AuditError;

    /// 64 hex digits.
    fn from_str(text: &str) -> Result<Self, AuditError> {
        let key = Self(PublicKey::from_bytes(&hash(text)?).map_err(|_| AuditError::Key)?);
        // A point of small order gives everybody the same secret; sealing to it fails (RFC 7748, section 6.1).
        let about = About { table: "", hand: 0, epoch: 0, root: "" };
        key.seal_text(Purpose::Audit, &[0; 32], &about, b"").map_err(|_| AuditError::Key)?;
        Ok(key)
    }
}

impl std::fmt::Display for AuditorKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&hex::encode(self.0.to_bytes()))
    }
}

impl AuditorKey {
    /// The first 8 bytes of the key's SHA-256, 16 hex digits.
    pub fn id(&self) -> String {
        hex::encode(&Sha256::digest(self.0.to_bytes())[..8])
    }

    /// # Errors
    /// [`AuditError::Seal`]; not with a key that was parsed.
    pub fn seal(&self, deck: &SealedDeck, about: &About<'_>) -> Result<AuditBox, AuditError> {
        let secret = deck.derive(b"audit").map_err(|_| AuditError::Seal)?;
        self.seal_leaves(&secret, deck.leaves(), about)
    }

    /// As [`Self::seal`], with a given secret for the ephemeral key.
    ///
    /// # Errors
    /// [`AuditError::Seal`]; not with a key that was parsed.
    pub fn seal_leaves(
        &self,
        secret: &Hash,
        leaves: &Leaves,
        about: &About<'_>,
    ) -> Result<AuditBox, AuditError> {
        let SealedText { encapsulated, text } =
            self.seal_text(Purpose::Audit, secret, about, &leaves.to_bytes())?;
        Ok(AuditBox { key: self.id(), encapsulated, leaves: text })
    }

    pub(crate) fn seal_text(
        &self,
        purpose: Purpose,
        secret: &Hash,
        about: &About<'_>,
        plain: &[u8],
    ) -> Result<SealedText, AuditError> {
        let bound = about.bytes();
        let sealed = Sha256::new()
            .chain_update(self.0.to_bytes())
            .chain_update(Sha256::digest(&bound))
            .chain_update(plain)
            .finalize();
        let mut source = Source { secret: Hkdf::new(Some(&sealed), secret), block: 0 };
        let (encapsulated, sealed) = single_shot_seal::<AesGcm256, HkdfSha256, X25519HkdfSha256, _>(
            &OpModeS::Base,
            &self.0,
            purpose.info(),
            plain,
            &bound,
            &mut source,
        )
        .map_err(|_| AuditError::Seal)?;
        Ok(SealedText { encapsulated: hex::encode(encapsulated.to_bytes()), text: STANDARD.encode(sealed) })
    }
}

impl AuditorKey {
    /// Agrees on a key once, for many texts; the ephemeral key comes from `secret`. The encapsulated key in hex, and what
    /// keys are exported from (RFC 9180, section 5.3).
    pub(crate) fn agree(&self, purpose: Purpose, secret: &Hash) -> Result<(String, Agreed), AuditError> {
        let mut source = Source { secret: Hkdf::new(Some(&self.0.to_bytes()), secret), block: 0 };
        let (encapsulated, context) = setup_sender::<AesGcm256, HkdfSha256, X25519HkdfSha256, _>(
            &OpModeS::Base,
            &self.0,
            purpose.info(),
            &mut source,
        )
        .map_err(|_| AuditError::Seal)?;
        Ok((hex::encode(encapsulated.to_bytes()), Agreed(context)))
    }
}

/// The sender's end of a key agreement.
pub(crate) struct Agreed(AeadCtxS<AesGcm256, HkdfSha256, X25519HkdfSha256>);

impl Agreed {
    /// A key for each context.
    pub(crate) fn key(&self, context: &[u8]) -> Result<Hash, AuditError> {
        let mut key = [0; 32];
        self.0.export(context, &mut key).map_err(|_| AuditError::Seal)?;
        Ok(key)
    }
}

/// An auditor's secret key.
#[derive(Clone, PartialEq, Eq)]
pub struct AuditorSecret(SecretKey);

impl std::fmt::Debug for AuditorSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("AuditorSecret(..)")
    }
}

impl std::str::FromStr for AuditorSecret {
    type Err = AuditError;

    /// 64 hex digits.
    fn from_str(text: &str) -> Result<Self, AuditError> {
        SecretKey::from_bytes(&hash(text)?).map(Self).map_err(|_| AuditError::Key)
    }
}

impl AuditorSecret {
    /// Derives the key from 256 bits of the operating system (RFC 9180, DeriveKeyPair).
    pub fn derive(entropy: &Hash) -> Self {
        Self(X25519HkdfSha256::derive_keypair(entropy).0)
    }

    /// 64 hex digits, to be kept secret.
    pub fn to_hex(&self) -> String {
        hex::encode(self.0.to_bytes())
    }

    pub fn public(&self) -> AuditorKey {
        AuditorKey(X25519HkdfSha256::sk_to_pk(&self.0))
    }

    /// Decrypts the leaves as the table claims them: check them by [`purr_engine::deal::audit`].
    ///
    /// # Errors
    /// [`AuditError::OtherKey`] where it was sealed to somebody else, [`AuditError::Forged`] where it
    /// does not belong to this hand.
    pub fn open(&self, sealed: &AuditBox, about: &About<'_>) -> Result<Leaves, AuditError> {
        let AuditBox { key, encapsulated, leaves } = sealed;
        let plain = self.open_text(Purpose::Audit, key, encapsulated, leaves, about)?;
        Leaves::from_bytes(&plain).map_err(|_| AuditError::Forged)
    }

    pub(crate) fn open_text(
        &self,
        purpose: Purpose,
        key: &str,
        encapsulated: &str,
        text: &str,
        about: &About<'_>,
    ) -> Result<Vec<u8>, AuditError> {
        let given = self.public().id();
        if key != given {
            return Err(AuditError::OtherKey { sealed: key.chars().take(16).collect(), given });
        }
        let encapsulated = hash(encapsulated).map_err(|_| AuditError::Forged)?;
        let encapsulated = Encapsulated::from_bytes(&encapsulated).map_err(|_| AuditError::Forged)?;
        let text = STANDARD.decode(text).map_err(|_| AuditError::Forged)?;
        single_shot_open::<AesGcm256, HkdfSha256, X25519HkdfSha256>(
            &OpModeR::Base,
            &self.0,
            &encapsulated,
            purpose.info(),
            &text,
            &about.bytes(),
        )
        .map_err(|_| AuditError::Forged)
    }
}

impl AuditorSecret {
    /// The key of [`Agreed::key`], at the other end.
    pub(crate) fn agreed_key(
        &self,
        purpose: Purpose,
        encapsulated: &str,
        context: &[u8],
    ) -> Result<Hash, AuditError> {
        let encapsulated = hash(encapsulated).map_err(|_| AuditError::Forged)?;
        let encapsulated = Encapsulated::from_bytes(&encapsulated).map_err(|_| AuditError::Forged)?;
        let agreed = setup_receiver::<AesGcm256, HkdfSha256, X25519HkdfSha256>(
            &OpModeR::Base,
            &self.0,
            &encapsulated,
            purpose.info(),
        )
        .map_err(|_| AuditError::Forged)?;
        let mut key = [0; 32];
        agreed.export(context, &mut key).map_err(|_| AuditError::Forged)?;
        Ok(key)
    }
}

pub(crate) fn hash(text: &str) -> Result<Hash, AuditError> {
    let mut bytes = [0; 32];
    hex::decode_to_slice(text, &mut bytes).map_err(|_| AuditError::Key)?;
    Ok(bytes)
}

/// Deterministic random bits for the ephemeral key, derived from a secret: others cannot know them, and a repetition
/// gives the same.
struct Source {
    secret: Hkdf<Sha256>,
    block: u64,
}

impl RngCore for Source {
    fn next_u32(&mut self) -> u32 {
        let mut bytes = [0; 4];
        self.fill_bytes(&mut bytes);
        u32::from_le_bytes(bytes)
    }

    fn next_u64(&mut self) -> u64 {
        let mut bytes = [0; 8];
        self.fill_bytes(&mut bytes);
        u64::from_le_bytes(bytes)
    }

    fn fill_bytes(&mut self, out: &mut [u8]) {
        for chunk in out.chunks_mut(32) {
            let mut block = [0; 32];
            // 32 bytes are far below what HKDF gives (RFC 5869, section 2.3): this cannot fail.
            let filled = self.secret.expand(&self.block.to_be_bytes(), &mut block);
            debug_assert!(filled.is_ok());
            self.block += 1;
            chunk.copy_from_slice(&block[..chunk.len()]);
        }
    }
}

impl CryptoRng for Source {}

#[cfg(test)]
mod tests {
    use super::*;

    const ABOUT: About<'_> = About { table: "0a", hand: 7, epoch: 65_536, root: "ab" };

    fn secret() -> AuditorSecret {
        AuditorSecret::derive(&[1; 32])
    }

    fn deck() -> SealedDeck {
        SealedDeck::new(&[2; 32]).unwrap()
    }

    #[test]
    fn only_the_auditor_opens_what_was_sealed_and_only_for_its_hand() {
        let sealed = secret().public().seal(&deck(), &ABOUT).unwrap();
        assert_eq!(&secret().open(&sealed, &ABOUT).unwrap(), deck().leaves());
        for about in [
            About { hand: 8, ..ABOUT },
            About { epoch: 1, ..ABOUT },
            About { table: "0b", ..ABOUT },
            About { root: "ac", ..ABOUT },
        ] {
            assert_eq!(secret().open(&sealed, &about).unwrap_err(), AuditError::Forged);
        }
        let stranger = AuditorSecret::derive(&[3; 32]);
        assert!(matches!(stranger.open(&sealed, &ABOUT), Err(AuditError::OtherKey { .. })));
        let renamed = AuditBox { key: stranger.public().id(), ..sealed.clone() };
        assert_eq!(stranger.open(&renamed, &ABOUT).unwrap_err(), AuditError::Forged);
        let mut bytes = STANDARD.decode(&sealed.leaves).unwrap();
        bytes[100] ^= 1;
        let changed = AuditBox { leaves: STANDARD.encode(bytes), ..sealed };
        assert_eq!(secret().open(&changed, &ABOUT).unwrap_err(), AuditError::Forged);
    }

    #[test]
    fn the_same_record_is_sealed_the_same_and_another_under_another_key() {
        let key = secret().public();
        let sealed = key.seal(&deck(), &ABOUT).unwrap();
        assert_eq!(key.seal(&deck(), &ABOUT).unwrap(), sealed);
        let others = [
            key.seal(&deck(), &About { epoch: 65_537, ..ABOUT }).unwrap(),
            key.seal(&SealedDeck::new(&[3; 32]).unwrap(), &ABOUT).unwrap(),
            AuditorSecret::derive(&[4; 32]).public().seal(&deck(), &ABOUT).unwrap(),
        ];
        assert!(others.iter().all(|other| other.encapsulated != sealed.encapsulated));
    }

    #[test]
    fn keys_are_hex_and_points_of_small_order_are_refused() {
        let key = secret().public();
        assert_eq!(key.to_string().parse::<AuditorKey>().unwrap(), key);
        assert_eq!(secret().to_hex().parse::<AuditorSecret>().unwrap(), secret());
        assert_eq!(key.id().len(), 16);
        let zero = "00".repeat(32);
        let one = format!("01{}", "00".repeat(31));
        for bad in ["", "00", "key", zero.as_str(), one.as_str()] {
            assert_eq!(bad.parse::<AuditorKey>().unwrap_err(), AuditError::Key, "{bad}");
        }
    }

    #[test]
    fn a_sealed_deck_has_the_size_of_its_leaves() {
        let sealed = secret().public().seal(&deck(), &ABOUT).unwrap();
        assert_eq!(STANDARD.decode(&sealed.leaves).unwrap().len(), Leaves::BYTES + 16);
    }
}
