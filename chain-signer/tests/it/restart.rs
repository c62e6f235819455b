//! The signer dies between any two steps of its journal while the chain misbehaves: nothing is lost, and nothing is
//! signed twice.

#![allow(clippy::unwrap_used, clippy::panic, clippy::cast_possible_truncation, clippy::cast_sign_loss)]

use crate::common;

use common::{House, eventually, key, table::Table, table::player};
use purr_chain_signer::chain::{Vault, parse_address};
use purr_protocol::settlement::{NoticeState, Reconciliation};
use purr_runtime::Role;
use serde_json::json;
use sqlx::{PgPool, Row};
use std::time::Duration;

const USDC: u64 = 1_000_000;
const WAIT: Duration = Duration::from_secs(10);
const NONE: [(&str, &str); 0] = [];

/// Makes every database transaction that would journal a step of this kind fail, and counts how often.
async fn forbid(sql: &PgPool, kind: &str) {
    let statements = [
        "CREATE SEQUENCE IF NOT EXISTS hits".to_owned(),
        "ALTER SEQUENCE hits RESTART".to_owned(),
        "CREATE OR REPLACE FUNCTION forbid() RETURNS trigger LANGUAGE plpgsql AS
         $$ BEGIN PERFORM nextval('signer.hits'); RAISE EXCEPTION 'forbidden by the test'; END $$"
            .to_owned(),
        format!(
            "CREATE TRIGGER forbid BEFORE INSERT ON journal FOR EACH ROW WHEN (NEW.kind = '{kind}')
             EXECUTE FUNCTION forbid()"
        ),
    ];
    for statement in statements {
        sqlx::query(sqlx::AssertSqlSafe(statement)).execute(sql).await.unwrap();
    }
}

async fn allow(sql: &PgPool) {
    sqlx::query("DROP TRIGGER forbid ON journal").execute(sql).await.unwrap();
}

async fn hit(sql: &PgPool) {
    eventually("the step is reached", || async {
        let called: bool = sqlx::query_scalar("SELECT is_called FROM hits").fetch_one(sql).await.unwrap();
        called.then_some(())
    })
    .await;
}

async fn seated(house: &House, signer: &common::Signer) -> Table {
    house.fund(2, 100 * USDC).await;
    let table = Table::open(house, signer).await;
    let gateway = house.client(signer, &Role::Gateway);
    for n in 1..=2 {
        eventually("the deposit is seen", || async {
            let path = format!("/v1/balances/{}", player(n));
            let balance: purr_protocol::settlement::Balance = gateway.get(&path, WAIT).await.unwrap();
            (balance.free == 100 * USDC).then_some(())
        })
        .await;
    }
    table.sit(house, 1, 50 * USDC, 1).await;
    let last = table.sit(house, 2, 50 * USDC, 1).await;
    table.confirmed(last).await;
    table
}

/// Every transaction of the key is the journal's, each signed once, each entry settled once.
async fn nothing_twice(house: &House, signer: &common::Signer, table: &Table, sql: &PgPool) {
    let row = sqlx::query("SELECT count(*) AS txs, count(DISTINCT nonce) AS nonces FROM transactions")
        .fetch_one(sql)
        .await
        .unwrap();
    let (txs, nonces): (i64, i64) = (row.get("txs"), row.get("nonces"));
    assert_eq!(txs, nonces);
    let keys = house.keys(&[]);
    let rpc = house.rpc();
    assert_eq!(rpc.nonce(parse_address(&keys.settle).unwrap()).await.unwrap(), txs as u64);
    let notices = table.events(0, 0).await.unwrap();
    let confirmed: Vec<(u64, u64)> = notices
        .iter()
        .filter(|notice| notice.state == NoticeState::Confirmed)
        .map(|notice| (notice.seq_from, notice.seq_to))
        .collect();
    let mut next = 1;
    for (from, to) in &confirmed {
        assert_eq!(*from, next, "every number is confirmed once: {confirmed:?}");
        next = to + 1;
    }
    assert_eq!(next - 1, table.seq.get());
    let vault = Vault { address: house.vault() };
    assert_eq!(vault.table(&rpc, table.id, None).await.unwrap().seq, table.seq.get());
    let gateway = house.client(signer, &Role::Gateway);
    let found: Reconciliation = gateway.get("/v1/reconciliation", WAIT).await.unwrap();
    assert!(found.agree, "{found:#?}");
    let audit = house.program().envs(NONE).arg("audit").output().unwrap();
    assert!(audit.status.success(), "{}", String::from_utf8_lossy(&audit.stderr));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signer_killed_before_any_step_is_durable_goes_on_where_it_was() {
    let house = House::new().await;
    let mut signer = house.start_signer();
    signer.ready().await;
    let mut table = seated(&house, &signer).await;
    let sql = house.sql().await;
    for (round, kind) in
        ["checked", "signed", "broadcast", "mined", "finished", "logs"].into_iter().enumerate()
    {
        forbid(&sql, kind).await;
        let (win, lose) = if round % 2 == 0 { (1, -1) } else { (-1, 1) };
        let seq = table.submit(table.hand(&[(1, win), (2, lose)], 0)).await;
        hit(&sql).await;
        signer.process.kill();
        allow(&sql).await;
        signer = house.start_signer();
        table.again(&house, &signer);
        signer.ready().await;
        table.confirmed(seq).await;
        println!("killed before '{kind}': {seq} is confirmed");
    }
    // Exactly one signature was stored for each transaction, even if others were made and never stored.
    let attempts: i64 =
        sqlx::query_scalar("SELECT count(*) FROM attempts WHERE attempt > 0").fetch_one(&sql).await.unwrap();
    assert_eq!(attempts, 0);
    nothing_twice(&house, &signer, &table, &sql).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reorg_and_a_rising_base_fee_are_survived() {
    let mut house = House::new().await;
    house.signer_env.push(("PURR_CONFIRMATIONS".into(), "3".into()));
    house.signer_env.push(("PURR_STUCK_AFTER_S".into(), "2".into()));
    let signer = house.start_signer();
    signer.ready().await;
    let table = seated(&house, &signer).await;
    let sql = house.sql().await;

    let seq = table.submit(table.hand(&[(1, 5), (2, -5)], 0)).await;
    eventually("the hand is mined", || async {
        let state: String = sqlx::query_scalar("SELECT state FROM entries WHERE seq = $1")
            .bind(seq as i64)
            .fetch_one(&sql)
            .await
            .unwrap();
        (state == "mined").then_some(())
    })
    .await;
    house.node("anvil_reorg", json!([2, []])).await;
    table.confirmed(seq).await;
    assert!(signer.metric("purr_signer_reorgs_total").await >= 1.0);

    let head = house.rpc().block(None).await.unwrap().unwrap();
    let high = format!("0x{:x}", head.base_fee * 20 + 1_000_000_000);
    house.node("anvil_setNextBlockBaseFeePerGas", json!([high])).await;
    let seq = table.submit(table.hand(&[(1, 5), (2, -5)], 0)).await;
    table.confirmed(seq).await;
    assert!(signer.metric("purr_signer_fee_bumps_total").await >= 1.0);
    nothing_twice(&house, &signer, &table, &sql).await;
    assert_eq!(key(0).len(), 32);
}
