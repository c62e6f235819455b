//! Requests of tables: reservations and entries. [`purr_books::request`] decides which are accepted.

use super::{Journal, JournalError, accepted::New, db, limits as own, load, store, undb};
use crate::signed::Signatures;
use purr_books::{
    policy::Limits,
    request::{self, Hour},
};
use purr_engine::PlayerId;
use purr_protocol::settlement::{Entry, EntryBody, Reservation, Reserve, Submit};
use sqlx::PgConnection;
use std::collections::{BTreeMap, BTreeSet};

/// Chips of one table that may change hands within an hour; 0: no limit.
#[derive(Clone, Copy, Debug, Default)]
pub struct HourLimit(pub u64);

/// Entries that a table hands in, and its signatures over them.
#[derive(Clone, Debug)]
pub struct Ask {
    pub uid: String,
    pub submit: Submit,
    pub signed: Option<Signatures>,
}

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
        own::load(&mut tx, &mut books, ask.player).await?;
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
        limits: &Limits,
        hour: HourLimit,
        signed: Option<&Signatures>,
    ) -> Result<u64, JournalError> {
        let ask = Ask { uid: uid.into(), submit: submit.clone(), signed: signed.cloned() };
        let mut results = Box::pin(self.accept_all(&[ask], limits, hour)).await?;
        results.pop().unwrap_or_else(|| Err(JournalError::Corrupt("no answer to one request".into())))
    }

    /// Accepts what several tables hand in, in one database transaction; no table twice. Each is refused or accepted by
    /// itself, as by [`Self::accept`]; the answers are in the order of `asks`.
    ///
    /// # Errors
    /// Of the database: then nothing of all that is stored.
    pub async fn accept_all(
        &self,
        asks: &[Ask],
        limits: &Limits,
        hour: HourLimit,
    ) -> Result<Vec<Result<u64, JournalError>>, JournalError> {
        let uids: BTreeSet<&str> = asks.iter().map(|ask| ask.uid.as_str()).collect();
        let uids: Vec<&str> = uids.into_iter().collect();
        if uids.len() < asks.len() {
            return Err(JournalError::Corrupt("a table is twice in a batch".into()));
        }
        let mut tx = self.pool.begin().await?;
        let mut books = load::tables(&mut tx, &uids).await?;
        let (mut known, mut players, mut nonces) = (Vec::new(), BTreeSet::new(), Vec::new());
        for ask in asks {
            let head = books.tables.get(&ask.uid).map_or(0, |table| table.head_seq);
            for entry in &ask.submit.entries {
                if entry.seq <= head {
                    known.push((ask.uid.as_str(), db(entry.seq, "seq")?));
                }
                match &entry.body {
                    EntryBody::Sit { player, permit, .. } | EntryBody::TopUp { player, permit, .. } => {
                        players.insert(*player);
                        nonces.push(permit.nonce);
                    }
                    EntryBody::Hand { .. } | EntryBody::Leave { .. } => {}
                }
            }
        }
        load::hashes(&mut tx, &mut books, &known).await?;
        if limits.refuse_unbacked {
            load::unbacked(&mut tx, &mut books).await?;
        }
        if !players.is_empty() {
            load::promises(&mut tx, &mut books, &players, &nonces).await?;
            load::holds(&mut tx, &mut books, &players).await?;
        }
        let moved = if hour.0 == 0 { BTreeMap::new() } else { moved_in_hour(&mut tx, &uids).await? };
        let (mut results, mut new) = (Vec::with_capacity(asks.len()), New::default());
        let mut left = Vec::new();
        for ask in asks {
            let hour = Hour { limit: hour.0, moved: moved.get(&ask.uid).copied().unwrap_or(0) };
            let accepted = request::accept(&books, &ask.uid, &ask.submit, limits, hour);
            results.push(match accepted {
                Ok(accepted) => {
                    let before = books.tables.get(&ask.uid).map_or(0, |table| table.head_seq);
                    left.extend(leavers(&ask.submit, before, accepted.head));
                    new.add(ask, &books, accepted.changes)?;
                    Ok(accepted.head)
                }
                Err(error) => Err(error.into()),
            });
        }
        new.store(&mut tx).await?;
        own::left(&mut tx, &left).await?;
        tx.commit().await?;
        Ok(results)
    }
}

/// Returns the players who give a seat up by the entries after `before`, up to `head`.
fn leavers(submit: &Submit, before: u64, head: u64) -> Vec<PlayerId> {
    let new = submit.entries.iter().filter(|entry| (before + 1..=head).contains(&entry.seq));
    let leaver = |entry: &Entry| match entry.body {
        EntryBody::Leave { player, .. } => Some(player),
        EntryBody::Sit { .. } | EntryBody::TopUp { .. } | EntryBody::Hand { .. } => None,
    };
    new.filter_map(leaver).collect()
}

/// Chips that changed hands at each table within an hour.
async fn moved_in_hour(
    conn: &mut PgConnection,
    uids: &[&str],
) -> Result<BTreeMap<String, u64>, JournalError> {
    let rows: Vec<(String, i64)> = sqlx::query_as(
        "SELECT uid, SUM(moved)::bigint FROM entries
         WHERE uid = ANY($1) AND accepted > now() - interval '1 hour' GROUP BY uid",
    )
    .bind(uids)
    .fetch_all(conn)
    .await?;
    rows.into_iter().map(|(uid, moved)| Ok((uid, undb(moved)?))).collect()
}
