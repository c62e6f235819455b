//! The content of a seat permit's signature (EIP-712), and its signer. Client, table and signer share this.

pub use crate::permit_version::{PermitVersion, UnknownPermitVersion};

use crate::settlement::Permit;
use k256::ecdsa::{RecoveryId, Signature, VerifyingKey};
use purr_engine::{Chips, PlayerId, SeatIndex, config::AMOUNT_MAX};
use sha3::{Digest, Keccak256};

const DOMAIN: &str = "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)";
const SEAT_PERMIT: &str =
    "SeatPermit(bytes32 tableId,address player,uint64 amount,uint64 maxTotalRake,uint64 expiry,uint64 nonce)";
const SIT_PERMIT: &str = "SitPermit(bytes32 tableId,uint8 seat,address player,uint64 amount,uint64 maxTotalRake,uint64 expiry,uint64 nonce)";
const TOP_UP_PERMIT: &str = "TopUpPermit(bytes32 tableId,uint8 seat,address player,uint64 amount,uint64 maxTotalRake,uint64 expiry,uint64 nonce)";

/// The act that a permit allows its player.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PermitFor {
    Sit(SeatIndex),
    TopUp(SeatIndex),
}

impl PermitFor {
    pub fn new(seat: SeatIndex, top_up: bool) -> Self {
        if top_up { Self::TopUp(seat) } else { Self::Sit(seat) }
    }
}

/// A vault on its chain: the EIP-712 domain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Domain {
    pub chain_id: u64,
    pub vault: [u8; 20],
}

/// The contract's id of one table, and the vault that has it: what permits for the table are bound to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PermitDomain {
    pub domain: Domain,
    pub table_id: [u8; 32],
    pub version: PermitVersion,
}

/// Why a permit puts nothing at risk at this table.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PermitError {
    #[error("the permit's signature is not 65 bytes r, s, v in hex")]
    Malformed,
    /// Zero or out-of-range scalars, an s above half the curve's order (EIP-2), or a v other than 27 and 28.
    #[error("the permit's signature is none: want r and s of secp256k1 with a low s, and v of 27 or 28")]
    NoSignature,
    #[error(
        "the permit is of version {found}, and the vault takes version {want}: reload the page or update the client"
    )]
    Version { found: u8, want: u8 },
    /// Also where the permit names another table, seat, vault or chain, or other terms than were sent.
    #[error("the permit is not {player}'s for this table: its signature is by {signer}")]
    Signer { player: PlayerId, signer: PlayerId },
    #[error("the permit expired at {expiry_s} (seconds since 1970); it is {now_s}")]
    Expired { expiry_s: u64, now_s: u64 },
    #[error("a permit's amount is 1 to {AMOUNT_MAX}, not {0}")]
    Amount(Chips),
}

impl Domain {
    pub fn separator(&self) -> [u8; 32] {
        keccak(
            &[
                keccak(DOMAIN.as_bytes()),
                keccak(b"Purr Poker"),
                keccak(b"1"),
                uint(self.chain_id),
                address_word(&self.vault),
            ]
            .concat(),
        )
    }

    /// The digest that is signed for a struct of these words; the first is the hash of its type.
    pub fn digest(&self, words: &[[u8; 32]]) -> [u8; 32] {
        keccak(&[&[0x19, 0x01], &self.separator()[..], &keccak(&words.concat())].concat())
    }

    /// Returns the digest that the player signs to sit down or to top up.
    pub fn seat_permit(
        &self,
        version: PermitVersion,
        table_id: &[u8; 32],
        what: PermitFor,
        player: PlayerId,
        permit: &Permit,
    ) -> [u8; 32] {
        let (kind, seat) = match (version, what) {
            (PermitVersion::AnySeat, _) => (SEAT_PERMIT, None),
            (PermitVersion::NamedSeat, PermitFor::Sit(seat)) => (SIT_PERMIT, Some(seat)),
            (PermitVersion::NamedSeat, PermitFor::TopUp(seat)) => (TOP_UP_PERMIT, Some(seat)),
        };
        let mut words = vec![keccak(kind.as_bytes()), *table_id];
        words.extend(seat.map(|seat| uint(seat.0.into())));
        words.extend([
            address_word(&player.0),
            uint(permit.amount),
            uint(permit.max_total_rake),
            uint(permit.expiry_s),
            uint(permit.nonce),
        ]);
        self.digest(&words)
    }
}

