//! What the chain said, at final depth: exactly once into the ledger, the entries and the notices.

use super::{
    Journal, JournalError, Lease, bytes, chain, db, lease, ledger,
    tables::{self, notify, projection, store_projection},
    undb,
};
use crate::chain::vault::{Call, decode_call};
use purr_books::{
    entry::{BadState, Event, State, next},
    events::{Reason, VaultEvent, VaultLog},
    ledger::{Account, Posting, Transfer},
};
use purr_engine::PlayerId;
use purr_protocol::settlement::{Entry, EntryBody};
use serde_json::json;
use sqlx::{PgConnection, Row};
use std::collections::BTreeMap;

/// Up to which block the log has been taken in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogPosition {
    pub block: u64,
    pub block_hash: [u8; 32],
}

/// What a round of logs came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Applied {
    pub events: u64,
    pub entries_confirmed: u64,
    pub entries_rejected: u64,
    /// Seats that had already left could not pay; shown as an alarm.
    pub shortfalls: u64,
}

pub(super) struct Round<'a> {
    pub(super) conn: &'a mut PgConnection,
    logs: &'a [VaultLog],
    applied: Applied,
}

impl Journal {
    pub async fn position(&self) -> Result<Option<LogPosition>, JournalError> {
        position(&mut *self.pool.acquire().await?).await
    }

    /// Takes in the final logs up to `position`, all or none.
    pub async fn apply(
        &self,
        lease: &Lease,
        logs: &[VaultLog],
        position: LogPosition,
    ) -> Result<Applied, JournalError> {
        let mut tx = self.pool.begin().await?;
        lease::check(&mut tx, lease).await?;
        let mut round = Round { conn: &mut tx, logs, applied: Applied::default() };
        for log in logs {
            round.log(log).await?;
        }
        let applied = round.applied;
        sqlx::query(
            "INSERT INTO cursors (name, block, block_hash) VALUES ('vault', $1, $2)
             ON CONFLICT (name) DO UPDATE SET block = excluded.block, block_hash = excluded.block_hash",
        )
        .bind(db(position.block, "block")?)
        .bind(position.block_hash.as_slice())
        .execute(&mut *tx)
        .await?;
        if !logs.is_empty() {
            let keys: Vec<_> = logs.iter().map(VaultLog::key).collect();
            chain::append(&mut tx, "logs", &json!({"through": position.block, "keys": keys})).await?;
        }
        tx.commit().await?;
        Ok(applied)
    }
}

pub(super) async fn position(conn: &mut PgConnection) -> Result<Option<LogPosition>, JournalError> {
    let row = sqlx::query("SELECT block, block_hash FROM cursors WHERE name = 'vault'")
        .fetch_optional(conn)
        .await?;
    row.map(|row| {
        Ok(LogPosition {
            block: undb(row.try_get("block")?)?,
            block_hash: bytes(row.try_get("block_hash")?, "block_hash")?,
        })
    })
    .transpose()
}

