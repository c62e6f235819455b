//! The commands that do one thing, print JSON and end.

use crate::{
    chain::{Address, Rpc, deploy, parse_address},
    journal::Journal,
    keys::Keys,
    options::{DeployOptions, KeysOptions, PgArgs},
};
use anyhow::{Context, bail};
use serde::Serialize;

fn print(value: &impl Serialize) -> anyhow::Result<()> {
    println!("{}", serde_json::to_string(value)?);
    Ok(())
}

pub(crate) async fn keys(options: KeysOptions) -> anyhow::Result<()> {
    let create = options.create;
    let keys = tokio::task::spawn_blocking(move || Keys::open(&options.hsm, create)).await??;
    print(&keys.addresses())
}

pub(crate) async fn audit(options: &PgArgs) -> anyhow::Result<()> {
    let audit = Journal::new(options.connect()?).audit().await.context("audit")?;
    print(&audit)?;
    match audit.broken {
        None => Ok(()),
        Some(what) => bail!("the journal is broken: {what}"),
    }
}

pub(crate) async fn deploy(options: DeployOptions) -> anyhow::Result<()> {
    let key = match (&options.key, &options.key_file) {
        (Some(key), _) => key.clone(),
        (None, Some(file)) => {
            std::fs::read_to_string(file).with_context(|| format!("--key-file {}", file.display()))?
        }
        (None, None) => bail!("--key-file or PURR_DEPLOYER_KEY is needed"),
    };
    let mut raw = [0; 32];
    hex::decode_to_slice(key.trim().trim_start_matches("0x"), &mut raw)
        .ok()
        .context("the deployer's key is 64 hex digits")?;
    let address = |name: &'static str, text: &str| -> anyhow::Result<Address> {
        parse_address(text).map_err(anyhow::Error::msg).context(name)
    };
    let rpc = Rpc::new(&options.rpc.config())?;
    let wallet = deploy::Wallet::new(&rpc, raw).await?;
    let admins: Vec<Address> =
        options.admins.iter().map(|text| address("--admins", text)).collect::<anyhow::Result<_>>()?;
    let roles = deploy::Roles {
        operator: address("--operator", &options.operator)?,
        voucher: address("--voucher", &options.voucher)?,
        standby: options.standby.as_deref().map(|text| address("--standby", text)).transpose()?,
        guardian: address("--guardian", &options.guardian)?,
        admins: admins.try_into().ok().context("--admins: want three addresses")?,
    };
    roles.check(wallet.address)?;
    let limits = deploy::Limits {
        exit_delay_s: options.exit_delay_s,
        key_delay_s: options.key_delay_s,
        outflow_period_s: options.outflow_period_s,
        outflow_limit: options.outflow_limit,
        player_outflow: options.player_outflow.unwrap_or(options.outflow_limit / 10),
        table_reserve: options.table_reserve,
        ..deploy::Limits::default()
    };
    let token = options.token.as_deref().map(|text| address("--token", text)).transpose()?;
    print(&wallet.deploy(token, roles, limits, options.operator_wei).await?)
}
