//! The release before starts on a journal that a later one has migrated, and the later one starts on it again.

#![allow(clippy::unwrap_used, clippy::panic)]

use crate::common;

use common::{
    House, eventually,
    table::{Table, player},
};
use purr_chain_signer::journal;
use purr_protocol::settlement::Balance;
use purr_runtime::Role;
use sqlx::{
    PgPool, SqlSafeStr as _,
    migrate::{Migration, MigrationType, Migrator},
};
use std::time::Duration;

const USDC: u64 = 1_000_000;
const WAIT: Duration = Duration::from_secs(15);

/// Changes the schema as a later release would at its start.
async fn later(sql: &PgPool, change: &'static str) {
    let mut all: Vec<Migration> = journal::migrations().iter().cloned().collect();
    all.push(Migration::new(
        9_000,
        "of a later release".into(),
        MigrationType::Simple,
        change.into_sql_str(),
        false,
    ));
    Migrator::with_migrations(all).run(sql).await.unwrap();
}

#[test]
fn a_migration_that_earlier_releases_cannot_use_declares_it() {
    assert_eq!(purr_schema::undeclared(&journal::migrations()), Vec::<i64>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn hands_go_on_from_release_to_release_and_back_across_a_migration() {
    const CHANGE: &str = "ALTER TABLE tables ADD COLUMN later text NOT NULL DEFAULT 'unknown';
        ALTER TABLE entries ADD COLUMN later bigint; CREATE TABLE later (id bigint PRIMARY KEY)";
    let house = House::new().await;
    let mut signer = house.start_signer();
    signer.ready().await;
    house.fund(2, 100 * USDC).await;
    let mut table = Table::open(&house, &signer).await;
    for n in 1..=2 {
        let gateway = house.client(&signer, &Role::Gateway);
        eventually("the deposit is seen", || async {
            let balance: Balance = gateway.get(&format!("/v1/balances/{}", player(n)), WAIT).await.unwrap();
            (balance.free == 100 * USDC).then_some(())
        })
        .await;
        table.sit(&house, n, 50 * USDC, 1).await;
    }
    let sql = house.sql().await;
    for change in [1, -1, 2] {
        table.submit(table.hand(&[(1, change), (2, -change)], 0)).await;
        signer.process.kill();
        // The later release applies it once, and finds it at each later start.
        later(&sql, CHANGE).await;
        signer = house.start_signer();
        table.again(&house, &signer);
        signer.ready().await;
        let seq = table.submit(table.hand(&[(1, change), (2, -change)], 0)).await;
        table.confirmed(seq).await;
    }
    let later: i64 = sqlx::query_scalar("SELECT count(*) FROM tables WHERE later = 'unknown'")
        .fetch_one(&sql)
        .await
        .unwrap();
    assert_eq!(later, 1, "the later release reads what the release before has written");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_journal_that_a_later_release_has_closed_to_earlier_ones_is_refused_by_name() {
    let house = House::new().await;
    let mut signer = house.start_signer();
    signer.ready().await;
    signer.process.kill();
    let sql = house.sql().await;
    later(
        &sql,
        "CREATE TABLE breaking_migrations (migration bigint PRIMARY KEY); INSERT INTO breaking_migrations VALUES (9000)",
    )
    .await;
    signer = house.start_signer();
    signer.not_ready("schema signer has migration 9000 of a later release").await;
}