impl Round<'_> {
    pub(super) async fn post(
        &mut self,
        key: String,
        kind: &'static str,
        postings: Vec<Posting>,
    ) -> Result<bool, JournalError> {
        let transfer = Transfer::new(key, kind, postings)?;
        ledger::post(self.conn, &transfer).await
    }

    async fn log(&mut self, log: &VaultLog) -> Result<(), JournalError> {
        use VaultEvent as E;
        self.applied.events += 1;
        let key = log.key();
        let chain = |amount| Posting::out(Account::Chain, amount);
        match &log.event {
            E::Deposited { player, amount } => {
                let to = Posting::into(Account::Free(*player), *amount)?;
                self.post(key, "deposit", vec![chain(*amount)?, to]).await?;
            }
            E::Withdrawn { player, amount, nonce } => self.withdrawn(key, *player, *amount, *nonce).await?,
            // It pays all that is free on chain, which promises are part of.
            E::ExitFinalised { player, amount } => {
                self.spend(key, "exit", (*player, *amount), Account::Chain).await?;
            }
            E::TableOpened { table } => {
                sqlx::query("UPDATE tables SET state = 'open' WHERE table_id = $1")
                    .bind(table.as_slice())
                    .execute(&mut *self.conn)
                    .await?;
            }
            E::Seated { table, player, seq, seat, amount, nonce }
            | E::ToppedUp { table, player, seq, seat, amount, nonce } => {
                let Some(uid) = self.uid(table).await? else { return Ok(()) };
                let to = Account::Seat { uid: uid.clone(), seat: *seat };
                if self.reservation(*player, *nonce, "seated").await?.is_some() {
                    let from = Posting::out(Account::Reserved(*player), *amount)?;
                    self.post(key, "seat", vec![from, Posting::into(to, *amount)?]).await?;
                } else {
                    // An exit on chain takes promises with it; what comes after is out of new money.
                    self.spend(key, "seat", (*player, *amount), to).await?;
                }
                self.owner(&uid, *seat, Some(*player)).await?;
                self.settle(&uid, (*seq, *seq), Event::Confirm, log).await?;
            }
            E::SeatingRefused { table, player, seq, nonce, reason } => {
                tracing::warn!(%player, seq, reason = hex::encode(reason), "the chain refused a seating");
                let Some(uid) = self.uid(table).await? else { return Ok(()) };
                self.refused(&uid, *seq).await?;
                self.release(*player, *nonce).await?;
                self.settle(&uid, (*seq, *seq), Event::Reject, log).await?;
            }
            E::HandsSettled { table, first, last, rake } => {
                let Some(uid) = self.uid(table).await? else { return Ok(()) };
                self.hands(&uid, table, (*first, *last), *rake, log).await?;
                self.settle(&uid, (*first, *last), Event::Confirm, log).await?;
            }
            E::LateWinnings { .. } | E::Shortfall { .. } => self.applied.shortfalls += 1,
            E::Left { table, player, seq, seat, stack } => {
                let Some(uid) = self.uid(table).await? else { return Ok(()) };
                self.unseat(key, &uid, *seat, *player, *stack).await?;
                self.owner(&uid, *seat, None).await?;
                self.settle(&uid, (*seq, *seq), Event::Confirm, log).await?;
            }
            E::SeatVacated { table, player, seat, stack } => {
                let Some(uid) = self.uid(table).await? else { return Ok(()) };
                self.unseat(key, &uid, *seat, *player, *stack).await?;
                sqlx::query("UPDATE seat_owners SET vacated = $3 WHERE uid = $1 AND seat = $2")
                    .bind(&uid)
                    .bind(i16::from(*seat))
                    .bind(db(*stack, "stack")?)
                    .execute(&mut *self.conn)
                    .await?;
            }
            E::RangeVoided { table, first, last } => {
                let Some(uid) = self.uid(table).await? else { return Ok(()) };
                self.voided(&uid, (*first, *last), log).await?;
            }
            E::ItemRejected { table, seq, reason } => {
                let Some(uid) = self.uid(table).await? else { return Ok(()) };
                self.rejected(&uid, *seq, *reason, log).await?;
            }
            E::RakeSwept { table, amount } => {
                let Some(uid) = self.uid(table).await? else { return Ok(()) };
                let from = Posting::out(Account::Rake { uid }, *amount)?;
                self.post(key, "sweep", vec![from, Posting::into(Account::House, *amount)?]).await?;
            }
            E::ReserveFunded { amount } => {
                self.post(key, "fund", vec![chain(*amount)?, Posting::into(Account::House, *amount)?])
                    .await?;
            }
            E::HousePaid { amount } => {
                let to = Posting::into(Account::Chain, *amount)?;
                self.post(key, "house", vec![Posting::out(Account::House, *amount)?, to]).await?;
            }
            E::PermitCancelled { player, nonce } => self.cancelled(*player, *nonce).await?,
            E::ExitRequested { player, ready_at_s } => {
                tracing::info!(%player, ready_at_s, "a player asked to exit on chain");
                tables::notify_player(self.conn, "exit", *player, &log.tx).await?;
            }
        }
        Ok(())
    }

    async fn uid(&mut self, table: &[u8; 32]) -> Result<Option<String>, JournalError> {
        let uid: Option<String> = sqlx::query_scalar("SELECT uid FROM tables WHERE table_id = $1")
            .bind(table.as_slice())
            .fetch_optional(&mut *self.conn)
            .await?;
        if uid.is_none() {
            tracing::error!(
                table = hex::encode(table),
                "the chain has a table that the journal does not know"
            );
        }
        Ok(uid)
    }

    async fn unseat(
        &mut self,
        key: String,
        uid: &str,
        seat: u8,
        player: PlayerId,
        stack: u64,
    ) -> Result<(), JournalError> {
        let from = Posting::out(Account::Seat { uid: uid.into(), seat }, stack)?;
        self.post(key, "leave", vec![from, Posting::into(Account::Free(player), stack)?]).await?;
        Ok(())
    }

    async fn owner(&mut self, uid: &str, seat: u8, player: Option<PlayerId>) -> Result<(), JournalError> {
        let sql = match player {
            Some(_) => {
                "INSERT INTO seat_owners (uid, seat, player) VALUES ($1, $2, $3)
                 ON CONFLICT (uid, seat) DO UPDATE SET player = excluded.player, vacated = NULL"
            }
            None => "DELETE FROM seat_owners WHERE uid = $1 AND seat = $2",
        };
        let query = sqlx::query(sql).bind(uid).bind(i16::from(seat));
        let query = match &player {
            Some(player) => query.bind(player.0.as_slice()),
            None => query,
        };
        query.execute(&mut *self.conn).await?;
        Ok(())
    }

    pub(super) async fn entries(
        &mut self,
        uid: &str,
        (first, last): (u64, u64),
    ) -> Result<Vec<Entry>, JournalError> {
        let rows: Vec<(String, String)> = sqlx::query_as(
            "SELECT kind, payload FROM entries WHERE uid = $1 AND seq BETWEEN $2 AND $3 ORDER BY seq",
        )
        .bind(uid)
        .bind(db(first, "seq")?)
        .bind(db(last, "seq")?)
        .fetch_all(&mut *self.conn)
        .await?;
        if rows.len() as u64 != last - first + 1 {
            return Err(JournalError::Corrupt(format!(
                "the chain has entries {first} to {last} of table {uid}, the journal has not: it is behind"
            )));
        }
        let known = rows.iter().filter(|(kind, _)| kind != "void");
        known.map(|(_, payload)| Ok(serde_json::from_str(payload)?)).collect()
    }

    async fn hands(
        &mut self,
        uid: &str,
        id: &[u8; 32],
        range: (u64, u64),
        rake: u64,
        log: &VaultLog,
    ) -> Result<(), JournalError> {
        let mut deltas = BTreeMap::<u8, i64>::new();
        for entry in self.entries(uid, range).await? {
            let EntryBody::Hand { deltas: hand, .. } = entry.body else { continue };
            for one in hand {
                let sum = deltas.entry(one.seat.0).or_default();
                *sum = sum.checked_add(one.delta).ok_or(JournalError::Range("delta"))?;
            }
        }
        let account = |seat| Account::Seat { uid: uid.to_owned(), seat };
        let mut postings: Vec<Posting> = deltas
            .iter()
            .map(|(seat, amount)| Posting { account: account(*seat), amount: *amount })
            .collect();
        postings.push(Posting::into(Account::Rake { uid: uid.into() }, rake)?);
        for other in self.logs.iter().filter(|other| other.tx == log.tx) {
            match &other.event {
                VaultEvent::LateWinnings { table, player, first, amount }
                    if table == id && *first == range.0 =>
                {
                    let Some(seat) = self.seat_of(uid, *player, range).await? else { continue };
                    postings.push(Posting::out(account(seat), *amount)?);
                    postings.push(Posting::into(Account::Free(*player), *amount)?);
                }
                VaultEvent::Shortfall { table, first, amount, reserve, rake: of_rake, winners }
                    if table == id && *first == range.0 =>
                {
                    tracing::error!(uid, first, amount, "seats that had left could not pay");
                    self.shortfall(uid, &mut postings, &deltas, (*reserve, *of_rake, *winners)).await?;
                }
                _ => {}
            }
        }
        self.post(log.key(), "hands", postings).await?;
        self.late(uid, &deltas).await
    }

    /// What vacated seats would hold goes on changing, as in the contract: it bounds their late losses.
    async fn late(&mut self, uid: &str, deltas: &BTreeMap<u8, i64>) -> Result<(), JournalError> {
        let seats: Vec<i16> =
            sqlx::query_scalar("SELECT seat FROM seat_owners WHERE uid = $1 AND vacated IS NOT NULL")
                .bind(uid)
                .fetch_all(&mut *self.conn)
                .await?;
        for seat in seats {
            let Some(delta) = u8::try_from(seat).ok().and_then(|seat| deltas.get(&seat)) else { continue };
            sqlx::query(
                "UPDATE seat_owners SET vacated = GREATEST(0, vacated + $3) WHERE uid = $1 AND seat = $2",
            )
            .bind(uid)
            .bind(seat)
            .bind(delta)
            .execute(&mut *self.conn)
            .await?;
        }
        Ok(())
    }

    /// Who bore what seats that had already left could not pay: the reserve, the rake, then winners pro
    /// rata, of the rounding the first winners that still have it. HandsSettled gives the rake that was left.
    async fn shortfall(
        &mut self,
        uid: &str,
        postings: &mut Vec<Posting>,
        deltas: &BTreeMap<u8, i64>,
        (reserve, of_rake, winners): (u64, u64, u64),
    ) -> Result<(), JournalError> {
        let account = |seat| Account::Seat { uid: uid.to_owned(), seat };
        let mut missing = 0_u64;
        for (seat, delta) in deltas.iter().filter(|(_, delta)| **delta < 0) {
            let has = ledger::balance(self.conn, &account(*seat)).await?;
            let lacks = delta.unsigned_abs().saturating_sub(has);
            postings.push(Posting::into(account(*seat), lacks)?);
            missing = missing.saturating_add(lacks);
        }
        postings.push(Posting::out(Account::House, reserve)?);
        for (seat, part) in winners_bear(deltas, winners) {
            postings.push(Posting::out(account(seat), part)?);
        }
        // Reconciliation finds what this leaves open, should chain and model ever round apart.
        let open = i128::from(missing) - i128::from(reserve) - i128::from(of_rake) - i128::from(winners);
        if open != 0 {
            return Err(JournalError::Corrupt(format!("a shortfall of table {uid} leaves {open} open")));
        }
        Ok(())
    }

    async fn seat_of(
        &mut self,
        uid: &str,
        player: PlayerId,
        range: (u64, u64),
    ) -> Result<Option<u8>, JournalError> {
        Ok(self.entries(uid, range).await?.into_iter().find_map(|entry| match entry.body {
            EntryBody::Hand { deltas, .. } => {
                deltas.iter().find(|delta| delta.player == player).map(|delta| delta.seat.0)
            }
            _ => None,
        }))
    }

    /// A refused sit or top-up never was: the model gives back what it had counted.
    async fn refused(&mut self, uid: &str, seq: u64) -> Result<(), JournalError> {
        let table = tables::lock(self.conn, uid).await?;
        let mut model = projection(self.conn, &table).await?;
        for entry in self.entries(uid, (seq, seq)).await? {
            match entry.body {
                EntryBody::Sit { seat, .. } => {
                    model.seats.remove(&seat.0);
                }
                EntryBody::TopUp { seat, permit, .. } => {
                    if let Some(held) = model.seats.get_mut(&seat.0) {
                        held.stack = held.stack.saturating_sub(permit.amount);
                        held.rake_left = held.rake_left.saturating_sub(permit.max_total_rake);
                    }
                }
                EntryBody::Hand { .. } | EntryBody::Leave { .. } => {}
            }
        }
        store_projection(self.conn, uid, &model).await
    }

    async fn rejected(
        &mut self,
        uid: &str,
        seq: u64,
        reason: Reason,
        log: &VaultLog,
    ) -> Result<(), JournalError> {
        // The item may have been a range: all of it went with its first number. The transaction says so.
        let calldata: Option<Vec<u8>> = sqlx::query_scalar(
            "SELECT t.calldata FROM transactions t JOIN attempts a ON a.tx_id = t.id WHERE a.tx_hash = $1",
        )
        .bind(log.tx.as_slice())
        .fetch_optional(&mut *self.conn)
        .await?;
        let VaultEvent::ItemRejected { table, .. } = &log.event else { return Ok(()) };
        let Some(Ok(Call::Settle(items))) = calldata.as_deref().map(decode_call) else {
            tracing::error!(uid, seq, "the chain rejected an item of a transaction that is not ours");
            return Ok(());
        };
        let item = items.iter().find(|item| item.table == *table && item.first == seq);
        let Some(last) = item.map(|item| item.last) else { return Ok(()) };
        let range = (seq, last);
        match reason {
            Reason::Again(selector) => {
                tracing::warn!(uid, seq, reason = hex::encode(selector), "the chain put an item off");
                self.settle(uid, range, Event::Requeue, log).await
            }
            Reason::Never(selector) => {
                tracing::error!(uid, seq, reason = hex::encode(selector), "the chain rejected an item");
                self.settle(uid, range, Event::Reject, log).await
            }
        }
    }

    /// Moves entries to their end through the one transition function and tells the table.
    pub(super) async fn settle(
        &mut self,
        uid: &str,
        range: (u64, u64),
        event: Event,
        log: &VaultLog,
    ) -> Result<(), JournalError> {
        let rows = sqlx::query(
            "SELECT seq, state FROM entries WHERE uid = $1 AND seq BETWEEN $2 AND $3 ORDER BY seq",
        )
        .bind(uid)
        .bind(db(range.0, "seq")?)
        .bind(db(range.1, "seq")?)
        .fetch_all(&mut *self.conn)
        .await?;
        if rows.len() as u64 != range.1 - range.0 + 1 {
            return Err(JournalError::Corrupt(format!(
                "the chain has entries up to {} of table {uid}, the journal has not: it is behind",
                range.1
            )));
        }
        let mut moved = 0;
        for row in rows {
            let text: String = row.try_get("state")?;
            let state: State =
                text.parse().map_err(|error: BadState| JournalError::Corrupt(error.to_string()))?;
            if matches!(state, State::Confirmed | State::Rejected) {
                continue;
            }
            // The chain may be known before the receipt is.
            let mined =
                if state == State::Mined || event == Event::Void { state } else { next(state, Event::Mine)? };
            let end = next(mined, event)?;
            sqlx::query(
                "UPDATE entries SET state = $3, tx_id = CASE WHEN $3 = 'requested' THEN NULL ELSE tx_id END
                 WHERE uid = $1 AND seq = $2",
            )
            .bind(uid)
            .bind(row.try_get::<i64, _>("seq")?)
            .bind(end.as_str())
            .execute(&mut *self.conn)
            .await?;
            moved += 1;
        }
        // A rejected item did not use up its numbers; a refused seating and a voided range did, also where
        // they had been rejected before.
        if !matches!(log.event, VaultEvent::ItemRejected { .. }) {
            sqlx::query("UPDATE tables SET confirmed_seq = GREATEST(confirmed_seq, $2) WHERE uid = $1")
                .bind(uid)
                .bind(db(range.1, "seq")?)
                .execute(&mut *self.conn)
                .await?;
        }
        // A void is told also where all of it had been rejected before: the sequence goes on only now.
        if event == Event::Requeue || (moved == 0 && event != Event::Void) {
            return Ok(());
        }
        let word = if event == Event::Confirm { "confirmed" } else { "rejected" };
        if event == Event::Confirm {
            self.applied.entries_confirmed += moved;
        } else {
            self.applied.entries_rejected += moved;
        }
        notify(self.conn, uid, range, word, &log.tx).await
    }
}

