//! Fleets and their tables, as far as seating needs them: a function of the watched objects.

use super::key::FleetKey;
use crate::sessions::SessionStore;
use purr_crds::{CHANGEABLE, PokerTable, PokerTableFleet, PokerTableSpec, SeatingPolicy};
use purr_protocol::{TableSpec, summary::Summary};
use schemars::JsonSchema;
use serde::Serialize;
use sha2::{Digest, Sha256};
use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, PoisonError, RwLock},
};

/// Says of which fleet a PokerTable is.
pub const LABEL_FLEET: &str = "purr.poker/fleet";
/// Most fleets and tables in memory; further ones are ignored.
const FLEETS_MAX: usize = 1_000;
const TABLES_MAX: usize = 20_000;

/// Hash of the terms that players sign for.
type Play = [u8; 16];

/// Hashes the part of a table's spec that does not change in place. Defaults are filled in on both sides, so a release
/// that adds a field makes no difference.
fn play(spec: &PokerTableSpec) -> Play {
    let mut value = serde_json::to_value(spec).unwrap_or_default();
    if let Some(fields) = value.as_object_mut() {
        for name in CHANGEABLE {
            fields.remove(name);
        }
    }
    let digest = Sha256::digest(value.to_string());
    let mut play = Play::default();
    play.copy_from_slice(&digest[..16]);
    play
}

/// How players get a seat.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Policy {
    /// Players choose a table, or ask for a seat.
    Pick,
    /// Players ask for a seat, and nobody sits down without one.
    SeatMe,
}

/// Statistics about other players that the fleet's tables show.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Hud {
    None,
    Public,
}

/// The part of a fleet that seating needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FleetView {
    pub key: FleetKey,
    pub policy: Policy,
    pub hud: Hud,
    pub hold_s: u32,
    pub waiting_max: u32,
    /// Seats of one table.
    pub seats: u8,
    pub small_blind: u64,
    pub big_blind: u64,
    pub buy_in_min: u64,
    pub buy_in_max: u64,
    /// The fleet is being deleted, or its template is paused: it gives no seats.
    pub shut: bool,
    play: Play,
}

impl FleetView {
    pub fn of(fleet: &PokerTableFleet) -> Option<Self> {
        let key = FleetKey::new(fleet.metadata.namespace.clone()?, fleet.metadata.name.clone()?)?;
        let (template, seating) = (&fleet.spec.template, &fleet.spec.seating);
        let amount = |value: i64| u64::try_from(value).unwrap_or_default();
        Some(Self {
            key,
            policy: match seating.policy {
                SeatingPolicy::Pick => Policy::Pick,
                SeatingPolicy::SeatMe => Policy::SeatMe,
            },
            hud: match fleet.spec.hud {
                purr_crds::Hud::None => Hud::None,
                purr_crds::Hud::Public => Hud::Public,
            },
            hold_s: u32::try_from(seating.hold_seconds).unwrap_or_default(),
            waiting_max: u32::try_from(seating.waiting_max).unwrap_or_default(),
            seats: u8::try_from(template.seats).unwrap_or_default(),
            small_blind: amount(template.blinds.small),
            big_blind: amount(template.blinds.big),
            buy_in_min: amount(template.buy_in.min),
            buy_in_max: amount(template.buy_in.max),
            shut: template.paused || fleet.metadata.deletion_timestamp.is_some(),
            play: play(template),
        })
    }
}

impl FleetView {
    /// The only fleet of a process without a cluster: all its tables have this spec. Players choose a seat or get one
    /// offered.
    pub fn alone(key: FleetKey, spec: &TableSpec) -> Self {
        let engine = &spec.engine;
        Self {
            key,
            policy: Policy::Pick,
            hud: Hud::None,
            hold_s: 30,
            waiting_max: 500,
            seats: engine.seats,
            small_blind: engine.small_blind,
            big_blind: engine.big_blind,
            buy_in_min: engine.buy_in_min,
            buy_in_max: engine.buy_in_max,
            shut: false,
            play: Play::default(),
        }
    }
}

/// A table of a fleet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    pub uid: String,
    /// Name of the PokerTable.
    pub name: String,
    pub fleet: FleetKey,
    /// By its object neither closed, paused nor being deleted.
    open: bool,
    play: Play,
}

