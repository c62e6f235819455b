//! A table's side of the conversation.

use super::{House, Signer, eventually, key};
use purr_chain_signer::chain::{address_of_raw_key, sign_digest_with_raw_key};
use purr_engine::{PlayerId, SeatIndex};
use purr_protocol::{
    permit::{PermitFor, PermitVersion},
    settlement::{
        Accepted, Entry, EntryBody, Notice, NoticeState, Notices, OpenTable, Permit, Reservation, Reserve,
        SeatDelta, SignedSubmit, Submit, TableSignatures, TableState, TableStatus, signed_text,
    },
};
use purr_runtime::{ClientError, Identity, InternalClient, Role};
use std::{
    cell::Cell,
    time::{Duration, SystemTime},
};

pub const UID: &str = "0a0b0c0d-0000-4000-8000-000000000001";
const WAIT: Duration = Duration::from_secs(15);

pub fn player(n: usize) -> PlayerId {
    PlayerId(address_of_raw_key(&key(n)).unwrap())
}

pub fn now_s() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs()
}

pub fn terms() -> OpenTable {
    OpenTable {
        epoch: 1,
        seats: 6,
        big_blind: 1_000_000,
        rake_basis_points: 500,
        rake_cap: 3_000_000,
        max_hands: 8,
        max_delay_ms: 300,
    }
}

/// A table with players by seat: player n in seat n - 1, offset by the players of earlier tables.
pub struct Table {
    pub client: InternalClient,
    pub uid: String,
    pub others: usize,
    pub base: String,
    pub id: [u8; 32],
    pub seq: Cell<u64>,
    identity: Identity,
}

/// A table's signatures over entries.
pub fn sign(identity: &Identity, uid: &str, entries: &[Entry]) -> TableSignatures {
    let certified = identity.certified().unwrap();
    let sign = |entry: &Entry| {
        let text = signed_text(uid, entry.seq, &entry.payload_hash().unwrap());
        hex::encode(certified.sign(&text).unwrap())
    };
    let entries = entries.iter().map(sign).collect();
    TableSignatures { certificate: hex::encode(certified.certificate()), entries }
}

impl Table {
    /// Opens it and waits until the chain has it.
    pub async fn open(house: &House, signer: &Signer) -> Self {
        Self::open_as(house, signer, UID, 0).await
    }

    pub async fn open_as(house: &House, signer: &Signer, uid: &str, others: usize) -> Self {
        let client = house.client(signer, &Role::Table(uid.into()));
        let base = format!("/v1/tables/{uid}");
        let open = || async {
            let status: Result<TableStatus, _> = client.put(&base, &terms(), WAIT).await;
            status.ok().filter(|status| status.state == TableState::Open)
        };
        let status = eventually("the table is open on chain", open).await;
        let id = hex::decode(&status.table_id[2..]).unwrap().try_into().unwrap();
        let identity = house.identity(&Role::Table(uid.into()));
        Self { client, uid: uid.into(), others, base, id, seq: Cell::new(status.head_seq), identity }
    }

    pub fn seat(&self, n: usize) -> SeatIndex {
        SeatIndex((n - 1 - self.others) as u8)
    }

    /// The same table at a signer that was started again.
    pub fn again(&mut self, house: &House, signer: &Signer) {
        self.client = house.client(signer, &Role::Table(self.uid.clone()));
    }

    pub fn permit(&self, house: &House, n: usize, amount: u64, nonce: u64) -> Permit {
        self.permit_for(house, PermitFor::Sit(self.seat(n)), n, (amount, nonce))
    }

    pub fn permit_for(
        &self,
        house: &House,
        what: PermitFor,
        n: usize,
        (amount, nonce): (u64, u64),
    ) -> Permit {
        let mut permit = Permit {
            amount,
            max_total_rake: amount,
            expiry_s: now_s() + 3_600,
            nonce,
            signature: String::new(),
        };
        self.sign(house, what, n, &mut permit);
        permit
    }

    pub fn sign(&self, house: &House, what: PermitFor, n: usize, permit: &mut Permit) {
        let version = PermitVersion::NamedSeat;
        let digest = house.domain().seat_permit(version, self.id, what, player(n).0, permit);
        let signature = sign_digest_with_raw_key(&key(n), &digest).unwrap().to_bytes();
        permit.signature = format!("0x{}", hex::encode(signature));
    }

