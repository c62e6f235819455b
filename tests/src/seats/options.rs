//! Options of `purr-bench-seats`.

use anyhow::ensure;
use clap::Parser;
use std::path::PathBuf;

/// Seats of a fleet under an open load. Start it on the core that players and Redis have.
#[derive(Parser, Clone, Debug)]
#[command(version)]
pub struct Options {
    /// Folder of the built programs
    #[arg(long)]
    pub bin: PathBuf,
    /// Folder for data and logs of this run
    #[arg(long)]
    pub dir: PathBuf,
    /// File for the rows, as JSON
    #[arg(long, default_value = "target/seats.json")]
    pub out: PathBuf,
    /// Requests for a seat a second
    #[arg(long, default_value_t = 300)]
    pub rate: u32,
    /// Length of each of the two loads, in seconds
    #[arg(long, default_value_t = 60)]
    pub seconds: u64,
    /// The longest 99th percentile of an answer, in milliseconds
    #[arg(long, default_value_t = 50.0)]
    pub p99_ms_max: f64,
    /// Core of gateways and tables
    #[arg(long, default_value_t = 0)]
    pub server_core: usize,
    /// Core of Redis; the bench itself has to be started on it
    #[arg(long, default_value_t = 1)]
    pub other_core: usize,
}

impl Options {
    /// # Errors
    /// Names the option that cannot work.
    pub fn validate(&self) -> anyhow::Result<()> {
        for program in ["purr-gateway", "purr-table"] {
            ensure!(self.bin.join(program).exists(), "--bin: no {program} there");
        }
        ensure!(self.dir.is_dir(), "--dir: {} is no folder", self.dir.display());
        ensure!((1..=2_000).contains(&self.rate), "--rate is 1 to 2000");
        ensure!((1..=600).contains(&self.seconds), "--seconds is 1 to 600");
        ensure!(self.p99_ms_max > 0.0, "--p99-ms-max is above 0");
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_work_is_named() {
        let options = Options::try_parse_from(["b", "--bin=/nowhere", "--dir=."]).unwrap();
        assert!(options.validate().unwrap_err().to_string().contains("--bin"));
    }
}
