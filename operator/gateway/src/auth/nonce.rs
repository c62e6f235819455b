//! Nonces of sign-in messages, which cost the store nothing until a wallet has signed one.
//!
//! A nonce is random bytes, the time it was made, and an HMAC of both under a key that only gateways have. Any number of
//! them may be asked for. A sign-in marks its nonce as used in the same step that stores the sign-in. Where the store with
//! its marks is lost, a signed message is good once more within its five minutes, for whoever has it.

use super::refresh::keyed;
use hmac::Mac;

/// A nonce lives as long as a message that names it may be old, in seconds.
pub const LIFE_S: u64 = 300;
const RANDOM: usize = 12;
const TIME: usize = 8;
const TAG: usize = 16;

/// A nonce in hex.
pub fn make(key: &[u8; 32], random: &[u8; RANDOM], now_s: u64) -> String {
    let body = [random.as_slice(), &now_s.to_be_bytes()].concat();
    let tag = keyed(key, b"purr nonce v1", &[&body]).finalize().into_bytes();
    hex::encode([&body, tag.get(..TAG).unwrap_or_default()].concat())
}

/// Whether a gateway with this key has made the nonce and it has not run out.
pub fn is_good(key: &[u8; 32], nonce: &str, now_s: u64) -> bool {
    let mut bytes = [0; RANDOM + TIME + TAG];
    // Lower case only: a nonce with two spellings could be used for two sign-ins.
    if hex::decode_to_slice(nonce, &mut bytes).is_err() || nonce.bytes().any(|byte| byte.is_ascii_uppercase())
    {
        return false;
    }
    let (body, tag) = bytes.split_at(RANDOM + TIME);
    let made_s = body.get(RANDOM..).and_then(|time| time.try_into().ok()).map_or(0, u64::from_be_bytes);
    // A nonce from a gateway whose clock is ahead may lie in the future.
    let fresh = made_s.abs_diff(now_s) <= LIFE_S;
    fresh && keyed(key, b"purr nonce v1", &[body]).verify_truncated_left(tag).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_700_000_000;

    #[test]
    fn a_nonce_is_good_for_five_minutes_and_only_as_it_was_made() {
        let nonce = make(&[1; 32], &[7; RANDOM], NOW);
        assert!(is_good(&[1; 32], &nonce, NOW) && is_good(&[1; 32], &nonce, NOW + LIFE_S));
        assert!(!is_good(&[1; 32], &nonce, NOW + LIFE_S + 1));
        assert!(!is_good(&[2; 32], &nonce, NOW));
        assert!(!is_good(&[1; 32], &nonce.to_uppercase(), NOW));
        for at in 0..nonce.len() {
            let mut changed = nonce.clone().into_bytes();
            changed[at] = if changed[at] == b'0' { b'1' } else { b'0' };
            assert!(!is_good(&[1; 32], std::str::from_utf8(&changed).unwrap(), NOW), "{at}");
        }
        assert!(!is_good(&[1; 32], "", NOW) && !is_good(&[1; 32], &nonce[2..], NOW));
    }
}
