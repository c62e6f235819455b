//! An attacker writes to the signer's database: the token still signs only what tables asked for, and only the affected
//! tables stop.

#![allow(clippy::unwrap_used, clippy::panic)]

use crate::common::{
    House, Signer, eventually,
    table::{Table, player},
};
use purr_chain_signer::chain::{
    Address, address_text, parse_address,
    vault::{Call, decode_call},
};
use purr_protocol::settlement::{Balance, Entry};
use purr_runtime::{InternalClient, Role};
use serde_json::{Value, json};
use sqlx::PgPool;
use std::time::Duration;

const USDC: u64 = 1_000_000;
const WAIT: Duration = Duration::from_secs(10);
const OTHER: &str = "0a0b0c0d-0000-4000-8000-000000000002";

/// Two tables with two players each.
struct Room {
    house: House,
    signer: Signer,
    gateway: InternalClient,
    sql: PgPool,
    table: Table,
    other: Table,
}

impl Room {
    async fn open() -> Self {
        let mut house = House::new().await;
        house.signer_env.push(("PURR_STUCK_AFTER_S".into(), "2".into()));
        house.signer_env.push(("PURR_RECONCILE_S".into(), "1".into()));
        let signer = house.start_signer();
        signer.ready().await;
        house.fund_players(1..=4, 100 * USDC).await;
        let table = Table::open(&house, &signer).await;
        let other = Table::open_as(&house, &signer, OTHER, 2).await;
        let gateway = house.client(&signer, &Role::Gateway);
        for n in 1..=4 {
            eventually("the deposit is seen", || async {
                let balance: Balance =
                    gateway.get(&format!("/v1/balances/{}", player(n)), WAIT).await.unwrap();
                (balance.free == 100 * USDC).then_some(())
            })
            .await;
        }
        for (at, n) in [(&table, 1), (&table, 2), (&other, 3), (&other, 4)] {
            let seq = at.sit(&house, n, 50 * USDC, 1).await;
            at.confirmed(seq).await;
        }
        let sql = house.sql().await;
        Self { house, signer, gateway, sql, table, other }
    }

    async fn run(&self, statement: String) {
        sqlx::query(sqlx::AssertSqlSafe(statement)).execute(&self.sql).await.unwrap();
    }

    /// Waits until only the first table is quarantined; returns the reason.
    async fn quarantined(&self) -> String {
        let found = eventually("the table is quarantined", || async {
            let found: Vec<(String, String)> =
                sqlx::query_as("SELECT subject, why FROM differing").fetch_all(&self.sql).await.unwrap();
            (!found.is_empty()).then_some(found)
        })
        .await;
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!(found[0].0, format!("table:{}", self.table.uid));
        found[0].1.clone()
    }

    /// The other table still settles.
    async fn others_go_on(&self) {
        let hand = self.other.hand(&[(3, 1), (4, -1)], 0);
        let seq = self.other.submit(hand).await;
        self.other.confirmed(seq).await;
    }

    fn command(&self, arguments: &[&str]) -> (bool, String) {
        let answer = self.house.program().args(arguments).output().unwrap();
        (answer.status.success(), String::from_utf8_lossy(&answer.stderr).into_owned())
    }

    fn release(&self) {
        let (done, text) = self.command(&["release", "--subject", &format!("table:{}", self.table.uid)]);
        assert!(done, "{text}");
    }

    /// Checks all transactions of the settling key: calls of the vault with entries that the tables submitted, and
    /// nothing else.
    async fn only_what_was_asked(&self, asked: &[Entry]) {
        let key = parse_address(&self.house.keys(&[]).settle).unwrap();
        let head = self.house.rpc().block_number().await.unwrap();
        let (mut fills, mut settled) = (0, Vec::new());
        for number in 0..=head {
            let block: Value =
                self.house.node("eth_getBlockByNumber", json!([format!("0x{number:x}"), true])).await;
            for tx in block["transactions"].as_array().unwrap() {
                if address(&tx["from"]) != key {
                    continue;
                }
                let data = hex::decode(tx["input"].as_str().unwrap().trim_start_matches("0x")).unwrap();
                if address(&tx["to"]) == key {
                    assert!(data.is_empty() && tx["value"] == "0x0", "{tx}");
                    fills += 1;
                    continue;
                }
                assert_eq!(address(&tx["to"]), self.house.vault(), "{tx}");
                if let Call::Settle(items) = decode_call(&data).unwrap() {
                    settled.extend(items.into_iter().filter(|item| item.table == self.table.id));
                }
            }
        }
        println!("{fills} numbers of the key were used for nothing");
        for entry in asked {
            let items = settled.iter().filter(|item| (item.first..=item.last).contains(&entry.seq));
            assert_eq!(items.count(), 1, "{entry:?}");
        }
        let vault = purr_chain_signer::chain::Vault { address: self.house.vault() };
        assert_eq!(
            vault.table(&self.house.rpc(), self.table.id, None).await.unwrap().seq,
            self.table.seq.get()
        );
        // The winner has the amount that the table submitted.
        let path = format!("/v1/balances/{}", player(1));
        let balance: Balance = self.gateway.get(&path, WAIT).await.unwrap();
        assert_eq!(balance.seated[0].stack, 50 * USDC + 7 * asked.len() as u64);
    }
}

fn address(value: &Value) -> Address {
    parse_address(value.as_str().unwrap_or_default()).unwrap_or_default()
}

