//! Rescues: numbers that can never settle, a stolen key, an exit in between.

#![allow(clippy::unwrap_used, clippy::panic, clippy::cast_possible_truncation, clippy::cast_sign_loss)]

use crate::common;

use common::{
    GUARDIAN_KEY, House, Signer, call, eventually, key,
    table::{Table, now_s, player},
};
use purr_books::events::VaultEvent;
use purr_chain_signer::chain::{
    Vault,
    deploy::Wallet,
    parse_address, sign_digest_with_raw_key,
    vault::{encode_deposit, token_balance},
};
use purr_protocol::permit::PermitFor;
use purr_protocol::settlement::{
    Balance, Entry, Fence, Fenced, NoticeState, Reconciliation, Reserve, TableStatus,
};
use purr_protocol::withdrawal::{OwnedWithdrawal, Voucher, Withdrawal};
use purr_runtime::{InternalClient, Role};
use serde_json::json;
use std::time::{Duration, Instant};

const USDC: u64 = 1_000_000;
const WAIT: Duration = Duration::from_secs(10);
/// Anvil's accounts 7 and 8: admins of a development vault.
const ADMINS: [&str; 2] = [
    "4bbbf85ce3377467afe5d46f804f221813b2bb87f24d81f60f1fcdbf7cbf4356",
    "dbda1821b80551c9d65939329250298aa3472ba22feea921c0cf5d620ea67b97",
];

/// Players 1 and 2 sit with 50 each and have 50 more.
async fn seated(house: &House, signer: &Signer) -> (Table, InternalClient) {
    signer.ready().await;
    house.fund(2, 100 * USDC).await;
    let table = Table::open(house, signer).await;
    let gateway = house.client(signer, &Role::Gateway);
    for n in 1..=2 {
        eventually("the deposit is seen", || async {
            let path = format!("/v1/balances/{}", player(n));
            let balance: Balance = gateway.get(&path, WAIT).await.unwrap();
            (balance.free == 100 * USDC).then_some(())
        })
        .await;
    }
    table.sit(house, 1, 50 * USDC, 1).await;
    let last = table.sit(house, 2, 50 * USDC, 1).await;
    table.confirmed(last).await;
    (table, gateway)
}

async fn reaches(gateway: &InternalClient, table: &Table, seq: u64) {
    eventually("the chain has it", || async {
        let status: Option<TableStatus> = gateway.get(&table.base, WAIT).await.ok();
        status.filter(|status| status.confirmed_seq == seq)
    })
    .await;
}

async fn agreed(gateway: &InternalClient) {
    let found: Reconciliation = gateway.get("/v1/reconciliation", WAIT).await.unwrap();
    assert!(found.agree, "{found:#?}");
}

