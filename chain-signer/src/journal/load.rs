//! Loads the part of the books that a decision needs, locked until the end of the database transaction. Rows are locked in
//! one order everywhere: tables by UID, then balances by account, then the end of the hash chain.

use super::{
    JournalError, bytes, db,
    rows::{self, VOID, nonce_db, nonce_of, player_of, seat_of},
    undb,
};
use crate::chain::vault::{Call, decode_call};
use purr_books::{
    Books,
    books::{Booked, ItemKey, Owner, Promise, PromiseTerms, TableBooks},
    events::{VaultEvent, VaultLog},
    ledger::{Account, Ledger, Subject},
    policy::{Effect, Seat},
    promise::{PromiseId, PromiseKind, PromiseState},
    request::RequestError,
};
use purr_engine::PlayerId;
use purr_protocol::settlement::Permit;
use sqlx::{PgConnection, Row, postgres::PgRow};
use std::collections::{BTreeMap, BTreeSet};

/// A range of a table's entries.
type Range = (String, u64, u64);

fn bytes_of(players: &BTreeSet<PlayerId>) -> Vec<Vec<u8>> {
    players.iter().map(|player| player.0.to_vec()).collect()
}

fn corrupt(error: impl std::fmt::Display) -> JournalError {
    JournalError::Corrupt(error.to_string())
}

