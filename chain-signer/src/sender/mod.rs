//! The sender: while it holds the lease, it brings accepted entries onto the chain and applies the chain's events.
//!
//! Each step is decided from the journal and the chain, so a restart loses nothing.

mod balance;
mod batches;
mod check;
mod derived;
mod fees;
mod former;
mod gas;
mod nonces;
mod reread;
mod transactions;
mod watch;

use crate::{
    RETRY,
    calldata::Allowed,
    chain::{Address, Block, Rpc, RpcError, Vault, eip712::Domain},
    hsm::{HsmError, Signer},
    journal::{Journal, JournalError, Lease},
    metrics::Metrics,
    options::Config,
    service::Service,
};
use purr_books::{policy::Refusal, whole::Behind};
use purr_runtime::{BackOff, CancellationToken, Readiness};
use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::time::sleep;

/// Interval at which a replica without the lease tries to get it.
const ACQUIRE_EVERY: Duration = Duration::from_secs(1);
const RENEW_EVERY: Duration = Duration::from_secs(2);
/// How often a replica without the lease reads the vault's roles.
const CHECK_VAULT_EVERY: Duration = Duration::from_secs(60);
/// HyperEVM's pool accepts only the next eight nonces of an address.
const IN_FLIGHT_MAX: usize = 8;

