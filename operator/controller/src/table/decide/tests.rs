use super::*;

const WANTED: &str = "new";

fn pod(generation: u64) -> PodView {
    PodView {
        name: format!("t-{generation}"),
        generation,
        hash: WANTED.into(),
        ready: true,
        started: true,
        ip: Some("10.0.0.1".into()),
        ..PodView::default()
    }
}

fn running() -> Observed {
    Observed {
        finalizer: true,
        generation: 3,
        wanted: Some(WANTED.into()),
        pods: vec![pod(3)],
        now_s: 1_000,
        ..Observed::default()
    }
}

fn deleting() -> Observed {
    Observed { deleting: true, ..running() }
}

fn drain(drained: bool, hand_running: bool, seated: usize, unsettled: usize) -> Option<Answer<DrainStatus>> {
    Some(Ok(DrainStatus { drained, hand_running, seated, unsettled, asked: true }))
}

fn unanswered<T>() -> Answer<T> {
    Err(Arc::new(PodError::NoAddress))
}

fn raise(to: u64) -> Step {
    Step::Raise { to }
}

fn create(generation: u64) -> Step {
    Step::Create { generation, stand_by: false }
}

fn beside(generation: u64) -> Step {
    Step::Create { generation, stand_by: true }
}

fn ask_standing() -> Step {
    Step::AskStanding { pod: "t-4".into() }
}

fn mark_ordered() -> Step {
    Step::MarkOrdered { pod: "t-4".into() }
}

fn order(from: Option<&str>) -> Step {
    Step::Order { pod: "t-4".into(), from: from.map(str::to_owned) }
}

/// The table plays in t-3, which is outdated, and t-4 stands by.
fn moving() -> Observed {
    let mut seen = Observed { generation: 4, pods: vec![pod(3), pod(4)], ..running() };
    seen.pods[0].hash = "old".into();
    (seen.pods[1].stand_by, seen.pods[1].ready) = (true, false);
    seen.pods[1].ip = Some("10.0.0.2".into());
    seen
}

fn ordered() -> Observed {
    let mut seen = moving();
    (seen.pods[1].stand_by, seen.pods[1].ordered) = (false, true);
    seen
}

fn remove(generation: u64) -> Step {
    Step::Delete { pod: format!("t-{generation}") }
}

fn ask(why: Why) -> Step {
    Step::AskDrain { pod: "t-3".into(), why }
}

#[test]
fn a_new_table_gets_a_finalizer_then_a_generation_then_a_pod() {
    let seen = Observed { finalizer: false, generation: 0, pods: vec![], ..running() };
    assert_eq!(decide(&seen).steps, [Step::AddFinalizer, raise(1), create(1)]);
}

#[test]
fn a_running_table_is_left_alone() {
    let decision = decide(&running());
    assert_eq!((decision.steps, decision.stage), (vec![], Stage::Steady));
}

#[test]
fn a_table_is_closed_and_opened_in_place_until_it_says_so_itself() {
    let close = |closed| Step::Close { pod: "t-3".into(), closed };
    let mut seen = Observed { closed: true, is_closed: Some(false), ..running() };
    assert_eq!(decide(&seen).steps, [close(true)]);
    seen.pods[0].closed = true;
    assert_eq!(decide(&seen).steps, [close(true)], "the process has started anew, or its summary is old");
    seen.is_closed = Some(true);
    assert_eq!(decide(&seen).steps, []);
    seen.closed = false;
    assert_eq!(decide(&seen).steps, [close(false)]);
    // The successor of a closed table that is to be open: its pod got no order yet.
    seen.pods[0].closed = false;
    assert_eq!(decide(&seen).steps, [close(false)]);
    seen.is_closed = None;
    assert_eq!(decide(&seen).steps, []);
}

#[test]
fn a_pod_that_is_gone_is_replaced_under_the_next_generation() {
    let seen = Observed { pods: vec![], ..running() };
    assert_eq!(decide(&seen).steps, [raise(4), create(4)]);
}

#[test]
fn a_pod_that_is_going_is_waited_for_where_nothing_could_take_its_place() {
    let mut seen = Observed { wanted: None, ..running() };
    (seen.pods[0].life, seen.pods[0].ready) = (Life::Terminating, false);
    assert_eq!((decide(&seen).steps, decide(&seen).stage), (vec![], Stage::Going));
}