/// What each winner bears of a shortfall, as the contract cuts it: pro rata, then what rounding left from the
/// first winners that still have it. The same seat may come twice.
fn winners_bear(deltas: &BTreeMap<u8, i64>, cut: u64) -> Vec<(u8, u64)> {
    let mut wins: Vec<(u8, u64)> = deltas
        .iter()
        .filter(|(_, delta)| **delta > 0)
        .map(|(seat, delta)| (*seat, delta.unsigned_abs()))
        .collect();
    let won: u128 = wins.iter().map(|(_, win)| u128::from(*win)).sum();
    let mut left = cut;
    let mut parts = Vec::new();
    for pro_rata in [true, false] {
        for (seat, win) in &mut wins {
            let share = u128::from(*win) * u128::from(cut) / won.max(1);
            let part = if pro_rata { u64::try_from(share).unwrap_or(left) } else { *win }.min(left);
            (*win, left) = (win.saturating_sub(part), left - part);
            parts.push((*seat, part));
        }
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::winners_bear;

    #[test]
    fn winners_bear_a_shortfall_pro_rata_and_its_rounding_while_they_have_it() {
        let deltas = [(0, 1), (1, -9), (2, 1), (3, 4)].into();
        let mut borne = std::collections::BTreeMap::<u8, u64>::new();
        for (seat, part) in winners_bear(&deltas, 5) {
            *borne.entry(seat).or_default() += part;
        }
        // Of 5: 0, 0 and 3; the 2 that rounding leaves are more than the first seat has.
        assert_eq!(borne, [(0, 1), (2, 1), (3, 3)].into());
    }
}
