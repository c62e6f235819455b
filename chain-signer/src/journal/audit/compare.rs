//! Compares every row with what the replay computed for it.

use super::{Chain, Found, steps::digest};
use crate::{
    chain::eip712::{Domain, recover, uid_word},
    journal::{
        JournalError, asked, bytes,
        rows::{self, VOID, nonce_of, player_of, seat_of},
        store::word,
        undb,
    },
};
use purr_books::{
    asked::{Changed, Why, table},
    books::{Promise, PromiseTerms},
    policy::Terms,
    promise::{PromiseId, PromiseKind},
    replay::{Act, Replay},
    request::reservation_id,
};
use purr_engine::PlayerId;
use purr_protocol::{
    limits::OwnLimits,
    settlement::{EntryBody, TableState},
};
use serde::Deserialize;
use sha3::{Digest, Keccak256};
use sqlx::{PgConnection, Row, postgres::PgRow};
use std::collections::{BTreeMap, BTreeSet};

/// Rows of one database table, and what is expected of them.
struct Rows<'a> {
    table: &'static str,
    found: &'a mut Found,
}

impl Rows<'_> {
    fn column(&mut self, column: &'static str, row: &impl ToString, fits: bool) {
        let table = self.table;
        self.found.unless(fits, || Changed::new(table, column, row.to_string(), Why::NotMadeAgain));
    }

    /// The first column that does not fit.
    fn columns(&mut self, row: &impl ToString, columns: &[(&'static str, bool)]) {
        if let Some((column, _)) = columns.iter().find(|(_, fits)| !fits) {
            self.column(column, row, false);
        }
    }

    /// Reports rows that are missing and rows that must not exist.
    fn keys<K: Ord + Clone + std::fmt::Debug>(
        &mut self,
        column: &'static str,
        wanted: impl Iterator<Item = K>,
        there: &BTreeSet<K>,
    ) {
        let wanted: BTreeSet<K> = wanted.collect();
        for key in wanted.symmetric_difference(there) {
            self.column(column, &format!("{key:?}"), false);
        }
    }
}

async fn select(conn: &mut PgConnection, sql: &'static str) -> Result<Vec<PgRow>, JournalError> {
    Ok(sqlx::query(sql).fetch_all(conn).await?)
}

/// Compares all tables of the schema.
pub(super) async fn all(
    conn: &mut PgConnection,
    replay: &Replay,
    found: &mut Found,
    on_chain: Option<&Chain>,
) -> Result<(), JournalError> {
    let domain = domain(conn).await?;
    tables(conn, replay, domain, found).await?;
    entries(conn, replay, found).await?;
    seats(conn, replay, found).await?;
    owners(conn, replay, found).await?;
    transactions(conn, replay, found).await?;
    attempts(conn, replay, found).await?;
    reservations(conn, replay, found).await?;
    vouchers(conn, replay, found).await?;
    ledger(conn, replay, found).await?;
    notices(conn, replay, found).await?;
    receipts(conn, replay, domain, found).await?;
    acts(conn, replay, found).await?;
    others(conn, replay, found).await?;
    own_limits(conn, found).await?;
    cursor(conn, replay, found, on_chain).await
}

/// Checks that each certificate is stored under its own hash. Whether the fleet's CA issued it is checked with the
/// entries' signatures.
pub(super) async fn certificates(conn: &mut PgConnection, found: &mut Found) -> Result<(), JournalError> {
    let mut rows = Rows { table: "certificates", found };
    for row in select(conn, "SELECT hash, der FROM certificates").await? {
        let (hash, der): (&[u8], &[u8]) = (row.try_get("hash")?, row.try_get("der")?);
        rows.column("hash or der", &hex::encode(hash), digest(der) == hex::encode(hash));
    }
    Ok(())
}

/// Chain id and vault.
pub(in crate::journal) async fn domain(conn: &mut PgConnection) -> Result<Option<Domain>, JournalError> {
    let row = sqlx::query("SELECT chain_id, vault FROM identity").fetch_optional(conn).await?;
    let read = |row: PgRow| {
        Ok(Domain {
            chain_id: undb(row.try_get("chain_id")?)?,
            vault: bytes(row.try_get("vault")?, "vault")?,
        })
    };
    row.map(read).transpose()
}

async fn tables(
    conn: &mut PgConnection,
    replay: &Replay,
    domain: Option<Domain>,
    found: &mut Found,
) -> Result<(), JournalError> {
    let (mut there, mut rows) = (BTreeSet::new(), Rows { table: "tables", found });
    let mut foreign = 0;
    let all = asked::tables(conn).await?;
    for (row, asked) in &all {
        there.insert(asked.uid.clone());
        let id = |terms: Terms| Some(domain?.table_id(uid_word(&asked.uid)?, terms));
        match table(asked, |_| None) {
            Err(changed) => rows.found.unless(false, || changed),
            Ok(terms) => foreign += usize::from(id(terms).is_some_and(|id| id != asked.table_id)),
        }
        let Some(made) = replay.books.tables.get(&asked.uid) else { continue };
        let state = if made.state == TableState::Open { rows::OPEN } else { rows::OPENING };
        rows.columns(
            &asked.uid,
            &[
                ("table_id", made.id == asked.table_id),
                ("state", row.try_get::<&str, _>("state")? == state),
                ("epoch", undb(row.try_get("epoch")?)? == made.epoch),
                ("head_seq", undb(row.try_get("head_seq")?)? == made.head_seq),
                ("head_next", row.try_get::<Option<String>, _>("head_next")? == made.head_next),
                ("confirmed_seq", undb(row.try_get("confirmed_seq")?)? == made.confirmed_seq),
            ],
        );
    }
    rows.keys("uid", replay.books.tables.keys().cloned(), &there);
    // If the ids of all tables differ, the vault or the chain is another one.
    if foreign > 0 && foreign == all.len() {
        rows.table = "identity";
        rows.column("chain_id or vault", &"the one row", false);
    }
    Ok(())
}

async fn entries(conn: &mut PgConnection, replay: &Replay, found: &mut Found) -> Result<(), JournalError> {
    let (mut there, mut rows) = (BTreeSet::new(), Rows { table: "entries", found });
    let sql = "SELECT uid, seq, kind, payload_hash, payload, moved, lanes, state, tx_id FROM entries";
    for row in select(conn, sql).await? {
        let key: (String, u64) = (row.try_get("uid")?, undb(row.try_get("seq")?)?);
        there.insert(key.clone());
        let booked = replay.books.tables.get(&key.0).and_then(|table| table.entries.get(&key.1));
        let Some(booked) = booked else { continue };
        let lanes: Option<purr_books::asked::Lanes> = serde_json::from_str(row.try_get("lanes")?).ok();
        let is_void = booked.entry.is_none();
        let payload: &str = row.try_get("payload")?;
        rows.columns(
            &format!("{}/{}", key.0, key.1),
            &[
                ("kind", (row.try_get::<&str, _>("kind")? == VOID) == is_void),
                ("payload_hash", row.try_get::<&[u8], _>("payload_hash")? == booked.hash),
                ("payload", payload.is_empty() == is_void),
                ("moved", undb(row.try_get("moved")?)? == booked.effect.moved),
                ("lanes", lanes.as_ref() == Some(&booked.effect.lanes)),
                ("state", row.try_get::<&str, _>("state")? == booked.state.as_str()),
                ("tx_id", row.try_get::<Option<i64>, _>("tx_id")? == replay.carried.get(&key).copied()),
            ],
        );
    }
    let wanted = replay.books.tables.iter();
    let wanted = wanted.flat_map(|(uid, table)| table.entries.keys().map(move |seq| (uid.clone(), *seq)));
    rows.keys("uid or seq", wanted, &there);
    Ok(())
}

async fn seats(conn: &mut PgConnection, replay: &Replay, found: &mut Found) -> Result<(), JournalError> {
    let (mut there, mut rows) = (BTreeSet::new(), Rows { table: "seats", found });
    for row in select(conn, "SELECT uid, seat, player, stack, rake_left FROM seats").await? {
        let key: (String, u8) = (row.try_get("uid")?, seat_of(&row)?);
        there.insert(key.clone());
        let made = replay.books.tables.get(&key.0).and_then(|table| table.seats.get(&key.1));
        let Some(made) = made else { continue };
        rows.columns(
            &format!("{}/{}", key.0, key.1),
            &[
                ("player", player_of(&row)? == made.player),
                ("stack", undb(row.try_get("stack")?)? == made.stack),
                ("rake_left", undb(row.try_get("rake_left")?)? == made.rake_left),
            ],
        );
    }
    let wanted = replay.books.tables.iter();
    let wanted = wanted.flat_map(|(uid, table)| table.seats.keys().map(move |seat| (uid.clone(), *seat)));
    rows.keys("uid or seat", wanted, &there);
    Ok(())
}

async fn owners(conn: &mut PgConnection, replay: &Replay, found: &mut Found) -> Result<(), JournalError> {
    let (mut there, mut rows) = (BTreeSet::new(), Rows { table: "seat_owners", found });
    for row in select(conn, "SELECT uid, seat, player, vacated, rake_left, borne FROM seat_owners").await? {
        let key: (String, u8) = (row.try_get("uid")?, seat_of(&row)?);
        there.insert(key.clone());
        let made = replay.books.tables.get(&key.0).and_then(|table| table.owners.get(&key.1));
        let Some(made) = made else { continue };
        let vacated = row.try_get::<Option<i64>, _>("vacated")?.map(undb).transpose()?;
        rows.columns(
            &format!("{}/{}", key.0, key.1),
            &[
                ("player", player_of(&row)? == made.player),
                ("vacated", vacated == made.vacated),
                ("borne", undb(row.try_get("borne")?)? == made.borne),
                ("rake_left", undb(row.try_get("rake_left")?)? == made.rake_left),
            ],
        );
    }
    let wanted = replay.books.tables.iter();
    let wanted = wanted.flat_map(|(uid, table)| table.owners.keys().map(move |seat| (uid.clone(), *seat)));
    rows.keys("uid or seat", wanted, &there);
    Ok(())
}

fn hex_of(value: Option<&[u8]>) -> Option<String> {
    value.map(hex::encode)
}

async fn transactions(
    conn: &mut PgConnection,
    replay: &Replay,
    found: &mut Found,
) -> Result<(), JournalError> {
    let (mut there, mut rows) = (BTreeSet::new(), Rows { table: "transactions", found });
    for row in select(conn, "SELECT * FROM transactions").await? {
        let id: i64 = row.try_get("id")?;
        there.insert(id);
        let Some(made) = replay.transactions.get(&id) else { continue };
        let (noted, mined) = (&made.noted, made.mined.as_ref());
        let same = |column: &str, noted: &Option<String>| {
            let bytes: &[u8] = row.try_get(column)?;
            Ok::<_, JournalError>(noted.as_ref().is_none_or(|noted| *noted == hex::encode(bytes)))
        };
        let block: Option<i64> = row.try_get("block_number")?;
        rows.columns(
            &id,
            &[
                ("purpose", row.try_get::<&str, _>("purpose")? == noted.purpose),
                ("sender", same("sender", &noted.sender)?),
                ("nonce", undb(row.try_get("nonce")?)? == noted.nonce),
                ("destination", same("destination", &noted.destination)?),
                ("calldata", digest(row.try_get("calldata")?) == noted.calldata),
                ("state", row.try_get::<&str, _>("state")? == made.state.as_str()),
                ("block_number", block.map(undb).transpose()? == mined.map(|(block, ..)| *block)),
                ("block_hash", hex_of(row.try_get("block_hash")?) == mined.map(|(_, hash, _)| hash.clone())),
                ("mined_hash", hex_of(row.try_get("mined_hash")?) == mined.map(|(.., hash)| hash.clone())),
                ("reverted", row.try_get::<bool, _>("reverted")? == made.reverted),
            ],
        );
    }
    rows.keys("id", replay.transactions.keys().copied(), &there);
    Ok(())
}

async fn attempts(conn: &mut PgConnection, replay: &Replay, found: &mut Found) -> Result<(), JournalError> {
    let (mut there, mut rows) = (BTreeSet::new(), Rows { table: "attempts", found });
    for row in select(conn, "SELECT * FROM attempts").await? {
        let (id, attempt): (i64, i16) = (row.try_get("tx_id")?, row.try_get("attempt")?);
        let version = u16::try_from(attempt).unwrap_or(u16::MAX);
        there.insert((id, version));
        let Some(made) = replay.transactions.get(&id) else { continue };
        let Some(fees) = made.fees.get(&version) else { continue };
        let fee = |column: &str, noted: Option<u64>| {
            let value = undb(row.try_get(column)?)?;
            Ok::<_, JournalError>(noted.is_none_or(|noted| noted == value))
        };
        let hash = made.hashes.get(&version);
        let raw: Option<&[u8]> = row.try_get("raw")?;
        let of_raw: Option<[u8; 32]> = raw.map(|raw| Keccak256::digest(raw).into());
        rows.columns(
            &format!("{id}/{attempt}"),
            &[
                ("gas", fee("gas", fees.map(|fees| fees.gas))?),
                ("max_fee", fee("max_fee", fees.map(|fees| fees.max_fee))?),
                ("priority_fee", fee("priority_fee", fees.map(|fees| fees.priority_fee))?),
                ("tx_hash", row.try_get::<Option<&[u8]>, _>("tx_hash")? == hash.map(<[u8; 32]>::as_slice)),
                ("raw", of_raw.as_ref() == hash),
            ],
        );
    }
    let wanted = replay.transactions.iter();
    let wanted = wanted.flat_map(|(id, made)| made.fees.keys().map(move |attempt| (*id, *attempt)));
    rows.keys("tx_id or attempt", wanted, &there);
    Ok(())
}

fn promise<'a>(
    replay: &'a Replay,
    kind: PromiseKind,
    row: &PgRow,
) -> Result<(PromiseId, Option<&'a Promise>), JournalError> {
    let id = PromiseId { kind, player: player_of(row)?, nonce: nonce_of(row)? };
    Ok((id, replay.books.promises.get(&id)))
}

