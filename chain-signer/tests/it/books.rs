//! The chain's final logs: whatever they are, the books take them and the sequence goes on. Logs are
//! made here, the database is real.

#![allow(clippy::unwrap_used, clippy::panic, clippy::cast_possible_truncation)]

use crate::common;

use common::{
    House, eventually,
    table::{UID, now_s, player, terms},
};
use purr_books::{
    differing::Compared,
    events::{VaultEvent as E, VaultLog},
    ledger::Subject,
    policy::{Limits, Refusal},
    request::RequestError,
    take::Tally,
};
use purr_chain_signer::{
    calldata::{Allowed, Known, check_settle},
    chain::{batch::items, vault::encode_settle},
    journal::{
        BadDenial, BadHold, Fees, HourLimit, Journal, JournalError, Lease, LogPosition, NewTransaction,
        PendingTable, Purpose, ReserveRequest, VoucherRequest,
    },
};
use purr_engine::SeatIndex;
use purr_protocol::denial::{Act, Deny, Lift};
use purr_protocol::hold::VoucherHold;
use purr_protocol::settlement::{
    Entry, EntryBody, NoticeState, OpenTable, Permit, Reserve, SeatDelta, Submit,
};
use sha3::{Digest, Keccak256};
use sqlx::{Row, postgres::PgConnectOptions};
use std::collections::BTreeMap;

const ID: [u8; 32] = [7; 32];
const DAY_S: u64 = 86_400;

struct Books {
    _house: House,
    journal: Journal,
    lease: Lease,
    block: u64,
}

impl Books {
    /// A table that is open, players 1 and 2 with these deposits.
    async fn open(deposits: [u64; 2]) -> Self {
        let mut house = House::empty();
        house.start_postgres();
        let options = PgConnectOptions::new()
            .host("127.0.0.1")
            .port(house.pg_port)
            .username("signer")
            .database("postgres");
        let journal = Journal::new(options);
        eventually("the schema is there", || async { journal.migrate().await.ok() }).await;
        let lease = journal.acquire("test").await.unwrap().unwrap();
        let terms = OpenTable { max_delay_ms: 0, ..terms() };
        journal.open_table(UID, ID, &terms).await.unwrap();
        let mut books = Self { _house: house, journal, lease, block: 0 };
        let mut events = vec![E::TableOpened { table: ID }];
        events.extend([1, 2].map(|n| E::Deposited { player: player(n), amount: deposits[n - 1] }));
        books.apply(events).await;
        books
    }

    /// One transaction of the chain.
    async fn apply(&mut self, events: Vec<E>) -> Tally {
        self.block += 1;
        let (block, tx) = (self.block, [self.block as u8; 32]);
        let logs: Vec<_> =
            (0..).zip(events).map(|(index, event)| VaultLog { block, tx, index, event }).collect();
        self.journal.apply(&self.lease, &logs, LogPosition { block, block_hash: tx }).await.unwrap()
    }

    async fn reserve(&self, n: usize, permit: &Permit, top_up: bool) -> Result<(), JournalError> {
        let seat = SeatIndex(n as u8 - 1);
        let reserve = Reserve { epoch: 1, seat, player: player(n), permit: permit.clone(), top_up };
        self.journal.reserve(&ReserveRequest { uid: UID.into(), reserve, now_s: now_s() }).await.map(drop)
    }

    async fn accept(&self, entries: &[Entry], hour: u64) -> Result<u64, JournalError> {
        let submit = Submit { epoch: 1, entries: entries.to_vec() };
        let limits = Limits { refuse_unbacked: true, ..Limits::default() };
        self.journal.accept(UID, &submit, &limits, HourLimit(hour)).await
    }

    /// Puts accepted entries into a transaction, as the sender does.
    async fn send(&self, first: u64, last: u64) -> i64 {
        let new = NewTransaction {
            purpose: Purpose::Settle,
            sender: [1; 20],
            chain_nonce: 0,
            accept_used_key: false,
            destination: [2; 20],
            calldata: Vec::new(),
            fees: Fees { gas: 1, max_fee: 1, priority_fee: 1 },
            ranges: vec![(UID.into(), first, last)],
        };
        self.journal.create(&self.lease, &new).await.unwrap()
    }

