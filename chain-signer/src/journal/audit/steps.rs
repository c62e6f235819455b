//! Rows of the hash chain as steps of the replay.

use super::{Chain, Found};
use crate::{
    chain::vault::{Call, decode_call},
    journal::{JournalError, asked::entry as asked_row, chain::PAGE, rows::VOID, transactions::sha2_of},
    signed::Trust,
};
use purr_books::{
    asked::{self, Changed, EntryNote, EntryRow, TableNote, Why},
    events::VaultLog,
    replay::{Act, NotedFees, NotedTransaction, Replay, Step},
    request::VoucherRequest,
};
use purr_engine::PlayerId;
use purr_protocol::settlement::Permit;
use serde::{Deserialize, de::DeserializeOwned};
use sqlx::PgConnection;
use std::collections::BTreeMap;

/// How far the replay got.
pub(super) enum End {
    All,
    /// A row cannot follow; later rows cannot be recomputed.
    Stopped,
    /// A row of an earlier release does not contain events, and the chain was not read.
    OldRow(i64),
}

/// Names that rows of the hash chain have in other tables.
#[derive(Default)]
struct Named {
    entries: BTreeMap<(String, u64), EntryRow>,
    calldata: BTreeMap<i64, Vec<u8>>,
    top_ups: BTreeMap<String, bool>,
}

enum Read {
    Step(Step),
    /// One row contains many receipts.
    Steps(Vec<Step>),
    Nothing,
    Changed(Changed),
    Old,
}

type Line = (i64, String, String);

/// Carries out all rows.
pub(super) async fn all(
    conn: &mut PgConnection,
    replay: &mut Replay,
    found: &mut Found,
    on_chain: Option<&Chain>,
    trust: &Trust,
) -> Result<End, JournalError> {
    let mut after = 0_i64;
    loop {
        let page: Vec<Line> =
            sqlx::query_as("SELECT id, kind, body FROM journal WHERE id > $1 ORDER BY id LIMIT $2")
                .bind(after)
                .bind(PAGE)
                .fetch_all(&mut *conn)
                .await?;
        let Some((last, ..)) = page.last() else { return Ok(End::All) };
        after = *last;
        let named = named(conn, &page, trust).await?;
        for (id, kind, body) in &page {
            let impossible = || Changed::new("journal", "body", id.to_string(), Why::NotMadeAgain);
            let steps = match read(kind, body, &named, on_chain) {
                Read::Nothing => continue,
                Read::Step(step) => vec![step],
                Read::Steps(steps) => steps,
                Read::Old => return Ok(End::OldRow(*id)),
                Read::Changed(changed) => {
                    found.unless(false, || changed);
                    return Ok(End::Stopped);
                }
            };
            for step in steps {
                if let Err(error) = replay.step(step) {
                    tracing::warn!(id, kind, %error, "a row of the hash chain cannot have come here");
                    found.unless(false, impossible);
                    return Ok(End::Stopped);
                }
            }
        }
    }
}

fn json<T: DeserializeOwned>(body: &str) -> Option<T> {
    serde_json::from_str(body).ok()
}

