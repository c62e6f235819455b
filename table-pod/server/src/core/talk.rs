//! What players say to the table: bounded in length and rate by player, told to who is attached, and kept nowhere.

use super::{Core, Step};
use purr_engine::{Millis, PlayerId, SeatIndex};
use purr_protocol::{ChatRule, pb};
use std::collections::{BTreeMap, VecDeque};

/// Characters of a line.
pub const LINE_MAX: usize = 120;
/// Things that were said which can still be reported.
const REPORTABLE_MAX: usize = 64;
/// Each thing said costs so much of a player's allowance.
const SAY_EVERY_MS: Millis = 3_000;
/// The allowance: four things at once.
const SAY_AHEAD_MS: Millis = 4 * SAY_EVERY_MS;
/// Players whose allowance is remembered; beyond it, those whose allowance is full are forgotten first.
const PLAYERS_MAX: usize = 64;

/// Why nothing is said or reported.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum NotSaid {
    #[error("nothing is said at this table")]
    Off,
    #[error("this table has reactions only")]
    ReactionsOnly,
    #[error("a line has 1 to {LINE_MAX} characters and no control characters, or is a reaction")]
    Line,
    #[error("too much at once: say it in {} s", .0.div_ceil(1_000))]
    TooMuch(Millis),
    #[error("nothing of number {0} can be reported any more")]
    Unknown(u64),
    #[error("what you said yourself is not reported")]
    Own,
}

/// Something that was said, as long as it can be reported.
#[derive(Debug)]
struct Line {
    number: u64,
    player: PlayerId,
    text: String,
    reaction: pb::Reaction,
    reported_by: Vec<PlayerId>,
}

/// What was said at this process.
#[derive(Debug, Default)]
pub(super) struct Talk {
    last: u64,
    lines: VecDeque<Line>,
    /// When each player's allowance is full again.
    full_at: BTreeMap<PlayerId, Millis>,
}

impl Talk {
    /// Takes a player's share of the rate, whatever connection it comes on.
    fn spend(&mut self, player: PlayerId, now: Millis) -> Result<(), NotSaid> {
        let full_at = self.full_at.get(&player).copied().unwrap_or(0).max(now) + SAY_EVERY_MS;
        if full_at - now > SAY_AHEAD_MS {
            return Err(NotSaid::TooMuch(full_at - now - SAY_AHEAD_MS));
        }
        if self.full_at.len() >= PLAYERS_MAX {
            self.full_at.retain(|_, full_at| *full_at > now);
        }
        self.full_at.insert(player, full_at);
        Ok(())
    }
}

/// Characters that draw nothing or turn the direction of what follows, so that a line looks like another one
/// (Unicode Technical Report 36, section 2.7).
fn hides(letter: char) -> bool {
    letter.is_control()
        || matches!(letter, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

impl Core {
    /// Tells everybody at the table what this seat says.
    pub(super) fn say(
        &mut self,
        seat: SeatIndex,
        player: PlayerId,
        say: &pb::Say,
        step: &mut Step,
    ) -> Result<(), NotSaid> {
        let (text, reaction) = (say.text.trim(), say.reaction());
        match self.spec.room.chat {
            ChatRule::Off => return Err(NotSaid::Off),
            ChatRule::Reactions if !text.is_empty() => return Err(NotSaid::ReactionsOnly),
            ChatRule::Reactions | ChatRule::Text => {}
        }
        let is_reaction = reaction != pb::Reaction::Unspecified;
        if is_reaction != text.is_empty() || text.chars().count() > LINE_MAX || text.chars().any(hides) {
            return Err(NotSaid::Line);
        }
        let talk = &mut self.talk;
        talk.spend(player, self.now)?;
        talk.last += 1;
        let line =
            Line { number: talk.last, player, text: text.to_owned(), reaction, reported_by: Vec::new() };
        step.said.push(pb::Said {
            number: line.number,
            seat: seat.0.into(),
            player: player.to_string(),
            text: line.text.clone(),
            reaction: reaction.into(),
        });
        talk.lines.push_back(line);
        if talk.lines.len() > REPORTABLE_MAX {
            talk.lines.pop_front();
        }
        Ok(())
    }

    /// Brings what was said to the staff's notice, once for each player who reports it.
    pub(super) fn report(&mut self, player: PlayerId, number: u64) -> Result<(), NotSaid> {
        let line = self.talk.lines.iter_mut().find(|line| line.number == number);
        let line = line.ok_or(NotSaid::Unknown(number))?;
        if line.player == player {
            return Err(NotSaid::Own);
        }
        if !line.reported_by.contains(&player) {
            line.reported_by.push(player);
            let reaction = line.reaction.as_str_name();
            tracing::warn!(
                table = %self.uid, said_by = %line.player, reported_by = %player, text = ?line.text, reaction,
                "a player reports what was said"
            );
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_player_says_four_things_at_once_and_one_more_every_three_seconds() {
        let mut talk = Talk::default();
        let (one, other) = (PlayerId([1; 20]), PlayerId([2; 20]));
        for _ in 0..4 {
            assert_eq!(talk.spend(one, 1_000), Ok(()));
        }
        assert_eq!(talk.spend(one, 1_000), Err(NotSaid::TooMuch(3_000)));
        assert_eq!(talk.spend(other, 1_000), Ok(()), "nobody uses another player's share");
        assert_eq!(talk.spend(one, 3_999), Err(NotSaid::TooMuch(1)));
        assert_eq!(talk.spend(one, 4_000), Ok(()));
    }

    #[test]
    fn players_who_are_remembered_are_bounded() {
        let mut talk = Talk::default();
        for at in 0..=255 {
            talk.spend(PlayerId([at; 20]), u64::from(at) * 60_000).unwrap();
        }
        assert!(talk.full_at.len() <= PLAYERS_MAX);
    }

    #[test]
    fn what_hides_in_a_line_is_found() {
        assert!("a\u{202e}b".chars().any(hides) && "a\nb".chars().any(hides));
        assert!(!"Schönes Blatt, n1 🙂".chars().any(hides));
    }
}
