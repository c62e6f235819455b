//! Reads the log again from a block on: by order of an operator or of a comparison, or if a final transaction had no
//! event.

use super::{Sender, SenderError};
use crate::{
    chain::{Range, vault::LOG_BLOCKS_MAX},
    journal::Lease,
};
use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

/// Ranges in one round: reading again must not keep entries from being sent.
const RANGES_MAX: usize = 4;
/// How often to check a transaction whose event does not arrive.
const SILENT_EVERY: Duration = Duration::from_secs(20);

impl Sender {
    /// Continues an order to read again, if there is one.
    pub(super) async fn reread(&mut self, lease: &Lease) -> Result<(), SenderError> {
        let Some(position) = self.journal.position().await? else { return Ok(()) };
        let mut certain = BTreeSet::new();
        if self.silent.is_none_or(|at| at.elapsed() >= SILENT_EVERY)
            && let Some((block, tx)) = self.journal.first_silent(position.block).await?
        {
            tracing::error!(block, tx, "ALARM: a final transaction has no event: its block is read again");
            self.silent = Some(Instant::now());
            self.journal.order_reread(block).await?;
            certain.insert(block);
        }
        for _ in 0..RANGES_MAX {
            let Some(next) = self.journal.reread().await? else { return Ok(()) };
            let from = next.max(self.vault_block);
            let to = position.block.min(from.saturating_add(LOG_BLOCKS_MAX - 1));
            let logs = if from <= to {
                let range = self.vault.range_again(&self.rpc, from, to, &certain).await?;
                let Range { logs, .. } = range.ok_or(SenderError::NoBlock(to))?;
                logs
            } else {
                Vec::new()
            };
            let ends = to >= position.block;
            let read = self.journal.reread_range(lease, logs, (next, to), ends).await?;
            self.count(&read.tally);
            if read.missing > 0 {
                self.metrics.logs_found.inc_by(read.missing as u64);
                tracing::error!(
                    from,
                    to,
                    missing = read.missing,
                    "events that a node had left out are taken in"
                );
                self.service.signals.noted.notify_one();
            }
            if read.tally.conflicts > 0 {
                self.note_differing().await?;
            }
            if ends {
                tracing::info!(through = to, "the log was read again");
                return Ok(());
            }
        }
        Ok(())
    }
}
