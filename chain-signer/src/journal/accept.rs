//! What tables bring: reservations and entries.

use super::{
    Journal, JournalError, chain, db, denials, frozen, ledger,
    tables::{self, lock, projection, raise, store_projection},
    undb, void,
};
use purr_books::{
    entry::State,
    ledger::{Account, LedgerError, Posting, Transfer},
    policy::{Effect, Limits, Refusal, Table, check_life},
};
use purr_engine::PlayerId;
use purr_protocol::settlement::{Entry, EntryBody, Permit, Reservation, Reserve, Submit, TableState};
use serde_json::json;
use sqlx::PgConnection;

/// Chips of one table that may change hands within an hour; 0: no limit.
#[derive(Clone, Copy, Debug, Default)]
pub struct HourLimit(pub u64);

/// A reservation whose permit's signature was found good.
#[derive(Clone, Debug)]
pub struct ReserveRequest {
    pub uid: String,
    pub reserve: Reserve,
    /// Seconds since 1970.
    pub now_s: u64,
}

impl Journal {
    /// Takes the amount out of the player's free balance, once for each permit.
    ///
    /// # Errors
    /// [`LedgerError::Insufficient`] where the free balance is smaller; the same request again gives the
    /// same answer.
    pub async fn reserve(&self, request: &ReserveRequest) -> Result<Reservation, JournalError> {
        let (uid, reserve) = (&request.uid, &request.reserve);
        let permit = &reserve.permit;
        let mut tx = self.pool.begin().await?;
        let table = lock(&mut tx, uid).await?;
        raise(&mut tx, &table, reserve.epoch).await?;
        if table.state != TableState::Open {
            return Err(JournalError::NotOpen(uid.clone()));
        }
        // Also for one that was made before: whoever was denied since gets no seat by asking again.
        denials::check(&mut tx, reserve.player).await?;
        let id = format!("{}-{}", reserve.player, permit.nonce);
        let permit_text = serde_json::to_string(permit)?;
        let made = sqlx::query(
            "INSERT INTO reservations (id, uid, seat, player, amount, nonce, permit, top_up, expiry_s, state)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 'held') ON CONFLICT DO NOTHING",
        )
        .bind(&id)
        .bind(uid)
        .bind(i16::from(reserve.seat.0))
        .bind(reserve.player.0.as_slice())
        .bind(db(permit.amount, "amount")?)
        .bind(nonce_db(permit.nonce))
        .bind(&permit_text)
        .bind(reserve.top_up)
        .bind(db(permit.expiry_s, "expiry")?)
        .execute(&mut *tx)
        .await?;
        if made.rows_affected() == 0 {
            let same: bool = sqlx::query_scalar(
                "SELECT EXISTS (SELECT 1 FROM reservations WHERE id = $1 AND uid = $2 AND seat = $3
                 AND permit = $4 AND top_up = $5 AND state IN ('held', 'used'))",
            )
            .bind(&id)
            .bind(uid)
            .bind(i16::from(reserve.seat.0))
            .bind(&permit_text)
            .bind(reserve.top_up)
            .fetch_one(&mut *tx)
            .await?;
            tx.commit().await?;
            return if same {
                Ok(Reservation { reservation: id })
            } else {
                Err(JournalError::NonceUsed(permit.nonce))
            };
        }
        check_life(permit, request.now_s)?;
        frozen::check(&mut tx, reserve.player).await?;
        check_seat(&projection(&mut tx, &table).await?, reserve)?;
        if !reserve.top_up {
            seat_not_promised(&mut tx, reserve, uid, &id).await?;
        }
        let transfer = Transfer::new(
            format!("reserve:{id}"),
            "reserve",
            vec![
                Posting::out(Account::Free(reserve.player), permit.amount)?,
                Posting::into(Account::Reserved(reserve.player), permit.amount)?,
            ],
        )?;
        ledger::post(&mut tx, &transfer).await?;
        chain::append(
            &mut tx,
            "reserve",
            &json!({"uid": uid, "id": id, "seat": reserve.seat, "permit": permit}),
        )
        .await?;
        tx.commit().await?;
        Ok(Reservation { reservation: id })
    }

    /// Accepts entries in order, up to the first that a rule refuses; gives the last number that it has. What
    /// is refused does not hold back what was before it.
    ///
    /// # Errors
    /// [`JournalError::Conflict`] for another payload under an old number, [`JournalError::Gap`] for a
    /// number that is not the next; [`JournalError::Refused`] or [`JournalError::NoReservation`] where the
    /// first new one is refused.
    pub async fn accept(
        &self,
        uid: &str,
        submit: &Submit,
        limits: &Limits,
        hour: HourLimit,
    ) -> Result<u64, JournalError> {
        let mut tx = self.pool.begin().await?;
        let table = lock(&mut tx, uid).await?;
        raise(&mut tx, &table, submit.epoch).await?;
        if table.state != TableState::Open {
            return Err(JournalError::NotOpen(uid.into()));
        }
        let mut state = projection(&mut tx, &table).await?;
        let (mut head, mut next) = (table.head_seq, table.head_next.clone());
        let mut notes = Vec::new();
        let mut moved = if hour.0 == 0 { 0 } else { moved_in_hour(&mut tx, uid).await? };
        for entry in &submit.entries {
            let hash = entry.payload_hash()?;
            if entry.seq <= head && entry.seq > 0 {
                same_payload(&mut tx, uid, entry.seq, &hash).await?;
                continue;
            }
            if entry.seq != head + 1 {
                return Err(JournalError::Gap { uid: uid.into(), next: head + 1, given: entry.seq });
            }
            let effect = match admit(&mut tx, uid, &mut state, entry, limits, (&mut moved, hour)).await {
                Err(JournalError::Refused(_) | JournalError::NoReservation) if head > table.head_seq => break,
                effect => effect?,
            };
            if let EntryBody::Hand { next: opaque, .. } = &entry.body {
                next = Some(opaque.clone());
            }
            insert(&mut tx, uid, entry, &hash, &effect).await?;
            notes.push(json!({"uid": uid, "seq": entry.seq, "payloadHash": hex::encode(hash)}));
            head = entry.seq;
        }
        if head == table.head_seq {
            tx.commit().await?;
            return Ok(head);
        }
        store_projection(&mut tx, uid, &state).await?;
        sqlx::query("UPDATE tables SET head_seq = $2, head_next = $3 WHERE uid = $1")
            .bind(uid)
            .bind(db(head, "seq")?)
            .bind(next)
            .execute(&mut *tx)
            .await?;
        // A reservation from before a denial still takes its seat, since an entry cannot be skipped; then the seat is stood
        // up like one that was there.
        for player in submit.entries.iter().filter_map(|entry| newcomer(entry, table.head_seq, head)) {
            if denials::is_denied(&mut tx, player).await? {
                tables::notify_player(&mut tx, "exit", player, &[0; 32]).await?;
            }
        }
        for note in &notes {
            chain::append(&mut tx, "entry", note).await?;
        }
        tx.commit().await?;
        Ok(head)
    }
}

