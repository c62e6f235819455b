//! The gateway's front: addresses behind proxies, networks, capacity, breakers, slow clients.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "helpers of tests")]

use crate::common;

use common::{
    SOON, UID, World, http,
    wallet::{self, Wallet, now_s, sign},
};
use purr_gateway::limits::Rate;
use purr_runtime::{
    Cidr,
    token::{Claims, UserRole},
};
use serde_json::json;
use std::time::Duration;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{Instant, timeout},
};
use tokio_rustls::TlsConnector;

fn networks(list: &[&str]) -> Vec<Cidr> {
    list.iter().map(|text| text.parse().unwrap()).collect()
}

fn admin() -> String {
    let claims = Claims { roles: vec![UserRole::Admin], ..Wallet::new(1).claims() };
    sign(&claims, Some("k1"), &wallet::JWT_KEY)
}

/// Requests a nonce with this forwarded address.
async fn nonce(world: &World, forwarded: &str) -> http::Answer {
    let headers = [("x-forwarded-for", forwarded.to_owned())];
    http::request(world, "POST", "/v1/auth/nonce", &headers, "null").await
}

#[tokio::test]
async fn a_forwarded_address_from_anybody_counts_for_nothing() {
    let world = World::with(|config| config.rates[0] = Rate { per_s: 1, burst: 2 }).await;
    // Without a list of proxies the socket's address counts, whatever the header claims.
    assert_eq!(nonce(&world, "192.0.2.1").await.status, 200);
    assert_eq!(nonce(&world, "192.0.2.2").await.status, 200);
    assert_eq!(nonce(&world, "192.0.2.3").await.status, 429);

    // An admin's address cannot be claimed either.
    let world = World::with(|config| config.front.admin_addresses = networks(&["192.0.2.0/24"])).await;
    let spoofed = world.ask("GET", "/v1/reconciliation", &admin(), &[("x-forwarded-for", "192.0.2.1")]).await;
    assert_eq!((spoofed.status, spoofed.problem().as_str()), (403, "address"));
}

#[tokio::test]
async fn behind_a_listed_proxy_each_client_is_counted_by_the_address_that_the_proxy_saw() {
    let world = World::with(|config| {
        config.rates[0] = Rate { per_s: 1, burst: 1 };
        config.front.forwarded_from = networks(&["127.0.0.0/8"]);
    })
    .await;
    assert_eq!(nonce(&world, "192.0.2.1").await.status, 200);
    assert_eq!(nonce(&world, "192.0.2.2").await.status, 200);
    // The left entry may be forged; the proxy saw the right one.
    assert_eq!(nonce(&world, "203.0.113.5, 192.0.2.1").await.status, 429);
    assert_eq!(nonce(&world, "192.0.2.3, 192.0.2.2").await.status, 429);
    // A /64 counts as one address.
    assert_eq!(nonce(&world, "2001:db8:0:1::1").await.status, 200);
    assert_eq!(nonce(&world, "2001:db8:0:1::2").await.status, 429);
}

#[tokio::test]
async fn admins_and_withdrawals_need_an_address_that_is_listed() {
    let world = World::with(|config| {
        config.front.forwarded_from = networks(&["127.0.0.0/8"]);
        config.front.admin_addresses = networks(&["192.0.2.0/24"]);
        config.front.withdrawal_addresses = networks(&["192.0.2.0/24", "198.51.100.0/24"]);
    })
    .await;
    let admin = admin();
    let from = async |method: &str, path: &str, address: &str| {
        let answer = world.ask(method, path, &admin, &[("x-forwarded-for", address)]).await;
        if answer.status == 403 { answer.problem() } else { answer.status.to_string() }
    };
    assert_eq!(from("GET", "/v1/reconciliation", "192.0.2.1").await, "200");
    for elsewhere in ["198.51.100.1", "203.0.113.1", "::1"] {
        assert_eq!(from("GET", "/v1/reconciliation", elsewhere).await, "address", "{elsewhere}");
        assert_eq!(from("POST", "/v1/admin/revocations", elsewhere).await, "address", "{elsewhere}");
    }
    // Past the address: the body is not a withdrawal.
    assert_eq!(from("POST", "/v1/withdrawals", "198.51.100.1").await, "400");
    assert_eq!(from("POST", "/v1/withdrawals", "203.0.113.1").await, "address");
    // Routes that are neither for money nor for administrators are open.
    assert_eq!(from("GET", "/v1/balance", "203.0.113.1").await, "200");
}

