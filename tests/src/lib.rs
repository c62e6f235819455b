//! [`solo`] is one table without a cluster, [`sockets`] a bench beside Socket.IO. The rest puts the programs together on a real cluster: what
//! the demo and the end-to-end tests share.
//!
//! A [`Stack`] is a cluster with the chart installed (`tests/stack.sh`), [`Player`]s are people with a
//! wallet and the project's own client, [`balances`] compares stacks, ledger and chain.

#[cfg(feature = "sockets")]
pub mod attack;
#[cfg(feature = "cluster")]
pub mod balances;
#[cfg(feature = "cluster")]
pub mod chaos;
#[cfg(feature = "checker")]
pub mod checker;
#[cfg(feature = "sockets")]
pub mod commits;
#[cfg(feature = "faults")]
pub mod faults;
#[cfg(feature = "cluster")]
pub mod figures;
#[cfg(feature = "cluster")]
pub mod game;
#[cfg(feature = "cluster")]
pub mod guest;
#[cfg(feature = "cluster")]
pub mod harness;
#[cfg(feature = "cluster")]
pub mod player;
#[cfg(feature = "scale")]
pub mod scale;
#[cfg(feature = "sockets")]
pub mod seats;
#[cfg(feature = "simulator")]
pub mod simulator;
#[cfg(feature = "sockets")]
pub mod sockets;
#[cfg(feature = "solo")]
pub mod solo;
#[cfg(feature = "cluster")]
pub mod stack;
#[cfg(feature = "cluster")]
pub mod table;

#[cfg(feature = "cluster")]
pub use figures::Figures;
#[cfg(feature = "cluster")]
pub use game::{Game, Plan};
#[cfg(feature = "cluster")]
pub use player::{Player, PlayerState};
#[cfg(feature = "cluster")]
pub use stack::Stack;
#[cfg(feature = "cluster")]
pub use table::Table;

use anyhow::bail;
use std::{future::Future, time::Duration};
use tokio::time::{Instant, sleep};

/// Polls ten times a second until `ask` returns a value.
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
