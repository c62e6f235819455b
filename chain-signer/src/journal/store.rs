//! Stores what was decided. Nothing is decided here: each change is one or two statements.

use super::{
    JournalError,
    accepted::New,
    chain, db, holds, ledger, limits,
    rows::{OPEN, VOID, nonce_db},
};
use purr_books::{
    Change,
    asked::EntryNote,
    books::{Promise, PromiseTerms},
    entry::State,
    policy::Seat,
    promise::{PromiseId, PromiseKind, PromiseState},
    request::reservation_id,
};
use purr_engine::PlayerId;
use purr_protocol::settlement::NoticeState;
use serde_json::{Value, json};
use sqlx::PgConnection;
use std::collections::BTreeMap;

/// Carries out changes in their order, then notes them in the hash chain.
pub(super) async fn store(
    conn: &mut PgConnection,
    changes: &[Change],
    block: u64,
) -> Result<(), JournalError> {
    let mut rest = changes;
    while let Some(change) = rest.first() {
        let same = rest.iter().take_while(|other| same_step(change, other)).count().max(1);
        let (now, later) = rest.split_at(same);
        rest = later;
        match change {
            Change::Entry { uid, state, .. } => {
                let seqs = now.iter().filter_map(|change| match change {
                    Change::Entry { seq, .. } => Some(*seq),
                    _ => None,
                });
                move_entries(conn, uid, &seqs.collect::<Vec<_>>(), *state).await?;
            }
            change => one(conn, change, block).await?,
        }
    }
    let notes: Vec<(&'static str, Value)> = changes.iter().filter_map(note).collect();
    chain::append_all(conn, &notes).await
}

/// Entries of one table that go to the same state are stored together.
fn same_step(first: &Change, other: &Change) -> bool {
    match (first, other) {
        (Change::Entry { uid, state, .. }, Change::Entry { uid: at, state: to, .. }) => {
            uid == at && state == to
        }
        _ => false,
    }
}

pub(super) async fn one(conn: &mut PgConnection, change: &Change, block: u64) -> Result<(), JournalError> {
    match change {
        Change::Post(transfer) => {
            ledger::post(conn, transfer).await?;
        }
        Change::TableOpened { uid } => {
            sqlx::query("UPDATE tables SET state = $2 WHERE uid = $1")
                .bind(uid)
                .bind(OPEN)
                .execute(conn)
                .await?;
        }
        Change::Epoch { uid, epoch } => {
            sqlx::query("UPDATE tables SET epoch = $2 WHERE uid = $1")
                .bind(uid)
                .bind(db(*epoch, "epoch")?)
                .execute(conn)
                .await?;
        }
        Change::Accepted { uid, entry, hash, effect } => {
            let mut new = New::default();
            new.entry(uid.clone(), entry, hash, effect, None)?;
            new.rows(conn).await?;
        }
        Change::Held { uid, seq } => held(conn, uid, *seq).await?,
        Change::Bound { uid, seq, hash } => {
            sqlx::query("UPDATE entries SET payload_hash = $3 WHERE uid = $1 AND seq = $2")
                .bind(uid)
                .bind(db(*seq, "seq")?)
                .bind(hash.as_slice())
                .execute(conn)
                .await?;
        }
        Change::Entry { uid, seq, state, .. } => move_entries(conn, uid, &[*seq], *state).await?,
        Change::Confirmed { uid, through } => {
            sqlx::query("UPDATE tables SET confirmed_seq = GREATEST(confirmed_seq, $2) WHERE uid = $1")
                .bind(uid)
                .bind(db(*through, "seq")?)
                .execute(conn)
                .await?;
        }
        Change::Seats { uid, seats } => store_seats(conn, uid, seats).await?,
        Change::Owner { uid, seat, owner: None } => {
            sqlx::query("DELETE FROM seat_owners WHERE uid = $1 AND seat = $2")
                .bind(uid)
                .bind(i16::from(*seat))
                .execute(conn)
                .await?;
        }
        Change::Owner { uid, seat, owner: Some(owner) } => {
            sqlx::query(
                "INSERT INTO seat_owners (uid, seat, player, vacated, rake_left, borne) VALUES ($1, $2, $3, $4, $5, $6)
                 ON CONFLICT (uid, seat) DO UPDATE SET player = excluded.player, vacated = excluded.vacated,
                     rake_left = excluded.rake_left, borne = excluded.borne",
            )
            .bind(uid)
            .bind(i16::from(*seat))
            .bind(owner.player.0.as_slice())
            .bind(owner.vacated.map(|stack| db(stack, "stack")).transpose()?)
            .bind(db(owner.rake_left, "rake_left")?)
            .bind(db(owner.borne, "borne")?)
            .execute(conn)
            .await?;
        }
        Change::Promised { id, promise } => promised(conn, id, promise).await?,
        Change::Promise { id, state } => {
            let sql = match id.kind {
                PromiseKind::Permit => "UPDATE reservations SET state = $3 WHERE player = $1 AND nonce = $2",
                PromiseKind::Voucher => "UPDATE vouchers SET state = $3 WHERE player = $1 AND nonce = $2",
            };
            let query = sqlx::query(sql).bind(id.player.0.as_slice()).bind(nonce_db(id.nonce));
            query.bind(state.as_str()).execute(conn).await?;
        }
        Change::Notice { uid, range, state, tx } => notice(conn, uid, *range, *state, tx).await?,
        Change::PlayerNotice { player, state, tx } => player_notice(conn, *player, *state, tx).await?,
        Change::HousePaid { key, to, amount, tx } => {
            holds::house_paid(conn, key, (*to, *amount), tx).await?;
        }
        Change::Session { player, session } => limits::seen(conn, *player, session).await?,
        Change::Frozen { player, key } => {
            sqlx::query("INSERT INTO frozen (player, key) VALUES ($1, $2)")
                .bind(player.0.as_slice())
                .bind(key)
                .execute(conn)
                .await?;
        }
        Change::Thawed { player, key } => {
            sqlx::query("DELETE FROM frozen WHERE player = $1 AND key = $2")
                .bind(player.0.as_slice())
                .bind(key)
                .execute(conn)
                .await?;
        }
        Change::Voided { uid, first, last, .. } => {
            tracing::error!(uid, first, last, "a range was voided by the admins");
        }
        Change::Unfounded { uid, seq, why } => {
            tracing::error!(uid, seq, %why, "an entry no longer fits what the chain has");
        }
        Change::Conflict { subject, log, why } => {
            tracing::error!(%subject, log, %why, "ALARM: books and chain differ");
            sqlx::query(
                "INSERT INTO differing (subject, why, block) VALUES ($1, $2, $3)
                 ON CONFLICT (subject) DO UPDATE SET why = excluded.why, block = excluded.block
                 WHERE differing.block < excluded.block",
            )
            .bind(subject.to_string())
            .bind(why.to_string())
            .bind(db(block, "block")?)
            .execute(conn)
            .await?;
        }
    }
    Ok(())
}

/// Returns the note for the hash chain, beside the logs' keys.
pub(super) fn note(change: &Change) -> Option<(&'static str, Value)> {
    Some(match change {
        Change::Epoch { uid, epoch } => ("fence", json!({"uid": uid, "epoch": epoch})),
        Change::Accepted { uid, entry, hash, effect } => {
            let lanes = Some(effect.lanes.clone()).filter(|lanes| !lanes.is_empty());
            let payload_hash = hex::encode(hash);
            let noted = EntryNote { uid: uid.clone(), seq: entry.seq, payload_hash, lanes };
            ("entry", json!(noted))
        }
        Change::Bound { uid, seq, hash } => {
            ("voidBound", json!({"uid": uid, "seq": seq, "payloadHash": hex::encode(hash)}))
        }
        Change::Voided { uid, first, last, unknown } => {
            ("void", json!({"uid": uid, "first": first, "last": last, "unknown": unknown}))
        }
        Change::Promised { id: PromiseId { player, nonce, .. }, promise } => match &promise.terms {
            PromiseTerms::Permit { uid, seat, top_up, permit } => {
                let id = reservation_id(*player, *nonce);
                let body = json!({"uid": uid, "id": id, "seat": seat, "topUp": top_up, "permit": permit});
                ("reserve", body)
            }
            PromiseTerms::Voucher { .. } => {
                let (amount, deadline) = (promise.amount, promise.until_s);
                let body = json!({"player": player, "amount": amount, "nonce": nonce, "deadline": deadline});
                ("voucher", body)
            }
        },
        Change::Frozen { player, key } => ("frozen", json!({"player": player, "deposit": key})),
        Change::Thawed { player, key } => ("thawed", json!({"player": player, "deposit": key})),
        Change::Conflict { subject, log, why } => {
            ("conflict", json!({"subject": subject.to_string(), "log": log, "why": why.to_string()}))
        }
        _ => return None,
    })
}

async fn move_entries(
    conn: &mut PgConnection,
    uid: &str,
    seqs: &[u64],
    state: State,
) -> Result<(), JournalError> {
    let seqs = seqs.iter().map(|seq| db(*seq, "seq")).collect::<Result<Vec<_>, _>>()?;
    // A transaction no longer carries what waits again.
    sqlx::query(
        "UPDATE entries SET state = $3, tx_id = CASE WHEN $4 THEN NULL ELSE tx_id END
         WHERE uid = $1 AND seq = ANY($2)",
    )
    .bind(uid)
    .bind(seqs)
    .bind(state.as_str())
    .bind(state == State::Requested)
    .execute(conn)
    .await?;
    Ok(())
}

async fn held(conn: &mut PgConnection, uid: &str, seq: u64) -> Result<(), JournalError> {
    sqlx::query(
        "WITH entry AS (INSERT INTO entries (uid, seq, kind, payload_hash, payload, moved, lanes, state)
             VALUES ($1, $2, $3, $4, '', 0, '{}', $5))
         UPDATE tables SET head_seq = $2 WHERE uid = $1",
    )
    .bind(uid)
    .bind(db(seq, "seq")?)
    .bind(VOID)
    .bind(purr_books::entry::UNBOUND.as_slice())
    .bind(State::Rejected.as_str())
    .execute(conn)
    .await?;
    Ok(())
}

