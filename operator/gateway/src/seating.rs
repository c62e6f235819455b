//! Seats of fleets: offers, waiting lists and holds.
//!
//! Decisions are functions of values: which seat to offer ([`choose`]) and how a step changes the books ([`model`], and
//! the same rules as one script in the sessions' Redis). Fleets and tables come from watches ([`watch`]), seated
//! players from the tables' summaries, so no request calls the Kubernetes API.
//!
//! **Guarantees.** A seat is held for one player at most, and a player holds one seat at most. A request with the same id
//! has one answer. **Caveats.** The table alone gives seats: a hold only keeps others away. The books may be lost with
//! the sessions' Redis. Then players ask again, and while it is away no seat is given; seated players play on.

pub mod apart;
pub mod choose;
pub mod fleets;
pub mod keeper;
pub mod key;
pub mod model;
pub mod script;
pub mod step;
pub mod watch;

use crate::{
    metrics::{Metrics, Upstream},
    routing::Routes,
    sessions::SessionStore,
};
use apart::Apart;
use arc_swap::ArcSwap;
use choose::{Choice, Offer, TableView};
use fleets::{FleetView, Fleets, Policy};
use keeper::Snapshot;
use key::FleetKey;
use purr_engine::PlayerId;
use purr_store::StoreError;
use std::{
    collections::HashSet,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use step::{Outcome, Standing, Step};
use tokio::time::timeout;

/// Attempts to choose a seat when others have taken the offered ones.
const TRIES_MAX: usize = 4;
/// Time limit of one step of the books.
const WAIT: Duration = Duration::from_secs(1);
/// Players on the waiting list whose lobby streams are open, kept until the next round.
const FOLLOWING_MAX: usize = 100_000;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum NoSeating {
    #[error("what the tables say of themselves is too old")]
    Old,
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why a player may not sit down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotSeated {
    #[error(
        "this fleet chooses the table: ask the fleet for a seat, and sit down in the one that is held for you"
    )]
    NoHold,
    #[error("this seat is held for another player")]
    Held,
    /// The message is the same as for a full table, so that nobody learns from whom they are kept apart.
    #[error("there is no seat for you at this table: choose another table")]
    NoSeat,
    #[error("seats are not given at the moment: try again soon")]
    Unavailable,
}

/// Seating of one gateway.
pub struct Seating {
    pub fleets: Arc<Fleets>,
    apart: Arc<ArcSwap<Apart>>,
    sessions: Arc<dyn SessionStore>,
    routes: Arc<Routes>,
    now: ArcSwap<Snapshot>,
    following: Mutex<HashSet<PlayerId>>,
    metrics: Metrics,
}

impl Seating {
    pub fn new(
        fleets: Arc<Fleets>,
        apart: Arc<ArcSwap<Apart>>,
        sessions: Arc<dyn SessionStore>,
        routes: Arc<Routes>,
        metrics: Metrics,
    ) -> Self {
        Self {
            fleets,
            apart,
            sessions,
            routes,
            now: ArcSwap::default(),
            following: Mutex::default(),
            metrics,
        }
    }

    /// Fleets, tables and lists as they were at the last round.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.now.load_full()
    }

    /// The player has a lobby stream open and therefore counts as present.
    pub fn follows(&self, player: PlayerId) {
        let mut following = self.following.lock().unwrap_or_else(PoisonError::into_inner);
        if following.len() < FOLLOWING_MAX {
            following.insert(player);
        }
    }

    /// Asks for a seat, or a place on the waiting list. `may` is called once, before anything is taken, and not if the
    /// player has something already.
    ///
    /// # Errors
    /// The inner one is that of `may`.
    pub async fn ask<E>(
        &self,
        fleet: &FleetView,
        player: PlayerId,
        id: &str,
        join: bool,
        may: impl Future<Output = Result<(), E>>,
    ) -> Result<Result<Outcome, E>, NoSeating> {
        let snapshot = self.now.load_full();
        let tables = snapshot.fresh(&fleet.key).ok_or(NoSeating::Old)?;
        let mut may = Some(may);
        for tries in 1.. {
            let standing = self.look(&fleet.key).await?;
            let has = standing
                .held
                .iter()
                .any(|hold| hold.player == player && hold.kind != choose::HeldKind::Seated);
            if !has
                && let Some(may) = may.take()
                && let Err(refused) = may.await
            {
                return Ok(Err(refused));
            }
            let offers = if has { Vec::new() } else { self.choose(tables, &standing, player) };
            let ask = Step::Ask {
                id: id.to_owned(),
                hold_ms: u64::from(fleet.hold_s) * 1_000,
                waiting_max: fleet.waiting_max,
                join,
                offers,
            };
            let outcome = self.step(&fleet.key, player, &ask).await?;
            if outcome != Outcome::Taken || tries >= TRIES_MAX {
                return Ok(Ok(outcome));
            }
        }
        Ok(Ok(Outcome::Taken))
    }

    /// Whether these two must not share a table.
    pub fn kept_apart(&self, one: PlayerId, other: PlayerId) -> bool {
        self.apart.load().are(one, other)
    }

    fn choose(&self, tables: &[TableView], standing: &Standing, player: PlayerId) -> Vec<Offer> {
        match choose::choose(tables, &standing.held, player, &self.apart.load()) {
            Choice::Seats(offers) => offers,
            Choice::Nothing => Vec::new(),
        }
    }

    async fn look(&self, fleet: &FleetKey) -> Result<Standing, StoreError> {
        self.counted(self.sessions.seats(fleet, 0, false)).await
    }

    /// Carries out one step of the books.
    ///
    /// # Errors
    /// Where the store does not answer.
    pub async fn step(&self, fleet: &FleetKey, player: PlayerId, step: &Step) -> Result<Outcome, StoreError> {
        self.counted(self.sessions.seat(fleet, player, step)).await
    }

    /// A request waits for the store so long and no longer.
    async fn counted<T>(&self, asked: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
        let late = |_| Err(StoreError::Unavailable("no answer in time".into()));
        let answer = timeout(WAIT, asked).await.unwrap_or_else(late);
        answer.inspect_err(|error| {
            self.metrics.upstream_error(Upstream::Sessions);
            tracing::debug!(%error, "seating");
        })
    }

    /// Whether a player may send Sit for this seat: in a fleet that chooses, only with a hold of the seat; in other
    /// fleets, unless another player holds it. All players come through gateways, so this enforces a fleet's policy.
    pub async fn may_sit(&self, uid: &str, player: PlayerId, seat: u32) -> Result<(), NotSeated> {
        let Some(fleet) = self.fleets.fleet_of(uid) else { return Ok(()) };
        let chooses = fleet.policy == Policy::SeatMe;
        // A number beyond a byte must not wrap to another seat.
        let seat = u8::try_from(seat).map_err(|_| NotSeated::NoHold)?;
        let sit = Step::Sit { at: Offer { table: uid.to_owned(), seat } };
        match self.step(&fleet.key, player, &sit).await {
            Ok(Outcome::Done) => Ok(()),
            Ok(Outcome::Other) => Err(NotSeated::Held),
            Ok(_) if chooses => Err(NotSeated::NoHold),
            Err(_) if chooses => Err(NotSeated::Unavailable),
            // The table itself decides.
            Ok(_) | Err(_) => Ok(()),
        }
    }
}