impl PermitDomain {
    /// Checks all of a permit that needs no balance: terms, signature and deadline.
    ///
    /// # Errors
    /// The first thing that is wrong with it.
    pub fn check(
        &self,
        what: PermitFor,
        player: PlayerId,
        permit: &Permit,
        now_s: u64,
    ) -> Result<(), PermitError> {
        if permit.amount == 0 || permit.amount > AMOUNT_MAX {
            return Err(PermitError::Amount(permit.amount));
        }
        if permit.expiry_s <= now_s {
            return Err(PermitError::Expired { expiry_s: permit.expiry_s, now_s });
        }
        let signed_as = |version| {
            let digest = self.domain.seat_permit(version, &self.table_id, what, player, permit);
            recover(&digest, &permit.signature)
        };
        let signer = signed_as(self.version)?;
        if signer == player {
            return Ok(());
        }
        let other = self.version.other();
        if signed_as(other)? == player {
            return Err(PermitError::Version { found: other.number(), want: self.version.number() });
        }
        Err(PermitError::Signer { player, signer })
    }
}

/// Returns the signer of a digest from a signature of `0x` and 130 hex digits.
///
/// # Errors
/// [`PermitError::Malformed`] and [`PermitError::NoSignature`].
pub fn recover(digest: &[u8; 32], signature: &str) -> Result<PlayerId, PermitError> {
    let mut bytes = [0; 65];
    let text = signature.strip_prefix("0x").ok_or(PermitError::Malformed)?;
    hex::decode_to_slice(text, &mut bytes).map_err(|_| PermitError::Malformed)?;
    let none = || PermitError::NoSignature;
    let signature = Signature::from_slice(&bytes[..64]).map_err(|_| none())?;
    if signature.normalize_s().is_some() || !matches!(bytes[64], 27 | 28) {
        return Err(none());
    }
    let id = RecoveryId::from_byte(bytes[64] - 27).ok_or_else(none)?;
    let key = VerifyingKey::recover_from_prehash(digest, &signature, id).map_err(|_| none())?;
    Ok(address_of(&key))
}

/// The last 20 bytes of the hash of the public key's point.
pub fn address_of(key: &VerifyingKey) -> PlayerId {
    let point = key.to_encoded_point(false);
    let hash = keccak(point.as_bytes().get(1..).unwrap_or_default());
    let mut address = [0; 20];
    address.copy_from_slice(&hash[12..]);
    PlayerId(address)
}

/// Keccak-256, as Ethereum hashes.
pub fn keccak(bytes: &[u8]) -> [u8; 32] {
    Keccak256::digest(bytes).into()
}

/// A number as an EIP-712 word.
pub fn uint(value: u64) -> [u8; 32] {
    let mut word = [0; 32];
    word[24..].copy_from_slice(&value.to_be_bytes());
    word
}

/// An address as an EIP-712 word.
pub fn address_word(address: &[u8; 20]) -> [u8; 32] {
    let mut word = [0; 32];
    word[12..].copy_from_slice(address);
    word
}

#[cfg(test)]
mod tests {
    use super::*;
    use k256::ecdsa::SigningKey;

    const AT: PermitDomain = PermitDomain {
        domain: Domain { chain_id: 31_337, vault: [2; 20] },
        table_id: [5; 32],
        version: PermitVersion::NamedSeat,
    };
    const SIT: PermitFor = PermitFor::Sit(SeatIndex(3));

    fn key() -> SigningKey {
        SigningKey::from_slice(&[7; 32]).unwrap()
    }

    fn sign(at: &PermitDomain, permit: &Permit) -> Permit {
        let player = address_of(key().verifying_key());
        let digest = at.domain.seat_permit(at.version, &at.table_id, SIT, player, permit);
        let (signature, id) = key().sign_prehash_recoverable(&digest).unwrap();
        let mut bytes = signature.to_bytes().to_vec();
        bytes.push(27 + id.to_byte());
        Permit { signature: format!("0x{}", hex::encode(bytes)), ..permit.clone() }
    }

    fn terms() -> Permit {
        Permit { amount: 100, max_total_rake: 10, expiry_s: 1_000, nonce: 4, signature: String::new() }
    }

