//! Defaults for fields that a table leaves out, from the controller's options.

use crate::allowed::Allowed;
use purr_crds::Resources;
use serde::Deserialize;
use std::collections::BTreeMap;

#[derive(Clone, Debug)]
pub struct Defaults {
    /// Name of the Helm release, which the names of its Secrets begin with.
    pub release: String,
    pub stores: BTreeMap<String, StoreGroup>,
    pub sessions: StoreGroup,
    /// `None` until a vault is deployed.
    pub chain: Option<Chain>,
    pub signer_addr: String,
    pub image: String,
    pub image_pull_policy: String,
    /// Other images, and the nodes, that a table may name.
    pub allowed: Allowed,
    pub resources: Resources,
    /// Time for a pod to end its hand, in seconds.
    pub grace_s: u32,
    pub log: String,
    pub jwks_addr: String,
    pub jwt_issuer: String,
    pub jwt_audience: String,
    /// Whether tables also accept players' access tokens, which gateways of the previous release send.
    pub accept_access_tokens: bool,
    /// Public key of the auditor, 64 hex digits; empty: none.
    pub audit_key: String,
    /// Public key of the fair-play program, 64 hex digits; empty: none.
    pub fairplay_key: String,
    /// Version of the hand records that tables write.
    pub record_version: u8,
    /// Version of the snapshots that tables write.
    pub snapshot_version: u8,
}

/// A Redis Sentinel group.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StoreGroup {
    /// host:port
    pub sentinels: Vec<String>,
    pub master: String,
}

/// The chain that tables settle on if their spec names none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chain {
    pub vault: String,
    pub chain_id: u64,
    pub token: String,
    pub decimals: u8,
    pub unit: String,
}
