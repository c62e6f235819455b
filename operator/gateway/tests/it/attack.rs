//! Attacks on sign-ins, against real gateways over a real Redis: bounded, on this machine alone. Each prints its row:
//! attack, cost to the attacker, effect on players.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "helpers of tests")]

use crate::common;

use common::{
    World, http,
    redis::Redis,
    sessions,
    wallet::{self, Tokens, Wallet},
};
use purr_gateway::{
    Config,
    limits::Rate,
    sessions::{Opened, Opening, SessionStore},
};
use purr_runtime::CancellationToken;
use purr_store::{Sessions, StoreError};
use serde_json::{Value, json};
use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

/// Limits as in the chart.
fn production(config: &mut Config) {
    let rate = |per_s| Rate { per_s, burst: 4 * per_s };
    config.rates = [rate(5), rate(50), rate(20), rate(1)];
    config.front.forwarded_from = vec!["127.0.0.0/8".parse().unwrap()];
}

/// A request in the name of an address.
async fn post(world: &World, from: &str, path: &str, body: &Value) -> http::Answer {
    let headers = [("x-forwarded-for", from.to_owned())];
    http::request(world, "POST", path, &headers, &body.to_string()).await
}

async fn sign_in(world: &World, from: &str, wallet: &Wallet) -> http::Answer {
    let nonce = post(world, from, "/v1/auth/nonce", &Value::Null).await;
    assert_eq!(nonce.status, 200, "{nonce:?}");
    let message = wallet.message(nonce.json()["nonce"].as_str().unwrap());
    post(world, from, "/v1/auth/sign-in", &wallet.ask(&message)).await
}

async fn refresh(world: &World, from: &str, tokens: &Tokens) -> http::Answer {
    post(world, from, "/v1/auth/refresh", &json!({ "refreshToken": tokens.refresh })).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_neighbour_who_floods_nonces_from_the_same_address_costs_nobody_a_refresh() {
    let redis = Redis::start().await;
    let gateway = async || World::over(production, Arc::new(sessions(&redis).await)).await;
    let gateways = Arc::new([gateway().await, gateway().await]);
    let mut players = Vec::new();
    for n in 0..100_u8 {
        // Signed in from here and there, and behind one address now.
        let answer = sign_in(&gateways[0], &format!("192.0.2.{n}"), &Wallet::new(n + 1)).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        players.push(wallet::tokens(&answer.json()));
    }
    let (asked, refused) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let stop = CancellationToken::new();
    let flood: Vec<_> = (0..4)
        .map(|n| {
            let (gateways, stop) = (gateways.clone(), stop.clone());
            let (asked, refused) = (asked.clone(), refused.clone());
            tokio::spawn(async move {
                while !stop.is_cancelled() {
                    let answer = post(&gateways[n % 2], "198.51.100.7", "/v1/auth/nonce", &Value::Null).await;
                    asked.fetch_add(1, Ordering::Relaxed);
                    refused.fetch_add(u64::from(answer.status == 429), Ordering::Relaxed);
                }
            })
        })
        .collect();
    // The address has nothing left from here on.
    while refused.load(Ordering::Relaxed) < 10 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let mut good = 0;
    for (n, tokens) in players.iter().enumerate() {
        good += u32::from(refresh(&gateways[n % 2], "198.51.100.7", tokens).await.status == 200);
    }
    stop.cancel();
    for task in flood {
        task.await.unwrap();
    }
    println!(
        "| nonces from the players' own address | {} requests, {} refused | {good} of 100 refreshes succeed |",
        asked.load(Ordering::Relaxed),
        refused.load(Ordering::Relaxed)
    );
    assert_eq!(good, 100);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sign_ins_until_the_store_is_full_end_nobody_elses() {
    let redis = Redis::with("maxmemory 8mb").await;
    let store = Arc::new(sessions(&redis).await);
    let (world, other) =
        (World::over(production, store.clone()).await, World::over(production, store.clone()).await);
    let mut players = Vec::new();
    for n in 0..20_u8 {
        let answer = sign_in(&world, &format!("192.0.2.{n}"), &Wallet::new(n + 1)).await;
        players.push(wallet::tokens(&answer.json()));
    }
    // Stores what a sign-in stores, without its signature, because address limits are not under test here.
    let family = "x".repeat(250);
    let mut sign_ins = 0_u64;
    loop {
        let (player, sid) = (format!("0x{sign_ins:040x}"), format!("attacker-{sign_ins:013}"));
        let once = [(format!("nonce:{sign_ins:072x}"), 600)];
        // Entries with the longest lifetime, so that they are not the first to expire.
        let opening = Opening {
            player: &player,
            sid: &sid,
            family: &family,
            ttl_s: 30 * 86_400,
            once: &once,
            link: None,
            now_ms: 1,
        };
        match store.open(&opening).await.unwrap() {
            Opened::Opened(_) => sign_ins += 1,
            Opened::Full => break,
            opened => panic!("{opened:?}"),
        }
        assert!(sign_ins < 100_000, "a store of 8 MB is never full");
    }
    // Room is left for signed-in players; then other data uses that up as well.
    let raw = Sessions::new(redis.link("signer"));
    let filler = "x".repeat(10_000);
    let mut filled = 0;
    while raw.put(&format!("balance:{filled}"), &filler, 600).await != Err(StoreError::Full) {
        filled += 1;
        assert!(filled < 10_000, "a store of 8 MB is never full");
    }
    assert!(filled >= 100, "only {filled} times 10 kB were left");
    let refused = sign_in(&world, "192.0.2.100", &Wallet::new(100)).await;
    assert_eq!((refused.status, refused.problem().as_str()), (503, "no-room"));
    let mut kept = 0;
    for (n, tokens) in players.iter_mut().enumerate() {
        let from = format!("192.0.2.{n}");
        let answer = refresh(if n % 2 == 0 { &world } else { &other }, &from, tokens).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        *tokens = wallet::tokens(&answer.json());
        let balance = other.get("/v1/balance", Some(&tokens.access)).await;
        kept += u32::from(balance.status == 200);
    }
    println!(
        "| sign-ins until the store is full | {sign_ins} sign-ins for 8 MB | {kept} of 20 players stay signed in |"
    );
    assert_eq!(kept, 20);
    // Limits are still shared, and a revoked sign-in is revoked everywhere.
    assert_eq!(world.metric("purr_gateway_limits_shared"), Some(1.0));
    assert_eq!(world.post("/v1/auth/logout", Some(&players[0].access), &Value::Null).await.status, 204);
    let ended = async {
        while other.get("/v1/balance", Some(&players[0].access)).await.status != 401 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(common::SOON, ended).await.expect("the logout did not reach the other gateway");
}
