//! What the controller tells a table pod about its table.

use purr_engine::{ConfigError, TableConfig};
use serde::{Deserialize, Serialize};

/// The table as its pod and its players know it. Built by the controller from the PokerTable.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TableSpec {
    pub name: String,
    pub engine: TableConfig,
    pub currency: Currency,
    pub settlement: Settlement,
    /// No new hands while set.
    #[serde(default)]
    pub paused: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Currency {
    /// ERC-20 contract, `0x` and 40 lower-case hex digits.
    pub token: String,
    pub decimals: u8,
    /// What people call it, for instance USDC.
    pub unit: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Settlement {
    /// Vault contract, `0x` and 40 lower-case hex digits.
    pub vault: String,
    pub chain_id: u64,
    /// Most hands that are netted into one item.
    pub max_hands: u32,
    /// Longest that a finished hand waits for others, in milliseconds.
    pub max_delay_ms: u64,
}

impl TableSpec {
    pub fn validate(&self) -> Result<(), ConfigError> {
        self.engine.validate()
    }
}
