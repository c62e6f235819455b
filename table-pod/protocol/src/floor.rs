//! The operators' view of a table without any hidden card: who sits where, how the table plays, what is unusual.
//!
//! Everything here is a function of its arguments: the table keeps a [`Window`], the gateway compares a [`Floor`] with
//! [`Thresholds`]. Live monitoring for fair play reads the same values.

use purr_engine::{Chips, Millis, PlayerId};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, VecDeque};

/// Rates are over the last hour.
pub const WINDOW_MS: Millis = 3_600_000;
/// Hands and changes of seats that a window remembers; the oldest go first.
const REMEMBERED_MAX: usize = 2_000;
/// Flows of chips that are told, the largest.
const FLOWS_MAX: usize = 5;
/// Bytes of a pause's reason.
pub const REASON_MAX: usize = 200;

/// A pause that staff ordered. The table commits it, so a successor keeps it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PausedBy {
    /// The address of who ordered it. Players are told the reason alone.
    pub by: String,
    /// 1 to 200 bytes, for players too.
    pub reason: String,
    /// Seconds since 1970; 0: not known.
    #[serde(default)]
    pub at_s: u64,
}

/// A gateway's request to a table on behalf of staff: to pause, or to go on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StaffPause {
    /// The access token of who orders it; the table checks it again.
    pub token: String,
    pub pause: bool,
    pub reason: String,
}

/// The table's answer, once it is committed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct StaffPaused {
    pub paused_by: Option<PausedBy>,
    /// A hand that runs is played to its end.
    pub hand_running: bool,
}

/// One table as its pod tells it, every few seconds. It may be lost.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Floor {
    pub uid: String,
    pub seats: Vec<FloorSeat>,
    /// Over the last hour, or since the pod took over where that is less: seconds, hands, players who took or left a seat.
    pub window_s: u32,
    pub hands: u32,
    pub seat_changes: u32,
    /// The largest net flows of chips from one player to another.
    pub flows: Vec<Flow>,
    /// Entries that the chain has not confirmed, and for how many seconds the oldest hand among them has waited.
    pub unsettled: u64,
    pub unsettled_s: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub paused_by: Option<PausedBy>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FloorSeat {
    pub seat: u8,
    #[schemars(with = "String")]
    pub player: PlayerId,
    /// Minor units.
    pub stack: Chips,
    pub sitting_out: bool,
    pub connected: bool,
    #[serde(flatten)]
    pub rates: Rates,
}

/// One player at one table over the window.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Rates {
    pub hands: u32,
    /// Won, after rake, in minor units.
    pub net: i64,
    /// Decisions that were timed, and their mean in milliseconds.
    pub timed: u32,
    pub think_ms: u32,
    /// Seats taken and left.
    pub changes: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Flow {
    #[schemars(with = "String")]
    pub from: PlayerId,
    #[schemars(with = "String")]
    pub to: PlayerId,
    /// Minor units.
    pub chips: Chips,
}

#[derive(Clone, Debug)]
struct Seen {
    at: Millis,
    what: What,
}

#[derive(Clone, Debug)]
enum What {
    /// Results after rake, and timed decisions.
    Hand {
        results: Vec<(PlayerId, i64)>,
        think: Vec<(PlayerId, u32)>,
    },
    Change(PlayerId),
}

/// The last hour of one table, in the memory of its process.
#[derive(Clone, Debug, Default)]
pub struct Window {
    since: Millis,
    seen: VecDeque<Seen>,
}

impl Window {
    /// Begins now, by the table's clock.
    pub fn new(now: Millis) -> Self {
        Self { since: now, seen: VecDeque::new() }
    }

    pub fn hand(&mut self, now: Millis, results: Vec<(PlayerId, i64)>, think: Vec<(PlayerId, u32)>) {
        self.push(now, What::Hand { results, think });
    }

    /// A player took a seat or left one.
    pub fn change(&mut self, now: Millis, player: PlayerId) {
        self.push(now, What::Change(player));
    }

