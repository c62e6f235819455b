//! Enumerates all views that a node can have, and checks rules for each decision.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests may fail loudly")]

use super::*;

const ME: Node = Node(0);
const S: Duration = Duration::from_secs(1);

pub(super) fn history(commits: u64) -> History {
    History { era: 1, commits, keys: commits }
}

fn seen(role: Role) -> Seen {
    Seen { role, history: None, told: Some(4), names: None }
}

/// The view of a node that sees these nodes, runs neither server nor Sentinel, and waits for nothing.
pub(super) fn quiet(me: Node, nodes: Vec<Seen>) -> Observed {
    Observed {
        me,
        group: Group::Store,
        nodes,
        server_runs: false,
        sentinel_runs: false,
        memory: false,
        known: None,
        epoch: 0,
        room: true,
        server_may_start: true,
        sentinel_may_start: true,
        settled: false,
        era_counted: true,
        writes_refused: false,
        alone: Duration::ZERO,
        searching: Duration::ZERO,
        astray: Duration::ZERO,
        split: Duration::ZERO,
        vote_unseen: Duration::ZERO,
        new_certificates: None,
        drain: None,
    }
}

/// The view of the master in a healthy group of three, which has nothing to do.
fn master() -> Observed {
    let replica = Role::Replica { of: Some(ME) };
    let names = |role| Seen { role, history: None, told: Some(4), names: Some(ME) };
    Observed {
        server_runs: true,
        sentinel_runs: true,
        memory: true,
        known: Some(Claim { epoch: 4, master: Some(ME) }),
        epoch: 4,
        settled: true,
        ..quiet(ME, vec![names(Role::Master), names(replica), names(replica)])
    }
}

fn roles(nodes: usize) -> Vec<Role> {
    let others = (0..nodes).map(|place| Some(Node(place))).chain([None]);
    let mut roles = vec![Role::Silent, Role::Master];
    for node in others {
        roles.extend([Role::Replica { of: node }, Role::Candidate { vote: node }]);
    }
    roles
}

/// Every view of a group of three that has not settled, or whose server is down.
fn each_start(mut check: impl FnMut(&Observed)) {
    let all = roles(3);
    let histories = [None, Some(history(1)), Some(history(2))];
    let masters = [None, Some(ME), Some(Node(1)), Some(Node(2))];
    let flags = [false, true];
    let mut o = master();
    o.settled = false;
    for (own, first, second) in product3(&all, &all, &all) {
        for (mine, its, others) in product3(&histories, &histories, &histories) {
            o.nodes = vec![seen(own), seen(first), seen(second)];
            for (node, history) in o.nodes.iter_mut().zip([mine, its, others]) {
                // Only candidates' histories are read; for other nodes the view would be the same again.
                node.history = history;
            }
            let dull = |node: &Seen| !matches!(node.role, Role::Candidate { .. }) && node.history.is_some();
            if o.nodes.iter().any(dull) {
                continue;
            }
            for (known, alone, unseen) in product3(&masters, &[Duration::ZERO, S, PATIENCE], &[S, REVOTE]) {
                o.known = known.map(|master| Claim { epoch: 4, master: Some(master) });
                (o.alone, o.vote_unseen) = (alone, unseen);
                for (runs, sentinel, room) in product3(&flags, &flags, &flags) {
                    (o.server_runs, o.sentinel_runs, o.room) = (runs, sentinel, room);
                    if runs || own == Role::Silent {
                        check(&o);
                    }
                }
            }
        }
    }
}

fn product3<A: Copy, B: Copy, C: Copy>(a: &[A], b: &[B], c: &[C]) -> Vec<(A, B, C)> {
    let pairs = a.iter().flat_map(|a| b.iter().map(move |b| (*a, *b)));
    pairs.flat_map(|(a, b)| c.iter().map(move |c| (a, b, *c))).collect()
}

