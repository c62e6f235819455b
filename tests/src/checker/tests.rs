//! A short correct history, and the ways to break it.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests may fail loudly")]

use super::*;
use purr_engine::{PlayerId, SeatIndex};
use purr_protocol::settlement::{Entry, EntryBody, Permit, SeatDelta};

const T: &str = "t";
const PLAYERS: [&str; 2] = ["a", "b"];

fn told(player: &str, epoch: u64, offset: u64, told: Told) -> Record {
    let pod = Some(format!("pod-{epoch}"));
    Record::Told { table: T.into(), player: player.into(), pod, epoch, offset, told }
}

fn events(player: &str, epoch: u64, offset: u64, seen: Vec<Seen>) -> Record {
    told(player, epoch, offset, Told::Events { seen, public: offset })
}

fn text(cards: &[&str]) -> Vec<String> {
    cards.iter().map(ToString::to_string).collect()
}

fn entry(seq: u64, body: EntryBody) -> Record {
    Record::Settled { table: T.into(), entry: Entry { seq, body } }
}

fn sit(seat: u8) -> EntryBody {
    let permit = Permit { amount: 100, max_total_rake: 9, expiry_s: 0, nonce: 0, signature: String::new() };
    EntryBody::Sit { seat: SeatIndex(seat), player: PlayerId([seat; 20]), permit }
}

fn hand(deltas: [i64; 2], hash: &str) -> EntryBody {
    let deltas = [0, 1].map(|seat| SeatDelta {
        seat: SeatIndex(seat),
        player: PlayerId([seat; 20]),
        delta: deltas[usize::from(seat)],
    });
    EntryBody::Hand { hand: 1, deltas: deltas.into(), rake: 1, record_hash: hash.into(), next: String::new() }
}

fn commit(number: u64, chips: u64, sequence: u64, applied: &[u64]) -> Survivor {
    Survivor {
        table: T.into(),
        epoch: 1,
        number,
        chips,
        sequence,
        confirmed: sequence.min(2),
        applied: [("a".to_owned(), applied.to_vec())].into(),
        ..Survivor::default()
    }
}

/// Two sit, one hand: a bets (id 7), the flop, a wins 9 and the house 1.
fn good() -> Vec<Record> {
    let mut all = Vec::new();
    for (player, seat, cards) in [("a", 0, ["As", "Ah"]), ("b", 1, ["Kd", "Kc"])] {
        all.push(told(
            player,
            1,
            1,
            Told::Snapshot { seat: Some(seat), hand: None, cards: vec![], board: vec![] },
        ));
        let dealt = Seen::Dealt { seat, cards: text(&cards) };
        all.push(events(player, 1, 2, vec![Seen::Started { hand: 1 }, dealt]));
    }
    all.push(Record::Asked { table: T.into(), player: "a".into(), id: 7, hand: Some(1) });
    for player in PLAYERS {
        let board = Seen::Board { cards: text(&["2c", "3c", "4c"]) };
        all.push(events(player, 1, 3, vec![Seen::Acted { seat: 0 }, board]));
    }
    all.push(told("a", 1, 3, Told::Ack { id: 7, at_offset: 3 }));
    for player in PLAYERS {
        let results = [(0, 9), (1, -10)].into();
        all.push(events(player, 1, 4, vec![Seen::Ended { hand: 1, void: false, rake: 1, results }]));
    }
    all.extend((1..=3).map(|number| Record::Acknowledged { table: T.into(), epoch: 1, number }));
    all.push(Record::Survived(commit(1, 200, 2, &[])));
    all.push(Record::Survived(commit(2, 200, 2, &[7])));
    let record = HandSeen {
        hand: 1,
        hash: "h".into(),
        void: false,
        board: text(&["2c", "3c", "4c"]),
        holes: [(0, text(&["As", "Ah"])), (1, text(&["Kd", "Kc"]))].into(),
    };
    all.push(Record::Survived(Survivor { hand: Some(record), ..commit(3, 199, 3, &[7]) }));
    all.extend([entry(1, sit(0)), entry(2, sit(1)), entry(3, hand([9, -10], "h"))]);
    all.push(Record::Purse(Purse { granted: 1_000, held: 800 }));
    all
}

/// Returns the faults that are found when every record is put through `change`, which may drop or add.
fn broken(change: impl Fn(Record) -> Vec<Record>) -> Vec<Violation> {
    check(&good().into_iter().flat_map(change).collect::<Vec<_>>())
}

fn commits(change: impl Fn(&mut Survivor)) -> Vec<Violation> {
    broken(|mut record| {
        if let Record::Survived(commit) = &mut record {
            change(commit);
        }
        vec![record]
    })
}

#[track_caller]
fn names(found: &[Violation], is: impl Fn(&Violation) -> bool) {
    assert!(found.iter().any(is), "{found:?}");
}

#[test]
fn a_good_history_passes_also_as_json_lines() {
    assert_eq!(check(&good()), []);
    let lines: Vec<String> = good().iter().map(|record| serde_json::to_string(record).unwrap()).collect();
    let read: Vec<Record> = lines.iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(read, good());
}