#[derive(Debug, thiserror::Error)]
pub enum SenderError {
    #[error(transparent)]
    Journal(#[from] JournalError),
    #[error(transparent)]
    Chain(#[from] RpcError),
    #[error("the token did not sign: {0}")]
    Token(#[from] HsmError),
    #[error(transparent)]
    Refused(#[from] Refusal),
    #[error("{0}")]
    Wrong(String),
    #[error(transparent)]
    Behind(#[from] Behind),
    #[error("the chain has no block {0}, which it had before")]
    NoBlock(u64),
    #[error("block {0} was final and is another one now: the chain was replaced")]
    Replaced(u64),
}

pub struct Sender {
    service: Arc<Service>,
    journal: Journal,
    rpc: Arc<Rpc>,
    metrics: Metrics,
    signer: Arc<dyn Signer>,
    readiness: Readiness,
    domain: Domain,
    vault: Vault,
    token: Option<Address>,
    allowed: Allowed,
    confirmations: u64,
    vault_block: u64,
    gas_max: u64,
    priority_fee: u64,
    fee_bounds: fees::Bounds,
    stuck_after: Duration,
    poll: Duration,
    replica: String,
    accept_used_key: bool,
    /// Most hands in one item; a constant of the contract.
    range_max: usize,
    vault_checked: Option<Instant>,
    /// The head that was worked on last.
    seen: Option<Block>,
    /// The head that was read last, and when.
    head: Option<(Block, Instant)>,
    /// For each former key, the head at which the vault was first seen to have revoked it.
    revoked: BTreeMap<Address, u64>,
    /// When transactions without an event were last checked.
    silent: Option<Instant>,
    base_fees: fees::Recent,
    /// When the balance of the settling key's account was last read.
    gas_looked: Option<Instant>,
    /// At least one player is frozen.
    frozen: bool,
    looked: Option<Instant>,
    /// Tables whose entries the policy did not pass, and when.
    refused: BTreeMap<String, Instant>,
    /// When a transaction's bytes were last given to a node.
    sent_at: BTreeMap<i64, Instant>,
    /// Heads at which a transaction's nonce was first seen to be used although no node has its receipt.
    without_receipt: BTreeMap<i64, u64>,
    /// Age of the oldest entry of the transaction just made, and when that was.
    oldest_ms: Option<(u64, Instant)>,
}

impl Sender {
    pub fn new(
        config: &Config,
        vault: Address,
        service: Arc<Service>,
        signer: Arc<dyn Signer>,
        readiness: Readiness,
    ) -> Self {
        let chain_id = config.options.chain_id;
        Self {
            journal: service.journal.clone(),
            rpc: service.rpc.clone(),
            metrics: service.metrics.clone(),
            service,
            signer,
            readiness,
            domain: Domain { chain_id, vault },
            vault: Vault { address: vault },
            token: config.token,
            allowed: Allowed { chain_id, vault },
            confirmations: config.options.confirmations,
            vault_block: config.options.vault_block,
            gas_max: config.options.gas_max,
            priority_fee: config.options.priority_fee_wei,
            fee_bounds: fees::Bounds {
                transaction: wei(config.options.transaction_fee_max_gwei),
                hour: wei(config.options.hour_fee_max_gwei),
            },
            stuck_after: Duration::from_secs(config.options.stuck_after_s),
            poll: config.poll,
            replica: config.options.replica.clone(),
            accept_used_key: config.options.accept_used_key,
            range_max: 1,
            vault_checked: None,
            seen: None,
            head: None,
            revoked: BTreeMap::new(),
            silent: None,
            base_fees: fees::Recent::default(),
            gas_looked: None,
            frozen: false,
            looked: None,
            refused: BTreeMap::new(),
            sent_at: BTreeMap::new(),
            without_receipt: BTreeMap::new(),
            oldest_ms: None,
        }
    }

    /// Works until stopped; retries failures with a growing back-off.
    pub async fn run(mut self, stop: CancellationToken) {
        tokio::select! {
            () = self.service.journal_there() => {}
            () = stop.cancelled() => return,
        }
        let mut back_off = BackOff::new(RETRY);
        while !stop.is_cancelled() {
            let wait = match Box::pin(self.lead(&stop, &mut back_off)).await {
                Ok(()) => ACQUIRE_EVERY,
                Err(error) => {
                    self.failed(&error);
                    back_off.next_wait()
                }
            };
            self.set_leads(false);
            tokio::select! {
                () = stop.cancelled() => {}
                () = sleep(wait) => {}
            }
        }
    }

    fn failed(&self, error: &SenderError) {
        let part = match error {
            SenderError::Chain(_) | SenderError::NoBlock(_) | SenderError::Replaced(_) => "chain",
            SenderError::Token(_) => "token",
            SenderError::Journal(_)
            | SenderError::Refused(_)
            | SenderError::Wrong(_)
            | SenderError::Behind(_) => "sender",
        };
        self.metrics.up.with_label_values(&[part]).set(0);
        tracing::warn!(%error, part, "the sender waits");
    }

    fn set_leads(&self, leads: bool) {
        self.service.signals.set_leads(leads);
        self.metrics.leading.set(leads.into());
    }

    /// Takes the lease if it is free, checks vault and journal, and works until an error.
    async fn lead(&mut self, stop: &CancellationToken, back_off: &mut BackOff) -> Result<(), SenderError> {
        let checked = self.vault_checked.is_some_and(|at| at.elapsed() < CHECK_VAULT_EVERY);
        if !checked && let Err(error) = self.check_vault().await {
            // Once checked, the replica stays ready: tables can submit entries while the chain is unreachable.
            if self.service.config().is_err() {
                self.readiness.not_ready("vault", error.to_string());
            }
            return Err(error);
        }
        if !checked {
            self.vault_checked = Some(Instant::now());
            self.readiness.ready("vault");
        }
        let Some(lease) = self.journal.acquire(&self.replica).await? else {
            // A replica without the lease signs vouchers: it is ready once it has found the journal complete.
            return if checked { Ok(()) } else { self.check_whole().await };
        };
        self.check_whole_as_sender(&lease).await?;
        tracing::info!(fence = lease.fence, "this replica sends");
        self.set_leads(true);
        (self.seen, self.looked, self.head, self.silent) = (None, None, None, None);
        self.frozen = self.journal.frozen().await? > 0;
        self.sent_at.clear();
        self.without_receipt.clear();
        self.gas_looked = None;
        let mut renewed = Instant::now();
        while !stop.is_cancelled() {
            if renewed.elapsed() >= RENEW_EVERY {
                self.journal.renew(&lease).await?;
                renewed = Instant::now();
            }
            let due = match Box::pin(self.tick(&lease)).await {
                Ok(due) => {
                    for part in ["chain", "token", "sender"] {
                        self.metrics.up.with_label_values(&[part]).set(1);
                    }
                    back_off.reset();
                    due.unwrap_or(self.poll).min(self.poll)
                }
                Err(error @ (SenderError::Journal(_) | SenderError::Behind(_))) => return Err(error),
                Err(error) => {
                    self.failed(&error);
                    // Some work for this head failed: the same head is handled again.
                    (self.seen, self.head) = (None, None);
                    back_off.next_wait().min(RENEW_EVERY)
                }
            };
            tokio::select! {
                () = stop.cancelled() => {}
                () = self.service.signals.work.notified() => {}
                () = sleep(due) => {}
            }
        }
        self.journal.release(&lease).await?;
        Ok(())
    }

    /// The head, read once per poll interval, however many entries arrive.
    async fn head(&mut self) -> Result<Block, SenderError> {
        if let Some((head, at)) = self.head
            && at.elapsed() < self.poll
        {
            return Ok(head);
        }
        let head = self.rpc.block(None).await?.ok_or(SenderError::NoBlock(0))?;
        self.head = Some((head, Instant::now()));
        Ok(head)
    }

    /// Does one round of work; returns when the next table is due, if that is known.
    async fn tick(&mut self, lease: &Lease) -> Result<Option<Duration>, SenderError> {
        if !self.service.is_whole() {
            Box::pin(self.check_whole()).await?;
        }
        let head = self.head().await?;
        self.metrics.block_head.set(i64::try_from(head.number).unwrap_or(i64::MAX));
        let moved = self.seen != Some(head);
        if moved {
            self.base_fees.saw(head.number, head.base_fee);
        }
        Box::pin(self.drive_all(lease, head, moved)).await?;
        if moved {
            self.take_in(lease, head).await?;
            self.reread(lease).await?;
            self.look_at_gas().await;
        }
        let opened = moved && self.open_tables(lease, head).await?;
        let (settled, due) = self.settle(lease, head).await?;
        if opened || settled {
            Box::pin(self.drive_all(lease, head, false)).await?;
        }
        self.seen = Some(head);
        self.service.signals.noted.notify_one();
        Ok(due)
    }
}

/// 0: no bound.
fn wei(gwei: u64) -> Option<u128> {
    (gwei > 0).then(|| u128::from(gwei) * 1_000_000_000)
}
