//! The client computes the hashes that it signs; the signer must recover the same wallet.
#![allow(clippy::unwrap_used, reason = "a test fails loudly")]

use purr_chain_signer::chain::eip712::{Domain, recover};
use purr_client::{
    Wallet,
    wallet::{PermitTerms, Vault},
};
use purr_engine::SeatIndex;
use purr_protocol::permit::{PermitFor, PermitVersion};

const VAULT: [u8; 20] = [0xab; 20];
const TABLE: [u8; 32] = [0x5e; 32];

#[test]
fn a_permit_of_the_client_is_the_wallets_own_to_the_signer() {
    [PermitVersion::AnySeat, PermitVersion::NamedSeat].into_iter().for_each(agrees);
}

fn agrees(permits: PermitVersion) {
    let wallet = Wallet::random().unwrap();
    let terms = PermitTerms { amount: u64::MAX, max_total_rake: 7, expiry_s: 1_800_000_000, nonce: 1 << 62 };
    let what = PermitFor::Sit(SeatIndex(4));
    let vault = Vault { chain_id: 999, address: VAULT, permits };
    let permit = wallet.permit(&vault, &TABLE, what, &terms).unwrap();
    let player = wallet.address().0;
    let seen = |chain_id, table| {
        let digest = Domain { chain_id, vault: VAULT }.seat_permit(permits, table, what, player, &permit);
        recover(&digest, &permit.signature)
    };
    assert_eq!(seen(999, TABLE), Some(player));
    // Another chain or another table needs another permit.
    assert_ne!(seen(998, TABLE), Some(player));
    assert_ne!(seen(999, [0; 32]), Some(player));
}

#[test]
fn a_withdrawal_of_the_client_is_the_wallets_own_to_the_signer() {
    let wallet = Wallet::random().unwrap();
    let vault = Vault { chain_id: 999, address: VAULT, permits: PermitVersion::NamedSeat };
    let signature = wallet.withdraw_request(&vault, 5_000_000, 3, 1_800_000_000).unwrap();
    let player = wallet.address().0;
    let digest = Domain { chain_id: 999, vault: VAULT }.withdraw_request(player, 5_000_000, 3, 1_800_000_000);
    assert_eq!(recover(&digest, &signature), Some(player));
}
