//! How many tables a fleet is to have.

use super::observe::TableView;
use purr_crds::PokerTableFleetSpec;
use std::collections::VecDeque;

/// Tables a second that the buffer may add once a full buffer has been added. By the next second the data is current
/// again.
const REFILL_PER_S: i64 = 2;
/// A table that does not serve for longer than this is replaced for the time being, in seconds.
const LOST_S: i64 = 60;

/// Tables that a fleet is to have, and why.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Demand {
    /// Tables for `spec.replicas`, less outdated tables that still count for it.
    pub base: usize,
    /// Tables for players and the buffer; 0 without a buffer.
    pub players: usize,
    /// Free tables of the buffer.
    pub buffer: usize,
    /// Tables for a rollout, so that the buffer is kept while free tables move.
    pub surge: usize,
    /// Tables that replace those that do not serve.
    pub lost: usize,
    pub max: usize,
}

fn count(value: i32) -> usize {
    usize::try_from(value).unwrap_or_default()
}

impl Demand {
    /// Computes the demand from all existing tables of the fleet.
    pub fn of(spec: &PokerTableFleetSpec, tables: &[TableView], now_s: i64) -> Self {
        let live = || tables.iter().filter(|table| table.is_live());
        let occupied = live().filter(|table| table.is_occupied()).count();
        let mut buffer = buffer(spec, tables, occupied);
        let old = || tables.iter().filter(|table| !table.deleting && !table.same_play);
        if old().next().is_some() {
            // A new player always finds a table of the new kind, even if all outdated ones are full or closed: outdated
            // tables with players count for `spec.replicas` but accept nobody.
            buffer = buffer.max(1);
        }
        let old_occupied = old().filter(|table| table.is_occupied()).count();
        let base = count(spec.replicas).saturating_sub(old_occupied);
        let players = if buffer > 0 { occupied + buffer } else { 0 };
        let outdated = live().filter(|table| !table.same_pod).count();
        let spare = base.max(players).saturating_sub(occupied);
        let surge = if outdated > 0 && spare <= buffer && base.max(players) > 0 {
            outdated.min(count(spec.rollout.max_unavailable))
        } else {
            0
        };
        let lost = live().filter(|table| table.served && !table.ready && table.unready_s(now_s) > LOST_S);
        let lost = lost.count().min(buffer);
        Self { base, players, buffer, surge, lost, max: count(spec.max_replicas) }
    }

    /// Fewer tables than this are too few.
    pub fn least(&self) -> usize {
        self.with(self.players)
    }

    /// The same with another demand of players.
    pub fn with(&self, players: usize) -> usize {
        (self.base.max(players) + self.surge + self.lost).min(self.max)
    }
}

fn buffer(spec: &PokerTableFleetSpec, tables: &[TableView], occupied: usize) -> usize {
    let percent = (occupied * count(spec.buffer.percent)).div_ceil(100);
    let at_tables = tables.iter().filter(|table| table.is_live() && table.taking && table.is_occupied());
    let open: u32 = at_tables.map(|table| table.seats.saturating_sub(table.players)).sum();
    let missing = count(spec.buffer.seats).saturating_sub(usize::try_from(open).unwrap_or(usize::MAX));
    let seats = missing.div_ceil(count(spec.template.seats).max(1));
    count(spec.buffer.tables).max(percent).max(seats)
}

/// Recent demand, remembered between decisions so that changing load closes no tables. If it is lost, nothing is closed
/// for one window.
#[derive(Clone, Debug)]
pub struct Load {
    /// Recent demands with their times, in falling order, so that the first is the largest of the window.
    window: VecDeque<(i64, usize)>,
    /// When a table was last closed for lack of players.
    quiet_since_s: i64,
    /// The fleet's generation then.
    generation: i64,
    tokens: i64,
    refilled_s: i64,
}

impl Load {
    pub fn new(generation: i64, now_s: i64) -> Self {
        Self { window: VecDeque::new(), quiet_since_s: now_s, generation, tokens: 0, refilled_s: i64::MIN }
    }

    /// Adds the current demand; returns the largest of the window.
    pub fn largest(&mut self, players: usize, window_s: i64, now_s: i64) -> usize {
        while self.window.back().is_some_and(|(_, last)| *last <= players) {
            self.window.pop_back();
        }
        self.window.push_back((now_s, players));
        while self.window.front().is_some_and(|(at_s, _)| now_s - at_s > window_s) {
            self.window.pop_front();
        }
        self.window.front().map_or(players, |(_, largest)| *largest)
    }

    /// Whether tables may be closed because of few players. A change of the fleet ends the wait.
    pub fn may_close(&self, window_s: i64, generation: i64, now_s: i64) -> bool {
        generation != self.generation || now_s - self.quiet_since_s >= window_s
    }

    pub fn closed(&mut self, generation: i64, now_s: i64) {
        (self.quiet_since_s, self.generation) = (now_s, generation);
    }

    /// Takes up to this many tokens for new tables.
    pub fn take(&mut self, wanted: usize, buffer: usize, now_s: i64) -> usize {
        let capacity = i64::try_from(buffer).unwrap_or(i64::MAX).max(REFILL_PER_S);
        let passed = now_s.saturating_sub(self.refilled_s).min(capacity);
        self.tokens = (self.tokens + passed.max(0) * REFILL_PER_S).min(capacity);
        self.refilled_s = now_s;
        let taken = i64::try_from(wanted).unwrap_or(i64::MAX).min(self.tokens);
        self.tokens -= taken;
        usize::try_from(taken).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_demand_of_the_window_counts() {
        let mut load = Load::new(1, 0);
        assert_eq!(load.largest(9, 60, 0), 9);
        assert_eq!(load.largest(4, 60, 10), 9);
        assert_eq!(load.largest(6, 60, 60), 9);
        assert_eq!(load.largest(5, 60, 61), 6);
        assert_eq!(load.largest(7, 60, 62), 7);
        assert!(load.window.len() <= 2);
    }

    #[test]
    fn tokens_come_at_two_a_second_up_to_the_buffer() {
        let mut load = Load::new(1, 0);
        assert_eq!(load.take(20, 5, 100), 5);
        assert_eq!(load.take(20, 5, 100), 0);
        assert_eq!(load.take(20, 5, 101), 2);
        assert_eq!(load.take(1, 5, 200), 1);
        assert_eq!(load.take(20, 5, 200), 4);
    }
}
