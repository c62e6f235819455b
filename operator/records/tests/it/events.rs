//! The event stream on a real PostgreSQL: nothing that commits late is passed over, and everything comes.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests may fail loudly")]

use crate::common;

use common::{Postgres, TABLE, hand, player};
use purr_protocol::feed::{Feed, FeedItem, Happened};
use purr_records::Database;
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use std::collections::BTreeSet;

const TODAY: i32 = 20_000;

async fn connect(postgres: &Postgres) -> PgConnection {
    let mut connection = PgConnection::connect_with(&postgres.options()).await.unwrap();
    sqlx::query("SET search_path = records").execute(&mut connection).await.unwrap();
    connection
}

fn insert(key: &str) -> AssertSqlSafe<String> {
    AssertSqlSafe(format!(
        "INSERT INTO event_inbox (key, kind, version, at_ms, data) VALUES ('{key}', 'signIn', 1, 0, '{{}}')"
    ))
}

async fn ids(database: &Database, after: i64) -> (Vec<String>, i64) {
    let found = database.events(after, 1_000).await.unwrap();
    (found.events.into_iter().map(|event| event.id).collect(), found.next)
}

#[tokio::test]
async fn an_event_whose_transaction_commits_late_comes_after_those_that_were_read() {
    let postgres = Postgres::new();
    let database = postgres.database().await;
    let (mut slow, mut quick) = (connect(&postgres).await, connect(&postgres).await);
    let mut late = slow.begin().await.unwrap();
    // The lower number, and the later commit.
    sqlx::query(insert("late")).execute(&mut *late).await.unwrap();
    sqlx::query(insert("early")).execute(&mut quick).await.unwrap();
    assert_eq!(database.publish(TODAY).await.unwrap(), 1);
    let (first, cursor) = ids(&database, 0).await;
    assert_eq!(first, ["early"]);
    late.commit().await.unwrap();
    assert_eq!(database.publish(TODAY).await.unwrap(), 1);
    let (then, next) = ids(&database, cursor).await;
    assert_eq!(then, ["late"]);
    assert!(next > cursor);
    assert_eq!(ids(&database, next).await, (vec![], next));
}

#[tokio::test]
async fn a_reader_of_many_writers_and_two_publishers_gets_every_event_once_and_in_order() {
    let postgres = Postgres::new();
    let database = postgres.database().await;
    const WRITERS: usize = 6;
    const EACH: usize = 60;
    let mut writing = Vec::new();
    for writer in 0..WRITERS {
        let mut connection = connect(&postgres).await;
        writing.push(tokio::spawn(async move {
            for number in 0..EACH {
                let mut transaction = connection.begin().await.unwrap();
                sqlx::query(insert(&format!("{writer}-{number}"))).execute(&mut *transaction).await.unwrap();
                // Transactions of different lengths, so that numbers and commits cross.
                let hold = format!("SELECT pg_sleep(0.002 * {})", (number * 7 + writer * 3) % 5);
                sqlx::query(AssertSqlSafe(hold)).execute(&mut *transaction).await.unwrap();
                if number % 10 == 9 {
                    transaction.rollback().await.unwrap();
                } else {
                    transaction.commit().await.unwrap();
                }
            }
        }));
    }
    let publishing: Vec<_> = (0..2)
        .map(|_| {
            let database = Database::new(postgres.options());
            tokio::spawn(async move {
                loop {
                    database.publish(TODAY).await.unwrap();
                    tokio::task::yield_now().await;
                }
            })
        })
        .collect();
    let wanted = WRITERS * EACH * 9 / 10;
    let (mut cursor, mut read, mut looks) = (0, Vec::new(), 0);
    while read.len() < wanted {
        let (more, next) = ids(&database, cursor).await;
        assert!(next >= cursor);
        cursor = next;
        read.extend(more);
        looks += 1;
        assert!(looks < 100_000, "only {} of {wanted} came", read.len());
    }
    for writer in writing {
        writer.await.unwrap();
    }
    publishing.iter().for_each(|task| task.abort());
    assert_eq!(read.len(), wanted);
    assert_eq!(read.iter().collect::<BTreeSet<_>>().len(), wanted, "none twice");
    for writer in 0..WRITERS {
        let own: Vec<usize> =
            read.iter().filter_map(|id| id.strip_prefix(&format!("{writer}-"))?.parse().ok()).collect();
        assert!(own.is_sorted(), "one writer's events are in their order");
    }
}

#[tokio::test]
async fn hands_and_the_signers_feed_become_events_in_the_transaction_that_keeps_them() {
    let postgres = Postgres::new();
    let database = postgres.database().await;
    database.ingest(&[hand(1), hand(1), hand(2)]).await.unwrap();
    let seat = Happened::SeatTaken { table: TABLE.into(), seat: 3, player: player(1), amount: 500 };
    let deposit = Happened::Deposit { player: player(2), amount: 7 };
    let items = [("journal:1:0", seat), ("log:0x00:1", deposit), ("journal:3:0", Happened::Other)]
        .map(|(id, what)| FeedItem { id: id.into(), at_ms: 5, what })
        .to_vec();
    assert!(database.follow(0, &Feed { through: 3, items }).await.unwrap());
    while database.publish(TODAY).await.unwrap() > 0 {}
    let events = database.events(0, 100).await.unwrap().events;
    let kinds: Vec<&str> = events.iter().map(|event| event.kind.as_str()).collect();
    assert_eq!(kinds, ["handEnded", "handEnded", "seatTaken", "deposit"]);
    assert_eq!((events[0].data["hand"].as_i64(), events[2].data["seat"].as_i64()), (Some(1), Some(3)));
    assert_eq!(events[3].id, "log:0x00:1");
    // Retention drops whole days, by publication.
    database.drop_events_before(TODAY).await.unwrap();
    assert_eq!(database.events(0, 100).await.unwrap().events.len(), 4);
    assert!(database.drop_events_before(TODAY + 1).await.unwrap() >= 1);
    let left = database.events(0, 100).await.unwrap();
    assert_eq!((left.events.len(), left.oldest), (0, None));
}