fn promised(replay: &Replay, kind: PromiseKind) -> impl Iterator<Item = (PlayerId, u64)> {
    replay.books.promises.keys().filter(move |id| id.kind == kind).map(|id| (id.player, id.nonce))
}

async fn reservations(
    conn: &mut PgConnection,
    replay: &Replay,
    found: &mut Found,
) -> Result<(), JournalError> {
    let (mut there, mut rows) = (BTreeSet::new(), Rows { table: "reservations", found });
    for row in select(conn, "SELECT * FROM reservations").await? {
        let (id, made) = promise(replay, PromiseKind::Permit, &row)?;
        there.insert((id.player, id.nonce));
        let Some(Promise {
            amount,
            state,
            until_s,
            terms: PromiseTerms::Permit { uid, seat, top_up, permit },
        }) = made
        else {
            continue;
        };
        let stored = serde_json::from_str(row.try_get("permit")?).ok();
        let name: &str = row.try_get("id")?;
        rows.columns(
            &name,
            &[
                ("id", name == reservation_id(id.player, id.nonce)),
                ("uid", row.try_get::<&str, _>("uid")? == uid),
                ("seat", seat_of(&row)? == *seat),
                ("amount", undb(row.try_get("amount")?)? == *amount),
                ("permit", stored.as_ref() == Some(permit)),
                ("top_up", row.try_get::<bool, _>("top_up")? == *top_up),
                ("expiry_s", undb(row.try_get("expiry_s")?)? == *until_s),
                ("state", row.try_get::<&str, _>("state")? == state.as_str()),
            ],
        );
    }
    rows.keys("player or nonce", promised(replay, PromiseKind::Permit), &there);
    Ok(())
}

