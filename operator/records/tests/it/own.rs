//! A player's own hands, the lobby's figures of tables, and the log of staff's orders: on a real PostgreSQL.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests may fail loudly")]

use crate::certificates;
use crate::common;

use certificates::Authority;
use common::{Postgres, TABLE, player, record, stored};
use http::StatusCode;
use purr_protocol::{
    floor::{ActKind, Acts, NewAct, RecordedAct, StakesAsked, StakesPlayed},
    hand::Site,
};
use purr_records::{
    Database,
    api::Page,
    players::Statistics,
    rooms::Rooms,
    sessions::Sessions,
    tags::{Tagging, Tags},
};
use purr_runtime::{Callers, CancellationToken, ClientError, Identity, InternalClient, Role, Server};
use purr_store::StoredHand;
use std::time::Duration;
use tempfile::TempDir;
use tokio::net::TcpListener;

const WAIT: Duration = Duration::from_secs(10);
const MINUTE: i64 = 60_000;
/// 2023-11-14 22:00 UTC.
const HOUR: i64 = 1_699_999_200_000;

pub(crate) struct World {
    pub(crate) database: Database,
    gateway: InternalClient,
    _dir: TempDir,
    stop: CancellationToken,
    pub(crate) postgres: Postgres,
}

impl Drop for World {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::on(Postgres::new()).await
    }

    pub(crate) async fn on(postgres: Postgres) -> Self {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let (dir, authority) = (tempfile::tempdir().unwrap(), Authority::new());
        let database = postgres.database().await;
        let issue = |name: &str| {
            authority.issue(&dir.path().join(name), &[&format!("{name}.role.purr.internal")]);
            Identity::load(&dir.path().join(name)).unwrap()
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let stop = CancellationToken::new();
        let server = Server { identity: issue("records"), callers: Callers::Roles, connections_max: 8 };
        let site = Site { name: "Here".into(), network: "Here".into(), unit: "USDC".into(), decimals: 6 };
        tokio::spawn(server.run(listener, purr_records::http::routes(database.clone(), site), stop.clone()));
        let gateway = InternalClient::new(issue("gateway"), &address, Role::Records);
        Self { database, gateway, _dir: dir, stop, postgres }
    }

    pub(crate) async fn own<T: serde::de::DeserializeOwned>(&self, what: &str) -> T {
        self.gateway.get(&format!("/v1/players/{}/{what}", player(0)), WAIT).await.unwrap()
    }

    pub(crate) async fn numbers(&self, query: &str) -> Vec<i64> {
        self.own::<Page>(&format!("search?{query}")).await.hands.into_iter().map(|hand| hand.hand).collect()
    }

    async fn tag(&self, hand: i64, tags: &[&str]) -> Result<Tags, ClientError> {
        let tags = tags.iter().map(|tag| (*tag).to_owned()).collect();
        let tagging = Tagging { table: TABLE.into(), hand, tags };
        self.gateway.post(&format!("/v1/players/{}/tags", player(0)), &tagging, WAIT).await
    }
}

pub(crate) fn at(number: u64, ms: i64) -> StoredHand {
    stored(&record(TABLE, number, 30), &format!("{ms}-0"))
}

#[tokio::test]
async fn own_hands_are_found_by_day_and_by_own_tags_which_nobody_else_sees() {
    let world = World::new().await;
    let day = 86_400_000;
    world.database.ingest(&[at(1, HOUR), at(2, HOUR + day), at(3, HOUR + 2 * day)]).await.unwrap();
    assert_eq!(world.numbers("from=2023-11-15").await, [3, 2]);
    assert_eq!(world.numbers("to=2023-11-15").await, [2, 1]);
    assert_eq!(world.numbers("from=2023-11-15&to=2023-11-15").await, [2]);
    assert_eq!(world.tag(2, &[" bluff", "river"]).await.unwrap().tags, ["bluff", "river"]);
    world.tag(3, &["river"]).await.unwrap();
    assert_eq!(world.numbers("tag=river").await, [3, 2]);
    let page: Page = world.own("search?tag=bluff").await;
    assert_eq!(
        (page.hands[0].hand, page.hands[0].tags.as_slice()),
        (2, ["bluff".to_owned(), "river".into()].as_slice())
    );
    // The next set of tags replaces the previous one; another player finds nothing.
    world.tag(2, &[]).await.unwrap();
    assert_eq!(world.numbers("tag=bluff").await, Vec::<i64>::new());
    let path = format!("/v1/players/{}/search?tag=river", player(1));
    let other: Page = world.gateway.get(&path, WAIT).await.unwrap();
    assert_eq!(other.hands.len(), 0);
    let refused = |error: ClientError| error.problem().map(|problem| problem.status);
    assert_eq!(refused(world.tag(99, &["x"]).await.unwrap_err()), Some(404));
    assert_eq!(refused(world.tag(2, &["a,b"]).await.unwrap_err()), Some(400));
}

