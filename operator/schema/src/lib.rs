//! Migrations of a PostgreSQL schema that a release can be rolled back across.
//!
//! # Guarantees
//! A program starts on a schema that a later release has migrated, and the later release starts on it again afterwards. Where a
//! migration declares that earlier releases cannot use the schema, a program that lacks this migration refuses to start.
//!
//! # Assumptions
//! The release before goes on writing to the schema. So a new column has a default or may be null, and nothing is removed,
//! renamed or narrowed: that waits until no release that uses it is rolled back to. A migration that has to, declares it:
//!
//! ```sql
//! CREATE TABLE IF NOT EXISTS breaking_migrations (migration bigint PRIMARY KEY);
//! INSERT INTO breaking_migrations VALUES (120); -- this migration's own number
//! ```
//!
//! [`undeclared`] finds migrations that take something away and do not say so; a test of each program calls it.
//!
//! # Caveats
//! What a value means is not looked at: a state that the release before does not know needs a declaration, too. The check is
//! made at the start, so a program that runs while a later release migrates goes on.

mod rules;

pub use rules::undeclared;

use sqlx::{
    AssertSqlSafe, PgPool,
    migrate::{MigrateError, Migrator},
};

#[derive(Debug, thiserror::Error)]
pub enum SchemaError {
    #[error("PostgreSQL: {0}")]
    Sql(#[from] sqlx::Error),
    #[error("PostgreSQL migration: {0}")]
    Migrate(#[from] MigrateError),
    #[error(
        "schema {schema} has migration {migration} of a later release, which earlier releases cannot use: run that release or a \
         later one"
    )]
    TooNew { schema: &'static str, migration: i64 },
}

/// Makes the schema, which must be the pool's search path, and applies the migrations that it lacks. Those of later releases
/// stay.
///
/// # Errors
/// Where PostgreSQL does not answer, a migration fails or was changed after it was applied, or the schema is too new.
pub async fn migrate(pool: &PgPool, schema: &'static str, mut known: Migrator) -> Result<(), SchemaError> {
    let there: bool =
        sqlx::query_scalar("SELECT to_regnamespace($1) IS NOT NULL").bind(schema).fetch_one(pool).await?;
    if !there {
        // The name is a constant of the program, not input.
        sqlx::query(AssertSqlSafe(format!("CREATE SCHEMA IF NOT EXISTS {schema}"))).execute(pool).await?;
    }
    let breaking = numbers(pool, "breaking_migrations", "migration").await?;
    if let Some(migration) = breaking.into_iter().find(|migration| !known.version_exists(*migration)) {
        return Err(SchemaError::TooNew { schema, migration });
    }
    known.set_ignore_missing(true);
    known.run(pool).await?;
    let applied = numbers(pool, "_sqlx_migrations", "version").await?;
    let later: Vec<i64> = applied.into_iter().filter(|version| !known.version_exists(*version)).collect();
    if !later.is_empty() {
        tracing::warn!(schema, ?later, "the schema has migrations of a later release");
    }
    Ok(())
}

/// Reads all migration numbers from a table that may not exist.
async fn numbers(pool: &PgPool, table: &'static str, column: &'static str) -> Result<Vec<i64>, sqlx::Error> {
    let there: bool =
        sqlx::query_scalar("SELECT to_regclass($1) IS NOT NULL").bind(table).fetch_one(pool).await?;
    if !there {
        return Ok(Vec::new());
    }
    let sql = AssertSqlSafe(format!("SELECT {column} FROM {table} ORDER BY 1"));
    sqlx::query_scalar(sql).fetch_all(pool).await
}
