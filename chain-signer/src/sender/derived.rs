//! Makes rows again that are about to be signed; see [`crate::derived`].

use super::{Sender, SenderError};
use crate::{
    derived::{self, NotDerived},
    journal::{JournalError, Lease, PendingTable, Transaction},
};
use std::time::Instant;

/// How a transaction is named among what was refused lately.
fn name(tx: &Transaction) -> String {
    format!("transaction {}", tx.id)
}

impl Sender {
    /// Whether a transaction's row is what tables asked for. One that is not is never signed: its tables are quarantined,
    /// what it carried waits again, and its nonce is used for nothing where no version was signed before.
    pub(super) async fn may_sign(&mut self, lease: &Lease, tx: &Transaction) -> Result<bool, SenderError> {
        if self.refused.contains_key(&name(tx)) {
            return Ok(false);
        }
        let evidence = self.journal.evidence(tx).await?;
        let Err(found) = derived::check_version(self.allowed, self.signer.address(), tx, &evidence) else {
            return Ok(true);
        };
        self.changed(&found, Some(tx)).await?;
        let unsigned = tx.attempts.iter().all(|attempt| attempt.raw.is_none());
        let given_up = match &evidence.noted {
            Some(noted) if unsigned => match self.journal.give_up(lease, tx, noted).await {
                // Another row has its nonce: somebody has to look at both.
                Err(JournalError::Sql(error)) if error.as_database_error().is_some() => {
                    tracing::error!(%error, tx = tx.id, "its nonce cannot be filled");
                    false
                }
                done => done.map(|()| true)?,
            },
            _ => false,
        };
        if !given_up {
            self.refused.insert(name(tx), Instant::now());
        }
        Ok(false)
    }

    /// Whether a transaction may have another version. One whose row was changed keeps the versions that were signed.
    pub(super) async fn may_replace(&mut self, tx: &Transaction) -> Result<bool, SenderError> {
        if self.refused.contains_key(&name(tx)) {
            return Ok(false);
        }
        let evidence = self.journal.evidence(tx).await?;
        let Err(found) = derived::check(self.allowed, self.signer.address(), tx, &evidence) else {
            return Ok(true);
        };
        self.changed(&found, Some(tx)).await?;
        self.refused.insert(name(tx), Instant::now());
        Ok(false)
    }

    /// Whether what waits at a table is what it asked for.
    pub(super) async fn may_settle(&mut self, pending: &PendingTable) -> Result<bool, SenderError> {
        let found = match &pending.changed {
            Some(found) => Some(found.clone()),
            None => derived::terms(&self.domain, &pending.asked).err(),
        };
        let Some(found) = found else { return Ok(true) };
        self.changed(&found, None).await?;
        Ok(false)
    }

    /// Whether a table's row has the terms that it asked for.
    pub(super) async fn may_open(&mut self, uid: &str) -> Result<bool, SenderError> {
        let asked = self.journal.asked_table(uid).await?;
        let Err(found) = derived::terms(&self.domain, &asked) else { return Ok(true) };
        self.changed(&found, None).await?;
        Ok(false)
    }

    async fn changed(&self, found: &NotDerived, tx: Option<&Transaction>) -> Result<(), SenderError> {
        if self.journal.quarantine(found).await? || found.uids.is_empty() {
            self.metrics.rows_changed.inc();
            let (tables, tx) = (&found.uids, tx.map(|tx| tx.id));
            tracing::error!(%found, ?tables, tx, "ALARM: a row of the journal was changed: not signed");
        }
        let differing = self.journal.differing().await?.len();
        self.metrics.differing.set(i64::try_from(differing).unwrap_or(i64::MAX));
        Ok(())
    }
}
