//! A deal that a player can check.
//!
//! The table shuffles with a secret seed and publishes [`SealedDeck::root`], the Merkle root over 52
//! leaves, each a card with a salt of its own. Then the players reveal the entropy they committed to
//! before, and [`SealedDeck::deck`] derives from root and reveals alone which leaf is dealt when.
//! Nobody can choose the order after seeing the entropy, or the entropy after seeing the root.
//! A card that a player may see comes with its [`Opening`]; all others stay hidden for ever.

use crate::card::{Card, Deck};
use hkdf::Hkdf;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

pub type Hash = [u8; 32];

/// Leaves are padded to 64, so every path has six steps.
const DEPTH: usize = 6;
const LEAVES: usize = 1 << DEPTH;

/// One card with what proves that it was in the deck behind the root.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Opening {
    /// The leaf, 0 to 51.
    pub leaf: u8,
    pub card: Card,
    pub salt: Hash,
    /// Sibling hashes from the leaf up.
    pub path: [Hash; DEPTH],
}

/// Entropy that a player committed to and then revealed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reveal {
    pub seat: u8,
    pub entropy: Hash,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DealError {
    #[error("leaf {0}: there are 52")]
    NoSuchLeaf(u8),
    #[error("the opening of leaf {leaf} ({card}) does not belong to the root")]
    NotInDeck { leaf: u8, card: Card },
    #[error("{0} is in two leaves")]
    CardTwice(Card),
    #[error("{wanted} was to be dealt at place {place}, not {found}")]
    WrongOrder { place: usize, wanted: Card, found: Card },
    #[error("the reveal of seat {0} does not match its commitment")]
    WrongReveal(u8),
    #[error("the stream of entropy ran out")]
    Exhausted,
}

/// The shuffled deck with its salts: the table's secret.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SealedDeck {
    cards: Deck,
    salts: Vec<Hash>,
}

impl std::fmt::Debug for SealedDeck {
    /// A secret must not end up in a log.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SealedDeck(..)")
    }
}

impl SealedDeck {
    /// Shuffles and salts with a seed of 256 bits from the operating system.
    pub fn new(seed: &Hash) -> Result<Self, DealError> {
        let secret = Hkdf::<Sha256>::new(Some(b"purr deal v1"), seed);
        let order = permutation(&secret, b"shuffle")?;
        let cards: Vec<Card> = order.iter().filter_map(|&number| Card::new(number)).collect();
        let mut salts = Vec::with_capacity(52);
        for leaf in 0..52u8 {
            let mut salt = [0; 32];
            secret.expand(&[b's', leaf], &mut salt).map_err(|_| DealError::Exhausted)?;
            salts.push(salt);
        }
        let cards = Deck::try_from(cards).map_err(|_| DealError::Exhausted)?;
        Ok(Self { cards, salts })
    }

    /// What is published before anybody reveals.
    pub fn root(&self) -> Hash {
        self.levels()[DEPTH][0]
    }

    /// The cards in the order in which they are dealt.
    pub fn deck(&self, reveals: &[Reveal]) -> Result<Deck, DealError> {
        let order = deal_order(&self.root(), reveals)?;
        let cards: Vec<Card> = order.iter().filter_map(|&leaf| self.cards.at(usize::from(leaf))).collect();
        Deck::try_from(cards).map_err(|_| DealError::Exhausted)
    }

    /// The opening of the leaf that holds this card.
    pub fn opening_of(&self, card: Card) -> Option<Opening> {
        let leaf = self.cards.cards().iter().position(|at| *at == card)?;
        self.opening(u8::try_from(leaf).ok()?)
    }

    pub fn opening(&self, leaf: u8) -> Option<Opening> {
        let mut at = usize::from(leaf);
        let (card, salt) = (self.cards.at(at)?, *self.salts.get(at)?);
        let levels = self.levels();
        let mut path = [[0; 32]; DEPTH];
        for (step, level) in path.iter_mut().zip(&levels) {
            *step = level[at ^ 1];
            at /= 2;
        }
        Some(Opening { leaf, card, salt, path })
    }

