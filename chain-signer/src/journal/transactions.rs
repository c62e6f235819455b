//! Transactions from check to final depth. Every step goes through [`next`] and is in the hash chain.

use super::{
    Journal, JournalError, Lease, bytes, chain, db, lease, ledger,
    tables::{TableRow, notify},
    undb,
};
use crate::chain::batch::Waiting;
use purr_books::{
    entry::{BadState, Event, State, next},
    ledger::Account,
};
use purr_protocol::settlement::{Entry, TableState};
use serde_json::json;
use sqlx::{PgConnection, Row, postgres::PgRow};
use std::collections::BTreeMap;

/// Entries of one table looked at in one round.
const ENTRIES_MAX: i64 = 1_024;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// `openTable`.
    Open,
    /// `settle`.
    Settle,
    /// Sends nothing to itself, to fill a gap in the nonces.
    Fill,
}

impl Purpose {
    fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Settle => "settle",
            Self::Fill => "fill",
        }
    }
}

/// Gas limit and EIP-1559 fees, in wei per gas.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fees {
    pub gas: u64,
    pub max_fee: u64,
    pub priority_fee: u64,
}

/// One version of a transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    pub attempt: u16,
    pub fees: Fees,
    pub hash: Option<[u8; 32]>,
    pub raw: Option<Vec<u8>>,
}

#[derive(Clone, Debug)]
pub struct Transaction {
    pub id: i64,
    pub purpose: Purpose,
    pub sender: [u8; 20],
    pub nonce: u64,
    pub destination: [u8; 20],
    pub calldata: Vec<u8>,
    pub state: State,
    pub block: Option<(u64, [u8; 32])>,
    pub mined_hash: Option<[u8; 32]>,
    pub reverted: bool,
    /// Seconds since the last change.
    pub age_s: u64,
    /// Oldest first; never empty.
    pub attempts: Vec<Attempt>,
}

/// What the policy passed.
#[derive(Clone, Debug)]
pub struct NewTransaction {
    pub purpose: Purpose,
    pub sender: [u8; 20],
    /// The chain's count of the sender's transactions: the journal never goes below it.
    pub chain_nonce: u64,
    pub destination: [u8; 20],
    pub calldata: Vec<u8>,
    pub fees: Fees,
    /// Ranges of entries that it carries: (table, first, last).
    pub ranges: Vec<(String, u64, u64)>,
}

/// A table with entries that wait for a transaction.
#[derive(Clone, Debug)]
pub struct PendingTable {
    pub table: TableRow,
    pub entries: Vec<Waiting>,
    /// Stacks by seat at final depth, out of the ledger; of vacated seats what they would hold.
    pub stacks: BTreeMap<u8, u64>,
    /// Milliseconds since the oldest of them was accepted.
    pub age_ms: u64,
}

async fn read(conn: &mut PgConnection, row: &PgRow) -> Result<Transaction, JournalError> {
    let id: i64 = row.try_get("id")?;
    let purpose: String = row.try_get("purpose")?;
    let state: String = row.try_get("state")?;
    let hash = |value: Option<Vec<u8>>| value.map(|value| bytes(&value, "hash")).transpose();
    let rows = sqlx::query("SELECT * FROM attempts WHERE tx_id = $1 ORDER BY attempt")
        .bind(id)
        .fetch_all(conn)
        .await?;
    let attempts = rows
        .iter()
        .map(|row| {
            Ok(Attempt {
                attempt: u16::try_from(row.try_get::<i16, _>("attempt")?).unwrap_or(0),
                fees: Fees {
                    gas: undb(row.try_get("gas")?)?,
                    max_fee: undb(row.try_get("max_fee")?)?,
                    priority_fee: undb(row.try_get("priority_fee")?)?,
                },
                hash: hash(row.try_get("tx_hash")?)?,
                raw: row.try_get("raw")?,
            })
        })
        .collect::<Result<_, JournalError>>()?;
    let number: Option<i64> = row.try_get("block_number")?;
    let block = match (number, hash(row.try_get("block_hash")?)?) {
        (Some(number), Some(hash)) => Some((undb(number)?, hash)),
        _ => None,
    };
    Ok(Transaction {
        id,
        purpose: match purpose.as_str() {
            "open" => Purpose::Open,
            "settle" => Purpose::Settle,
            _ => Purpose::Fill,
        },
        sender: bytes(row.try_get("sender")?, "sender")?,
        nonce: undb(row.try_get("nonce")?)?,
        destination: bytes(row.try_get("destination")?, "destination")?,
        calldata: row.try_get("calldata")?,
        state: state.parse().map_err(|error: BadState| JournalError::Corrupt(error.to_string()))?,
        block,
        mined_hash: hash(row.try_get("mined_hash")?)?,
        reverted: row.try_get("reverted")?,
        age_s: undb(row.try_get("age_s")?)?,
        attempts,
    })
}

