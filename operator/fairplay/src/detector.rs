//! The detector: one pass over ended hands.

use crate::{
    model::{Expected, Population, View},
    pack::{Pack, packed},
    pairs::{
        AHEAD, Cited, DEPENDENCE, EXACT, FOLDS_TO, ISOLATION, LARGE, Pair, PairStats, RAISES, SOFT,
        STATISTICS, Sum, TRANSFER,
    },
    players::{Player, PlayerStats, SUPERS, range_class},
    walk::{Line, Turn, walk},
};
use purr_engine::{Card, PlayerId, ids::SEATS_MAX};
use purr_fairplay_hands::{
    ActionKind, BadHand, BoardStrength, EndedHand, HandKey, preflop_percentile, straight_or_better_outs,
};
use std::{
    collections::HashMap,
    hash::{BuildHasherDefault, Hasher},
};

/// Bounds of a detector's memory.
#[derive(Clone, Copy, Debug)]
pub struct DetectorLimits {
    /// Most pairs in memory, some 1.4 kB each; beyond it, those who shared the fewest hands are evicted.
    pub pairs_max: usize,
    /// Most players in memory, some 3 kB each; hands of further players are refused.
    pub players_max: usize,
}

impl Default for DetectorLimits {
    fn default() -> Self {
        Self { pairs_max: 2_000_000, players_max: 500_000 }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ObserveError {
    #[error("hand {hand} of table {table}: {problem}")]
    Hand { table: String, hand: u64, problem: BadHand },
    #[error("hand {0}: hand numbers are below 2^32")]
    Number(u64),
    #[error("more than {0} players: raise the limit or split the stream")]
    Players(usize),
}

/// Scores ended hands, one after the other.
pub struct Detector {
    limits: DetectorLimits,
    population: Population,
    pub(crate) players: Vec<Player>,
    index: HashMap<PlayerId, u32>,
    tables: Vec<String>,
    table_index: HashMap<String, u32>,
    pub(crate) pairs: HashMap<u64, Pair, BuildHasherDefault<PairHasher>>,
    totals: [Sum; STATISTICS],
    turns: Vec<Turn>,
    hands: u64,
    /// Begin of the window of think times, and when players were last forgotten, by the hands' clock; 0: never.
    window_ms: u64,
    swept_ms: u64,
}

/// How long a player's counts are kept, by kind, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keep {
    /// Features of think times.
    pub timing_ms: u64,
    /// All data of players who no longer play.
    pub player_ms: u64,
}

/// Interval of the search for players to forget.
const SWEEP_MS: u64 = 86_400_000;

/// The part of a checkpoint beside players and pairs.
pub(crate) struct TablesAndTotals {
    hands: u64,
    window_ms: u64,
    swept_ms: u64,
    tables: Vec<String>,
    totals: [Sum; STATISTICS],
    population: Population,
}

packed! {
    TablesAndTotals { hands, window_ms, swept_ms, tables, totals, population }
}

/// Raw statistics of players and pairs at one time.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    pub players: Vec<PlayerStats>,
    pub pairs: Vec<PairRaw>,
    /// Pairs of players who could be one person.
    pub twins: Vec<TwinRaw>,
}

/// Standardised statistics of one pair.
#[derive(Clone, Debug)]
pub struct PairRaw {
    pub a: PlayerId,
    pub b: PlayerId,
    pub shared: u32,
    /// From a to b, and from b to a; one value per statistic.
    pub z: [[f32; STATISTICS]; 2],
    pub n: [[u32; STATISTICS]; 2],
    /// Hands with the strongest evidence for each list of statistics, in both directions; kept if a statistic stands
    /// out.
    pub evidence: Option<Box<[Vec<Vec<HandKey>>; 2]>>,
}

#[derive(Clone, Copy, Debug)]
pub struct TwinRaw {
    pub a: PlayerId,
    pub b: PlayerId,
    pub shared: u32,
    /// Number of hands that the two would have shared by random seating.
    pub expected: f32,
    /// ln of the distance between two styles.
    pub log_distance: f32,
}