    /// Players 1 and 2 sit down with 50 each: entries 1 and 2.
    async fn seat_both(&mut self) {
        for n in [1, 2] {
            let permit = permit(50, 1);
            self.reserve(n, &permit, false).await.unwrap();
            self.accept(&[sit(n as u64, n, &permit)], 0).await.unwrap();
        }
        self.send(1, 2).await;
        self.apply(vec![seated(1, 1, 50, 1), seated(2, 2, 50, 1)]).await;
    }

    /// Free, reserved, and the stack.
    async fn money(&self, n: usize) -> (u64, u64, u64) {
        let balance = self.journal.balance(player(n)).await.unwrap();
        (balance.free, balance.reserved, balance.seated.iter().map(|seat| seat.stack).sum())
    }

    async fn voucher(&self, n: usize, amount: u64, nonce: u64) {
        let request = VoucherRequest { player: player(n), amount, nonce, deadline_s: now_s() + 600 };
        self.journal.voucher(&request).await.unwrap();
    }

    /// Seat, stack and rake left, as the model has them.
    async fn model(&self) -> Vec<(i16, i64, i64)> {
        let rows = sqlx::query("SELECT seat, stack, rake_left FROM seats ORDER BY seat")
            .fetch_all(self.journal.pool())
            .await
            .unwrap();
        rows.iter().map(|row| (row.get(0), row.get(1), row.get(2))).collect()
    }

    /// Tables whose entries are due; every table of these tests is at once.
    async fn pending(&self) -> Vec<PendingTable> {
        self.journal.pending(8, &BTreeMap::<String, ()>::new()).await.unwrap().0
    }

    async fn rejected(&self) -> Vec<(u64, u64)> {
        let notices = self.journal.notices(UID, 0).await.unwrap();
        let rejected = notices.iter().filter(|notice| notice.state == NoticeState::Rejected);
        rejected.map(|notice| (notice.seq_from, notice.seq_to)).collect()
    }
}

fn permit(amount: u64, nonce: u64) -> Permit {
    // Signatures are looked at before the journal is.
    let signature = format!("0x{}{}1b", "00".repeat(31) + "01", "00".repeat(31) + "01");
    Permit { amount, max_total_rake: 10, expiry_s: now_s() + 600, nonce, signature }
}

fn sit(seq: u64, n: usize, permit: &Permit) -> Entry {
    let seat = SeatIndex(n as u8 - 1);
    Entry { seq, body: EntryBody::Sit { seat, player: player(n), permit: permit.clone() } }
}

/// A hand with these deltas of player 1 and player 2.
fn hand(seq: u64, one: i64, two: i64) -> Entry {
    let delta = |n: usize, delta| SeatDelta { seat: SeatIndex(n as u8 - 1), player: player(n), delta };
    let body = EntryBody::Hand {
        hand: seq,
        deltas: vec![delta(1, one), delta(2, two)],
        rake: (-one - two).cast_unsigned(),
        record_hash: "ab".repeat(32),
        next: String::new(),
    };
    Entry { seq, body }
}

fn leave(seq: u64, n: usize, stack: u64) -> Entry {
    Entry { seq, body: EntryBody::Leave { seat: SeatIndex(n as u8 - 1), player: player(n), stack } }
}

fn seated(seq: u64, n: usize, amount: u64, nonce: u64) -> E {
    E::Seated { table: ID, player: player(n), seq, seat: n as u8 - 1, amount, nonce }
}

