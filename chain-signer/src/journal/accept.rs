//! What tables bring: reservations and entries. What is accepted is decided by [`purr_books::request`].

use super::{Journal, JournalError, db, limits, load, store, undb};
use crate::signed::Signatures;
use purr_books::{
    policy::Limits,
    request::{self, Hour},
};
use purr_engine::PlayerId;
use purr_protocol::settlement::{Entry, EntryBody, Reservation, Reserve, Submit};
use sha2::{Digest, Sha256};
use sqlx::PgConnection;
use std::collections::BTreeSet;

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
    /// [`request::RequestError::Insufficient`] where the free balance is smaller; the same request again gives the same answer.
    pub async fn reserve(&self, request: &ReserveRequest) -> Result<Reservation, JournalError> {
        let (uid, ask) = (&request.uid, &request.reserve);
        let player = BTreeSet::from([ask.player]);
        let mut tx = self.pool.begin().await?;
        let mut books = load::table(&mut tx, uid).await?;
        load::permits_at(&mut tx, &mut books, uid).await?;
        load::promises(&mut tx, &mut books, &player, &[ask.permit.nonce]).await?;
        load::holds(&mut tx, &mut books, &player).await?;
        load::balances(&mut tx, &mut books, load::purse(ask.player).into(), &[]).await?;
        limits::load(&mut tx, &mut books, ask.player).await?;
        let changes = request::reserve(&books, uid, ask, request.now_s)?;
        store::store(&mut tx, &changes, 0).await?;
        tx.commit().await?;
        Ok(Reservation { reservation: request::reservation_id(ask.player, ask.permit.nonce) })
    }

    /// Accepts entries in order, up to the first that a rule refuses; gives the last number that it has. What
    /// is refused does not hold back what was before it.
    ///
    /// # Errors
    /// [`request::RequestError::Conflict`] for another payload under an old number, [`request::RequestError::Gap`] for a
    /// number that is not the next; [`request::RequestError::Refused`] or [`request::RequestError::NoReservation`] where the
    /// first new one is refused.
    pub async fn accept(
        &self,
        uid: &str,
        submit: &Submit,
        limits: &Limits,
        hour: HourLimit,
    ) -> Result<u64, JournalError> {
        self.accept_signed(uid, submit, limits, hour, None).await
    }

    /// As [`Self::accept`]; keeps the table's signatures with what is new.
    ///
    /// # Errors
    /// See [`Self::accept`].
    pub async fn accept_signed(
        &self,
        uid: &str,
        submit: &Submit,
        per_hand: &Limits,
        hour: HourLimit,
        signed: Option<&Signatures>,
    ) -> Result<u64, JournalError> {
        let mut tx = self.pool.begin().await?;
        let mut books = load::table(&mut tx, uid).await?;
        let head = books.tables.get(uid).map_or(0, |table| table.head_seq);
        let known = submit.entries.iter().filter(|entry| entry.seq <= head);
        let known = known.map(|entry| db(entry.seq, "seq")).collect::<Result<Vec<_>, _>>()?;
        load::hashes(&mut tx, &mut books, uid, &known).await?;
        let (mut players, mut nonces) = (BTreeSet::new(), Vec::new());
        for entry in &submit.entries {
            match &entry.body {
                EntryBody::Sit { player, permit, .. } | EntryBody::TopUp { player, permit, .. } => {
                    players.insert(*player);
                    nonces.push(permit.nonce);
                }
                EntryBody::Hand { .. } | EntryBody::Leave { .. } => {}
            }
        }
        if !players.is_empty() {
            load::promises(&mut tx, &mut books, &players, &nonces).await?;
            load::holds(&mut tx, &mut books, &players).await?;
        }
        let moved = if hour.0 == 0 { 0 } else { moved_in_hour(&mut tx, uid).await? };
        let hour = Hour { limit: hour.0, moved };
        let accepted = request::accept(&books, uid, submit, per_hand, hour)?;
        store::store(&mut tx, &accepted.changes, 0).await?;
        limits::left(&mut tx, &leavers(submit, head, accepted.head)).await?;
        if let Some(signed) = signed {
            keep(&mut tx, uid, submit, (head, accepted.head), signed).await?;
        }
        tx.commit().await?;
        Ok(accepted.head)
    }
}

/// Who gives a seat up by the entries after `before`, up to `head`.
fn leavers(submit: &Submit, before: u64, head: u64) -> Vec<PlayerId> {
    let new = submit.entries.iter().filter(|entry| (before + 1..=head).contains(&entry.seq));
    let leaver = |entry: &Entry| match entry.body {
        EntryBody::Leave { player, .. } => Some(player),
        EntryBody::Sit { .. } | EntryBody::TopUp { .. } | EntryBody::Hand { .. } => None,
    };
    new.filter_map(leaver).collect()
}

/// Stores signatures over the entries after `before`, up to `head`.
async fn keep(
    conn: &mut PgConnection,
    uid: &str,
    submit: &Submit,
    (before, head): (u64, u64),
    signed: &Signatures,
) -> Result<(), JournalError> {
    let (mut seqs, mut signatures) = (Vec::new(), Vec::new());
    for (entry, signature) in submit.entries.iter().zip(&signed.entries) {
        if (before + 1..=head).contains(&entry.seq) {
            seqs.push(db(entry.seq, "seq")?);
            signatures.push(signature.as_slice());
        }
    }
    if seqs.is_empty() {
        return Ok(());
    }
    let hash: [u8; 32] = Sha256::digest(&signed.certificate).into();
    sqlx::query("INSERT INTO certificates (hash, der) VALUES ($1, $2) ON CONFLICT DO NOTHING")
        .bind(hash.as_slice())
        .bind(&signed.certificate)
        .execute(&mut *conn)
        .await?;
    sqlx::query(
        "UPDATE entries e SET signature = s.signature, certificate = $4
         FROM unnest($2::bigint[], $3::bytea[]) AS s (seq, signature) WHERE e.uid = $1 AND e.seq = s.seq",
    )
    .bind(uid)
    .bind(seqs)
    .bind(signatures)
    .bind(hash.as_slice())
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
