//! Ended hands for the fair-play program: complete, in order, none skipped, and refused to other roles.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests may fail loudly")]

use crate::certificates;
use crate::common;

use certificates::Authority;
use common::{Postgres, SEALED, TABLE, hand, record, stored};
use http::Method;
use purr_protocol::{
    fairplay_feed::{FedHand, HandFeed},
    hand::Site,
    record::HandRecord,
};
use purr_records::Database;
use purr_runtime::{Callers, CancellationToken, ClientError, Identity, InternalClient, Role, Server};
use sqlx::PgPool;
use std::time::Duration;
use tempfile::TempDir;
use tokio::net::TcpListener;

const WAIT: Duration = Duration::from_secs(10);

struct World {
    dir: TempDir,
    authority: Authority,
    address: String,
    database: Database,
    stop: CancellationToken,
    postgres: Postgres,
}

impl World {
    async fn new() -> Self {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let (dir, authority) = (tempfile::tempdir().unwrap(), Authority::new());
        let postgres = Postgres::new();
        let database = postgres.database().await;
        authority.issue(&dir.path().join("records"), &["records.role.purr.internal"]);
        let identity = Identity::load(&dir.path().join("records")).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let stop = CancellationToken::new();
        let server = Server { identity, callers: Callers::Roles, connections_max: 8 };
        let site = Site { name: "Here".into(), network: "Here".into(), unit: "USDC".into(), decimals: 6 };
        let routes = purr_records::http::routes(database.clone(), site);
        tokio::spawn(server.run(listener, routes, stop.clone()));
        Self { dir, authority, address, database, stop, postgres }
    }

    fn client(&self, role: &Role) -> InternalClient {
        let folder = self.dir.path().join(role.to_string());
        self.authority.issue(&folder, &[&role.to_string()]);
        InternalClient::new(Identity::load(&folder).unwrap(), &self.address, Role::Records)
    }

