//! The hash chain over everything that the signer has accepted, signed, sent and seen.

use super::JournalError;
use serde::Serialize;
use serde_json::Value;
use sha2::{Digest, Sha256};
use sqlx::{PgConnection, Row, postgres::PgRow};

/// Rows read at once by an audit.
pub(super) const PAGE: i64 = 1_000;

/// The hash of a row: SHA-256 over the previous hash, the row's number, kind and body, each with its length.
pub fn link(prev: &[u8; 32], id: u64, kind: &str, body: &str) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update(prev);
    hash.update(id.to_be_bytes());
    hash.update((kind.len() as u64).to_be_bytes());
    hash.update(kind.as_bytes());
    hash.update((body.len() as u64).to_be_bytes());
    hash.update(body.as_bytes());
    hash.finalize().into()
}

/// Appends a row inside the caller's transaction. Take every other lock before it: this one is held
/// until the commit.
pub(super) async fn append(
    conn: &mut PgConnection,
    kind: &'static str,
    body: &impl Serialize,
) -> Result<(), JournalError> {
    append_all(conn, &[(kind, serde_json::to_value(body)?)]).await
}

/// Appends rows in their order, in one round trip (migration 0101); as [`append`].
pub(super) async fn append_all(
    conn: &mut PgConnection,
    notes: &[(&'static str, Value)],
) -> Result<(), JournalError> {
    if notes.is_empty() {
        return Ok(());
    }
    let kinds: Vec<&str> = notes.iter().map(|(kind, _)| *kind).collect();
    let bodies = notes.iter().map(|(_, body)| serde_json::to_string(body)).collect::<Result<Vec<_>, _>>()?;
    sqlx::query("SELECT journal_append($1, $2)").bind(kinds).bind(bodies).execute(conn).await?;
    Ok(())
}

fn hash_of(row: &PgRow, column: &'static str) -> Result<[u8; 32], JournalError> {
    let bytes: Vec<u8> = row.try_get(column)?;
    bytes.try_into().map_err(|_| JournalError::Corrupt(format!("journal.{column} is not 32 bytes")))
}

/// The last row up to which the chain is valid, its hash, and the reason if a row is invalid.
pub(super) struct Links {
    pub rows: u64,
    pub head: [u8; 32],
    pub broken: Option<String>,
}

/// Reads the whole chain and checks every link and number.
pub(super) async fn links(conn: &mut PgConnection) -> Result<Links, JournalError> {
    let (mut id, mut prev) = (0_i64, [0_u8; 32]);
    let found = |id: i64, head, broken| Links { rows: id.unsigned_abs(), head, broken };
    loop {
        let rows =
            sqlx::query("SELECT id, kind, body, prev, hash FROM journal WHERE id > $1 ORDER BY id LIMIT $2")
                .bind(id)
                .bind(PAGE)
                .fetch_all(&mut *conn)
                .await?;
        if rows.is_empty() {
            return Ok(found(id, prev, None));
        }
        for row in rows {
            let at: i64 = row.try_get("id")?;
            let (kind, body): (String, String) = (row.try_get("kind")?, row.try_get("body")?);
            let hash = hash_of(&row, "hash")?;
            if at != id + 1 {
                return Ok(found(id, prev, Some(format!("journal.id: row {} is missing", id + 1))));
            }
            let column = match () {
                () if hash_of(&row, "prev")? != prev => "prev",
                () if hash != link(&prev, at.unsigned_abs(), &kind, &body) => "body, kind or hash",
                () => {
                    (id, prev) = (at, hash);
                    continue;
                }
            };
            return Ok(found(id, prev, Some(format!("journal.{column}: row {at} was changed"))));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::link;

    #[test]
    fn a_link_changes_with_every_part() {
        let base = link(&[0; 32], 1, "entry", "{}");
        assert_ne!(base, link(&[1; 32], 1, "entry", "{}"));
        assert_ne!(base, link(&[0; 32], 2, "entry", "{}"));
        assert_ne!(base, link(&[0; 32], 1, "entr", "y{}"));
        assert_ne!(base, link(&[0; 32], 1, "entry", "{ }"));
    }
}
