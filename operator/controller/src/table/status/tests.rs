use super::*;
use crate::{
    spare::Spare,
    table::decide::Waiting,
    testing::{epoch, table},
};

fn pod() -> PodView {
    PodView {
        name: "nl100-1-3".into(),
        generation: 3,
        ip: Some("10.0.0.7".into()),
        ready: true,
        started: true,
        ..PodView::default()
    }
}

fn summary() -> Summary {
    Summary { epoch: epoch(3), players: 4, hand: 17, sequence: 20, confirmed: 18, ..Summary::default() }
}

fn facts<'a>(table: &'a PokerTable, pod: Option<&'a PodView>, summary: Option<&'a Summary>) -> Facts<'a> {
    Facts {
        table,
        stage: &Stage::Steady,
        invalid: None,
        failed: None,
        pod,
        successor: None,
        deadline_s: 180,
        missing: &[],
        summary,
        signer_down: None,
        store: None,
        now: Timestamp::from_second(1_767_225_600).unwrap(),
    }
}

fn said(status: &PokerTableStatus, kind: &str) -> (String, String, String) {
    let condition = status.conditions.iter().find(|condition| condition.type_ == kind).unwrap();
    (condition.status.clone(), condition.reason.clone(), condition.message.clone())
}

fn reason(status: &PokerTableStatus, kind: &str) -> (String, String) {
    let (status, reason, _) = said(status, kind);
    (status, reason)
}

fn pair(status: &str, reason: &str) -> (String, String) {
    (status.into(), reason.into())
}

#[test]
fn a_serving_table_shows_what_it_said() {
    let (table, pod, summary) = (table(), pod(), summary());
    let status = status(&facts(&table, Some(&pod), Some(&summary)));
    assert_eq!(status.phase, Phase::Running);
    assert_eq!((status.players, status.hand, status.epoch), (4, 17, 196_609));
    assert_eq!(status.endpoint.as_deref(), Some("10.0.0.7:8443"));
    assert_eq!(status.blinds, "500000/1000000");
    assert_eq!(status.observed_generation, 1);
    assert_eq!(reason(&status, "Ready"), pair("True", "Serving"));
    assert_eq!(reason(&status, "Degraded"), pair("False", "AsExpected"));
    assert_eq!(reason(&status, "StoreReady"), pair("True", "Committing"));
    assert_eq!(reason(&status, "SettlementHealthy"), pair("True", "Settling"));
}

#[test]
fn an_image_that_cannot_be_pulled_is_the_reason_everywhere() {
    let table = table();
    let trouble = Trouble { reason: "ImageUnavailable", message: "image x cannot be pulled".into() };
    let pod = PodView { ready: false, started: false, trouble: Some(trouble), ..pod() };
    let status = status(&facts(&table, Some(&pod), None));
    assert_eq!(status.phase, Phase::Degraded);
    assert_eq!(reason(&status, "Ready"), pair("False", "ImageUnavailable"));
    assert_eq!(reason(&status, "Degraded"), pair("True", "ImageUnavailable"));
}

#[test]
fn a_store_group_that_is_unknown_is_said_with_its_name() {
    let table = table();
    let invalid = Invalid::UnknownStore("elsewhere".into());
    let facts = Facts { invalid: Some(&invalid), stage: &Stage::Blocked, ..facts(&table, None, None) };
    let status = status(&facts);
    let (state, reason, message) = said(&status, "StoreReady");
    assert_eq!((state.as_str(), reason.as_str()), ("False", "UnknownStore"));
    assert!(message.contains("elsewhere"));
    assert_eq!(said(&status, "Ready").1, "UnknownStore");
}

#[test]
fn a_pod_that_waits_for_store_or_signer_says_which() {
    let table = table();
    let pod = PodView { ready: false, ..pod() };
    let cases = [
        ("take-over: the store is unavailable: redis-0: time-out", "StoreReady", "StoreUnavailable"),
        ("take-over: 0 replicas acknowledged, 1 are wanted", "StoreReady", "StoreUnavailable"),
        ("take-over: the signer cannot be reached: refused", "SettlementHealthy", "SignerDown"),
    ];
    for (line, kind, expected) in cases {
        let lines = [line.to_owned()];
        let status = status(&Facts { missing: &lines, ..facts(&table, Some(&pod), None) });
        assert_eq!(reason(&status, kind), pair("False", expected));
        assert_eq!(reason(&status, "Ready"), pair("False", expected));
        assert_eq!(said(&status, "Degraded").1, expected);
    }
}