#[test]
fn a_pod_on_a_lost_node_is_replaced_at_once_because_it_is_fenced() {
    let mut seen = running();
    (seen.pods[0].life, seen.pods[0].ready) = (Life::Lost, false);
    assert_eq!(decide(&seen).steps, [raise(4), create(4)]);
}

#[test]
fn a_failed_pod_is_replaced_but_not_in_a_tight_loop() {
    let mut seen = running();
    (seen.pods[0].life, seen.pods[0].ready, seen.pods[0].created_s) = (Life::Failed, false, 996);
    assert_eq!((decide(&seen).steps, decide(&seen).again_s), (vec![], Some(6)));
    seen.now_s = 1_006;
    assert_eq!(decide(&seen).steps, [remove(3), raise(4), create(4)]);
}

#[test]
fn a_pod_that_crashes_before_it_ever_served_keeps_its_generation() {
    let mut seen = running();
    (seen.pods[0].ready, seen.pods[0].backing_off) = (false, true);
    let decision = decide(&seen);
    assert_eq!((decision.steps, decision.stage), (vec![], Stage::Starting));
}

#[test]
fn a_pod_that_served_and_crashes_again_does_not_wait_for_kubelet() {
    let mut seen = Observed { holding: Some(None), ..running() };
    (seen.pods[0].ready, seen.pods[0].created_s) = (false, seen.now_s - 5);
    assert_eq!(decide(&seen).steps, [], "kubelet starts it again at once");
    seen.pods[0].backing_off = true;
    assert_eq!(decide(&seen).steps, [remove(3), raise(4), create(4)]);
    seen.pods[0].created_s += 2;
    assert_eq!((decide(&seen).steps, decide(&seen).again_s), (vec![], Some(2)));
    seen.wanted = None;
    assert_eq!(decide(&seen).steps, [], "there is nothing that could take its place");
}

#[test]
fn a_pod_of_another_hash_waits_for_its_turn_and_gets_a_successor_that_stands_by() {
    let mut seen = running();
    seen.pods[0].hash = "old".into();
    assert_eq!(decide(&seen).steps, [Step::AskTurn { evicted: false }]);
    seen.turn = Some(Turn::Later { again_s: 7 });
    let decision = decide(&seen);
    assert_eq!((decision.steps, decision.stage, decision.again_s), (vec![], Stage::Queued, Some(7)));
    seen.paused = true;
    assert_eq!(
        decide(&seen).steps,
        [Step::Pause { pod: "t-3".into(), paused: true }],
        "it is told all the same"
    );
    (seen.paused, seen.turn) = (false, Some(Turn::Now));
    let decision = decide(&seen);
    assert_eq!(
        (decision.steps, decision.stage),
        (vec![raise(4), beside(4)], Stage::Moving(Waiting::Successor))
    );
}

#[test]
fn a_pod_that_was_told_to_drain_is_replaced_also_when_the_change_was_taken_back() {
    let mut seen = running();
    seen.pods[0].draining = true;
    assert_eq!(decide(&seen).steps, [raise(4), beside(4)]);
}

#[test]
fn a_pod_that_never_ran_waits_for_its_turn_as_well_and_needs_no_hand_over() {
    let mut seen = running();
    let pod = &mut seen.pods[0];
    (pod.hash, pod.ready, pod.started) = ("old".into(), false, false);
    assert_eq!(decide(&seen).steps, [Step::AskTurn { evicted: false }]);
    seen.turn = Some(Turn::Later { again_s: 7 });
    assert_eq!((decide(&seen).steps, decide(&seen).stage), (vec![], Stage::Starting));
    seen.turn = Some(Turn::Now);
    assert_eq!(decide(&seen).steps, [remove(3), raise(4), create(4)]);
}

#[test]
fn a_pod_that_cannot_run_is_corrected_at_once() {
    let mut seen = running();
    let pod = &mut seen.pods[0];
    (pod.hash, pod.ready, pod.started) = ("old".into(), false, false);
    pod.trouble =
        Some(super::super::observe::Trouble { reason: "ImageUnavailable", message: "no such image".into() });
    assert_eq!(decide(&seen).steps, [remove(3), raise(4), create(4)]);
}

