//! Decides what a data node of a Sentinel group does next, from what it sees of the group.
//!
//! A restarting node does not know whether it is still the master, and the node with the shorter history must not become
//! it. While any other node is in service, a node joins the master that the Sentinels with the newest knowledge name, and
//! nothing else. After an outage of all nodes they hold an election among themselves, with `replica-priority 0`, so that
//! no Sentinel promotes one meanwhile. The longest history wins. An acknowledged commit is on two nodes, so all nodes but
//! one hold every acknowledged commit between them: that many candidates are enough.
//!
//! # Guarantees
//! - A node becomes a master only without a node in service in sight, with the longest history among all nodes but at most
//!   one, and with the votes of a majority.
//! - A vote is kept while its candidate lives and stands, so two candidates cannot both find a majority.
//! - Of two masters at most one takes writes: the one that a majority of the Sentinels names.
//! - A master that drains hands over only to a replica that has all of its history, and takes no write from then on.
//!
//! No I/O and no clock: times are part of [`Observed`].

use purr_store::History;
use std::{cmp::Reverse, time::Duration};

#[cfg(test)]
mod model;
#[cfg(test)]
mod tests;

/// Time without a node in service before an election: nodes that start at the same moment may be in service soon.
pub const HESITATION: Duration = Duration::from_secs(1);
/// How long an election waits for the last missing node.
pub const PATIENCE: Duration = Duration::from_secs(15);
/// How long a candidate may be out of sight before a vote for it is given to another. Longer than a candidate takes from
/// counting its votes to its promotion.
pub const REVOTE: Duration = Duration::from_secs(6);
/// How long a replica's master may not be a master: a failover redirects replicas to the new one well within this time.
pub const ASTRAY: Duration = Duration::from_secs(6);
/// How long a master that must not write waits before it follows the one that a majority of the Sentinels names. The
/// Sentinels would make it a replica themselves, but they read its role every ten seconds and then wait another eight.
pub const YIELDS_AFTER: Duration = Duration::from_secs(3);
/// How long a draining master waits for a replica that has everything.
pub const CATCH_UP: Duration = Duration::from_secs(5);
/// How long a draining master waits for the failover it asked for.
pub const HAND_OVER: Duration = Duration::from_secs(9);
/// How long a draining master takes no writes. Longer than the drain: a write that it took after the failover had begun
/// could be acknowledged by the other replica and be lost with it.
pub const WRITES_PAUSED: Duration = Duration::from_secs(20);
/// A node takes up new certificates this much later than the node before it: Sentinels must not restart together.
pub const STAGGER: Duration = Duration::from_secs(10);

/// How long a node without a role lets the Sentinels of a master in service find each other before its own Sentinel
/// announces its stored state, whose epoch may be unknown to all others.
pub const HELPS_AFTER: Duration = Duration::from_secs(10);

/// A node of the group, by its place in the list of all nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Node(pub usize);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Group {
    /// Tables commit to it: every write is acknowledged by a replica.
    Store,
    /// A group whose data may be lost.
    Sessions,
}

/// A server as it describes itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Role {
    /// The node does not answer.
    #[default]
    Silent,
    Master,
    /// `None`: of a server outside the group.
    Replica {
        of: Option<Node>,
    },
    /// Takes part in an election: `replica-priority 0`, and it follows the node that it votes for.
    Candidate {
        vote: Option<Node>,
    },
}

/// The view of one node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    pub role: Role,
    /// Read only while this node is a candidate.
    pub history: Option<History>,
    /// The highest epoch that the candidate has announced. `None`: it has announced none yet.
    pub told: Option<u64>,
    /// The master that the node's Sentinel names. `None`: it does not answer, or names a server outside the group.
    pub names: Option<Node>,
}

/// A master that a Sentinel knows of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Claim {
    pub epoch: u64,
    /// `None`: a server outside the group.
    pub master: Option<Node>,
}