#[test]
fn a_signer_that_is_down_does_not_make_a_playing_table_unready() {
    let (table, pod, summary) = (table(), pod(), summary());
    let facts = Facts { signer_down: Some("refused"), ..facts(&table, Some(&pod), Some(&summary)) };
    let status = status(&facts);
    assert_eq!(reason(&status, "Ready"), pair("True", "Serving"));
    assert_eq!(reason(&status, "SettlementHealthy"), pair("False", "SignerDown"));
    assert_eq!(status.phase, Phase::Running);
}

#[test]
fn a_store_that_is_split_or_lost_shows_while_the_pod_runs_on() {
    let (table, pod, summary) = (table(), pod(), summary());
    let with =
        |store: &Seen| status(&Facts { store: Some(store), ..facts(&table, Some(&pod), Some(&summary)) });
    let split = with(&Seen::Split(vec!["redis-0".into(), "redis-2".into()]));
    assert_eq!(reason(&split, "StoreReady"), pair("False", "SplitBrain"));
    assert!(said(&split, "StoreReady").2.contains("redis-0, redis-2"));
    assert_eq!((reason(&split, "Degraded"), split.phase), (pair("True", "SplitBrain"), Phase::Running));
    let lost = with(&Seen::NoMaster("no Sentinel answers".into()));
    assert_eq!(reason(&lost, "StoreReady"), pair("False", "StoreUnavailable"));
    let events = events(&lost, &split);
    assert!(events.iter().any(|event| event.reason == "SplitBrain" && event.type_ == EventType::Warning));
    assert_eq!(reason(&with(&Seen::Whole), "StoreReady"), pair("True", "Committing"));
}

#[test]
fn a_deletion_says_what_it_waits_for() {
    let (table, pod) = (table(), pod());
    let stage = Stage::Draining(Why::Delete, Waiting::Hand);
    let status = status(&Facts { stage: &stage, ..facts(&table, Some(&pod), None) });
    let (_, reason, message) = said(&status, "Progressing");
    assert_eq!(reason, "Deleting");
    assert_eq!(message, "deletion waits for the running hand to end");
    assert_eq!(status.phase, Phase::Draining);
}

#[test]
fn a_table_that_drains_or_is_paused_is_not_ready_and_warns_nobody() {
    let (mut table, pod) = (table(), pod());
    let serving = status(&facts(&table, Some(&pod), Some(&summary())));
    let stage = Stage::Draining(Why::Delete, Waiting::Players(2));
    let drains = status(&Facts { stage: &stage, ..facts(&table, Some(&pod), Some(&summary())) });
    assert_eq!(reason(&drains, "Ready"), pair("False", "Draining"));
    assert_eq!((drains.phase, reason(&drains, "Degraded").0.as_str()), (Phase::Draining, "False"));
    table.spec.paused = true;
    let paused = status(&facts(&table, Some(&pod), Some(&summary())));
    assert_eq!((paused.phase, reason(&paused, "Ready")), (Phase::Paused, pair("False", PAUSED)));
    assert!(paused.endpoint.is_some(), "its players stay connected");
    for after in [&drains, &paused] {
        let of = events(&serving, after);
        assert!(of.iter().all(|event| event.type_ == EventType::Normal) && of.len() <= 2, "{}", of.len());
    }
}

#[test]
fn a_table_that_has_served_and_does_not_is_degraded_with_the_reason_and_a_new_one_is_pending() {
    let mut table = table();
    let down = PodView { ready: false, ..pod() };
    let new = status(&Facts { stage: &Stage::Starting, ..facts(&table, Some(&down), None) });
    assert_eq!((new.phase, reason(&new, "Degraded")), (Phase::Pending, pair("False", "AsExpected")));
    table.status = Some(PokerTableStatus { phase: Phase::Running, ..PokerTableStatus::default() });
    let lost = PodView { life: Life::Lost, ..down };
    let again = status(&Facts { stage: &Stage::Starting, ..facts(&table, Some(&lost), None) });
    assert_eq!((again.phase, reason(&again, "Degraded")), (Phase::Degraded, pair("True", "NodeLost")));
}

#[test]
fn a_table_whose_first_pod_could_not_be_made_is_pending_once_it_can() {
    let mut table = table();
    let failed =
        Failed { reason: "SecretTaken", message: "Secret x is not this table's".into(), lasts: true };
    let blocked =
        status(&Facts { stage: &Stage::Blocked, failed: Some(&failed), ..facts(&table, None, None) });
    assert_eq!(blocked.phase, Phase::Degraded);
    table.status = Some(blocked);
    let down = PodView { ready: false, ..pod() };
    let starts = status(&Facts { stage: &Stage::Starting, ..facts(&table, Some(&down), None) });
    assert_eq!((starts.phase, reason(&starts, "Degraded")), (Phase::Pending, pair("False", "AsExpected")));
}