fn most(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// A table with its row locked, and its seats as the accepted entries leave them.
pub(super) async fn table(conn: &mut PgConnection, uid: &str) -> Result<Books, JournalError> {
    let books = tables(conn, &[uid]).await?;
    if books.tables.is_empty() { Err(RequestError::UnknownTable(uid.into()).into()) } else { Ok(books) }
}

/// Loads and locks those of these tables that exist, with their seats as the accepted entries leave them.
pub(super) async fn tables(conn: &mut PgConnection, uids: &[&str]) -> Result<Books, JournalError> {
    let rows = sqlx::query("SELECT * FROM tables WHERE uid = ANY($1) ORDER BY uid FOR UPDATE")
        .bind(uids)
        .fetch_all(&mut *conn)
        .await?;
    let mut books = Books::default();
    for row in rows {
        let row = rows::read_table(&row)?;
        books.tables.insert(row.uid.clone(), books_of(&row));
    }
    // Read in a statement after the locks: another transaction may have changed seats while this one waited.
    seated(conn, &mut books).await?;
    Ok(books)
}

/// Seats as the accepted entries leave them, and as the chain has those.
async fn seated(conn: &mut PgConnection, books: &mut Books) -> Result<(), JournalError> {
    let rows = sqlx::query(
        "SELECT COALESCE(s.uid, o.uid) AS uid, COALESCE(s.seat, o.seat) AS seat, s.player, s.stack, s.rake_left,
             o.player AS owner, o.vacated, o.rake_left AS owner_rake, o.borne
         FROM (SELECT * FROM seats WHERE uid = ANY($1)) s
         FULL JOIN (SELECT * FROM seat_owners WHERE uid = ANY($1)) o ON o.uid = s.uid AND o.seat = s.seat",
    )
    .bind(uids(books))
    .fetch_all(conn)
    .await?;
    for row in rows {
        let Some(table) = books.tables.get_mut(row.try_get::<&str, _>("uid")?) else { continue };
        let at = seat_of(&row)?;
        if row.try_get::<Option<&[u8]>, _>("player")?.is_some() {
            let (stack, rake_left) = (undb(row.try_get("stack")?)?, undb(row.try_get("rake_left")?)?);
            table.seats.insert(at, Seat { player: player_of(&row)?, stack, rake_left });
        }
        if let Some(player) = row.try_get::<Option<&[u8]>, _>("owner")? {
            let vacated = row.try_get::<Option<i64>, _>("vacated")?.map(undb).transpose()?;
            let (rake_left, borne) = (undb(row.try_get("owner_rake")?)?, undb(row.try_get("borne")?)?);
            let player = PlayerId(bytes(player, "player")?);
            table.owners.insert(at, Owner { player, vacated, rake_left, borne });
        }
    }
    Ok(())
}

fn books_of(row: &rows::TableRow) -> TableBooks {
    TableBooks {
        id: row.table_id,
        terms: row.terms,
        state: row.state,
        epoch: row.epoch,
        head_seq: row.head_seq,
        head_next: row.head_next.clone(),
        confirmed_seq: row.confirmed_seq,
        seats: BTreeMap::new(),
        owners: BTreeMap::new(),
        entries: BTreeMap::new(),
    }
}

fn uids(books: &Books) -> Vec<String> {
    books.tables.keys().cloned().collect()
}

async fn seats(conn: &mut PgConnection, books: &mut Books) -> Result<(), JournalError> {
    let rows = sqlx::query("SELECT uid, seat, player, stack, rake_left FROM seats WHERE uid = ANY($1)")
        .bind(uids(books))
        .fetch_all(conn)
        .await?;
    for row in rows {
        let (stack, rake_left) = (undb(row.try_get("stack")?)?, undb(row.try_get("rake_left")?)?);
        let seat = Seat { player: player_of(&row)?, stack, rake_left };
        if let Some(table) = books.tables.get_mut(row.try_get::<&str, _>("uid")?) {
            table.seats.insert(seat_of(&row)?, seat);
        }
    }
    Ok(())
}

async fn owners(conn: &mut PgConnection, books: &mut Books) -> Result<(), JournalError> {
    let rows = sqlx::query(
        "SELECT uid, seat, player, vacated, rake_left, borne FROM seat_owners WHERE uid = ANY($1)",
    )
    .bind(uids(books))
    .fetch_all(conn)
    .await?;
    for row in rows {
        let vacated = row.try_get::<Option<i64>, _>("vacated")?.map(undb).transpose()?;
        let (rake_left, borne) = (undb(row.try_get("rake_left")?)?, undb(row.try_get("borne")?)?);
        let owner = Owner { player: player_of(&row)?, vacated, rake_left, borne };
        if let Some(table) = books.tables.get_mut(row.try_get::<&str, _>("uid")?) {
            table.owners.insert(seat_of(&row)?, owner);
        }
    }
    Ok(())
}

/// Loads entries that are not final, at tables where an exit has emptied a seat. Late losses of that seat are backed by
/// nobody's money.
pub(super) async fn unbacked(conn: &mut PgConnection, books: &mut Books) -> Result<(), JournalError> {
    let emptied = books.tables.iter().filter(|(_, table)| table.has_vacated());
    let ranges: Vec<Range> =
        emptied.map(|(uid, table)| (uid.clone(), table.confirmed_seq + 1, table.head_seq)).collect();
    entries(conn, books, &ranges).await
}

/// Entries of these ranges.
pub(super) async fn entries(
    conn: &mut PgConnection,
    books: &mut Books,
    ranges: &[Range],
) -> Result<(), JournalError> {
    if ranges.is_empty() {
        return Ok(());
    }
    let uids: Vec<&str> = ranges.iter().map(|(uid, ..)| uid.as_str()).collect();
    let first: Vec<i64> = ranges.iter().map(|(_, first, _)| most(*first)).collect();
    let last: Vec<i64> = ranges.iter().map(|(.., last)| most(*last)).collect();
    let rows = sqlx::query(
        "SELECT e.uid, e.seq, e.kind, e.payload_hash, e.payload, e.moved, e.lanes, e.state
         FROM unnest($1::text[], $2::bigint[], $3::bigint[]) AS r (uid, first, last)
         JOIN entries e ON e.uid = r.uid AND e.seq BETWEEN r.first AND r.last",
    )
    .bind(uids)
    .bind(first)
    .bind(last)
    .fetch_all(conn)
    .await?;
    for row in rows {
        let seq = undb(row.try_get("seq")?)?;
        let is_void = row.try_get::<&str, _>("kind")? == VOID;
        let lanes = serde_json::from_str(row.try_get("lanes")?)?;
        let booked = Booked {
            hash: bytes(row.try_get("payload_hash")?, "payload_hash")?,
            entry: if is_void { None } else { Some(serde_json::from_str(row.try_get("payload")?)?) },
            effect: Effect { moved: undb(row.try_get("moved")?)?, lanes },
            state: row.try_get::<&str, _>("state")?.parse().map_err(corrupt)?,
        };
        if let Some(table) = books.tables.get_mut(row.try_get::<&str, _>("uid")?) {
            table.entries.insert(seq, booked);
        }
    }
    Ok(())
}

/// Loads the hashes that numbers of tables' sequences are bound to, without their payloads: enough to compare.
pub(super) async fn hashes(
    conn: &mut PgConnection,
    books: &mut Books,
    known: &[(&str, i64)],
) -> Result<(), JournalError> {
    if known.is_empty() {
        return Ok(());
    }
    let (uids, seqs): (Vec<&str>, Vec<i64>) = known.iter().copied().unzip();
    let rows = sqlx::query(
        "SELECT e.uid, e.seq, e.payload_hash, e.state FROM unnest($1::text[], $2::bigint[]) AS k (uid, seq)
         JOIN entries e ON e.uid = k.uid AND e.seq = k.seq",
    )
    .bind(uids)
    .bind(seqs)
    .fetch_all(conn)
    .await?;
    for row in rows {
        let booked = Booked {
            hash: bytes(row.try_get("payload_hash")?, "payload_hash")?,
            entry: None,
            effect: Effect::default(),
            state: row.try_get::<&str, _>("state")?.parse().map_err(corrupt)?,
        };
        if let Some(table) = books.tables.get_mut(row.try_get::<&str, _>("uid")?) {
            table.entries.insert(undb(row.try_get("seq")?)?, booked);
        }
    }
    Ok(())
}

fn permit(row: &PgRow) -> Result<(PromiseId, Promise), JournalError> {
    let (player, nonce) = (player_of(row)?, nonce_of(row)?);
    let permit: Permit = serde_json::from_str(row.try_get("permit")?)?;
    let (uid, seat, top_up) = (row.try_get("uid")?, seat_of(row)?, row.try_get("top_up")?);
    let promise = Promise {
        amount: undb(row.try_get("amount")?)?,
        state: row.try_get::<&str, _>("state")?.parse().map_err(corrupt)?,
        until_s: undb(row.try_get("expiry_s")?)?,
        terms: PromiseTerms::Permit { uid, seat, top_up, permit },
    };
    Ok((PromiseId { kind: PromiseKind::Permit, player, nonce }, promise))
}

fn voucher(row: &PgRow) -> Result<(PromiseId, Promise), JournalError> {
    let (player, nonce) = (player_of(row)?, nonce_of(row)?);
    let promise = Promise {
        amount: undb(row.try_get("amount")?)?,
        state: row.try_get::<&str, _>("state")?.parse().map_err(corrupt)?,
        until_s: undb(row.try_get("deadline")?)?,
        terms: PromiseTerms::Voucher { signature: row.try_get("signature")? },
    };
    Ok((PromiseId { kind: PromiseKind::Voucher, player, nonce }, promise))
}

const PERMIT: &str =
    "SELECT uid, seat, player, amount, nonce, permit, top_up, expiry_s, state FROM reservations";
const VOUCHER: &str = "SELECT player, amount, nonce, deadline, signature, state FROM vouchers";

fn open() -> Vec<&'static str> {
    PromiseState::OPEN.iter().map(|state| state.as_str()).collect()
}