/// The newest of the claims; among equally new ones, the one of the most Sentinels.
pub fn newest(claims: &[Claim]) -> Option<Claim> {
    let count = |claim: &Claim| claims.iter().filter(|other| *other == claim).count();
    claims.iter().copied().max_by_key(|claim| (claim.epoch, count(claim), claim.master.map(Reverse)))
}

/// A drain that has begun.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Drain {
    pub since: Duration,
    /// The master's offset when it stopped taking writes.
    pub paused_at: Option<u64>,
    /// Offsets that its connected replicas have acknowledged.
    pub replicas: Vec<u64>,
    /// Time since a failover was asked for.
    pub failover: Option<Duration>,
}

/// All that a decision depends on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Observed {
    pub me: Node,
    pub group: Group,
    /// All nodes of the group in the same order everywhere, this one included.
    pub nodes: Vec<Seen>,
    /// The process of this node's server runs. Its role is silent while it loads its log.
    pub server_runs: bool,
    pub sentinel_runs: bool,
    /// The Sentinel's file on the volume names a master.
    pub memory: bool,
    /// The newest master that any Sentinel knows of, this node's file included.
    pub known: Option<Claim>,
    /// The highest epoch that this node has seen anywhere.
    pub epoch: u64,
    /// The volume has room for the server's log. A server that cannot write it ends.
    pub room: bool,
    /// No wait is left after a server, or a Sentinel, that did not stay up.
    pub server_may_start: bool,
    pub sentinel_may_start: bool,
    /// The server has found its place since it was started.
    pub settled: bool,
    /// Whether this master has counted its promotion.
    pub era_counted: bool,
    /// The server refuses writes because of a split.
    pub writes_refused: bool,
    /// Time since a node in service was last seen, or since this node's server ended.
    pub alone: Duration,
    /// Time without a place.
    pub searching: Duration,
    /// Time since this replica's master was last seen to be a master.
    pub astray: Duration,
    /// Time since this master was first seen to be split.
    pub split: Duration,
    /// Time since the candidate that this node votes for was last seen.
    pub vote_unseen: Duration,
    /// Time since the certificates were replaced by ones that the servers have not loaded.
    pub new_certificates: Option<Duration>,
    pub drain: Option<Drain>,
}

/// A Sentinel's settings at its start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Word {
    /// Nothing: its memory has failovers that nobody else knows of. Two claims of one epoch would name two masters.
    Memory,
    /// The master that this node joins, and the newest epoch that any Sentinel names a master of.
    Joined { master: Node, epoch: u64 },
    /// This node has won an election with this epoch, which is newer than any that a Sentinel knew.
    Elected { epoch: u64 },
}

/// One step. Steps of a decision are done in order; after a failure the rest waits for the next decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Starts the server as a replica of this master, or as a candidate.
    StartFollowing(Node),
    StartAsCandidate,
    Follow(Node),
    /// Announces the highest known epoch to the other candidates. This comes before any vote: the winner's epoch must
    /// be newer than all of them, or two masters would have the same epoch.
    TellEpoch(u64),
    Vote(Option<Node>),
    BecomeMaster,
    /// `replica-priority 100`: from now on Sentinels may promote this node.
    OpenToSentinels,
    StartSentinel(Word),
    StopSentinel,
    /// The server has its place.
    Settle,
    /// Counts this promotion in the store ([`purr_store::history::ERA`]).
    CountEra,
    RefuseWrites,
    AllowWrites,
    LoadCertificates,
    /// Pauses writes for [`WRITES_PAUSED`]; replicas must reach the offset after it.
    PauseWrites,
    Failover,
    StopServer,
    Exit,
}

