//! Reads the hash chain's notes about rows that are about to be signed; see [`purr_books::asked`].

use super::{
    Journal, JournalError, Lease, TableRow, bytes, chain, db, lease, rows::read_table, transactions, undb,
};
use crate::{
    chain::{
        eip712::word_uid,
        vault::{Call, decode_call},
    },
    derived::{Evidence, NotDerived, TransactionNote},
    journal::{Fees, Purpose, Transaction},
    signed::Trust,
};
use purr_books::{
    asked::{Changed, EntryNote, EntryRow, TableAsked, TableNote, Why},
    differing::Differs,
    ledger::{Account, Subject},
    request::RequestError,
};
use purr_engine::PlayerId;
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::json;
use sqlx::{PgConnection, Row, postgres::PgRow};
use std::collections::{BTreeMap, BTreeSet};

/// The block of what no comparison ends: somebody has to look first.
const UNTIL_RELEASED: i64 = i64::MAX;

const NOTE: &str = "j.id AS j_id, j.kind AS j_kind, j.body AS j_body, j.prev AS j_prev, j.hash AS j_hash";

/// Finds entries beside the first row of the hash chain about each.
const ENTRIES: &str = "SELECT e.uid, e.seq, e.kind, e.payload_hash, e.payload, e.moved, e.lanes, e.signature, c.der, j.*
    FROM entries e LEFT JOIN certificates c ON c.hash = e.certificate LEFT JOIN LATERAL (SELECT j.id AS j_id, j.kind AS j_kind, j.body AS j_body, j.prev AS j_prev, j.hash AS j_hash
        FROM journal j WHERE j.kind = 'entry' AND (j.body::jsonb ->> 'uid') = e.uid
        AND ((j.body::jsonb ->> 'seq')::bigint) = e.seq ORDER BY j.id LIMIT 1) AS j ON true";

/// Finds tables beside the first row of the hash chain about each.
const TABLES: &str = "SELECT t.*, j.* FROM tables t
    LEFT JOIN LATERAL (SELECT j.id AS j_id, j.kind AS j_kind, j.body AS j_body, j.prev AS j_prev, j.hash AS j_hash
        FROM journal j WHERE j.kind = 'table' AND (j.body::jsonb ->> 'uid') = t.uid ORDER BY j.id LIMIT 1) AS j ON true";

/// A row of the hash chain, if it is as it was written.
fn noted<T: DeserializeOwned>(row: &PgRow) -> Result<Option<T>, JournalError> {
    let Some(id) = row.try_get::<Option<i64>, _>("j_id")? else { return Ok(None) };
    let (kind, body): (&str, &str) = (row.try_get("j_kind")?, row.try_get("j_body")?);
    let prev: [u8; 32] = bytes(row.try_get("j_prev")?, "prev")?;
    let hash: [u8; 32] = bytes(row.try_get("j_hash")?, "hash")?;
    let intact = chain::link(&prev, undb(id)?, kind, body) == hash;
    Ok(if intact { serde_json::from_str(body).ok() } else { None })
}

/// An entry, with what the hash chain has of it.
pub(super) fn entry(row: &PgRow, trust: &Trust, noted: Option<EntryNote>) -> Result<EntryRow, JournalError> {
    let (uid, seq): (String, u64) = (row.try_get("uid")?, undb(row.try_get("seq")?)?);
    let payload_hash = bytes(row.try_get("payload_hash")?, "payload_hash")?;
    let (signature, certificate): (Option<&[u8]>, Option<&[u8]>) =
        (row.try_get("signature")?, row.try_get("der")?);
    // A signature without its certificate is none.
    let is_signed = match (signature, certificate) {
        (Some(signature), certificate) => {
            trust.holds(&uid, seq, &payload_hash, Some((certificate.unwrap_or_default(), signature)))
        }
        (None, _) => trust.holds(&uid, seq, &payload_hash, None),
    };
    Ok(EntryRow {
        uid,
        seq,
        kind: row.try_get("kind")?,
        payload_hash,
        payload: row.try_get("payload")?,
        moved: row.try_get("moved")?,
        lanes: row.try_get("lanes")?,
        noted,
        is_signed,
    })
}

