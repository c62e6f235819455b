//! Each live transaction one step on: signed, sent, mined, final. In the order of their nonces.

use super::{
    Sender, SenderError, fees, gas,
    nonces::{Counts, Nonce, Used, used_nonce},
};
use crate::{
    chain::{
        Address, Block, Receipt, RpcError, sign,
        vault::{Call, decode_call},
    },
    journal::{Fees, Lease, Purpose, Transaction},
};
use purr_books::entry::State;
use std::time::{Duration, Instant};

/// Bytes that no block has yet are given to the nodes again this often.
const RESEND_EVERY: Duration = Duration::from_secs(4);
/// Versions of one transaction: each waits twice as long as the one before, so that a spike of hours is outlived.
const ATTEMPTS_MAX: usize = 100;
/// Doublings of that wait.
const DOUBLINGS_MAX: u32 = 6;

/// How long a version may wait for its block.
fn patience(stuck_after: Duration, attempts: usize) -> Duration {
    let doublings = u32::try_from(attempts.saturating_sub(1)).unwrap_or(u32::MAX).min(DOUBLINGS_MAX);
    stuck_after.saturating_mul(2_u32.saturating_pow(doublings))
}

impl Sender {
    /// `moved`: the head is another one than last time, so blocks and receipts may have changed.
    pub(super) async fn drive_all(
        &mut self,
        lease: &Lease,
        head: Block,
        moved: bool,
    ) -> Result<(), SenderError> {
        let live = self.journal.live().await?;
        let key = self.signer.address();
        self.metrics.in_flight.set(i64::try_from(live.len()).unwrap_or(i64::MAX));
        let is_live = |id: &i64| live.iter().any(|tx| tx.id == *id);
        self.sent_at.retain(|id, _| is_live(id));
        self.without_receipt.retain(|id, _| is_live(id));
        let mut counts = Counts::default();
        for tx in &live {
            match tx.state {
                State::Mined if moved => self.deepen(lease, tx, head).await?,
                State::Mined => {}
                _ if tx.sender != key && moved => self.follow(lease, tx, head, &mut counts).await?,
                _ if tx.sender != key => {}
                State::Checked => self.sign(lease, tx, head, &mut counts).await?,
                State::Signed => self.send(lease, tx, head, &mut counts).await?,
                State::Broadcast if moved => self.look(lease, tx, head, &mut counts).await?,
                _ => {}
            }
        }
        if moved {
            self.metrics.foreign_nonce.set(counts.foreign.into());
        }
        Ok(())
    }

    /// The signature, stored before anybody else sees it; then the broadcast.
    async fn sign(
        &mut self,
        lease: &Lease,
        tx: &Transaction,
        head: Block,
        counts: &mut Counts,
    ) -> Result<(), SenderError> {
        let Some(attempt) = tx.attempts.last() else { return Ok(()) };
        if !Box::pin(self.may_sign(lease, tx)).await? {
            // An older version may be in a block, and is as good as ever.
            if tx.attempts.iter().any(|attempt| attempt.raw.is_some()) {
                self.found(lease, tx).await?;
            }
            return Ok(());
        }
        let timer = self.metrics.sign_seconds.start_timer();
        let signed = sign(
            self.signer.as_ref(),
            self.domain.chain_id,
            tx.nonce,
            tx.destination,
            &tx.calldata,
            attempt.fees,
        )
        .await?;
        timer.observe_duration();
        self.journal.signed(lease, tx.id, attempt.attempt, signed.hash, &signed.raw).await?;
        self.metrics.transactions.with_label_values(&["signed"]).inc();
        let mut now = tx.clone();
        now.state = State::Signed;
        if let Some(attempt) = now.attempts.last_mut() {
            (attempt.hash, attempt.raw) = (Some(signed.hash), Some(signed.raw));
        }
        self.send(lease, &now, head, counts).await
    }

    async fn send(
        &mut self,
        lease: &Lease,
        tx: &Transaction,
        head: Block,
        counts: &mut Counts,
    ) -> Result<(), SenderError> {
        let Some(attempt) = tx.attempts.last() else { return Ok(()) };
        let (Some(raw), Some(hash)) = (&attempt.raw, attempt.hash) else { return Ok(()) };
        match self.rpc.send_raw(raw).await {
            Ok(()) => {
                self.journal.sent(lease, tx.id, hash).await?;
                self.sent_at.insert(tx.id, Instant::now());
                self.metrics.transactions.with_label_values(&["sent"]).inc();
                if let Some((age_ms, at)) = self.oldest_ms.take() {
                    let age = Duration::from_millis(age_ms) + at.elapsed();
                    self.metrics.send_seconds.observe(age.as_secs_f64());
                }
                self.service.signals.noted.notify_one();
                tracing::info!(nonce = tx.nonce, tx = hex::encode(hash), "sent");
                Ok(())
            }
            // It may be in a block already, this version or one before it.
            Err(refused @ RpcError::Refused { .. }) => {
                if self.found(lease, tx).await? {
                    return Ok(());
                }
                tracing::warn!(nonce = tx.nonce, %refused, "the node does not take a transaction");
                if self.nonce_of(tx, counts).await? == Nonce::Used {
                    return self.without_receipt(lease, tx, head, counts).await;
                }
                self.replace_if_stuck(lease, tx, head, Some(&refused)).await
            }
            Err(error) => Err(error.into()),
        }
    }

