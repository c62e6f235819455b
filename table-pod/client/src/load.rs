//! A load generator: many players at many tables from one thread, with measurements.
//!
//! It must be cheap, because it shares the machine with the servers it measures: one thread, no checks of deals, and of
//! the table's state only whose turn it is. A [`Side`] is one protocol, so that a bench can drive another server with
//! the same players.
//!
//! **Guarantees.** A run ends in time: coming in, the measurement and the way out are each bounded. Latencies are those of
//! actions sent after the measurement began. **Caveats.** Where generator and servers share a core, what the generator
//! costs is in the latencies, too.

mod figures;
mod latencies;
mod options;
mod purr;
mod setup;
mod side;
mod socket;

pub use figures::Outcome;
pub use latencies::Quantiles;
pub use options::{LoadArgs, run, sign_in};
pub use purr::Purr;
pub use setup::Setup;
pub use side::{Answer, Choice, Heard, Shown, Side, Turn};
pub use socket::Target;

use anyhow::{bail, ensure};
use figures::{Figures, Spread};
use socket::{Seat, Shared, Stage};
use std::{
    cell::RefCell,
    rc::Rc,
    time::{Duration, Instant},
};
use tokio::{
    sync::{Semaphore, watch},
    task::LocalSet,
    time::{interval, timeout},
};

/// Handshakes at once.
const DOORS: usize = 32;
const LOOK: Duration = Duration::from_millis(100);
/// Time for connections to close.
const GOODBYE: Duration = Duration::from_secs(3);

/// How a run goes.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Mean time between seeing the turn and acting; each is half to one and a half times the mean.
    pub think: Duration,
    /// Time limit until all players have arrived.
    pub arrive_max: Duration,
    /// Between that and the measurement.
    pub warm_up: Duration,
    pub measure: Duration,
    /// Ends the measurement earlier.
    pub actions_max: u64,
    pub big_blind: u64,
    /// Time to give seats back at the end; `None`: seats are kept.
    pub leave_max: Option<Duration>,
}

/// One connection to make.
pub struct Player<S> {
    pub side: S,
    pub setup: Setup,
    /// Connections with the same number are at one table and see each other's actions.
    pub table: usize,
    /// Only looks on.
    pub spectator: bool,
}

/// The phase of a run; a bench reads its servers' figures at `Begin` and `End`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    Arriving { settled: usize, of: usize },
    Begin,
    Measuring { actions: u64 },
    End,
    Leaving { seated: usize },
}

/// Runs the load on this thread, with a runtime of its own; must not be called from another runtime's task.
///
/// # Errors
/// Where not everybody got in, in time. A connection that is lost later comes back and is counted.
pub fn drive<S: Side + 'static>(
    plan: &Plan,
    target: Target,
    players: Vec<Player<S>>,
    mut tell: impl FnMut(Moment, Duration),
) -> anyhow::Result<Outcome> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(LocalSet::new().run_until(stages(plan, target, players, &mut tell)))
}

async fn stages<S: Side + 'static>(
    plan: &Plan,
    target: Target,
    players: Vec<Player<S>>,
    tell: &mut impl FnMut(Moment, Duration),
) -> anyhow::Result<Outcome> {
    ensure!(!players.is_empty(), "nobody to play");
    let started = Instant::now();
    let all = players.len();
    let tables = players.iter().map(|player| player.table).max().unwrap_or(0) + 1;
    let seats = players.iter().filter(|player| !player.spectator).count();
    let (stage, receiver) = watch::channel(Stage::Play);
    let figures = Figures::new();
    let shared = Rc::new(Shared {
        target,
        bytes: figures.bytes.clone(),
        figures: RefCell::new(figures),
        stage: receiver,
        think: plan.think,
        big_blind: plan.big_blind,
        doors: Semaphore::new(DOORS),
        settled: RefCell::default(),
        seated: RefCell::default(),
    });
    let spreads: Vec<Rc<RefCell<Spread>>> = (0..tables).map(|_| Rc::default()).collect();
    let mut tasks = tokio::task::JoinSet::new();
    for (seed, Player { side, setup, table, .. }) in (1..).zip(players) {
        let spread = spreads.get(table).cloned().unwrap_or_default();
        tasks.spawn_local(Seat::new(side, setup, spread, shared.clone(), seed).run());
    }
    let mut look = interval(LOOK);
    let arrived = loop {
        look.tick().await;
        let settled = *shared.settled.borrow();
        tell(Moment::Arriving { settled, of: all }, started.elapsed());
        if settled == all {
            break Instant::now();
        }
        if started.elapsed() > plan.arrive_max {
            bail!("only {settled} of {all} got in within {} s", plan.arrive_max.as_secs());
        }
    };
    while arrived.elapsed() < plan.warm_up {
        look.tick().await;
    }
    tell(Moment::Begin, started.elapsed());
    let begun = Instant::now();
    shared.figures.borrow_mut().begin(begun);
    while begun.elapsed() < plan.measure && shared.figures.borrow().acked() < plan.actions_max {
        look.tick().await;
        tell(Moment::Measuring { actions: shared.figures.borrow().acked() }, started.elapsed());
    }
    let outcome = shared.figures.borrow().result(seats, all - seats, tables, Instant::now());
    tell(Moment::End, started.elapsed());
    if let Some(leave_max) = plan.leave_max {
        stage.send_replace(Stage::Leave);
        let leaving = Instant::now();
        while *shared.seated.borrow() > 0 && leaving.elapsed() < leave_max {
            look.tick().await;
            tell(Moment::Leaving { seated: *shared.seated.borrow() }, started.elapsed());
        }
    }
    stage.send_replace(Stage::Stop);
    let _ = timeout(GOODBYE, async { while tasks.join_next().await.is_some() {} }).await;
    Ok(outcome)
}