/// Single entries that tables asked for, by table and number.
#[derive(Debug, Default)]
pub struct Asked {
    pub tables: BTreeMap<String, TableAsked>,
    pub entries: BTreeMap<(String, u64), EntryRow>,
}

#[derive(Deserialize)]
struct Replaced {
    attempt: u16,
    #[serde(default)]
    fees: Option<Fees>,
}

/// All tables, each with its row.
pub(super) async fn tables(conn: &mut PgConnection) -> Result<Vec<(PgRow, TableAsked)>, JournalError> {
    let sql = format!("{TABLES} ORDER BY t.uid");
    let rows = sqlx::query(sqlx::AssertSqlSafe(sql)).fetch_all(conn).await?;
    rows.into_iter().map(|row| table(&row).map(|asked| (row, asked))).collect()
}

fn table(row: &PgRow) -> Result<TableAsked, JournalError> {
    Ok(TableAsked {
        uid: row.try_get("uid")?,
        table_id: bytes(row.try_get("table_id")?, "table_id")?,
        config: row.try_get("config")?,
        noted: noted::<TableNote>(row)?,
    })
}

impl Journal {
    /// Waiting entries of tables, in order, at most so many of each.
    pub(super) async fn asked_waiting_of(
        &self,
        uids: &[&str],
        most: i64,
    ) -> Result<BTreeMap<String, Vec<EntryRow>>, JournalError> {
        // Waiting entries begin behind the chain's last one.
        let sql = format!(
            "{ENTRIES} WHERE e.uid = ANY($1) AND e.state = 'requested'
             AND e.seq <= $2 + (SELECT t.confirmed_seq FROM tables t WHERE t.uid = e.uid) ORDER BY e.uid, e.seq"
        );
        let query = sqlx::query(sqlx::AssertSqlSafe(sql)).bind(uids).bind(most);
        let mut waiting = BTreeMap::<String, Vec<EntryRow>>::new();
        for row in query.fetch_all(&self.pool).await? {
            let row = entry(&row, &self.trust, noted(&row)?)?;
            waiting.entry(row.uid.clone()).or_default().push(row);
        }
        Ok(waiting)
    }

    /// Tables' rows.
    pub(super) async fn asked_tables_of(
        &self,
        uids: &[&str],
    ) -> Result<BTreeMap<String, (TableRow, TableAsked)>, JournalError> {
        let sql = format!("{TABLES} WHERE t.uid = ANY($1)");
        let rows = sqlx::query(sqlx::AssertSqlSafe(sql)).bind(uids).fetch_all(&self.pool).await?;
        rows.iter()
            .map(|row| {
                let known = read_table(row)?;
                Ok((known.uid.clone(), (known, table(row)?)))
            })
            .collect()
    }

    /// Entries of a range, in order.
    pub async fn asked_entries(
        &self,
        uid: &str,
        first: u64,
        last: u64,
    ) -> Result<Vec<EntryRow>, JournalError> {
        let sql = format!("{ENTRIES} WHERE e.uid = $1 AND e.seq BETWEEN $2 AND $3 ORDER BY e.seq");
        let query = sqlx::query(sqlx::AssertSqlSafe(sql)).bind(uid).bind(db(first, "seq")?);
        query
            .bind(db(last, "seq")?)
            .fetch_all(&self.pool)
            .await?
            .iter()
            .map(|row| entry(row, &self.trust, noted(row)?))
            .collect()
    }