    pub fn reservation(&self, house: &House, n: usize, amount: u64, nonce: u64) -> Reserve {
        let permit = self.permit(house, n, amount, nonce);
        Reserve { epoch: 1, seat: self.seat(n), player: player(n), permit, top_up: false }
    }

    pub async fn reserve(&self, reserve: &Reserve) -> Result<Reservation, ClientError> {
        self.client.post(&format!("{}/reservations", self.base), reserve, WAIT).await
    }

    /// The next entry.
    pub fn entry(&self, body: EntryBody) -> Entry {
        Entry { seq: self.seq.get() + 1, body }
    }

    pub fn hand(&self, deltas: &[(usize, i64)], rake: u64) -> Entry {
        let hand = self.seq.get() + 1;
        let deltas = deltas
            .iter()
            .map(|(n, delta)| SeatDelta { seat: self.seat(*n), player: player(*n), delta: *delta })
            .collect();
        let next = format!("after {hand}");
        self.entry(EntryBody::Hand { hand, deltas, rake, record_hash: "ab".repeat(32), next })
    }

    pub async fn submit_as(&self, epoch: u64, entries: &[Entry]) -> Result<u64, ClientError> {
        let signed = Some(sign(&self.identity, &self.uid, entries));
        self.submit_signed(epoch, entries, signed).await
    }

    pub async fn submit_signed(
        &self,
        epoch: u64,
        entries: &[Entry],
        signed: Option<TableSignatures>,
    ) -> Result<u64, ClientError> {
        let submit = SignedSubmit { submit: Submit { epoch, entries: entries.to_vec() }, signed };
        let accepted: Accepted = self.client.post(&format!("{}/entries", self.base), &submit, WAIT).await?;
        Ok(accepted.accepted_through)
    }

    /// Submits an entry and counts its number.
    pub async fn submit(&self, entry: Entry) -> u64 {
        let through = self.submit_as(1, std::slice::from_ref(&entry)).await.unwrap();
        assert_eq!(through, entry.seq);
        self.seq.set(through);
        through
    }

    /// Submits an entry that is refused; returns status and problem code.
    pub async fn refused(&self, epoch: u64, entry: Entry) -> (u16, String) {
        let error = self.submit_as(epoch, &[entry]).await.unwrap_err();
        let problem = error.problem().unwrap_or_else(|| panic!("no refusal: {error}"));
        (problem.status, problem.code().to_owned())
    }

    /// Reserves and sits down with an amount.
    pub async fn sit(&self, house: &House, n: usize, amount: u64, nonce: u64) -> u64 {
        let reserve = self.reservation(house, n, amount, nonce);
        self.reserve(&reserve).await.unwrap();
        let Reserve { seat, player, permit, .. } = reserve;
        self.submit(self.entry(EntryBody::Sit { seat, player, permit })).await
    }

    pub async fn leave(&self, n: usize, stack: u64) -> u64 {
        let (seat, player) = (self.seat(n), player(n));
        self.submit(self.entry(EntryBody::Leave { seat, player, stack })).await
    }

    pub async fn events(&self, after: u64, wait_ms: u64) -> Result<Vec<Notice>, ClientError> {
        let path = format!("{}/events?after={after}&wait_ms={wait_ms}", self.base);
        let notices: Notices = self.client.get(&path, Duration::from_millis(wait_ms) + WAIT).await?;
        Ok(notices.notices)
    }

    /// Reads notices until this number is confirmed; returns all of them.
    pub async fn confirmed(&self, seq: u64) -> Vec<Notice> {
        let mut all: Vec<Notice> = Vec::new();
        loop {
            let after = all.last().map_or(0, |notice| notice.id);
            let news = self.events(after, 20_000).await.unwrap();
            assert!(!news.is_empty(), "no confirmation of {seq} in time: {all:?}");
            assert!(news.iter().all(|notice| notice.state != NoticeState::Rejected), "{news:?}");
            all.extend(news);
            if all.iter().any(|notice| notice.state == NoticeState::Confirmed && notice.seq_to >= seq) {
                return all;
            }
        }
    }
}