const SELECT: &str =
    "SELECT *, GREATEST(0, extract(epoch FROM now() - changed))::bigint AS age_s FROM transactions";

async fn lock(conn: &mut PgConnection, id: i64) -> Result<State, JournalError> {
    let state: String = sqlx::query_scalar("SELECT state FROM transactions WHERE id = $1 FOR UPDATE")
        .bind(id)
        .fetch_one(conn)
        .await?;
    state.parse().map_err(|error: BadState| JournalError::Corrupt(error.to_string()))
}

/// Moves a transaction and the entries that it carries.
async fn step(conn: &mut PgConnection, id: i64, event: Event) -> Result<State, JournalError> {
    let state = next(lock(conn, id).await?, event)?;
    sqlx::query("UPDATE transactions SET state = $2, changed = now() WHERE id = $1")
        .bind(id)
        .bind(state.as_str())
        .execute(&mut *conn)
        .await?;
    // Entries become final by their own events in the chain's log, not by their transaction.
    if !matches!(event, Event::Confirm | Event::Reject) {
        sqlx::query(
            "UPDATE entries SET state = $2 WHERE tx_id = $1 AND state NOT IN ('confirmed', 'rejected')",
        )
        .bind(id)
        .bind(state.as_str())
        .execute(conn)
        .await?;
    }
    Ok(state)
}

impl Journal {
    /// All transactions that are not final, oldest nonce first.
    pub async fn live(&self, sender: [u8; 20]) -> Result<Vec<Transaction>, JournalError> {
        let mut conn = self.pool.acquire().await?;
        let sql = sqlx::AssertSqlSafe(format!(
            "{SELECT} WHERE state NOT IN ('confirmed', 'rejected') AND sender = $1 ORDER BY nonce"
        ));
        let rows = sqlx::query(sql).bind(sender.as_slice()).fetch_all(&mut *conn).await?;
        let mut out = Vec::with_capacity(rows.len());
        for row in &rows {
            out.push(read(&mut conn, row).await?);
        }
        Ok(out)
    }

    /// Tables not yet open on chain that no live transaction opens.
    pub async fn unopened(&self) -> Result<Vec<TableRow>, JournalError> {
        Ok(self.tables().await?.into_iter().filter(|table| table.state == TableState::Opening).collect())
    }

    pub async fn mark_open(&self, lease: &Lease, uid: &str) -> Result<(), JournalError> {
        let mut tx = self.pool.begin().await?;
        lease::check(&mut tx, lease).await?;
        sqlx::query("UPDATE tables SET state = 'open' WHERE uid = $1").bind(uid).execute(&mut *tx).await?;
        chain::append(&mut tx, "opened", &json!({"uid": uid})).await?;
        tx.commit().await?;
        Ok(())
    }

    /// Tables with accepted entries that are in no transaction, and none of whose entries is on its way:
    /// an item that fails must not take its successors with it.
    pub async fn pending(&self) -> Result<Vec<PendingTable>, JournalError> {
        let uids: Vec<String> = sqlx::query_scalar(
            "SELECT DISTINCT e.uid FROM entries e JOIN tables t ON t.uid = e.uid WHERE e.state = 'requested'
             AND NOT EXISTS (SELECT 1 FROM entries o WHERE o.uid = e.uid AND (o.state IN
                 ('checked', 'signed', 'broadcast', 'mined') OR (o.state = 'rejected' AND o.seq > t.confirmed_seq)))
             ORDER BY e.uid LIMIT 256",
        )
        .fetch_all(&self.pool)
        .await?;
        let mut out = Vec::with_capacity(uids.len());
        for uid in uids {
            let table = self.table(&uid).await?;
            let rows = sqlx::query(
                "SELECT payload, lanes, GREATEST(0, extract(epoch FROM now() - accepted) * 1000)::bigint AS age_ms
                 FROM entries WHERE uid = $1 AND state = 'requested' ORDER BY seq LIMIT $2",
            )
            .bind(&uid)
            .bind(ENTRIES_MAX)
            .fetch_all(&self.pool)
            .await?;
            let Some(first) = rows.first() else { continue };
            let age_ms = undb(first.try_get("age_ms")?)?;
            let entries = rows
                .iter()
                .map(|row| {
                    let entry: Entry = serde_json::from_str(row.try_get("payload")?)?;
                    let lanes = serde_json::from_str(row.try_get("lanes")?)?;
                    Ok(Waiting { entry, lanes })
                })
                .collect::<Result<_, JournalError>>()?;
            let stacks = self.stacks(&table).await?;
            out.push(PendingTable { table, entries, stacks, age_ms });
        }
        Ok(out)
    }