impl Member {
    /// `None` for a table of no fleet.
    pub fn of(table: &PokerTable) -> Option<Self> {
        let meta = &table.metadata;
        let fleet = meta.labels.as_ref()?.get(LABEL_FLEET)?;
        Some(Self {
            uid: meta.uid.clone()?,
            name: meta.name.clone()?,
            fleet: FleetKey::new(meta.namespace.clone()?, fleet.clone())?,
            open: !table.spec.closed && !table.spec.paused && meta.deletion_timestamp.is_none(),
            play: play(&table.spec),
        })
    }

    /// The table of [`FleetView::alone`].
    pub fn alone(uid: impl Into<String>, fleet: FleetKey) -> Self {
        Self { uid: uid.into(), name: String::new(), fleet, open: true, play: Play::default() }
    }

    /// Whether new players may be sent there: closed tables, and those with other terms than the template, are never
    /// offered.
    pub fn is_offered(&self, fleet: &FleetView) -> bool {
        self.open && !fleet.shut && self.play == fleet.play
    }
}

#[derive(Default)]
struct Known {
    fleets: BTreeMap<FleetKey, Arc<FleetView>>,
    /// By UID.
    tables: HashMap<String, Arc<Member>>,
    by_fleet: BTreeMap<FleetKey, BTreeMap<String, Arc<Member>>>,
    /// Whether each of the two lists has been read once.
    listed: [bool; 2],
}

/// All fleets, updated by the watches and read by requests.
#[derive(Default)]
pub struct Fleets(RwLock<Known>);

impl Fleets {
    fn change(&self, change: impl FnOnce(&mut Known)) {
        change(&mut self.0.write().unwrap_or_else(PoisonError::into_inner));
    }

