//! A hand's hidden cards for the fair-play program: all hole cards and the deck's order, encrypted to its public key.
//!
//! HPKE as in [`crate::audit`], with another purpose: neither key opens the other's part, not even where both are the
//! same key. The auditor checks the deal, fair play reads how cards were played; each holds only what its work needs.
//!
//! A key agreement costs as much as several commits, so a table agrees once an epoch. Each hand has a key of its own, which
//! HPKE exports from the agreement for the hand's salt (RFC 9180, section 5.3), and AES-256-GCM binds the text to table,
//! hand, epoch and root. The salt comes from the deck's secret and from all that is sealed: a record that is made again is
//! the same, and no key ever seals two different texts, so the nonce may be zero.

use crate::audit::{About, Agreed, AuditError, AuditorKey, AuditorSecret, Purpose, SealedText, hash};
use aes_gcm::{
    Aes256Gcm, KeyInit, Nonce,
    aead::{Aead, Payload},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use hkdf::Hkdf;
use purr_engine::{
    Card,
    deal::{Hash, SealedDeck},
};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use sha2::{Digest, Sha256};

/// The fair-play part of a record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FairPlayBox {
    /// [`FairPlayKey::id`].
    pub key: String,
    /// The encapsulated key, 64 hex digits: the same in all hands of an epoch.
    pub encapsulated: String,
    /// Context that the hand's key is exported for, 64 hex digits; none: the key agreement is for this hand alone
    /// (records of earlier releases).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub salt: Option<String>,
    /// [`Hidden`] as JSON with the tag, base64.
    pub sealed: String,
}

/// The hidden part of a hand, which nobody at the table saw completely.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Hidden {
    /// Hole cards of everybody dealt in, folded and mucked ones included, in the order of the deal.
    pub holes: Vec<(u8, [Card; 2])>,
    /// All 52 cards in the order in which they are dealt: two to each player, one at a time from the button's left, then
    /// the board, then the second board. JSON: one string of 104 characters.
    #[serde(with = "in_a_row")]
    pub deck: Vec<Card>,
}

/// The public key of the fair-play program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FairPlayKey(AuditorKey);

impl std::str::FromStr for FairPlayKey {
    type Err = AuditError;

    /// 64 hex digits.
    fn from_str(text: &str) -> Result<Self, AuditError> {
        text.parse().map(Self)
    }
}

impl std::fmt::Display for FairPlayKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

impl FairPlayKey {
    /// The first 8 bytes of the key's SHA-256, 16 hex digits.
    pub fn id(&self) -> String {
        self.0.id()
    }

    /// Returns the sealer of the hands of one epoch of a table. `secret` is known to nobody else, and another one in every epoch.
    ///
    /// # Errors
    /// [`AuditError::Seal`]; not with a key that was parsed.
    pub fn sealer(&self, secret: &Hash) -> Result<FairPlaySealer, AuditError> {
        let (encapsulated, agreed) = self.0.agree(Purpose::FairPlayEpoch, secret)?;
        Ok(FairPlaySealer { key: self.id(), encapsulated, agreed })
    }

    /// Seals with a key agreement for one hand, as in records of earlier releases.
    ///
    /// # Errors
    /// [`AuditError::Seal`]; not with a key that was parsed.
    pub fn seal(
        &self,
        deck: &SealedDeck,
        hidden: &Hidden,
        about: &About<'_>,
    ) -> Result<FairPlayBox, AuditError> {
        let secret = deck.derive(b"fair play").map_err(|_| AuditError::Seal)?;
        let plain = serde_json::to_vec(hidden).map_err(|_| AuditError::Seal)?;
        let SealedText { encapsulated, text } =
            self.0.seal_text(Purpose::FairPlay, &secret, about, &plain)?;
        Ok(FairPlayBox { key: self.id(), encapsulated, salt: None, sealed: text })
    }
}

/// Seals the hands of one epoch of a table.
pub struct FairPlaySealer {
    key: String,
    encapsulated: String,
    agreed: Agreed,
}

impl std::fmt::Debug for FairPlaySealer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("FairPlaySealer(..)")
    }
}

