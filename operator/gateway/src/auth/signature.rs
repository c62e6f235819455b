//! Recovers the signer of a message (EIP-191, version 0x45), and formats addresses for people (EIP-55).

use k256::ecdsa::{RecoveryId, Signature, VerifyingKey};
use purr_engine::PlayerId;
use sha3::{Digest, Keccak256};

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadSignature {
    #[error("a signature is 0x and 130 hex digits: r, s, v")]
    Shape,
    /// ERC-1271 and ERC-6492: longer, and only a call of the contract could check them.
    #[error(
        "the signature is of a wallet that is a contract, which cannot play: the vault checks permits by the key of an \
         address. Use a wallet with a key of its own; one that delegates by EIP-7702 has it"
    )]
    Contract,
    #[error("the signature's v is none of 0, 1, 27, 28")]
    V,
    #[error("the signature's s is in the upper half of the order (EIP-2)")]
    HighS,
    #[error("no key made this signature")]
    NoKey,
}

/// The address whose key signed `message` with `personal_sign`.
///
/// # Errors
/// Where the text is not one well-formed, low-s signature.
pub fn signer(message: &str, signature: &str) -> Result<PlayerId, BadSignature> {
    let bytes = signature.strip_prefix("0x").and_then(|hex| hex::decode(hex).ok());
    let bytes = bytes.ok_or(BadSignature::Shape)?;
    if bytes.len() > 65 {
        return Err(BadSignature::Contract);
    }
    let bytes: [u8; 65] = bytes.try_into().map_err(|_| BadSignature::Shape)?;
    let [rs @ .., v] = bytes;
    let recovery = match v {
        0 | 27 => RecoveryId::new(false, false),
        1 | 28 => RecoveryId::new(true, false),
        _ => return Err(BadSignature::V),
    };
    let signature = Signature::from_slice(&rs).map_err(|_| BadSignature::NoKey)?;
    if signature.normalize_s().is_some() {
        return Err(BadSignature::HighS);
    }
    let key = VerifyingKey::recover_from_prehash(&personal_hash(message), &signature, recovery);
    Ok(address_of(&key.map_err(|_| BadSignature::NoKey)?))
}

/// The hash that `personal_sign` signs.
pub fn personal_hash(message: &str) -> [u8; 32] {
    let mut hash = Keccak256::new();
    hash.update(format!("\x19Ethereum Signed Message:\n{}", message.len()));
    hash.update(message);
    hash.finalize().into()
}

/// The last 20 bytes of the key's Keccak-256.
pub fn address_of(key: &VerifyingKey) -> PlayerId {
    let point = key.to_encoded_point(false);
    let hash = Keccak256::digest(point.as_bytes().get(1..).unwrap_or_default());
    let mut address = [0; 20];
    address.copy_from_slice(hash.get(12..).unwrap_or(&[0; 20]));
    PlayerId(address)
}

/// An address with its checksum in the case of its letters (EIP-55).
pub fn checksummed(player: PlayerId) -> String {
    let text = hex::encode(player.0);
    let hash = Keccak256::digest(text.as_bytes());
    let nibbles = hash.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    let cased =
        text.chars().zip(nibbles).map(|(c, nibble)| if nibble >= 8 { c.to_ascii_uppercase() } else { c });
    std::iter::once('0').chain(std::iter::once('x')).chain(cased).collect()
}

pub(super) fn parse_checksummed(text: &str) -> Option<PlayerId> {
    let bytes = hex::decode(text.strip_prefix("0x")?).ok()?;
    let player = PlayerId(bytes.try_into().ok()?);
    (checksummed(player) == text).then_some(player)
}

#[cfg(test)]
mod tests {
    use super::*;
    use k256::ecdsa::SigningKey;

    fn sign(message: &str) -> (PlayerId, [u8; 65]) {
        let key = SigningKey::from_slice(&[7; 32]).unwrap();
        let (signature, recovery) = key.sign_prehash_recoverable(&personal_hash(message)).unwrap();
        let mut bytes = [0; 65];
        bytes[..64].copy_from_slice(&signature.to_bytes());
        bytes[64] = 27 + recovery.to_byte();
        (address_of(key.verifying_key()), bytes)
    }

    fn text(bytes: &[u8]) -> String {
        format!("0x{}", hex::encode(bytes))
    }

    #[test]
    fn the_signer_of_a_message_is_found() {
        let (player, bytes) = sign("hello");
        assert_eq!(signer("hello", &text(&bytes)), Ok(player));
        assert_ne!(signer("hullo", &text(&bytes)), Ok(player));
    }

    #[test]
    fn signatures_of_another_shape_are_refused() {
        let (_, bytes) = sign("hello");
        assert_eq!(signer("hello", &hex::encode(bytes)), Err(BadSignature::Shape));
        assert_eq!(signer("hello", &text(&bytes[..64])), Err(BadSignature::Shape));
        let mut other_v = bytes;
        other_v[64] = 29;
        assert_eq!(signer("hello", &text(&other_v)), Err(BadSignature::V));
        let mut zero = bytes;
        zero[..64].fill(0);
        assert_eq!(signer("hello", &text(&zero)), Err(BadSignature::NoKey));
    }

    #[test]
    fn a_wallet_that_is_a_contract_is_named_as_the_reason() {
        let (_, bytes) = sign("hello");
        // Two owners' signatures as in a Safe, and a signature wrapped by ERC-6492.
        let two = [bytes, bytes].concat();
        let wrapped = [&bytes[..], &[0; 31], &[0x64, 0x92].repeat(16)].concat();
        for signature in [two, wrapped] {
            assert_eq!(signer("hello", &text(&signature)), Err(BadSignature::Contract));
        }
    }

    #[test]
    fn the_other_form_of_a_signature_is_refused() {
        let (_, bytes) = sign("hello");
        let signature = Signature::from_slice(&bytes[..64]).unwrap();
        let high = Signature::from_scalars(*signature.r(), -*signature.s()).unwrap();
        let mut other = bytes;
        other[..64].copy_from_slice(&high.to_bytes());
        other[64] = if bytes[64] == 27 { 28 } else { 27 };
        assert_eq!(signer("hello", &text(&other)), Err(BadSignature::HighS));
    }

    #[test]
    fn addresses_carry_the_checksum_of_eip_55() {
        // The examples of EIP-55.
        for address in [
            "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
            "0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359",
            "0xdbF03B407c01E7cD3CBea99509d93f8DDDC8C6FB",
            "0xD1220A0cf47c7B9Be7A2E6BA89F429762e7b9aDb",
        ] {
            assert_eq!(checksummed(parse_checksummed(address).unwrap()), address);
        }
        assert_eq!(parse_checksummed("0x5aaeb6053f3e94c9b9a09f33669435e7ef1beaed"), None);
    }
}
