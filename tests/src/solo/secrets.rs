//! Certificates and keys of one run, in a folder that goes with it.

use anyhow::Context;
use base64::{Engine, engine::general_purpose::STANDARD};
use purr_runtime::Identity;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use std::{
    fs,
    path::{Path, PathBuf},
};
use tempfile::TempDir;

pub struct Secrets {
    dir: TempDir,
    issuer: Issuer<'static, KeyPair>,
    ca: String,
}

impl Secrets {
    pub fn new() -> anyhow::Result<Self> {
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::new(Vec::new())?;
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        // Without a name of its own, OpenSSL mistakes a certificate that it signed for a self-signed one.
        params.distinguished_name.push(DnType::CommonName, "purr");
        let ca = params.self_signed(&key)?.pem();
        let dir = tempfile::Builder::new().prefix("purr-solo-").tempdir().context("a temporary folder")?;
        Ok(Self { dir, issuer: Issuer::new(params, key), ca })
    }

    /// A certificate for these names, as programs have it mounted.
    pub fn identity(&self, folder: &str, names: &[&str]) -> anyhow::Result<Identity> {
        let key = KeyPair::generate()?;
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let certificate = CertificateParams::new(names)?.signed_by(&key, &self.issuer)?;
        let dir = self.folder(folder)?;
        fs::write(dir.join("tls.key"), key.serialize_pem())?;
        fs::write(dir.join("ca.crt"), &self.ca)?;
        fs::write(dir.join("tls.crt"), certificate.pem())?;
        Ok(Identity::load(&dir)?)
    }

    /// A folder with the key that signs access tokens (Ed25519, RFC 8410).
    pub fn token_keys(&self) -> anyhow::Result<PathBuf> {
        self.signing_keys("jwt")
    }

    /// The same for assertions about players, which tables verify.
    pub fn assertion_keys(&self) -> anyhow::Result<PathBuf> {
        self.signing_keys("assertion")
    }

    fn signing_keys(&self, folder: &str) -> anyhow::Result<PathBuf> {
        let dir = self.folder(folder)?;
        let mut der = hex::decode("302e020100300506032b657004220420")?;
        der.extend(random()?);
        let pem =
            format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", STANDARD.encode(der));
        fs::write(dir.join("solo.pem"), pem)?;
        fs::write(dir.join("current"), "solo")?;
        Ok(dir)
    }

    /// The CA file for clients of the TLS listener.
    pub fn ca_file(&self, folder: &str) -> PathBuf {
        self.dir.path().join(folder).join("ca.crt")
    }

    /// A folder of this run, made where it is not there.
    pub fn folder(&self, folder: &str) -> anyhow::Result<PathBuf> {
        let path: &Path = self.dir.path();
        let path = path.join(folder);
        fs::create_dir_all(&path).with_context(|| path.display().to_string())?;
        Ok(path)
    }
}

pub fn random() -> anyhow::Result<[u8; 32]> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(|error| anyhow::anyhow!("no randomness: {error}"))?;
    Ok(bytes)
}
