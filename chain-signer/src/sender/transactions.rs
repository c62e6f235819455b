//! Each live transaction one step on: signed, sent, mined, final. In the order of their nonces.

use super::{Sender, SenderError, fees};
use crate::{
    chain::{Block, Receipt, RpcError, sign},
    journal::{Lease, Transaction},
};
use purr_books::entry::State;
use std::time::{Duration, Instant};

/// Bytes that no block has yet are given to the nodes again this often.
const RESEND_EVERY: Duration = Duration::from_secs(4);
/// Versions of one transaction; each costs at least an eighth more.
const ATTEMPTS_MAX: usize = 12;

impl Sender {
    /// `moved`: the head is another one than last time, so blocks and receipts may have changed.
    pub(super) async fn drive_all(
        &mut self,
        lease: &Lease,
        head: Block,
        moved: bool,
    ) -> Result<(), SenderError> {
        let live = self.journal.live(self.signer.address()).await?;
        self.metrics.in_flight.set(i64::try_from(live.len()).unwrap_or(i64::MAX));
        self.sent_at.retain(|id, _| live.iter().any(|tx| tx.id == *id));
        for tx in &live {
            match tx.state {
                State::Checked => self.sign(lease, tx, head).await?,
                State::Signed => self.send(lease, tx, head).await?,
                State::Broadcast if moved => self.look(lease, tx, head).await?,
                State::Mined if moved => self.deepen(lease, tx, head).await?,
                _ => {}
            }
        }
        Ok(())
    }

    /// The signature, stored before anybody else sees it; then the broadcast.
    async fn sign(&mut self, lease: &Lease, tx: &Transaction, head: Block) -> Result<(), SenderError> {
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
        self.send(lease, &now, head).await
    }

    async fn send(&mut self, lease: &Lease, tx: &Transaction, head: Block) -> Result<(), SenderError> {
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
            Err(RpcError::Refused { message, .. }) => {
                if self.found(lease, tx).await? {
                    return Ok(());
                }
                tracing::warn!(nonce = tx.nonce, message, "the node does not take a transaction");
                self.replace_if_stuck(lease, tx, head, Some(&message)).await
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

    async fn found(&mut self, lease: &Lease, tx: &Transaction) -> Result<bool, SenderError> {
        let Some((hash, receipt)) = self.receipt(tx).await? else { return Ok(false) };
        let block = (receipt.block, receipt.block_hash);
        self.journal.mined(lease, tx.id, hash, block, receipt.reverted).await?;
        self.metrics.transactions.with_label_values(&["mined"]).inc();
        if receipt.reverted {
            tracing::error!(nonce = tx.nonce, "ALARM: a transaction reverted");
        }
        Ok(true)
    }

    /// Sent: is it in a block? Else the bytes go out again, and at last a version that pays more.
    async fn look(&mut self, lease: &Lease, tx: &Transaction, head: Block) -> Result<(), SenderError> {
        if self.found(lease, tx).await? {
            return Ok(());
        }
        let chain_nonce = self.rpc.nonce(tx.sender).await?;
        let foreign = chain_nonce > tx.nonce && !self.found(lease, tx).await?;
        self.metrics.foreign_nonce.set(foreign.into());
        if foreign {
            tracing::error!(
                nonce = tx.nonce,
                "ALARM: another transaction has this nonce: is the key used elsewhere?"
            );
            return Ok(());
        }
        let last = self.sent_at.get(&tx.id).copied();
        if last.is_none_or(|at| at.elapsed() >= RESEND_EVERY) {
            let raw = tx.attempts.last().and_then(|attempt| attempt.raw.as_deref());
            if let Some(raw) = raw
                && let Err(error) = self.rpc.send_raw(raw).await
            {
                tracing::warn!(nonce = tx.nonce, %error, "sent again");
            }
            self.sent_at.insert(tx.id, Instant::now());
        }
        self.replace_if_stuck(lease, tx, head, None).await
    }

    /// `refusal`: why the node does not take its last version.
    async fn replace_if_stuck(
        &mut self,
        lease: &Lease,
        tx: &Transaction,
        head: Block,
        refusal: Option<&str>,
    ) -> Result<(), SenderError> {
        let stuck = Duration::from_secs(tx.age_s) >= self.stuck_after;
        let Some(last) = tx.attempts.last().filter(|_| stuck && tx.attempts.len() < ATTEMPTS_MAX) else {
            return Ok(());
        };
        if !Box::pin(self.may_replace(tx)).await? {
            return Ok(());
        }
        let base_fee = self.base_fees.sane(head.base_fee);
        let fees = match refusal {
            Some(message) => fees::after_refusal(message, last.fees, base_fee, self.priority_fee),
            None => fees::raised(last.fees, base_fee),
        };
        tracing::warn!(nonce = tx.nonce, max_fee = fees.max_fee, "stuck: another version");
        self.journal.replace(lease, tx, fees).await?;
        self.metrics.fee_bumps.inc();
        Ok(())
    }

    /// In a block: is that block still there, and deep enough?
    async fn deepen(&mut self, lease: &Lease, tx: &Transaction, head: Block) -> Result<(), SenderError> {
        let (Some((number, hash)), Some(mined)) = (tx.block, tx.mined_hash) else { return Ok(()) };
        if number.saturating_add(self.confirmations) > head.number {
            return Ok(());
        }
        match self.rpc.receipt(mined).await? {
            Some(receipt) if receipt.block == number && receipt.block_hash == hash => {
                self.journal.finished(lease, tx.id, tx.reverted).await?;
                self.metrics.transactions.with_label_values(&["final"]).inc();
            }
            _ => {
                tracing::warn!(nonce = tx.nonce, number, "its block is gone");
                self.metrics.reorgs.inc();
                self.journal.reorged(lease, tx.id).await?;
            }
        }
        Ok(())
    }
}
