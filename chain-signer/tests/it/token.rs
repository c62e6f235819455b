//! Loss and return of the HSM token, and a wrong PIN, with SoftHSM behind a module that can hide it. The signer's keys
//! are ready only after a real signature of each, so the tests watch readiness.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "helpers of tests"
)]

use crate::common;

use common::{House, Signer};
use std::{fs, process::Command};

/// A room whose token is hidden while the file `away` exists.
fn house() -> House {
    let mut house = House::empty();
    let module = house.path("flaky.so");
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/common/flaky_token.c");
    let built = Command::new("gcc")
        .args(["-O1", "-shared", "-fPIC", "-o"])
        .arg(&module)
        .arg(source)
        .arg("-ldl")
        .status();
    assert!(built.unwrap().success(), "gcc builds {source}");
    let away = house.path("away").display().to_string();
    house.signer_env.push(("PURR_HSM_MODULE".into(), module.display().to_string()));
    house.signer_env.push(("PURR_TEST_TOKEN_AWAY".into(), away));
    house
}

/// Waits until the keys keep the signer from being ready for this reason, or no longer do (`None`).
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

async fn up(signer: &Signer, part: &str) -> bool {
    signer.metric(&format!("purr_signer_up{{part=\"{part}\"}}")).await > 0.5
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_was_away_signs_again_without_a_restart() {
    let house = house();
    let signer = house.start_signer();
    keys(&signer, None).await;
    for (name, rv) in [
        ("CKR_TOKEN_NOT_PRESENT", 0xe0),
        ("CKR_DEVICE_REMOVED", 0x32),
        ("CKR_DEVICE_ERROR", 0x30),
        ("CKR_SESSION_HANDLE_INVALID", 0xb3),
        ("CKR_USER_NOT_LOGGED_IN", 0x101),
    ] {
        fs::write(house.path("away"), rv.to_string()).unwrap();
        keys(&signer, Some("")).await;
        assert!(!up(&signer, "token").await, "{name}");
        assert_eq!(signer.ops("/livez").await.unwrap().0, 200, "{name}");
        fs::remove_file(house.path("away")).unwrap();
        keys(&signer, None).await;
        assert!(up(&signer, "token").await, "{name}");
    }
}

/// Errors that stay until somebody logs in again, or starts the module again.
#[tokio::test(flavor = "multi_thread")]
async fn a_module_that_fails_in_words_of_its_own_is_logged_in_to_and_started_again() {
    const LOGIN: u32 = 18;
    const INITIALIZE: u32 = 0;
    let house = house();
    let signer = house.start_signer();
    keys(&signer, None).await;
    for (name, rv, repaired_by) in [
        ("CKR_VENDOR_DEFINED", 0x8000_0001_u64, LOGIN),
        ("CKR_SESSION_COUNT", 0xb1, LOGIN),
        ("CKR_HOST_MEMORY", 0x02, LOGIN),
        ("CKR_FUNCTION_CANCELED", 0x50, LOGIN),
        ("CKR_CRYPTOKI_NOT_INITIALIZED", 0x190, INITIALIZE),
    ] {
        fs::write(house.path("away"), format!("{rv} {repaired_by}")).unwrap();
        keys(&signer, Some("")).await;
        fs::remove_file(house.path("away")).unwrap();
        keys(&signer, None).await;
        assert!(up(&signer, "token").await, "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pin_that_the_token_refused_waits_until_its_file_changes() {
    let house = house();
    // Creates the token, with the right PIN.
    house.keys(&["--create"]);
    fs::write(house.path("pin"), "4321").unwrap();
    let signer = house.start_signer();
    keys(&signer, Some("refused the PIN")).await;
    fs::write(house.path("pin"), "1234\n").unwrap();
    keys(&signer, None).await;

    // The same after the token was away, with a PIN file that somebody changed meanwhile.
    fs::write(house.path("away"), "224").unwrap();
    keys(&signer, Some("")).await;
    fs::write(house.path("pin"), "4321").unwrap();
    fs::remove_file(house.path("away")).unwrap();
    keys(&signer, Some("refused the PIN")).await;
    assert!(!up(&signer, "pin").await);
    fs::write(house.path("pin"), "1234").unwrap();
    keys(&signer, None).await;
    assert!(up(&signer, "pin").await);
}

/// Starts the signer as the chart does: the init container creates the token, and only that container reads the
/// security officer's PIN.
#[tokio::test(flavor = "multi_thread")]
async fn a_signer_whose_token_was_made_before_works_without_the_security_officers_pin() {
    let mut house = house();
    let init = |house: &House| {
        let answer = house.program().arg("init").output().unwrap();
        assert!(answer.status.success(), "{}", String::from_utf8_lossy(&answer.stderr));
        String::from_utf8(answer.stdout).unwrap()
    };
    assert!(init(&house).contains("0x"), "prints the addresses of the keys that it made");
    fs::remove_file(house.path("so-pin")).unwrap();
    // An existing token is left alone, and a wrong PIN is not tried.
    fs::write(house.path("pin"), "4321").unwrap();
    assert!(init(&house).contains("is there"));
    fs::write(house.path("pin"), "1234").unwrap();
    house.signer_env.push(("PURR_INIT_TOKEN".into(), "false".into()));
    house.signer_env.push(("PURR_CREATE_KEYS".into(), "true".into()));
    // A key of another label needs the user's PIN alone.
    house.signer_env.push(("PURR_HSM_SETTLE_KEY".into(), "settle-2".into()));
    let signer = house.start_signer();
    keys(&signer, None).await;
}