#[test]
fn of_all_that_can_be_seen_only_the_longest_history_becomes_a_master() {
    let (mut views, mut won, mut started, mut joined, mut voted) = (0_u32, 0_u32, 0_u32, 0_u32, 0_u32);
    each_start(|o| {
        views += 1;
        let steps = decide(o);
        let own = o.own();
        let in_service = o.in_service();
        let starts = |step: &Step| matches!(step, Step::StartAsCandidate | Step::StartFollowing(_));
        assert!(!steps.iter().any(starts) || (o.room && !o.server_runs), "{o:?}: {steps:?}");
        if !o.room && !o.server_runs {
            assert!(steps.is_empty(), "waits for room: {o:?}: {steps:?}");
        }
        for step in &steps {
            match step {
                Step::BecomeMaster => {
                    won += 1;
                    assert!(!in_service, "another one serves: {o:?}");
                    assert_eq!(own.role, Role::Candidate { vote: None }, "it voted for another: {o:?}");
                    let candidates = o.nodes.iter().filter(|node| node.history.is_some());
                    let longest = candidates.clone().filter_map(|node| node.history).max();
                    assert_eq!(own.history, longest, "another history is longer: {o:?}");
                    let count = candidates.count();
                    assert!(count == 3 || (count == 2 && o.alone >= PATIENCE), "too few: {o:?}");
                    let votes = o.peers().filter(|(_, peer)| peer.role == Role::Candidate { vote: Some(ME) });
                    assert!(1 + votes.count() >= 2, "no majority: {o:?}");
                    assert!(steps.contains(&Step::StartSentinel(Word::Elected { epoch: 5 })), "{steps:?}");
                }
                Step::StartAsCandidate => {
                    started += 1;
                    assert!(!in_service && o.alone >= HESITATION, "another one serves: {o:?}");
                    assert_eq!(steps.contains(&Step::StopSentinel), o.sentinel_runs, "{o:?}: {steps:?}");
                }
                Step::StartFollowing(node) | Step::Follow(node) => {
                    joined += 1;
                    assert_eq!(o.known.unwrap().master, Some(*node), "nobody names it: {o:?}");
                    assert!(
                        o.sentinel_runs || !o.room || steps.contains(&Step::StartSentinel(o.joined(*node)))
                    );
                    assert!(*node != ME && o.nodes[node.0].role == Role::Master, "no master: {o:?}");
                    assert!(steps.contains(&Step::Settle), "{steps:?}");
                }
                Step::Vote(wanted) => {
                    voted += 1;
                    let Role::Candidate { vote } = own.role else { panic!("no candidate votes: {o:?}") };
                    if let Some(before) = vote {
                        let free = match o.nodes[before.0].role {
                            Role::Candidate { vote } => vote.is_some(),
                            _ => o.vote_unseen >= REVOTE,
                        };
                        assert!(free, "a vote is kept: {o:?}");
                    }
                    let choice = wanted.unwrap_or(ME);
                    let longest = o.nodes.iter().filter_map(|node| node.history).max();
                    assert_eq!(o.nodes[choice.0].history, longest, "a vote for less: {o:?}");
                    assert!(!in_service, "{o:?}");
                }
                Step::StopSentinel => {
                    let starts = |step: &Step| matches!(step, Step::StartSentinel(_));
                    assert!(!in_service || steps.iter().any(starts), "{o:?}: {steps:?}");
                }
                Step::StartSentinel(Word::Elected { .. }) => assert_eq!(o.to_join(), None, "{o:?}"),
                _ => {}
            }
        }
    });
    for count in [won, started, joined, voted] {
        assert!(count > 100, "{won} won, {started} started, {joined} joined, {voted} voted");
    }
    assert!(views > 500_000, "{views} views");
}

#[test]
fn the_last_node_of_a_group_of_one_has_nobody_to_wait_for() {
    let mut o = master();
    (o.group, o.settled, o.sentinel_runs) = (Group::Sessions, false, false);
    let own =
        Seen { role: Role::Candidate { vote: None }, history: Some(history(0)), told: Some(4), names: None };
    o.nodes = vec![own];
    let sentinel = Step::StartSentinel(Word::Elected { epoch: 5 });
    assert_eq!(decide(&o), [Step::BecomeMaster, Step::OpenToSentinels, sentinel, Step::Settle]);
    o.nodes[0].history = None;
    assert_eq!(decide(&o), [], "its own history is not read yet");
}

