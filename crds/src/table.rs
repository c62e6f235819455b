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
    validation = Rule::new("self.metadata.name.size() <= 40").message("metadata.name: at most 40 characters"),
    // A table that never started has nothing in any store: a name that was mistyped may be corrected.
    validation = Rule::new("self.spec.store == oldSelf.spec.store || !has(oldSelf.status) || !has(oldSelf.status.fencingGeneration) || oldSelf.status.fencingGeneration == 0").message("spec.store: cannot be changed without a migration once the table has started")
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
    validation = Rule::new("self.straddleBackIn == oldSelf.straddleBackIn").message("spec.straddleBackIn: cannot be changed, players signed for it; make another table"),
    validation = Rule::new("!self.straddleBackIn || self.straddle").message("spec.straddleBackIn: needs spec.straddle"),
    validation = Rule::new("self.newcomerPostsBigAlone == oldSelf.newcomerPostsBigAlone").message("spec.newcomerPostsBigAlone: cannot be changed, players signed for it; make another table"),
    validation = Rule::new("!self.straddle || self.seats >= 3").message("spec.straddle: needs spec.seats of at least 3, there is none heads-up"),
    validation = Rule::new("self.settlement == oldSelf.settlement").message("spec.settlement: cannot be changed, players signed for it; make another table"),
    validation = Rule::new("has(self.currency) == has(oldSelf.currency) && (!has(self.currency) || self.currency == oldSelf.currency)").message("spec.currency: cannot be changed, players signed for it; make another table"),
    validation = Rule::new("self.buyIn.min >= self.blinds.big").message("spec.buyIn.min: must be at least spec.blinds.big"),
    validation = Rule::new("self.rake.cap.all(c, c.players <= self.seats)").message("spec.rake.cap[].players: must be at most spec.seats")
)]
pub struct PokerTableSpec {
    /// The game that is dealt.
    #[serde(default)]
    pub variant: Variant,
    /// Number of seats at the table.
    #[schemars(range(min = 2, max = 10))]
    pub seats: i32,
    /// Forced bets of each hand, in minor units of the currency.
    pub blinds: Blinds,
    /// The player under the gun may put in a live straddle of twice the big blind before the cards are dealt. Needs
    /// at least three seats.
    #[serde(default)]
    pub straddle: bool,
    /// A player who comes back, owes blinds and posts under the gun may pay for them with a live straddle
    /// of twice the big blind instead (WSOP Live Action 156). Needs spec.straddle.
    #[serde(default)]
    pub straddle_back_in: bool,
    /// A newcomer who posts between the button and the big blind posts the big blind alone (WSOP Live
    /// Action 154). Where false, the newcomer posts both blinds there, the small one dead, and buys the
    /// button.
    #[serde(default)]
    pub newcomer_posts_big_alone: bool,
    /// Where nobody can bet any more, the rest of the board is dealt twice if everybody in the pot agrees.
    #[serde(default)]
    pub run_it_twice: bool,
    /// Chips that a player may sit down with, in minor units of the currency.
    pub buy_in: BuyIn,
    /// The house's share of each pot.
    #[serde(default)]
    pub rake: Rake,
    /// Time that players have to act, in seconds.
    #[serde(default)]
    pub clock: Clock,
    /// How long seats are kept, and for whom.
    #[serde(default)]
    pub room: Room,
    /// Token that the chips are. Where left out, the token of the chart's configuration, which status.bound then keeps.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub currency: Option<Currency>,
    /// How hands are settled on the chain.
    #[serde(default)]
    pub settlement: Settlement,
    /// Name of the Redis Sentinel group that keeps the table, as the chart's configuration names it. `auto` takes the group
    /// that has the fewest tables when this one is started; status.store then keeps it. Can be changed until the table has
    /// started for the first time.
    #[serde(default = "default_store")]
    #[schemars(length(min = 1, max = 63))]
    pub store: String,
    /// Deals no new hand while true. A running hand is played to its end. Condition Ready is then False with reason Paused.
    #[serde(default)]
    pub paused: bool,
    /// Nobody new takes a seat while true. Seated players play on, and may top up. A fleet deletes its closed tables
    /// once the last player has left.
    #[serde(default)]
    pub closed: bool,
    /// How the table's pod differs from the chart's configuration. A change moves the table between two hands.
    #[serde(default)]
    pub pod: PodTemplate,
    /// How hands are shown to players who were not in them. pseudonymous: under names that differ from table to table,
    /// handHistoryDelaySeconds after the hand. public: with addresses, at once. Players always see their own hands with
    /// addresses, auditors and administrators every hand. A change counts from the table's next pod on, for new hands.
    #[serde(default)]
    pub hand_history: HandHistory,
    /// Seconds after a hand's end before players who were not in it may read it, where handHistory is pseudonymous.
    #[serde(default = "hand_history_delay_seconds")]
    #[schemars(range(min = 0, max = 86_400))]
    pub hand_history_delay_seconds: i32,
}

