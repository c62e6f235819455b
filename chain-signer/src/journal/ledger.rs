//! The ledger's tables.

use super::JournalError;
use purr_books::ledger::{Account, BadSubject, LedgerError, Transfer};
use sqlx::{PgConnection, Row};

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
    let accounts: Vec<String> =
        transfer.postings().iter().map(|posting| posting.account.to_string()).collect();
    let amounts: Vec<i64> = transfer.postings().iter().map(|posting| posting.amount).collect();
    if accounts.is_empty() {
        return Ok(true);
    }
    // A new row must pass the check by itself, so it starts at zero.
    sqlx::query(
        "INSERT INTO balances (account, amount) SELECT account, 0 FROM unnest($1::text[]) AS account
         ORDER BY account ON CONFLICT DO NOTHING",
    )
    .bind(&accounts)
    .execute(&mut *conn)
    .await?;
    sqlx::query(
        "WITH posting AS (INSERT INTO postings (entry_id, account, amount)
             SELECT $1, * FROM unnest($2::text[], $3::bigint[]))
         UPDATE balances b SET amount = b.amount + p.amount
         FROM unnest($2::text[], $3::bigint[]) AS p (account, amount) WHERE b.account = p.account",
    )
    .bind(entry)
    .bind(&accounts)
    .bind(&amounts)
    .execute(&mut *conn)
    .await
    .map_err(|error| overdrawn(error, transfer))?;
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

/// Returns the amounts in suspense.
pub(super) async fn suspense(conn: &mut PgConnection) -> Result<Vec<(Account, i64)>, JournalError> {
    let rows =
        sqlx::query("SELECT account, amount FROM balances WHERE account LIKE 'suspense:%' AND amount <> 0")
            .fetch_all(conn)
            .await?;
    rows.iter()
        .map(|row| {
            let name = row.try_get::<&str, _>("account")?.trim_start_matches("suspense:");
            let subject =
                name.parse().map_err(|error: BadSubject| JournalError::Corrupt(error.to_string()))?;
            Ok((Account::Suspense(subject), row.try_get("amount")?))
        })
        .collect()
}
