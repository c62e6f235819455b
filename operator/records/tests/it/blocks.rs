//! Sums over blocks of days equal the sums over their days, whatever changes a day: on a real PostgreSQL.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests may fail loudly")]

use crate::{
    common::{TABLE, player, record, stored},
    own::{World, at},
};
use purr_records::players::Statistics;
use sqlx::{Connection, PgConnection};

/// 2023-11-14, the first day of hands; blocks begin at days that 32 divides.
const FIRST: i64 = 1_699_999_200_000;
const DAY: i64 = 86_400_000;
const TODAY: i32 = 20_000;

async fn all(world: &World) -> [Statistics; 4] {
    [
        world.own("statistics").await,
        world.own("statistics?stakes=5/10&seats=3&position=btn").await,
        world.own("statistics?from=2023-11-20&to=2024-02-10").await,
        world.own("statistics?from=2023-12-02").await,
    ]
}

async fn sum(world: &World) -> u64 {
    let mut summed = 0;
    loop {
        match world.database.sum_blocks(TODAY, 2).await.unwrap() {
            0 => return summed,
            more => summed += more,
        }
    }
}

#[tokio::test]
async fn figures_over_summed_blocks_are_those_over_days_after_every_change() {
    let world = World::new().await;
    let hands: Vec<_> = (0..60).map(|n| at(n + 1, FIRST + i64::try_from(n).unwrap() * 2 * DAY)).collect();
    world.database.ingest(&hands).await.unwrap();
    let days = all(&world).await;
    assert_eq!(days[0].hands, 60);
    assert!(days[2].hands > 30 && days[2].hands < 60, "{}", days[2].hands);
    // Three players, and 119 days that touch five blocks.
    assert_eq!((sum(&world).await, sum(&world).await), (15, 0));
    assert_eq!(all(&world).await, days);
    // A late hand counts at once, and is in the sums then.
    world.database.ingest(&[at(61, FIRST + DAY)]).await.unwrap();
    let late = all(&world).await;
    assert_eq!(late[0].hands, 61);
    assert_eq!((sum(&world).await, all(&world).await), (3, late));
    // A second, different record of the hand takes it out of the counters.
    world.database.ingest(&[stored(&record(TABLE, 61, 40), &format!("{}-1", FIRST + DAY))]).await.unwrap();
    assert_eq!(all(&world).await, days);
    assert_eq!((sum(&world).await, all(&world).await), (3, days.clone()));
    // Everything is counted again.
    world.database.forget_counters().await.unwrap();
    assert_eq!(all(&world).await[0].hands, 0);
    while world.database.recount().await.unwrap() > 0 {}
    assert_eq!(all(&world).await, days);
    assert_eq!((sum(&world).await, all(&world).await), (15, days));
    // An erased player's data is gone and does not come back.
    world.database.erase(player(0)).await.unwrap();
    sum(&world).await;
    assert_eq!(all(&world).await[0].hands, 0);
    let mut connection = PgConnection::connect_with(&world.postgres.options()).await.unwrap();
    for table in ["player_blocks", "player_blocks_summed"] {
        let sql = sqlx::AssertSqlSafe(format!(
            "SELECT count(DISTINCT player), count(*) FILTER (WHERE player = $1) FROM records.{table}"
        ));
        let (players, own): (i64, i64) =
            sqlx::query_as(sql).bind(player(0).0.as_slice()).fetch_one(&mut connection).await.unwrap();
        assert_eq!((players, own), (2, 0), "{table}");
    }
}

#[tokio::test]
async fn a_block_is_not_summed_while_a_transaction_changes_it_and_is_summed_with_it_afterwards() {
    let world = World::new().await;
    world.database.ingest(&[at(1, FIRST)]).await.unwrap();
    assert_eq!(sum(&world).await, 3);
    let mut other = PgConnection::connect_with(&world.postgres.options()).await.unwrap();
    sqlx::query("BEGIN").execute(&mut other).await.unwrap();
    sqlx::query("UPDATE records.player_counters SET won = won + 7").execute(&mut other).await.unwrap();
    let before: Statistics = world.own("statistics").await;
    assert_eq!(sum(&world).await, 0, "held by the transaction");
    sqlx::query("COMMIT").execute(&mut other).await.unwrap();
    let after: Statistics = world.own("statistics").await;
    assert_ne!(before.won, after.won);
    assert_eq!(sum(&world).await, 3);
    assert_eq!(world.own::<Statistics>("statistics").await, after);
}
