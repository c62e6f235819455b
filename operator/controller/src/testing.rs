//! Fixtures shared by the unit tests of several modules.

pub mod api;

use crate::allowed::Allowed;
use crate::defaults::{Chain, Defaults, StoreGroup};
use purr_crds::{PokerTable, PokerTableFleet};
use purr_protocol::{Epoch, record::VERSION};
use std::collections::BTreeMap;

pub const UID: &str = "0a0b0c0d-0000-4000-8000-000000000000";

pub fn table() -> PokerTable {
    let mut table: PokerTable =
        serde_yaml::from_str(include_str!("../../../crds/examples/table.yaml")).unwrap();
    table.metadata.uid = Some(UID.into());
    table.metadata.namespace = Some("poker".into());
    table.metadata.generation = Some(1);
    table
}

/// The epoch of a generation's first process.
pub fn epoch(generation: u64) -> Epoch {
    Epoch::new(generation, 1).unwrap()
}

pub fn pokertablefleet() -> PokerTableFleet {
    let mut fleet: PokerTableFleet =
        serde_yaml::from_str(include_str!("../../../crds/examples/fleet.yaml")).unwrap();
    fleet.metadata.uid = Some("f1ee7000-0000-4000-8000-000000000000".into());
    fleet.metadata.namespace = Some("poker".into());
    fleet.metadata.generation = Some(1);
    fleet
}

/// A table of the fleet of this name.
pub fn table_of(fleet: &str) -> PokerTable {
    let mut owner = pokertablefleet();
    owner.metadata.name = Some(fleet.into());
    let mut table = crate::fleet::apply::table(&owner, &format!("{fleet}-1"), "purr").unwrap();
    table.metadata.uid = Some(UID.into());
    table.metadata.generation = Some(1);
    table
}

pub fn fleet() -> Defaults {
    let group = |host: &str, master: &str| StoreGroup {
        sentinels: vec![format!("{host}-0:26379"), format!("{host}-1:26379")],
        master: master.into(),
    };
    Defaults {
        release: "purr".into(),
        stores: BTreeMap::from([("default".into(), group("redis", "purr"))]),
        sessions: group("sessions", "sessions"),
        chain: Some(Chain {
            vault: format!("0x{}", "a".repeat(40)),
            chain_id: 31_337,
            token: format!("0x{}", "b".repeat(40)),
            decimals: 6,
            unit: "USDC".into(),
        }),
        signer_addr: "purr-chain-signer:8443".into(),
        image: "localhost/purr/table:dev".into(),
        image_pull_policy: "IfNotPresent".into(),
        allowed: Allowed { images: vec!["localhost/purr/".into()], ..Allowed::default() },
        resources: serde_json::from_str(
            r#"{"requests":{"cpu":"25m","memory":"32Mi"},"limits":{"memory":"256Mi"}}"#,
        )
        .unwrap(),
        grace_s: 120,
        log: "info".into(),
        jwks_addr: "purr-gateway-internal:8444".into(),
        jwt_issuer: "https://localhost".into(),
        jwt_audience: "purr".into(),
        accept_access_tokens: true,
        audit_key: String::new(),
        fairplay_key: String::new(),
        record_version: VERSION,
        snapshot_version: purr_protocol::snapshot::VERSION,
    }
}
