//! Missing parts are named, none ends the process, and the signer heals by itself.

#![allow(clippy::unwrap_used, clippy::panic, clippy::cast_possible_truncation, clippy::cast_sign_loss)]

use crate::common;

use common::{House, outcome, table::UID};
use http::Method;
use purr_runtime::Role;
use serde_json::{Value, json};

#[tokio::test(flavor = "multi_thread")]
async fn without_a_vault_the_process_lives_and_its_keys_are_there() {
    let mut house = House::empty();
    house.start_postgres();
    let signer = house.start_signer();
    signer.not_ready("no vault configured").await;
    let (status, body) = common::eventually("only the vault is missing", || async {
        signer.ops("/readyz").await.filter(|(_, body)| body.lines().count() == 1)
    })
    .await;
    assert_eq!((status, body.as_str()), (503, "vault: no vault configured\n"));
    assert_eq!(signer.ops("/livez").await.unwrap().0, 200);
    // Beside the running server, as `kubectl exec` does it.
    let keys = house.keys(&[]);
    assert_eq!(house.keys(&["--create"]), keys);
    assert_ne!(keys.settle, keys.voucher);
    let gateway = house.client(&signer, &Role::Gateway);
    assert_eq!(outcome(&gateway, Method::GET, "/v1/config", &Value::Null).await, (503, "no-vault".into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn postgres_and_chain_may_be_away_at_the_start_and_later() {
    let mut ready = House::new().await;
    ready.stop_postgres();
    let chain = ready.rpc_port;
    let mut signer = ready.start_signer();
    signer.not_ready("journal: ").await;
    ready.start_postgres();
    signer.ready().await;

    // PostgreSQL is stopped and started again.
    let table = ready.client(&signer, &Role::Table(UID.into()));
    let fence = format!("/v1/tables/{UID}/fence");
    let body = json!({"epoch": 1});
    assert_eq!(outcome(&table, Method::POST, &fence, &body).await, (404, "unknown-table".into()));
    ready.stop_postgres();
    signer.not_ready("journal: ").await;
    assert_eq!(outcome(&table, Method::POST, &fence, &body).await.0, 503);
    ready.start_postgres();
    signer.ready().await;
    assert_eq!(outcome(&table, Method::POST, &fence, &body).await, (404, "unknown-table".into()));

    // A node that is unreachable at the start is named in the log, and so is a node of another chain.
    signer.process.kill();
    ready.rpc_port = common::unused_port();
    signer = ready.start_signer();
    signer.not_ready("vault: no node answered").await;
    assert_eq!(signer.ops("/livez").await.unwrap().0, 200);
    ready.start_anvil();
    signer.not_ready("there is no contract at").await;
    ready.rpc_port = chain;
    signer = ready.start_signer();
    signer.ready().await;
}