/// Statistics below this need no evidence.
const EVIDENCE_FROM: f32 = 3.0;

/// Least number of partners before one of them is left out of a player's mean.
const PARTNERS_MIN: usize = 10;

/// Weight of the population's mean in a player's mean, in hands.
const PRIOR: f64 = 100.0;

/// The mean of (sum, hands) over all partners except the one who differs most; `None` with few partners.
fn without_extreme(partners: &[(f64, f64)], all: f64) -> Option<f64> {
    if partners.len() < PARTNERS_MIN {
        return None;
    }
    let total = partners.iter().fold((0.0, 0.0), |total, (sum, n)| (total.0 + sum, total.1 + n));
    let away = |(sum, n): &(f64, f64)| {
        let others = (total.0 - sum) / (total.1 - n).max(1.0);
        (sum - n * others).abs() / n.sqrt()
    };
    let extreme = partners.iter().max_by(|a, b| away(a).total_cmp(&away(b)))?;
    let n = total.1 - extreme.1;
    Some((total.0 - extreme.0 + PRIOR * all) / (n + PRIOR))
}

/// Sum and hands of each statistic, one entry for each partner.
type ByPartner = [Vec<(f64, f64)>; STATISTICS];

/// A player's usual value of each statistic toward a partner, and partners' toward the player.
struct Usual {
    as_actor: [Option<f64>; STATISTICS],
    as_partner: [Option<f64>; STATISTICS],
}

/// Least number of common opponents of two accounts of one person: players of different pools cannot meet.
const COMMON_OPPONENTS_MIN: u16 = 10;
/// Most opponents of a player that are searched for common ones.
const COMMON_OPPONENTS_MAX: usize = 200;
/// Hands before two players are compared: in fewer, many honest pairs never meet by chance.
const TWIN_HANDS_MIN: u32 = 3_500;

/// One hand's sums for each ordered pair, and for each player.
struct HandSums {
    pair: [[[f32; STATISTICS]; SEATS_MAX]; SEATS_MAX],
    counted: [[u16; SEATS_MAX]; SEATS_MAX],
    supers: [[f32; SUPERS]; SEATS_MAX],
    super_counted: [u8; SEATS_MAX],
}

impl HandSums {
    fn add(&mut self, a: usize, b: usize, statistic: usize, value: f32) {
        self.pair[a][b][statistic] += value;
        self.counted[a][b] |= 1 << statistic;
    }

    fn add_super(&mut self, a: usize, which: usize, value: f32) {
        self.supers[a][which] += value;
        self.super_counted[a] |= 1 << which;
    }
}

impl Default for Detector {
    fn default() -> Self {
        Self::new(DetectorLimits::default())
    }
}

impl Detector {
    pub fn new(limits: DetectorLimits) -> Self {
        Self {
            limits,
            population: Population::new(),
            players: Vec::new(),
            index: HashMap::new(),
            tables: Vec::new(),
            table_index: HashMap::new(),
            pairs: HashMap::default(),
            totals: [Sum::default(); STATISTICS],
            turns: Vec::new(),
            hands: 0,
            window_ms: 0,
            swept_ms: 0,
        }
    }

    pub fn hands(&self) -> u64 {
        self.hands
    }

    /// How many players are scored.
    pub fn players(&self) -> usize {
        self.players.len()
    }

    /// How many pairs are scored.
    pub fn pairs(&self) -> usize {
        self.pairs.len()
    }

    /// Writes [`TablesAndTotals`], in the order of its fields.
    pub(crate) fn pack_head(&self, out: &mut Vec<u8>) {
        self.hands.pack(out);
        self.window_ms.pack(out);
        self.swept_ms.pack(out);
        self.tables.pack(out);
        self.totals.pack(out);
        self.population.pack(out);
    }

