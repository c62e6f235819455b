//! Think times: of people, and of programs that pretend to be people.

use crate::persona::Pace;
use purr_fairplay_hands::Random;

/// How a program spends time before it acts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Clockwork {
    /// A person, not a program.
    Human,
    /// A constant delay, apart from the network.
    Naive,
    /// A uniform delay.
    Jittered,
    /// A person's distribution, whatever the decision.
    Imitating,
}

/// Shortest and longest time; the longest is within the turn's clock.
const MS_MIN: f64 = 250.0;
const MS_MAX: f64 = 13_500.0;

pub(crate) fn think_ms(
    pace: &Pace,
    clockwork: Clockwork,
    difficulty: f64,
    mood: f64,
    random: &mut Random,
) -> u32 {
    let ms = match clockwork {
        Clockwork::Human => {
            (pace.base + pace.slope * (difficulty - 0.4) + mood + pace.spread * random.normal()).exp()
        }
        Clockwork::Naive => 1_200.0 + random.range(0.0, 60.0),
        Clockwork::Jittered => random.range(700.0, 3_200.0),
        Clockwork::Imitating => (pace.base + pace.spread * 1.15 * random.normal()).exp(),
    };
    ms.clamp(MS_MIN, MS_MAX) as u32
}

/// From 0 for an obvious decision to 1 for a close one in a big pot.
pub(crate) fn difficulty(margin: f64, pot_blinds: f64) -> f64 {
    0.7 * (-margin / 0.12).exp() + 0.3 * ((1.0 + pot_blinds / 4.0).ln() / 3.0).min(1.0)
}