    async fn stacks(&self, table: &TableRow) -> Result<BTreeMap<u8, u64>, JournalError> {
        let mut conn = self.pool.acquire().await?;
        // Of every seat that is taken, also of one with no chips left.
        let seats: Vec<(i16, Option<i64>)> =
            sqlx::query_as("SELECT seat, vacated FROM seat_owners WHERE uid = $1")
                .bind(&table.uid)
                .fetch_all(&mut *conn)
                .await?;
        let mut stacks = BTreeMap::new();
        for (seat, vacated) in seats {
            let seat = u8::try_from(seat).map_err(|_| JournalError::Corrupt("seat out of range".into()))?;
            let account = Account::Seat { uid: table.uid.clone(), seat };
            // The contract lets what was played before an exit settle against what the seat had then.
            let stack = match vacated {
                Some(vacated) => undb(vacated)?,
                None => ledger::balance(&mut conn, &account).await?,
            };
            stacks.insert(seat, stack);
        }
        Ok(stacks)
    }

    /// Stores a checked transaction under the next nonce, before the token is asked.
    pub async fn create(&self, lease: &Lease, new: &NewTransaction) -> Result<i64, JournalError> {
        let mut tx = self.pool.begin().await?;
        lease::check(&mut tx, lease).await?;
        let used: Option<i64> = sqlx::query_scalar("SELECT max(nonce) FROM transactions WHERE sender = $1")
            .bind(new.sender.as_slice())
            .fetch_one(&mut *tx)
            .await?;
        let nonce = db(new.chain_nonce, "nonce")?.max(used.map_or(0, |used| used + 1));
        let id: i64 = sqlx::query_scalar(
            "INSERT INTO transactions (purpose, sender, nonce, destination, calldata, state)
             VALUES ($1, $2, $3, $4, $5, $6) RETURNING id",
        )
        .bind(new.purpose.as_str())
        .bind(new.sender.as_slice())
        .bind(nonce)
        .bind(new.destination.as_slice())
        .bind(&new.calldata)
        .bind(State::Checked.as_str())
        .fetch_one(&mut *tx)
        .await?;
        add_attempt(&mut tx, id, 0, new.fees).await?;
        for (uid, first, last) in &new.ranges {
            let state = next(State::Requested, Event::Check)?;
            let moved = sqlx::query(
                "UPDATE entries SET state = $5, tx_id = $4
                 WHERE uid = $1 AND seq BETWEEN $2 AND $3 AND state = 'requested'",
            )
            .bind(uid)
            .bind(db(*first, "seq")?)
            .bind(db(*last, "seq")?)
            .bind(id)
            .bind(state.as_str())
            .execute(&mut *tx)
            .await?;
            if moved.rows_affected() != last - first + 1 {
                return Err(JournalError::Corrupt(format!(
                    "entries {first} to {last} of {uid} are not waiting"
                )));
            }
        }
        let note = json!({"tx": id, "purpose": new.purpose.as_str(), "nonce": nonce, "ranges": new.ranges,
            "calldata": hex::encode(sha2_of(&new.calldata))});
        chain::append(&mut tx, "checked", &note).await?;
        tx.commit().await?;
        Ok(id)
    }

    /// Stores the signed bytes of an attempt.
    ///
    /// # Errors
    /// [`JournalError::Corrupt`] where there are any already: those count.
    pub async fn signed(
        &self,
        lease: &Lease,
        id: i64,
        attempt: u16,
        hash: [u8; 32],
        raw: &[u8],
    ) -> Result<(), JournalError> {
        let mut tx = self.pool.begin().await?;
        lease::check(&mut tx, lease).await?;
        let done = sqlx::query(
            "UPDATE attempts SET tx_hash = $3, raw = $4 WHERE tx_id = $1 AND attempt = $2 AND raw IS NULL",
        )
        .bind(id)
        .bind(i16::try_from(attempt).map_err(|_| JournalError::Range("attempt"))?)
        .bind(hash.as_slice())
        .bind(raw)
        .execute(&mut *tx)
        .await?;
        if done.rows_affected() != 1 {
            return Err(JournalError::Corrupt(format!("attempt {attempt} of {id} is signed already")));
        }
        step(&mut tx, id, Event::Sign).await?;
        chain::append(&mut tx, "signed", &json!({"tx": id, "attempt": attempt, "hash": hex::encode(hash)}))
            .await?;
        tx.commit().await?;
        Ok(())
    }

