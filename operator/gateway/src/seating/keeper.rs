//! The background work for fleets: reads seated players, turns holds into seats, and serves the waiting lists. Every
//! gateway does this concurrently, which is safe because each step of the books is atomic.

use super::{
    Seating,
    choose::{self, HeldKind, Offer, TableView},
    fleets::{FleetView, Hud, Member, Policy, summaries},
    key::FleetKey,
    step::{Outcome, Standing, Step},
};
use purr_engine::PlayerId;
use purr_protocol::summary::Summary;
use purr_runtime::CancellationToken;
use schemars::JsonSchema;
use serde::Serialize;
use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, PoisonError},
    time::Duration,
};
use tokio::time::{Instant, MissedTickBehavior, interval};

/// Between two rounds.
const EVERY: Duration = Duration::from_millis(500);
/// How long a table's summary counts as current.
pub const FRESH: Duration = Duration::from_secs(5);
/// Rounds between reports to the books that waiting players are present.
const SEEN_ROUNDS: u64 = 20;
/// Waiting players handled in one round, so that a player who fits nowhere does not delay those behind.
const SERVED_MAX: usize = 64;
/// Most players of a list in a snapshot.
const LIST_MAX: usize = 10_000;
/// Estimates are rounded to this many seconds, so that not every second is an event.
const ESTIMATE_S: u64 = 5;

/// A fleet as the lobby shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FleetListed {
    pub namespace: String,
    pub name: String,
    pub policy: Policy,
    pub hud: Hud,
    /// Seconds for which a seat is held.
    pub hold_seconds: u32,
    /// Most players on the waiting list; 0: there is no list.
    pub waiting_max: u32,
    pub small_blind: u64,
    pub big_blind: u64,
    pub buy_in_min: u64,
    pub buy_in_max: u64,
    /// Seats of one table.
    pub seats: u8,
    /// Tables that take new players.
    pub tables: u32,
    pub players: u32,
    /// Seats that can be given now.
    pub free: u32,
    /// Players on the waiting list.
    pub waiting: u64,
}

/// What a player has in a fleet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", tag = "state")]
pub enum SeatState {
    /// A seat is held: sit down there before the time is over.
    Held {
        table: String,
        seat: u8,
        expires_in_ms: u64,
        /// The seat was offered from the waiting list.
        offered: bool,
    },
    Waiting {
        /// Counted from 1.
        place: u64,
        /// Length of the whole list.
        waiting: u64,
        /// Seconds; left out where no seat has been given to the list yet.
        #[serde(skip_serializing_if = "Option::is_none")]
        estimate_s: Option<u64>,
    },
    /// The player has taken the seat.
    Seated {
        table: String,
        seat: u8,
    },
    /// No seat is given to the player for so long: earlier ones were not used.
    Paused {
        retry_after_ms: u64,
    },
    None,
}

/// The same with its fleet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct OwnSeat {
    pub namespace: String,
    pub name: String,
    #[serde(flatten)]
    pub seat: SeatState,
}

impl OwnSeat {
    pub fn new(fleet: &FleetKey, seat: SeatState) -> Self {
        Self { namespace: fleet.namespace.clone(), name: fleet.name.clone(), seat }
    }
}

impl SeatState {
    /// The part whose changes are news: a countdown is left out.
    pub fn news(&self) -> Self {
        let mut news = self.clone();
        if let Self::Held { expires_in_ms: left, .. } | Self::Paused { retry_after_ms: left } = &mut news {
            *left = 0;
        }
        news
    }

    /// `None` if the outcome is not a state of the player.
    pub fn of(outcome: &Outcome) -> Option<Self> {
        Some(match outcome {
            Outcome::Held { at, left_ms, offered, .. } => Self::Held {
                table: at.table.clone(),
                seat: at.seat,
                expires_in_ms: *left_ms,
                offered: *offered,
            },
            Outcome::Waiting { place, size, pace } => Self::Waiting {
                place: *place,
                waiting: *size,
                estimate_s: pace.estimate_s(*place).map(rounded),
            },
            Outcome::Seated { at } => Self::Seated { table: at.table.clone(), seat: at.seat },
            Outcome::Paused { left_ms } => Self::Paused { retry_after_ms: *left_ms },
            Outcome::None => Self::None,
            _ => return None,
        })
    }
}

