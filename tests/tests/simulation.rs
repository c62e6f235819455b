//! Seeds through the simulator, and every history through the checker. `PURR_SEED=N` runs that seed alone.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stderr, reason = "tests may fail loudly")]

use purr_protocol::settlement::EntryBody;
use purr_tests::{
    checker::{Record, Told, Violation, check},
    simulator::{Bug, Formats, Outcome, Plan, run},
};
use std::ops::Range;

/// Seeds in which a seeded bug must show itself.
const CAUGHT_WITHIN: u64 = 200;

/// Plays a plan in virtual time, in this thread.
fn play(plan: Plan) -> anyhow::Result<Outcome> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build()?;
    runtime.block_on(run(plan))
}

fn plan(seed: u64) -> Plan {
    let formats = Formats::by(seed);
    Plan { seed, hands: 2, lossy: 40, faults: 3, lose_epoch: false, forgets: false, formats, bug: Bug::None }
}

/// `count` seeds starting at `from`, or the seed in the environment.
fn seeds(from: u64, count: u64) -> Range<u64> {
    match std::env::var("PURR_SEED").ok().and_then(|seed| seed.parse().ok()) {
        Some(seed) => seed..seed + 1,
        None => from..from + count,
    }
}

fn passes(plan: Plan) -> Outcome {
    let seed = plan.seed;
    let outcome = play(plan).unwrap_or_else(|error| panic!("PURR_SEED={seed} ({plan:?}): {error:#}"));
    let found = check(&outcome.records);
    let list: Vec<String> = found.iter().map(ToString::to_string).collect();
    assert!(found.is_empty(), "PURR_SEED={seed} ({plan:?}):\n{}", list.join("\n"));
    outcome
}

/// Faults seen over all seeds: a run in which nothing happens proves nothing.
#[derive(Debug, Default)]
struct Totals {
    hands: u64,
    acknowledged: u64,
    take_overs: u64,
    stale: u64,
}

impl Totals {
    fn add(&mut self, outcome: &Outcome) {
        let mut last = 0;
        for record in &outcome.records {
            match record {
                Record::Settled { entry, .. } => {
                    self.hands += u64::from(matches!(entry.body, EntryBody::Hand { .. }));
                }
                Record::Told { told: Told::Ack { .. }, .. } => self.acknowledged += 1,
                Record::Survived(commit) => {
                    self.take_overs += u64::from(last > 0 && commit.epoch > last);
                    last = commit.epoch;
                }
                _ => {}
            }
        }
        self.stale += outcome.stale;
    }

    /// Plays all of these seeds, on as many threads as there are cores.
    fn of(seeds: Range<u64>, plan: impl Fn(u64) -> Plan + Copy + Send) -> Self {
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let begun = std::time::Instant::now();
        let count = seeds.end - seeds.start;
        let parts: Vec<Self> = std::thread::scope(|scope| {
            let part = |first: usize| {
                let seeds = seeds.clone().skip(first).step_by(threads);
                scope.spawn(move || {
                    let mut totals = Self::default();
                    seeds.for_each(|seed| totals.add(&passes(plan(seed))));
                    totals
                })
            };
            let running: Vec<_> = (0..threads).map(part).collect();
            running.into_iter().map(|part| part.join().unwrap()).collect()
        });
        let sum = |of: fn(&Self) -> u64| parts.iter().map(of).sum();
        let all = Self {
            hands: sum(|part| part.hands),
            acknowledged: sum(|part| part.acknowledged),
            take_overs: sum(|part| part.take_overs),
            stale: sum(|part| part.stale),
        };
        eprintln!("{count} seeds in {:?}: {all:?}", begun.elapsed());
        all
    }
}

#[test]
fn nothing_is_lost_or_doubled_whatever_fails_while_memory_or_a_majority_survives() {
    let seeds = seeds(0, 2_000);
    let count = seeds.end - seeds.start;
    let all = Totals::of(seeds, plan);
    assert!(all.hands >= 2 * count && all.acknowledged > all.hands, "{all:?}");
    assert!(count == 1 || all.take_overs > count / 2, "{all:?}");
}

