//! Cases: from a signal to the reviewers' decision, as one transition function.
//!
//! [`next`] takes a case and an event and returns the case after it, or why the event is not possible. Nothing here
//! acts: a decision names an [`Action`] with reasons, and whoever carries it out cites the case. No action can affect a
//! player's exit clock.

use crate::signal::{Scored, Signal};
use purr_engine::{Millis, PlayerId};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// Longest text of reasons and explanations, in bytes.
pub const TEXT_BYTES_MAX: usize = 8_192;
/// Signals kept on one case: the strongest.
pub const SIGNALS_MAX: usize = 64;
/// Members of one group; beyond it a signal opens a case of its own.
pub const MEMBERS_MAX: usize = 64;
/// Reviewers who agree to decide a case; a third is asked on dissent.
pub const REVIEWERS: usize = 2;

/// A reviewer, by the name used to sign in.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Reviewer(pub String);

/// Possible decisions about a player or a group. None of them stops an exit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Action {
    /// The signal had an innocent explanation.
    Clear,
    /// The members are not seated at the same table.
    KeepApart,
    /// The members get no new seats.
    RefuseSeats,
    /// Vouchers of the members wait for a decision; exits on chain do not.
    HoldVouchers,
}

impl Action {
    /// Whether the action acts against a person, so that it can be appealed.
    pub fn is_sanction(self) -> bool {
        self != Self::Clear
    }
}

/// The opinion of one reviewer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Opinion {
    pub reviewer: Reviewer,
    pub action: Action,
    pub reasons: String,
    /// Another explanation of the findings; mandatory in an opinion against a player.
    pub innocent_explanation: String,
    pub at: Millis,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum State {
    /// Waits for reviewers.
    Open,
    /// Two reviewers disagree; a third decides.
    Dissent,
    /// Decided; a sanction may be appealed.
    Decided { action: Action },
    /// Appealed: reviewers who have not decided the case before review it again.
    Appealed { action: Action },
    /// Final: cleared, or the appeal is decided.
    Closed { action: Action },
}

/// One group under suspicion.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Case {
    pub members: BTreeSet<PlayerId>,
    pub signals: Vec<Scored>,
    pub state: State,
    /// Opinions of the round that runs or ran last.
    pub opinions: Vec<Opinion>,
    /// Reviewers who decided in an earlier round: they may not decide the appeal.
    pub earlier: BTreeSet<Reviewer>,
    /// Text of the appeal.
    #[serde(default)]
    pub appeal: Option<String>,
    pub opened_at: Millis,
    pub updated_at: Millis,
}

/// An event of a case.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum CaseEvent {
    /// Another signal about members of the group.
    Signal(Scored),
    Opinion(Opinion),
    /// A member appeals against a sanction.
    Appeal {
        by: PlayerId,
        text: String,
    },
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CaseError {
    #[error("the case is {0:?}: nothing more is decided about it")]
    NotUnderReview(State),
    #[error("reviewer {0:?} has given an opinion in this round already")]
    SameReviewer(Reviewer),
    #[error("reviewer {0:?} decided before the appeal: others must decide it")]
    DecidedBefore(Reviewer),
    #[error("an opinion needs reasons")]
    NoReasons,
    #[error("an action against a person needs the innocent explanation that was considered")]
    NoInnocentExplanation,
    #[error("a text of {given} bytes: at most {TEXT_BYTES_MAX} are kept")]
    TooLong { given: usize },
    #[error("{0} is not a member of this case")]
    NotAMember(PlayerId),
    #[error("the case is {0:?}: only a sanction that was decided can be appealed")]
    NothingToAppeal(State),
    #[error("the signal is about {0} who is not a member of this case")]
    OtherGroup(PlayerId),
    #[error("time went back from {last} to {given} ms")]
    TimeWentBack { given: Millis, last: Millis },
}

