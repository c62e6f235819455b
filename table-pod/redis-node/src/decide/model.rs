//! Groups of modelled nodes that decide by the real rules: every order of starts, and crashes at any moment.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests may fail loudly")]

use super::{
    tests::{history, quiet},
    *,
};
use crate::memory::Memory;

const TICK: Duration = Duration::from_millis(300);
/// Number of rounds that a master is unreachable before the Sentinels replace it (`down-after-milliseconds`).
const DOWN_AFTER: u32 = 14;

#[derive(Clone, Debug, Default)]
struct Member {
    /// The supervisor runs.
    memory: Option<Memory>,
    server: Option<Role>,
    told: Option<u64>,
    sentinel: Option<Claim>,
    /// State that survives a crash: the Sentinel's file and the server's log.
    file: Option<Claim>,
    log: u64,
    /// Decided on a view that may be old by now.
    pending: Vec<Step>,
}

struct World {
    members: Vec<Member>,
    now: Duration,
    master_away: u32,
    /// The highest commit that two nodes have.
    acknowledged: u64,
    elections: u32,
}

impl World {
    fn new(logs: &[u64], claim: Claim) -> Self {
        let member = |log: &u64| Member { file: Some(claim), log: *log, ..Member::default() };
        let members: Vec<Member> = logs.iter().map(member).collect();
        let mut sorted = logs.to_vec();
        sorted.sort_unstable();
        let acknowledged = sorted.iter().rev().nth(1).or(sorted.first()).copied().unwrap();
        Self { members, now: Duration::ZERO, master_away: 0, acknowledged, elections: 0 }
    }

    fn start(&mut self, node: usize) {
        self.members[node].memory = Some(Memory::new(self.now));
    }

    fn crash(&mut self, node: usize) {
        let member = &mut self.members[node];
        (member.memory, member.server, member.sentinel, member.told) = (None, None, None, None);
        member.pending.clear();
    }

    fn masters(&self) -> Vec<usize> {
        (0..self.members.len()).filter(|node| self.members[*node].server == Some(Role::Master)).collect()
    }

    fn observe(&mut self, node: usize) {
        let me = &self.members[node];
        let Some(mut memory) = me.memory.clone() else { return };
        let claims: Vec<Claim> = self.members.iter().filter_map(|m| m.sentinel).chain(me.file).collect();
        let electing = matches!(me.server, Some(Role::Candidate { .. }));
        let seen = |member: &Member| Seen {
            role: member.server.unwrap_or_default(),
            history: electing.then(|| history(member.log)).filter(|_| member.server.is_some()),
            told: member.told,
            names: member.sentinel.and_then(|claim| claim.master),
        };
        let known = newest(&claims);
        let mut o = Observed {
            server_runs: me.server.is_some(),
            sentinel_runs: me.sentinel.is_some(),
            memory: me.file.is_some(),
            known,
            epoch: known.map_or(0, |claim| claim.epoch),
            ..quiet(Node(node), self.members.iter().map(seen).collect())
        };
        memory.complete(self.now, &mut o);
        let steps = decide(&o);
        let me = &mut self.members[node];
        (me.memory, me.pending) = (Some(memory), steps);
    }

    fn apply(&mut self, node: usize) {
        for step in std::mem::take(&mut self.members[node].pending) {
            let me = &mut self.members[node];
            match step {
                Step::StartFollowing(master) | Step::Follow(master) => {
                    me.server = Some(Role::Replica { of: Some(master) });
                }
                Step::StartAsCandidate => (me.server, me.told) = (Some(Role::Candidate { vote: None }), None),
                Step::TellEpoch(epoch) => me.told = Some(epoch),
                Step::Vote(vote) => me.server = Some(Role::Candidate { vote }),
                Step::BecomeMaster => {
                    me.server = Some(Role::Master);
                    self.elections += 1;
                    let log = self.members[node].log;
                    assert!(log >= self.acknowledged, "{} is acknowledged, {log} wins", self.acknowledged);
                    assert_eq!(self.masters(), [node], "two masters");
                }
                Step::StartSentinel(word) => {
                    let claim = match word {
                        Word::Memory => me.file.unwrap(),
                        Word::Joined { master, epoch } => Claim { epoch, master: Some(master) },
                        Word::Elected { epoch } => Claim { epoch, master: Some(Node(node)) },
                    };
                    (me.sentinel, me.file) = (Some(claim), Some(claim));
                }
                Step::StopSentinel => me.sentinel = None,
                Step::Settle => me.memory.as_mut().unwrap().settle(),
                Step::OpenToSentinels | Step::CountEra | Step::AllowWrites => {}
                other => panic!("{other:?} in a group that is not drained"),
            }
        }
    }

