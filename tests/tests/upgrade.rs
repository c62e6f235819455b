//! Old, new, old, new: upgrades and a rollback of the whole release while tables play. Nothing is lost, no hand is void, and
//! nobody waits longer than for a pod that was killed.
//!
//! Needs the stack of the release before, and a program that switches (`PURR_UPGRADE`): `make upgrade-test` brings both.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails loudly")]

use anyhow::{Context, ensure};
use purr_tests::{
    Game,
    harness::{SOON, game, run},
    player::Wish,
};
use std::{
    env,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};
use tokio::process::Command;

/// The releases that follow each other, as the program knows them: `guarded` is the new one, which writes only what the old one
/// reads.
const STEPS: [&str; 4] = ["guarded", "old", "guarded", "new"];
/// Nobody may wait longer: the bound of a pod that is killed.
const PAUSE_MAX: Duration = Duration::from_secs(3);
const PLAYED: Duration = Duration::from_secs(120);

/// The longest time that a player was told to wait.
#[derive(Clone, Default)]
struct Pause(Arc<Mutex<Duration>>);

impl Pause {
    fn of(game: &Game) -> Self {
        let pause = Self::default();
        for player in &game.players {
            let (mut state, longest) = (player.state.clone(), pause.0.clone());
            tokio::spawn(async move {
                let mut since: Option<Instant> = None;
                while state.changed().await.is_ok() {
                    let stalled = state.borrow_and_update().stalled;
                    match (stalled, since) {
                        (true, None) => since = Some(Instant::now()),
                        (false, Some(begun)) => {
                            let mut longest = longest.lock().unwrap();
                            *longest = longest.max(begun.elapsed());
                            since = None;
                        }
                        _ => {}
                    }
                }
            });
        }
        pause
    }

    fn take(&self) -> Duration {
        std::mem::take(&mut *self.0.lock().unwrap())
    }
}

async fn switch(step: &str) -> anyhow::Result<()> {
    let program = env::var("PURR_UPGRADE").context("PURR_UPGRADE is not set: run make upgrade-test")?;
    let status = Command::new(program).arg("--to").arg(step).status().await.context("PURR_UPGRADE")?;
    ensure!(status.success(), "the switch to {step} failed: {status}");
    Ok(())
}

#[test]
#[ignore = "needs the stack of tests/upgrade.sh"]
fn an_upgrade_a_rollback_and_another_upgrade_lose_nothing_while_tables_play() {
    run(|stack| async move {
        let mut games = vec![game(stack, "upgraded-1", 3).await?, game(stack, "upgraded-2", 2).await?];
        for game in &mut games {
            game.players.iter().for_each(|player| player.wish(Wish::PlaySmall));
            game.plays(3, PLAYED).await?;
        }
        let pauses: Vec<Pause> = games.iter().map(Pause::of).collect();
        let mut longest = Duration::ZERO;
        for (at, step) in (1..).zip(STEPS) {
            let begun = Instant::now();
            switch(step).await?;
            let took = begun.elapsed();
            for game in &mut games {
                let hands = game.players[0].now().hands;
                game.plays(hands + 5, PLAYED).await?;
            }
            let pause = pauses.iter().map(Pause::take).max().unwrap_or_default();
            let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
            println!(
                "{at}. {step}: {took:.0?}, longest pause {pause:.2?}, load {}",
                load.split(' ').next().unwrap_or("?")
            );
            longest = longest.max(pause);
        }
        let players = games.iter().flat_map(|game| &game.players);
        let voided: u64 = players.map(|player| player.now().voided).sum();
        ensure!(voided == 0, "{voided} hands are void");
        for game in &mut games {
            println!("{}", game.settle(stack, SOON).await?.render());
        }
        ensure!(longest <= PAUSE_MAX, "players waited {longest:?}");
        Ok(())
    });
}