    /// Restores a detector; `None` if the parts do not belong together.
    pub(crate) fn restored(
        limits: DetectorLimits,
        head: TablesAndTotals,
        players: Vec<Player>,
        pairs: HashMap<u64, Pair, BuildHasherDefault<PairHasher>>,
    ) -> Option<Self> {
        let TablesAndTotals { hands, window_ms, swept_ms, tables, totals, population } = head;
        let within = |key: &u64| {
            let (a, b) = ends(*key);
            a < b && b < players.len()
        };
        if !population.is_whole() || !pairs.keys().all(within) {
            return None;
        }
        let index = players.iter().zip(0..).map(|(player, at)| (player.id, at)).collect();
        let table_index = tables.iter().cloned().zip(0..).collect();
        let turns = Vec::new();
        Some(Self {
            limits,
            population,
            players,
            index,
            tables,
            table_index,
            pairs,
            totals,
            turns,
            hands,
            window_ms,
            swept_ms,
        })
    }

    /// Scores one hand, then learns from it.
    ///
    /// # Errors
    /// A hand that cannot be, or too many players; nothing is counted of it.
    pub fn observe(&mut self, hand: &EndedHand) -> Result<(), ObserveError> {
        hand.validate().map_err(|problem| ObserveError::Hand {
            table: hand.table.clone(),
            hand: hand.hand,
            problem,
        })?;
        let number = u32::try_from(hand.hand).map_err(|_| ObserveError::Number(hand.hand))?;
        let new = hand.seats.iter().filter(|seat| !self.index.contains_key(&seat.player)).count();
        if self.players.len() + new > self.limits.players_max {
            return Err(ObserveError::Players(self.limits.players_max));
        }
        let mut who = [0u32; SEATS_MAX];
        for (at, seat) in hand.seats.iter().enumerate() {
            who[at] = self.player(seat.player);
        }
        let table = self.table(&hand.table);
        // Turns of players with unknown cards do not count as decisions.
        let decided = who.map(|at| self.players.get(at as usize).map_or(0, |player| player.decisions));
        let mut turns = std::mem::take(&mut self.turns);
        walk(hand, &mut turns);
        let sums = self.score(hand, &who, &turns);
        self.turns = turns;
        self.store(hand, (&who, &decided), &sums, (table, number));
        self.hands += 1;
        Ok(())
    }

    fn player(&mut self, id: PlayerId) -> u32 {
        let next = self.players.len() as u32;
        let players = &mut self.players;
        *self.index.entry(id).or_insert_with(|| {
            players.push(Player::new(id));
            next
        })
    }

    fn table(&mut self, name: &str) -> u32 {
        if let Some(known) = self.table_index.get(name) {
            return *known;
        }
        let next = self.tables.len() as u32;
        self.tables.push(name.to_owned());
        self.table_index.insert(name.to_owned(), next);
        next
    }

    fn score(&mut self, hand: &EndedHand, who: &[u32; SEATS_MAX], turns: &[Turn]) -> HandSums {
        let mut sums = HandSums {
            pair: [[[0.0; STATISTICS]; SEATS_MAX]; SEATS_MAX],
            counted: [[0; SEATS_MAX]; SEATS_MAX],
            supers: [[0.0; SUPERS]; SEATS_MAX],
            super_counted: [0; SEATS_MAX],
        };
        let mut strengths = Strengths::before_the_flop(hand);
        for turn in turns {
            if turn.street != strengths.street {
                strengths = Strengths::on(hand, turn.street, turn.live);
            }
            self.score_turn(hand, who, turn, &strengths, &mut sums);
        }
        sums
    }