    async fn pool(&self) -> PgPool {
        PgPool::connect_with(self.postgres.options().options([("search_path", "records")])).await.unwrap()
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

async fn page(client: &InternalClient, after: i64, limit: i64) -> HandFeed {
    client.get(&format!("/v1/fairplay/hands?after={after}&limit={limit}"), WAIT).await.unwrap()
}

fn numbers(hands: &[FedHand]) -> Vec<i64> {
    hands.iter().map(|hand| hand.hand).collect()
}

#[tokio::test]
async fn hands_come_page_by_page_in_the_order_they_were_stored_with_all_that_is_sealed() {
    let world = World::new().await;
    world.database.ingest(&[hand(2), hand(1)]).await.unwrap();
    world.database.ingest(&[hand(3)]).await.unwrap();
    let client = world.client(&Role::FairPlay);
    let first = page(&client, 0, 2).await;
    assert_eq!(numbers(&first.hands), [2, 1]);
    assert_eq!(first.behind, 1);
    let rest = page(&client, first.next, 2).await;
    assert_eq!((numbers(&rest.hands), rest.behind), (vec![3], 0));
    assert_eq!(page(&client, rest.next, 2).await, HandFeed { hands: vec![], next: rest.next, behind: 0 });

    // The hash belongs to these bytes.
    let body = first.hands[1].record.as_ref().unwrap();
    assert_eq!(first.hands[1].hash, hex::encode(HandRecord::hash(body.as_bytes())));
    assert!(body.contains(SEALED));
    assert_eq!(first.hands[1].ended_at_ms, 1_700_000_000_001);
    let one: FedHand = client.get(&format!("/v1/fairplay/tables/{TABLE}/hands/1"), WAIT).await.unwrap();
    assert_eq!(one, first.hands[1]);
}

#[tokio::test]
async fn a_hand_whose_transaction_commits_late_is_not_skipped() {
    let world = World::new().await;
    let client = world.client(&Role::FairPlay);
    world.database.ingest(&[hand(1)]).await.unwrap();
    let start = page(&client, 0, 10).await.next;

    // Another replica has taken an id as the program does, and has not committed yet.
    let pool = world.pool().await;
    let mut slow = pool.begin().await.unwrap();
    let other = TABLE.replace("01", "02");
    sqlx::query("INSERT INTO tables (uid) VALUES ($1)").bind(&other).execute(&mut *slow).await.unwrap();
    sqlx::query("SELECT 1 FROM tables WHERE uid = $1 FOR UPDATE")
        .bind(&other)
        .execute(&mut *slow)
        .await
        .unwrap();
    sqlx::query(
        "INSERT INTO hands (table_uid, hand, hash, version, conflict, epoch, ended_ms, void, rake)
         VALUES ($1, 77, $2, 0, false, 1, 1700000000077, false, 0)",
    )
    .bind(&other)
    .bind([7u8; 32].as_slice())
    .execute(&mut *slow)
    .await
    .unwrap();
    // A later id is visible already.
    world.database.ingest(&[hand(2)]).await.unwrap();
    for _ in 0..3 {
        let held = page(&client, start, 10).await;
        assert_eq!((numbers(&held.hands), held.next), (vec![], start));
        assert_eq!(held.behind, 2);
    }
    slow.commit().await.unwrap();
    let all = page(&client, start, 10).await;
    assert_eq!(numbers(&all.hands), [77, 2]);
    assert!(all.hands[0].record.is_none(), "without a body it is past its retention");
}

#[tokio::test]
async fn numbers_of_a_transaction_that_was_rolled_back_are_passed_over() {
    let world = World::new().await;
    let (client, pool) = (world.client(&Role::FairPlay), world.pool().await);
    let mut gone = pool.begin().await.unwrap();
    sqlx::query("SELECT nextval('hands_id_seq')").execute(&mut *gone).await.unwrap();
    gone.rollback().await.unwrap();
    assert_eq!(page(&client, 0, 10).await, HandFeed { hands: vec![], next: 1, behind: 0 });
    world.database.ingest(&[hand(1)]).await.unwrap();
    assert_eq!(numbers(&page(&client, 1, 10).await.hands), [1]);
}

#[tokio::test]
async fn a_page_of_large_bodies_ends_before_its_limit_and_goes_on_after_it() {
    let world = World::new().await;
    let large = |number: u64| {
        let mut record = record(TABLE, number, 30);
        record.sealed = "A".repeat(900_000);
        stored(&record, &format!("{}-0", 1_700_000_000_000 + number))
    };
    world.database.ingest(&[large(1), large(2), large(3)]).await.unwrap();
    let client = world.client(&Role::FairPlay);
    let first = page(&client, 0, 10).await;
    assert_eq!((numbers(&first.hands), first.behind), (vec![1, 2], 1));
    assert_eq!(numbers(&page(&client, first.next, 10).await.hands), [3]);
}

#[tokio::test]
async fn only_the_fair_play_role_may_ask_and_bad_questions_are_named() {
    let world = World::new().await;
    world.database.ingest(&[hand(1)]).await.unwrap();
    let one = format!("/v1/fairplay/tables/{TABLE}/hands/1");
    for role in [Role::Gateway, Role::Controller, Role::ChainSigner, Role::Records, Role::Table(TABLE.into())]
    {
        let client = world.client(&role);
        for path in ["/v1/fairplay/hands", &one] {
            let (status, _) = client.raw(Method::GET, path, Default::default(), WAIT).await.unwrap();
            assert_eq!(status.as_u16(), 403, "{role} {path}");
        }
    }
    let client = world.client(&Role::FairPlay);
    // The gateway's routes stay the gateway's.
    let (status, _) = client
        .raw(Method::GET, &format!("/v1/tables/{TABLE}/hands/1/audit"), Default::default(), WAIT)
        .await
        .unwrap();
    assert_eq!(status.as_u16(), 403);
    for (query, kind) in [
        ("after=-1", "bad-request"),
        ("limit=0", "bad-request"),
        ("limit=501", "bad-request"),
        ("after=9", "cursor"),
    ] {
        let asked = client.get::<HandFeed>(&format!("/v1/fairplay/hands?{query}"), WAIT).await;
        let Err(ClientError::Problem(problem)) = asked else { panic!("{query}: {asked:?}") };
        assert!(problem.kind.ends_with(kind), "{query}: {problem:?}");
    }
    let missing = client.get::<FedHand>(&format!("/v1/fairplay/tables/{TABLE}/hands/9"), WAIT).await;
    assert_eq!(missing.unwrap_err().problem().unwrap().status, 404);
}
