//! The release before starts on a schema that a later one has migrated, and the later one starts on it again.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests may fail loudly")]

use crate::common;

use common::{Postgres, hand};
use purr_records::{
    Database, Fate,
    database::{DatabaseError, migrations},
};
use purr_schema::SchemaError;
use sqlx::{
    Connection, PgConnection, SqlSafeStr as _,
    migrate::{Migration, MigrationType, Migrator},
};

/// Changes the schema as a later release would at its start.
async fn later(postgres: &Postgres, change: &'static str) {
    let mut all: Vec<Migration> = migrations().iter().cloned().collect();
    all.push(Migration::new(
        9_000,
        "of a later release".into(),
        MigrationType::Simple,
        change.into_sql_str(),
        false,
    ));
    let options = postgres.options().options([("search_path", "records")]);
    let mut connection = PgConnection::connect_with(&options).await.unwrap();
    Migrator::with_migrations(all).run(&mut connection).await.unwrap();
}

#[test]
fn a_migration_that_earlier_releases_cannot_use_declares_it() {
    assert_eq!(purr_schema::undeclared(&migrations()), Vec::<i64>::new());
}

#[tokio::test]
async fn hands_are_stored_from_release_to_release_and_back_across_a_migration() {
    let postgres = Postgres::new();
    assert_eq!(postgres.database().await.ingest(&[hand(1)]).await.unwrap(), [Fate::Stored]);
    for round in 1..=2 {
        later(&postgres, "ALTER TABLE hands ADD COLUMN later bigint NOT NULL DEFAULT 0").await;
        let before = Database::new(postgres.options());
        before.migrate().await.unwrap();
        let fates = before.ingest(&[hand(round), hand(round + 1)]).await.unwrap();
        assert_eq!(fates, [Fate::Duplicate, Fate::Stored]);
    }
}

#[tokio::test]
async fn a_schema_that_a_later_release_has_closed_to_earlier_ones_is_refused_by_name() {
    let postgres = Postgres::new();
    let database = postgres.database().await;
    later(
        &postgres,
        "CREATE TABLE breaking_migrations (migration bigint PRIMARY KEY); INSERT INTO breaking_migrations VALUES (9000)",
    )
    .await;
    let refused = database.migrate().await.unwrap_err();
    assert!(
        matches!(refused, DatabaseError::Schema(SchemaError::TooNew { schema: "records", migration: 9_000 })),
        "{refused}"
    );
}
