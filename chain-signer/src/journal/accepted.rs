//! Stores the changes by tables' accepted entries, for all of them in a few statements.

use super::{Ask, JournalError, chain, db, store};
use crate::signed::Signatures;
use purr_books::{Books, Change, asked, entry::State, policy::Effect, policy::Seat};
use purr_engine::PlayerId;
use purr_protocol::settlement::{Entry, EntryBody};
use serde_json::Value;
use sha2::{Digest, Sha256};
use sqlx::PgConnection;
use std::collections::BTreeMap;

/// Rows of `entries`, by column.
#[derive(Default)]
struct Entries {
    uid: Vec<String>,
    seq: Vec<i64>,
    kind: Vec<&'static str>,
    hash: Vec<Vec<u8>>,
    payload: Vec<String>,
    moved: Vec<i64>,
    lanes: Vec<String>,
    /// Numbers of hands, whose receipts are signed later.
    hand: Vec<Option<i64>>,
    signature: Vec<Option<Vec<u8>>>,
    certificate: Vec<Option<Vec<u8>>>,
}

/// Rows of `seats` that are others than before, by column.
#[derive(Default)]
struct Seats {
    uid: Vec<String>,
    seat: Vec<i16>,
    player: Vec<Vec<u8>>,
    stack: Vec<i64>,
    rake_left: Vec<i64>,
    /// Whoever had these has them no more.
    gone: (Vec<String>, Vec<i16>),
}

/// New entries of several tables, and all that goes with them.
#[derive(Default)]
pub(super) struct New {
    entries: Entries,
    /// The last number of each table, and what its next hand starts from where there was a hand.
    heads: BTreeMap<String, (i64, Option<String>)>,
    seats: Seats,
    certificates: BTreeMap<Vec<u8>, Vec<u8>>,
    /// All other changes.
    rest: Vec<Change>,
    notes: Vec<(&'static str, Value)>,
}

impl New {
    /// Adds what one table's request changes; `books` as they were before.
    pub(super) fn add(&mut self, ask: &Ask, books: &Books, changes: Vec<Change>) -> Result<(), JournalError> {
        self.notes.extend(changes.iter().filter_map(store::note));
        let before = books.tables.get(&ask.uid).map(|table| &table.seats);
        let certificate = ask.signed.as_ref().map(|signed| Sha256::digest(&signed.certificate).to_vec());
        for change in changes {
            match change {
                Change::Accepted { uid, entry, hash, effect } => {
                    let signature = ask.signed.as_ref().and_then(|signed| signature(ask, signed, entry.seq));
                    let by = certificate.clone().filter(|_| signature.is_some());
                    if let (Some(by), Some(signed)) = (&by, &ask.signed) {
                        self.certificates.insert(by.clone(), signed.certificate.clone());
                    }
                    self.entry(uid, &entry, &hash, &effect, signature.zip(by))?;
                }
                Change::Seats { uid, seats } => {
                    self.seats(&uid, before.unwrap_or(&BTreeMap::new()), &seats)?;
                }
                rest => self.rest.push(rest),
            }
        }
        Ok(())
    }

    pub(super) fn entry(
        &mut self,
        uid: String,
        entry: &Entry,
        hash: &[u8; 32],
        effect: &Effect,
        signed: Option<(Vec<u8>, Vec<u8>)>,
    ) -> Result<(), JournalError> {
        let (hand, next) = match &entry.body {
            EntryBody::Hand { hand, next, .. } => (Some(db(*hand, "hand")?), Some(next)),
            EntryBody::Sit { .. } | EntryBody::TopUp { .. } | EntryBody::Leave { .. } => (None, None),
        };
        let seq = db(entry.seq, "seq")?;
        let head = self.heads.entry(uid.clone()).or_default();
        head.0 = seq;
        if let Some(next) = next {
            head.1 = Some(next.clone());
        }
        let rows = &mut self.entries;
        rows.payload.push(serde_json::to_string(entry)?);
        rows.moved.push(db(effect.moved, "amount")?);
        rows.lanes.push(serde_json::to_string(&effect.lanes)?);
        rows.uid.push(uid);
        rows.seq.push(seq);
        rows.kind.push(asked::kind(&entry.body));
        rows.hash.push(hash.to_vec());
        rows.hand.push(hand);
        let (signature, certificate) = signed.unzip();
        rows.signature.push(signature);
        rows.certificate.push(certificate);
        Ok(())
    }

    fn seats(
        &mut self,
        uid: &str,
        before: &BTreeMap<u8, Seat>,
        after: &BTreeMap<u8, Seat>,
    ) -> Result<(), JournalError> {
        let has = |at: &BTreeMap<u8, Seat>, seat: u8, player: PlayerId| {
            at.get(&seat).is_some_and(|held| held.player == player)
        };
        for (seat, _) in before.iter().filter(|(seat, held)| !has(after, **seat, held.player)) {
            self.seats.gone.0.push(uid.into());
            self.seats.gone.1.push((*seat).into());
        }
        for (seat, held) in after.iter().filter(|(seat, held)| before.get(*seat) != Some(*held)) {
            self.seats.uid.push(uid.into());
            self.seats.seat.push((*seat).into());
            self.seats.player.push(held.player.0.to_vec());
            self.seats.stack.push(db(held.stack, "stack")?);
            self.seats.rake_left.push(db(held.rake_left, "rake_left")?);
        }
        Ok(())
    }