/// The same as the protocol's `HistoryRule::DELAY_S`, which a table without the field has.
fn hand_history_delay_seconds() -> i32 {
    900
}

/// Who sees whose address in hands.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub enum HandHistory {
    #[default]
    Pseudonymous,
    Public,
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
    /// Small blind in minor units of the currency. At most the big blind.
    #[schemars(range(min = 1, max = 900_000_000_000_i64))]
    pub small: i64,
    /// Big blind in minor units of the currency.
    #[schemars(range(min = 1, max = 900_000_000_000_i64))]
    pub big: i64,
    /// Ante in minor units of the currency, at most the big blind; 0 for no ante.
    #[serde(default)]
    #[schemars(range(min = 0))]
    pub ante: i64,
    /// Each: every player who is dealt in pays the ante. BigBlind: the big blind pays one ante for the whole table.
    #[serde(default)]
    pub ante_payer: AntePayer,
}

/// Payer of the ante: every player dealt in, or the big blind for the whole table.
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
    /// Least stack to sit down with, in minor units of the currency. At least the big blind.
    #[schemars(range(min = 1))]
    pub min: i64,
    /// Largest stack to sit down or to top up to, in minor units of the currency. A player who left with more and returns
    /// within an hour brings that stack back.
    #[schemars(range(max = 9_007_199_254_740_992_i64))]
    pub max: i64,
}

/// The house's share.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[x_kube(
    validation = Rule::new("self.cap.all(a, self.cap.exists_one(b, b.players == a.players))").message("spec.rake.cap: one entry for a number of players"),
    validation = Rule::new("self.cap.all(a, self.cap.all(b, a.players >= b.players || a.amount <= b.amount))").message("spec.rake.cap: must not fall with more players"),
    validation = Rule::new("self.basisPoints == 0 || self.cap.exists(c, c.amount > 0)").message("spec.rake.cap: where spec.rake.basisPoints is more than 0, at least one entry with an amount of more than 0")
)]
pub struct Rake {
    /// Share of the pot in hundredths of a percent (500 is 5%); 0 for no rake.
    #[serde(default)]
    #[schemars(range(min = 0, max = 1000))]
    pub basis_points: i32,
    /// Most that is taken of one hand, by the number of players dealt in. Required where basisPoints is more than 0: a player
    /// is dealt in while the permits that the player signed cover it.
    #[serde(default)]
    #[schemars(length(max = 9))]
    pub cap: Vec<RakeCap>,
    /// Takes no rake of a hand that ends before the flop.
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
    /// The entry holds for hands with at least this number of players dealt in.
    #[schemars(range(min = 2, max = 10))]
    pub players: i32,
    /// Most rake of such a hand, in minor units of the currency.
    #[schemars(range(min = 0))]
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
    /// Seconds that a player has for each action before the time bank starts.
    #[serde(default = "turn_seconds")]
    #[schemars(range(min = 1, max = 600))]
    pub turn_seconds: i32,
    /// Seconds in each of a player's two time banks at the start: one is used before the flop, one after it.
    #[serde(default = "time_bank_seconds")]
    #[schemars(range(min = 0, max = 600))]
    pub time_bank_seconds: i32,
    /// Seconds added to both time banks for every timeBankHands hands played.
    #[serde(default = "time_bank_gain_seconds")]
    #[schemars(range(min = 0, max = 600))]
    pub time_bank_gain_seconds: i32,
    /// Hands played until timeBankGainSeconds are added.
    #[serde(default = "time_bank_hands")]
    #[schemars(range(min = 1, max = 1000))]
    pub time_bank_hands: i32,
    /// Seconds that a time bank grows to at most. Default: 120, or timeBankSeconds if that is more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 600))]
    pub time_bank_max_seconds: Option<i32>,
    /// Seconds that a player whose connection is lost has for an action in the smallest pot.
    #[serde(default = "disconnect_seconds")]
    #[schemars(range(min = 1, max = 600))]
    pub disconnect_seconds: i32,
    /// Seconds that a player whose connection is lost has for an action in a pot of 100 big blinds or more; in smaller pots
    /// the time grows with the pot, from disconnectSeconds on.
    /// Default: 240, or disconnectSeconds if that is more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 600))]
    pub disconnect_max_seconds: Option<i32>,
    /// Seconds added to what was left of the turn when a player reconnects in it, at most once a turn.
    #[serde(default = "reconnect_grace_seconds")]
    #[schemars(range(min = 0, max = 60))]
    pub reconnect_grace_seconds: i32,
    /// Most seconds of disconnect time and reconnection grace that a player gets between sitting down and leaving. The
    /// time bank is used first.
    #[serde(default = "disconnect_total_seconds")]
    #[schemars(range(min = 0, max = 3600))]
    pub disconnect_total_seconds: i32,
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

fn reconnect_grace_seconds() -> i32 {
    Clock::default().reconnect_grace_seconds
}

fn disconnect_total_seconds() -> i32 {
    Clock::default().disconnect_total_seconds
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
            reconnect_grace_seconds: 5,
            disconnect_total_seconds: 300,
        }
    }
}