/// Players that a signal speaks of.
pub fn members_of(scored: &Scored) -> BTreeSet<PlayerId> {
    match (scored.subject, scored.signal) {
        // The player whose cards are known is a victim, not a member.
        (crate::Subject::Pair(a, _), Signal::KnowsCards) => [a].into(),
        (crate::Subject::Pair(a, b), _) => [a, b].into(),
        (crate::Subject::Player(a), _) => [a].into(),
    }
}

/// Opens a case. [`place`] decides which case a signal belongs to.
pub fn open(scored: Scored, now: Millis) -> Case {
    Case {
        members: members_of(&scored),
        signals: vec![scored],
        state: State::Open,
        opinions: Vec::new(),
        earlier: BTreeSet::new(),
        appeal: None,
        opened_at: now,
        updated_at: now,
    }
}

/// The case that a signal belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Placement {
    /// An existing case, whose group the signal is about or extends.
    Join(usize),
    New,
}

/// Places a signal. It joins the first case that is under review and shares a member with it. A decided case takes
/// signals about its own members, as new facts for an appeal; any other signal opens a new case, so that nobody is
/// added to a decided case.
pub fn place(cases: &[Case], scored: &Scored) -> Placement {
    let members = members_of(scored);
    let under_review = |case: &Case| matches!(case.state, State::Open | State::Dissent);
    let extends = |case: &Case| {
        under_review(case)
            && !case.members.is_disjoint(&members)
            && case.members.union(&members).count() <= MEMBERS_MAX
    };
    let within =
        |case: &Case| !matches!(case.state, State::Closed { .. }) && members.is_subset(&case.members);
    cases
        .iter()
        .position(within)
        .or_else(|| cases.iter().position(extends))
        .map_or(Placement::New, Placement::Join)
}

/// Least growth of a signal's score that counts as new, in standard deviations; for a closed case, growth beyond what
/// it has seen.
const NEWS: f64 = 0.5;
const NEWS_AFTER_CLOSING: f64 = 1.0;

/// Whether a signal only repeats what a case about its members has already: the same statistic, hardly stronger and
/// over hardly more hands. Without this check every look would record the same signal again, and reopen cleared cases.
pub fn says_nothing_new(cases: &[Case], scored: &Scored) -> bool {
    let members = members_of(scored);
    cases.iter().filter(|case| members.is_subset(&case.members)).any(|case| {
        let (more, times_4) = match case.state {
            State::Closed { .. } => (NEWS_AFTER_CLOSING, 6),
            _ => (NEWS, 5),
        };
        case.signals.iter().any(|known| {
            known.signal == scored.signal
                && known.subject.undirected() == scored.subject.undirected()
                && scored.score < known.score + more
                && u64::from(scored.hands) * 4 < u64::from(known.hands) * times_4
        })
    })
}

/// Returns the case after an event; the given case is unchanged.
///
/// # Errors
/// What stands against it.
pub fn next(case: &Case, event: CaseEvent, now: Millis) -> Result<Case, CaseError> {
    if now < case.updated_at {
        return Err(CaseError::TimeWentBack { given: now, last: case.updated_at });
    }
    let mut case = case.clone();
    case.updated_at = now;
    match (case.state, event) {
        (State::Closed { .. }, _) => Err(CaseError::NotUnderReview(case.state)),
        (state, CaseEvent::Signal(scored)) => {
            let members = members_of(&scored);
            if matches!(state, State::Decided { .. } | State::Appealed { .. })
                && let Some(stranger) = members.difference(&case.members).next()
            {
                return Err(CaseError::OtherGroup(*stranger));
            }
            case.members.extend(members);
            add_signal(&mut case.signals, scored);
            Ok(case)
        }
        (State::Open | State::Dissent | State::Appealed { .. }, CaseEvent::Opinion(opinion)) => {
            check(&case, &opinion)?;
            case.opinions.push(opinion);
            case.state = tally(&case);
            Ok(case)
        }
        (State::Decided { action }, CaseEvent::Appeal { by, text }) if action.is_sanction() => {
            if !case.members.contains(&by) {
                return Err(CaseError::NotAMember(by));
            }
            if text.len() > TEXT_BYTES_MAX {
                return Err(CaseError::TooLong { given: text.len() });
            }
            case.earlier.extend(case.opinions.drain(..).map(|opinion| opinion.reviewer));
            case.appeal = Some(text);
            case.state = State::Appealed { action };
            Ok(case)
        }
        (state, CaseEvent::Appeal { .. }) => Err(CaseError::NothingToAppeal(state)),
        (state @ State::Decided { .. }, CaseEvent::Opinion(_)) => Err(CaseError::NotUnderReview(state)),
    }
}