    /// Single entries, and their tables' rows.
    pub async fn asked_of(&self, keys: &[&(String, u64)]) -> Result<Asked, JournalError> {
        let uids: Vec<&str> = keys.iter().map(|(uid, _)| uid.as_str()).collect();
        let seqs = keys.iter().map(|(_, seq)| db(*seq, "seq")).collect::<Result<Vec<_>, _>>()?;
        let tables = self.asked_tables_of(&uids).await?;
        let tables = tables.into_iter().map(|(uid, (_, asked))| (uid, asked)).collect();
        let sql =
            format!("{ENTRIES} WHERE (e.uid, e.seq) IN (SELECT * FROM unnest($1::text[], $2::bigint[]))");
        let query = sqlx::query(sqlx::AssertSqlSafe(sql)).bind(uids).bind(seqs);
        let mut entries = BTreeMap::new();
        for row in query.fetch_all(&self.pool).await? {
            let row = entry(&row, &self.trust, noted(&row)?)?;
            entries.insert((row.uid.clone(), row.seq), row);
        }
        Ok(Asked { tables, entries })
    }

    /// A table's row.
    pub async fn asked_table(&self, uid: &str) -> Result<TableAsked, JournalError> {
        let sql = format!("{TABLES} WHERE t.uid = $1");
        let row = sqlx::query(sqlx::AssertSqlSafe(sql)).bind(uid).fetch_optional(&self.pool).await?;
        table(&row.ok_or_else(|| RequestError::UnknownTable(uid.into()))?)
    }

    /// Everything that a transaction's row is held against.
    pub async fn evidence(&self, tx: &Transaction) -> Result<Evidence, JournalError> {
        let sql = format!(
            "SELECT {NOTE} FROM journal j WHERE j.kind IN ('checked', 'replace', 'filled')
             AND ((j.body::jsonb ->> 'tx')::bigint) = $1 ORDER BY j.id"
        );
        let rows = sqlx::query(sqlx::AssertSqlSafe(sql)).bind(tx.id).fetch_all(&self.pool).await?;
        let mut evidence = Evidence::default();
        for row in &rows {
            match row.try_get("j_kind")? {
                // Where there are two, the first: a number of a transaction is given once.
                "checked" if evidence.noted.is_none() => evidence.noted = noted(row)?,
                "filled" => evidence.noted = noted(row)?,
                "replace" => {
                    if let Some(Replaced { attempt, fees }) = noted(row)? {
                        evidence.fees.insert(attempt, fees);
                    }
                }
                _ => {}
            }
        }
        if let Some(noted) = &evidence.noted {
            evidence.fees.insert(0, noted.fees);
        }
        let carried: Vec<(String, i64)> = sqlx::query_as("SELECT uid, seq FROM entries WHERE tx_id = $1")
            .bind(tx.id)
            .fetch_all(&self.pool)
            .await?;
        for (uid, seq) in carried {
            evidence.carried.insert((uid, undb(seq)?));
        }
        let ranges = evidence.noted.as_ref().map(|noted| noted.ranges.clone()).unwrap_or_default();
        let mut uids: BTreeSet<String> = ranges.iter().map(|(uid, ..)| uid.clone()).collect();
        if let (Purpose::Open, Ok(Call::Open { uid, .. })) = (tx.purpose, decode_call(&tx.calldata)) {
            uids.extend(word_uid(&uid));
        }
        for uid in uids {
            match self.asked_table(&uid).await {
                Ok(table) => evidence.tables.push(table),
                Err(JournalError::Request(RequestError::UnknownTable(_))) => {}
                Err(error) => return Err(error),
            }
        }
        let uids: Vec<&str> = ranges.iter().map(|(uid, ..)| uid.as_str()).collect();
        evidence.borne = self.borne_of(&uids).await?;
        for (uid, first, last) in ranges {
            evidence.entries.extend(self.asked_entries(&uid, first, last).await?);
        }
        Ok(evidence)
    }

    /// Stops the tables that a changed row is about, until somebody releases them. Says whether that is news.
    pub async fn quarantine(&self, found: &NotDerived) -> Result<bool, JournalError> {
        let subjects = found.uids.iter().map(|uid| Subject::Table(uid.clone())).collect();
        self.quarantine_all(subjects, &found.changed).await
    }

