//! The public API over real TLS: access and answers.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "helpers of tests")]

use crate::common;

use common::{
    CHAIN, SOON, UID, World, http,
    wallet::{self, Wallet, now_s, sign},
};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use purr_gateway::{
    endpoints::{Access, Endpoint},
    limits::Rate,
};
use purr_protocol::{denial::DeniedWallets, summary::Summary};
use purr_runtime::{
    InternalClient, Role,
    token::{Claims, UserRole},
};
use serde_json::{Value, json};
use std::time::Duration;

#[tokio::test]
async fn a_wallet_signs_in_and_sees_its_own_balance() {
    let world = World::new().await;
    let wallet = Wallet::new(1);
    let tokens = wallet.sign_in(&world).await;
    let balance = world.get("/v1/balance", Some(&tokens.access)).await;
    assert_eq!(balance.status, 200, "{balance:?}");
    // The signer was asked for the caller.
    assert_eq!(balance.json()["seated"][0]["table"], json!(wallet.address()));
    assert_eq!(world.metric("purr_gateway_sign_ins_total{result=\"ok\"}"), Some(1.0));
    let ask = json!({ "amount": 7, "nonce": 1, "deadlineS": 99, "signature": "0x00" });
    let withdrawal = world.post("/v1/withdrawals", Some(&tokens.access), &ask).await.json();
    let expected =
        json!({ "player": wallet.address(), "amount": 7, "nonce": 1, "deadlineS": 99, "signature": "0x00" });
    assert_eq!(withdrawal, expected);
    // A player cannot withdraw for another one.
    let mut other = ask;
    other["player"] = json!(Wallet::new(2).address());
    assert_eq!(world.post("/v1/withdrawals", Some(&tokens.access), &other).await.status, 400);
}

#[tokio::test]
async fn a_sign_in_works_once_and_only_for_what_it_says() {
    let world = World::new().await;
    let wallet = Wallet::new(1);
    let sign_in = async |ask: &Value| world.post("/v1/auth/sign-in", None, ask).await;
    let ask = wallet.ask(&wallet.message(&wallet::nonce(&world).await));
    assert_eq!(sign_in(&ask).await.status, 200);
    let replayed = sign_in(&ask).await;
    assert_eq!((replayed.status, replayed.problem().as_str()), (401, "nonce"));
    let made_up = sign_in(&wallet.ask(&wallet.message("aaaaaaaabbbbbbbb"))).await;
    assert_eq!((made_up.status, made_up.problem().as_str()), (401, "nonce"));

    let nonce = wallet::nonce(&world).await;
    let message = wallet.message(&nonce);
    for (from, to) in [
        ("localhost wants", "evil.example wants"),
        ("URI: https://localhost", "URI: https://evil.example"),
        (&format!("Chain ID: {CHAIN}"), "Chain ID: 1"),
        ("Issued At: 20", "Issued At: 19"),
    ] {
        let changed = message.replacen(from, to, 1);
        assert_ne!(changed, message);
        let answer = sign_in(&wallet.ask(&changed)).await;
        assert_eq!((answer.status, answer.problem().as_str()), (401, "sign-in"), "{to}");
    }
    let expired = format!("{message}\nExpiration Time: 2024-01-01T00:00:00Z");
    assert_eq!(sign_in(&wallet.ask(&expired)).await.status, 401);
    // Signed by another key, or not at all as a signature is.
    let stolen = json!({ "message": message, "signature": Wallet::new(2).sign(&message) });
    assert_eq!(sign_in(&stolen).await.problem(), "sign-in");
    assert_eq!(sign_in(&json!({ "message": message, "signature": "0x00" })).await.problem(), "sign-in");
    assert_eq!(sign_in(&wallet.ask("hello")).await.problem(), "message");
    // None of that used the nonce up.
    assert_eq!(sign_in(&wallet.ask(&message)).await.status, 200);
}

