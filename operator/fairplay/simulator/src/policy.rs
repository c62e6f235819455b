//! Decisions of simulated players from what they may see. They are cheap: a few comparisons with the strength of the
//! hand.

use crate::persona::Style;
use purr_engine::{Action, Card, Chips, LegalActions, Street};
use purr_fairplay_hands::Random;

/// The view of the player to act, with the player's own hand strength.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Spot {
    pub(crate) street: Street,
    /// Share of hands that are weaker.
    pub(crate) strength: f64,
    pub(crate) outs: u8,
    pub(crate) legal: LegalActions,
    pub(crate) pot: Chips,
    pub(crate) big_blind: Chips,
    /// Bets and raises on this street, without blinds.
    pub(crate) raises: u8,
    pub(crate) opponents: usize,
    /// Button or the seat before it.
    pub(crate) late: bool,
    /// Raised last on the street before.
    pub(crate) initiative: bool,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Choice {
    Fold,
    /// Checks or calls.
    Passive,
    /// Bets or raises by this fraction of the pot.
    Raise(f64),
}

impl Choice {
    pub(crate) fn is_raise(self) -> bool {
        matches!(self, Self::Raise(_))
    }

    pub(crate) fn differs(self, other: Self) -> bool {
        std::mem::discriminant(&self) != std::mem::discriminant(&other)
    }
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Decided {
    pub(crate) choice: Choice,
    /// Distance from the nearest threshold to another choice.
    pub(crate) margin: f64,
}

/// A mixed choice; bots do not mix and take the likelier option.
fn mixes(probability: f64, bot: bool, random: &mut Random) -> bool {
    if bot { probability > 0.5 } else { random.chance(probability) }
}

pub(crate) fn decide(spot: &Spot, style: &Style, bot: bool, random: &mut Random) -> Decided {
    let decided = match spot.street {
        Street::Preflop => preflop(spot, style, bot, random),
        _ => postflop(spot, style, bot, random),
    };
    if spot.legal.check && decided.choice == Choice::Fold {
        return Decided { choice: Choice::Passive, ..decided };
    }
    decided
}

fn price(spot: &Spot) -> f64 {
    let call = spot.legal.call.unwrap_or(0) as f64;
    call / (spot.pot as f64 + call)
}

fn preflop(spot: &Spot, style: &Style, bot: bool, random: &mut Random) -> Decided {
    let strength = spot.strength + style.noise * if bot { 0.0 } else { random.normal() };
    let width = style.vpip * if spot.late { 1.3 } else { 0.85 };
    let (raise_from, call_from) = match spot.raises {
        0 => (1.0 - width * style.raise, 1.0 - width),
        1 => {
            let wide = width * (0.6 + style.sticky) * (1.6 - 1.8 * price(spot)).clamp(0.4, 1.4);
            (1.0 - style.three_bet, 1.0 - wide.max(style.three_bet))
        }
        _ => (
            0.985 - 0.02 * style.aggression,
            0.955 - 0.25 * style.sticky.max(-0.05) - 0.02 * style.aggression,
        ),
    };
    let margin = (strength - raise_from).abs().min((strength - call_from).abs());
    let bluff = spot.raises == 1 && strength > 0.5 && mixes(style.bluff * 0.12, bot, random);
    let choice = if strength > raise_from || bluff {
        Choice::Raise(if spot.raises == 0 { 1.0 + 0.4 * style.sizes[0] } else { 0.9 })
    } else if strength > call_from {
        Choice::Passive
    } else {
        Choice::Fold
    };
    Decided { choice, margin }
}

fn postflop(spot: &Spot, style: &Style, bot: bool, random: &mut Random) -> Decided {
    let error = style.noise * if bot { 0.0 } else { random.normal() };
    let crowd = 1.0 + 0.4 * spot.opponents.saturating_sub(1) as f64;
    let mut strength = (spot.strength + error).clamp(0.0, 1.0).powf(crowd);
    if spot.street != Street::River && spot.outs >= 8 {
        strength = strength.max(0.48 + 0.012 * f64::from(spot.outs));
    }
    let size = if bot {
        style.sizes[1]
    } else {
        let place = if strength > 0.9 { random.below(2) + 1 } else { random.below(3) };
        style.sizes[place] * random.range(0.92, 1.08)
    };
    if spot.legal.check {
        let bet_from = 0.84 - 0.3 * style.aggression - if spot.initiative { 0.1 } else { 0.0 };
        let bluff = style.bluff * if spot.initiative { 1.8 } else { 0.6 } / crowd;
        let bets = (strength > bet_from && mixes(0.85, bot, random)) || mixes(bluff, bot, random);
        let choice = if bets { Choice::Raise(size) } else { Choice::Passive };
        return Decided { choice, margin: (strength - bet_from).abs() };
    }
    let call_from = price(spot) + 0.2 + 0.12 * f64::from(spot.raises.saturating_sub(1)) - style.sticky;
    let raise_from = 0.94 - 0.1 * style.aggression + 0.025 * f64::from(spot.raises.saturating_sub(1));
    let margin = (strength - call_from).abs().min((strength - raise_from).abs());
    let choice =
        if strength > raise_from && mixes(0.75, bot, random) || mixes(style.bluff * 0.12, bot, random) {
            Choice::Raise(size)
        } else if strength > call_from {
            Choice::Passive
        } else {
            Choice::Fold
        };
    Decided { choice, margin }
}

/// Each player prefers some hands to others of the same strength.
pub(crate) fn taste(seed: u64, cards: [Card; 2], strength: f64) -> f64 {
    let suited = u64::from(cards[0].suit() == cards[1].suit());
    let (high, low) = (cards[0].rank().max(cards[1].rank()), cards[0].rank().min(cards[1].rank()));
    let class = u64::from(high) << 5 | u64::from(low) << 1 | suited;
    strength + Random::new(seed ^ class.wrapping_mul(0x9e37_79b9)).range(-0.05, 0.05)
}

/// The action for a choice, given the bet to match on this street and the player's chips in front.
pub(crate) fn sized(choice: Choice, spot: &Spot, bet: Chips, in_front: Chips) -> Action {
    match (choice, spot.legal.raise_to) {
        (Choice::Fold, _) => Action::Fold,
        (Choice::Raise(fraction), Some((min, max))) => {
            let call = spot.legal.call.unwrap_or(0);
            let to = bet + ((spot.pot + call) as f64 * fraction) as Chips;
            // A player who would have little left goes all in.
            let to = if (to - in_front.min(to)) * 10 > (max - in_front) * 7 { max } else { to };
            Action::RaiseTo(to.clamp(min, max))
        }
        _ if spot.legal.check => Action::Check,
        _ => Action::Call,
    }
}
