//! Which tables' entries go to the chain next.

/// A table with entries that wait.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiting {
    pub uid: String,
    /// Since the oldest was accepted.
    pub age_ms: u64,
    /// Hands before the first sit, top-up or leave.
    pub hands: u64,
    /// Whether a sit, top-up or leave waits.
    pub seating: bool,
    pub max_hands: u64,
    pub max_delay_ms: u64,
}

impl Waiting {
    /// Milliseconds until the entries are due: a sit, top-up or leave waits for nothing, hands for others of their table.
    pub fn due_in_ms(&self) -> u64 {
        if self.seating || self.hands >= self.max_hands {
            return 0;
        }
        self.max_delay_ms.saturating_sub(self.age_ms)
    }
}

/// The tables that are due, oldest first, at most `most`; and in how many milliseconds the next one is.
pub fn choose(mut waiting: Vec<Waiting>, most: usize) -> (Vec<Waiting>, Option<u64>) {
    let later = waiting.iter().map(Waiting::due_in_ms).filter(|due| *due > 0).min();
    waiting.retain(|table| table.due_in_ms() == 0);
    waiting.sort_by(|a, b| b.age_ms.cmp(&a.age_ms).then_with(|| a.uid.cmp(&b.uid)));
    // More tables wait than one transaction takes: the next round starts at once.
    let next = if waiting.len() > most { Some(0) } else { later };
    waiting.truncate(most);
    (waiting, next)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(n: u64, age_ms: u64) -> Waiting {
        let uid = format!("{n:05}");
        Waiting { uid, age_ms, hands: 1, seating: false, max_hands: 4, max_delay_ms: 1_000 }
    }

    #[test]
    fn hands_wait_for_others_and_a_seating_for_nothing() {
        assert_eq!(table(1, 400).due_in_ms(), 600);
        assert_eq!(table(1, 1_000).due_in_ms(), 0);
        assert_eq!(Waiting { hands: 4, ..table(1, 0) }.due_in_ms(), 0);
        assert_eq!(Waiting { seating: true, ..table(1, 0) }.due_in_ms(), 0);
    }

    #[test]
    fn ten_thousand_tables_that_wait_do_not_keep_the_one_that_is_due_waiting() {
        let mut all: Vec<Waiting> = (0..10_000).map(|n| table(n, 100)).collect();
        all[9_999].age_ms = 2_000;
        let (due, next) = choose(all, 64);
        assert_eq!(due.iter().map(|table| table.uid.as_str()).collect::<Vec<_>>(), ["09999"]);
        assert_eq!(next, Some(900));
    }

    #[test]
    fn the_oldest_go_first_and_the_rest_at_once_after_them() {
        let all = (0..100).map(|n| table(n, 1_000 + n)).collect();
        let (due, next) = choose(all, 64);
        assert_eq!((due.len(), due[0].age_ms, due[63].age_ms, next), (64, 1_099, 1_036, Some(0)));
        assert_eq!(choose(Vec::new(), 64), (Vec::new(), None));
    }
}
