//! A player's own statistics and hands, and nobody else's.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "helpers of tests")]

use crate::common;

use common::{World, wallet::Wallet};

#[tokio::test]
async fn a_player_sees_the_own_statistics_with_the_filters_that_were_asked_for() {
    let world = World::new().await;
    let wallet = Wallet::new(1);
    let token = wallet.sign_in(&world).await.access;
    let asked = world.get("/v1/players/me/statistics?stakes=5/10&seats=6&position=co", Some(&token)).await;
    assert_eq!(asked.status, 200, "{asked:?}");
    let asked = asked.json()["asked"].as_str().unwrap().to_owned();
    let own = wallet.address();
    assert!(asked.starts_with(&format!("/v1/players/{own}/statistics?")), "{asked}");
    for part in ["stakes=5%2F10", "seats=6", "position=co"] {
        assert!(asked.contains(part), "{asked}");
    }
    for path in ["graph?from=2026-11-01", "hands?cards=AsKd&potMin=100"] {
        for who in ["me", own.as_str()] {
            let answer = world.get(&format!("/v1/players/{who}/{path}"), Some(&token)).await;
            assert_eq!(answer.status, 200, "{answer:?}");
        }
    }
}

#[tokio::test]
async fn nobody_sees_the_statistics_of_somebody_else() {
    let world = World::new().await;
    let token = Wallet::new(1).sign_in(&world).await.access;
    let other = Wallet::new(2).address();
    for who in [other.as_str(), "everybody", "0x00"] {
        for what in ["statistics", "graph", "hands"] {
            let answer = world.get(&format!("/v1/players/{who}/{what}"), Some(&token)).await;
            assert_eq!((answer.status, answer.problem().as_str()), (403, "not-own-statistics"));
        }
    }
    assert_eq!(world.get("/v1/players/me/statistics", None).await.status, 401);
    assert_eq!(world.get("/v1/players/me/statistics?seats=x", Some(&token)).await.problem(), "query");
}

#[tokio::test]
async fn leaderboards_are_off_until_the_room_wants_them() {
    let world = World::new().await;
    let token = Wallet::new(1).sign_in(&world).await.access;
    let off = world.get("/v1/leaderboard", Some(&token)).await;
    assert_eq!((off.status, off.problem().as_str()), (404, "no-leaderboard"));
    let world = World::with(|config| config.page.leaderboard = true).await;
    let token = Wallet::new(1).sign_in(&world).await.access;
    let shown = world.get("/v1/leaderboard?days=7&by=hands", Some(&token)).await;
    assert_eq!(shown.status, 200, "{shown:?}");
    let leader = shown.json()["leaders"][0].clone();
    // Records gets the caller's address and marks the caller's own place.
    assert_eq!((leader["you"].as_bool(), leader["hands"].as_i64()), (Some(true), Some(100)));
    assert_eq!(world.get("/v1/leaderboard?by=money", Some(&token)).await.problem(), "query");
}