impl FairPlaySealer {
    /// Seals for one hand.
    ///
    /// # Errors
    /// [`AuditError::Seal`]; not with a key that was parsed.
    pub fn seal(
        &self,
        deck: &SealedDeck,
        hidden: &Hidden,
        about: &About<'_>,
    ) -> Result<FairPlayBox, AuditError> {
        let secret = deck.derive(b"fair play").map_err(|_| AuditError::Seal)?;
        let plain = serde_json::to_vec(hidden).map_err(|_| AuditError::Seal)?;
        let bound = about.bytes();
        let all = Sha256::new().chain_update(Sha256::digest(&bound)).chain_update(&plain).finalize();
        let mut salt = [0; 32];
        Hkdf::<Sha256>::new(Some(&all), &secret).expand(b"salt", &mut salt).map_err(|_| AuditError::Seal)?;
        let cipher = Aes256Gcm::new(&self.agreed.key(&salt)?.into());
        let payload = Payload { msg: &plain, aad: &bound };
        let sealed = cipher.encrypt(&Nonce::default(), payload).map_err(|_| AuditError::Seal)?;
        Ok(FairPlayBox {
            key: self.key.clone(),
            encapsulated: self.encapsulated.clone(),
            salt: Some(hex::encode(salt)),
            sealed: STANDARD.encode(sealed),
        })
    }
}

/// The secret key of the fair-play program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FairPlaySecret(AuditorSecret);

impl std::str::FromStr for FairPlaySecret {
    type Err = AuditError;

    /// 64 hex digits.
    fn from_str(text: &str) -> Result<Self, AuditError> {
        text.parse().map(Self)
    }
}

impl FairPlaySecret {
    /// Derives the key from 256 bits of the operating system.
    pub fn derive(entropy: &Hash) -> Self {
        Self(AuditorSecret::derive(entropy))
    }

    /// 64 hex digits, to be kept secret.
    pub fn to_hex(&self) -> String {
        self.0.to_hex()
    }

    pub fn public(&self) -> FairPlayKey {
        FairPlayKey(self.0.public())
    }

    /// Decrypts the hidden cards as the table claims them; `purr audit` proves them with the auditor's key.
    ///
    /// # Errors
    /// [`AuditError::OtherKey`] where the part was sealed to another key, [`AuditError::Forged`] where it does not belong
    /// to this hand.
    pub fn open(&self, sealed: &FairPlayBox, about: &About<'_>) -> Result<Hidden, AuditError> {
        let FairPlayBox { key, encapsulated, salt, sealed } = sealed;
        let plain = match salt {
            None => self.0.open_text(Purpose::FairPlay, key, encapsulated, sealed, about)?,
            Some(salt) => self.open_salted(key, encapsulated, salt, sealed, about)?,
        };
        serde_json::from_slice(&plain).map_err(|_| AuditError::Forged)
    }
}

impl FairPlaySecret {
    fn open_salted(
        &self,
        key: &str,
        encapsulated: &str,
        salt: &str,
        sealed: &str,
        about: &About<'_>,
    ) -> Result<Vec<u8>, AuditError> {
        let given = self.public().id();
        if key != given {
            return Err(AuditError::OtherKey { sealed: key.chars().take(16).collect(), given });
        }
        let salt = hash(salt).map_err(|_| AuditError::Forged)?;
        let key = self.0.agreed_key(Purpose::FairPlayEpoch, encapsulated, &salt)?;
        let sealed = STANDARD.decode(sealed).map_err(|_| AuditError::Forged)?;
        let payload = Payload { msg: &sealed, aad: &about.bytes() };
        Aes256Gcm::new(&key.into()).decrypt(&Nonce::default(), payload).map_err(|_| AuditError::Forged)
    }
}

/// Cards as one string, two characters each.
mod in_a_row {
    use super::*;

