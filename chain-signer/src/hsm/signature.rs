//! From what a PKCS#11 token gives to what Ethereum wants.

use super::{HsmError, multiples::Multiples};
use k256::{
    ProjectivePoint, Scalar, U256,
    ecdsa::{Signature as Ecdsa, VerifyingKey},
    elliptic_curve::{
        ops::{Invert, LinearCombination, Reduce},
        sec1::{Coordinates, ToEncodedPoint},
    },
};
use sha3::{Digest, Keccak256};
use std::sync::LazyLock;

/// An Ethereum signature; `v` is the recovery id, 0 or 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Signature {
    pub r: [u8; 32],
    pub s: [u8; 32],
    pub v: u8,
}

impl Signature {
    /// r, s and v + 27, as contracts take it.
    pub fn to_bytes(self) -> [u8; 65] {
        let mut out = [0; 65];
        out[..32].copy_from_slice(&self.r);
        out[32..64].copy_from_slice(&self.s);
        out[64] = self.v + 27;
        out
    }
}

/// CKA_EC_POINT is the point inside a DER OCTET STRING (PKCS#11 v2.40, 2.3.3); some tokens give it bare.
pub fn unwrap_ec_point(bytes: &[u8]) -> Option<&[u8]> {
    match bytes {
        [0x04, 0x41, point @ ..] if point.len() == 65 && point[0] == 0x04 => Some(point),
        point if point.len() == 65 && point[0] == 0x04 => Some(point),
        _ => None,
    }
}

/// The last 20 bytes of the Keccak-256 of the uncompressed point.
pub fn address_of(key: &VerifyingKey) -> [u8; 20] {
    let point = key.to_encoded_point(false);
    let hash = Keccak256::digest(&point.as_bytes()[1..]);
    let mut address = [0; 20];
    address.copy_from_slice(&hash[12..]);
    address
}

/// Takes a signature r‖s to low s (EIP-2) and finds the recovery id that gives `key` back.
///
/// Verifies the signature on the way (SEC 1, 4.1.4): the nonce's point, whose x is r, comes out of one
/// multiplication with the known key, and its y has the recovery id's parity. To recover the key for
/// each id and compare costs three times as much.
///
/// # Errors
/// [`HsmError::BadSignature`] where it is none of this digest by this key, and where r is the point's x
/// reduced (one signature in 2^128): contracts take no recovery id for that.
pub fn to_ethereum(raw: &[u8], digest: &[u8; 32], key: &VerifyingKey) -> Result<Signature, HsmError> {
    let key = ProjectivePoint::from(*key.as_affine());
    with_nonce(raw, digest, |of_generator, of_key| {
        ProjectivePoint::lincomb(&ProjectivePoint::GENERATOR, of_generator, &key, of_key)
    })
}

/// As [`to_ethereum`], for the many signatures of one key: takes half the time, and keeps the multiples
/// of the key and of the generator.
pub struct KnownKey(Multiples);

static OF_GENERATOR: LazyLock<Multiples> = LazyLock::new(|| Multiples::of(ProjectivePoint::GENERATOR));

impl KnownKey {
    pub fn new(key: &VerifyingKey) -> Self {
        LazyLock::force(&OF_GENERATOR);
        Self(Multiples::of(ProjectivePoint::from(*key.as_affine())))
    }

    /// # Errors
    /// As of [`to_ethereum`].
    pub fn to_ethereum(&self, raw: &[u8], digest: &[u8; 32]) -> Result<Signature, HsmError> {
        with_nonce(raw, digest, |of_generator, of_key| {
            let sum = OF_GENERATOR.multiply_add(of_generator, ProjectivePoint::IDENTITY);
            self.0.multiply_add(of_key, sum)
        })
    }
}

