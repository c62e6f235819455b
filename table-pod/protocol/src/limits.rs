//! Limits that players set for themselves. The chain-signer keeps them and refuses the seats that they forbid.

use purr_engine::{Chips, PlayerId};
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};

/// A raise that was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Raise {
    /// Null: no limit.
    pub to: Option<u64>,
    /// When it takes effect, in seconds since 1970.
    pub from_s: u64,
}

/// One limit, and the raise of it that is waiting.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct OwnLimit {
    /// Null: no limit.
    #[serde(default)]
    pub now: Option<u64>,
    #[serde(default)]
    pub next: Option<Raise>,
}

/// A player's own limits. Amounts are minor units.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct OwnLimits {
    /// The most chips to have at one table by buying in and topping up.
    pub buy_in: OwnLimit,
    /// The most to bring to tables within 24 hours and not to take back from them.
    pub loss_day: OwnLimit,
    /// Seconds after which a session takes no further seat and no further chips. A break of 30 minutes without a seat ends a
    /// session.
    pub session_s: OwnLimit,
}

/// `POST /v1/limits`: a field that is left out stays as it is, null ends the limit. A reduction takes effect at once, a
/// raise after 24 hours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ChangeLimits {
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "given")]
    pub buy_in: Option<Option<Chips>>,
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "given")]
    pub loss_day: Option<Option<Chips>>,
    /// At most 86,400.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "given")]
    pub session_s: Option<Option<u64>>,
}

/// Distinguishes a field with a value or null from a missing one.
fn given<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Option<u64>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

/// [`ChangeLimits`] with the player: the request of a gateway to the signer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PlayerChange {
    pub player: PlayerId,
    pub change: ChangeLimits,
}

/// `GET /v1/limits`, and the answer to a change.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LimitsTold {
    pub limits: OwnLimits,
    /// Chips that count for `lossDay` now: brought to tables within 24 hours and not taken back.
    pub lost_day: Chips,
    /// When the session began, in seconds since 1970; null where none is known.
    #[serde(default)]
    pub session_began_s: Option<u64>,
    /// The signer's clock, in seconds since 1970.
    pub now_s: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_that_is_left_out_stays_and_null_ends_the_limit() {
        let change: ChangeLimits = serde_json::from_str(r#"{"buyIn": 5, "lossDay": null}"#).unwrap();
        assert_eq!(change, ChangeLimits { buy_in: Some(Some(5)), loss_day: Some(None), session_s: None });
        assert_eq!(serde_json::to_string(&change).unwrap(), r#"{"buyIn":5,"lossDay":null}"#);
        assert!(serde_json::from_str::<ChangeLimits>(r#"{"buyin": 5}"#).is_err());
    }

    #[test]
    fn limits_of_a_release_that_knew_fewer_are_read() {
        let limits: OwnLimits = serde_json::from_str(r#"{"buyIn": {"now": 5}}"#).unwrap();
        assert_eq!(limits.buy_in.now, Some(5));
        assert_eq!(limits.session_s, OwnLimit::default());
    }
}
