//! Which replica sends: a row with a fencing number. No API token, no clock but the database's.

use super::{Journal, JournalError, undb};
use sqlx::{PgConnection, Row};

/// A lease that is not renewed passes to another replica after this many seconds.
pub const LEASE_TTL_S: f64 = 10.0;

/// Proof of having been the sender; worthless as soon as another took over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    pub holder: String,
    pub fence: u64,
}

impl Journal {
    /// Takes the lease, under a new fencing number; `None` while another replica holds it. A process that
    /// comes back under its old name takes over from itself at once: the one before it is fenced off.
    pub async fn acquire(&self, holder: &str) -> Result<Option<Lease>, JournalError> {
        let row = sqlx::query(
            "INSERT INTO lease (name, holder, fence, until)
             VALUES ('sender', $1, 1, now() + make_interval(secs => $2))
             ON CONFLICT (name) DO UPDATE SET
                 holder = excluded.holder, fence = lease.fence + 1, until = excluded.until
             WHERE lease.holder = excluded.holder OR lease.until <= now()
             RETURNING fence",
        )
        .bind(holder)
        .bind(LEASE_TTL_S)
        .fetch_optional(&self.pool)
        .await?;
        row.map(|row| Ok(Lease { holder: holder.into(), fence: undb(row.try_get("fence")?)? })).transpose()
    }

    /// # Errors
    /// [`JournalError::LeaseLost`] where another has taken it since.
    pub async fn renew(&self, lease: &Lease) -> Result<(), JournalError> {
        let done = sqlx::query(
            "UPDATE lease SET until = now() + make_interval(secs => $3)
             WHERE name = 'sender' AND holder = $1 AND fence = $2",
        )
        .bind(&lease.holder)
        .bind(super::db(lease.fence, "fence")?)
        .bind(LEASE_TTL_S)
        .execute(&self.pool)
        .await?;
        if done.rows_affected() == 1 { Ok(()) } else { Err(JournalError::LeaseLost) }
    }

    /// Gives the lease back, so that another replica need not wait.
    pub async fn release(&self, lease: &Lease) -> Result<(), JournalError> {
        sqlx::query("UPDATE lease SET until = now() WHERE name = 'sender' AND holder = $1 AND fence = $2")
            .bind(&lease.holder)
            .bind(super::db(lease.fence, "fence")?)
            .execute(&self.pool)
            .await?;
        Ok(())
    }
}

/// Part of every database transaction of the sender: fails once another replica has taken over. The share lock makes a
/// take-over wait until this transaction has ended.
pub(super) async fn check(conn: &mut PgConnection, lease: &Lease) -> Result<(), JournalError> {
    let fence: Option<i64> =
        sqlx::query_scalar("SELECT fence FROM lease WHERE name = 'sender' AND holder = $1 FOR SHARE")
            .bind(&lease.holder)
            .fetch_optional(conn)
            .await?;
    if fence.map(undb).transpose()? == Some(lease.fence) { Ok(()) } else { Err(JournalError::LeaseLost) }
}
