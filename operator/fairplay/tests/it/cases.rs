//! Cases: reviewers' decisions, the third opinion, and appeals.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests may fail loudly")]

use purr_engine::PlayerId;
use purr_fairplay::{
    Scored, Signal, Subject,
    cases::{
        Action, Case, CaseError, CaseEvent, Opinion, Placement, REDACTED, Reviewer, State, next, open, place,
        says_nothing_new,
    },
    sanctions::{Sanction, apart, wanted},
};

fn player(number: u8) -> PlayerId {
    PlayerId([number; 20])
}

fn pair(a: u8, b: u8, signal: Signal) -> Scored {
    Scored {
        subject: Subject::Pair(player(a), player(b)),
        signal,
        score: 8.0,
        hands: 900,
        evidence: Vec::new(),
    }
}

fn opinion(reviewer: &str, action: Action, at: u64) -> CaseEvent {
    CaseEvent::Opinion(Opinion {
        reviewer: Reviewer(reviewer.into()),
        action,
        reasons: "five hands show it".into(),
        innocent_explanation: "two friends who like to chat".into(),
        at,
    })
}

fn opened() -> Case {
    open(pair(1, 2, Signal::Transfer), 10)
}

fn after(case: &Case, events: Vec<CaseEvent>) -> Case {
    events.into_iter().zip(11..).fold(case.clone(), |case, (event, at)| next(&case, event, at).unwrap())
}

#[test]
fn two_reviewers_who_agree_decide() {
    let case = after(&opened(), vec![opinion("ann", Action::KeepApart, 11)]);
    assert_eq!(case.state, State::Open);
    let case = after(&case, vec![opinion("bob", Action::KeepApart, 12)]);
    assert_eq!(case.state, State::Decided { action: Action::KeepApart });
}

#[test]
fn nothing_is_decided_without_people() {
    let mut case = opened();
    for score in 0..100 {
        let signal = Scored { score: f64::from(score), ..pair(1, 2, Signal::SoftPlay) };
        case = next(&case, CaseEvent::Signal(signal), 11).unwrap();
        assert_eq!(case.state, State::Open);
    }
    assert_eq!(case.signals.len(), 2, "the newest of a kind replaces the older");
}

#[test]
fn a_third_reviewer_decides_after_dissent() {
    let dissent =
        after(&opened(), vec![opinion("ann", Action::RefuseSeats, 1), opinion("bob", Action::Clear, 2)]);
    assert_eq!(dissent.state, State::Dissent);
    let case = next(&dissent, opinion("cid", Action::RefuseSeats, 3), 20).unwrap();
    assert_eq!(case.state, State::Decided { action: Action::RefuseSeats });
    let case = next(&dissent, opinion("cid", Action::Clear, 3), 20).unwrap();
    assert_eq!(case.state, State::Closed { action: Action::Clear });
}

#[test]
fn three_different_opinions_end_with_the_mildest() {
    let events = vec![
        opinion("ann", Action::HoldVouchers, 1),
        opinion("bob", Action::RefuseSeats, 2),
        opinion("cid", Action::KeepApart, 3),
    ];
    assert_eq!(after(&opened(), events).state, State::Decided { action: Action::KeepApart });
}

#[test]
fn one_reviewer_has_one_voice() {
    let case = after(&opened(), vec![opinion("ann", Action::KeepApart, 1)]);
    let again = next(&case, opinion("ann", Action::KeepApart, 2), 20);
    assert_eq!(again, Err(CaseError::SameReviewer(Reviewer("ann".into()))));
}

#[test]
fn an_appeal_is_decided_by_others_and_can_end_in_their_favour() {
    let events = vec![opinion("ann", Action::KeepApart, 1), opinion("bob", Action::KeepApart, 2)];
    let decided = after(&opened(), events);
    let appeal = |by| CaseEvent::Appeal { by: player(by), text: "we are brothers".into() };
    assert_eq!(next(&decided, appeal(9), 30), Err(CaseError::NotAMember(player(9))));
    let appealed = next(&decided, appeal(1), 30).unwrap();
    assert_eq!(appealed.state, State::Appealed { action: Action::KeepApart });
    let before = next(&appealed, opinion("ann", Action::Clear, 31), 31);
    assert_eq!(before, Err(CaseError::DecidedBefore(Reviewer("ann".into()))));
    let events = vec![opinion("cid", Action::Clear, 40), opinion("dan", Action::Clear, 41)];
    let closed = events.into_iter().fold(appealed, |case, event| next(&case, event, 40).unwrap());
    assert_eq!(closed.state, State::Closed { action: Action::Clear });
    assert!(matches!(
        next(&closed, opinion("eve", Action::Clear, 50), 50),
        Err(CaseError::NotUnderReview(_))
    ));
}

#[test]
fn an_action_against_a_person_needs_reasons_and_an_innocent_explanation() {
    let bare = |action, reasons: &str| {
        CaseEvent::Opinion(Opinion {
            reviewer: Reviewer("ann".into()),
            action,
            reasons: reasons.into(),
            innocent_explanation: String::new(),
            at: 1,
        })
    };
    assert_eq!(next(&opened(), bare(Action::Clear, " "), 20), Err(CaseError::NoReasons));
    let sanction = next(&opened(), bare(Action::RefuseSeats, "hands"), 20);
    assert_eq!(sanction, Err(CaseError::NoInnocentExplanation));
    assert!(next(&opened(), bare(Action::Clear, "hands"), 20).is_ok());
}

