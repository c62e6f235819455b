//! The vault's log, at final depth, into the ledger.

use super::{Sender, SenderError};
use crate::{
    chain::{Block, vault::LOG_BLOCKS_MAX},
    journal::{Lease, LogPosition},
};
use std::time::{Duration, Instant};

/// How often the last block taken in is compared with the chain's.
const CHECK_EVERY: Duration = Duration::from_secs(30);
/// Log queries in one round: catching up must not keep entries from being sent.
const QUERIES_MAX: usize = 20;

impl Sender {
    pub(super) async fn take_in(&mut self, lease: &Lease, head: Block) -> Result<(), SenderError> {
        let Some(last) = head.number.checked_sub(self.confirmations) else { return Ok(()) };
        let position = self.journal.position().await?;
        if let Some(position) = position {
            self.check_position(position, head).await?;
        }
        let mut next = position.map_or(self.vault_block, |position| position.block + 1);
        for _ in 0..QUERIES_MAX {
            if next > last {
                break;
            }
            let to = last.min(next + LOG_BLOCKS_MAX - 1);
            let end = self.rpc.block(Some(to)).await?.ok_or(SenderError::NoBlock(to))?;
            let logs = self.vault.logs(&self.rpc, next, to).await?;
            let applied =
                self.journal.apply(lease, &logs, LogPosition { block: to, block_hash: end.hash }).await?;
            self.metrics.entries_confirmed.inc_by(applied.entries_confirmed);
            self.metrics.entries_rejected.inc_by(applied.entries_rejected);
            self.metrics.shortfalls.inc_by(applied.shortfalls);
            self.metrics.block_final.set(i64::try_from(to).unwrap_or(i64::MAX));
            if applied.entries_confirmed + applied.entries_rejected > 0 {
                self.service.signals.noted.notify_one();
            }
            next = to + 1;
            // Nothing may be set free by time before all that came until then was taken in.
            if to == last {
                self.journal.expire(lease, end.timestamp_s).await?;
            }
        }
        Ok(())
    }

    async fn check_position(&mut self, position: LogPosition, head: Block) -> Result<(), SenderError> {
        if position.block > head.number {
            return Err(SenderError::NoBlock(position.block));
        }
        if self.log_checked.is_some_and(|at| at.elapsed() < CHECK_EVERY) {
            return Ok(());
        }
        let block =
            self.rpc.block(Some(position.block)).await?.ok_or(SenderError::NoBlock(position.block))?;
        if block.hash != position.block_hash {
            return Err(SenderError::Replaced(position.block));
        }
        self.log_checked = Some(Instant::now());
        Ok(())
    }
}
