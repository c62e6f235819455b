//! The ledger beside the chain, both at one block.
//!
//! Some nodes answer for their latest block only, whichever block they are asked about. So the chain's figures are those
//! of the head. Where they are the books' as well, both agree. Where they are not, the books are compared with them once
//! they have taken in that block, and what an event has changed after it is left for the next time. The sums come first, then what differs, what has changed, and everybody in turn.

mod figures;

use crate::{
    chain::{Asked, Block, Figures, Rpc, SAMPLE_REQUESTS, Vault},
    journal::Snapshot,
    service::{Service, ServiceError},
};
use figures::Found;
use purr_books::{differing::plan, ledger::Subject};
use purr_protocol::settlement::Reconciliation;
use purr_runtime::CancellationToken;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::sync::Mutex;

/// One comparison at a time.
static ONE: Mutex<()> = Mutex::const_new(());

/// Requests of one comparison where nothing bounds requests.
const REQUESTS_MAX: usize = 400;
/// Requests of one comparison beside its figures: the head twice, the sums, and once more the head's block by its number.
const FIXED: usize = SAMPLE_REQUESTS + Asked::Sums.requests() + 1;
/// Subjects in one request to a node: few enough that no block comes in between.
const BATCH_MAX: usize = 16;
/// Attempts to compare subjects that changed during the comparison, where requests are not limited.
const TRIES: usize = 4;
/// How long to wait for the books to apply the head: longer than blocks need to become final and to be read.
const TAKEN_IN_WITHIN: Duration = Duration::from_secs(30);
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// The chain's figures at one block.
struct Taken {
    block: Block,
    figures: Vec<(Subject, Figures)>,
}

fn cost(subject: &Subject) -> usize {
    match subject {
        Subject::House => 0,
        Subject::Player(_) => Asked::Player(purr_engine::PlayerId([0; 20])).requests(),
        Subject::Table(_) => Asked::Table([0; 32]).requests(),
    }
}

/// Compares as many subjects as the request budget allows; all of them without a budget.
///
/// # Errors
/// Where the chain or the journal does not answer.
pub async fn compare(service: &Service) -> Result<Reconciliation, ServiceError> {
    let rpc = service.rpc.comparing();
    match rpc.share(60) {
        Some(most) => compare_due(service, &rpc, most).await,
        None => {
            let all = service.journal.comparable().await?;
            compare_these(service, &rpc, all, TRIES).await
        }
    }
}

async fn compare_due(service: &Service, rpc: &Rpc, most: usize) -> Result<Reconciliation, ServiceError> {
    let room = most.saturating_sub(FIXED);
    let candidates = service.journal.candidates(room).await?;
    let chosen = plan(&candidates, room, cost);
    compare_these(service, rpc, chosen, 1).await
}

async fn compare_these(
    service: &Service,
    rpc: &Rpc,
    subjects: Vec<Subject>,
    tries: usize,
) -> Result<Reconciliation, ServiceError> {
    let vault = service.vault()?;
    let _one = ONE.lock().await;
    if service.journal.position().await?.is_none() {
        return Err(ServiceError::NotReady("nothing of the chain was taken in yet"));
    }
    let mut left: Vec<Subject> = [Subject::House].into_iter().chain(subjects).collect();
    let mut found = Found::default();
    let mut at = BTreeMap::new();
    let mut position = None;
    for _ in 0..tries {
        let mut taken = take(service, rpc, vault, &left).await?;
        let asked: BTreeSet<Subject> = left.iter().cloned().collect();
        let Some(books) = service.journal.snapshot_of(&asked).await? else { continue };
        position = Some(books.position);
        // An unchanged subject has the same figures at the head and at the books' block, so no block has to be waited
        // for.
        for taken in &mut taken {
            taken.figures.retain(|(subject, figures)| {
                let agrees = found.agrees(&books, subject, figures);
                if agrees {
                    at.insert(subject.clone(), books.position.block);
                }
                !agrees
            });
        }
        left.retain(|subject| !at.contains_key(subject));
        if left.is_empty() {
            break;
        }
        let with_open = taken.iter().filter(|taken| !taken.figures.is_empty());
        let Some(highest) = with_open.map(|taken| taken.block.number).max() else { continue };
        taken_in(service, highest).await?;
        let Some(books) = service.journal.snapshot_of(&asked).await? else { continue };
        for taken in taken.iter().filter(|taken| !taken.figures.is_empty()) {
            if !is_still_there(rpc, &taken.block, &books).await? {
                continue;
            }
            for (subject, figures) in &taken.figures {
                if has_changed(&books, subject, taken.block.number) {
                    continue;
                }
                found.compare(&books, subject, figures);
                at.insert(subject.clone(), taken.block.number);
            }
        }
        position = Some(books.position);
        left.retain(|subject| !at.contains_key(subject));
        if left.is_empty() {
            break;
        }
    }
    let Some(position) = position else {
        return Err(ServiceError::NotReady("blocks come too fast for a comparison"));
    };
    // A subject that differs gets no reservation, voucher or settlement until a later comparison finds both equal.
    let differing = service.journal.compared(&found.compared, position.block).await?;
    service.journal.was_compared(&at).await?;
    let agree = differing.is_empty();
    service.metrics.reconciled.set(agree.into());
    service.metrics.differing.set(i64::try_from(differing.len()).unwrap_or(i64::MAX));
    if agree {
        service.journal.agreed(position).await?;
    } else {
        service.metrics.reconcile_failures.inc();
        for (subject, found) in &differing {
            let (block, why) = (position.block, &found.why);
            tracing::error!(block, %subject, since = found.block, why, "ALARM: ledger and chain differ");
        }
        // Most likely a node has left a log out.
        if let Some(from) = service.journal.look_again(position, service.vault_block).await? {
            tracing::warn!(from, to = position.block, "the log is read again");
            service.signals.work.notify_one();
        }
    }
    let players = found.players();
    Ok(Reconciliation { agree, block: position.block, players, tables: found.tables })
}

