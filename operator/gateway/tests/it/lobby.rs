//! The lobby: filters, pages, and changes as they happen.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "helpers of tests")]

use crate::common;

use common::{SOON, World, http};
use purr_gateway::routing::Pod;
use purr_protocol::summary::Summary;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::TcpStream,
    time::timeout,
};
use tokio_rustls::client::TlsStream;

fn summary(uid: &str, seats: u8, players: u8, blinds: (u64, u64)) -> Summary {
    let (small_blind, big_blind) = blinds;
    Summary {
        uid: uid.into(),
        name: uid.into(),
        seats,
        players,
        small_blind,
        big_blind,
        ..Summary::default()
    }
}

fn route(world: &World, uid: &str, ready: bool) {
    world.routes.apply(Pod {
        name: format!("pod-{uid}"),
        uid: uid.into(),
        table: uid.into(),
        generation: 1,
        address: Some("127.0.0.1:1".parse().unwrap()),
        ready,
    });
}

fn uids(page: &Value) -> Vec<&str> {
    page["tables"].as_array().unwrap().iter().map(|table| table["uid"].as_str().unwrap()).collect()
}

/// Six tables, one of which has not published a summary yet.
fn tables(world: &World) {
    for (uid, seats, players, blinds) in [
        ("a1", 6, 6, (50, 100)),
        ("a2", 6, 2, (50, 100)),
        ("a3", 9, 8, (50, 100)),
        ("a4", 9, 0, (100, 200)),
        ("a5", 2, 1, (5_000, 10_000)),
    ] {
        world.sessions.put_summary(summary(uid, seats, players, blinds));
        route(world, uid, uid != "a4");
    }
    route(world, "a6", true);
}

#[tokio::test]
async fn tables_are_found_by_stakes_free_seats_size_and_readiness() {
    let world = World::new().await;
    tables(&world);
    for (query, expected) in [
        ("", vec!["a1", "a2", "a3", "a4", "a5", "a6"]),
        ("?stakes=50/100", vec!["a1", "a2", "a3"]),
        ("?stakes=100/50", vec![]),
        ("?free=1", vec!["a2", "a3", "a4", "a5"]),
        ("?free=2&stakes=50/100", vec!["a2"]),
        ("?seats=9", vec!["a3", "a4"]),
        ("?seats=9&ready=true", vec!["a3"]),
        ("?ready=false", vec!["a4"]),
        ("?stakes=5000%2F10000", vec!["a5"]),
    ] {
        let page = world.get(&format!("/v1/tables{query}"), None).await;
        assert_eq!(uids(&page.json()), expected, "{query}");
    }
    for wrong in ["?stakes=50", "?stakes=a/b", "?free=-1", "?free=300", "?ready=maybe"] {
        assert_eq!(world.get(&format!("/v1/tables{wrong}"), None).await.problem(), "query", "{wrong}");
    }
}

#[tokio::test]
async fn pages_of_a_filtered_list_miss_nothing_and_end() {
    let world = World::new().await;
    tables(&world);
    let mut found = Vec::new();
    let mut cursor = String::new();
    for _ in 0..10 {
        let page = world.get(&format!("/v1/tables?free=1&limit=2&cursor={cursor}"), None).await.json();
        found.extend(uids(&page).into_iter().map(str::to_owned));
        match page["next"].as_str() {
            Some(next) => next.clone_into(&mut cursor),
            None => break,
        }
        // A table that is gone between two pages takes no other with it.
        world.routes.delete("pod-a3");
        world.routes.delete("pod-a2");
        while uids(&world.get("/v1/tables", None).await.json()).contains(&"a3") {
            tokio::task::yield_now().await;
        }
    }
    assert_eq!(found, ["a2", "a3", "a4", "a5"]);
}

type Events = BufReader<TlsStream<TcpStream>>;

async fn listen(world: &World, query: &str) -> Events {
    let mut stream = BufReader::new(http::dial(world, world.public).await);
    let request = format!("GET /v1/lobby/events{query} HTTP/1.1\r\nhost: localhost\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    stream
}

/// The next line that starts like this.
async fn line(events: &mut Events, start: &str) -> String {
    let reading = async {
        loop {
            let mut line = String::new();
            assert_ne!(events.read_line(&mut line).await.unwrap(), 0, "the stream has ended");
            if let Some(rest) = line.strip_prefix(start) {
                return rest.trim_end().to_owned();
            }
        }
    };
    timeout(SOON, reading).await.unwrap_or_else(|_| panic!("no '{start}' in time"))
}

async fn event(events: &mut Events) -> Value {
    assert_eq!(line(events, "event: ").await, "tables");
    serde_json::from_str(&line(events, "data: ").await).unwrap()
}

#[tokio::test]
async fn whoever_listens_hears_what_changes_and_nothing_else() {
    let world = World::new().await;
    tables(&world);
    let mut events = listen(&world, "?stakes=50/100").await;
    assert!(line(&mut events, "content-type: ").await.starts_with("text/event-stream"));
    let first = event(&mut events).await;
    assert_eq!((uids(&first), &first["gone"]), (vec!["a1", "a2", "a3"], &json!([])));
    // A change of another stake, or of the beat alone, sends no event. Then a player sits down.
    world.sessions.put_summary(summary("a4", 9, 1, (100, 200)));
    world.sessions.put_summary(Summary { beat: 5, ..summary("a1", 6, 6, (50, 100)) });
    world.sessions.put_summary(summary("a2", 6, 3, (50, 100)));
    let second = event(&mut events).await;
    assert_eq!((uids(&second), &second["tables"][0]["players"]), (vec!["a2"], &json!(3)));
    world.routes.delete("pod-a3");
    let third = event(&mut events).await;
    assert_eq!((uids(&third), &third["gone"]), (Vec::<&str>::new(), &json!(["a3"])));
    assert_eq!(world.metric("purr_gateway_lobby_streams"), Some(1.0));
    drop(events);
    world.becomes("purr_gateway_lobby_streams", 0.0).await;
}

#[tokio::test]
async fn listeners_are_bounded_and_an_empty_lobby_says_so() {
    let world = World::with(|config| config.front.lobby_streams.all_max = 1).await;
    let mut events = listen(&world, "").await;
    assert_eq!(event(&mut events).await, json!({ "tables": [], "gone": [] }));
    let refused = world.get("/v1/lobby/events", None).await;
    assert_eq!((refused.status, refused.problem().as_str()), (503, "full"));
    assert_eq!(world.get("/v1/lobby/events?stakes=x", None).await.problem(), "query");
    drop(events);
    world.becomes("purr_gateway_lobby_streams", 0.0).await;
    let mut again = listen(&world, "").await;
    event(&mut again).await;
}

#[tokio::test]
async fn streams_end_with_the_gateway() {
    let mut world = World::new().await;
    let mut events = listen(&world, "").await;
    event(&mut events).await;
    world.stop.cancel();
    timeout(SOON, world.serving.take().unwrap()).await.expect("still serving").unwrap().unwrap();
}

#[tokio::test]
async fn without_summaries_the_tables_are_listed_all_the_same() {
    let world = World::new().await;
    route(&world, "b1", true);
    let page = world.get("/v1/tables", None).await.json();
    assert_eq!((uids(&page), &page["tables"][0]["ready"]), (vec!["b1"], &json!(true)));
}
