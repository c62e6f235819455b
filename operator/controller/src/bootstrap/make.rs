//! Passwords, keys and certificates, made from the operating system's randomness.

use super::plan::{CertificateState, Kind};
use crate::certificates::{CertificateError, sign};
use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    PKCS_ED25519, PKCS_RSA_SHA256, PublicKeyData, RsaKeySize, SanType, date_time_ymd,
};
use serde_json::json;
use std::{
    collections::BTreeMap,
    net::IpAddr,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

const DAY: Duration = Duration::from_secs(86_400);
/// A backup may be read many years later, and nothing checks this certificate's time.
const BACKUP_KEY_DAYS: u32 = 36_500;
/// The header of an Ed25519 key in PKCS#8 (RFC 8410, section 7); the 32 bytes of the key follow.
const ED25519_PKCS8: [u8; 16] =
    [0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20];

#[derive(Debug, thiserror::Error)]
pub enum MakeError {
    #[error("no random bytes: {0}")]
    Random(getrandom::Error),
    #[error("'{0}' is neither a DNS name nor an IP address")]
    Name(String),
    #[error("the CA's Secret lacks tls.crt or tls.key, or they are not text")]
    NoAuthority,
    #[error("there are no keys to publish, or '{0}' is not an Ed25519 key in PKCS#8 PEM")]
    NoTokenKey(String),
    #[error("a key or certificate: {0}")]
    Certificate(#[from] rcgen::Error),
    #[error(transparent)]
    Issue(#[from] CertificateError),
}

type Data = BTreeMap<String, Vec<u8>>;

fn random<const N: usize>() -> Result<[u8; N], MakeError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(MakeError::Random)?;
    Ok(bytes)
}

/// Random text over an alphabet with equal probabilities: bytes beyond the last whole multiple of its length are
/// discarded.
fn text(alphabet: &[u8], length: usize) -> Result<Vec<u8>, MakeError> {
    let whole = 256 - 256 % alphabet.len();
    let mut text = Vec::with_capacity(length);
    while text.len() < length {
        let fair = random::<64>()?.into_iter().map(usize::from).filter(|byte| *byte < whole);
        text.extend(fair.map(|byte| alphabet[byte % alphabet.len()]).take(length - text.len()));
    }
    Ok(text)
}

pub fn password() -> Result<Vec<u8>, MakeError> {
    text(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789", 32)
}

pub fn pin() -> Result<Vec<u8>, MakeError> {
    text(b"0123456789", 12)
}

fn data_keys() -> Result<Data, MakeError> {
    // The programs read the key as base64 text.
    let key = STANDARD.encode(random::<32>()?).into_bytes();
    Ok([("current".to_owned(), b"k1".to_vec()), ("k1".to_owned(), key)].into())
}

fn token_keys() -> Result<Data, MakeError> {
    let der = [&ED25519_PKCS8[..], &random::<32>()?[..]].concat();
    let pem = format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", STANDARD.encode(der));
    Ok([("current".to_owned(), b"k1".to_vec()), ("k1.pem".to_owned(), pem.into_bytes())].into())
}

/// The public halves of token keys as a JWK set (RFC 7517, 8037).
///
/// # Errors
/// [`MakeError::NoTokenKey`] names what is no key.
pub fn public_keys(keys: &Data) -> Result<Data, MakeError> {
    let mut set = Vec::new();
    for (file, pem) in keys {
        let Some(kid) = file.strip_suffix(".pem") else { continue };
        let wrong = || MakeError::NoTokenKey(file.clone());
        let key =
            std::str::from_utf8(pem).ok().and_then(|pem| KeyPair::from_pem(pem).ok()).ok_or_else(wrong)?;
        if !key.is_compatible(&PKCS_ED25519) {
            return Err(wrong());
        }
        let x = URL_SAFE_NO_PAD.encode(key.der_bytes());
        set.push(json!({"kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "use": "sig", "kid": kid, "x": x}));
    }
    Ok([("keys.json".to_owned(), json!({ "keys": set }).to_string().into_bytes())].into())
}

/// A certificate that its own key signs.
fn self_signed(name: &str, days: u32, key: &KeyPair, ca: bool, now: SystemTime) -> Result<Data, MakeError> {
    let mut params = CertificateParams::new(Vec::new())?;
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    if ca {
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages =
            vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign, KeyUsagePurpose::DigitalSignature];
    }
    let since = now.duration_since(UNIX_EPOCH).unwrap_or_default();
    params.not_before = date_time_ymd(1970, 1, 1) + since;
    params.not_after = params.not_before + DAY * days;
    let certificate = params.self_signed(key)?;
    let pem = [("tls.crt", certificate.pem()), ("tls.key", key.serialize_pem())];
    Ok(pem.map(|(file, text)| (file.to_owned(), text.into_bytes())).into())
}

/// The content of a new Secret. `authority` is the CA's, for a certificate.
///
/// # Errors
/// [`MakeError`]: no randomness, a name that cannot stand in a certificate, or no CA.
pub fn content(kind: &Kind, authority: Option<&Data>, now: SystemTime) -> Result<Data, MakeError> {
    match kind {
        Kind::Passwords { keys } => keys.iter().map(|key| Ok((key.clone(), password()?))).collect(),
        Kind::Pins { keys } => keys.iter().map(|key| Ok((key.clone(), pin()?))).collect(),
        Kind::DataKeys => data_keys(),
        Kind::TokenKeys => token_keys(),
        Kind::PublicKeys { of } => public_keys(authority.ok_or_else(|| MakeError::NoTokenKey(of.clone()))?),
        Kind::Authority { valid_days } => {
            self_signed("purr internal CA", *valid_days, &KeyPair::generate()?, true, now)
        }
        Kind::BackupKey => {
            // RSA, because `openssl cms` encrypts to it, and owners may keep the private key in any tool.
            let key = KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_3072)?;
            self_signed("purr backup", BACKUP_KEY_DAYS, &key, false, now)
        }
        Kind::Certificate { names, ip_addresses, valid_days, .. } => {
            let pem = |file: &str| authority.and_then(|data| std::str::from_utf8(data.get(file)?).ok());
            let (Some(ca), Some(key)) = (pem("tls.crt"), pem("tls.key")) else {
                return Err(MakeError::NoAuthority);
            };
            let issuer = Issuer::from_ca_cert_pem(ca, KeyPair::from_pem(key)?)?;
            let mut unique = Vec::<SanType>::new();
            for name in names {
                let san =
                    SanType::DnsName(name.as_str().try_into().map_err(|_| MakeError::Name(name.clone()))?);
                unique.extend((!unique.contains(&san)).then_some(san));
            }
            for address in ip_addresses {
                let ip: IpAddr = address.parse().map_err(|_| MakeError::Name(address.clone()))?;
                unique.push(SanType::IpAddress(ip));
            }
            let common = names.first().or(ip_addresses.first()).map_or("purr", String::as_str);
            let issued = sign(&issuer, unique, common, DAY * *valid_days, now)?;
            let files = [("tls.crt", issued.certificate.as_str()), ("tls.key", &issued.key), ("ca.crt", ca)];
            Ok(files.map(|(file, text)| (file.to_owned(), text.as_bytes().to_vec())).into())
        }
    }
}

/// Expiry and issuer of an existing certificate; `None` if it cannot be parsed.
pub fn state(data: &Data, authority: Option<&Data>) -> Option<CertificateState> {
    let (_, pem) = x509_parser::pem::parse_x509_pem(data.get("tls.crt")?).ok()?;
    let certificate = pem.parse_x509().ok()?;
    let validity = certificate.validity();
    let (from, to) = (validity.not_before.timestamp(), validity.not_after.timestamp());
    let from_authority =
        data.get("ca.crt").is_some_and(|ca| authority.and_then(|ca| ca.get("tls.crt")) == Some(ca));
    Some(CertificateState { renew_at_s: from + (to - from) / 3 * 2, from_authority })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(1_800_000_000)
    }

    fn leaf() -> Kind {
        Kind::Certificate {
            authority: "purr-ca".into(),
            names: vec!["redis.role.purr.internal".into(), "*.purr-redis.poker.svc.cluster.local".into()],
            ip_addresses: vec!["127.0.0.1".into()],
            valid_days: 90,
            reissue: false,
        }
    }

    #[test]
    fn a_certificate_is_signed_by_its_authority_and_due_after_two_thirds_of_its_time() {
        let authority = content(&Kind::Authority { valid_days: 3_650 }, None, now()).unwrap();
        let other = content(&Kind::Authority { valid_days: 3_650 }, None, now()).unwrap();
        let made = content(&leaf(), Some(&authority), now()).unwrap();
        let found = state(&made, Some(&authority)).unwrap();
        assert!(found.from_authority);
        let sixty_days = 1_800_000_000 + 60 * 86_400;
        assert!((sixty_days - 400..=sixty_days).contains(&found.renew_at_s), "{found:?}");
        assert!(!state(&made, Some(&other)).unwrap().from_authority);
        assert_eq!(made["ca.crt"], authority["tls.crt"]);
        assert!(matches!(content(&leaf(), None, now()), Err(MakeError::NoAuthority)));
    }

    #[test]
    fn passwords_and_pins_have_their_length_and_alphabet_and_differ() {
        let (a, b) = (password().unwrap(), password().unwrap());
        assert!(a != b && a.len() == 32 && a.iter().all(u8::is_ascii_alphanumeric));
        let pin = pin().unwrap();
        assert!(pin.len() == 12 && pin.iter().all(u8::is_ascii_digit));
    }

    #[test]
    fn keys_are_in_the_form_that_the_programs_read() {
        let data = content(&Kind::DataKeys, None, now()).unwrap();
        assert_eq!(STANDARD.decode(&data["k1"]).unwrap().len(), 32);
        let token = content(&Kind::TokenKeys, None, now()).unwrap();
        let key = KeyPair::from_pem(std::str::from_utf8(&token["k1.pem"]).unwrap()).unwrap();
        assert!(key.is_compatible(&rcgen::PKCS_ED25519));
        let backup = content(&Kind::BackupKey, None, now()).unwrap();
        assert!(backup["tls.key"].starts_with(b"-----BEGIN PRIVATE KEY-----"));
    }

    #[test]
    fn a_name_that_cannot_stand_in_a_certificate_is_named() {
        let authority = content(&Kind::Authority { valid_days: 1 }, None, now()).unwrap();
        let Kind::Certificate { authority: ca, names, valid_days, reissue, .. } = leaf() else {
            unreachable!()
        };
        let kind = Kind::Certificate {
            authority: ca,
            names,
            ip_addresses: vec!["nowhere".into()],
            valid_days,
            reissue,
        };
        let error = content(&kind, Some(&authority), now()).unwrap_err();
        assert!(error.to_string().contains("nowhere"), "{error}");
    }
}
