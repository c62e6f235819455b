//! Refresh tokens: one family a sign-in, a new token at every use, and theft noticed by re-use.
//!
//! A token is `<family>.<generation><tag>`. The tag is an HMAC of family and generation under a key that only gateways
//! have, so a token that was never issued is recognised without asking the store: the family's id alone, which stands in
//! every access token, ends nothing. The store keeps a hash of the current token. The generation of a token's successor
//! is an HMAC of the token, so an answer that was lost can be given once more without the store knowing it.

use crate::sessions::ACCESS_S;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD as BASE64};
use hmac::{Hmac, Mac};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// A family ends when it was not used for this long, in seconds.
pub const IDLE_MAX_S: u64 = 7 * 24 * 3600;
/// A family whose first token was never used ends after this long, in seconds: three lives of an access token, so that a
/// client that plays has refreshed by then, and sign-ins that nobody uses leave the store soon.
pub const UNUSED_MAX_S: u64 = 3 * ACCESS_S;
/// Seconds after a sign-in at which the player has to sign in again.
pub const AGE_MAX_S: u64 = 30 * 24 * 3600;
/// The token before the current one is answered again within this time of its use, in seconds.
pub const GRACE_S: u64 = 30;
/// Bytes of a generation, and of its tag.
const PART: usize = 16;

/// A family as the store keeps it. Times are seconds since 1970.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Family {
    /// `0x` and hex.
    pub player: String,
    pub signed_in_s: u64,
    /// The outside issuer's subject, where that is who signed in: its roles count then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// SHA-256 of the current token.
    pub current: String,
    pub previous: Option<Previous>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Previous {
    pub hash: String,
    pub used_s: u64,
    /// Whether the answer was repeated already.
    pub repeated: bool,
}

/// Outcome of using a refresh token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Use {
    /// The family's new state; its owner gets the successor of the used token.
    Successor(Family),
    /// The token had been used before, so two parties hold it. The family ends for both.
    Stolen,
    /// No gateway has issued this token. The family stays valid.
    NeverIssued,
    /// The family is too old.
    Expired,
}

impl Family {
    pub fn new(player: String, token: &str, now_s: u64) -> Self {
        Self { player, signed_in_s: now_s, subject: None, current: hash(token), previous: None }
    }

    /// The one transition of a family. `issued`: the token carries a gateway's tag ([`is_issued`]).
    pub fn used(&self, token: &str, successor: &str, issued: bool, now_s: u64) -> Use {
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
            // An earlier release issued tokens without a tag: this family proves that it issued the token.
            Some(previous) if previous.hash == presented => Use::Stolen,
            _ if issued => Use::Stolen,
            _ => Use::NeverIssued,
        }
    }

    /// Seconds for which the store keeps the sign-in's data.
    pub fn keep_s(&self, now_s: u64) -> u64 {
        let idle_s = if self.previous.is_some() { IDLE_MAX_S } else { UNUSED_MAX_S };
        idle_s.min((self.signed_in_s + AGE_MAX_S).saturating_sub(now_s)).max(1)
    }
}

pub fn hash(token: &str) -> String {
    hex::encode(Sha256::digest(token))
}

/// The first token of a new family.
pub fn first(key: &[u8; 32], random: &[u8; 32]) -> String {
    let (family, generation) = random.split_at(PART);
    token(key, &BASE64.encode(family), generation)
}

/// The family that a token names, where it has the shape of one.
pub fn family_of(token: &str) -> Option<&str> {
    parts(token).map(|(family, _)| family)
}

fn parts(token: &str) -> Option<(&str, Vec<u8>)> {
    let (family, secret) = token.split_once('.')?;
    let decode = |text: &str, bytes| BASE64.decode(text).ok().filter(|decoded| decoded.len() == bytes);
    decode(family, PART)?;
    Some((family, decode(secret, 2 * PART)?))
}

/// The token that follows `token` in its family.
pub fn successor(key: &[u8; 32], family: &str, token: &str) -> String {
    let next = keyed(key, b"purr refresh v1", &[token.as_bytes()]).finalize().into_bytes();
    self::token(key, family, next.get(..PART).unwrap_or_default())
}

/// Whether a gateway with this key has made the token.
pub fn is_issued(key: &[u8; 32], token: &str) -> bool {
    parts(token).is_some_and(|(family, secret)| {
        let (generation, tag) = secret.split_at(PART);
        tagging(key, family, generation).verify_truncated_left(tag).is_ok()
    })
}

fn token(key: &[u8; 32], family: &str, generation: &[u8]) -> String {
    let tag = tagging(key, family, generation).finalize().into_bytes();
    let secret = [generation, tag.get(..PART).unwrap_or_default()].concat();
    format!("{family}.{}", BASE64.encode(secret))
}

fn tagging(key: &[u8; 32], family: &str, generation: &[u8]) -> Hmac<Sha256> {
    keyed(key, b"purr refresh tag v1", &[family.as_bytes(), b".", generation])
}