#[tokio::test]
async fn refresh_tokens_rotate_and_a_stolen_one_ends_the_sign_in() {
    let world = World::new().await;
    let first = Wallet::new(1).sign_in(&world).await;
    let refresh =
        async |token: &str| world.post("/v1/auth/refresh", None, &json!({ "refreshToken": token })).await;
    let second = wallet::tokens(&refresh(&first.refresh).await.json());
    // A lost answer is repeated: the same successor again.
    assert_eq!(wallet::tokens(&refresh(&first.refresh).await.json()).refresh, second.refresh);
    assert_eq!(world.get("/v1/balance", Some(&second.access)).await.status, 200);
    let stolen = refresh(&first.refresh).await;
    assert_eq!((stolen.status, stolen.problem().as_str()), (401, "token"));
    assert_eq!(refresh(&second.refresh).await.status, 401);
    assert_eq!(world.get("/v1/balance", Some(&second.access)).await.status, 401);
    assert_eq!(refresh("made.up").await.status, 401);
    assert_eq!(world.metric("purr_gateway_sign_ins_total{result=\"refresh_stolen\"}"), Some(1.0));
}

#[tokio::test]
async fn whoever_knows_a_sign_ins_id_cannot_end_it() {
    use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
    let world = World::new().await;
    let tokens = Wallet::new(1).sign_in(&world).await;
    let claims = URL_SAFE_NO_PAD.decode(tokens.access.split('.').nth(1).unwrap()).unwrap();
    let claims: Value = serde_json::from_slice(&claims).unwrap();
    let refresh =
        async |token: &str| world.post("/v1/auth/refresh", None, &json!({ "refreshToken": token })).await;
    for secret in [[0; 32], [7; 32]] {
        let forged = format!("{}.{}", claims["sid"].as_str().unwrap(), URL_SAFE_NO_PAD.encode(secret));
        assert_eq!(refresh(&forged).await.status, 401);
    }
    assert_eq!(world.metric("purr_gateway_sign_ins_total{result=\"refresh_stolen\"}"), None);
    assert_eq!(world.get("/v1/balance", Some(&tokens.access)).await.status, 200);
    assert_eq!(refresh(&tokens.refresh).await.status, 200);
}

#[tokio::test]
async fn refresh_tokens_outlive_the_key_that_made_them_while_it_is_published() {
    let world = World::new().await;
    let first = Wallet::new(1).sign_in(&world).await;
    let refresh =
        async |token: &str| world.post("/v1/auth/refresh", None, &json!({ "refreshToken": token })).await;
    let jwt = world.dir.path().join("jwt");
    wallet::write_key(&jwt, "k2", &[43; 32]);
    std::fs::write(jwt.join("current"), "k2").unwrap();
    world.reload_keys().await;
    let second = wallet::tokens(&refresh(&first.refresh).await.json());
    let third = wallet::tokens(&refresh(&second.refresh).await.json());
    // A token of the old key is still recognised as issued, so its reuse is theft.
    assert_eq!(refresh(&first.refresh).await.status, 401);
    assert_eq!(refresh(&third.refresh).await.status, 401);
    assert_eq!(world.metric("purr_gateway_sign_ins_total{result=\"refresh_stolen\"}"), Some(1.0));
}

#[tokio::test]
async fn a_refresh_is_limited_by_its_sign_in_and_a_made_up_token_by_the_address() {
    use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
    let world = World::with(|config| {
        config.rates[0] = Rate { per_s: 1, burst: 4 };
        config.rates[3] = Rate { per_s: 1, burst: 2 };
    })
    .await;
    let (one, other) = (Wallet::new(1).sign_in(&world).await, Wallet::new(2).sign_in(&world).await);
    let refresh =
        async |token: &str| world.post("/v1/auth/refresh", None, &json!({ "refreshToken": token })).await;
    let made_up = format!("{}.{}", URL_SAFE_NO_PAD.encode([1; 16]), URL_SAFE_NO_PAD.encode([1; 32]));
    // The address has used up its limit, for nonces and for tokens that nobody issued.
    while world.post("/v1/auth/nonce", None, &Value::Null).await.status == 200 {}
    assert_eq!(refresh(&made_up).await.status, 429);
    assert_eq!(world.post("/v1/auth/refresh", None, &json!("nonsense")).await.status, 429);
    let answer = refresh(&one.refresh).await;
    assert_eq!((answer.status, answer.header("ratelimit-policy")), (200, Some("\"refresh\";q=2;w=2")));
    let second = wallet::tokens(&answer.json());
    let third = wallet::tokens(&refresh(&second.refresh).await.json());
    assert_eq!(refresh(&third.refresh).await.problem(), "rate");
    assert_eq!(refresh(&other.refresh).await.status, 200);
}

