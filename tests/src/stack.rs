//! A cluster with everything installed, as `tests/stack.sh` leaves it.

use anyhow::{Context, bail, ensure};
use purr_chain_signer::chain::{Rpc, RpcConfig, deploy, parse_address, vault};
use purr_client::{Api, Gateway, Session, Wallet};
use purr_protocol::settlement::Reconciliation;
use std::{env, path::PathBuf, process::Stdio};
use tokio::{io::AsyncWriteExt, process::Command};

/// Wei for gas: half a unit of the native currency.
const GAS_MONEY_WEI: u128 = 500_000_000_000_000_000;

pub struct Stack {
    pub namespace: String,
    pub gateway: Gateway,
    pub vault: [u8; 20],
    pub token: [u8; 20],
    rpc: Rpc,
    deployer: [u8; 32],
    auditor: Session,
}

fn variable(name: &str) -> anyhow::Result<String> {
    env::var(name).with_context(|| format!("{name} is not set: bring the stack up with tests/stack.sh"))
}

fn key(text: &str) -> anyhow::Result<[u8; 32]> {
    let mut bytes = [0; 32];
    hex::decode_to_slice(text.trim().trim_start_matches("0x"), &mut bytes).context("PURR_DEPLOYER_KEY")?;
    Ok(bytes)
}

impl Stack {
    /// Reads the variables that `tests/stack.sh` writes.
    pub fn from_env() -> anyhow::Result<Self> {
        // Two libraries ask for the process's provider; this is it.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let gateway = Gateway::new(&variable("PURR_GATEWAY")?, &PathBuf::from(variable("PURR_CA")?))?;
        let rpc = Rpc::new(&RpcConfig {
            urls: vec![variable("PURR_RPC")?],
            ca_file: None,
            requests_per_minute: 0,
        })?;
        let address = |name| parse_address(&variable(name)?).map_err(anyhow::Error::msg);
        let auditor = Wallet::from_file(&PathBuf::from(variable("PURR_AUDITOR_KEY")?))?;
        Ok(Self {
            namespace: variable("PURR_NAMESPACE")?,
            vault: address("PURR_VAULT")?,
            token: address("PURR_TOKEN")?,
            auditor: Session::new(Api::new(gateway.clone()), auditor),
            deployer: key(&variable("PURR_DEPLOYER_KEY")?)?,
            gateway,
            rpc,
        })
    }

    pub fn api(&self) -> Api {
        Api::new(self.gateway.clone())
    }

    /// A new wallet, and its key, with gas money and this much deposited in the vault, by its own transactions.
    pub async fn funded_wallet(&self, amount: u64) -> anyhow::Result<(Wallet, [u8; 32])> {
        let mut bytes = [0; 32];
        let wallet = loop {
            let random = std::fs::File::open("/dev/urandom");
            std::io::Read::read_exact(&mut random.context("/dev/urandom")?, &mut bytes)?;
            if let Ok(wallet) = Wallet::from_hex(&hex::encode(bytes)) {
                break wallet;
            }
        };
        let house = deploy::Wallet::new(&self.rpc, self.deployer).await?;
        house.transfer(wallet.address().0, GAS_MONEY_WEI).await.context("gas money")?;
        let own = deploy::Wallet::new(&self.rpc, bytes).await?;
        own.fund(self.token, self.vault, amount).await.context("deposit")?;
        Ok((wallet, bytes))
    }

    /// A transaction to the vault out of this wallet, mined.
    pub async fn send(&self, key: [u8; 32], data: &[u8]) -> anyhow::Result<()> {
        deploy::Wallet::new(&self.rpc, key).await?.execute(self.vault, data).await?;
        Ok(())
    }

    /// An address's tokens outside the vault, in minor units.
    pub async fn tokens_of(&self, holder: [u8; 20]) -> anyhow::Result<u64> {
        Ok(vault::token_balance(&self.rpc, self.token, holder).await?)
    }

