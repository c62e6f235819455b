//! Table assertions: a gateway's signed statement to one table about a player, as a JWT signed with EdDSA (RFC 7519,
//! 8037).
//!
//! A table pod never receives a player's access token, which would be valid for every route of the API. An assertion is
//! valid for one lane of one table for a minute: its audience differs from the API's.

use crate::{steady::Steady, token::UserRole};
use arc_swap::ArcSwap;
use jsonwebtoken::{
    Algorithm, DecodingKey, Validation, decode, decode_header,
    errors::{Error, ErrorKind},
    jwk::JwkSet,
};
use serde::{Deserialize, Serialize};
use std::{
    path::PathBuf,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

/// Lifetime of an assertion, in seconds; one with a longer lifetime is rejected.
pub const LIFE_S: u64 = 60;
/// Clocks of two machines may differ by this much, in seconds.
const LEEWAY_S: u64 = 30;
/// The file of keys is read again at most this often, however many unknown keys are named.
const KEYS_EVERY: Duration = Duration::from_secs(5);
/// The lane number of a plain HTTP request, which uses no trunk.
pub const NO_LANE: u64 = 0;

/// The claims of an assertion. Times are seconds since 1970 by the gateway's clock.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Assertion {
    /// The table, as [`audience`] names it.
    pub aud: String,
    /// The player's address.
    pub sub: String,
    /// The player's lane on the gateway's trunk, or [`NO_LANE`].
    pub lane: u64,
    pub iat: u64,
    pub exp: u64,
    /// When the player's access token ends, and the lane with it.
    pub until: u64,
    /// Roles of the player, where the request needs them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub roles: Vec<UserRole>,
}

impl Assertion {
    /// Makes claims that are valid from `now_s` on.
    pub fn new(table: &str, player: String, lane: u64, now_s: u64, until: u64) -> Self {
        Self {
            aud: audience(table),
            sub: player,
            lane,
            iat: now_s,
            exp: now_s + LIFE_S,
            until,
            roles: Vec::new(),
        }
    }

    /// Remaining lifetime of the player's access token when the assertion was made. Both times are by the gateway's
    /// clock, so that a wrong clock of the table disconnects nobody.
    pub fn left(&self) -> Duration {
        Duration::from_secs(self.until.saturating_sub(self.iat))
    }
}

/// The audience of assertions for a table.
pub fn audience(table_uid: &str) -> String {
    format!("urn:purr:table:{table_uid}")
}

#[derive(Debug, thiserror::Error)]
pub enum AssertionError {
    #[error("not an assertion: {0}")]
    Malformed(Error),
    #[error("the assertion names no key, or one that this table was not given")]
    UnknownKey,
    #[error("the assertion is refused: {0}")]
    Refused(Error),
    #[error("the assertion is for lane {said}, not for lane {lane}")]
    OtherLane { said: u64, lane: u64 },
    #[error("the assertion is good for {0} s, longer than {LIFE_S} s")]
    TooLong(u64),
}

/// Verifies assertions for one table by public keys in a file, which is mounted.
pub struct Assertions {
    audience: String,
    /// A JWK set.
    file: PathBuf,
    keys: ArcSwap<JwkSet>,
    read: Mutex<Option<Instant>>,
    clock: Steady,
}

impl Assertions {
    /// The file may be missing now and appear later.
    pub fn new(table_uid: &str, file: PathBuf) -> Self {
        let keys = ArcSwap::from_pointee(JwkSet { keys: Vec::new() });
        let this = Self {
            audience: audience(table_uid),
            file,
            keys,
            read: Mutex::default(),
            clock: Steady::default(),
        };
        this.read_again();
        this
    }

    /// Whether there is any key to verify with.
    pub fn has_keys(&self) -> bool {
        let any = || !self.keys.load().keys.is_empty();
        any() || {
            self.read_again();
            any()
        }
    }

