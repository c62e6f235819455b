//! The call that pays a refund on chain, for the admins to sign: a function of vault, player and amount.

use purr_engine::{Chips, PlayerId};
use serde::Serialize;
use sha3::{Digest, Keccak256};

const SIGNATURE: &str = "payHouse(address,uint64)";

/// One call of the vault. Two admins send the same data, each from their own wallet: the first call approves, the second
/// pays. Where one player gets one amount twice, four calls are needed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct HouseCall {
    /// The vault, `0x` and 40 hex digits.
    pub to: String,
    pub function: &'static str,
    pub player: PlayerId,
    /// Minor units.
    pub amount: Chips,
    /// Calldata, `0x` and hex.
    pub data: String,
}

/// The call that pays `amount` to `player` out of the house's reserve.
pub fn pay_house(vault: &str, player: PlayerId, amount: Chips) -> HouseCall {
    let mut data = Keccak256::digest(SIGNATURE)[..4].to_vec();
    data.extend([0; 12]);
    data.extend(player.0);
    data.extend([0; 24]);
    data.extend(amount.to_be_bytes());
    let hex: String = data.iter().map(|byte| format!("{byte:02x}")).collect();
    HouseCall { to: vault.to_owned(), function: SIGNATURE, player, amount, data: format!("0x{hex}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_call_is_the_abi_of_address_and_amount() {
        let call = pay_house("0xvault", PlayerId([0xca; 20]), 2_000_000);
        // cast calldata "payHouse(address,uint64)" …: selector and two words.
        let words = format!("{:0>64}{:0>64}", "ca".repeat(20), "1e8480");
        assert_eq!(call.data.len(), 2 + 8 + 128);
        assert_eq!(&call.data[10..], words);
        assert_eq!(call.to, "0xvault");
    }
}
