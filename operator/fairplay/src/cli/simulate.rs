//! `purr-fairplay simulate`: hands and truth as files.

use super::figures::{PlanOptions, plan};
use anyhow::Context;
use clap::Args;
use purr_fairplay_sim::{Pool, Truth};
use std::{
    fs::File,
    io::{BufWriter, Write},
    path::PathBuf,
};

#[derive(Debug, Args)]
pub(crate) struct SimulateOptions {
    #[command(flatten)]
    plan: PlanOptions,
    /// File for the hands, one JSON object a line.
    #[arg(long)]
    records: PathBuf,
    /// File for the truth.
    #[arg(long)]
    truth: PathBuf,
}

pub(crate) fn run(options: &SimulateOptions) -> anyhow::Result<()> {
    let file = File::create(&options.records).with_context(|| format!("{}", options.records.display()))?;
    let mut out = BufWriter::with_capacity(1 << 20, file);
    let mut truth = Truth::default();
    for number in 0..options.plan.pools {
        let mut pool = Pool::new(options.plan.seed, number, plan(&options.plan, number))?;
        for _ in 0..options.plan.sessions() {
            let mut failed = None;
            pool.play_session(&mut |hand| {
                let written = serde_json::to_writer(&mut out, hand)
                    .map_err(std::io::Error::from)
                    .and_then(|()| out.write_all(b"\n"));
                failed = failed.take().or(written.err());
            })?;
            if let Some(error) = failed {
                return Err(error).with_context(|| format!("{}", options.records.display()));
            }
        }
        truth.groups.extend(pool.truth().groups.iter().cloned());
    }
    out.flush()?;
    std::fs::write(&options.truth, serde_json::to_vec_pretty(&truth)?)
        .with_context(|| format!("{}", options.truth.display()))?;
    Ok(())
}