async fn vouchers(conn: &mut PgConnection, replay: &Replay, found: &mut Found) -> Result<(), JournalError> {
    let (mut there, mut rows) = (BTreeSet::new(), Rows { table: "vouchers", found });
    for row in select(conn, "SELECT * FROM vouchers").await? {
        let (id, made) = promise(replay, PromiseKind::Voucher, &row)?;
        there.insert((id.player, id.nonce));
        let Some(Promise { amount, state, until_s, terms: PromiseTerms::Voucher { signature } }) = made
        else {
            continue;
        };
        rows.columns(
            &reservation_id(id.player, id.nonce),
            &[
                ("amount", undb(row.try_get("amount")?)? == *amount),
                ("deadline", undb(row.try_get("deadline")?)? == *until_s),
                ("signature", row.try_get::<Option<String>, _>("signature")? == *signature),
                ("state", row.try_get::<&str, _>("state")? == state.as_str()),
            ],
        );
    }
    rows.keys("player or nonce", promised(replay, PromiseKind::Voucher), &there);
    Ok(())
}

/// Compares ledger entries, their postings, and the resulting balances.
async fn ledger(conn: &mut PgConnection, replay: &Replay, found: &mut Found) -> Result<(), JournalError> {
    let (mut there, mut rows) = (BTreeSet::new(), Rows { table: "ledger_entries", found });
    let mut names = BTreeMap::<i64, String>::new();
    for row in select(conn, "SELECT id, key, kind FROM ledger_entries").await? {
        let (id, key): (i64, String) = (row.try_get("id")?, row.try_get("key")?);
        if let Some((kind, _)) = replay.postings.get(&key) {
            rows.column("kind", &key, row.try_get::<&str, _>("kind")? == *kind);
        }
        names.insert(id, key.clone());
        there.insert(key);
    }
    rows.keys("key", replay.postings.keys().cloned(), &there);

    rows.table = "postings";
    let mut posted = BTreeMap::<String, BTreeMap<String, i64>>::new();
    for row in select(conn, "SELECT entry_id, account, amount FROM postings").await? {
        let (id, account, amount): (i64, String, i64) =
            (row.try_get("entry_id")?, row.try_get("account")?, row.try_get("amount")?);
        match names.get(&id) {
            Some(key) => *posted.entry(key.clone()).or_default().entry(account).or_default() += amount,
            None => rows.column("entry_id", &format!("{id} ({account})"), false),
        }
    }
    for (key, (_, made)) in &replay.postings {
        let has = posted.remove(key).unwrap_or_default();
        let column = if has.keys().eq(made.keys()) { "amount" } else { "entry_id or account" };
        rows.column(column, key, has == *made);
    }

    rows.table = "balances";
    let mut left: BTreeMap<String, i64> = replay
        .books
        .ledger
        .balances()
        .iter()
        .map(|(account, amount)| (account.to_string(), *amount))
        .collect();
    for row in select(conn, "SELECT account, amount FROM balances").await? {
        let (account, amount): (String, i64) = (row.try_get("account")?, row.try_get("amount")?);
        match left.remove(&account) {
            Some(made) => rows.column("amount", &account, made == amount),
            None => rows.column("account", &account, amount == 0),
        }
    }
    for (account, amount) in left {
        rows.column("account", &account, amount == 0);
    }
    Ok(())
}

