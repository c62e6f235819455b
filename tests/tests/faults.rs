//! Hands over connections that are cut, reset, delayed, held half-open, split and repeated. `PURR_SEED=N` runs that
//! seed; proxies draw from it, while clocks and the cards are real, so a seed narrows a failure down and does not
//! replay it.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stderr, reason = "tests may fail loudly")]

use futures::future::join_all;
use purr_tests::faults::{Counts, Fault, How, Mix, Network, Played, Scene, Wrong};
use std::time::{Duration, Instant};

/// As many tables at once as two cores can bear: with more, clients abandon TLS handshakes and start them again.
const TABLES: u64 = 12;
const HANDS: u64 = 170;
const PLAYERS: u8 = 6;
/// Four times the duration on two idle cores.
const LIMIT: Duration = Duration::from_secs(240);

fn seed() -> u64 {
    std::env::var("PURR_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(7)
}

fn network() -> Network {
    use Fault::{Cut, Delay, HalfOpen, LoseAnswers, Reset, Split};
    let faults = vec![Cut, Reset, Delay, Delay, HalfOpen, Split, Split, LoseAnswers, LoseAnswers];
    let near = Mix { faults, every_ms: 300..5_000, delay_ms: 10..400, silence_ms: 300..1_500 };
    let far =
        Mix { faults: vec![Cut, Reset, Delay, Split, LoseAnswers], every_ms: 2_000..12_000, ..near.clone() };
    Network { near: Some(near), far: Some(far), repeat: Some(How::Same(4)), upgrades: None }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_thousand_hands_on_a_bad_network_leave_every_client_with_the_tables_own_state() {
    let (seed, begun, counts) = (seed(), Instant::now(), Counts::default());
    let tables = (0..TABLES).map(|table| {
        let counts = counts.clone();
        tokio::spawn(async move {
            let mut scene = Scene::open(
                &format!("table-{table}"),
                PLAYERS,
                seed * 1_000 + table,
                network(),
                &counts,
                None,
            )
            .await?;
            scene.plays(HANDS, LIMIT).await?;
            scene.end().await
        })
    });
    let mut all = Played::default();
    for (table, played) in join_all(tables).await.into_iter().enumerate() {
        let played =
            played.unwrap().unwrap_or_else(|error| panic!("PURR_SEED={seed}, table {table}: {error:#}"));
        let wrong: Vec<String> = played.wrong.iter().map(ToString::to_string).collect();
        let none = wrong.is_empty() && played.found.is_empty();
        assert!(none, "PURR_SEED={seed}, table {table}:\n{}\n{}", wrong.join("\n"), played.found.join("\n"));
        all.hands += played.hands;
        all.actions += played.actions;
        all.messages += played.messages;
        all.reconnects += played.reconnects;
        all.streams += played.streams;
        all.resent += played.resent;
        all.refused += played.refused;
        all.repeated += played.repeated;
        all.deals_proven += played.deals_proven;
    }
    let faults = Fault::ALL.map(|fault| (fault, counts.of(fault)));
    eprintln!("{all:?} in {:?}; {faults:?}", begun.elapsed());
    assert!(all.hands >= TABLES * HANDS);
    // A run in which nothing happens proves nothing.
    assert!(faults.iter().all(|(_, count)| *count >= 20), "PURR_SEED={seed}: {faults:?}");
    assert!(all.resent >= 20 && all.repeated > all.hands, "PURR_SEED={seed}: {all:?}");
}

async fn short(network: Network, drops: Option<u64>) -> Played {
    let mut scene = Scene::open("short", 3, seed(), network, &Counts::default(), drops).await.unwrap();
    scene.plays(12, LIMIT).await.unwrap();
    scene.end().await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn on_a_good_network_nothing_is_wrong_and_nobody_reconnects() {
    let played = short(Network::default(), None).await;
    assert_eq!((played.wrong, played.found), (Vec::new(), Vec::<String>::new()));
    assert_eq!((played.reconnects, played.resent, played.repeated), (0, 0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_skips_one_message_is_caught() {
    let played = short(Network::default(), Some(40)).await;
    let missed = |wrong: &Wrong| matches!(wrong, Wrong::Missed { last, found, .. } if *found == last + 2);
    assert_eq!(played.wrong.iter().filter(|wrong| missed(wrong)).count(), 1, "{:?}", played.wrong);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_applies_a_command_twice_is_caught() {
    let played = short(Network { repeat: Some(How::Renumbered), ..Network::default() }, None).await;
    assert!(played.repeated > 0);
    let twice =
        |wrong: &Wrong| matches!(wrong, Wrong::Acted { asked, logged, .. } if logged.len() > asked.len());
    assert!(played.wrong.iter().any(twice), "{:?}", played.wrong);
}
