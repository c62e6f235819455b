//! TLS 1.3 with certificates by role.
//!
//! A role is a DNS name in the certificate, `<role>.role.purr.internal`; a table's names its UID,
//! `<uid>.table.role.purr.internal`. Callers check the name of the server they mean, servers check
//! the roles they accept.

use crate::sign::Certified;
use arc_swap::ArcSwapOption;
use rustls::{ClientConfig, RootCertStore, ServerConfig, server::WebPkiClientVerifier, version::TLS13};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject};
use std::{
    fmt,
    path::{Path, PathBuf},
    sync::{Arc, OnceLock},
    time::SystemTime,
};

const DOMAIN: &str = ".role.purr.internal";
const TABLE_DOMAIN: &str = ".table.role.purr.internal";

/// The party that a certificate speaks for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    Gateway,
    Controller,
    ChainSigner,
    Records,
    FairPlay,
    /// One table, by the UID of its PokerTable.
    Table(String),
}

impl fmt::Display for Role {
    /// The DNS name of the role.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Gateway => write!(f, "gateway{DOMAIN}"),
            Self::Controller => write!(f, "controller{DOMAIN}"),
            Self::ChainSigner => write!(f, "chain-signer{DOMAIN}"),
            Self::Records => write!(f, "records{DOMAIN}"),
            Self::FairPlay => write!(f, "fair-play{DOMAIN}"),
            Self::Table(uid) => write!(f, "{uid}{TABLE_DOMAIN}"),
        }
    }
}

impl Role {
    pub fn from_dns_name(name: &str) -> Option<Self> {
        if let Some(uid) = name.strip_suffix(TABLE_DOMAIN) {
            return (!uid.is_empty() && !uid.contains('.')).then(|| Self::Table(uid.to_owned()));
        }
        match name.strip_suffix(DOMAIN)? {
            "gateway" => Some(Self::Gateway),
            "controller" => Some(Self::Controller),
            "chain-signer" => Some(Self::ChainSigner),
            "records" => Some(Self::Records),
            "fair-play" => Some(Self::FairPlay),
            _ => None,
        }
    }

    /// The role that a peer's verified certificate speaks for.
    pub fn of_certificate(certificate: &CertificateDer<'_>) -> Option<Self> {
        let (_, certificate) = x509_parser::parse_x509_certificate(certificate).ok()?;
        let names = certificate.subject_alternative_name().ok()??;
        names.value.general_names.iter().find_map(|name| match name {
            x509_parser::extensions::GeneralName::DNSName(name) => Self::from_dns_name(name),
            _ => None,
        })
    }

    pub fn server_name(&self) -> Result<ServerName<'static>, TlsError> {
        ServerName::try_from(self.to_string()).map_err(|_| TlsError::Name(self.to_string()))
    }
}

/// The callers that a server accepts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Callers {
    /// Anybody: players have tokens, not certificates.
    Public,
    /// Only holders of a certificate of the fleet's CA that speaks for a role.
    Roles,
}

