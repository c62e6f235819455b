//! Carries out decisions: compares the sanctions that cases ask for with those reported to the signer, until both
//! agree.
//!
//! # Guarantees
//! A sanction that a case asks for reaches the signer as long as the signer answers at all; the same again does nothing
//! twice. A denial that somebody else has written since is not lifted. Nothing here reaches the contract: an exit on chain
//! and its clock go on whatever is decided.

use super::{
    database::{Database, DatabaseError, db, now_ms, undb},
    metrics::Metrics,
    options::Pace,
};
use crate::sanctions::{Sanction, wanted};
use purr_engine::PlayerId;
use purr_protocol::{
    denial::{DenialTrail, Deny, Lift},
    hold::{HousePayments, VoucherHold, VoucherHoldTrail},
};
use purr_runtime::{CancellationToken, ClientError, InternalClient};
use std::{collections::BTreeMap, sync::Arc, time::Duration};
use tokio::time::sleep;

const WAIT: Duration = Duration::from_secs(10);
/// The author in requests to the signer; the case's number follows.
const BY: &str = "fair play, case ";

#[derive(Debug, thiserror::Error)]
enum ActError {
    #[error(transparent)]
    Database(#[from] DatabaseError),
    #[error("the signer: {0}")]
    Signer(#[from] ClientError),
}

impl From<sqlx::Error> for ActError {
    fn from(error: sqlx::Error) -> Self {
        Self::Database(error.into())
    }
}

/// Parts of the enforcement loop.
pub struct Enforcer {
    pub database: Database,
    pub signer: Arc<InternalClient>,
    pub pace: Pace,
    pub metrics: Metrics,
    pub stop: CancellationToken,
}

const fn kind(sanction: Sanction) -> &'static str {
    match sanction {
        Sanction::RefuseSeats => "refuseSeats",
        Sanction::HoldVouchers => "holdVouchers",
    }
}

impl Enforcer {
    /// Runs until stopped; retries failures in the next round.
    pub async fn run(self) {
        loop {
            for done in [self.enforce().await, self.follow_payments().await] {
                if let Err(error) = done {
                    tracing::warn!(%error, "decisions are not carried out yet");
                    self.metrics.retries.inc();
                }
            }
            tokio::select! {
                () = sleep(self.pace.poll) => {}
                () = self.stop.cancelled() => return,
            }
        }
    }

    async fn enforce(&self) -> Result<(), ActError> {
        let cases = self.database.decided().await?;
        let wanted = wanted(cases.iter().map(|(id, case)| (*id, case)));
        let told = self.database.told().await?;
        let new = wanted
            .iter()
            .filter(|(what, _)| !told.contains_key(*what))
            .map(|(what, case)| (*what, *case, true));
        let over = told
            .iter()
            .filter(|(what, _)| !wanted.contains_key(*what))
            .map(|(what, case)| (*what, *case, false));
        let differences: Vec<_> = new.chain(over).collect();
        self.metrics.enforcing.set(i64::try_from(differences.len()).unwrap_or(i64::MAX));
        for ((player, sanction), case, on) in differences {
            self.tell(player, sanction, case, on).await?;
            // The report is stored after the signer's answer: after a crash in between it is sent again, which changes
            // nothing.
            self.database.was_told(player, kind(sanction), case, on).await?;
            tracing::warn!(%player, ?sanction, case, on, "the signer was told");
        }
        self.metrics.enforcing.set(0);
        Ok(())
    }

    async fn tell(&self, player: PlayerId, sanction: Sanction, case: i64, on: bool) -> Result<(), ActError> {
        let by = format!("{BY}{case}");
        let reason = if on { "decided by reviewers" } else { "the decision is no longer in force" };
        let reason = reason.to_owned();
        match (sanction, on) {
            (Sanction::HoldVouchers, hold) => {
                let hold = VoucherHold { player, hold, by, reason };
                self.signer.post::<_, VoucherHoldTrail>("/v1/voucher-holds", &hold, WAIT).await?;
            }
            (Sanction::RefuseSeats, true) => {
                let trail = self.denial(player).await?;
                // An administrator's denial stays; its end is the administrator's decision.
                if !trail.denied {
                    let deny = Deny { player, by, reason, until_s: None };
                    self.signer.post::<_, DenialTrail>("/v1/denials", &deny, WAIT).await?;
                }
            }
            (Sanction::RefuseSeats, false) => {
                let trail = self.denial(player).await?;
                let ours = trail.acts.first().is_some_and(|act| act.by.starts_with(BY));
                if trail.denied && ours {
                    let lift = Lift { player, by, reason };
                    self.signer.post::<_, DenialTrail>("/v1/denials/lift", &lift, WAIT).await?;
                }
            }
        }
        Ok(())
    }