#[test]
fn a_group_has_one_case_and_nobody_joins_what_is_decided() {
    let open_case = opened();
    assert_eq!(place(std::slice::from_ref(&open_case), &pair(2, 3, Signal::SoftPlay)), Placement::Join(0));
    assert_eq!(place(std::slice::from_ref(&open_case), &pair(4, 5, Signal::SoftPlay)), Placement::New);
    let events = vec![opinion("ann", Action::KeepApart, 1), opinion("bob", Action::KeepApart, 2)];
    let decided = after(&open_case, events);
    assert_eq!(place(std::slice::from_ref(&decided), &pair(2, 1, Signal::Isolation)), Placement::Join(0));
    assert_eq!(place(std::slice::from_ref(&decided), &pair(2, 3, Signal::Isolation)), Placement::New);
    let stranger = next(&decided, CaseEvent::Signal(pair(2, 3, Signal::Isolation)), 30);
    assert_eq!(stranger, Err(CaseError::OtherGroup(player(3))));
}

#[test]
fn who_is_spied_on_is_no_member() {
    let case = open(pair(1, 2, Signal::KnowsCards), 1);
    assert_eq!(case.members.into_iter().collect::<Vec<_>>(), [player(1)]);
}

#[test]
fn only_a_sanction_can_be_appealed_and_time_does_not_go_back() {
    let appeal = CaseEvent::Appeal { by: player(1), text: "why".into() };
    assert_eq!(next(&opened(), appeal.clone(), 20), Err(CaseError::NothingToAppeal(State::Open)));
    assert_eq!(next(&opened(), appeal, 9), Err(CaseError::TimeWentBack { given: 9, last: 10 }));
}

#[test]
fn the_same_signal_again_is_no_news_and_a_stronger_one_after_closing_is() {
    let first = pair(1, 2, Signal::Transfer);
    let case = open(first.clone(), 1);
    let stronger = |by: f64| Scored { score: first.score + by, ..first.clone() };
    assert!(says_nothing_new(std::slice::from_ref(&case), &stronger(0.4)));
    assert!(!says_nothing_new(std::slice::from_ref(&case), &stronger(0.6)));
    let longer = Scored { hands: first.hands * 2, ..first.clone() };
    assert!(!says_nothing_new(std::slice::from_ref(&case), &longer));
    // The other way round is the same pair; another pair and another statistic are not.
    let turned = pair(2, 1, Signal::Transfer);
    assert!(says_nothing_new(std::slice::from_ref(&case), &turned));
    assert!(!says_nothing_new(std::slice::from_ref(&case), &pair(1, 3, Signal::Transfer)));
    let other = Scored { signal: Signal::Isolation, ..first.clone() };
    assert!(!says_nothing_new(std::slice::from_ref(&case), &other));
    // A cleared case needs a stronger signal to be reopened.
    let closed = Case { state: State::Closed { action: Action::Clear }, ..case };
    assert!(says_nothing_new(std::slice::from_ref(&closed), &stronger(0.9)));
    assert!(!says_nothing_new(std::slice::from_ref(&closed), &stronger(1.1)));
}

#[test]
fn sanctions_are_in_force_from_the_decision_to_the_end_of_the_appeal_and_every_one_keeps_apart() {
    let case = open(pair(1, 2, Signal::Transfer), 1);
    let with = |state| Case { state, ..case.clone() };
    let hold = Action::HoldVouchers;
    let in_force =
        [State::Decided { action: hold }, State::Appealed { action: hold }, State::Closed { action: hold }];
    for state in in_force {
        let case = with(state);
        let wanted = wanted([(7, &case)].into_iter());
        let expected = [1, 2].map(|n| ((player(n), Sanction::HoldVouchers), 7));
        assert_eq!(wanted.into_iter().collect::<Vec<_>>(), expected);
        assert_eq!(apart([&case].into_iter()).into_iter().collect::<Vec<_>>(), [[player(1), player(2)]]);
    }
    for state in [State::Open, State::Dissent, State::Closed { action: Action::Clear }] {
        let case = with(state);
        assert!(wanted([(7, &case)].into_iter()).is_empty() && apart([&case].into_iter()).is_empty());
    }
    // A case that only keeps its members apart asks the signer for nothing.
    let case = with(State::Decided { action: Action::KeepApart });
    assert!(wanted([(7, &case)].into_iter()).is_empty() && !apart([&case].into_iter()).is_empty());
}

#[test]
fn a_cleared_case_past_its_retention_has_no_texts_and_hands_and_its_events_play_the_same() {
    use purr_fairplay_hands::HandKey;
    let evidence = vec![HandKey { table: "t".into(), hand: 7 }];
    let signal = Scored { evidence, ..pair(1, 2, Signal::Transfer) };
    let appeal = CaseEvent::Appeal { by: player(1), text: "we only tilt, my name is Ann".into() };
    let events = vec![
        opinion("ann", Action::KeepApart, 11),
        opinion("bob", Action::KeepApart, 12),
        appeal,
        opinion("cid", Action::Clear, 14),
        opinion("dan", Action::Clear, 15),
    ];
    let closed = after(&open(signal.clone(), 10), events.clone());
    assert_eq!(closed.state, State::Closed { action: Action::Clear });
    let redacted = closed.redacted();
    let CaseEvent::Signal(first) = CaseEvent::Signal(signal).redacted() else { unreachable!() };
    let again = after(&open(first, 10), events.into_iter().map(CaseEvent::redacted).collect());
    assert_eq!(again, redacted);
    let text = serde_json::to_string(&redacted).unwrap();
    assert!(!text.contains("Ann") && !text.contains("five hands") && !text.contains("chat"), "{text}");
    assert_eq!(redacted.appeal.as_deref(), Some(REDACTED));
    assert!(redacted.signals.iter().all(|signal| signal.evidence.is_empty()));
    // A cleared case is not opened again.
    assert!(says_nothing_new(&[redacted], &pair(1, 2, Signal::Transfer)));
}