    fn score_turn(
        &mut self,
        hand: &EndedHand,
        who: &[u32; SEATS_MAX],
        turn: &Turn,
        strengths: &Strengths,
        sums: &mut HandSums,
    ) {
        let a = turn.actor;
        let Some(mine) = strengths.of[a] else {
            return;
        };
        let view = View::new(turn, mine, strengths.outs[a]);
        let crowd = self.population.action(&view);
        let knows = self.population.knows(&view);
        let player = &mut self.players[who[a] as usize];
        let habit = player.habits[view.habit];
        let expected = Expected {
            raise: (crowd.raise + habit.raise()).clamp(0.005, 0.995),
            fold: (crowd.fold + habit.fold()).clamp(0.005, 0.995),
        };
        let raised = f32::from(u8::from(turn.action == ActionKind::Raise));
        let folded = f32::from(u8::from(turn.action == ActionKind::Fold));
        player.habits[view.habit].learn(raised - crowd.raise, folded - crowd.fold);
        player.decisions += 1;
        if knows {
            player.learn_style(&view, turn, raised - crowd.raise, folded - crowd.fold);
        }
        if let Some(ms) = turn.think_ms {
            let log_ms = (ms.max(1) as f32).ln();
            let usual = self.population.think(&view);
            if knows {
                player.learn_pace(turn, log_ms, usual);
            }
            self.population.learn_think(&view, log_ms);
        }
        self.population.learn_action(&view, turn.action);
        let raise = if turn.can_raise { raised - expected.raise } else { 0.0 };
        let fold = if turn.to_call > 0.0 { folded - expected.fold } else { 0.0 };
        let others = turn.live & !(1 << a);
        for (b, partner) in who.iter().enumerate().take(hand.seats.len()) {
            if others & (1 << b) == 0 {
                continue;
            }
            let line = turn.lines[b];
            if knows {
                public_signals(turn, (b, others), (raise, fold), expected.raise, sums);
            }
            let Some(theirs) = strengths.of[b] else {
                continue;
            };
            let partner = &mut self.players[*partner as usize];
            let exact = turn.street == 0 && line == Line::default();
            let class = range_class(turn.street, line.strong());
            let usual = if exact { 0.5 } else { self.population.range(turn.street, line) };
            let off = if exact { 0.0 } else { partner.ranges[class].raise() };
            let hidden = theirs - usual - off;
            let ahead = if mine > theirs {
                1.0
            } else if mine < theirs {
                0.0
            } else {
                0.5
            };
            let likely = self.population.ahead(turn.street, line, view.bucket);
            let off = if exact { 0.0 } else { partner.ahead[class].raise() };
            let surprise = ahead - (likely + off).clamp(0.01, 0.99);
            if !exact {
                partner.ranges[class].learn(theirs - usual, 0.0);
                partner.ahead[class].learn(ahead - likely, 0.0);
                self.population.learn_range(turn.street, line, theirs);
            }
            self.population.learn_ahead(turn.street, line, view.bucket, ahead);
            if knows {
                hidden_signals(turn, (a, b), (raise, fold), (hidden, surprise, exact), sums);
            }
        }
        if knows && let Some((b, loss)) = loss(turn, strengths, others, expected) {
            sums.add(a, b, TRANSFER, loss.clamp(-12.0, 12.0));
            sums.add(a, b, LARGE, (loss - 12.0).clamp(0.0, 50.0));
        }
    }

    fn store(
        &mut self,
        hand: &EndedHand,
        (who, decided): (&[u32; SEATS_MAX], &[u32; SEATS_MAX]),
        sums: &HandSums,
        cited: (u32, u32),
    ) {
        let count = hand.seats.len();
        for a in 0..count {
            for b in a + 1..count {
                let swap = who[a] > who[b];
                let (low, high) = if swap { (b, a) } else { (a, b) };
                let key = u64::from(who[low]) << 32 | u64::from(who[high]);
                let pair = self.pairs.entry(key).or_default();
                if pair.shared == 0 {
                    self.players[who[a] as usize].opponents += 1;
                    self.players[who[b] as usize].opponents += 1;
                }
                pair.shared += 1;
                for (from, to, stats) in [(low, high, &mut pair.forth), (high, low, &mut pair.back)] {
                    let counted = sums.counted[from][to];
                    for statistic in (0..STATISTICS).filter(|s| counted & (1 << s) != 0) {
                        let value = sums.pair[from][to][statistic];
                        stats.add(statistic, value, cited.0, cited.1);
                        self.players[who[from] as usize].as_actor[statistic].add(f64::from(value));
                        self.players[who[to] as usize].as_partner[statistic].add(f64::from(value));
                        self.totals[statistic].add(f64::from(value));
                    }
                }
            }
        }
        for (at, player) in who.iter().enumerate().take(count) {
            let player = &mut self.players[*player as usize];
            player.hands += 1;
            player.last_ms = player.last_ms.max(hand.ended_at_ms);
            player.shared += count as u64 - 1;
            for which in (0..SUPERS).filter(|which| sums.super_counted[at] & (1 << which) != 0) {
                player.supers[which].add(f64::from(sums.supers[at][which]));
            }
            let weight = sums.supers[at][0];
            let last = player.evidence.len() - 1;
            if weight > player.evidence[last].weight {
                player.evidence[last] = Cited { weight, table: cited.0, hand: cited.1 };
                player.evidence.sort_by(|a, b| b.weight.total_cmp(&a.weight));
            }
            player.keep_checks(decided[at]);
        }
        if self.pairs.len() > self.limits.pairs_max {
            self.forget_pairs();
        }
    }