    /// One round of replication and of the Sentinels' own work.
    fn pass(&mut self) {
        self.now += TICK;
        for node in 0..self.members.len() {
            if let Some(Role::Replica { of: Some(master) }) = self.members[node].server
                && self.members[master.0].server == Some(Role::Master)
            {
                self.members[node].log = self.members[master.0].log;
            }
        }
        let told = self.members.iter().filter_map(|member| member.sentinel).max();
        let Some(Claim { epoch, master: Some(master) }) = told else { return };
        for member in self.members.iter_mut().filter(|member| member.sentinel.is_some()) {
            (member.sentinel, member.file) = (told, told);
        }
        let running = self.members.iter().filter(|member| member.sentinel.is_some()).count();
        if self.members[master.0].server == Some(Role::Master) || running <= self.members.len() / 2 {
            self.master_away = 0;
            return;
        }
        self.master_away += 1;
        let promotable = (0..self.members.len())
            .filter(|node| matches!(self.members[*node].server, Some(Role::Replica { .. })));
        let best = promotable.max_by_key(|node| self.members[*node].log);
        let Some(best) = best.filter(|_| self.master_away >= DOWN_AFTER) else { return };
        let claim = Some(Claim { epoch: epoch + 1, master: Some(Node(best)) });
        for (node, member) in self.members.iter_mut().enumerate() {
            if member.sentinel.is_some() {
                (member.sentinel, member.file) = (claim, claim);
            }
            match &mut member.server {
                Some(role) if node == best => *role = Role::Master,
                Some(Role::Replica { of }) => *of = Some(Node(best)),
                _ => {}
            }
        }
        assert_eq!(self.masters(), [best], "two masters after a failover");
        // Sentinels choose among the serving nodes; if both nodes with a commit are away, the commit is lost. Tables
        // replay what a new master lacks.
        self.acknowledged = self.acknowledged.min(self.members[best].log);
    }

    /// Whether there is one master that all others follow.
    fn is_whole(&self) -> bool {
        let [master] = self.masters()[..] else { return false };
        let follows = |member: &Member| {
            member.server == Some(Role::Master)
                || member.server == Some(Role::Replica { of: Some(Node(master)) })
        };
        self.members.iter().all(|member| follows(member) && member.sentinel.is_some())
    }
}

/// SplitMix64 (Steele, Lea, Flood 2014): the seed determines all numbers.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        usize::try_from((z ^ (z >> 31)) % u64::try_from(sides).unwrap()).unwrap()
    }
}

/// All lists of this length whose items are below `choices`.
fn lists(length: u32, choices: usize) -> impl Iterator<Item = Vec<usize>> {
    (0..choices.pow(length))
        .map(move |number| (0..length).map(|place| number / choices.pow(place) % choices).collect())
}

