//! The command line `purr`.

mod deal;
mod play;
mod replay;
mod screen;
mod stats;

use crate::{
    api::{Api, ApiError, Gateway, HandFormat},
    connection::{Connection, Settings},
    load,
    runner::{self, Plan},
    seat::{Permits, SeatError},
    session::Session,
    wallet::{Wallet, checksummed},
};
use anyhow::{Context, bail};
use clap::{Args, Parser, Subcommand, ValueEnum};
use purr_engine::SeatIndex;
use purr_protocol::Codec;
use purr_runtime::CancellationToken;
use std::{
    io::Write,
    path::{Path, PathBuf},
    time::Duration,
};
use tokio::time::{Instant, sleep};

/// A hand record is far smaller, in bytes.
const RECORD_BYTES_MAX: u64 = 16 * 1024 * 1024;
/// How long a table may take to be known to gateway and signer.
const OPEN_WAIT: Duration = Duration::from_secs(180);

/// A player's side of Purr Poker.
#[derive(Parser, Clone, Debug)]
#[command(name = "purr", version)]
pub struct Options {
    /// What is logged to stderr, as in `info,purr_client=debug`
    #[arg(long, global = true, env = "PURR_LOG", default_value = "warn")]
    pub log: String,
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Subcommand, Clone, Debug)]
pub enum Command {
    /// Sit down, play by chance, leave; prints a JSON line at the end
    Bot(BotArgs),
    /// Play by hand, line by line
    Play(PlayArgs),
    /// Many players at many tables: latencies, actions a second, bytes
    Load(load::LoadArgs),
    /// List the tables
    Tables(At),
    /// Print your own statistics
    Stats(stats::StatsArgs),
    /// Print the record of a hand
    Hand(HandArgs),
    /// Check the deal of a hand's record (JSON); `-` reads stdin
    Verify { file: PathBuf },
    /// Play recorded hands again and compare how they end
    Replay(replay::ReplayArgs),
    /// Check all 52 cards of a hand's record (JSON) with the auditor's key; `-` reads stdin
    Audit(deal::AuditArgs),
    /// Make a wallet: writes the key to a new file and prints its address
    Keygen {
        file: PathBuf,
        /// Make an auditor's key instead, and print its public key for the chart's audit.publicKey
        #[arg(long)]
        auditor: bool,
    },
}

/// Which gateway.
#[derive(Args, Clone, Debug)]
pub struct At {
    /// The gateway, as in https://localhost:8443
    #[arg(long, env = "PURR_GATEWAY")]
    pub gateway: String,
    /// PEM file with the CA of the gateway's certificate
    #[arg(long, env = "PURR_CA")]
    pub ca: PathBuf,
    /// Name in the gateway's certificate, where it is not the URL's host
    #[arg(long)]
    pub server_name: Option<String>,
    /// Domain to sign in to, where it is not the URL's host
    #[arg(long)]
    pub domain: Option<String>,
}

/// Which player at which table.
#[derive(Args, Clone, Debug)]
pub struct Who {
    #[command(flatten)]
    pub at: At,
    /// UID or name of the table
    #[arg(long)]
    pub table: String,
    /// File with the wallet's private key in hex
    #[arg(long, env = "PURR_KEY_FILE")]
    pub key_file: PathBuf,
    /// How messages are written
    #[arg(long, value_enum, default_value_t = Wire::Proto)]
    pub codec: Wire,
}

#[derive(ValueEnum, Clone, Copy, Debug)]
pub enum Wire {
    Proto,
    Json,
}

#[derive(Args, Clone, Debug)]
pub struct BotArgs {
    #[command(flatten)]
    pub who: Who,
    /// Chips to sit down with, in minor units of the token
    #[arg(long)]
    pub buy_in: u64,
    /// The most rake that the permit allows, in minor units [default: the buy-in]
    #[arg(long)]
    pub max_rake: Option<u64>,
    /// Hands to play
    #[arg(long, default_value_t = 20)]
    pub hands: u64,
    /// The same seed chooses the same in the same situations
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// The chair to take, from 0 [default: the first that is free]
    #[arg(long)]
    pub seat: Option<u8>,
    /// How often to buy in again after losing everything
    #[arg(long, default_value_t = 0)]
    pub rebuys: u32,
    /// Seconds without a hand after which to leave
    #[arg(long, default_value_t = 120)]
    pub patience_s: u64,
    /// Seconds for all of it
    #[arg(long, default_value_t = 3_600)]
    pub time_limit_s: u64,
}

