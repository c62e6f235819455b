//! Decides who sees whose address in a hand.

use hmac::{Hmac, Mac};
use purr_engine::PlayerId;
use serde_json::Value;
use sha2::Sha256;

/// The reader of a hand.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Viewer {
    /// A viewer who was not in the hand.
    #[default]
    Nobody,
    Player(PlayerId),
    /// An auditor or administrator.
    Everything,
}

impl Viewer {
    pub fn player(self) -> Option<PlayerId> {
        match self {
            Self::Player(player) => Some(player),
            Self::Nobody | Self::Everything => None,
        }
    }
}

/// How one hand is shown to a viewer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shown {
    Addresses,
    Names,
    /// Not before this time, in milliseconds since 1970.
    NotBefore(i64),
}

/// The rule of a hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rule {
    pub public: bool,
    pub shown_ms: i64,
}

impl Rule {
    pub fn shown(self, viewer: Viewer, mut players: impl Iterator<Item = PlayerId>, now_ms: i64) -> Shown {
        let own = viewer.player().is_some_and(|own| players.any(|player| player == own));
        if own || self.public || viewer == Viewer::Everything {
            Shown::Addresses
        } else if now_ms < self.shown_ms {
            Shown::NotBefore(self.shown_ms)
        } else {
            Shown::Names
        }
    }
}

/// A player's name at one table: looks like an address and is nobody's. The same at every hand of the table.
pub fn name(key: &[u8; 32], table: &str, player: PlayerId) -> PlayerId {
    // HMAC takes keys of any length (RFC 2104, section 2).
    let mac = <Hmac<Sha256> as Mac>::new_from_slice(key).map(|mac| {
        let parts = [b"purr names v1".as_slice(), &[0], table.as_bytes(), &[0], &player.0];
        parts.iter().fold(mac, |mac, part| mac.chain_update(part)).finalize().into_bytes()
    });
    let mut name = PlayerId([0; 20]);
    for (to, from) in name.0.iter_mut().zip(mac.unwrap_or_default()) {
        *to = from;
    }
    name
}

/// Replaces every address in a document, in whatever field it is, so that a field added later is covered too.
pub fn replace(value: &mut Value, name: &dyn Fn(PlayerId) -> PlayerId) {
    match value {
        Value::String(text) => {
            if let Ok(player) = text.parse::<PlayerId>() {
                *text = name(player).to_string();
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| replace(item, name)),
        Value::Object(fields) => fields.values_mut().for_each(|field| replace(field, name)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn player(n: u8) -> PlayerId {
        PlayerId([n; 20])
    }

    #[test]
    fn own_hands_have_addresses_and_others_have_names_after_the_delay() {
        let rule = Rule { public: false, shown_ms: 1_000 };
        let shown =
            |rule: Rule, viewer, now_ms| rule.shown(viewer, [player(1), player(2)].into_iter(), now_ms);
        for now_ms in [0, 2_000] {
            assert_eq!(shown(rule, Viewer::Player(player(2)), now_ms), Shown::Addresses);
            assert_eq!(shown(rule, Viewer::Everything, now_ms), Shown::Addresses);
        }
        for viewer in [Viewer::Player(player(3)), Viewer::Nobody] {
            assert_eq!(shown(rule, viewer, 999), Shown::NotBefore(1_000));
            assert_eq!(shown(rule, viewer, 1_000), Shown::Names);
            assert_eq!(shown(Rule { public: true, shown_ms: 0 }, viewer, 0), Shown::Addresses);
        }
    }

    #[test]
    fn names_are_the_same_at_one_table_and_others_elsewhere() {
        let key = [7; 32];
        assert_eq!(name(&key, "a", player(1)), name(&key, "a", player(1)));
        let all = [
            player(1),
            name(&key, "a", player(1)),
            name(&key, "b", player(1)),
            name(&key, "a", player(2)),
            name(&[8; 32], "a", player(1)),
        ];
        assert_eq!(std::collections::BTreeSet::from(all).len(), all.len());
    }

    #[test]
    fn every_address_is_replaced_and_nothing_else() {
        let (one, other) = (player(1).to_string(), player(9).to_string());
        let mut value = json!({ "a": [one, { "b": one }], "root": "ab".repeat(32), "n": 1 });
        replace(&mut value, &|_| player(9));
        assert_eq!(value, json!({ "a": [other, { "b": other }], "root": "ab".repeat(32), "n": 1 }));
    }
}
