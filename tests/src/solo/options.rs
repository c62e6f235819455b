//! Options of `purr-solo`, as flags or environment variables.

use anyhow::{Context, ensure};
use clap::Parser;
use purr_protocol::TableSpec;
use serde_json::json;
use std::{net::SocketAddr, path::PathBuf};

/// One table, gateway and page in one process, for trying things out: play chips, nothing kept, nothing settled.
#[derive(Parser, Clone, Debug)]
#[command(version)]
pub struct Options {
    /// Address of the page (plain HTTP, so loopback only)
    #[arg(long, env = "PURR_SOLO_LISTEN", default_value = "127.0.0.1:8080")]
    pub listen: SocketAddr,
    /// Address of the same gateway with TLS, for the command 'purr' (loopback only); port 0: any
    #[arg(long, env = "PURR_SOLO_TLS_LISTEN", default_value = "127.0.0.1:0")]
    pub tls_listen: SocketAddr,
    /// URL in the browser, where it is not http://localhost and the port of --listen
    #[arg(long, env = "PURR_SOLO_PUBLIC_URL")]
    pub public_url: Option<String>,
    /// More origins whose pages may ask; comma-separated
    #[arg(long, env = "PURR_SOLO_ORIGINS", value_delimiter = ',')]
    pub origins: Vec<String>,
    /// Seats, 2 to 10
    #[arg(long, env = "PURR_SOLO_SEATS", default_value_t = 6)]
    pub seats: u8,
    /// Big blind in play chips; the small blind is half of it
    #[arg(long, env = "PURR_SOLO_BIG_BLIND", default_value_t = 100)]
    pub big_blind: u64,
    /// Play chips that everybody starts with
    #[arg(long, env = "PURR_SOLO_STAKE", default_value_t = 100_000)]
    pub stake: u64,
    /// Time for a decision, in milliseconds
    #[arg(long, env = "PURR_SOLO_TURN_MS", default_value_t = 30_000)]
    pub turn_ms: u64,
    /// Pause between two hands, in milliseconds
    #[arg(long, env = "PURR_SOLO_HAND_GAP_MS", default_value_t = 4_000)]
    pub hand_gap_ms: u64,
    /// JSON file of roles by wallet address, for instance {"0x…": ["support"]}; read again every ten seconds
    #[arg(long, env = "PURR_SOLO_ROLES_FILE")]
    pub roles_file: Option<PathBuf>,
    /// For work on the page: serve its files from this folder, read at every request
    #[arg(long, env = "PURR_SOLO_PAGE_DIR")]
    pub page_dir: Option<PathBuf>,
    /// Log filter, for instance info,purr_table=debug
    #[arg(long, env = "PURR_LOG", default_value = "warn")]
    pub log: String,
}

impl Options {
    /// # Errors
    /// Names the option that cannot work.
    pub fn validate(&self) -> anyhow::Result<TableSpec> {
        // No TLS, and play chips for everybody: not for other machines.
        ensure!(self.listen.ip().is_loopback(), "--listen is a loopback address");
        ensure!(self.tls_listen.ip().is_loopback(), "--tls-listen is a loopback address");
        ensure!((2..=10).contains(&self.seats), "--seats is 2 to 10");
        ensure!(
            self.big_blind >= 2 && self.big_blind.is_multiple_of(2),
            "--big-blind is even and at least 2"
        );
        ensure!(self.big_blind <= 1_000_000, "--big-blind is at most 1000000");
        ensure!(self.stake >= self.big_blind * 100, "--stake is at least 100 big blinds, the highest buy-in");
        ensure!(self.stake <= 1 << 40, "--stake is at most 2^40");
        ensure!((1_000..=600_000).contains(&self.turn_ms), "--turn-ms is 1000 to 600000");
        ensure!(self.hand_gap_ms <= 60_000, "--hand-gap-ms is at most 60000");
        // As the controller would write it: later fields have their defaults.
        let spec = json!({
            "name": "play",
            "engine": {
                "seats": self.seats, "smallBlind": self.big_blind / 2, "bigBlind": self.big_blind, "ante": "none",
                "buyInMin": self.big_blind * 20, "buyInMax": self.big_blind * 100,
                "rake": { "basisPoints": 0, "caps": [], "noFlopNoDrop": true },
                "clock": {
                    "turnMs": self.turn_ms, "timeBankMs": 30_000, "timeBankGainMs": 1_000, "disconnectMs": 30_000,
                },
                "ratHoleMs": 0,
            },
            "currency": { "token": "", "decimals": 0, "unit": "chips" },
            "room": { "rabbitHunt": true, "chat": "text" },
            "settlement": {
                "vault": format!("0x{}", hex::encode(super::ledger::VAULT)), "chainId": super::ledger::CHAIN_ID,
                "maxHands": 1, "maxDelayMs": 0,
            },
        });
        let spec: TableSpec = serde_json::from_value(spec).context("the table")?;
        spec.validate().context("the table")?;
        Ok(spec)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(more: &[&str]) -> anyhow::Result<TableSpec> {
        Options::try_parse_from(["purr-solo"].iter().chain(more))?.validate()
    }

    #[test]
    fn the_defaults_are_a_table() {
        let spec = with(&[]).unwrap();
        assert_eq!((spec.engine.seats, spec.engine.buy_in_max), (6, 10_000));
    }

    #[test]
    fn other_machines_are_not_let_in_and_what_cannot_work_is_named() {
        for (option, named) in [
            ("--listen=0.0.0.0:8080", "--listen"),
            ("--tls-listen=192.0.2.1:1", "--tls-listen"),
            ("--seats=11", "--seats"),
            ("--big-blind=3", "--big-blind"),
            ("--stake=99", "--stake"),
            ("--turn-ms=1", "--turn-ms"),
        ] {
            let error = format!("{:#}", with(&[option]).unwrap_err());
            assert!(error.contains(named), "{option}: {error}");
        }
    }
}
