//! `purr-fairplay figures`: simulator into detectors, without a file between.

use anyhow::anyhow;
use clap::Args;
use purr_fairplay::{Detector, Snapshot, figures::figures, judge};
use purr_fairplay_hands::Random;
use purr_fairplay_sim::{Guilty, Kind, Pool, PoolPlan, Truth};
use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Instant,
};

#[derive(Clone, Debug, Args)]
pub(crate) struct PlanOptions {
    /// Seed of the players, their cards and their choices.
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    /// Pools of 30 players.
    #[arg(long, default_value_t = 20)]
    pub(crate) pools: u64,
    /// Hands that each player plays; rounded down to hundreds.
    #[arg(long, default_value_t = 5_000)]
    pub(crate) hands: u32,
    /// Leaves the kinds out that no threshold was chosen on.
    #[arg(long)]
    pub(crate) training: bool,
    /// Nobody cheats.
    #[arg(long)]
    pub(crate) honest: bool,
}

impl PlanOptions {
    pub(crate) fn sessions(&self) -> u32 {
        self.hands / PoolPlan::default().session_hands
    }
}

#[derive(Debug, Args)]
pub(crate) struct FiguresOptions {
    #[command(flatten)]
    plan: PlanOptions,
    /// Threads; each has a detector of its own.
    #[arg(long, default_value_t = 2)]
    threads: usize,
    /// Prints JSON instead of tables.
    #[arg(long)]
    json: bool,
    /// Also prints the guilty and the highest honest signals.
    #[arg(long)]
    verbose: bool,
}

/// Hands of each player at which everybody is judged, with the share of the false-discovery rate that
/// the look may spend.
const LOOKS: [(u32, f64); 3] = [(2_000, 0.3), (4_000, 0.3), (5_000, 0.4)];
const INTENSITIES: [f64; 4] = [1.0, 0.5, 0.25, 0.1];

/// The cheats of a pool: 1.3 pairs on average, which is 0.3% of 435; half of the pools have an insider, half have a
/// program.
pub(crate) fn plan(options: &PlanOptions, number: u64) -> PoolPlan {
    if options.honest {
        return PoolPlan::default();
    }
    let mut random = Random::new(options.seed ^ 0x9000).child(number);
    let kinds: Vec<Kind> = Kind::ALL
        .into_iter()
        .filter(|kind| kind.is_pair() && !(options.training && kind.is_held_out()))
        .collect();
    let groups = if random.chance(0.3) { 2 } else { 1 };
    let mut guilty: Vec<Guilty> = (0..groups)
        .map(|_| Guilty { kind: kinds[random.below(kinds.len())], intensity: INTENSITIES[random.below(4)] })
        .collect();
    let single = [
        Kind::Superuser,
        Kind::Superuser,
        Kind::SuperuserOne,
        Kind::SuperuserBigPots,
        Kind::BotNaive,
        Kind::BotJittered,
        Kind::BotJittered,
        Kind::BotImitating,
    ];
    let kind = single[random.below(single.len())];
    let intensity = if kind.is_bot() || random.chance(0.5) { 1.0 } else { INTENSITIES[random.below(4)] };
    guilty.push(Guilty { kind, intensity });
    PoolPlan { guilty, ..PoolPlan::default() }
}

/// Results of the pools of one thread, look by look.
#[derive(Default)]
pub(crate) struct Seen {
    pub(crate) looks: Vec<Snapshot>,
    pub(crate) truth: Truth,
    pub(crate) hands: u64,
}

/// Plays pools until none is left. The first hands of a detector come from a pool that is not counted:
/// a room has a history when a cheat arrives.
pub(crate) fn play(
    next: &AtomicU64,
    pools: u64,
    seed: u64,
    looks: &[u32],
    plan: &(dyn Fn(u64) -> PoolPlan + Sync),
) -> anyhow::Result<Seen> {
    let mut detector = Detector::default();
    let mut seen = Seen { looks: looks.iter().map(|_| Snapshot::default()).collect(), ..Seen::default() };
    let mut warm = Pool::new(!seed, next.fetch_add(0, Ordering::Relaxed), PoolPlan::default())?;
    for _ in 0..10 {
        session(&mut warm, &mut detector)?;
    }
    let warmed = detector.hands();
    loop {
        let number = next.fetch_add(1, Ordering::Relaxed);
        if number >= pools {
            break;
        }
        let mut pool = Pool::new(seed, number, plan(number))?;
        let players: Vec<_> = pool.players().map(|(player, _)| player).collect();
        let mut played = 0;
        for (look, snapshot) in looks.iter().zip(&mut seen.looks) {
            while played < look / PoolPlan::default().session_hands {
                session(&mut pool, &mut detector)?;
                played += 1;
            }
            let now = detector.snapshot(Some(&players));
            snapshot.players.extend(now.players);
            snapshot.pairs.extend(now.pairs);
            snapshot.twins.extend(now.twins);
        }
        detector.forget(&players);
        seen.truth.groups.extend(pool.truth().groups.iter().cloned());
    }
    seen.hands = detector.hands() - warmed;
    Ok(seen)
}

