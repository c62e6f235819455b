//! Stores the comparisons with the chain, and their times; [`purr_books::differing::plan`] decides what is compared.

use super::{
    Journal, JournalError, LogPosition, TableRow, bytes, cursor, db,
    rows::{read_table, seat_of},
    undb,
};
use purr_books::{
    differing::Candidates,
    ledger::{Account, BadSubject, Subject},
};
use purr_engine::PlayerId;
use sqlx::{PgConnection, Row};
use std::collections::{BTreeMap, BTreeSet};

/// Records which subjects final logs have changed.
pub(super) async fn touch(
    conn: &mut PgConnection,
    touched: &BTreeMap<Subject, u64>,
) -> Result<(), JournalError> {
    if touched.is_empty() {
        return Ok(());
    }
    let blocks = touched.values().map(|block| db(*block, "block")).collect::<Result<Vec<_>, _>>()?;
    sqlx::query(
        "INSERT INTO compared (subject, changed) SELECT * FROM unnest($1::text[], $2::bigint[])
         ON CONFLICT (subject) DO UPDATE SET changed = GREATEST(compared.changed, excluded.changed)",
    )
    .bind(touched.keys().map(ToString::to_string).collect::<Vec<_>>())
    .bind(blocks)
    .execute(conn)
    .await?;
    Ok(())
}

/// The books about some tables and players at one moment.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// The block up to which the vault's log was applied.
    pub position: LogPosition,
    /// Balances by the account's name.
    balances: BTreeMap<String, i64>,
    pub owners: BTreeMap<(String, u8), PlayerId>,
    /// By UID.
    pub tables: BTreeMap<String, TableRow>,
    /// The block of the last event about each subject.
    pub changed: BTreeMap<Subject, u64>,
}

impl Snapshot {
    /// Books without money, whose subjects have changed in these blocks.
    #[cfg(test)]
    pub(crate) fn empty(position: LogPosition, changed: BTreeMap<Subject, u64>) -> Self {
        let (balances, owners, tables) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        Self { position, balances, owners, tables, changed }
    }

    pub fn of(&self, account: &Account) -> u64 {
        let amount = self.balances.get(&account.to_string()).copied().unwrap_or(0);
        u64::try_from(amount).unwrap_or(0)
    }

    /// All that the vault holds, as the books have it.
    pub fn held(&self) -> u64 {
        self.balances.get(&Account::Chain.to_string()).map_or(0, |amount| amount.unsigned_abs())
    }
}

fn subject(name: &str) -> Result<Subject, JournalError> {
    name.parse().map_err(|error: BadSubject| JournalError::Corrupt(error.to_string()))
}

fn subjects(names: &[String]) -> Result<Vec<Subject>, JournalError> {
    names.iter().map(|name| subject(name)).collect()
}

fn accounts_of(of: &Subject, names: &mut Vec<String>) {
    match of {
        Subject::Player(player) => {
            names.push(Account::Free(*player).to_string());
            names.push(Account::Reserved(*player).to_string());
        }
        Subject::Table(uid) => {
            let seats = (0..10).map(|seat| Account::Seat { uid: uid.clone(), seat }.to_string());
            names.extend(seats);
            names.push(Account::Rake { uid: uid.clone() }.to_string());
        }
        Subject::House => {}
    }
}

