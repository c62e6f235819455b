//! Explanations of signals for reviewers: what was measured against what, which innocent explanation there is, and what
//! would overturn the signal.

use crate::{
    judge::normal_tail,
    signal::{Scored, Signal},
};
use serde::Serialize;

/// Beside the figures of a signal, in plain words.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Explained {
    pub signal: Signal,
    /// The measured quantity.
    pub measured: &'static str,
    /// The quantity that it is compared with.
    pub baseline: &'static str,
    /// Honest behaviour that could produce the same signal.
    pub innocent: &'static str,
    /// Evidence that would overturn the signal.
    pub overturn: &'static str,
    /// Upper bound of the probability that one honest pair or player shows so much by chance.
    pub chance_max: f64,
}

const OWN_HABITS: &str = "what the first does to all other opponents and what others do to the second, without the opponent \
    who differs most; the width of that difference is measured over all pairs";

/// Explains one signal.
pub fn explain(scored: &Scored) -> Explained {
    let (measured, baseline, innocent, overturn) = match scored.signal {
        Signal::Transfer => (
            "big blinds that the first's actions gave the second, against what players do who see the same; cards that lose \
             by themselves cost nothing",
            OWN_HABITS,
            "tilt against one opponent, or a long run of big hands played badly by a weak player who met this opponent most",
            "the same losses to other opponents at other tables, or hands of the evidence that most players would play so",
        ),
        Signal::SoftPlay => (
            "bets and raises that are missing when the two are alone in the pot",
            OWN_HABITS,
            "respect for one strong opponent, friends who like each other's company, a style that is passive heads-up",
            "value bets of strong hands against each other that cost the other a stack",
        ),
        Signal::Isolation => (
            "raises against third players while the other is in the pot",
            OWN_HABITS,
            "seats: who acts after a loose player raises to be alone with that player",
            "the same raises from the same seats beside other players",
        ),
        Signal::HiddenCardsExact | Signal::HiddenCards => (
            "actions that follow cards of a player whose cards the actor could not see",
            "chance where the other has not acted yet; later what players with this public story hold, corrected by habits",
            "a read of timing or bet sizes; cards that were shown by mistake; where the other has acted, a range that the \
             model does not know",
            "the dependence ends when only hands are counted in which the other had not acted",
        ),
        Signal::RaisesFollowCards => (
            "raises that follow the other's hidden cards",
            "chance where the other has not acted yet; later what players with this public story hold, corrected by habits",
            "a read of timing or bet sizes of this one opponent",
            "as many raises into the other's strong hands at other tables",
        ),
        Signal::KnowsCards => (
            "strong play when ahead and weak play when behind, against one opponent",
            "how often a hand of this strength is ahead of a player with this public story",
            "a good read of one very transparent opponent",
            "the same quality of decisions against opponents of whom nothing could be known",
        ),
        Signal::Superuser => (
            "strong play when ahead and weak play when behind, against everybody",
            "how often a hand of this strength is ahead of a player with this public story; the width over all players",
            "an excellent player at tables of weak ones; the statistic grows slowly for skill and fast for knowledge",
            "ordinary mistakes in large pots in which the cards would have said better",
        ),
        Signal::BotTiming => (
            "think times, whether they follow the difficulty of the decision, their spread, and the variety of bet sizes",
            "the population's think times for the same decisions",
            "a hotkey or a habit of one fixed pace; a slow connection that hides differences",
            "pace that changes with hard decisions in hands of another day; an answer to a message at the table",
        ),
        Signal::SamePerson => (
            "the distance between two styles of play, of accounts that never meet though they would have by chance",
            "distances between all players who can be compared",
            "two students of one teacher or one solver, in different time zones",
            "both accounts in play at the same time, from places that one person cannot be at",
        ),
    };
    Explained {
        signal: scored.signal,
        measured,
        baseline,
        innocent,
        overturn,
        chance_max: normal_tail(scored.score),
    }
}