fn rounded(seconds: u64) -> u64 {
    seconds.div_ceil(ESTIMATE_S).saturating_mul(ESTIMATE_S)
}

struct FleetNow {
    tables: Vec<TableView>,
    at: Instant,
}

/// Fleets at the last round.
#[derive(Default)]
pub struct Snapshot {
    fleets: BTreeMap<FleetKey, Arc<FleetNow>>,
    /// Sorted by key.
    pub listed: Vec<FleetListed>,
    own: HashMap<PlayerId, Vec<OwnSeat>>,
}

impl Snapshot {
    /// A fleet's tables, if their summaries are recent.
    pub fn fresh(&self, key: &FleetKey) -> Option<&[TableView]> {
        let fleet = self.fleets.get(key)?;
        (fleet.at.elapsed() < FRESH).then_some(fleet.tables.as_slice())
    }

    /// Holds and places of a player, in all fleets.
    pub fn own(&self, player: PlayerId) -> &[OwnSeat] {
        self.own.get(&player).map(Vec::as_slice).unwrap_or_default()
    }
}

/// The view of a table that may be offered: it serves, and reports that it accepts players and which seats are taken.
fn view(fleet: &FleetView, member: &Member, ready: bool, summary: Option<Summary>) -> TableView {
    let offered = member.is_offered(fleet) && ready;
    let uid = member.uid.clone();
    let Some(summary) = summary else {
        return TableView { uid, seats: fleet.seats, open: false, taken: Vec::new() };
    };
    // A table of an older release does not report which seats are taken.
    let says = summary.taken.len() >= usize::from(summary.players);
    let open = offered && !summary.closed && summary.paused.is_none() && says;
    TableView { uid, seats: summary.seats, open, taken: summary.taken }
}

/// Holds whose players sit at the table already, with their seats there.
fn confirmed(tables: &[TableView], standing: &Standing) -> Vec<(PlayerId, Offer)> {
    let open = standing.held.iter().filter(|hold| hold.kind != HeldKind::Seated);
    open.filter_map(|hold| {
        let table = tables.iter().find(|table| table.uid == hold.at.table)?;
        let taken = table.taken.iter().find(|taken| taken.player == hold.player)?;
        Some((hold.player, Offer { table: table.uid.clone(), seat: taken.seat }))
    })
    .collect()
}