/// A request after some bytes of the test's own, on a connection of its own.
async fn after(world: &World, start: &[u8], path: &str, token: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(world.public).await?;
    stream.write_all(start).await?;
    let config = purr_runtime::tls::public_client_config(&world.public_ca()).unwrap();
    let mut stream = TlsConnector::from(config).connect("localhost".try_into().unwrap(), stream).await?;
    let request = format!(
        "GET {path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\nconnection: close\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    Ok(String::from_utf8_lossy(&answer).lines().next().unwrap_or_default().to_owned())
}

#[tokio::test]
async fn a_listed_proxy_says_by_the_proxy_protocol_who_comes_and_nobody_else_can() {
    let world = World::with(|config| {
        config.front.edge.proxies = networks(&["127.0.0.0/8"]);
        config.front.edge.handshake = Duration::from_millis(500);
        config.front.admin_addresses = networks(&["192.0.2.0/24"]);
    })
    .await;
    let token = admin();
    let books = async |start: &[u8]| after(&world, start, "/v1/reconciliation", &token).await;
    let v1 = b"PROXY TCP4 192.0.2.1 10.0.0.1 4711 443\r\n";
    assert_eq!(books(v1).await.unwrap(), "HTTP/1.1 200 OK");
    assert_eq!(
        books(b"PROXY TCP4 203.0.113.1 10.0.0.1 4711 443\r\n").await.unwrap(),
        "HTTP/1.1 403 Forbidden"
    );
    let v2 = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xc0\0\x02\x01\x0a\0\0\x01\x12\x67\x01\xbb";
    assert_eq!(books(v2).await.unwrap(), "HTTP/1.1 200 OK");
    // A proxy that must send the PROXY header and does not is disconnected before TLS.
    assert!(books(b"").await.is_err());

    // No proxy is listed here, so the same header is invalid TLS.
    let world = World::with(|config| config.front.admin_addresses = networks(&["192.0.2.0/24"])).await;
    assert!(after(&world, v1, "/v1/reconciliation", &token).await.is_err());
    assert!(after(&world, v2, "/v1/reconciliation", &token).await.is_err());
}

#[tokio::test]
async fn a_server_that_fails_again_and_again_is_left_alone_and_found_again() {
    let world = World::with(|config| {
        config.front.breaker.failures_max = 3;
        config.front.breaker.open_min = Duration::from_millis(400);
    })
    .await;
    let token = sign(&Wallet::new(1).claims(), Some("k1"), &wallet::JWT_KEY);
    let state = "purr_gateway_breaker_state{upstream=\"signer\"}";
    let asked = || world.signer_asked();
    world.becomes(state, 0.0).await;
    world.break_signer(true);
    for _ in 0..3 {
        assert_eq!(world.get("/v1/balance", Some(&token)).await.problem(), "unavailable");
    }
    assert_eq!((world.metric(state), asked()), (Some(2.0), 3));
    // Open breaker: answered at once, with Retry-After, and without calling the server.
    let answer = world.get("/v1/config", None).await;
    assert_eq!((answer.status, answer.header("retry-after")), (503, Some("1")));
    assert_eq!(asked(), 3);
    // The others do not suffer.
    let hands = format!("/v1/tables/{UID}/hands");
    assert_eq!(world.get(&hands, Some(&token)).await.status, 200);
    assert_eq!(world.metric("purr_gateway_breaker_state{upstream=\"records\"}"), Some(0.0));
    // Probes find the server broken, and later repaired.
    let until = async |wanted: u16| {
        while world.get("/v1/config", None).await.status != wanted || asked() < 4 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(SOON, until(503)).await.expect("no probe in time");
    assert_eq!(world.metric(state), Some(2.0));
    world.break_signer(false);
    timeout(SOON, until(200)).await.expect("not found again in time");
    assert_eq!(world.metric(state), Some(0.0));
}

#[tokio::test]
async fn refusals_of_a_request_do_not_open_the_breaker() {
    let world = World::with(|config| config.front.breaker.failures_max = 1).await;
    let token = sign(&Wallet::new(1).claims(), Some("k1"), &wallet::JWT_KEY);
    let missing = world.get(&format!("/v1/tables/{UID}/hands/404"), Some(&token)).await;
    assert_eq!(missing.problem(), "hand");
    assert_eq!(world.get(&format!("/v1/tables/{UID}/hands/7"), Some(&token)).await.status, 200);
}

#[tokio::test]
async fn whoever_sends_a_request_drop_by_drop_is_cut() {
    let world = World::with(|config| config.front.edge.headers = Duration::from_millis(300)).await;
    let mut stream = http::dial(&world, world.public).await;
    stream.write_all(b"GET /v1/tables HTTP/1.1\r\nhost: localhost\r\n").await.unwrap();
    let begun = Instant::now();
    let (mut reading, mut writing) = tokio::io::split(stream);
    let dripping = tokio::spawn(async move {
        // An endless header line, sent byte by byte, each byte being a sign of life.
        while writing.write_all(b"x").await.is_ok() && writing.flush().await.is_ok() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    let mut answer = Vec::new();
    let cut = timeout(SOON, reading.read_to_end(&mut answer)).await;
    assert!(cut.is_ok(), "still open");
    assert!(begun.elapsed() >= Duration::from_millis(250), "{:?}", begun.elapsed());
    assert!(!String::from_utf8_lossy(&answer).contains(" 200 "));
    dripping.abort();
}

#[tokio::test]
async fn connections_that_say_nothing_are_cut_before_and_after_the_handshake() {
    let world = World::with(|config| {
        config.front.edge.handshake = Duration::from_millis(200);
        config.front.edge.headers = Duration::from_millis(200);
    })
    .await;
    // Half-open: only a TCP connection.
    let mut silent = TcpStream::connect(world.public).await.unwrap();
    let ended = timeout(SOON, silent.read(&mut [0; 1])).await.expect("still open before TLS");
    assert!(matches!(ended, Ok(0) | Err(_)), "{ended:?}");
    // TLS and no request.
    let mut silent = http::dial(&world, world.public).await;
    let ended = timeout(SOON, silent.read(&mut [0; 1])).await.expect("still open after TLS");
    assert!(matches!(ended, Ok(0) | Err(_)), "{ended:?}");
    // A connection that was used and then rests.
    let mut resting = http::dial(&world, world.public).await;
    resting.write_all(b"GET /v1/tables HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    let mut answer = Vec::new();
    let _ = timeout(SOON, resting.read_to_end(&mut answer)).await.expect("still open at rest");
    assert!(answer.starts_with(b"HTTP/1.1 200"));
}

#[tokio::test]
async fn one_address_has_its_connections_and_no_more_and_gets_them_back() {
    let world = World::with(|config| config.front.edge.address_max = 2).await;
    let dial = async || {
        let mut stream = TcpStream::connect(world.public).await.unwrap();
        let config = purr_runtime::tls::public_client_config(&world.public_ca()).unwrap();
        let ended =
            timeout(SOON, TlsConnector::from(config).connect("localhost".try_into().unwrap(), &mut stream));
        let up = ended.await.expect("neither served nor cut").is_ok();
        up.then_some(stream)
    };
    let (one, two) = (dial().await.unwrap(), dial().await.unwrap());
    assert!(dial().await.is_none(), "a third one is served");
    assert_eq!(world.metric("purr_gateway_connections_crowded_total"), Some(1.0));
    // A place is free again once its connection is gone, whichever it was.
    drop(one);
    let again = async {
        loop {
            if let Some(stream) = dial().await {
                return stream;
            }
        }
    };
    let three = timeout(SOON, again).await.expect("the place stays taken");
    drop((two, three));

    // A trusted proxy stands for many clients, and is not counted itself.
    let world = World::with(|config| {
        config.front.edge.address_max = 1;
        config.front.forwarded_from = networks(&["127.0.0.0/8"]);
    })
    .await;
    let _first = http::dial(&world, world.public).await;
    let _second = http::dial(&world, world.public).await;
}

#[tokio::test]
async fn a_body_that_does_not_come_whole_is_no_request() {
    let world = World::new().await;
    let mut stream = http::dial(&world, world.public).await;
    let head =
        "POST /v1/auth/sign-in HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: 90000\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    // Small chunks that together exceed the largest body.
    for _ in 0..40 {
        if stream.write_all(&[b' '; 512]).await.is_err() {
            break;
        }
    }
    let mut answer = String::new();
    let _ = timeout(SOON, stream.read_to_string(&mut answer)).await.expect("no answer in time");
    assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
}

#[tokio::test]
async fn every_error_is_a_problem_that_names_its_occurrence() {
    let world = World::with(|config| config.rates[2] = Rate { per_s: 1, burst: 1 }).await;
    let token = sign(&Wallet::new(1).claims(), Some("k1"), &wallet::JWT_KEY);
    assert_eq!(world.get("/v1/balance", Some(&token)).await.status, 200);
    let expired = Claims { exp: now_s() - 60, ..Wallet::new(1).claims() };
    let expired = sign(&expired, Some("k1"), &wallet::JWT_KEY);
    let answers = [
        (400, world.get("/v1/tables?limit=x", None).await),
        (400, world.get("/v1/tables?stakes=1", None).await),
        (400, world.post("/v1/auth/sign-in", None, &json!([])).await),
        (401, world.get("/v1/balance", Some(&expired)).await),
        (
            403,
            http::request(&world, "GET", "/v1/config", &[("origin", "https://evil.example".into())], "")
                .await,
        ),
        (404, world.get("/nothing", None).await),
        (405, world.get("/v1/auth/nonce", None).await),
        (404, world.get(&format!("/v1/tables/{UID}/socket"), None).await),
        (429, world.get("/v1/balance", Some(&token)).await),
    ];
    let mut occurrences = std::collections::BTreeSet::new();
    for (status, answer) in answers {
        assert_eq!(answer.status, status, "{answer:?}");
        let problem = answer.json();
        assert!(answer.header("content-type").unwrap().starts_with("application/problem+json"));
        assert_eq!(problem["status"], json!(answer.status));
        assert!(problem["type"].as_str().unwrap().starts_with("urn:purr:problem:"));
        assert!(!problem["title"].as_str().unwrap().is_empty());
        let instance = problem["instance"].as_str().unwrap().to_owned();
        assert_eq!(instance.strip_prefix("urn:purr:request:"), answer.header("x-request-id"));
        assert!(occurrences.insert(instance), "twice the same occurrence");
    }
}

#[tokio::test]
async fn an_answer_says_how_much_of_each_limit_is_left() {
    let world = World::with(|config| {
        config.rates[1] = Rate { per_s: 1, burst: 10 };
        config.rates[2] = Rate { per_s: 1, burst: 5 };
    })
    .await;
    let token = sign(&Wallet::new(1).claims(), Some("k1"), &wallet::JWT_KEY);
    let answer = world.get("/v1/balance", Some(&token)).await;
    assert_eq!(answer.header("ratelimit-policy"), Some("\"address\";q=10;w=10, \"player\";q=5;w=5"));
    assert_eq!(answer.header("ratelimit"), Some("\"address\";r=9;t=1, \"player\";r=4;t=1"));
}

#[tokio::test]
async fn withdrawals_have_a_limit_of_their_own() {
    let world = World::with(|config| config.front.money_rate = Rate { per_s: 1, burst: 1 }).await;
    let token = sign(&Wallet::new(1).claims(), Some("k1"), &wallet::JWT_KEY);
    let ask = json!({ "amount": 7, "nonce": 1, "deadlineS": 99, "signature": "0x00" });
    assert_eq!(world.post("/v1/withdrawals", Some(&token), &ask).await.status, 200);
    assert_eq!(world.post("/v1/withdrawals", Some(&token), &ask).await.problem(), "rate");
    assert_eq!(world.get("/v1/balance", Some(&token)).await.status, 200);
    assert_eq!(world.metric("purr_gateway_rate_limited_total{class=\"money\"}"), Some(1.0));
}
