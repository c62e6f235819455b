//! How long players took for their actions, and how far away they were.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};
use std::time::Duration;

/// Class of the round trip between a player and the gateway, as the gateway's pings measure it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Rtt {
    /// Below 50 ms.
    Under50,
    Under150,
    Under500,
    /// 500 ms and more.
    Over,
    /// Not measured, or a class of a later release.
    #[default]
    #[serde(other)]
    Unknown,
}

impl Rtt {
    const ALL: [Self; 5] = [Self::Unknown, Self::Under50, Self::Under150, Self::Under500, Self::Over];

    pub fn of(round_trip: Duration) -> Self {
        match round_trip.as_millis() {
            0..50 => Self::Under50,
            50..150 => Self::Under150,
            150..500 => Self::Under500,
            _ => Self::Over,
        }
    }

    fn is_unknown(&self) -> bool {
        *self == Self::Unknown
    }
}

/// The time that one action took, as far as it is known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ActionTiming {
    /// Milliseconds by the table's monotonic clock from the moment the turn was sent to the seat until the command
    /// arrived at the table: network time included. Absent where no command caused the action (time ran out), and where
    /// another process of the table had sent the turn.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub think_ms: Option<u32>,
    #[serde(default, skip_serializing_if = "Rtt::is_unknown")]
    pub rtt: Rtt,
}

/// Timings as plain numbers: a running hand's are written down with every commit.
pub mod packed {
    use super::*;

    const CLASS_BITS: u32 = 3;

    fn pack(timing: ActionTiming) -> u64 {
        let class = Rtt::ALL.iter().position(|rtt| *rtt == timing.rtt).unwrap_or(0);
        // 0 is "not measured".
        let think = timing.think_ms.map_or(0, |ms| u64::from(ms) + 1);
        (think << CLASS_BITS) | class as u64
    }

    fn unpack(packed: u64) -> Option<ActionTiming> {
        let class = usize::try_from(packed & ((1 << CLASS_BITS) - 1)).ok()?;
        let think_ms = match packed >> CLASS_BITS {
            0 => None,
            think => Some(u32::try_from(think - 1).ok()?),
        };
        Some(ActionTiming { think_ms, rtt: Rtt::ALL.get(class).copied().unwrap_or_default() })
    }

    pub fn serialize<S: Serializer>(timings: &[ActionTiming], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(timings.iter().map(|timing| pack(*timing)))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<ActionTiming>, D::Error> {
        let packed = Vec::<u64>::deserialize(deserializer)?;
        let unpacked: Option<Vec<ActionTiming>> = packed.into_iter().map(unpack).collect();
        unpacked.ok_or_else(|| D::Error::custom("a time to think is beyond 32 bits"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Packed(#[serde(with = "packed")] Vec<ActionTiming>);

    #[test]
    fn packed_timings_are_the_same_after_reading_for_every_class_and_bound() {
        let times = [None, Some(0), Some(1), Some(u32::MAX)];
        let all: Vec<ActionTiming> = times
            .into_iter()
            .flat_map(|think_ms| Rtt::ALL.map(|rtt| ActionTiming { think_ms, rtt }))
            .collect();
        let text = serde_json::to_string(&Packed(all)).unwrap();
        let again: Packed = serde_json::from_str(&text).unwrap();
        assert_eq!(serde_json::to_string(&again).unwrap(), text);
        assert_eq!(again.0.len(), 20);
        assert!(serde_json::from_str::<Packed>("[18446744073709551615]").is_err());
    }

    #[test]
    fn a_class_of_a_later_release_is_unknown() {
        let timing: ActionTiming = serde_json::from_str(r#"{"thinkMs":7,"rtt":"under10"}"#).unwrap();
        assert_eq!(timing, ActionTiming { think_ms: Some(7), rtt: Rtt::Unknown });
        assert_eq!(serde_json::to_string(&ActionTiming::default()).unwrap(), "{}");
    }

    #[test]
    fn classes_end_where_their_names_say() {
        let class = |ms| Rtt::of(Duration::from_millis(ms));
        assert_eq!([0, 49].map(class), [Rtt::Under50; 2]);
        assert_eq!([50, 149].map(class), [Rtt::Under150; 2]);
        assert_eq!([150, 499].map(class), [Rtt::Under500; 2]);
        assert_eq!([500, 60_000].map(class), [Rtt::Over; 2]);
    }
}