#[test]
fn chips_that_appear_at_a_table_are_named_with_their_commit() {
    let found = commits(|commit| commit.chips += u64::from(commit.number == 2));
    assert_eq!(found, [Violation::ChipsNotConserved { table: T.into(), number: 2, chips: 201, wanted: 200 }]);
}

#[test]
fn chips_missing_from_the_whole_are_named() {
    let found = broken(|record| match record {
        Record::Purse(_) => vec![Record::Purse(Purse { granted: 1_000, held: 799 })],
        // Covered by another test.
        Record::Ledger(_) => vec![],
        other => vec![other],
    });
    assert_eq!(found, [Violation::PurseNotConserved { granted: 1_000, found: 999 }]);
}

#[test]
fn a_hand_settled_under_two_numbers_or_not_at_all_is_named() {
    let twice = broken(|record| match &record {
        Record::Settled { entry: e, .. } if e.seq == 3 => vec![record, entry(4, hand([9, -10], "h"))],
        _ => vec![record],
    });
    names(&twice, |v| matches!(v, Violation::SettledTwice { hand: 1, first: 3, second: 4, .. }));
    let never = broken(|record| match &record {
        Record::Settled { entry, .. } if entry.seq == 3 => vec![],
        _ => vec![record],
    });
    names(&never, |v| matches!(v, Violation::NotSettled { hand: 1, .. }));
}

#[test]
fn a_hand_settled_with_other_results_is_named() {
    let found = broken(|record| match &record {
        Record::Settled { entry: e, .. } if e.seq == 3 => vec![entry(3, hand([-10, 9], "h"))],
        _ => vec![record],
    });
    names(&found, |v| matches!(v, Violation::SettledOtherwise { hand: 1, seq: 3, .. }));
    let sum = broken(|record| match &record {
        Record::Settled { entry: e, .. } if e.seq == 3 => vec![entry(3, hand([10, -10], "h"))],
        _ => vec![record],
    });
    names(&sum, |v| matches!(v, Violation::HandNotConserved { hand: 1, sum: 1, .. }));
}

#[test]
fn a_hand_recorded_with_other_cards_than_were_seen_is_named() {
    let found = commits(|commit| {
        if let Some(hand) = &mut commit.hand {
            hand.holes.insert(1, text(&["Qd", "Qc"]));
        }
    });
    names(&found, |v| matches!(v, Violation::OtherCards { hand: 1, player, .. } if player == "b"));
    let board = commits(|commit| {
        if let Some(hand) = &mut commit.hand {
            hand.board[0] = "5c".into();
        }
    });
    names(&board, |v| matches!(v, Violation::OtherCards { player, .. } if player == "a"));
    let none = commits(|commit| commit.hand = None);
    names(&none, |v| matches!(v, Violation::NoRecord { hand: 1, seq: 3, .. }));
}

#[test]
fn an_acknowledged_action_or_commit_that_is_gone_is_named() {
    let found = commits(|commit| commit.applied.clear());
    names(&found, |v| matches!(v, Violation::ActionMissing { player, id: 7, .. } if player == "a"));
    let gone = broken(|record| match &record {
        Record::Survived(commit) if commit.number == 3 => vec![],
        _ => vec![record],
    });
    names(&gone, |v| matches!(v, Violation::CommitMissing { epoch: 1, number: 3, .. }));
    // Clients alone: the action's events never came.
    let unseen = broken(|record| match record {
        Record::Told { table, player, pod, epoch, offset: 3, told: Told::Events { public, .. } } => {
            let told = Told::Events { seen: vec![], public };
            vec![Record::Told { table, player, pod, epoch, offset: 3, told }]
        }
        Record::Survived(_) | Record::Settled { .. } | Record::Purse(_) | Record::Ledger(_) => vec![],
        other => vec![other],
    });
    names(&unseen, |v| matches!(v, Violation::ActionMissing { id: 7, offset: 3, .. }));
}

#[test]
fn an_action_carried_out_twice_is_named() {
    let again = commits(|commit| {
        if commit.number == 3 {
            commit.applied.insert("a".into(), vec![7, 7]);
        }
    });
    names(&again, |v| matches!(v, Violation::AppliedTwice { id: 7, number: 3, .. }));
    let seen = broken(|mut record| {
        if let Record::Told { offset: 4, told: Told::Events { seen, .. }, .. } = &mut record {
            seen.insert(0, Seen::Acted { seat: 0 });
        }
        vec![record]
    });
    names(&seen, |v| matches!(v, Violation::ActedTooOften { hand: 1, acted: 2, asked: 1, .. }));
}