#[test]
fn a_node_that_is_silent_for_a_moment_keeps_the_vote() {
    let mut o = master();
    (o.settled, o.sentinel_runs, o.alone) = (false, false, PATIENCE);
    let vote = |vote, commits| Seen {
        role: Role::Candidate { vote },
        history: Some(history(commits)),
        told: Some(4),
        names: None,
    };
    o.nodes = vec![vote(Some(Node(1)), 1), Seen::default(), vote(None, 2)];
    assert_eq!(decide(&o), [], "the candidate may be counting the votes");
    o.vote_unseen = REVOTE;
    assert_eq!(decide(&o), [Step::Vote(Some(Node(2)))]);
}

#[test]
fn of_two_masters_at_most_one_takes_writes() {
    let names = [None, Some(Node(0)), Some(Node(1)), Some(Node(2))];
    let refuses = |o: &Observed| decide(o).contains(&Step::RefuseWrites);
    let mut refused = 0;
    for told in product3(&names, &names, &names) {
        let mut o = master();
        o.nodes[1].role = Role::Master;
        for (node, name) in o.nodes.iter_mut().zip([told.0, told.1, told.2]) {
            node.names = name;
        }
        let mut other = o.clone();
        other.me = Node(1);
        assert!(refuses(&o) || refuses(&other), "both write: {o:?}");
        refused += u32::from(refuses(&o) && refuses(&other));
        // The split is over: writes are accepted again.
        o.writes_refused = true;
        assert_eq!(decide(&o).contains(&Step::AllowWrites), !o.is_split());
        o.nodes[1].role = Role::Replica { of: Some(ME) };
        assert_eq!(decide(&o), [Step::AllowWrites]);
        o.group = Group::Sessions;
        o.writes_refused = false;
        o.nodes[1].role = Role::Master;
        assert_eq!(decide(&o), [], "what may be lost is written anyhow");
    }
    assert!(refused > 0, "without a majority none writes");
}

#[test]
fn a_master_that_must_not_write_follows_the_one_that_most_sentinels_name() {
    let names = [None, Some(Node(0)), Some(Node(1)), Some(Node(2))];
    for told in product3(&names, &names, &names) {
        for split in [Duration::ZERO, YIELDS_AFTER] {
            let mut o = master();
            o.nodes[1].role = Role::Master;
            for (node, name) in o.nodes.iter_mut().zip([told.0, told.1, told.2]) {
                node.names = name;
            }
            (o.writes_refused, o.split) = (o.is_split(), split);
            let named = o.nodes.iter().filter(|node| node.names == Some(Node(1))).count();
            let yields = named >= 2 && split >= YIELDS_AFTER;
            assert_eq!(decide(&o), if yields { vec![Step::Follow(Node(1))] } else { vec![] }, "{o:?}");
        }
    }
}

#[test]
fn a_replica_that_was_cut_off_as_a_master_takes_writes_again_when_it_is_promoted() {
    let mut o = master();
    o.nodes[0].role = Role::Replica { of: Some(Node(1)) };
    o.writes_refused = true;
    assert_eq!(decide(&o), [Step::AllowWrites]);
}

#[test]
fn a_replica_of_no_master_follows_the_one_that_the_sentinels_name_after_a_while() {
    let masters = [None, Some(ME), Some(Node(1)), Some(Node(2))];
    for (of, known, astray) in product3(&masters, &masters, &[Duration::ZERO, ASTRAY]) {
        let mut o = master();
        o.nodes = vec![seen(Role::Replica { of }), seen(Role::Master), seen(Role::Silent)];
        o.known = known.map(|master| Claim { epoch: 4, master: Some(master) });
        o.astray = astray;
        let follows = astray >= ASTRAY && known == Some(Node(1)) && of != Some(Node(1));
        let expected = if follows { vec![Step::Follow(Node(1))] } else { Vec::new() };
        assert_eq!(decide(&o), expected, "{o:?}");
    }
}

#[test]
fn each_promotion_is_counted_once() {
    let mut o = master();
    o.era_counted = false;
    assert_eq!(decide(&o), [Step::CountEra]);
    o.era_counted = true;
    assert_eq!(decide(&o), []);
}

