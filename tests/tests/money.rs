//! The ways out for a player's money, on a real cluster: with the operator's voucher, and without the operator.
//!
//! Needs the stack of `tests/stack.sh`; runs after `e2e`, because it moves the chain's clock.

use anyhow::{Context, ensure};
use purr_chain_signer::chain::vault::{encode_finalise_exit, encode_request_exit, encode_withdraw};
use purr_client::wallet::Vault;
use purr_protocol::permit::PermitVersion;
use purr_protocol::withdrawal::Withdrawal;
use purr_tests::{
    harness::{READY, SOON, game, run},
    until,
};
use std::time::{Duration, SystemTime};

/// Longer than the exit clock of the stack's vault, which is an hour.
const EXIT_S: u64 = 3_601;

#[test]
#[ignore = "needs the stack of tests/stack.sh"]
fn a_player_leaves_and_withdraws_by_voucher_to_the_last_unit() {
    run(|stack| async move {
        let mut game = game(stack, "withdrawn", 2).await?;
        game.plays(3, Duration::from_secs(120)).await?;
        game.settle(stack, SOON).await?;
        let (player, key) = (game.players.remove(0), game.keys[0]);
        let (session, address) = (player.session.clone(), player.session.wallet().address().0);
        let left = player.leave(Duration::from_secs(90)).await?;
        ensure!(left.left, "still there: {left:?}");
        let free = until("the stack is free again", SOON, || async {
            let token = session.token().await?;
            let balance = session.api().balance(&token.text).await?;
            Ok(Some(balance.free).filter(|_| balance.seated.is_empty() && balance.reserved == 0))
        })
        .await?;
        ensure!(free == stack.free_on_chain(address).await?, "ledger and chain differ");
        ensure!(stack.tokens_of(address).await? == 0, "the wallet has deposited all it had");

        let config = stack.api().config().await?;
        let vault =
            Vault { chain_id: config.chain_id, address: stack.vault, permits: PermitVersion::NamedSeat };
        let deadline_s = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?.as_secs() + 600;
        let ask = |amount: u64, nonce| {
            let signature = session.wallet().withdraw_request(&vault, amount, nonce, deadline_s);
            signature.map(|signature| Withdrawal { amount, nonce, deadline_s, signature })
        };
        let token = session.token().await?;
        let more = session.api().withdraw(&token.text, &ask(free + 1, 1)?).await;
        ensure!(more.is_err(), "a voucher for more than there is");
        let voucher = session.api().withdraw(&token.text, &ask(free, 2)?).await?;
        let signature = voucher["signature"].as_str().context("no signature")?;
        let mut bytes = [0; 65];
        hex::decode_to_slice(signature.trim_start_matches("0x"), &mut bytes)?;
        let call = encode_withdraw(address, free, 2, deadline_s, &bytes);
        stack.send(key, &call).await?;
        ensure!(stack.tokens_of(address).await? == free, "not paid to the last unit");
        ensure!(stack.send(key, &call).await.is_err(), "a voucher was paid twice");
        until("the ledger has it", SOON, || async {
            let balance = session.api().balance(&token.text).await?.free;
            let books = stack.reconciliation().await?;
            Ok(Some(()).filter(|()| balance == 0 && books.agree))
        })
        .await?;
        stack.kubectl(&["delete", "ptable", &game.table.name, "--wait=false"]).await.map(drop)
    });
}

#[test]
#[ignore = "needs the stack of tests/stack.sh"]
fn without_the_operator_a_player_exits_to_the_last_unit_and_the_table_goes_on() {
    run(|stack| async move {
        let mut game = game(stack, "exited", 3).await?;
        game.plays(3, Duration::from_secs(120)).await?;
        let balances = game.settle(stack, SOON).await?;
        let key = game.keys[0];
        let address = game.players[0].session.wallet().address().0;
        let name = game.players[0].session.wallet().address().to_string();
        let line = balances.lines.iter().find(|line| line.player == name).context("no line")?;
        let all = line.chain_stack + line.chain_free;

        let session = game.players[0].session.clone();
        let balance = async || session.api().balance(&session.token().await?.text).await;
        let before = balance().await?;
        stack.kubectl(&["scale", "statefulset/purr-chain-signer", "--replicas=0"]).await?;
        until("the signer is gone", READY, || async {
            let pods = stack.kubectl(&["get", "pods", "-o", "name"]).await?;
            Ok(Some(()).filter(|()| !pods.contains("purr-chain-signer")))
        })
        .await?;
        let published = balance().await.context("no balance is shown while the signer is away")?;
        ensure!(published == before, "shown is {published:?}, it was {before:?}");
        stack.send(key, &encode_request_exit()).await?;
        let early = stack.send(key, &encode_finalise_exit(address)).await;
        ensure!(early.is_err(), "the exit did not wait for the player's clock");
        stack.pass_time(EXIT_S).await?;
        stack.send(key, &encode_finalise_exit(address)).await?;
        ensure!(stack.tokens_of(address).await? == all, "not paid to the last unit");

        stack.kubectl(&["scale", "statefulset/purr-chain-signer", "--replicas=1"]).await?;
        // The table is notified, gives the seat up, and the books agree without it.
        let exited = game.players.remove(0).ended(READY).await?;
        ensure!(exited.left, "still seated: {exited:?}");
        until("ledger and chain agree", READY, || async {
            let books = stack.reconciliation().await?;
            let table = books.tables.iter().find(|table| table.uid == game.table.uid).context("no books")?;
            Ok(Some(()).filter(|()| books.agree && table.head_seq == table.chain_seq))
        })
        .await?;
        game.table.pause(stack, false).await?;
        let hands = game.players[0].now().hands;
        game.plays(hands + 2, Duration::from_secs(120)).await.context("the others do not play on")?;
        stack.kubectl(&["delete", "ptable", &game.table.name, "--wait=false"]).await.map(drop)
    });
}