/// `multiply` computes the nonce's point from the factors of the generator and of the key.
fn with_nonce(
    raw: &[u8],
    digest: &[u8; 32],
    multiply: impl FnOnce(&Scalar, &Scalar) -> ProjectivePoint,
) -> Result<Signature, HsmError> {
    let signature = Ecdsa::from_slice(raw).map_err(|_| HsmError::BadSignature)?;
    let signature = signature.normalize_s().unwrap_or(signature);
    let (r, s) = signature.split_scalars();
    let inverse: Scalar = *s.invert_vartime();
    let of_generator = <Scalar as Reduce<U256>>::reduce_bytes(&(*digest).into()) * inverse;
    let nonce = multiply(&of_generator, &(*r * inverse)).to_affine().to_encoded_point(false);
    let (r, s) = signature.split_bytes();
    match nonce.coordinates() {
        Coordinates::Uncompressed { x, y } if *x == r => {
            Ok(Signature { r: r.into(), s: s.into(), v: y[31] & 1 })
        }
        // The point at infinity has no x.
        _ => Err(HsmError::BadSignature),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use k256::ecdsa::{RecoveryId, SigningKey, signature::hazmat::PrehashSigner};

    fn key() -> SigningKey {
        // The first key of anvil's well-known mnemonic.
        let bytes = hex::decode("ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80").unwrap();
        SigningKey::from_slice(&bytes).unwrap()
    }

    #[test]
    fn the_address_is_the_one_every_wallet_shows() {
        assert_eq!(
            hex::encode(address_of(key().verifying_key())),
            "f39fd6e51aad88f6f4ce6ab8827279cfffb92266"
        );
    }

    #[test]
    fn a_high_s_is_turned_low_and_still_recovers_to_the_key() {
        for n in 0..32u8 {
            let digest = [n; 32];
            let low: Ecdsa = key().sign_prehash(&digest).unwrap();
            let low = low.normalize_s().unwrap_or(low);
            let high = Ecdsa::from_scalars(low.r().to_bytes(), (-*low.s()).to_bytes()).unwrap();
            let a = to_ethereum(&low.to_bytes(), &digest, key().verifying_key()).unwrap();
            let b = to_ethereum(&high.to_bytes(), &digest, key().verifying_key()).unwrap();
            assert_eq!(a, b);
            assert!(a.s[0] < 0x80);
        }
    }

    #[test]
    fn the_recovery_id_gives_the_key_back_and_the_other_one_does_not() {
        let mut ids = [0; 2];
        for n in 0..8u8 {
            let digest = [n; 32];
            let key = SigningKey::from_slice(&[n + 1; 32]).unwrap();
            let raw: Ecdsa = key.sign_prehash(&digest).unwrap();
            let ours = to_ethereum(&raw.to_bytes(), &digest, key.verifying_key()).unwrap();
            let known = KnownKey::new(key.verifying_key());
            assert_eq!(known.to_ethereum(&raw.to_bytes(), &digest).unwrap(), ours);
            let signature = Ecdsa::from_scalars(ours.r, ours.s).unwrap();
            for v in 0..=1u8 {
                let id = RecoveryId::from_byte(v).unwrap();
                let found = VerifyingKey::recover_from_prehash(&digest, &signature, id);
                assert_eq!(found.is_ok_and(|found| found == *key.verifying_key()), v == ours.v);
            }
            ids[usize::from(ours.v)] += 1;
        }
        assert!(ids.iter().all(|count| *count > 0), "{ids:?}");
    }

    #[test]
    fn a_signature_of_another_digest_and_bytes_that_are_none_are_refused() {
        let key = key();
        let raw: Ecdsa = key.sign_prehash(&[7; 32]).unwrap();
        let raw = raw.to_bytes();
        let order = "fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141";
        let order: [u8; 32] = hex::decode(order).unwrap().try_into().unwrap();
        let known = KnownKey::new(key.verifying_key());
        let refused = |raw: &[u8], digest: [u8; 32]| {
            let answers = [to_ethereum(raw, &digest, key.verifying_key()), known.to_ethereum(raw, &digest)];
            let refused = answers.map(|answer| matches!(answer, Err(HsmError::BadSignature)));
            assert_eq!(refused[0], refused[1]);
            refused[0]
        };
        assert!(!refused(&raw, [7; 32]));
        assert!(refused(&raw, [8; 32]));
        assert!(refused(&raw[..63], [7; 32]));
        assert!(refused(&[0; 64], [7; 32]));
        assert!(refused(&[&raw[..32], &[0; 32]].concat(), [7; 32]));
        assert!(refused(&[&order, &raw[32..]].concat(), [7; 32]));
    }

    #[test]
    fn a_signature_by_another_key_is_refused() {
        let digest = [7; 32];
        let other = SigningKey::from_slice(&[9; 32]).unwrap();
        let raw: Ecdsa = other.sign_prehash(&digest).unwrap();
        assert!(matches!(
            to_ethereum(&raw.to_bytes(), &digest, key().verifying_key()),
            Err(HsmError::BadSignature)
        ));
    }

    #[test]
    fn the_point_is_found_wrapped_and_bare_and_nothing_else_passes() {
        let mut wrapped = vec![0x04, 0x41, 0x04];
        wrapped.extend([1; 64]);
        assert_eq!(unwrap_ec_point(&wrapped).unwrap().len(), 65);
        assert_eq!(unwrap_ec_point(&wrapped[2..]).unwrap().len(), 65);
        assert!(unwrap_ec_point(&wrapped[..66]).is_none());
        assert!(unwrap_ec_point(&[]).is_none());
    }
}