    /// A node has it. The first time, tables are told.
    pub async fn sent(&self, lease: &Lease, id: i64, hash: [u8; 32]) -> Result<(), JournalError> {
        let mut tx = self.pool.begin().await?;
        lease::check(&mut tx, lease).await?;
        let before = lock(&mut tx, id).await?;
        step(&mut tx, id, Event::Send).await?;
        if before == State::Signed {
            let rows = sqlx::query(
                "SELECT uid, min(seq) AS first, max(seq) AS last FROM entries WHERE tx_id = $1 GROUP BY uid ORDER BY uid",
            )
            .bind(id)
            .fetch_all(&mut *tx)
            .await?;
            for row in rows {
                let range = (undb(row.try_get("first")?)?, undb(row.try_get("last")?)?);
                notify(&mut tx, row.try_get("uid")?, range, "submitted", &hash).await?;
            }
            chain::append(&mut tx, "broadcast", &json!({"tx": id, "hash": hex::encode(hash)})).await?;
        }
        tx.commit().await?;
        Ok(())
    }

    /// Opens a new attempt with higher fees; it is to be signed next.
    pub async fn replace(&self, lease: &Lease, old: &Transaction, fees: Fees) -> Result<(), JournalError> {
        let mut tx = self.pool.begin().await?;
        lease::check(&mut tx, lease).await?;
        step(&mut tx, old.id, Event::Replace).await?;
        let attempt = old.attempts.last().map_or(0, |last| last.attempt + 1);
        add_attempt(&mut tx, old.id, attempt, fees).await?;
        let note = json!({"tx": old.id, "attempt": attempt, "maxFee": fees.max_fee});
        chain::append(&mut tx, "replace", &note).await?;
        tx.commit().await?;
        Ok(())
    }

    pub async fn mined(
        &self,
        lease: &Lease,
        id: i64,
        hash: [u8; 32],
        (block, block_hash): (u64, [u8; 32]),
        reverted: bool,
    ) -> Result<(), JournalError> {
        let mut tx = self.pool.begin().await?;
        lease::check(&mut tx, lease).await?;
        step(&mut tx, id, Event::Mine).await?;
        sqlx::query(
            "UPDATE transactions SET block_number = $2, block_hash = $3, mined_hash = $4, reverted = $5 WHERE id = $1",
        )
        .bind(id)
        .bind(db(block, "block")?)
        .bind(block_hash.as_slice())
        .bind(hash.as_slice())
        .bind(reverted)
        .execute(&mut *tx)
        .await?;
        let note = json!({"tx": id, "hash": hex::encode(hash), "block": block,
            "blockHash": hex::encode(block_hash), "reverted": reverted});
        chain::append(&mut tx, "mined", &note).await?;
        tx.commit().await?;
        Ok(())
    }

    /// Its block is gone; it is sent again.
    pub async fn reorged(&self, lease: &Lease, id: i64) -> Result<(), JournalError> {
        let mut tx = self.pool.begin().await?;
        lease::check(&mut tx, lease).await?;
        step(&mut tx, id, Event::Reorg).await?;
        sqlx::query(
            "UPDATE transactions SET block_number = NULL, block_hash = NULL, mined_hash = NULL WHERE id = $1",
        )
        .bind(id)
        .execute(&mut *tx)
        .await?;
        chain::append(&mut tx, "reorged", &json!({"tx": id})).await?;
        tx.commit().await?;
        Ok(())
    }

    /// At final depth. What a reverted one carried waits again, under the same numbers.
    pub async fn finished(&self, lease: &Lease, id: i64, reverted: bool) -> Result<(), JournalError> {
        let mut tx = self.pool.begin().await?;
        lease::check(&mut tx, lease).await?;
        let event = if reverted { Event::Reject } else { Event::Confirm };
        step(&mut tx, id, event).await?;
        if reverted {
            let state = next(State::Mined, Event::Requeue)?;
            sqlx::query("UPDATE entries SET state = $2, tx_id = NULL WHERE tx_id = $1 AND state = 'mined'")
                .bind(id)
                .bind(state.as_str())
                .execute(&mut *tx)
                .await?;
        }
        chain::append(&mut tx, "finished", &json!({"tx": id, "reverted": reverted})).await?;
        tx.commit().await?;
        Ok(())
    }
}

async fn add_attempt(conn: &mut PgConnection, id: i64, attempt: u16, fees: Fees) -> Result<(), JournalError> {
    sqlx::query(
        "INSERT INTO attempts (tx_id, attempt, gas, max_fee, priority_fee) VALUES ($1, $2, $3, $4, $5)",
    )
    .bind(id)
    .bind(i16::try_from(attempt).map_err(|_| JournalError::Range("attempt"))?)
    .bind(db(fees.gas, "gas")?)
    .bind(db(fees.max_fee, "fee")?)
    .bind(db(fees.priority_fee, "fee")?)
    .execute(conn)
    .await?;
    Ok(())
}

fn sha2_of(bytes: &[u8]) -> [u8; 32] {
    use sha2::Digest;
    sha2::Sha256::digest(bytes).into()
}