#[test]
fn a_sentinel_that_ends_starts_again_with_what_it_knows() {
    let mut o = master();
    o.sentinel_runs = false;
    assert_eq!(decide(&o), [Step::StartSentinel(Word::Memory)]);
    o.sentinel_may_start = false;
    assert_eq!(decide(&o), [], "it did not stay up");
    (o.sentinel_may_start, o.room) = (true, false);
    assert_eq!(decide(&o), [], "it could not write its file");
    (o.room, o.memory) = (true, false);
    assert_eq!(decide(&o), [Step::StartSentinel(Word::Joined { master: ME, epoch: 4 })]);
}

#[test]
fn a_sentinel_helps_those_in_service_while_its_own_node_waits() {
    let mut o = master();
    (o.settled, o.sentinel_runs, o.server_runs) = (false, false, false);
    o.nodes = vec![seen(Role::Silent), seen(Role::Replica { of: Some(Node(2)) }), seen(Role::Silent)];
    assert_eq!(decide(&o), [Step::StartSentinel(Word::Memory)]);
    o.memory = false;
    assert_eq!(decide(&o), [], "an emptied volume knows nothing");
}

/// The node had won an election and died before any other Sentinel heard of it.
#[test]
fn an_epoch_that_nobody_else_heard_of_keeps_no_node_from_joining() {
    let mut o = master();
    (o.settled, o.server_runs, o.sentinel_runs) = (false, false, false);
    o.known = Some(Claim { epoch: 1_004, master: Some(ME) });
    let names = |role| Seen { role, history: None, told: Some(4), names: Some(Node(1)) };
    o.nodes = vec![Seen::default(), names(Role::Master), names(Role::Replica { of: Some(Node(1)) })];
    let word = Word::Joined { master: Node(1), epoch: 1_004 };
    assert_eq!(decide(&o), [Step::StartFollowing(Node(1)), Step::Settle, Step::StartSentinel(word)]);
    // A running Sentinel with another state is restarted.
    o.sentinel_runs = true;
    o.nodes[0].names = Some(ME);
    let expected =
        [Step::StartFollowing(Node(1)), Step::Settle, Step::StopSentinel, Step::StartSentinel(word)];
    assert_eq!(decide(&o), expected);
    o.nodes[2].names = None;
    assert_eq!(decide(&o), [], "one Sentinel of three is no majority");
}

#[test]
fn the_epoch_of_an_election_is_newer_than_any_that_a_candidate_knows() {
    let mut o = master();
    (o.settled, o.sentinel_runs) = (false, false);
    let candidate =
        |vote, told| Seen { role: Role::Candidate { vote }, history: Some(history(1)), told, names: None };
    o.nodes = vec![candidate(None, None), candidate(Some(ME), Some(9)), candidate(Some(ME), Some(6))];
    assert_eq!(decide(&o), [Step::TellEpoch(4)], "nothing before the others can read its own");
    o.nodes[0].told = Some(4);
    assert!(decide(&o).contains(&Step::StartSentinel(Word::Elected { epoch: 10 })));
    // A candidate of a release that announces no epoch.
    o.nodes[1].told = None;
    assert!(decide(&o).contains(&Step::StartSentinel(Word::Elected { epoch: 7 })));
}

#[test]
fn a_sentinel_says_nothing_old_while_those_of_a_new_master_find_each_other() {
    let mut o = master();
    (o.settled, o.server_runs, o.sentinel_runs) = (false, false, false);
    o.nodes = vec![Seen::default(), seen(Role::Master), seen(Role::Replica { of: Some(Node(1)) })];
    assert_eq!(decide(&o), []);
    o.searching = HELPS_AFTER;
    assert_eq!(decide(&o), [Step::StartSentinel(Word::Memory)]);
}

#[test]
fn a_full_disk_is_waited_for_in_place_and_the_sentinel_stays() {
    let mut o = master();
    (o.server_runs, o.settled, o.room, o.nodes[0].role) = (false, false, false, Role::Silent);
    o.alone = PATIENCE;
    assert_eq!(decide(&o), []);
    assert_eq!(missing(&o, true), Some("the disk is full"));
}

