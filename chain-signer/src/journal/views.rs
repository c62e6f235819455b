//! What others read: balances, heads, the books at one moment.

use super::{Journal, JournalError, LogPosition, TableRow, bytes, db, undb};
use crate::{
    chain::Address,
    ledger::{self, Account},
};
use purr_engine::PlayerId;
use purr_protocol::settlement::{Balance, SeatedBalance};
use sqlx::Row;
use std::collections::BTreeMap;

/// The books at one moment, and up to which block they have taken in the chain.
#[derive(Clone, Debug)]
pub struct Accounts {
    pub position: LogPosition,
    /// By account text, the chain's side left out.
    pub balances: BTreeMap<String, u64>,
    pub owners: BTreeMap<(String, u8), PlayerId>,
    pub tables: Vec<TableRow>,
}

/// How far the journal is, to compare with the chain before anything is signed.
#[derive(Clone, Debug)]
pub struct Heads {
    /// `None`: never sent anything.
    pub nonce_last: Option<u64>,
    pub tables: Vec<TableRow>,
}

impl Journal {
    /// Binds the journal to a vault, the first time; afterwards it must be the same.
    pub async fn identify(&self, chain_id: u64, vault: Address) -> Result<(), JournalError> {
        sqlx::query("INSERT INTO identity (chain_id, vault) VALUES ($1, $2) ON CONFLICT DO NOTHING")
            .bind(db(chain_id, "chain id")?)
            .bind(vault.as_slice())
            .execute(&self.pool)
            .await?;
        let row = sqlx::query("SELECT chain_id, vault FROM identity").fetch_one(&self.pool).await?;
        let (chain, address) = (undb(row.try_get("chain_id")?)?, bytes(row.try_get("vault")?, "vault")?);
        if (chain, address) == (chain_id, vault) {
            return Ok(());
        }
        Err(JournalError::OtherVault { chain_id: chain, vault: crate::chain::address_text(address) })
    }

    pub async fn heads(&self, sender: Address) -> Result<Heads, JournalError> {
        let last: Option<i64> = sqlx::query_scalar("SELECT max(nonce) FROM transactions WHERE sender = $1")
            .bind(sender.as_slice())
            .fetch_one(&self.pool)
            .await?;
        Ok(Heads { nonce_last: last.map(undb).transpose()?, tables: self.tables().await? })
    }

    /// A player's money as the ledger has it, at final depth.
    pub async fn balance(&self, player: PlayerId) -> Result<Balance, JournalError> {
        let mut tx = self.snapshot().await?;
        let free = ledger::balance(&mut tx, &Account::Free(player)).await?;
        let reserved = ledger::balance(&mut tx, &Account::Reserved(player)).await?;
        let rows = sqlx::query("SELECT uid, seat FROM seat_owners WHERE player = $1 ORDER BY uid, seat")
            .bind(player.0.as_slice())
            .fetch_all(&mut *tx)
            .await?;
        let mut seated = Vec::with_capacity(rows.len());
        for row in rows {
            let table: String = row.try_get("uid")?;
            let account = Account::Seat { uid: table.clone(), seat: seat_of(row.try_get("seat")?)? };
            seated.push(SeatedBalance { table, stack: ledger::balance(&mut tx, &account).await? });
        }
        Ok(Balance { free, reserved, seated })
    }

    /// `None`: nothing of the chain was taken in yet.
    pub async fn accounts(&self) -> Result<Option<Accounts>, JournalError> {
        let mut tx = self.snapshot().await?;
        let Some(position) = super::apply::position(&mut tx).await? else { return Ok(None) };
        let balances = ledger::balances(&mut tx).await?;
        let rows = sqlx::query("SELECT uid, seat, player FROM seat_owners").fetch_all(&mut *tx).await?;
        let mut owners = BTreeMap::new();
        for row in rows {
            let player = PlayerId(bytes(row.try_get("player")?, "player")?);
            owners.insert((row.try_get("uid")?, seat_of(row.try_get("seat")?)?), player);
        }
        let tables = super::tables::all(&mut tx).await?;
        Ok(Some(Accounts { position, balances, owners, tables }))
    }

    /// Tables with notices after this id, and the last id.
    pub async fn news(&self, after: u64) -> Result<(Vec<String>, u64), JournalError> {
        let rows = sqlx::query("SELECT uid, max(id) AS last FROM notices WHERE id > $1 GROUP BY uid")
            .bind(i64::try_from(after).unwrap_or(i64::MAX))
            .fetch_all(&self.pool)
            .await?;
        let mut last = after;
        let mut uids = Vec::with_capacity(rows.len());
        for row in rows {
            uids.push(row.try_get("uid")?);
            last = last.max(undb(row.try_get("last")?)?);
        }
        Ok((uids, last))
    }

    async fn snapshot(&self) -> Result<sqlx::Transaction<'static, sqlx::Postgres>, JournalError> {
        Ok(self.pool.begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await?)
    }
}

fn seat_of(seat: i16) -> Result<u8, JournalError> {
    u8::try_from(seat).map_err(|_| JournalError::Corrupt("seat out of range".into()))
}