impl Seating {
    /// Serves all fleets in rounds, until stopped.
    pub async fn keep(&self, stop: CancellationToken) {
        let mut ticks = interval(EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        for round in 0_u64.. {
            tokio::select! {
                () = stop.cancelled() => return,
                _ = ticks.tick() => {}
            }
            self.round(round.is_multiple_of(SEEN_ROUNDS)).await;
        }
    }

    async fn round(&self, seen: bool) {
        let before = self.now.load_full();
        let following = if seen {
            std::mem::take(&mut *self.following.lock().unwrap_or_else(PoisonError::into_inner))
        } else {
            std::collections::HashSet::new()
        };
        let mut next = Snapshot::default();
        let mut good = true;
        for fleet in self.fleets.all() {
            let (tables, players) = match self.tables(&fleet).await {
                Ok(read) => read,
                Err(error) => {
                    good = false;
                    tracing::debug!(%error, fleet = %fleet.key, "tables of a fleet");
                    if let Some(held) = before.fleets.get(&fleet.key) {
                        next.fleets.insert(fleet.key.clone(), held.clone());
                    }
                    continue;
                }
            };
            let standing = match self.sessions.seats(&fleet.key, LIST_MAX, true).await {
                Ok(standing) => self.serve(&fleet, &tables, standing).await,
                Err(error) => {
                    good = false;
                    tracing::debug!(%error, fleet = %fleet.key, "seats of a fleet");
                    Standing::default()
                }
            };
            let there: Vec<PlayerId> =
                standing.waiting.iter().copied().filter(|player| following.contains(player)).collect();
            if !there.is_empty()
                && let Err(error) = self.sessions.seen(&fleet.key, &there).await
            {
                tracing::debug!(%error, "players on a waiting list");
            }
            next.add(&fleet, tables, players, &standing);
        }
        self.metrics.seating.set(i64::from(good));
        self.now.store(Arc::new(next));
    }

    /// The fleet's tables with the players at them.
    async fn tables(&self, fleet: &FleetView) -> Result<(Vec<TableView>, u32), purr_store::StoreError> {
        let members = self.fleets.tables_of(&fleet.key);
        let uids: Vec<String> = members.iter().map(|member| member.uid.clone()).collect();
        let said = summaries(&*self.sessions, &uids).await?;
        let players = said.iter().flatten().map(|summary| u32::from(summary.players)).sum();
        let ready = |uid: &str| self.routes.read(|table| table.known(uid).is_some_and(|known| known.ready));
        let tables = members.iter().zip(said);
        Ok((
            tables.map(|(member, summary)| view(fleet, member, ready(&member.uid), summary)).collect(),
            players,
        ))
    }

    /// Turns holds into seats, and gives free seats to those who wait. Returns the books as they are then.
    async fn serve(&self, fleet: &FleetView, tables: &[TableView], standing: Standing) -> Standing {
        let mut changed = false;
        for (player, at) in confirmed(tables, &standing) {
            changed |= self.step(&fleet.key, player, &Step::Confirm { at }).await.is_ok();
        }
        let mut held = standing.held.clone();
        for player in standing.waiting.iter().copied().take(SERVED_MAX) {
            if choose::free(tables, &held) == 0 {
                break;
            }
            let offers = match choose::choose(tables, &held, player, &self.apart.load()) {
                choose::Choice::Seats(offers) => offers,
                choose::Choice::Nothing => continue,
            };
            let serve = Step::Serve { hold_ms: u64::from(fleet.hold_s) * 1_000, offers };
            match self.step(&fleet.key, player, &serve).await {
                Ok(Outcome::Held { at, .. }) => {
                    changed = true;
                    held.push(choose::Held { at, player, kind: HeldKind::Offered });
                }
                // Another gateway was faster, or the player holds a seat in another fleet.
                Ok(_) => changed = true,
                Err(_) => break,
            }
        }
        if !changed {
            return standing;
        }
        self.sessions.seats(&fleet.key, LIST_MAX, true).await.unwrap_or(standing)
    }
}

impl Snapshot {
    fn add(&mut self, fleet: &FleetView, tables: Vec<TableView>, players: u32, standing: &Standing) {
        let open = tables.iter().filter(|table| table.open).count();
        self.listed.push(FleetListed {
            namespace: fleet.key.namespace.clone(),
            name: fleet.key.name.clone(),
            policy: fleet.policy,
            hud: fleet.hud,
            hold_seconds: fleet.hold_s,
            waiting_max: fleet.waiting_max,
            small_blind: fleet.small_blind,
            big_blind: fleet.big_blind,
            buy_in_min: fleet.buy_in_min,
            buy_in_max: fleet.buy_in_max,
            seats: fleet.seats,
            tables: u32::try_from(open).unwrap_or(u32::MAX),
            players,
            free: choose::free(&tables, &standing.held),
            waiting: standing.size,
        });
        let mut tell =
            |player, seat| self.own.entry(player).or_default().push(OwnSeat::new(&fleet.key, seat));
        for (hold, left_ms) in standing.held.iter().zip(&standing.left_ms) {
            if hold.kind != HeldKind::Seated {
                let seat = SeatState::Held {
                    table: hold.at.table.clone(),
                    seat: hold.at.seat,
                    expires_in_ms: *left_ms,
                    offered: hold.kind == HeldKind::Offered,
                };
                tell(hold.player, seat);
            }
        }
        for (place, player) in (1..).zip(&standing.waiting) {
            let estimate_s = standing.pace.estimate_s(place).map(rounded);
            tell(*player, SeatState::Waiting { place, waiting: standing.size, estimate_s });
        }
        self.fleets.insert(fleet.key.clone(), Arc::new(FleetNow { tables, at: Instant::now() }));
    }
}
