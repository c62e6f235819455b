//! A player's own hands are found whatever the number of hands, and in rows that a release before wrote: on a real PostgreSQL.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests may fail loudly")]

use crate::{
    common::{Postgres, TABLE, player},
    own::{World, at},
};
use purr_records::{api::Page, database::migrations};
use sqlx::{
    AssertSqlSafe, Connection, PgConnection,
    migrate::{Migration, Migrator},
};
use std::time::Duration;
use tokio::time::timeout;

/// 2023-11-14 22:00 UTC.
const FIRST: i64 = 1_699_999_200_000;
const DAY: i64 = 86_400_000;

async fn run(postgres: &Postgres, sql: &str) {
    let options = postgres.options().options([("search_path", "records")]);
    let mut connection = PgConnection::connect_with(&options).await.unwrap();
    sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(&mut connection).await.unwrap();
}

/// Inserts hands with these numbers and players 0 and 1 as a release before migration 0070 stores them: one a day, with
/// a pot of 100 times the number.
fn of_before(numbers: std::ops::RangeInclusive<i64>) -> String {
    let hex = |seat| hex::encode(player(seat).0);
    let (first, last) = (numbers.start(), numbers.end());
    format!(
        "INSERT INTO tables (uid, highest) VALUES ('{TABLE}', {last}) ON CONFLICT (uid) DO UPDATE SET highest = {last};
         INSERT INTO hands (table_uid, hand, hash, version, conflict, epoch, ended_ms, void, rake, pot, counted)
         SELECT '{TABLE}', n, decode(lpad(to_hex(n), 64, '0'), 'hex'), 0, false, 1, {FIRST} + n * {DAY}, false, 0, 100 * n, true
         FROM generate_series({first}::bigint, {last}) n;
         INSERT INTO hand_players (hand_id, seat, player, delta, stack)
         SELECT id, 0, decode('{}', 'hex'), 10, 1000 FROM hands WHERE hand BETWEEN {first} AND {last}
         UNION ALL SELECT id, 1, decode('{}', 'hex'), -10, 1000 FROM hands WHERE hand BETWEEN {first} AND {last}",
        hex(0),
        hex(1),
    )
}

async fn migrated_up_to(postgres: &Postgres, last: i64) {
    let known: Vec<Migration> =
        migrations().iter().filter(|migration| migration.version <= last).cloned().collect();
    let options = postgres.options().options([("search_path", "records")]);
    let answers = async {
        loop {
            match PgConnection::connect_with(&options).await {
                Ok(connection) => break connection,
                Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            }
        }
    };
    let mut connection = timeout(Duration::from_secs(60), answers).await.expect("PostgreSQL does not answer");
    sqlx::query("CREATE SCHEMA records").execute(&mut connection).await.unwrap();
    Migrator::with_migrations(known).run(&mut connection).await.unwrap();
}

async fn found(world: &World) {
    // 2023-11-15 is hand 1's.
    assert_eq!(world.numbers("from=2023-11-16&to=2023-11-16").await, [2]);
    assert_eq!(world.numbers("from=2023-11-16&to=2023-11-18").await, [4, 3, 2]);
    assert_eq!(world.numbers("to=2023-11-16").await, [2, 1]);
    assert_eq!(world.numbers("potMin=300&potMax=400").await, [4, 3]);
    assert_eq!(world.numbers("potMin=300&from=2023-11-18").await[..], *world.numbers("potMin=400").await);
    assert_eq!(world.numbers("potMin=9900").await, Vec::<i64>::new());
}

#[tokio::test]
async fn hands_of_a_release_before_are_found_by_day_and_pot_before_between_and_after_they_are_filled() {
    let postgres = Postgres::new();
    migrated_up_to(&postgres, 60).await;
    run(&postgres, &of_before(1..=5)).await;
    let world = World::on(postgres).await;
    found(&world).await;
    // A late hand of this release, and hands of the previous release, which runs beside it or after a rollback.
    world.database.ingest(&[at(6, FIRST + 5 * DAY)]).await.unwrap();
    run(&world.postgres, &of_before(7..=7)).await;
    found(&world).await;
    let missing = "SELECT count(*) FROM records.hand_players WHERE day IS NULL OR pot IS NULL";
    let mut connection = PgConnection::connect_with(&world.postgres.options()).await.unwrap();
    for left in [10, 6, 2, 0] {
        assert_eq!(sqlx::query_scalar::<_, i64>(missing).fetch_one(&mut connection).await.unwrap(), left);
        world.database.fill_players(2).await.unwrap();
        found(&world).await;
    }
    assert_eq!(world.database.fill_players(2).await.unwrap(), 0);
    let other = "SELECT count(*) FROM records.hand_players p JOIN records.hands h ON h.id = p.hand_id
                 WHERE (p.day, p.pot) IS DISTINCT FROM ((h.ended_ms / 86400000)::integer, h.pot)";
    assert_eq!(sqlx::query_scalar::<_, i64>(other).fetch_one(&mut connection).await.unwrap(), 0);
    // Finds the late hand, and the earlier one that ended on the same day.
    assert_eq!(world.numbers("from=2023-11-19&to=2023-11-19").await, [6, 5]);
}

#[tokio::test]
async fn a_search_goes_on_below_what_a_page_has_examined_and_finds_each_hand_once() {
    let world = World::new().await;
    run(&world.postgres, &of_before(1..=12_000)).await;
    run(
        &world.postgres,
        "UPDATE hand_players p SET delta = -1 FROM hands h WHERE h.id = p.hand_id AND h.hand IN (1, 2, 4000, 11990)",
    )
    .await;
    let (mut before, mut hands, mut pages) = (i64::MAX, Vec::new(), 0);
    loop {
        let page: Page = world.own(&format!("search?result=lost&limit=2&before={before}")).await;
        hands.extend(page.hands.iter().map(|hand| hand.hand));
        pages += 1;
        let Some(next) = page.next else { break };
        assert!(next < before);
        before = next;
    }
    assert_eq!((hands.as_slice(), pages), ([11_990, 4_000, 2, 1].as_slice(), 7));
    // A search by day, pot or opponent finds its hands in one page, however old they are.
    for query in [
        "from=2023-11-15&to=2023-11-17",
        "potMax=300",
        "from=2023-11-01&to=2023-11-17&result=won&opponent=OTHER",
    ] {
        let query = query.replace("OTHER", &player(1).to_string());
        assert_eq!(
            world.numbers(&query).await.last(),
            Some(if query.contains("won") { &3 } else { &1 }),
            "{query}"
        );
    }
    // Too many fit for the index alone: the search walks down from the newest of them.
    let page: Page = world.own("search?from=2030-01-01&to=2040-11-17&potMax=800000&limit=1").await;
    assert!(page.hands[0].hand <= 8_000 && page.hands[0].hand > 6_000, "{}", page.hands[0].hand);
}