#[derive(Args, Clone, Debug)]
pub struct PlayArgs {
    #[command(flatten)]
    pub who: Who,
    /// The most rake that a permit allows, in minor units [default: the buy-in]
    #[arg(long)]
    pub max_rake: Option<u64>,
}

#[derive(Args, Clone, Debug)]
pub struct HandArgs {
    #[command(flatten)]
    pub at: At,
    #[arg(long, env = "PURR_KEY_FILE")]
    pub key_file: PathBuf,
    /// UID or name of the table
    pub table: String,
    /// Number of the hand
    pub hand: u64,
    #[arg(long, value_enum, default_value_t = Notation::Json)]
    pub format: Notation,
}

#[derive(ValueEnum, Clone, Copy, Debug)]
pub enum Notation {
    Json,
    Phh,
    Ohh,
    /// With the deck encrypted to the auditor, for `purr audit`; only auditors get it
    Audit,
}

pub async fn run(options: Options, stop: CancellationToken) -> anyhow::Result<()> {
    let command = async {
        match options.command {
            Command::Bot(args) => bot(args).await,
            Command::Play(args) => play::run(args).await,
            Command::Load(args) => load::run(args).await,
            Command::Tables(at) => tables(&at).await,
            Command::Stats(args) => stats::run(&args).await,
            Command::Hand(args) => hand(args).await,
            Command::Verify { file } => deal::verify(&file),
            Command::Replay(args) => replay::run(args, stop.clone()).await,
            Command::Audit(args) => deal::audit(&args),
            Command::Keygen { file, auditor: true } => deal::auditor_keygen(&file),
            Command::Keygen { file, auditor: false } => keygen(&file),
        }
    };
    tokio::select! {
        result = command => result,
        () = stop.cancelled() => bail!("stopped by a signal"),
    }
}

impl At {
    pub(crate) fn gateway(&self) -> Result<Gateway, ApiError> {
        let mut gateway = Gateway::new(&self.gateway, &self.ca)?;
        if let Some(name) = &self.server_name {
            gateway = gateway.server_name(name)?;
        }
        if let Some(domain) = &self.domain {
            gateway = gateway.domain(domain);
        }
        Ok(gateway)
    }
}

/// Everything to take a chair with.
struct Place {
    connection: Connection,
    permits: Permits,
}

impl Who {
    async fn place(&self) -> anyhow::Result<Place> {
        let gateway = self.at.gateway()?;
        let session = Session::new(Api::new(gateway.clone()), Wallet::from_file(&self.key_file)?);
        let (uid, permits) = open_table(&session, &self.table).await?;
        let codec = match self.codec {
            Wire::Proto => Codec::Proto,
            Wire::Json => Codec::Json,
        };
        let settings = Settings { codec, ..Settings::default() };
        Ok(Place { connection: Connection::open(session, gateway, &uid, settings), permits })
    }
}

/// Waits, within bounds, until the table is there and open for buy-ins.
async fn open_table(session: &Session, name: &str) -> anyhow::Result<(String, Permits)> {
    let until = Instant::now() + OPEN_WAIT;
    loop {
        let found = async {
            let uid = session.api().find_table(name).await?;
            let permits = Permits::of_table(session, &uid).await?;
            Ok::<_, SeatError>((uid, permits))
        };
        let error = match found.await {
            Ok(found) => return Ok(found),
            Err(error) => error,
        };
        let wait = match &error {
            SeatError::NotOpen => true,
            SeatError::Api(error) => error.is_temporary() || matches!(error, ApiError::NoSuchTable(_)),
            SeatError::Wallet(_) => false,
        };
        if !wait || Instant::now() > until {
            return Err(error).with_context(|| format!("table '{name}'"));
        }
        tracing::info!(%error, "waiting for the table");
        sleep(Duration::from_secs(1)).await;
    }
}