    /// Drops the half that shared the fewest hands.
    fn forget_pairs(&mut self) {
        let mut shared: Vec<u32> = self.pairs.values().map(|pair| pair.shared).collect();
        let middle = shared.len() / 2;
        let (_, median, _) = shared.select_nth_unstable(middle);
        let median = *median;
        self.pairs.retain(|_, pair| pair.shared > median);
    }

    /// Drops counts that are too old at this time of the hands' clock; returns how many players were dropped.
    pub fn expire(&mut self, now_ms: u64, keep: Keep) -> usize {
        if self.window_ms == 0 {
            (self.window_ms, self.swept_ms) = (now_ms, now_ms);
        }
        // Two windows are kept: the current one and the previous one.
        if now_ms.saturating_sub(self.window_ms) >= keep.timing_ms / 2 {
            self.players.iter_mut().for_each(Player::end_timing_window);
            self.window_ms = now_ms;
        }
        if now_ms.saturating_sub(self.swept_ms) < SWEEP_MS {
            return 0;
        }
        self.swept_ms = now_ms;
        let oldest = now_ms.saturating_sub(keep.player_ms);
        self.forget_players(|_, last_ms| last_ms < oldest)
    }

    /// Forgets players and all their pairs, by who they are and the end of their newest hand; returns how many. What the
    /// population has learned from them stays: it names nobody.
    pub fn forget_players(&mut self, is_gone: impl Fn(&PlayerId, u64) -> bool) -> usize {
        let mut next = 0u32;
        let places: Vec<Option<u32>> = self
            .players
            .iter()
            .map(|player| {
                (!is_gone(&player.id, player.last_ms)).then(|| {
                    next += 1;
                    next - 1
                })
            })
            .collect();
        let gone = self.players.len() - next as usize;
        if gone == 0 {
            return 0;
        }
        // Places keep their order, so the lower one of a pair stays the lower one.
        let pairs = std::mem::take(&mut self.pairs);
        self.pairs = pairs
            .into_iter()
            .filter_map(|(key, pair)| {
                let (a, b) = ends(key);
                Some((u64::from(places[a]?) << 32 | u64::from(places[b]?), pair))
            })
            .collect();
        let mut at = places.iter();
        self.players.retain(|_| at.next().is_some_and(Option::is_some));
        self.index = self.players.iter().zip(0..).map(|(player, at)| (player.id, at)).collect();
        gone
    }

    /// Ends the story of these players: their pairs are forgotten.
    pub fn forget(&mut self, players: &[PlayerId]) {
        let gone: Vec<u32> = players.iter().filter_map(|id| self.index.get(id).copied()).collect();
        let mut is_gone = vec![false; self.players.len()];
        gone.iter().for_each(|at| is_gone[*at as usize] = true);
        self.pairs.retain(|key, _| {
            let (a, b) = ends(*key);
            !is_gone[a] && !is_gone[b]
        });
    }