#[test]
fn certificates_are_taken_up_one_node_after_the_other() {
    let mut o = master();
    let both = [Step::LoadCertificates, Step::StopSentinel, Step::StartSentinel(Word::Memory)];
    o.new_certificates = Some(Duration::ZERO);
    assert_eq!(decide(&o), both);
    o.me = Node(2);
    assert_eq!(decide(&o), []);
    o.new_certificates = Some(STAGGER * 2);
    assert_eq!(decide(&o), both);
}

#[test]
fn a_master_hands_over_only_to_replicas_that_have_everything() {
    let mut o = master();
    let end = vec![Step::StopServer, Step::StopSentinel, Step::Exit];
    o.drain = Some(Drain::default());
    assert_eq!(decide(&o), [Step::PauseWrites]);
    let drain = |since: u64, replicas: &[u64], failover: Option<u64>| {
        let since = Duration::from_millis(since);
        let failover = failover.map(Duration::from_millis);
        Some(Drain { since, paused_at: Some(100), replicas: replicas.to_vec(), failover })
    };
    for (replicas, ready) in
        [(&[][..], false), (&[100, 99], false), (&[100], true), (&[100, 150], true), (&[99], false)]
    {
        o.drain = drain(200, replicas, None);
        assert_eq!(decide(&o), if ready { vec![Step::Failover] } else { vec![] }, "{replicas:?}");
        o.drain = drain(5_000, replicas, None);
        assert_eq!(decide(&o), end, "nobody has it in time");
    }
    o.drain = drain(6_000, &[100], Some(8_000));
    assert_eq!(decide(&o), []);
    o.nodes[1].role = Role::Master;
    assert_eq!(decide(&o), [], "no Sentinel names the other one yet");
    o.nodes[1].names = Some(Node(1));
    o.nodes[2].names = Some(Node(1));
    assert_eq!(decide(&o), end);
    o.nodes[1].role = Role::Replica { of: Some(ME) };
    o.drain = drain(9_500, &[100], Some(9_000));
    assert_eq!(decide(&o), end, "the failover does not come");
}

#[test]
fn a_drain_takes_no_write_before_its_end() {
    assert!(WRITES_PAUSED > CATCH_UP + HAND_OVER + 4 * S);
}

#[test]
fn whoever_is_no_master_ends_at_once() {
    let mut o = master();
    o.drain = Some(Drain::default());
    let end = [Step::StopServer, Step::StopSentinel, Step::Exit];
    o.nodes[0].role = Role::Replica { of: Some(Node(1)) };
    assert_eq!(decide(&o), end);
    (o.settled, o.nodes[0].role) = (false, Role::Candidate { vote: None });
    assert_eq!(decide(&o), end);
    (o.server_runs, o.sentinel_runs) = (false, false);
    assert_eq!(decide(&o), [Step::Exit]);
    o = master();
    o.drain = Some(Drain::default());
    o.nodes.truncate(1);
    assert_eq!(decide(&o), end, "nobody could take over");
    o = master();
    o.nodes[0].role = Role::Silent;
    o.drain = Some(Drain::default());
    assert_eq!(decide(&o), [], "a master may be silent for a moment");
}

#[test]
fn the_newest_master_counts_and_of_equally_new_ones_the_one_that_most_name() {
    let claim = |epoch, master: Option<usize>| Claim { epoch, master: master.map(Node) };
    assert_eq!(newest(&[]), None);
    assert_eq!(newest(&[claim(3, Some(0)), claim(4, Some(1))]), Some(claim(4, Some(1))));
    let claims = [claim(4, Some(0)), claim(4, Some(2)), claim(4, Some(2))];
    assert_eq!(newest(&claims), Some(claim(4, Some(2))));
    assert_eq!(newest(&[claim(4, Some(2)), claim(4, Some(1)), claim(4, None)]), Some(claim(4, Some(1))));
    assert_eq!(newest(&[claim(5, None), claim(4, Some(1))]), Some(claim(5, None)));
}
