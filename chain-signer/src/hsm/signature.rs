//! From what a PKCS#11 token gives to what Ethereum wants.

use super::HsmError;
use k256::ecdsa::{RecoveryId, Signature as Ecdsa, VerifyingKey};
use sha3::{Digest, Keccak256};

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

/// Takes the token's r‖s to low s (EIP-2) and finds the recovery id that gives `key` back.
pub fn to_ethereum(raw: &[u8], digest: &[u8; 32], key: &VerifyingKey) -> Result<Signature, HsmError> {
    let signature = Ecdsa::from_slice(raw).map_err(|_| HsmError::BadSignature)?;
    let signature = signature.normalize_s().unwrap_or(signature);
    for v in 0..=1u8 {
        let Some(id) = RecoveryId::from_byte(v) else { continue };
        if VerifyingKey::recover_from_prehash(digest, &signature, id).is_ok_and(|found| found == *key) {
            let (r, s) = signature.split_bytes();
            return Ok(Signature { r: r.into(), s: s.into(), v });
        }
    }
    Err(HsmError::BadSignature)
}

#[cfg(test)]
mod tests {
    use super::*;
    use k256::ecdsa::{SigningKey, signature::hazmat::PrehashSigner};

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
