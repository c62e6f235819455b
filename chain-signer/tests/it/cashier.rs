//! The player's own money by the command line: `purr deposit`, `withdraw`, `exit` and `receipt`, with the real vault, signer
//! and gateway.

use crate::common;

use clap::Parser;
use common::{
    House, Signer, call, eventually,
    gateway::Door,
    key,
    table::{Table, UID, player},
};
use purr_chain_signer::chain::deploy::Wallet;
use purr_client::cli::{
    Command, Options,
    exit::{ExitState, exit},
    funds::{Deposited, Receipt, Withdrawn, deposit, receipt, withdraw},
};
use serde_json::json;

const USDC: u64 = 1_000_000;

/// A player with a key in a file and tokens in the wallet.
struct Desk {
    house: House,
    signer: Signer,
    door: Door,
}

impl Desk {
    async fn new() -> Self {
        let house = House::new().await;
        let signer = house.start_signer();
        signer.ready().await;
        let door = house.start_gateway(&signer).await;
        let rpc = house.rpc();
        let payer = Wallet::new(&rpc, key(0)).await.unwrap();
        payer.mint(house.token(), player(1).0, 1_000 * USDC).await.unwrap();
        std::fs::write(house.path("player"), hex::encode(key(1))).unwrap();
        Self { house, signer, door }
    }

    fn options(&self, words: &[&str], with_room: bool) -> Command {
        let (key_file, rpc) =
            (self.house.path("player"), format!("http://127.0.0.1:{}", self.house.rpc_port));
        let ca = self.door.ca.display().to_string();
        let mut all = vec!["purr"];
        all.extend(words);
        let key_file = key_file.display().to_string();
        all.extend(["--rpc", &rpc, "--key-file", &key_file, "--wait-s", "60"]);
        if with_room {
            all.extend(["--gateway", &self.door.url, "--ca", &ca]);
        }
        Options::try_parse_from(all).unwrap().command
    }

    async fn deposit(&self, amount: &str) -> anyhow::Result<Deposited> {
        let Command::Deposit(args) = self.options(&["deposit", amount], true) else {
            panic!("another command")
        };
        deposit(&args).await
    }

    async fn withdraw(&self, words: &[&str]) -> anyhow::Result<Withdrawn> {
        let words = [&["withdraw"], words].concat();
        let Command::Withdraw(args) = self.options(&words, true) else { panic!("another command") };
        withdraw(&args).await
    }

    async fn exit(&self, what: &str) -> anyhow::Result<ExitState> {
        let Command::Exit(args) = self.options(&["exit", what], true) else { panic!("another command") };
        exit(&args.what).await
    }

    /// The same, knowing only the vault's address.
    async fn exit_alone(&self, what: &str) -> anyhow::Result<ExitState> {
        let vault = format!("0x{}", hex::encode(self.house.vault()));
        let Command::Exit(args) = self.options(&["exit", what, "--vault", &vault], false) else {
            panic!("another command")
        };
        exit(&args.what).await
    }

    async fn receipt(&self, hand: u64) -> anyhow::Result<Receipt> {
        let Command::Receipt(args) = self.options(&["receipt", UID, &hand.to_string()], true) else {
            panic!("another command")
        };
        receipt(&args).await
    }

    /// A number of a contract's about the player.
    async fn read(&self, to: purr_chain_signer::chain::Address, signature: &str, values: &[&[u8]]) -> u64 {
        let answer = self.house.rpc().eth_call(to, &call(signature, values), None).await.unwrap();
        u64::from_be_bytes(answer[24..32].try_into().unwrap())
    }

    async fn in_wallet(&self) -> u64 {
        self.read(self.house.token(), "balanceOf(address)", &[&player(1).0]).await
    }

    async fn in_vault(&self) -> u64 {
        self.read(self.house.vault(), "balanceOf(address)", &[&player(1).0]).await
    }

    /// Transactions that the player has sent.
    async fn sent(&self) -> u64 {
        let params = json!([player(1).to_string(), "latest"]);
        let count = self.house.node("eth_getTransactionCount", params).await;
        u64::from_str_radix(&count.as_str().unwrap()[2..], 16).unwrap()
    }
}

