//! Budgets per second: what is not used in a second is lost.

/// Status writes a second that nobody acts on, for all tables together.
const SLOW_PER_S: u64 = 10;

/// Writes or events that may still happen in the current second.
#[derive(Clone, Copy, Debug)]
pub struct Spare {
    per_s: u64,
    left: u64,
    second: u64,
}

impl Default for Spare {
    /// The budget of status writes that nobody acts on.
    fn default() -> Self {
        Self::of(SLOW_PER_S)
    }
}

impl Spare {
    pub const fn of(per_s: u64) -> Self {
        Self { per_s, left: per_s, second: 0 }
    }

    /// Takes one from the budget of second `now_s`. False: none is left until the next second.
    pub fn take(&mut self, now_s: u64) -> bool {
        if self.second != now_s {
            *self = Self { left: self.per_s, second: now_s, ..*self };
        }
        let is_left = self.left > 0;
        self.left = self.left.saturating_sub(1);
        is_left
    }
}