    /// Raw statistics of these players among each other, or of everybody.
    pub fn snapshot(&self, only: Option<&[PlayerId]>) -> Snapshot {
        let mut wanted: Vec<u32> = match only {
            Some(players) => players.iter().filter_map(|id| self.index.get(id).copied()).collect(),
            None => (0..self.players.len() as u32).collect(),
        };
        wanted.sort_unstable();
        let mut is_wanted = vec![only.is_none(); self.players.len()];
        wanted.iter().for_each(|at| is_wanted[*at as usize] = true);
        let mut keys: Vec<u64> = Vec::new();
        if only.is_some() {
            for (place, a) in wanted.iter().enumerate() {
                keys.extend(wanted[place + 1..].iter().map(|b| u64::from(*a) << 32 | u64::from(*b)));
            }
            keys.retain(|key| self.pairs.contains_key(key));
        } else {
            keys.extend(self.pairs.keys());
            keys.sort_unstable();
        }
        let usual = self.usual(&keys);
        let pairs =
            keys.iter().filter_map(|key| Some(self.pair_raw(*key, self.pairs.get(key)?, &usual))).collect();
        let stats = |at: &u32| {
            let player = &self.players[*at as usize];
            player.stats(self.keys(&player.evidence))
        };
        let players = wanted.iter().map(stats).collect();
        Snapshot { players, pairs, twins: self.twins(&wanted, &keys) }
    }

    /// The usual value of each player: the mean over all partners except the one who differs most, so that one
    /// accomplice does not make all other pairs of a player stand out.
    fn usual(&self, keys: &[u64]) -> HashMap<u32, Usual> {
        let mut means: HashMap<u32, [ByPartner; 2]> = HashMap::new();
        for (key, pair) in keys.iter().filter_map(|key| Some((key, self.pairs.get(key)?))) {
            let (low, high) = ends(*key);
            for (stats, from, to) in [(&pair.forth, low, high), (&pair.back, high, low)] {
                for (statistic, sum) in stats.sums.iter().enumerate().filter(|(_, sum)| sum.n > 0) {
                    let value = (sum.sum, f64::from(sum.n));
                    means.entry(from as u32).or_default()[0][statistic].push(value);
                    means.entry(to as u32).or_default()[1][statistic].push(value);
                }
            }
        }
        let usual = |lists: ByPartner| {
            std::array::from_fn(|at| without_extreme(&lists[at], self.totals[at].mean(1.0)))
        };
        means
            .into_iter()
            .map(|(player, [actor, partner])| {
                (player, Usual { as_actor: usual(actor), as_partner: usual(partner) })
            })
            .collect()
    }

    fn pair_raw(&self, key: u64, pair: &Pair, usual: &HashMap<u32, Usual>) -> PairRaw {
        let (low, high) = ends(key);
        let mut raw = PairRaw {
            a: self.players[low].id,
            b: self.players[high].id,
            shared: pair.shared,
            z: [[0.0; STATISTICS]; 2],
            n: [[0; STATISTICS]; 2],
            evidence: None,
        };
        for (way, stats, from, to) in [(0, &pair.forth, low, high), (1, &pair.back, high, low)] {
            for statistic in 0..STATISTICS {
                raw.z[way][statistic] = self.standardised(statistic, stats, (from, to), usual);
                raw.n[way][statistic] = stats.sums[statistic].n;
            }
        }
        if raw.z.iter().flatten().any(|z| z.abs() > EVIDENCE_FROM) {
            let cited = |stats: &PairStats| stats.evidence.iter().map(|list| self.keys(list)).collect();
            raw.evidence = Some(Box::new([cited(&pair.forth), cited(&pair.back)]));
        }
        raw
    }