impl Step {
    /// Name for logs and metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::StartFollowing(_) => "start-following",
            Self::StartAsCandidate => "start-as-candidate",
            Self::Follow(_) => "follow",
            Self::TellEpoch(_) => "tell-epoch",
            Self::Vote(_) => "vote",
            Self::BecomeMaster => "become-master",
            Self::OpenToSentinels => "open-to-sentinels",
            Self::StartSentinel(_) => "start-sentinel",
            Self::StopSentinel => "stop-sentinel",
            Self::Settle => "settle",
            Self::CountEra => "count-era",
            Self::RefuseWrites => "refuse-writes",
            Self::AllowWrites => "allow-writes",
            Self::LoadCertificates => "load-certificates",
            Self::PauseWrites => "pause-writes",
            Self::Failover => "failover",
            Self::StopServer => "stop-server",
            Self::Exit => "exit",
        }
    }
}

impl Observed {
    pub fn own(&self) -> Seen {
        self.nodes.get(self.me.0).copied().unwrap_or_default()
    }

    /// A majority of the group.
    pub fn quorum(&self) -> usize {
        self.nodes.len() / 2 + 1
    }

    fn peers(&self) -> impl Iterator<Item = (Node, &Seen)> {
        let all = self.nodes.iter().enumerate().map(|(place, seen)| (Node(place), seen));
        all.filter(|(node, _)| *node != self.me)
    }

    fn is_master(&self, node: Node) -> bool {
        self.nodes.get(node.0).is_some_and(|seen| seen.role == Role::Master)
    }

    /// Whether another node is a master, or a replica that Sentinels may promote.
    pub fn in_service(&self) -> bool {
        self.peers().any(|(_, seen)| matches!(seen.role, Role::Master | Role::Replica { .. }))
    }

    /// The known master, if it is another node that says it is a master. Otherwise the one that a majority of the
    /// Sentinels names: this node's file may have an epoch that the others never saw.
    fn to_join(&self) -> Option<Node> {
        let known = self.known.and_then(|claim| claim.master);
        let known = known.filter(|master| *master != self.me && self.is_master(*master));
        known.or_else(|| self.elsewhere())
    }

    /// Another master, named by a majority of the Sentinels.
    fn elsewhere(&self) -> Option<Node> {
        let mut peers = self.peers().map(|(node, _)| node);
        peers.find(|node| self.named(*node) >= self.quorum() && self.is_master(*node))
    }

    /// A Sentinel that starts with an older epoch could take part in a failover under a number that is used up.
    fn joined(&self, master: Node) -> Word {
        Word::Joined { master, epoch: self.known.map_or(0, |claim| claim.epoch) }
    }

    fn named(&self, node: Node) -> usize {
        self.nodes.iter().filter(|seen| seen.names == Some(node)).count()
    }

    /// Whether another node is a master as well, and no majority of the Sentinels names this one.
    pub fn is_split(&self) -> bool {
        let other = self.peers().any(|(_, seen)| seen.role == Role::Master);
        self.group == Group::Store && other && self.named(self.me) < self.quorum()
    }
}

/// Decides what to do next; nothing where only time or another node can change anything.
pub fn decide(o: &Observed) -> Vec<Step> {
    match &o.drain {
        Some(drain) => leave(o, drain),
        None if o.server_runs && o.settled => serve(o),
        // The Sentinel keeps running: without a majority of Sentinels, no failover could reach the nodes that still
        // have disk space.
        None if !o.server_runs && !o.room => Vec::new(),
        None => find_place(o),
    }
}

/// Decides for a node that has just started, or whose server has ended.
fn find_place(o: &Observed) -> Vec<Step> {
    if let Some(master) = o.to_join() {
        return join(o, master);
    }
    let role = o.own().role;
    if o.server_runs && role == Role::Master {
        // The node has won, and a later step failed.
        return take_office(o);
    }
    if o.in_service() {
        // The Sentinels promote a node in service; their majority may need this node's own Sentinel.
        let master = o.peers().any(|(_, seen)| seen.role == Role::Master);
        return start_sentinel(o, Word::Memory, o.memory && (!master || o.searching >= HELPS_AFTER));
    }
    match role {
        _ if !o.server_runs => {
            if o.alone < HESITATION || !o.server_may_start {
                return Vec::new();
            }
            let mut steps = stop_sentinel(o);
            steps.push(Step::StartAsCandidate);
            steps
        }
        Role::Candidate { vote } => elect(o, vote),
        _ => Vec::new(),
    }
}

