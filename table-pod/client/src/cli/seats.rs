//! Fleets, and a seat in one: asked for once, waited for, and held until the player sits down.

use super::{At, PlayArgs, Who, Wire, note, play, print_line};
use crate::{
    api::{Api, ApiError, Fleet, OwnSeat},
    session::Session,
    wallet::{Wallet, random_nonce},
};
use anyhow::{Context, bail};
use clap::{Args, value_parser};
use purr_engine::SeatIndex;
use std::{path::PathBuf, time::Duration};
use tokio::time::{Instant, sleep};

/// Interval between checks of the waiting list.
const LOOK: Duration = Duration::from_secs(1);
/// Tries of a request whose answer does not come, all with the same id.
const TRIES_MAX: u32 = 5;

#[derive(Args, Clone, Debug)]
pub struct SeatArgs {
    #[command(flatten)]
    pub at: At,
    /// Name of the fleet, or namespace/name
    #[arg(long)]
    pub fleet: String,
    /// File with the wallet's private key in hex
    #[arg(long, env = "PURR_KEY_FILE")]
    pub key_file: PathBuf,
    /// Join the waiting list where no seat is free
    #[arg(long)]
    pub wait: bool,
    /// Seconds to wait on the list
    #[arg(long, default_value_t = 3_600, value_parser = value_parser!(u64).range(1..))]
    pub wait_s: u64,
    /// Give a held seat or a place on the list back, and ask for nothing
    #[arg(long, conflicts_with_all = ["wait", "buy_in"])]
    pub give_back: bool,
    /// Sit down with so many chips, in minor units, and play by hand
    #[arg(long, value_parser = value_parser!(u64).range(1..))]
    pub buy_in: Option<u64>,
    /// The most rake that the permit allows, in minor units [default: the buy-in]
    #[arg(long)]
    pub max_rake: Option<u64>,
    /// How messages are written
    #[arg(long, value_enum, default_value_t = Wire::Proto)]
    pub codec: Wire,
}

pub(super) async fn fleets(at: &At) -> anyhow::Result<()> {
    let api = Api::new(at.gateway()?);
    print_line(&format!(
        "{:32} {:>17} {:>7} {:>8} {:>6} {:>8}  SEATS",
        "FLEET", "BLINDS", "TABLES", "PLAYERS", "FREE", "WAITING"
    ))?;
    for fleet in api.fleets().await? {
        let blinds = format!("{}/{}", fleet.small_blind, fleet.big_blind);
        let policy = if fleet.policy == "seatMe" { "given" } else { "given or chosen" };
        print_line(&format!(
            "{:32} {blinds:>17} {:>7} {:>8} {:>6} {:>8}  {policy}",
            fleet.full_name(),
            fleet.tables,
            fleet.players,
            fleet.free,
            fleet.waiting
        ))?;
    }
    Ok(())
}

/// Asks with one id until there is an answer.
async fn ask(session: &Session, fleet: &Fleet, wait: bool) -> anyhow::Result<OwnSeat> {
    let id = format!("{:016x}{:016x}", random_nonce()?, random_nonce()?);
    let mut tries = 0;
    loop {
        tries += 1;
        let token = session.token().await?;
        match session.api().ask_seat(&token.text, fleet, &id, wait).await {
            Ok(own) => return Ok(own),
            // A cool-down is an answer.
            Err(error @ ApiError::Problem { .. })
                if error.problem().is_some_and(|problem| problem.status < 500) =>
            {
                return Err(error.into());
            }
            Err(error) if error.is_temporary() && tries < TRIES_MAX => {
                tracing::info!(%error, "asking for a seat again");
                sleep(LOOK).await;
            }
            Err(error) => return Err(error.into()),
        }
    }
}

pub(super) async fn run(args: SeatArgs) -> anyhow::Result<()> {
    let wallet = Wallet::from_file(&args.key_file)?;
    let session = Session::new(Api::new(args.at.gateway()?), wallet);
    let fleet = session.api().find_fleet(&args.fleet).await?;
    if args.give_back {
        let token = session.token().await?;
        return Ok(session.api().give_seat_back(&token.text, &fleet, None).await?);
    }
    let (mut own, until) =
        (ask(&session, &fleet, args.wait).await?, Instant::now() + Duration::from_secs(args.wait_s));
    let mut told = None;
    let (table, seat) = loop {
        match &own {
            OwnSeat::Held { table, seat, expires_in_ms, .. } => {
                note(&format!("seat {seat} is held for {} s", expires_in_ms.div_ceil(1_000)));
                break (table.clone(), *seat);
            }
            OwnSeat::Seated { table, seat } => break (table.clone(), *seat),
            OwnSeat::Waiting { place, waiting, estimate_s } if told != Some((*place, *waiting)) => {
                told = Some((*place, *waiting));
                let estimate =
                    estimate_s.map_or_else(|| "no estimate yet".into(), |s| format!("about {s} s"));
                note(&format!("place {place} of {waiting} on the waiting list, {estimate}"));
            }
            OwnSeat::Waiting { .. } => {}
            OwnSeat::Paused { .. } | OwnSeat::None | OwnSeat::Unknown => {
                bail!("the place on the waiting list of {} is lost: ask again", fleet.full_name());
            }
        }
        if Instant::now() > until {
            let token = session.token().await?;
            session.api().give_seat_back(&token.text, &fleet, None).await?;
            bail!("no seat within {} s", args.wait_s);
        }
        sleep(LOOK).await;
        let token = session.token().await?;
        match session.api().own_seat(&token.text, &fleet).await {
            Ok(now) => own = now,
            // The place is kept for a while.
            Err(error) if error.is_temporary() => tracing::info!(%error, "looking at the waiting list again"),
            Err(error) => return Err(error).context("the waiting list"),
        }
    };
    print_line(&serde_json::json!({ "table": table, "seat": seat }).to_string())?;
    let Some(buy_in) = args.buy_in else { return Ok(()) };
    let who = Who { at: args.at, table, key_file: args.key_file, codec: args.codec };
    play::run(PlayArgs { who, max_rake: args.max_rake }, Some((SeatIndex(seat), buy_in))).await
}