async fn notices(conn: &mut PgConnection, replay: &Replay, found: &mut Found) -> Result<(), JournalError> {
    let mut rows = Rows { table: "notices", found };
    let mut left = BTreeMap::<(String, u64, u64, &str, String), i64>::new();
    for (uid, (first, last), state, tx) in &replay.told {
        *left.entry((uid.clone(), *first, *last, word(*state), tx.clone())).or_default() += 1;
    }
    let mut unknown = Vec::new();
    for row in select(conn, "SELECT id, uid, seq_from, seq_to, state, tx_hash, player FROM notices").await? {
        let id: i64 = row.try_get("id")?;
        let (state, tx): (&str, String) = (row.try_get("state")?, row.try_get("tx_hash")?);
        if row.try_get::<Option<&[u8]>, _>("player")?.is_some() {
            // A denial notifies a player's tables without a transaction of the chain.
            let player = player_of(&row)?;
            let denied = tx.trim_start_matches(['0', 'x']).is_empty()
                && replay.denials.iter().any(|act| act.player == player);
            rows.column("player or tx_hash", &id, denied || replay.told_players.contains(&(player, tx)));
            continue;
        }
        let (first, last) = (undb(row.try_get("seq_from")?)?, undb(row.try_get("seq_to")?)?);
        let known = ["submitted", "confirmed", "rejected"].into_iter().find(|known| *known == state);
        let key = (row.try_get("uid")?, first, last, known.unwrap_or_default(), tx);
        match left.get_mut(&key) {
            Some(count) if *count > 0 => *count -= 1,
            _ => unknown.push(id),
        }
    }
    for id in unknown {
        rows.column("uid, seq_from, seq_to, state or tx_hash", &id, false);
    }
    for ((uid, first, last, state, _), _) in left.into_iter().filter(|(_, count)| *count > 0) {
        rows.column("id", &format!("{uid} {first} to {last} {state}"), false);
    }
    Ok(())
}