fn join(o: &Observed, master: Node) -> Vec<Step> {
    let mut steps = match (o.server_runs, o.own().role) {
        (false, _) if !o.server_may_start => return Vec::new(),
        (false, _) => vec![Step::StartFollowing(master)],
        // The server is still loading its log.
        (true, Role::Silent) => return Vec::new(),
        (true, _) => vec![Step::Follow(master), Step::OpenToSentinels],
    };
    steps.push(Step::Settle);
    if o.sentinel_runs && o.own().names != Some(master) {
        steps.extend([Step::StopSentinel, Step::StartSentinel(o.joined(master))]);
    }
    steps.extend(start_sentinel(o, o.joined(master), true));
    steps
}

fn elect(o: &Observed, vote: Option<Node>) -> Vec<Step> {
    // The Sentinel may have been started for a node that was in service and no longer is.
    let mut waits = stop_sentinel(o);
    if o.own().told != Some(o.epoch) {
        waits.push(Step::TellEpoch(o.epoch));
        return waits;
    }
    let candidate = |seen: &Seen| matches!(seen.role, Role::Candidate { .. });
    // A node that is loading has no readable history yet and is not a candidate.
    let candidates = o.nodes.iter().enumerate().filter(|(_, seen)| candidate(seen));
    let ranked: Vec<(History, Reverse<Node>)> =
        candidates.filter_map(|(place, seen)| Some((seen.history?, Reverse(Node(place))))).collect();
    let needed = (o.nodes.len() - 1).max(1);
    let enough = ranked.len() >= needed && (ranked.len() == o.nodes.len() || o.alone >= PATIENCE);
    let Some((_, Reverse(best))) = ranked.into_iter().max().filter(|_| enough) else { return waits };
    if o.own().history.is_none() {
        return waits;
    }
    if let Some(voted) = vote {
        let kept = match o.nodes.get(voted.0).map(|seen| seen.role) {
            Some(Role::Candidate { vote: None }) => true,
            // A candidate that voted for another node cannot win: votes kept for it could leave nobody with a majority.
            Some(Role::Candidate { vote: Some(_) }) => false,
            _ => o.vote_unseen < REVOTE,
        };
        if kept {
            return waits;
        }
    }
    let wanted = (best != o.me).then_some(best);
    let then = if vote != wanted {
        vec![Step::Vote(wanted)]
    } else if wanted.is_none() && votes(o) >= o.quorum() {
        return [vec![Step::BecomeMaster], take_office(o)].concat();
    } else {
        Vec::new()
    };
    [waits, then].concat()
}

/// Number of votes for this node, its own included.
fn votes(o: &Observed) -> usize {
    1 + o.peers().filter(|(_, seen)| seen.role == Role::Candidate { vote: Some(o.me) }).count()
}

fn take_office(o: &Observed) -> Vec<Step> {
    let told = o.nodes.iter().filter_map(|seen| seen.told);
    let epoch = 1 + told.fold(o.epoch, u64::max);
    let mut steps = vec![Step::OpenToSentinels];
    steps.extend(stop_sentinel(o));
    steps.extend([Step::StartSentinel(Word::Elected { epoch }), Step::Settle]);
    steps
}