/// `mint(address,uint256)` of the vault's token, to somebody who asked for nothing.
fn mint() -> Vec<u8> {
    crate::common::call("mint(address,uint256)", &[&[6; 20], &30_000_000_u64.to_be_bytes()])
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replacement_of_a_transaction_whose_row_was_changed_is_never_signed() {
    let room = Box::pin(Room::open()).await;
    let Room { house, table, signer, .. } = &room;
    // No block contains it: the node drops it, and blocks come only on demand.
    house.node("anvil_setIntervalMining", json!([0])).await;
    let hand = table.hand(&[(1, 7), (2, -7)], 0);
    let seq = table.submit(hand.clone()).await;
    let broadcast = || async {
        let id: Option<i64> =
            sqlx::query_scalar("SELECT id FROM transactions WHERE state IN ('signed', 'broadcast')")
                .fetch_optional(&room.sql)
                .await
                .unwrap();
        id
    };
    let id = eventually("the hand is on its way", broadcast).await;
    room.run(format!(
        "UPDATE transactions SET destination = '\\x{}', calldata = '\\x{}' WHERE id = {id}",
        &address_text(house.token())[2..],
        hex::encode(mint()),
    ))
    .await;
    let hash: Vec<u8> = sqlx::query_scalar("SELECT tx_hash FROM attempts WHERE tx_id = $1")
        .bind(id)
        .fetch_one(&room.sql)
        .await
        .unwrap();
    house.node("anvil_dropTransaction", json!([format!("0x{}", hex::encode(hash))])).await;
    eventually("a replacement is wanted", || async {
        house.node("evm_mine", json!([])).await;
        let found: i64 =
            sqlx::query_scalar("SELECT count(*) FROM differing").fetch_one(&room.sql).await.unwrap();
        (found > 0).then_some(())
    })
    .await;
    assert!(room.quarantined().await.starts_with(&format!("transactions.destination of {id}")));
    assert!(signer.metric("purr_signer_rows_changed_total").await >= 1.0);
    let versions: i64 = sqlx::query_scalar("SELECT count(*) FROM attempts WHERE tx_id = $1")
        .bind(id)
        .fetch_one(&room.sql)
        .await
        .unwrap();
    assert_eq!(versions, 1, "no other version was made");

    // Earlier signatures are still valid.
    house.node("anvil_setIntervalMining", json!([1])).await;
    table.confirmed(seq).await;
    room.others_go_on().await;
    // A comparison that finds both equal does not end the quarantine; an operator has to.
    let next = table.hand(&[(1, 7), (2, -7)], 0);
    let seq = table.submit(next.clone()).await;
    room.others_go_on().await;
    assert_eq!(state(&room, seq).await, "requested");
    room.release();
    table.confirmed(seq).await;
    let (again, text) = room.command(&["release", "--subject", &format!("table:{}", table.uid)]);
    assert!(!again && text.contains("in no quarantine"), "{text}");
    room.only_what_was_asked(&[hand, next]).await;
}

async fn state(room: &Room, seq: u64) -> String {
    sqlx::query_scalar("SELECT state FROM entries WHERE uid = $1 AND seq = $2")
        .bind(&room.table.uid)
        .bind(i64::try_from(seq).unwrap())
        .fetch_one(&room.sql)
        .await
        .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_changed_before_its_first_signature_is_not_signed_and_holds_up_nobody_else() {
    let room = Box::pin(Room::open()).await;
    let Room { house, table, .. } = &room;
    let token = address_text(house.token())[2..].to_owned();
    let of_transactions = |change: String| ("BEFORE INSERT ON transactions", change);
    let of_entries = |change: &str| ("BEFORE UPDATE OF state ON entries", change.to_owned());
    // Each column is changed in a waiting row, or in the row of the transaction that carries it.
    let cases = [
        ("transactions.destination", of_transactions(format!("NEW.destination := '\\x{token}';"))),
        ("transactions.calldata", of_transactions(format!("NEW.calldata := '\\x{}';", hex::encode(mint())))),
        ("transactions.nonce", of_transactions("NEW.nonce := NEW.nonce + 3;".into())),
        ("attempts.max_fee", ("BEFORE INSERT ON attempts", "NEW.max_fee := NEW.max_fee * 1000;".into())),
        ("entries.lanes", of_entries("NEW.lanes := replace(NEW.lanes, '7', '30000000');")),
        ("entries.payload", of_entries("NEW.payload := replace(NEW.payload, '7', '9');")),
    ];
    let mut asked = Vec::new();
    for (column, (when, change)) in cases {
        room.run(format!(
            "CREATE OR REPLACE FUNCTION change() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {change} RETURN NEW; END $$"
        ))
        .await;
        room.run(format!("CREATE TRIGGER change {when} FOR EACH ROW EXECUTE FUNCTION change()")).await;
        let hand = table.hand(&[(1, 7), (2, -7)], 0);
        let seq = table.submit(hand.clone()).await;
        let why = room.quarantined().await;
        assert!(why.starts_with(column), "{column}: {why}");
        let relation = column.split('.').next().unwrap();
        room.run(format!("DROP TRIGGER change ON {relation}")).await;
        room.others_go_on().await;
        assert_eq!(state(&room, seq).await, "requested", "{column}");
        // An operator repairs the row; then a new transaction is made.
        if relation == "entries" {
            room.run(format!(
                "UPDATE entries SET lanes = replace(lanes, '30000000', '7'), payload = '{}' WHERE seq = {seq} AND uid = '{}'",
                serde_json::to_string(&hand).unwrap(),
                table.uid,
            ))
            .await;
        }
        room.release();
        table.confirmed(seq).await;
        println!("{column}: not signed");
        asked.push(hand);
    }
    room.only_what_was_asked(&asked).await;
}