/// Every stage, with and without a pod, trouble, failure, pause, store state and earlier status.
#[test]
fn the_phase_never_contradicts_the_conditions() {
    let stages = [
        Stage::Steady,
        Stage::Starting,
        Stage::Blocked,
        Stage::Queued,
        Stage::Moving(Waiting::Successor),
        Stage::Draining(Why::Delete, Waiting::Hand),
        Stage::Draining(Why::Rollout, Waiting::Hand),
        Stage::Going,
        Stage::Deleted,
    ];
    let phases = [Phase::Pending, Phase::Running, Phase::Paused, Phase::Draining, Phase::Degraded];
    let failed = Failed { reason: "ApiRefused", message: "no".into(), lasts: true };
    let invalid = Invalid::NoVault;
    let split = Seen::Split(vec!["a".into(), "b".into()]);
    let trouble = Some(Trouble { reason: "CrashLoop", message: "exit code 1".into() });
    let down = PodView { ready: false, ..pod() };
    let pods = [None, Some(pod()), Some(PodView { trouble, ..down.clone() }), Some(down)];
    let mut seen = 0;
    for ((stage, before), pod) in stages
        .iter()
        .flat_map(|stage| phases.map(|phase| (stage, phase)))
        .flat_map(|pair| pods.iter().map(move |pod| (pair, pod)))
    {
        for bits in 0..16_u8 {
            let bit = |at: u8| bits & (1 << at) != 0;
            let mut table = table();
            table.spec.paused = bit(0);
            table.status = Some(PokerTableStatus { phase: before, ..PokerTableStatus::default() });
            let facts = Facts {
                stage,
                failed: bit(1).then_some(&failed),
                invalid: bit(2).then_some(&invalid),
                store: bit(3).then_some(&split),
                ..facts(&table, pod.as_ref(), None)
            };
            let after = status(&facts);
            let is = |kind: &str| said(&after, kind).0 == "True";
            let context = format!("{stage:?} {before:?} {pod:?} {bits:04b}: {after:?}");
            assert!(after.phase != Phase::Degraded || is("Degraded"), "{context}");
            assert!(!is("Ready") || after.phase == Phase::Running, "{context}");
            assert!(!facts.table.spec.paused || !is("Ready"), "{context}");
            assert!(!bit(1) || is("Degraded"), "{context}");
            for condition in &after.conditions {
                assert!(!condition.reason.is_empty(), "{context}");
            }
            seen += 1;
        }
    }
    assert_eq!(seen, 9 * 5 * 4 * 16);
}

#[test]
fn a_step_that_fails_is_one_event_whether_the_table_serves_or_not() {
    let table = table();
    let failed =
        Failed { reason: "SecretTaken", message: "Secret x is not this table's".into(), lasts: true };
    let none = PokerTableStatus::default();
    let blocked =
        status(&Facts { stage: &Stage::Blocked, failed: Some(&failed), ..facts(&table, None, None) });
    for kind in ["Ready", "Degraded", "Stalled"] {
        assert_eq!(said(&blocked, kind).1, "SecretTaken");
    }
    let of = |before: &PokerTableStatus, after: &PokerTableStatus| {
        events(before, after).into_iter().filter(|event| event.reason == "SecretTaken").count()
    };
    assert_eq!((of(&none, &blocked), of(&blocked, &blocked)), (1, 0));
    let serving = status(&facts(&table, Some(&pod()), Some(&summary())));
    let plays = status(&Facts { failed: Some(&failed), ..facts(&table, Some(&pod()), Some(&summary())) });
    assert_eq!(reason(&plays, "Ready"), pair("True", "Serving"));
    assert_eq!((of(&serving, &plays), plays.phase), (1, Phase::Running));
}

#[test]
fn a_condition_keeps_its_time_until_its_status_changes() {
    let (mut table, pod) = (table(), pod());
    let first = status(&facts(&table, Some(&pod), None));
    table.status = Some(first.clone());
    let later = Timestamp::from_second(1_767_229_200).unwrap();
    let held = Summary { paused: Some("waits for players".into()), ..summary() };
    let second = status(&Facts { now: later, ..facts(&table, Some(&pod), Some(&held)) });
    assert_eq!(said(&second, "Ready").1, "Holding");
    assert_eq!(first.conditions[0].last_transition_time, second.conditions[0].last_transition_time);
    let down = PodView { ready: false, ..pod };
    let third = status(&Facts { now: later, ..facts(&table, Some(&down), None) });
    assert_eq!(third.conditions[0].last_transition_time.0, later);
}