    fn push(&mut self, now: Millis, what: What) {
        self.forget(now);
        if self.seen.len() >= REMEMBERED_MAX
            && let Some(oldest) = self.seen.pop_front()
        {
            self.since = self.since.max(oldest.at);
        }
        self.seen.push_back(Seen { at: now, what });
    }

    fn forget(&mut self, now: Millis) {
        let from = now.saturating_sub(WINDOW_MS);
        while self.seen.front().is_some_and(|seen| seen.at < from) {
            self.seen.pop_front();
        }
        self.since = self.since.max(from);
    }

    /// Fills in what the window knows; seats come without rates.
    pub fn fill(&mut self, now: Millis, floor: &mut Floor) {
        self.forget(now);
        let narrow = |value: u64| u32::try_from(value).unwrap_or(u32::MAX);
        floor.window_s = narrow(now.saturating_sub(self.since) / 1_000);
        let (mut rates, mut flows): (BTreeMap<PlayerId, (Rates, u64)>, _) =
            (BTreeMap::new(), BTreeMap::new());
        for Seen { what, .. } in &self.seen {
            match what {
                What::Change(player) => {
                    floor.seat_changes += 1;
                    rates.entry(*player).or_default().0.changes += 1;
                }
                What::Hand { results, think } => {
                    floor.hands += 1;
                    for (player, delta) in results {
                        let (rates, _) = rates.entry(*player).or_default();
                        rates.hands += 1;
                        rates.net = rates.net.saturating_add(*delta);
                    }
                    for (player, ms) in think {
                        let (rates, sum) = rates.entry(*player).or_default();
                        rates.timed += 1;
                        *sum += u64::from(*ms);
                    }
                    flow(results, &mut flows);
                }
            }
        }
        for seat in &mut floor.seats {
            if let Some((found, sum)) = rates.get(&seat.player) {
                seat.rates = *found;
                seat.rates.think_ms = narrow(sum / u64::from(found.timed.max(1)));
            }
        }
        let mut largest: Vec<Flow> = flows
            .into_iter()
            .filter(|(_, chips)| *chips != 0)
            .map(|((low, high), chips): ((PlayerId, PlayerId), i128)| {
                let (from, to) = if chips > 0 { (low, high) } else { (high, low) };
                Flow { from, to, chips: Chips::try_from(chips.unsigned_abs()).unwrap_or(Chips::MAX) }
            })
            .collect();
        largest.sort_by_key(|flow| std::cmp::Reverse(flow.chips));
        largest.truncate(FLOWS_MAX);
        floor.flows = largest;
    }
}

/// Adds one hand's flows, by pairs in the order of their addresses: what a player lost went to those who won, in
/// proportion to what each won.
fn flow(results: &[(PlayerId, i64)], flows: &mut BTreeMap<(PlayerId, PlayerId), i128>) {
    let won: i128 = results.iter().map(|(_, delta)| i128::from((*delta).max(0))).sum();
    if won == 0 {
        return;
    }
    for (from, lost) in results.iter().filter(|(_, delta)| *delta < 0) {
        for (to, gain) in results.iter().filter(|(_, delta)| *delta > 0) {
            let chips = i128::from(-lost) * i128::from(*gain) / won;
            let (pair, signed) = if from < to { ((*from, *to), chips) } else { ((*to, *from), -chips) };
            *flows.entry(pair).or_default() += signed;
        }
    }
}

/// From where on a rate is unusual. 0 turns a rule off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Thresholds {
    /// A mean time for decisions below this, in milliseconds, over at least `timed_min` decisions.
    pub think_ms_min: u32,
    pub timed_min: u32,
    /// Seats that one player took and left in an hour, more than this.
    pub changes_max: u32,
    /// Net flow between two players in an hour, in big blinds, more than this.
    pub flow_bb_max: u32,
    /// The big blind over the highest that the player has played before, at least this.
    pub stakes_factor: u32,
    /// Seconds that the oldest hand waits for the chain, more than this.
    pub unsettled_s_max: u32,
}

