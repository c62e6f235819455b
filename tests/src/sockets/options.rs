//! Options of `purr-bench-sockets`.

use anyhow::ensure;
use clap::Parser;
use std::{path::PathBuf, time::Duration};

/// Players' sockets beside a Socket.IO server, with the same players. Start it on the core that players and Redis have.
#[derive(Parser, Clone, Debug)]
#[command(version)]
pub struct Options {
    /// Folder of the built programs
    #[arg(long)]
    pub bin: PathBuf,
    /// Folder of the Socket.IO server with its packages
    #[arg(long)]
    pub socketio: PathBuf,
    /// Folder for data and logs of this run, on a disk
    #[arg(long)]
    pub dir: PathBuf,
    /// File for the rows
    #[arg(long)]
    pub out: PathBuf,
    /// How many players; comma-separated
    #[arg(long, value_delimiter = ',', default_value = "9,99,999,4995")]
    pub players: Vec<usize>,
    /// Of these, which are measured with `appendfsync always`, too
    #[arg(long, value_delimiter = ',', default_value = "9,99,999")]
    pub always: Vec<usize>,
    /// Length of each measurement, in seconds
    #[arg(long, default_value_t = 10)]
    pub seconds: u64,
    /// Idle connections, or as many as the limit of open files allows; 0: none
    #[arg(long, default_value_t = 10_000)]
    pub idle: usize,
    /// Turns a second that all players together take at most, of both servers
    #[arg(long, default_value_t = 1_500)]
    pub offered: u64,
    /// Core of the servers
    #[arg(long, default_value_t = 0)]
    pub server_core: usize,
    /// Core of Redis; the bench itself has to be started on it
    #[arg(long, default_value_t = 1)]
    pub other_core: usize,
}

/// A player may send 20 messages a second; with nine at a table this stays well below.
const THINK_MIN: Duration = Duration::from_millis(12);

impl Options {
    /// # Errors
    /// Names the option that cannot work.
    pub fn validate(&self) -> anyhow::Result<()> {
        for program in ["purr-gateway", "purr-table"] {
            ensure!(self.bin.join(program).exists(), "--bin: no {program} there");
        }
        ensure!(self.socketio.join("server.mjs").exists(), "--socketio: no server.mjs there");
        ensure!(self.players.iter().all(|players| (9..=9_000).contains(players)), "--players is 9 to 9000");
        ensure!((1..=600).contains(&self.seconds), "--seconds is 1 to 600");
        ensure!(self.idle <= 20_000, "--idle is at most 20000");
        ensure!((1..=100_000).contains(&self.offered), "--offered is 1 to 100000");
        Ok(())
    }

    /// Mean think time at which this many tables produce the requested load.
    pub fn think(&self, tables: usize) -> Duration {
        let tables = u64::try_from(tables).unwrap_or(u64::MAX);
        Duration::from_micros(tables.saturating_mul(1_000_000) / self.offered).max(THINK_MIN)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_tables_think_longer_so_that_all_together_offer_the_same() {
        let options =
            Options::try_parse_from(["b", "--bin=.", "--socketio=.", "--dir=.", "--out=x"]).unwrap();
        assert_eq!(options.think(1), THINK_MIN);
        assert_eq!(options.think(111), Duration::from_millis(74));
        assert_eq!(options.think(555), Duration::from_millis(370));
    }

    #[test]
    fn what_cannot_work_is_named() {
        let options =
            Options::try_parse_from(["b", "--bin=/nowhere", "--socketio=.", "--dir=.", "--out=x"]).unwrap();
        assert!(options.validate().unwrap_err().to_string().contains("--bin"));
    }
}