async fn store_seats(
    conn: &mut PgConnection,
    uid: &str,
    seats: &BTreeMap<u8, Seat>,
) -> Result<(), JournalError> {
    sqlx::query("DELETE FROM seats WHERE uid = $1").bind(uid).execute(&mut *conn).await?;
    let stacks = seats.values().map(|held| db(held.stack, "stack")).collect::<Result<Vec<_>, _>>()?;
    let rakes = seats.values().map(|held| db(held.rake_left, "rake_left")).collect::<Result<Vec<_>, _>>()?;
    sqlx::query(
        "INSERT INTO seats (uid, seat, player, stack, rake_left)
         SELECT $1, * FROM unnest($2::smallint[], $3::bytea[], $4::bigint[], $5::bigint[])",
    )
    .bind(uid)
    .bind(seats.keys().map(|seat| i16::from(*seat)).collect::<Vec<_>>())
    .bind(seats.values().map(|held| held.player.0.to_vec()).collect::<Vec<_>>())
    .bind(stacks)
    .bind(rakes)
    .execute(conn)
    .await?;
    Ok(())
}

async fn promised(conn: &mut PgConnection, id: &PromiseId, promise: &Promise) -> Result<(), JournalError> {
    let PromiseId { player, nonce, .. } = *id;
    match &promise.terms {
        PromiseTerms::Permit { uid, seat, top_up, permit } => {
            sqlx::query(
                "INSERT INTO reservations (id, uid, seat, player, amount, nonce, permit, top_up, expiry_s, state)
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
            )
            .bind(reservation_id(player, nonce))
            .bind(uid)
            .bind(i16::from(*seat))
            .bind(player.0.as_slice())
            .bind(db(promise.amount, "amount")?)
            .bind(nonce_db(nonce))
            .bind(serde_json::to_string(permit)?)
            .bind(*top_up)
            .bind(db(promise.until_s, "expiry")?)
            .bind(promise.state.as_str())
            .execute(conn)
            .await?;
        }
        PromiseTerms::Voucher { .. } => {
            sqlx::query(
                "INSERT INTO vouchers (player, nonce, amount, deadline, state) VALUES ($1, $2, $3, $4, $5)",
            )
            .bind(player.0.as_slice())
            .bind(nonce_db(nonce))
            .bind(db(promise.amount, "amount")?)
            .bind(db(promise.until_s, "deadline")?)
            .bind(promise.state.as_str())
            .execute(conn)
            .await?;
        }
    }
    Ok(())
}