#[tokio::test]
async fn many_wallets_of_one_private_address_show_as_hidden_addresses() {
    let world = World::new().await;
    for n in 1..20 {
        Wallet::new(n).sign_in(&world).await;
    }
    assert_eq!(world.metric("purr_gateway_clients_hidden"), Some(0.0));
    Wallet::new(20).sign_in(&world).await;
    assert_eq!(world.metric("purr_gateway_clients_hidden"), Some(1.0));
}

#[tokio::test]
async fn a_store_without_room_refuses_new_sign_ins_and_keeps_those_that_are_open() {
    let world = World::new().await;
    let tokens = Wallet::new(1).sign_in(&world).await;
    world.sessions.set_room(0);
    let nonce = wallet::nonce(&world).await;
    let wallet = Wallet::new(2);
    let ask = wallet.ask(&wallet.message(&nonce));
    let refused = world.post("/v1/auth/sign-in", None, &ask).await;
    assert_eq!((refused.status, refused.problem().as_str()), (503, "no-room"));
    assert_eq!(refused.header("retry-after"), Some("60"));
    assert_eq!(world.metric("purr_gateway_sign_ins_total{result=\"no_room\"}"), Some(1.0));
    let refresh = json!({ "refreshToken": tokens.refresh });
    let tokens = wallet::tokens(&world.post("/v1/auth/refresh", None, &refresh).await.json());
    assert_eq!(world.get("/v1/balance", Some(&tokens.access)).await.status, 200);
    // The nonce was not used up: with room again the same message signs in.
    world.sessions.set_room(1_000);
    assert_eq!(world.post("/v1/auth/sign-in", None, &ask).await.status, 200);
}

