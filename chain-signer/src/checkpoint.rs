//! The end of the journal's hash chain, signed in the token and kept outside the database: whoever writes the database can
//! write the whole chain anew, and cannot sign it.
//!
//! **Guarantees.** While this replica sends, at most one checkpoint each interval, where rows came; none is signed over a
//! journal that does not continue the one before. Each is a line of the log and of the stream `checkpoints` in the sessions
//! group. **Caveats.** What is in the stream may be lost; what was written since the last checkpoint is not covered.

use crate::{
    chain::{
        Address, address_text,
        eip712::{Domain, recover},
        parse_address,
    },
    hsm::HsmError,
    journal::JournalError,
    service::Service,
};
use purr_runtime::CancellationToken;
use purr_store::{Link, LinkConfig, Sessions};
use std::{
    fmt,
    str::FromStr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::time::{MissedTickBehavior, interval, timeout};

/// The stream, and how many lines it keeps: at one a minute a month.
const STREAM: &str = "checkpoints";
const KEPT_MAX: usize = 43_200;
/// Lines that are read at a start.
const READ_MAX: usize = 64;
/// For so long a start waits for them.
const READ_FOR: Duration = Duration::from_secs(3);
/// The first word of every checkpoint, wherever it stands.
const WORD: &str = "purr-checkpoint/";

/// A signed end of the hash chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// Rises by one each time.
    pub counter: u64,
    /// The number of the last row, and its hash.
    pub rows: u64,
    pub head: [u8; 32],
    pub signer: Address,
    /// r, s, v.
    pub signature: [u8; 65],
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a checkpoint is {WORD}COUNTER/ROWS/HEAD/SIGNER/SIGNATURE")]
pub struct BadCheckpoint;

impl fmt::Display for Checkpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { counter, rows, head, signer, signature } = self;
        let (head, signer, signature) = (hex::encode(head), address_text(*signer), hex::encode(signature));
        write!(f, "{WORD}{counter}/{rows}/{head}/{signer}/0x{signature}")
    }
}

impl FromStr for Checkpoint {
    type Err = BadCheckpoint;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let rest = text.strip_prefix(WORD).ok_or(BadCheckpoint)?;
        let [counter, rows, head, signer, signature] =
            <[&str; 5]>::try_from(rest.split('/').collect::<Vec<_>>()).map_err(|_| BadCheckpoint)?;
        let mut checkpoint = Self {
            counter: counter.parse().map_err(|_| BadCheckpoint)?,
            rows: rows.parse().map_err(|_| BadCheckpoint)?,
            head: [0; 32],
            signer: parse_address(signer).map_err(|_| BadCheckpoint)?,
            signature: [0; 65],
        };
        let signature = signature.strip_prefix("0x").ok_or(BadCheckpoint)?;
        hex::decode_to_slice(head, &mut checkpoint.head).map_err(|_| BadCheckpoint)?;
        hex::decode_to_slice(signature, &mut checkpoint.signature).map_err(|_| BadCheckpoint)?;
        Ok(checkpoint)
    }
}

impl Checkpoint {
    /// Whether its signer signed it.
    pub fn is_signed(&self, domain: &Domain) -> bool {
        let digest = domain.checkpoint(self.counter, self.rows, self.head);
        recover(&digest, &format!("0x{}", hex::encode(self.signature))) == Some(self.signer)
    }

    /// All checkpoints in a text, whatever is around them.
    pub fn all_in(text: &str) -> Vec<Self> {
        let starts = text.match_indices(WORD).map(|(at, _)| &text[at..]);
        let ends = |c: char| !(c.is_ascii_alphanumeric() || c == '/' || c == '-');
        starts.filter_map(|rest| rest.split(ends).next()?.parse().ok()).collect()
    }
}

/// Where checkpoints are kept outside the database.
pub struct Checkpoints {
    sessions: Option<Sessions>,
    /// The last one that this process has signed.
    last: Mutex<Option<Checkpoint>>,
}

impl Checkpoints {
    pub fn new(link: Option<LinkConfig>) -> Self {
        Self { sessions: link.map(|link| Sessions::new(Link::new(link))), last: Mutex::default() }
    }

    /// The newest that are known, of this key, oldest first; only its own where the group does not answer.
    pub async fn kept(&self, domain: &Domain, key: Address) -> Vec<Checkpoint> {
        let mut kept = self.read(domain, key).await;
        kept.extend(self.last().filter(|last| last.signer == key));
        kept.sort_by_key(|one| (one.counter, one.rows));
        kept
    }

