//! `purr exit`: out of the vault by its own clock, with the room or without it.

use super::{
    At,
    funds::{ChainArgs, show},
};
use crate::{
    amount,
    api::Api,
    chain::{Chain, Place, State},
};
use anyhow::{Context, bail, ensure};
use clap::{Args, Subcommand, value_parser};
use purr_engine::{Chips, PlayerId};
use serde::Serialize;
use std::{fmt::Display, path::PathBuf};

#[derive(Args, Clone, Debug)]
pub struct ExitArgs {
    #[command(subcommand)]
    pub what: ExitCommand,
}

#[derive(Subcommand, Clone, Debug)]
pub enum ExitCommand {
    /// Tell what is in the vault, and the exit's clock
    Status(ExitAt),
    /// Ask the vault for an exit: its clock begins, and no seat can be taken
    Request(ExitAt),
    /// Take an exit back that was asked for
    Cancel(ExitAt),
    /// Have the vault pay everything once the clock has run out, what is at tables too
    Finalise(ExitAt),
}

/// The vault to use.
#[derive(Args, Clone, Debug)]
pub struct ExitAt {
    /// The gateway, as in https://localhost:8443: it names the vault
    #[arg(long, env = "PURR_GATEWAY", required_unless_present = "vault")]
    pub gateway: Option<String>,
    /// PEM file with a private CA of the gateway's certificate [default: the CAs that this machine trusts]
    #[arg(long, env = "PURR_CA")]
    pub ca: Option<PathBuf>,
    /// Name in the gateway's certificate, where it is not the URL's host
    #[arg(long)]
    pub server_name: Option<String>,
    /// Address of the vault; then the room is not asked for anything
    #[arg(long, env = "PURR_VAULT")]
    pub vault: Option<String>,
    #[command(flatten)]
    pub chain: ChainArgs,
    /// Confirmations to wait for [default: as the room does, 1 with --vault]
    #[arg(long, value_parser = value_parser!(u64).range(1..=10_000))]
    pub confirmations: Option<u64>,
}

/// The state of an exit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ExitState {
    /// Balance in the vault that is not at a table, as far as hands are settled.
    pub free: String,
    pub free_minor: Chips,
    /// Seconds since 1970; `None`: no exit was asked for.
    pub ready_at_s: Option<u64>,
    /// Seconds left, by the chain's clock.
    pub left_s: Option<u64>,
    /// How long an exit takes.
    pub delay_s: u64,
    /// The transaction that the last command sent.
    pub transaction: Option<String>,
    /// The vault's payment, where the exit was finalised.
    pub paid: Option<String>,
    pub paid_minor: Option<Chips>,
}

impl ExitState {
    fn of(state: &State, place: &Place) -> Self {
        let asked = state.exit_ready_at_s > 0;
        Self {
            free: amount::write(state.free, place.decimals),
            free_minor: state.free,
            ready_at_s: asked.then_some(state.exit_ready_at_s),
            left_s: asked.then(|| state.exit_ready_at_s.saturating_sub(state.time_s)),
            delay_s: state.exit_delay_s,
            transaction: None,
            paid: None,
            paid_minor: None,
        }
    }
}

impl Display for ExitState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if let Some(transaction) = &self.transaction {
            writeln!(f, "transaction {transaction}")?;
        }
        if let Some(paid) = &self.paid {
            return write!(f, "the vault paid {paid}");
        }
        writeln!(f, "in the vault and at no table: {}", self.free)?;
        match self.left_s {
            None => write!(f, "no exit was asked for; one takes {}", lasting(self.delay_s)),
            Some(0) => write!(f, "the clock has run out: `purr exit finalise` has the vault pay"),
            Some(left) => write!(
                f,
                "an exit was asked for; {} left by the chain's clock. Hands that were dealt may still be settled",
                lasting(left)
            ),
        }
    }
}

/// Seconds in hours, minutes and seconds.
fn lasting(seconds: u64) -> String {
    match (seconds / 3_600, seconds / 60 % 60, seconds % 60) {
        (0, 0, s) => format!("{s} s"),
        (0, m, s) => format!("{m} min {s} s"),
        (h, m, _) => format!("{h} h {m} min"),
    }
}

impl ExitAt {
    fn at(&self) -> Option<At> {
        let Self { gateway, ca, server_name, .. } = self.clone();
        Some(At { gateway: gateway?, ca, server_name, domain: None })
    }

    async fn open(&self) -> anyhow::Result<Chain> {
        let place = match (&self.vault, self.at()) {
            (Some(vault), _) => {
                let vault: PlayerId = vault.parse().ok().context("--vault: want 0x and 40 hex digits")?;
                Place::of_vault(&self.chain.rpc()?, vault.0).await?
            }
            (None, Some(at)) => {
                let config = Api::new(at.gateway()?).config().await;
                Place::of_room(&config.context("the room cannot be asked: name its vault with --vault")?)?
            }
            (None, None) => bail!("name the room with --gateway, or its vault with --vault"),
        };
        self.chain.open(place).await
    }
}

/// Returns the call of a step, and its name.
enum Step {
    Request,
    Cancel,
    Finalise,
}

/// Carries the command out and returns the state of the exit.
///
/// # Errors
/// A sentence about what the vault would refuse, before it costs a fee.
pub async fn exit(command: &ExitCommand) -> anyhow::Result<ExitState> {
    let (at, step) = match command {
        ExitCommand::Status(at) => (at, None),
        ExitCommand::Request(at) => (at, Some(Step::Request)),
        ExitCommand::Cancel(at) => (at, Some(Step::Cancel)),
        ExitCommand::Finalise(at) => (at, Some(Step::Finalise)),
    };
    let chain = at.open().await?;
    let Some(step) = step else { return Ok(ExitState::of(&chain.state().await?, chain.place())) };
    let before = ExitState::of(&chain.state().await?, chain.place());
    let (what, hash) = match (step, before.left_s) {
        (Step::Request, None) => ("request of an exit", chain.request_exit().await?),
        (Step::Request, Some(left)) => bail!("an exit was asked for already, {} left", lasting(left)),
        (Step::Cancel | Step::Finalise, None) => bail!("no exit was asked for"),
        (Step::Cancel, Some(_)) => ("taking the exit back", chain.cancel_exit().await?),
        (Step::Finalise, Some(left)) => {
            ensure!(left == 0, "the exit's clock has {} left", lasting(left));
            ("exit", chain.finalise_exit().await?)
        }
    };
    let wanted = at.confirmations.unwrap_or(chain.place().confirmations);
    let mined = at.chain.follow(&chain, what, &hash, wanted).await?;
    let mut after = ExitState::of(&chain.state().await?, chain.place());
    after.paid_minor = mined.paid;
    after.paid = mined.paid.map(|paid| amount::write(paid, chain.place().decimals));
    after.transaction = Some(mined.hash);
    Ok(after)
}

pub(super) async fn run(args: &ExitArgs) -> anyhow::Result<()> {
    let (ExitCommand::Status(at)
    | ExitCommand::Request(at)
    | ExitCommand::Cancel(at)
    | ExitCommand::Finalise(at)) = &args.what;
    show(&exit(&args.what).await?, at.chain.output)
}
