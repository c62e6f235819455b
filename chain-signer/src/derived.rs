//! Before each signature of a transaction, also of a replacement with other fees: what it has to be, made again from what
//! tables asked for. A row of the database is signed only where it is equal to that.

use crate::{
    calldata::Allowed,
    chain::{
        Address,
        batch::{Item, ItemBody, Waiting, items},
        eip712::{Domain, uid_word},
        vault::{Call, decode_call, encode_open, encode_settle},
    },
    journal::{Fees, Purpose, Receipt, Transaction},
};
use purr_books::{
    asked::{self, Changed, EntryRow, TableAsked, Why},
    books::borne_by_leaves,
    policy::Terms,
};
use purr_protocol::settlement::EntryBody;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};

/// The hash chain's note of a transaction that the policy passed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TransactionNote {
    pub purpose: String,
    pub nonce: u64,
    /// Tables with the first and last number of what it carries.
    pub ranges: Vec<(String, u64, u64)>,
    /// SHA-256 of the calldata.
    pub calldata: String,
    /// None in rows of releases before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fees: Option<Fees>,
}

/// The journal's evidence about a transaction beside its own row.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Evidence {
    /// `None`: the hash chain does not have it, or has it no more as it was written.
    pub noted: Option<TransactionNote>,
    /// Its versions, with their fees as far as those are noted.
    pub fees: BTreeMap<u16, Option<Fees>>,
    /// Tables that it is about, and the entries of its ranges.
    pub tables: Vec<TableAsked>,
    pub entries: Vec<EntryRow>,
    /// Shortfalls that seats of each table bore: the chain refuses a Leave that names another stack than its own.
    pub borne: BTreeMap<String, BTreeMap<u8, u64>>,
    /// Entries whose rows say that it carries them.
    pub carried: BTreeSet<(String, u64)>,
}

/// The row that does not agree, and the tables that it is about.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{changed}")]
pub struct NotDerived {
    pub changed: Changed,
    pub uids: BTreeSet<String>,
}

fn about(changed: Changed, uids: impl IntoIterator<Item = String>) -> NotDerived {
    NotDerived { changed, uids: uids.into_iter().collect() }
}

/// Entries of one table as [`items`] takes them, each checked against its own payload. They begin behind what the chain
/// has; `borne`: by how much the stack of each seat is above the chain's by then.
///
/// # Errors
/// The column that was changed.
pub fn waiting<'a>(
    rows: impl IntoIterator<Item = &'a EntryRow>,
    borne: &BTreeMap<u8, u64>,
) -> Result<Vec<Waiting>, NotDerived> {
    let read = rows.into_iter().map(|row| {
        let read = asked::entry(row);
        let (entry, lanes) = read.map_err(|changed| about(changed, [row.uid.clone()]))?;
        Ok(Waiting { entry, lanes, borne: 0 })
    });
    let mut all: Vec<Waiting> = read.collect::<Result<_, _>>()?;
    let by_number = borne_by_leaves(all.iter().map(|one| &one.entry), borne);
    for one in &mut all {
        one.borne = by_number.get(&one.entry.seq).copied().unwrap_or(0);
    }
    Ok(all)
}

/// The terms of a table, if its row is what it asked for.
///
/// # Errors
/// The column that was changed.
pub fn terms(domain: &Domain, table: &TableAsked) -> Result<Terms, NotDerived> {
    let id = |terms| uid_word(&table.uid).map(|word| domain.table_id(word, terms));
    asked::table(table, id).map_err(|changed| about(changed, [table.uid.clone()]))
}

/// Whether a receipt is of the hand that its table handed in.
///
/// # Errors
/// The column that was changed.
pub fn receipt(
    domain: &Domain,
    table: &TableAsked,
    entries: &[EntryRow],
    receipt: &Receipt,
) -> Result<(), NotDerived> {
    terms(domain, table)?;
    let is_it = |one: &Waiting| {
        let Receipt { seq, hand, lanes, .. } = receipt;
        one.entry.seq == *seq
            && one.lanes == *lanes
            && matches!(one.entry.body, EntryBody::Hand { hand: asked, .. } if asked == *hand)
    };
    if waiting(entries, &BTreeMap::new())?.iter().any(is_it) && receipt.table_id == table.table_id {
        return Ok(());
    }
    let changed = Changed::new("receipts", "hand", format!("{}/{}", receipt.uid, receipt.seq), Why::NotAsked);
    Err(about(changed, [receipt.uid.clone()]))
}

/// The call of a transaction that settles these ranges, in the order and with the bounds of the items that it has.
fn settles(domain: &Domain, evidence: &Evidence, called: &[Item]) -> Result<Vec<u8>, NotDerived> {
    let mut tables = BTreeMap::new();
    for table in &evidence.tables {
        terms(domain, table)?;
        tables.insert(table.table_id, table.uid.as_str());
    }
    let mut carried = BTreeMap::new();
    for uid in tables.values() {
        let none = BTreeMap::new();
        let borne = evidence.borne.get(*uid).unwrap_or(&none);
        carried.insert(*uid, waiting(evidence.entries.iter().filter(|row| row.uid == **uid), borne)?);
    }
    let mut expected = Vec::with_capacity(called.len());
    for item in called {
        let Some(all) = tables.get(&item.table).and_then(|uid| carried.get(uid)) else { continue };
        let within = |one: &&Waiting| (item.first..=item.last).contains(&one.entry.seq);
        let waiting: Vec<Waiting> = all.iter().filter(within).cloned().collect();
        // One item by itself, whatever it was netted with.
        let hands = usize::from(matches!(item.body, ItemBody::Hands { .. })) * waiting.len();
        expected.extend(items(item.table, &waiting, hands).unwrap_or_default());
    }
    Ok(encode_settle(&expected))
}

