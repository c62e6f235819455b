//! The sessions in a real Redis behind a real Sentinel, over TLS, with the chart's own ACL.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "helpers of tests")]

#[path = "../../runtime/tests/common/certificates.rs"]
mod certificates;

use certificates::Authority;
use futures::StreamExt;
use purr_gateway::{
    auth::revoked::Revoked,
    limits::{Class, Limiter, Rate, SharedLimiter},
    metrics::Metrics,
    sessions::{RedisSessions, SIGN_INS_MAX, SessionStore},
};
use purr_protocol::summary::Summary;
use purr_runtime::CancellationToken;
use purr_store::{Link, LinkConfig, Sessions};
use sha2::{Digest, Sha256};
use std::{
    path::Path,
    process::{Child, Command, Stdio},
    sync::Arc,
    time::Duration,
};
use tempfile::TempDir;
use tokio::{
    net::TcpListener,
    time::{Instant, sleep, timeout},
};

struct Redis {
    dir: TempDir,
    programs: Vec<Child>,
    sentinel: u16,
}

impl Drop for Redis {
    fn drop(&mut self) {
        for program in &mut self.programs {
            let _ = program.kill();
            let _ = program.wait();
        }
    }
}

/// A port that was free a moment ago.
async fn free() -> u16 {
    TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port()
}

fn user(name: &str, rules: &str) -> String {
    format!("user {name} on #{} {rules}\n", hex::encode(Sha256::digest(format!("{name}-secret"))))
}

fn run(program: &str, dir: &Path, config: &str, acl: &str) -> Child {
    let path = |end: &str| dir.join(format!("{program}.{end}"));
    std::fs::write(path("acl"), format!("user default off -@all\n{acl}")).unwrap();
    let tls = dir.join("tls");
    let common = format!(
        "port 0\ntls-cert-file {0}/tls.crt\ntls-key-file {0}/tls.key\ntls-ca-cert-file {0}/ca.crt\n\
        tls-auth-clients optional\ntls-replication yes\ndir {1}\nbind 127.0.0.1\naclfile {2}\n",
        tls.display(),
        dir.display(),
        path("acl").display(),
    );
    std::fs::write(path("conf"), common + config).unwrap();
    Command::new(program).arg(path("conf")).stdout(Stdio::null()).spawn().unwrap()
}

impl Redis {
    async fn start() -> Self {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let dir = tempfile::tempdir().unwrap();
        Authority::new().issue(&dir.path().join("tls"), &["localhost", "127.0.0.1"]);
        let chart = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../helm/purr/files/redis/sessions.acl");
        let chart = std::fs::read_to_string(chart).unwrap();
        let users = chart.lines().filter_map(|line| line.split_once(' '));
        let acl: String = users.map(|(name, rules)| user(name, rules)).collect();
        let (data, sentinel) = (free().await, free().await);
        let everything = user("sentinel", "~* &* +@all");
        let server =
            run("redis-server", dir.path(), &format!("tls-port {data}\nsave \"\"\n"), &(acl + &everything));
        let config = format!(
            "tls-port {sentinel}\nsentinel monitor sessions 127.0.0.1 {data} 1\n\
            sentinel auth-user sessions sentinel\nsentinel auth-pass sessions sentinel-secret\n"
        );
        let asks = "-@all +@connection +sentinel|get-master-addr-by-name +role";
        let acl = ["gateway", "table", "sentinel"].map(|name| user(name, asks)).concat();
        let watch = run("redis-sentinel", dir.path(), &config, &acl);
        Self { dir, programs: vec![server, watch], sentinel }
    }

    /// Stops the server in its tracks, or lets it go on: it then has connections and answers nothing.
    fn freeze(&self, frozen: bool) {
        let signal = if frozen { "-STOP" } else { "-CONT" };
        let pid = self.programs[0].id().to_string();
        assert!(Command::new("kill").args([signal, &pid]).status().unwrap().success());
    }

    /// Cuts every connection that listens to a channel.
    async fn cut_channels(&self) {
        let mut connection = self.link("sentinel").connect().await.unwrap();
        let cut: u64 =
            redis::cmd("CLIENT").arg(&["KILL", "TYPE", "pubsub"]).query_async(&mut connection).await.unwrap();
        assert!(cut >= 1, "nobody was listening");
    }

    /// Sessions as the gateway has them, once both programs are up.
    async fn sessions(&self) -> RedisSessions {
        let sessions = RedisSessions::new(self.link("gateway"));
        let up = async {
            while sessions.get("x").await.is_err() {
                sleep(Duration::from_millis(20)).await;
            }
        };
        timeout(Duration::from_secs(20), up).await.expect("Redis did not start in time");
        sessions
    }

    fn link(&self, user: &str) -> Link {
        let password_file = self.dir.path().join(user);
        std::fs::write(&password_file, format!("{user}-secret\n")).unwrap();
        Link::new(LinkConfig {
            sentinels: vec![("127.0.0.1".into(), self.sentinel)],
            master: "sessions".into(),
            user: user.into(),
            password_file,
            ca_file: self.dir.path().join("tls/ca.crt"),
        })
    }
}

