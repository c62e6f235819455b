//! `purr verify`, `purr audit` and the auditor's key.

use super::{print_line, read_bounded};
use crate::{audit, verify};
use anyhow::{Context, anyhow, ensure};
use clap::Args;
use purr_protocol::{audit::AuditorSecret, record::HandRecord};
use std::{
    fs,
    io::Write,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

/// A key's file, in bytes.
const KEY_BYTES_MAX: u64 = 1_024;

#[derive(Args, Clone, Debug)]
pub struct AuditArgs {
    /// The hand's record with its part for the auditor
    pub file: PathBuf,
    /// File with the auditor's secret key in hex
    #[arg(long, env = "PURR_AUDIT_SECRET_FILE")]
    pub key: PathBuf,
    /// Also print every player's cards, those that were never shown included
    #[arg(long)]
    pub cards: bool,
}

fn read(file: &Path) -> anyhow::Result<(HandRecord, Vec<u8>)> {
    let text = read_bounded(file).with_context(|| file.display().to_string())?;
    Ok((serde_json::from_slice(&text).context("not a hand record")?, text))
}

/// Who gave entropy, and who did not although they had committed to.
fn entropy(record: &HandRecord, withheld: &[u8]) -> String {
    let given = record.reveals.len();
    match withheld {
        // Then the order was the table's alone.
        [] if given == 0 => "nobody gave entropy".into(),
        [] => format!("{given} players gave entropy"),
        seats => {
            let seats: Vec<String> = seats.iter().map(ToString::to_string).collect();
            format!("{given} players gave entropy, withheld by seat {}", seats.join(", "))
        }
    }
}

pub(super) fn verify(file: &Path) -> anyhow::Result<()> {
    let (record, text) = read(file)?;
    let verify::Proven { cards, withheld } = verify::record(&record)?;
    let entropy = entropy(&record, &withheld);
    // The hash is of the whole record: what a gateway gives lacks the sealed part, and names the hash.
    let hash = if record.sealed.is_empty() {
        String::new()
    } else {
        format!("; record hash {}", hex::encode(HandRecord::hash(text.trim_ascii_end())))
    };
    print_line(&format!(
        "hand {} of table {}: {cards} cards proven against root {}; {entropy}{hash}",
        record.history.hand, record.table, record.root,
    ))
}

pub(super) fn audit(args: &AuditArgs) -> anyhow::Result<()> {
    let name = || args.key.display().to_string();
    ensure!(fs::metadata(&args.key).with_context(name)?.len() <= KEY_BYTES_MAX, "{}: no key", name());
    let secret: AuditorSecret =
        fs::read_to_string(&args.key).with_context(name)?.trim().parse().with_context(name)?;
    let (record, _) = read(&args.file)?;
    let audit::Audited { deck: _, holes, seen, withheld } = audit::audit(&record, &secret)?;
    print_line(&format!(
        "hand {} of table {}: all 52 cards are behind root {}, each once; {seen} cards of the record lay where they \
         were dealt; {}",
        record.history.hand,
        record.table,
        record.root,
        entropy(&record, &withheld),
    ))?;
    for (seat, [first, second]) in holes.iter().filter(|_| args.cards) {
        print_line(&format!("seat {seat}: {first} {second}"))?;
    }
    Ok(())
}

/// A secret that only its owner may read, in a new file.
pub(super) fn auditor_keygen(file: &Path) -> anyhow::Result<()> {
    let mut entropy = [0; 32];
    getrandom::fill(&mut entropy).map_err(|error| anyhow!("no entropy: {error}"))?;
    let secret = AuditorSecret::derive(&entropy);
    let name = || file.display().to_string();
    let mut out =
        fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(file).with_context(name)?;
    out.write_all(format!("{}\n", secret.to_hex()).as_bytes())
        .and_then(|()| out.sync_all())
        .with_context(name)?;
    print_line(&secret.public().to_string())
}