#[tokio::test]
async fn sessions_and_stakes_come_with_a_players_figures() {
    let world = World::new().await;
    let minutes = [0, 10, 45, 45 + 31];
    let hands: Vec<StoredHand> =
        (1..).zip(minutes).map(|(number, minute)| at(number, HOUR + minute * MINUTE)).collect();
    world.database.ingest(&hands).await.unwrap();
    let Sessions { sessions, more } = world.own("sessions").await;
    let told: Vec<(u64, i64)> = sessions.iter().map(|s| (s.hands, (s.to_ms - s.from_ms) / MINUTE)).collect();
    assert_eq!((told, more), (vec![(1, 0), (1, 0), (2, 10)], false));
    let figures: Statistics = world.own("statistics?stakes=1/2").await;
    assert_eq!(figures.hands, 0);
    let played: Vec<_> = figures.played.iter().map(|s| (s.small_blind, s.big_blind, s.hands)).collect();
    assert_eq!(played, [(5, 10, 4)], "whatever the filter");
}

#[tokio::test]
async fn tables_are_counted_by_the_hour_once_and_a_rebuild_gives_the_same() {
    let world = World::new().await;
    let hands = [at(1, HOUR), at(2, HOUR + MINUTE), at(3, HOUR + 61 * MINUTE)];
    world.database.ingest(&hands).await.unwrap();
    world.database.ingest(&hands).await.unwrap();
    let now = HOUR + 90 * MINUTE;
    let rooms = world.database.rooms(24, now).await.unwrap();
    let one = record(TABLE, 1, 30);
    let rake = i64::try_from(one.end.rake).unwrap();
    assert_eq!((rooms.all.hands, rooms.all.rake), (3, 3 * rake));
    // An hour with hands, and half of the running one; each pot is three raises to 30, and all three saw the flop.
    assert_eq!((rooms.all.hands_per_hour, rooms.all.average_pot), (Some(2.0), Some(90.0)));
    assert_eq!((rooms.all.players_per_flop, &rooms.tables[TABLE]), (Some(3.0), &rooms.all));
    assert_eq!(world.database.rooms(1, now).await.unwrap().all.hands, 1, "the running hour alone");
    let soon = world.database.rooms(1, HOUR + 60 * MINUTE + 1).await.unwrap().all.hands_per_hour;
    assert_eq!(soon, Some(60.0), "at least a minute of it");
    let later = world.database.rooms(24, now + 60 * MINUTE).await.unwrap().all.hands_per_hour;
    assert_eq!(later, Some(1.5), "hours that are over count whole");
    world.database.forget_counters().await.unwrap();
    assert_eq!(world.database.rooms(24, now).await.unwrap().all.hands, 0);
    while world.database.recount().await.unwrap() > 0 {}
    assert_eq!(world.database.rooms(24, now).await.unwrap(), rooms);
    // A second, different record of a hand takes it out of the figures.
    world.database.ingest(&[stored(&record(TABLE, 3, 40), "9-0")]).await.unwrap();
    assert_eq!(world.database.rooms(24, now).await.unwrap().all.hands, 2);
    let (status, _) =
        world.gateway.raw(http::Method::GET, "/v1/rooms?hours=0", Default::default(), WAIT).await.unwrap();
    assert_eq!(status, StatusCode::BAD_REQUEST);
    let _: Rooms = world.gateway.get("/v1/rooms", WAIT).await.unwrap();
}

#[tokio::test]
async fn orders_of_staff_are_appended_and_each_has_one_outcome() {
    let world = World::new().await;
    let act = |act, order| NewAct { actor: player(9), act, table: TABLE.into(), reason: "why".into(), order };
    let note = async |act: NewAct| world.gateway.post::<_, RecordedAct>("/v1/staff/acts", &act, WAIT).await;
    let first = note(act(ActKind::Pause, None)).await.unwrap().id;
    note(act(ActKind::Done, Some(first))).await.unwrap();
    let second = note(act(ActKind::Resume, None)).await.unwrap().id;
    assert!(note(act(ActKind::Done, Some(first))).await.is_err(), "an order ends once");
    assert!(
        note(act(ActKind::Done, None)).await.is_err()
            && note(act(ActKind::Pause, Some(first))).await.is_err()
    );
    let page: Acts = world.gateway.get("/v1/staff/acts?limit=2", WAIT).await.unwrap();
    let kinds: Vec<ActKind> = page.acts.iter().map(|act| act.what.act).collect();
    assert_eq!((kinds, page.acts[0].id), (vec![ActKind::Resume, ActKind::Done], second));
    let rest: Acts =
        world.gateway.get(&format!("/v1/staff/acts?before={}", page.next.unwrap()), WAIT).await.unwrap();
    assert_eq!((rest.acts.len(), rest.acts[0].what.act, rest.next), (1, ActKind::Pause, None));
}

#[tokio::test]
async fn stakes_of_before_are_the_highest_of_the_last_days_and_today_does_not_count() {
    let world = World::new().await;
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    let now_ms = i64::try_from(now.as_millis()).unwrap();
    let ask = async || {
        let asked = StakesAsked { players: vec![player(0), player(7)] };
        world.gateway.post::<_, StakesPlayed>("/v1/staff/stakes", &asked, WAIT).await.unwrap().highest
    };
    world.database.ingest(&[at(1, now_ms)]).await.unwrap();
    assert_eq!(ask().await, []);
    world.database.ingest(&[at(2, now_ms - 3 * 86_400_000)]).await.unwrap();
    assert_eq!(ask().await, [(player(0), 10)]);
}
