//! Tables: terms, epochs, heads, notices.

use super::{Journal, JournalError, bytes, chain, db, undb};
use purr_books::policy::{Seat, Table, Terms};
use purr_engine::PlayerId;
use purr_protocol::settlement::{Entry, Fenced, Notice, NoticeState, OpenTable, TableState};
use serde_json::json;
use sqlx::{PgConnection, Row, postgres::PgRow};
use std::collections::BTreeMap;

/// Most notices in one answer.
const NOTICES_MAX: i64 = 256;
/// Most entries in one answer.
const ENTRIES_MAX: i64 = 256;

#[derive(Clone, Debug)]
pub struct TableRow {
    pub uid: String,
    pub table_id: [u8; 32],
    pub terms: Terms,
    pub max_hands: u32,
    pub max_delay_ms: u64,
    pub state: TableState,
    pub epoch: u64,
    pub head_seq: u64,
    pub head_next: Option<String>,
    pub confirmed_seq: u64,
}

fn read(row: &PgRow) -> Result<TableRow, JournalError> {
    let config: String = row.try_get("config")?;
    let config: OpenTable = serde_json::from_str(&config)?;
    let state: String = row.try_get("state")?;
    Ok(TableRow {
        uid: row.try_get("uid")?,
        table_id: bytes(row.try_get("table_id")?, "table_id")?,
        terms: Terms::from(&config),
        max_hands: config.max_hands,
        max_delay_ms: config.max_delay_ms,
        state: if state == "open" { TableState::Open } else { TableState::Opening },
        epoch: undb(row.try_get("epoch")?)?,
        head_seq: undb(row.try_get("head_seq")?)?,
        head_next: row.try_get("head_next")?,
        confirmed_seq: undb(row.try_get("confirmed_seq")?)?,
    })
}

/// The table with its row locked until the end of the transaction.
pub(super) async fn lock(conn: &mut PgConnection, uid: &str) -> Result<TableRow, JournalError> {
    let row =
        sqlx::query("SELECT * FROM tables WHERE uid = $1 FOR UPDATE").bind(uid).fetch_optional(conn).await?;
    read(&row.ok_or_else(|| JournalError::UnknownTable(uid.into()))?)
}

/// Refuses a lower epoch than the highest seen, remembers a higher one.
pub(super) async fn raise(conn: &mut PgConnection, table: &TableRow, epoch: u64) -> Result<(), JournalError> {
    if epoch < table.epoch {
        return Err(JournalError::Fenced { given: epoch, highest: table.epoch });
    }
    if epoch > table.epoch {
        sqlx::query("UPDATE tables SET epoch = $2 WHERE uid = $1")
            .bind(&table.uid)
            .bind(db(epoch, "epoch")?)
            .execute(&mut *conn)
            .await?;
        chain::append(conn, "fence", &json!({"uid": table.uid, "epoch": epoch})).await?;
    }
    Ok(())
}

/// The seats as the accepted entries left them.
pub(super) async fn projection(conn: &mut PgConnection, table: &TableRow) -> Result<Table, JournalError> {
    let rows = sqlx::query("SELECT seat, player, stack, rake_left FROM seats WHERE uid = $1")
        .bind(&table.uid)
        .fetch_all(conn)
        .await?;
    let mut seats = BTreeMap::new();
    for row in rows {
        let seat = u8::try_from(row.try_get::<i16, _>("seat")?)
            .map_err(|_| JournalError::Corrupt("seat out of range".into()))?;
        seats.insert(
            seat,
            Seat {
                player: PlayerId(bytes(row.try_get("player")?, "player")?),
                stack: undb(row.try_get("stack")?)?,
                rake_left: undb(row.try_get("rake_left")?)?,
            },
        );
    }
    Ok(Table { terms: table.terms, seats })
}

pub(super) async fn store_projection(
    conn: &mut PgConnection,
    uid: &str,
    table: &Table,
) -> Result<(), JournalError> {
    sqlx::query("DELETE FROM seats WHERE uid = $1").bind(uid).execute(&mut *conn).await?;
    for (seat, held) in &table.seats {
        sqlx::query("INSERT INTO seats (uid, seat, player, stack, rake_left) VALUES ($1, $2, $3, $4, $5)")
            .bind(uid)
            .bind(i16::from(*seat))
            .bind(held.player.0.as_slice())
            .bind(db(held.stack, "stack")?)
            .bind(db(held.rake_left, "rake_left")?)
            .execute(&mut *conn)
            .await?;
    }
    Ok(())
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
            "INSERT INTO tables (uid, table_id, config, state, epoch) VALUES ($1, $2, $3, 'opening', $4)
             ON CONFLICT (uid) DO NOTHING",
        )
        .bind(uid)
        .bind(table_id.as_slice())
        .bind(&config)
        .bind(db(open.epoch, "epoch")?)
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
        read(&row.ok_or_else(|| JournalError::UnknownTable(uid.into()))?)
    }

    pub async fn tables(&self) -> Result<Vec<TableRow>, JournalError> {
        all(&mut *self.pool.acquire().await?).await
    }

    /// Closes a table to every lower epoch and tells the head that the journal has.
    pub async fn fence(&self, uid: &str, epoch: u64) -> Result<Fenced, JournalError> {
        let mut tx = self.pool.begin().await?;
        let table = lock(&mut tx, uid).await?;
        raise(&mut tx, &table, epoch).await?;
        // Both times are the database's own.
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

fn player_of(row: &PgRow) -> Result<PlayerId, JournalError> {
    Ok(PlayerId(bytes(row.try_get("player")?, "player")?))
}

/// Tells every table where this player sits, or is on the way to.
pub(super) async fn notify_player(
    conn: &mut PgConnection,
    state: &'static str,
    player: PlayerId,
    tx_hash: &[u8],
) -> Result<(), JournalError> {
    sqlx::query(
        "INSERT INTO notices (uid, seq_from, seq_to, state, player, tx_hash)
         SELECT uid, head_seq, head_seq, $3, $1, $2 FROM tables JOIN (
             SELECT uid FROM seats WHERE player = $1
             UNION SELECT uid FROM reservations WHERE player = $1 AND state IN ('held', 'used')) AS at USING (uid) ORDER BY uid",
    )
    .bind(player.0.as_slice())
    .bind(format!("0x{}", hex::encode(tx_hash)))
    .bind(state)
    .execute(conn)
    .await?;
    Ok(())
}

pub(super) async fn all(conn: &mut PgConnection) -> Result<Vec<TableRow>, JournalError> {
    let rows = sqlx::query("SELECT * FROM tables ORDER BY uid").fetch_all(conn).await?;
    rows.iter().map(read).collect()
}

pub(super) async fn notify(
    conn: &mut PgConnection,
    uid: &str,
    (seq_from, seq_to): (u64, u64),
    state: &'static str,
    tx_hash: &[u8],
) -> Result<(), JournalError> {
    sqlx::query("INSERT INTO notices (uid, seq_from, seq_to, state, tx_hash) VALUES ($1, $2, $3, $4, $5)")
        .bind(uid)
        .bind(db(seq_from, "seq")?)
        .bind(db(seq_to, "seq")?)
        .bind(state)
        .bind(format!("0x{}", hex::encode(tx_hash)))
        .execute(conn)
        .await?;
    Ok(())
}