/// The permits of these nonces, and all that set aside chips of these players.
pub(super) async fn promises(
    conn: &mut PgConnection,
    books: &mut Books,
    players: &BTreeSet<PlayerId>,
    nonces: &[u64],
) -> Result<(), JournalError> {
    if players.is_empty() {
        return Ok(());
    }
    let nonces: Vec<i64> = nonces.iter().map(|nonce| nonce_db(*nonce)).collect();
    for (sql, read) in [(PERMIT, permit as fn(&PgRow) -> _), (VOUCHER, voucher)] {
        let sql = format!("{sql} WHERE player = ANY($1) AND (state = ANY($2) OR nonce = ANY($3))");
        let query = sqlx::query(sqlx::AssertSqlSafe(sql)).bind(bytes_of(players)).bind(open()).bind(&nonces);
        for row in query.fetch_all(&mut *conn).await? {
            books.promises.extend([read(&row)?]);
        }
    }
    Ok(())
}

/// Permits that set aside chips for a table.
pub(super) async fn permits_at(
    conn: &mut PgConnection,
    books: &mut Books,
    uid: &str,
) -> Result<(), JournalError> {
    let sql = format!("{PERMIT} WHERE uid = $1 AND state = ANY($2)");
    let rows = sqlx::query(sqlx::AssertSqlSafe(sql)).bind(uid).bind(open()).fetch_all(conn).await?;
    for row in rows {
        books.promises.extend([permit(&row)?]);
    }
    Ok(())
}

/// Reservations and vouchers that have expired at a time.
pub(super) async fn promises_until(
    conn: &mut PgConnection,
    books: &mut Books,
    time_s: u64,
) -> Result<(), JournalError> {
    let each = [(PERMIT, "expiry_s", permit as fn(&PgRow) -> _), (VOUCHER, "deadline", voucher)];
    for (sql, until, read) in each {
        let sql = format!("{sql} WHERE state = ANY($1) AND {until} < $2");
        let query = sqlx::query(sqlx::AssertSqlSafe(sql)).bind(open()).bind(db(time_s, "time")?);
        for row in query.fetch_all(&mut *conn).await? {
            books.promises.extend([read(&row)?]);
        }
    }
    Ok(())
}

