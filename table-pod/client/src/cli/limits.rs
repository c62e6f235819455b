//! `purr limits`: limits that players set for themselves, stored and enforced by the room's signer.

use super::{At, funds::Output};
use crate::{amount, api::Api, session::Session, wallet::Wallet};
use anyhow::Context;
use clap::Args;
use purr_protocol::limits::{ChangeLimits, LimitsTold, OwnLimit};
use serde::Serialize;
use std::{fmt::Display, path::PathBuf};

#[derive(Args, Clone, Debug)]
pub struct LimitsArgs {
    #[command(flatten)]
    pub at: At,
    /// File with the wallet's private key in hex
    #[arg(long, env = "PURR_KEY_FILE")]
    pub key_file: PathBuf,
    /// The most chips to have at one table by buying in and topping up, in major units as in 200.50; `none` ends the limit
    #[arg(long)]
    pub buy_in: Option<String>,
    /// The most to lose within 24 hours: brought to tables and not taken back, in major units; `none` ends the limit
    #[arg(long)]
    pub loss: Option<String>,
    /// The longest session in minutes, at most 1440; `none` ends the limit. 30 minutes without a seat end a session
    #[arg(long)]
    pub session: Option<String>,
    /// How the limits are written to stdout
    #[arg(short, long, value_enum, default_value_t = Output::Text)]
    pub output: Output,
}

/// A player's limits, with how amounts are written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Told {
    #[serde(flatten)]
    pub told: LimitsTold,
    pub decimals: u8,
}

impl Display for Told {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let money = |amount: u64| amount::write(amount, self.decimals);
        let minutes = |seconds: u64| format!("{} min", seconds / 60);
        let LimitsTold { limits, lost_day, session_began_s, now_s } = &self.told;
        line(f, "buy-in at one table", &limits.buy_in, *now_s, money)?;
        line(f, "loss within 24 hours", &limits.loss_day, *now_s, money)?;
        writeln!(f, "  brought to tables within 24 hours and not taken back: {}", money(*lost_day))?;
        line(f, "session", &limits.session_s, *now_s, minutes)?;
        match session_began_s {
            Some(began) => write!(f, "  this session has lasted {}", minutes(now_s.saturating_sub(*began))),
            None => write!(f, "  no session is known"),
        }
    }
}

fn line(
    f: &mut std::fmt::Formatter<'_>,
    name: &str,
    limit: &OwnLimit,
    now_s: u64,
    write: impl Fn(u64) -> String,
) -> std::fmt::Result {
    let text = |value: Option<u64>| value.map_or_else(|| "no limit".to_owned(), &write);
    match limit.next {
        Some(raise) if raise.from_s > now_s => {
            let hours = (raise.from_s - now_s).div_ceil(3_600);
            writeln!(f, "{name}: {}; {} in {hours} h", text(limit.now), text(raise.to))
        }
        Some(raise) => writeln!(f, "{name}: {}", text(raise.to)),
        None => writeln!(f, "{name}: {}", text(limit.now)),
    }
}

/// Parses `none` or a value.
fn value(
    text: Option<&str>,
    read: impl Fn(&str) -> anyhow::Result<u64>,
) -> anyhow::Result<Option<Option<u64>>> {
    match text {
        None => Ok(None),
        Some("none") => Ok(Some(None)),
        Some(text) => read(text).map(|value| Some(Some(value))),
    }
}

/// Returns the change that the options ask for.
fn change(args: &LimitsArgs, decimals: u8) -> anyhow::Result<ChangeLimits> {
    // Zero is a limit as well: it allows no seat.
    let money = |text: &str| if text == "0" { Ok(0) } else { Ok(amount::read(text, decimals)?) };
    let minutes = |text: &str| -> anyhow::Result<u64> {
        let minutes: u64 = text.parse().ok().filter(|minutes| *minutes <= 1_440).context("want 0 to 1440")?;
        Ok(minutes * 60)
    };
    Ok(ChangeLimits {
        buy_in: value(args.buy_in.as_deref(), money).context("--buy-in")?,
        loss_day: value(args.loss.as_deref(), money).context("--loss")?,
        session_s: value(args.session.as_deref(), minutes).context("--session")?,
    })
}

/// Changes the named limits, and returns all limits.
///
/// # Errors
/// A sentence about the option that is wrong, or about what the room refuses.
pub async fn limits(args: &LimitsArgs) -> anyhow::Result<Told> {
    let session = Session::new(Api::new(args.at.gateway()?), Wallet::from_file(&args.key_file)?);
    let decimals = session.api().config().await?.decimals;
    let change = change(args, decimals)?;
    let token = session.token().await?;
    let told = if change == ChangeLimits::default() {
        session.api().limits(&token.text).await?
    } else {
        session.api().change_limits(&token.text, &change).await?
    };
    Ok(Told { told, decimals })
}

#[cfg(test)]
mod tests {
    use super::*;
    use purr_protocol::limits::{OwnLimits, Raise};

    #[test]
    fn a_raise_that_waits_is_told_with_its_hours() {
        let waiting =
            OwnLimit { now: Some(5_000_000), next: Some(Raise { to: None, from_s: 100_000 + 5_400 }) };
        let limits = OwnLimits { buy_in: waiting, ..OwnLimits::default() };
        let told = LimitsTold { limits, lost_day: 1_500_000, session_began_s: Some(99_400), now_s: 100_000 };
        let text = Told { told, decimals: 6 }.to_string();
        assert!(text.starts_with("buy-in at one table: 5; no limit in 2 h\n"), "{text}");
        assert!(text.contains("not taken back: 1.50") && text.ends_with("lasted 10 min"), "{text}");
    }
}
