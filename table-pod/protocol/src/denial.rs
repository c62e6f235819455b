//! The deny list: wallets that get no sign-in, no seat and no voucher. The signer's journal keeps it; the sessions group
//! holds a copy for gateways.

use purr_engine::PlayerId;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Longest reason, in bytes.
pub const REASON_MAX: usize = 500;
/// Wallets that can be denied at once.
pub const DENIED_MAX: usize = 20_000;
/// Denials in one answer.
pub const PAGE_MAX: usize = 200;

/// `POST /v1/denials` at the signer: denies a wallet, or replaces reason and end of its denial.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Deny {
    pub player: PlayerId,
    /// The author of the decision: an administrator's address, or the name of a program.
    pub by: String,
    pub reason: String,
    /// Seconds since 1970; none: until the denial is lifted.
    #[serde(default)]
    pub until_s: Option<u64>,
}

/// `POST /v1/denials/lift` at the signer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Lift {
    pub player: PlayerId,
    pub by: String,
    pub reason: String,
}

/// A wallet that is denied now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Denial {
    #[schemars(with = "String")]
    pub player: PlayerId,
    pub by: String,
    pub reason: String,
    /// Seconds since 1970.
    pub since_s: u64,
    /// Seconds since 1970; none: until the denial is lifted.
    #[serde(default)]
    pub until_s: Option<u64>,
}

/// One page of the deny list, in the order of addresses. `next` is the `after` of the page that follows, where one does.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Denials {
    pub denials: Vec<Denial>,
    #[schemars(with = "Option<String>")]
    pub next: Option<PlayerId>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Act {
    Denied,
    Lifted,
}

/// One decision about a wallet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DenialAct {
    pub act: Act,
    pub by: String,
    pub reason: String,
    #[serde(default)]
    pub until_s: Option<u64>,
    /// When it was decided, in seconds since 1970.
    pub at_s: u64,
}

/// Decisions about a wallet: the newest 200 acts, newest first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DenialTrail {
    #[schemars(with = "String")]
    pub player: PlayerId,
    /// Whether the wallet is denied now.
    pub denied: bool,
    pub acts: Vec<DenialAct>,
}

/// All denied wallets, without reasons: the list that gateways hold. The signer publishes it in the sessions group
/// under [`DeniedWallets::KEY`], its version under [`DeniedWallets::VERSION_KEY`], and answers `GET
/// /v1/denials/wallets` with it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DeniedWallets {
    /// Changes with every change of the list.
    pub version: u64,
    pub wallets: Vec<DeniedWallet>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DeniedWallet {
    pub player: PlayerId,
    /// Seconds since 1970; none: until the denial is lifted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until_s: Option<u64>,
}

impl DeniedWallets {
    pub const KEY: &'static str = "denials:wallets";
    pub const VERSION_KEY: &'static str = "denials:version";
}