    async fn receipt(&self, tx: &Transaction) -> Result<Option<([u8; 32], Receipt)>, SenderError> {
        for hash in tx.attempts.iter().rev().filter_map(|attempt| attempt.hash) {
            if let Some(receipt) = self.rpc.receipt(hash).await? {
                return Ok(Some((hash, receipt)));
            }
        }
        Ok(None)
    }

    pub(super) async fn found(&mut self, lease: &Lease, tx: &Transaction) -> Result<bool, SenderError> {
        let Some((hash, receipt)) = self.receipt(tx).await? else { return Ok(false) };
        let block = (receipt.block, receipt.block_hash);
        self.journal.mined(lease, tx.id, hash, block, (receipt.reverted, receipt.fee_wei)).await?;
        self.metrics.transactions.with_label_values(&["mined"]).inc();
        if receipt.reverted {
            tracing::error!(nonce = tx.nonce, "ALARM: a transaction reverted");
        }
        Ok(true)
    }

    /// Sent: is it in a block? Else the bytes go out again, and at last a version that pays more.
    async fn look(
        &mut self,
        lease: &Lease,
        tx: &Transaction,
        head: Block,
        counts: &mut Counts,
    ) -> Result<(), SenderError> {
        match self.nonce_of(tx, counts).await? {
            Nonce::Unused => {}
            Nonce::Used | Nonce::Unknown if self.found(lease, tx).await? => return Ok(()),
            Nonce::Used => return self.without_receipt(lease, tx, head, counts).await,
            // As long as nothing says that it is used, the bytes go out: where it is, no node takes them.
            Nonce::Unknown => {}
        }
        self.without_receipt.remove(&tx.id);
        self.send_again(tx).await;
        self.replace_if_stuck(lease, tx, head, None).await
    }

    /// Its nonce is used, and no node has a receipt of any version.
    async fn without_receipt(
        &mut self,
        lease: &Lease,
        tx: &Transaction,
        head: Block,
        counts: &mut Counts,
    ) -> Result<(), SenderError> {
        let since = *self.without_receipt.entry(tx.id).or_insert(head.number);
        let evidence = self.journal.nonce_evidence(tx).await?;
        let deep = head.number.saturating_sub(since) >= self.confirmations;
        match used_nonce(&evidence, tx.purpose, deep) {
            Used::Wait => tracing::warn!(nonce = tx.nonce, "its nonce is used, and no node has its receipt"),
            Used::Foreign => {
                counts.foreign = true;
                tracing::error!(
                    nonce = tx.nonce,
                    "ALARM: another transaction has this nonce: is the key used elsewhere?"
                );
            }
            Used::Over => {
                let last = tx.attempts.iter().rev().find_map(|attempt| attempt.hash);
                let (Some(hash), Some(position)) = (evidence.named.or(last), self.journal.position().await?)
                else {
                    return Ok(());
                };
                tracing::warn!(nonce = tx.nonce, ?evidence, "over without a receipt");
                // The block up to which the log was taken in: it is final, and so is what the log was read of.
                let block = (position.block, position.block_hash);
                self.journal.mined(lease, tx.id, hash, block, (false, 0)).await?;
                self.metrics.transactions.with_label_values(&["mined"]).inc();
                self.without_receipt.remove(&tx.id);
            }
        }
        Ok(())
    }

    /// The last version's bytes, every few seconds, to every node.
    pub(super) async fn send_again(&mut self, tx: &Transaction) {
        if self.sent_at.get(&tx.id).is_some_and(|at| at.elapsed() < RESEND_EVERY) {
            return;
        }
        let raw = tx.attempts.iter().rev().find_map(|attempt| attempt.raw.as_deref());
        if let Some(raw) = raw
            && let Err(error) = self.rpc.send_raw_to_all(raw).await
        {
            tracing::warn!(nonce = tx.nonce, %error, "sent again");
        }
        self.sent_at.insert(tx.id, Instant::now());
    }