/// How a notice is stored.
pub(super) fn word(state: NoticeState) -> &'static str {
    match state {
        NoticeState::Submitted => "submitted",
        NoticeState::Confirmed => "confirmed",
        NoticeState::Rejected => "rejected",
        NoticeState::Exit(_) => "exit",
        NoticeState::Frozen(_) => "frozen",
        NoticeState::Thawed(_) => "thawed",
    }
}

pub(super) async fn notice(
    conn: &mut PgConnection,
    uid: &str,
    (seq_from, seq_to): (u64, u64),
    state: NoticeState,
    tx_hash: &[u8],
) -> Result<(), JournalError> {
    let player = match state {
        NoticeState::Exit(player) | NoticeState::Frozen(player) | NoticeState::Thawed(player) => Some(player),
        NoticeState::Submitted | NoticeState::Confirmed | NoticeState::Rejected => None,
    };
    sqlx::query(
        "INSERT INTO notices (uid, seq_from, seq_to, state, tx_hash, player) VALUES ($1, $2, $3, $4, $5, $6)",
    )
    .bind(uid)
    .bind(db(seq_from, "seq")?)
    .bind(db(seq_to, "seq")?)
    .bind(word(state))
    .bind(format!("0x{}", hex::encode(tx_hash)))
    .bind(player.map(|player| player.0.to_vec()))
    .execute(conn)
    .await?;
    Ok(())
}

/// Tells every table where this player sits, or is on the way to; see [`purr_books::Books::is_at`].
pub(super) async fn player_notice(
    conn: &mut PgConnection,
    player: PlayerId,
    state: NoticeState,
    tx_hash: &[u8],
) -> Result<(), JournalError> {
    let live: Vec<&str> = PromiseState::LIVE.iter().map(|state| state.as_str()).collect();
    sqlx::query(
        "INSERT INTO notices (uid, seq_from, seq_to, state, player, tx_hash)
         SELECT uid, head_seq, head_seq, $3, $1, $2 FROM tables JOIN (
             SELECT uid FROM seats WHERE player = $1
             UNION SELECT uid FROM reservations WHERE player = $1 AND state = ANY($4)) AS at USING (uid) ORDER BY uid",
    )
    .bind(player.0.as_slice())
    .bind(format!("0x{}", hex::encode(tx_hash)))
    .bind(word(state))
    .bind(live)
    .execute(conn)
    .await?;
    Ok(())
}
