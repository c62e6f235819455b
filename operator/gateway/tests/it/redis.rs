//! The sessions in a real Redis behind a real Sentinel, over TLS, with the chart's own ACL.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "helpers of tests")]

use crate::common;

use common::{redis::Redis, sessions};
use futures::StreamExt;
use purr_gateway::{
    auth::revoked::Revoked,
    limits::{Class, Limiter, Rate, SharedLimiter},
    metrics::Metrics,
    sessions::{Opened, Opening, REVOKED_PAGE, SIGN_INS_MAX, SessionStore},
};
use purr_protocol::summary::Summary;
use purr_runtime::CancellationToken;
use purr_store::Sessions;
use std::{sync::Arc, time::Duration};
use tokio::time::{Instant, sleep, timeout};

/// Cuts every connection that listens to a channel.
async fn cut_channels(redis: &Redis) {
    let mut connection = redis.link("sentinel").connect().await.unwrap();
    let cut: u64 =
        redis::cmd("CLIENT").arg(&["KILL", "TYPE", "pubsub"]).query_async(&mut connection).await.unwrap();
    assert!(cut >= 1, "nobody was listening");
}

fn opening<'a>(player: &'a str, sid: &'a str, ttl_s: u64) -> Opening<'a> {
    Opening { player, sid, family: "family", ttl_s, once: &[], link: None, now_ms: 1_000 }
}

#[tokio::test]
async fn the_sessions_group_does_what_sign_ins_need() {
    let redis = Redis::start().await;
    let sessions = common::sessions(&redis).await;
    assert_eq!(sessions.get("x").await.unwrap(), None);

    let once = [("nonce:a".to_owned(), 60)];
    let opening = Opening { once: &once, ..opening("0x1", "a", 900) };
    assert_eq!(sessions.open(&opening).await.unwrap(), Opened::Opened(vec![]));
    assert_eq!(sessions.open(&Opening { sid: "b", ..opening }).await.unwrap(), Opened::Used(0));
    assert_eq!(sessions.get("family:b").await.unwrap(), None);
    let link = Some(("outside:x", 60));
    let linked = Opening { sid: "c", once: &[], link, ..opening };
    assert_eq!(sessions.open(&linked).await.unwrap(), Opened::Opened(vec![]));
    let elsewhere = Opening { player: "0x2", sid: "d", ..linked };
    assert_eq!(sessions.open(&elsewhere).await.unwrap(), Opened::LinkedElsewhere);
    assert_eq!(sessions.get("outside:x").await.unwrap().as_deref(), Some("0x1"));

    let renew = async |old: &str, new| sessions.renew("0x1", "a", old, new, 2_000).await.unwrap();
    assert!(!renew("zero", Some(("two", 60))).await);
    assert!(renew("family", Some(("two", 604_800))).await);
    assert_eq!(sessions.get("family:a").await.unwrap().as_deref(), Some("two"));
    assert!(renew("two", None).await && !renew("two", None).await);
    assert_eq!(sessions.get("family:a").await.unwrap(), None);
    assert_eq!(sessions.sign_ins("0x1").await.unwrap(), ["c"]);
    assert_eq!(sessions.take("family:c").await.unwrap().as_deref(), Some("family"));
    assert_eq!(sessions.take("family:c").await.unwrap(), None);

    let hour = 3_600_000;
    sessions.revoke("old", hour).await.unwrap();
    sessions.revoke("new", 2 * hour).await.unwrap();
    assert_eq!(sessions.revoked_since(0, 0).await.unwrap(), ["new"]);
    assert_eq!(sessions.revoked_since(2 * hour + 1, 0).await.unwrap(), Vec::<String>::new());

    let summary = Summary { uid: "0a".into(), players: 4, ..Summary::default() };
    Sessions::new(redis.link("table")).put_summary(&summary).await.unwrap();
    let found = sessions.summaries(&["ff".into(), "0a".into()]).await.unwrap();
    assert_eq!(found, [None, Some(summary)]);
    assert_eq!(sessions.summaries(&[]).await.unwrap(), []);
}