#[test]
fn a_successor_is_told_to_take_over_once_it_stands_by_and_the_pod_before_goes_once_it_serves() {
    let mut seen = moving();
    assert_eq!(decide(&seen).steps, [ask_standing()]);
    for early in [Ok(Standing::Connecting), unanswered()] {
        seen.standing = Some(early);
        let decision = decide(&seen);
        assert_eq!((decision.steps, decision.again_s), (vec![], Some(ASK_S)));
    }
    seen.standing = Some(Ok(Standing::StandingBy));
    assert_eq!(decide(&seen).steps, [mark_ordered(), order(Some("10.0.0.1"))]);
    let mut seen = ordered();
    assert_eq!(decide(&seen).steps, [ask_standing()]);
    // The order was lost, or the successor's process has restarted.
    seen.standing = Some(Ok(Standing::StandingBy));
    assert_eq!(decide(&seen).steps, [order(Some("10.0.0.1"))]);
    seen.standing = Some(Ok(Standing::TakingOver));
    assert_eq!((decide(&seen).steps, decide(&seen).stage), (vec![], Stage::Moving(Waiting::HandOver)));
    seen.pods[1].ready = true;
    let decision = decide(&seen);
    assert_eq!((decision.steps, decision.stage), (vec![remove(3)], Stage::Steady));
}

#[test]
fn a_successor_that_does_not_come_up_leaves_the_table_alone() {
    let mut seen = moving();
    (seen.pods[1].started, seen.pods[1].ip) = (false, None);
    let decision = decide(&seen);
    assert_eq!((decision.steps, decision.stage), (vec![], Stage::Moving(Waiting::Successor)));
    // Undone: the successor is deleted, and the table has never stopped.
    seen.wanted = Some("old".into());
    assert_eq!(decide(&seen).steps, [remove(4)]);
    // Corrected: the next successor follows once this one is gone.
    seen.wanted = Some("newer".into());
    assert_eq!(decide(&seen).steps, [remove(4)]);
    seen.pods.truncate(1);
    seen.turn = Some(Turn::Now);
    assert_eq!(decide(&seen).steps, [raise(5), beside(5)]);
}

#[test]
fn a_successor_takes_over_at_once_when_the_pod_before_fails() {
    let stands_by = Some(Ok(Standing::StandingBy));
    let failures: [fn(&mut Observed); 4] = [
        |seen| drop(seen.pods.remove(0)),
        |seen| (seen.pods[0].life, seen.pods[0].ready) = (Life::Lost, false),
        |seen| (seen.pods[0].life, seen.pods[0].ready) = (Life::Failed, false),
        |seen| (seen.pods[0].backing_off, seen.pods[0].ready) = (true, false),
    ];
    for fails in failures {
        let mut seen = Observed { standing: stands_by.clone(), ..moving() };
        fails(&mut seen);
        assert_eq!(decide(&seen).steps, [mark_ordered(), order(None)], "{seen:?}");
        let mut seen = Observed { standing: Some(Ok(Standing::TakingOver)), ..ordered() };
        fails(&mut seen);
        let told = decide(&seen).steps;
        assert!(told == [order(None)] || seen.pods.len() == 1, "{told:?}");
    }
    let quiet = Observed { quiet: true, ..moving() };
    assert_eq!(decide(&quiet).steps, [Step::AskAlive { pod: "t-3".into() }]);
    let dead = Observed { alive: Some(unanswered()), standing: stands_by.clone(), ..quiet.clone() };
    assert_eq!(decide(&dead).steps, [mark_ordered(), order(None)]);
    let lives = Observed { alive: Some(Ok(())), standing: stands_by, ..quiet };
    assert_eq!(decide(&lives).steps, [mark_ordered(), order(Some("10.0.0.1"))]);
}

#[test]
fn an_evicted_pod_gets_a_successor_at_once_and_hands_over_while_it_ends() {
    let mut seen = running();
    (seen.pods[0].life, seen.pods[0].ready) = (Life::Terminating, false);
    assert_eq!(decide(&seen).steps, [raise(4), beside(4)]);
    let mut seen = Observed { standing: Some(Ok(Standing::StandingBy)), ..moving() };
    (seen.pods[0].life, seen.pods[0].ready, seen.pods[0].hash) = (Life::Terminating, false, WANTED.into());
    assert_eq!(decide(&seen).steps, [mark_ordered(), order(Some("10.0.0.1"))]);
}

