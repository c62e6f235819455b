//! Signatures over accepted hands.

use super::{Journal, JournalError, bytes, chain, db, undb};
use crate::chain::{Address, batch::deltas_hash};
use purr_books::policy::Lane;
use purr_protocol::settlement::{Entry, EntryBody};
use serde_json::json;
use sqlx::{Row, postgres::PgRow};
use std::collections::BTreeMap;

/// Which receipt: the table's UID and the entry's number.
pub type ReceiptKey = (String, u64);

/// The content of a receipt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    pub uid: String,
    pub table_id: [u8; 32],
    pub seq: u64,
    pub hand: u64,
    pub lanes: BTreeMap<u8, Lane>,
    pub deltas_hash: [u8; 32],
    pub record_hash: [u8; 32],
    /// Signer and signature (r, s, v); `None`: not signed yet.
    pub signed: Option<(Address, [u8; 65])>,
}

const COLUMNS: &str = "r.uid, r.seq, r.hand, r.signer, r.signature, t.table_id, e.payload, e.lanes
    FROM receipts r JOIN entries e USING (uid, seq) JOIN tables t USING (uid)";

impl Journal {
    /// Receipts without a signature after this one, in order; an entry that cannot have one is an error of
    /// its own.
    pub async fn receipts_unsigned(
        &self,
        after: &ReceiptKey,
        most: u16,
    ) -> Result<Vec<(ReceiptKey, Result<Receipt, JournalError>)>, JournalError> {
        let sql = format!(
            "SELECT {COLUMNS} WHERE r.signature IS NULL AND (r.uid, r.seq) > ($1, $2)
             ORDER BY r.uid, r.seq LIMIT $3"
        );
        let rows = sqlx::query(sqlx::AssertSqlSafe(sql))
            .bind(&after.0)
            .bind(db(after.1, "seq")?)
            .bind(i64::from(most))
            .fetch_all(&self.pool)
            .await?;
        rows.iter()
            .map(|row| {
                let key = (row.try_get("uid")?, undb(row.try_get("seq")?)?);
                Ok((key, read(row)))
            })
            .collect()
    }

    /// Stores signatures; a receipt that has one keeps it. Returns how many are new.
    pub async fn receipts_signed(
        &self,
        signer: Address,
        signed: &[(ReceiptKey, [u8; 65])],
    ) -> Result<u64, JournalError> {
        let mut tx = self.pool.begin().await?;
        let (mut kept, mut notes) = (0, Vec::with_capacity(signed.len()));
        for ((uid, seq), signature) in signed {
            let done = sqlx::query(
                "UPDATE receipts SET signer = $3, signature = $4
                 WHERE uid = $1 AND seq = $2 AND signature IS NULL",
            )
            .bind(uid)
            .bind(db(*seq, "seq")?)
            .bind(signer.as_slice())
            .bind(signature.as_slice())
            .execute(&mut *tx)
            .await?;
            kept += done.rows_affected();
            if done.rows_affected() == 1 {
                notes.push(json!({"uid": uid, "seq": seq, "signature": hex::encode(signature)}));
            }
        }
        if !notes.is_empty() {
            chain::append(&mut tx, "receipts", &notes).await?;
        }
        tx.commit().await?;
        Ok(kept)
    }

    /// The receipt of a hand; `None`: no such hand was accepted. Of several entries for one number the last.
    pub async fn receipt(&self, uid: &str, hand: u64) -> Result<Option<Receipt>, JournalError> {
        let sql = format!("SELECT {COLUMNS} WHERE r.uid = $1 AND r.hand = $2 ORDER BY r.seq DESC LIMIT 1");
        let row = sqlx::query(sqlx::AssertSqlSafe(sql))
            .bind(uid)
            .bind(i64::try_from(hand).unwrap_or(i64::MAX))
            .fetch_optional(&self.pool)
            .await?;
        row.as_ref().map(read).transpose()
    }
}

fn read(row: &PgRow) -> Result<Receipt, JournalError> {
    let (uid, seq): (String, u64) = (row.try_get("uid")?, undb(row.try_get("seq")?)?);
    let corrupt = |what: &str| JournalError::Corrupt(format!("entry {seq} of table {uid}: {what}"));
    let payload: String = row.try_get("payload")?;
    let entry: Entry = serde_json::from_str(&payload)?;
    let EntryBody::Hand { record_hash: text, .. } = &entry.body else { return Err(corrupt("is no hand")) };
    let mut record_hash = [0; 32];
    hex::decode_to_slice(text, &mut record_hash).map_err(|_| corrupt("the record hash is malformed"))?;
    let lanes: BTreeMap<u8, Lane> = serde_json::from_str(&row.try_get::<String, _>("lanes")?)?;
    let (signer, signature): (Option<Vec<u8>>, Option<Vec<u8>>) =
        (row.try_get("signer")?, row.try_get("signature")?);
    let signed = match (signer, signature) {
        (Some(signer), Some(signature)) => {
            Some((bytes(&signer, "receipts.signer")?, bytes(&signature, "receipts.signature")?))
        }
        _ => None,
    };
    Ok(Receipt {
        table_id: bytes(row.try_get("table_id")?, "table_id")?,
        seq,
        hand: undb(row.try_get("hand")?)?,
        deltas_hash: deltas_hash(&lanes),
        lanes,
        record_hash,
        signed,
        uid,
    })
}
