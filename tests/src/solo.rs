//! One table without a cluster: table, gateway and page in one process, with stand-ins for what a cluster has.
//!
//! The programs are the real ones, connected by the same mutual TLS; store, sign-ins, ledger and records are in memory.

mod door;
pub mod house;
pub mod ledger;
mod options;
mod records;
pub mod secrets;
mod statistics;

pub use options::Options;

use anyhow::Context;
use clap::Parser;
use house::{House, Parts};
use ledger::Ledger;
use purr_gateway::{
    page::PageConfig,
    seating::{
        fleets::{FleetView, Member},
        key::FleetKey,
    },
    sessions::MemorySessions,
};
use purr_protocol::{Epoch, TableSpec, summary::Summary};
use purr_runtime::CancellationToken;
use purr_table::{actor::Handle, core::Pace};
use records::Hands;
use secrets::Secrets;
use std::{net::SocketAddr, sync::Arc, time::Duration};
use tokio::net::TcpListener;

/// UID of the only table.
pub const UID: &str = "0a0b0c0d-0000-4000-8000-000000000001";
pub const EPOCH: u64 = 1 << 16;
const REVEAL_MS: u64 = 1_000;
const NOTICE: &str =
    "Play chips: this table runs by itself, for trying things out. Nothing is kept, and nothing settles.";

/// Runs until stopped.
pub async fn run(options: Options, stop: CancellationToken) -> anyhow::Result<()> {
    let spec = options.validate()?;
    let page = TcpListener::bind(options.listen).await.context("--listen")?;
    let public = TcpListener::bind(options.tls_listen).await.context("--tls-listen")?;
    let (page_at, public_at) = (page.local_addr()?, public.local_addr()?);
    let url = options.public_url.clone().unwrap_or_else(|| format!("http://localhost:{}", page_at.port()));

    let secrets = Secrets::new()?;
    let hands = Arc::new(Hands::default());
    let ledger = Arc::new(Ledger::new(options.stake, spec.engine.buy_in_min));
    // If one task returns early, for instance on an error, the others stop as well.
    let stop = stop.child_token();
    let _guard = stop.clone().drop_guard();
    let parts = Parts {
        spec: spec.clone(),
        pace: Pace { hand_gap_ms: options.hand_gap_ms, reveal_ms: REVEAL_MS },
        store: hands.clone(),
        sealer: house::sealer()?,
        ledger,
        records: hands.clone().routes(),
        config: gateway_config(&options, &secrets, &url, page_at)?,
        public,
    };
    let House { handle, sessions, fleets, mut tasks, .. } =
        Box::pin(House::start(parts, &secrets, &stop)).await?;
    let key = FleetKey::new("solo", format!("nl{}", spec.engine.big_blind)).context("a fleet's name")?;
    fleets.replace_fleets(vec![FleetView::alone(key.clone(), &spec)]);
    fleets.replace_tables(vec![Member::alone(UID, key)]);
    tasks.spawn(tell(handle, hands, sessions, spec, stop.clone()));
    let (ca, ended) = (secrets.ca_file("public"), stop.clone());
    tasks.spawn(async move { door::run(page, public_at, &ca, ended).await });

    announce(&url, page_at, public_at, &secrets);
    // The first to end is the stop, or an error of all.
    while let Some(task) = tasks.join_next().await {
        task??;
        stop.cancel();
    }
    Ok(())
}

/// The gateway's defaults, with the changes that a single process needs.
///
/// # Errors
/// Where the key of access tokens cannot be written.
pub fn gateway_config(
    options: &Options,
    secrets: &Secrets,
    url: &str,
    page_at: SocketAddr,
) -> anyhow::Result<purr_gateway::Config> {
    let domain = url.split_once("://").map_or(url, |(_, domain)| domain).trim_end_matches('/');
    let (keys, assertions, chain) = (secrets.token_keys()?, secrets.assertion_keys()?, ledger::CHAIN_ID);
    let arguments = [
        "purr-gateway".to_owned(),
        "--namespace=solo".into(),
        format!("--domain={domain}"),
        format!("--public-url=https://{domain}"),
        format!("--chain-id={chain}"),
        format!("--jwt-key-dir={}", keys.display()),
        format!("--jwt-issuer={url}"),
        format!("--assertion-key-dir={}", assertions.display()),
        "--signer-addr=localhost:1".into(),
        "--records-addr=localhost:1".into(),
        "--sessions-sentinels=localhost:1".into(),
        "--sessions-user=solo".into(),
        "--sessions-password-file=/nowhere".into(),
        "--stop-delay-ms=0".into(),
        // All clients have one address here.
        "--sign-in-rate=100".into(),
        "--address-rate=1000".into(),
    ];
    let mut config = purr_gateway::Options::try_parse_from(arguments)?.validate()?.config;
    config.roles_file.clone_from(&options.roles_file);
    config.public_url = url.to_owned();
    config.allowed_origins = vec![url.trim_end_matches('/').to_ascii_lowercase()];
    config.allowed_origins.extend(options.origins.iter().map(|origin| origin.to_ascii_lowercase()));
    config.allowed_origins.push(format!("http://localhost:{}", page_at.port()));
    config.page = PageConfig {
        guest_keys: true,
        leaderboard: false,
        unit: "chips".into(),
        notice: Some(NOTICE.into()),
        folder: options.page_dir.clone(),
    };
    Ok(config)
}

/// Keeps the lobby's line of the table up to date, as a table does in the sessions group of Redis.
async fn tell(
    handle: Handle,
    hands: Arc<Hands>,
    sessions: Arc<MemorySessions>,
    spec: TableSpec,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let mut beat = 0;
    loop {
        let Some(status) = handle.drain_status().await else { return Ok(()) };
        let Some(taken) = handle.taken().await else { return Ok(()) };
        let Some(floor) = handle.floor().await else { return Ok(()) };
        sessions.put_floor(floor.clone());
        beat += 1;
        sessions.put_summary(Summary {
            uid: UID.into(),
            name: spec.name.clone(),
            epoch: Epoch::from_number(EPOCH),
            seats: spec.engine.seats,
            players: u8::try_from(status.seated).unwrap_or(u8::MAX),
            hand: hands.last() + u64::from(status.hand_running),
            hand_running: status.hand_running,
            small_blind: spec.engine.small_blind,
            big_blind: spec.engine.big_blind,
            buy_in_min: spec.engine.buy_in_min,
            buy_in_max: spec.engine.buy_in_max,
            beat,
            taken,
            paused: floor.paused_by.as_ref().map(|paused| format!("paused by staff: {}", paused.reason)),
            ..Summary::default()
        });
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            () = tokio::time::sleep(Duration::from_secs(1)) => {}
        }
    }
}

#[allow(clippy::print_stdout, reason = "what a person reads, and the page's test")]
fn announce(url: &str, page: SocketAddr, public: SocketAddr, secrets: &Secrets) {
    println!(
        "\n  Purr Poker, one table by itself. Open   {url}\n\n  \
        PLAY CHIPS. Nothing is kept: all is gone when this ends. Nothing settles: there is no chain.\n  \
        Open it in two browsers (or one private window) to play against yourself. Ctrl-C ends it.\n\n  \
        listening: http://{page}\n  \
        for the command purr: --gateway https://localhost:{} --ca {}\n",
        public.port(),
        secrets.ca_file("public").display()
    );
}
