//! A table: what it is worth playing at, and how it runs.

use k8s_openapi::{
    api::core::v1::Toleration,
    apimachinery::pkg::{api::resource::Quantity, apis::meta::v1::Condition},
};
use kube::{CustomResource, KubeSchema};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A No-Limit Hold'em cash table. Amounts are minor units of the currency (for USDC millionths).
///
/// What money depends on cannot be changed: players signed for it. Make another table instead.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[kube(
    group = "purr.poker",
    version = "v1alpha1",
    kind = "PokerTable",
    plural = "pokertables",
    shortname = "ptable",
    category = "purr",
    namespaced,
    doc = "A No-Limit Hold'em cash table.",
    status = "PokerTableStatus",
    derive = "PartialEq",
    printcolumn(name = "Phase", type_ = "string", json_path = ".status.phase"),
    printcolumn(name = "Players", type_ = "integer", json_path = ".status.players"),
    printcolumn(name = "Blinds", type_ = "string", json_path = ".status.blinds"),
    printcolumn(
        name = "Reason",
        type_ = "string",
        json_path = r#".status.conditions[?(@.type=="Ready")].reason"#
    ),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    printcolumn(name = "Pod", type_ = "string", json_path = ".status.pod", priority = 1),
    validation = Rule::new("self.metadata.name.size() <= 40").message("metadata.name: at most 40 characters")
)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[x_kube(
    validation = Rule::new("self.variant == oldSelf.variant").message("spec.variant: cannot be changed, players signed for it; make another table"),
    validation = Rule::new("self.seats == oldSelf.seats").message("spec.seats: cannot be changed, players signed for it; make another table"),
    validation = Rule::new("self.blinds == oldSelf.blinds").message("spec.blinds: cannot be changed, players signed for it; make another table"),
    validation = Rule::new("self.buyIn == oldSelf.buyIn").message("spec.buyIn: cannot be changed, players signed for it; make another table"),
    validation = Rule::new("self.rake == oldSelf.rake").message("spec.rake: cannot be changed, players signed for it; make another table"),
    validation = Rule::new("self.straddle == oldSelf.straddle").message("spec.straddle: cannot be changed, players signed for it; make another table"),
    validation = Rule::new("self.runItTwice == oldSelf.runItTwice").message("spec.runItTwice: cannot be changed, players signed for it; make another table"),
    validation = Rule::new("!self.straddle || self.seats >= 3").message("spec.straddle: needs spec.seats of at least 3, there is none heads-up"),
    validation = Rule::new("self.settlement == oldSelf.settlement").message("spec.settlement: cannot be changed, players signed for it; make another table"),
    validation = Rule::new("has(self.currency) == has(oldSelf.currency) && (!has(self.currency) || self.currency == oldSelf.currency)").message("spec.currency: cannot be changed, players signed for it; make another table"),
    validation = Rule::new("self.buyIn.min >= self.blinds.big").message("spec.buyIn.min: must be at least spec.blinds.big"),
    validation = Rule::new("self.rake.cap.all(c, c.players <= self.seats)").message("spec.rake.cap[].players: must be at most spec.seats")
)]
pub struct PokerTableSpec {
    #[serde(default)]
    pub variant: Variant,
    /// Chairs, 2 to 10.
    #[x_kube(validation = Rule::new("self >= 2 && self <= 10").message("spec.seats: must be 2 to 10"))]
    pub seats: i32,
    pub blinds: Blinds,
    /// The player under the gun may put in twice the big blind before the cards.
    #[serde(default)]
    pub straddle: bool,
    /// Where nobody can bet any more, the rest of the board is dealt twice if everybody in the pot agrees.
    #[serde(default)]
    pub run_it_twice: bool,
    pub buy_in: BuyIn,
    #[serde(default)]
    pub rake: Rake,
    #[serde(default)]
    pub clock: Clock,
    /// Where left out, the fleet's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub currency: Option<Currency>,
    #[serde(default)]
    pub settlement: Settlement,
    /// The Redis Sentinel group that keeps the table, by its name in the fleet's configuration; `auto`: the one that
    /// has the fewest tables when this one is started.
    #[serde(default = "default_store")]
    #[schemars(length(min = 1, max = 63))]
    #[x_kube(validation = Rule::new("self == oldSelf").message("spec.store: cannot be changed without a migration"))]
    pub store: String,
    /// No new hands while true. A running hand is played to its end.
    #[serde(default)]
    pub paused: bool,
    /// Nobody new takes a seat while true. Seated players play on, and may top up. A fleet deletes its closed tables
    /// once the last player has left.
    #[serde(default)]
    pub closed: bool,
    #[serde(default)]
    pub pod: PodTemplate,
}

