//! A hand's hidden cards for the fair-play program: all hole cards and the deck's order, encrypted to its public key.
//!
//! HPKE as in [`crate::audit`], with another purpose: neither key opens the other's part, not even where both are the
//! same key. The auditor checks the deal, fair play reads how cards were played; each holds only what its work needs.

use crate::audit::{About, AuditError, AuditorKey, AuditorSecret, Purpose, SealedText};
use purr_engine::{
    Card,
    deal::{Hash, SealedDeck},
};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// The fair-play part of a record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FairPlayBox {
    /// [`FairPlayKey::id`].
    pub key: String,
    /// The encapsulated key, 64 hex digits.
    pub encapsulated: String,
    /// [`Hidden`] as JSON with the tag, base64.
    pub sealed: String,
}

/// What nobody at the table could see whole.
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

    /// Seals for one hand; the ephemeral key comes from the deck's secret, as in [`AuditorKey::seal`].
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
        Ok(FairPlayBox { key: self.id(), encapsulated, sealed: text })
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
    /// From 256 bits of the operating system.
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

    /// The hidden cards, as the table says they are; `purr audit` proves them with the auditor's key.
    ///
    /// # Errors
    /// [`AuditError::OtherKey`] where the part was sealed to another key, [`AuditError::Forged`] where it does not belong
    /// to this hand.
    pub fn open(&self, sealed: &FairPlayBox, about: &About<'_>) -> Result<Hidden, AuditError> {
        let FairPlayBox { key, encapsulated, sealed } = sealed;
        let plain = self.0.open_text(Purpose::FairPlay, key, encapsulated, sealed, about)?;
        serde_json::from_slice(&plain).map_err(|_| AuditError::Forged)
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

    #[test]
    fn only_the_fair_play_key_opens_its_part_and_only_for_its_hand() {
        let deck = SealedDeck::new(&[2; 32]).unwrap();
        let secret = FairPlaySecret::derive(&[1; 32]);
        let sealed = secret.public().seal(&deck, &hidden(&deck), &ABOUT).unwrap();
        assert_eq!(secret.open(&sealed, &ABOUT).unwrap(), hidden(&deck));
        let other = About { hand: 8, ..ABOUT };
        assert_eq!(secret.open(&sealed, &other).unwrap_err(), AuditError::Forged);
        let stranger = FairPlaySecret::derive(&[3; 32]);
        assert!(matches!(stranger.open(&sealed, &ABOUT), Err(AuditError::OtherKey { .. })));
    }

    #[test]
    fn with_one_key_for_both_neither_part_opens_as_the_other() {
        let deck = SealedDeck::new(&[2; 32]).unwrap();
        let (fair, auditor) = (FairPlaySecret::derive(&[1; 32]), AuditorSecret::derive(&[1; 32]));
        let sealed = fair.public().seal(&deck, &hidden(&deck), &ABOUT).unwrap();
        let FairPlayBox { key, encapsulated, sealed } = sealed;
        let as_audit = crate::audit::AuditBox { key, encapsulated, leaves: sealed };
        assert_eq!(auditor.open(&as_audit, &ABOUT).unwrap_err(), AuditError::Forged);
    }
}