    /// Free in the vault, as the chain has it, in minor units.
    pub async fn free_on_chain(&self, player: [u8; 20]) -> anyhow::Result<u64> {
        Ok(vault::Vault { address: self.vault }.balance(&self.rpc, player, None).await?)
    }

    /// Moves the chain's clock forward: what comes after is that much later to the contract.
    pub async fn pass_time(&self, seconds: u64) -> anyhow::Result<()> {
        self.rpc.raw("evm_increaseTime", serde_json::json!([seconds])).await?;
        self.rpc.raw("evm_mine", serde_json::json!([])).await?;
        Ok(())
    }

    /// The ledger beside the chain, as an auditor reads it at the gateway.
    pub async fn reconciliation(&self) -> anyhow::Result<Reconciliation> {
        let token = self.auditor.token().await?;
        Ok(self.auditor.api().reconciliation(&token.text).await?)
    }

    /// Wallets with the role `integrity`, where the stack runs the fair-play program.
    pub fn reviewers(&self) -> anyhow::Result<Vec<Session>> {
        let files = variable("PURR_REVIEWER_KEYS")?;
        let session = |file: &str| -> anyhow::Result<Session> {
            Ok(Session::new(self.api(), Wallet::from_file(&PathBuf::from(file))?))
        };
        files.split(':').map(session).collect()
    }

    /// Puts test money into the house's reserve.
    pub async fn fund_reserve(&self, amount: u64) -> anyhow::Result<()> {
        let house = deploy::Wallet::new(&self.rpc, self.deployer).await?;
        house.mint(self.token, house.address, amount).await.context("mint")?;
        house.approve(self.token, self.vault, amount).await.context("approve")?;
        house.execute(self.vault, &vault::encode_fund_reserve(amount)).await.context("reserve")?;
        Ok(())
    }

    /// Runs kubectl in the stack's namespace; its standard output.
    pub async fn kubectl(&self, arguments: &[&str]) -> anyhow::Result<String> {
        self.kubectl_with(arguments, "").await
    }

    pub async fn kubectl_with(&self, arguments: &[&str], input: &str) -> anyhow::Result<String> {
        let program = match env::var("PURR_BIN") {
            Ok(folder) if PathBuf::from(&folder).join("kubectl").exists() => {
                PathBuf::from(folder).join("kubectl")
            }
            _ => "kubectl".into(),
        };
        let mut child = Command::new(program)
            .arg("--namespace")
            .arg(&self.namespace)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .context("kubectl")?;
        let mut stdin = child.stdin.take().context("kubectl takes no input")?;
        stdin.write_all(input.as_bytes()).await?;
        drop(stdin);
        let output = child.wait_with_output().await?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        if !output.status.success() {
            let error = String::from_utf8_lossy(&output.stderr).into_owned();
            bail!("kubectl {}: {}", arguments.join(" "), error.trim());
        }
        Ok(text)
    }

    pub async fn kubectl_json(&self, arguments: &[&str]) -> anyhow::Result<serde_json::Value> {
        let text = self.kubectl(arguments).await?;
        ensure!(!text.trim().is_empty(), "kubectl {}: no answer", arguments.join(" "));
        Ok(serde_json::from_str(&text)?)
    }

    /// Everything that explains a failure, on stderr.
    pub async fn dump(&self) {
        for arguments in [
            &["get", "ptable,pods", "-o", "wide"][..],
            &["describe", "ptable"],
            &["get", "events", "--sort-by=.lastTimestamp"],
            &["logs", "-l", "app.kubernetes.io/component=table", "--tail=40", "--prefix"],
            &["logs", "deployment/purr-controller", "--tail=40"],
            &["logs", "deployment/purr-gateway", "--tail=40"],
            &["logs", "purr-chain-signer-0", "--tail=40"],
            &["logs", "deployment/purr-records", "--tail=20"],
            &["logs", "deployment/purr-fair-play", "--tail=20"],
        ] {
            let text = self.kubectl(arguments).await.unwrap_or_else(|error| format!("{error:#}"));
            eprintln!("--- kubectl {}\n{text}", arguments.join(" "));
        }
    }
}