    async fn quarantine_all(&self, subjects: Vec<Subject>, found: &Changed) -> Result<bool, JournalError> {
        let mut tx = self.pool.begin().await?;
        let (mut news, why) = (false, found.to_string());
        for subject in subjects {
            let name = subject.to_string();
            let done = sqlx::query(
                "INSERT INTO differing (subject, why, block) VALUES ($1, $2, $3)
                 ON CONFLICT (subject) DO UPDATE SET why = excluded.why, block = excluded.block
                 WHERE differing.block <> excluded.block",
            )
            .bind(&name)
            .bind(&why)
            .bind(UNTIL_RELEASED)
            .execute(&mut *tx)
            .await?;
            if done.rows_affected() == 1 {
                news = true;
                chain::append(&mut tx, "quarantined", &json!({"subject": name, "why": why})).await?;
            }
        }
        tx.commit().await?;
        Ok(news)
    }

    /// Ends a quarantine after somebody has looked; false: there is none.
    pub async fn end_quarantine(&self, subject: &Subject) -> Result<bool, JournalError> {
        let mut tx = self.pool.begin().await?;
        let name = subject.to_string();
        let done = sqlx::query("DELETE FROM differing WHERE subject = $1 AND block = $2")
            .bind(&name)
            .bind(UNTIL_RELEASED)
            .execute(&mut *tx)
            .await?;
        let ended = done.rows_affected() == 1;
        if ended {
            chain::append(&mut tx, "released", &json!({"subject": name})).await?;
        }
        tx.commit().await?;
        Ok(ended)
    }

    /// A transaction that was never signed and never will be: what it carried waits again, and its nonce is used for
    /// nothing, so that those behind it are not held up.
    pub async fn give_up(
        &self,
        lease: &Lease,
        tx: &Transaction,
        was: &TransactionNote,
    ) -> Result<(), JournalError> {
        let mut conn = self.pool.begin().await?;
        lease::check(&mut conn, lease).await?;
        if let Some(fees) = was.fees {
            sqlx::query(
                "UPDATE attempts SET gas = $2, max_fee = $3, priority_fee = $4 WHERE tx_id = $1 AND attempt = 0",
            )
            .bind(tx.id)
            .bind(db(fees.gas, "gas")?)
            .bind(db(fees.max_fee, "fee")?)
            .bind(db(fees.priority_fee, "fee")?)
            .execute(&mut *conn)
            .await?;
        }
        transactions::fill(&mut conn, tx, was).await?;
        conn.commit().await?;
        Ok(())
    }

    /// Whether a player's balances are the sums of their postings; where not, the player is quarantined.
    ///
    /// # Errors
    /// [`RequestError::Differs`] names the account.
    pub(super) async fn check_purse(&self, player: PlayerId) -> Result<(), JournalError> {
        let mut conn = self.pool.acquire().await?;
        let Some(account) = does_not_add_up(&mut conn, player).await? else { return Ok(()) };
        drop(conn);
        let found = Changed::new("balances", "amount", account, Why::NotMadeAgain);
        let subject = Subject::Player(player);
        if self.quarantine_all(vec![subject.clone()], &found).await? {
            tracing::error!(%player, %found, "ALARM: a row was changed: this player is paid nothing");
        }
        Err(Differs { subject, why: found.to_string() }.into())
    }
}

async fn does_not_add_up(conn: &mut PgConnection, player: PlayerId) -> Result<Option<String>, JournalError> {
    let accounts = [Account::Free(player).to_string(), Account::Reserved(player).to_string()];
    Ok(sqlx::query_scalar(
        "SELECT account FROM unnest($1::text[]) AS a (account) LEFT JOIN balances b USING (account)
         WHERE COALESCE(b.amount, 0) <> COALESCE((SELECT sum(p.amount) FROM postings p WHERE p.account = a.account), 0)
         LIMIT 1",
    )
    .bind(accounts.to_vec())
    .fetch_optional(conn)
    .await?)
}