#[tokio::test]
async fn the_sessions_group_does_what_sign_ins_need() {
    let redis = Redis::start().await;
    let sessions = redis.sessions().await;
    assert_eq!(sessions.get("x").await.unwrap(), None);

    assert!(sessions.put_new("nonce:a", "1", 60).await.unwrap());
    assert!(!sessions.put_new("nonce:a", "2", 60).await.unwrap());
    assert_eq!(sessions.take("nonce:a").await.unwrap().as_deref(), Some("1"));
    assert_eq!(sessions.take("nonce:a").await.unwrap(), None);

    assert!(!sessions.swap("family:a", "one", Some(("two", 60))).await.unwrap());
    assert!(sessions.put_new("family:a", "one", 60).await.unwrap());
    assert!(!sessions.swap("family:a", "zero", Some(("two", 60))).await.unwrap());
    assert!(sessions.swap("family:a", "one", Some(("two", 60))).await.unwrap());
    assert_eq!(sessions.get("family:a").await.unwrap().as_deref(), Some("two"));
    assert!(sessions.swap("family:a", "two", None).await.unwrap());
    assert_eq!(sessions.get("family:a").await.unwrap(), None);

    let hour = 3_600_000;
    sessions.revoke("old", hour).await.unwrap();
    sessions.revoke("new", 2 * hour).await.unwrap();
    assert_eq!(sessions.revoked_since(0).await.unwrap(), ["new"]);
    assert_eq!(sessions.revoked_since(2 * hour + 1).await.unwrap(), Vec::<String>::new());

    let summary = Summary { uid: "0a".into(), players: 4, ..Summary::default() };
    Sessions::new(redis.link("table")).put_summary(&summary).await.unwrap();
    let found = sessions.summaries(&["ff".into(), "0a".into()]).await.unwrap();
    assert_eq!(found, [None, Some(summary)]);
    assert_eq!(sessions.summaries(&[]).await.unwrap(), []);
}

#[tokio::test]
async fn requests_are_counted_by_the_servers_clock_and_forgotten() {
    let redis = Redis::start().await;
    let sessions = redis.sessions().await;
    let rate = Rate { per_s: 10, burst: 3 };
    for left in [2, 1, 0] {
        let verdict = sessions.arrive("limit:t", rate).await.unwrap();
        assert!(verdict.passed && verdict.remaining <= left + 1, "{verdict:?}");
    }
    let slow = Rate { per_s: 1, burst: 2 };
    assert_eq!(sessions.arrive("limit:s", slow).await.unwrap().remaining, 1);
    assert_eq!(sessions.arrive("limit:s", slow).await.unwrap().remaining, 0);
    let refused = sessions.arrive("limit:s", slow).await.unwrap();
    assert!(!refused.passed && refused.remaining == 0, "{refused:?}");
    assert!(refused.retry > Duration::ZERO && refused.retry <= Duration::from_secs(1), "{refused:?}");
    // Another key is another count.
    assert!(sessions.arrive("limit:u", slow).await.unwrap().passed);
    // A key says nothing any more once its burst is whole, and is gone then.
    let gone = async {
        while sessions.get("limit:t").await.unwrap().is_some() {
            sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(Duration::from_secs(5), gone).await.expect("the key stays");
    // A time far ahead, as after a failover to a machine whose clock is behind, costs one burst.
    assert!(sessions.put_new("limit:v", "9007199254740000", 60).await.unwrap());
    let refused = sessions.arrive("limit:v", slow).await.unwrap();
    assert!(!refused.passed && refused.retry <= Duration::from_secs(1), "{refused:?}");
}

#[tokio::test]
async fn two_gateways_count_together_and_go_on_alone_while_redis_is_away() {
    let redis = Redis::start().await;
    let rate = Rate { per_s: 1, burst: 10 };
    let gateway = async || {
        let metrics = Metrics::new(&prometheus::Registry::new()).unwrap();
        let store = Arc::new(redis.sessions().await);
        let limiter = SharedLimiter::new(store, [rate; 5], metrics.clone(), CancellationToken::new());
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
    // What is left of ten, and one more for each second that this takes.
    let rest = passes(&two, "a", 100).await;
    assert!((6..=8).contains(&rest), "{rest}");
    assert_eq!(seen.limits_shared.get(), 1);

    redis.freeze(true);
    let begun = Instant::now();
    let alone = passes(&one, "b", 100).await;
    // One request waited a moment for Redis; none of the others did.
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
    let sessions = redis.sessions().await;
    for n in 0..SIGN_INS_MAX {
        let over = sessions.remember("0x1", &format!("s{n}"), 1_000 + n as u64, 60).await.unwrap();
        assert_eq!(over, Vec::<String>::new());
    }
    assert_eq!(sessions.remember("0x1", "last", 9_000, 60).await.unwrap(), ["s0"]);
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
    let theirs = redis.sessions().await;
    let metrics = Metrics::new(&prometheus::Registry::new()).unwrap();
    let stop = CancellationToken::new();
    // Two gateways: one has the channel alone, the other the record alone.
    let (listening, following) = (Arc::new(Revoked::default()), Arc::new(Revoked::default()));
    let store = Arc::new(redis.sessions().await);
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
    let now_ms = || purr_gateway::auth::now_ms();
    becomes(1).await;
    theirs.revoke("one", now_ms()).await.unwrap();
    let heard = learns(&listening, "one").await;
    let read = learns(&following, "one").await;
    println!("heard after {heard:?}, read after {read:?}");
    assert!(heard < Duration::from_secs(1) && read < Duration::from_secs(1), "{heard:?} {read:?}");

    // The server cuts the channel; what is ended before there is another is on record.
    redis.cut_channels().await;
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
    let (sessions, other) = (redis.sessions().await, redis.sessions().await);
    assert!(!sessions.post("a", "too early").await.unwrap());
    let (mut a, mut b) = (other.letters("a").await.unwrap(), other.letters("b").await.unwrap());
    let soon = Duration::from_secs(20);
    for (gateway, letter) in [("a", "one"), ("b", "two"), ("a", "three")] {
        assert!(sessions.post(gateway, letter).await.unwrap());
        let letters = if gateway == "a" { &mut a } else { &mut b };
        assert_eq!(timeout(soon, letters.next()).await.unwrap().unwrap(), letter);
    }
    // Whoever ends is not written to any more, once the server has noticed.
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
