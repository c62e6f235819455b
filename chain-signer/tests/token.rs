//! The token goes away and comes back, and a PIN is wrong: with SoftHSM as the token. The signer is ready by its keys only
//! after a real signature of each, so readiness is what these tests look at.

#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use common::{House, Signer};
use std::fs;

/// Waits until the keys stand against readiness for this reason, or until they do not (`None`).
async fn keys(signer: &Signer, reason: Option<&str>) {
    let name = format!("keys: {}", reason.unwrap_or("work"));
    common::eventually(&name, || async {
        let (_, body) = signer.ops("/readyz").await?;
        let line = body.lines().find(|line| line.starts_with("keys: "));
        match (line, reason) {
            (None, None) => Some(()),
            (Some(line), Some(reason)) => line.contains(reason).then_some(()),
            _ => None,
        }
    })
    .await;
}

async fn up(signer: &Signer, part: &str) -> f64 {
    signer.metric(&format!("purr_signer_up{{part=\"{part}\"}}")).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_was_away_signs_again_without_a_restart() {
    let house = House::empty();
    let signer = house.start_signer();
    keys(&signer, None).await;
    for _ in 0..3 {
        fs::rename(house.path("tokens"), house.path("away")).unwrap();
        keys(&signer, Some("")).await;
        assert_eq!(signer.ops("/livez").await.unwrap().0, 200);
        fs::rename(house.path("away"), house.path("tokens")).unwrap();
        keys(&signer, None).await;
        assert_eq!(up(&signer, "token").await.to_bits(), 1_f64.to_bits());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pin_that_the_token_refused_waits_until_its_file_changes() {
    let house = House::empty();
    // Makes the token with the right PIN.
    house.keys(&["--create"]);
    fs::write(house.path("pin"), "4321").unwrap();
    let signer = house.start_signer();
    keys(&signer, Some("refused the PIN")).await;
    fs::write(house.path("pin"), "1234\n").unwrap();
    keys(&signer, None).await;

    // The same after the token was away, with a PIN file that somebody changed meanwhile.
    fs::rename(house.path("tokens"), house.path("away")).unwrap();
    keys(&signer, Some("")).await;
    fs::write(house.path("pin"), "4321").unwrap();
    fs::rename(house.path("away"), house.path("tokens")).unwrap();
    keys(&signer, Some("refused the PIN")).await;
    assert_eq!(up(&signer, "pin").await.to_bits(), 0_f64.to_bits());
    fs::write(house.path("pin"), "1234").unwrap();
    keys(&signer, None).await;
    assert_eq!(up(&signer, "pin").await.to_bits(), 1_f64.to_bits());
}