/// The chain's figures, in batches.
async fn take(
    service: &Service,
    rpc: &Rpc,
    vault: Vault,
    subjects: &[Subject],
) -> Result<Vec<Taken>, ServiceError> {
    let uids: Vec<String> = subjects
        .iter()
        .filter_map(|subject| match subject {
            Subject::Table(uid) => Some(uid.clone()),
            _ => None,
        })
        .collect();
    let ids = service.journal.table_ids(&uids).await?;
    let asked = subjects.iter().filter_map(|subject| {
        let asked = match subject {
            Subject::House => Asked::Sums,
            Subject::Player(player) => Asked::Player(*player),
            Subject::Table(uid) => Asked::Table(*ids.get(uid)?),
        };
        Some((subject.clone(), asked))
    });
    let asked: Vec<(Subject, Asked)> = asked.collect();
    let mut all = Vec::new();
    for batch in asked.chunks(BATCH_MAX) {
        let calls: Vec<Asked> = batch.iter().map(|(_, asked)| *asked).collect();
        let Some(sample) = vault.sample(rpc, &calls).await? else { continue };
        let subjects = batch.iter().map(|(subject, _)| subject.clone());
        all.push(Taken { block: sample.block, figures: subjects.zip(sample.figures).collect() });
    }
    Ok(all)
}

/// Waits until the books have applied a block.
async fn taken_in(service: &Service, block: u64) -> Result<(), ServiceError> {
    let begun = Instant::now();
    while service.journal.position().await?.is_none_or(|position| position.block < block) {
        if begun.elapsed() > TAKEN_IN_WITHIN {
            return Err(ServiceError::NotReady("the block that was compared is not final yet"));
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
    Ok(())
}

/// Whether the block of the figures still belongs to the chain that the books follow.
async fn is_still_there(rpc: &Rpc, block: &Block, books: &Snapshot) -> Result<bool, ServiceError> {
    if books.position.block == block.number {
        return Ok(books.position.block_hash == block.hash);
    }
    Ok(rpc.block(Some(block.number)).await?.is_some_and(|there| there.hash == block.hash))
}

/// Whether the books have applied an event about this subject after the block of the figures.
fn has_changed(books: &Snapshot, subject: &Subject, block: u64) -> bool {
    books.changed.get(subject).is_some_and(|changed| *changed > block)
}

/// Compares again and again, on the replica that sends; 0 seconds: never by itself.
pub async fn every(service: Arc<Service>, every_s: u64, stop: CancellationToken) {
    if every_s == 0 {
        return;
    }
    let rpc = service.rpc.comparing();
    let most = rpc.share(every_s).unwrap_or(REQUESTS_MAX);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(Duration::from_secs(every_s)) => {}
        }
        let done = match service.signals.leads() {
            true => compare_due(&service, &rpc, most).await.map(|_| ()),
            false => follow(&service).await,
        };
        if let Err(error) = done {
            tracing::warn!(%error, "ledger and chain could not be compared");
        }
    }
}

/// Shows the differences that the replica that sends has found.
async fn follow(service: &Service) -> Result<(), ServiceError> {
    let differing = service.journal.differing().await?;
    service.metrics.reconciled.set(differing.is_empty().into());
    service.metrics.differing.set(i64::try_from(differing.len()).unwrap_or(i64::MAX));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::LogPosition;

    /// A node answers for its latest block, of which the books have taken in more since.
    #[test]
    fn figures_of_before_an_event_that_the_books_have_are_no_difference() {
        let (quiet, busy) = (Subject::Table("quiet".into()), Subject::Table("busy".into()));
        let changed = [(quiet.clone(), 7), (busy.clone(), 9)].into();
        let books = Snapshot::empty(LogPosition { block: 9, block_hash: [9; 32] }, changed);
        assert!(has_changed(&books, &busy, 8));
        assert!(!has_changed(&books, &busy, 9) && !has_changed(&books, &quiet, 8));
        assert!(!has_changed(&books, &Subject::House, 0), "never changed");
    }
}
