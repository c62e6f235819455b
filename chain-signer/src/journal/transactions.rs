//! Transactions from check to final depth. Every step goes through [`next`] and is in the hash chain.

use super::{
    Journal, JournalError, Lease, bytes, chain, db, lease,
    rows::{OPEN, OPENING, TableRow, read_table, words},
    store::notice,
    undb,
};
use crate::derived::TransactionNote;
use purr_books::{
    entry::{BadState, Event, State, next},
    whole::next_nonce,
};
use purr_protocol::settlement::NoticeState;
use serde::{Deserialize, Serialize};
use serde_json::json;
use sqlx::{PgConnection, PgExecutor, Row, postgres::PgRow};

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
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Settle => "settle",
            Self::Fill => "fill",
        }
    }
}

/// Gas limit and EIP-1559 fees, in wei per gas.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
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

#[derive(Clone, Debug, PartialEq, Eq)]
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

/// A call that the policy passed.
#[derive(Clone, Debug)]
pub struct NewTransaction {
    pub purpose: Purpose,
    pub sender: [u8; 20],
    /// The chain's count of the sender's transactions, as a node says it; see [`next_nonce`].
    pub chain_nonce: u64,
    pub accept_used_key: bool,
    pub destination: [u8; 20],
    pub calldata: Vec<u8>,
    pub fees: Fees,
    /// Ranges of entries that it carries: (table, first, last).
    pub ranges: Vec<(String, u64, u64)>,
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
                attempt: u16::try_from(row.try_get::<i16, _>("attempt")?)
                    .map_err(|_| JournalError::Corrupt(format!("attempt of transaction {id} is negative")))?,
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
        (None, None) => None,
        _ => return Err(JournalError::Corrupt(format!("half of a block of transaction {id}"))),
    };
    Ok(Transaction {
        id,
        purpose: match purpose.as_str() {
            "open" => Purpose::Open,
            "settle" => Purpose::Settle,
            "fill" => Purpose::Fill,
            other => return Err(JournalError::Corrupt(format!("purpose '{other}' of transaction {id}"))),
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
    if !matches!(event, Event::Confirm | Event::Reject | Event::Abandon) {
        sqlx::query("UPDATE entries SET state = $2 WHERE tx_id = $1 AND state <> ALL($3)")
            .bind(id)
            .bind(state.as_str())
            .bind(words(&State::FINAL))
            .execute(conn)
            .await?;
    }
    Ok(state)
}

/// The highest nonce of a sender's transactions; `None`: it has none.
pub(super) async fn last_nonce(
    database: impl PgExecutor<'_>,
    sender: [u8; 20],
) -> Result<Option<u64>, JournalError> {
    let last: Option<i64> = sqlx::query_scalar("SELECT max(nonce) FROM transactions WHERE sender = $1")
        .bind(sender.as_slice())
        .fetch_one(database)
        .await?;
    last.map(undb).transpose()
}

impl Journal {
    /// All transactions of every sender that are not final, each sender's oldest nonce first: a key that settles no more
    /// may have left some on their way.
    pub async fn live(&self) -> Result<Vec<Transaction>, JournalError> {
        let mut conn = self.pool.acquire().await?;
        // As the index has it.
        let sql = sqlx::AssertSqlSafe(format!(
            "{SELECT} WHERE state NOT IN ('confirmed', 'rejected') ORDER BY sender, nonce"
        ));
        let rows = sqlx::query(sql).fetch_all(&mut *conn).await?;
        let mut out = Vec::with_capacity(rows.len());
        for row in &rows {
            out.push(read(&mut conn, row).await?);
        }
        Ok(out)
    }

    /// Tables not yet open on chain.
    pub async fn unopened(&self) -> Result<Vec<TableRow>, JournalError> {
        let rows = sqlx::query("SELECT * FROM tables WHERE state = $1 ORDER BY uid")
            .bind(OPENING)
            .fetch_all(&self.pool)
            .await?;
        rows.iter().map(read_table).collect()
    }

    pub async fn mark_open(&self, lease: &Lease, uid: &str) -> Result<(), JournalError> {
        let mut tx = self.pool.begin().await?;
        lease::check(&mut tx, lease).await?;
        sqlx::query("UPDATE tables SET state = $2 WHERE uid = $1")
            .bind(uid)
            .bind(OPEN)
            .execute(&mut *tx)
            .await?;
        chain::append(&mut tx, "opened", &json!({"uid": uid})).await?;
        tx.commit().await?;
        Ok(())
    }

    /// Stores a checked transaction under the next nonce, before the token is asked.
    ///
    /// # Errors
    /// [`JournalError::Behind`] where the chain counts transactions that the journal does not know.
    pub async fn create(&self, lease: &Lease, new: &NewTransaction) -> Result<i64, JournalError> {
        let mut tx = self.pool.begin().await?;
        lease::check(&mut tx, lease).await?;
        let known = last_nonce(&mut *tx, new.sender).await?.map_or(0, |last| last + 1);
        let nonce = db(next_nonce(known, new.chain_nonce, new.accept_used_key)?, "nonce")?;
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
                 WHERE uid = $1 AND seq BETWEEN $2 AND $3 AND state = $6",
            )
            .bind(uid)
            .bind(db(*first, "seq")?)
            .bind(db(*last, "seq")?)
            .bind(id)
            .bind(state.as_str())
            .bind(State::Requested.as_str())
            .execute(&mut *tx)
            .await?;
            if moved.rows_affected() != last - first + 1 {
                return Err(JournalError::Corrupt(format!(
                    "entries {first} to {last} of {uid} are not waiting"
                )));
            }
        }
        let note = json!({"tx": id, "purpose": new.purpose.as_str(), "nonce": nonce, "ranges": new.ranges,
            "calldata": hex::encode(sha2_of(&new.calldata)), "fees": new.fees,
            "sender": hex::encode(new.sender), "destination": hex::encode(new.destination)});
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
                notice(&mut tx, row.try_get("uid")?, range, NoticeState::Submitted, &hash).await?;
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
        next_version(&mut tx, old, fees).await?;
        tx.commit().await?;
        Ok(())
    }

    /// Opens a new attempt that carries nothing: no block can hold what the transaction carried, which waits again and is
    /// planned anew. A version that a node has may be mined all the same; the vault takes each number once.
    pub async fn empty(
        &self,
        lease: &Lease,
        old: &Transaction,
        was: &TransactionNote,
        fees: Fees,
    ) -> Result<(), JournalError> {
        let mut tx = self.pool.begin().await?;
        lease::check(&mut tx, lease).await?;
        next_version(&mut tx, old, fees).await?;
        fill(&mut tx, old, was).await?;
        tx.commit().await?;
        Ok(())
    }

    pub async fn mined(
        &self,
        lease: &Lease,
        id: i64,
        hash: [u8; 32],
        (block, block_hash): (u64, [u8; 32]),
        (reverted, fee_wei): (bool, u128),
    ) -> Result<(), JournalError> {
        let mut tx = self.pool.begin().await?;
        lease::check(&mut tx, lease).await?;
        step(&mut tx, id, Event::Mine).await?;
        sqlx::query(
            "UPDATE transactions SET block_number = $2, block_hash = $3, mined_hash = $4, reverted = $5,
                 fee_wei = $6::numeric WHERE id = $1",
        )
        .bind(id)
        .bind(db(block, "block")?)
        .bind(block_hash.as_slice())
        .bind(hash.as_slice())
        .bind(reverted)
        .bind(fee_wei.to_string())
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
            sqlx::query("UPDATE entries SET state = $2, tx_id = NULL WHERE tx_id = $1 AND state = $3")
                .bind(id)
                .bind(state.as_str())
                .bind(State::Mined.as_str())
                .execute(&mut *tx)
                .await?;
        }
        chain::append(&mut tx, "finished", &json!({"tx": id, "reverted": reverted})).await?;
        tx.commit().await?;
        Ok(())
    }
}

