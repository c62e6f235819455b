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
    /// Left out where it is the default, so that a pod of the release before takes the table.
    #[serde(default, skip_serializing_if = "HistoryRule::is_default")]
    pub history: HistoryRule,
}

/// How the table's hands are shown to players who were not in them. Each hand's record carries the rule of its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HistoryRule {
    #[serde(default)]
    pub names: HistoryNames,
    /// Seconds after a hand's end before others may read it.
    pub delay_s: u32,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum HistoryNames {
    /// Others' hands show names that differ from table to table.
    #[default]
    Pseudonymous,
    /// Everybody sees addresses, at once.
    Public,
}

impl HistoryRule {
    /// Long enough that a running session cannot be followed live by somebody who is not at the table.
    pub const DELAY_S: u32 = 900;

    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

impl Default for HistoryRule {
    fn default() -> Self {
        Self { names: HistoryNames::default(), delay_s: Self::DELAY_S }
    }
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