impl Default for Thresholds {
    fn default() -> Self {
        Self {
            think_ms_min: 400,
            timed_min: 50,
            changes_max: 6,
            flow_bb_max: 300,
            stakes_factor: 10,
            unsettled_s_max: 600,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Rule {
    FastDecisions,
    SeatChanges,
    ChipFlow,
    SuddenStakes,
    SettlementLag,
}

/// One rate beyond its threshold: worth a look, and proof of nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Unusual {
    pub rule: Rule,
    /// None, one, or who lost and who won.
    #[schemars(with = "Vec<String>")]
    pub players: Vec<PlayerId>,
    /// In the threshold's unit.
    pub value: u64,
    pub threshold: u64,
}

/// Returns what is unusual at a table of this big blind; `highest` is the highest big blind that a player has played before,
/// where it is known.
pub fn unusual(
    floor: &Floor,
    big_blind: Chips,
    highest: impl Fn(PlayerId) -> Option<Chips>,
    thresholds: &Thresholds,
) -> Vec<Unusual> {
    let Thresholds { think_ms_min, timed_min, changes_max, flow_bb_max, stakes_factor, unsettled_s_max } =
        *thresholds;
    let mut found = Vec::new();
    let mut add = |rule, players: &[PlayerId], value: u64, threshold: u32| {
        found.push(Unusual { rule, players: players.to_vec(), value, threshold: threshold.into() });
    };
    for FloorSeat { player, rates, .. } in &floor.seats {
        if rates.timed >= timed_min.max(1) && rates.think_ms < think_ms_min {
            add(Rule::FastDecisions, &[*player], rates.think_ms.into(), think_ms_min);
        }
        if changes_max > 0 && rates.changes > changes_max {
            add(Rule::SeatChanges, &[*player], rates.changes.into(), changes_max);
        }
        let before = highest(*player).filter(|before| *before > 0);
        if let (Some(before), true) = (before, stakes_factor > 0)
            && big_blind / before >= u64::from(stakes_factor)
        {
            add(Rule::SuddenStakes, &[*player], big_blind / before, stakes_factor);
        }
    }
    for Flow { from, to, chips } in &floor.flows {
        let blinds = chips / big_blind.max(1);
        if flow_bb_max > 0 && blinds > u64::from(flow_bb_max) {
            add(Rule::ChipFlow, &[*from, *to], blinds, flow_bb_max);
        }
    }
    if unsettled_s_max > 0 && floor.unsettled_s > u64::from(unsettled_s_max) {
        add(Rule::SettlementLag, &[], floor.unsettled_s, unsettled_s_max);
    }
    found
}

/// An order of staff at a table, or its outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ActKind {
    Pause,
    Resume,
    /// The table has committed it.
    Done,
    Failed,
}

impl ActKind {
    const ALL: [Self; 4] = [Self::Pause, Self::Resume, Self::Done, Self::Failed];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Pause => "pause",
            Self::Resume => "resume",
            Self::Done => "done",
            Self::Failed => "failed",
        }
    }

    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// Whether this says how an order ended.
    pub const fn is_outcome(self) -> bool {
        matches!(self, Self::Done | Self::Failed)
    }
}

/// One line of the log of staff's orders, which is append only.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct NewAct {
    #[schemars(with = "String")]
    pub actor: PlayerId,
    pub act: ActKind,
    pub table: String,
    pub reason: String,
    /// The number of the order that this is the outcome of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order: Option<i64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordedAct {
    pub id: i64,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct StaffAct {
    pub id: i64,
    /// Seconds since 1970.
    pub at_s: i64,
    #[serde(flatten)]
    pub what: NewAct,
}

/// Newest first. `next` is the `before` of the page that follows, where one does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Acts {
    pub acts: Vec<StaffAct>,
    pub next: Option<i64>,
}

/// Players whose stakes of the last 30 days are asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StakesAsked {
    pub players: Vec<PlayerId>,
}