impl Journal {
    /// Gives up a transaction of a former key that no block has and none can carry out. What it carried waits again.
    pub async fn abandon(&self, lease: &Lease, id: i64) -> Result<(), JournalError> {
        let mut tx = self.pool.begin().await?;
        lease::check(&mut tx, lease).await?;
        step(&mut tx, id, Event::Abandon).await?;
        for before in State::UNDER_WAY {
            let state = next(before, Event::Requeue)?;
            sqlx::query("UPDATE entries SET state = $2, tx_id = NULL WHERE tx_id = $1 AND state = $3")
                .bind(id)
                .bind(state.as_str())
                .bind(before.as_str())
                .execute(&mut *tx)
                .await?;
        }
        chain::append(&mut tx, "abandoned", &json!({"tx": id})).await?;
        tx.commit().await?;
        Ok(())
    }

    /// Wei that transactions cost within the last hour: what receipts say, and of those without one the most that they
    /// may cost.
    pub async fn spent_in_hour(&self) -> Result<u128, JournalError> {
        let text: String = sqlx::query_scalar(
            "SELECT (COALESCE((SELECT sum(fee_wei) FROM transactions WHERE changed > now() - interval '1 hour'), 0)
                 + COALESCE((SELECT sum(a.gas::numeric * a.max_fee) FROM transactions t JOIN attempts a ON a.tx_id = t.id
                     WHERE t.state IN ('checked', 'signed', 'broadcast')
                     AND a.attempt = (SELECT max(attempt) FROM attempts WHERE tx_id = t.id)), 0))::text",
        )
        .fetch_one(&self.pool)
        .await?;
        text.parse().map_err(|_| JournalError::Corrupt(format!("fees of {text} wei")))
    }
}