async fn receipts(
    conn: &mut PgConnection,
    replay: &Replay,
    domain: Option<Domain>,
    found: &mut Found,
) -> Result<(), JournalError> {
    let (mut there, mut rows) = (BTreeSet::new(), Rows { table: "receipts", found });
    let mut wanted = BTreeMap::new();
    for (uid, table) in &replay.books.tables {
        for (seq, booked) in &table.entries {
            if let Some(EntryBody::Hand { hand, record_hash, .. }) =
                booked.entry.as_ref().map(|entry| &entry.body)
            {
                let deltas = crate::chain::batch::deltas_hash(&booked.effect.lanes);
                wanted.insert((uid.clone(), *seq), (*hand, table.id, deltas, record_hash.clone()));
            }
        }
    }
    for row in select(conn, "SELECT uid, seq, hand, signer, signature FROM receipts").await? {
        let key: (String, u64) = (row.try_get("uid")?, undb(row.try_get("seq")?)?);
        there.insert(key.clone());
        let Some((hand, table, deltas, record)) = wanted.get(&key) else { continue };
        let signature = hex_of(row.try_get("signature")?);
        let signer: Option<&[u8]> = row.try_get("signer")?;
        let mut record_hash = [0; 32];
        let whole = hex::decode_to_slice(record, &mut record_hash).is_ok();
        // The signer follows from the signature.
        let by = match (domain.filter(|_| whole), &signature) {
            (Some(domain), Some(signature)) => {
                recover(&domain.hand_receipt(*table, key.1, *deltas, record_hash), &format!("0x{signature}"))
            }
            _ => signer.and_then(|signer| signer.try_into().ok()),
        };
        rows.columns(
            &format!("{}/{}", key.0, key.1),
            &[
                ("hand", undb(row.try_get("hand")?)? == *hand),
                ("signature", signature.as_ref() == replay.receipts.get(&key)),
                ("signer", by.as_ref().map(<[u8; 20]>::as_slice) == signer),
            ],
        );
    }
    rows.keys("uid or seq", wanted.into_keys(), &there);
    Ok(())
}