    fn read<T>(&self, read: impl FnOnce(&Known) -> T) -> T {
        read(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub fn apply_fleet(&self, fleet: FleetView) {
        self.change(|known| {
            if known.fleets.contains_key(&fleet.key) || known.fleets.len() < FLEETS_MAX {
                known.fleets.insert(fleet.key.clone(), Arc::new(fleet));
            }
        });
    }

    pub fn delete_fleet(&self, key: &FleetKey) {
        self.change(|known| drop(known.fleets.remove(key)));
    }

    pub fn replace_fleets(&self, fleets: Vec<FleetView>) {
        self.change(|known| {
            let fleets = fleets.into_iter().take(FLEETS_MAX);
            known.fleets = fleets.map(|fleet| (fleet.key.clone(), Arc::new(fleet))).collect();
            known.listed[0] = true;
        });
    }

    pub fn apply_table(&self, member: Member) {
        self.change(|known| known.insert(member));
    }

    pub fn delete_table(&self, namespace: &str, name: &str) {
        self.change(|known| {
            let named = |member: &&Arc<Member>| member.fleet.namespace == namespace && member.name == name;
            if let Some(uid) = known.tables.values().find(named).map(|member| member.uid.clone()) {
                known.remove(&uid);
            }
        });
    }

    pub fn replace_tables(&self, members: Vec<Member>) {
        self.change(|known| {
            known.tables.clear();
            known.by_fleet.clear();
            members.into_iter().for_each(|member| known.insert(member));
            known.listed[1] = true;
        });
    }

    /// Whether the watches have listed everything once.
    pub fn is_listed(&self) -> bool {
        self.read(|known| known.listed == [true; 2])
    }

    pub fn get(&self, key: &FleetKey) -> Option<Arc<FleetView>> {
        self.read(|known| known.fleets.get(key).cloned())
    }

    pub fn all(&self) -> Vec<Arc<FleetView>> {
        self.read(|known| known.fleets.values().cloned().collect())
    }

    /// The fleet that a table belongs to.
    pub fn fleet_of(&self, uid: &str) -> Option<Arc<FleetView>> {
        self.read(|known| known.fleets.get(&known.tables.get(uid)?.fleet).cloned())
    }

    pub fn tables_of(&self, key: &FleetKey) -> Vec<Arc<Member>> {
        self.read(|known| {
            known.by_fleet.get(key).map(|tables| tables.values().cloned().collect()).unwrap_or_default()
        })
    }
}

impl Known {
    fn insert(&mut self, member: Member) {
        self.remove(&member.uid);
        if self.tables.len() >= TABLES_MAX {
            return;
        }
        let member = Arc::new(member);
        self.by_fleet.entry(member.fleet.clone()).or_default().insert(member.uid.clone(), member.clone());
        self.tables.insert(member.uid.clone(), member);
    }

    fn remove(&mut self, uid: &str) {
        let Some(member) = self.tables.remove(uid) else { return };
        if let Some(tables) = self.by_fleet.get_mut(&member.fleet) {
            tables.remove(uid);
            if tables.is_empty() {
                self.by_fleet.remove(&member.fleet);
            }
        }
    }
}

/// Summaries of these tables, in chunks.
pub(super) async fn summaries(
    sessions: &dyn SessionStore,
    uids: &[String],
) -> Result<Vec<Option<Summary>>, purr_store::StoreError> {
    const CHUNK: usize = 2_000;
    let mut all = Vec::with_capacity(uids.len());
    for chunk in uids.chunks(CHUNK) {
        all.extend(sessions.summaries(chunk).await?);
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn template() -> Value {
        json!({
            "seats": 6, "blinds": { "small": 50, "big": 100 }, "buyIn": { "min": 2000, "max": 10000 },
        })
    }

    fn fleet(template: &Value) -> FleetView {
        let object = json!({
            "apiVersion": "purr.poker/v1alpha1", "kind": "PokerTableFleet",
            "metadata": { "name": "nl100", "namespace": "purr" },
            "spec": { "template": template, "seating": { "policy": "SeatMe" }, "hud": "public" },
        });
        FleetView::of(&serde_json::from_value(object).unwrap()).unwrap()
    }

    fn table(uid: &str, spec: &Value) -> Member {
        let object = json!({
            "apiVersion": "purr.poker/v1alpha1", "kind": "PokerTable",
            "metadata": { "name": format!("nl100-{uid}"), "namespace": "purr", "uid": uid, "labels": { LABEL_FLEET: "nl100" } },
            "spec": spec,
        });
        Member::of(&serde_json::from_value(object).unwrap()).unwrap()
    }

    #[test]
    fn a_table_that_is_closed_paused_or_of_an_earlier_template_is_offered_to_nobody() {
        let fleet = fleet(&template());
        assert_eq!(
            (fleet.policy, fleet.hud, fleet.hold_s, fleet.waiting_max),
            (Policy::SeatMe, Hud::Public, 30, 500)
        );
        assert!(table("a", &template()).is_offered(&fleet));
        for (field, value) in [("closed", json!(true)), ("paused", json!(true)), ("seats", json!(9))] {
            let mut spec = template();
            spec[field] = value;
            assert!(!table("a", &spec).is_offered(&fleet), "{field}");
        }
        // A change that moves a table in place keeps the game.
        let mut spec = template();
        spec["pod"] = json!({ "image": "table:2" });
        assert!(table("a", &spec).is_offered(&fleet));
        let mut paused = template();
        paused["paused"] = json!(true);
        assert!(!table("a", &template()).is_offered(&self::fleet(&paused)));
    }

    #[test]
    fn tables_are_found_by_fleet_and_fleets_by_table() {
        let fleets = Fleets::default();
        let key = FleetKey::new("purr", "nl100").unwrap();
        fleets.replace_fleets(vec![fleet(&template())]);
        assert!(!fleets.is_listed());
        fleets.replace_tables(vec![table("a", &template()), table("b", &template())]);
        assert!(fleets.is_listed());
        assert_eq!(
            (fleets.tables_of(&key).len(), fleets.fleet_of("a").map(|fleet| fleet.key.clone())),
            (2, Some(key.clone()))
        );
        fleets.delete_table("purr", "nl100-a");
        assert_eq!((fleets.tables_of(&key).len(), fleets.fleet_of("a")), (1, None));
        fleets.delete_fleet(&key);
        assert_eq!((fleets.get(&key), fleets.fleet_of("b")), (None, None));
    }

    #[test]
    fn a_name_that_the_api_would_not_take_is_no_key() {
        assert!(FleetKey::new("purr", "nl100").is_some());
        for name in ["", "a b", "a/b", "A", "ä", "a:b", &"a".repeat(64)] {
            assert!(FleetKey::new("purr", name).is_none() && FleetKey::new(name, "x").is_none(), "{name}");
        }
    }
}