/// Two admins pass over these numbers.
async fn void(house: &House, table: &Table, first: u64, last: u64) {
    let rpc = house.rpc();
    let number = rpc.eth_call(house.vault(), &call("actionNumber()", &[]), None).await.unwrap();
    let range: [&[u8]; 4] = [&table.id, &first.to_be_bytes(), &last.to_be_bytes(), &number];
    let data = call("voidRange(bytes32,uint64,uint64,uint64)", &range);
    for admin in ADMINS {
        let admin = hex::decode(admin).unwrap().try_into().unwrap();
        Wallet::new(&rpc, admin).await.unwrap().execute(house.vault(), &data).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_entry_that_is_refused_for_good_is_voided_by_two_admins_and_the_table_goes_on() {
    let house = House::new().await;
    let mut signer = house.start_signer();
    let (mut table, _) = seated(&house, &signer).await;

    // Player 2 cannot lose 60 of 50: this number can never be taken, and nothing after it either.
    let more = 60 * USDC as i64;
    let bad = table.hand(&[(1, more), (2, -more)], 0);
    let next = Entry { seq: bad.seq + 1, ..table.hand(&[(1, 5), (2, -5)], 0) };
    assert_eq!(table.refused(1, bad.clone()).await, (422, "insolvent-seat".into()));
    assert_eq!(table.refused(1, next.clone()).await, (422, "gap".into()));

    // The admins act while the signer is away: that the chain is ahead of it then is no lost journal.
    signer.process.kill();
    void(&house, &table, bad.seq, bad.seq).await;
    signer = house.start_signer();
    table.again(&house, &signer);
    signer.ready().await;
    let gateway = house.client(&signer, &Role::Gateway);
    reaches(&gateway, &table, bad.seq).await;
    let notices = table.events(0, 0).await.unwrap();
    let told = notices.iter().filter(|notice| notice.state == NoticeState::Rejected);
    assert_eq!(told.map(|notice| (notice.seq_from, notice.seq_to)).collect::<Vec<_>>(), [(bad.seq, bad.seq)]);

    // The table's entry under it is taken as void, and nothing else is under that number any more.
    let both = [bad.clone(), next.clone()];
    assert_eq!(table.submit_as(1, &both).await.unwrap(), next.seq);
    assert_eq!(table.submit_as(1, &both).await.unwrap(), next.seq);
    let other = Entry { seq: bad.seq, ..table.hand(&[(1, 1), (2, -1)], 0) };
    assert_eq!(table.refused(1, other).await, (409, "conflict".into()));
    table.seq.set(next.seq);
    table.leave(1, 50 * USDC + 5).await;
    let last = table.leave(2, 50 * USDC - 5).await;
    reaches(&gateway, &table, last).await;
    agreed(&gateway).await;
    let audit = || house.program().arg("audit").output().unwrap();
    let found = audit();
    assert!(found.status.success(), "{}", String::from_utf8_lossy(&found.stderr));
    // The payload bound under the void is on the chain of the journal like every other entry.
    sqlx::query("UPDATE entries SET payload_hash = sha256('another') WHERE seq = $1")
        .bind(i64::try_from(bad.seq).unwrap())
        .execute(&house.sql().await)
        .await
        .unwrap();
    assert!(!audit().status.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stolen_operator_key_is_revoked_and_exits_pay_to_the_last_unit_all_the_same() {
    let house = House::new().await;
    let signer = house.start_signer();
    let (table, gateway) = seated(&house, &signer).await;
    let settled = table.submit(table.hand(&[(1, 7), (2, -7)], 0)).await;
    reaches(&gateway, &table, settled).await;

    let rpc = house.rpc();
    let stolen = parse_address(&house.keys(&[]).settle).unwrap();
    let guardian = hex::decode(GUARDIAN_KEY).unwrap().try_into().unwrap();
    let guardian = Wallet::new(&rpc, guardian).await.unwrap();
    guardian.execute(house.vault(), &call("revokeKey(address)", &[&stolen])).await.unwrap();
    // The journal still takes what was played; the chain takes nothing of this key any more.
    let late = table.submit(table.hand(&[(1, 5), (2, -5)], 0)).await;
    let leaver = Wallet::new(&rpc, key(1)).await.unwrap();
    leaver.execute(house.vault(), &call("requestExit()", &[])).await.unwrap();
    house.node("evm_increaseTime", json!([3_601])).await;
    house.node("evm_mine", json!([])).await;
    let exit = call("finaliseExit(address)", &[&player(1).0]);
    guardian.execute(house.vault(), &exit).await.unwrap();
    assert_eq!(token_balance(&rpc, house.token(), player(1).0).await.unwrap(), 100 * USDC + 7);
    let vault = Vault { address: house.vault() };
    assert!(!vault.is_active(&rpc, stolen, 1).await.unwrap());
    assert_eq!(
        vault.table(&rpc, table.id, None).await.unwrap().seq,
        settled,
        "{late} never settles by this key"
    );
    eventually("the signer has seen the exit", || async {
        let path = format!("/v1/balances/{}", player(1));
        let balance: Balance = gateway.get(&path, WAIT).await.unwrap();
        (balance.free == 0 && balance.seated.iter().all(|seat| seat.stack == 0)).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_exit_that_is_mined_before_hands_already_sent_lets_them_settle_until_its_clock_ends() {
    let house = House::new().await;
    let signer = house.start_signer();
    let (table, gateway) = seated(&house, &signer).await;
    let rpc = house.rpc();
    let sql = house.sql().await;
    let at = rpc.block_number().await.unwrap();

    // No block comes until both wait for one.
    house.node("anvil_setIntervalMining", json!([0])).await;
    let lost = 20 * USDC as i64;
    let seq = table.submit(table.hand(&[(1, lost), (2, -lost)], 0)).await;
    eventually("the hand is on its way", || async {
        let state: String = sqlx::query_scalar("SELECT state FROM entries WHERE seq = $1")
            .bind(seq as i64)
            .fetch_one(&sql)
            .await
            .unwrap();
        (state == "broadcast").then_some(())
    })
    .await;
    // A player's transaction pays a tip, the signer's none: it is first in the block.
    let leaver = Wallet::new(&rpc, key(2)).await.unwrap();
    let request = call("requestExit()", &[]);
    let (exit, ()) = tokio::join!(leaver.execute(house.vault(), &request), async {
        eventually("the exit waits too", || async {
            let waiting = house.node("txpool_status", json!([])).await;
            (waiting["pending"] == "0x2").then_some(())
        })
        .await;
        house.node("anvil_setIntervalMining", json!([1])).await;
    });
    exit.unwrap();
    reaches(&gateway, &table, seq).await;
    let order: Vec<_> = Vault { address: house.vault() }
        .logs(&rpc, at, rpc.block_number().await.unwrap())
        .await
        .unwrap()
        .into_iter()
        .filter_map(|log| match log.event {
            VaultEvent::ExitRequested { .. } => Some("exit"),
            VaultEvent::HandsSettled { .. } => Some("hand"),
            _ => None,
        })
        .collect();
    assert_eq!(order, ["exit", "hand"]);
    let exits = table.events(0, 0).await.unwrap();
    assert!(exits.iter().any(|notice| notice.state == NoticeState::Exit(player(2))), "the table is told");

    // Played to the end of the hand, then left: all of it is covered by the exit.
    let last = table.leave(2, 30 * USDC).await;
    reaches(&gateway, &table, last).await;
    house.node("evm_increaseTime", json!([3_601])).await;
    house.node("evm_mine", json!([])).await;
    leaver.execute(house.vault(), &call("finaliseExit(address)", &[&player(2).0])).await.unwrap();
    assert_eq!(token_balance(&rpc, house.token(), player(2).0).await.unwrap(), 80 * USDC);
    eventually("the exit is taken in", || async {
        let balance: Balance = gateway.get(&format!("/v1/balances/{}", player(2)), WAIT).await.unwrap();
        (balance.free == 0).then_some(())
    })
    .await;
    agreed(&gateway).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_player_whose_final_deposit_vanishes_after_sitting_down_is_frozen_until_it_is_back() {
    let mut house = House::new().await;
    house.signer_env.push(("PURR_CONFIRMATIONS".into(), "1".into()));
    let signer = house.start_signer();
    let (table, gateway) = seated(&house, &signer).await;
    let seen = |n: usize| {
        let (gateway, path) = (&gateway, format!("/v1/balances/{}", player(n)));
        async move { gateway.get::<Balance>(&path, WAIT).await.unwrap() }
    };
    let rpc = house.rpc();
    let wallet = Wallet::new(&rpc, key(3)).await.unwrap();
    wallet.mint(house.token(), wallet.address, 100 * USDC).await.unwrap();
    wallet.approve(house.token(), house.vault(), 100 * USDC).await.unwrap();
    let before = house.node("evm_snapshot", json!([])).await;
    wallet.execute(house.vault(), &encode_deposit(100 * USDC)).await.unwrap();
    eventually("the deposit is seen", || async { (seen(3).await.free == 100 * USDC).then_some(()) }).await;
    let last = table.sit(&house, 3, 50 * USDC, 1).await;
    table.confirmed(last).await;
    let sql = house.sql().await;
    let deposit: String =
        sqlx::query_scalar("SELECT key FROM ledger_entries WHERE kind = 'deposit' ORDER BY id DESC LIMIT 1")
            .fetch_one(&sql)
            .await
            .unwrap();
    let hash = deposit.trim_start_matches("log:").split(':').next().unwrap().to_owned();
    let raw = house.node("eth_getRawTransactionByHash", json!([hash])).await;
    let told = table.events(0, 0).await.unwrap().last().unwrap().id;

    // The chain goes back by far more than what was called final, and goes on without the deposit.
    house.node("evm_revert", json!([before])).await;
    house.node("anvil_mine", json!(["0x20"])).await;
    eventually("the player is frozen", || async {
        (signer.metric("purr_signer_frozen_players").await >= 1.0).then_some(())
    })
    .await;
    let notices = table.events(told, 0).await.unwrap();
    assert_eq!(
        notices.iter().map(|notice| notice.state).collect::<Vec<_>>(),
        [NoticeState::Frozen(player(3))]
    );
    let permit = table.permit_for(&house, PermitFor::TopUp(table.seat(3)), 3, (10 * USDC, 2));
    let wanted = Reserve { top_up: true, permit, ..table.reservation(&house, 3, 10 * USDC, 2) };
    let refused = table.reserve(&wanted).await.unwrap_err();
    assert_eq!(refused.problem().map(|problem| (problem.status, problem.code())), Some((409, "frozen")));
    // Nobody else's money is touched, and hands go on being journaled.
    assert_eq!(seen(1).await.free, 50 * USDC);
    table.submit(table.hand(&[(1, 5), (2, -5)], 0)).await;

    house.node("eth_sendRawTransaction", json!([raw])).await;
    eventually("the deposit is back", || async {
        (signer.metric("purr_signer_frozen_players").await == 0.0).then_some(())
    })
    .await;
    let last = table.events(told, 0).await.unwrap().last().unwrap().state;
    assert_eq!(last, NoticeState::Thawed(player(3)));
    table.reserve(&wanted).await.unwrap();
}

/// The chain is away for as long as it likes: hands are taken, and a table that starts anew learns for how long the
/// oldest has waited, and for how long it may.
#[tokio::test(flavor = "multi_thread")]
async fn while_the_chain_is_away_hands_are_taken_and_their_age_is_told_to_whoever_takes_the_table_over() {
    let house = House::new().await;
    let signer = house.start_signer();
    let (table, gateway) = seated(&house, &signer).await;
    let fence = |epoch: u64| {
        let (client, path) = (&table.client, format!("{}/fence", table.base));
        async move { client.post::<_, Fenced>(&path, &Fence { epoch }, WAIT).await.unwrap() }
    };
    assert_eq!(fence(2).await.unsettled_s, 0);
    let status: TableStatus = gateway.get(&table.base, WAIT).await.unwrap();
    assert_eq!(status.exit_delay_s, 3_600);

    let hand = table.hand(&[(1, 5), (2, -5)], 0);
    house.node("anvil_setAutomine", json!([false])).await;
    house.node("evm_setIntervalMining", json!([0])).await;
    table.submit_as(2, std::slice::from_ref(&hand)).await.unwrap();
    eventually("its age is told", || async { (fence(2).await.unsettled_s >= 2).then_some(()) }).await;
    house.node("evm_setIntervalMining", json!([1])).await;
    reaches(&gateway, &table, hand.seq).await;
    assert_eq!(fence(2).await.unsettled_s, 0);
    agreed(&gateway).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_replica_accepts_all_the_time_and_sends_within_15_seconds_of_the_firsts_death() {
    let mut house = House::new().await;
    house.signer_env.push(("HOSTNAME".into(), "chain-signer-0".into()));
    let mut first = house.start_signer();
    let (mut table, _) = seated(&house, &first).await;
    house.signer_env.push(("HOSTNAME".into(), "chain-signer-1".into()));
    let second = house.start_signer();
    second.ready().await;
    table.again(&house, &second);
    let gateway = house.client(&second, &Role::Gateway);
    let leading = "purr_signer_leading";
    assert_eq!((first.metric(leading).await, second.metric(leading).await), (1.0, 0.0));
    // Taken by the one, sent by the other, and told by the one again.
    let seq = table.submit(table.hand(&[(1, 5), (2, -5)], 0)).await;
    table.confirmed(seq).await;
    // Ready means that it signs vouchers, too.
    let deadline_s = now_s() + 600;
    let digest = house.domain().withdraw_request(player(1).0, USDC, 1, deadline_s);
    let signature = sign_digest_with_raw_key(&key(1), &digest).unwrap().to_bytes();
    let signature = format!("0x{}", hex::encode(signature));
    let ask = OwnedWithdrawal {
        player: player(1),
        withdrawal: Withdrawal { amount: USDC, nonce: 1, deadline_s, signature },
    };
    let _: Voucher = gateway.post("/v1/withdrawals", &ask, WAIT).await.unwrap();
    assert_eq!(second.metric(leading).await, 0.0);

    first.process.kill();
    let dead = Instant::now();
    let seq = table.submit(table.hand(&[(1, 5), (2, -5)], 0)).await;
    eventually("the second sends", || async { (second.metric(leading).await >= 1.0).then_some(()) }).await;
    let took = dead.elapsed();
    println!("took over after {:.1} s", took.as_secs_f64());
    assert!(took < Duration::from_secs(15), "{took:?}");
    table.confirmed(seq).await;
    agreed(&gateway).await;
}
