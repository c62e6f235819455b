//! A player who asks to be forgotten, on a real PostgreSQL.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests may fail loudly")]

use crate::common;

use common::{Postgres, hand, player};
use sqlx::{AssertSqlSafe, Connection, PgConnection};

async fn ask(postgres: &Postgres, sql: &str) -> Vec<String> {
    let mut connection = PgConnection::connect_with(&postgres.options()).await.unwrap();
    sqlx::query("SET search_path = records").execute(&mut connection).await.unwrap();
    sqlx::query_scalar(AssertSqlSafe(sql.to_owned())).fetch_all(&mut connection).await.unwrap()
}

#[tokio::test]
async fn an_erased_player_is_counted_no_more_and_found_nowhere_and_results_stay() {
    let postgres = Postgres::new();
    let database = postgres.database().await;
    database.ingest(&[hand(1), hand(2)]).await.unwrap();
    let results = "SELECT string_agg(hand_id || ':' || seat || ':' || delta, ',' ORDER BY hand_id, seat) FROM hand_players";
    let before = ask(&postgres, results).await;
    assert_eq!(database.erase(player(1)).await.unwrap(), 2);
    // Later hands of the player, and a rebuild, are not counted either.
    database.ingest(&[hand(3)]).await.unwrap();
    assert_eq!(database.erase(player(1)).await.unwrap(), 1);
    let counted = "SELECT c::text FROM player_counters c ORDER BY 1";
    let live = ask(&postgres, counted).await;
    database.forget_counters().await.unwrap();
    while database.recount().await.unwrap() > 0 {}
    assert_eq!(ask(&postgres, counted).await, live);
    assert_eq!(ask(&postgres, "SELECT sum(hands)::text FROM player_counters").await, ["6"]);
    let own = hex::encode(player(1).0);
    for sql in [
        format!("SELECT count(*)::text FROM player_counters WHERE player = decode('{own}', 'hex')"),
        format!("SELECT count(*)::text FROM hand_players WHERE player = decode('{own}', 'hex')"),
        format!("SELECT count(*)::text FROM event_inbox WHERE data::text LIKE '%{own}%'"),
    ] {
        assert_eq!(ask(&postgres, &sql).await, ["0"], "{sql}");
    }
    let after = ask(&postgres, results).await;
    assert!(after[0].starts_with(&before[0]), "results stay as they were");
}
