//! A stand-in for the signer: play chips in memory, confirmed at once. Nothing is settled.
//!
//! It makes the real signer's checks of players and tables (permit, signature, money rules), so that a client which
//! works here works with the real one.

use async_trait::async_trait;
use axum::{
    Json, Router,
    extract::{Path, State},
    routing::{get, post},
};
use purr_books::memory::MemoryJournal;
use purr_engine::{Chips, PlayerId};
use purr_protocol::{
    Problem,
    permit::{Domain, PermitDomain, PermitError, PermitFor, PermitVersion},
    settlement::{
        Balance, ChainConfig, Entry, Fenced, Notice, OpenTable, Permit, Reserve, TableState, TableStatus,
    },
};
use purr_runtime::problem::Answer;
use purr_table::{
    play_money::{PlayMoney, UID},
    signer::{Signer, SignerError},
};
use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, PoisonError},
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
    #[error("too many players or permits: try again later")]
    Full,
}

/// The domain that permits are signed for.
const PERMITS: PermitDomain = PermitDomain {
    domain: Domain { chain_id: CHAIN_ID, vault: VAULT },
    table_id: TABLE_ID,
    version: PermitVersion::NamedSeat,
};

/// The books behind the table's and the gateway's questions.
pub struct Ledger {
    money: PlayMoney,
    players: Mutex<BTreeSet<PlayerId>>,
    /// Initial chips of each player, which a player without chips gets again.
    stake: Chips,
    /// Below this somebody cannot buy in any more.
    least: Chips,
    now_s: fn() -> u64,
    decimals: u8,
}

fn now_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

impl Ledger {
    pub fn new(stake: Chips, least: Chips) -> Self {
        Self::at(stake, least, now_s)
    }

    fn at(stake: Chips, least: Chips, now_s: fn() -> u64) -> Self {
        // Chips are given by `account` alone.
        let money = PlayMoney::new(TABLE_ID, now_s, |_, _, _| 0);
        Self { money, players: Mutex::default(), stake, least, now_s, decimals: 0 }
    }

    /// The player's account; it is filled up where it is empty.
    fn account(&self, player: PlayerId) -> Result<Balance, Denied> {
        let mut players = self.players.lock().unwrap_or_else(PoisonError::into_inner);
        if !players.contains(&player) && players.len() >= PLAYERS_MAX {
            return Err(Denied::Full);
        }
        players.insert(player);
        let mut journal = self.money.provide(player, 0);
        let before = balance_of(&journal, player);
        let total = before.free + before.reserved + seated(&before);
        if total < self.least {
            journal.deposit(player, self.stake - total);
        }
        Ok(balance_of(&journal, player))
    }

    fn permitted(&self, what: PermitFor, player: PlayerId, permit: &Permit) -> Result<(), Denied> {
        PERMITS.check(what, player, permit, (self.now_s)())?;
        self.account(player)?;
        let journal = self.money.journal();
        let live = journal.books().promises_of(player).filter(|(_, promise)| promise.state.is_live());
        if live.count() >= PERMITS_MAX { Err(Denied::Full) } else { Ok(()) }
    }

    fn status(&self) -> TableStatus {
        self.money.journal().status(UID).unwrap_or_else(|_| TableStatus {
            table_id: format!("0x{}", hex::encode(TABLE_ID)),
            state: TableState::Opening,
            head_seq: 0,
            confirmed_seq: 0,
            exit_delay_s: 0,
            exit_sequences: 0,
            permit_version: 2,
        })
    }

    /// Routes of the signer that gateways use.
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

fn seated(balance: &Balance) -> Chips {
    balance.seated.iter().map(|seat| seat.stack).sum()
}

/// A player's balance, with the UID of the table that gateways know.
fn balance_of(journal: &MemoryJournal, player: PlayerId) -> Balance {
    let mut balance = journal.balance(player);
    balance.seated.retain(|seat| seat.stack > 0);
    balance.seated.iter_mut().for_each(|seat| seat.table = super::UID.into());
    balance
}

async fn config(State(ledger): State<Arc<Ledger>>) -> Json<ChainConfig> {
    Json(ChainConfig {
        chain_id: CHAIN_ID,
        vault: format!("0x{}", hex::encode(VAULT)),
        token: format!("0x{}", "0".repeat(40)),
        decimals: ledger.decimals,
        confirmations: 0,
        operator: String::new(),
        permit_version: PERMITS.version.number(),
    })
}

async fn balance(
    State(ledger): State<Arc<Ledger>>,
    Path(player): Path<String>,
) -> Result<Json<Balance>, Answer> {
    let player = player.parse().map_err(|_| Problem::new(400, "player", "Not an address"))?;
    ledger
        .account(player)
        .map(Json)
        .map_err(|error| Problem::new(503, "full", "No account").detail(error.to_string()).into())
}

#[async_trait]
impl Signer for Ledger {
    async fn open(&self, table: &OpenTable) -> Result<TableStatus, SignerError> {
        self.money.open(table).await
    }

    async fn fence(&self, epoch: u64) -> Result<Fenced, SignerError> {
        self.money.fence(epoch).await
    }

