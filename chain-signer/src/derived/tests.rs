use super::*;
use crate::journal::Attempt;
use purr_books::{
    asked::{EntryNote, TableNote},
    entry::State,
    policy::Lane,
};
use purr_engine::{PlayerId, SeatIndex};
use purr_protocol::settlement::{Entry, EntryBody, OpenTable, SeatDelta};

const UIDS: [&str; 2] = ["0a0b0c0d-0000-4000-8000-000000000001", "0a0b0c0d-0000-4000-8000-000000000002"];
const KEY: Address = [5; 20];
const ALLOWED: Allowed = Allowed { chain_id: 31337, vault: [9; 20] };

fn table(uid: &str) -> TableAsked {
    let terms = OpenTable {
        epoch: 1,
        seats: 6,
        big_blind: 2,
        rake_basis_points: 500,
        rake_cap: 3,
        max_hands: 8,
        max_delay_ms: 300,
    };
    let domain = Domain { chain_id: ALLOWED.chain_id, vault: ALLOWED.vault };
    let table_id = domain.table_id(uid_word(uid).unwrap(), Terms::from(&terms));
    let noted = TableNote { uid: uid.into(), table_id: hex::encode(table_id), terms: terms.clone() };
    TableAsked {
        uid: uid.into(),
        table_id,
        config: serde_json::to_string(&terms).unwrap(),
        noted: Some(noted),
    }
}

fn row(uid: &str, seq: u64, won: i64) -> EntryRow {
    let delta = |n: u8, delta| SeatDelta { seat: SeatIndex(n), player: PlayerId([n; 20]), delta };
    let body = EntryBody::Hand {
        hand: seq,
        deltas: vec![delta(0, won), delta(1, -won)],
        rake: 0,
        record_hash: "ab".repeat(32),
        next: String::new(),
    };
    let entry = Entry { seq, body };
    let lanes = [(0, Lane { delta: won, rake: 0 }), (1, Lane { delta: -won, rake: 0 })].into();
    let payload_hash = entry.payload_hash().unwrap();
    let hash = hex::encode(payload_hash);
    EntryRow {
        uid: uid.into(),
        seq,
        kind: "hand".into(),
        payload_hash,
        payload: serde_json::to_string(&entry).unwrap(),
        moved: won,
        lanes: serde_json::to_string(&lanes).unwrap(),
        is_signed: true,
        noted: Some(EntryNote { uid: uid.into(), seq, payload_hash: hash, lanes: Some(lanes) }),
    }
}

/// Hands 4 and 5 of one table and 7 of another, in one transaction.
fn settlement() -> (Transaction, Evidence) {
    let tables = UIDS.map(table).to_vec();
    let entries = vec![row(UIDS[0], 4, 8), row(UIDS[0], 5, 3), row(UIDS[1], 7, 1)];
    let one = items(tables[0].table_id, &waiting(&entries[..2], &BTreeMap::new()).unwrap(), 8).unwrap();
    let two = items(tables[1].table_id, &waiting(&entries[2..], &BTreeMap::new()).unwrap(), 8).unwrap();
    let calldata = encode_settle(&[one, two].concat());
    let fees = Fees { gas: 100, max_fee: 20, priority_fee: 1 };
    let ranges = vec![(UIDS[0].to_owned(), 4, 5), (UIDS[1].to_owned(), 7, 7)];
    let noted = TransactionNote {
        purpose: "settle".into(),
        nonce: 3,
        ranges,
        calldata: hex::encode(Sha256::digest(&calldata)),
        fees: Some(fees),
    };
    let carried = entries.iter().map(|row| (row.uid.clone(), row.seq)).collect();
    let tx = Transaction {
        id: 1,
        purpose: Purpose::Settle,
        sender: KEY,
        nonce: 3,
        destination: ALLOWED.vault,
        calldata,
        state: State::Checked,
        block: None,
        mined_hash: None,
        reverted: false,
        age_s: 0,
        attempts: vec![Attempt { attempt: 0, fees, hash: None, raw: None }],
    };
    let (fees, borne) = ([(0, Some(fees))].into(), BTreeMap::new());
    (tx, Evidence { noted: Some(noted), fees, tables, entries, borne, carried })
}

fn refused(change: impl FnOnce(&mut Transaction, &mut Evidence)) -> (String, usize) {
    let (mut tx, mut evidence) = settlement();
    change(&mut tx, &mut evidence);
    let found = check_version(ALLOWED, KEY, &tx, &evidence).unwrap_err();
    (format!("{}.{}", found.changed.table, found.changed.column), found.uids.len())
}

