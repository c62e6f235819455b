//! `purr hand`: records of hands, one or many, with one sign-in.

use super::{At, print_line};
use crate::{
    api::{Api, ApiError, HandFormat},
    session::Session,
    wallet::Wallet,
};
use anyhow::{bail, ensure};
use clap::{Args, ValueEnum};
use std::{path::PathBuf, str::FromStr, time::Duration};
use tokio::time::sleep;

/// Hands of one command.
const HANDS_MAX: u64 = 10_000;
/// Tries for one hand while the gateway is busy or limits requests, a second apart.
const TRIES: u32 = 30;

#[derive(Args, Clone, Debug)]
pub struct HandArgs {
    #[command(flatten)]
    pub at: At,
    /// File with the wallet's private key in hex
    #[arg(long, env = "PURR_KEY_FILE")]
    pub key_file: PathBuf,
    /// UID or name of the table
    pub table: String,
    /// Number of the hand, or a range with both ends, as in 12-40
    #[arg(required_unless_present = "last", conflicts_with = "last")]
    pub hands: Option<Hands>,
    /// The last so many hands of the table, the oldest first; at most 10000
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..=HANDS_MAX))]
    pub last: Option<u64>,
    /// How records are written; several JSON records are one a line, several hands in PHH are one .phhs file
    #[arg(long, value_enum, default_value_t = Notation::Json)]
    pub format: Notation,
}

#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Notation {
    Json,
    /// Poker Hand History, amounts in minor units
    Phh,
    /// Open Hand History, amounts in the currency
    Ohh,
    /// The operator's signed receipt (JSON), for `purr verify --receipt`
    Receipt,
    /// With the deck encrypted to the auditor, for `purr audit`; only auditors get it
    Audit,
}

impl From<Notation> for HandFormat {
    fn from(notation: Notation) -> Self {
        match notation {
            Notation::Json => Self::Json,
            Notation::Phh => Self::Phh,
            Notation::Ohh => Self::Ohh,
            Notation::Receipt => Self::Receipt,
            Notation::Audit => Self::Audit,
        }
    }
}

/// Numbers of hands, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hands {
    pub first: u64,
    pub last: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadHands {
    #[error("want a number or a range as in 12-40, counted from 1")]
    Form,
    #[error("the range ends before it begins")]
    Order,
    #[error("{0} hands: at most {HANDS_MAX}")]
    TooMany(u64),
}

impl FromStr for Hands {
    type Err = BadHands;

    fn from_str(text: &str) -> Result<Self, BadHands> {
        let number = |text: &str| text.parse().ok().filter(|number: &u64| *number > 0).ok_or(BadHands::Form);
        let (first, last) = text.split_once('-').unwrap_or((text, text));
        let (first, last) = (number(first)?, number(last)?);
        match last.checked_sub(first) {
            None => Err(BadHands::Order),
            Some(more) if more >= HANDS_MAX => Err(BadHands::TooMany(more.saturating_add(1))),
            Some(_) => Ok(Self { first, last }),
        }
    }
}

pub(super) async fn run(args: HandArgs) -> anyhow::Result<()> {
    // Checks that need no network come first.
    let wallet = Wallet::from_file(&args.key_file)?;
    let session = Session::new(Api::new(args.at.gateway()?), wallet);
    let uid = session.api().find_table(&args.table).await?;
    let numbers = match (args.hands, args.last) {
        (Some(Hands { first, last }), _) => (first..=last).collect(),
        (None, last) => newest(&session, &uid, last.unwrap_or(1)).await?,
    };
    ensure!(!numbers.is_empty(), "table '{}' has no hands yet", args.table);
    let alone = numbers.len() == 1;
    let (mut found, mut missing) = (0_usize, 0_usize);
    for number in numbers {
        let record = match one(&session, &uid, number, args.format.into()).await {
            Ok(record) => record,
            // A missing number must not end a list.
            Err(error) if !alone && error.problem().is_some_and(|problem| problem.status == 404) => {
                eprintln!("hand {number}: {error}");
                missing += 1;
                continue;
            }
            Err(error) => return Err(error.into()),
        };
        found += 1;
        print(String::from_utf8_lossy(&record).trim_end(), args.format, found, alone)?;
    }
    if missing > 0 {
        bail!("{missing} of {} hands have no record", found + missing);
    }
    Ok(())
}

/// Prints the hands one after the other; hands in PHH become tables of a .phhs file.
fn print(text: &str, notation: Notation, number: usize, alone: bool) -> anyhow::Result<()> {
    match notation {
        Notation::Phh if !alone => print_line(&format!("[{number}]\n{text}\n")),
        // Hands of this format have an empty line between them.
        Notation::Ohh if !alone => print_line(&format!("{text}\n")),
        _ => print_line(text),
    }
}

/// Asks again where the gateway cannot answer now: many hands are many requests.
pub(super) async fn one(
    session: &Session,
    uid: &str,
    hand: u64,
    format: HandFormat,
) -> Result<bytes::Bytes, ApiError> {
    let mut tries = 0;
    loop {
        tries += 1;
        let token = session.token().await?;
        match session.api().hand(&token.text, uid, hand, format).await {
            Err(error) if error.is_temporary() && tries < TRIES => sleep(Duration::from_secs(1)).await,
            Err(error) if error.is_unauthorized() && tries < TRIES => session.refused(&token).await,
            answer => return answer,
        }
    }
}

/// Numbers of the newest hands, in ascending order.
async fn newest(session: &Session, uid: &str, count: u64) -> Result<Vec<u64>, ApiError> {
    let count = usize::try_from(count).unwrap_or(usize::MAX);
    let (mut numbers, mut before) = (Vec::new(), None);
    while numbers.len() < count {
        let token = session.token().await?;
        let page = session.api().hands(&token.text, uid, before).await?;
        let hands = page["hands"].as_array().into_iter().flatten();
        let more: Vec<u64> = hands.filter_map(|hand| hand["hand"].as_u64()).collect();
        let Some(oldest) = more.last().copied() else { break };
        numbers.extend(more);
        match page["next"].as_u64() {
            Some(_) => before = Some(oldest),
            None => break,
        }
    }
    numbers.truncate(count);
    numbers.reverse();
    Ok(numbers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_has_both_ends_and_a_bound() {
        assert_eq!("12-40".parse(), Ok(Hands { first: 12, last: 40 }));
        assert_eq!("7".parse(), Ok(Hands { first: 7, last: 7 }));
        for bad in ["", "0", "-", "1-", "-4", "a", "1-2-3", "1.5"] {
            assert_eq!(bad.parse::<Hands>(), Err(BadHands::Form), "{bad}");
        }
        assert_eq!("4-3".parse::<Hands>(), Err(BadHands::Order));
        assert_eq!("1-10001".parse::<Hands>(), Err(BadHands::TooMany(10_001)));
        assert!("1-10000".parse::<Hands>().is_ok());
    }
}
