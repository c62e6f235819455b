//! The call that pays a refund on chain, for the admins to sign: a function of vault, player, amount and number.

use purr_engine::{Chips, PlayerId};
use serde::Serialize;
use sha3::{Digest, Keccak256};

const NUMBERED: &str = "payHouse(address,uint64,uint64)";
/// The call of the first version of the vault, whose administrators' calls have no number.
const UNNUMBERED: &str = "payHouse(address,uint64)";

/// One call of the vault. Two admins send the same data, each from their own wallet: the first call approves, the
/// second pays. Every payment raises the vault's number, so the remaining calls have to be requested again after each
/// payment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct HouseCall {
    /// The vault, `0x` and 40 hex digits.
    pub to: String,
    pub function: &'static str,
    pub player: PlayerId,
    /// Minor units.
    pub amount: Chips,
    /// The vault's current `actionNumber()`, which the call must have; none if the vault has no numbers.
    pub number: Option<u64>,
    /// Calldata, `0x` and hex.
    pub data: String,
}

/// The call that pays `amount` to `player` out of the house's reserve, while the vault's number is `number`.
pub fn pay_house(vault: &str, player: PlayerId, amount: Chips, number: Option<u64>) -> HouseCall {
    let function = if number.is_some() { NUMBERED } else { UNNUMBERED };
    let mut data = Keccak256::digest(function)[..4].to_vec();
    data.extend([0; 12]);
    data.extend(player.0);
    for word in [Some(amount), number].into_iter().flatten() {
        data.extend([0; 24]);
        data.extend(word.to_be_bytes());
    }
    let hex: String = data.iter().map(|byte| format!("{byte:02x}")).collect();
    HouseCall { to: vault.to_owned(), function, player, amount, number, data: format!("0x{hex}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INTERFACE: &str = include_str!("../../../chain-signer/contracts/abi/PurrVault.json");

    #[test]
    fn the_call_is_the_one_that_the_vaults_interface_has() {
        let abi: serde_json::Value = serde_json::from_str(INTERFACE).unwrap();
        let function = abi["abi"].as_array().unwrap().iter().find(|item| item["name"] == "payHouse").unwrap();
        let types: Vec<&str> = function["inputs"]
            .as_array()
            .unwrap()
            .iter()
            .map(|input| input["type"].as_str().unwrap())
            .collect();
        assert_eq!(NUMBERED, format!("payHouse({})", types.join(",")));
        let call = pay_house("0xvault", PlayerId([0xca; 20]), 2_000_000, Some(7));
        let words = format!("{:0>64}{:0>64}{:0>64}", "ca".repeat(20), "1e8480", "7");
        assert_eq!(&call.data[10..], words);
        assert_eq!(&call.data[2..10], hex::encode(&Keccak256::digest(NUMBERED)[..4]));
        assert_eq!((call.to.as_str(), call.function), ("0xvault", NUMBERED));
    }

    #[test]
    fn a_vault_without_numbers_gets_a_call_without_one() {
        let call = pay_house("0xvault", PlayerId([0xca; 20]), 2_000_000, None);
        assert_eq!(&call.data[10..], format!("{:0>64}{:0>64}", "ca".repeat(20), "1e8480"));
        assert_eq!((call.function, call.number), (UNNUMBERED, None));
    }
}
