//! Signatures with the key of a role's certificate. They outlast the connection, while a TLS session leaves no proof of
//! its content.

use crate::{
    role::Role,
    roots::{TlsError, read_roots},
};
use rustls::{
    SignatureScheme,
    crypto::CryptoProvider,
    server::{WebPkiClientVerifier, danger::ClientCertVerifier},
    sign::SigningKey,
};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use std::{
    path::Path,
    sync::Arc,
    time::{Duration, SystemTime},
};

/// Signature schemes that are used and accepted. A key signs with the first that it supports.
const SCHEMES: [SignatureScheme; 4] = [
    SignatureScheme::ECDSA_NISTP256_SHA256,
    SignatureScheme::ED25519,
    SignatureScheme::ECDSA_NISTP384_SHA384,
    SignatureScheme::RSA_PSS_SHA256,
];

#[derive(Debug, thiserror::Error)]
pub enum NotSigned {
    #[error("the certificate cannot be parsed")]
    Certificate,
    #[error("the certificate is not of the fleet's CA: {0}")]
    Chain(rustls::Error),
    #[error("the certificate speaks for {0:?}")]
    Role(Option<Role>),
    #[error("the signature is of another kind")]
    Scheme,
    #[error("the signature is not of the certificate's key")]
    Signature,
}

fn provider() -> CryptoProvider {
    rustls::crypto::aws_lc_rs::default_provider()
}

/// A certificate and its key, to sign with.
#[derive(Clone, Debug)]
pub struct Certified {
    key: Arc<dyn SigningKey>,
    certificate: CertificateDer<'static>,
}

impl Certified {
    /// # Errors
    /// Where the provider does not know keys of this kind.
    pub(crate) fn new(
        key: PrivateKeyDer<'static>,
        certificate: CertificateDer<'static>,
    ) -> Result<Self, TlsError> {
        Ok(Self { key: provider().key_provider.load_private_key(key)?, certificate })
    }

    /// In DER.
    pub fn certificate(&self) -> &[u8] {
        &self.certificate
    }

    /// The scheme's two bytes, then the signature.
    ///
    /// # Errors
    /// Where the key is of a kind that is not taken.
    pub fn sign(&self, message: &[u8]) -> Result<Vec<u8>, TlsError> {
        let unfit =
            || TlsError::Config(rustls::Error::General("the key signs with no scheme that is taken".into()));
        let signer = self.key.choose_scheme(&SCHEMES).ok_or_else(unfit)?;
        let mut signature = signer.scheme().to_array().to_vec();
        signature.extend(signer.sign(message)?);
        Ok(signature)
    }
}

/// The fleet's CA, for checking signatures.
#[derive(Clone, Debug)]
pub struct Authority {
    verifier: Arc<dyn ClientCertVerifier>,
}

impl Authority {
    /// # Errors
    /// Names the file that is missing or malformed.
    pub fn load(ca_file: &Path) -> Result<Self, TlsError> {
        let roots = Arc::new(read_roots(ca_file)?);
        let verifier = WebPkiClientVerifier::builder_with_provider(roots, Arc::new(provider())).build()?;
        Ok(Self { verifier })
    }

    /// Whether a certificate of the fleet's CA belongs to this role. Without a time an expired certificate is accepted:
    /// its validity was checked when the signature arrived.
    ///
    /// # Errors
    /// Says what it is instead.
    pub fn speaks_for(
        &self,
        certificate: &[u8],
        role: &Role,
        at: Option<SystemTime>,
    ) -> Result<(), NotSigned> {
        let certificate = CertificateDer::from(certificate);
        let (_, parsed) =
            x509_parser::parse_x509_certificate(&certificate).map_err(|_| NotSigned::Certificate)?;
        let begin = u64::try_from(parsed.validity().not_before.timestamp()).unwrap_or(0);
        let at = at.and_then(|at| at.duration_since(SystemTime::UNIX_EPOCH).ok());
        let then = UnixTime::since_unix_epoch(at.unwrap_or(Duration::from_secs(begin)));
        self.verifier.verify_client_cert(&certificate, &[], then).map_err(NotSigned::Chain)?;
        let found = Role::of_certificate(&certificate);
        if found.as_ref() == Some(role) { Ok(()) } else { Err(NotSigned::Role(found)) }
    }
}

/// Whether the certificate's key signed a message.
///
/// # Errors
/// Says why not.
pub fn verify(certificate: &[u8], message: &[u8], signature: &[u8]) -> Result<(), NotSigned> {
    let (scheme, signature) = signature.split_first_chunk().ok_or(NotSigned::Scheme)?;
    let scheme = SignatureScheme::from(u16::from_be_bytes(*scheme));
    if !SCHEMES.contains(&scheme) {
        return Err(NotSigned::Scheme);
    }
    let (_, parsed) = x509_parser::parse_x509_certificate(certificate).map_err(|_| NotSigned::Certificate)?;
    let key = &parsed.public_key().subject_public_key.data;
    let algorithms = provider().signature_verification_algorithms;
    let taken = algorithms.mapping.iter().filter(|(known, _)| *known == scheme).flat_map(|(_, all)| *all);
    let signed = |algorithm: &&dyn rustls_pki_types::SignatureVerificationAlgorithm| {
        algorithm.verify_signature(key, message, signature).is_ok()
    };
    if taken.into_iter().any(signed) { Ok(()) } else { Err(NotSigned::Signature) }
}