/// Who takes a seat by an entry that is accepted now.
fn newcomer(entry: &Entry, before: u64, head: u64) -> Option<PlayerId> {
    match entry.body {
        EntryBody::Sit { player, .. } if (before + 1..=head).contains(&entry.seq) => Some(player),
        _ => None,
    }
}

/// Permit nonces are any u64; the database has signed ones.
pub(super) fn nonce_db(nonce: u64) -> i64 {
    i64::from_be_bytes(nonce.to_be_bytes())
}

fn check_seat(table: &Table, reserve: &Reserve) -> Result<(), JournalError> {
    let body = if reserve.top_up {
        EntryBody::TopUp { seat: reserve.seat, player: reserve.player, permit: reserve.permit.clone() }
    } else {
        EntryBody::Sit { seat: reserve.seat, player: reserve.player, permit: reserve.permit.clone() }
    };
    table.clone().apply(&body, &Limits::default())?;
    Ok(())
}

async fn seat_not_promised(
    conn: &mut PgConnection,
    reserve: &Reserve,
    uid: &str,
    id: &str,
) -> Result<(), JournalError> {
    let taken: bool = sqlx::query_scalar(
        "SELECT EXISTS (SELECT 1 FROM reservations WHERE uid = $1 AND id <> $2 AND NOT top_up
         AND state IN ('held', 'used') AND (seat = $3 OR player = $4) AND expiry_s > extract(epoch FROM now()))",
    )
    .bind(uid)
    .bind(id)
    .bind(i16::from(reserve.seat.0))
    .bind(reserve.player.0.as_slice())
    .fetch_one(conn)
    .await?;
    if taken { Err(Refusal::SeatTaken(reserve.seat.0).into()) } else { Ok(()) }
}