/// The highest big blind of each player, today left out; who has played none is left out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StakesPlayed {
    pub highest: Vec<(PlayerId, u64)>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn player(n: u8) -> PlayerId {
        PlayerId([n; 20])
    }

    fn floor(players: &[u8]) -> Floor {
        let seat = |n: &u8| FloorSeat {
            seat: *n,
            player: player(*n),
            stack: 1_000,
            sitting_out: false,
            connected: true,
            rates: Rates::default(),
        };
        Floor { seats: players.iter().map(seat).collect(), ..Floor::default() }
    }

    #[test]
    fn a_window_counts_the_last_hour_and_nets_flows_by_pairs() {
        let mut window = Window::new(0);
        window.hand(1_000, vec![(player(1), -900), (player(2), 900)], vec![]);
        let hour = WINDOW_MS + 10_000;
        window.change(hour, player(3));
        window.hand(
            hour,
            vec![(player(1), -300), (player(2), 200), (player(3), 100)],
            vec![(player(1), 100)],
        );
        window.hand(hour, vec![(player(1), 50), (player(2), -50)], vec![(player(1), 300)]);
        let mut found = floor(&[1, 2, 3]);
        window.fill(hour, &mut found);
        assert_eq!(
            (found.hands, found.seat_changes, found.window_s),
            (2, 1, 3_600),
            "the first hand is too old"
        );
        let one = found.seats[0].rates;
        assert_eq!((one.hands, one.net, one.timed, one.think_ms), (2, -250, 2, 200));
        assert_eq!(found.seats[2].rates.changes, 1);
        assert_eq!(
            found.flows,
            [
                Flow { from: player(1), to: player(2), chips: 150 },
                Flow { from: player(1), to: player(3), chips: 100 }
            ]
        );
    }

    #[test]
    fn a_window_is_bounded_and_says_since_when_it_counts() {
        let mut window = Window::new(0);
        for at in 0..3_000 {
            window.hand(at, vec![(player(1), 0)], vec![]);
        }
        let mut found = floor(&[1]);
        window.fill(3_000, &mut found);
        assert_eq!((found.hands, found.window_s), (2_000, 2));
    }

    #[test]
    fn each_rule_fires_beyond_its_threshold_and_not_at_it() {
        let thresholds = Thresholds::default();
        let rules = |floor: &Floor, big_blind, before: Option<Chips>| {
            let found = unusual(floor, big_blind, |_| before, &thresholds);
            found.into_iter().map(|one| one.rule).collect::<Vec<Rule>>()
        };
        let mut quiet = floor(&[1]);
        quiet.seats[0].rates = Rates { timed: 50, think_ms: 400, changes: 6, ..Rates::default() };
        quiet.flows = vec![Flow { from: player(1), to: player(2), chips: 30_000 + 99 }];
        quiet.unsettled_s = 600;
        assert_eq!(rules(&quiet, 100, Some(11)), []);
        let mut loud = quiet.clone();
        loud.seats[0].rates = Rates { timed: 50, think_ms: 399, changes: 7, ..Rates::default() };
        loud.flows[0].chips = 30_100;
        loud.unsettled_s = 601;
        let all =
            [Rule::FastDecisions, Rule::SeatChanges, Rule::SuddenStakes, Rule::ChipFlow, Rule::SettlementLag];
        assert_eq!(rules(&loud, 100, Some(10)), all);
        // Too few decisions, and a player whose stakes are not known.
        loud.seats[0].rates.timed = 49;
        assert!(!rules(&loud, 100, None).contains(&Rule::FastDecisions));
        assert!(!rules(&loud, 100, None).contains(&Rule::SuddenStakes));
        let off = Thresholds {
            think_ms_min: 0,
            timed_min: 0,
            changes_max: 0,
            flow_bb_max: 0,
            stakes_factor: 0,
            unsettled_s_max: 0,
        };
        assert_eq!(unusual(&loud, 100, |_| Some(1), &off), []);
    }

    #[test]
    fn what_an_older_table_tells_is_read() {
        let old: Floor = serde_json::from_str(r#"{"uid":"0a"}"#).unwrap();
        assert_eq!((old.uid.as_str(), old.hands), ("0a", 0));
    }
}
