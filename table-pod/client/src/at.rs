//! The options that name a gateway.

use crate::api::{ApiError, Gateway};
use clap::Args;
use std::path::PathBuf;

/// Options that name the gateway.
#[derive(Args, Clone, Debug)]
pub struct At {
    /// The gateway, as in https://localhost:8443
    #[arg(long, env = "PURR_GATEWAY")]
    pub gateway: String,
    /// PEM file with a private CA of the gateway's certificate [default: the CAs that this machine trusts]
    #[arg(long, env = "PURR_CA")]
    pub ca: Option<PathBuf>,
    /// Name in the gateway's certificate, where it is not the URL's host
    #[arg(long)]
    pub server_name: Option<String>,
    /// Domain to sign in to, where it is not the URL's host
    #[arg(long)]
    pub domain: Option<String>,
}

impl At {
    pub(crate) fn gateway(&self) -> Result<Gateway, ApiError> {
        let mut gateway = match &self.ca {
            Some(ca) => Gateway::new(&self.gateway, ca)?,
            None => Gateway::with_system_roots(&self.gateway)?,
        };
        if let Some(name) = &self.server_name {
            gateway = gateway.server_name(name)?;
        }
        if let Some(domain) = &self.domain {
            gateway = gateway.domain(domain);
        }
        Ok(gateway)
    }
}
