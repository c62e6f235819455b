//! `purr verify`, `purr audit` and the auditor's key.

use super::{At, hand, print_line, read_bounded};
use crate::{
    api::{Api, HandFormat},
    audit, money, receipt,
    session::Session,
    verify,
    wallet::Wallet,
};
use anyhow::{Context, anyhow, ensure};
use clap::Args;
use purr_engine::PlayerId;
use purr_protocol::{audit::AuditorSecret, record::HandRecord, settlement::HandReceipt};
use serde::de::IgnoredAny;
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

fn read(file: &Path) -> anyhow::Result<HandRecord> {
    let text = read_bounded(file).with_context(|| file.display().to_string())?;
    serde_json::from_slice(&text).context("not a hand record")
}

/// Players who gave entropy, and those who did not although they had committed to.
fn entropy(record: &HandRecord, withheld: &[u8]) -> String {
    let given = record.reveals.len();
    match withheld {
        // Without entropy of players the order was the table's alone.
        [] if given == 0 => "nobody gave entropy".into(),
        [] => format!("{given} players gave entropy"),
        seats => {
            let seats: Vec<String> = seats.iter().map(ToString::to_string).collect();
            format!("{given} players gave entropy, withheld by seat {}", seats.join(", "))
        }
    }
}

/// The subject of `purr verify`, and its reference.
#[derive(Args, Clone, Debug)]
pub struct VerifyArgs {
    /// Records of hands (JSON), one after the other, as `purr hand` prints them; `-` reads stdin
    pub file: PathBuf,
    /// File with the hands' signed receipts (JSON), as `purr hand --format receipt` prints them
    #[arg(long, conflicts_with = "fetch")]
    pub receipt: Option<PathBuf>,
    /// Fetch the receipts, and who may sign them, from the gateway; needs --gateway and --key-file
    #[arg(long)]
    pub fetch: bool,
    /// Address of the operator's key that must have signed, 0x and 40 hex digits [default: with --fetch the
    /// gateway's word for it, else any]
    #[arg(long)]
    pub signer: Option<PlayerId>,
    /// The gateway for --fetch, as in https://localhost:8443
    #[arg(long, env = "PURR_GATEWAY")]
    pub gateway: Option<String>,
    /// PEM file with a private CA of the gateway's certificate [default: the CAs that this machine trusts]
    #[arg(long, env = "PURR_CA")]
    pub ca: Option<PathBuf>,
    /// Name in the gateway's certificate, where it is not the URL's host
    #[arg(long)]
    pub server_name: Option<String>,
    /// Domain to sign in to, where it is not the URL's host
    #[arg(long)]
    pub domain: Option<String>,
    /// File with the wallet's private key in hex, for --fetch
    #[arg(long, env = "PURR_KEY_FILE")]
    pub key_file: Option<PathBuf>,
}

impl VerifyArgs {
    /// The gateway and key file to fetch receipts with; `None`: receipts are not fetched.
    ///
    /// # Errors
    /// Names the option that is missing, or says nothing by itself.
    fn fetched(&self) -> anyhow::Result<Option<(At, &Path)>> {
        if !self.fetch {
            let checked = self.signer.is_none() || self.receipt.is_some();
            ensure!(
                checked,
                "--signer says who must have signed a receipt: give one with --receipt or --fetch"
            );
            return Ok(None);
        }
        let at = At {
            gateway: self.gateway.clone().context("--fetch needs --gateway")?,
            ca: self.ca.clone(),
            server_name: self.server_name.clone(),
            domain: self.domain.clone(),
        };
        Ok(Some((at, self.key_file.as_deref().context("--fetch needs --key-file")?)))
    }
}

/// A record with what stands beside it.
struct Recorded {
    record: HandRecord,
    /// SHA-256 of the record: computed if the sealed part is there, otherwise as the gateway reports it.
    hash: Option<String>,
    computed: bool,
}

/// The records of a file. Fields that this release does not know are left alone.
fn records(file: &Path) -> anyhow::Result<Vec<Recorded>> {
    #[derive(serde::Deserialize)]
    struct Named {
        hash: Option<String>,
    }
    let text = read_bounded(file).with_context(|| file.display().to_string())?;
    let mut found = Vec::new();
    let mut values = serde_json::Deserializer::from_slice(&text).into_iter::<IgnoredAny>();
    let mut begin = 0;
    while let Some(value) = values.next() {
        value.context("not a hand record")?;
        let end = values.byte_offset();
        let value = text.get(begin..end).unwrap_or_default().trim_ascii();
        begin = end;
        let record: HandRecord = serde_json::from_slice(value).context("not a hand record")?;
        let named: Named = serde_json::from_slice(value).context("not a hand record")?;
        // The hash covers the whole record: a gateway's answer lacks the sealed part and names the hash.
        let computed = !record.sealed.is_empty();
        let own = computed.then(|| hex::encode(HandRecord::hash(value)));
        if let (Some(own), Some(named)) = (&own, &named.hash) {
            ensure!(own == named, "hand {}: the record hash is {own}, not {named}", record.end.hand);
        }
        found.push(Recorded { record, hash: own.or(named.hash), computed });
    }
    ensure!(!found.is_empty(), "{}: there is no record in it", file.display());
    Ok(found)
}

