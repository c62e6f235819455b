//! The number that fences a table's processes.

use serde::{Deserialize, Serialize};
use std::fmt;

/// Generations end here: numbers pass through Redis scripts, whose integers are exact up to 2^53.
pub const GENERATION_END: u64 = 1 << 37;
/// Bits of an epoch that count restarts.
const RESTART_BITS: u32 = 16;

/// Generation of the pod, times 2^16, plus the restarts of the process in this pod. Of two processes of one table, the one
/// with the higher epoch may write.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Epoch(u64);

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("generation {0} of a table is not below {GENERATION_END}")]
pub struct GenerationTooLarge(pub u64);

impl Epoch {
    /// # Errors
    /// Where `generation` is [`GENERATION_END`] or more.
    pub const fn new(generation: u64, restarts: u16) -> Result<Self, GenerationTooLarge> {
        if generation >= GENERATION_END {
            return Err(GenerationTooLarge(generation));
        }
        Ok(Self((generation << RESTART_BITS) + restarts as u64))
    }

    /// Returns the epoch that a number stands for.
    pub const fn from_number(number: u64) -> Self {
        Self(number)
    }

    /// Returns the number that is stored and sent.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// Returns the generation of the pod: the controller raises it before it creates a pod.
    pub const fn generation(self) -> u64 {
        self.0 >> RESTART_BITS
    }
}

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_generation_that_redis_would_round_is_refused() {
        assert_eq!(Epoch::new(GENERATION_END, 0), Err(GenerationTooLarge(GENERATION_END)));
        assert!(Epoch::new(GENERATION_END - 1, u16::MAX).unwrap().get() < 1 << 53);
    }

    proptest! {
        #[test]
        fn a_later_process_has_a_higher_epoch(
            generation in 0..GENERATION_END - 1, restarts in 0..u16::MAX, later in 0..u16::MAX,
        ) {
            let epoch = Epoch::new(generation, restarts).unwrap();
            prop_assert_eq!(epoch.generation(), generation);
            prop_assert_eq!(Epoch::from_number(epoch.get()), epoch);
            prop_assert!(Epoch::new(generation, restarts + 1).unwrap() > epoch);
            prop_assert!(Epoch::new(generation + 1, later).unwrap() > epoch);
        }
    }
}
