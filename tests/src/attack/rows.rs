//! The attacks, each in a module of its own: one attacker's behaviour, and what is measured meanwhile. To add one: a
//! module, a [`Kind`], and a line in [`ALL`] and [`attacker_of`].

mod bodies;
mod lanes;
mod lobby;
mod places;

use super::{report::Row, scene::Scene, storm::Attackers, victims::Felt};
use futures::future::LocalBoxFuture;
use serde::{Deserialize, Serialize};
use std::rc::Rc;

/// The attacks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Kind {
    /// Spectators who send bursts of pings.
    Lanes,
    /// Sends requests whose body never ends.
    Bodies,
    /// Follow the lobby.
    Lobby,
}

type Watching<'a> = LocalBoxFuture<'a, anyhow::Result<Row>>;

/// An attack of the report.
pub(super) struct Attack {
    pub name: &'static str,
    pub run: for<'a> fn(&'a mut Scene, &'a Felt) -> Watching<'a>,
}

pub(super) const ALL: [Attack; 4] = [
    Attack { name: lanes::NAME, run: |scene, quiet| Box::pin(lanes::row(scene, quiet)) },
    Attack { name: places::NAME, run: |scene, quiet| Box::pin(places::row(scene, quiet)) },
    Attack { name: bodies::NAME, run: |scene, quiet| Box::pin(bodies::row(scene, quiet)) },
    Attack { name: lobby::NAME, run: |scene, quiet| Box::pin(lobby::row(scene, quiet)) },
];

/// One attempt of one attacker, until it is cut or the attack is over.
type Attacker = fn(Rc<Attackers>, usize) -> LocalBoxFuture<'static, ()>;

pub(super) fn attacker_of(kind: Kind) -> Attacker {
    match kind {
        Kind::Lanes => |all, number| Box::pin(lanes::attacker(all, number)),
        Kind::Bodies => |all, number| Box::pin(bodies::attacker(all, number)),
        Kind::Lobby => |all, number| Box::pin(lobby::attacker(all, number)),
    }
}