    /// How far the pair deviates from what the actor does to others and others do to the partner.
    fn standardised(
        &self,
        statistic: usize,
        stats: &PairStats,
        (from, to): (usize, usize),
        usual: &HashMap<u32, Usual>,
    ) -> f32 {
        let own = &stats.sums[statistic];
        if own.n < 5 {
            return 0.0;
        }
        let actor = self.players[from].as_actor[statistic].minus(own);
        let partner = self.players[to].as_partner[statistic].minus(own);
        let all = self.totals[statistic].mean(1.0);
        let n = f64::from(own.n);
        let as_actor = usual.get(&(from as u32)).and_then(|usual| usual.as_actor[statistic]);
        let as_partner = usual.get(&(to as u32)).and_then(|usual| usual.as_partner[statistic]);
        let expected = n
            * (as_actor.unwrap_or_else(|| actor.mean_toward(all, PRIOR))
                + as_partner.unwrap_or_else(|| partner.mean_toward(all, PRIOR))
                - all);
        // The variance of one value: the pair's own if it has enough hands, otherwise the population's.
        let pooled = self.totals[statistic].squares / f64::from(self.totals[statistic].n.max(1));
        let variance = (own.squares + 20.0 * pooled) / (n + 20.0);
        let baseline = |sum: &Sum| n * n * variance / (f64::from(sum.n) + 100.0);
        let spread = (n * variance + baseline(&actor) + baseline(&partner)).sqrt();
        ((own.sum - expected) / spread.max(1e-9)) as f32
    }

    /// Pairs that could be one person: with opponents in common, and styles that can be compared.
    fn twins(&self, wanted: &[u32], keys: &[u64]) -> Vec<TwinRaw> {
        let mut opponents: Vec<Vec<u32>> = vec![Vec::new(); self.players.len()];
        for (a, b) in keys.iter().map(|key| ends(*key)) {
            opponents[a].push(b as u32);
            opponents[b].push(a as u32);
        }
        opponents.iter_mut().for_each(|list| list.truncate(COMMON_OPPONENTS_MAX));
        let mut common = vec![0u16; self.players.len()];
        let mut twins = Vec::new();
        for low in wanted {
            let two_away = || opponents[*low as usize].iter().flat_map(|via| &opponents[*via as usize]);
            two_away().for_each(|other| common[*other as usize] += 1);
            for high in wanted.iter().filter(|high| *high > low) {
                if common[*high as usize] >= COMMON_OPPONENTS_MIN {
                    twins.extend(self.twin(*low, *high));
                }
            }
            two_away().for_each(|other| common[*other as usize] = 0);
        }
        twins
    }

    fn twin(&self, low: u32, high: u32) -> Option<TwinRaw> {
        let (a, b) = (&self.players[low as usize], &self.players[high as usize]);
        if a.hands.min(b.hands) < TWIN_HANDS_MIN {
            return None;
        }
        let key = u64::from(low) << 32 | u64::from(high);
        let shared = self.pairs.get(&key).map_or(0, |pair| pair.shared);
        let usual = |player: &Player| player.shared as f32 / player.opponents.max(1) as f32;
        let expected = usual(a).min(usual(b));
        let log_distance = a.style_distance(b)?;
        Some(TwinRaw { a: a.id, b: b.id, shared, expected, log_distance })
    }

    fn keys(&self, cited: &[Cited]) -> Vec<HandKey> {
        let key = |cited: &Cited| {
            let table = self.tables.get(cited.table as usize).filter(|_| cited.weight > 0.0)?;
            Some(HandKey { table: table.clone(), hand: u64::from(cited.hand) })
        };
        cited.iter().filter_map(key).collect()
    }
}

/// Missing or added aggression, which needs no hidden cards but the actor's own. Soft play makes raises
/// rarer by a factor: the score of that alternative weighs a residual by 1 / (1 - expected), so that the
/// missing bets of strong hands count most.
fn public_signals(
    turn: &Turn,
    (b, others): (usize, u16),
    (raise, fold): (f32, f32),
    expected: f32,
    sums: &mut HandSums,
) {
    let (a, bit) = (turn.actor, 1 << b);
    if others == bit && turn.can_raise {
        sums.add(a, b, SOFT, -raise / (1.0 - expected).max(0.25));
    }
    if others != bit && turn.entered & bit != 0 && turn.can_raise {
        sums.add(a, b, ISOLATION, raise);
    }
    if turn.aggressor == Some(b) {
        sums.add(a, b, FOLDS_TO, fold);
    }
}

