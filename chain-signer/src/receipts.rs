//! Signs the receipt of each hand after the journal has it: acceptance never waits for the token.
//!
//! **Guarantees.** Each accepted hand gets one signature by the settling key (the contract's operator), also where
//! the process ended between the two: the journal knows what has none yet. **Caveats.** A receipt proves what the
//! signer accepted; whether the chain took it, the contract's log says.

use crate::{
    RETRY,
    chain::eip712::Domain,
    derived::{self, NotDerived},
    hsm::HsmError,
    journal::{Asked, JournalError, Receipt, ReceiptKey},
    service::Service,
};
use purr_books::asked::{Changed, Why};
use purr_runtime::{BackOff, CancellationToken};
use std::{sync::Arc, time::Duration};
use tokio::time::sleep;

/// Receipts that are read, and kept, at once.
const BATCH: u16 = 64;
/// Interval at which the journal is asked if no hand was accepted here.
const LOOK_EVERY: Duration = Duration::from_secs(2);

#[derive(Debug, thiserror::Error)]
enum ReceiptError {
    #[error(transparent)]
    Journal(#[from] JournalError),
    #[error("the token did not sign: {0}")]
    Token(#[from] HsmError),
}

/// Signs until stopped; starts over after a failure.
pub(crate) async fn sign(service: Arc<Service>, stop: CancellationToken) {
    let mut back_off = BackOff::new(RETRY);
    let work = async {
        service.journal_there().await;
        loop {
            let wait = match pass(&service).await {
                Ok(()) => {
                    back_off.reset();
                    LOOK_EVERY
                }
                Err(error) => {
                    tracing::warn!(%error, "receipts are not signed");
                    back_off.next_wait()
                }
            };
            let failed = wait != LOOK_EVERY;
            tokio::select! {
                () = service.signals.hands.notified(), if !failed => {}
                () = sleep(wait) => {}
            }
        }
    };
    tokio::select! {
        () = stop.cancelled() => {}
        () = work => {}
    }
}

/// Signs all receipts without a signature, one at a time, so that settlements can use the token in between.
async fn pass(service: &Service) -> Result<(), ReceiptError> {
    let Some((domain, key)) = service.receipt_key() else { return Ok(()) };
    let mut after: ReceiptKey = (String::new(), 0);
    loop {
        let page = service.journal.receipts_unsigned(&after, BATCH).await?;
        let Some((last, _)) = page.last() else { return Ok(()) };
        after = last.clone();
        let mut signed = Vec::with_capacity(page.len());
        let keys: Vec<&ReceiptKey> = page.iter().map(|(at, _)| at).collect();
        let asked = service.journal.asked_of(&keys).await?;
        for (at, receipt) in page {
            // An entry that cannot have a receipt must not delay the receipts of others.
            let receipt = match receipt {
                Ok(receipt) => receipt,
                Err(error) => {
                    tracing::error!(%error, uid = at.0, seq = at.1, "no receipt");
                    continue;
                }
            };
            if let Some(found) = not_asked(&asked, &domain, &receipt) {
                if service.journal.quarantine(&found).await? {
                    service.metrics.rows_changed.inc();
                }
                tracing::error!(%found, "ALARM: a row of the journal was changed: no receipt");
                continue;
            }
            let digest =
                domain.hand_receipt(receipt.table_id, receipt.seq, receipt.deltas_hash, receipt.record_hash);
            signed.push((at, key.sign(digest).await?.to_bytes()));
        }
        let kept = service.journal.receipts_signed(key.address(), &signed).await?;
        service.metrics.receipts.inc_by(kept);
    }
}

/// Returns the parts of a receipt that do not follow from the table's request.
fn not_asked(asked: &Asked, domain: &Domain, receipt: &Receipt) -> Option<NotDerived> {
    let at = (receipt.uid.clone(), receipt.seq);
    // Both exist, because the receipt was read in the same query.
    let (Some(table), Some(entry)) = (asked.tables.get(&receipt.uid), asked.entries.get(&at)) else {
        let changed = Changed::new("receipts", "uid or seq", format!("{}/{}", at.0, at.1), Why::Unknown);
        return Some(NotDerived { changed, uids: [at.0].into() });
    };
    derived::receipt(domain, table, std::slice::from_ref(entry), receipt).err()
}