/// How long seats are kept, and for whom.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[x_kube(
    validation = Rule::new("self.coolDownMaxSeconds >= self.holdCoolDownSeconds && self.coolDownMaxSeconds >= self.rejoinCoolDownSeconds").message("spec.room.coolDownMaxSeconds: must be at least spec.room.holdCoolDownSeconds and spec.room.rejoinCoolDownSeconds")
)]
pub struct Room {
    /// Seconds that a player may sit out without being dealt in. Then the player is stood up between two hands and the
    /// stack goes back to the free balance.
    #[serde(default = "sit_out_max_seconds")]
    #[schemars(range(min = 60, max = 86_400))]
    pub sit_out_max_seconds: i32,
    /// Big blinds that a player may miss while sitting out. Then the player is stood up as after sitOutMaxSeconds.
    #[serde(default = "sit_out_max_big_blinds")]
    #[schemars(range(min = 1, max = 100))]
    pub sit_out_max_big_blinds: i32,
    /// Seconds that a seat is held while the chain-signer reserves the player's chips.
    #[serde(default = "hold_seconds")]
    #[schemars(range(min = 1, max = 60))]
    pub hold_seconds: i32,
    /// Seconds before a player whose hold brought no chips may ask for a seat or a top-up again; doubled each time.
    #[serde(default = "hold_cool_down_seconds")]
    #[schemars(range(min = 0, max = 3600))]
    pub hold_cool_down_seconds: i32,
    /// Seconds before a player who left after a short stay may sit down again; doubled each time.
    #[serde(default = "rejoin_cool_down_seconds")]
    #[schemars(range(min = 0, max = 3600))]
    pub rejoin_cool_down_seconds: i32,
    /// Most seconds of a cool-down, however often it was doubled. A player who gives no cause for as long after a cool-down
    /// starts with holdCoolDownSeconds or rejoinCoolDownSeconds again.
    #[serde(default = "cool_down_max_seconds")]
    #[schemars(range(min = 0, max = 86_400))]
    pub cool_down_max_seconds: i32,
    /// A stay is short where the player was dealt into fewer hands than this; where 0, no stay is short.
    #[serde(default = "short_stay_hands")]
    #[schemars(range(min = 0, max = 1000))]
    pub short_stay_hands: i32,
    /// A player who was dealt in may see the cards that would have come in a hand that ended before its river, until the
    /// next hand starts. All at the table see them. They are not in the hand's record and change no chips.
    #[serde(default)]
    pub rabbit_hunt: bool,
    /// What players with a seat may say to the table. none: nothing. reactions: six fixed reactions. text: reactions, and
    /// lines of at most 120 characters. At most four at once and one more every 3 seconds for each player. The table keeps
    /// nothing that was said; reports of players are in the pod's log.
    #[serde(default)]
    pub chat: Chat,
}

/// What players may say: nothing, fixed reactions, or reactions and lines of their own.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub enum Chat {
    // Not "off": YAML 1.1, which kubectl reads, takes that for a boolean.
    #[default]
    None,
    Reactions,
    Text,
}

fn sit_out_max_seconds() -> i32 {
    Room::default().sit_out_max_seconds
}

fn sit_out_max_big_blinds() -> i32 {
    Room::default().sit_out_max_big_blinds
}

fn hold_seconds() -> i32 {
    Room::default().hold_seconds
}

fn hold_cool_down_seconds() -> i32 {
    Room::default().hold_cool_down_seconds
}

fn rejoin_cool_down_seconds() -> i32 {
    Room::default().rejoin_cool_down_seconds
}

fn cool_down_max_seconds() -> i32 {
    Room::default().cool_down_max_seconds
}

fn short_stay_hands() -> i32 {
    Room::default().short_stay_hands
}