    /// # Errors
    /// Where the assertion is not of a key of the file, for another table or lane, over, or good for too long.
    pub fn verify(&self, assertion: &str, lane: u64) -> Result<Assertion, AssertionError> {
        let header = decode_header(assertion).map_err(AssertionError::Malformed)?;
        let kid = header.kid.as_deref().ok_or(AssertionError::UnknownKey)?;
        let key = self.key(kid).ok_or(AssertionError::UnknownKey)?.map_err(AssertionError::Refused)?;
        let mut rules = Validation::new(Algorithm::EdDSA);
        rules.set_audience(&[&self.audience]);
        rules.set_required_spec_claims(&["exp", "aud", "sub"]);
        rules.validate_exp = false;
        let said = decode::<Assertion>(assertion, &key, &rules).map_err(AssertionError::Refused)?.claims;
        let life_s = said.exp.saturating_sub(said.iat);
        if life_s > LIFE_S {
            return Err(AssertionError::TooLong(life_s));
        }
        let now_s = self.clock.now().as_secs();
        if said.exp.saturating_add(LEEWAY_S) < now_s {
            return Err(AssertionError::Refused(ErrorKind::ExpiredSignature.into()));
        }
        if said.iat > now_s.saturating_add(LEEWAY_S) {
            return Err(AssertionError::Refused(ErrorKind::ImmatureSignature.into()));
        }
        if said.lane != lane {
            return Err(AssertionError::OtherLane { said: said.lane, lane });
        }
        Ok(said)
    }

    /// The key with this name; the file is read again if the key is unknown.
    fn key(&self, kid: &str) -> Option<Result<DecodingKey, Error>> {
        let known = || self.keys.load().find(kid).map(DecodingKey::from_jwk);
        known().or_else(|| {
            self.read_again();
            known()
        })
    }

