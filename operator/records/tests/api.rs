//! Hands out again: over mutual TLS, from a real PostgreSQL.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests may fail loudly")]

#[path = "../../runtime/tests/common/certificates.rs"]
mod certificates;
mod common;

use certificates::Authority;
use common::{Postgres, SEALED, TABLE, hand, player, record, stored};
use http::{Method, StatusCode};
use purr_engine::{
    ohh::{Context, Ohh},
    phh::Phh,
};
use purr_protocol::{Problem, audit::AuditBox, record::HandRecord};
use purr_records::{
    Database,
    api::{Gaps, Hand, Page},
    players::{Graph, Statistics},
};
use purr_runtime::{Callers, CancellationToken, Identity, InternalClient, Role, Server};
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
    _postgres: Postgres,
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
        tokio::spawn(server.run(listener, purr_records::http::routes(database.clone()), stop.clone()));
        Self { dir, authority, address, database, stop, _postgres: postgres }
    }

    fn client(&self, name: &str) -> InternalClient {
        let folder = self.dir.path().join(name);
        self.authority.issue(&folder, &[name]);
        InternalClient::new(Identity::load(&folder).unwrap(), &self.address, Role::Records)
    }

    fn gateway(&self) -> InternalClient {
        self.client("gateway.role.purr.internal")
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

async fn text(client: &InternalClient, path: &str) -> (StatusCode, String) {
    let (status, body) = client.raw(Method::GET, path, Default::default(), WAIT).await.unwrap();
    (status, String::from_utf8(body.to_vec()).unwrap())
}

#[tokio::test]
async fn a_hand_is_fetched_as_json_and_as_phh_and_its_sealed_part_never_leaves() {
    let world = World::new().await;
    world.database.ingest(&[hand(1)]).await.unwrap();
    let gateway = world.gateway();
    let one = format!("/v1/tables/{TABLE}/hands/1");
    let hand: Hand = gateway.get(&one, WAIT).await.unwrap();
    let record = record(TABLE, 1, 30);
    assert_eq!((hand.history, hand.end), (record.history.clone(), record.end));
    assert_eq!((hand.hash.as_str(), hand.conflict), (common::hand(1).hash.as_str(), false));
    assert_eq!(hand.ended_at_ms, 1_700_000_000_001);

    let (status, phh) = text(&gateway, &format!("{one}?format=phh")).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(Phh::parse(&phh).unwrap(), Phh::from_history(&record.history));

    let (status, ohh) = text(&gateway, &format!("{one}?format=ohh")).await;
    assert_eq!(status, StatusCode::OK);
    let context = Context { table_name: TABLE.into(), ..Context::default() };
    assert_eq!(Ohh::parse(&ohh).unwrap(), Ohh::from_history(&record.history, &context));

    let lists = [format!("/v1/tables/{TABLE}/hands"), format!("/v1/players/{}/hands", player(0))];
    for path in ["", "?format=phh", "?format=ohh", "?format=json"]
        .map(|query| format!("{one}{query}"))
        .into_iter()
        .chain(lists)
    {
        let (status, body) = text(&gateway, &path).await;
        assert_eq!(status, StatusCode::OK, "{path}");
        assert!(!body.contains(SEALED) && !body.contains("sealed"), "{path}: {body}");
    }
}

#[tokio::test]
async fn the_auditors_part_leaves_by_its_own_path_only() {
    let world = World::new().await;
    let part = AuditBox { key: "0123".into(), encapsulated: "ab".repeat(32), leaves: "AUDITED".into() };
    let audited = HandRecord { audit: Some(part), ..record(TABLE, 1, 30) };
    world.database.ingest(&[stored(&audited, "1-0")]).await.unwrap();
    let one = format!("/v1/tables/{TABLE}/hands/1");
    let (_, public) = text(&world.gateway(), &one).await;
    assert!(!public.contains("AUDITED"), "{public}");
    let (status, body) = text(&world.gateway(), &format!("{one}/audit")).await;
    assert!(status == StatusCode::OK && !body.contains(SEALED), "{body}");
    let given: HandRecord = serde_json::from_str(&body).unwrap();
    assert_eq!(given, HandRecord { sealed: String::new(), ..audited });
    assert_eq!(
        text(&world.gateway(), &format!("/v1/tables/{TABLE}/hands/2/audit")).await.0,
        StatusCode::NOT_FOUND
    );
}

#[tokio::test]
async fn hole_cards_that_a_table_let_slip_stop_here() {
    let world = World::new().await;
    let mut slipped = record(TABLE, 1, 30);
    let cards = ["As", "Ks"].map(|card| card.parse().unwrap());
    slipped.history.events.insert(1, purr_engine::Event::Dealt { seat: purr_engine::SeatIndex(0), cards });
    world.database.ingest(&[stored(&slipped, "1-0")]).await.unwrap();
    for format in ["json", "phh", "ohh"] {
        let (status, body) =
            text(&world.gateway(), &format!("/v1/tables/{TABLE}/hands/1?format={format}")).await;
        assert_eq!(status, StatusCode::OK);
        assert!(!body.contains("As") && !body.contains("dealt\":"), "{body}");
    }
}

#[tokio::test]
async fn pages_follow_each_other_without_gap_or_repeat() {
    let world = World::new().await;
    let batch: Vec<_> = (1..=7).map(hand).chain([stored(&record("abc", 1, 30), "9-0")]).collect();
    world.database.ingest(&batch).await.unwrap();
    // A conflict is one line of the list, flagged.
    world.database.ingest(&[stored(&record(TABLE, 4, 40), "9-1")]).await.unwrap();
    let gateway = world.gateway();
    let lists = [
        (format!("/v1/tables/{TABLE}/hands"), vec![7, 6, 5, 4, 3, 2, 1]),
        (format!("/v1/players/{}/hands", player(2)), vec![1, 7, 6, 5, 4, 3, 2, 1]),
    ];
    for (path, want) in lists {
        let (mut seen, mut before) = (Vec::new(), String::new());
        loop {
            let page: Page = gateway.get(&format!("{path}?limit=3{before}"), WAIT).await.unwrap();
            assert!(page.hands.len() <= 3);
            for hand in page.hands {
                assert_eq!(hand.results.len(), 3);
                assert_eq!(hand.conflict, hand.hand == 4);
                seen.push(hand.hand);
            }
            let Some(next) = page.next else { break };
            before = format!("&before={next}");
        }
        assert_eq!(seen, want);
    }
    let nobody: Page = gateway.get(&format!("/v1/players/{}/hands", player(9)), WAIT).await.unwrap();
    assert_eq!(nobody, Page { hands: vec![], next: None });
    let both: Hand = gateway.get(&format!("/v1/tables/{TABLE}/hands/4"), WAIT).await.unwrap();
    assert!(both.conflict && both.hashes.len() == 2 && both.hash == both.hashes[0]);
    let second = format!("/v1/tables/{TABLE}/hands/4?hash={}", both.hashes[1]);
    assert_eq!(gateway.get::<Hand>(&second, WAIT).await.unwrap().hash, both.hashes[1]);
}

#[tokio::test]
async fn gaps_can_be_asked_for() {
    let world = World::new().await;
    world.database.ingest(&[hand(2), hand(6)]).await.unwrap();
    let gaps: Gaps = world.gateway().get(&format!("/v1/tables/{TABLE}/gaps"), WAIT).await.unwrap();
    let gaps: Vec<(i64, i64)> = gaps.gaps.iter().map(|gap| (gap.first, gap.last)).collect();
    assert_eq!(gaps, [(1, 1), (3, 5)]);
}

#[tokio::test]
async fn what_is_wrong_is_said_as_a_problem() {
    let world = World::new().await;
    let gateway = world.gateway();
    let hands = format!("/v1/tables/{TABLE}/hands");
    let cases = [
        (format!("{hands}/1"), 404, "no-such-hand"),
        (format!("{hands}/0"), 400, "bad-request"),
        (format!("{hands}/x"), 400, "bad-request"),
        (format!("{hands}/1?format=xml"), 400, "bad-request"),
        (format!("{hands}/1?hash=00"), 400, "bad-request"),
        (format!("{hands}?limit=0"), 400, "bad-request"),
        (format!("{hands}?limit=201"), 400, "bad-request"),
        (format!("{hands}?before=0"), 400, "bad-request"),
        (format!("{hands}?before=x"), 400, "bad-request"),
        ("/v1/tables/x%27y/hands".into(), 400, "bad-request"),
        ("/v1/players/0x12/hands".into(), 400, "bad-request"),
        ("/v1/nothing".into(), 404, "not-found"),
    ];
    for (path, status, code) in cases {
        let (got, body) = text(&gateway, &path).await;
        let problem: Problem = serde_json::from_str(&body).unwrap_or_else(|_| panic!("{path}: {body}"));
        assert_eq!((got.as_u16(), problem.code()), (status, code), "{path}: {body}");
    }
}

#[tokio::test]
async fn only_gateways_are_answered() {
    let world = World::new().await;
    world.database.ingest(&[hand(1)]).await.unwrap();
    let table = format!("{TABLE}.table.role.purr.internal");
    for role in ["controller.role.purr.internal", "chain-signer.role.purr.internal", &table] {
        for path in
            [format!("/v1/tables/{TABLE}/hands"), format!("/v1/tables/{TABLE}/hands/1"), "/v1/x".into()]
        {
            let (status, _) = text(&world.client(role), &path).await;
            assert_eq!(status, StatusCode::FORBIDDEN, "{role} {path}");
        }
    }
}

#[tokio::test]
async fn a_players_statistics_have_their_samples_and_intervals_and_fit_the_filters() {
    let world = World::new().await;
    // Three on 2023-11-14; seat 0 has the button, raises each hand, and nobody folds.
    world.database.ingest(&[hand(1), hand(2), hand(3)]).await.unwrap();
    let client = world.gateway();
    let of = async |seat: u8, query: &str| -> Statistics {
        let path = format!("/v1/players/{}/statistics{query}", player(seat));
        client.get(&path, WAIT).await.unwrap()
    };
    let all = of(0, "").await;
    assert_eq!(all.hands, 3);
    let pfr = all.rates["pfr"].unwrap();
    assert_eq!((pfr.n, pfr.value), (3, 1.0));
    assert!(pfr.low > 0.4 && pfr.low < 0.5 && pfr.high == 1.0, "{pfr:?}");
    assert_eq!(all.rates["steal"].unwrap().n, 3);
    assert_eq!(all.rates["fourBet"], None);
    assert_eq!(all.won.unwrap().per_100.n, 3);
    for (query, hands) in [
        ("?stakes=5/10&seats=3&position=btn&from=2023-11-14&to=2023-11-14", 3),
        ("?position=bb", 0),
        ("?seats=6", 0),
        ("?stakes=1/2", 0),
        ("?to=2023-11-13", 0),
        ("?from=2023-11-15", 0),
    ] {
        assert_eq!(of(0, query).await.hands, hands, "{query}");
    }
    let graph: Graph = client.get(&format!("/v1/players/{}/graph", player(0)), WAIT).await.unwrap();
    assert_eq!(
        (graph.points.len(), graph.points[0].day.as_str(), graph.points[0].hands),
        (1, "2023-11-14", 3)
    );
    for bad in ["seats=1", "stakes=5", "position=x", "from=x", "to=14.11.2023"] {
        let (status, _) = text(&client, &format!("/v1/players/{}/statistics?{bad}", player(0))).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{bad}");
    }
}

#[tokio::test]
async fn own_hands_are_found_by_shown_cards_result_pot_and_opponent_page_by_page() {
    let world = World::new().await;
    world
        .database
        .ingest(&[hand(1), stored(&record(TABLE, 2, 60), "1700000000002-0"), hand(3)])
        .await
        .unwrap();
    let client = world.gateway();
    let found = async |query: &str| -> Vec<i64> {
        let mut hands = Vec::new();
        let mut before = String::new();
        loop {
            let path = format!("/v1/players/{}/search?limit=1{query}{before}", player(0));
            let page: Page = client.get(&path, WAIT).await.unwrap();
            hands.extend(page.hands.iter().map(|hand| hand.hand));
            match page.next {
                Some(next) => before = format!("&before={next}"),
                None => return hands,
            }
        }
    };
    assert_eq!(found("").await, [3, 2, 1]);
    assert_eq!(found("&potMin=150").await, [2]);
    assert_eq!(found("&potMax=150").await, [3, 1]);
    assert_eq!(found(&format!("&opponent={}", player(1))).await, [3, 2, 1]);
    assert!(found(&format!("&opponent={}", player(9))).await.is_empty());
    let (won, lost) = (found("&result=won").await, found("&result=lost").await);
    assert_eq!(won.len() + lost.len(), 3);
    // The board plays, so everybody shows.
    assert_eq!(found("&cards=3d2h").await, [3, 2, 1]);
    assert!(found("&cards=2c2d").await.is_empty());
    let (status, _) = text(&client, &format!("/v1/players/{}/search?cards=AsAs", player(0))).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
}
