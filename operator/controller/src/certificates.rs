//! Certificates of tables, signed by the chart's internal CA.

use purr_runtime::Role;
use rcgen::{
    CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, Issuer, KeyPair, KeyUsagePurpose,
    SanType, date_time_ymd,
};
use std::{
    path::{Path, PathBuf},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    #[error("cannot read {path}: {source}")]
    Read { path: PathBuf, source: std::io::Error },
    #[error("the CA in {path}: {source}")]
    Ca { path: PathBuf, source: rcgen::Error },
    #[error("certificate of {name}: {source}")]
    Issue { name: String, source: rcgen::Error },
}

/// A certificate with its key and CA, as PEM.
#[derive(Clone)]
pub struct Issued {
    pub certificate: String,
    pub key: String,
    pub ca: String,
    /// Seconds since 1970.
    pub not_after_s: i64,
}

/// RFC 5280, ub-common-name.
const COMMON_NAME_MAX: usize = 64;
/// Clocks of two machines differ a little.
const BACKDATED: Duration = Duration::from_secs(300);

/// The CA's folder is read for each certificate, so that a renewed CA is taken up.
#[derive(Clone)]
pub struct Authority {
    dir: PathBuf,
    valid: Duration,
}

impl Authority {
    /// # Errors
    /// Where the CA cannot be used: better at the start than at the first table.
    pub fn new(dir: &Path, valid: Duration) -> Result<Self, CertificateError> {
        let authority = Self { dir: dir.to_owned(), valid };
        authority.issuer()?;
        Ok(authority)
    }

    fn read(&self, file: &str) -> Result<String, CertificateError> {
        let path = self.dir.join(file);
        std::fs::read_to_string(&path).map_err(|source| CertificateError::Read { path, source })
    }

    /// The CA's own certificate, as PEM.
    pub fn ca(&self) -> Result<String, CertificateError> {
        self.read("tls.crt")
    }

    fn issuer(&self) -> Result<(Issuer<'static, KeyPair>, String), CertificateError> {
        let ca = |source| CertificateError::Ca { path: self.dir.clone(), source };
        let certificate = self.read("tls.crt")?;
        let key = KeyPair::from_pem(&self.read("tls.key")?).map_err(ca)?;
        Ok((Issuer::from_ca_cert_pem(&certificate, key).map_err(ca)?, certificate))
    }

    /// A new key and certificate that speaks for this table.
    pub fn issue(&self, uid: &str, now: SystemTime) -> Result<Issued, CertificateError> {
        let name = Role::Table(uid.to_owned()).to_string();
        let failed = |source| CertificateError::Issue { name: name.clone(), source };
        let (issuer, ca) = self.issuer()?;
        let san = SanType::DnsName(name.as_str().try_into().map_err(failed)?);
        // The UID alone: a common name has at most 64 characters (RFC 5280, ub-common-name).
        let leaf = sign(&issuer, vec![san], uid, self.valid, now)?;
        Ok(Issued { certificate: leaf.certificate, key: leaf.key, ca, not_after_s: leaf.not_after_s })
    }

    /// When a certificate has to be renewed, in seconds since 1970: when a third of its time is
    /// left. `None` where it cannot be read or speaks for another table.
    pub fn renew_at_s(&self, pem: &[u8], uid: &str) -> Option<i64> {
        let (_, pem) = x509_parser::pem::parse_x509_pem(pem).ok()?;
        let certificate = pem.parse_x509().ok()?;
        let names = certificate.subject_alternative_name().ok()??;
        let role = Role::Table(uid.to_owned()).to_string();
        let named =
            names.value.general_names.iter().any(
                |name| matches!(name, x509_parser::extensions::GeneralName::DNSName(dns) if *dns == role),
            );
        let third = i64::try_from(self.valid.as_secs() / 3).ok()?;
        named.then(|| certificate.validity().not_after.timestamp() - third)
    }
}

/// A leaf certificate and its key, as PEM.
pub struct Leaf {
    pub certificate: String,
    pub key: String,
    /// Seconds since 1970.
    pub not_after_s: i64,
}

