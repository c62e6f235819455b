//! Requests of the signer's callers, checked and journaled; `http` decides who may call.

use crate::{
    acceptor::Acceptor,
    chain::{Address, Rpc, Vault, address_text, eip712::Domain, eip712::recover, eip712::uid_word},
    checkpoint::Checkpoints,
    hsm::Signer,
    journal::{Ask, ExitBounds, HourLimit, Journal, JournalError, ReserveRequest, TableRow, VoucherRequest},
    keys::Keys,
    metrics::Metrics,
    options::Config,
    signed::{BadSignature, Trust},
};
use purr_books::policy::{Lane, Limits, Refusal, Terms};
use purr_engine::{PlayerId, config::AMOUNT_MAX};
use purr_protocol::denial::{DenialTrail, Deny, Lift};
use purr_protocol::limits::{LimitsTold, PlayerChange};
use purr_protocol::permit::{PermitFor, PermitVersion};
use purr_protocol::settlement::{
    ChainConfig, EntryBody, HandReceipt, Notice, OpenTable, ReceiptLane, Reservation, Reserve, Submit,
    TableSignatures, TableStatus,
};
use purr_protocol::withdrawal::{OwnedWithdrawal, Voucher, Withdrawal};
use purr_runtime::CancellationToken;
use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, OnceLock, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, SystemTime},
};
use tokio::{sync::Notify, time::timeout};

/// A voucher holds money until its deadline; longer ones are refused.
const VOUCHER_LIFE_MAX_S: u64 = 86_400;
/// Interval of checks for notices that another replica's sender has made.
const NEWS_EVERY: Duration = Duration::from_millis(500);
/// Times that a request is tried again after a deadlock in the database.
const TRIES: usize = 4;

/// Wake-ups between tasks.
#[derive(Default)]
pub struct Signals {
    /// Signals that there may be entries to send.
    pub work: Notify,
    /// Signals that there may be new notices.
    pub noted: Notify,
    /// The deny list has changed.
    pub denied: Notify,
    /// A hand was accepted, and has no receipt yet.
    pub hands: Notify,
    /// Whether this replica holds the sender's lease.
    leads: AtomicBool,
    /// Waiting readers by table; only tables of the journal have one.
    tables: Mutex<BTreeMap<String, Arc<Notify>>>,
}

impl Signals {
    pub(crate) fn set_leads(&self, leads: bool) {
        self.leads.store(leads, Ordering::Release);
    }

    /// Whether this replica sends.
    pub(crate) fn leads(&self) -> bool {
        self.leads.load(Ordering::Acquire)
    }

    fn table(&self, uid: &str) -> Arc<Notify> {
        let mut tables = self.tables.lock().unwrap_or_else(PoisonError::into_inner);
        tables.entry(uid.to_owned()).or_default().clone()
    }

    fn wake(&self, uid: &str) {
        let tables = self.tables.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(notify) = tables.get(uid) {
            notify.notify_waiters();
        }
    }
}