async fn named(conn: &mut PgConnection, page: &[Line], trust: &Trust) -> Result<Named, JournalError> {
    let of = |wanted: &'static str| page.iter().filter(move |(_, kind, _)| kind == wanted);
    let notes: Vec<EntryNote> = of("entry").filter_map(|(.., body)| json(body)).collect();
    let uids: Vec<&str> = notes.iter().map(|note| note.uid.as_str()).collect();
    let seqs: Vec<i64> = notes.iter().map(|note| i64::try_from(note.seq).unwrap_or(i64::MAX)).collect();
    let rows = sqlx::query(
        "SELECT e.*, c.der FROM entries e JOIN unnest($1::text[], $2::bigint[]) AS n (uid, seq)
         ON n.uid = e.uid AND n.seq = e.seq LEFT JOIN certificates c ON c.hash = e.certificate",
    )
    .bind(uids)
    .bind(seqs)
    .fetch_all(&mut *conn)
    .await?;
    let mut named = Named::default();
    for row in &rows {
        let entry = asked_row(row, trust, None)?;
        named.entries.insert((entry.uid.clone(), entry.seq), entry);
    }
    let signed = of("signed").filter_map(|(.., body)| json::<SignedNote>(body));
    let txs: Vec<i64> = signed.map(|note| note.tx).collect();
    let rows: Vec<(i64, Vec<u8>)> =
        sqlx::query_as("SELECT id, calldata FROM transactions WHERE id = ANY($1)")
            .bind(txs)
            .fetch_all(&mut *conn)
            .await?;
    named.calldata = rows.into_iter().collect();
    let reserved = of("reserve").filter_map(|(.., body)| json::<ReserveNote>(body));
    let ids: Vec<String> = reserved.filter(|note| note.top_up.is_none()).map(|note| note.id).collect();
    if !ids.is_empty() {
        let rows: Vec<(String, bool)> =
            sqlx::query_as("SELECT id, top_up FROM reservations WHERE id = ANY($1)")
                .bind(ids)
                .fetch_all(conn)
                .await?;
        named.top_ups = rows.into_iter().collect();
    }
    Ok(named)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ReserveNote {
    uid: String,
    id: String,
    seat: u8,
    /// None in rows of releases before.
    top_up: Option<bool>,
    permit: Permit,
}

#[derive(Deserialize)]
struct Fence {
    uid: String,
    epoch: u64,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Bound {
    uid: String,
    seq: u64,
    payload_hash: String,
}

#[derive(Deserialize)]
struct VoucherNote {
    player: PlayerId,
    amount: u64,
    nonce: u64,
    deadline: u64,
}

#[derive(Deserialize)]
struct VoucherSigned {
    player: PlayerId,
    nonce: u64,
    signature: String,
}

#[derive(Deserialize)]
struct Expired {
    time: u64,
}

#[derive(Deserialize)]
struct Logs {
    keys: Vec<String>,
    /// None in rows of releases before.
    #[serde(default)]
    vault: Option<Vec<VaultLog>>,
}

#[derive(Deserialize)]
struct ReplaceNote {
    tx: i64,
    attempt: u16,
    #[serde(default)]
    fees: Option<NotedFees>,
}

#[derive(Deserialize)]
struct SignedNote {
    tx: i64,
    attempt: u16,
    hash: String,
}

#[derive(Deserialize)]
struct Sent {
    tx: i64,
    hash: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct MinedNote {
    tx: i64,
    hash: String,
    block: u64,
    block_hash: String,
    reverted: bool,
}

#[derive(Deserialize)]
struct OfTransaction {
    tx: i64,
    #[serde(default)]
    reverted: bool,
}

#[derive(Deserialize)]
struct Frozen {
    player: PlayerId,
    deposit: String,
}

#[derive(Deserialize)]
struct ReceiptNote {
    uid: String,
    seq: u64,
    signature: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ActNote {
    player: PlayerId,
    by: String,
    reason: String,
    #[serde(default)]
    until_s: Option<u64>,
}

#[derive(Deserialize)]
struct Subjects {
    #[serde(default)]
    subjects: Vec<String>,
    #[serde(default)]
    subject: String,
}

#[derive(Deserialize)]
struct Opened {
    uid: String,
}

fn word(text: &str) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    hex::decode_to_slice(text, &mut bytes).ok()?;
    Some(bytes)
}

fn act(body: &str, on: bool) -> Option<Act> {
    let ActNote { player, by, reason, until_s } = json(body)?;
    Some(Act { player, on, by, reason, until_s })
}

/// Parses one row. A row that cannot be parsed counts as changed.
fn read(kind: &str, body: &str, named: &Named, on_chain: Option<&Chain>) -> Read {
    match kind {
        "entry" => json(body).map_or_else(malformed, |note| entry(note, named)),
        "logs" => json(body).map_or_else(malformed, |note| logs(note, on_chain)),
        "signed" => json(body).map_or_else(malformed, |note| signed(&note, named)),
        "receipts" => json(body).map_or_else(malformed, |notes: Vec<ReceiptNote>| {
            let step = |ReceiptNote { uid, seq, signature }| Step::Receipt { uid, seq, signature };
            Read::Steps(notes.into_iter().map(step).collect())
        }),
        // Replaying the log or the entry produces these changes again, so the row itself adds nothing.
        "void" | "conflict" => Read::Nothing,
        kind => match simple(kind, body, named) {
            Some(Some(step)) => Read::Step(step),
            Some(None) => Read::Nothing,
            None => malformed(),
        },
    }
}

fn malformed() -> Read {
    Read::Changed(Changed::new("journal", "body", "a row", Why::Malformed))
}

/// Steps of rows that are one step each; `Some(None)`: a kind that concerns no other row.
fn simple(kind: &str, body: &str, named: &Named) -> Option<Option<Step>> {
    Some(Some(match kind {
        "table" => {
            let note: TableNote = json(body)?;
            let id = word(&note.table_id)?;
            Step::Table(note, id)
        }
        "opened" => json(body).map(|Opened { uid }| Step::Opened { uid })?,
        "fence" => json(body).map(|Fence { uid, epoch }| Step::Fence { uid, epoch })?,
        "reserve" => {
            let note: ReserveNote = json(body)?;
            let player = note.id.rsplit_once('-')?.0.parse().ok()?;
            let top_up = note.top_up.or_else(|| named.top_ups.get(&note.id).copied()).unwrap_or(false);
            Step::Reserve { uid: note.uid, player, seat: note.seat, top_up, permit: note.permit }
        }
        "voidBound" => {
            let Bound { uid, seq, payload_hash } = json(body)?;
            Step::Bound { uid, seq, hash: word(&payload_hash)? }
        }
        "voucher" => {
            let VoucherNote { player, amount, nonce, deadline } = json(body)?;
            Step::Voucher(VoucherRequest { player, amount, nonce, deadline_s: deadline })
        }
        "voucherSigned" => {
            let VoucherSigned { player, nonce, signature } = json(body)?;
            Step::VoucherSigned { player, nonce, signature }
        }
        "expired" => json(body).map(|Expired { time }| Step::Expired { time_s: time })?,
        "checked" => json::<NotedTransaction>(body).map(Step::Checked)?,
        "filled" => json::<NotedTransaction>(body).map(Step::Filled)?,
        "replace" => {
            let ReplaceNote { tx, attempt, fees } = json(body)?;
            Step::Replaced { tx, attempt, fees }
        }
        "broadcast" => json(body).map(|Sent { tx, hash }| Step::Broadcast { tx, hash })?,
        "mined" => {
            let MinedNote { tx, hash, block, block_hash, reverted } = json(body)?;
            Step::Mined { tx, hash, block, block_hash, reverted }
        }
        "reorged" => json(body).map(|OfTransaction { tx, .. }| Step::Reorged { tx })?,
        "finished" => json(body).map(|OfTransaction { tx, reverted }| Step::Finished { tx, reverted })?,
        "abandoned" => json(body).map(|OfTransaction { tx, .. }| Step::Abandoned { tx })?,
        "frozen" => json(body).map(|Frozen { player, deposit: key }| Step::Frozen { player, key })?,
        "thawed" => json(body).map(|Frozen { player, deposit: key }| Step::Thawed { player, key })?,
        "differing" => json(body).map(|Subjects { subjects, .. }| Step::Differing { subjects })?,
        "quarantined" => json(body).map(|Subjects { subject, .. }| Step::Quarantined { subject })?,
        "released" => json(body).map(|Subjects { subject, .. }| Step::Released { subject })?,
        "denied" => Step::Denied(act(body, true)?),
        "denialLifted" => Step::Denied(act(body, false)?),
        "vouchersHeld" => Step::Held(act(body, true)?),
        "vouchersReleased" => Step::Held(act(body, false)?),
        _ => return Some(None),
    }))
}

fn entry(note: EntryNote, named: &Named) -> Read {
    let at = (note.uid.clone(), note.seq);
    let Some(row) = named.entries.get(&at) else {
        let row = format!("{}/{}", note.uid, note.seq);
        return Read::Changed(Changed::new("entries", "uid or seq", row, Why::Unknown));
    };
    let uid = note.uid.clone();
    // A number that admins passed over later keeps the entry that was submitted under it.
    debug_assert_ne!(row.kind, VOID);
    match asked::entry(&EntryRow { noted: Some(note), ..row.clone() }) {
        Ok((entry, _)) => Read::Step(Step::Entry { uid, entry: Box::new(entry) }),
        Err(changed) => Read::Changed(changed),
    }
}

/// Reads the vault's logs: from the chain if it was read, otherwise from the journal.
fn logs(note: Logs, on_chain: Option<&Chain>) -> Read {
    let Some(chain) = on_chain else {
        return note.vault.map_or(Read::Old, |logs| Read::Step(Step::Logs(logs)));
    };
    let mut said = Vec::with_capacity(note.keys.len());
    for key in &note.keys {
        let Some(log) = chain.logs.get(key) else {
            return Read::Changed(Changed::new("journal", "body", key.clone(), Why::NotOnChain));
        };
        said.push(log.clone());
    }
    match note.vault {
        Some(noted) if noted != said => {
            let key = note.keys.first().cloned().unwrap_or_default();
            Read::Changed(Changed::new("journal", "body", key, Why::NotOnChain))
        }
        _ => Read::Step(Step::Logs(said)),
    }
}

fn signed(note: &SignedNote, named: &Named) -> Read {
    let Some(hash) = word(&note.hash) else { return malformed() };
    let carried = named.calldata.get(&note.tx).map(|data| decode_call(data));
    let items = match carried {
        Some(Ok(Call::Settle(items))) => {
            items.iter().map(|item| (item.table, item.first, item.last)).collect()
        }
        _ => Vec::new(),
    };
    Read::Step(Step::Signed { tx: note.tx, attempt: note.attempt, hash, items })
}

/// SHA-256 in hex, as the hash chain notes calldata.
pub(super) fn digest(bytes: &[u8]) -> String {
    hex::encode(sha2_of(bytes))
}
