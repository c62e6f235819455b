//! Messages of a withdrawal: from the player to the gateway, and from there to the signer.

use purr_engine::{Chips, PlayerId};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A withdrawal as its owner asks for it, with an EIP-712 signature that the signer checks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Withdrawal {
    pub amount: Chips,
    pub nonce: u64,
    /// Seconds since 1970.
    pub deadline_s: u64,
    // 65 bytes r, s, v over WithdrawRequest, as `0x` and hex.
    pub signature: String,
}

/// The same with its owner, as the gateway hands it to the signer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OwnedWithdrawal {
    pub player: PlayerId,
    #[serde(flatten)]
    pub withdrawal: Withdrawal,
}

/// The arguments of the vault's `withdraw`: the same values and the voucher key's signature.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Voucher {
    pub vault: String,
    pub player: PlayerId,
    pub amount: Chips,
    pub nonce: u64,
    /// Seconds since 1970.
    pub deadline_s: u64,
    pub signature: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    const ASKED: &str = r#"{"amount":5,"nonce":18446744073709551615,"deadlineS":7,"signature":"0x00"}"#;

    #[test]
    fn the_signer_reads_what_the_gateway_writes() {
        let withdrawal: Withdrawal = serde_json::from_str(ASKED).unwrap();
        let owned = OwnedWithdrawal { player: PlayerId([7; 20]), withdrawal };
        let json = serde_json::to_string(&owned).unwrap();
        assert_eq!(serde_json::from_str::<OwnedWithdrawal>(&json).unwrap(), owned);
        // A gateway of a newer release may send more fields.
        let more = json.replacen('{', r#"{"more":1,"#, 1);
        assert_eq!(serde_json::from_str::<OwnedWithdrawal>(&more).unwrap(), owned);
    }

    #[test]
    fn a_player_names_no_other_owner() {
        let named = ASKED.replacen('{', r#"{"player":"0x0707070707070707070707070707070707070707","#, 1);
        assert!(serde_json::from_str::<Withdrawal>(&named).is_err());
    }
}