#[test]
fn gaps_in_offsets_commits_and_the_sequence_are_named() {
    let gap = broken(|record| match &record {
        Record::Told { player, offset: 3, told: Told::Events { .. }, .. } if player == "b" => vec![],
        _ => vec![record],
    });
    names(&gap, |v| matches!(v, Violation::OffsetGap { player, last: 2, found: 4, .. } if player == "b"));
    let commit = broken(|record| match &record {
        Record::Survived(commit) if commit.number == 2 => vec![],
        _ => vec![record],
    });
    names(&commit, |v| matches!(v, Violation::CommitGap { last: 1, found: 3, .. }));
    let entry = broken(|record| match &record {
        Record::Settled { entry, .. } if entry.seq == 2 => vec![],
        _ => vec![record],
    });
    names(&entry, |v| matches!(v, Violation::SequenceGap { last: 1, found: 3, .. }));
}

#[test]
fn two_pods_for_one_epoch_an_older_epoch_and_a_fork_are_named() {
    let two = broken(|mut record| {
        if let Record::Told { player, pod, .. } = &mut record
            && player == "b"
        {
            *pod = Some("another".into());
        }
        vec![record]
    });
    names(&two, |v| matches!(v, Violation::TwoPods { epoch: 1, .. }));
    let old = broken(|mut record| {
        if let Record::Told { epoch, offset: 3, .. } = &mut record {
            *epoch = 0;
        }
        vec![record]
    });
    names(&old, |v| matches!(v, Violation::OldEpoch { last: 1, epoch: 0, .. }));
    let fork = broken(|mut record| {
        if let Record::Told { player, offset: 3, told: Told::Events { public, .. }, .. } = &mut record
            && player == "b"
        {
            *public += 1;
        }
        vec![record]
    });
    names(&fork, |v| matches!(v, Violation::Fork { offset: 3, .. }));
}

#[test]
fn a_number_offered_with_another_payload_is_named() {
    let found = check(&[good(), vec![Record::Refused { table: T.into(), seq: 3 }]].concat());
    assert_eq!(found, [Violation::Renumbered { table: T.into(), seq: 3 }]);
}

/// The end of the hand is lost, and epoch 2 reports the state it continues with.
fn lost(hand: Option<u64>, board: &[&str], hands_lost: u64) -> Vec<Violation> {
    let cut = |record: &Record| {
        matches!(record, Record::Told { offset: 4, .. })
            || matches!(
                record,
                Record::Survived(_) | Record::Settled { .. } | Record::Purse(_) | Record::Ledger(_)
            )
    };
    let mut all: Vec<Record> = good().into_iter().filter(|record| !cut(record)).collect();
    all.push(Record::Counted { table: T.into(), epoch: 1, hands_lost: 0 });
    all.push(Record::Counted { table: T.into(), epoch: 2, hands_lost });
    let cards = hand.map(|_| text(&["Ah", "As"])).unwrap_or_default();
    let seen = Told::Snapshot { seat: Some(0), hand, cards, board: text(board) };
    all.push(told("a", 2, 2, seen));
    check(&all)
}

#[test]
fn a_lost_hand_that_is_void_and_counted_passes_and_one_not_counted_is_named() {
    assert_eq!(lost(None, &[], 1), []);
    let uncounted = lost(None, &[], 0);
    names(&uncounted, |v| matches!(v, Violation::LossNotCounted { epoch: 2, last: 3, offset: 2, .. }));
}

#[test]
fn a_lost_hand_that_goes_on_from_an_earlier_street_is_named_also_where_it_was_counted() {
    let found = lost(Some(1), &[], 1);
    names(&found, |v| matches!(v, Violation::LostHandResumed { hand: 1, epoch: 2, .. }));
}

#[test]
fn a_hand_that_ends_without_a_word_to_its_player_is_named() {
    let mut all: Vec<Record> =
        good().into_iter().filter(|record| !matches!(record, Record::Told { offset: 4, .. })).collect();
    all.push(events("a", 1, 4, vec![Seen::Started { hand: 2 }]));
    names(&check(&all), |v| matches!(v, Violation::LossNotAnnounced { hand: 1, .. }));
}

#[test]
fn a_ledger_that_does_not_follow_from_the_sequence_is_named() {
    let (a, b) = (PlayerId([0; 20]).to_string(), PlayerId([1; 20]).to_string());
    let ledger = Ledger {
        table: T.into(),
        grant: 500,
        granted: vec![a.clone(), b.clone()],
        free: [(a.clone(), 400), (b, 400)].into(),
        stacks: [("0".to_owned(), 109), ("1".to_owned(), 90)].into(),
        flaws: Vec::new(),
    };
    let with =
        |ledger: Ledger| check(&good().into_iter().chain([Record::Ledger(ledger)]).collect::<Vec<_>>());
    assert_eq!(with(ledger.clone()), []);
    let mut wrong = ledger.clone();
    wrong.free.insert(a.clone(), 500);
    wrong.flaws.push("a seat is nobody's".into());
    let account = format!("player {a}");
    assert_eq!(
        with(wrong),
        [
            Violation::BooksFlawed("a seat is nobody's".into()),
            Violation::LedgerDiffers { account, ledger: 500, wanted: 400 },
        ]
    );
    let mut wrong = ledger;
    wrong.stacks.remove("1");
    assert_eq!(with(wrong), [Violation::LedgerDiffers { account: "seat 1".into(), ledger: 0, wanted: 90 }]);
}
