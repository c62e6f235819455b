//! TLS 1.3 with certificates by role.
//!
//! A role is a DNS name in the certificate, `<role>.role.purr.internal`; a table's names its UID,
//! `<uid>.table.role.purr.internal`. Callers check the name of the server they mean, servers check
//! the roles they accept.

use crate::{
    roots::{TlsError, read_certificates, read_roots},
    sign::Certified,
};
use arc_swap::ArcSwapOption;
use rustls::{ClientConfig, RootCertStore, ServerConfig, server::WebPkiClientVerifier, version::TLS13};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use std::{
    path::{Path, PathBuf},
    sync::{Arc, OnceLock},
    time::SystemTime,
};

/// The callers that a server accepts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Callers {
    /// Anybody: players have tokens, not certificates.
    Public,
    /// Only holders of a certificate of the fleet's CA that speaks for a role.
    Roles,
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
    /// Configurations for connections inside the fleet, if there is a CA.
    inside: Option<Inside>,
    /// The signing key, loaded on first use because loading costs as much as several signatures.
    certified: OnceLock<Certified>,
}

#[derive(Clone)]
struct Inside {
    client: Arc<ClientConfig>,
    server_roles: Arc<ServerConfig>,
}

impl Identity {
    /// Reads the certificate and its key, as new connections use them.
    ///
    /// # Errors
    /// [`TlsError::Read`] names the file that is missing or malformed.
    pub fn certified(&self) -> Result<Certified, TlsError> {
        let loaded = self.current()?;
        if let Some(certified) = loaded.certified.get() {
            return Ok(certified.clone());
        }
        let (certificates, key) = self.files()?;
        let certificate = certificates.into_iter().next();
        let certificate = certificate.ok_or_else(|| TlsError::Name("an empty tls.crt".into()))?;
        let certified = Certified::new(key, certificate)?;
        Ok(loaded.certified.get_or_init(|| certified).clone())
    }

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

    /// Client configuration for servers of the fleet.
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
                    // The files are half-written: the loaded certificate stays in use until it expires.
                    tracing::warn!(%error, "renewed certificate not loaded");
                    Ok(held)
                }
            },
            None => Ok(self.keep(self.build(stamp)?)),
        }
    }

    /// Reads certificates and key from disk.
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
        // A public certificate from another CA comes without the fleet's CA.
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

/// Client configuration for a server with a private CA in a file, without a client certificate.
pub fn public_client_config(ca_file: &Path) -> Result<Arc<ClientConfig>, TlsError> {
    client_config_with(read_roots(ca_file)?)
}

/// Client configuration for servers with certificates of these CAs.
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
