//! The start of a hand: seats, stacks, antes, blinds and straddles.

use crate::dice::Dice;
use anyhow::Result;
use purr_engine::Chips;

/// By place: 0 is the button's left, the last place has the button. Heads-up that is the big blind
/// and the button with the small blind (WSOP 153).
#[derive(Clone, Debug)]
pub(crate) struct Start {
    pub(crate) stacks: Vec<Chips>,
    pub(crate) antes: Vec<Chips>,
    pub(crate) bets: Vec<Chips>,
    pub(crate) min_bet: Chips,
    /// Antes are each player's own and are matched like bets; else they are dead money.
    pub(crate) uniform: bool,
    /// Small and big bet, and most bets a street.
    pub(crate) limit: Option<(Chips, Chips, u8)>,
}

pub(crate) fn start(dice: &mut Dice) -> Result<Start> {
    let players = usize::try_from(dice.pick(&[2, 2, 3, 3, 3, 4, 4, 5, 6, 6, 7, 8, 9, 10])?)?;
    let small = dice.pick(&[1, 5, 25, 50, 7])?;
    let big = if dice.chance(80) { small * 2 } else { small * 3 + dice.roll(3) };
    let limit = dice.chance(10).then_some((big, big * 2, 4));
    let (uniform, antes) = antes(dice, players, big)?;
    let mut bets = vec![0; players];
    if players == 2 {
        (bets[0], bets[1]) = (big, small);
    } else {
        (bets[0], bets[1]) = (small, big);
        if limit.is_none() && dice.chance(15) {
            // A straddle at the big blind's left, three-handed that is the button.
            bets[2] = big * 2;
            if players > 3 && dice.chance(30) {
                bets[3] = big * 4;
            }
        }
    }
    let depth = dice.pick(&[2, 10, 40, 200])?;
    let even = dice.chance(10);
    let same = dice.between(1, big * depth);
    let stacks = (0..players)
        .map(|_| match dice.roll(10) {
            _ if even => same,
            // A stack too short for the blinds.
            0 => dice.between(1, big),
            // Whole blinds, so that stacks are often equal.
            1 | 2 => big * dice.between(1, depth),
            _ => dice.between(1, big * depth),
        })
        .collect();
    Ok(Start { stacks, antes, bets, min_bet: big, uniform, limit })
}

fn antes(dice: &mut Dice, players: usize, big: Chips) -> Result<(bool, Vec<Chips>)> {
    let ante = dice.between(1, big);
    let mut antes = vec![0; players];
    Ok(match dice.roll(10) {
        0..=3 => (dice.chance(50), antes),
        4..=6 => (true, vec![ante; players]),
        7 => (false, vec![ante; players]),
        _ => {
            // The big blind's place is 1, heads-up 0.
            antes[usize::from(players > 2)] = dice.pick(&[ante, big])?;
            (false, antes)
        }
    })
}
