//! Views for others: balances, heads, the books at one moment.

use super::{Journal, JournalError, TableRow, bytes, db, ledger, transactions::last_nonce, undb};
use crate::chain::{Address, vault::Bounds};
use futures::stream::{self, Stream};
use purr_books::ledger::Account;
use purr_engine::PlayerId;
use purr_protocol::{
    permit::PermitVersion,
    settlement::{Balance, SeatedBalance},
};
use sqlx::{Row, postgres::PgListener};

/// Where the database tells of balances; migration 0007.
const BALANCES_CHANNEL: &str = "purr_balances";

/// The vault's bounds after a player has asked to exit. Fixed with the vault.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ExitBounds {
    /// Seconds until the player is paid without anybody's help.
    pub delay_s: u64,
    /// Numbers of a table's sequence that may still touch the player's seat.
    pub sequences: u64,
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
    pub async fn identify(&self, chain_id: u64, vault: Address, bounds: Bounds) -> Result<(), JournalError> {
        sqlx::query(
            "INSERT INTO identity (chain_id, vault, permit_version) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
        )
        .bind(db(chain_id, "chain id")?)
        .bind(vault.as_slice())
        .bind(i16::from(bounds.permits.number()))
        .execute(&self.pool)
        .await?;
        let row = sqlx::query("SELECT chain_id, vault FROM identity").fetch_one(&self.pool).await?;
        let (chain, address) = (undb(row.try_get("chain_id")?)?, bytes(row.try_get("vault")?, "vault")?);
        if (chain, address) != (chain_id, vault) {
            let vault = crate::chain::address_text(address);
            return Err(JournalError::OtherVault { chain_id: chain, vault });
        }
        // The vault's word, whatever the row says: it never changes there.
        sqlx::query("UPDATE identity SET exit_delay_s = $1, exit_sequences = $2, permit_version = $3")
            .bind(db(bounds.exit_delay_s, "exit delay")?)
            .bind(i64::from(bounds.exit_sequences))
            .bind(i16::from(bounds.permits.number()))
            .execute(&self.pool)
            .await?;
        Ok(())
    }

    /// The vault's bounds on exits; `None`: no vault was ever looked at.
    pub async fn exit_bounds(&self) -> Result<Option<ExitBounds>, JournalError> {
        let bounds: Option<(Option<i64>, Option<i64>)> =
            sqlx::query_as("SELECT exit_delay_s, exit_sequences FROM identity")
                .fetch_optional(&self.pool)
                .await?;
        let Some((Some(delay), Some(sequences))) = bounds else { return Ok(None) };
        Ok(Some(ExitBounds { delay_s: undb(delay)?, sequences: undb(sequences)? }))
    }

    /// The permits that the vault takes; `None`: no vault was ever looked at.
    pub async fn permits(&self) -> Result<Option<PermitVersion>, JournalError> {
        let number: Option<i16> =
            sqlx::query_scalar("SELECT COALESCE(permit_version, 1::smallint) FROM identity")
                .fetch_optional(&self.pool)
                .await?;
        let Some(number) = number else { return Ok(None) };
        let known = u8::try_from(number).ok().and_then(|number| PermitVersion::try_from(number).ok());
        known.map(Some).ok_or_else(|| JournalError::Corrupt(format!("permit version {number}")))
    }

    pub async fn heads(&self, sender: Address) -> Result<Heads, JournalError> {
        let nonce_last = last_nonce(&self.pool, sender).await?;
        Ok(Heads { nonce_last, tables: self.tables().await? })
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

    /// Accounts whose balance has changed, from now on.
    pub async fn balance_changes(
        &self,
    ) -> Result<impl Stream<Item = Result<String, sqlx::Error>> + use<>, JournalError> {
        let mut listener = PgListener::connect_with(&self.pool).await?;
        // Changes while there is no connection are lost: a follower has to look again then.
        listener.eager_reconnect(false);
        listener.listen(BALANCES_CHANNEL).await?;
        Ok(stream::try_unfold(listener, async |mut listener| {
            let told = listener.try_recv().await?;
            told.map_or(Err(sqlx::Error::WorkerCrashed), |told| {
                Ok(Some((told.payload().to_owned(), listener)))
            })
        }))
    }

    /// Whose balance an account is a part of, where it is a player's.
    pub async fn player_of(&self, account: &str) -> Result<Option<PlayerId>, JournalError> {
        let parts: Vec<&str> = account.split(':').collect();
        Ok(match parts.as_slice() {
            ["free" | "reserved", player] => player.parse().ok(),
            ["seat", uid, seat] => {
                let seat: Option<i16> = seat.parse().ok();
                let owner: Option<Vec<u8>> =
                    sqlx::query_scalar("SELECT player FROM seat_owners WHERE uid = $1 AND seat = $2")
                        .bind(uid)
                        .bind(seat)
                        .fetch_optional(&self.pool)
                        .await?;
                owner.map(|owner| bytes(&owner, "player").map(PlayerId)).transpose()?
            }
            _ => None,
        })
    }

    /// Players with an account, in the order of their accounts' names, after this one; so many at most.
    pub async fn players_after(&self, after: &str, most: u16) -> Result<Vec<PlayerId>, JournalError> {
        let accounts: Vec<String> = sqlx::query_scalar(
            "SELECT account FROM balances WHERE account LIKE 'free:%' AND account > $1 ORDER BY account LIMIT $2",
        )
        .bind(after)
        .bind(i64::from(most))
        .fetch_all(&self.pool)
        .await?;
        let player = |account: &String| account.strip_prefix("free:").and_then(|text| text.parse().ok());
        Ok(accounts.iter().filter_map(player).collect())
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

    pub(super) async fn snapshot(&self) -> Result<sqlx::Transaction<'static, sqlx::Postgres>, JournalError> {
        Ok(self.pool.begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await?)
    }
}

fn seat_of(seat: i16) -> Result<u8, JournalError> {
    u8::try_from(seat).map_err(|_| JournalError::Corrupt("seat out of range".into()))
}
