//! The command line `purr`.

mod deal;
pub mod exit;
pub mod funds;
mod hand;
pub mod limits;
mod play;
mod replay;
mod screen;
mod seats;
mod stats;

use crate::{
    api::{Api, ApiError, TableInfo},
    at::At,
    connection::{Connection, Settings},
    load,
    runner::{self, Plan},
    seat::{Permits, SeatError},
    session::Session,
    terminal::{StdoutClosed, note, print_line},
    wallet::{Wallet, checksummed},
};
use anyhow::{Context, bail};
use clap::{Args, Parser, Subcommand, ValueEnum, value_parser};
use purr_engine::SeatIndex;
use purr_protocol::Codec;
use purr_runtime::CancellationToken;
use std::{
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
    /// List the fleets
    Fleets(At),
    /// Ask a fleet for a seat, or join its waiting list; prints a JSON line once a seat is held
    Seat(seats::SeatArgs),
    /// Put tokens of your wallet into the vault: approves exactly the amount, deposits it, waits until it counts
    Deposit(funds::DepositArgs),
    /// Take free chips out of the vault by a voucher of the room
    Withdraw(funds::WithdrawArgs),
    /// Leave the vault by its own clock: nobody's consent is needed
    Exit(exit::ExitArgs),
    /// Print or change the limits that you set for yourself; a raise takes effect after 24 hours
    Limits(limits::LimitsArgs),
    /// Print a hand's signed receipt with the transaction that settled it on the chain
    Receipt(funds::ReceiptArgs),
    /// Print your own statistics
    Stats(stats::StatsArgs),
    /// Print the records of one hand or of many, with one sign-in
    Hand(hand::HandArgs),
    /// Check the deal, the money and the signed receipt of hands' records
    Verify(deal::VerifyArgs),
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
    #[arg(long, value_parser = value_parser!(u64).range(1..))]
    pub buy_in: u64,
    /// The most rake that the permit allows, in minor units [default: the buy-in]
    #[arg(long)]
    pub max_rake: Option<u64>,
    /// Hands to play
    #[arg(long, default_value_t = 20, value_parser = value_parser!(u64).range(1..))]
    pub hands: u64,
    /// The same seed chooses the same in the same situations
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// The chair to take, from 0 [default: the first that is free]
    #[arg(long, value_parser = value_parser!(u8).range(0..10))]
    pub seat: Option<u8>,
    /// How often to buy in again after losing everything
    #[arg(long, default_value_t = 0)]
    pub rebuys: u32,
    /// Seconds without a hand after which to leave
    #[arg(long, default_value_t = 120, value_parser = value_parser!(u64).range(1..))]
    pub patience_s: u64,
    /// Seconds for all of it
    #[arg(long, default_value_t = 3_600, value_parser = value_parser!(u64).range(1..))]
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

pub async fn run(options: Options, stop: CancellationToken) -> anyhow::Result<()> {
    let command = async {
        match options.command {
            Command::Bot(args) => bot(args).await,
            Command::Play(args) => play::run(args, None).await,
            Command::Fleets(at) => seats::fleets(&at).await,
            Command::Seat(args) => seats::run(args).await,
            Command::Load(args) => load::run(args).await,
            Command::Tables(at) => tables(&at).await,
            Command::Deposit(args) => funds::show(&funds::deposit(&args).await?, args.chain.output),
            Command::Withdraw(args) => funds::show(&funds::withdraw(&args).await?, args.chain.output),
            Command::Exit(args) => exit::run(&args).await,
            Command::Limits(args) => funds::show(&limits::limits(&args).await?, args.output),
            Command::Receipt(args) => funds::show(&funds::receipt(&args).await?, args.chain.output),
            Command::Stats(args) => stats::run(&args).await,
            Command::Hand(args) => hand::run(args).await,
            Command::Verify(args) => deal::verify(args).await,
            Command::Replay(args) => replay::run(args, stop.clone()).await,
            Command::Audit(args) => deal::audit(&args),
            Command::Keygen { file, auditor: true } => deal::auditor_keygen(&file),
            Command::Keygen { file, auditor: false } => keygen(&file),
        }
    };
    tokio::select! {
        result = command => unless_closed(result),
        () = stop.cancelled() => bail!("stopped by a signal"),
    }
}

/// The connection and the permits to take a seat with.
struct Place {
    connection: Connection,
    permits: Permits,
}

impl Who {
    /// The player's wishes are checked against the table before anything is waited for.
    async fn place(&self, seat: Option<SeatIndex>, buy_in: Option<u64>) -> anyhow::Result<Place> {
        let wallet = Wallet::from_file(&self.key_file)?;
        let gateway = self.at.gateway()?;
        let session = Session::new(Api::new(gateway.clone()), wallet);
        let (uid, permits) = open_table(&session, &self.table, seat, buy_in).await?;
        let codec = match self.codec {
            Wire::Proto => Codec::Proto,
            Wire::Json => Codec::Json,
        };
        let settings = Settings { codec, ..Settings::default() };
        Ok(Place { connection: Connection::open(session, gateway, &uid, settings), permits })
    }
}

/// Finds the table, and waits within bounds until it is open for buy-ins. An unknown table, seat or amount fails at
/// once.
async fn open_table(
    session: &Session,
    name: &str,
    seat: Option<SeatIndex>,
    buy_in: Option<u64>,
) -> anyhow::Result<(String, Permits)> {
    let uid = session.api().find_table(name).await?;
    let until = Instant::now() + OPEN_WAIT;
    loop {
        let found = async {
            fits(&session.api().table(&uid).await?, seat, buy_in)?;
            Ok::<_, anyhow::Error>(Permits::of_table(session, &uid).await?)
        };
        let error = match found.await {
            Ok(permits) => return Ok((uid, permits)),
            Err(error) => error,
        };
        let temporary = |error: &ApiError| error.is_temporary();
        let wait = error.downcast_ref().is_some_and(temporary)
            || match error.downcast_ref() {
                Some(SeatError::NotOpen) => true,
                Some(SeatError::Api(error)) => error.is_temporary(),
                Some(SeatError::Wallet(_)) | None => false,
            };
        if !wait || Instant::now() > until {
            return Err(error).with_context(|| format!("table '{name}'"));
        }
        tracing::info!(%error, "waiting for the table");
        sleep(Duration::from_secs(1)).await;
    }
}

/// Checks that the table has this seat and accepts this amount. A table whose terms are unknown yet accepts anything
/// here.
fn fits(table: &TableInfo, seat: Option<SeatIndex>, buy_in: Option<u64>) -> anyhow::Result<()> {
    let summary = &table.summary;
    if let Some(seat) = seat.filter(|seat| summary.seats > 0 && seat.0 >= summary.seats) {
        bail!("--seat {seat}: there are seats 0 to {}", summary.seats - 1);
    }
    let (min, max) = (summary.buy_in_min, summary.buy_in_max);
    if let Some(amount) = buy_in.filter(|amount| max > 0 && !(min..=max).contains(amount)) {
        bail!("--buy-in {amount}: the table takes {min} to {max}, in minor units");
    }
    Ok(())
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
    let Place { connection, permits } = args.who.place(plan.seat, Some(plan.buy_in)).await?;
    let own = connection.view().own();
    note(&format!("{own}: at table {}", args.who.table));
    let (hands, begun) = (plan.hands, Instant::now());
    let report = runner::run(connection, permits, plan, |report| {
        note(&format!(
            "{own}: hand {} of {hands} after {:.1} s",
            report.hands,
            begun.elapsed().as_secs_f64()
        ));
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

fn unless_closed(result: anyhow::Result<()>) -> anyhow::Result<()> {
    match result {
        Err(error) if error.chain().any(|cause| cause.is::<StdoutClosed>()) => Ok(()),
        result => result,
    }
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