#[test]
fn a_pod_of_a_release_without_hand_overs_is_drained_and_the_successor_takes_over_then() {
    let mut seen =
        Observed { standing: Some(Ok(Standing::TakingOver)), refused_hand_over: true, ..ordered() };
    assert_eq!(decide(&seen).steps, [Step::MarkDraining { pod: "t-3".into() }, ask(Why::Rollout)]);
    seen.pods[0].draining = true;
    seen.drain = drain(false, true, 6, 0);
    assert_eq!(decide(&seen).steps, []);
    seen.drain = drain(true, false, 6, 0);
    assert_eq!(decide(&seen).steps, [order(None)]);
}

#[test]
fn a_crash_between_generation_and_pod_fences_nobody() {
    // The status has generation 4, and no pod of it was created.
    let mut seen = Observed { generation: 4, ..running() };
    assert_eq!((decide(&seen).steps, decide(&seen).stage), (vec![], Stage::Steady));
    (seen.pods[0].hash, seen.turn) = ("old".into(), Some(Turn::Now));
    assert_eq!(decide(&seen).steps, [raise(5), beside(5)]);
}

#[test]
fn a_deleted_table_waits_for_a_hand_over_that_has_begun_and_ends_one_that_has_not() {
    let mut seen = Observed { deleting: true, ..moving() };
    assert_eq!(decide(&seen).steps, [remove(4)]);
    seen.pods.pop();
    assert_eq!(decide(&seen).steps, [ask(Why::Delete)]);
    let mut seen = Observed { deleting: true, standing: Some(Ok(Standing::TakingOver)), ..ordered() };
    assert_eq!(decide(&seen).steps, []);
    seen.pods[1].ready = true;
    assert_eq!(decide(&seen).steps, [remove(3), Step::AskDrain { pod: "t-4".into(), why: Why::Delete }]);
}

#[test]
fn a_refused_pod_is_tried_again_at_its_pace_and_under_the_same_generation() {
    let mut seen = Observed { pods: vec![], unspent: true, refused_until_s: 1_090, ..running() };
    assert_eq!((decide(&seen).steps, decide(&seen).again_s), (vec![], Some(90)));
    seen.now_s = 1_090;
    assert_eq!(decide(&seen).steps, [create(3)]);
    seen.unspent = false;
    assert_eq!(decide(&seen).steps, [raise(4), create(4)]);
}

#[test]
fn an_invalid_table_gets_no_pod() {
    let seen = Observed { wanted: None, generation: 0, pods: vec![], ..running() };
    assert_eq!((decide(&seen).steps, decide(&seen).stage), (vec![], Stage::Blocked));
}

#[test]
fn a_running_pod_of_a_table_that_became_invalid_plays_on() {
    let seen = Observed { wanted: None, ..running() };
    assert_eq!((decide(&seen).steps, decide(&seen).stage), (vec![], Stage::Steady));
}

#[test]
fn pods_of_earlier_generations_are_removed() {
    let seen = Observed { pods: vec![pod(2), pod(3)], ..running() };
    assert_eq!(decide(&seen).steps, [remove(2)]);
}

#[test]
fn pods_of_earlier_generations_that_are_going_are_left_to_go() {
    let mut seen = Observed { pods: vec![pod(2), pod(3)], ..running() };
    seen.pods[0].life = Life::Lost;
    assert_eq!(decide(&seen).steps, []);
}

#[test]
fn a_status_behind_the_pods_is_read_again_and_raised_where_somebody_has_put_it_back() {
    let seen = Observed { pods: vec![pod(4)], ..running() };
    let decision = decide(&seen);
    assert_eq!(decision.steps, [raise(4)], "before it is raised the table is read again");
    assert!(decision.again_s.is_some());
    let deleting = Observed { deleting: true, ..seen };
    assert_eq!(decide(&deleting).steps, [raise(4)]);
}

#[test]
fn a_finalizer_that_somebody_took_off_is_put_back() {
    let bare = Observed { finalizer: false, ..running() };
    assert_eq!(decide(&bare).steps, [Step::AddFinalizer]);
    assert_eq!(decide(&bare).stage, Stage::Steady);
    let gone = Observed { pods: vec![], ..bare };
    assert_eq!(decide(&gone).steps, [Step::AddFinalizer, raise(4), create(4)], "once");
}

