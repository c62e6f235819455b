//! One-shot commands that print JSON.

use crate::{
    chain::{Address, Rpc, RpcConfig, Vault, deploy, parse_address, vault::LOG_BLOCKS_MAX},
    checkpoint::Checkpoint,
    hsm::Token,
    journal::{Chain, Journal},
    keys::Keys,
    options::{
        AuditOptions, DeployOptions, HsmArgs, InitOptions, KeysOptions, ReleaseOptions, RescanOptions,
    },
    signed::Trust,
};
use anyhow::{Context, bail, ensure};
use purr_runtime::sign::Authority;
use serde::Serialize;
use serde_json::json;
use std::{
    path::Path,
    time::{Duration, Instant},
};

/// How often to check how far the signer has read.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// Checkpoints that are looked up at once.
const CHECKPOINTS_AT_ONCE: usize = 1_000;

fn print(value: &impl Serialize) -> anyhow::Result<()> {
    println!("{}", serde_json::to_string(value)?);
    Ok(())
}

pub(crate) async fn keys(options: KeysOptions) -> anyhow::Result<()> {
    let create = options.create;
    let keys = tokio::task::spawn_blocking(move || Keys::open(&options.hsm, create)).await??;
    print(&keys.addresses())
}

pub(crate) async fn init(options: InitOptions) -> anyhow::Result<()> {
    let hsm = HsmArgs { init_token: true, ..options.hsm };
    let made = tokio::task::spawn_blocking(move || {
        if Token::is_there(&hsm.token())? {
            return Ok(None);
        }
        Keys::open(&hsm, true).map(|keys| Some(keys.addresses()))
    });
    match made.await?? {
        Some(addresses) => print(&addresses),
        None => print(&json!({ "token": "is there" })),
    }
}

pub(crate) async fn audit(options: &AuditOptions) -> anyhow::Result<()> {
    let authority = options.ca_file.as_deref().map(Authority::load).transpose().context("--ca-file")?;
    let trust = Trust { authority, required: options.require_signed_entries };
    let journal = Journal::new(options.pg.connect()?).with_trust(trust);
    let on_chain = match options.rpc_urls.iter().any(|url| !url.is_empty()) {
        true => Some(chain_of(&journal, options).await.context("the vault's log")?),
        false => None,
    };
    let audit = journal.audit_with(on_chain.as_ref()).await.context("audit")?;
    print(&audit)?;
    if let Some(what) = audit.broken {
        bail!("the journal is broken: {what}");
    }
    if let Some(file) = &options.checkpoint {
        let count = checkpoints(&journal, options, file).await?;
        tracing::info!(count, "the journal continues all checkpoints");
    }
    match audit.not_recomputed {
        None => Ok(()),
        Some(why) => bail!("the journal's rows were not made again: {why}"),
    }
}

/// The vault's log up to the journal's cursor.
async fn chain_of(journal: &Journal, options: &AuditOptions) -> anyhow::Result<Chain> {
    let config = RpcConfig {
        urls: options.rpc_urls.clone(),
        ca_file: Some(options.rpc_ca_file.clone()),
        requests_per_minute: 0,
    };
    let rpc = Rpc::new(&config)?;
    let Some(domain) = journal.domain().await? else { return Ok(Chain::default()) };
    let chain_id = rpc.chain_id().await?;
    ensure!(chain_id == domain.chain_id, "the journal is about chain {}, not {chain_id}", domain.chain_id);
    let vault = Vault { address: domain.vault };
    let (through, mut chain) = (rpc.block_number().await?, Chain::default());
    let mut next = options.vault_block;
    while next <= through {
        let to = through.min(next + LOG_BLOCKS_MAX - 1);
        let logs = vault.logs(&rpc, next, to).await?;
        chain.logs.extend(logs.into_iter().map(|log| (log.key(), log)));
        next = to + 1;
    }
    Ok(chain)
}

/// Compares the journal with checkpoints from a file; returns how many there were.
async fn checkpoints(journal: &Journal, options: &AuditOptions, file: &Path) -> anyhow::Result<usize> {
    let text = match file.as_os_str() == "-" {
        true => std::io::read_to_string(std::io::stdin()).context("--checkpoint -")?,
        false => std::fs::read_to_string(file).with_context(|| format!("--checkpoint {}", file.display()))?,
    };
    let key = options.checkpoint_key.as_deref();
    let key = key.map(parse_address).transpose().context("--checkpoint-key")?;
    let Some(domain) = journal.domain().await? else { bail!("the journal is about no vault yet") };
    let mut all = Checkpoint::all_in(&text);
    all.retain(|one| one.is_signed(&domain) && key.is_none_or(|key| one.signer == key));
    all.sort_by_key(|one| (one.counter, one.rows));
    all.dedup();
    ensure!(!all.is_empty(), "{} has no checkpoint of this journal's vault", file.display());
    for some in all.chunks(CHECKPOINTS_AT_ONCE) {
        if let Some(other) = journal.contradicts(some).await? {
            let Checkpoint { counter, rows, .. } = other;
            bail!(
                "journal.hash: row {rows} is missing or was written anew since checkpoint {counter} was signed"
            );
        }
    }
    Ok(all.len())
}

pub(crate) async fn release(options: &ReleaseOptions) -> anyhow::Result<()> {
    let journal = Journal::new(options.pg.connect()?);
    let subject = &options.subject;
    ensure!(journal.end_quarantine(subject).await?, "{subject} is in no quarantine of a changed row");
    print(&json!({ "released": subject.to_string() }))
}

/// Orders the log to be read again and waits for the result. The running signer reads, because it has the nodes and the
/// lease, and applies missing events in the usual way.
pub(crate) async fn rescan(options: &RescanOptions) -> anyhow::Result<()> {
    let journal = Journal::new(options.pg.connect()?);
    let position = journal.position().await?.context("nothing of the chain was taken in yet")?;
    let (from, to) = (options.from, position.block);
    ensure!(from <= to, "--from {from} is behind block {to}, up to which the log was taken in");
    let before = journal.reread_found().await?;
    journal.order_reread(from).await?;
    let begun = Instant::now();
    while journal.reread().await?.is_some_and(|next| next <= to) {
        if begun.elapsed() > Duration::from_secs(options.wait_s) {
            bail!(
                "the log is not read again up to block {to} after {} s: is a signer running? The order stays",
                options.wait_s
            );
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
    let (found, differing) = (journal.reread_found().await?, journal.differing().await?);
    let differing: Vec<String> = differing.keys().map(ToString::to_string).collect();
    print(&json!({"from": from, "to": to, "found": found.saturating_sub(before), "differing": differing}))
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
    let address =
        |name: &'static str, text: &str| -> anyhow::Result<Address> { parse_address(text).context(name) };
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