    fn last(&self) -> Option<Checkpoint> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    async fn read(&self, domain: &Domain, key: Address) -> Vec<Checkpoint> {
        let Some(sessions) = &self.sessions else { return Vec::new() };
        // A group that is away stops nobody from settling.
        let lines = match timeout(READ_FOR, sessions.last_lines(STREAM, READ_MAX)).await {
            Ok(Ok(lines)) => lines,
            Ok(Err(error)) => {
                tracing::warn!(%error, "checkpoints cannot be read: a rewritten journal would not show now");
                return Vec::new();
            }
            Err(_) => {
                tracing::warn!("checkpoints are not read in time: a rewritten journal would not show now");
                return Vec::new();
            }
        };
        let read = lines.iter().filter_map(|line| line.parse::<Checkpoint>().ok());
        read.filter(|one| one.signer == key && one.is_signed(domain)).collect()
    }

    async fn keep(&self, checkpoint: &Checkpoint) {
        let text = checkpoint.to_string();
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(checkpoint.clone());
        tracing::info!(checkpoint = text, "the journal's hash chain was signed");
        let Some(sessions) = &self.sessions else { return };
        if let Err(error) = sessions.append(STREAM, &text, KEPT_MAX).await {
            tracing::warn!(%error, "a checkpoint is in the log only");
        }
    }
}

#[derive(Debug, thiserror::Error)]
enum CheckpointError {
    #[error(transparent)]
    Journal(#[from] JournalError),
    #[error("the token did not sign: {0}")]
    Token(#[from] HsmError),
}

/// Until stopped, every so many seconds; 0: never.
pub(crate) async fn keep(service: Arc<Service>, every_s: u64, stop: CancellationToken) {
    if every_s == 0 {
        return;
    }
    let mut ticks = interval(Duration::from_secs(every_s));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let work = async {
        service.journal_there().await;
        let mut last = None;
        loop {
            ticks.tick().await;
            // Another replica's checkpoints are read again when this one begins to send.
            if !service.signals.leads() {
                last = None;
                continue;
            }
            if let Err(error) = one(&service, &mut last).await {
                tracing::warn!(%error, "no checkpoint");
            }
        }
    };
    tokio::select! {
        () = stop.cancelled() => {}
        () = work => {}
    }
}

async fn one(service: &Service, last: &mut Option<Checkpoint>) -> Result<(), CheckpointError> {
    let Some((domain, key)) = service.receipt_key() else { return Ok(()) };
    if last.is_none() {
        *last = service.checkpoints.kept(&domain, key.address()).await.pop();
    }
    if let Some(before) = &*last
        && service.journal.contradicts(std::slice::from_ref(before)).await?.is_some()
    {
        service.metrics.checkpoint_contradicted.set(1);
        service.set_whole(false);
        tracing::error!(checkpoint = %before, "ALARM: the journal was written anew: no voucher and no receipt is signed");
        return Ok(());
    }
    let Some((rows, head)) = service.journal.end().await? else { return Ok(()) };
    if last.as_ref().is_some_and(|before| before.rows == rows) {
        return Ok(());
    }
    let counter = last.as_ref().map_or(0, |before| before.counter) + 1;
    let signature = key.sign(domain.checkpoint(counter, rows, head)).await?.to_bytes();
    let checkpoint = Checkpoint { counter, rows, head, signer: key.address(), signature };
    service.checkpoints.keep(&checkpoint).await;
    service.metrics.checkpoints.inc();
    *last = Some(checkpoint);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chain::{address_of_raw_key, sign_digest_with_raw_key};

    const DOMAIN: Domain = Domain { chain_id: 31337, vault: [9; 20] };

    fn checkpoint(counter: u64) -> Checkpoint {
        let (rows, head) = (counter * 10, [counter.to_be_bytes()[7]; 32]);
        let signature = sign_digest_with_raw_key(&[7; 32], &DOMAIN.checkpoint(counter, rows, head)).unwrap();
        let signer = address_of_raw_key(&[7; 32]).unwrap();
        Checkpoint { counter, rows, head, signer, signature: signature.to_bytes() }
    }

    #[test]
    fn a_checkpoint_survives_its_text_and_is_found_in_any_log() {
        let (one, two) = (checkpoint(1), checkpoint(2));
        assert_eq!(one.to_string().parse(), Ok(one.clone()));
        let log =
            format!("INFO {{\"checkpoint\":\"{one}\",\"x\":1}}\n1) \"{two}\"\npurr-checkpoint/1/2/zz\n");
        assert_eq!(Checkpoint::all_in(&log), [one, two]);
        assert_eq!("purr-checkpoint/1".parse::<Checkpoint>(), Err(BadCheckpoint));
    }

    #[test]
    fn a_checkpoint_is_good_for_its_own_counter_rows_head_and_vault_only() {
        let good = checkpoint(3);
        assert!(good.is_signed(&DOMAIN));
        assert!(!good.is_signed(&Domain { chain_id: 1, ..DOMAIN }));
        assert!(!Checkpoint { counter: 4, ..good }.is_signed(&DOMAIN));
        assert!(!Checkpoint { rows: 31, ..good }.is_signed(&DOMAIN));
        assert!(!Checkpoint { head: [0; 32], ..good }.is_signed(&DOMAIN));
        assert!(!Checkpoint { signer: [1; 20], ..good }.is_signed(&DOMAIN));
    }
}