    /// Carries all of it out, then notes it in the hash chain.
    pub(super) async fn store(self, conn: &mut PgConnection) -> Result<(), JournalError> {
        let Self { entries, heads, seats, certificates, rest, notes } = self;
        let (hashes, ders): (Vec<Vec<u8>>, Vec<Vec<u8>>) = certificates.into_iter().unzip();
        if !hashes.is_empty() {
            sqlx::query(
                "INSERT INTO certificates (hash, der) SELECT * FROM unnest($1::bytea[], $2::bytea[])
                 ON CONFLICT DO NOTHING",
            )
            .bind(hashes)
            .bind(ders)
            .execute(&mut *conn)
            .await?;
        }
        if !seats.gone.0.is_empty() {
            // First, so that who sits down elsewhere at the table is there once.
            sqlx::query(
                "DELETE FROM seats s USING unnest($1::text[], $2::smallint[]) AS g (uid, seat)
                 WHERE s.uid = g.uid AND s.seat = g.seat",
            )
            .bind(&seats.gone.0)
            .bind(&seats.gone.1)
            .execute(&mut *conn)
            .await?;
        }
        Self { entries, heads, seats, ..Self::default() }.rows(conn).await?;
        for change in &rest {
            store::one(conn, change, 0).await?;
        }
        chain::append_all(conn, &notes).await
    }

    /// Entries, their receipts, the tables' heads and the seats, in one statement.
    pub(super) async fn rows(self, conn: &mut PgConnection) -> Result<(), JournalError> {
        let Self { entries, heads, seats, .. } = self;
        if entries.uid.is_empty() {
            return Ok(());
        }
        let (mut uids, mut last, mut nexts) = (Vec::new(), Vec::new(), Vec::new());
        for (uid, (seq, next)) in heads {
            uids.push(uid);
            last.push(seq);
            nexts.push(next);
        }
        // A hand's receipt is signed later; that it has to be is known from here on.
        sqlx::query(
            "WITH n AS MATERIALIZED (
                 SELECT * FROM unnest($1::text[], $2::bigint[], $3::text[], $4::bytea[], $5::text[], $6::bigint[],
                     $7::text[], $8::bigint[], $9::bytea[], $10::bytea[])
                     AS n (uid, seq, kind, payload_hash, payload, moved, lanes, hand, signature, certificate)),
             entry AS (
                 INSERT INTO entries (uid, seq, kind, payload_hash, payload, moved, lanes, state, due, signature, certificate)
                 SELECT n.uid, n.seq, n.kind, n.payload_hash, n.payload, n.moved, n.lanes, $19,
                     now() + CASE WHEN n.hand IS NULL THEN 0 ELSE t.max_delay_ms END * interval '1 millisecond',
                     n.signature, n.certificate
                 FROM n JOIN tables t ON t.uid = n.uid),
             receipt AS (
                 INSERT INTO receipts (uid, seq, hand) SELECT uid, seq, hand FROM n WHERE hand IS NOT NULL),
             head AS (
                 UPDATE tables t SET head_seq = h.seq, head_next = COALESCE(h.next, t.head_next)
                 FROM unnest($11::text[], $12::bigint[], $13::text[]) AS h (uid, seq, next) WHERE t.uid = h.uid)
             INSERT INTO seats (uid, seat, player, stack, rake_left)
             SELECT * FROM unnest($14::text[], $15::smallint[], $16::bytea[], $17::bigint[], $18::bigint[])
             ON CONFLICT (uid, seat) DO UPDATE
             SET player = excluded.player, stack = excluded.stack, rake_left = excluded.rake_left",
        )
        .bind(entries.uid)
        .bind(entries.seq)
        .bind(entries.kind)
        .bind(entries.hash)
        .bind(entries.payload)
        .bind(entries.moved)
        .bind(entries.lanes)
        .bind(entries.hand)
        .bind(entries.signature)
        .bind(entries.certificate)
        .bind(uids)
        .bind(last)
        .bind(nexts)
        .bind(seats.uid)
        .bind(seats.seat)
        .bind(seats.player)
        .bind(seats.stack)
        .bind(seats.rake_left)
        .bind(State::Requested.as_str())
        .execute(conn)
        .await?;
        Ok(())
    }
}

/// The table's signature over an entry.
fn signature(ask: &Ask, signed: &Signatures, seq: u64) -> Option<Vec<u8>> {
    let at = ask.submit.entries.iter().position(|entry| entry.seq == seq)?;
    signed.entries.get(at).cloned()
}