    pub(super) fn serialize<S: Serializer>(cards: &[Card], serializer: S) -> Result<S::Ok, S::Error> {
        let text: String = cards.iter().map(ToString::to_string).collect();
        serializer.serialize_str(&text)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Card>, D::Error> {
        let text = String::deserialize(deserializer)?;
        let cards = text.as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).ok()?.parse().ok());
        cards.collect::<Option<_>>().ok_or_else(|| de::Error::custom("not cards of two characters each"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ABOUT: About<'_> = About { table: "0a", hand: 7, epoch: 65_536, root: "ab" };

    fn hidden(deck: &SealedDeck) -> Hidden {
        let deck = deck.deck(&[]).unwrap().cards().to_vec();
        Hidden { holes: vec![(3, [deck[0], deck[2]]), (5, [deck[1], deck[3]])], deck }
    }

    fn sealer(secret: &FairPlaySecret) -> FairPlaySealer {
        secret.public().sealer(&[9; 32]).unwrap()
    }

    #[test]
    fn only_the_fair_play_key_opens_its_part_and_only_for_its_hand() {
        let deck = SealedDeck::new(&[2; 32]).unwrap();
        let secret = FairPlaySecret::derive(&[1; 32]);
        let alone = secret.public().seal(&deck, &hidden(&deck), &ABOUT).unwrap();
        let of_epoch = sealer(&secret).seal(&deck, &hidden(&deck), &ABOUT).unwrap();
        for sealed in [alone, of_epoch] {
            assert_eq!(secret.open(&sealed, &ABOUT).unwrap(), hidden(&deck));
            for about in [
                About { hand: 8, ..ABOUT },
                About { epoch: 1, ..ABOUT },
                About { table: "0b", ..ABOUT },
                About { root: "ac", ..ABOUT },
            ] {
                assert_eq!(secret.open(&sealed, &about).unwrap_err(), AuditError::Forged);
            }
            let stranger = FairPlaySecret::derive(&[3; 32]);
            assert!(matches!(stranger.open(&sealed, &ABOUT), Err(AuditError::OtherKey { .. })));
            let renamed = FairPlayBox { key: stranger.public().id(), ..sealed };
            assert_eq!(stranger.open(&renamed, &ABOUT).unwrap_err(), AuditError::Forged);
        }
    }

    #[test]
    fn hands_of_an_epoch_share_the_agreement_and_no_key() {
        let secret = FairPlaySecret::derive(&[1; 32]);
        let (one, other) = (SealedDeck::new(&[2; 32]).unwrap(), SealedDeck::new(&[3; 32]).unwrap());
        let sealer = sealer(&secret);
        let first = sealer.seal(&one, &hidden(&one), &ABOUT).unwrap();
        assert_eq!(sealer.seal(&one, &hidden(&one), &ABOUT).unwrap(), first, "made again");
        let about = About { hand: 8, ..ABOUT };
        let seconds = [
            sealer.seal(&other, &hidden(&other), &about).unwrap(),
            // The same text for another hand, another text for the same hand.
            sealer.seal(&one, &hidden(&one), &about).unwrap(),
            sealer.seal(&one, &hidden(&other), &ABOUT).unwrap(),
        ];
        for second in seconds {
            assert_eq!(second.encapsulated, first.encapsulated);
            assert_ne!(second.salt, first.salt);
            let swapped = FairPlayBox { salt: second.salt.clone(), ..first.clone() };
            assert_eq!(secret.open(&swapped, &ABOUT).unwrap_err(), AuditError::Forged);
        }
        let next = secret.public().sealer(&[10; 32]).unwrap().seal(&one, &hidden(&one), &ABOUT).unwrap();
        assert_ne!(next.encapsulated, first.encapsulated, "another epoch");
    }

    #[test]
    fn with_one_key_for_both_neither_part_opens_as_the_other() {
        let deck = SealedDeck::new(&[2; 32]).unwrap();
        let (fair, auditor) = (FairPlaySecret::derive(&[1; 32]), AuditorSecret::derive(&[1; 32]));
        let parts = [
            fair.public().seal(&deck, &hidden(&deck), &ABOUT).unwrap(),
            sealer(&fair).seal(&deck, &hidden(&deck), &ABOUT).unwrap(),
        ];
        for FairPlayBox { key, encapsulated, sealed, .. } in parts {
            let as_audit = crate::audit::AuditBox { key, encapsulated, leaves: sealed };
            assert_eq!(auditor.open(&as_audit, &ABOUT).unwrap_err(), AuditError::Forged);
        }
    }
}
