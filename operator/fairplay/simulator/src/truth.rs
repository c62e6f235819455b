//! What the simulator knows and the detectors must find out.

use crate::cheat::Kind;
use purr_engine::PlayerId;
use purr_fairplay_hands::HandKey;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::Value;
use std::{collections::HashSet, fmt};

/// The truth about a file of hands.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Truth {
    /// Groups of cheats; all other players are honest.
    pub groups: Vec<Group>,
}

/// Players who cheat together; one player alone for insiders and bots.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", from = "GroupText", into = "GroupText")]
pub struct Group {
    pub kind: Kind,
    /// Name of the kind in files; for [`Kind::Unseen`] the only thing that is known.
    pub name: String,
    /// Share of the opportunities that are taken, 0 to 1.
    pub intensity: f64,
    /// For directed kinds the first member gives and the second receives.
    pub members: Vec<PlayerId>,
    /// Hands in which cheating changed an action.
    pub hands: Vec<HandKey>,
}

/// The form of a group in files.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct GroupText {
    kind: String,
    intensity: f64,
    members: Vec<PlayerId>,
    #[serde(default)]
    hands: Vec<HandKey>,
}

impl From<GroupText> for Group {
    fn from(GroupText { kind: name, intensity, members, hands }: GroupText) -> Self {
        Self { kind: Kind::named(&name), name, intensity, members, hands }
    }
}

impl From<Group> for GroupText {
    fn from(Group { kind: _, name: kind, intensity, members, hands }: Group) -> Self {
        Self { kind, intensity, members, hands }
    }
}

/// A field of a JSON text that cannot be read, and why.
#[derive(Debug, thiserror::Error)]
pub struct BadField {
    /// For instance `seats[1].stack`; empty where the whole is wrong, or lacks a field.
    pub field: String,
    pub error: serde_json::Error,
}

impl fmt::Display for BadField {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { field, error } = self;
        if field.is_empty() { write!(f, "{error}") } else { write!(f, "{field}: {error}") }
    }
}

impl BadField {
    /// The first field for which a value is no `T`. `error` is what its text was refused for: it stands where the value has
    /// no such field, as with a field that the text has twice.
    pub fn of<T: DeserializeOwned>(value: Value, error: serde_json::Error) -> Self {
        let Err(named) = serde_path_to_error::deserialize::<_, T>(value) else {
            return Self { field: String::new(), error };
        };
        let field = named.path().to_string();
        Self { field: if field == "." { String::new() } else { field }, error: named.into_inner() }
    }
}

/// Why a truth cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TruthError {
    #[error("not JSON: {0}")]
    Json(serde_json::Error),
    #[error("not a truth: {0}")]
    Field(BadField),
    #[error("group {group} ({name}) has no members")]
    NoMembers { group: usize, name: String },
    #[error("group {group} ({name}) has the intensity {intensity}: want more than 0 and at most 1")]
    Intensity { group: usize, name: String, intensity: f64 },
    #[error("group {group} ({name}) names {member} twice")]
    MemberTwice { group: usize, name: String, member: PlayerId },
    #[error("{member} is in group {group} ({name}) and in an earlier one: a player cheats in one group")]
    TwoGroups { group: usize, name: String, member: PlayerId },
}

impl Truth {
    /// Reads a truth; groups are numbered from 0 in errors.
    ///
    /// # Errors
    /// [`TruthError`] names the group that cannot be.
    pub fn from_json(text: &[u8]) -> Result<Self, TruthError> {
        let truth: Self = match serde_json::from_slice(text) {
            Ok(truth) => truth,
            Err(error) => return Err(not_a_truth(text, error)),
        };
        let mut seen = HashSet::new();
        for (group, Group { name, intensity, members, .. }) in truth.groups.iter().enumerate() {
            let name = || name.clone();
            if members.is_empty() {
                return Err(TruthError::NoMembers { group, name: name() });
            }
            if !(*intensity > 0.0 && *intensity <= 1.0) {
                return Err(TruthError::Intensity { group, name: name(), intensity: *intensity });
            }
            let mut own = HashSet::new();
            if let Some(member) = members.iter().find(|member| !own.insert(**member)) {
                return Err(TruthError::MemberTwice { group, name: name(), member: *member });
            }
            if let Some(member) = members.iter().find(|member| !seen.insert(**member)) {
                return Err(TruthError::TwoGroups { group, name: name(), member: *member });
            }
        }
        Ok(truth)
    }
}