#[test]
fn events_are_for_changes_only_and_once_for_one_cause() {
    let table = table();
    let down = PodView { ready: false, ..pod() };
    let lines = ["take-over: the store is unavailable: time-out".to_owned()];
    let good = status(&facts(&table, Some(&pod()), Some(&summary())));
    let bad = status(&Facts { missing: &lines, ..facts(&table, Some(&down), None) });
    let reasons: Vec<String> = events(&good, &bad).into_iter().map(|event| event.reason).collect();
    assert_eq!(reasons, ["StoreUnavailable"]);
    assert!(events(&bad, &bad).is_empty());
    let healed: Vec<String> = events(&bad, &good).into_iter().map(|event| event.reason).collect();
    assert!(
        healed.contains(&"Serving".to_owned()) && healed.contains(&"Committing".to_owned()),
        "{healed:?}"
    );
}

#[test]
fn a_table_that_comes_up_is_one_event() {
    let table = table();
    let starts = status(&facts(&table, None, None));
    let unread = status(&facts(&table, Some(&pod()), None));
    let serves = status(&facts(&table, Some(&pod()), Some(&summary())));
    let reasons = |before: &PokerTableStatus, after: &PokerTableStatus| {
        events(before, after).into_iter().map(|event| event.reason).collect::<Vec<_>>()
    };
    assert_eq!(reasons(&PokerTableStatus::default(), &serves), ["Serving"]);
    assert_eq!(reasons(&starts, &serves), ["Serving"]);
    assert!(reasons(&unread, &serves).is_empty(), "its summary is read a moment later");
}

#[test]
fn the_generation_is_never_written_with_the_status() {
    let table = table();
    let written = written(&status(&facts(&table, None, None)));
    assert!(written.get("fencingGeneration").is_none() && written.get("bound").is_none());
    assert!(written["endpoint"].is_null() && written["pod"].is_null());
}

#[test]
fn players_and_hands_are_written_once_a_minute_and_at_once_with_what_an_operator_acts_on() {
    let (mut table, pod) = (table(), pod());
    let first = status(&facts(&table, Some(&pod), Some(&summary())));
    table.status = Some(first.clone());
    let later = Summary { players: 5, hand: 18, ..summary() };
    let second = status(&facts(&table, Some(&pod), Some(&later)));
    assert_eq!((due(None, &first, 0), due(Some(&first), &first, 999)), (Due::Now, Due::Never));
    assert_eq!((due(Some(&first), &second, 10), due(Some(&first), &second, 60)), (Due::In(50), Due::IfAny));
    let held = Summary { paused: Some("too many hands wait to be settled".into()), ..later };
    let third = status(&facts(&table, Some(&pod), Some(&held)));
    assert_eq!(due(Some(&second), &third, 0), Due::Now);
    let behind = |confirmed| Summary { sequence: 200, confirmed, ..summary() };
    let (a, b) = (behind(10), behind(11));
    let (a, b) = (status(&facts(&table, Some(&pod), Some(&a))), status(&facts(&table, Some(&pod), Some(&b))));
    assert_eq!(due(Some(&a), &b, 0), Due::In(60), "the same reason with another number");
}

/// Ten thousand tables that deal a hand every 30 s, with a player who comes or goes every two minutes at each, and twenty
/// pods an hour that are replaced.
#[test]
fn ten_thousand_tables_that_play_cost_at_most_twenty_writes_a_second() {
    const TABLES: u64 = 10_000;
    const SECONDS: u64 = 300;
    const WARM_UP: u64 = 120;
    let (mut table, pod) = (table(), pod());
    let down = PodView { ready: false, ..pod.clone() };
    let mut held: Vec<(PokerTableStatus, i64, Summary)> = (0..TABLES)
        .map(|at| {
            let summary = Summary { hand: at, ..summary() };
            (status(&facts(&table, Some(&pod), Some(&summary))), -1_000, summary)
        })
        .collect();
    let (mut spare, mut writes, mut news, mut most) = (Spare::default(), 0_u64, 0_u64, 0_u64);
    for now_s in 0..SECONDS {
        let before = writes;
        for (at, (written, written_s, summary)) in held.iter_mut().enumerate() {
            let at = at as u64;
            summary.hand += u64::from((at + now_s).is_multiple_of(30));
            let moved = (at * 7 + now_s).is_multiple_of(120);
            summary.players = if moved { (summary.players + 1) % 6 } else { summary.players };
            let fails = now_s.is_multiple_of(180) && at == now_s;
            // A new hand is no news of a table; a change that waits is checked again after its minute.
            if !(moved || fails || (now_s as i64 - *written_s) % 60 == 0) {
                continue;
            }
            news += 1;
            table.status = Some(written.clone());
            let pod = if fails { &down } else { &pod };
            let after = status(&facts(&table, Some(pod), Some(summary)));
            let since_s = now_s as i64 - *written_s;
            let write = match due(Some(written), &after, since_s) {
                Due::Now => true,
                Due::IfAny => spare.take(now_s),
                Due::Never | Due::In(_) => false,
            };
            if write {
                writes += 1;
                (*written, *written_s) = (after, now_s as i64);
            }
        }
        if now_s >= WARM_UP {
            most = most.max(writes - before);
        }
    }
    println!("{TABLES} tables, {SECONDS} s: {news} looks, {writes} writes, at most {most} in a second");
    assert!(news > 20_000, "{news}");
    assert!(most <= 20 && writes <= 20 * SECONDS, "{writes} writes, {most} in a second");
}

