//! Metrics of the validity of mounted certificates.
//!
//! The files are read at each scrape, so a renewed certificate shows without any notification.

use prometheus::{
    IntGaugeVec, Opts, Registry,
    core::{Collector, Desc},
    proto::MetricFamily,
};
use rustls_pki_types::{CertificateDer, pem::PemObject};
use std::path::{Path, PathBuf};

/// A mounted folder with `tls.crt`, and `ca.crt` if there is a CA.
pub struct Mounted<'a> {
    /// Value of the metric's label `certificate`; the CA's metric has the label `<name>_ca`.
    pub name: &'static str,
    pub ca_name: &'static str,
    pub dir: &'a Path,
}

impl<'a> Mounted<'a> {
    /// The certificate for connections between the programs of a release.
    pub const fn internal(dir: &'a Path) -> Self {
        Self { name: "internal", ca_name: "internal_ca", dir }
    }

    /// For players.
    pub const fn public(dir: &'a Path) -> Self {
        Self { name: "public", ca_name: "public_ca", dir }
    }
}

struct Certificates {
    begins: IntGaugeVec,
    ends: IntGaugeVec,
    files: Vec<(&'static str, PathBuf)>,
}

/// Registers gauges for the begin and end of validity of the certificates in these folders.
///
/// # Errors
/// Where the registry has the metrics already.
pub fn register(registry: &Registry, folders: &[Mounted<'_>]) -> Result<(), prometheus::Error> {
    let begins = IntGaugeVec::new(
        Opts::new("purr_certificate_begin_seconds", "Begin of a mounted certificate, since 1970"),
        &["certificate"],
    )?;
    let ends = IntGaugeVec::new(
        Opts::new("purr_certificate_end_seconds", "End of a mounted certificate, since 1970"),
        &["certificate"],
    )?;
    let files = folders.iter().flat_map(|folder| {
        [(folder.name, folder.dir.join("tls.crt")), (folder.ca_name, folder.dir.join("ca.crt"))]
    });
    registry.register(Box::new(Certificates { begins, ends, files: files.collect() }))
}

impl Collector for Certificates {
    fn desc(&self) -> Vec<&Desc> {
        self.begins.desc().into_iter().chain(self.ends.desc()).collect()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        for (name, file) in &self.files {
            // During a replacement the last value stays. A file that never existed has no metric.
            if let Some((begin, end)) = validity(file) {
                self.begins.with_label_values(&[name]).set(begin);
                self.ends.with_label_values(&[name]).set(end);
            }
        }
        self.begins.collect().into_iter().chain(self.ends.collect()).collect()
    }
}

/// Begin and end of validity of the first certificate in a PEM file, in seconds since 1970.
fn validity(file: &Path) -> Option<(i64, i64)> {
    let certificate = CertificateDer::from_pem_file(file).ok()?;
    let (_, certificate) = x509_parser::parse_x509_certificate(&certificate).ok()?;
    let validity = certificate.validity();
    Some((validity.not_before.timestamp(), validity.not_after.timestamp()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use prometheus::TextEncoder;

    fn shown(registry: &Registry) -> String {
        TextEncoder::new().encode_to_string(&registry.gather()).unwrap()
    }

    fn certificate(end_year: i32) -> String {
        let mut params = rcgen::CertificateParams::new(vec!["a".to_owned()]).unwrap();
        params.not_before = rcgen::date_time_ymd(2001, 9, 9);
        params.not_after = rcgen::date_time_ymd(end_year, 1, 1);
        params.self_signed(&rcgen::KeyPair::generate().unwrap()).unwrap().pem()
    }

    #[test]
    fn a_renewed_certificate_shows_at_the_next_scrape_and_half_a_file_changes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let registry = Registry::new();
        register(&registry, &[Mounted::public(folder.path())]).unwrap();
        assert_eq!(shown(&registry), "", "no file, no metric");
        std::fs::write(folder.path().join("tls.crt"), certificate(2030)).unwrap();
        let first = shown(&registry);
        assert!(
            first.contains("purr_certificate_end_seconds{certificate=\"public\"} 1893456000\n"),
            "{first}"
        );
        assert!(
            first.contains("purr_certificate_begin_seconds{certificate=\"public\"} 999993600\n"),
            "{first}"
        );
        assert!(!first.contains("public_ca"), "{first}");
        std::fs::write(folder.path().join("tls.crt"), "-----BEGIN CERT").unwrap();
        assert_eq!(shown(&registry), first);
        std::fs::write(folder.path().join("tls.crt"), certificate(2031)).unwrap();
        let text = shown(&registry);
        assert!(text.contains("purr_certificate_end_seconds{certificate=\"public\"} 1924992000\n"), "{text}");
    }
}
