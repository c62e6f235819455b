//! A deal that a player can check.
//!
//! 1. Each player commits to entropy: [`commitment`].
//! 2. The table shuffles with a secret seed and publishes [`SealedDeck::root`], the Merkle root over
//!    52 leaves, each a card with a salt of its own, together with the commitments it took.
//! 3. The players reveal. Who does not is recorded, and the hand is dealt from the others' entropy.
//! 4. [`deal_order`] derives from root and reveals alone which leaf is dealt when.
//!
//! Nobody can choose the order after seeing the entropy, or the entropy after seeing the root. A card
//! that a player may see comes with its [`Opening`]; all others stay hidden for ever. An auditor gets
//! all [`Leaves`], encrypted to a key of their own, and checks the whole deck by [`audit`].
//!
//! **Why a withheld reveal is safe.** Whoever reveals last, or not at all, chooses between two orders of
//! leaves. The cards behind the leaves are hidden by salts of 256 bits, so to a player both orders are
//! the same uniform deck, and the choice is worth nothing. Reveals are published only when the hand is
//! dealt, so a player does not even see the others' before giving their own.
//!
//! **What is left.** The table knows the cards. With a seat that does its bidding, or by pretending
//! that a reveal never came, it can choose between two orders (with n such seats, between 2^n). That
//! leaves a trace: the commitment stands in the record without its reveal, the owner of that seat
//! holds the reveal and the root, and a seat that withholds repeatedly is sat out. The table may also
//! void a hand it does not like: voids after a reveal are counted and published. And it could simply
//! tell somebody the cards, which no proof of the deal can show.

mod order;
mod sealed;
mod text;
mod tree;

pub use order::deal_order;
pub use sealed::SealedDeck;
pub use tree::Leaves;

use crate::card::{Card, Deck};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

pub type Hash = [u8; 32];

/// Leaves are padded to 64, so every path has six steps.
pub const DEPTH: usize = 6;

/// One card with the proof that it is in the deck of the root.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Opening {
    /// The leaf, 0 to 51.
    pub leaf: u8,
    pub card: Card,
    #[serde(with = "text")]
    pub salt: Hash,
    /// Sibling hashes from the leaf up.
    #[serde(with = "text::path")]
    pub path: [Hash; DEPTH],
}

/// The hash that binds a player before the hand: [`commitment`] of the entropy to come.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Commitment {
    pub seat: u8,
    #[serde(with = "text")]
    pub hash: Hash,
}

/// Entropy that a player committed to and then revealed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reveal {
    pub seat: u8,
    #[serde(with = "text")]
    pub entropy: Hash,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DealError {
    #[error("leaf {0}: there are 52")]
    NoSuchLeaf(u8),
    #[error("place {0}: a deal has 52")]
    NoSuchPlace(usize),
    #[error("the opening of leaf {leaf} ({card}) does not belong to the root")]
    NotInDeck { leaf: u8, card: Card },
    #[error("{0} is in two leaves")]
    CardTwice(Card),
    #[error("{card} (leaf {leaf}) was dealt at place {place}, where root and reveals put leaf {wanted}")]
    WrongOrder { place: usize, card: Card, leaf: u8, wanted: u8 },
    #[error("the reveal of seat {0} does not match its commitment")]
    WrongReveal(u8),
    #[error("seat {0} revealed what it had not committed to")]
    NotCommitted(u8),
    #[error("seat {0} is there twice")]
    SeatTwice(u8),
    #[error("the 52 leaves are not those behind the root")]
    OtherDeck,
    #[error("the opened deck is malformed")]
    Malformed,
    #[error("the stream of entropy ran out")]
    Exhausted,
}

/// Returns the hash of the entropy to be revealed, which a player publishes before the hand.
pub fn commitment(entropy: &Hash) -> Hash {
    Sha256::new().chain_update(b"purr entropy v1").chain_update(entropy).finalize().into()
}

impl Opening {
    /// Whether this card was in the deck behind the root, at this leaf.
    ///
    /// # Errors
    /// [`DealError::NoSuchLeaf`] and [`DealError::NotInDeck`].
    pub fn verify(&self, root: &Hash) -> Result<(), DealError> {
        if self.leaf >= 52 {
            return Err(DealError::NoSuchLeaf(self.leaf));
        }
        if tree::climb(self) == *root {
            Ok(())
        } else {
            Err(DealError::NotInDeck { leaf: self.leaf, card: self.card })
        }
    }
}

/// Checks that each reveal is what its seat had committed to, and returns the seats that committed
/// and did not reveal.
///
/// # Errors
/// The first seat whose reveal does not match, has no commitment, or stands there twice.
pub fn verify_reveals(commitments: &[Commitment], reveals: &[Reveal]) -> Result<Vec<u8>, DealError> {
    for (number, Commitment { seat, .. }) in commitments.iter().enumerate() {
        if commitments[..number].iter().any(|before| before.seat == *seat) {
            return Err(DealError::SeatTwice(*seat));
        }
    }
    for (number, Reveal { seat, entropy }) in reveals.iter().enumerate() {
        if reveals[..number].iter().any(|before| before.seat == *seat) {
            return Err(DealError::SeatTwice(*seat));
        }
        let committed = commitments.iter().find(|committed| committed.seat == *seat);
        let committed = committed.ok_or(DealError::NotCommitted(*seat))?;
        if committed.hash != commitment(entropy) {
            return Err(DealError::WrongReveal(*seat));
        }
    }
    let revealed = |seat: u8| reveals.iter().any(|reveal| reveal.seat == seat);
    Ok(commitments.iter().map(|committed| committed.seat).filter(|seat| !revealed(*seat)).collect())
}

/// Checks the cards that somebody saw: each opening belongs to the root, no card comes twice, and
/// each was dealt where root and reveals put it. `seen` holds the place in the deal and the opening.
///
/// # Errors
/// The first thing that does not agree.
pub fn verify_seen(root: &Hash, reveals: &[Reveal], seen: &[(usize, Opening)]) -> Result<(), DealError> {
    let order = deal_order(root, reveals)?;
    for (number, (place, opening)) in seen.iter().enumerate() {
        opening.verify(root)?;
        if let Some((_, twin)) = seen[..number].iter().find(|(_, other)| other.card == opening.card) {
            return Err(DealError::CardTwice(twin.card));
        }
        let wanted = *order.get(*place).ok_or(DealError::NoSuchPlace(*place))?;
        if wanted != opening.leaf {
            let Opening { leaf, card, .. } = *opening;
            return Err(DealError::WrongOrder { place: *place, card, leaf, wanted });
        }
    }
    Ok(())
}

/// Checks a whole deck that was opened to an auditor: the leaves belong to the root, and every card occurs exactly
/// once. Returns the cards in the order in which root and reveals deal them.
///
/// # Errors
/// [`DealError::OtherDeck`] where the leaves are not those of the root, [`DealError::CardTwice`] with
/// the card that the table put there twice.
pub fn audit(root: &Hash, reveals: &[Reveal], leaves: &Leaves) -> Result<Deck, DealError> {
    if leaves.root() != *root {
        return Err(DealError::OtherDeck);
    }
    let order = deal_order(root, reveals)?;
    let cards: Vec<Card> = order.iter().filter_map(|leaf| leaves.card(*leaf)).collect();
    Deck::try_from(cards).map_err(|error| match error {
        crate::DeckError::Twice(card) => DealError::CardTwice(card),
        crate::DeckError::Length(_) => DealError::Malformed,
    })
}