impl Default for Room {
    fn default() -> Self {
        Self {
            sit_out_max_seconds: 900,
            sit_out_max_big_blinds: 4,
            hold_seconds: 10,
            hold_cool_down_seconds: 5,
            rejoin_cool_down_seconds: 30,
            cool_down_max_seconds: 3_600,
            short_stay_hands: 10,
            rabbit_hunt: false,
            chat: Chat::None,
        }
    }
}

#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Currency {
    /// Address of the ERC-20 contract: 0x and 40 lower-case hex digits.
    #[schemars(length(max = 42))]
    #[x_kube(validation = Rule::new("self.matches('^0x[0-9a-f]{40}$')").message("spec.currency.token: must be 0x and 40 lower-case hex digits"))]
    pub token: String,
    /// Decimals of the token: a unit is 10 to this power minor units.
    #[schemars(range(min = 0, max = 18))]
    pub decimals: i32,
    /// Name of a unit as players read it, for instance USDC.
    #[schemars(length(min = 1, max = 12))]
    pub unit: String,
}

/// How hands get onto the chain.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[x_kube(validation = Rule::new("has(self.vault) == has(self.chainId)").message("spec.settlement: vault and chainId go together"))]
pub struct Settlement {
    /// Address of the vault contract: 0x and 40 lower-case hex digits. Where left out, the vault of the chart's
    /// configuration. Needs chainId.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 42))]
    #[x_kube(validation = Rule::new("self.matches('^0x[0-9a-f]{40}$')").message("spec.settlement.vault: must be 0x and 40 lower-case hex digits"))]
    pub vault: Option<String>,
    /// Chain that the vault is on, by its EIP-155 number. Where left out, the chain of the chart's configuration. Needs
    /// vault.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub chain_id: Option<i64>,
    /// Most hands that are netted into one item of a settlement transaction.
    #[serde(default = "max_hands")]
    #[schemars(range(min = 1, max = 100))]
    pub max_hands: i32,
    /// Seconds that a finished hand waits at most for others to be netted with.
    #[serde(default = "max_delay_seconds")]
    #[schemars(range(min = 0, max = 3600))]
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
    /// Image of the table program. Where left out, the chart's.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 512))]
    pub image: Option<String>,
    /// Resources of the container. Where left out, the chart's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resources: Option<Resources>,
    /// Labels that a node must have to run the pod. Empty for the chart's.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub node_selector: BTreeMap<String, String>,
    /// Taints that the pod tolerates. Empty for the chart's.
    #[schemars(length(max = 32))]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tolerations: Vec<Toleration>,
}

/// Resources that the container requests and may use, for instance {cpu: 50m, memory: 64Mi}.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Resources {
    /// Quantities that the scheduler sets aside, by resource.
    #[schemars(schema_with = "quantities")]
    pub requests: BTreeMap<String, Quantity>,
    /// Quantities that the container may use at most, by resource.
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

/// Stage of the table's life.
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
    /// The generation of the spec that this status is about.
    pub observed_generation: i64,
    /// Pending: no pod has been ready yet. Running: hands are dealt where enough players are ready. Paused: no new hand is
    /// dealt. Draining: the last hand before the table moves or goes. Degraded: the conditions say
    /// what is wrong.
    pub phase: Phase,
    /// Ready and others by the usual conventions; the reason of Ready says why a table does not serve.
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
    /// Address of the pod that serves the table, as host:port.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
    /// Number of the newest pod of the table. It is raised before that pod is created, and is the upper part of the
    /// table's epoch.
    pub fencing_generation: i64,
    /// Epoch that the table last reported: the stores and the chain-signer accept nothing of an older one.
    pub epoch: i64,
    /// Players with a seat when the status was last written, which may be minutes ago. The lobby shows the current number.
    pub players: i32,
    /// Number of the last hand when the status was last written, which may be minutes ago. The lobby shows the current
    /// number.
    pub hand: i64,
    /// Small and big blind as small/big, in minor units of the currency.
    pub blinds: String,
    /// Name of the pod that serves the table.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pod: Option<String>,
    /// Vault and token that the table was first started with. The table keeps them when the chart's configuration changes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bound: Option<Bound>,
    /// Redis Sentinel group that the table was started in. The table stays there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub store: Option<String>,
}

/// What a table's money is bound to.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Bound {
    /// Address of the vault contract.
    pub vault: String,
    /// Chain that the vault is on, by its EIP-155 number.
    pub chain_id: i64,
    /// Address of the ERC-20 contract.
    pub token: String,
    /// Decimals of the token: a unit is 10 to this power minor units.
    pub decimals: i32,
    /// Name of a unit as players read it.
    pub unit: String,
}
