//! Where books and chain differ; see [`purr_books::differing`].

use super::{Journal, JournalError, chain, db, ledger, undb};
use purr_books::{
    differing::{Compared, Difference, after_comparison},
    ledger::Subject,
};
use serde_json::json;
use sqlx::{PgConnection, Row};
use std::collections::BTreeMap;

pub(super) async fn load(conn: &mut PgConnection) -> Result<BTreeMap<Subject, Difference>, JournalError> {
    let rows = sqlx::query("SELECT subject, why, block FROM differing").fetch_all(conn).await?;
    rows.iter()
        .map(|row| {
            let subject: Subject = row
                .try_get::<&str, _>("subject")?
                .parse()
                .map_err(|error: purr_books::ledger::BadSubject| JournalError::Corrupt(error.to_string()))?;
            Ok((subject, Difference { why: row.try_get("why")?, block: undb(row.try_get("block")?)? }))
        })
        .collect()
}

impl Journal {
    /// Returns the subjects that differ now.
    pub async fn differing(&self) -> Result<BTreeMap<Subject, Difference>, JournalError> {
        load(&mut *self.pool.acquire().await?).await
    }

    /// Stores what a comparison at a block found; returns what differs now.
    pub async fn compared(
        &self,
        compared: &[Compared],
        block: u64,
    ) -> Result<BTreeMap<Subject, Difference>, JournalError> {
        let mut tx = self.pool.begin().await?;
        // Comparisons of two replicas take turns. A conflict found while the log is applied waits, and is stored after
        // the comparison.
        sqlx::query("LOCK TABLE differing IN SHARE ROW EXCLUSIVE MODE").execute(&mut *tx).await?;
        let before = load(&mut tx).await?;
        let suspense = ledger::suspense(&mut tx).await?;
        // A table that the journal does not know differs only by its amount in suspense.
        let unknown = before.keys().filter(|subject| subject.to_string().starts_with("table:0x"));
        let unknown = unknown.map(|subject| Compared::new(subject.clone(), "unknown", &0, &0));
        let compared: Vec<Compared> = compared.iter().cloned().chain(unknown).collect();
        let after = after_comparison(&before, &compared, suspense.into_iter(), block);
        if before != after {
            for subject in before.keys().filter(|subject| !after.contains_key(subject)) {
                sqlx::query("DELETE FROM differing WHERE subject = $1")
                    .bind(subject.to_string())
                    .execute(&mut *tx)
                    .await?;
            }
            for (subject, found) in after.iter().filter(|(subject, found)| before.get(subject) != Some(found))
            {
                sqlx::query(
                    "INSERT INTO differing (subject, why, block) VALUES ($1, $2, $3)
                     ON CONFLICT (subject) DO UPDATE SET why = excluded.why, block = excluded.block",
                )
                .bind(subject.to_string())
                .bind(&found.why)
                .bind(db(found.block, "block")?)
                .execute(&mut *tx)
                .await?;
            }
            let names: Vec<String> = after.keys().map(ToString::to_string).collect();
            chain::append(&mut tx, "differing", &json!({"block": block, "subjects": names})).await?;
        }
        tx.commit().await?;
        Ok(after)
    }
}