    fn levels(&self) -> Vec<Vec<Hash>> {
        let mut leaves: Vec<Hash> = (0u8..)
            .zip(self.cards.cards().iter().zip(&self.salts))
            .map(|(leaf, (card, salt))| leaf_hash(leaf, *card, salt))
            .collect();
        leaves.resize(LEAVES, [0; 32]);
        let mut levels = vec![leaves];
        for depth in 0..DEPTH {
            let above = levels[depth].chunks(2).map(|pair| node_hash(&pair[0], &pair[1])).collect();
            levels.push(above);
        }
        levels
    }
}

impl Opening {
    /// Whether this card was in the deck behind the root, at this leaf.
    pub fn verify(&self, root: &Hash) -> Result<(), DealError> {
        if self.leaf >= 52 {
            return Err(DealError::NoSuchLeaf(self.leaf));
        }
        let mut hash = leaf_hash(self.leaf, self.card, &self.salt);
        let mut at = self.leaf;
        for sibling in &self.path {
            hash = if at.is_multiple_of(2) { node_hash(&hash, sibling) } else { node_hash(sibling, &hash) };
            at /= 2;
        }
        if hash == *root { Ok(()) } else { Err(DealError::NotInDeck { leaf: self.leaf, card: self.card }) }
    }
}

/// Which leaf is dealt when, from public values alone: anybody can compute it.
pub fn deal_order(root: &Hash, reveals: &[Reveal]) -> Result<[u8; 52], DealError> {
    let mut sorted: Vec<&Reveal> = reveals.iter().collect();
    sorted.sort_by_key(|reveal| reveal.seat);
    let mut input = Vec::with_capacity(33 * sorted.len());
    for reveal in sorted {
        input.push(reveal.seat);
        input.extend(reveal.entropy);
    }
    permutation(&Hkdf::<Sha256>::new(Some(root), &input), b"deal order")
}

/// What a player publishes before the hand: the hash of the entropy to be revealed.
pub fn commitment(entropy: &Hash) -> Hash {
    Sha256::new().chain_update(b"purr entropy v1").chain_update(entropy).finalize().into()
}

/// Checks the cards that a player saw: each opening belongs to the root, no card comes twice, and
/// each was dealt where root and reveals put it. `seen` holds the place in the deal and the opening.
pub fn verify_seen(root: &Hash, reveals: &[Reveal], seen: &[(usize, Opening)]) -> Result<(), DealError> {
    let order = deal_order(root, reveals)?;
    for (number, (place, opening)) in seen.iter().enumerate() {
        opening.verify(root)?;
        if let Some((_, twin)) = seen[..number].iter().find(|(_, other)| other.card == opening.card) {
            return Err(DealError::CardTwice(twin.card));
        }
        if order.get(*place) != Some(&opening.leaf) {
            let wanted = seen.iter().find(|(_, other)| order.get(*place) == Some(&other.leaf));
            let wanted = wanted.map_or(opening.card, |(_, other)| other.card);
            return Err(DealError::WrongOrder { place: *place, wanted, found: opening.card });
        }
    }
    Ok(())
}

fn leaf_hash(leaf: u8, card: Card, salt: &Hash) -> Hash {
    // A leaf and a node hash apart, or a node could pass for a leaf (RFC 6962, section 2.1).
    Sha256::new().chain_update([0, leaf, card.number()]).chain_update(salt).finalize().into()
}

fn node_hash(left: &Hash, right: &Hash) -> Hash {
    Sha256::new().chain_update([1]).chain_update(left).chain_update(right).finalize().into()
}