    /// `refusal`: why the node does not take its last version.
    async fn replace_if_stuck(
        &mut self,
        lease: &Lease,
        tx: &Transaction,
        head: Block,
        refusal: Option<&RpcError>,
    ) -> Result<(), SenderError> {
        let most = self.gas_max.min(head.gas_limit);
        let Some(last) = tx.attempts.last().filter(|_| tx.attempts.len() < ATTEMPTS_MAX) else {
            return Ok(());
        };
        // A transaction that no block holds any more, or no node takes with so little gas, does not wait ever longer.
        let unfit = gas::is_unfit(last.fees.gas, head.gas_limit, refusal.is_some_and(RpcError::is_about_gas));
        let wait = patience(self.stuck_after, if unfit { 1 } else { tx.attempts.len() });
        if Duration::from_secs(tx.age_s) < wait || !Box::pin(self.may_replace(tx)).await? {
            return Ok(());
        }
        let again = if unfit {
            self.plan_again(tx, most).await?
        } else {
            // A node that does not say keeps no version from being made.
            let estimate = self.estimate(tx.destination, &tx.calldata).await.ok();
            let settles = tx.purpose == Purpose::Settle;
            gas::Again::Same(gas::waited(last.fees.gas, estimate, settles, most))
        };
        let (gas, empties) = match again {
            gas::Again::Same(gas) => (gas, false),
            gas::Again::Empty => {
                let key = self.signer.address();
                let needed = self.rpc.estimate_gas(key, key, &[]).await?;
                // Such a block holds no transaction at all: another version would be one that no node takes.
                if needed > most {
                    return Ok(());
                }
                (gas::limit(needed, false).min(most), true)
            }
            gas::Again::Wait => return Ok(()),
        };
        let base_fee = self.base_fees.sane(head.base_fee);
        let wanted = match refusal {
            Some(RpcError::Refused { message, .. }) => {
                fees::after_refusal(message, last.fees, base_fee, self.priority_fee)
            }
            _ => fees::raised(last.fees, base_fee),
        };
        // The cost of this version is no longer spent once another one takes its place.
        let own = u128::from(last.fees.gas).saturating_mul(last.fees.max_fee.into());
        let spent = self.journal.spent_in_hour().await?.saturating_sub(own);
        let Some(fees) = self.afford(Fees { gas, ..wanted }, base_fee, spent) else { return Ok(()) };
        if refusal.is_none() && !fees::replaces(fees, last.fees) {
            return Ok(());
        }
        tracing::warn!(nonce = tx.nonce, max_fee = fees.max_fee, gas, empties, "stuck: another version");
        let noted = if empties { self.journal.evidence(tx).await?.noted } else { None };
        match noted {
            Some(noted) => self.journal.empty(lease, tx, &noted, fees).await?,
            None => self.journal.replace(lease, tx, fees).await?,
        }
        self.metrics.fee_bumps.inc();
        Ok(())
    }

    /// A transaction whose gas is above the block's limit since that fell, or too little for any node. Its call is sent
    /// again with what it needs now, or what a block holds where it fits; else it is emptied, and its entries are planned
    /// anew in smaller batches.
    async fn plan_again(&self, tx: &Transaction, most: u64) -> Result<gas::Again, SenderError> {
        let items = match decode_call(&tx.calldata) {
            Ok(Call::Settle(items)) => items.len(),
            _ => 1,
        };
        let estimated = self.estimate(tx.destination, &tx.calldata).await;
        let estimate = match estimated {
            Ok(estimate) => Some(estimate),
            Err(error) if error.is_revert() || error.is_about_gas() => None,
            Err(error) => return Err(error.into()),
        };
        let again = gas::again(estimate, items, most, tx.purpose == Purpose::Fill);
        tracing::warn!(nonce = tx.nonce, ?estimate, most, items, ?again, "its gas fits no block or no node");
        Ok(again)
    }

    /// The gas that a call of the settling key needs: as a node says, and not less than any node takes it with.
    pub(super) async fn estimate(&self, to: Address, calldata: &[u8]) -> Result<u64, RpcError> {
        let told = self.rpc.estimate_gas(self.signer.address(), to, calldata).await?;
        Ok(told.max(gas::least(calldata)))
    }

    /// The fees within the budget; `None`: it waits, which the metric and the log say.
    pub(super) fn afford(&self, fees: Fees, base_fee: u64, spent: u128) -> Option<Fees> {
        let afforded = fees::bounded(fees, base_fee, self.fee_bounds, spent);
        self.metrics.up.with_label_values(&["fees"]).set(afforded.is_ok().into());
        match afforded {
            Ok(fees) => Some(fees),
            Err(over) => {
                tracing::error!(%over, "ALARM: over the fee budget");
                None
            }
        }
    }

    /// In a block: is that block still there, and deep enough?
    async fn deepen(&mut self, lease: &Lease, tx: &Transaction, head: Block) -> Result<(), SenderError> {
        let (Some((number, hash)), Some(mined)) = (tx.block, tx.mined_hash) else { return Ok(()) };
        if number.saturating_add(self.confirmations) > head.number {
            return Ok(());
        }
        let there = match self.rpc.receipt(mined).await? {
            Some(receipt) => receipt.block == number && receipt.block_hash == hash,
            // A node may lack the receipts of a block that it has.
            None => match self.rpc.block(Some(number)).await? {
                Some(block) => block.hash == hash,
                None => return Ok(()),
            },
        };
        if there {
            self.journal.finished(lease, tx.id, tx.reverted).await?;
            self.metrics.transactions.with_label_values(&["final"]).inc();
        } else {
            tracing::warn!(nonce = tx.nonce, number, "its block is gone");
            self.metrics.reorgs.inc();
            self.journal.reorged(lease, tx.id).await?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_version_waits_twice_as_long_as_the_one_before_up_to_a_bound() {
        let wait = |attempts| patience(Duration::from_secs(15), attempts).as_secs();
        assert_eq!([1, 2, 3, 7, 8, 100].map(wait), [15, 30, 60, 960, 960, 960]);
    }
}
