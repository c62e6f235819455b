//! Seats and their players, as the accepted entries leave them.

use super::{
    Journal, JournalError,
    rows::{player_of, read_table, seat_of},
    undb,
};
use purr_books::request::RequestError;
use purr_engine::SeatIndex;
use purr_protocol::seated::{SEATED_PAGE_MAX, SeatStack, SeatedTable, SeatedTables, TableSeats};
use sqlx::Row;

impl Journal {
    /// Tables with players after this UID, in the order of their UIDs.
    pub async fn seated(&self, after: &str) -> Result<SeatedTables, JournalError> {
        let rows = sqlx::query(
            "SELECT uid, count(*) AS players, sum(stack)::bigint AS chips FROM seats
             WHERE uid > $1 GROUP BY uid ORDER BY uid LIMIT $2",
        )
        .bind(after)
        .bind(i64::from(SEATED_PAGE_MAX))
        .fetch_all(&self.pool)
        .await?;
        let table = |row: &sqlx::postgres::PgRow| {
            let players = u32::try_from(row.try_get::<i64, _>("players")?);
            Ok(SeatedTable {
                uid: row.try_get("uid")?,
                players: players.map_err(|_| JournalError::Range("players"))?,
                chips: undb(row.try_get("chips")?)?,
            })
        };
        let tables: Result<Vec<SeatedTable>, JournalError> = rows.iter().map(table).collect();
        Ok(SeatedTables { tables: tables? })
    }

    /// All seats of a table and the head of its sequence, read at one moment.
    pub async fn seats(&self, uid: &str) -> Result<TableSeats, JournalError> {
        let mut tx = self.snapshot().await?;
        let row =
            sqlx::query("SELECT * FROM tables WHERE uid = $1").bind(uid).fetch_optional(&mut *tx).await?;
        let table = read_table(&row.ok_or_else(|| RequestError::UnknownTable(uid.into()))?)?;
        let rows = sqlx::query("SELECT seat, player, stack FROM seats WHERE uid = $1 ORDER BY seat")
            .bind(uid)
            .fetch_all(&mut *tx)
            .await?;
        let seat = |row: &sqlx::postgres::PgRow| {
            Ok(SeatStack {
                seat: SeatIndex(seat_of(row)?),
                player: player_of(row)?,
                stack: undb(row.try_get("stack")?)?,
            })
        };
        let seats: Result<Vec<SeatStack>, JournalError> = rows.iter().map(seat).collect();
        Ok(TableSeats { epoch: table.epoch, head_seq: table.head_seq, seats: seats? })
    }
}
