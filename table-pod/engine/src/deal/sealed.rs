//! The table's secret: a shuffled deck with its salts, derived from one seed.

use super::{DealError, Hash, Leaves, Opening, Reveal, deal_order, order::permutation, text, tree::Tree};
use crate::card::{Card, Deck};
use hkdf::Hkdf;
use serde::{Deserialize, Serialize, Serializer};
use sha2::Sha256;

/// The shuffled deck with its salts, which is the table's secret. It is serialised as its seed; reading it computes the
/// rest again.
#[derive(Clone, Deserialize)]
#[serde(try_from = "Seed")]
pub struct SealedDeck {
    seed: Hash,
    leaves: Leaves,
    tree: Tree,
    /// The leaf of each card.
    places: [u8; 52],
}

#[derive(Serialize, Deserialize)]
struct Seed {
    #[serde(with = "text")]
    seed: Hash,
}

impl std::fmt::Debug for SealedDeck {
    /// A secret must not end up in a log.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SealedDeck(..)")
    }
}

impl PartialEq for SealedDeck {
    fn eq(&self, other: &Self) -> bool {
        // Everything else follows from the seed.
        self.seed == other.seed
    }
}

impl Eq for SealedDeck {}

impl TryFrom<Seed> for SealedDeck {
    type Error = DealError;

    fn try_from(Seed { seed }: Seed) -> Result<Self, DealError> {
        Self::new(&seed)
    }
}

impl Serialize for SealedDeck {
    /// Serialises the seed alone, without a clone of everything that is derived from it.
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        Seed { seed: self.seed }.serialize(s)
    }
}

impl SealedDeck {
    /// Shuffles and salts with a seed of 256 bits from the operating system.
    ///
    /// # Errors
    /// [`DealError::Exhausted`], with a probability below 2^-1000.
    pub fn new(seed: &Hash) -> Result<Self, DealError> {
        let secret = secret(seed);
        let order = permutation(&secret, b"shuffle")?;
        let mut leaves = [(Card::LOWEST, [0; 32]); 52];
        let mut places = [0; 52];
        for (leaf, ((card, salt), number)) in (0u8..).zip(leaves.iter_mut().zip(order)) {
            *card = Card::new(number).ok_or(DealError::Exhausted)?;
            secret.expand(&[b's', leaf], salt).map_err(|_| DealError::Exhausted)?;
            places[usize::from(number)] = leaf;
        }
        let leaves = Leaves::new(leaves);
        let tree = Tree::new(&leaves);
        Ok(Self { seed: *seed, leaves, tree, places })
    }

    /// Returns the root that is published before anybody reveals.
    pub fn root(&self) -> Hash {
        self.tree.root()
    }

    /// The cards in the order in which they are dealt.
    ///
    /// # Errors
    /// As [`deal_order`].
    pub fn deck(&self, reveals: &[Reveal]) -> Result<Deck, DealError> {
        let mut cards = [Card::LOWEST; 52];
        for (card, leaf) in cards.iter_mut().zip(deal_order(&self.root(), reveals)?) {
            *card = self.leaves.card(leaf).ok_or(DealError::NoSuchLeaf(leaf))?;
        }
        Deck::new(cards).map_err(|_| DealError::Malformed)
    }

    /// The opening of the leaf that holds this card.
    pub fn opening_of(&self, card: Card) -> Option<Opening> {
        self.opening(self.places[usize::from(card.number())])
    }

    pub fn opening(&self, leaf: u8) -> Option<Opening> {
        self.tree.opening(&self.leaves, leaf)
    }

    /// All leaves, for an auditor only.
    pub fn leaves(&self) -> &Leaves {
        &self.leaves
    }

    /// 256 secret bits for another purpose, independent of cards and salts, the same each time.
    pub fn derive(&self, purpose: &[u8]) -> Result<Hash, DealError> {
        let mut out = [0; 32];
        let info: [&[u8]; 2] = [b"d", purpose];
        secret(&self.seed).expand_multi_info(&info, &mut out).map_err(|_| DealError::Exhausted)?;
        Ok(out)
    }
}

fn secret(seed: &Hash) -> Hkdf<Sha256> {
    Hkdf::new(Some(b"purr deal v1"), seed)
}
