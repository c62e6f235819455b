//! Measures how long hands have waited for the chain.
//!
//! A player who asks on chain to leave is paid what the chain has when the exit clock ends; a hand that it gets later
//! counts for nobody. So no hand starts while the oldest that is not final is older than half of that clock. And once the
//! player has asked, the vault takes a bounded count of the sequence's numbers for the seat: hands beyond it never settle.
//! So no hand starts either while half of that count waits.

use purr_engine::Millis;
use purr_protocol::settlement::TableStatus;
use std::collections::VecDeque;

/// Hands whose times are stored separately; further ones count as old as the first of them.
const HANDS_MAX: usize = 1_024;

/// The vault's limits after a player has requested an exit; zeros: unknown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ExitBounds {
    /// Seconds until the player is paid without anybody's help.
    pub delay_s: u64,
    /// Numbers of the table's sequence that may still touch the player's seat.
    pub sequences: u64,
}

impl From<&TableStatus> for ExitBounds {
    fn from(status: &TableStatus) -> Self {
        Self { delay_s: status.exit_delay_s, sequences: status.exit_sequences }
    }
}

/// By this process's clock; earlier times come from the signer.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    /// Half the vault's exit clock; `None` where nothing leaves without the signer, and while it is not known.
    limit_ms: Option<i64>,
    /// Half the number of entries that the vault still accepts after an exit was requested; `None`: as above.
    limit_count: Option<u64>,
    /// Numbers of hands that are not final, and when each ended.
    hands: VecDeque<(u64, i64)>,
}

impl Waiting {
    pub fn exit_bounds(&mut self, bounds: ExitBounds) {
        let half = i64::try_from(bounds.delay_s.saturating_mul(500)).unwrap_or(i64::MAX);
        self.limit_ms = (half > 0).then_some(half);
        self.limit_count = (bounds.sequences > 0).then_some((bounds.sequences / 2).max(1));
    }

    /// Whether as many numbers of the sequence wait for the chain as may.
    pub fn too_many(&self, sequence: u64, confirmed: u64) -> bool {
        self.limit_count.is_some_and(|limit| sequence.saturating_sub(confirmed) >= limit)
    }

    /// Notes that the hands up to this number are not final, and how long their oldest had waited when this process's
    /// clock began.
    pub fn before(&mut self, through: u64, seconds: u64) {
        if seconds > 0 {
            let since = i64::try_from(seconds.saturating_mul(1_000)).map_or(i64::MIN, |ms| -ms);
            self.hands.push_front((through, since));
        }
    }

    pub fn ended(&mut self, seq: u64, now: Millis) {
        let full = self.hands.len() >= HANDS_MAX;
        match self.hands.back_mut().filter(|_| full) {
            Some((last, _)) => *last = seq,
            None => self.hands.push_back((seq, signed(now))),
        }
    }

    /// Everything up to this number is final.
    pub fn settled(&mut self, through: u64) {
        while self.hands.front().is_some_and(|(seq, _)| *seq <= through) {
            self.hands.pop_front();
        }
    }

    /// Milliseconds for which the oldest unconfirmed hand has waited.
    pub fn oldest_ms(&self, now: Millis) -> Millis {
        let waited = self.hands.front().map_or(0, |(_, since)| signed(now).saturating_sub(*since));
        Millis::try_from(waited).unwrap_or(0)
    }

    pub fn too_long(&self, now: Millis) -> bool {
        let (Some(limit), Some((_, since))) = (self.limit_ms, self.hands.front()) else { return false };
        signed(now).saturating_sub(*since) > limit
    }
}

fn signed(at: Millis) -> i64 {
    i64::try_from(at).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hand_may_wait_for_half_the_exit_clock_and_no_longer() {
        let mut waiting = Waiting::default();
        waiting.ended(3, 1_000);
        assert!(!waiting.too_long(Millis::MAX), "nothing is known of an exit clock");
        waiting.exit_bounds(ExitBounds { delay_s: 60, sequences: 0 });
        assert!(!waiting.too_long(31_000) && waiting.too_long(31_001));
        waiting.ended(4, 20_000);
        waiting.settled(2);
        assert!(waiting.too_long(31_001));
        waiting.settled(3);
        assert!(!waiting.too_long(50_000) && waiting.too_long(50_001));
        waiting.settled(4);
        assert!(!waiting.too_long(Millis::MAX));
        waiting.exit_bounds(ExitBounds { delay_s: 0, sequences: 0 });
        waiting.ended(5, 0);
        assert!(!waiting.too_long(Millis::MAX));
    }

    #[test]
    fn half_of_the_numbers_that_an_exit_leaves_may_wait_and_no_more() {
        let mut waiting = Waiting::default();
        assert!(!waiting.too_many(u64::MAX, 0), "nothing is known of the vault");
        waiting.exit_bounds(ExitBounds { delay_s: 0, sequences: 300 });
        assert!(!waiting.too_many(1_149, 1_000) && waiting.too_many(1_150, 1_000));
        waiting.exit_bounds(ExitBounds { delay_s: 0, sequences: 1 });
        assert!(!waiting.too_many(5, 5) && waiting.too_many(6, 5));
    }

    #[test]
    fn what_waited_before_this_process_counts_with_its_age() {
        let mut waiting = Waiting::default();
        waiting.exit_bounds(ExitBounds { delay_s: 60, sequences: 0 });
        waiting.before(9, 29);
        waiting.ended(10, 0);
        assert!(!waiting.too_long(1_000) && waiting.too_long(1_001));
        waiting.settled(9);
        assert!(!waiting.too_long(30_000) && waiting.too_long(30_001));
    }

    #[test]
    fn more_hands_than_are_kept_apart_count_as_older_than_they_are_never_as_younger() {
        let mut waiting = Waiting::default();
        waiting.exit_bounds(ExitBounds { delay_s: 60, sequences: 0 });
        let count = HANDS_MAX as u64 + 10;
        (1..=count).for_each(|seq| waiting.ended(seq, seq));
        assert_eq!(waiting.hands.len(), HANDS_MAX);
        waiting.settled(count - 1);
        assert!(waiting.too_long(30_001 + HANDS_MAX as u64));
        waiting.settled(count);
        assert!(waiting.hands.is_empty());
    }
}
