//! Refresh tokens: one family a sign-in, a new token at every use, and theft noticed by re-use.
//!
//! A token is `<family>.<secret>`; only a hash of it is stored. The successor of a token is an HMAC
//! of it, so an answer that was lost can be given once more without the store knowing it.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD as BASE64};
use hmac::{Hmac, Mac};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// A family ends when it was not used for this long, in seconds.
pub const IDLE_MAX_S: u64 = 7 * 24 * 3600;
/// Then one signs in again, in seconds since the sign-in.
pub const AGE_MAX_S: u64 = 30 * 24 * 3600;
/// The token before the current one is answered again within this time of its use, in seconds.
pub const GRACE_S: u64 = 30;

/// A family as the store keeps it. Times are seconds since 1970.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Family {
    /// `0x` and hex.
    pub player: String,
    pub signed_in_s: u64,
    /// The outside issuer's subject, where that is who signed in: its roles count then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// SHA-256 of the token that is good now.
    pub current: String,
    pub previous: Option<Previous>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Previous {
    pub hash: String,
    pub used_s: u64,
    /// Whether its answer was given a second time.
    pub repeated: bool,
}

/// What using a token leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Use {
    /// The family from now on; its owner gets the successor of the token that was used.
    Successor(Family),
    /// The token was used before: two hold it. The family ends for both.
    Stolen,
    /// The family is too old.
    Expired,
}

impl Family {
    pub fn new(player: String, token: &str, now_s: u64) -> Self {
        Self { player, signed_in_s: now_s, subject: None, current: hash(token), previous: None }
    }

    /// The one transition of a family.
    pub fn used(&self, token: &str, successor: &str, now_s: u64) -> Use {
        if now_s.saturating_sub(self.signed_in_s) > AGE_MAX_S {
            return Use::Expired;
        }
        let presented = hash(token);
        if presented == self.current {
            let previous = Some(Previous { hash: presented, used_s: now_s, repeated: false });
            return Use::Successor(Self { current: hash(successor), previous, ..self.clone() });
        }
        match &self.previous {
            Some(previous)
                if previous.hash == presented
                    && !previous.repeated
                    && now_s.saturating_sub(previous.used_s) <= GRACE_S =>
            {
                let previous = Some(Previous { repeated: true, ..previous.clone() });
                Use::Successor(Self { previous, ..self.clone() })
            }
            _ => Use::Stolen,
        }
    }

    /// Seconds for which the store keeps the family.
    pub fn keep_s(&self, now_s: u64) -> u64 {
        IDLE_MAX_S.min((self.signed_in_s + AGE_MAX_S).saturating_sub(now_s)).max(1)
    }
}

pub fn hash(token: &str) -> String {
    hex::encode(Sha256::digest(token))
}

/// The first token of a new family, from 48 random bytes.
pub fn first(random: &[u8; 48]) -> String {
    let (family, secret) = random.split_at(16);
    format!("{}.{}", BASE64.encode(family), BASE64.encode(secret))
}

/// The family that a token names, where it has the shape of one.
pub fn family_of(token: &str) -> Option<&str> {
    let (family, secret) = token.split_once('.')?;
    let is_shape = |text: &str, bytes| BASE64.decode(text).is_ok_and(|decoded| decoded.len() == bytes);
    (is_shape(family, 16) && is_shape(secret, 32)).then_some(family)
}

/// The token that follows `token` in its family.
pub fn successor(key: &[u8; 32], family: &str, token: &str) -> String {
    let mut mac = <Hmac<Sha256> as Mac>::new_from_slice(key).unwrap_or_else(|_| unreachable_key());
    mac.update(b"purr refresh v1");
    mac.update(token.as_bytes());
    format!("{family}.{}", BASE64.encode(mac.finalize().into_bytes()))
}

/// HMAC takes keys of any length (RFC 2104, section 2), so this has no caller in practice.
fn unreachable_key() -> Hmac<Sha256> {
    <Hmac<Sha256> as hmac::digest::KeyInit>::new(&Default::default())
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_700_000_000;

    fn family() -> (Family, String, String) {
        let token = first(&[3; 48]);
        let next = successor(&[1; 32], family_of(&token).unwrap(), &token);
        (Family::new("0x00".into(), &token, NOW), token, next)
    }

    #[test]
    fn every_use_gives_a_new_token_of_the_same_family() {
        let (start, token, next) = family();
        assert_ne!(token, next);
        assert_eq!(family_of(&token), family_of(&next));
        let Use::Successor(after) = start.used(&token, &next, NOW + 60) else { panic!() };
        assert_eq!(after.current, hash(&next));
        let third = successor(&[1; 32], family_of(&next).unwrap(), &next);
        assert!(matches!(after.used(&next, &third, NOW + 120), Use::Successor(_)));
    }

    #[test]
    fn a_lost_answer_is_given_once_more_within_half_a_minute() {
        let (start, token, next) = family();
        let Use::Successor(after) = start.used(&token, &next, NOW) else { panic!() };
        let Use::Successor(again) = after.used(&token, &next, NOW + GRACE_S) else { panic!() };
        assert_eq!(again.current, hash(&next));
        assert_eq!(again.used(&token, &next, NOW + GRACE_S), Use::Stolen);
        assert_eq!(after.used(&token, &next, NOW + GRACE_S + 1), Use::Stolen);
    }

    #[test]
    fn a_token_from_further_back_or_of_nobody_ends_the_family() {
        let (start, token, next) = family();
        let third = successor(&[1; 32], family_of(&next).unwrap(), &next);
        let Use::Successor(one) = start.used(&token, &next, NOW) else { panic!() };
        let Use::Successor(two) = one.used(&next, &third, NOW) else { panic!() };
        assert_eq!(two.used(&token, &next, NOW), Use::Stolen);
        assert_eq!(two.used("made.up", "x", NOW), Use::Stolen);
    }

    #[test]
    fn after_a_month_one_signs_in_again() {
        let (start, token, next) = family();
        assert_eq!(start.used(&token, &next, NOW + AGE_MAX_S + 1), Use::Expired);
        assert_eq!(start.keep_s(NOW), IDLE_MAX_S);
        assert_eq!(start.keep_s(NOW + AGE_MAX_S - 5), 5);
    }

    #[test]
    fn what_is_not_shaped_like_a_token_names_no_family() {
        for text in ["", ".", "a.b", "summary:x.y", &first(&[3; 48])[1..]] {
            assert_eq!(family_of(text), None, "{text}");
        }
    }
}
