//! Decides, without the API, what to do about each Secret that a release needs.

use serde::Deserialize;
use std::collections::BTreeMap;

/// The Secrets in the order in which they are made: the CA comes before the certificates that it signs.
#[derive(Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    pub secrets: Vec<Wanted>,
}

#[derive(Deserialize, Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    pub name: String,
    #[serde(flatten)]
    pub kind: Kind,
}

#[derive(Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(tag = "kind", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Kind {
    /// One password for each key, 32 letters and digits.
    Passwords { keys: Vec<String> },
    /// One number for each key, 12 digits.
    Pins { keys: Vec<String> },
    /// Keys that seal hands at rest (AES-256): `current` names the one that seals.
    DataKeys,
    /// Keys that sign players' tokens (Ed25519): `current` names the one that signs.
    TokenKeys,
    /// The public halves of a Secret of token keys, for whoever verifies with them: a JWK set in `keys.json`.
    PublicKeys { of: String },
    /// The CA of the release.
    Authority { valid_days: u32 },
    /// A certificate that the CA signs.
    Certificate {
        authority: String,
        names: Vec<String>,
        ip_addresses: Vec<String>,
        valid_days: u32,
        reissue: bool,
    },
    /// The RSA key and certificate that backups are encrypted for.
    BackupKey,
}

impl Kind {
    /// The Secret's type, as Kubernetes names it.
    pub const fn secret_type(&self) -> &'static str {
        match self {
            Self::Authority { .. } | Self::Certificate { .. } | Self::BackupKey => "kubernetes.io/tls",
            _ => "Opaque",
        }
    }

    /// Names and addresses of a certificate, as its annotation lists them.
    pub fn said_names(&self) -> Option<String> {
        match self {
            Self::Certificate { names, ip_addresses, .. } => {
                Some([&names[..], &ip_addresses[..]].concat().join(","))
            }
            _ => None,
        }
    }
}

/// An existing Secret.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Held {
    pub data: BTreeMap<String, Vec<u8>>,
    /// The Secret carries the release's label. A Secret without the label belongs to somebody else and is never
    /// written.
    pub ours: bool,
    /// Whether helm deletes the Secret together with the release that rendered it.
    pub helm_deletes: bool,
    /// The names that its certificate was made for.
    pub said_names: Option<String>,
    /// When to renew the certificate, in seconds since 1970, and whether the release's CA issued it.
    pub certificate: Option<CertificateState>,
    /// Whether the public keys no longer match the keys that they belong to.
    pub outdated: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CertificateState {
    pub renew_at_s: i64,
    pub from_authority: bool,
}

/// An action on one Secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    Keep,
    /// Keeps the content, and makes helm leave the Secret alone when a newer chart no longer renders it.
    Adopt,
    Create,
    /// Adds these missing keys.
    Add(Vec<String>),
    /// Writes the Secret again from its sources.
    Rewrite,
    /// Issues a new certificate.
    Reissue(Why),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    AskedFor,
    OtherNames,
    OtherAuthority,
    Due,
    Unreadable,
}

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum PlanError {
    #[error(
        "Secret {name} has no key '{key}', and what it had may have sealed data: put the key back, nothing is made in its place"
    )]
    Incomplete { name: String, key: String },
    #[error(
        "Secret {name} is not labelled as the release's and has no key '{key}': add the key, or remove the Secret"
    )]
    Foreign { name: String, key: String },
}

/// Decides what to do about a Secret. A key that money, hands or backups may depend on is never replaced.
///
/// # Errors
/// [`PlanError`] where a Secret lacks a key that cannot be made again, or that is not ours to add.
pub fn decide(wanted: &Wanted, held: Option<&Held>, now_s: i64) -> Result<Step, PlanError> {
    let Some(held) = held else { return Ok(Step::Create) };
    let missing: Vec<String> =
        required(&wanted.kind, held).into_iter().filter(|key| !held.data.contains_key(key)).collect();
    let name = || wanted.name.clone();
    if !held.ours {
        return match missing.into_iter().next() {
            Some(key) => Err(PlanError::Foreign { name: name(), key }),
            None => Ok(Step::Keep),
        };
    }
    let settled = if held.helm_deletes { Step::Adopt } else { Step::Keep };
    match &wanted.kind {
        Kind::Passwords { .. } | Kind::Pins { .. } if !missing.is_empty() => Ok(Step::Add(missing)),
        Kind::PublicKeys { .. } if held.outdated || !missing.is_empty() => Ok(Step::Rewrite),
        Kind::Certificate { reissue, .. } => {
            Ok(renewal(wanted, held, *reissue, now_s).map_or(settled, Step::Reissue))
        }
        _ => match missing.into_iter().next() {
            Some(key) => Err(PlanError::Incomplete { name: name(), key }),
            None => Ok(settled),
        },
    }
}

