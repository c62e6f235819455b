//! The end of the hash chain is signed and kept outside the database: a journal that was written anew, or an older one, is
//! refused at the start, and the audit says so.

#![allow(clippy::unwrap_used, clippy::panic)]

use crate::common::{House, eventually, table::player};
use purr_chain_signer::checkpoint::Checkpoint;
use purr_protocol::settlement::Balance;
use purr_runtime::Role;
use purr_store::Sessions;
use sha2::{Digest, Sha256};
use sqlx::{PgPool, Row};
use std::{fs, time::Duration};

const USDC: u64 = 1_000_000;
const WAIT: Duration = Duration::from_secs(10);

async fn run(sql: &PgPool, statement: &str) -> u64 {
    sqlx::query(sqlx::AssertSqlSafe(statement)).execute(sql).await.unwrap().rows_affected()
}

/// Writes every link of the hash chain again.
async fn write_anew(sql: &PgPool) {
    let rows = sqlx::query("SELECT id, kind, body FROM journal ORDER BY id").fetch_all(sql).await.unwrap();
    let mut prev = vec![0; 32];
    for row in rows {
        let (id, kind, body): (i64, String, String) = (row.get(0), row.get(1), row.get(2));
        let mut hash = Sha256::new();
        hash.update(&prev);
        hash.update(id.to_be_bytes());
        for part in [&kind, &body] {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        }
        let hash = hash.finalize().to_vec();
        let links = sqlx::query("UPDATE journal SET prev = $2, hash = $3 WHERE id = $1").bind(id).bind(&prev);
        links.bind(&hash).execute(sql).await.unwrap();
        prev = hash;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_journal_that_was_written_anew_is_refused_by_a_start_and_named_by_the_audit() {
    let mut house = House::new().await;
    let redis = house.start_sessions().await;
    house.signer_env.push(("PURR_CHECKPOINT_S".into(), "1".into()));
    let mut signer = house.start_signer();
    signer.ready().await;
    house.fund_players(1..=2, 100 * USDC).await;
    let gateway = house.client(&signer, &Role::Gateway);
    eventually("the deposit is seen", || async {
        let balance: Balance = gateway.get(&format!("/v1/balances/{}", player(2)), WAIT).await.unwrap();
        (balance.free == 100 * USDC).then_some(())
    })
    .await;
    let sql = house.sql().await;
    let sessions = Sessions::new(redis.link("gateway"));
    let key = house.keys(&[]).settle;
    // Waits for a checkpoint that covers the deposits.
    let end = || async {
        let row = sqlx::query("SELECT id, hash FROM journal ORDER BY id DESC LIMIT 1")
            .fetch_one(&sql)
            .await
            .unwrap();
        (row.get::<i64, _>(0).cast_unsigned(), row.get::<Vec<u8>, _>(1))
    };
    let lines = eventually("the end of the hash chain is signed", || async {
        let lines = sessions.last_lines("checkpoints", 64).await.unwrap();
        let newest: Checkpoint = lines.first()?.parse().unwrap();
        ((newest.rows, newest.head.to_vec()) == end().await).then_some(lines)
    })
    .await;
    let file = house.path("lines");
    fs::write(
        &file,
        lines.iter().map(|line| format!("INFO checkpoint=\"{line}\" kept\n")).collect::<String>(),
    )
    .unwrap();
    let rpc = format!("http://127.0.0.1:{}", house.rpc_port);
    let audit = |arguments: &[&str]| {
        let answer = house.program().arg("audit").args(arguments).output().unwrap();
        (answer.status.success(), String::from_utf8_lossy(&answer.stderr).into_owned())
    };
    let path = file.to_str().unwrap();
    for good in [&[][..], &["--rpc-urls", &rpc], &["--checkpoint", path, "--checkpoint-key", &key]] {
        let (fine, text) = audit(good);
        assert!(fine, "{good:?}: {text}");
    }
    let (fine, text) =
        audit(&["--checkpoint", path, "--checkpoint-key", "0x0000000000000000000000000000000000000001"]);
    assert!(!fine && text.contains("no checkpoint"), "{text}");

    // The journal changes while the signer runs: it makes no further checkpoint and signs nothing.
    let deposit = format!("free:{}", player(1));
    let lie = [
        "UPDATE journal SET body = replace(body, '100000000', '900000000') WHERE kind = 'logs'".to_owned(),
        "UPDATE postings SET amount = amount * 9".to_owned(),
        "UPDATE balances SET amount = amount * 9".to_owned(),
    ];
    for statement in &lie {
        assert!(run(&sql, statement).await > 0);
    }
    write_anew(&sql).await;
    signer.not_ready("the journal is not the one that was signed").await;
    assert!(signer.metric("purr_signer_checkpoint_contradicted").await >= 1.0);
    // A start refuses it as it refuses a journal out of a backup.
    signer.process.kill();
    signer = house.start_signer();
    signer.not_ready("the journal is not the one that was signed").await;

    // Without chain and checkpoints such a journal looks valid; compared with them it does not.
    let (fine, text) = audit(&[]);
    assert!(fine, "{text}");
    let (fine, text) = audit(&["--checkpoint", path]);
    assert!(!fine && text.contains("journal.hash") && text.contains("checkpoint"), "{text}");
    let (fine, text) = audit(&["--rpc-urls", &rpc]);
    assert!(!fine && text.contains("journal.body") && text.contains("is not what the chain says"), "{text}");
    let raised: i64 = sqlx::query_scalar("SELECT amount FROM balances WHERE account = $1")
        .bind(&deposit)
        .fetch_one(&sql)
        .await
        .unwrap();
    assert_eq!(raised.cast_unsigned(), 900 * USDC);
}
