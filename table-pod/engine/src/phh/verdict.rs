//! Compares the end that a hand names with the engine's result.

use super::{Amount, Phh, PhhError, Played, Replayer, Stack, draft::PLAYERS_MAX};
use crate::ids::Chips;
use std::fmt;

/// Finer than this nothing is compared.
const FINEST: u8 = 18;
/// A part of a unit that a float may be off by.
const NOISE: i128 = 1_000_000;

/// How the stated result of a hand agrees with the replayed one.
///
/// # Assumptions
/// A room's rake is at most a tenth of what was in the pots, or one smallest unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// To the chip.
    Exact,
    /// The hand states neither finishing stacks nor winnings.
    Untold,
    /// The winners got less than the pots, and nobody else lost any of it: another room's rake.
    Rake,
    /// Players who shared a pot differ by odd chips: by another rule, or by chips of a larger unit.
    OddChip,
    /// The result may depend on unknown cards.
    UnknownCards,
    Mismatch,
}

impl Verdict {
    pub const ALL: [Self; 6] =
        [Self::Exact, Self::Untold, Self::Rake, Self::OddChip, Self::UnknownCards, Self::Mismatch];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Exact => "exact",
            Self::Untold => "untold",
            Self::Rake => "rake",
            Self::OddChip => "oddChip",
            Self::UnknownCards => "unknownCards",
            Self::Mismatch => "mismatch",
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outcome {
    pub verdict: Verdict,
    /// The amount missing at the end, in units of the hand: the room's rake if the verdict says so.
    pub missing: i128,
    pub played: Played,
}

/// The difference between two lists of results, in parts of 10^-[`FINEST`].
struct Difference {
    by: [i128; PLAYERS_MAX],
    sum: i128,
}

impl Replayer {
    /// Plays the hand and compares.
    ///
    /// # Errors
    /// As [`Replayer::play`].
    pub fn outcome(&mut self, hand: &Phh) -> Result<Outcome, PhhError> {
        let played = self.play(hand)?;
        Ok(played.compare(hand))
    }
}

impl Played {
    pub fn compare(&self, hand: &Phh) -> Outcome {
        let unit = 10i128.pow(u32::from(FINEST.saturating_sub(self.decimals)));
        let stacks = hand.finishing_stacks.as_ref().map(|told| {
            // A stack that was not known at the start cannot be at the end.
            let open = |player: usize| hand.starting_stacks[player].known().is_none();
            self.difference(told, unit, |player| (!open(player)).then_some(self.stacks[player]))
        });
        let judged = |by: Difference| (self.judge(&by, hand, unit), -by.sum / unit);
        // Some rooms count an uncalled bet as won: the reading that fits better counts.
        let winnings = hand.winnings.as_ref().and_then(|told| {
            let without = self.difference(told, unit, |player| Some(self.won[player]));
            let with = self.difference(told, unit, |player| Some(self.won[player] + self.uncalled[player]));
            [without, with].map(judged).into_iter().min_by_key(|(verdict, _)| *verdict)
        });
        let results = [stacks.map(judged), winnings];
        let verdict = results.iter().flatten().map(|(verdict, _)| *verdict).max();
        let missing = results.iter().flatten().map(|(_, missing)| *missing).next().unwrap_or(0);
        Outcome { verdict: verdict.unwrap_or(Verdict::Untold), missing, played: *self }
    }

    fn difference(&self, told: &[Stack], unit: i128, ours: impl Fn(usize) -> Option<Chips>) -> Difference {
        let mut by = [0; PLAYERS_MAX];
        for (player, stack) in told.iter().enumerate().take(self.players) {
            if let Some(told) = stack.known().map(finest) {
                by[player] = ours(player).map_or(0, |ours| told - parts(ours, unit));
            }
        }
        // The error of a float is no difference.
        let noise = unit / NOISE;
        for difference in &mut by {
            if difference.abs() <= noise {
                *difference = 0;
            }
        }
        Difference { by, sum: by.iter().sum() }
    }

    fn judge(&self, difference: &Difference, hand: &Phh, unit: i128) -> Verdict {
        let Difference { by, sum } = difference;
        if self.guessed {
            return if self.is_plausible(difference, unit) {
                Verdict::UnknownCards
            } else {
                Verdict::Mismatch
            };
        }
        if by.iter().all(|by| *by == 0) {
            return Verdict::Exact;
        }
        if !self.finished {
            return Verdict::Mismatch;
        }
        let chip = self.chip(hand, unit);
        let winners = self.won.iter().filter(|won| **won > 0).count();
        let won_nothing_and_differs =
            (0..self.players).any(|player| self.won[player] == 0 && by[player] != 0);
        let splits = i128::try_from(self.pots.max(1) * winners.saturating_sub(1)).unwrap_or(0);
        // Whatever the distribution of odd chips, nobody gets more than one less of each pot.
        let odd = chip * splits;
        let even = chip * i128::try_from(self.pots.max(1)).unwrap_or(1);
        if !won_nothing_and_differs {
            let shared = by.iter().all(|by| (-even..=odd).contains(by));
            if winners > 1 && sum.abs() <= unit / NOISE * 10 && shared {
                return Verdict::OddChip;
            }
            let own = hand.field("_rake").and_then(|rake| match rake {
                super::Value::Number(text) => text.parse::<Amount>().ok().map(finest),
                _ => None,
            });
            let fits = own.is_none_or(|own| own == -sum);
            if *sum < 0 && fits && -sum <= self.rake_max(unit) && by.iter().all(|by| *by <= odd) {
                return Verdict::Rake;
            }
        }
        if self.veiled && self.is_plausible(difference, unit) {
            return Verdict::UnknownCards;
        }
        Verdict::Mismatch
    }

    /// Whether the difference can be another room's rake: no chips were added, no more than a rake is missing, nobody
    /// lost more than was won here, and nobody won after a fold.
    fn is_plausible(&self, Difference { by, sum }: &Difference, unit: i128) -> bool {
        let possible = by.iter().zip(&self.won).zip(&self.live);
        *sum <= 0
            && -sum <= self.rake_max(unit)
            && possible.into_iter().all(|((by, won), live)| -by <= parts(*won, unit) && (*live || *by <= 0))
    }

    fn rake_max(&self, unit: i128) -> i128 {
        let pots: Chips = self.won.iter().sum();
        (parts(pots, unit) / 10).max(unit)
    }

    /// The largest chip that everything in the hand can be counted in: what odd chips are chips of.
    fn chip(&self, hand: &Phh, unit: i128) -> i128 {
        let known = hand.starting_stacks.iter().filter_map(|stack| stack.known());
        let bets = hand.antes.iter().chain(&hand.blinds_or_straddles).copied();
        known.chain(bets).map(finest).fold(0, gcd).max(unit)
    }
}

fn gcd(a: i128, b: i128) -> i128 {
    let (mut a, mut b) = (a.abs(), b.abs());
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

fn parts(chips: Chips, unit: i128) -> i128 {
    i128::from(chips) * unit
}

/// The amount in parts of 10^-[`FINEST`]; finer digits are cut off.
fn finest(amount: Amount) -> i128 {
    let finer = amount.decimals.saturating_sub(FINEST);
    let cut = i128::from(amount.digits) / 10i128.pow(u32::from(finer));
    let digits = Amount { digits: i64::try_from(cut).unwrap_or(i64::MAX), decimals: amount.decimals - finer };
    digits.units(FINEST).unwrap_or(i128::MAX / 32)
}
