//! Reads stored hands over mutual TLS, from a real PostgreSQL.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests may fail loudly")]

use crate::certificates;
use crate::common;

use certificates::Authority;
use common::{Postgres, SEALED, TABLE, hand, player, record, stored};
use http::{Method, StatusCode};
use purr_engine::{
    ohh::{Context, Ohh},
    phh::Phh,
};
use purr_protocol::{
    HistoryNames, HistoryRule, Problem,
    audit::AuditBox,
    hand::Site,
    record::{HandRecord, Place},
};
use purr_records::{
    Database,
    api::{Gaps, Hand, Page, Summary},
    players::{Graph, Statistics},
};
use purr_runtime::{Callers, CancellationToken, Identity, InternalClient, Role, Server};
use std::time::Duration;
use tempfile::TempDir;
use tokio::net::TcpListener;

const WAIT: Duration = Duration::from_secs(10);

/// The program's options.
fn site() -> Site {
    Site { name: "Here".into(), network: "Everywhere".into(), unit: "USDC".into(), decimals: 6 }
}

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
        tokio::spawn(server.run(
            listener,
            purr_records::http::routes(database.clone(), site()),
            stop.clone(),
        ));
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
    let hand: Hand = gateway.get(&format!("{one}?viewer=all"), WAIT).await.unwrap();
    let record = record(TABLE, 1, 30);
    assert_eq!((hand.history, hand.end), (record.history.clone(), record.end));
    assert_eq!((hand.hash.as_str(), hand.conflict), (common::hand(1).hash.as_str(), false));
    assert_eq!(hand.ended_at_ms, 1_700_000_000_001);

    let (status, phh) = text(&gateway, &format!("{one}?format=phh&viewer=all")).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(Phh::parse(&phh).unwrap(), Phh::from_history(&record.history));

    let (status, ohh) = text(&gateway, &format!("{one}?format=ohh&viewer=all")).await;
    assert_eq!(status, StatusCode::OK);
    // A record of an earlier release has neither currency nor start: the options and the end replace them.
    let context = Context {
        site_name: "Here".into(),
        network_name: "Everywhere".into(),
        table_name: TABLE.into(),
        currency: "USD".into(),
        start_date_utc: Some("2023-11-14T22:13:20Z".into()),
        decimals: 6,
        observed: true,
        ..Context::default()
    };
    assert_eq!(Ohh::parse(&ohh).unwrap(), Ohh::from_history(&record.history, &context));
    assert!(ohh.contains("\"big_blind_amount\": 0.00001"), "{ohh}");

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
async fn a_record_that_tells_its_place_is_told_in_its_own_currency_and_with_its_start() {
    let world = World::new().await;
    let place = Place {
        table_name: "Low stakes".into(),
        unit: "EURC".into(),
        decimals: 2,
        started_at_ms: Some(1_586_269_970_000),
    };
    let record = HandRecord { place: Some(place.clone()), ..record(TABLE, 1, 30) };
    world.database.ingest(&[stored(&record, "1-0")]).await.unwrap();
    let one = format!("/v1/tables/{TABLE}/hands/1");
    let hand: Hand = world.gateway().get(&one, WAIT).await.unwrap();
    assert_eq!(hand.place, Some(place));
    let (_, ohh) = text(&world.gateway(), &format!("{one}?format=ohh")).await;
    let ohh = Ohh::parse(&ohh).unwrap();
    assert_eq!(ohh.table_name.as_deref(), Some("Low stakes"));
    assert_eq!((ohh.currency.as_deref(), ohh.big_blind_amount.to_string()), (Some("EUR"), "0.10".into()));
    assert_eq!(ohh.start_date_utc.as_deref(), Some("2020-04-07T14:32:50Z"));
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
async fn hands_of_others_are_shown_after_a_delay_and_under_names_of_the_table() {
    let world = World::new().await;
    let gateway = world.gateway();
    let now_ms = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_millis();
    let ended = |table: &str, hand, shown| {
        stored(&HandRecord { shown, ..record(table, hand, 30) }, &format!("{now_ms}-{hand}"))
    };
    let names = |delay_s| HistoryRule { names: HistoryNames::Pseudonymous, delay_s };
    let public = HistoryRule { names: HistoryNames::Public, delay_s: 86_400 };
    let hands = [
        ended(TABLE, 1, names(86_400)),
        ended(TABLE, 2, names(0)),
        ended(TABLE, 3, names(0)),
        ended(TABLE, 4, public),
        ended("abc", 1, names(0)),
    ];
    world.database.ingest(&hands).await.unwrap();
    let (stranger, own) = (format!("viewer={}", player(9)), format!("viewer={}", player(1)));
    let list = async |viewer: &str| -> Vec<Summary> {
        let path = format!("/v1/tables/{TABLE}/hands?{viewer}");
        gateway.get::<Page>(&path, WAIT).await.unwrap().hands
    };
    let one = async |table: &str, hand: u64, viewer: &str| -> Hand {
        gateway.get(&format!("/v1/tables/{table}/hands/{hand}?{viewer}"), WAIT).await.unwrap()
    };
    // Players of the hand, and auditors, see it at once and with addresses.
    for viewer in [own.as_str(), "viewer=all"] {
        let all = list(viewer).await;
        assert_eq!(all.iter().map(|hand| hand.hand).collect::<Vec<_>>(), [4, 3, 2, 1]);
        assert!(all.iter().all(|hand| !hand.pseudonymous && hand.results[1].player == player(1)));
        let hand = one(TABLE, 1, viewer).await;
        assert_eq!((hand.pseudonymous, hand.history), (false, record(TABLE, 1, 30).history));
    }
    // Other players do not see the first hand yet.
    let others = list(&stranger).await;
    assert_eq!(others.iter().map(|hand| hand.hand).collect::<Vec<_>>(), [4, 3, 2]);
    let (status, body) = text(&gateway, &format!("/v1/tables/{TABLE}/hands/1?{stranger}")).await;
    let problem: Problem = serde_json::from_str(&body).unwrap();
    assert_eq!((status.as_u16(), problem.code()), (404, "not-shown-yet"));
    // Their view has names, the same in each hand of the table and other ones elsewhere.
    let (second, third, elsewhere) =
        (one(TABLE, 2, &stranger).await, one(TABLE, 3, &stranger).await, one("abc", 1, &stranger).await);
    let players = |hand: &Hand| -> Vec<_> { hand.history.seats.iter().map(|seat| seat.player).collect() };
    assert!(second.pseudonymous && players(&second) == players(&third));
    assert!(players(&second).iter().all(|name| !players(&elsewhere).contains(name)));
    let mut named: Vec<_> = others[1].results.iter().map(|result| result.player).collect();
    let mut seated = players(&second);
    named.sort();
    seated.sort();
    assert_eq!(named, seated);
    for format in ["json", "phh", "ohh"] {
        let path = format!("/v1/tables/{TABLE}/hands/2?format={format}&{stranger}");
        let (status, body) = text(&gateway, &path).await;
        assert_eq!(status, StatusCode::OK);
        for seat in 0..3 {
            assert!(!body.to_lowercase().contains(&player(seat).to_string()), "{format}: {body}");
        }
    }
    // Only names are changed: the proof of the deal is unchanged.
    let mut real = serde_json::to_value(one(TABLE, 2, &own).await).unwrap();
    let known = players(&one(TABLE, 2, &own).await);
    purr_records::names::replace(&mut real, &|player| {
        let at = known.iter().position(|known| *known == player).unwrap();
        players(&second)[at]
    });
    real["pseudonymous"] = true.into();
    assert_eq!(real, serde_json::to_value(&second).unwrap());
    // A public table hides nothing, and a gateway that sends no viewer gets the public view.
    assert_eq!(one(TABLE, 4, &stranger).await.history, record(TABLE, 4, 30).history);
    assert_eq!(list("").await, others);
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
        (format!("{hands}?viewer=0x12"), 400, "bad-request"),
        (format!("{hands}/1?viewer=everybody"), 400, "bad-request"),
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
