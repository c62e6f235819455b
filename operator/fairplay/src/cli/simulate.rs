//! `purr-fairplay simulate`: hands and truth as files.

use super::figures::{PlanOptions, plan};
use anyhow::{Context, bail};
use clap::Args;
use purr_fairplay_hands::Random;
use purr_fairplay_sim::{Played, Pool, Truth};
use purr_protocol::fairplay::FairPlayKey;
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
    /// File with a fair-play secret key, 64 hex digits: hands are written as tables' records of version 3, with hole
    /// cards sealed to that key. Else in the format of operator/fairplay/README.md.
    #[arg(long)]
    key_file: Option<PathBuf>,
    /// File for the truth.
    #[arg(long)]
    truth: PathBuf,
}

pub(crate) fn run(options: &SimulateOptions) -> anyhow::Result<()> {
    let file = File::create(&options.records).with_context(|| format!("{}", options.records.display()))?;
    let mut out = BufWriter::with_capacity(1 << 20, file);
    let secret = options.key_file.as_deref().map(super::read_secret).transpose()?;
    let key = secret.map(|secret| secret.public());
    let mut entropy = Random::new(options.plan.seed ^ 0x5ea1);
    let mut truth = Truth::default();
    for number in 0..options.plan.pools {
        let mut pool = Pool::new(options.plan.seed, number, plan(&options.plan, number))?;
        for _ in 0..options.plan.sessions() {
            let mut failed = None;
            pool.play_session_whole(&mut |played| {
                let written = write(&mut out, &played, key.as_ref(), &mut entropy);
                failed = failed.take().or(written.err());
            })?;
            if let Some(error) = failed {
                bail!("{}: {error:#}", options.records.display());
            }
        }
        truth.groups.extend(pool.truth().groups.iter().cloned());
    }
    out.flush()?;
    std::fs::write(&options.truth, serde_json::to_vec_pretty(&truth)?)
        .with_context(|| format!("{}", options.truth.display()))?;
    Ok(())
}

fn write(
    out: &mut impl Write,
    played: &Played<'_>,
    key: Option<&FairPlayKey>,
    entropy: &mut Random,
) -> anyhow::Result<()> {
    match key {
        None => serde_json::to_writer(&mut *out, played.hand)?,
        Some(key) => {
            let mut bytes = [0; 32];
            bytes.chunks_mut(8).for_each(|part| part.copy_from_slice(&entropy.bits().to_be_bytes()));
            serde_json::to_writer(&mut *out, &played.record(&played.hand.table, key, &bytes)?)?;
        }
    }
    Ok(out.write_all(b"\n")?)
}