impl Journal {
    /// Returns the subjects that may be compared next, at most `most` of each kind.
    pub async fn candidates(&self, most: usize) -> Result<Candidates, JournalError> {
        let most = i64::try_from(most).unwrap_or(i64::MAX);
        let mut conn = self.pool.acquire().await?;
        let read = async |conn: &mut PgConnection, sql: &'static str| {
            subjects(&sqlx::query_scalar::<_, String>(sql).bind(most).fetch_all(conn).await?)
        };
        Ok(Candidates {
            // The sums are always compared, and a table that the journal does not know cannot be.
            differing: read(
                &mut conn,
                "SELECT subject FROM differing WHERE subject <> 'house' AND subject NOT LIKE 'table:0x%'
                 ORDER BY block, subject LIMIT $1",
            )
            .await?,
            changed: read(
                &mut conn,
                "SELECT subject FROM compared WHERE changed > compared AND subject <> 'house'
                 ORDER BY changed, subject LIMIT $1",
            )
            .await?,
            rest: read(
                &mut conn,
                "SELECT subject FROM compared WHERE changed <= compared AND subject <> 'house'
                 ORDER BY compared, subject LIMIT $1",
            )
            .await?,
        })
    }

    /// Everything that can be compared.
    pub async fn comparable(&self) -> Result<Vec<Subject>, JournalError> {
        let names = sqlx::query_scalar(
            "SELECT subject FROM compared WHERE subject <> 'house'
             UNION SELECT 'table:' || uid FROM tables ORDER BY 1",
        );
        subjects(&names.fetch_all(&self.pool).await?)
    }

    /// The contract's ids of tables.
    pub async fn table_ids(&self, uids: &[String]) -> Result<BTreeMap<String, [u8; 32]>, JournalError> {
        let rows: Vec<(String, Vec<u8>)> =
            sqlx::query_as("SELECT uid, table_id FROM tables WHERE uid = ANY($1)")
                .bind(uids)
                .fetch_all(&self.pool)
                .await?;
        rows.into_iter().map(|(uid, id)| Ok((uid, bytes(&id, "table_id")?))).collect()
    }

    /// Reads the books of these subjects at one moment. `None`: no block has been applied yet.
    pub async fn snapshot_of(&self, subjects: &BTreeSet<Subject>) -> Result<Option<Snapshot>, JournalError> {
        let mut tx = self.snapshot().await?;
        let Some(position) = cursor::position(&mut tx).await? else { return Ok(None) };
        let mut names = vec![Account::Chain.to_string(), Account::House.to_string()];
        subjects.iter().for_each(|subject| accounts_of(subject, &mut names));
        let uids: Vec<&str> = subjects
            .iter()
            .filter_map(|subject| match subject {
                Subject::Table(uid) => Some(uid.as_str()),
                _ => None,
            })
            .collect();
        let balances: Vec<(String, i64)> =
            sqlx::query_as("SELECT account, amount FROM balances WHERE account = ANY($1)")
                .bind(&names)
                .fetch_all(&mut *tx)
                .await?;
        let mut owners = BTreeMap::new();
        let rows = sqlx::query("SELECT uid, seat, player FROM seat_owners WHERE uid = ANY($1)")
            .bind(&uids)
            .fetch_all(&mut *tx)
            .await?;
        for row in rows {
            let player = PlayerId(bytes(row.try_get("player")?, "player")?);
            owners.insert((row.try_get("uid")?, seat_of(&row)?), player);
        }
        let rows =
            sqlx::query("SELECT * FROM tables WHERE uid = ANY($1)").bind(&uids).fetch_all(&mut *tx).await?;
        let tables = rows
            .iter()
            .map(|row| read_table(row).map(|table| (table.uid.clone(), table)))
            .collect::<Result<_, _>>()?;
        let named: Vec<String> = subjects.iter().chain([&Subject::House]).map(ToString::to_string).collect();
        let rows: Vec<(String, i64)> =
            sqlx::query_as("SELECT subject, changed FROM compared WHERE subject = ANY($1)")
                .bind(&named)
                .fetch_all(&mut *tx)
                .await?;
        let mut changed = BTreeMap::new();
        for (name, block) in rows {
            changed.insert(subject(&name)?, undb(block)?);
        }
        Ok(Some(Snapshot { position, balances: balances.into_iter().collect(), owners, tables, changed }))
    }

    /// Marks these subjects as compared at a block, unless they have changed since.
    pub async fn was_compared(&self, compared: &BTreeMap<Subject, u64>) -> Result<(), JournalError> {
        let blocks = compared.values().map(|block| db(*block, "block")).collect::<Result<Vec<_>, _>>()?;
        sqlx::query(
            "INSERT INTO compared AS c (subject, changed, compared)
             SELECT subject, 0, at FROM unnest($1::text[], $2::bigint[]) AS n (subject, at)
             ON CONFLICT (subject) DO UPDATE SET compared = GREATEST(c.compared, excluded.compared)",
        )
        .bind(compared.keys().map(ToString::to_string).collect::<Vec<_>>())
        .bind(blocks)
        .execute(&self.pool)
        .await?;
        Ok(())
    }
}
