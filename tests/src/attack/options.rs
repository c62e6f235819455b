//! Options of `purr-attack`.

use super::rows;
use anyhow::ensure;
use clap::Parser;
use std::{path::PathBuf, time::Duration};

/// Attacks the real gateway and tables, and measures what a seated player feels. Start it on the core of players and
/// attackers.
#[derive(Parser, Clone, Debug)]
#[command(version)]
pub struct Options {
    /// Folder of the built programs
    #[arg(long, default_value = ".")]
    pub bin: PathBuf,
    /// Folder for data and logs of this run
    #[arg(long, default_value = ".")]
    pub dir: PathBuf,
    /// File for the rows, as JSON
    #[arg(long, default_value = "target/attack.json")]
    pub out: PathBuf,
    /// A few seconds for each attack, and fewer attackers
    #[arg(long)]
    pub short: bool,
    /// Which attacks; comma-separated [default: all]
    #[arg(long, value_delimiter = ',')]
    pub only: Vec<String>,
    /// Core of the servers
    #[arg(long, default_value_t = 0)]
    pub server_core: usize,
    /// Core of players, Redis and attackers
    #[arg(long, default_value_t = 1)]
    pub other_core: usize,
    /// Attack as this file says; how this program starts its attackers
    #[arg(long, hide = true)]
    pub storm: Option<PathBuf>,
}

impl Options {
    /// # Errors
    /// Names the option that cannot work.
    pub fn validate(&self) -> anyhow::Result<()> {
        for program in ["purr-gateway", "purr-table"] {
            ensure!(self.bin.join(program).exists(), "--bin: no {program} there");
        }
        ensure!(self.dir.is_dir(), "--dir: {} is no folder", self.dir.display());
        for name in &self.only {
            let known: Vec<&str> = rows::ALL.iter().map(|row| row.name).collect();
            ensure!(
                known.contains(&name.as_str()),
                "--only: no attack {name}; there are {}",
                known.join(", ")
            );
        }
        Ok(())
    }

    pub fn wants(&self, name: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|only| only == name)
    }

    /// Length of a measurement, and of the longest one.
    pub fn measure(&self) -> Duration {
        Duration::from_secs(if self.short { 6 } else { 25 })
    }

    pub fn measure_long(&self) -> Duration {
        Duration::from_secs(if self.short { 6 } else { 60 })
    }

    /// Between the start of an attack and the measurement.
    pub fn warm_up(&self) -> Duration {
        Duration::from_secs(if self.short { 4 } else { 10 })
    }

    /// The given fraction of `whole`.
    pub fn some(&self, whole: usize) -> usize {
        if self.short { whole / 4 } else { whole }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_work_is_named() {
        let with = |more: &[&str]| Options::try_parse_from(["a"].iter().chain(more)).unwrap().validate();
        assert!(with(&["--bin=/nowhere"]).unwrap_err().to_string().contains("--bin"));
    }

    #[test]
    fn attacks_are_chosen_by_name() {
        let options = Options::try_parse_from(["a", "--only=lobby"]).unwrap();
        assert!(options.wants("lobby") && !options.wants("lanes"));
        assert!(Options::try_parse_from(["a"]).unwrap().wants("lanes"));
    }
}