#[test]
fn a_pod_whose_labels_or_owner_were_edited_gets_them_back_and_is_watched_until_then() {
    let restore = Step::Restore { pod: "t-3".into() };
    let mut seen = running();
    seen.pods[0].strayed = true;
    let decision = decide(&seen);
    assert_eq!((decision.steps, decision.stage), (vec![restore.clone()], Stage::Steady));
    assert!(decision.again_s.is_some(), "somebody may edit them again");
    let paused = Observed { paused: true, ..seen.clone() };
    assert_eq!(decide(&paused).steps[0], restore, "before anything that goes by them");
    let deleting = Observed { deleting: true, drain: drain(true, false, 0, 0), ..seen.clone() };
    assert_eq!(decide(&deleting).steps, [restore, remove(3), Step::ReleaseFinalizer]);
    seen.pods[0].life = Life::Terminating;
    assert!(!decide(&seen).steps.iter().any(|step| matches!(step, Step::Restore { .. })));
}

#[test]
fn a_table_whose_process_has_never_run_goes_at_once_whether_the_signer_answers_or_not() {
    let first = Observed { generation: 1, pods: vec![pod(1)], ..deleting() };
    let mut unstarted = first.clone();
    (unstarted.pods[0].started, unstarted.pods[0].ready) = (false, false);
    assert_eq!(decide(&unstarted).steps, [remove(1), Step::ReleaseFinalizer]);
    let refused = Observed { pods: vec![], unspent: true, ..first.clone() };
    assert_eq!(decide(&refused).steps, [Step::ReleaseFinalizer]);
    let unknown = Observed { unspent: false, ..refused };
    assert_eq!(decide(&unknown).steps, [Step::AskHead], "its pod may have run and be gone");
    let second =
        Observed { generation: 2, pods: vec![PodView { started: false, ready: false, ..pod(2) }], ..first };
    assert_eq!(decide(&second).steps, [Step::AskHead], "the pod before may have run");
}

#[test]
fn a_deleted_table_whose_pod_nobody_reaches_gets_another_one_that_ends_it() {
    let mut seen = Observed { drain: Some(unanswered()), ..deleting() };
    assert_eq!(decide(&seen).steps, [], "asked again");
    seen.quiet = true;
    assert_eq!(decide(&seen).steps, [Step::AskAlive { pod: "t-3".into() }]);
    seen.alive = Some(unanswered());
    assert_eq!(decide(&seen).steps, [remove(3), raise(4), create(4)]);
}

#[test]
fn what_the_pod_mounts_is_seen_to_before_anything_is_decided_and_never_for_a_table_that_is_gone() {
    for seen in [Observed { generation: 0, ..running() }, running(), deleting()] {
        assert_eq!(decide(&Observed { mounts_due: true, ..seen }).steps, [Step::Prepare]);
    }
    let gone = Observed { finalizer: false, mounts_due: true, ..deleting() };
    assert_eq!((decide(&gone).stage, decide(&gone).steps), (Stage::Deleted, vec![]));
}

#[test]
fn a_change_of_pause_is_told_to_the_pod() {
    let seen = Observed { paused: true, ..running() };
    assert_eq!(decide(&seen).steps, [Step::Pause { pod: "t-3".into(), paused: true }]);
}

#[test]
fn a_table_that_forgot_its_pause_is_told_again() {
    let mut seen = Observed { paused: true, holding: Some(None), ..running() };
    seen.pods[0].paused = true;
    assert_eq!(decide(&seen).steps, [Step::Pause { pod: "t-3".into(), paused: true }]);
    seen.holding = Some(Some(Holding::Owner));
    assert_eq!(decide(&seen).steps, []);
    (seen.paused, seen.pods[0].paused) = (false, false);
    assert_eq!(decide(&seen).steps, [Step::Pause { pod: "t-3".into(), paused: false }]);
}

#[test]
fn a_quiet_pod_is_replaced_where_it_does_not_answer_and_asked_again_where_it_does() {
    let quiet = Observed { quiet: true, ..running() };
    assert_eq!(decide(&quiet).steps, [Step::AskAlive { pod: "t-3".into() }]);
    let dead = Observed { alive: Some(unanswered()), ..quiet.clone() };
    assert_eq!(decide(&dead).steps, [remove(3), raise(4), create(4)]);
    let lives = decide(&Observed { alive: Some(Ok(())), ..quiet.clone() });
    assert_eq!((lives.steps, lives.stage, lives.again_s), (vec![], Stage::Steady, Some(QUIET_S)));
    // A pod that kubelet does not see serve is no different.
    let mut frozen = dead;
    frozen.pods[0].ready = false;
    assert_eq!(decide(&frozen).steps, [remove(3), raise(4), create(4)]);
    // A pod that has just started gets its time.
    let mut fresh = quiet;
    fresh.pods[0].created_s = fresh.now_s - 1;
    assert_eq!(decide(&fresh).steps, []);
}