fn default_store() -> String {
    "default".into()
}

/// The game.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Variant {
    #[default]
    NoLimitHoldem,
}

#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[x_kube(
    validation = Rule::new("self.small <= self.big").message("spec.blinds.small: must be at most spec.blinds.big"),
    validation = Rule::new("self.ante <= self.big").message("spec.blinds.ante: must be at most spec.blinds.big")
)]
pub struct Blinds {
    #[x_kube(validation = Rule::new("self >= 1 && self <= 900000000000").message("spec.blinds.small: must be 1 to 900000000000"))]
    pub small: i64,
    #[x_kube(validation = Rule::new("self >= 1 && self <= 900000000000").message("spec.blinds.big: must be 1 to 900000000000"))]
    pub big: i64,
    /// 0: none.
    #[serde(default)]
    #[x_kube(validation = Rule::new("self >= 0").message("spec.blinds.ante: must be at least 0"))]
    pub ante: i64,
    #[serde(default)]
    pub ante_payer: AntePayer,
}

/// Who pays the ante: every player dealt in, or the big blind for the whole table.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AntePayer {
    #[default]
    Each,
    BigBlind,
}

#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[x_kube(validation = Rule::new("self.min <= self.max").message("spec.buyIn.min: must be at most spec.buyIn.max"))]
pub struct BuyIn {
    #[x_kube(validation = Rule::new("self >= 1").message("spec.buyIn.min: must be at least 1"))]
    pub min: i64,
    /// A player who leaves with more must bring it back within an hour.
    #[x_kube(validation = Rule::new("self <= 9007199254740992").message("spec.buyIn.max: must be at most 9007199254740992 (2^53)"))]
    pub max: i64,
}

/// The house's share.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[x_kube(
    validation = Rule::new("self.cap.all(a, self.cap.exists_one(b, b.players == a.players))").message("spec.rake.cap: one entry for a number of players"),
    validation = Rule::new("self.cap.all(a, self.cap.all(b, a.players >= b.players || a.amount <= b.amount))").message("spec.rake.cap: must not fall with more players")
)]
pub struct Rake {
    /// Hundredths of a percent of the pot.
    #[serde(default)]
    #[x_kube(validation = Rule::new("self >= 0 && self <= 1000").message("spec.rake.basisPoints: must be 0 to 1000 (10%)"))]
    pub basis_points: i32,
    /// Most that is taken of one hand, by players dealt in; none: no cap.
    #[serde(default)]
    #[schemars(length(max = 9))]
    pub cap: Vec<RakeCap>,
    /// Nothing is taken of a hand that ends before the flop.
    #[serde(default = "no_flop_no_drop")]
    pub no_flop_no_drop: bool,
}

// Defaults stand at the fields, not at the struct: KubeSchema copies the fields into structs of its own.
fn no_flop_no_drop() -> bool {
    Rake::default().no_flop_no_drop
}

impl Default for Rake {
    fn default() -> Self {
        Self { basis_points: 0, cap: Vec::new(), no_flop_no_drop: true }
    }
}