fn settled(seq: u64, rake: u64) -> E {
    E::HandsSettled { table: ID, first: seq, last: seq, rake }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_loss_beyond_what_an_exit_left_is_booked_and_the_empty_seat_may_leave() {
    let mut books = Books::open([100, 100]).await;
    books.seat_both().await;
    books.accept(&[hand(3, 30, -30), leave(4, 2, 20)], 0).await.unwrap();
    books.send(3, 3).await;
    let shortfall = |table, amount, reserve| E::Shortfall {
        table,
        first: 3,
        amount,
        reserve,
        rake: 0,
        winners: amount - reserve,
    };
    // Another table's shortfall under the same number is none of this one's.
    let applied = books
        .apply(vec![
            E::SeatVacated { table: ID, player: player(2), seat: 1, stack: 50 },
            shortfall([9; 32], 7, 7),
            shortfall(ID, 30, 0),
            settled(3, 0),
        ])
        .await;
    assert_eq!((applied.entries_confirmed, applied.shortfalls), (1, 2));
    assert_eq!((books.money(1).await, books.money(2).await), ((50, 0, 50), (100, 0, 0)));

    // The seat still counts as what it would hold: its leave passes the last look before the signature.
    let pending = books.pending().await.remove(0);
    assert_eq!(pending.stacks, [(0, 50), (1, 20)].into());
    let calldata = encode_settle(&items(ID, &pending.entries, 8).unwrap());
    let known = Known {
        terms: pending.table.terms,
        confirmed_seq: pending.table.confirmed_seq,
        stacks: pending.stacks,
        waiting: pending.entries,
    };
    let allowed = Allowed { chain_id: 1, vault: [2; 20] };
    assert_eq!(check_settle(allowed, 1, [2; 20], &calldata, &[(ID, known)].into()), Ok(vec![(ID, 4, 4)]));
    books.send(4, 4).await;
    books.apply(vec![E::Left { table: ID, player: player(2), seq: 4, seat: 1, stack: 0 }]).await;
    assert_eq!(books.money(2).await, (100, 0, 0));
    assert_eq!(books.journal.table(UID).await.unwrap().confirmed_seq, 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_loss_that_a_shortfall_may_have_taken_is_refused_until_the_chain_has_said_who_bore_it() {
    let mut books = Books::open([100, 100]).await;
    books.seat_both().await;
    books.accept(&[hand(3, 8, -8)], 0).await.unwrap();
    books.send(3, 3).await;
    books
        .apply(vec![
            E::ReserveFunded { amount: 8 },
            E::SeatVacated { table: ID, player: player(2), seat: 1, stack: 50 },
        ])
        .await;
    // Also where the seat's Leave was accepted meanwhile, and the same hand is handed in again.
    books.accept(&[leave(4, 2, 42)], 0).await.unwrap();
    let third = permit(50, 7);
    books.apply(vec![E::Deposited { player: player(3), amount: 100 }]).await;
    let sit = {
        let reserve =
            Reserve { epoch: 1, seat: SeatIndex(2), player: player(3), permit: third.clone(), top_up: false };
        let request = ReserveRequest { uid: UID.into(), reserve, now_s: now_s() };
        books.journal.reserve(&request).await.unwrap();
        sit(5, 3, &third)
    };
    books.accept(&[sit], 0).await.unwrap();
    let delta = |n: usize, delta| SeatDelta { seat: SeatIndex(n as u8 - 1), player: player(n), delta };
    let body = EntryBody::Hand {
        hand: 6,
        deltas: vec![delta(1, -51), delta(3, 51)],
        rake: 0,
        record_hash: "ab".repeat(32),
        next: String::new(),
    };
    let more = Entry { seq: 6, body };
    let refused = books.accept(std::slice::from_ref(&more), 0).await.unwrap_err();
    let want = Refusal::Insolvent { seat: 0, stack: 50, loss: 51 };
    assert!(
        matches!(&refused, JournalError::Request(RequestError::Refused(why)) if *why == want),
        "{refused}"
    );
    // The reserve bore it, so all that was won is there.
    let bears = E::Shortfall { table: ID, first: 3, amount: 8, reserve: 8, rake: 0, winners: 0 };
    books.apply(vec![bears, settled(3, 0)]).await;
    assert_eq!(books.accept(&[more], 0).await.unwrap(), 6);
    assert_eq!(books.journal.audit().await.unwrap().broken, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_voucher_from_before_an_exit_may_still_take_is_promised_to_nobody_else() {
    let mut books = Books::open([150, 0]).await;
    books.voucher(1, 60, 1).await;
    let old = permit(50, 3);
    books.reserve(1, &old, false).await.unwrap();
    assert_eq!(books.money(1).await, (40, 110, 0));
    books.apply(vec![E::ExitFinalised { player: player(1), amount: 150 }]).await;
    assert_eq!(books.money(1).await, (0, 0, 0));

    // The chain pays the voucher out of new money as well: it is set aside first.
    books.apply(vec![E::Deposited { player: player(1), amount: 100 }]).await;
    assert_eq!(books.money(1).await, (40, 60, 0));
    books.voucher(1, 30, 2).await;
    let refused = books.reserve(1, &permit(50, 5), false).await.unwrap_err();
    assert!(refused.is_insufficient(), "{refused}");
    books.apply(vec![E::Withdrawn { player: player(1), amount: 60, nonce: 1 }]).await;
    assert_eq!(books.money(1).await, (10, 30, 0));
    books.apply(vec![E::Withdrawn { player: player(1), amount: 30, nonce: 2 }]).await;
    assert_eq!(books.money(1).await, (10, 0, 0));

    // A permit whose promise ended is good on chain: its seating takes free money, then promised money.
    books.apply(vec![E::Deposited { player: player(1), amount: 90 }]).await;
    books.accept(&[sit(1, 1, &old)], 0).await.unwrap();
    books.send(1, 1).await;
    books.voucher(1, 80, 4).await;
    assert_eq!(books.money(1).await, (20, 80, 0));
    books.apply(vec![seated(1, 1, 50, 3)]).await;
    assert_eq!(books.money(1).await, (50, 0, 50));
    books.apply(vec![E::Deposited { player: player(1), amount: 40 }]).await;
    assert_eq!(books.money(1).await, (10, 80, 50));
    assert!(books.journal.differing().await.unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_wins_over_a_wrong_receipt_and_a_conflict_stops_its_table_and_nobody_else() {
    let mut books = Books::open([100, 100]).await;
    books.seat_both().await;
    books.accept(&[hand(3, 8, -8), hand(4, 1, -1)], 0).await.unwrap();
    let tx = books.send(3, 3).await;
    // A node says that it was reverted; then the vault's log has the hand all the same.
    let lease = books.lease.clone();
    let hash: [u8; 32] = Keccak256::digest(b"raw").into();
    books.journal.signed(&lease, tx, 0, hash, b"raw").await.unwrap();
    books.journal.sent(&lease, tx, hash).await.unwrap();
    books.journal.mined(&lease, tx, hash, (9, [9; 32]), (true, 0)).await.unwrap();
    books.journal.finished(&lease, tx, true).await.unwrap();
    let taken = books.apply(vec![settled(3, 0)]).await;
    assert_eq!((taken.entries_confirmed, taken.conflicts), (1, 0));
    assert_eq!(books.journal.table(UID).await.unwrap().confirmed_seq, 3);

    // The chain has carried out number 3 once more: that cannot be, and the cursor goes on.
    books.apply(vec![E::Deposited { player: player(3), amount: 40 }]).await;
    let taken = books.apply(vec![settled(3, 0), E::Deposited { player: player(3), amount: 60 }]).await;
    assert!(taken.conflicts > 0);
    assert_eq!(books.money(3).await, (100, 0, 0));
    let differing = books.journal.differing().await.unwrap();
    assert_eq!(differing.keys().map(ToString::to_string).collect::<Vec<_>>(), [format!("table:{UID}")]);
    // Nothing of the table is sent, promised or paid; whoever is at no such table is paid.
    assert!(books.pending().await.is_empty());
    let refused = books.reserve(3, &permit(50, 8), false).await.unwrap_err();
    assert!(matches!(refused, JournalError::Request(RequestError::Differs(_))), "{refused}");
    let ask = VoucherRequest { player: player(1), amount: 1, nonce: 9, deadline_s: now_s() + 600 };
    assert!(matches!(
        books.journal.voucher(&ask).await,
        Err(JournalError::Request(RequestError::Differs(_)))
    ));
    books.voucher(3, 10, 9).await;
    // A comparison that finds nothing ends it, unless it is about an older block.
    let looked = [Compared::new(Subject::Table(UID.into()), "last number", &3, &3)];
    assert_eq!(books.journal.compared(&looked, books.block - 1).await.unwrap().len(), 1);
    assert_eq!(books.journal.compared(&[], books.block).await.unwrap().len(), 1, "it looked at nothing");
    assert!(books.journal.compared(&looked, books.block).await.unwrap().is_empty());
    books.reserve(3, &permit(50, 8), false).await.unwrap();
    assert_eq!(books.pending().await.len(), 1);
    assert_eq!(books.journal.audit().await.unwrap().broken, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_top_up_that_the_chain_refuses_leaves_the_allowance_as_it_was() {
    let mut books = Books::open([100, 100]).await;
    books.seat_both().await;
    assert_eq!(books.model().await, [(0, 50, 10), (1, 50, 10)]);
    let most = Permit { max_total_rake: u64::MAX, ..permit(20, 2) };
    books.reserve(1, &most, true).await.unwrap();
    let body = EntryBody::TopUp { seat: SeatIndex(0), player: player(1), permit: most };
    books.accept(&[Entry { seq: 3, body }, hand(4, 5, -5)], 0).await.unwrap();
    let refused = E::SeatingRefused { table: ID, player: player(1), seq: 3, nonce: 2, reason: [0; 4] };
    let taken = books.apply(vec![refused]).await;
    assert_eq!(books.model().await, [(0, 55, 10), (1, 45, 10)]);
    // Any player can cause one: no alarm counts it.
    assert_eq!((taken.seatings_refused, taken.entries_rejected), (1, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_voided_range_ends_wherever_it_stands_and_the_table_goes_on_from_what_the_chain_has() {
    let mut books = Books::open([100, 100]).await;
    books.seat_both().await;
    books.accept(&[hand(3, 8, -10)], 0).await.unwrap();
    books.send(3, 3).await;
    books.apply(vec![settled(3, 2)]).await;

    // A hand and a top-up that are voided before they were ever sent, and a hand after them.
    let more = permit(20, 2);
    books.reserve(1, &more, true).await.unwrap();
    let top_up = EntryBody::TopUp { seat: SeatIndex(0), player: player(1), permit: more };
    books.accept(&[hand(4, 9, -10), Entry { seq: 5, body: top_up }, hand(6, -5, 4)], 0).await.unwrap();
    assert_eq!(books.money(1).await, (30, 20, 58));
    books.apply(vec![E::RangeVoided { table: ID, first: 4, last: 5 }]).await;
    assert_eq!(books.money(1).await, (50, 0, 58));
    assert_eq!(books.rejected().await, [(4, 5)]);
    assert_eq!(books.model().await, [(0, 53, 8), (1, 44, 9)]);
    let pending = books.pending().await.remove(0);
    assert_eq!((pending.table.confirmed_seq, pending.entries[0].entry.seq), (5, 6));

    // A rejection that was told already is told again: only now the sequence goes on.
    sqlx::query("UPDATE entries SET state = 'rejected' WHERE seq = 6")
        .execute(books.journal.pool())
        .await
        .unwrap();
    assert!(books.pending().await.is_empty());
    books.apply(vec![E::RangeVoided { table: ID, first: 6, last: 6 }]).await;
    assert_eq!(books.rejected().await, [(4, 5), (6, 6)]);
    assert_eq!(books.model().await, [(0, 58, 8), (1, 40, 10)]);
    books.accept(&[leave(7, 1, 58)], 0).await.unwrap();
    assert_eq!(books.pending().await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn entries_before_a_refused_one_are_accepted() {
    let mut books = Books::open([100, 100]).await;
    books.seat_both().await;
    let batch = [hand(3, 10, -10), hand(4, -15, 15), hand(5, 6, -6), leave(6, 1, 51)];
    assert_eq!(books.accept(&batch, 30).await.unwrap(), 4);
    let refused = books.accept(&batch[2..], 30).await.unwrap_err();
    assert!(matches!(
        refused,
        JournalError::Request(RequestError::Refused(Refusal::HourLimit { moved: 31, limit: 30 }))
    ));
    assert_eq!(books.model().await, [(0, 45, 10), (1, 55, 10)]);
    // By any rule; and what moves no chips is not held by a limit on them.
    assert_eq!(books.accept(&[hand(5, 5, -5), hand(6, 60, -60)], 60).await.unwrap(), 5);
    assert_eq!(books.accept(&[leave(6, 1, 50), leave(7, 2, 51)], 1).await.unwrap(), 6);
    assert_eq!(books.journal.table(UID).await.unwrap().head_seq, 6);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reservation_that_expired_on_its_way_takes_its_entry_and_the_chain_refuses_it() {
    let mut books = Books::open([100, 100]).await;
    for life in [0, 50, DAY_S + 60] {
        let permit = Permit { expiry_s: now_s() + life, ..permit(50, 9) };
        let refused = books.reserve(1, &permit, false).await.unwrap_err();
        assert!(
            matches!(refused, JournalError::Request(RequestError::Refused(Refusal::PermitLife { .. }))),
            "{refused}"
        );
    }
    let short = permit(50, 1);
    books.reserve(1, &short, false).await.unwrap();
    assert_eq!(books.journal.expire(&books.lease, short.expiry_s + 1).await.unwrap(), 1);
    assert_eq!(books.money(1).await, (100, 0, 0));
    let other = permit(51, 1);
    assert!(matches!(
        books.accept(&[sit(1, 1, &other)], 0).await,
        Err(JournalError::Request(RequestError::NoReservation))
    ));
    assert_eq!(books.accept(&[sit(1, 1, &short)], 0).await.unwrap(), 1);
    books.send(1, 1).await;
    let refused = E::SeatingRefused { table: ID, player: player(1), seq: 1, nonce: 1, reason: [0; 4] };
    books.apply(vec![refused]).await;
    assert_eq!((books.money(1).await, books.model().await.len()), ((100, 0, 0), 0));
    assert_eq!(books.rejected().await, [(1, 1)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_exit_on_chain_is_told_to_every_table_of_the_player() {
    let mut books = Books::open([100, 100]).await;
    books.apply(vec![E::ExitRequested { player: player(1), ready_at_s: 1 }]).await;
    assert!(books.journal.notices(UID, 0).await.unwrap().is_empty(), "a player of no table");
    books.seat_both().await;
    books.apply(vec![E::ExitRequested { player: player(2), ready_at_s: 1 }]).await;
    let last = books.journal.notices(UID, 0).await.unwrap().pop().unwrap();
    assert_eq!((last.state, last.seq_from, last.seq_to), (NoticeState::Exit(player(2)), 2, 2));
    // On the way to a seat is at the table too.
    books.apply(vec![E::Deposited { player: player(3), amount: 100 }]).await;
    books.reserve(3, &permit(50, 1), false).await.unwrap();
    books.apply(vec![E::ExitRequested { player: player(3), ready_at_s: 1 }]).await;
    let last = books.journal.notices(UID, 0).await.unwrap().pop().unwrap();
    assert_eq!(last.state, NoticeState::Exit(player(3)));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_journal_gives_what_it_has_after_a_number_in_order() {
    let mut books = Books::open([100, 100]).await;
    books.seat_both().await;
    books.accept(&[hand(3, 10, -10), leave(4, 2, 40)], 0).await.unwrap();
    let numbers = |entries: Vec<Entry>| entries.iter().map(|entry| entry.seq).collect::<Vec<_>>();
    assert_eq!(numbers(books.journal.entries_after(UID, 0).await.unwrap()), [1, 2, 3, 4]);
    let after = books.journal.entries_after(UID, 2).await.unwrap();
    assert_eq!(after, [hand(3, 10, -10), leave(4, 2, 40)]);
    assert!(books.journal.entries_after(UID, 4).await.unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_denied_player_gets_no_seat_and_no_voucher_and_is_stood_up_where_they_sit() {
    let mut books = Books::open([200, 200]).await;
    books.seat_both().await;
    let deny = |n, reason: &str, until_s| Deny {
        player: player(n),
        by: "0xadmin".into(),
        reason: reason.into(),
        until_s,
    };
    let before = permit(50, 2);
    books.reserve(2, &before, true).await.unwrap();
    books.journal.deny(&deny(2, "chip dumping", None), now_s()).await.unwrap();
    let denied = |result: Result<(), JournalError>| match result {
        Err(JournalError::Request(RequestError::Denied(who))) => assert_eq!(who, player(2)),
        other => panic!("{other:?}"),
    };
    denied(books.reserve(2, &permit(50, 3), true).await);
    // Nor by asking again for what was promised before.
    denied(books.reserve(2, &before, true).await);
    let voucher = |nonce| VoucherRequest { player: player(2), amount: 10, nonce, deadline_s: now_s() + 600 };
    denied(books.journal.voucher(&voucher(7)).await.map(drop));
    // The other player is not concerned.
    books.reserve(1, &permit(50, 3), true).await.unwrap();
    books.voucher(1, 10, 7).await;
    // The table is told as of an exit, and takes the leave: no hand and no exit clock stops.
    let notices = books.journal.notices(UID, 0).await.unwrap();
    assert_eq!(notices.last().unwrap().state, NoticeState::Exit(player(2)));
    books.accept(&[leave(3, 2, 50)], 0).await.unwrap();

    // A denial with an end ends by itself, and the last act counts.
    books.journal.deny(&deny(2, "for a while", Some(now_s() + 1)), now_s()).await.unwrap();
    eventually("the denial has run out", || async { books.journal.voucher(&voucher(8)).await.ok() }).await;
    let lift = Lift { player: player(2), by: "0xadmin".into(), reason: "appeal".into() };
    let not_denied = books.journal.lift(&lift).await;
    assert!(matches!(not_denied, Err(JournalError::BadDenial(BadDenial::NotDenied))), "{not_denied:?}");
    let past = books.journal.deny(&deny(2, "x", Some(now_s())), now_s()).await;
    assert!(matches!(past, Err(JournalError::BadDenial(BadDenial::Until(_)))), "{past:?}");

    books.journal.deny(&deny(2, "again", None), now_s()).await.unwrap();
    books.journal.deny(&deny(1, "both", None), now_s()).await.unwrap();
    let page = books.journal.denials(None, 1).await.unwrap();
    assert_eq!((page.denials.len(), page.next), (1, Some(page.denials[0].player)));
    let rest = books.journal.denials(page.next, 1).await.unwrap();
    assert_eq!((rest.denials.len(), rest.next), (1, None));
    let wallets = books.journal.denied_wallets().await.unwrap();
    assert_eq!((wallets.version, wallets.wallets.len()), (4, 2));
    books.journal.lift(&lift).await.unwrap();
    books.reserve(2, &permit(50, 4), false).await.unwrap();
    books.journal.voucher(&voucher(9)).await.unwrap();

    let trail = books.journal.denial_trail(player(2)).await.unwrap();
    let acts: Vec<_> = trail.acts.iter().map(|act| (act.act, act.reason.as_str())).collect();
    let expected = [
        (Act::Lifted, "appeal"),
        (Act::Denied, "again"),
        (Act::Denied, "for a while"),
        (Act::Denied, "chip dumping"),
    ];
    assert!(!trail.denied && trail.acts.iter().all(|act| act.by == "0xadmin" && act.at_s > 0));
    assert_eq!(acts, expected);
    assert_eq!(books.journal.denied_wallets().await.unwrap().version, 5);
    // Each act is in the hash chain, which is whole.
    let kinds: Vec<String> =
        sqlx::query_scalar("SELECT kind FROM journal WHERE kind IN ('denied', 'denialLifted') ORDER BY id")
            .fetch_all(books.journal.pool())
            .await
            .unwrap();
    assert_eq!(kinds, ["denied", "denied", "denied", "denied", "denialLifted"]);
    assert_eq!(books.journal.audit().await.unwrap().broken, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_seat_that_was_promised_before_a_denial_is_stood_up_as_soon_as_it_is_taken() {
    let books = Books::open([200, 200]).await;
    let permit = permit(50, 1);
    books.reserve(2, &permit, false).await.unwrap();
    let deny = Deny { player: player(2), by: "0xadmin".into(), reason: "x".into(), until_s: None };
    books.journal.deny(&deny, now_s()).await.unwrap();
    // The entry is in order, and the number cannot be skipped.
    assert_eq!(books.accept(&[sit(1, 2, &permit)], 0).await.unwrap(), 1);
    let notices = books.journal.notices(UID, 0).await.unwrap();
    let exits: Vec<(NoticeState, u64)> = notices.iter().map(|notice| (notice.state, notice.seq_to)).collect();
    assert_eq!(exits, [(NoticeState::Exit(player(2)), 0), (NoticeState::Exit(player(2)), 1)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_sanction_stops_an_exit_and_a_hold_refuses_vouchers_until_it_is_released() {
    let mut books = Books::open([200, 200]).await;
    let voucher =
        |n, nonce| VoucherRequest { player: player(n), amount: 10, nonce, deadline_s: now_s() + 600 };
    let hold = |hold| VoucherHold {
        player: player(2),
        hold,
        by: "fair play, case 7".into(),
        reason: "decided by reviewers".into(),
    };
    let trail = books.journal.hold_vouchers(&hold(true)).await.unwrap();
    assert!(trail.held && trail.acts.len() == 1 && trail.acts[0].by == "fair play, case 7");
    // The same again is no further act.
    assert_eq!(books.journal.hold_vouchers(&hold(true)).await.unwrap().acts.len(), 1);
    let held = books.journal.voucher(&voucher(2, 1)).await;
    assert!(
        matches!(&held, Err(JournalError::Request(RequestError::Held(who))) if *who == player(2)),
        "{held:?}"
    );
    books.journal.voucher(&voucher(1, 1)).await.unwrap();
    // Seats are another sanction: a hold does not reach them.
    books.reserve(2, &permit(50, 1), false).await.unwrap();
    let bad = VoucherHold { reason: " ".into(), ..hold(false) };
    let refused = books.journal.hold_vouchers(&bad).await;
    assert!(matches!(refused, Err(JournalError::BadHold(BadHold::Reason))), "{refused:?}");

    // Every sanction at once, and the exit runs: the clock's start is taken in and told, its end is paid out.
    let deny = Deny { player: player(2), by: "fair play, case 7".into(), reason: "x".into(), until_s: None };
    books.journal.deny(&deny, now_s()).await.unwrap();
    let ready_at_s = now_s() + DAY_S;
    books.apply(vec![E::ExitRequested { player: player(2), ready_at_s }]).await;
    books.apply(vec![E::ExitFinalised { player: player(2), amount: 200 }]).await;
    let (free, reserved, stack) = books.money(2).await;
    assert_eq!((free + reserved, stack), (0, 0), "all that the chain paid has left the ledger");

    // Released by an act of its own, which is in the hash chain like the hold.
    assert!(!books.journal.hold_vouchers(&hold(false)).await.unwrap().held);
    let lift = Lift { player: player(2), by: "x".into(), reason: "appeal".into() };
    books.journal.lift(&lift).await.unwrap();
    books.apply(vec![E::Deposited { player: player(2), amount: 30 }]).await;
    books.journal.voucher(&voucher(2, 2)).await.unwrap();
    let kinds: Vec<String> =
        sqlx::query_scalar("SELECT kind FROM journal WHERE kind LIKE 'vouchers%' ORDER BY id")
            .fetch_all(books.journal.pool())
            .await
            .unwrap();
    assert_eq!(kinds, ["vouchersHeld", "vouchersReleased"]);
    assert_eq!(books.journal.audit().await.unwrap().broken, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn payments_of_the_house_are_in_the_ledger_and_are_told_with_their_receiver_once() {
    let mut books = Books::open([200, 200]).await;
    books.apply(vec![E::ReserveFunded { amount: 100 }]).await;
    let pay = |amount| E::HousePaid { to: player(2), amount };
    books.apply(vec![pay(7), pay(5)]).await;
    let told = books.journal.house_payments(0).await.unwrap().payments;
    let seen: Vec<_> = told.iter().map(|payment| (payment.to, payment.amount)).collect();
    assert_eq!(seen, [(player(2), 7), (player(2), 5)]);
    assert!(told[0].tx.starts_with("0x") && told[0].tx.len() == 66);
    assert_eq!(books.journal.house_payments(told[0].id).await.unwrap().payments, told[1..]);
    let house: i64 = sqlx::query_scalar("SELECT amount FROM balances WHERE account = 'house'")
        .fetch_one(books.journal.pool())
        .await
        .unwrap();
    assert_eq!(house, 88);
}
