//! From a deposit to the free balance again, with a real chain, token and database.

#![allow(clippy::unwrap_used, clippy::panic, clippy::cast_possible_truncation, clippy::cast_sign_loss)]

use crate::common;

use common::{
    House, Signer, eventually, key, outcome,
    table::{Table, UID, now_s, player, sign, terms},
};
use http::Method;
use purr_chain_signer::chain::{
    deploy::Wallet, parse_address, sign_digest_with_raw_key, vault::encode_withdraw,
};
use purr_engine::SeatIndex;
use purr_protocol::{
    feed::{Feed, Happened},
    permit::PermitFor,
    settlement::{
        Balance, ChainConfig, Entry, EntryBody, Fence, Fenced, NoticeState, OpenTable, Reconciliation,
        Reserve, TableStatus,
    },
    withdrawal::{OwnedWithdrawal, Voucher, Withdrawal},
};
use purr_runtime::{InternalClient, Role};
use serde_json::{Value, json};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

const USDC: u64 = 1_000_000;
const WAIT: Duration = Duration::from_secs(10);

async fn free(gateway: &InternalClient, n: usize) -> u64 {
    let balance: Balance = gateway.get(&format!("/v1/balances/{}", player(n)), WAIT).await.unwrap();
    balance.free
}

async fn agreed(gateway: &InternalClient) -> Reconciliation {
    let asked = || async { gateway.get::<Reconciliation>("/v1/reconciliation", WAIT).await.ok() };
    let found = eventually("ledger and chain can be compared", asked).await;
    assert!(found.agree, "{found:#?}");
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_settles_from_deposit_to_leave_and_ledger_and_chain_agree() {
    let house = House::new().await;
    let mut signer = house.start_signer();
    signer.ready().await;
    let gateway = house.client(&signer, &Role::Gateway);
    let config: ChainConfig = gateway.get("/v1/config", WAIT).await.unwrap();
    assert_eq!((config.decimals, config.confirmations), (6, 1));
    assert_eq!(parse_address(&config.vault).unwrap(), house.vault());

    house.fund(2, 1_000 * USDC).await;
    let table = Table::open(&house, &signer).await;
    for n in 1..=2 {
        eventually("the deposit is seen", || async {
            (free(&gateway, n).await == 1_000 * USDC).then_some(())
        })
        .await;
    }

    // Repeating the reservation gives the same answer, and the money is reserved once.
    let reserve = table.reservation(&house, 1, 200 * USDC, 7);
    let first = table.reserve(&reserve).await.unwrap();
    assert_eq!(table.reserve(&reserve).await.unwrap(), first);
    assert_eq!(free(&gateway, 1).await, 800 * USDC);
    table
        .submit(table.entry(EntryBody::Sit { seat: SeatIndex(0), player: player(1), permit: reserve.permit }))
        .await;
    let sat = table.sit(&house, 2, 100 * USDC, 7).await;
    table.confirmed(sat).await;
    let two: Balance = gateway.get(&format!("/v1/balances/{}", player(2)), WAIT).await.unwrap();
    assert_eq!((two.free, two.reserved), (900 * USDC, 0));
    assert_eq!((two.seated[0].table.as_str(), two.seated[0].stack), (UID, 100 * USDC));

    // Three hands are one item: netted, within the table's longest delay.
    let started = Instant::now();
    let mut last = 0;
    let mut sent = Vec::new();
    for (one, rake) in [(10_i64, 1_u64), (-4, 1), (20, 1)] {
        let (win, lose) = if one > 0 { (1, 2) } else { (2, 1) };
        let won = one.unsigned_abs() * USDC;
        let mut deltas = [(win, (won - rake * USDC) as i64), (lose, -(won as i64))];
        deltas.sort_unstable();
        let hand = table.hand(&deltas, rake * USDC);
        sent.push(hand.clone());
        last = table.submit(hand).await;
    }
    let notices = table.confirmed(last).await;
    println!("seconds from hand end to confirmed: {:.1}", started.elapsed().as_secs_f64());
    let of_hands: Vec<_> = notices.iter().filter(|notice| notice.seq_to == last).collect();
    assert_eq!((of_hands[0].state, of_hands[1].state), (NoticeState::Submitted, NoticeState::Confirmed));
    assert_eq!(of_hands[0].tx_hash, of_hands[1].tx_hash);
    let ids: Vec<u64> = notices.iter().map(|notice| notice.id).collect();
    assert!(ids.windows(2).all(|pair| pair[0] < pair[1]), "{ids:?}");

    // Player 1: +9 -4 +19; player 2: -10 +3 -20; rake 3.
    table.leave(1, 224 * USDC).await;
    last = table.leave(2, 73 * USDC).await;
    table.confirmed(last).await;
    let found = agreed(&gateway).await;
    assert_eq!(found.tables[0].ledger_rake, 3 * USDC);
    assert_eq!((found.tables[0].head_seq, found.tables[0].chain_seq), (last, last));
    assert_eq!((free(&gateway, 1).await, free(&gateway, 2).await), (1_024 * USDC, 973 * USDC));

    told(&house, &signer, &sent).await;

    // Submitting everything again changes nothing and returns the same answer.
    assert_eq!(table.submit_as(1, &sent).await.unwrap(), last);
    let other = Entry { seq: sent[0].seq, ..table.hand(&[(1, 5), (2, -5)], 0) };
    assert_eq!(table.refused(1, other).await, (409, "conflict".into()));
    assert!(signer.metric("purr_signer_conflicts_total").await >= 1.0);
    // Counts hands, each once; sits and leaves are left out.
    assert_eq!(signer.metric("purr_signer_settle_seconds_count").await, 3.0);
    assert!(signer.metric("purr_signer_settle_seconds_sum").await <= 3.0 * started.elapsed().as_secs_f64());

    withdraw(&house, &gateway).await;
    agreed(&gateway).await;
    fence(&gateway, &table, last).await;
    audit(&house).await;
    let ended = std::mem::replace(&mut signer, house.start_signer()).process.terminate();
    assert!(ended.success(), "SIGTERM ends it gracefully");
}

/// Records reads seats, deposits and settlements in the journal's order; other roles are refused.
async fn told(house: &House, signer: &Signer, sent: &[Entry]) {
    let refused = house.client(signer, &Role::Gateway).get::<Feed>("/v1/feed?after=0", WAIT).await;
    assert_eq!(refused.unwrap_err().problem().unwrap().status, 403);
    let records = house.client(signer, &Role::Records);
    let (mut after, mut all) = (0, Vec::new());
    loop {
        let page: Feed = records.get(&format!("/v1/feed?after={after}"), WAIT).await.unwrap();
        if page.through == after {
            break;
        }
        after = page.through;
        all.extend(page.items);
    }
    let count = |wanted: fn(&Happened) -> bool| all.iter().filter(|item| wanted(&item.what)).count();
    assert_eq!(count(|what| matches!(what, Happened::Deposit { .. })), 2);
    assert_eq!(count(|what| matches!(what, Happened::SeatTaken { .. })), 2);
    assert_eq!(count(|what| matches!(what, Happened::SeatLeft { .. })), 2);
    let settled: Vec<(u64, String)> = all
        .iter()
        .filter_map(|item| match &item.what {
            Happened::Settled { table, hands } if table == UID => Some(hands),
            _ => None,
        })
        .flatten()
        .map(|settled| (settled.hand, settled.hash.clone()))
        .collect();
    let wanted: Vec<(u64, String)> = sent
        .iter()
        .filter_map(|entry| match &entry.body {
            EntryBody::Hand { hand, record_hash, .. } => Some((*hand, record_hash.clone())),
            _ => None,
        })
        .collect();
    assert_eq!(settled, wanted);
    // The journal's settlement of each hand comes first; if the chain had settled the hand before the first request,
    // the event says so.
    let accepted = all.iter().filter_map(|item| match &item.what {
        Happened::Accepted { table, hands } | Happened::AlreadySettled { table, hands } if table == UID => {
            Some(hands)
        }
        _ => None,
    });
    let accepted: Vec<(u64, String)> =
        accepted.flatten().map(|settled| (settled.hand, settled.hash.clone())).collect();
    assert_eq!(accepted, wanted);
    let ids: std::collections::BTreeSet<&str> = all.iter().map(|item| item.id.as_str()).collect();
    assert_eq!(ids.len(), all.len());
}

async fn withdraw(house: &House, gateway: &InternalClient) {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let (amount, nonce, deadline_s) = (500 * USDC, 3, now + 600);
    let digest = house.domain().withdraw_request(player(1).0, amount, nonce, deadline_s);
    let signed = |n| {
        let signature = sign_digest_with_raw_key(&key(n), &digest).unwrap().to_bytes();
        let signature = format!("0x{}", hex::encode(signature));
        OwnedWithdrawal { player: player(1), withdrawal: Withdrawal { amount, nonce, deadline_s, signature } }
    };
    let forged = serde_json::to_value(signed(2)).unwrap();
    let path = "/v1/withdrawals";
    assert_eq!(outcome(gateway, Method::POST, path, &forged).await, (422, "bad-permit".into()));
    let voucher: Voucher = gateway.post(path, &signed(1), WAIT).await.unwrap();
    let again: Voucher = gateway.post(path, &signed(1), WAIT).await.unwrap();
    assert_eq!(again, voucher);
    let reserved: Balance = gateway.get(&format!("/v1/balances/{}", player(1)), WAIT).await.unwrap();
    assert_eq!((reserved.free, reserved.reserved), (524 * USDC, amount));
    let signature: [u8; 65] = hex::decode(&voucher.signature[2..]).unwrap().try_into().unwrap();
    let call = encode_withdraw(player(1).0, amount, nonce, deadline_s, &signature);
    let rpc = house.rpc();
    Wallet::new(&rpc, key(1)).await.unwrap().execute(house.vault(), &call).await.unwrap();
    eventually("the withdrawal is seen", || async {
        let balance: Balance = gateway.get(&format!("/v1/balances/{}", player(1)), WAIT).await.unwrap();
        ((balance.free, balance.reserved) == (524 * USDC, 0)).then_some(())
    })
    .await;
}

async fn fence(gateway: &InternalClient, table: &Table, head: u64) {
    let path = format!("{}/fence", table.base);
    let fenced: Fenced = table.client.post(&path, &Fence { epoch: 2 }, WAIT).await.unwrap();
    assert_eq!((fenced.epoch, fenced.head_seq), (2, head));
    assert_eq!(fenced.head_next.as_deref(), Some("after 5"));
    assert_eq!(table.refused(1, table.hand(&[(1, 1), (2, -1)], 0)).await, (409, "fenced".into()));
    let status: TableStatus = gateway.get(&table.base, WAIT).await.unwrap();
    assert_eq!((status.head_seq, status.confirmed_seq), (head, head));
}

async fn audit(house: &House) {
    let run = || house.program().arg("audit").output().unwrap();
    let good = run();
    assert!(good.status.success(), "{}", String::from_utf8_lossy(&good.stderr));
    let report: Value = serde_json::from_slice(&good.stdout).unwrap();
    assert!(report["rows"].as_u64().unwrap() > 10 && report["broken"].is_null(), "{report}");
    let sql = house.sql().await;
    sqlx::query("UPDATE journal SET body = replace(body, '\"seq\":3', '\"seq\":4') WHERE kind = 'entry'")
        .execute(&sql)
        .await
        .unwrap();
    let bad = run();
    assert!(!bad.status.success());
    let report: Value = serde_json::from_slice(&bad.stdout).unwrap();
    assert!(report["broken"].as_str().unwrap().contains("was changed"), "{report}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_breaks_a_rule_is_refused_by_name_and_changes_nothing() {
    let house = House::new().await;
    let signer = house.start_signer();
    signer.ready().await;
    house.fund(2, 100 * USDC).await;
    let table = Table::open(&house, &signer).await;
    let gateway = house.client(&signer, &Role::Gateway);
    eventually("deposits", || async { (free(&gateway, 2).await == 100 * USDC).then_some(()) }).await;
    eventually("deposits", || async { (free(&gateway, 1).await == 100 * USDC).then_some(()) }).await;

    // Certificates.
    let stranger = house.client(&signer, &Role::Table("0a0b0c0d-0000-4000-8000-000000000002".into()));
    let records = house.client(&signer, &Role::Records);
    let controller = house.client(&signer, &Role::Controller);
    let entries = format!("{}/entries", table.base);
    let hand = json!({"epoch": 1, "entries": [table.hand(&[(1, 1), (2, -1)], 0)]});
    let role = (403, "role".to_owned());
    for client in [&stranger, &records, &controller, &gateway] {
        assert_eq!(outcome(client, Method::POST, &entries, &hand).await, role);
    }
    for path in ["/v1/config", "/v1/reconciliation", "/v1/balances/0x00"] {
        assert_eq!(outcome(&table.client, Method::GET, path, &Value::Null).await, role);
    }
    assert_eq!(outcome(&stranger, Method::GET, &table.base, &Value::Null).await, role);
    assert_eq!(outcome(&controller, Method::GET, &table.base, &Value::Null).await, (200, String::new()));

    // The author of an entry can be proved later: the certificate of the connection leaves no trace.
    assert_eq!(outcome(&table.client, Method::POST, &entries, &hand).await, (422, "unsigned".into()));
    let one = [table.hand(&[(1, 1), (2, -1)], 0)];
    let other = house.identity(&Role::Table("0a0b0c0d-0000-4000-8000-000000000002".into()));
    for signed in
        [sign(&other, UID, &one), sign(&house.identity(&Role::Table(UID.into())), &table.uid[1..], &one)]
    {
        let refused = table.submit_signed(1, &one, Some(signed)).await.unwrap_err();
        assert_eq!(refused.problem().unwrap().code(), "unsigned");
    }

    // Bodies and terms.
    assert_eq!(
        outcome(&table.client, Method::POST, &entries, &json!({"epoch": 1})).await,
        (400, "body".into())
    );
    let other = serde_json::to_value(OpenTable { rake_basis_points: 400, ..terms() }).unwrap();
    assert_eq!(outcome(&table.client, Method::PUT, &table.base, &other).await, (409, "other-terms".into()));
    let unknown = "/v1/tables/0a0b0c0d-0000-4000-8000-000000000002";
    assert_eq!(outcome(&stranger, Method::GET, unknown, &Value::Null).await, (404, "unknown-table".into()));

    // Permits.
    let code = |error: purr_runtime::ClientError| error.problem().unwrap().code().to_owned();
    let mut forged = table.reservation(&house, 1, 50 * USDC, 1);
    forged.permit.amount += 1;
    assert_eq!(code(table.reserve(&forged).await.unwrap_err()), "bad-permit");
    let rich = table.reservation(&house, 1, 101 * USDC, 1);
    assert_eq!(code(table.reserve(&rich).await.unwrap_err()), "insufficient-balance");
    let mut endless = table.permit(&house, 1, 50 * USDC, 1);
    endless.expiry_s += 86_400;
    table.sign(&house, PermitFor::Sit(table.seat(1)), 1, &mut endless);
    let endless = Reserve { permit: endless, ..table.reservation(&house, 1, 50 * USDC, 1) };
    assert_eq!(code(table.reserve(&endless).await.unwrap_err()), "permit-life");
    let unreserved = table.reservation(&house, 1, 50 * USDC, 1);
    let sit = EntryBody::Sit { seat: SeatIndex(0), player: player(1), permit: unreserved.permit };
    assert_eq!(table.refused(1, table.entry(sit)).await, (422, "no-reservation".into()));

    // Hands.
    table.sit(&house, 1, 50 * USDC, 2).await;
    let last = table.sit(&house, 2, 50 * USDC, 2).await;
    table.confirmed(last).await;
    let million = USDC as i64;
    let rules = [
        (table.hand(&[(1, million), (2, -million)], 1), "not-zero-sum"),
        (table.hand(&[(1, million), (2, -5 * million)], 4 * USDC), "rake-above-cap"),
        (table.hand(&[(1, 51 * million), (2, -51 * million)], 0), "insolvent-seat"),
        (table.hand(&[(1, million), (3, -million)], 0), "seat-empty"),
        (table.hand(&[(2, million), (1, -million)], 0), "seat-order"),
        (table.hand(&[(1, 0)], 0), "too-few-seats"),
        (Entry { seq: last + 2, ..table.hand(&[(1, million), (2, -million)], 0) }, "gap"),
        (Entry { seq: 0, ..table.hand(&[(1, million), (2, -million)], 0) }, "gap"),
    ];
    for (entry, rule) in rules {
        assert_eq!(table.refused(1, entry).await, (422, rule.to_owned()));
    }
    let old = Entry { seq: 1, ..table.hand(&[(1, million), (2, -million)], 0) };
    assert_eq!(table.refused(1, old).await, (409, "conflict".into()));

    // Nothing of the refused entry was stored: the next number is still free, and all books agree.
    let next = table.submit(table.hand(&[(1, million), (2, -million)], 0)).await;
    assert_eq!(next, last + 1);
    table.confirmed(next).await;
    let found = agreed(&gateway).await;
    assert_eq!(found.players.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_seating_that_the_chain_refuses_gives_the_money_back_and_a_busted_seat_may_top_up() {
    let house = House::new().await;
    let signer = house.start_signer();
    signer.ready().await;
    house.fund(3, 100 * USDC).await;
    let table = Table::open(&house, &signer).await;
    let gateway = house.client(&signer, &Role::Gateway);
    for n in 1..=3 {
        eventually("deposits", || async { (free(&gateway, n).await == 100 * USDC).then_some(()) }).await;
    }
    // Player 3 has asked to exit on chain: the vault lets nobody sit who is on the way out.
    let rpc = house.rpc();
    let leaver = Wallet::new(&rpc, key(3)).await.unwrap();
    leaver.execute(house.vault(), &id("requestExit()")).await.unwrap();
    table.sit(&house, 1, 50 * USDC, 1).await;
    table.sit(&house, 2, 50 * USDC, 1).await;
    let refused = table.sit(&house, 3, 50 * USDC, 1).await;
    let notices = eventually("the chain's refusal is told", || async {
        let all = table.events(0, 0).await.unwrap();
        let told = |seq, state| all.iter().any(|notice| notice.seq_to == seq && notice.state == state);
        (told(refused, NoticeState::Rejected) && told(refused - 1, NoticeState::Confirmed)).then_some(all)
    })
    .await;
    assert!(!notices.iter().any(|one| one.seq_to == refused && one.state == NoticeState::Confirmed));
    let three: Balance = gateway.get(&format!("/v1/balances/{}", player(3)), WAIT).await.unwrap();
    assert_eq!((three.free, three.reserved, three.seated.len()), (100 * USDC, 0, 0));

    // The sequence goes on: player 2 loses the whole stack, tops up, and plays again.
    let bust = 50 * USDC as i64;
    table.submit(table.hand(&[(1, bust), (2, -bust)], 0)).await;
    let permit = table.permit_for(&house, PermitFor::TopUp(table.seat(2)), 2, (20 * USDC, 2));
    let reserve = Reserve { top_up: true, permit, ..table.reservation(&house, 2, 20 * USDC, 2) };
    table.reserve(&reserve).await.unwrap();
    let body = EntryBody::TopUp { seat: reserve.seat, player: reserve.player, permit: reserve.permit };
    let topped = table.submit(table.entry(body)).await;
    eventually("the top-up is confirmed", || async {
        let status: TableStatus = gateway.get(&table.base, WAIT).await.unwrap();
        (status.confirmed_seq == topped).then_some(())
    })
    .await;
    table.submit(table.hand(&[(1, -5), (2, 5)], 0)).await;
    table.leave(2, 20 * USDC + 5).await;
    let last = table.leave(1, 100 * USDC - 5).await;
    eventually("all is confirmed", || async {
        let status: TableStatus = gateway.get(&table.base, WAIT).await.unwrap();
        (status.confirmed_seq == last).then_some(())
    })
    .await;
    agreed(&gateway).await;
    assert_eq!((free(&gateway, 1).await, free(&gateway, 2).await), (150 * USDC - 5, 50 * USDC + 5));
}

/// Money moves on chain before the table's last hands do; the house's reserve pays the difference.
#[tokio::test(flavor = "multi_thread")]
async fn a_player_who_exits_before_a_loss_settles_stops_neither_the_table_nor_the_signer() {
    let house = House::new().await;
    let signer = house.start_signer();
    signer.ready().await;
    house.fund(2, 100 * USDC).await;
    let table = Table::open(&house, &signer).await;
    let gateway = house.client(&signer, &Role::Gateway);
    for n in 1..=2 {
        eventually("deposits", || async { (free(&gateway, n).await == 100 * USDC).then_some(()) }).await;
    }
    table.sit(&house, 1, 50 * USDC, 1).await;
    let last = table.sit(&house, 2, 50 * USDC, 1).await;
    table.confirmed(last).await;

    let rpc = house.rpc();
    let sponsor = Wallet::new(&rpc, key(3)).await.unwrap();
    sponsor.mint(house.token(), player(3).0, 30 * USDC).await.unwrap();
    sponsor.approve(house.token(), house.vault(), 30 * USDC).await.unwrap();
    let call = |signature: &str, argument: &[u8]| {
        let mut data = id(signature);
        data.extend(vec![0; 32 - argument.len()]);
        data.extend(argument);
        data
    };
    let fund = call("fundReserve(uint64)", &(30 * USDC).to_be_bytes());
    sponsor.execute(house.vault(), &fund).await.unwrap();
    let leaver = Wallet::new(&rpc, key(2)).await.unwrap();
    leaver.execute(house.vault(), &id("requestExit()")).await.unwrap();
    house.node("evm_increaseTime", json!([3_601])).await;
    eventually("the exit's clock ends", || async {
        let block = rpc.block(None).await.unwrap().unwrap();
        (block.timestamp_s > now_s() + 3_000).then_some(())
    })
    .await;
    let exit = call("finaliseExit(address)", &player(2).0);
    sponsor.execute(house.vault(), &exit).await.unwrap();
    eventually("the exit is seen", || async {
        let two: Balance = gateway.get(&format!("/v1/balances/{}", player(2)), WAIT).await.unwrap();
        (two.free == 0 && two.seated.iter().all(|seat| seat.stack == 0)).then_some(())
    })
    .await;

    // The hand was played before the exit was final, and is submitted after it.
    let lost = 30 * USDC as i64;
    table.submit(table.hand(&[(1, lost), (2, -lost)], 0)).await;
    table.leave(2, 20 * USDC).await;
    let last = table.leave(1, 80 * USDC).await;
    table.confirmed(last).await;
    agreed(&gateway).await;
    assert_eq!((free(&gateway, 1).await, free(&gateway, 2).await), (130 * USDC, 0));
    assert!(signer.metric("purr_signer_shortfalls_total").await >= 1.0);
}

/// A call without arguments.
fn id(signature: &str) -> Vec<u8> {
    use sha3::{Digest, Keccak256};
    Keccak256::digest(signature)[..4].to_vec()
}