fn check(case: &Case, opinion: &Opinion) -> Result<(), CaseError> {
    if case.opinions.iter().any(|known| known.reviewer == opinion.reviewer) {
        return Err(CaseError::SameReviewer(opinion.reviewer.clone()));
    }
    if case.earlier.contains(&opinion.reviewer) {
        return Err(CaseError::DecidedBefore(opinion.reviewer.clone()));
    }
    if opinion.reasons.trim().is_empty() {
        return Err(CaseError::NoReasons);
    }
    if opinion.action.is_sanction() && opinion.innocent_explanation.trim().is_empty() {
        return Err(CaseError::NoInnocentExplanation);
    }
    let given = opinion.reasons.len().max(opinion.innocent_explanation.len());
    if given > TEXT_BYTES_MAX { Err(CaseError::TooLong { given }) } else { Ok(()) }
}

/// Two reviewers who agree decide. After dissent the third decides: together with the one who chose the same action,
/// else for the mildest of the three actions, because doubt favours the player.
fn tally(case: &Case) -> State {
    let actions: Vec<Action> = case.opinions.iter().map(|opinion| opinion.action).collect();
    let agreed =
        actions.iter().find(|action| actions.iter().filter(|other| other == action).count() >= REVIEWERS);
    let settled = match (agreed, actions.len()) {
        (Some(action), _) => Some(*action),
        (None, count) if count > REVIEWERS => actions.iter().min().copied(),
        _ => None,
    };
    match (case.state, settled) {
        (State::Appealed { .. }, Some(action)) => State::Closed { action },
        (_, Some(action)) if action.is_sanction() => State::Decided { action },
        (_, Some(action)) => State::Closed { action },
        (state @ State::Appealed { .. }, None) => state,
        (_, None) if actions.len() == REVIEWERS => State::Dissent,
        (state, None) => state,
    }
}

/// Replaces a text that is past its retention.
pub const REDACTED: &str = "(redacted: past its retention)";

impl Case {
    /// The case without texts and hands. Members, statistics and scores stay, so that nobody is accused again of what
    /// was cleared.
    #[must_use]
    pub fn redacted(mut self) -> Self {
        self.signals.iter_mut().for_each(|signal| signal.evidence.clear());
        self.opinions.iter_mut().for_each(Opinion::redact);
        self.appeal = self.appeal.map(|_| REDACTED.to_owned());
        self
    }
}

impl CaseEvent {
    /// The event without texts and hands; [`next`] treats it like the original.
    #[must_use]
    pub fn redacted(mut self) -> Self {
        match &mut self {
            Self::Signal(scored) => scored.evidence.clear(),
            Self::Opinion(opinion) => opinion.redact(),
            Self::Appeal { text, .. } => REDACTED.clone_into(text),
        }
        self
    }
}

impl Opinion {
    fn redact(&mut self) {
        REDACTED.clone_into(&mut self.reasons);
        REDACTED.clone_into(&mut self.innocent_explanation);
    }
}

/// Adds a signal: the newest of a kind about the same players replaces the older one; beyond the limit the weakest is
/// dropped.
fn add_signal(signals: &mut Vec<Scored>, scored: Scored) {
    let same = |known: &Scored| known.signal == scored.signal && known.subject == scored.subject;
    signals.retain(|known| !same(known));
    signals.push(scored);
    signals.sort_by(|a, b| b.score.total_cmp(&a.score));
    signals.truncate(SIGNALS_MAX);
}
