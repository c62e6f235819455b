//! The vault's log, at final depth, into the ledger.

use super::{Sender, SenderError};
use crate::{
    chain::{Block, Range, vault::LOG_BLOCKS_MAX},
    journal::{Lease, LogPosition},
    service::now_ms,
};
use purr_books::{events::VaultLog, ledger::Subject, take::Tally};
use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

/// Interval of checks for deposits while the chain was reorganised beyond final depth.
const LOOK_EVERY: Duration = Duration::from_secs(10);
/// Log queries in one round: catching up must not keep entries from being sent.
const QUERIES_MAX: usize = 20;

/// Until when promises have ended. A block of the future ends none: what a node says of a block's time, a clock has to say
/// as well, or one wrong head would set free what the vault still pays.
fn over(final_time_s: u64, now_s: u64) -> u64 {
    final_time_s.min(now_s)
}

impl Sender {
    pub(super) async fn take_in(&mut self, lease: &Lease, head: Block) -> Result<(), SenderError> {
        let Some(last) = head.number.checked_sub(self.confirmations) else { return Ok(()) };
        let mut position = self.journal.position().await?;
        if position.is_some_and(|position| position.block > head.number) {
            return Err(SenderError::NoBlock(head.number + 1));
        }
        let mut next = position.map_or(self.vault_block, |position| position.block + 1);
        for _ in 0..QUERIES_MAX {
            if next > last {
                break;
            }
            let to = last.min(next + LOG_BLOCKS_MAX - 1);
            let range = self.vault.range(&self.rpc, next, to).await?.ok_or(SenderError::NoBlock(to))?;
            let Range { end, mut logs } = range;
            if let Some(position) = position {
                self.check_position(lease, position, end).await?;
            }
            self.add_skipped(&mut logs, to).await?;
            let reached = LogPosition { block: to, block_hash: end.hash };
            let applied = self.journal.apply(lease, &logs, reached).await?;
            position = Some(reached);
            self.count(&applied);
            if applied.entries_confirmed > 0 {
                for seconds in self.journal.settle_seconds(&logs).await? {
                    self.metrics.settle_seconds.observe(seconds);
                }
            }
            if applied.conflicts > 0 {
                self.note_differing().await?;
            }
            self.metrics.block_final.set(i64::try_from(to).unwrap_or(i64::MAX));
            if applied.entries_confirmed + applied.entries_rejected + applied.seatings_refused > 0 {
                self.service.signals.noted.notify_one();
            }
            next = to + 1;
            // Expired reservations may be freed only after all events up to that time were applied.
            if to == last {
                self.journal.expire(lease, over(end.timestamp_s, now_ms() / 1_000)).await?;
            }
        }
        Ok(())
    }

    /// An event that skips numbers of its table means that a node left an earlier event out. The blocks of the signer's
    /// own transactions are read again first, and the missing event is applied before this one.
    async fn add_skipped(&mut self, logs: &mut Vec<VaultLog>, until: u64) -> Result<(), SenderError> {
        let blocks = self.journal.skipped_blocks(logs).await?;
        for block in blocks.iter().copied().filter(|block| *block <= until).take(QUERIES_MAX) {
            tracing::error!(block, "ALARM: an event skips numbers: the block before it is read again");
            let Some(range) = self.vault.range_again(&self.rpc, block, block, &blocks).await? else {
                continue;
            };
            let known: BTreeSet<String> = logs.iter().map(VaultLog::key).collect();
            let more: Vec<VaultLog> =
                range.logs.into_iter().filter(|log| !known.contains(&log.key())).collect();
            let missing = self.journal.missing(more).await?;
            self.metrics.logs_found.inc_by(missing.len() as u64);
            logs.extend(missing);
        }
        logs.sort_by_key(|log| (log.block, log.index));
        Ok(())
    }

    pub(super) fn count(&self, tally: &Tally) {
        self.metrics.entries_confirmed.inc_by(tally.entries_confirmed);
        self.metrics.entries_rejected.inc_by(tally.entries_rejected);
        self.metrics.seatings_refused.inc_by(tally.seatings_refused);
        self.metrics.shortfalls.inc_by(tally.shortfalls);
        self.metrics.conflicts_with_chain.inc_by(tally.conflicts);
    }

    /// Counts differing subjects; an unknown table of the vault means that the journal was lost.
    pub(super) async fn note_differing(&self) -> Result<(), SenderError> {
        let differing = self.journal.differing().await?;
        self.metrics.differing.set(i64::try_from(differing.len()).unwrap_or(i64::MAX));
        if differing.keys().any(|subject| matches!(subject, Subject::Table(name) if name.starts_with("0x"))) {
            self.check_whole().await?;
        }
        Ok(())
    }

    /// Checks that the next block builds on the last applied one; otherwise nothing is applied.
    async fn check_position(
        &mut self,
        lease: &Lease,
        position: LogPosition,
        end: Block,
    ) -> Result<(), SenderError> {
        let hash = if end.number == position.block + 1 {
            end.parent
        } else {
            let block = self.rpc.block(Some(position.block)).await?;
            block.ok_or(SenderError::NoBlock(position.block))?.hash
        };
        let replaced = hash != position.block_hash;
        if replaced || self.frozen {
            self.look_for_deposits(lease, replaced).await?;
        }
        if replaced { Err(SenderError::Replaced(position.block)) } else { Ok(()) }
    }

    /// Freezes players whose deposit is gone, and unfreezes those whose deposit is back.
    async fn look_for_deposits(&mut self, lease: &Lease, replaced: bool) -> Result<(), SenderError> {
        if self.looked.is_some_and(|at| at.elapsed() < LOOK_EVERY) {
            return Ok(());
        }
        for deposit in self.journal.deposits_to_look_for(replaced).await? {
            let (player, key) = (deposit.player, &deposit.key);
            if self.rpc.receipt(deposit.tx).await?.is_some() {
                if self.journal.looked(lease, &deposit, true).await? {
                    tracing::warn!(%player, key, "a deposit that had vanished is back");
                }
            } else if self.journal.looked(lease, &deposit, false).await? {
                tracing::error!(%player, key, "ALARM: a final deposit has vanished, its player is frozen");
            }
        }
        let count = self.journal.frozen().await?;
        self.frozen = count > 0;
        self.metrics.frozen.set(count);
        self.service.signals.noted.notify_one();
        self.looked = Some(Instant::now());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::over;

    #[test]
    fn promises_end_by_the_chain_and_by_the_clock() {
        assert_eq!(over(900, 1_000), 900);
        assert_eq!(over(260_200, 1_000), 1_000);
    }
}