/// An unbiased Fisher-Yates shuffle: a byte that would favour some values is thrown away.
fn permutation(source: &Hkdf<Sha256>, label: &[u8]) -> Result<[u8; 52], DealError> {
    let mut stream = [0u8; 1024];
    source.expand(label, &mut stream).map_err(|_| DealError::Exhausted)?;
    let mut bytes = stream.into_iter();
    let mut order = [0u8; 52];
    (0u8..).zip(order.iter_mut()).for_each(|(value, place)| *place = value);
    for last in (1..52usize).rev() {
        let sides = last + 1;
        let limit = 256 / sides * sides;
        let pick = bytes.by_ref().map(usize::from).find(|byte| *byte < limit).ok_or(DealError::Exhausted)?;
        order.swap(last, pick % sides);
    }
    Ok(order)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reveals() -> Vec<Reveal> {
        vec![Reveal { seat: 4, entropy: [9; 32] }, Reveal { seat: 1, entropy: [8; 32] }]
    }

    fn seen(deck: &SealedDeck, reveals: &[Reveal], places: &[usize]) -> Vec<(usize, Opening)> {
        let cards = deck.deck(reveals).unwrap();
        places.iter().map(|&place| (place, deck.opening_of(cards.at(place).unwrap()).unwrap())).collect()
    }

    #[test]
    fn an_honest_deal_verifies_for_every_card() {
        let deck = SealedDeck::new(&[7; 32]).unwrap();
        let all: Vec<usize> = (0..52).collect();
        verify_seen(&deck.root(), &reveals(), &seen(&deck, &reveals(), &all)).unwrap();
    }

    #[test]
    fn a_swapped_card_is_caught() {
        let deck = SealedDeck::new(&[7; 32]).unwrap();
        let mut seen = seen(&deck, &reveals(), &[0, 6]);
        seen[0].1.card = Card::all().find(|card| *card != seen[0].1.card).unwrap();
        let (leaf, card) = (seen[0].1.leaf, seen[0].1.card);
        assert_eq!(verify_seen(&deck.root(), &reveals(), &seen), Err(DealError::NotInDeck { leaf, card }));
    }

    #[test]
    fn a_doubled_card_is_caught() {
        let deck = SealedDeck::new(&[7; 32]).unwrap();
        let mut seen = seen(&deck, &reveals(), &[0, 6]);
        seen[1] = (6, seen[0].1.clone());
        assert_eq!(verify_seen(&deck.root(), &reveals(), &seen), Err(DealError::CardTwice(seen[0].1.card)));
    }

    #[test]
    fn a_chosen_order_is_caught() {
        let deck = SealedDeck::new(&[7; 32]).unwrap();
        let mut seen = seen(&deck, &reveals(), &[0, 6]);
        seen[0].0 = 6;
        seen[1].0 = 0;
        assert!(matches!(
            verify_seen(&deck.root(), &reveals(), &seen),
            Err(DealError::WrongOrder { place: 6, .. })
        ));
    }

    #[test]
    fn an_ignored_reveal_is_caught() {
        let deck = SealedDeck::new(&[7; 32]).unwrap();
        let ignoring = seen(&deck, &reveals()[..1], &[0, 1, 2, 3]);
        assert!(matches!(
            verify_seen(&deck.root(), &reveals(), &ignoring),
            Err(DealError::WrongOrder { .. })
        ));
    }

    #[test]
    fn the_order_of_reveals_does_not_matter_and_the_entropy_does() {
        let root = SealedDeck::new(&[1; 32]).unwrap().root();
        let mut swapped = reveals();
        swapped.reverse();
        assert_eq!(deal_order(&root, &reveals()), deal_order(&root, &swapped));
        swapped[0].entropy[0] ^= 1;
        assert_ne!(deal_order(&root, &reveals()), deal_order(&root, &swapped));
    }

    /// Chi-square over place and leaf with 52 * 51 degrees of freedom: the mean is 2652, the
    /// deviation about 73; fixed seeds, so the figure never changes.
    #[test]
    fn every_leaf_comes_at_every_place_equally_often() {
        let rounds = 20_000u32;
        let mut counts = vec![[0u32; 52]; 52];
        for round in 0..rounds {
            let mut entropy = [0; 32];
            entropy[..4].copy_from_slice(&round.to_be_bytes());
            let order = deal_order(&[5; 32], &[Reveal { seat: 0, entropy }]).unwrap();
            for (place, leaf) in order.iter().enumerate() {
                counts[place][usize::from(*leaf)] += 1;
            }
        }
        let expected = f64::from(rounds) / 52.0;
        let chi: f64 = counts.iter().flatten().map(|&n| (f64::from(n) - expected).powi(2) / expected).sum();
        assert!((2_360.0..2_950.0).contains(&chi), "chi-square {chi}");
    }
}