    async fn denial(&self, player: PlayerId) -> Result<DenialTrail, ClientError> {
        self.signer.get(&format!("/v1/denials/players/{player}"), WAIT).await
    }

    /// Matches payments of the house in the ledger with refunds that are due.
    async fn follow_payments(&self) -> Result<(), ActError> {
        loop {
            let after = self.database.last_payment().await?;
            let path = format!("/v1/house-payments?after={after}");
            let HousePayments { payments } = self.signer.get(&path, WAIT).await?;
            if payments.is_empty() {
                break;
            }
            for payment in &payments {
                let paid =
                    self.database.house_paid(payment.id, payment.to, payment.amount, &payment.tx).await?;
                if let Some(refund) = paid {
                    tracing::info!(refund, player = %payment.to, amount = payment.amount, "a refund is paid");
                }
            }
        }
        self.metrics.payments_due.set(self.database.payments_due().await?);
        Ok(())
    }
}

impl Database {
    /// Sanctions that were reported to the signer, with the case of each.
    async fn told(&self) -> Result<BTreeMap<(PlayerId, Sanction), i64>, DatabaseError> {
        let rows: Vec<(Vec<u8>, String, i64)> =
            sqlx::query_as("SELECT player, kind, case_id FROM sanctions WHERE in_force")
                .fetch_all(&self.pool)
                .await?;
        let told = rows.into_iter().filter_map(|(player, kind, case)| {
            let sanction = match kind.as_str() {
                "refuseSeats" => Sanction::RefuseSeats,
                "holdVouchers" => Sanction::HoldVouchers,
                // The schema has no other.
                _ => return None,
            };
            Some(((PlayerId(player.try_into().ok()?), sanction), case))
        });
        Ok(told.collect())
    }

    async fn was_told(&self, player: PlayerId, kind: &str, case: i64, on: bool) -> Result<(), DatabaseError> {
        sqlx::query(
            "INSERT INTO sanctions (player, kind, case_id, in_force, at_ms) VALUES ($1, $2, $3, $4, $5)
             ON CONFLICT (player, kind) DO UPDATE SET case_id = $3, in_force = $4, at_ms = $5",
        )
        .bind(player.0.as_slice())
        .bind(kind)
        .bind(case)
        .bind(on)
        .bind(db(now_ms()))
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    async fn last_payment(&self) -> Result<i64, DatabaseError> {
        Ok(sqlx::query_scalar("SELECT coalesce(max(id), 0) FROM house_payments")
            .fetch_one(&self.pool)
            .await?)
    }

    /// Notes a payment of the house, and which refund it pays: the oldest one that is due to this player with this amount.
    pub async fn house_paid(
        &self,
        id: i64,
        to: PlayerId,
        amount: u64,
        hash: &str,
    ) -> Result<Option<i64>, DatabaseError> {
        let mut tx = self.pool.begin().await?;
        let noted = sqlx::query(
            "INSERT INTO house_payments (id, player, amount, tx, at_ms) VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING",
        )
        .bind(id)
        .bind(to.0.as_slice())
        .bind(db(amount))
        .bind(hash)
        .bind(db(now_ms()))
        .execute(&mut *tx)
        .await?;
        if noted.rows_affected() == 0 {
            return Ok(None);
        }
        let refund = sqlx::query_scalar(
            "UPDATE refund_payments SET paid_by = $1 WHERE player = $2 AND refund_id = (
             SELECT refund_id FROM refund_payments WHERE player = $2 AND amount = $3 AND paid_by IS NULL
             ORDER BY refund_id LIMIT 1 FOR UPDATE) RETURNING refund_id",
        )
        .bind(id)
        .bind(to.0.as_slice())
        .bind(db(amount))
        .fetch_optional(&mut *tx)
        .await?;
        tx.commit().await?;
        Ok(refund)
    }

    async fn payments_due(&self) -> Result<i64, DatabaseError> {
        Ok(sqlx::query_scalar("SELECT count(*) FROM refund_payments WHERE paid_by IS NULL")
            .fetch_one(&self.pool)
            .await?)
    }

    /// The paid part of a refund: by player, the amount and the transaction.
    pub async fn payments(&self, refund: i64) -> Result<Vec<(PlayerId, u64, Option<String>)>, DatabaseError> {
        let rows: Vec<(Vec<u8>, i64, Option<String>)> = sqlx::query_as(
            "SELECT r.player, r.amount, h.tx FROM refund_payments r LEFT JOIN house_payments h ON h.id = r.paid_by
             WHERE r.refund_id = $1 ORDER BY r.player",
        )
        .bind(refund)
        .fetch_all(&self.pool)
        .await?;
        let payment = |(player, amount, tx): (Vec<u8>, i64, Option<String>)| {
            Some((PlayerId(player.try_into().ok()?), undb(amount), tx))
        };
        Ok(rows.into_iter().filter_map(payment).collect())
    }
}