/// Updates the signals that depend on cards the actor cannot see.
fn hidden_signals(
    turn: &Turn,
    (a, b): (usize, usize),
    (raise, fold): (f32, f32),
    (hidden, surprise, exact): (f32, f32, bool),
    sums: &mut HandSums,
) {
    let force = raise - fold;
    sums.add(a, b, if exact { EXACT } else { DEPENDENCE }, force * hidden);
    sums.add(a, b, RAISES, raise * hidden);
    sums.add(a, b, AHEAD, force * surprise);
    sums.add_super(a, 0, force * surprise);
    sums.add_super(a, 1, -force * hidden);
    if turn.pot >= 12.0 {
        sums.add_super(a, 2, force * surprise);
    }
}

/// The cost of the action for the actor, in big blinds, compared with other players who see the same; and who profits
/// from it. Cards decide who is ahead; before the river that is only a part of the pot.
fn loss(turn: &Turn, strengths: &Strengths, others: u16, expected: Expected) -> Option<(usize, f32)> {
    const CERTAINTY: [f32; 4] = [0.3, 0.6, 0.8, 1.0];
    let mine = strengths.of[turn.actor]?;
    let alone = (others.count_ones() == 1).then(|| others.trailing_zeros() as usize);
    let b = alone.or(turn.aggressor.filter(|b| others & (1 << b) != 0))?;
    let theirs = strengths.of[b]?;
    if others.count_ones() > 3 {
        return None;
    }
    let ahead = mine > theirs;
    let certain = CERTAINTY[turn.street];
    let call = turn.to_call;
    let value_of = |put: f32| {
        let more = (put - call).max(0.0);
        if ahead { turn.pot * f32::from(u8::from(call > 0.0)) + 0.5 * more } else { -call - 0.7 * more }
    };
    let (passive, usual_raise) = (value_of(call), value_of(call + 0.7 * (turn.pot + call)));
    let taken = match turn.action {
        ActionKind::Fold => 0.0,
        ActionKind::Check | ActionKind::Call => passive,
        ActionKind::Raise => value_of(turn.put),
    };
    let fold = if call > 0.0 { expected.fold } else { 0.0 };
    let usual = (1.0 - fold - expected.raise).max(0.0) * passive + expected.raise * usual_raise;
    Some((b, certain * (usual - taken)))
}

/// Strengths of everybody who is in the hand on one street; `None` without cards.
struct Strengths {
    street: usize,
    of: [Option<f32>; SEATS_MAX],
    outs: [u8; SEATS_MAX],
}

impl Strengths {
    fn before_the_flop(hand: &EndedHand) -> Self {
        let mut strengths = Self { street: 0, of: [None; SEATS_MAX], outs: [0; SEATS_MAX] };
        for (at, seat) in hand.seats.iter().enumerate() {
            strengths.of[at] = seat.cards.map(preflop_percentile);
        }
        strengths
    }

    fn on(hand: &EndedHand, street: usize, live: u16) -> Self {
        let mut strengths = Self { street, of: [None; SEATS_MAX], outs: [0; SEATS_MAX] };
        let board: &[Card] = &hand.board[..hand.board.len().min([0, 3, 4, 5][street])];
        if board.len() < 3 {
            return strengths;
        }
        let measured = BoardStrength::new(board);
        for (at, seat) in hand.seats.iter().enumerate().filter(|(at, _)| live & (1 << at) != 0) {
            if let Some(cards) = seat.cards {
                strengths.of[at] = Some(measured.percentile(measured.rank(cards)));
                strengths.outs[at] = straight_or_better_outs(cards, board);
            }
        }
        strengths
    }
}

fn ends(key: u64) -> (usize, usize) {
    ((key >> 32) as usize, (key & 0xffff_ffff) as usize)
}

/// A hasher for pair keys, which are looked up for every hand. Keys are our own numbers, so nobody can provoke
/// collisions.
#[derive(Default)]
pub(crate) struct PairHasher(u64);

impl Hasher for PairHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.write_u64(u64::from(*byte)));
    }

    fn write_u64(&mut self, value: u64) {
        let mixed = (self.0 ^ value).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        self.0 = mixed ^ mixed >> 29;
    }
}