/// A new key, and a certificate for it as server and client. A common name that is too long is left out: the names count.
pub fn sign(
    issuer: &Issuer<'_, KeyPair>,
    names: Vec<SanType>,
    common_name: &str,
    valid: Duration,
    now: SystemTime,
) -> Result<Leaf, CertificateError> {
    let failed = |source| CertificateError::Issue { name: common_name.to_owned(), source };
    let since_epoch = now.duration_since(UNIX_EPOCH).unwrap_or_default();
    let epoch = date_time_ymd(1970, 1, 1);
    let mut params = CertificateParams::new(Vec::new()).map_err(failed)?;
    params.subject_alt_names = names;
    params.not_before = epoch + since_epoch.saturating_sub(BACKDATED);
    params.not_after = epoch + (since_epoch + valid);
    let not_after_s = params.not_after.unix_timestamp();
    params.distinguished_name = DistinguishedName::new();
    if common_name.len() <= COMMON_NAME_MAX {
        params.distinguished_name.push(DnType::CommonName, common_name);
    }
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages =
        vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
    params.use_authority_key_identifier_extension = true;
    let key = KeyPair::generate().map_err(failed)?;
    let certificate = params.signed_by(&key, issuer).map_err(failed)?;
    Ok(Leaf { certificate: certificate.pem(), key: key.serialize_pem(), not_after_s })
}

pub fn seconds(at: SystemTime) -> i64 {
    let since = at.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    i64::try_from(since).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::UID;
    use rcgen::{BasicConstraints, IsCa};
    use rustls::{RootCertStore, client::WebPkiServerVerifier, client::danger::ServerCertVerifier};
    use rustls_pki_types::{CertificateDer, ServerName, UnixTime, pem::PemObject};
    use std::sync::Arc;

    const HOUR: Duration = Duration::from_secs(3_600);
    /// 2026-01-01.
    const NOW: Duration = Duration::from_secs(1_767_225_600);

    fn now() -> SystemTime {
        UNIX_EPOCH + NOW
    }

    /// A CA such as helm's genCAWithKey makes.
    fn authority(dir: &Path) -> Authority {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
        params.distinguished_name.push(DnType::CommonName, "purr internal CA");
        let certificate = params.self_signed(&key).unwrap();
        std::fs::write(dir.join("tls.crt"), certificate.pem()).unwrap();
        std::fs::write(dir.join("tls.key"), key.serialize_pem()).unwrap();
        Authority::new(dir, 72 * HOUR).unwrap()
    }

    fn check(issued: &Issued, name: &str, at: Duration) -> Result<(), rustls::Error> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(issued.ca.as_bytes()).unwrap()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let verifier =
            WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider).build().unwrap();
        let certificate = CertificateDer::from_pem_slice(issued.certificate.as_bytes()).unwrap();
        let name = ServerName::try_from(name.to_owned()).unwrap();
        verifier.verify_server_cert(&certificate, &[], &name, &[], UnixTime::since_unix_epoch(at)).map(drop)
    }

    #[test]
    fn a_tables_certificate_is_accepted_for_its_own_name_only() {
        let dir = tempfile::tempdir().unwrap();
        let issued = authority(dir.path()).issue(UID, now()).unwrap();
        check(&issued, &Role::Table(UID.into()).to_string(), NOW).unwrap();
        for other in [Role::Gateway, Role::Controller, Role::Table("another".into())] {
            assert!(check(&issued, &other.to_string(), NOW).is_err(), "{other}");
        }
        let der = CertificateDer::from_pem_slice(issued.certificate.as_bytes()).unwrap();
        assert_eq!(Role::of_certificate(&der), Some(Role::Table(UID.into())));
    }

    #[test]
    fn it_is_valid_for_its_time_and_no_longer() {
        let dir = tempfile::tempdir().unwrap();
        let issued = authority(dir.path()).issue(UID, now()).unwrap();
        let name = Role::Table(UID.into()).to_string();
        check(&issued, &name, NOW + 71 * HOUR).unwrap();
        assert!(check(&issued, &name, NOW + 73 * HOUR).is_err());
        assert!(check(&issued, &name, NOW - HOUR).is_err());
    }

    #[test]
    fn it_is_due_when_a_third_is_left() {
        let dir = tempfile::tempdir().unwrap();
        let authority = authority(dir.path());
        let issued = authority.issue(UID, now()).unwrap();
        let due = authority.renew_at_s(issued.certificate.as_bytes(), UID);
        assert_eq!(due, Some(seconds(now() + 48 * HOUR)));
        assert_eq!(authority.renew_at_s(issued.certificate.as_bytes(), "another"), None);
        assert_eq!(authority.renew_at_s(b"not a certificate", UID), None);
    }

    #[test]
    fn a_missing_ca_is_named_at_the_start() {
        let dir = tempfile::tempdir().unwrap();
        let error = Authority::new(dir.path(), HOUR).err().unwrap();
        assert!(error.to_string().contains("tls.crt"), "{error}");
    }
}