#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RakeCap {
    /// For hands with at least this many players.
    #[x_kube(validation = Rule::new("self >= 2 && self <= 10").message("spec.rake.cap[].players: must be 2 to 10"))]
    pub players: i32,
    #[x_kube(validation = Rule::new("self >= 0").message("spec.rake.cap[].amount: must be at least 0"))]
    pub amount: i64,
}

/// How long players may think, in seconds.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[x_kube(
    validation = Rule::new("!has(self.timeBankMaxSeconds) || self.timeBankMaxSeconds >= self.timeBankSeconds").message("spec.clock.timeBankMaxSeconds: must be at least spec.clock.timeBankSeconds"),
    validation = Rule::new("!has(self.disconnectMaxSeconds) || self.disconnectMaxSeconds >= self.disconnectSeconds").message("spec.clock.disconnectMaxSeconds: must be at least spec.clock.disconnectSeconds")
)]
pub struct Clock {
    #[serde(default = "turn_seconds")]
    #[x_kube(validation = Rule::new("self >= 1 && self <= 600").message("spec.clock.turnSeconds: must be 1 to 600"))]
    pub turn_seconds: i32,
    /// Extra time that a player starts with, once before the flop and once after it.
    #[serde(default = "time_bank_seconds")]
    #[x_kube(validation = Rule::new("self >= 0 && self <= 600").message("spec.clock.timeBankSeconds: must be 0 to 600"))]
    pub time_bank_seconds: i32,
    /// Added to both for every timeBankHands hands played.
    #[serde(default = "time_bank_gain_seconds")]
    #[x_kube(validation = Rule::new("self >= 0 && self <= 600").message("spec.clock.timeBankGainSeconds: must be 0 to 600"))]
    pub time_bank_gain_seconds: i32,
    #[serde(default = "time_bank_hands")]
    #[x_kube(validation = Rule::new("self >= 1 && self <= 1000").message("spec.clock.timeBankHands: must be 1 to 1000"))]
    pub time_bank_hands: i32,
    /// What the extra time grows to; where left out, 120 or timeBankSeconds if that is more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = Rule::new("self >= 0 && self <= 600").message("spec.clock.timeBankMaxSeconds: must be 0 to 600"))]
    pub time_bank_max_seconds: Option<i32>,
    /// For an action of a player whose connection is gone, in the smallest pot.
    #[serde(default = "disconnect_seconds")]
    #[x_kube(validation = Rule::new("self >= 1 && self <= 600").message("spec.clock.disconnectSeconds: must be 1 to 600"))]
    pub disconnect_seconds: i32,
    /// The same in a pot of 100 big blinds; where left out, 240 or disconnectSeconds if that is more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = Rule::new("self >= 1 && self <= 600").message("spec.clock.disconnectMaxSeconds: must be 1 to 600"))]
    pub disconnect_max_seconds: Option<i32>,
}

fn turn_seconds() -> i32 {
    Clock::default().turn_seconds
}

fn time_bank_seconds() -> i32 {
    Clock::default().time_bank_seconds
}

fn time_bank_gain_seconds() -> i32 {
    Clock::default().time_bank_gain_seconds
}

fn time_bank_hands() -> i32 {
    Clock::default().time_bank_hands
}

fn disconnect_seconds() -> i32 {
    Clock::default().disconnect_seconds
}

impl Default for Clock {
    fn default() -> Self {
        Self {
            turn_seconds: 20,
            time_bank_seconds: 30,
            time_bank_gain_seconds: 5,
            time_bank_hands: 10,
            time_bank_max_seconds: None,
            disconnect_seconds: 30,
            disconnect_max_seconds: None,
        }
    }
}

#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Currency {
    /// ERC-20 contract.
    #[schemars(length(max = 42))]
    #[x_kube(validation = Rule::new("self.matches('^0x[0-9a-f]{40}$')").message("spec.currency.token: must be 0x and 40 lower-case hex digits"))]
    pub token: String,
    #[x_kube(validation = Rule::new("self >= 0 && self <= 18").message("spec.currency.decimals: must be 0 to 18"))]
    pub decimals: i32,
    /// What people call it, for instance USDC.
    #[schemars(length(min = 1, max = 12))]
    pub unit: String,
}

