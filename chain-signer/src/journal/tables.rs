//! Tables: terms, epochs, heads, notices.

use super::{
    Journal, JournalError, chain, db,
    rows::{OPENING, TableRow, player_of, read_table},
    store, undb,
};
use purr_books::{
    Change,
    request::{self, RequestError},
};
use purr_protocol::settlement::{Entry, Fenced, Notice, NoticeState, OpenTable};
use serde_json::json;
use sqlx::{PgConnection, Row};

/// Most notices in one answer.
const NOTICES_MAX: i64 = 256;
/// Most entries in one answer.
const ENTRIES_MAX: i64 = 256;

/// The table with its row locked until the end of the transaction.
async fn lock(conn: &mut PgConnection, uid: &str) -> Result<TableRow, JournalError> {
    let row =
        sqlx::query("SELECT * FROM tables WHERE uid = $1 FOR UPDATE").bind(uid).fetch_optional(conn).await?;
    read_table(&row.ok_or_else(|| RequestError::UnknownTable(uid.into()))?)
}

/// Refuses a lower epoch than the highest seen, remembers a higher one.
async fn raise(conn: &mut PgConnection, table: &TableRow, epoch: u64) -> Result<(), JournalError> {
    let raised: Vec<Change> = request::raise(&table.uid, table.epoch, epoch)?.into_iter().collect();
    store::store(conn, &raised, 0).await
}

impl Journal {
    /// Makes a table known, once; the same terms again only raise the epoch.
    pub async fn open_table(
        &self,
        uid: &str,
        table_id: [u8; 32],
        open: &OpenTable,
    ) -> Result<TableRow, JournalError> {
        let mut tx = self.pool.begin().await?;
        let config = serde_json::to_string(open)?;
        let made = sqlx::query(
            "INSERT INTO tables (uid, table_id, config, state, epoch, max_hands, max_delay_ms)
             VALUES ($1, $2, $3, $5, $4, $6, $7) ON CONFLICT (uid) DO NOTHING",
        )
        .bind(uid)
        .bind(table_id.as_slice())
        .bind(&config)
        .bind(db(open.epoch, "epoch")?)
        .bind(OPENING)
        .bind(i64::from(open.max_hands))
        .bind(db(open.max_delay_ms, "max_delay_ms")?)
        .execute(&mut *tx)
        .await?;
        let table = lock(&mut tx, uid).await?;
        if made.rows_affected() == 1 {
            chain::append(
                &mut tx,
                "table",
                &json!({"uid": uid, "tableId": hex::encode(table_id), "terms": open}),
            )
            .await?;
        } else if table.table_id != table_id {
            return Err(JournalError::OtherTerms(uid.into()));
        } else {
            raise(&mut tx, &table, open.epoch).await?;
        }
        tx.commit().await?;
        Ok(table)
    }

    pub async fn table(&self, uid: &str) -> Result<TableRow, JournalError> {
        let row =
            sqlx::query("SELECT * FROM tables WHERE uid = $1").bind(uid).fetch_optional(&self.pool).await?;
        read_table(&row.ok_or_else(|| RequestError::UnknownTable(uid.into()))?)
    }

    pub async fn tables(&self) -> Result<Vec<TableRow>, JournalError> {
        all(&mut *self.pool.acquire().await?).await
    }

    /// Fences a table: refuses every lower epoch from now on. Returns the head of the sequence.
    pub async fn fence(&self, uid: &str, epoch: u64) -> Result<Fenced, JournalError> {
        let mut tx = self.pool.begin().await?;
        let table = lock(&mut tx, uid).await?;
        raise(&mut tx, &table, epoch).await?;
        // Both times are taken from the database's clock.
        let oldest: Option<i64> = sqlx::query_scalar(
            "SELECT ceil(extract(epoch FROM clock_timestamp() - min(accepted)))::bigint FROM entries
             WHERE uid = $1 AND seq > $2 AND kind = 'hand'",
        )
        .bind(uid)
        .bind(db(table.confirmed_seq, "seq")?)
        .fetch_one(&mut *tx)
        .await?;
        tx.commit().await?;
        let unsettled_s = oldest.map(undb).transpose()?.unwrap_or(0);
        Ok(Fenced { epoch, head_seq: table.head_seq, head_next: table.head_next, unsettled_s })
    }

    /// Accepted entries of a table after this number, in order, at most 256. Numbers that were passed over before
    /// the journal had anything under them are left out.
    pub async fn entries_after(&self, uid: &str, after: u64) -> Result<Vec<Entry>, JournalError> {
        let rows: Vec<String> = sqlx::query_scalar(
            "SELECT payload FROM entries WHERE uid = $1 AND seq > $2 AND kind <> 'void' ORDER BY seq LIMIT $3",
        )
        .bind(uid)
        .bind(i64::try_from(after).unwrap_or(i64::MAX))
        .bind(ENTRIES_MAX)
        .fetch_all(&self.pool)
        .await?;
        rows.iter().map(|row| Ok(serde_json::from_str(row)?)).collect()
    }

    /// Notices of a table after `after`, oldest first, at most 256.
    pub async fn notices(&self, uid: &str, after: u64) -> Result<Vec<Notice>, JournalError> {
        let rows = sqlx::query(
            "SELECT id, seq_from, seq_to, state, player, tx_hash FROM notices WHERE uid = $1 AND id > $2 ORDER BY id LIMIT $3",
        )
        .bind(uid)
        .bind(i64::try_from(after).unwrap_or(i64::MAX))
        .bind(NOTICES_MAX)
        .fetch_all(&self.pool)
        .await?;
        rows.iter()
            .map(|row| {
                let state: String = row.try_get("state")?;
                Ok(Notice {
                    id: undb(row.try_get("id")?)?,
                    seq_from: undb(row.try_get("seq_from")?)?,
                    seq_to: undb(row.try_get("seq_to")?)?,
                    state: match state.as_str() {
                        "submitted" => NoticeState::Submitted,
                        "confirmed" => NoticeState::Confirmed,
                        "exit" => NoticeState::Exit(player_of(row)?),
                        "frozen" => NoticeState::Frozen(player_of(row)?),
                        "thawed" => NoticeState::Thawed(player_of(row)?),
                        _ => NoticeState::Rejected,
                    },
                    tx_hash: row.try_get("tx_hash")?,
                })
            })
            .collect()
    }
}

pub(super) async fn all(conn: &mut PgConnection) -> Result<Vec<TableRow>, JournalError> {
    let rows = sqlx::query("SELECT * FROM tables ORDER BY uid").fetch_all(conn).await?;
    rows.iter().map(read_table).collect()
}