#[test]
fn a_table_without_any_pod_ever_is_deleted_at_once() {
    let seen = Observed { generation: 0, pods: vec![], ..deleting() };
    assert_eq!(decide(&seen).steps, [Step::ReleaseFinalizer]);
}

#[test]
fn a_table_without_our_finalizer_is_not_ours_any_more() {
    let seen = Observed { finalizer: false, ..deleting() };
    assert_eq!((decide(&seen).steps, decide(&seen).stage), (vec![], Stage::Deleted));
}

#[test]
fn a_deleted_table_is_drained_before_its_pod_goes() {
    let mut seen = deleting();
    assert_eq!(decide(&seen).steps, [ask(Why::Delete)]);
    let stages = [
        (drain(false, true, 6, 0), Waiting::Hand),
        (drain(false, false, 6, 0), Waiting::Players(6)),
        (drain(false, false, 0, 4), Waiting::Journal(4)),
    ];
    for (answer, waiting) in stages {
        seen.drain = answer;
        let decision = decide(&seen);
        assert_eq!(decision.steps, []);
        assert_eq!(decision.stage, Stage::Draining(Why::Delete, waiting));
        assert!(decision.again_s.is_some());
    }
    seen.drain = drain(true, false, 0, 0);
    assert_eq!(decide(&seen).steps, [remove(3), Step::ReleaseFinalizer]);
}

#[test]
fn a_deleted_table_whose_pod_is_down_asks_the_signer_first() {
    let mut seen = Observed { pods: vec![], ..deleting() };
    assert_eq!(decide(&seen).steps, [Step::AskHead]);
    seen.head = Some(Ok(0));
    assert_eq!(decide(&seen).steps, [Step::ReleaseFinalizer]);
    seen.head = Some(Ok(12));
    let decision = decide(&seen);
    assert_eq!(decision.steps, [raise(4), create(4)]);
    assert_eq!(decision.stage, Stage::Draining(Why::Delete, Waiting::Pod));
    seen.head = Some(unanswered());
    let decision = decide(&seen);
    assert_eq!(decision.steps, []);
    assert!(decision.again_s.is_some());
}

#[test]
fn a_deleted_table_that_never_had_a_player_does_not_wait_for_its_pod() {
    let mut seen = Observed { head: Some(Ok(0)), ..deleting() };
    seen.pods[0].ready = false;
    assert_eq!(decide(&seen).steps, [remove(3), Step::ReleaseFinalizer]);
}

#[test]
fn a_deleted_table_with_a_pod_that_goes_waits_and_then_brings_up_another() {
    let mut seen = Observed { head: Some(Ok(9)), ..deleting() };
    (seen.pods[0].life, seen.pods[0].ready) = (Life::Terminating, false);
    assert_eq!(decide(&seen).steps, []);
    seen.pods.clear();
    assert_eq!(decide(&seen).steps, [raise(4), create(4)]);
}

/// Everything that can be observed, in every combination.
fn every_observation() -> Vec<Observed> {
    let mut all = Vec::new();
    let lives = [Life::Alive, Life::Terminating, Life::Lost, Life::Failed];
    let mut pods: Vec<Vec<PodView>> = vec![vec![]];
    for life in lives {
        for (ready, started) in [(false, false), (false, true), (true, true)] {
            for (hash, draining) in [(WANTED, false), ("old", false), ("old", true)] {
                let ready = ready && life == Life::Alive;
                let one = PodView { life, ready, started, hash: hash.into(), draining, ..pod(3) };
                pods.push(vec![one.clone()]);
                pods.push(vec![pod(2), one.clone()]);
                for (stand_by, ordered) in [(true, false), (false, true)] {
                    let ready = ready && ordered;
                    pods.push(vec![pod(2), PodView { stand_by, ordered, ready, ..one.clone() }]);
                }
            }
        }
    }
    let drains = [None, Some(unanswered()), drain(false, true, 2, 0), drain(true, false, 0, 0)];
    let standings = [
        None,
        Some(unanswered()),
        Some(Ok(Standing::Connecting)),
        Some(Ok(Standing::StandingBy)),
        Some(Ok(Standing::TakingOver)),
    ];
    let heads = [None, Some(unanswered()), Some(Ok(0)), Some(Ok(5))];
    for pods in &pods {
        for (drain, head) in drains.iter().flat_map(|drain| heads.iter().map(move |head| (drain, head))) {
            for bits in 0..8 {
                let bit = |at: u8| bits & (1 << at) != 0;
                all.push(Observed {
                    deleting: bit(0),
                    finalizer: bit(1),
                    wanted: bit(2).then(|| WANTED.to_owned()),
                    pods: pods.clone(),
                    drain: drain.clone(),
                    head: head.clone(),
                    turn: [None, Some(Turn::Now), Some(Turn::Later { again_s: 3 })][all.len() % 3],
                    standing: standings[all.len() % 5].clone(),
                    ..running()
                });
            }
        }
    }
    all
}