/// Makes a transaction's row again and compares. Returns nothing: what is signed is the row.
///
/// # Errors
/// The column that is another.
pub fn check(
    allowed: Allowed,
    key: Address,
    tx: &Transaction,
    evidence: &Evidence,
) -> Result<(), NotDerived> {
    let domain = Domain { chain_id: allowed.chain_id, vault: allowed.vault };
    let all = || {
        let noted = evidence.noted.iter().flat_map(|noted| noted.ranges.iter().map(|(uid, ..)| uid.clone()));
        noted.chain(evidence.carried.iter().map(|(uid, _)| uid.clone())).chain(opens(evidence))
    };
    let changed = |table, column, why| about(Changed::new(table, column, tx.id.to_string(), why), all());
    let Some(noted) = &evidence.noted else { return Err(changed("transactions", "id", Why::Unknown)) };
    if tx.purpose.as_str() != noted.purpose {
        return Err(changed("transactions", "purpose", Why::NotNoted));
    }
    if tx.sender != key {
        return Err(changed("transactions", "sender", Why::NotAsked));
    }
    if tx.nonce != noted.nonce {
        return Err(changed("transactions", "nonce", Why::NotNoted));
    }
    let destination = if tx.purpose == Purpose::Fill { key } else { allowed.vault };
    if tx.destination != destination {
        return Err(changed("transactions", "destination", Why::NotAsked));
    }
    calldata(&domain, tx, noted, evidence, all)?;
    if hex::encode(Sha256::digest(&tx.calldata)) != noted.calldata {
        return Err(changed("transactions", "calldata", Why::NotNoted));
    }
    let ours = |(uid, seq): &(String, u64)| {
        noted.ranges.iter().any(|(at, first, last)| at == uid && (*first..=*last).contains(seq))
    };
    if let Some((uid, seq)) = evidence.carried.iter().find(|one| !ours(one)) {
        let foreign = Changed::new("entries", "tx_id", format!("{uid}/{seq}"), Why::NotNoted);
        return Err(about(foreign, [uid.clone()]));
    }
    Ok(())
}

fn opens(evidence: &Evidence) -> impl Iterator<Item = String> {
    evidence.tables.iter().map(|table| table.uid.clone())
}

fn calldata<I: Iterator<Item = String>>(
    domain: &Domain,
    tx: &Transaction,
    noted: &TransactionNote,
    evidence: &Evidence,
    all: impl Fn() -> I,
) -> Result<(), NotDerived> {
    let other = |uids: Vec<String>| {
        let uids: BTreeSet<String> =
            if uids.is_empty() { all().collect() } else { uids.into_iter().collect() };
        about(Changed::new("transactions", "calldata", tx.id.to_string(), Why::NotAsked), uids)
    };
    match tx.purpose {
        Purpose::Fill if tx.calldata.is_empty() => Ok(()),
        Purpose::Fill => Err(other(Vec::new())),
        Purpose::Open => {
            let [table] = evidence.tables.as_slice() else { return Err(other(Vec::new())) };
            let terms = terms(domain, table)?;
            let same = encode_open(&table.uid, terms).is_some_and(|expected| expected == tx.calldata);
            if same { Ok(()) } else { Err(other(Vec::new())) }
        }
        Purpose::Settle => {
            let Ok(Call::Settle(called)) = decode_call(&tx.calldata) else { return Err(other(Vec::new())) };
            if settles(domain, evidence, &called)? != tx.calldata {
                return Err(other(Vec::new()));
            }
            let mut ranges = BTreeMap::<&str, (u64, u64)>::new();
            for item in &called {
                let table = evidence.tables.iter().find(|table| table.table_id == item.table);
                let Some(table) = table else { return Err(other(Vec::new())) };
                let range = ranges.entry(&table.uid).or_insert((item.first, item.last));
                range.1 = item.last;
            }
            let carries: BTreeMap<&str, (u64, u64)> =
                noted.ranges.iter().map(|(uid, first, last)| (uid.as_str(), (*first, *last))).collect();
            if ranges == carries {
                return Ok(());
            }
            let differs = ranges.iter().filter(|(uid, range)| carries.get(*uid) != Some(*range));
            Err(other(differs.map(|(uid, _)| (*uid).to_owned()).collect()))
        }
    }
}

/// As [`check`], and the version that is to be signed next.
///
/// # Errors
/// The column that is another.
pub fn check_version(
    allowed: Allowed,
    key: Address,
    tx: &Transaction,
    evidence: &Evidence,
) -> Result<(), NotDerived> {
    check(allowed, key, tx, evidence)?;
    let ranges = evidence.noted.iter().flat_map(|noted| noted.ranges.iter().map(|(uid, ..)| uid.clone()));
    let uids: BTreeSet<String> = ranges.chain(opens(evidence)).collect();
    let changed =
        |table, column, why| about(Changed::new(table, column, tx.id.to_string(), why), uids.clone());
    let Some(last) = tx.attempts.last() else { return Err(changed("attempts", "tx_id", Why::Unknown)) };
    // Signed bytes are there already: this version was signed once, and its transaction does not wait for a signature.
    if last.raw.is_some() {
        return Err(changed("transactions", "state", Why::NotNoted));
    }
    let Some(noted) = evidence.fees.get(&last.attempt) else {
        return Err(changed("attempts", "attempt", Why::Unknown));
    };
    let Some(noted) = noted else { return Ok(()) };
    let columns = [
        ("gas", last.fees.gas == noted.gas),
        ("max_fee", last.fees.max_fee == noted.max_fee),
        ("priority_fee", last.fees.priority_fee == noted.priority_fee),
    ];
    match columns.into_iter().find(|(_, same)| !same) {
        Some((column, _)) => Err(changed("attempts", column, Why::NotNoted)),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests;