async fn next_version(conn: &mut PgConnection, old: &Transaction, fees: Fees) -> Result<(), JournalError> {
    step(conn, old.id, Event::Replace).await?;
    let attempt = old.attempts.last().map_or(0, |last| last.attempt + 1);
    add_attempt(conn, old.id, attempt, fees).await?;
    let note = json!({"tx": old.id, "attempt": attempt, "maxFee": fees.max_fee, "fees": fees});
    chain::append(conn, "replace", &note).await
}

/// A checked transaction carries nothing any more: what it carried waits again, and its nonce is used for an empty
/// transfer.
pub(super) async fn fill(
    conn: &mut PgConnection,
    tx: &Transaction,
    was: &TransactionNote,
) -> Result<(), JournalError> {
    let state = next(State::Checked, Event::GiveUp)?;
    for (uid, first, last) in &was.ranges {
        sqlx::query(
            "UPDATE entries SET state = $4, tx_id = NULL
             WHERE uid = $1 AND seq BETWEEN $2 AND $3 AND state = $5 AND tx_id = $6",
        )
        .bind(uid)
        .bind(db(*first, "seq")?)
        .bind(db(*last, "seq")?)
        .bind(state.as_str())
        .bind(State::Checked.as_str())
        .bind(tx.id)
        .execute(&mut *conn)
        .await?;
    }
    sqlx::query(
        "UPDATE transactions SET purpose = $2, nonce = $3, destination = $4, calldata = '', changed = now()
         WHERE id = $1",
    )
    .bind(tx.id)
    .bind(Purpose::Fill.as_str())
    .bind(db(was.nonce, "nonce")?)
    .bind(tx.sender.as_slice())
    .execute(&mut *conn)
    .await?;
    let note = json!({"tx": tx.id, "purpose": Purpose::Fill.as_str(), "nonce": was.nonce, "ranges": [],
        "calldata": hex::encode(sha2_of(&[])), "fees": was.fees,
        "sender": hex::encode(tx.sender), "destination": hex::encode(tx.sender)});
    chain::append(conn, "filled", &note).await
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

pub(super) fn sha2_of(bytes: &[u8]) -> [u8; 32] {
    use sha2::Digest;
    sha2::Sha256::digest(bytes).into()
}
