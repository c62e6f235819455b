//! Hands into text.

use super::{
    Phh, PhhError,
    value::{Key, Quoted, list},
};
use std::fmt;

/// A list of anything that can be written.
struct List<'a, T>(&'a [T]);

impl<T: fmt::Display> fmt::Display for List<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        list(f, self.0)
    }
}

/// The fields of the hand, one a line, in the order of the specification.
impl fmt::Display for Phh {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "variant = '{}'", self.variant.code())?;
        writeln!(f, "ante_trimming_status = {}", self.ante_trimming_status)?;
        writeln!(f, "antes = {}", List(&self.antes))?;
        writeln!(f, "blinds_or_straddles = {}", List(&self.blinds_or_straddles))?;
        let bets = [
            ("bring_in", self.bring_in),
            ("small_bet", self.small_bet),
            ("big_bet", self.big_bet),
            ("min_bet", self.min_bet),
        ];
        for (name, bet) in bets {
            if let Some(bet) = bet {
                writeln!(f, "{name} = {bet}")?;
            }
        }
        writeln!(f, "starting_stacks = {}", List(&self.starting_stacks))?;
        let actions: Vec<String> = self.actions.iter().map(ToString::to_string).collect();
        writeln!(f, "actions = {}", List(&quoted(&actions)))?;
        for (name, value) in &self.fields {
            writeln!(f, "{} = {value}", Key(name))?;
        }
        if let Some(players) = &self.players {
            writeln!(f, "players = {}", List(&quoted(players)))?;
        }
        for (name, stacks) in [("finishing_stacks", &self.finishing_stacks), ("winnings", &self.winnings)] {
            if let Some(stacks) = stacks {
                writeln!(f, "{name} = {}", List(stacks))?;
            }
        }
        Ok(())
    }
}

fn quoted(texts: &[String]) -> Vec<Quoted<'_>> {
    texts.iter().map(|text| Quoted(text)).collect()
}

impl Phh {
    /// The hand as a `.phh`.
    pub fn to_text(&self) -> Result<String, PhhError> {
        Ok(self.to_string())
    }
}

/// Hands by name as a `.phhs`.
pub fn write_all<'a>(hands: impl IntoIterator<Item = (&'a str, &'a Phh)>) -> String {
    use fmt::Write as _;
    let mut text = String::new();
    for (name, hand) in hands {
        // Writing to a string does not fail.
        let _ = writeln!(text, "[{}]\n{hand}", Key(name));
    }
    text
}