fn renewal(wanted: &Wanted, held: &Held, asked_for: bool, now_s: i64) -> Option<Why> {
    let whole = ["tls.crt", "tls.key", "ca.crt"].iter().all(|key| held.data.contains_key(*key));
    match held.certificate.filter(|_| whole) {
        _ if asked_for => Some(Why::AskedFor),
        None => Some(Why::Unreadable),
        Some(_) if held.said_names != wanted.kind.said_names() => Some(Why::OtherNames),
        Some(state) if !state.from_authority => Some(Why::OtherAuthority),
        Some(state) if state.renew_at_s <= now_s => Some(Why::Due),
        Some(_) => None,
    }
}

/// Keys that a Secret of a kind has.
fn required(kind: &Kind, held: &Held) -> Vec<String> {
    let current = || held.data.get("current").map(|name| String::from_utf8_lossy(name).trim().to_owned());
    match kind {
        Kind::Passwords { keys } | Kind::Pins { keys } => keys.clone(),
        Kind::DataKeys => ["current".to_owned()].into_iter().chain(current()).collect(),
        Kind::TokenKeys => {
            ["current".to_owned()].into_iter().chain(current().map(|key| format!("{key}.pem"))).collect()
        }
        Kind::PublicKeys { .. } => vec!["keys.json".into()],
        Kind::Authority { .. } | Kind::BackupKey => vec!["tls.crt".into(), "tls.key".into()],
        Kind::Certificate { .. } => vec!["tls.crt".into(), "tls.key".into(), "ca.crt".into()],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW_S: i64 = 1_800_000_000;

    fn wanted(kind: Kind) -> Wanted {
        Wanted { name: "purr-x".into(), kind }
    }

    fn held(keys: &[(&str, &str)]) -> Held {
        let data = keys.iter().map(|(key, value)| ((*key).to_owned(), value.as_bytes().to_vec())).collect();
        Held { data, ours: true, ..Held::default() }
    }

    fn certificate(reissue: bool) -> Wanted {
        wanted(Kind::Certificate {
            authority: "purr-ca".into(),
            names: vec!["a.example".into()],
            ip_addresses: vec!["192.0.2.1".into()],
            valid_days: 30,
            reissue,
        })
    }

    fn leaf() -> Held {
        Held {
            said_names: Some("a.example,192.0.2.1".into()),
            certificate: Some(CertificateState { renew_at_s: NOW_S + 1, from_authority: true }),
            ..held(&[("tls.crt", "c"), ("tls.key", "k"), ("ca.crt", "a")])
        }
    }

    #[test]
    fn what_is_missing_is_made_and_what_is_there_is_kept() {
        let passwords = wanted(Kind::Passwords { keys: vec!["table".into(), "signer".into()] });
        assert_eq!(decide(&passwords, None, NOW_S), Ok(Step::Create));
        assert_eq!(
            decide(&passwords, Some(&held(&[("table", "a"), ("signer", "b")])), NOW_S),
            Ok(Step::Keep)
        );
        assert_eq!(
            decide(&passwords, Some(&held(&[("table", "a")])), NOW_S),
            Ok(Step::Add(vec!["signer".into()]))
        );
    }

    #[test]
    fn a_key_that_sealed_data_needs_is_never_made_in_the_place_of_another() {
        let keys = wanted(Kind::DataKeys);
        assert_eq!(
            decide(&keys, Some(&held(&[("current", "k2"), ("k1", "a"), ("k2", "b")])), NOW_S),
            Ok(Step::Keep)
        );
        let refused = |held: &Held, key: &str| {
            let error = PlanError::Incomplete { name: "purr-x".into(), key: key.into() };
            assert_eq!(decide(&keys, Some(held), NOW_S), Err(error));
        };
        refused(&held(&[("current", "k2"), ("k1", "a")]), "k2");
        refused(&held(&[]), "current");
        let tokens =
            decide(&wanted(Kind::TokenKeys), Some(&held(&[("current", "k1"), ("k1", "raw")])), NOW_S);
        assert_eq!(tokens, Err(PlanError::Incomplete { name: "purr-x".into(), key: "k1.pem".into() }));
        let authority =
            decide(&wanted(Kind::Authority { valid_days: 9 }), Some(&held(&[("tls.crt", "c")])), NOW_S);
        assert_eq!(authority, Err(PlanError::Incomplete { name: "purr-x".into(), key: "tls.key".into() }));
    }

    #[test]
    fn what_somebody_else_made_is_used_and_never_written_to() {
        let foreign = Held { ours: false, helm_deletes: true, ..held(&[("pin", "1")]) };
        assert_eq!(
            decide(&wanted(Kind::Pins { keys: vec!["pin".into()] }), Some(&foreign), NOW_S),
            Ok(Step::Keep)
        );
        let lacking = decide(&wanted(Kind::Pins { keys: vec!["so-pin".into()] }), Some(&foreign), NOW_S);
        assert_eq!(lacking, Err(PlanError::Foreign { name: "purr-x".into(), key: "so-pin".into() }));
        let due = Held { ours: false, said_names: None, certificate: None, ..leaf() };
        assert_eq!(decide(&certificate(true), Some(&due), NOW_S), Ok(Step::Keep));
    }

    #[test]
    fn a_certificate_is_issued_anew_for_a_reason_and_otherwise_kept() {
        assert_eq!(decide(&certificate(false), Some(&leaf()), NOW_S), Ok(Step::Keep));
        let state = |renew_at_s, from_authority| Some(CertificateState { renew_at_s, from_authority });
        let cases = [
            (Held { said_names: Some("b.example".into()), ..leaf() }, Why::OtherNames),
            (Held { said_names: None, ..leaf() }, Why::OtherNames),
            (Held { certificate: state(NOW_S + 1, false), ..leaf() }, Why::OtherAuthority),
            (Held { certificate: state(NOW_S, true), ..leaf() }, Why::Due),
            (Held { certificate: None, ..leaf() }, Why::Unreadable),
            (held(&[("tls.crt", "c")]), Why::Unreadable),
        ];
        for (held, why) in cases {
            assert_eq!(decide(&certificate(false), Some(&held), NOW_S), Ok(Step::Reissue(why)));
        }
        assert_eq!(decide(&certificate(true), Some(&leaf()), NOW_S), Ok(Step::Reissue(Why::AskedFor)));
    }

    #[test]
    fn public_keys_are_written_again_where_their_keys_have_changed() {
        let keys = wanted(Kind::PublicKeys { of: "purr-assertion".into() });
        let there = held(&[("keys.json", "{}")]);
        assert_eq!(decide(&keys, Some(&there), NOW_S), Ok(Step::Keep));
        assert_eq!(decide(&keys, Some(&Held { outdated: true, ..there.clone() }), NOW_S), Ok(Step::Rewrite));
        assert_eq!(decide(&keys, Some(&held(&[])), NOW_S), Ok(Step::Rewrite));
        let foreign = Held { ours: false, outdated: true, ..there };
        assert_eq!(decide(&keys, Some(&foreign), NOW_S), Ok(Step::Keep));
    }

    #[test]
    fn secrets_of_an_older_chart_are_adopted_so_that_helm_leaves_them() {
        let old = Held { helm_deletes: true, ..leaf() };
        assert_eq!(decide(&certificate(false), Some(&old), NOW_S), Ok(Step::Adopt));
    }

    #[test]
    fn a_plan_names_what_it_does_not_know() {
        let plan: Plan = serde_json::from_str(
            r#"{"secrets": [{"name": "purr-ca", "kind": "authority", "validDays": 3650},
                {"name": "purr-hsm", "kind": "pins", "keys": ["pin", "so-pin"]}]}"#,
        )
        .unwrap();
        assert_eq!(plan.secrets[0].kind, Kind::Authority { valid_days: 3_650 });
        let error =
            serde_json::from_str::<Plan>(r#"{"secrets": [{"name": "x", "kind": "pasword"}]}"#).unwrap_err();
        assert!(error.to_string().contains("pasword"), "{error}");
    }
}