    #[test]
    fn a_permit_is_good_for_its_player_at_its_table_until_it_expires() {
        let player = address_of(key().verifying_key());
        let permit = sign(&AT, &terms());
        assert_eq!(AT.check(SIT, player, &permit, 999), Ok(()));
        assert_eq!(
            AT.check(SIT, player, &permit, 1_000),
            Err(PermitError::Expired { expiry_s: 1_000, now_s: 1_000 })
        );
        let other = PlayerId([9; 20]);
        assert!(
            matches!(AT.check(SIT, other, &permit, 0), Err(PermitError::Signer { player, .. }) if player == other)
        );
        let elsewhere = [
            PermitDomain { table_id: [6; 32], ..AT },
            PermitDomain { domain: Domain { chain_id: 1, ..AT.domain }, ..AT },
            PermitDomain { domain: Domain { vault: [3; 20], ..AT.domain }, ..AT },
        ];
        for at in elsewhere {
            assert!(matches!(at.check(SIT, player, &permit, 0), Err(PermitError::Signer { .. })), "{at:?}");
        }
        for changed in [
            Permit { amount: 101, ..permit.clone() },
            Permit { max_total_rake: 11, ..permit.clone() },
            Permit { expiry_s: 1_001, ..permit.clone() },
            Permit { nonce: 5, ..permit.clone() },
        ] {
            assert!(
                matches!(AT.check(SIT, player, &changed, 0), Err(PermitError::Signer { .. })),
                "{changed:?}"
            );
        }
        for what in [PermitFor::Sit(SeatIndex(4)), PermitFor::TopUp(SeatIndex(3))] {
            let refused = AT.check(what, player, &permit, 0);
            assert!(matches!(refused, Err(PermitError::Signer { .. })), "{what:?}");
        }
        let empty = Permit { amount: 0, ..permit };
        assert_eq!(AT.check(SIT, player, &empty, 0), Err(PermitError::Amount(0)));
    }

    #[test]
    fn a_permit_of_another_version_is_named_as_such() {
        let player = address_of(key().verifying_key());
        let old = PermitDomain { version: PermitVersion::AnySeat, ..AT };
        let permit = sign(&old, &terms());
        assert_eq!(AT.check(SIT, player, &permit, 0), Err(PermitError::Version { found: 1, want: 2 }));
        let permit = sign(&AT, &terms());
        assert_eq!(old.check(SIT, player, &permit, 0), Err(PermitError::Version { found: 2, want: 1 }));
    }

    #[test]
    fn a_permit_of_the_first_version_is_good_for_any_seat() {
        let player = address_of(key().verifying_key());
        let old = PermitDomain { version: PermitVersion::AnySeat, ..AT };
        let permit = sign(&old, &terms());
        for what in [SIT, PermitFor::Sit(SeatIndex(4)), PermitFor::TopUp(SeatIndex(0))] {
            assert_eq!(old.check(what, player, &permit, 0), Ok(()));
        }
    }

    #[test]
    fn a_version_is_known_by_its_number_or_named_as_unknown() {
        for version in [PermitVersion::AnySeat, PermitVersion::NamedSeat] {
            assert_eq!(PermitVersion::try_from(version.number()), Ok(version));
        }
        assert_eq!(PermitVersion::try_from(3), Err(UnknownPermitVersion(3)));
    }

    #[test]
    fn a_signature_of_zeros_or_with_a_high_s_or_an_odd_v_is_none() {
        let player = address_of(key().verifying_key());
        let good = sign(&AT, &terms());
        let with = |signature: String| AT.check(SIT, player, &Permit { signature, ..terms() }, 0);
        assert_eq!(with(format!("0x{}", "0".repeat(130))), Err(PermitError::NoSignature));
        assert_eq!(with(format!("0x{}", "f".repeat(130))), Err(PermitError::NoSignature));
        let mut bytes = hex::decode(&good.signature[2..]).unwrap();
        bytes[64] = 29;
        assert_eq!(with(format!("0x{}", hex::encode(&bytes))), Err(PermitError::NoSignature));
        let high = -*Signature::from_slice(&bytes[..64]).unwrap().s();
        bytes[32..64].copy_from_slice(&high.to_bytes());
        bytes[64] = 27;
        assert_eq!(with(format!("0x{}", hex::encode(&bytes))), Err(PermitError::NoSignature));
        for malformed in ["", "0x", "0x00", &good.signature[2..], "0xzz"] {
            assert_eq!(with(malformed.into()), Err(PermitError::Malformed), "{malformed}");
        }
    }
}