#[test]
fn a_settlement_is_signed_only_as_its_tables_entries_make_it() {
    let (tx, evidence) = settlement();
    assert_eq!(check_version(ALLOWED, KEY, &tx, &evidence), Ok(()));
    let of = |column: &str, tables| (format!("transactions.{column}"), tables);
    assert_eq!(refused(|tx, _| tx.destination = [1; 20]), of("destination", 2));
    assert_eq!(refused(|tx, _| tx.nonce = 4), of("nonce", 2));
    assert_eq!(refused(|tx, _| tx.sender = [1; 20]), of("sender", 2));
    assert_eq!(refused(|tx, _| tx.purpose = Purpose::Fill), of("purpose", 2));
    assert_eq!(refused(|tx, _| tx.calldata[200] ^= 1), of("calldata", 2));
    assert_eq!(refused(|tx, _| tx.calldata = b"mint".to_vec()), of("calldata", 2));
    assert_eq!(refused(|_, evidence| evidence.noted = None).0, "transactions.id");
    assert_eq!(refused(|tx, _| tx.attempts[0].fees.max_fee = 1 << 60), ("attempts.max_fee".into(), 2));
    assert_eq!(refused(|tx, _| tx.attempts[0].fees.gas += 1), ("attempts.gas".into(), 2));
    assert_eq!(refused(|tx, _| tx.attempts[0].attempt = 1), ("attempts.attempt".into(), 2));
    assert_eq!(refused(|tx, _| tx.attempts[0].raw = Some(vec![1])), of("state", 2));
}

#[test]
fn a_changed_entry_or_table_stops_its_own_table_only() {
    let lanes = |_: &mut Transaction, evidence: &mut Evidence| {
        evidence.entries[1].lanes = evidence.entries[1].lanes.replace('3', "30");
    };
    assert_eq!(refused(lanes), ("entries.lanes".into(), 1));
    let config = |_: &mut Transaction, evidence: &mut Evidence| {
        evidence.tables[1].config = evidence.tables[1].config.replace(":6,", ":5,");
    };
    assert_eq!(refused(config), ("tables.config".into(), 1));
    let carried = |_: &mut Transaction, evidence: &mut Evidence| {
        evidence.carried.insert((UIDS[1].to_owned(), 8));
    };
    assert_eq!(refused(carried), ("entries.tx_id".into(), 1));
}

#[test]
fn calldata_that_leaves_an_entry_out_is_not_what_was_noted() {
    // A well-formed call of entries that exist, with its hash in a note that was written again.
    let shorter = |tx: &mut Transaction, evidence: &mut Evidence| {
        let only = items(
            evidence.tables[0].table_id,
            &waiting(&evidence.entries[..1], &BTreeMap::new()).unwrap(),
            8,
        )
        .unwrap();
        tx.calldata = encode_settle(&only);
        evidence.noted.as_mut().unwrap().calldata = hex::encode(Sha256::digest(&tx.calldata));
    };
    assert_eq!(refused(shorter).0, "transactions.calldata");
}

#[test]
fn calldata_that_was_written_anew_with_its_note_is_not_what_the_entries_make() {
    // The same numbers of the same table, with thirty chips more for the winner.
    let richer = |tx: &mut Transaction, evidence: &mut Evidence| {
        let mut rows = evidence.entries.clone();
        rows[2] = row(UIDS[1], 7, 31);
        let id = |n: usize| evidence.tables[n].table_id;
        let made =
            |n: usize, rows: &[EntryRow]| items(id(n), &waiting(rows, &BTreeMap::new()).unwrap(), 8).unwrap();
        tx.calldata = encode_settle(&[made(0, &rows[..2]), made(1, &rows[2..])].concat());
        evidence.noted.as_mut().unwrap().calldata = hex::encode(Sha256::digest(&tx.calldata));
    };
    assert_eq!(refused(richer), ("transactions.calldata".into(), 2));
}

#[test]
fn a_table_is_opened_with_its_own_terms_and_a_gap_is_filled_with_nothing() {
    let (mut tx, mut evidence) = settlement();
    evidence.tables.truncate(1);
    (evidence.entries, evidence.carried) = (Vec::new(), BTreeSet::new());
    let terms =
        terms(&Domain { chain_id: ALLOWED.chain_id, vault: ALLOWED.vault }, &evidence.tables[0]).unwrap();
    let note = |evidence: &mut Evidence, tx: &Transaction, purpose: &str| {
        let noted = evidence.noted.as_mut().unwrap();
        noted.ranges.clear();
        (noted.purpose, noted.calldata) = (purpose.into(), hex::encode(Sha256::digest(&tx.calldata)));
    };
    (tx.purpose, tx.calldata) = (Purpose::Open, encode_open(UIDS[0], terms).unwrap());
    note(&mut evidence, &tx, "open");
    assert_eq!(check(ALLOWED, KEY, &tx, &evidence), Ok(()));
    tx.calldata = encode_open(UIDS[0], Terms { rake_basis_points: 600, ..terms }).unwrap();
    assert_eq!(check(ALLOWED, KEY, &tx, &evidence).unwrap_err().changed.column, "calldata");

    (tx.purpose, tx.calldata, tx.destination) = (Purpose::Fill, Vec::new(), KEY);
    note(&mut evidence, &tx, "fill");
    assert_eq!(check(ALLOWED, KEY, &tx, &evidence), Ok(()));
    tx.destination = ALLOWED.vault;
    assert_eq!(check(ALLOWED, KEY, &tx, &evidence).unwrap_err().changed.column, "destination");
}