fn not_a_truth(text: &[u8], error: serde_json::Error) -> TruthError {
    match serde_json::from_slice::<Value>(text) {
        Ok(value) => TruthError::Field(BadField::of::<Truth>(value, error)),
        Err(error) => TruthError::Json(error),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may fail loudly")]
mod tests {
    use super::*;

    fn truth(groups: &str) -> Result<Truth, TruthError> {
        Truth::from_json(format!(r#"{{"groups":[{groups}]}}"#).as_bytes())
    }

    fn group(kind: &str, intensity: &str, members: &[u8]) -> String {
        let members: Vec<String> = members.iter().map(|n| format!("\"0x{}\"", hex(*n))).collect();
        format!(r#"{{"kind":"{kind}","intensity":{intensity},"members":[{}]}}"#, members.join(","))
    }

    fn hex(n: u8) -> String {
        format!("{n:02x}").repeat(20)
    }

    #[test]
    fn a_kind_that_nobody_knows_keeps_its_name() {
        let truth =
            truth(&[group("dump", "1", &[1, 2]), group("chipWashing", "0.5", &[3, 4])].join(",")).unwrap();
        let kinds: Vec<(Kind, &str)> = truth.groups.iter().map(|g| (g.kind, g.name.as_str())).collect();
        assert_eq!(kinds, [(Kind::Dump, "dump"), (Kind::Unseen, "chipWashing")]);
        let again = Truth::from_json(&serde_json::to_vec(&truth).unwrap()).unwrap();
        assert_eq!(again, truth);
    }

    #[test]
    fn every_kind_has_the_name_that_the_truth_calls_it() {
        for kind in Kind::ALL {
            assert_eq!(Kind::named(kind.name()), kind);
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.name());
        }
    }

    #[test]
    fn a_group_that_cannot_be_is_named() {
        assert!(
            truth(&group("dump", "1", &[]))
                .unwrap_err()
                .to_string()
                .contains("group 0 (dump) has no members")
        );
        assert!(truth(&group("dump", "1.5", &[1])).unwrap_err().to_string().contains("intensity 1.5"));
        let twice = [group("dump", "1", &[1, 2]), group("signal", "1", &[2, 3])].join(",");
        assert!(truth(&twice).unwrap_err().to_string().contains("is in group 1 (signal)"));
        let twice = truth(&group("dump", "1", &[1, 1])).unwrap_err().to_string();
        assert_eq!(twice, format!("group 0 (dump) names 0x{} twice", hex(1)));
    }

    #[test]
    fn a_field_that_cannot_be_read_is_named_with_its_group() {
        for (text, wanted) in [
            (r#"{"kind":"dump"}"#, "not a truth: groups[0]: missing field `intensity`"),
            (
                r#"{"kind":"dump","intensity":"high","members":[]}"#,
                "groups[0].intensity: invalid type: string",
            ),
            (r#"{"kind":"dump","intensity":1,"members":["0x01"]}"#, "groups[0].members[0]: "),
            (
                r#"{"kind":"dump","intensity":1,"members":[],"hands":[{"table":"t","hand":"7"}]}"#,
                "groups[0].hands[0].hand: invalid type: string",
            ),
        ] {
            let error = truth(text).unwrap_err().to_string();
            assert!(error.contains(wanted), "{text}: {error}");
        }
        let error = Truth::from_json(b"[]").unwrap_err().to_string();
        assert!(error.starts_with("not a truth: "), "{error}");
        assert!(Truth::from_json(b"{").unwrap_err().to_string().starts_with("not JSON: "));
    }
}