fn fails(result: anyhow::Result<impl std::fmt::Debug>, with: &str) {
    let error = format!("{:#}", result.unwrap_err());
    assert!(error.contains(with), "want '{with}': {error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn money_goes_into_the_vault_and_out_by_a_voucher_by_the_command_line() {
    let desk = Desk::new().await;

    // A refused request costs nothing.
    fails(desk.deposit("2,5").await, "comma");
    fails(desk.deposit("1000.01").await, "the wallet has 1000");
    fails(desk.withdraw(&["1"]).await, "0 is free to withdraw");
    assert_eq!(desk.sent().await, 0);

    let done = desk.deposit("250.5").await.unwrap();
    assert_eq!((done.amount.as_str(), done.amount_minor), ("250.50", 250_500_000));
    assert!(done.approval.is_some() && done.confirmations >= 1);
    assert_eq!((desk.in_vault().await, desk.in_wallet().await), (250_500_000, 749_500_000));
    let vault = desk.house.vault();
    let owner = player(1).0;
    let left = desk.read(desk.house.token(), "allowance(address,address)", &[&owner, &vault]).await;
    assert_eq!(left, 0, "the approval was for this amount alone");

    // The room counts the deposit at final depth.
    let out = eventually("the room knows of the deposit", || async {
        match desk.withdraw(&["50.25"]).await {
            Ok(done) => Some(done),
            Err(error) if format!("{error:#}").contains("0 is free") => None,
            Err(error) => panic!("{error:#}"),
        }
    })
    .await;
    assert_eq!(out.amount, "50.25");
    assert_eq!((desk.in_vault().await, desk.in_wallet().await), (200_250_000, 799_750_000));
    fails(desk.withdraw(&["1000"]).await, "is free to withdraw, which is less than 1000");

    // A voucher that was redeemed is worthless, and the client says so before a transaction costs a fee.
    let voucher = json!({"vault": format!("0x{}", hex::encode(desk.house.vault())), "player": player(1), "amount": 1,
        "nonce": out.nonce, "deadlineS": 9_999_999_999_u64, "signature": format!("0x{}", "00".repeat(65))});
    let file = desk.house.path("voucher.json");
    std::fs::write(&file, voucher.to_string()).unwrap();
    let sent = desk.sent().await;
    fails(desk.withdraw(&["--voucher", &file.display().to_string()]).await, "does not accept the signature");
    assert_eq!(desk.sent().await, sent);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hands_receipt_names_the_transaction_that_settled_it() {
    let desk = Desk::new().await;
    desk.house.fund_players(1..=2, 500 * USDC).await;
    let table = Table::open(&desk.house, &desk.signer).await;
    for n in 1..=2 {
        eventually("the deposit is seen", || async {
            let reserve = table.reservation(&desk.house, n, 200 * USDC, 7);
            table.reserve(&reserve).await.ok()
        })
        .await;
        table.sit(&desk.house, n, 200 * USDC, 7).await;
    }
    let hand = table.submit(table.hand(&[(1, 9 * 100_000), (2, -1_000_000)], 100_000)).await;
    let notices = table.confirmed(hand).await;
    let found = eventually("the receipt is signed", || async { desk.receipt(hand).await.ok() }).await;
    let settled = notices.iter().rfind(|notice| (notice.seq_from..=notice.seq_to).contains(&hand)).unwrap();
    assert_eq!(found.transaction.as_ref(), Some(&settled.tx_hash));
    let text = found.to_string();
    assert!(text.contains("seat 0: +0.90") && text.contains("seat 1: -1"), "{text}");
    fails(desk.receipt(999).await, "receipt");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_exit_runs_by_its_own_clock_with_the_room_and_without_it() {
    let mut desk = Desk::new().await;
    desk.deposit("100").await.unwrap();
    fails(desk.exit("cancel").await, "no exit was asked for");
    fails(desk.exit("finalise").await, "no exit was asked for");

    let asked = desk.exit("request").await.unwrap();
    assert!(asked.left_s.is_some_and(|left| left > 0 && left <= asked.delay_s), "{asked:?}");
    fails(desk.exit("request").await, "was asked for already");
    fails(desk.exit("finalise").await, "the exit's clock has");
    let back = desk.exit("cancel").await.unwrap();
    assert_eq!((back.ready_at_s, back.free.as_str()), (None, "100"));

    // The room is gone, its signer is gone: the vault's address is enough.
    desk.signer.process.kill();
    desk.door.close();
    let asked = desk.exit_alone("request").await.unwrap();
    desk.house.node("evm_increaseTime", json!([asked.delay_s])).await;
    eventually("the chain's clock has run out", || async {
        (desk.exit_alone("status").await.unwrap().left_s == Some(0)).then_some(())
    })
    .await;
    let paid = desk.exit_alone("finalise").await.unwrap();
    assert_eq!((paid.paid.as_deref(), paid.ready_at_s, paid.free_minor), (Some("100"), None, 0));
    assert_eq!((desk.in_vault().await, desk.in_wallet().await), (0, 1_000 * USDC));
}