async fn bot(args: BotArgs) -> anyhow::Result<()> {
    let plan = Plan {
        buy_in: args.buy_in,
        max_total_rake: args.max_rake.unwrap_or(args.buy_in),
        hands: args.hands,
        seed: args.seed,
        seat: args.seat.map(SeatIndex),
        rebuys: args.rebuys,
        patience: Duration::from_secs(args.patience_s),
        time_limit: Duration::from_secs(args.time_limit_s),
    };
    let Place { connection, permits } = args.who.place().await?;
    let own = connection.view().own();
    eprintln!("{own}: at table {}", args.who.table);
    let (hands, begun) = (plan.hands, Instant::now());
    let report = runner::run(connection, permits, plan, |report| {
        eprintln!("{own}: hand {} of {hands} after {:.1} s", report.hands, begun.elapsed().as_secs_f64());
    })
    .await
    .with_context(|| format!("bot {own}"))?;
    print_line(&serde_json::to_string(&report)?)?;
    if let Some(wrong) = report.deals_wrong.first() {
        bail!("a deal cannot be proven: {wrong}");
    }
    Ok(())
}

async fn tables(at: &At) -> anyhow::Result<()> {
    let api = Api::new(at.gateway()?);
    let mut after = None;
    print_line(&format!(
        "{:36}  {:24} {:>7} {:>8} {:>17}  STATE",
        "UID", "NAME", "PLAYERS", "HAND", "BLINDS"
    ))?;
    loop {
        let page = api.tables(after.as_deref()).await?;
        for listed in &page.tables {
            let summary = &listed.summary;
            let state = match (&summary.paused, listed.ready) {
                (Some(why), _) => why.as_str(),
                (None, true) => "open",
                (None, false) => "not ready",
            };
            let players = format!("{}/{}", summary.players, summary.seats);
            let blinds = format!("{}/{}", summary.small_blind, summary.big_blind);
            print_line(&format!(
                "{:36}  {:24} {players:>7} {:>8} {blinds:>17}  {state}",
                summary.uid, summary.name, summary.hand
            ))?;
        }
        match page.next {
            Some(next) if !page.tables.is_empty() && after.as_ref() != Some(&next) => after = Some(next),
            _ => return Ok(()),
        }
    }
}

async fn hand(args: HandArgs) -> anyhow::Result<()> {
    let session = Session::new(Api::new(args.at.gateway()?), Wallet::from_file(&args.key_file)?);
    let format = match args.format {
        Notation::Json => HandFormat::Json,
        Notation::Phh => HandFormat::Phh,
        Notation::Ohh => HandFormat::Ohh,
        Notation::Audit => HandFormat::Audit,
    };
    let uid = session.api().find_table(&args.table).await?;
    let token = session.token().await?;
    let record = session.api().hand(&token.text, &uid, args.hand, format).await?;
    print_line(String::from_utf8_lossy(&record).trim_end())
}

fn read_bounded(file: &Path) -> std::io::Result<Vec<u8>> {
    use std::io::Read;
    let mut text = Vec::new();
    if file == Path::new("-") {
        std::io::stdin().take(RECORD_BYTES_MAX).read_to_end(&mut text)?;
    } else {
        std::fs::File::open(file)?.take(RECORD_BYTES_MAX).read_to_end(&mut text)?;
    }
    Ok(text)
}

fn keygen(file: &Path) -> anyhow::Result<()> {
    let wallet = Wallet::random()?;
    wallet.write_file(file)?;
    print_line(&checksummed(wallet.address()))
}

/// One line on stdout; a reader that has gone away is an error, not a panic.
fn print_line(line: &str) -> anyhow::Result<()> {
    writeln!(std::io::stdout(), "{line}").context("stdout")
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_sound() {
        Options::command().debug_assert();
    }
}