/// Compares acts, which are ordered as in the hash chain.
async fn acts(conn: &mut PgConnection, replay: &Replay, found: &mut Found) -> Result<(), JournalError> {
    let mut rows = Rows { table: "denial_acts", found };
    let sql =
        "SELECT id, player, act = 'denied' AS act_on, actor, reason, until_s FROM denial_acts ORDER BY id";
    let there = select(conn, sql).await?;
    compare_acts(&mut rows, &there, &replay.denials, "act")?;
    rows.table = "voucher_hold_acts";
    let sql = "SELECT id, player, hold AS act_on, actor, reason, NULL::bigint AS until_s FROM voucher_hold_acts ORDER BY id";
    let there = select(conn, sql).await?;
    compare_acts(&mut rows, &there, &replay.holds, "hold")
}

fn compare_acts(
    rows: &mut Rows<'_>,
    there: &[PgRow],
    made: &[Act],
    on: &'static str,
) -> Result<(), JournalError> {
    for (row, act) in there.iter().zip(made) {
        let until_s = row.try_get::<Option<i64>, _>("until_s")?.map(undb).transpose()?;
        rows.columns(
            &row.try_get::<i64, _>("id")?,
            &[
                ("player", player_of(row)? == act.player),
                (on, row.try_get::<bool, _>("act_on")? == act.on),
                ("actor", row.try_get::<&str, _>("actor")? == act.by),
                ("reason", row.try_get::<&str, _>("reason")? == act.reason),
                ("until_s", until_s == act.until_s),
            ],
        );
    }
    rows.column("id", &format!("{} rows of {}", there.len(), made.len()), there.len() == made.len());
    Ok(())
}