/// How hands get onto the chain.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[x_kube(validation = Rule::new("has(self.vault) == has(self.chainId)").message("spec.settlement: vault and chainId go together"))]
pub struct Settlement {
    /// Vault contract; where left out, the fleet's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 42))]
    #[x_kube(validation = Rule::new("self.matches('^0x[0-9a-f]{40}$')").message("spec.settlement.vault: must be 0x and 40 lower-case hex digits"))]
    pub vault: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = Rule::new("self >= 1").message("spec.settlement.chainId: must be at least 1"))]
    pub chain_id: Option<i64>,
    /// Most hands netted into one item.
    #[serde(default = "max_hands")]
    #[x_kube(validation = Rule::new("self >= 1 && self <= 100").message("spec.settlement.maxHands: must be 1 to 100"))]
    pub max_hands: i32,
    /// Longest that a hand waits for others, in seconds.
    #[serde(default = "max_delay_seconds")]
    #[x_kube(validation = Rule::new("self >= 0 && self <= 3600").message("spec.settlement.maxDelaySeconds: must be 0 to 3600"))]
    pub max_delay_seconds: i32,
}

fn max_hands() -> i32 {
    Settlement::default().max_hands
}

fn max_delay_seconds() -> i32 {
    Settlement::default().max_delay_seconds
}

impl Default for Settlement {
    fn default() -> Self {
        Self { vault: None, chain_id: None, max_hands: 10, max_delay_seconds: 2 }
    }
}

/// How the table's pod differs from the fleet's.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct PodTemplate {
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 512))]
    pub image: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resources: Option<Resources>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub node_selector: BTreeMap<String, String>,
    #[schemars(length(max = 32))]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tolerations: Vec<Toleration>,
}

/// What the container asks for and may use, for instance {cpu: 50m, memory: 64Mi}.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Resources {
    #[schemars(schema_with = "quantities")]
    pub requests: BTreeMap<String, Quantity>,
    #[schemars(schema_with = "quantities")]
    pub limits: BTreeMap<String, Quantity>,
}

/// Kubernetes quantities, so that a bad one is refused with the object instead of with its pod.
fn quantities(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object",
        "maxProperties": 8,
        "additionalProperties": {
            "pattern": r"^(([0-9]+(\.[0-9]*)?)|(\.[0-9]+))(([KMGTPE]i)|[numkMGTPE]|([eE](\+|-)?(([0-9]+(\.[0-9]*)?)|(\.[0-9]+))))?$",
            "x-kubernetes-int-or-string": true
        }
    })
}

/// Where the table is in its life.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Phase {
    /// No pod has been ready yet.
    #[default]
    Pending,
    Running,
    Paused,
    /// Playing its last hand before it moves or goes.
    Draining,
    /// Something is wrong; the conditions say what.
    Degraded,
}

#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase", default)]
pub struct PokerTableStatus {
    pub observed_generation: i64,
    pub phase: Phase,
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
    /// host:port of the pod.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
    /// Raised before a pod is made that carries it: the upper part of the table's epoch.
    pub fencing_generation: i64,
    /// The epoch that the table last reported.
    pub epoch: i64,
    /// Players with a seat, as of the last write of the status; may be minutes old. The lobby shows the current number.
    pub players: i32,
    /// The last hand, as of the last write of the status; may be minutes old. The lobby shows the current number.
    pub hand: i64,
    /// small/big, in minor units.
    pub blinds: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pod: Option<String>,
    /// Vault and token of the fleet's configuration when the table was first started: it keeps them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bound: Option<Bound>,
    /// The store group that the table was started in: it stays there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub store: Option<String>,
}

/// What a table's money is bound to.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Bound {
    pub vault: String,
    pub chain_id: i64,
    pub token: String,
    pub decimals: i32,
    pub unit: String,
}
