//! The lock on a real Redis, with the rights that the chart gives.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests may fail loudly")]

#[path = "../../../operator/runtime/tests/common/certificates.rs"]
mod certificates;
#[path = "../../../operator/records/tests/common/redis.rs"]
mod redis;

use certificates::Authority;
use purr_store::{LockLost, Sessions};
use redis::Redis;
use std::{future::pending, time::Duration};
use tokio::time::{sleep, timeout};

const LONG: Duration = Duration::from_secs(30);
const SHORT: Duration = Duration::from_millis(600);

async fn group() -> (Redis, Sessions, Sessions) {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let authority = Authority::new();
    let redis = Redis::sessions(|folder, names| authority.issue(folder, names));
    let [one, other] = [(); 2].map(|()| Sessions::new(redis.link("controller")));
    let up = async {
        while one.lock("up", SHORT).await.is_err() {
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(Duration::from_secs(40), up).await.unwrap();
    (redis, one, other)
}

#[tokio::test]
async fn one_of_two_has_it_until_it_is_given_back() {
    let (_redis, one, other) = group().await;
    let held = one.lock("backup", LONG).await.unwrap().unwrap();
    assert!(held.is_held() && other.lock("backup", LONG).await.unwrap().is_none());
    assert!(other.lock("clean-up", LONG).await.unwrap().is_some(), "another name is another lock");
    assert!(held.release().await.unwrap());
    assert!(other.lock("backup", LONG).await.unwrap().is_some());
}

#[tokio::test]
async fn who_was_too_late_neither_prolongs_nor_releases_the_lock_of_the_next() {
    let (_redis, one, other) = group().await;
    let mut late = one.lock("backup", Duration::from_millis(50)).await.unwrap().unwrap();
    let next = timeout(LONG, async {
        loop {
            if let Some(next) = other.lock("backup", LONG).await.unwrap() {
                break next;
            }
        }
    });
    let mut next = next.await.unwrap();
    assert!(!late.is_held() && !late.renew().await.unwrap() && !late.is_held());
    assert!(!late.release().await.unwrap());
    assert!(next.renew().await.unwrap(), "it is still the next one's");
}

#[tokio::test]
async fn work_that_takes_longer_than_the_locks_time_keeps_it() {
    let (_redis, one, other) = group().await;
    let held = one.lock("backup", SHORT).await.unwrap().unwrap();
    let looks = async {
        for _ in 0..10 {
            sleep(SHORT / 4).await;
            assert!(other.lock("backup", SHORT).await.unwrap().is_none(), "somebody else got it meanwhile");
        }
        "done"
    };
    assert_eq!(held.hold(looks).await, Ok("done"));
    assert!(other.lock("backup", SHORT).await.unwrap().is_some(), "it was given back");
}

#[tokio::test]
async fn work_ends_when_its_lock_is_lost_with_the_store() {
    let (mut redis, one, _other) = group().await;
    let held = one.lock("backup", SHORT).await.unwrap().unwrap();
    redis.kill();
    let lost = timeout(LONG, held.hold(pending::<()>())).await.unwrap();
    assert_eq!(lost, Err(LockLost("backup".into())));
}

#[tokio::test]
async fn work_ends_when_somebody_else_has_its_lock() {
    let (mut redis, one, other) = group().await;
    let held = one.lock("backup", LONG / 10).await.unwrap().unwrap();
    // A failover may lose what the new master had not received.
    redis.kill();
    redis.start();
    let next = timeout(LONG, async {
        loop {
            if let Ok(Some(next)) = other.lock("backup", LONG).await {
                break next;
            }
            sleep(Duration::from_millis(20)).await;
        }
    });
    let _next = next.await.unwrap();
    let lost = timeout(LONG, held.hold(pending::<()>())).await.unwrap();
    assert_eq!(lost, Err(LockLost("backup".into())));
}