/// Decides for a node that is the master or a replica.
fn serve(o: &Observed) -> Vec<Step> {
    let mut steps = Vec::new();
    let master = match o.own().role {
        // The node does not answer now.
        Role::Silent => return steps,
        Role::Candidate { vote } => {
            steps.push(Step::OpenToSentinels);
            vote
        }
        Role::Master => {
            match (o.is_split(), o.writes_refused) {
                (true, false) => steps.push(Step::RefuseWrites),
                (false, true) => steps.push(Step::AllowWrites),
                _ => {}
            }
            let other = o.elsewhere().filter(|_| o.is_split() && o.split >= YIELDS_AFTER);
            steps.extend(other.map(Step::Follow));
            other.or(Some(o.me))
        }
        Role::Replica { of } => {
            if o.writes_refused {
                steps.push(Step::AllowWrites);
            }
            // Sentinels correct a replica only where they know its address, and a pod that came back has another one. A
            // chain of replicas also counts as one replica less for every commit.
            let other = o.to_join().filter(|master| o.astray >= ASTRAY && Some(*master) != of);
            steps.extend(other.map(Step::Follow));
            other.or(of)
        }
    };
    let word = if o.memory { Some(Word::Memory) } else { master.map(|master| o.joined(master)) };
    if let Some(word) = word {
        steps.extend(start_sentinel(o, word, true));
    }
    if o.new_certificates.is_some_and(|age| age >= STAGGER * u32::try_from(o.me.0).unwrap_or(u32::MAX)) {
        steps.push(Step::LoadCertificates);
        // A Sentinel loads certificates only when it starts.
        if o.sentinel_runs && o.memory {
            steps.extend([Step::StopSentinel, Step::StartSentinel(Word::Memory)]);
        }
    }
    // Last, because this step fails until a replica is connected.
    if master == Some(o.me) && !o.era_counted {
        steps.push(Step::CountEra);
    }
    steps
}

/// Decides for a node that was asked to stop: a master hands over first. The Sentinel stays until the server has
/// stopped.
fn leave(o: &Observed, drain: &Drain) -> Vec<Step> {
    let end = || {
        let mut steps = if o.server_runs { vec![Step::StopServer] } else { Vec::new() };
        steps.extend(stop_sentinel(o));
        steps.push(Step::Exit);
        steps
    };
    let role = o.own().role;
    if o.server_runs && o.settled && role == Role::Silent && drain.since < CATCH_UP {
        return Vec::new();
    }
    let hands_over = o.server_runs && o.settled && role == Role::Master && o.nodes.len() > 1;
    if !hands_over {
        return end();
    }
    match (drain.paused_at, drain.failover) {
        (_, Some(asked)) => {
            let switched = o.peers().any(|(node, _)| o.is_master(node) && o.named(node) >= o.quorum());
            if switched || asked >= HAND_OVER { end() } else { Vec::new() }
        }
        _ if drain.since >= CATCH_UP => end(),
        (None, None) => vec![Step::PauseWrites],
        (Some(own), None) => {
            let have_it = !drain.replicas.is_empty() && drain.replicas.iter().all(|offset| *offset >= own);
            if have_it { vec![Step::Failover] } else { Vec::new() }
        }
    }
}

fn stop_sentinel(o: &Observed) -> Vec<Step> {
    if o.sentinel_runs { vec![Step::StopSentinel] } else { Vec::new() }
}

fn start_sentinel(o: &Observed, word: Word, possible: bool) -> Vec<Step> {
    let start = possible && !o.sentinel_runs && o.sentinel_may_start && o.room;
    if start { vec![Step::StartSentinel(word)] } else { Vec::new() }
}

/// Why the node does not serve; `None` where it does.
pub fn missing(o: &Observed, link_up: bool) -> Option<&'static str> {
    match o.own().role {
        _ if !o.server_runs && !o.room => Some("the disk is full"),
        _ if !o.server_runs => Some("the server does not run"),
        Role::Silent => Some("the server does not answer"),
        _ if !o.settled => Some("the node has no place in its group yet"),
        Role::Replica { .. } | Role::Candidate { .. } if !link_up => Some("the master is not connected"),
        _ if !o.sentinel_runs => Some("the Sentinel does not run"),
        _ => None,
    }
}