async fn others(conn: &mut PgConnection, replay: &Replay, found: &mut Found) -> Result<(), JournalError> {
    let mut rows = Rows { table: "house_payments", found };
    let mut there = BTreeSet::new();
    for row in select(conn, "SELECT key, player, amount, tx FROM house_payments").await? {
        let key: String = row.try_get("key")?;
        there.insert(key.clone());
        let Some((player, amount, tx)) = replay.house.get(&key) else { continue };
        rows.columns(
            &key,
            &[
                ("player", player_of(&row)? == *player),
                ("amount", undb(row.try_get("amount")?)? == *amount),
                ("tx", row.try_get::<&[u8], _>("tx")? == tx),
            ],
        );
    }
    rows.keys("key", replay.house.keys().cloned(), &there);

    rows.table = "frozen";
    let mut there = BTreeSet::new();
    for row in select(conn, "SELECT player, key FROM frozen").await? {
        there.insert((player_of(&row)?, row.try_get::<String, _>("key")?));
    }
    rows.keys(
        "player or key",
        replay.books.frozen.iter().map(|(player, key)| (*player, key.clone())),
        &there,
    );

    rows.table = "differing";
    let mut there = BTreeSet::new();
    for row in select(conn, "SELECT subject FROM differing").await? {
        there.insert(row.try_get::<String, _>("subject")?);
    }
    rows.keys("subject", replay.differing.iter().cloned(), &there);
    Ok(())
}

#[derive(Deserialize)]
struct OwnNote {
    player: PlayerId,
    limits: OwnLimits,
}

/// Compares players' own limits with the newest note about each.
async fn own_limits(conn: &mut PgConnection, found: &mut Found) -> Result<(), JournalError> {
    let mut rows = Rows { table: "own_limits", found };
    let mut noted = BTreeMap::new();
    for row in select(conn, "SELECT body FROM journal WHERE kind = 'ownLimits' ORDER BY id").await? {
        if let Ok(OwnNote { player, limits }) = serde_json::from_str(row.try_get("body")?) {
            noted.insert(player, limits);
        }
    }
    for row in select(conn, "SELECT player, limits FROM own_limits").await? {
        let player = player_of(&row)?;
        let limits = serde_json::from_str::<OwnLimits>(row.try_get("limits")?).ok();
        match noted.remove(&player) {
            Some(noted) => rows.column("limits", &player, limits == Some(noted)),
            None => rows.column("player or limits", &player, limits == Some(OwnLimits::default())),
        }
    }
    noted.keys().for_each(|player| rows.column("player", player, false));
    Ok(())
}

/// Checks that all logs below the cursor were applied.
async fn cursor(
    conn: &mut PgConnection,
    replay: &Replay,
    found: &mut Found,
    on_chain: Option<&Chain>,
) -> Result<(), JournalError> {
    let mut rows = Rows { table: "cursors", found };
    let through = super::through(conn).await?;
    let row = sqlx::query("SELECT block FROM cursors WHERE name = 'vault'").fetch_optional(conn).await?;
    let block = row.map(|row| undb(row.try_get("block")?)).transpose()?;
    rows.column("name or block", &"vault", through == 0 || block.is_some_and(|block| block >= through));
    let logs = on_chain.iter().flat_map(|chain| &chain.logs);
    let passed = logs.filter(|(_, log)| block.is_some_and(|block| log.block <= block));
    for (key, log) in passed {
        let taken = replay.postings.contains_key(key);
        rows.column("block", &format!("vault: {key} of block {}", log.block), taken);
    }
    Ok(())
}
