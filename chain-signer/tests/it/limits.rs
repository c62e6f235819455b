//! Limits that players set for themselves, by the command line through a gateway, enforced where a seat is reserved.

use crate::common;

use clap::Parser;
use common::{
    House, Signer, eventually,
    gateway::Door,
    key, outcome,
    table::{Table, UID, now_s, player},
};
use http::Method;
use purr_client::cli::{
    Command, Options,
    limits::{Told, limits},
};
use purr_protocol::permit::PermitFor;
use purr_runtime::{ClientError, InternalClient, Role};
use serde_json::{Value, json};
use std::time::Duration;

const USDC: u64 = 1_000_000;
const OTHER: &str = "0a0b0c0d-0000-4000-8000-000000000002";

struct Room {
    house: House,
    signer: Signer,
    door: Door,
}

impl Room {
    async fn new() -> Self {
        let house = House::new().await;
        let signer = house.start_signer();
        signer.ready().await;
        let door = house.start_gateway(&signer).await;
        std::fs::write(house.path("player"), hex::encode(key(1))).unwrap();
        house.fund_players(1..=1, 1_000 * USDC).await;
        let room = Self { house, signer, door };
        let gateway = room.gateway();
        eventually("the deposit is seen", || async {
            let path = format!("/v1/balances/{}", player(1));
            let balance: Value = gateway.get(&path, Duration::from_secs(5)).await.ok()?;
            (balance["free"] == 1_000 * USDC).then_some(())
        })
        .await;
        room
    }

    fn gateway(&self) -> InternalClient {
        self.house.client(&self.signer, &Role::Gateway)
    }

    async fn limits(&self, words: &[&str]) -> anyhow::Result<Told> {
        let (key_file, ca) = (self.house.path("player"), self.door.ca.display().to_string());
        let (key_file, url) = (key_file.display().to_string(), &self.door.url);
        let mut all = vec!["purr", "limits", "--gateway", url, "--ca", &ca, "--key-file", &key_file];
        all.extend(words);
        let Command::Limits(args) = Options::try_parse_from(all).unwrap().command else {
            panic!("another command")
        };
        limits(&args).await
    }

    async fn sql(&self, statement: &'static str) {
        sqlx::query(statement).execute(&self.house.sql().await).await.unwrap();
    }
}

/// Code and detail of a refused reservation.
fn refused<T: std::fmt::Debug>(result: Result<T, ClientError>) -> (String, String) {
    let error = result.unwrap_err();
    let problem = error.problem().unwrap_or_else(|| panic!("no refusal: {error}"));
    (problem.code().to_owned(), problem.detail.clone().unwrap_or_default())
}