#[tokio::test]
async fn requests_are_counted_by_the_servers_clock_and_forgotten() {
    let redis = Redis::start().await;
    let sessions = common::sessions(&redis).await;
    let rate = Rate { per_s: 10, burst: 3 };
    for left in [2, 1, 0] {
        let verdict = sessions.arrive(&[("limit:t".to_owned(), rate)]).await.unwrap();
        assert!(verdict.passed && verdict.remaining <= left + 1, "{verdict:?}");
    }
    let slow = Rate { per_s: 1, burst: 2 };
    assert_eq!(sessions.arrive(&[("limit:s".to_owned(), slow)]).await.unwrap().remaining, 1);
    assert_eq!(sessions.arrive(&[("limit:s".to_owned(), slow)]).await.unwrap().remaining, 0);
    let refused = sessions.arrive(&[("limit:s".to_owned(), slow)]).await.unwrap();
    assert!(!refused.passed && refused.remaining == 0, "{refused:?}");
    assert!(refused.retry > Duration::ZERO && refused.retry <= Duration::from_secs(1), "{refused:?}");
    // Another key has a count of its own.
    assert!(sessions.arrive(&[("limit:u".to_owned(), slow)]).await.unwrap().passed);
    // A key is deleted once its burst is whole again.
    let gone = async {
        while sessions.get("limit:t").await.unwrap().is_some() {
            sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(Duration::from_secs(5), gone).await.expect("the key stays");
    // A time far in the future, as after a failover to a machine whose clock is behind, costs one burst.
    assert!(Sessions::new(redis.link("gateway")).put_new("limit:v", "9007199254740000", 60).await.unwrap());
    let refused = sessions.arrive(&[("limit:v".to_owned(), slow)]).await.unwrap();
    assert!(!refused.passed && refused.retry <= Duration::from_secs(1), "{refused:?}");
    // Several keys: a request that one key refuses counts against none.
    let wide = Rate { per_s: 1, burst: 100 };
    let both = [("limit:s".to_owned(), slow), ("limit:w".to_owned(), wide)];
    let refused = sessions.arrive(&both).await.unwrap();
    assert!(!refused.passed && refused.rate == slow, "{refused:?}");
    assert_eq!(sessions.get("limit:w").await.unwrap(), None);
    let both = [("limit:x".to_owned(), slow), ("limit:w".to_owned(), wide)];
    let passed = sessions.arrive(&both).await.unwrap();
    assert!(passed.passed && passed.rate == slow && passed.remaining == 1, "{passed:?}");
    assert!(sessions.get("limit:w").await.unwrap().is_some());
}

#[tokio::test]
async fn what_belongs_to_one_sign_in_ends_together() {
    let redis = Redis::start().await;
    let sessions = common::sessions(&redis).await;
    let raw = Sessions::new(redis.link("gateway"));
    let ttl = async |key: &str| raw.query::<i64>(redis::cmd("TTL").arg(key)).await.unwrap();
    sessions.open(&opening("0x1", "a", 900)).await.unwrap();
    assert!((890..=900).contains(&ttl("family:a").await) && (890..=900).contains(&ttl("signins:0x1").await));
    // Used: both are kept for a week; a newer sign-in that nobody uses shortens nothing.
    sessions.renew("0x1", "a", "family", Some(("two", 604_800)), 1_000).await.unwrap();
    sessions.open(&opening("0x1", "b", 900)).await.unwrap();
    assert!(ttl("family:a").await > 600_000 && ttl("signins:0x1").await > 600_000);
    assert!(ttl("family:b").await <= 900);
}

#[tokio::test]
async fn a_flood_of_logouts_delays_nobody_elses_revocation() {
    let redis = Redis::start().await;
    let sessions = common::sessions(&redis).await;
    let now_ms = purr_gateway::clock::now_ms();
    let raw = Sessions::new(redis.link("gateway"));
    // Two pages and a half of ended sign-ins that are older, then one.
    for chunk in 0..25_u64 {
        let mut command = redis::cmd("ZADD");
        command.arg("revoked:sessions");
        for n in 0..REVOKED_PAGE as u64 / 10 {
            command.arg(now_ms - 20_000 + chunk).arg(format!("flood-{chunk}-{n}"));
        }
        raw.query::<u64>(&command).await.unwrap();
    }
    sessions.revoke("theirs", now_ms).await.unwrap();
    assert_eq!(sessions.revoked_since(now_ms - 30_000, 0).await.unwrap()[0], "theirs");
    let revoked = Arc::new(Revoked::default());
    let mut changed = revoked.subscribe();
    let stop = CancellationToken::new();
    let metrics = Metrics::new(&prometheus::Registry::new()).unwrap();
    let following = {
        let (revoked, stop) = (revoked.clone(), stop.clone());
        tokio::spawn(async move {
            revoked.follow(Arc::new(sessions), Duration::from_millis(50), metrics, stop).await;
        })
    };
    // The first page of the first reading has it, and the rest is not lost.
    timeout(Duration::from_secs(20), changed.changed()).await.unwrap().unwrap();
    assert!(revoked.contains("theirs"));
    while !revoked.contains("flood-0-0") {
        timeout(Duration::from_secs(20), changed.changed()).await.unwrap().unwrap();
    }
    stop.cancel();
    following.await.unwrap();
}

#[tokio::test]
async fn two_gateways_count_together_and_go_on_alone_while_redis_is_away() {
    let redis = Redis::start().await;
    let rate = Rate { per_s: 1, burst: 10 };
    let gateway = async || {
        let metrics = Metrics::new(&prometheus::Registry::new()).unwrap();
        let store = Arc::new(sessions(&redis).await);
        let limiter =
            SharedLimiter::new(store, [rate; Class::ALL.len()], metrics.clone(), CancellationToken::new());
        (limiter, metrics)
    };
    let ((one, seen), (two, _)) = (gateway().await, gateway().await);
    let passes = async |limiter: &SharedLimiter, key: &str, most: u32| {
        let mut passed = 0;
        while passed < most && limiter.check(Class::Player, key).await.passed {
            passed += 1;
        }
        passed
    };
    assert_eq!(passes(&one, "a", 4).await, 4);
    // What is left of ten, plus one for each second that the requests take.
    let rest = passes(&two, "a", 100).await;
    assert!((6..=8).contains(&rest), "{rest}");
    assert_eq!(seen.limits_shared.get(), 1);

    redis.freeze(true);
    let begun = Instant::now();
    let alone = passes(&one, "b", 100).await;
    // One request waited for Redis; the others did not.
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
    assert!((10..=12).contains(&alone), "{alone}");
    assert_eq!(seen.limits_shared.get(), 0);

    redis.freeze(false);
    let again = async {
        while seen.limits_shared.get() == 0 {
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(Duration::from_secs(20), again).await.expect("not shared again in time");
    assert_eq!(passes(&one, "c", 5).await, 5);
    let rest = passes(&two, "c", 100).await;
    assert!(rest <= 7, "{rest}");
}

#[tokio::test]
async fn a_players_sign_ins_are_found_and_bounded() {
    let redis = Redis::start().await;
    let sessions = common::sessions(&redis).await;
    for n in 0..SIGN_INS_MAX {
        let sid = format!("s{n}");
        let opening = Opening { now_ms: 1_000 + n as u64, ..opening("0x1", &sid, 60) };
        assert_eq!(sessions.open(&opening).await.unwrap(), Opened::Opened(vec![]));
    }
    let last = Opening { now_ms: 9_000, ..opening("0x1", "last", 60) };
    assert_eq!(sessions.open(&last).await.unwrap(), Opened::Opened(vec!["s0".into()]));
    let all = sessions.sign_ins("0x1").await.unwrap();
    assert_eq!((all.len(), all[0].as_str()), (SIGN_INS_MAX, "s1"));
    sessions.forget("0x1", &all[1..]).await.unwrap();
    assert_eq!(sessions.sign_ins("0x1").await.unwrap(), ["s1"]);
    assert_eq!(sessions.sign_ins("0x2").await.unwrap(), Vec::<String>::new());
    sessions.forget("0x2", &[]).await.unwrap();
}

#[tokio::test]
async fn a_revocation_is_heard_at_once_and_one_that_the_channel_lost_is_read() {
    let redis = Redis::start().await;
    let theirs = sessions(&redis).await;
    let metrics = Metrics::new(&prometheus::Registry::new()).unwrap();
    let stop = CancellationToken::new();
    // Two gateways: one has the channel alone, the other the record alone.
    let (listening, following) = (Arc::new(Revoked::default()), Arc::new(Revoked::default()));
    let store = Arc::new(sessions(&redis).await);
    let tasks = {
        let (listening, following) = (listening.clone(), following.clone());
        let (metrics, stop) = (metrics.clone(), stop.clone());
        tokio::spawn(async move {
            let every = purr_gateway::relay::Pace::default().revoked_every;
            tokio::join!(
                listening.listen(store.clone(), metrics.clone(), stop.clone()),
                following.follow(store, every, metrics, stop),
            )
        })
    };
    let becomes = async |listening: i64| {
        let becomes = async {
            while metrics.listening.get() != listening {
                sleep(Duration::from_millis(5)).await;
            }
        };
        timeout(Duration::from_secs(20), becomes).await.expect("the channel is as it was");
    };
    let learns = async |revoked: &Revoked, sid: &str| {
        let begun = Instant::now();
        let mut changed = revoked.subscribe();
        while !revoked.contains(sid) {
            timeout(Duration::from_secs(20), changed.changed()).await.expect(sid).unwrap();
        }
        begun.elapsed()
    };
    let now_ms = || purr_gateway::clock::now_ms();
    becomes(1).await;
    theirs.revoke("one", now_ms()).await.unwrap();
    let heard = learns(&listening, "one").await;
    let read = learns(&following, "one").await;
    println!("heard after {heard:?}, read after {read:?}");
    assert!(heard < Duration::from_secs(1) && read < Duration::from_secs(1), "{heard:?} {read:?}");

    // The server closes the channel; a sign-in revoked before the next subscription is on record.
    cut_channels(&redis).await;
    becomes(0).await;
    theirs.revoke("two", now_ms()).await.unwrap();
    let read = learns(&following, "two").await;
    assert!(read < Duration::from_secs(1), "{read:?}");
    becomes(1).await;
    theirs.revoke("three", now_ms()).await.unwrap();
    let heard = learns(&listening, "three").await;
    assert!(heard < Duration::from_secs(1), "{heard:?}");
    assert!(!listening.contains("two"), "the channel has no memory");
    stop.cancel();
    tasks.await.unwrap();
}

#[tokio::test]
async fn a_letter_reaches_the_gateway_that_it_names_or_its_writer_is_told_that_it_does_not() {
    let redis = Redis::start().await;
    let (sessions, other) = (sessions(&redis).await, sessions(&redis).await);
    assert!(!sessions.post("a", "too early").await.unwrap());
    let (mut a, mut b) = (other.letters("a").await.unwrap(), other.letters("b").await.unwrap());
    let soon = Duration::from_secs(20);
    for (gateway, letter) in [("a", "one"), ("b", "two"), ("a", "three")] {
        assert!(sessions.post(gateway, letter).await.unwrap());
        let letters = if gateway == "a" { &mut a } else { &mut b };
        assert_eq!(timeout(soon, letters.next()).await.unwrap().unwrap(), letter);
    }
    // A stopped gateway gets no messages once the server has noticed.
    drop(a);
    let ends = async {
        while sessions.post("a", "too late").await.unwrap() {
            sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(soon, ends).await.unwrap();
    assert!(sessions.post("b", "four").await.unwrap());
    assert_eq!(timeout(soon, b.next()).await.unwrap().unwrap(), "four");
}