/// An HMAC over a purpose and parts, of which all but the last have a fixed length.
pub(super) fn keyed(key: &[u8; 32], purpose: &[u8], parts: &[&[u8]]) -> Hmac<Sha256> {
    let mut mac = <Hmac<Sha256> as Mac>::new_from_slice(key).unwrap_or_else(|_| unreachable_key());
    mac.update(purpose);
    parts.iter().for_each(|part| mac.update(part));
    mac
}

/// Never called in practice, because HMAC accepts keys of any length (RFC 2104, section 2).
fn unreachable_key() -> Hmac<Sha256> {
    <Hmac<Sha256> as hmac::digest::KeyInit>::new(&Default::default())
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_700_000_000;
    const KEY: [u8; 32] = [1; 32];

    fn family() -> (Family, String, String) {
        let token = first(&KEY, &[3; 32]);
        let next = after(&token);
        (Family::new("0x00".into(), &token, NOW), token, next)
    }

    fn after(token: &str) -> String {
        successor(&KEY, family_of(token).unwrap(), token)
    }

    fn use_(family: &Family, token: &str, now_s: u64) -> Use {
        family.used(token, &after(token), is_issued(&KEY, token), now_s)
    }

    #[test]
    fn every_use_gives_a_new_token_of_the_same_family() {
        let (start, token, next) = family();
        assert_ne!(token, next);
        assert_eq!(family_of(&token), family_of(&next));
        let Use::Successor(one) = use_(&start, &token, NOW + 60) else { panic!() };
        assert_eq!(one.current, hash(&next));
        assert!(matches!(use_(&one, &next, NOW + 120), Use::Successor(_)));
    }

    #[test]
    fn a_lost_answer_is_given_once_more_within_half_a_minute() {
        let (start, token, next) = family();
        let Use::Successor(one) = use_(&start, &token, NOW) else { panic!() };
        let Use::Successor(again) = use_(&one, &token, NOW + GRACE_S) else { panic!() };
        assert_eq!(again.current, hash(&next));
        assert_eq!(use_(&again, &token, NOW + GRACE_S), Use::Stolen);
        assert_eq!(use_(&one, &token, NOW + GRACE_S + 1), Use::Stolen);
    }

    #[test]
    fn a_token_from_further_back_ends_the_family_and_one_that_was_never_issued_does_not() {
        let (start, token, next) = family();
        let Use::Successor(one) = use_(&start, &token, NOW) else { panic!() };
        let Use::Successor(two) = use_(&one, &next, NOW) else { panic!() };
        assert_eq!(use_(&two, &token, NOW), Use::Stolen);
        // The family's id is no secret: it stands in every access token.
        let id = family_of(&token).unwrap();
        for secret in [[0; 32], [9; 32]] {
            let forged = format!("{id}.{}", BASE64.encode(secret));
            assert_eq!(family_of(&forged), Some(id));
            assert_eq!(use_(&two, &forged, NOW), Use::NeverIssued);
        }
        let elsewhere = self::token(&[2; 32], id, &[3; PART]);
        assert_eq!(use_(&two, &elsewhere, NOW), Use::NeverIssued);
    }

    #[test]
    fn tokens_of_a_release_without_tags_are_used_once_and_their_reuse_is_theft() {
        let old = |secret: u8| format!("{}.{}", BASE64.encode([3; PART]), BASE64.encode([secret; 32]));
        let start = Family::new("0x00".into(), &old(1), NOW);
        let Use::Successor(one) = use_(&start, &old(1), NOW) else { panic!() };
        assert!(is_issued(&KEY, &after(&old(1))));
        assert_eq!(use_(&one, &old(1), NOW + GRACE_S + 1), Use::Stolen);
    }

    #[test]
    fn a_tag_is_good_for_its_own_family_and_generation_only() {
        let (_, token, next) = family();
        assert!(is_issued(&KEY, &token) && is_issued(&KEY, &next));
        assert!(!is_issued(&[2; 32], &token));
        let secret = token.split_once('.').unwrap().1;
        assert!(!is_issued(&KEY, &format!("{}.{secret}", BASE64.encode([4; PART]))));
        let mut bytes = BASE64.decode(secret).unwrap();
        bytes[0] ^= 1;
        assert!(!is_issued(&KEY, &format!("{}.{}", family_of(&token).unwrap(), BASE64.encode(bytes))));
    }

    #[test]
    fn a_sign_in_that_nobody_uses_is_kept_for_minutes_and_a_used_one_for_a_week() {
        let (start, token, _) = family();
        assert_eq!(start.keep_s(NOW), UNUSED_MAX_S);
        let Use::Successor(used) = use_(&start, &token, NOW) else { panic!() };
        assert_eq!(used.keep_s(NOW), IDLE_MAX_S);
        assert_eq!(used.keep_s(NOW + AGE_MAX_S - 5), 5);
    }

    #[test]
    fn after_a_month_one_signs_in_again() {
        let (start, token, _) = family();
        assert_eq!(use_(&start, &token, NOW + AGE_MAX_S + 1), Use::Expired);
    }

    #[test]
    fn what_is_not_shaped_like_a_token_names_no_family() {
        for text in ["", ".", "a.b", "summary:x.y", &first(&KEY, &[3; 32])[1..]] {
            assert_eq!(family_of(text), None, "{text}");
            assert!(!is_issued(&KEY, text), "{text}");
        }
    }
}
