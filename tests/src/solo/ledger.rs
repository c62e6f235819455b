//! A stand-in for the signer: play chips, kept in memory, confirmed at once. Nothing here settles.
//!
//! It checks what the real one checks of a player (permit, signature, balance), so that what works here works there.

use async_trait::async_trait;
use axum::{
    Json, Router,
    extract::{Path, State},
    routing::{get, post},
};
use purr_engine::{Chips, PlayerId};
use purr_protocol::{
    Problem,
    permit::{Domain, PermitDomain, PermitError, PermitFor, PermitVersion},
    settlement::{
        Balance, Entry, EntryBody, Fenced, Notice, OpenTable, Permit, Reserve, SeatedBalance, TableState,
        TableStatus,
    },
};
use purr_runtime::problem::Answer;
use purr_table::signer::{PlayMoney, Signer, SignerError};
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{SystemTime, UNIX_EPOCH},
};

/// The chain and the vault that permits name. They exist nowhere.
pub const CHAIN_ID: u64 = 31_337;
pub const VAULT: [u8; 20] = [0x50; 20];
pub const TABLE_ID: [u8; 32] = [0x7a; 32];

/// Players with an account; who comes later has to wait for a restart.
const PLAYERS_MAX: usize = 10_000;
/// Permits of one player whose time has not come.
const PERMITS_MAX: usize = 256;

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum Denied {
    #[error(transparent)]
    Permit(#[from] PermitError),
    #[error("this permit was used before")]
    Used,
    #[error("you have {free} play chips, not {amount}")]
    Funds { free: Chips, amount: Chips },
    #[error("too many players or permits: try again later")]
    Full,
}

#[derive(Clone, Debug, Default)]
struct Account {
    free: Chips,
    seated: Chips,
    /// By nonce: the amount until it is seated, and when the permit ends.
    permits: BTreeMap<u64, (Chips, u64)>,
}

impl Account {
    fn reserved(&self) -> Chips {
        self.permits.values().map(|(amount, _)| amount).sum()
    }

    fn total(&self) -> Chips {
        self.free + self.reserved() + self.seated
    }
}

/// Who has what. A function of what was asked: the time is an argument.
#[derive(Debug)]
pub struct Books {
    accounts: BTreeMap<PlayerId, Account>,
    /// What everybody starts with, and is brought back to when it is gone.
    stake: Chips,
    /// Below this somebody cannot buy in any more.
    least: Chips,
    granted: Chips,
    rake: Chips,
    sequence: u64,
}

impl Books {
    pub fn new(stake: Chips, least: Chips) -> Self {
        Self { accounts: BTreeMap::new(), stake, least, granted: 0, rake: 0, sequence: 0 }
    }

    fn account(&mut self, player: PlayerId, now_s: u64) -> Result<&mut Account, Denied> {
        if !self.accounts.contains_key(&player) && self.accounts.len() >= PLAYERS_MAX {
            return Err(Denied::Full);
        }
        let account = self.accounts.entry(player).or_default();
        let over: Vec<u64> =
            account.permits.iter().filter(|(_, (_, ends))| *ends <= now_s).map(|(nonce, _)| *nonce).collect();
        for nonce in over {
            // What was reserved and never seated is free again.
            account.free += account.permits.remove(&nonce).map_or(0, |(amount, _)| amount);
        }
        if account.total() < self.least {
            let gift = self.stake - account.total();
            account.free += gift;
            self.granted += gift;
        }
        Ok(account)
    }

    pub fn balance(&mut self, player: PlayerId, now_s: u64) -> Result<Balance, Denied> {
        let account = self.account(player, now_s)?;
        let seated = Some(account.seated).filter(|stack| *stack > 0);
        let seated =
            seated.map(|stack| SeatedBalance { table: super::UID.into(), stack }).into_iter().collect();
        Ok(Balance { free: account.free, reserved: account.reserved(), seated })
    }

    pub fn reserve(
        &mut self,
        what: PermitFor,
        player: PlayerId,
        permit: &Permit,
        now_s: u64,
    ) -> Result<(), Denied> {
        PERMITS.check(what, player, permit, now_s)?;
        let account = self.account(player, now_s)?;
        match account.permits.get(&permit.nonce) {
            // Asked again because the answer was lost.
            Some((amount, _)) if *amount == permit.amount => return Ok(()),
            Some(_) => return Err(Denied::Used),
            None if account.permits.len() >= PERMITS_MAX => return Err(Denied::Full),
            None => {}
        }
        let (free, amount) = (account.free, permit.amount);
        account.free = free.checked_sub(amount).ok_or(Denied::Funds { free, amount })?;
        account.permits.insert(permit.nonce, (amount, permit.expiry_s));
        Ok(())
    }

    /// Books an entry of the table's sequence, once.
    fn book(&mut self, entry: &Entry) {
        if entry.seq != self.sequence + 1 {
            return;
        }
        self.sequence = entry.seq;
        match &entry.body {
            EntryBody::Sit { player, permit, .. } | EntryBody::TopUp { player, permit, .. } => {
                let account = self.accounts.entry(*player).or_default();
                if let Some((amount, _)) = account.permits.get_mut(&permit.nonce) {
                    // The nonce stays until its time is over: nobody uses it twice.
                    account.seated += std::mem::take(amount);
                }
            }
            EntryBody::Hand { deltas, rake, .. } => {
                self.rake += rake;
                for delta in deltas {
                    let account = self.accounts.entry(delta.player).or_default();
                    account.seated = account.seated.saturating_add_signed(delta.delta);
                }
            }
            EntryBody::Leave { player, stack, .. } => {
                let account = self.accounts.entry(*player).or_default();
                account.seated = account.seated.saturating_sub(*stack);
                account.free += stack;
            }
        }
        let held: Chips = self.accounts.values().map(Account::total).sum();
        if held + self.rake != self.granted {
            tracing::error!(held, rake = self.rake, granted = self.granted, "play chips do not add up");
        }
    }
}

/// What permits are signed for.
const PERMITS: PermitDomain = PermitDomain {
    domain: Domain { chain_id: CHAIN_ID, vault: VAULT },
    table_id: TABLE_ID,
    version: PermitVersion::NamedSeat,
};

/// The books behind the table's and the gateway's questions.
pub struct Ledger {
    books: Mutex<Books>,
    notices: PlayMoney,
    decimals: u8,
}

fn now_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

impl Ledger {
    pub fn new(books: Books) -> Self {
        Self { books: Mutex::new(books), notices: PlayMoney::default(), decimals: 0 }
    }

    fn books(&self) -> MutexGuard<'_, Books> {
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn status(&self) -> TableStatus {
        let head_seq = self.books().sequence;
        let table_id = format!("0x{}", hex::encode(TABLE_ID));
        TableStatus {
            table_id,
            state: TableState::Open,
            head_seq,
            confirmed_seq: head_seq,
            exit_delay_s: 0,
            permit_version: 2,
        }
    }

    /// What a gateway asks the signer.
    pub fn routes(self: Arc<Self>) -> Router {
        Router::new()
            .route("/v1/config", get(config))
            .route("/v1/tables/{uid}", get(async |State(ledger): State<Arc<Self>>| Json(ledger.status())))
            .route("/v1/balances/{player}", get(balance))
            .route(
                "/v1/withdrawals",
                post(async || -> Answer {
                    Problem::new(409, "play-chips", "Play chips cannot be withdrawn").into()
                }),
            )
            .fallback(async || Answer::from(Problem::new(404, "not-found", "There is no such resource")))
            .with_state(self)
    }
}

async fn config(State(ledger): State<Arc<Ledger>>) -> Json<Value> {
    Json(json!({
        "chainId": CHAIN_ID,
        "vault": format!("0x{}", hex::encode(VAULT)),
        "token": format!("0x{}", "0".repeat(40)),
        "decimals": ledger.decimals,
        "confirmations": 0,
    }))
}

async fn balance(
    State(ledger): State<Arc<Ledger>>,
    Path(player): Path<String>,
) -> Result<Json<Balance>, Answer> {
    let player = player.parse().map_err(|_| Problem::new(400, "player", "Not an address"))?;
    let balance = ledger.books().balance(player, now_s());
    balance
        .map(Json)
        .map_err(|error| Problem::new(503, "full", "No account").detail(error.to_string()).into())
}

#[async_trait]
impl Signer for Ledger {
    async fn open(&self, _: &OpenTable) -> Result<TableStatus, SignerError> {
        Ok(self.status())
    }

    async fn fence(&self, epoch: u64) -> Result<Fenced, SignerError> {
        self.notices.fence(epoch).await
    }

    async fn reserve(&self, request: &Reserve) -> Result<(), SignerError> {
        let reserved = self.books().reserve(
            PermitFor::new(request.seat, request.top_up),
            request.player,
            &request.permit,
            now_s(),
        );
        reserved.map_err(|error| SignerError::Refused(error.to_string()))
    }

    async fn submit(&self, epoch: u64, entries: &[Entry]) -> Result<u64, SignerError> {
        // Before the notices: chips appear at the table when they have left the balance.
        entries.iter().for_each(|entry| self.books().book(entry));
        self.notices.submit(epoch, entries).await
    }

    async fn entries(&self, after: u64) -> Result<Vec<Entry>, SignerError> {
        self.notices.entries(after).await
    }

    async fn notices(&self, after: u64) -> Result<Vec<Notice>, SignerError> {
        self.notices.notices(after).await
    }
}

#[cfg(all(test, feature = "cluster"))]
#[allow(clippy::unwrap_used, reason = "tests may fail loudly")]
mod tests {
    use super::*;
    use purr_client::{
        Wallet,
        wallet::{PermitTerms, Vault},
    };
    use purr_engine::SeatIndex;
    use purr_protocol::settlement::SeatDelta;

    const SIT: PermitFor = PermitFor::Sit(SeatIndex(0));

    fn permit(wallet: &Wallet, amount: Chips, nonce: u64) -> Permit {
        let terms = PermitTerms { amount, max_total_rake: amount / 10, expiry_s: 100, nonce };
        wallet
            .permit(
                &Vault { chain_id: CHAIN_ID, address: VAULT, permits: PermitVersion::NamedSeat },
                &TABLE_ID,
                SIT,
                &terms,
            )
            .unwrap()
    }

    fn entry(seq: u64, body: EntryBody) -> Entry {
        Entry { seq, body }
    }

    #[test]
    fn a_permit_of_the_reference_client_reserves_once_and_for_its_signer_only() {
        let (wallet, other) = (Wallet::random().unwrap(), Wallet::random().unwrap());
        let mut books = Books::new(1_000, 200);
        let signed = permit(&wallet, 300, 1);
        let refused = books.reserve(SIT, other.address(), &signed, 1).unwrap_err();
        assert!(matches!(refused, Denied::Permit(PermitError::Signer { .. })), "{refused}");
        let changed = Permit { amount: 301, ..signed.clone() };
        let refused = books.reserve(SIT, wallet.address(), &changed, 1).unwrap_err();
        assert!(matches!(refused, Denied::Permit(PermitError::Signer { .. })), "{refused}");
        for _ in 0..2 {
            assert_eq!(books.reserve(SIT, wallet.address(), &signed, 1), Ok(()));
        }
        let balance = books.balance(wallet.address(), 1).unwrap();
        assert_eq!((balance.free, balance.reserved), (700, 300));
        let expired = PermitError::Expired { expiry_s: 100, now_s: 100 };
        assert_eq!(books.reserve(SIT, wallet.address(), &signed, 100), Err(Denied::Permit(expired)));
        // Never seated, so it came back.
        assert_eq!(books.balance(wallet.address(), 100).unwrap().free, 1_000);
    }

    #[test]
    fn chips_go_to_the_table_and_come_back_and_run_out_into_new_ones() {
        let wallets = [Wallet::random().unwrap(), Wallet::random().unwrap()];
        let [a, b] = [wallets[0].address(), wallets[1].address()];
        let mut books = Books::new(1_000, 200);
        let mut seq = 0;
        for (wallet, seat) in wallets.iter().zip([0, 1]) {
            let permit = permit(wallet, 1_000, 7);
            books.reserve(SIT, wallet.address(), &permit, 1).unwrap();
            seq += 1;
            let body = EntryBody::Sit { seat: SeatIndex(seat), player: wallet.address(), permit };
            books.book(&entry(seq, body.clone()));
            books.book(&entry(seq, body));
        }
        let delta = |seat, player, delta| SeatDelta { seat: SeatIndex(seat), player, delta };
        let deltas = vec![delta(0, a, 950), delta(1, b, -1_000)];
        let hand =
            EntryBody::Hand { hand: 1, deltas, rake: 50, record_hash: String::new(), next: String::new() };
        books.book(&entry(3, hand));
        books.book(&entry(4, EntryBody::Leave { seat: SeatIndex(0), player: a, stack: 1_950 }));
        let rich = books.balance(a, 2).unwrap();
        assert_eq!((rich.free, rich.seated.len()), (1_950, 0));
        // All is lost: play chips are free.
        assert_eq!(books.balance(b, 2).unwrap().free, 1_000);
        assert_eq!((books.granted, books.rake), (3_000, 50));
    }
}