/// The source of receipts.
enum Receipts {
    None,
    File(Vec<HandReceipt>),
    Gateway(Box<Session>),
}

impl Receipts {
    async fn open(args: &VerifyArgs) -> anyhow::Result<(Self, Option<PlayerId>)> {
        if let Some(file) = &args.receipt {
            let text = read_bounded(file).with_context(|| file.display().to_string())?;
            let receipts: Result<Vec<HandReceipt>, _> =
                serde_json::Deserializer::from_slice(&text).into_iter().collect();
            let receipts = receipts.with_context(|| format!("{}: not a receipt", file.display()))?;
            ensure!(!receipts.is_empty(), "{}: there is no receipt in it", file.display());
            return Ok((Self::File(receipts), args.signer));
        }
        let Some((at, key)) = args.fetched()? else {
            return Ok((Self::None, None));
        };
        let wallet = Wallet::from_file(key)?;
        let session = Session::new(Api::new(at.gateway()?), wallet);
        let signer = match args.signer {
            Some(signer) => Some(signer),
            None => session.api().config().await?.operator.parse().ok(),
        };
        Ok((Self::Gateway(Box::new(session)), signer))
    }

    /// `None`: receipts are not asked for, or the hand has none because it was void.
    async fn of(&self, record: &HandRecord) -> anyhow::Result<Option<HandReceipt>> {
        if record.end.void {
            return Ok(None);
        }
        let hand = record.end.hand;
        Ok(match self {
            Self::None => None,
            Self::File(receipts) => {
                let found = receipts.iter().find(|one| one.hand == hand && one.table == record.table);
                Some(found.with_context(|| format!("hand {hand}: there is no receipt of it"))?.clone())
            }
            Self::Gateway(session) => {
                let receipt = hand::one(session, &record.table, hand, HandFormat::Receipt).await?;
                Some(serde_json::from_slice(&receipt).context("the gateway's receipt")?)
            }
        })
    }
}

pub(super) async fn verify(args: VerifyArgs) -> anyhow::Result<()> {
    // The options come first, the file before the network.
    args.fetched()?;
    let records = records(&args.file)?;
    let (receipts, signer) = Receipts::open(&args).await?;
    for recorded in &records {
        let receipt = receipts.of(&recorded.record).await?;
        let hand = recorded.record.end.hand;
        let said = one(recorded, receipt.as_ref(), signer).with_context(|| format!("hand {hand}"))?;
        print_line(&said)?;
    }
    Ok(())
}

fn one(
    recorded: &Recorded,
    receipt: Option<&HandReceipt>,
    signer: Option<PlayerId>,
) -> anyhow::Result<String> {
    let Recorded { record, hash, computed } = recorded;
    let verify::Proven { cards, withheld } = verify::record(record).context("the deal")?;
    let signed = receipt
        .map(|receipt| receipt::check(record, hash.as_deref(), receipt, signer))
        .transpose()
        .context("the receipt")?;
    let money = money::check(record, receipt.map(receipt::rake)).context("the money")?;
    let (hand, table, root) = (record.end.hand, &record.table, &record.root);
    let mut said = format!(
        "hand {hand} of table {table}: {cards} cards proven against root {root}; {}; {} actions, pots of {} and \
         a rake of {} are as the rules have them",
        entropy(record, &withheld),
        money.actions,
        money.pot,
        money.rake,
    );
    match signed {
        Some(found) => {
            said.push_str(&format!("; receipt signed by {found}"));
            if signer.is_none() {
                said.push_str(" (whose key that is, is not checked: name it with --signer)");
            }
        }
        None if record.end.void => said.push_str("; void, so there is no receipt"),
        None => said.push_str("; no receipt checked"),
    }
    match hash {
        Some(hash) if *computed => said.push_str(&format!("; record hash {hash}")),
        // Without the sealed part the hash cannot be computed: the receipt was compared with the gateway's hash.
        Some(hash) if signed.is_some() => {
            said.push_str(&format!("; record hash {hash}, by the gateway's word"));
        }
        Some(_) | None => {}
    }
    Ok(said)
}

pub(super) fn audit(args: &AuditArgs) -> anyhow::Result<()> {
    let name = || args.key.display().to_string();
    ensure!(fs::metadata(&args.key).with_context(name)?.len() <= KEY_BYTES_MAX, "{}: no key", name());
    let secret: AuditorSecret =
        fs::read_to_string(&args.key).with_context(name)?.trim().parse().with_context(name)?;
    let record = read(&args.file)?;
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