#[test]
fn the_longest_history_starts_as_master_in_every_order_of_starts() {
    // A node starts together with the others, a second later, or after another has waited as long as nodes wait for it.
    let starts = [0, 1_200, 21_000].map(Duration::from_millis);
    let mut runs = 0;
    for nodes in [2, 3] {
        for logs in lists(nodes, 3) {
            for times in lists(nodes, starts.len()) {
                for former in 0..nodes {
                    let turns = [vec![0, 1, 2], vec![2, 1, 0], vec![1, 2, 0]];
                    for turn in &turns {
                        let logs: Vec<u64> = logs.iter().map(|log| *log as u64).collect();
                        let claim = Claim { epoch: 7, master: Some(Node(former as usize)) };
                        let mut world = World::new(&logs, claim);
                        let present =
                            |world: &World| world.members.iter().all(|member| member.memory.is_some());
                        let mut waited = 0;
                        while !(present(&world) && world.is_whole()) {
                            for (node, start) in times.iter().enumerate() {
                                if world.members[node].memory.is_none() && world.now >= starts[*start] {
                                    world.start(node);
                                }
                            }
                            for node in turn.iter().filter(|node| **node < logs.len()) {
                                world.observe(*node);
                                world.apply(*node);
                            }
                            world.pass();
                            waited += 1;
                            assert!(waited < 400, "not whole: logs {logs:?}, starts {times:?}, {former}");
                        }
                        assert_eq!(world.elections, 1, "logs {logs:?}, starts {times:?}, {former}");
                        let master = world.masters()[0];
                        let late = times.contains(&2);
                        let longest = *logs.iter().max().unwrap();
                        assert!(
                            world.members[master].log == longest || (late && nodes > 2),
                            "logs {logs:?}, starts {times:?}: {master}"
                        );
                        runs += 1;
                    }
                }
            }
        }
    }
    assert!(runs > 6_000, "{runs}");
}

/// Nodes crash at any moment, even between an observation and its decision. There is never a second master, and an
/// elected node has everything that was acknowledged.
#[test]
fn crashes_at_any_moment_make_no_second_master_and_no_election_loses_what_was_acknowledged() {
    let seeds: u64 = std::env::var("PURR_SEEDS").ok().map_or(400, |seeds| seeds.parse().unwrap());
    let mut elections = 0;
    for seed in 0..seeds {
        let mut dice = Dice(seed);
        let nodes = 2 + dice.roll(3);
        let logs: Vec<u64> = (0..nodes).map(|_| dice.roll(4) as u64).collect();
        let claim = Claim { epoch: 7, master: Some(Node(dice.roll(nodes))) };
        let mut world = World::new(&logs, claim);
        for event in 0..1_500 {
            let node = dice.roll(nodes);
            // The last third heals.
            let hurts = event < 1_000;
            match dice.roll(60) {
                0 if hurts => world.crash(node),
                1 if hurts => (world.members[node].server, world.members[node].told) = (None, None),
                2 if hurts => world.members[node].sentinel = None,
                3 if hurts && dice.roll(4) == 0 => (0..nodes).for_each(|node| world.crash(node)),
                4..=9 => {
                    // A commit, acknowledged by a replica that is in step.
                    if let [master] = world.masters()[..] {
                        let follows = Some(Role::Replica { of: Some(Node(master)) });
                        let step = world.members[master].log + 1;
                        let replicas = world.members.iter_mut().filter(|member| member.server == follows);
                        let mut count = 0;
                        for replica in replicas {
                            replica.log = step;
                            count += 1;
                        }
                        if count > 0 {
                            world.members[master].log = step;
                            world.acknowledged = step;
                        }
                    }
                }
                10..=29 => world.pass(),
                30..=44 => world.apply(node),
                _ if world.members[node].memory.is_none() => world.start(node),
                _ => world.observe(node),
            }
            let masters = world.masters();
            assert!(masters.len() <= 1, "seed {seed}, event {event}: masters {masters:?}");
            for master in masters {
                let log = world.members[master].log;
                assert!(
                    log >= world.acknowledged,
                    "seed {seed}, event {event}: {log} of {}",
                    world.acknowledged
                );
            }
        }
        let mut waited = 0;
        while !world.is_whole() {
            for node in 0..nodes {
                if world.members[node].memory.is_none() {
                    world.start(node);
                }
                world.observe(node);
                world.apply(node);
            }
            world.pass();
            waited += 1;
            assert!(waited < 400, "seed {seed}: not whole: {:?}", world.members);
        }
        elections += world.elections;
    }
    assert!(u64::from(elections) > seeds, "{elections} elections");
}