#[test]
fn a_pod_whose_successors_epoch_the_store_has_lost_still_cannot_win() {
    let seeds = seeds(10_000, 100);
    let count = seeds.end - seeds.start;
    let all = Totals::of(seeds, |seed| Plan { lose_epoch: true, ..plan(seed) });
    assert!(count == 1 || all.stale > 0, "no old pod had its way: {all:?}");
}

/// Checks that some seed's history has the violation that `is` accepts.
#[track_caller]
fn caught(bug: Bug, is: impl Fn(&Violation) -> bool) {
    let mut seen = Vec::new();
    for seed in 0..CAUGHT_WITHIN {
        // A table that the bug blocks proves nothing about the checker: the next seed does.
        let forgets = bug == Bug::ResumeLostHand;
        let Ok(outcome) = play(Plan { bug, forgets, ..plan(seed) }) else { continue };
        let found = check(&outcome.records);
        if let Some(named) = found.iter().find(|found| is(found)) {
            return eprintln!("{bug:?}: caught with seed {seed}: {named}");
        }
        seen.extend(found);
    }
    panic!("{bug:?} was not caught in {CAUGHT_WITHIN} seeds; found: {seen:?}");
}

#[test]
fn a_store_that_does_not_wait_for_replicas_is_caught() {
    caught(Bug::SkipWait, |found| {
        matches!(found, Violation::CommitMissing { .. } | Violation::ActionMissing { .. })
    });
}

#[test]
fn a_store_that_does_not_compare_epochs_is_caught() {
    caught(Bug::SkipEpochCheck, |found| matches!(found, Violation::Fork { .. }));
}

#[test]
fn a_time_out_taken_for_success_is_caught() {
    caught(Bug::TimeoutIsSuccess, |found| {
        matches!(found, Violation::CommitMissing { .. } | Violation::ActionMissing { .. })
    });
}

/// Memory and the newest commits are lost at once: acknowledged actions are gone, and all players are notified. No hand
/// continues from an earlier street, and the signer's entries stand.
#[test]
fn where_memory_and_newest_commits_go_at_once_the_hand_is_void_and_the_loss_is_counted() {
    let seeds = seeds(20_000, 300);
    let mut counted = 0;
    for seed in seeds.clone() {
        let outcome = passes(Plan { forgets: true, ..plan(seed) });
        let is_loss = |record: &Record| matches!(record, Record::Survived(commit) if commit.hands_lost > 0);
        counted += u64::from(outcome.records.iter().any(is_loss));
    }
    let count = seeds.end - seeds.start;
    eprintln!("{count} seeds: in {counted} a loss was counted");
    assert!(count == 1 || counted > count / 4, "too little was lost: {counted}");
}

/// As above, but gateways send no cursors.
#[test]
fn a_lost_hand_that_is_resumed_from_an_earlier_street_is_caught() {
    caught(Bug::ResumeLostHand, |found| matches!(found, Violation::LostHandResumed { .. }));
}

#[test]
fn an_outbox_entry_sent_again_under_a_new_number_is_caught() {
    caught(Bug::RenumberOutbox, |found| matches!(found, Violation::SettledTwice { .. }));
}

fn wrong_books(found: &Violation) -> bool {
    matches!(found, Violation::LedgerDiffers { .. } | Violation::BooksFlawed(_))
}

#[test]
fn books_that_post_a_transfer_twice_are_caught() {
    caught(Bug::PostTwice, wrong_books);
}

#[test]
fn books_that_free_a_reservation_twice_are_caught() {
    caught(Bug::FreeTwice, wrong_books);
}

#[test]
fn books_that_forget_a_seat_after_a_void_are_caught() {
    caught(Bug::ForgetSeat, wrong_books);
}