#[derive(Debug, thiserror::Error)]
pub enum ServiceError {
    #[error(transparent)]
    Journal(#[from] JournalError),
    #[error("'{0}' is no table: want a UUID")]
    BadUid(String),
    #[error(transparent)]
    Unsigned(#[from] BadSignature),
    #[error("no vault configured")]
    NoVault,
    #[error("no hand {hand} of table {uid} was accepted: it was void, or has not come yet")]
    NoHand { uid: String, hand: u64 },
    #[error("the receipt of hand {0} is not signed yet: ask again in a few seconds")]
    NotSigned(u64),
    #[error("not ready yet: {0}")]
    NotReady(&'static str),
    #[error("the token did not sign: {0}")]
    Token(#[from] crate::hsm::HsmError),
    #[error(
        "the vault would pay {room} of {amount} to this player now: ask for less, or again later, as its limits refill; \
         an exit has no limit"
    )]
    Outflow { amount: u64, room: u64 },
    #[error("the chain: {0}")]
    Chain(#[from] crate::chain::RpcError),
}

impl From<Refusal> for ServiceError {
    fn from(refusal: Refusal) -> Self {
        JournalError::from(refusal).into()
    }
}

pub struct Service {
    pub journal: Journal,
    pub rpc: Arc<Rpc>,
    pub metrics: Metrics,
    pub signals: Arc<Signals>,
    pub checkpoints: Checkpoints,
    trust: Trust,
    /// `None`: no vault configured.
    pub domain: Option<Domain>,
    /// The block of the vault's deployment.
    pub vault_block: u64,
    acceptor: Arc<Acceptor>,
    keys: OnceLock<Keys>,
    chain: OnceLock<ChainConfig>,
    /// The vault's bounds on exits: they never change, and every question about a table asks for them.
    exit_bounds: OnceLock<ExitBounds>,
    /// The permits that the vault takes, for ever the same.
    permits: OnceLock<PermitVersion>,
    /// The journal has its schema.
    migrated: Arc<Notify>,
    is_migrated: AtomicBool,
    /// Whether the journal was found level with the chain or ahead of it. Until then nothing is signed.
    whole: AtomicBool,
}

impl Service {
    pub fn new(
        config: &Config,
        journal: Journal,
        rpc: Arc<Rpc>,
        metrics: Metrics,
        signals: Arc<Signals>,
    ) -> Self {
        let domain = config.vault.map(|vault| Domain { chain_id: config.options.chain_id, vault });
        let limits = Limits { hand_max: config.options.hand_limit, refuse_unbacked: true };
        let hour = HourLimit(config.options.hour_limit);
        Self {
            acceptor: Arc::new(Acceptor::new(journal.clone(), limits, hour)),
            journal,
            rpc,
            metrics,
            signals,
            checkpoints: Checkpoints::new(config.sessions.clone()),
            trust: config.trust.clone(),
            domain,
            vault_block: config.options.vault_block,
            keys: OnceLock::new(),
            chain: OnceLock::new(),
            exit_bounds: OnceLock::new(),
            permits: OnceLock::new(),
            migrated: Arc::default(),
            is_migrated: AtomicBool::new(false),
            whole: AtomicBool::new(false),
        }
    }

    pub fn keys_opened(&self, keys: Keys) {
        let _ = self.keys.set(keys);
    }

    pub fn migrated(&self) {
        self.is_migrated.store(true, Ordering::Release);
        self.migrated.notify_waiters();
    }

    /// Waits for the journal's schema.
    pub async fn journal_there(&self) {
        loop {
            let there = self.migrated.notified();
            if self.is_migrated.load(Ordering::Acquire) {
                return;
            }
            // With a timeout, so that a notice between the check and the wait is not missed for ever.
            let _ = timeout(Duration::from_millis(200), there).await;
        }
    }

    pub fn chain_checked(&self, config: ChainConfig) {
        let _ = self.chain.set(config);
    }

    pub fn set_whole(&self, whole: bool) {
        self.whole.store(whole, Ordering::Release);
    }

    pub fn is_whole(&self) -> bool {
        self.whole.load(Ordering::Acquire)
    }

    fn domain(&self) -> Result<Domain, ServiceError> {
        self.domain.ok_or(ServiceError::NoVault)
    }

    pub fn vault(&self) -> Result<Vault, ServiceError> {
        Ok(Vault { address: self.domain()?.vault })
    }

    /// The number that the admins' next call has; `None`: the vault's calls have none.
    pub async fn action_number(&self) -> Result<Option<u64>, ServiceError> {
        Ok(self.vault()?.action_number(&self.rpc).await?)
    }

    pub fn config(&self) -> Result<ChainConfig, ServiceError> {
        self.domain()?;
        self.chain.get().cloned().ok_or(ServiceError::NotReady("the vault was not checked yet"))
    }

    pub async fn open_table(&self, uid: &str, open: &OpenTable) -> Result<TableStatus, ServiceError> {
        let domain = self.domain()?;
        let terms = Terms::from(open);
        terms.check()?;
        let word = uid_word(uid).ok_or_else(|| ServiceError::BadUid(uid.into()))?;
        let permits = self.permits().await?;
        let table = self.journal.open_table(uid, domain.table_id(word, terms), open).await?;
        self.signals.work.notify_one();
        Ok(status(&table, self.exit_bounds().await?, permits))
    }

    async fn permits(&self) -> Result<PermitVersion, ServiceError> {
        if let Some(known) = self.permits.get() {
            return Ok(*known);
        }
        let known = self.journal.permits().await?;
        let known = known.ok_or(ServiceError::NotReady("the vault was not checked yet"))?;
        Ok(*self.permits.get_or_init(|| known))
    }

    /// The vault's bounds on exits; zeros until a vault was read.
    async fn exit_bounds(&self) -> Result<ExitBounds, ServiceError> {
        if let Some(known) = self.exit_bounds.get() {
            return Ok(*known);
        }
        let Some(bounds) = self.journal.exit_bounds().await? else { return Ok(ExitBounds::default()) };
        Ok(*self.exit_bounds.get_or_init(|| bounds))
    }

    pub async fn table(&self, uid: &str) -> Result<TableStatus, ServiceError> {
        let (table, exit) = (self.journal.table(uid).await?, self.exit_bounds().await?);
        Ok(status(&table, exit, self.permits().await?))
    }

    pub async fn reserve(&self, uid: &str, reserve: &Reserve) -> Result<Reservation, ServiceError> {
        let domain = self.domain()?;
        let table = self.journal.table(uid).await?;
        let what = PermitFor::new(reserve.seat, reserve.top_up);
        let permits = self.permits().await?;
        let digest = domain.seat_permit(permits, table.table_id, what, reserve.player.0, &reserve.permit);
        if recover(&digest, &reserve.permit.signature) != Some(reserve.player.0) {
            return Err(Refusal::BadPermit.into());
        }
        let request = ReserveRequest { uid: uid.into(), reserve: reserve.clone(), now_s: now_s() };
        let mut tries = 0;
        loop {
            tries += 1;
            match self.journal.reserve(&request).await {
                Err(error) if error.is_deadlock() && tries < TRIES => {}
                other => return Ok(other?),
            }
        }
    }

    /// Accepts entries up to the first that a rule refuses; gives the last number that the journal has.
    pub async fn submit(
        &self,
        uid: &str,
        submit: &Submit,
        signed: Option<&TableSignatures>,
    ) -> Result<u64, ServiceError> {
        self.domain()?;
        let signed = self.trust.read(uid, submit, signed)?;
        let ask = Ask { uid: uid.into(), submit: submit.clone(), signed };
        let head = self.acceptor.accept(ask).await?;
        let accepted = submit.entries.iter().filter(|entry| entry.seq <= head).count();
        self.metrics.entries_accepted.inc_by(accepted as u64);
        self.signals.work.notify_one();
        if submit.entries.iter().any(|entry| matches!(entry.body, EntryBody::Hand { .. })) {
            self.signals.hands.notify_one();
        }
        Ok(head)
    }

    /// Notices after an id; waits for the first one as long as `wait`.
    pub async fn notices(
        &self,
        uid: &str,
        after: u64,
        wait: Duration,
        stop: &CancellationToken,
    ) -> Result<Vec<Notice>, ServiceError> {
        // Only known tables get an entry in the map of readers.
        self.journal.table(uid).await?;
        let signal = self.signals.table(uid);
        let until = tokio::time::Instant::now() + wait;
        loop {
            let changed = signal.notified();
            tokio::pin!(changed);
            // Enabled before the check, so that no notice is missed between the two.
            changed.as_mut().enable();
            let notices = self.journal.notices(uid, after).await?;
            if !notices.is_empty() {
                return Ok(notices);
            }
            tokio::select! {
                () = changed => {}
                () = tokio::time::sleep_until(until) => return Ok(Vec::new()),
                () = stop.cancelled() => return Ok(Vec::new()),
            }
        }
    }

    /// Wakes the readers of tables that have news, whichever replica made them.
    pub async fn watch_news(self: &Arc<Self>, stop: CancellationToken) {
        self.journal_there().await;
        let mut last = None;
        loop {
            match self.journal.news(last.unwrap_or(0)).await {
                Ok((uids, newest)) => {
                    if last.is_some() {
                        uids.iter().for_each(|uid| self.signals.wake(uid));
                    }
                    last = Some(newest);
                }
                Err(error) => tracing::debug!(%error, "news"),
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = self.signals.noted.notified() => {}
                () = tokio::time::sleep(NEWS_EVERY) => {}
            }
        }
    }

    /// Denies a wallet; returns all decisions about the wallet.
    pub async fn deny(&self, deny: &Deny) -> Result<DenialTrail, ServiceError> {
        self.journal.deny(deny, now_s()).await?;
        tracing::warn!(player = %deny.player, by = deny.by, reason = deny.reason, "a wallet is denied");
        self.signals.noted.notify_one();
        self.signals.denied.notify_one();
        Ok(self.journal.denial_trail(deny.player).await?)
    }

    /// Ends a denial; returns all decisions about the wallet.
    pub async fn lift(&self, lift: &Lift) -> Result<DenialTrail, ServiceError> {
        self.journal.lift(lift).await?;
        tracing::warn!(player = %lift.player, by = lift.by, reason = lift.reason, "a denial is lifted");
        self.signals.denied.notify_one();
        Ok(self.journal.denial_trail(lift.player).await?)
    }

    /// A player's own limits, and what counts for them.
    pub async fn own_limits(&self, player: PlayerId) -> Result<LimitsTold, ServiceError> {
        Ok(self.journal.own_limits(player, now_s()).await?)
    }

    /// Changes a player's own limits.
    pub async fn change_limits(&self, ask: &PlayerChange) -> Result<LimitsTold, ServiceError> {
        Ok(self.journal.change_limits(ask.player, &ask.change, now_s()).await?)
    }

    /// The signer of receipts and the vault that they name; `None` until the journal was found complete.
    pub(crate) fn receipt_key(&self) -> Option<(Domain, Arc<dyn Signer>)> {
        let key = self.keys.get()?.settle.clone();
        self.whole.load(Ordering::Acquire).then_some((self.domain?, key))
    }

    /// The signed receipt of a hand.
    pub async fn receipt(&self, uid: &str, hand: u64) -> Result<HandReceipt, ServiceError> {
        let domain = self.domain()?;
        let receipt = self.journal.receipt(uid, hand).await?;
        let receipt = receipt.ok_or_else(|| ServiceError::NoHand { uid: uid.into(), hand })?;
        let (signer, signature) = receipt.signed.ok_or(ServiceError::NotSigned(hand))?;
        let text = |bytes: &[u8]| format!("0x{}", hex::encode(bytes));
        let lane =
            |(seat, lane): (&u8, &Lane)| ReceiptLane { seat: *seat, delta: lane.delta, rake: lane.rake };
        Ok(HandReceipt {
            chain_id: domain.chain_id,
            vault: address_text(domain.vault as Address),
            table: receipt.uid,
            table_id: text(&receipt.table_id),
            seq: receipt.seq,
            hand,
            lanes: receipt.lanes.iter().map(lane).collect(),
            deltas_hash: text(&receipt.deltas_hash),
            record_hash: text(&receipt.record_hash),
            signer: address_text(signer),
            signature: text(&signature),
        })
    }

    /// Signs a voucher for the withdrawal that the player has signed.
    pub async fn withdraw(&self, asked: &OwnedWithdrawal) -> Result<Voucher, ServiceError> {
        let domain = self.domain()?;
        let OwnedWithdrawal { player, withdrawal } = asked;
        let Withdrawal { amount, nonce, deadline_s, signature } = withdrawal;
        let keys = self.keys.get().ok_or(ServiceError::NotReady("the keys are not open"))?;
        if !self.whole.load(Ordering::Acquire) {
            return Err(ServiceError::NotReady("the journal was not compared with the chain yet"));
        }
        if *amount == 0 || *amount > AMOUNT_MAX {
            return Err(Refusal::Amount(*amount).into());
        }
        let now = now_s();
        if *deadline_s <= now || *deadline_s > now + VOUCHER_LIFE_MAX_S {
            return Err(Refusal::Deadline.into());
        }
        let asked = domain.withdraw_request(player.0, *amount, *nonce, *deadline_s);
        if recover(&asked, signature) != Some(player.0) {
            return Err(Refusal::BadPermit.into());
        }
        let vault = Vault { address: domain.vault };
        let room = vault.withdrawable(&self.rpc, self.permits().await?, player.0).await?;
        if *amount > room {
            return Err(ServiceError::Outflow { amount: *amount, room });
        }
        let request =
            VoucherRequest { player: *player, amount: *amount, nonce: *nonce, deadline_s: *deadline_s };
        let mut tries = 0;
        let signed = loop {
            tries += 1;
            match self.journal.voucher(&request).await {
                Err(error) if error.is_deadlock() && tries < TRIES => {}
                other => break other?,
            }
        };
        let signature = match signed {
            Some(signature) => signature,
            None => {
                let digest = domain.voucher(player.0, *amount, *nonce, *deadline_s);
                let signature = keys.voucher.sign(digest).await?.to_bytes();
                self.metrics.vouchers.inc();
                self.journal.voucher_signed(&request, &format!("0x{}", hex::encode(signature))).await?
            }
        };
        Ok(Voucher {
            vault: address_text(domain.vault as Address),
            player: *player,
            amount: *amount,
            nonce: *nonce,
            deadline_s: *deadline_s,
            signature,
        })
    }
}

fn status(table: &TableRow, exit: ExitBounds, permits: PermitVersion) -> TableStatus {
    TableStatus {
        exit_delay_s: exit.delay_s,
        exit_sequences: exit.sequences,
        permit_version: permits.number(),
        table_id: format!("0x{}", hex::encode(table.table_id)),
        state: table.state,
        head_seq: table.head_seq,
        confirmed_seq: table.confirmed_seq,
    }
}

fn now_s() -> u64 {
    now_ms() / 1_000
}

/// Milliseconds since 1970.
pub(crate) fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since.map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}
