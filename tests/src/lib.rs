//! Puts the programs together on a real cluster: what the demo and the end-to-end tests share.
//!
//! A [`Stack`] is a cluster with the chart installed (`tests/stack.sh`), [`Player`]s are people with a
//! wallet and the project's own client, [`balances`] compares stacks, ledger and chain.

pub mod balances;
pub mod figures;
pub mod game;
pub mod harness;
pub mod player;
pub mod stack;
pub mod table;

pub use figures::Figures;
pub use game::{Game, Plan};
pub use player::{Player, PlayerState};
pub use stack::Stack;
pub use table::Table;

use anyhow::bail;
use std::{future::Future, time::Duration};
use tokio::time::{Instant, sleep};

/// Asks again, ten times a second, until the answer is there.
///
/// # Errors
/// Names what was waited for, and how long.
pub async fn until<T, F, R>(what: &str, limit: Duration, mut ask: F) -> anyhow::Result<T>
where
    F: FnMut() -> R,
    R: Future<Output = anyhow::Result<Option<T>>>,
{
    let end = Instant::now() + limit;
    loop {
        let last = match ask().await {
            Ok(Some(value)) => return Ok(value),
            Ok(None) => None,
            Err(error) => Some(error),
        };
        if Instant::now() >= end {
            let why = last.map(|error| format!(" (last: {error:#})")).unwrap_or_default();
            bail!("{what}: not within {} s{why}", limit.as_secs());
        }
        sleep(Duration::from_millis(100)).await;
    }
}
