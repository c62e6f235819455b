//! Development chains: deploys a vault with a test token, and funds players, with plain keys. Never used on a chain
//! with real money: there its owners deploy the vault.

use super::{Address, Receipt, Rpc, RpcError, address_of_raw_key, sign_with_raw_key};
use crate::{hsm::HsmError, journal::Fees};
use ethers_core::{
    abi::{Token, encode},
    types::{H160, U256},
    utils::{get_contract_address, id},
};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// How long a transaction may take to be mined.
const MINED_WAIT: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(100);
/// The vault's code is close to EIP-170's limit; its deployment takes about 5.5 million.
const DEPLOY_GAS: u64 = 8_000_000;

#[derive(Debug, thiserror::Error)]
pub enum DeployError {
    #[error(transparent)]
    Rpc(#[from] RpcError),
    #[error("bare key: {0}")]
    Key(#[from] HsmError),
    #[error("the committed artifact of {name} cannot be read: {detail}")]
    Artifact { name: &'static str, detail: String },
    #[error("{0} was not mined within a minute")]
    NotMined(String),
    #[error("{0} reverted")]
    Reverted(String),
}

/// The holders of roles in a new vault.
#[derive(Clone, Copy, Debug)]
pub struct Roles {
    /// Settles; the signer's first key.
    pub operator: Address,
    /// A second settling key that waits ready.
    pub standby: Option<Address>,
    pub voucher: Address,
    pub guardian: Address,
    /// The three administrators; any two of them act together.
    pub admins: [Address; 3],
}

impl Roles {
    /// Checks the roles as the vault's constructor does, which reverts without a message.
    ///
    /// # Errors
    /// Names the two roles of one address.
    pub fn check(&self, deployer: Address) -> Result<(), RoleError> {
        let standby = self.standby.map(|key| ("standby", key));
        let mut roles = vec![("operator", self.operator), ("voucher key", self.voucher)];
        roles.extend(standby);
        roles.push(("guardian", self.guardian));
        roles.extend(self.admins.map(|admin| ("admin", admin)));
        for (at, (role, address)) in roles.iter().enumerate() {
            if *address == [0; 20] {
                return Err(RoleError::Nobody(role));
            }
            if let Some((other, _)) = roles.iter().skip(at + 1).find(|(_, next)| next == address) {
                return Err(RoleError::Two { address: super::address_text(*address), roles: (role, other) });
            }
        }
        // The deployer's key is in a file during the command, so it must not be a key that can stop the house.
        if self.guardian == deployer {
            let roles = ("deployer", "guardian");
            return Err(RoleError::Two { address: super::address_text(deployer), roles });
        }
        Ok(())
    }
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RoleError {
    #[error("the {0} is the zero address")]
    Nobody(&'static str),
    #[error("{address} is {} and {}: name another address for one of them", roles.0, roles.1)]
    Two { address: String, roles: (&'static str, &'static str) },
}

/// See the contract's `Limits`; times in seconds, amounts in minor units.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    pub exit_delay_s: u32,
    pub key_delay_s: u32,
    pub outflow_period_s: u32,
    pub outflow_limit: u64,
    pub range_max: u16,
    pub exit_sequences: u16,
    pub sequences_per_second: u8,
    pub sequence_burst: u32,
    pub player_outflow: u64,
    /// The part of one table's shortfalls that the house's reserve bears in a period.
    pub table_reserve: u64,
}

impl Default for Limits {
    /// For development: one hour to exit, a million tokens of six decimals a day, a tenth of them for one player.
    fn default() -> Self {
        Self {
            exit_delay_s: 3_600,
            key_delay_s: 86_400,
            outflow_period_s: 86_400,
            outflow_limit: 1_000_000_000_000,
            range_max: 256,
            exit_sequences: 300,
            sequences_per_second: 4,
            sequence_burst: 1_000,
            player_outflow: 100_000_000_000,
            table_reserve: 0,
        }
    }
}

/// The result of a deployment; `block` is the vault's first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deployed {
    pub vault: String,
    pub token: String,
    pub block: u64,
}

/// Sends with a bare key, one transaction after the other.
pub struct Wallet<'a> {
    rpc: &'a Rpc,
    key: [u8; 32],
    pub address: Address,
    chain_id: u64,
}

impl<'a> Wallet<'a> {
    pub async fn new(rpc: &'a Rpc, key: [u8; 32]) -> Result<Self, DeployError> {
        let address = address_of_raw_key(&key)?;
        Ok(Self { rpc, key, address, chain_id: rpc.chain_id().await? })
    }

    async fn fees(&self, gas: u64) -> Result<Fees, DeployError> {
        let base = self.rpc.block(None).await?.map_or(0, |block| block.base_fee);
        let priority_fee = 1_000_000_000;
        Ok(Fees { gas, max_fee: base.saturating_mul(2).saturating_add(priority_fee), priority_fee })
    }

    async fn send(
        &self,
        nonce: u64,
        to: Option<Address>,
        value_wei: u128,
        data: &[u8],
        gas: u64,
    ) -> Result<[u8; 32], DeployError> {
        let fees = self.fees(gas).await?;
        let signed = sign_with_raw_key(&self.key, (self.chain_id, nonce), to, value_wei, data, fees)?;
        self.rpc.send_raw(&signed.raw).await?;
        Ok(signed.hash)
    }

    async fn mined(&self, hash: [u8; 32]) -> Result<Receipt, DeployError> {
        let name = || format!("transaction 0x{}", hex::encode(hash));
        let wait = async {
            loop {
                if let Some(receipt) = self.rpc.receipt(hash).await? {
                    return Ok::<_, DeployError>(receipt);
                }
                tokio::time::sleep(POLL).await;
            }
        };
        let receipt =
            tokio::time::timeout(MINED_WAIT, wait).await.map_err(|_| DeployError::NotMined(name()))??;
        if receipt.reverted { Err(DeployError::Reverted(name())) } else { Ok(receipt) }
    }

    async fn call(&self, to: Address, data: &[u8], gas: u64) -> Result<Receipt, DeployError> {
        let nonce = self.rpc.nonce(self.address).await?;
        let hash = self.send(nonce, Some(to), 0, data, gas).await?;
        self.mined(hash).await
    }

    /// Any call of a contract, with ample gas.
    pub async fn execute(&self, to: Address, data: &[u8]) -> Result<Receipt, DeployError> {
        self.call(to, data, 1_000_000).await
    }

    /// Native currency, for gas.
    pub async fn transfer(&self, to: Address, wei: u128) -> Result<Receipt, DeployError> {
        let nonce = self.rpc.nonce(self.address).await?;
        let hash = self.send(nonce, Some(to), wei, &[], 21_000).await?;
        self.mined(hash).await
    }

    /// Mints test tokens: the test token lets anybody mint.
    pub async fn mint(&self, token: Address, to: Address, amount: u64) -> Result<Receipt, DeployError> {
        self.call(token, &method("mint(address,uint256)", &[address(to), uint(amount)]), 200_000).await
    }

    pub async fn approve(&self, token: Address, vault: Address, amount: u64) -> Result<Receipt, DeployError> {
        self.call(token, &method("approve(address,uint256)", &[address(vault), uint(amount)]), 200_000).await
    }

    /// Pays into the vault; the vault must be approved for it.
    pub async fn deposit(&self, vault: Address, amount: u64) -> Result<Receipt, DeployError> {
        self.call(vault, &super::vault::encode_deposit(amount), 400_000).await
    }

    /// Mints, approves and deposits, all three in one block where the chain has room.
    pub async fn fund(&self, token: Address, vault: Address, amount: u64) -> Result<Receipt, DeployError> {
        let nonce = self.rpc.nonce(self.address).await?;
        let calls = [
            (token, method("mint(address,uint256)", &[address(self.address), uint(amount)])),
            (token, method("approve(address,uint256)", &[address(vault), uint(amount)])),
            (vault, super::vault::encode_deposit(amount)),
        ];
        let mut last = [0; 32];
        for (n, (to, data)) in (0_u64..).zip(calls) {
            last = self.send(nonce + n, Some(to), 0, &data, 400_000).await?;
        }
        self.mined(last).await
    }

    /// Deploys the vault, with a test token unless one is given, and sends native currency to the operator.
    pub async fn deploy(
        &self,
        token: Option<Address>,
        roles: Roles,
        limits: Limits,
        operator_wei: u128,
    ) -> Result<Deployed, DeployError> {
        let mut nonce = self.rpc.nonce(self.address).await?;
        let mut waiting = Vec::new();
        let token = match token {
            Some(token) => token,
            None => {
                let code = bytecode("TestUSDC", include_str!("../../contracts/abi/TestUSDC.json"))?;
                waiting.push(self.send(nonce, None, 0, &code, DEPLOY_GAS).await?);
                let made = get_contract_address(H160(self.address), nonce).0;
                nonce += 1;
                made
            }
        };
        let mut code = bytecode("PurrVault", include_str!("../../contracts/abi/PurrVault.json"))?;
        code.extend(constructor(token, roles, limits));
        let vault = self.send(nonce, None, 0, &code, DEPLOY_GAS).await?;
        if operator_wei > 0 {
            waiting.push(self.send(nonce + 1, Some(roles.operator), operator_wei, &[], 21_000).await?);
        }
        let receipt = self.mined(vault).await?;
        for hash in waiting {
            self.mined(hash).await?;
        }
        let vault = receipt.contract.ok_or_else(|| DeployError::Reverted("the vault's deployment".into()))?;
        Ok(Deployed {
            vault: super::address_text(vault),
            token: super::address_text(token),
            block: receipt.block,
        })
    }
}

fn bytecode(name: &'static str, artifact: &str) -> Result<Vec<u8>, DeployError> {
    #[derive(Deserialize)]
    struct Artifact {
        bytecode: String,
    }
    let bad = |detail: String| DeployError::Artifact { name, detail };
    let artifact: Artifact = serde_json::from_str(artifact).map_err(|error| bad(error.to_string()))?;
    hex::decode(artifact.bytecode.trim_start_matches("0x")).map_err(|error| bad(error.to_string()))
}

fn address(value: Address) -> Token {
    Token::Address(H160(value))
}

fn uint(value: u64) -> Token {
    Token::Uint(U256::from(value))
}

fn method(signature: &str, arguments: &[Token]) -> Vec<u8> {
    let mut data = id(signature).to_vec();
    data.extend(encode(arguments));
    data
}

/// All static types: a struct is written like its members.
fn constructor(token: Address, roles: Roles, limits: Limits) -> Vec<u8> {
    let standby = roles.standby.unwrap_or_default();
    let mut values: Vec<Token> =
        [token, roles.operator, standby, roles.voucher, roles.guardian].map(address).into();
    values.extend(roles.admins.map(address));
    values.extend([
        uint(limits.exit_delay_s.into()),
        uint(limits.key_delay_s.into()),
        uint(limits.outflow_period_s.into()),
        uint(limits.outflow_limit),
        uint(limits.range_max.into()),
        uint(limits.exit_sequences.into()),
        uint(limits.sequences_per_second.into()),
        uint(limits.sequence_burst.into()),
        uint(limits.player_outflow),
        uint(limits.table_reserve),
    ]);
    encode(&values)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn roles() -> Roles {
        Roles {
            operator: [1; 20],
            standby: Some([2; 20]),
            voucher: [3; 20],
            guardian: [4; 20],
            admins: [[5; 20], [6; 20], [7; 20]],
        }
    }

    #[test]
    fn no_address_has_two_roles_and_the_deployer_is_no_guardian() {
        assert_eq!(roles().check([9; 20]), Ok(()));
        assert_eq!(Roles { standby: None, ..roles() }.check([5; 20]), Ok(()));
        let two = |roles: Roles, deployer| match roles.check(deployer) {
            Err(RoleError::Two { roles, .. }) => roles,
            other => panic!("{other:?}"),
        };
        assert_eq!(two(roles(), [4; 20]), ("deployer", "guardian"));
        assert_eq!(two(Roles { guardian: [6; 20], ..roles() }, [9; 20]), ("guardian", "admin"));
        assert_eq!(two(Roles { standby: Some([1; 20]), ..roles() }, [9; 20]), ("operator", "standby"));
        assert_eq!(two(Roles { voucher: [2; 20], ..roles() }, [9; 20]), ("voucher key", "standby"));
        let nobody = Roles { guardian: [0; 20], ..roles() };
        assert_eq!(nobody.check([9; 20]), Err(RoleError::Nobody("guardian")));
    }
}