/// Balances of these accounts, locked.
pub(super) async fn balances(
    conn: &mut PgConnection,
    books: &mut Books,
    accounts: BTreeSet<Account>,
    keys: &[String],
) -> Result<(), JournalError> {
    let names: BTreeMap<String, Account> =
        accounts.into_iter().map(|account| (account.to_string(), account)).collect();
    let rows = sqlx::query(
        "SELECT account, amount FROM balances WHERE account = ANY($1) ORDER BY account FOR UPDATE",
    )
    .bind(names.keys().collect::<Vec<_>>())
    .fetch_all(&mut *conn)
    .await?;
    let mut found = BTreeMap::new();
    for row in rows {
        if let Some(account) = names.get(row.try_get::<&str, _>("account")?) {
            found.insert(account.clone(), row.try_get("amount")?);
        }
    }
    let posted: Vec<String> = match keys {
        [] => Vec::new(),
        keys => {
            sqlx::query_scalar("SELECT key FROM ledger_entries WHERE key = ANY($1)")
                .bind(keys)
                .fetch_all(conn)
                .await?
        }
    };
    books.ledger = Ledger::load(found, posted.into_iter().collect());
    Ok(())
}

/// Loads the reasons why a player's chips may not be promised: a denial, a vanished deposit, and differences.
pub(super) async fn holds(
    conn: &mut PgConnection,
    books: &mut Books,
    players: &BTreeSet<PlayerId>,
) -> Result<(), JournalError> {
    for player in players {
        if super::denials::is_denied(conn, *player).await? {
            books.denied.insert(*player);
        }
        if super::holds::is_held(conn, *player).await? {
            books.held.insert(*player);
        }
    }
    let rows = sqlx::query("SELECT player, key FROM frozen WHERE player = ANY($1)")
        .bind(bytes_of(players))
        .fetch_all(&mut *conn)
        .await?;
    for row in rows {
        books.frozen.insert(player_of(&row)?, row.try_get("key")?);
    }
    books.differing =
        super::differing::load(conn).await?.into_iter().map(|(at, found)| (at, found.why)).collect();
    Ok(())
}

/// Tables where a player has a seat on chain.
pub(super) async fn tables_of(
    conn: &mut PgConnection,
    books: &mut Books,
    player: PlayerId,
) -> Result<(), JournalError> {
    let rows =
        sqlx::query("SELECT * FROM tables WHERE uid IN (SELECT uid FROM seat_owners WHERE player = $1)")
            .bind(player.0.as_slice())
            .fetch_all(&mut *conn)
            .await?;
    for row in rows {
        let row = rows::read_table(&row)?;
        books.tables.insert(row.uid.clone(), books_of(&row));
    }
    owners(conn, books).await
}

/// Free and reserved balance of a player.
pub(super) fn purse(player: PlayerId) -> [Account; 2] {
    [Account::Free(player), Account::Reserved(player)]
}

/// Loads everything that these logs concern; each part is read once.
pub(super) async fn for_logs(conn: &mut PgConnection, logs: &[VaultLog]) -> Result<Books, JournalError> {
    let mut books = Books::default();
    let ids: BTreeSet<[u8; 32]> = logs.iter().filter_map(|log| log.event.table()).collect();
    if !ids.is_empty() {
        let rows = sqlx::query("SELECT * FROM tables WHERE table_id = ANY($1) ORDER BY uid FOR UPDATE")
            .bind(ids.iter().map(|hash| hash.to_vec()).collect::<Vec<_>>())
            .fetch_all(&mut *conn)
            .await?;
        for row in rows {
            let row = rows::read_table(&row)?;
            books.tables.insert(row.uid.clone(), books_of(&row));
        }
        owners(conn, &mut books).await?;
        seats(conn, &mut books).await?;
        books.items = items(conn, logs).await?;
        let ranges = ranges(&books, logs);
        entries(conn, &mut books, &ranges).await?;
    }
    let mut players: BTreeSet<PlayerId> = logs.iter().filter_map(|log| log.event.player()).collect();
    let mut nonces: Vec<u64> = logs.iter().filter_map(|log| log.event.nonce()).collect();
    for (player, nonce) in voided_permits(&books, logs) {
        players.insert(player);
        nonces.push(nonce);
    }
    promises(conn, &mut books, &players, &nonces).await?;
    let accounts = accounts(&books, &players, &ids);
    let keys: Vec<String> = logs.iter().map(VaultLog::key).collect();
    balances(conn, &mut books, accounts, &keys).await?;
    Ok(books)
}

