//! The settling key's balance for gas.

use super::Sender;
use std::time::{Duration, Instant};

const LOOK_EVERY: Duration = Duration::from_secs(60);

impl Sender {
    /// Updates the metric. An error changes nothing else, and requests of settlement go first.
    pub(super) async fn look_at_gas(&mut self) {
        if self.gas_looked.is_some_and(|at| at.elapsed() < LOOK_EVERY) {
            return;
        }
        self.gas_looked = Some(Instant::now());
        match self.rpc.comparing().balance_gwei(self.signer.address()).await {
            Ok(gwei) => self.metrics.gas_balance.set(i64::try_from(gwei).unwrap_or(i64::MAX)),
            Err(error) => tracing::debug!(%error, "the settling key's balance"),
        }
    }
}
