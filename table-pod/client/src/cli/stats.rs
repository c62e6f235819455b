//! `purr stats`: the player's own statistics.

use super::{At, print_line};
use crate::{api::Api, session::Session, wallet::Wallet};
use clap::Args;
use purr_facts::rates::{Figure, Winning};
use serde::Deserialize;
use std::{collections::BTreeMap, path::PathBuf};

#[derive(Args, Clone, Debug)]
pub struct StatsArgs {
    #[command(flatten)]
    pub at: At,
    /// File with the wallet's private key in hex
    #[arg(long, env = "PURR_KEY_FILE")]
    pub key_file: PathBuf,
    /// Small and big blind in minor units, as in 50/100
    #[arg(long)]
    pub stakes: Option<String>,
    /// Players dealt in, 2 to 10
    #[arg(long)]
    pub seats: Option<u8>,
    /// btn, co, hj, lj, mp, ep3, ep2, ep1, sb or bb
    #[arg(long)]
    pub position: Option<String>,
    /// First day (UTC), as in 2026-11-01
    #[arg(long)]
    pub from: Option<String>,
    /// Last day (UTC), itself included
    #[arg(long)]
    pub to: Option<String>,
    /// Print the gateway's JSON as it is
    #[arg(long)]
    pub json: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Statistics {
    hands: i64,
    rates: BTreeMap<String, Option<Figure>>,
    aggression_factor: Option<f64>,
    /// Records of earlier releases do not say it.
    #[serde(default)]
    aggression: Option<Figure>,
    won: Option<Winning>,
    won_before_rake: Option<Winning>,
    adjusted: Option<Winning>,
}

pub(super) async fn run(args: &StatsArgs) -> anyhow::Result<()> {
    let session = Session::new(Api::new(args.at.gateway()?), Wallet::from_file(&args.key_file)?);
    let token = session.token().await?;
    let seats = args.seats.map(|seats| seats.to_string());
    let query = [
        ("stakes", args.stakes.as_deref()),
        ("seats", seats.as_deref()),
        ("position", args.position.as_deref()),
        ("from", args.from.as_deref()),
        ("to", args.to.as_deref()),
    ];
    let told = session.api().statistics(&token.text, &query).await?;
    if args.json {
        return print_line(&told.to_string());
    }
    lines(&serde_json::from_value(told)?).iter().try_for_each(|line| print_line(line))
}

fn lines(statistics: &Statistics) -> Vec<String> {
    let mut lines = vec![
        format!("{} hands", statistics.hands),
        format!("{:24} {:>8}  {:>17}  {:>9}", "", "", "95%", "n"),
    ];
    for (name, figure) in &statistics.rates {
        lines.push(match figure {
            Some(Figure { value, n, low, high }) => format!(
                "{name:24} {:>7.1}%  {:>7.1}% – {:>5.1}%  {n:>9}",
                value * 100.0,
                low * 100.0,
                high * 100.0
            ),
            None => format!("{name:24} {:>8}", "–"),
        });
    }
    match (&statistics.aggression, statistics.aggression_factor) {
        (Some(Figure { value, n, low, high }), _) => {
            lines.push(format!("{:24} {value:>8.2}  {low:>8.2} – {high:>6.2}  {n:>9}", "aggressionFactor"));
        }
        (None, Some(factor)) => lines.push(format!("{:24} {factor:>8.2}", "aggressionFactor")),
        (None, None) => {}
    }
    let won = [
        ("bb/100", &statistics.won),
        ("bb/100 before rake", &statistics.won_before_rake),
        ("bb/100 all-in adjusted", &statistics.adjusted),
    ];
    for (name, winning) in won {
        let Some(Winning { per_100: Figure { value, n, low, high }, deviation_100 }) = winning else {
            continue;
        };
        // One hand has no spread: an interval of no width would look like certainty.
        lines.push(match deviation_100 {
            Some(bb) => {
                format!("{name:24} {value:>8.2}  {low:>8.2} – {high:>6.2}  {n:>9}  deviation {bb:.1}")
            }
            None => format!("{name:24} {value:>8.2}  {:>17}  {n:>9}", "–"),
        });
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use purr_facts::rates;

    #[test]
    fn one_hand_has_a_result_and_no_interval() {
        let statistics = Statistics {
            hands: 1,
            rates: BTreeMap::new(),
            aggression_factor: None,
            aggression: None,
            won: rates::winning(1, 2.0, 4.0),
            won_before_rake: None,
            adjusted: None,
        };
        let lines = lines(&statistics);
        let won = lines.iter().find(|line| line.starts_with("bb/100")).unwrap();
        assert_eq!(won.matches("200.00").count(), 1, "{won}");
        assert!(won.contains('–'), "{won}");
    }

    #[test]
    fn what_was_never_counted_is_shown_as_a_dash_and_not_as_nought() {
        let statistics = Statistics {
            hands: 3,
            rates: BTreeMap::from([
                ("vpip".into(), rates::share(1, 2)),
                ("steal".into(), rates::share(0, 0)),
            ]),
            aggression_factor: None,
            aggression: None,
            won: rates::winning(3, 6.0, 30.0),
            won_before_rake: None,
            adjusted: None,
        };
        let lines = lines(&statistics);
        assert!(lines.iter().any(|line| line.starts_with("steal") && line.ends_with('–')), "{lines:#?}");
        assert!(lines.iter().any(|line| line.starts_with("vpip") && line.contains("50.0%")), "{lines:#?}");
        assert!(lines.iter().any(|line| line.starts_with("bb/100") && line.contains("200.00")), "{lines:#?}");
    }
}
