//! The ledger's tables.

use super::JournalError;
use purr_books::ledger::{Account, LedgerError, Transfer};
use sqlx::{PgConnection, Row};
use std::collections::BTreeMap;

/// Posts a transfer inside the caller's database transaction; false: it was posted before.
///
/// # Errors
/// [`LedgerError::Insufficient`] where an account would fall below zero: the caller's transaction is
/// then lost and must be rolled back.
pub(super) async fn post(conn: &mut PgConnection, transfer: &Transfer) -> Result<bool, JournalError> {
    let made: Option<i64> = sqlx::query_scalar(
        "INSERT INTO ledger_entries (key, kind) VALUES ($1, $2) ON CONFLICT (key) DO NOTHING RETURNING id",
    )
    .bind(transfer.key())
    .bind(transfer.kind())
    .fetch_optional(&mut *conn)
    .await?;
    let Some(entry) = made else { return Ok(false) };
    for posting in transfer.postings() {
        let account = posting.account.to_string();
        // A new row must pass the check by itself, so it starts at zero.
        sqlx::query("INSERT INTO balances (account, amount) VALUES ($1, 0) ON CONFLICT DO NOTHING")
            .bind(&account)
            .execute(&mut *conn)
            .await?;
        sqlx::query("UPDATE balances SET amount = amount + $2 WHERE account = $1")
            .bind(&account)
            .bind(posting.amount)
            .execute(&mut *conn)
            .await
            .map_err(|error| overdrawn(error, transfer))?;
        sqlx::query("INSERT INTO postings (entry_id, account, amount) VALUES ($1, $2, $3)")
            .bind(entry)
            .bind(&account)
            .bind(posting.amount)
            .execute(&mut *conn)
            .await?;
    }
    Ok(true)
}

fn overdrawn(error: sqlx::Error, transfer: &Transfer) -> JournalError {
    let constraint = error.as_database_error().and_then(|error| error.constraint());
    if constraint == Some("not_overdrawn") {
        LedgerError::Insufficient { key: transfer.key().to_owned() }.into()
    } else {
        error.into()
    }
}

/// The balance of one account; an unknown one is empty.
pub(super) async fn balance(conn: &mut PgConnection, account: &Account) -> Result<u64, JournalError> {
    let name = account.to_string();
    let amount: Option<i64> = sqlx::query_scalar("SELECT amount FROM balances WHERE account = $1")
        .bind(&name)
        .fetch_optional(conn)
        .await?;
    u64::try_from(amount.unwrap_or(0)).map_err(|_| JournalError::Negative(name))
}

/// All balances except the chain's side, by account text.
pub(super) async fn balances(conn: &mut PgConnection) -> Result<BTreeMap<String, u64>, JournalError> {
    let rows =
        sqlx::query("SELECT account, amount FROM balances WHERE account <> 'chain'").fetch_all(conn).await?;
    rows.iter()
        .map(|row| {
            let (account, amount): (String, i64) = (row.try_get("account")?, row.try_get("amount")?);
            let amount = u64::try_from(amount).map_err(|_| JournalError::Negative(account.clone()))?;
            Ok((account, amount))
        })
        .collect()
}