#[test]
fn a_pod_is_only_ever_made_right_after_its_generation_was_raised() {
    let mut made = 0;
    for seen in every_observation() {
        let steps = decide(&seen).steps;
        for (at, step) in steps.iter().enumerate() {
            if let Step::Create { generation, .. } = step {
                made += 1;
                assert_eq!(steps[at - 1], raise(*generation), "{seen:?}");
                assert!(seen.pods.iter().all(|pod| pod.generation < *generation), "{seen:?}");
                assert!(seen.finalizer || steps[..at].contains(&Step::AddFinalizer), "{seen:?}");
            }
        }
    }
    assert!(made > 100, "{made}");
}

#[test]
fn a_serving_pod_is_never_deleted_before_it_said_that_it_is_drained() {
    for seen in every_observation() {
        let serving = holder(&seen.pods).filter(|pod| pod.ready);
        let drained =
            seen.drain.as_ref().is_some_and(|drain| drain.as_ref().is_ok_and(|drain| drain.drained));
        if let Some(pod) = serving
            && decide(&seen).steps.contains(&Step::Delete { pod: pod.name.clone() })
        {
            assert!(drained, "{seen:?}");
        }
    }
}

#[test]
fn a_successor_is_only_made_beside_a_pod_that_may_play_and_only_ordered_where_it_is_there() {
    for seen in every_observation() {
        for step in decide(&seen).steps {
            match step {
                Step::Create { stand_by: true, .. } => {
                    let life = holder(&seen.pods).map(|pod| pod.life);
                    assert!(matches!(life, Some(Life::Alive | Life::Terminating)), "{seen:?}");
                }
                Step::Order { pod, .. } => {
                    assert_eq!(successor(&seen.pods).map(|pod| &pod.name), Some(&pod), "{seen:?}");
                }
                _ => {}
            }
        }
    }
}

#[test]
fn a_finalizer_is_never_released_from_a_table_that_lives_or_has_something_to_settle() {
    for seen in every_observation() {
        if decide(&seen).steps.contains(&Step::ReleaseFinalizer) {
            assert!(seen.deleting, "{seen:?}");
            let drained = matches!(&seen.drain, Some(Ok(drain)) if drain.drained);
            assert!(drained || matches!(seen.head, Some(Ok(0))), "{seen:?}");
        }
    }
}

#[test]
fn a_table_that_waits_is_looked_at_again() {
    for seen in every_observation() {
        let decision = decide(&seen);
        let waits = !matches!(decision.stage, Stage::Steady | Stage::Deleted | Stage::Blocked);
        if waits && decision.steps.is_empty() {
            assert!(decision.again_s.is_some(), "{seen:?}");
        }
    }
}

#[test]
fn tables_of_a_drained_node_take_turns_as_long_as_their_grace_period_bears_it() {
    let mut seen = running();
    (seen.pods[0].life, seen.pods[0].ready, seen.pods[0].move_by_s) = (Life::Terminating, false, 1_030);
    let asked = decide(&seen);
    assert_eq!(asked.steps, [Step::AskTurn { evicted: true }]);
    seen.turn = Some(Turn::Later { again_s: 5 });
    let later = decide(&seen);
    assert_eq!((later.steps, later.again_s), (vec![], Some(5)));
    seen.turn = Some(Turn::Later { again_s: 60 });
    assert_eq!(decide(&seen).again_s, Some(30), "not beyond the time by which it moves");
    let launched = [raise(4), beside(4)];
    let launches = |seen: &Observed| {
        let steps = decide(seen).steps;
        assert!(!steps.is_empty() && steps.iter().all(|step| launched.contains(step)), "{steps:?}");
    };
    launches(&Observed { turn: Some(Turn::Now), ..seen.clone() });
    seen.now_s = 1_030;
    launches(&seen);
}
