//! The controller's specification of a table for its pod.

use purr_engine::{ConfigError, Millis, TableConfig};
use serde::{Deserialize, Serialize};

/// The table as its pod and its players know it. Built by the controller from the PokerTable.
///
/// Unknown fields are ignored: the controller may be of a newer release than the pod.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TableSpec {
    pub name: String,
    pub engine: TableConfig,
    pub currency: Currency,
    pub settlement: Settlement,
    /// No new hands while set.
    #[serde(default)]
    pub paused: bool,
    /// Left out if it is the default, so that a pod of the previous release accepts the spec.
    #[serde(default, skip_serializing_if = "HistoryRule::is_default")]
    pub history: HistoryRule,
    /// Left out if all of it is default, so that a pod of the previous release can read the spec.
    #[serde(default, skip_serializing_if = "RoomRules::is_default")]
    pub room: RoomRules,
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
    /// Other players' hands show names that differ from table to table.
    #[default]
    Pseudonymous,
    /// Addresses are visible to everybody, at once.
    Public,
}

impl HistoryRule {
    /// Long enough that nobody away from the table can follow a running session.
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

/// The house's rules for seats: how long they are kept, and for whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct RoomRules {
    /// A player who has sat out for so long without being dealt in is stood up and cashed out.
    pub sit_out_max_ms: Millis,
    /// The same once the big blind has passed a player who sits out so often.
    pub sit_out_max_big_blinds: u32,
    /// How long a seat or a top-up is held while the signer is asked for the chips.
    pub hold_ms: Millis,
    /// The first pause after a hold that brought no chips; each further one doubles it.
    pub hold_cool_down_ms: Millis,
    /// The first pause after a short stay, before the player may sit down again; each further one doubles it.
    pub rejoin_cool_down_ms: Millis,
    /// The longest pause, and how long after a pause the next one is still longer.
    pub cool_down_max_ms: Millis,
    /// A stay with fewer hands dealt in is a short one; 0: none is.
    pub short_stay_hands: u32,
    /// Players may see the cards that would have come in a hand that ended before its river.
    #[serde(skip_serializing_if = "is_off")]
    pub rabbit_hunt: bool,
    /// What players may say.
    #[serde(skip_serializing_if = "ChatRule::is_off")]
    pub chat: ChatRule,
}

fn is_off(on: &bool) -> bool {
    !on
}

/// What players may say at a table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ChatRule {
    #[default]
    Off,
    Reactions,
    /// Reactions and lines of their own.
    Text,
}

impl ChatRule {
    pub fn is_off(&self) -> bool {
        *self == Self::Off
    }
}

impl Default for RoomRules {
    fn default() -> Self {
        Self {
            sit_out_max_ms: 900_000,
            sit_out_max_big_blinds: 4,
            hold_ms: 10_000,
            hold_cool_down_ms: 5_000,
            rejoin_cool_down_ms: 30_000,
            cool_down_max_ms: 3_600_000,
            short_stay_hands: 10,
            rabbit_hunt: false,
            chat: ChatRule::Off,
        }
    }
}

impl RoomRules {
    fn is_default(&self) -> bool {
        *self == Self::default()
    }

    /// # Errors
    /// [`SpecError::Room`] with the bounds.
    pub fn validate(&self) -> Result<(), SpecError> {
        const HOUR: u64 = 3_600_000;
        const DAY: u64 = 24 * HOUR;
        for (field, given, min, max) in [
            ("sitOutMaxMs", self.sit_out_max_ms, 60_000, DAY),
            ("sitOutMaxBigBlinds", self.sit_out_max_big_blinds.into(), 1, 100),
            ("holdMs", self.hold_ms, 1_000, 60_000),
            ("holdCoolDownMs", self.hold_cool_down_ms, 0, HOUR),
            ("rejoinCoolDownMs", self.rejoin_cool_down_ms, 0, HOUR),
            (
                "coolDownMaxMs",
                self.cool_down_max_ms,
                self.hold_cool_down_ms.max(self.rejoin_cool_down_ms),
                DAY,
            ),
            ("shortStayHands", self.short_stay_hands.into(), 0, 1_000),
        ] {
            if !(min..=max).contains(&given) {
                return Err(SpecError::Room { field, given, min, max });
            }
        }
        Ok(())
    }
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SpecError {
    #[error(transparent)]
    Engine(#[from] ConfigError),
    #[error("room.{field} is {given}: must be {min} to {max}")]
    Room { field: &'static str, given: u64, min: u64, max: u64 },
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Currency {
    /// ERC-20 contract, `0x` and 40 lower-case hex digits.
    pub token: String,
    pub decimals: u8,
    /// The name of the currency for people, for instance USDC.
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
    /// # Errors
    /// Names the first value that is out of bounds.
    pub fn validate(&self) -> Result<(), SpecError> {
        self.engine.validate()?;
        self.room.validate()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_controller_and_a_pod_of_neighbouring_releases_read_each_others_rules() {
        assert_eq!(serde_json::from_str::<RoomRules>("{}").unwrap(), RoomRules::default());
        let newer = r#"{"holdMs": 2000, "somethingLater": 1}"#;
        assert_eq!(
            serde_json::from_str::<RoomRules>(newer).unwrap(),
            RoomRules { hold_ms: 2_000, ..RoomRules::default() }
        );
    }

    #[test]
    fn rules_of_the_room_have_bounds_and_the_one_that_is_broken_is_named() {
        let rules = RoomRules::default();
        assert_eq!(rules.validate(), Ok(()));
        for (bad, field) in [
            (RoomRules { sit_out_max_ms: 59_999, ..rules }, "sitOutMaxMs"),
            (RoomRules { sit_out_max_big_blinds: 0, ..rules }, "sitOutMaxBigBlinds"),
            (RoomRules { hold_ms: 60_001, ..rules }, "holdMs"),
            (RoomRules { cool_down_max_ms: 29_999, ..rules }, "coolDownMaxMs"),
        ] {
            assert!(bad.validate().unwrap_err().to_string().contains(field), "{field}");
        }
    }
}
