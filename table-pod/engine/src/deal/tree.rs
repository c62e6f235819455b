//! The Merkle tree over the leaves of a deck.

use super::{DEPTH, DealError, Hash, Opening};
use crate::card::Card;
use sha2::{Digest, Sha256};

const LEAVES: usize = 1 << DEPTH;
const CARDS: usize = 52;

/// All 52 leaves, each a card and its salt, as a table claims them: a card may occur twice. Only the table and auditors
/// know them.
#[derive(Clone, PartialEq, Eq)]
pub struct Leaves([(Card, Hash); CARDS]);

impl std::fmt::Debug for Leaves {
    /// A secret must not end up in a log.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Leaves(..)")
    }
}

impl Leaves {
    /// Length of [`Self::to_bytes`].
    pub const BYTES: usize = CARDS * 33;

    pub const fn new(leaves: [(Card, Hash); CARDS]) -> Self {
        Self(leaves)
    }

    /// The card in this leaf, 0 to 51.
    pub fn card(&self, leaf: u8) -> Option<Card> {
        self.0.get(usize::from(leaf)).map(|(card, _)| *card)
    }

    /// The root that binds a table to these leaves.
    pub fn root(&self) -> Hash {
        Tree::new(self).root()
    }

    /// The opening of a leaf, as [`Tree::opening`].
    pub fn opening(&self, leaf: u8) -> Option<Opening> {
        Tree::new(self).opening(self, leaf)
    }

    /// The card's number and salt of each leaf: 52 times 33 bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(Self::BYTES);
        for (card, salt) in &self.0 {
            bytes.push(card.number());
            bytes.extend(salt);
        }
        bytes
    }

    /// # Errors
    /// [`DealError::Malformed`] where this is not 52 leaves.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, DealError> {
        let (chunks, rest) = bytes.as_chunks::<33>();
        if chunks.len() != CARDS || !rest.is_empty() {
            return Err(DealError::Malformed);
        }
        let mut leaves = [(Card::LOWEST, [0; 32]); CARDS];
        for ((card, salt), [number, bytes @ ..]) in leaves.iter_mut().zip(chunks) {
            *card = Card::new(*number).ok_or(DealError::Malformed)?;
            *salt = *bytes;
        }
        Ok(Self(leaves))
    }
}

/// All nodes in one allocation, level by level from the leaves up. They are computed once for a deal, and each opening
/// copies its path from here.
#[derive(Clone)]
pub(super) struct Tree(Box<[Hash; 2 * LEAVES - 1]>);

impl Tree {
    pub(super) fn new(Leaves(leaves): &Leaves) -> Self {
        // Missing leaves keep a hash of zeros.
        let mut nodes = Box::new([[0; 32]; 2 * LEAVES - 1]);
        for (leaf, (node, (card, salt))) in (0u8..).zip(nodes.iter_mut().zip(leaves)) {
            *node = leaf_hash(leaf, *card, salt);
        }
        let (mut below, mut width) = (0, LEAVES);
        while width > 1 {
            let above = below + width;
            for pair in 0..width / 2 {
                nodes[above + pair] = node_hash(&nodes[below + 2 * pair], &nodes[below + 2 * pair + 1]);
            }
            (below, width) = (above, width / 2);
        }
        Self(nodes)
    }

    pub(super) fn root(&self) -> Hash {
        self.0[2 * LEAVES - 2]
    }

    /// A leaf with its card, its salt and the path to the root.
    pub(super) fn opening(&self, Leaves(leaves): &Leaves, leaf: u8) -> Option<Opening> {
        let (card, salt) = *leaves.get(usize::from(leaf))?;
        let (mut at, mut level, mut width) = (usize::from(leaf), 0, LEAVES);
        let mut path = [[0; 32]; DEPTH];
        for step in &mut path {
            *step = self.0[level + (at ^ 1)];
            at /= 2;
            level += width;
            width /= 2;
        }
        Some(Opening { leaf, card, salt, path })
    }
}

/// The root that an opening leads to.
pub(super) fn climb(opening: &Opening) -> Hash {
    let mut hash = leaf_hash(opening.leaf, opening.card, &opening.salt);
    let mut at = opening.leaf;
    for sibling in &opening.path {
        hash = if at.is_multiple_of(2) { node_hash(&hash, sibling) } else { node_hash(sibling, &hash) };
        at /= 2;
    }
    hash
}

fn leaf_hash(leaf: u8, card: Card, salt: &Hash) -> Hash {
    // A leaf and a node hash apart, or a node could pass for a leaf (RFC 6962, section 2.1).
    Sha256::new().chain_update([0, leaf, card.number()]).chain_update(salt).finalize().into()
}

fn node_hash(left: &Hash, right: &Hash) -> Hash {
    Sha256::new().chain_update([1]).chain_update(left).chain_update(right).finalize().into()
}
