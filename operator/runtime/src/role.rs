//! Roles of the fleet's programs, as names in certificates.

use crate::roots::TlsError;
use rustls_pki_types::{CertificateDer, ServerName};
use std::fmt;

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