    fn read_again(&self) {
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        if read.is_some_and(|at| at.elapsed() < KEYS_EVERY) {
            return;
        }
        *read = Some(Instant::now());
        match std::fs::read(&self.file) {
            Ok(text) => match serde_json::from_slice::<JwkSet>(&text) {
                Ok(keys) => self.keys.store(keys.into()),
                // The file is half-written: the keys loaded before stay in use.
                Err(error) => {
                    tracing::warn!(%error, file = %self.file.display(), "keys of assertions not read again");
                }
            },
            Err(error) => {
                tracing::info!(%error, file = %self.file.display(), "keys of assertions not read again");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
    use jsonwebtoken::{EncodingKey, Header, encode};
    use rcgen::{KeyPair, PKCS_ED25519, PublicKeyData};
    use serde_json::json;

    const TABLE: &str = "0a-1";

    struct Gateway {
        dir: tempfile::TempDir,
        key: KeyPair,
    }

    impl Gateway {
        fn new() -> Self {
            let this = Self {
                dir: tempfile::tempdir().unwrap(),
                key: KeyPair::generate_for(&PKCS_ED25519).unwrap(),
            };
            this.publish(&[("k1", &this.key)]);
            this
        }

        fn file(&self) -> PathBuf {
            self.dir.path().join("keys.json")
        }

        fn publish(&self, keys: &[(&str, &KeyPair)]) {
            let jwk = |(kid, key): &(&str, &KeyPair)| {
                let x = URL_SAFE_NO_PAD.encode(key.der_bytes());
                json!({"kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "use": "sig", "kid": kid, "x": x})
            };
            let keys: Vec<_> = keys.iter().map(jwk).collect();
            std::fs::write(self.file(), json!({ "keys": keys }).to_string()).unwrap();
        }

        fn table(&self) -> Assertions {
            Assertions::new(TABLE, self.file())
        }

        fn sign(&self, said: &Assertion) -> String {
            sign(&self.key, "k1", said)
        }
    }

    fn sign(key: &KeyPair, kid: &str, said: &impl Serialize) -> String {
        let header = Header { kid: Some(kid.into()), ..Header::new(Algorithm::EdDSA) };
        let key = EncodingKey::from_ed_pem(key.serialize_pem().as_bytes()).unwrap();
        encode(&header, said, &key).unwrap()
    }

    fn now_s() -> u64 {
        Steady::default().now().as_secs()
    }

    fn said() -> Assertion {
        Assertion::new(TABLE, format!("0x{}", "a".repeat(40)), 7, now_s(), now_s() + 300)
    }

    #[test]
    fn an_assertion_is_good_for_its_table_and_its_lane_only() {
        let (gateway, said) = (Gateway::new(), said());
        let table = gateway.table();
        assert!(table.has_keys());
        assert_eq!(table.verify(&gateway.sign(&said), 7).unwrap(), said);
        assert_eq!(said.left(), Duration::from_secs(300));
        assert!(matches!(
            table.verify(&gateway.sign(&said), 8),
            Err(AssertionError::OtherLane { said: 7, lane: 8 })
        ));
        let other = Assertion { aud: audience("0b-1"), ..said.clone() };
        assert!(matches!(table.verify(&gateway.sign(&other), 7), Err(AssertionError::Refused(_))));
        // An access token is refused: it has another audience, even when the same key signed it.
        let access =
            json!({"aud": "purr", "sub": said.sub, "exp": said.exp, "iat": said.iat, "lane": 7, "until": 1});
        assert!(table.verify(&sign(&gateway.key, "k1", &access), 7).is_err());
        let list = json!({"aud": ["purr", audience(TABLE)], "sub": said.sub, "exp": said.exp, "iat": said.iat,
            "lane": 7, "until": 1});
        assert!(table.verify(&sign(&gateway.key, "k1", &list), 7).is_err());
    }

    #[test]
    fn an_assertion_that_is_over_of_the_future_or_good_for_too_long_is_refused() {
        let (gateway, said) = (Gateway::new(), said());
        let table = gateway.table();
        let refused = |change: &dyn Fn(&mut Assertion)| {
            let mut said = said.clone();
            change(&mut said);
            table.verify(&gateway.sign(&said), 7).unwrap_err().to_string()
        };
        assert!(refused(&|said| (said.iat, said.exp) = (said.iat - 95, said.iat - 35)).contains("Expired"));
        assert!(refused(&|said| (said.iat, said.exp) = (said.iat + 40, said.iat + 50)).contains("Immature"));
        assert_eq!(
            refused(&|said| said.exp = said.iat + 61),
            "the assertion is good for 61 s, longer than 60 s"
        );
        assert!(refused(&|said| said.exp = u64::MAX).contains("longer"));
    }

    #[test]
    fn only_keys_of_the_file_count_and_a_new_one_is_read_when_it_is_named() {
        let (gateway, said) = (Gateway::new(), said());
        let table = gateway.table();
        let stranger = KeyPair::generate_for(&PKCS_ED25519).unwrap();
        assert!(matches!(table.verify(&sign(&stranger, "k1", &said), 7), Err(AssertionError::Refused(_))));
        gateway.publish(&[("k1", &gateway.key), ("k2", &stranger)]);
        // The file was just read: a caller cannot make the table read it for each request.
        assert!(matches!(table.verify(&sign(&stranger, "k2", &said), 7), Err(AssertionError::UnknownKey)));
        *table.read.lock().unwrap() = None;
        assert_eq!(table.verify(&sign(&stranger, "k2", &said), 7).unwrap(), said);
        assert!(matches!(table.verify("x.y.z", 7), Err(AssertionError::Malformed(_))));
    }

    #[test]
    fn without_the_file_nothing_is_taken_until_it_is_there() {
        let gateway = Gateway::new();
        std::fs::remove_file(gateway.file()).unwrap();
        let table = gateway.table();
        assert!(!table.has_keys());
        gateway.publish(&[("k1", &gateway.key)]);
        *table.read.lock().unwrap() = None;
        assert!(table.has_keys());
    }
}