fn session(pool: &mut Pool, detector: &mut Detector) -> anyhow::Result<()> {
    let mut failed = None;
    pool.play_session(&mut |hand| failed = failed.take().or(detector.observe(hand).err()))?;
    failed.map_or(Ok(()), |error| Err(error.into()))
}

/// Plays all pools on some threads.
pub(crate) fn play_all(
    threads: usize,
    pools: u64,
    seed: u64,
    looks: &[u32],
    plan: &(dyn Fn(u64) -> PoolPlan + Sync),
) -> anyhow::Result<Seen> {
    let next = AtomicU64::new(0);
    let mut all = Seen { looks: looks.iter().map(|_| Snapshot::default()).collect(), ..Seen::default() };
    std::thread::scope(|scope| -> anyhow::Result<()> {
        let running: Vec<_> =
            (0..threads).map(|_| scope.spawn(|| play(&next, pools, seed, looks, plan))).collect();
        for thread in running {
            let seen = thread.join().map_err(|_| anyhow!("a thread panicked"))??;
            for (to, from) in all.looks.iter_mut().zip(seen.looks) {
                to.players.extend(from.players);
                to.pairs.extend(from.pairs);
                to.twins.extend(from.twins);
            }
            all.truth.groups.extend(seen.truth.groups);
            all.hands += seen.hands;
        }
        Ok(())
    })?;
    Ok(all)
}

pub(crate) fn run(options: &FiguresOptions) -> anyhow::Result<()> {
    let started = Instant::now();
    let looks: Vec<u32> =
        LOOKS.iter().map(|(hands, _)| *hands).filter(|at| *at <= options.plan.hands).collect();
    let seen = play_all(options.threads, options.plan.pools, options.plan.seed, &looks, &|number| {
        plan(&options.plan, number)
    })?;
    let seconds = started.elapsed().as_secs_f64();
    let thresholds = judge::Thresholds::default();
    let verdicts: Vec<_> = seen
        .looks
        .iter()
        .zip(LOOKS)
        .map(|(look, (_, share))| judge::judge(look, &thresholds, share))
        .collect();
    let players = seen.looks.last().map_or(&[][..], |look| &look.players);
    let table = figures(&verdicts, players, &seen.truth, &thresholds, seen.hands, options.plan.seed);
    eprintln!(
        "{} hands simulated and scored in {seconds:.0} s on {} threads; judged by {:.0} s",
        seen.hands,
        options.threads,
        started.elapsed().as_secs_f64()
    );
    if options.json {
        println!("{}", serde_json::to_string_pretty(&table)?);
    } else {
        println!("{table}");
    }
    if options.verbose {
        explain(&verdicts, &seen.truth);
    }
    Ok(())
}

fn explain(verdicts: &[judge::Verdict], truth: &Truth) {
    let Some(last) = verdicts.last() else { return };
    let group = |scored: &purr_fairplay::Scored| {
        let members = purr_fairplay::cases::members_of(scored);
        truth.groups.iter().find(|group| group.members.iter().any(|member| members.contains(member)))
    };
    let whole = |scored: &purr_fairplay::Scored| {
        let members: Vec<_> = match scored.subject {
            purr_fairplay::Subject::Pair(a, b) => vec![a, b],
            purr_fairplay::Subject::Player(a) => vec![a],
        };
        let mut owners = truth.groups.iter().filter(|g| members.iter().all(|m| g.members.contains(m)));
        owners.next()
    };
    let mut honest = 0;
    for scored in &last.ranked {
        if let Some(group) = whole(scored).filter(|group| scored.score > 2.0 || group.members.len() > 1) {
            println!(
                "guilty {:.2} {:?} {:?} {} shared {} changed {}",
                scored.score,
                scored.signal,
                group.kind,
                group.intensity,
                scored.hands,
                group.hands.len()
            );
        } else if honest < 60 && whole(scored).is_none() {
            honest += 1;
            let near = group(scored).map(|group| group.kind);
            println!("honest {:.2} {:?} shared {} near {near:?}", scored.score, scored.signal, scored.hands);
        }
    }
}
