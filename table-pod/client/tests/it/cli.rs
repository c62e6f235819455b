//! The command `purr` as people use it: immediate refusals in sentences, and fetched data.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests may fail loudly")]

use crate::common;

use common::{HANDS, MISSING, World};
use purr_client::Wallet;
use std::{
    path::PathBuf,
    sync::atomic::Ordering,
    time::{Duration, Instant},
};
use tokio::process::Command;

/// Far below the command's wait for a table that may still open.
const AT_ONCE: Duration = Duration::from_secs(30);

struct Said {
    code: Option<i32>,
    out: String,
    err: String,
}

impl Said {
    /// A failure is one sentence for people, not a log line for programs.
    fn failed(&self, with: &[&str]) {
        let Self { code, out, err } = self;
        assert!(matches!(code, Some(1 | 2)), "{code:?} {out} {err}");
        assert!(err.starts_with("error: ") && !err.contains("{\"") && !err.contains("\"level\""), "{err}");
        for part in with {
            assert!(err.contains(part), "want '{part}': {err}");
        }
    }
}

async fn purr(words: &[&str]) -> Said {
    let mut command = Command::new(env!("CARGO_BIN_EXE_purr"));
    for name in ["PURR_GATEWAY", "PURR_CA", "PURR_KEY_FILE", "PURR_LOG"] {
        command.env_remove(name);
    }
    let output = command.args(words).kill_on_drop(true).output().await.unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Said { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
}

/// A test world and the files that a player's command line needs.
struct Player {
    world: World,
    key: PathBuf,
    ca: PathBuf,
    dir: tempfile::TempDir,
}

impl Player {
    async fn new() -> Self {
        let world = World::start().await;
        let dir = tempfile::tempdir().unwrap();
        let key = dir.path().join("key");
        Wallet::random().unwrap().write_file(&key).unwrap();
        Self { ca: world.ca(), world, key, dir }
    }

    async fn purr(&self, words: &[&str]) -> Said {
        let (ca, key) = (self.ca.to_str().unwrap(), self.key.to_str().unwrap());
        let at = ["--gateway", &self.world.door_url, "--ca", ca, "--key-file", key];
        purr(&[words, &at].concat()).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_or_a_seat_that_there_is_not_fails_at_once_and_says_what_there_is() {
    let player = Player::new().await;
    let begun = Instant::now();
    for command in [&["bot", "--buy-in", "500"][..], &["play"]] {
        let said = player.purr(&[command, &["--table", "nope"]].concat()).await;
        said.failed(&["no table is called 'nope'", "there are: loop"]);
    }
    let ca = player.ca.to_str().unwrap();
    let load = ["load", "--table", "nope", "--gateway", &player.world.door_url, "--ca", ca];
    purr(&load).await.failed(&["no table is called 'nope'", "there are: loop"]);
    player.purr(&["hand", "nope", "1"]).await.failed(&["no table is called 'nope'", "there are: loop"]);
    let sit = ["bot", "--table", "loop", "--buy-in"];
    let said = player.purr(&[&sit[..], &["500", "--seat", "9"]].concat()).await;
    said.failed(&["--seat 9: there are seats 0 to 5"]);
    let said = player.purr(&[&sit[..], &["199"]].concat()).await;
    said.failed(&["--buy-in 199: the table takes 200 to 1000"]);
    assert!(begun.elapsed() < AT_ONCE, "{:?}", begun.elapsed());
    assert_eq!(player.world.door.sign_ins.load(Ordering::Relaxed), 0, "nobody signed in for that");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_range_of_hands_is_one_sign_in() {
    let player = Player::new().await;
    let sign_ins = || player.world.door.sign_ins.load(Ordering::Relaxed);
    let lines = |said: &Said| said.out.lines().map(str::to_owned).collect::<Vec<_>>();
    let expected = |hands: std::ops::RangeInclusive<u64>| {
        hands.map(|hand| format!("{{\"hand\":{hand}}}")).collect::<Vec<_>>()
    };
    let said = player.purr(&["hand", "loop", "14-40"]).await;
    assert_eq!((said.code, lines(&said)), (Some(0), expected(14..=40)), "{}", said.err);
    assert_eq!(sign_ins(), 1);
    let said = player.purr(&["hand", "loop", "--last", "25"]).await;
    assert_eq!((said.code, lines(&said)), (Some(0), expected(HANDS - 24..=HANDS)), "{}", said.err);
    assert_eq!(sign_ins(), 2);
    let said = player.purr(&["hand", "loop", "7"]).await;
    assert_eq!((said.code, lines(&said)), (Some(0), expected(7..=7)), "{}", said.err);

    // A missing hand does not keep the others from being fetched, and is reported.
    let said = player.purr(&["hand", "loop", "12-14"]).await;
    assert_eq!(said.code, Some(1));
    assert_eq!(lines(&said), [expected(12..=12), expected(14..=14)].concat());
    assert!(said.err.contains(&format!("hand {MISSING}: ")), "{}", said.err);
    assert!(said.err.contains("error: 1 of 3 hands have no record"), "{}", said.err);
    player.purr(&["hand", "loop", "99"]).await.failed(&["There is no record of this hand"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_private_ca_is_named_and_public_ones_are_the_machines() {
    let player = Player::new().await;
    let url = player.world.door_url.as_str();
    let with = purr(&["tables", "--gateway", url, "--ca", player.ca.to_str().unwrap()]).await;
    assert!(with.code == Some(0) && with.out.contains("loop"), "{}", with.err);
    // The door's certificate is from a CA that this machine does not trust.
    let without = purr(&["tables", "--gateway", url]).await;
    without.failed(&[]);
    let said = without.err.to_lowercase();
    assert!(said.contains("certificate") || said.contains("the cas of this machine"), "{said}");
    // A machine that does trust it needs no option.
    let trusting = Command::new(env!("CARGO_BIN_EXE_purr"))
        .args(["tables", "--gateway", url])
        .env("SSL_CERT_FILE", &player.ca)
        .output()
        .await
        .unwrap();
    assert!(trusting.status.success(), "{}", String::from_utf8_lossy(&trusting.stderr));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_the_words_is_told_before_anything_is_asked() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    let (key, none, bad) = (path("key"), path("none"), path("bad"));
    Wallet::random().unwrap().write_file(std::path::Path::new(&key)).unwrap();
    std::fs::write(&bad, "no key").unwrap();
    // No server listens there, so a request would fail visibly.
    let url = "https://localhost:9";
    let at = ["--gateway", url, "--key-file", &key];
    let with = |words: &[&'static str]| [words, &[]].concat();
    let cases: Vec<(Vec<&str>, &str)> = vec![
        ([&with(&["hand", "loop", "0"])[..], &at].concat(), "counted from 1"),
        ([&with(&["hand", "loop", "40-12"])[..], &at].concat(), "ends before it begins"),
        ([&with(&["hand", "loop", "1-20000"])[..], &at].concat(), "at most 10000"),
        ([&with(&["hand", "loop"])[..], &at].concat(), "required"),
        ([&with(&["hand", "loop", "--last", "0"])[..], &at].concat(), "--last"),
        ([&with(&["bot", "--table", "t", "--buy-in", "0"])[..], &at].concat(), "--buy-in"),
        ([&with(&["bot", "--table", "t", "--buy-in", "5", "--seat", "10"])[..], &at].concat(), "--seat"),
        ([&with(&["bot", "--table", "t", "--buy-in", "5", "--hands", "0"])[..], &at].concat(), "--hands"),
        (
            [&with(&["bot", "--table", "t", "--buy-in", "5", "--time-limit-s", "0"])[..], &at].concat(),
            "--time-limit-s",
        ),
        (vec!["hand", "loop", "1", "--gateway", url, "--key-file", &none], "No such file"),
        (vec!["hand", "loop", "1", "--gateway", url, "--key-file", &bad], "not a private key"),
        (vec!["play", "--table", "t", "--gateway", url, "--key-file", &bad], "not a private key"),
        (vec!["hand", "loop", "1", "--gateway", "http://localhost", "--key-file", &key], "is not a gateway"),
        (vec!["tables", "--gateway", url, "--ca", &none], "No such file"),
        (vec!["load", "--gateway", url, "--players", "0"], "--players"),
        (vec!["load", "--gateway", url, "--keys", &none], "No such file"),
        (vec!["verify", &none], "No such file"),
        (vec!["verify", &bad], "not a hand record"),
        (vec!["verify", &key, "--fetch"], "--fetch needs --gateway"),
        (vec!["verify", &key, "--signer", "0x12"], "--signer"),
        (vec!["audit", &none, "--key", &none], "No such file"),
        (vec!["replay", &none], "No such file"),
        (vec!["tables", "--gateway", url, "--log", "a=b=c"], "--log"),
    ];
    for (words, wanted) in cases {
        let said = purr(&words).await;
        said.failed(&[wanted]);
        assert!(!said.err.contains("refused (os error"), "{words:?} asked first: {}", said.err);
    }
    // Errors on the way are sentences, too.
    purr(&[&["hand", "loop", "1"][..], &at].concat()).await.failed(&["GET /v1/tables"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receipt_that_cannot_be_had_is_told_by_its_hand() {
    let player = Player::new().await;
    let file = player.dir.path().join("empty");
    std::fs::write(&file, "").unwrap();
    purr(&["verify", file.to_str().unwrap()]).await.failed(&["there is no record in it"]);
    let said = player.purr(&["hand", "loop", "3", "--format", "receipt"]).await;
    said.failed(&["/hands/3/receipt"]);
}