/// Numbers of each table's sequence that are loaded: those in the logs, and all entries in flight where the model has
/// to be rebuilt.
fn ranges(books: &Books, logs: &[VaultLog]) -> Vec<Range> {
    let mut ranges = BTreeSet::new();
    let vacates = logs.iter().any(|log| matches!(log.event, VaultEvent::SeatVacated { .. }));
    for log in logs {
        let Some(uid) = log.event.table().and_then(|id| books.uid_of(&id)) else { continue };
        let Some(table) = books.tables.get(&uid) else { continue };
        if let Some((first, mut last)) = log.event.range() {
            if let VaultEvent::ItemRejected { table, seq, .. } = &log.event {
                last = books.items.get(&(log.tx, *table, *seq)).copied().unwrap_or(last);
            }
            ranges.insert((uid.clone(), first, last));
        }
        if log.event.rebases(vacates || table.has_vacated()) {
            ranges.insert((uid, table.confirmed_seq.saturating_add(1), u64::MAX));
        }
    }
    ranges.into_iter().collect()
}

fn voided_permits(books: &Books, logs: &[VaultLog]) -> Vec<(PlayerId, u64)> {
    let mut permits = Vec::new();
    for log in logs {
        let VaultEvent::RangeVoided { table, first, last } = &log.event else { continue };
        let Some(table) = books.uid_of(table).and_then(|uid| books.tables.get(&uid)) else { continue };
        let voided = table.entries.range(*first..=(*last).max(*first));
        permits.extend(
            voided.filter_map(|(_, booked)| booked.permit()).map(|(player, permit)| (player, permit.nonce)),
        );
    }
    permits
}

fn accounts(books: &Books, players: &BTreeSet<PlayerId>, ids: &BTreeSet<[u8; 32]>) -> BTreeSet<Account> {
    let mut accounts = BTreeSet::from([Account::House, Account::Suspense(Subject::House)]);
    for player in players {
        accounts.extend(purse(*player));
        accounts.insert(Account::Suspense(Subject::Player(*player)));
    }
    for (uid, table) in &books.tables {
        let seats = 0..table.terms.seats;
        accounts.extend(seats.map(|seat| Account::Seat { uid: uid.clone(), seat }));
        accounts.insert(Account::Rake { uid: uid.clone() });
        accounts.insert(Account::Suspense(Subject::Table(uid.clone())));
    }
    for id in ids {
        accounts.insert(Account::Suspense(Subject::Table(format!("0x{}", hex::encode(id)))));
    }
    accounts
}

/// For rejected items: the last number of the range that each stands for, from the signer's own transactions.
async fn items(conn: &mut PgConnection, logs: &[VaultLog]) -> Result<BTreeMap<ItemKey, u64>, JournalError> {
    let rejected = logs.iter().filter(|log| matches!(log.event, VaultEvent::ItemRejected { .. }));
    let hashes: BTreeSet<[u8; 32]> = rejected.map(|log| log.tx).collect();
    let mut items = BTreeMap::new();
    if hashes.is_empty() {
        return Ok(items);
    }
    let rows = sqlx::query(
        "SELECT a.tx_hash, t.calldata FROM transactions t JOIN attempts a ON a.tx_id = t.id
         WHERE a.tx_hash = ANY($1)",
    )
    .bind(hashes.iter().map(|hash| hash.to_vec()).collect::<Vec<_>>())
    .fetch_all(conn)
    .await?;
    for row in rows {
        let tx: [u8; 32] = bytes(row.try_get("tx_hash")?, "tx_hash")?;
        if let Ok(Call::Settle(carried)) = decode_call(row.try_get("calldata")?) {
            items.extend(carried.iter().map(|item| ((tx, item.table, item.first), item.last)));
        }
    }
    for log in logs.iter().filter(|log| matches!(log.event, VaultEvent::ItemRejected { .. })) {
        if !items.keys().any(|(tx, ..)| *tx == log.tx) {
            tracing::error!(
                tx = hex::encode(log.tx),
                "the chain rejected an item of a transaction that is not ours"
            );
        }
    }
    Ok(items)
}