async fn same_payload(
    conn: &mut PgConnection,
    uid: &str,
    seq: u64,
    hash: &[u8; 32],
) -> Result<(), JournalError> {
    let bound: Vec<u8> = sqlx::query_scalar("SELECT payload_hash FROM entries WHERE uid = $1 AND seq = $2")
        .bind(uid)
        .bind(db(seq, "seq")?)
        .fetch_one(&mut *conn)
        .await?;
    if bound == hash || void::bind(conn, uid, seq, hash).await? {
        return Ok(());
    }
    Err(JournalError::Conflict { uid: uid.into(), seq })
}

/// Everything that may refuse an entry; what it changes is left alone where it does.
async fn admit(
    conn: &mut PgConnection,
    uid: &str,
    state: &mut Table,
    entry: &Entry,
    limits: &Limits,
    (moved, hour): (&mut u64, HourLimit),
) -> Result<Effect, JournalError> {
    let mut after = state.clone();
    let effect = after.apply(&entry.body, limits)?;
    let total = moved.saturating_add(effect.moved);
    if hour.0 != 0 && effect.moved > 0 && total > hour.0 {
        return Err(Refusal::HourLimit { moved: total, limit: hour.0 }.into());
    }
    if let EntryBody::Sit { player, seat, permit } | EntryBody::TopUp { player, seat, permit } = &entry.body {
        let top_up = matches!(entry.body, EntryBody::TopUp { .. });
        use_reservation(conn, uid, (player.0, seat.0), permit, top_up).await?;
    }
    (*state, *moved) = (after, total);
    Ok(effect)
}

/// A promise that has ended since, by time or by an exit, gives no money but takes the entry: refused by the
/// chain, or paid out of what is free there, it does not hold up the sequence.
async fn use_reservation(
    conn: &mut PgConnection,
    uid: &str,
    (player, seat): ([u8; 20], u8),
    permit: &Permit,
    top_up: bool,
) -> Result<(), JournalError> {
    let done = sqlx::query(
        "UPDATE reservations SET state = CASE state WHEN 'held' THEN 'used' ELSE state END
         WHERE uid = $1 AND player = $2 AND nonce = $3 AND seat = $4
         AND amount = $5 AND permit = $6 AND top_up = $7 AND state IN ('held', 'released')",
    )
    .bind(uid)
    .bind(player.as_slice())
    .bind(nonce_db(permit.nonce))
    .bind(i16::from(seat))
    .bind(db(permit.amount, "amount")?)
    .bind(serde_json::to_string(permit)?)
    .bind(top_up)
    .execute(conn)
    .await?;
    if done.rows_affected() == 1 { Ok(()) } else { Err(JournalError::NoReservation) }
}

async fn insert(
    conn: &mut PgConnection,
    uid: &str,
    entry: &Entry,
    hash: &[u8; 32],
    effect: &Effect,
) -> Result<(), JournalError> {
    let kind = match entry.body {
        EntryBody::Sit { .. } => "sit",
        EntryBody::TopUp { .. } => "topUp",
        EntryBody::Hand { .. } => "hand",
        EntryBody::Leave { .. } => "leave",
    };
    let hand = match entry.body {
        EntryBody::Hand { hand, .. } => Some(db(hand, "hand")?),
        _ => None,
    };
    // A hand's receipt is signed later; that it has to be is known from here on.
    sqlx::query(
        "WITH entry AS (
             INSERT INTO entries (uid, seq, kind, payload_hash, payload, moved, lanes, state)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8) RETURNING uid, seq)
         INSERT INTO receipts (uid, seq, hand) SELECT uid, seq, $9 FROM entry WHERE $9 IS NOT NULL",
    )
    .bind(uid)
    .bind(db(entry.seq, "seq")?)
    .bind(kind)
    .bind(hash.as_slice())
    .bind(serde_json::to_string(entry)?)
    .bind(db(effect.moved, "amount")?)
    .bind(serde_json::to_string(&effect.lanes)?)
    .bind(State::Requested.as_str())
    .bind(hand)
    .execute(conn)
    .await?;
    Ok(())
}

async fn moved_in_hour(conn: &mut PgConnection, uid: &str) -> Result<u64, JournalError> {
    let moved: i64 = sqlx::query_scalar(
        "SELECT COALESCE(SUM(moved), 0)::bigint FROM entries
         WHERE uid = $1 AND accepted > now() - interval '1 hour'",
    )
    .bind(uid)
    .fetch_one(conn)
    .await?;
    undb(moved)
}

impl JournalError {
    /// The free balance was too small.
    pub fn is_insufficient(&self) -> bool {
        matches!(self, Self::Ledger(LedgerError::Insufficient { .. }))
    }
}