#[tokio::test(flavor = "multi_thread")]
async fn seats_and_chips_beyond_a_players_own_limits_are_not_reserved() {
    let room = Room::new().await;
    let table = Table::open(&room.house, &room.signer).await;
    let other = Table::open_as(&room.house, &room.signer, OTHER, 0).await;
    assert_eq!(room.limits(&[]).await.unwrap().told.limits, Default::default());
    let error = format!("{:#}", room.limits(&["--buy-in", "2,5"]).await.unwrap_err());
    assert!(error.contains("--buy-in") && error.contains("comma"), "{error}");

    let set = room.limits(&["--buy-in", "150", "--loss", "200"]).await.unwrap().told.limits;
    assert_eq!(
        (set.buy_in.now, set.loss_day.now),
        (Some(150 * USDC), Some(200 * USDC)),
        "a limit holds at once"
    );
    let ask = async |table: &Table, amount, nonce| {
        table.reserve(&table.reservation(&room.house, 1, amount, nonce)).await
    };
    let (code, detail) = refused(ask(&table, 151 * USDC, 1).await);
    assert_eq!(code, "own-limit");
    assert!(detail.contains("at most 150000000 at one table"), "{detail}");
    table.sit(&room.house, 1, 150 * USDC, 2).await;

    // The buy-in counts with what is on the table, the loss with what is at other tables.
    let mut top_up = table.reservation(&room.house, 1, USDC, 3);
    top_up.top_up = true;
    top_up.permit = table.permit_for(&room.house, PermitFor::TopUp(top_up.seat), 1, (USDC, 3));
    let (code, detail) = refused(table.reserve(&top_up).await);
    assert_eq!(
        (code.as_str(), detail.contains("this would make 151000000")),
        ("own-limit", true),
        "{detail}"
    );
    let (code, detail) = refused(ask(&other, 51 * USDC, 4).await);
    assert_eq!(
        (code.as_str(), detail.contains("of which 50000000 is left")),
        ("own-limit", true),
        "{detail}"
    );
    // Made once: a second later the permit would end a second later, and be another one.
    let same = other.reservation(&room.house, 1, 50 * USDC, 5);
    other.reserve(&same).await.unwrap();
    // The same request again is answered as before, although nothing is left.
    other.reserve(&same).await.unwrap();

    // Chips that were taken back may be brought again, once the chain is final about it.
    let left = table.leave(1, 150 * USDC).await;
    table.confirmed(left).await;
    eventually("what was taken back counts", || async {
        (room.limits(&[]).await.unwrap().told.lost_day == 50 * USDC).then_some(())
    })
    .await;
    ask(&table, 150 * USDC, 6).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_raise_waits_a_day_at_the_signer_and_a_session_needs_its_break() {
    let room = Room::new().await;
    let table = Table::open(&room.house, &room.signer).await;
    room.limits(&["--buy-in", "100"]).await.unwrap();
    let begun = now_s();
    let asked = room.limits(&["--buy-in", "none", "--session", "30"]).await.unwrap().told.limits;
    assert_eq!((asked.buy_in.now, asked.session_s.now), (Some(100 * USDC), Some(1_800)));
    let raise = asked.buy_in.next.unwrap();
    assert!(raise.to.is_none() && (begun + 86_400..=now_s() + 86_400).contains(&raise.from_s), "{raise:?}");
    let again = room.limits(&["--buy-in", "500"]).await.unwrap().told.limits.buy_in.next.unwrap();
    assert_eq!((again.to, again.from_s), (Some(500 * USDC), raise.from_s), "a smaller raise keeps its time");
    let reserve = |amount, nonce| table.reservation(&room.house, 1, amount, nonce);
    assert_eq!(refused(table.reserve(&reserve(101 * USDC, 1)).await).0, "own-limit");

    // As if it had been asked for a day ago.
    room.sql("UPDATE own_limits SET limits = regexp_replace(limits, '\"fromS\":\\d+', '\"fromS\":1')").await;
    table.sit(&room.house, 1, 101 * USDC, 2).await;

    // As if the session had begun an hour ago. Sitting is no break.
    room.sql("UPDATE own_limits SET began_s = began_s - 3600, seen_s = seen_s - 3600").await;
    let left = table.leave(1, 101 * USDC).await;
    table.confirmed(left).await;
    let (code, detail) = refused(table.reserve(&reserve(10 * USDC, 3)).await);
    assert_eq!((code.as_str(), detail.contains("1800 s for a session")), ("own-limit", true), "{detail}");
    room.sql("UPDATE own_limits SET seen_s = seen_s - 1801").await;
    table.reserve(&reserve(10 * USDC, 4)).await.unwrap();

    // Gateways alone may read and change limits; what is no limit is refused.
    let change = json!({"player": player(1), "change": {"sessionS": 86_401}});
    let gateway = room.gateway();
    assert_eq!(outcome(&gateway, Method::POST, "/v1/limits", &change).await, (422, "limit".into()));
    let stranger = room.house.client(&room.signer, &Role::Table(UID.into()));
    for (method, path, body) in [
        (Method::POST, "/v1/limits".to_owned(), change),
        (Method::GET, format!("/v1/limits/{}", player(1)), Value::Null),
    ] {
        assert_eq!(outcome(&stranger, method, &path, &body).await, (403, "role".into()), "{path}");
    }
}