#[tokio::test]
async fn a_denied_wallet_is_out_at_once_and_stays_out_although_the_store_was_lost() {
    let world = World::with(|config| config.rates[2] = Rate { per_s: 1_000, burst: 1_000 }).await;
    let (wallet, bystander) = (Wallet::new(1), Wallet::new(2).sign_in(&world).await);
    let tokens = wallet.sign_in(&world).await;
    let elsewhere = world.beside().await;
    let admin = sign(
        &Claims { roles: vec![UserRole::Admin], ..Wallet::new(3).claims() },
        Some("k1"),
        &wallet::JWT_KEY,
    );
    let ask = json!({ "player": wallet.address(), "reason": "chip dumping" });
    let refused = world.post("/v1/admin/denials", Some(&bystander.access), &ask).await;
    assert_eq!(refused.problem(), "role");
    let trail = world.post("/v1/admin/denials", Some(&admin), &ask).await.json();
    assert_eq!((&trail["denied"], &trail["acts"][0]["reason"]), (&json!(true), &json!("chip dumping")));
    // The recorded author is the caller, whatever the body says.
    assert_eq!(trail["acts"][0]["by"], json!(Wallet::new(3).address()));

    assert_eq!(world.get("/v1/balance", Some(&tokens.access)).await.status, 401);
    let refresh = json!({ "refreshToken": tokens.refresh });
    assert!(matches!(world.post("/v1/auth/refresh", None, &refresh).await.status, 401 | 403));
    let sign_in = async |world: &World| {
        let ask = wallet.ask(&wallet.message(&wallet::nonce(world).await));
        world.post("/v1/auth/sign-in", None, &ask).await
    };
    let answer = sign_in(&world).await;
    assert_eq!((answer.status, answer.problem().as_str()), (403, "denied"));
    assert_eq!(world.get("/v1/balance", Some(&bystander.access)).await.status, 200);

    // The list as the signer publishes it, for gateways that the request did not reach.
    let list = serde_json::to_string(&world.denied()).unwrap();
    world.sessions.put(DeniedWallets::KEY, &list, 60);
    world.sessions.put(DeniedWallets::VERSION_KEY, "1", 60);
    let learned = async {
        while sign_in(&elsewhere).await.status != 403 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(SOON, learned).await.expect("the other gateway did not learn of it");
    // Running gateways keep their copy, and a gateway that starts with an empty store asks the signer.
    world.sessions.lose();
    let fresh = world.replica(world.sessions.clone()).await;
    tokio::time::timeout(SOON, async {
        while sign_in(&fresh).await.status != 403 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await
    .expect("the signer was not asked");
    assert_eq!(sign_in(&world).await.problem(), "denied");

    let path = format!("/v1/admin/denials/{}?reason=appeal", wallet.address());
    let lifted = world.ask("DELETE", &path, &admin, &[]).await;
    assert_eq!((lifted.status, &lifted.json()["denied"]), (200, &json!(false)));
    assert_eq!(sign_in(&world).await.status, 200);
    let unsaid = world.ask("DELETE", "/v1/admin/denials/0x12?reason=x", &admin, &[]).await;
    assert_eq!((unsaid.status, unsaid.problem().as_str()), (400, "player"));
}

#[tokio::test]
async fn after_a_logout_no_token_of_that_sign_in_counts() {
    let world = World::new().await;
    let (tokens, other) = (Wallet::new(1).sign_in(&world).await, Wallet::new(1).sign_in(&world).await);
    assert_eq!(world.post("/v1/auth/logout", Some(&tokens.access), &Value::Null).await.status, 204);
    assert_eq!(world.get("/v1/balance", Some(&tokens.access)).await.status, 401);
    let refresh = json!({ "refreshToken": tokens.refresh });
    assert_eq!(world.post("/v1/auth/refresh", None, &refresh).await.status, 401);
    // Another sign-in of the same wallet stays valid.
    assert_eq!(world.get("/v1/balance", Some(&other.access)).await.status, 200);
}

#[tokio::test]
async fn forged_and_untimely_tokens_are_refused() {
    use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
    let world = World::new().await;
    let claims = Wallet::new(1).claims();
    let good = sign(&claims, Some("k1"), &wallet::JWT_KEY);
    assert_eq!(world.get("/v1/balance", Some(&good)).await.status, 200);

    let ours = |claims: Claims| sign(&claims, Some("k1"), &wallet::JWT_KEY);
    let (head, rest) = good.split_once('.').unwrap();
    let (body, signature) = rest.split_once('.').unwrap();
    let part = |json: Value| URL_SAFE_NO_PAD.encode(json.to_string());
    let none = part(json!({ "alg": "none", "typ": "JWT", "kid": "k1" }));
    // The public key as an HMAC secret, the classic confusion.
    let jwks = world.get("/.well-known/jwks.json", None).await.json();
    let x = URL_SAFE_NO_PAD.decode(jwks["keys"][0]["x"].as_str().unwrap()).unwrap();
    let header = Header { kid: Some("k1".into()), ..Header::new(Algorithm::HS256) };
    let confused = jsonwebtoken::encode(&header, &claims, &EncodingKey::from_secret(&x)).unwrap();
    let mut more = serde_json::to_value(&claims).unwrap();
    more["roles"] = json!(["player", "admin"]);
    for (what, token) in [
        ("expired", ours(Claims { exp: now_s() - 60, nbf: now_s() - 400, ..claims.clone() })),
        ("not valid yet", ours(Claims { nbf: now_s() + 60, ..claims.clone() })),
        ("another audience", ours(Claims { aud: "other".into(), ..claims.clone() })),
        ("another issuer", ours(Claims { iss: "https://evil.example".into(), ..claims.clone() })),
        ("no address", ours(Claims { sub: "admin".into(), ..claims.clone() })),
        ("another key", sign(&claims, Some("k1"), &[1; 32])),
        ("an unknown key", sign(&claims, Some("k2"), &wallet::JWT_KEY)),
        ("no key named", sign(&claims, None, &wallet::JWT_KEY)),
        ("alg none", format!("{none}.{body}.")),
        ("alg none with a signature", format!("{none}.{body}.{signature}")),
        ("alg HS256", confused),
        ("changed claims", format!("{head}.{}.{signature}", part(more))),
        ("no signature", format!("{head}.{body}.")),
        ("no token", "x".into()),
    ] {
        let answer = world.get("/v1/balance", Some(&token)).await;
        assert_eq!((answer.status, answer.problem().as_str()), (401, "token"), "{what}");
        assert!(answer.header("www-authenticate").unwrap().contains("invalid_token"), "{what}");
    }
    let missing = world.get("/v1/balance", None).await;
    assert_eq!((missing.status, missing.header("www-authenticate")), (401, Some("bearer")));
    let basic = [("authorization", format!("Basic {good}"))];
    assert_eq!(http::request(&world, "GET", "/v1/balance", &basic, "").await.status, 401);
}

#[tokio::test]
async fn every_route_is_open_to_exactly_the_roles_of_the_table() {
    let world = World::new().await;
    let token = |roles: &[UserRole]| {
        let claims = Claims { roles: roles.to_vec(), ..Wallet::new(1).claims() };
        sign(&claims, Some("k1"), &wallet::JWT_KEY)
    };
    for endpoint in Endpoint::ALL {
        let path = endpoint.path().replace("{uid}", UID).replace("{hand}", "1").replace("{stream}", "0");
        // Only the player may read the player's own data.
        let own = path.starts_with("/v1/players/");
        let player = if own { "me".into() } else { Wallet::new(9).address() };
        let path = path.replace("{player}", &player);
        let ask = async |token: Option<&str>| {
            let bearer: Vec<_> =
                token.map(|t| ("authorization", format!("Bearer {t}"))).into_iter().collect();
            http::request(&world, endpoint.method().as_str(), &path, &bearer, "").await.status
        };
        let allowed = |role: UserRole| match endpoint.access() {
            Access::Open => true,
            Access::Roles(roles) => roles.contains(&role),
        };
        if endpoint == Endpoint::Logout {
            // The tokens below share one sign-in.
            assert_eq!(ask(None).await, 401);
            continue;
        }
        if endpoint == Endpoint::LobbyEvents {
            // Open, and without an end: its own test reads it.
            assert_eq!(endpoint.access(), Access::Open);
            continue;
        }
        if endpoint == Endpoint::FloorEvents {
            // For an allowed caller the stream has no end: another test reads it.
            assert_eq!(ask(Some(&token(&[UserRole::Player]))).await, 403);
            continue;
        }
        let open = endpoint.access() == Access::Open;
        let anonymous = ask(None).await;
        assert_eq!(anonymous == 401, !open && anonymous != 403, "{endpoint:?}: {anonymous}");
        for role in
            [UserRole::Player, UserRole::Support, UserRole::Integrity, UserRole::Auditor, UserRole::Admin]
        {
            let status = ask(Some(&token(&[role]))).await;
            assert_eq!(status != 403, allowed(role), "{endpoint:?} {role:?}: {status}");
            assert_ne!(status, 401, "{endpoint:?} {role:?}");
        }
        let nobody = ask(Some(&token(&[]))).await;
        assert_eq!(nobody == 403, !open, "{endpoint:?} without roles: {nobody}");
    }
}

#[tokio::test]
async fn roles_come_from_the_file() {
    let world = World::new().await;
    let auditor = Wallet::auditor().sign_in(&world).await;
    let books = world.get("/v1/reconciliation", Some(&auditor.access)).await;
    assert_eq!((books.status, &books.json()["agree"]), (200, &json!(true)));
    let player = Wallet::new(1).sign_in(&world).await;
    assert_eq!(world.get("/v1/reconciliation", Some(&player.access)).await.problem(), "role");
    let deck = "/v1/tables/0a/hands/1/audit";
    assert_eq!(world.get(deck, Some(&player.access)).await.problem(), "role");
    let deck = world.get(deck, Some(&auditor.access)).await;
    assert_eq!((deck.status, &deck.json()["audit"]), (200, &json!("box")));
}

#[tokio::test]
async fn pages_of_other_origins_may_not_ask() {
    let world = World::new().await;
    let ask = async |method: &str, origin: &str| {
        let origin = [("origin", origin.to_owned())];
        http::request(&world, method, "/v1/config", &origin, "").await
    };
    for foreign in ["https://evil.example", "null", "https://localhost.evil.example", "http://localhost"] {
        let answer = ask("GET", foreign).await;
        assert_eq!((answer.status, answer.problem().as_str()), (403, "origin"), "{foreign}");
        assert_eq!(answer.header("access-control-allow-origin"), None);
    }
    let answer = ask("GET", "https://app.example").await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("access-control-allow-origin"), Some("https://app.example"));
    let preflight = ask("OPTIONS", "https://app.example").await;
    assert_eq!(preflight.status, 204);
    assert!(preflight.header("access-control-allow-headers").unwrap().contains("authorization"));
    assert_eq!(ask("OPTIONS", "https://evil.example").await.status, 403);
}

#[tokio::test]
async fn the_lobby_lists_tables_page_by_page() {
    let world = World::new().await;
    let route = |uid: &str, ready| {
        world.routes.apply(purr_gateway::routing::Pod {
            name: format!("pod-{uid}"),
            uid: uid.into(),
            table: format!("table-{uid}"),
            generation: 1,
            address: Some("127.0.0.1:1".parse().unwrap()),
            ready,
        });
    };
    route("1a", true);
    route("2b", false);
    route("3c", true);
    let summary = Summary { uid: "1a".into(), name: "river".into(), players: 6, ..Summary::default() };
    world.sessions.put_summary(summary);
    let page = world.get("/v1/tables?limit=2", None).await.json();
    assert_eq!(page["next"], json!("2b"));
    let first = &page["tables"][0];
    assert_eq!(
        (&first["name"], &first["players"], &first["ready"]),
        (&json!("river"), &json!(6), &json!(true))
    );
    let second = &page["tables"][1];
    assert_eq!((&second["name"], &second["ready"]), (&json!("table-2b"), &json!(false)));
    let rest = world.get("/v1/tables?limit=2&cursor=2b", None).await.json();
    assert_eq!((rest["tables"].as_array().unwrap().len(), &rest["next"]), (1, &Value::Null));

    let one = world.get("/v1/tables/1a", None).await.json();
    assert_eq!(
        (&one["tableId"], &one["state"], &one["players"]),
        (&json!("0x11"), &json!("open"), &json!(6))
    );
    assert_eq!(world.get("/v1/tables/ffff", None).await.problem(), "table");
    assert_eq!(world.get("/v1/tables/..%2fconfig", None).await.problem(), "table");
    assert_eq!(world.get("/v1/tables?limit=-1", None).await.problem(), "query");
}

#[tokio::test]
async fn hands_come_from_records_in_the_format_that_was_asked_for() {
    let world = World::new().await;
    let wallet = Wallet::new(1);
    let token = wallet.sign_in(&world).await.access;
    let viewer = wallet.address();
    let get = async |path: &str| world.get(&format!("/v1/tables/{UID}/hands{path}"), Some(&token)).await;
    assert_eq!(get("?before=9&limit=3").await.json(), json!({ "hands": [] }));
    let phh = get("/7?format=phh").await;
    assert_eq!(
        (phh.body.as_str(), phh.header("content-type")),
        (format!("hand 7 format=phh&viewer={viewer}").as_str(), Some("application/toml"))
    );
    assert_eq!(get("/7").await.body, format!("hand 7 format=json&viewer={viewer}"));
    let auditor = Wallet::auditor().sign_in(&world).await.access;
    let all = world.get(&format!("/v1/tables/{UID}/hands/7"), Some(&auditor)).await;
    assert_eq!(all.body, "hand 7 format=json&viewer=all");
    assert_eq!(get("/404").await.problem(), "hand");
    assert_eq!(get("/x").await.problem(), "hand");
    assert_eq!(get("/7?format=xml").await.problem(), "query");
}

#[tokio::test]
async fn the_receipt_of_a_hand_comes_from_the_signer_for_whoever_signed_in() {
    let world = World::new().await;
    let token = Wallet::new(1).sign_in(&world).await.access;
    let path = |hand: &str| format!("/v1/tables/{UID}/hands/{hand}/receipt");
    let receipt = world.get(&path("7"), Some(&token)).await.json();
    assert_eq!((&receipt["hand"], &receipt["table"]), (&json!(7), &json!(UID)));
    assert_eq!((&receipt["seq"], &receipt["lanes"][0]["delta"]), (&json!(9), &json!(-5)));
    assert_eq!(receipt["signature"], "0x8");
    assert_eq!(world.get(&path("404"), Some(&token)).await.problem(), "no-receipt");
    assert_eq!(world.get(&path("x"), Some(&token)).await.problem(), "hand");
    assert_eq!(world.get(&path("7"), None).await.problem(), "token");
}

#[tokio::test]
async fn without_signer_and_records_the_rest_goes_on() {
    let world = World::new().await;
    world.stop_fleet();
    let token = Wallet::new(1).sign_in(&world).await.access;
    let hands = format!("/v1/tables/{UID}/hands");
    for path in ["/v1/balance", "/v1/config", &hands] {
        let answer = world.get(path, Some(&token)).await;
        assert_eq!((answer.status, answer.problem().as_str()), (503, "unavailable"), "{path}");
    }
    assert_eq!(world.get("/v1/tables", None).await.status, 200);
    assert!(world.metric("purr_gateway_upstream_errors_total{upstream=\"signer\"}").unwrap() >= 2.0);
    assert_eq!(world.readiness.missing(), Vec::<String>::new());
}

#[tokio::test]
async fn who_asks_too_often_is_told_when_to_come_back() {
    let world = World::with(|config| config.rates[0] = Rate { per_s: 1, burst: 2 }).await;
    for _ in 0..2 {
        wallet::nonce(&world).await;
    }
    let answer = world.post("/v1/auth/nonce", None, &Value::Null).await;
    assert_eq!((answer.status, answer.problem().as_str()), (429, "rate"));
    assert_eq!(answer.header("retry-after"), Some("1"));
    assert_eq!(answer.header("ratelimit-policy"), Some("\"sign_in\";q=2;w=2"));
    assert_eq!(answer.header("ratelimit"), Some("\"sign_in\";r=0;t=2"));
    // Routes with a limit of their own still answer.
    assert_eq!(world.get("/v1/config", None).await.status, 200);
    assert_eq!(world.metric("purr_gateway_rate_limited_total{class=\"sign_in\"}"), Some(1.0));
}

#[tokio::test]
async fn one_player_is_limited_on_all_addresses_together() {
    let world = World::with(|config| config.rates[2] = Rate { per_s: 1, burst: 1 }).await;
    let token = Wallet::new(1).sign_in(&world).await.access;
    assert_eq!(world.get("/v1/balance", Some(&token)).await.status, 200);
    assert_eq!(world.get("/v1/balance", Some(&token)).await.status, 429);
    let other = Wallet::new(2).sign_in(&world).await.access;
    assert_eq!(world.get("/v1/balance", Some(&other)).await.status, 200);
}

#[tokio::test]
async fn bodies_and_requests_that_are_not_as_expected_are_refused() {
    let world = World::new().await;
    let large = json!({ "message": "x".repeat(20_000), "signature": "" });
    assert_eq!(world.post("/v1/auth/sign-in", None, &large).await.problem(), "size");
    assert_eq!(world.post("/v1/auth/sign-in", None, &json!([])).await.problem(), "json");
    assert_eq!(world.get("/v1/auth/sign-in", None).await.problem(), "method");
    assert_eq!(world.get("/nothing", None).await.problem(), "not-found");
    assert_eq!(world.get("/v1/tables/", None).await.status, 404);
}

#[tokio::test]
async fn table_pods_read_the_published_keys_inside() {
    let world = World::new().await;
    let outside = world.get("/.well-known/jwks.json", None).await.json();
    let client = InternalClient::new(world.table_identity(UID), world.internal.to_string(), Role::Gateway);
    let inside: Value = client.get("/.well-known/jwks.json", Duration::from_secs(5)).await.unwrap();
    assert_eq!(inside, outside);
    let key = &inside["keys"][0];
    assert_eq!((&key["kty"], &key["crv"], &key["kid"]), (&json!("OKP"), &json!("Ed25519"), &json!("k1")));
    // There are no other routes.
    assert!(client.get::<Value>("/v1/tables", Duration::from_secs(5)).await.is_err());
}