    async fn reserve(&self, request: &Reserve) -> Result<(), SignerError> {
        let what = PermitFor::new(request.seat, request.top_up);
        let permitted = self.permitted(what, request.player, &request.permit);
        permitted.map_err(|error| SignerError::Refused(error.to_string()))?;
        self.money.reserve(request).await
    }

    async fn submit(&self, epoch: u64, entries: &[Entry]) -> Result<u64, SignerError> {
        self.money.submit(epoch, entries).await
    }

    async fn entries(&self, after: u64) -> Result<Vec<Entry>, SignerError> {
        self.money.entries(after).await
    }

    async fn notices(&self, after: u64) -> Result<Vec<Notice>, SignerError> {
        self.money.notices(after).await
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
    use purr_protocol::settlement::{EntryBody, SeatDelta};

    const SIT: PermitFor = PermitFor::Sit(SeatIndex(0));

    fn permit(wallet: &Wallet, seat: u8, amount: Chips, nonce: u64) -> Permit {
        let terms = PermitTerms { amount, max_total_rake: amount, expiry_s: 100, nonce };
        let vault = Vault { chain_id: CHAIN_ID, address: VAULT, permits: PermitVersion::NamedSeat };
        wallet.permit(&vault, &TABLE_ID, PermitFor::Sit(SeatIndex(seat)), &terms).unwrap()
    }

    async fn ledger(now_s: fn() -> u64) -> Ledger {
        let ledger = Ledger::at(1_000, 200, now_s);
        let open = OpenTable {
            epoch: 1,
            seats: 2,
            big_blind: 2,
            rake_basis_points: 500,
            rake_cap: 0,
            max_hands: 1,
            max_delay_ms: 0,
        };
        assert_eq!(ledger.open(&open).await.unwrap().state, TableState::Open);
        ledger
    }

    fn ask(seat: u8, player: PlayerId, permit: &Permit) -> Reserve {
        Reserve { epoch: 1, seat: SeatIndex(seat), player, permit: permit.clone(), top_up: false }
    }

    #[tokio::test]
    async fn a_permit_of_the_reference_client_reserves_once_and_for_its_signer_only() {
        let (wallet, other) = (Wallet::random().unwrap(), Wallet::random().unwrap());
        let ledger = ledger(|| 1).await;
        let signed = permit(&wallet, 0, 300, 1);
        let refused = ledger.permitted(SIT, other.address(), &signed).unwrap_err();
        assert!(matches!(refused, Denied::Permit(PermitError::Signer { .. })), "{refused}");
        let changed = Permit { amount: 301, ..signed.clone() };
        let refused = ledger.permitted(SIT, wallet.address(), &changed).unwrap_err();
        assert!(matches!(refused, Denied::Permit(PermitError::Signer { .. })), "{refused}");
        assert!(ledger.reserve(&ask(0, wallet.address(), &changed)).await.is_err());
        for _ in 0..2 {
            ledger.reserve(&ask(0, wallet.address(), &signed)).await.unwrap();
        }
        let balance = ledger.account(wallet.address()).unwrap();
        assert_eq!((balance.free, balance.reserved), (700, 300));
        // The reservation was never used, so it expires and is free again.
        ledger.money.journal().expire(101).unwrap();
        assert_eq!(ledger.account(wallet.address()).unwrap().free, 1_000);
    }

    #[tokio::test]
    async fn chips_go_to_the_table_and_come_back_and_run_out_into_new_ones() {
        let wallets = [Wallet::random().unwrap(), Wallet::random().unwrap()];
        let [a, b] = [wallets[0].address(), wallets[1].address()];
        let ledger = ledger(|| 1).await;
        let submit = async |seq, body| ledger.submit(1, &[Entry { seq, body }]).await;
        for (wallet, seat) in wallets.iter().zip([0, 1]) {
            let permit = permit(wallet, seat, 1_000, 7);
            let player = wallet.address();
            ledger.reserve(&ask(seat, player, &permit)).await.unwrap();
            let body = EntryBody::Sit { seat: SeatIndex(seat), player, permit };
            for _ in 0..2 {
                assert_eq!(submit(u64::from(seat) + 1, body.clone()).await.unwrap(), u64::from(seat) + 1);
            }
        }
        let delta = |seat, player, delta| SeatDelta { seat: SeatIndex(seat), player, delta };
        let deltas = vec![delta(0, a, 950), delta(1, b, -1_000)];
        let (record_hash, next) = ("ab".repeat(32), String::new());
        submit(3, EntryBody::Hand { hand: 1, deltas, rake: 50, record_hash, next }).await.unwrap();
        // A player leaves with exactly the stack after the hands.
        let leave = |stack| EntryBody::Leave { seat: SeatIndex(0), player: a, stack };
        assert!(submit(4, leave(1_951)).await.is_err());
        submit(4, leave(1_950)).await.unwrap();
        let rich = ledger.account(a).unwrap();
        assert_eq!((rich.free, rich.seated.len()), (1_950, 0));
        // All is lost: play chips are free.
        assert_eq!(ledger.account(b).unwrap().free, 1_000);
    }
}