#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    #[error("cannot read {path}: {source}")]
    Read { path: PathBuf, source: rustls_pki_types::pem::Error },
    #[error("TLS configuration: {0}")]
    Config(#[from] rustls::Error),
    #[error("client verification: {0}")]
    Verifier(#[from] rustls::server::VerifierBuilderError),
    #[error("'{0}' is not a server name")]
    Name(String),
    #[error("{0} is missing: without a CA nobody's certificate can be checked")]
    NoCa(PathBuf),
}

/// A certificate with its key and CA in a mounted folder: `tls.crt`, `tls.key`, `ca.crt` (the last
/// may be missing where only [`Callers::Public`] are served). Renewed
/// files are taken up by the next connection.
#[derive(Clone)]
pub struct Identity {
    dir: PathBuf,
    loaded: Arc<ArcSwapOption<Loaded>>,
}

pub(crate) struct Loaded {
    stamp: Option<SystemTime>,
    server_public: Arc<ServerConfig>,
    /// Where there is a CA.
    inside: Option<Inside>,
    /// Once something was signed: a key that is read costs as much as several signatures.
    pub(crate) certified: OnceLock<Certified>,
}

#[derive(Clone)]
struct Inside {
    client: Arc<ClientConfig>,
    server_roles: Arc<ServerConfig>,
}

impl Identity {
    /// # Errors
    /// [`TlsError::Read`] names the file that is missing or malformed.
    pub fn load(dir: &Path) -> Result<Self, TlsError> {
        let identity = Self { dir: dir.to_owned(), loaded: Arc::default() };
        identity.current()?;
        Ok(identity)
    }

    pub fn ca_file(&self) -> PathBuf {
        self.dir.join("ca.crt")
    }

    /// For dialling a server of the fleet.
    pub fn client_config(&self) -> Result<Arc<ClientConfig>, TlsError> {
        Ok(self.inside()?.client)
    }

    pub fn server_config(&self, callers: &Callers) -> Result<Arc<ServerConfig>, TlsError> {
        Ok(match callers {
            Callers::Public => self.current()?.server_public.clone(),
            Callers::Roles => self.inside()?.server_roles,
        })
    }

    fn inside(&self) -> Result<Inside, TlsError> {
        self.current()?.inside.clone().ok_or_else(|| TlsError::NoCa(self.ca_file()))
    }

    pub(crate) fn current(&self) -> Result<Arc<Loaded>, TlsError> {
        let stamp = std::fs::metadata(self.dir.join("tls.crt")).and_then(|meta| meta.modified()).ok();
        let held = self.loaded.load_full();
        match held {
            Some(held) if held.stamp == stamp => Ok(held),
            Some(held) => match self.build(stamp) {
                Ok(fresh) => Ok(self.keep(fresh)),
                Err(error) => {
                    // Half-written files: what is loaded stays good until it expires.
                    tracing::warn!(%error, "renewed certificate not loaded");
                    Ok(held)
                }
            },
            None => Ok(self.keep(self.build(stamp)?)),
        }
    }

    /// Certificates and key, as they are on disk now.
    pub(crate) fn files(&self) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), TlsError> {
        let path = self.dir.join("tls.key");
        let key = PrivateKeyDer::from_pem_file(&path).map_err(|source| TlsError::Read { path, source })?;
        Ok((read_certificates(&self.dir.join("tls.crt"))?, key))
    }

    fn keep(&self, fresh: Loaded) -> Arc<Loaded> {
        let fresh = Arc::new(fresh);
        self.loaded.store(Some(fresh.clone()));
        fresh
    }

    fn build(&self, stamp: Option<SystemTime>) -> Result<Loaded, TlsError> {
        let certificates = || read_certificates(&self.dir.join("tls.crt"));
        let key = || {
            let path = self.dir.join("tls.key");
            PrivateKeyDer::from_pem_file(&path).map_err(|source| TlsError::Read { path, source })
        };
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let versions = &[&TLS13];
        let server =
            || ServerConfig::builder_with_provider(provider.clone()).with_protocol_versions(versions);
        let server_public = server()?.with_no_client_auth().with_single_cert(certificates()?, key()?)?;
        // A public certificate from elsewhere comes without the fleet's CA.
        let inside = match self.ca_file().exists() {
            false => None,
            true => {
                let roots = Arc::new(read_roots(&self.ca_file())?);
                let verifier =
                    WebPkiClientVerifier::builder_with_provider(roots.clone(), provider.clone()).build()?;
                let client = ClientConfig::builder_with_provider(provider.clone())
                    .with_protocol_versions(versions)?
                    .with_root_certificates(roots)
                    .with_client_auth_cert(certificates()?, key()?)?;
                let server_roles = server()?
                    .with_client_cert_verifier(verifier)
                    .with_single_cert(certificates()?, key()?)?;
                Some(Inside { client: Arc::new(client), server_roles: Arc::new(server_roles) })
            }
        };
        let server_public = Arc::new(server_public);
        Ok(Loaded { stamp, server_public, inside, certified: OnceLock::new() })
    }
}

/// For dialling a server whose CA is given by a file, without a certificate of one's own: a player.
pub fn public_client_config(ca_file: &Path) -> Result<Arc<ClientConfig>, TlsError> {
    client_config_with(read_roots(ca_file)?)
}

/// For a server whose certificate comes from these CAs.
///
/// # Errors
/// Where the cryptographic provider has no TLS 1.3.
pub fn client_config_with(roots: RootCertStore) -> Result<Arc<ClientConfig>, TlsError> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&TLS13])?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
}

pub(crate) fn read_roots(path: &Path) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    for certificate in read_certificates(path)? {
        roots.add(certificate)?;
    }
    Ok(roots)
}

fn read_certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let error = |source| TlsError::Read { path: path.to_owned(), source };
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_file_iter(path).map_err(error)?.collect();
    certificates.map_err(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_and_names_are_the_same_thing() {
        let uid = "0a0b0c0d-0000-4000-8000-000000000000";
        for role in [
            Role::Gateway,
            Role::Controller,
            Role::ChainSigner,
            Role::Records,
            Role::FairPlay,
            Role::Table(uid.into()),
        ] {
            assert_eq!(Role::from_dns_name(&role.to_string()), Some(role));
        }
        for foreign in [
            "gateway.role.example",
            "x.y.table.role.purr.internal",
            ".table.role.purr.internal",
            "redis.role.purr.internal",
        ] {
            assert_eq!(Role::from_dns_name(foreign), None);
        }
    }
}