#[test]
fn a_new_table_that_only_starts_has_nothing_to_say_yet_and_one_that_cannot_start_has() {
    let table = table();
    let none = PokerTableStatus::default();
    let starting = PodView { ready: false, ..pod() };
    let mut seen = facts(&table, Some(&starting), None);
    seen.stage = &Stage::Starting;
    let starts = status(&seen);
    assert!(is_first_start(&none, &starts));
    assert!(!is_first_start(&starts, &starts), "it was said before");
    let trouble = Some(Trouble { reason: "ImageUnavailable", message: "image".into() });
    let refused = PodView { trouble, ..starting.clone() };
    let mut seen = facts(&table, Some(&refused), None);
    seen.stage = &Stage::Starting;
    assert!(!is_first_start(&none, &status(&seen)));
    assert!(!is_first_start(&none, &status(&facts(&table, Some(&pod()), None))));
}

#[test]
fn a_spare_gives_so_many_a_second_and_saves_none() {
    let mut spare = Spare::of(2);
    let taken = |spare: &mut Spare, now_s| (0..5).filter(|_| spare.take(now_s)).count();
    assert_eq!([0, 1, 9].map(|now_s| taken(&mut spare, now_s)), [2, 2, 2]);
}

#[test]
fn a_successor_that_does_not_come_up_is_said_once_and_the_table_serves_on() {
    let (table, pod, summary) = (table(), pod(), summary());
    let trouble = Trouble { reason: "ImageUnavailable", message: "image x cannot be pulled".into() };
    let mut next = PodView { name: "nl100-1-4".into(), generation: 4, stand_by: true, ..PodView::default() };
    let stage = Stage::Moving(Waiting::Successor);
    let before = status(&facts(&table, Some(&pod), Some(&summary)));
    let of = |next: &PodView| {
        status(&Facts { successor: Some(next), stage: &stage, ..facts(&table, Some(&pod), Some(&summary)) })
    };
    assert_eq!(reason(&of(&next), "Stalled"), pair("False", "AsExpected"));
    next.trouble = Some(trouble);
    let after = of(&next);
    assert_eq!((after.phase, reason(&after, "Ready")), (Phase::Running, pair("True", "Serving")));
    assert_eq!(reason(&after, "Progressing"), pair("True", "RollingOut"));
    let (status, reason, message) = said(&after, "Stalled");
    assert_eq!((status.as_str(), reason.as_str()), ("True", "ImageUnavailable"));
    assert!(message.contains("nl100-1-4") && message.contains("plays on"), "{message}");
    let warnings: Vec<Event> =
        events(&before, &after).into_iter().filter(|event| event.type_ == EventType::Warning).collect();
    assert_eq!(warnings.len(), 1);
    (next.trouble, next.created_s) = (None, 1_767_225_600 - 181);
    assert_eq!(said(&of(&next), "Stalled").1, "ProgressDeadlineExceeded");
}

#[test]
fn a_rollout_that_queues_ten_thousand_tables_writes_their_status_slowly() {
    let (table, pod, summary) = (table(), pod(), summary());
    let before = status(&facts(&table, Some(&pod), Some(&summary)));
    let queued = status(&Facts { stage: &Stage::Queued, ..facts(&table, Some(&pod), Some(&summary)) });
    assert_eq!(reason(&queued, "Progressing"), pair("False", QUEUED));
    assert_eq!(due(Some(&before), &queued, 100), Due::IfAny);
    assert!(events(&before, &queued).is_empty());
}
