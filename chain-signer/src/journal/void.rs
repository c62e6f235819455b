//! A range that two admins passed over: its entries end, its permits are free, the model starts again
//! from what the chain has.

use super::{JournalError, apply::Round, bytes, chain, db, ledger, tables, undb};
use purr_books::{
    entry::{Event, State, UNBOUND},
    events::VaultLog,
    ledger::Account,
    policy::{Limits, RAKE_MAX, Seat, Table},
};
use purr_engine::PlayerId;
use purr_protocol::settlement::{Entry, EntryBody};
use serde_json::json;
use sqlx::{PgConnection, Row};
use std::collections::BTreeMap;

/// What the table hands in under such a number is void as well, and bound to it from then on.
pub(super) async fn bind(
    conn: &mut PgConnection,
    uid: &str,
    seq: u64,
    hash: &[u8; 32],
) -> Result<bool, JournalError> {
    let bound = sqlx::query(
        "UPDATE entries SET payload_hash = $4 WHERE uid = $1 AND seq = $2 AND kind = 'void' AND payload_hash = $3",
    )
    .bind(uid)
    .bind(db(seq, "seq")?)
    .bind(UNBOUND.as_slice())
    .bind(hash.as_slice())
    .execute(&mut *conn)
    .await?;
    if bound.rows_affected() == 0 {
        return Ok(false);
    }
    chain::append(conn, "voidBound", &json!({"uid": uid, "seq": seq, "payloadHash": hex::encode(hash)}))
        .await?;
    Ok(true)
}

impl Round<'_> {
    pub(super) async fn voided(
        &mut self,
        uid: &str,
        range: (u64, u64),
        log: &VaultLog,
    ) -> Result<(), JournalError> {
        tracing::error!(uid, first = range.0, last = range.1, "a range was voided by the admins");
        let unknown = self.hold_places(uid, range).await?;
        let note = json!({"uid": uid, "first": range.0, "last": range.1, "unknown": unknown});
        chain::append(self.conn, "void", &note).await?;
        self.settle(uid, range, Event::Void, log).await?;
        for entry in self.entries(uid, range).await? {
            if let EntryBody::Sit { player, permit, .. } | EntryBody::TopUp { player, permit, .. } =
                entry.body
            {
                self.release(player, permit.nonce).await?;
            }
        }
        self.rebase(uid, range.1).await
    }

    /// Numbers that the journal does not have are those of entries that were refused for good: admins pass over
    /// them so that the table can go on. Gives how many.
    async fn hold_places(&mut self, uid: &str, (first, last): (u64, u64)) -> Result<u64, JournalError> {
        let head = tables::lock(self.conn, uid).await?.head_seq;
        if first > head + 1 {
            return Err(JournalError::Corrupt(format!(
                "the chain voided entries {first} to {last} of table {uid}, the journal ends at {head}: it is behind"
            )));
        }
        for seq in head + 1..=last {
            sqlx::query(
                "INSERT INTO entries (uid, seq, kind, payload_hash, payload, moved, lanes, state)
                 VALUES ($1, $2, 'void', $3, '', 0, '{}', $4)",
            )
            .bind(uid)
            .bind(db(seq, "seq")?)
            .bind(UNBOUND.as_slice())
            .bind(State::Rejected.as_str())
            .execute(&mut *self.conn)
            .await?;
        }
        if last > head {
            sqlx::query("UPDATE tables SET head_seq = $2 WHERE uid = $1")
                .bind(uid)
                .bind(db(last, "seq")?)
                .execute(&mut *self.conn)
                .await?;
        }
        Ok(last.saturating_sub(head))
    }

    /// The model out of the ledger, with the entries on it that are still on their way.
    async fn rebase(&mut self, uid: &str, through: u64) -> Result<(), JournalError> {
        let table = tables::lock(self.conn, uid).await?;
        let permits = self.permits(uid).await?;
        let rows = sqlx::query("SELECT seat, player, vacated FROM seat_owners WHERE uid = $1")
            .bind(uid)
            .fetch_all(&mut *self.conn)
            .await?;
        let mut model = Table { terms: table.terms, seats: BTreeMap::new() };
        for row in rows {
            let seat = u8::try_from(row.try_get::<i16, _>("seat")?)
                .map_err(|_| JournalError::Corrupt("seat out of range".into()))?;
            let account = Account::Seat { uid: uid.to_owned(), seat };
            let stack = match row.try_get::<Option<i64>, _>("vacated")? {
                Some(vacated) => undb(vacated)?,
                None => ledger::balance(self.conn, &account).await?,
            };
            let (since, allowed) = permits.get(&seat).copied().unwrap_or_default();
            let rake_left = allowed.saturating_sub(self.raked(uid, seat, since).await?);
            let player = PlayerId(bytes(row.try_get("player")?, "player")?);
            model.seats.insert(seat, Seat { player, stack, rake_left });
        }
        let later: Vec<String> = sqlx::query_scalar(
            "SELECT payload FROM entries WHERE uid = $1 AND seq > $2
             AND state NOT IN ('confirmed', 'rejected') ORDER BY seq",
        )
        .bind(uid)
        .bind(db(through, "seq")?)
        .fetch_all(&mut *self.conn)
        .await?;
        for payload in later {
            let entry: Entry = serde_json::from_str(&payload)?;
            let mut after = model.clone();
            match after.apply(&entry.body, &Limits::default()) {
                Ok(_) => model = after,
                Err(refusal) => {
                    tracing::error!(uid, seq = entry.seq, %refusal, "built on what was voided");
                }
            }
        }
        tables::store_projection(self.conn, uid, &model).await
    }

    /// By seat: since which number it is taken, and the rake that the permits since then allow.
    async fn permits(&mut self, uid: &str) -> Result<BTreeMap<u8, (u64, u64)>, JournalError> {
        let rows: Vec<String> = sqlx::query_scalar(
            "SELECT payload FROM entries WHERE uid = $1 AND kind IN ('sit', 'topUp') AND state = 'confirmed'
             ORDER BY seq",
        )
        .bind(uid)
        .fetch_all(&mut *self.conn)
        .await?;
        let mut permits = BTreeMap::new();
        for payload in rows {
            let entry: Entry = serde_json::from_str(&payload)?;
            match entry.body {
                EntryBody::Sit { seat, permit, .. } => {
                    permits.insert(seat.0, (entry.seq, permit.max_total_rake.min(RAKE_MAX)));
                }
                EntryBody::TopUp { seat, permit, .. } => {
                    let (_, allowed) = permits.entry(seat.0).or_default();
                    *allowed = permit.max_total_rake.saturating_add(*allowed).min(RAKE_MAX);
                }
                EntryBody::Hand { .. } | EntryBody::Leave { .. } => {}
            }
        }
        Ok(permits)
    }

    async fn raked(&mut self, uid: &str, seat: u8, since: u64) -> Result<u64, JournalError> {
        let rake: i64 = sqlx::query_scalar(
            "SELECT COALESCE(sum((lanes::jsonb -> $3 ->> 'rake')::bigint), 0)::bigint FROM entries
             WHERE uid = $1 AND seq > $2 AND kind = 'hand' AND state = 'confirmed'",
        )
        .bind(uid)
        .bind(db(since, "seq")?)
        .bind(seat.to_string())
        .fetch_one(&mut *self.conn)
        .await?;
        undb(rake)
    }
}
