//! The start of every test on a cluster.

use crate::{Game, Plan, Stack, Table, table::EXAMPLE};
use std::{future::Future, time::Duration};

pub const READY: Duration = Duration::from_secs(120);
pub const SOON: Duration = Duration::from_secs(60);

/// Runs one test; on failure everything that explains it goes to stderr.
///
/// # Panics
/// Where the test failed.
#[allow(clippy::unwrap_used, clippy::panic, reason = "a test fails loudly")]
pub fn run<F>(test: impl FnOnce(&'static Stack) -> F)
where
    F: Future<Output = anyhow::Result<()>>,
{
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let stack: &'static Stack = Box::leak(Box::new(Stack::from_env().unwrap()));
        if let Err(error) = test(stack).await {
            stack.dump().await;
            panic!("{error:#}");
        }
    });
}

/// The committed example under another name.
pub fn named(name: &str) -> String {
    EXAMPLE.replace("name: nl100-1", &format!("name: {name}"))
}

/// The committed example under another name, in a store group or in `auto`.
pub fn stored(name: &str, group: &str) -> String {
    named(name).replace("spec:\n", &format!("spec:\n  store: {group}\n"))
}

/// Seats players at a table of this name.
pub async fn game(stack: &Stack, name: &str, players: u64) -> anyhow::Result<Game> {
    game_in(stack, name, "default", players).await
}

/// The same, in a store group.
pub async fn game_in(stack: &Stack, name: &str, group: &str, players: u64) -> anyhow::Result<Game> {
    let table = Table::apply(stack, &stored(name, group), READY).await?;
    Game::start(stack, table, Plan::of(players), |step| eprintln!("{name}: {step}")).await
}
