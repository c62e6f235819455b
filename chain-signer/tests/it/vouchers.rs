//! The signer asks the vault before it signs a voucher that the vault would not pay.

#![allow(clippy::unwrap_used, clippy::panic, clippy::cast_possible_truncation, clippy::cast_sign_loss)]

use crate::common;

use common::{
    House, WAIT, eventually, key, outcome,
    table::{now_s, player},
};
use http::Method;
use purr_chain_signer::chain::sign_digest_with_raw_key;
use purr_protocol::{
    settlement::Balance,
    withdrawal::{OwnedWithdrawal, Voucher, Withdrawal},
};
use purr_runtime::Role;
use serde_json::json;

const USDC: u64 = 1_000_000;
/// One player's share of the outflow limit in the vault of these tests.
const SHARE: u64 = 100_000 * USDC;

#[tokio::test(flavor = "multi_thread")]
async fn a_voucher_beyond_what_the_vault_would_pay_is_refused_and_promises_nothing() {
    let house = House::new().await;
    let signer = house.start_signer();
    signer.ready().await;
    let gateway = house.client(&signer, &Role::Gateway);
    house.fund(1, 3 * SHARE).await;
    let path = format!("/v1/balances/{}", player(1));
    let balance = || async { gateway.get::<Balance>(&path, WAIT).await.unwrap() };
    eventually("the deposit is seen", || async { (balance().await.free == 3 * SHARE).then_some(()) }).await;

    let asked = |amount, nonce, life_s| {
        let deadline_s = now_s() + life_s;
        let digest = house.domain().withdraw_request(player(1).0, amount, nonce, deadline_s);
        let signature = sign_digest_with_raw_key(&key(1), &digest).unwrap().to_bytes();
        let signature = format!("0x{}", hex::encode(signature));
        OwnedWithdrawal { player: player(1), withdrawal: Withdrawal { amount, nonce, deadline_s, signature } }
    };
    let withdrawals = "/v1/withdrawals";
    // A deposit of just now may go at once, without a limit.
    let _: Voucher = gateway.post(withdrawals, &asked(2 * SHARE, 1, 5), WAIT).await.unwrap();
    assert_eq!(balance().await.free, SHARE);

    // Later the player's share of the outflow limit is all that the vault would pay. Its promise ends by the signer's clock,
    // which does not jump with the chain's.
    house.node("evm_increaseTime", json!([2 * 86_400])).await;
    house.node("evm_mine", json!([])).await;
    eventually("the voucher's time is over", || async { (balance().await.free == 3 * SHARE).then_some(()) })
        .await;
    let more = serde_json::to_value(asked(SHARE + 1, 2, 600)).unwrap();
    assert_eq!(outcome(&gateway, Method::POST, withdrawals, &more).await, (422, "outflow-limit".into()));
    assert_eq!(balance().await.free, 3 * SHARE, "nothing was promised");
    let _: Voucher = gateway.post(withdrawals, &asked(SHARE, 3, 600), WAIT).await.unwrap();
}
