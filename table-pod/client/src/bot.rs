//! A player without judgement: every legal action now and then, by chance. A function of view and dice.

use crate::view::{Turn, View};
use purr_engine::Action;
use purr_protocol::pb::{self, ActionKind};

/// Chance by seed (SplitMix64): the same seed gives the same rolls.
#[derive(Clone, Debug)]
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A number from 0 to `sides` - 1; 0 if `sides` is 0.
    pub fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)).checked_rem(sides).unwrap_or(0)
    }
}

/// Chooses the action; `None` when it is not one's turn.
pub fn act(view: &View, dice: &mut Dice) -> Option<pb::Act> {
    let turn = view.your_turn()?;
    let pot = view.hand().map_or(0, |hand| hand.pot);
    Some(to_message(&turn, choose(&turn, pot, dice)))
}

/// The answer to whether to run it twice, where one is asked: yes three times in four.
pub fn answer(view: &View, dice: &mut Dice) -> Option<pb::RunItTwice> {
    let hand = view.your_question()?;
    Some(pb::RunItTwice { hand, agree: dice.roll(4) > 0 })
}

/// The wish to straddle, by chance where the table has straddles: one bot in three has it.
pub fn wish(view: &View, dice: &mut Dice) -> Option<pb::Straddle> {
    let (_, chair) = view.your_seat()?;
    let wanted = view.table()?.straddles && !chair.straddle && dice.roll(3) == 0;
    wanted.then_some(pb::Straddle { on: true })
}

/// The wish about hands that may be mucked, by chance: one bot in four is asked, one in eight always shows.
pub fn show_wish(dice: &mut Dice) -> Option<pb::WishShow> {
    let wish = match dice.roll(8) {
        0 | 1 => pb::ShowWish::Ask,
        2 => pb::ShowWish::Show,
        _ => return None,
    };
    Some(pb::WishShow { wish: wish.into() })
}

/// The answer to whether to show a hand, where one is asked: yes every other time.
pub fn show(view: &View, dice: &mut Dice) -> Option<pb::ShowHand> {
    let hand = view.may_show()?;
    Some(pb::ShowHand { hand, show: dice.roll(2) == 0 })
}

/// Mostly calls, so that hands reach the showdown; raises, folds, and goes all-in at times. Most large
/// bets are folded to, so that a buy-in lasts for some dozens of hands.
fn choose(turn: &Turn, pot: u64, dice: &mut Dice) -> Action {
    let options = &turn.options;
    let passive = if options.check { Action::Check } else { Action::Call };
    // A quarter of the stack or more.
    let pressed =
        options.call.is_some_and(|call| options.raise_max.is_none_or(|max| call.saturating_mul(4) >= max));
    let folds = if pressed { 750 } else { 400 };
    match (dice.roll(1_000), options.raise_min, options.raise_max) {
        (0..=3, _, Some(max)) => Action::RaiseTo(max),
        (4..=79, Some(min), _) if !pressed => Action::RaiseTo(min),
        (80..=179, Some(min), Some(max)) if !pressed => {
            let top = min.saturating_add(pot / 2).min(max);
            Action::RaiseTo(min + dice.roll(top.saturating_sub(min).saturating_add(1)))
        }
        (180.., ..) if !options.check && dice.roll(1_000) < folds => Action::Fold,
        _ => passive,
    }
}

/// An action as a command that answers this turn and no later one.
pub fn to_message(turn: &Turn, action: Action) -> pb::Act {
    let (kind, amount) = match action {
        Action::Fold => (ActionKind::Fold, 0),
        Action::Check => (ActionKind::Check, 0),
        Action::Call => (ActionKind::Call, 0),
        Action::RaiseTo(amount) => (ActionKind::RaiseTo, amount),
    };
    pb::Act { hand: turn.hand, kind: kind.into(), amount, question: Some(turn.question) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn turn(check: bool, raise: Option<(u64, u64)>) -> Turn {
        let options = pb::Options {
            check,
            call: (!check).then_some(10),
            raise_min: raise.map(|(min, _)| min),
            raise_max: raise.map(|(_, max)| max),
        };
        Turn { hand: 1, options, question: pb::Question::default() }
    }

    proptest! {
        #[test]
        fn every_choice_is_legal(
            seed: u64, check: bool, open: bool, min in 1u64..10_000, more in 0u64..1 << 53, pot in 0u64..1 << 53,
        ) {
            let raise = open.then_some((min, min + more));
            match choose(&turn(check, raise), pot, &mut Dice::new(seed)) {
                Action::Fold | Action::Call => prop_assert!(!check),
                Action::Check => prop_assert!(check),
                Action::RaiseTo(total) => {
                    prop_assert!(open);
                    prop_assert!((min..=min + more).contains(&total));
                }
            }
        }

        #[test]
        fn the_same_seed_chooses_the_same(seed: u64) {
            let choices = || {
                let mut dice = Dice::new(seed);
                (0..50).map(|_| choose(&turn(false, Some((20, 1_000))), 30, &mut dice)).collect::<Vec<_>>()
            };
            prop_assert_eq!(choices(), choices());
        }
    }

    #[test]
    fn every_kind_of_action_comes_up() {
        let mut dice = Dice::new(1);
        let choices: Vec<Action> =
            (0..10_000).map(|_| choose(&turn(false, Some((20, 1_000))), 30, &mut dice)).collect();
        for wanted in [Action::Fold, Action::Call, Action::RaiseTo(20), Action::RaiseTo(1_000)] {
            assert!(choices.contains(&wanted), "{wanted:?}");
        }
        assert!(choices.iter().any(|c| matches!(c, Action::RaiseTo(total) if (21..1_000).contains(total))));
    }
}
