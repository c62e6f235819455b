//! `purr-controller pay-out`: pays out all players who sit at a table that no longer exists.
//!
//! The command acts as the table, with a certificate that the release's CA issues for an hour. The signer fences all
//! earlier processes of the table, accepts an entry by which each player leaves with the stack in the journal, and
//! settles these entries like any others. A hand that was running is void.

use crate::certificates::{Authority, Issued};
use anyhow::{Context as _, ensure};
use clap::Parser;
use k8s_openapi::api::core::v1::Pod;
use kube::{Api, Client, ResourceExt, api::ListParams, core::PartialObjectMeta};
use purr_crds::PokerTable;
use purr_namespaces::{Namespaces, NamespacesArgs};
use purr_protocol::{
    seated::TableSeats,
    settlement::{
        Accepted, Entry, EntryBody, Fence, Fenced, SignedSubmit, Submit, TableSignatures, signed_text,
    },
};
use purr_runtime::{CancellationToken, Identity, InternalClient, Role};
use std::{
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

const WAIT: Duration = Duration::from_secs(10);
/// The certificate is good for one run.
const VALID: Duration = Duration::from_secs(3_600);
/// An epoch is the generation of a pod and the number of its process.
const PROCESS_BITS: u32 = 16;

/// Pays out everybody who sits at a table whose PokerTable is gone, by the signer's journal
#[derive(Parser, Clone, Debug)]
#[command(name = "purr-controller pay-out", version)]
pub struct Options {
    /// UID of the table that is gone, as the controller's log and the signer name it
    pub table: String,
    /// Say who would be paid what, and change nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Namespace of this program
    #[arg(long, env = "PURR_NAMESPACE")]
    pub namespace: String,
    #[command(flatten)]
    pub namespaces: NamespacesArgs,
    /// host:port of the chain-signer
    #[arg(long, env = "PURR_SIGNER_ADDR")]
    pub signer_addr: String,
    /// Folder with tls.crt and tls.key of the CA that signs the tables' certificates
    #[arg(long, env = "PURR_CA_DIR", default_value = "/etc/purr/ca")]
    pub ca_dir: PathBuf,
    /// Folder in memory in which the table's key is kept while the program runs
    #[arg(long, env = "PURR_SCRATCH_DIR", default_value = "/dev/shm")]
    pub scratch_dir: PathBuf,
    /// Log filter
    #[arg(long, env = "PURR_LOG", default_value = "warn")]
    pub log: String,
}

/// Runs once, or until it is stopped.
///
/// # Errors
/// Where the table is still there, the signer does not answer, or it refuses an entry.
pub async fn run(options: Options, stop: CancellationToken) -> anyhow::Result<()> {
    tokio::select! {
        () = stop.cancelled() => anyhow::bail!("stopped; the same command may be given again"),
        done = async {
            let client = Client::try_default().await.context("no way to the Kubernetes API")?;
            let namespaces = options.namespaces.clone().validate(&options.namespace)?;
            is_gone(&client, &namespaces, &options.table).await?;
            pay_out(&options).await
        } => done,
    }
}

/// Refuses if the table or one of its pods exists: the table's own drain pays its players out.
async fn is_gone(client: &Client, namespaces: &Namespaces, uid: &str) -> anyhow::Result<()> {
    let names = crate::uninstall::names(client, namespaces).await?;
    for namespace in names {
        let tables: Api<PartialObjectMeta<PokerTable>> = Api::namespaced(client.clone(), &namespace);
        let tables = tables.list(&ListParams::default()).await;
        let tables = tables.with_context(|| format!("list tables in {namespace}"))?;
        let there = tables.items.iter().find(|table| table.metadata.uid.as_deref() == Some(uid));
        if let Some(table) = there {
            let name = table.name_any();
            anyhow::bail!("table {name} in {namespace} is there: delete it, and it pays its players out");
        }
        let of_table = ListParams::default().labels(&format!("{}={uid}", crate::table::build::LABEL_UID));
        let pods: Api<Pod> = Api::namespaced(client.clone(), &namespace);
        let pods = pods.list(&of_table).await.with_context(|| format!("list pods in {namespace}"))?;
        if let Some(pod) = pods.items.first() {
            anyhow::bail!("pod {} in {namespace} is the table's: wait until it has gone", pod.name_any());
        }
    }
    Ok(())
}

async fn pay_out(options: &Options) -> anyhow::Result<()> {
    let uid = options.table.as_str();
    let authority = Authority::new(&options.ca_dir, VALID)?;
    let scratch = Scratch::new(&options.scratch_dir, uid)?;
    scratch.hold(&authority.issue(uid, SystemTime::now())?)?;
    let identity = Identity::load(&scratch.0)?;
    let signer = InternalClient::new(identity.clone(), options.signer_addr.as_str(), Role::ChainSigner);
    let base = format!("/v1/tables/{uid}");
    let seats: TableSeats = signer.get(&format!("{base}/seats"), WAIT).await.context("seats")?;
    if seats.seats.is_empty() {
        println!("nobody sits at table {uid}");
        return Ok(());
    }
    if options.dry_run {
        say(&seats, "would be paid");
        return Ok(());
    }
    let epoch = next_epoch(seats.epoch);
    let _: Fenced =
        signer.post(&format!("{base}/fence"), &Fence { epoch }, WAIT).await.context("close the table")?;
    // After the fence nobody else changes them.
    let seats: TableSeats = signer.get(&format!("{base}/seats"), WAIT).await.context("seats")?;
    let entries = leaves(&seats);
    let signed = Some(sign(&identity, uid, &entries)?);
    let submit = SignedSubmit { submit: Submit { epoch, entries: entries.clone() }, signed };
    let accepted: Accepted = signer
        .post(&format!("{base}/entries"), &submit, WAIT)
        .await
        .context("entries of the players who leave")?;
    let last = entries.last().map_or(seats.head_seq, |entry| entry.seq);
    ensure!(
        accepted.accepted_through == last,
        "the signer has taken entries up to {} of {last}: give the command again, the signer's log says what it refuses",
        accepted.accepted_through
    );
    say(&seats, "is paid");
    println!("the chain has it as soon as the signer has settled entry {last}");
    Ok(())
}

fn say(seats: &TableSeats, what: &str) {
    for seat in &seats.seats {
        println!("seat {}: {} {what} {}", seat.seat.0, seat.player, seat.stack);
    }
}

/// Above every process of the pod that spoke last, and of the next generation.
fn next_epoch(epoch: u64) -> u64 {
    ((epoch >> PROCESS_BITS) + 1) << PROCESS_BITS | 1
}

/// Makes the entries by which all players leave with their stacks in the journal.
fn leaves(seats: &TableSeats) -> Vec<Entry> {
    let leave = |(seq, seat): (u64, &purr_protocol::seated::SeatStack)| Entry {
        seq,
        body: EntryBody::Leave { seat: seat.seat, player: seat.player, stack: seat.stack },
    };
    (seats.head_seq + 1..).zip(&seats.seats).map(leave).collect()
}

fn sign(identity: &Identity, uid: &str, entries: &[Entry]) -> anyhow::Result<TableSignatures> {
    let certified = identity.certified()?;
    let sign = |entry: &Entry| {
        let text = signed_text(uid, entry.seq, &entry.payload_hash()?);
        Ok(hex::encode(certified.sign(&text)?))
    };
    let entries: anyhow::Result<Vec<String>> = entries.iter().map(sign).collect();
    Ok(TableSignatures { certificate: hex::encode(certified.certificate()), entries: entries? })
}

/// A folder that nobody else reads, removed at the end.
struct Scratch(PathBuf);

impl Scratch {
    fn new(dir: &Path, uid: &str) -> anyhow::Result<Self> {
        let mut random = [0; 8];
        getrandom::fill(&mut random).map_err(|error| anyhow::anyhow!("no random bytes: {error}"))?;
        let path = dir.join(format!("purr-{uid}-{}", hex::encode(random)));
        std::fs::DirBuilder::new()
            .mode(0o700)
            .create(&path)
            .with_context(|| format!("--scratch-dir {}", dir.display()))?;
        Ok(Self(path))
    }

    fn hold(&self, issued: &Issued) -> anyhow::Result<()> {
        let files = [("tls.crt", &issued.certificate), ("tls.key", &issued.key), ("ca.crt", &issued.ca)];
        for (name, text) in files {
            let mut options = std::fs::OpenOptions::new();
            let mut file = options.write(true).create_new(true).mode(0o600).open(self.0.join(name))?;
            std::io::Write::write_all(&mut file, text.as_bytes())?;
        }
        Ok(())
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.0) {
            tracing::warn!(%error, path = %self.0.display(), "not removed");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use purr_engine::{PlayerId, SeatIndex};
    use purr_protocol::seated::SeatStack;

    #[test]
    fn everybody_leaves_with_what_the_journal_has_in_entries_that_follow_its_last() {
        let seat = |seat, stack| SeatStack { seat: SeatIndex(seat), player: PlayerId([seat; 20]), stack };
        let seats = TableSeats { epoch: 3 << 16 | 9, head_seq: 41, seats: vec![seat(1, 300), seat(4, 0)] };
        let made = leaves(&seats);
        assert_eq!(made.iter().map(|entry| entry.seq).collect::<Vec<_>>(), [42, 43]);
        let leave = EntryBody::Leave { seat: SeatIndex(1), player: PlayerId([1; 20]), stack: 300 };
        assert_eq!(made[0].body, leave);
        assert!(leaves(&TableSeats { seats: vec![], ..seats }).is_empty());
    }

    #[test]
    fn the_epoch_is_above_every_process_of_the_pod_before() {
        for process in [1, 9, 0xffff] {
            let next = next_epoch(3 << 16 | process);
            assert!(next > (3 << 16 | 0xffff) && next >> 16 == 4);
        }
    }

    #[test]
    fn the_key_is_readable_by_nobody_else_and_gone_afterwards() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let scratch = Scratch::new(dir.path(), "uid").unwrap();
        let path = scratch.0.clone();
        let text = |text: &str| text.to_owned();
        let issued = Issued { certificate: text("C"), key: text("K"), ca: text("A"), not_after_s: 0 };
        scratch.hold(&issued).unwrap();
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&path), mode(&path.join("tls.key"))), (0o700, 0o600));
        drop(scratch);
        assert!(!path.exists());
    }
}
