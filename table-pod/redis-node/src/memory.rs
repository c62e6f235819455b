//! Memory of a node between two observations of its group.

use crate::decide::{Node, Observed, Role};
use std::time::Duration;

/// Times are since the program's start.
#[derive(Clone, Debug, Default)]
pub struct Memory {
    settled: bool,
    era_counted: bool,
    server_ran: bool,
    alone_since: Duration,
    searching_since: Duration,
    astray_since: Option<Duration>,
    split_since: Option<Duration>,
    /// The candidate that this node votes for, and when that candidate was last seen.
    vote: Option<(Node, Duration)>,
}

impl Memory {
    pub fn new(now: Duration) -> Self {
        Self { alone_since: now, searching_since: now, ..Self::default() }
    }

    /// Notes that the server is the master or a replica now.
    pub fn settle(&mut self) {
        self.settled = true;
    }

    /// The promotion is in the store.
    pub fn count_era(&mut self) {
        self.era_counted = true;
    }

    /// Adds what is remembered to an observation.
    pub fn complete(&mut self, now: Duration, o: &mut Observed) {
        let role = o.own().role;
        let is = |node: Node, wanted: fn(Role) -> bool| o.nodes.get(node.0).is_some_and(|n| wanted(n.role));
        if !o.server_runs {
            (self.settled, self.era_counted) = (false, false);
            if self.server_ran {
                self.alone_since = now;
            }
        }
        self.server_ran = o.server_runs;
        if self.settled {
            self.searching_since = now;
        }
        if self.settled || o.in_service() {
            self.alone_since = now;
        }
        if matches!(role, Role::Replica { .. } | Role::Candidate { .. }) {
            self.era_counted = false;
        }
        self.astray_since = match role {
            Role::Replica { of: Some(master) } if is(master, |role| role == Role::Master) => None,
            Role::Replica { .. } => Some(self.astray_since.unwrap_or(now)),
            // The node may answer again with its earlier role.
            Role::Silent => self.astray_since,
            Role::Master | Role::Candidate { .. } => None,
        };
        self.vote = match role {
            Role::Candidate { vote: Some(voted) } => {
                let lives = is(voted, |role| matches!(role, Role::Candidate { .. }));
                let before = self.vote.filter(|(node, _)| *node == voted && !lives);
                Some((voted, before.map_or(now, |(_, seen)| seen)))
            }
            _ => None,
        };
        let split = role == Role::Master && o.is_split();
        self.split_since = split.then(|| self.split_since.unwrap_or(now));
        o.split = self.split_since.map_or(Duration::ZERO, |since| now - since);
        o.settled = self.settled;
        o.era_counted = self.era_counted;
        o.alone = now - self.alone_since;
        o.searching = now - self.searching_since;
        o.astray = self.astray_since.map_or(Duration::ZERO, |since| now - since);
        o.vote_unseen = self.vote.map_or(Duration::ZERO, |(_, seen)| now - seen);
    }
}
