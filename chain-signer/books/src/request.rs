//! Requests of tables and players: reservations, entries, vouchers; and promises whose time is over.

use crate::{
    books::{Books, Change, Promise, PromiseTerms, TableBooks},
    differing::{self, Differs},
    entry::UNBOUND,
    ledger::{Account, LedgerError, Posting, Transfer},
    limits::{self, OwnRefusal},
    policy::{Effect, Limits, Refusal, Table, check_life},
    promise::{IllegalPromise, PromiseEvent, PromiseId, PromiseKind, PromiseState, next},
    unbacked::Unbacked,
};
use purr_engine::PlayerId;
use purr_protocol::settlement::{Entry, EntryBody, NoticeState, Permit, Reserve, Submit, TableState};

/// Chips of one table that may change hands within an hour, and that have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Hour {
    /// 0: no limit.
    pub limit: u64,
    pub moved: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    #[error("no table {0}")]
    UnknownTable(String),
    #[error("epoch {given} is fenced off by {highest}")]
    Fenced { given: u64, highest: u64 },
    #[error("entry {seq} of table {uid} was accepted with another payload")]
    Conflict { uid: String, seq: u64 },
    #[error("next entry of table {uid} is {next}, not {given}")]
    Gap { uid: String, next: u64, given: u64 },
    #[error("table {0} is not open on chain yet")]
    NotOpen(String),
    #[error("permit nonce {0} was used before")]
    NonceUsed(u64),
    #[error(
        "a deposit of {0} that was final has vanished from the chain: no seat and no voucher until it is back"
    )]
    Frozen(PlayerId),
    #[error("{0} is denied: no seat and no voucher; an exit on the chain stays open")]
    Denied(PlayerId),
    #[error("vouchers of {0} are held while a fair-play case is decided; an exit on the chain stays open")]
    Held(PlayerId),
    #[error("no reservation for this permit; reserve first")]
    NoReservation,
    #[error("the free balance of {0} is too small")]
    Insufficient(PlayerId),
    #[error(transparent)]
    Own(#[from] OwnRefusal),
    #[error(transparent)]
    Differs(#[from] Differs),
    #[error(transparent)]
    Refused(#[from] Refusal),
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    #[error(transparent)]
    Illegal(#[from] IllegalPromise),
    #[error("an entry as JSON: {0}")]
    Json(String),
}

/// Entries that were accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Acceptance {
    /// The last number that the journal has.
    pub head: u64,
    pub changes: Vec<Change>,
}

fn table<'a>(books: &'a Books, uid: &str) -> Result<&'a TableBooks, RequestError> {
    books.tables.get(uid).ok_or_else(|| RequestError::UnknownTable(uid.into()))
}

/// Refuses a lower epoch than the highest seen; a higher one is remembered.
///
/// # Errors
/// [`RequestError::Fenced`].
pub fn raise(uid: &str, highest: u64, given: u64) -> Result<Option<Change>, RequestError> {
    if given < highest {
        return Err(RequestError::Fenced { given, highest });
    }
    Ok((given > highest).then(|| Change::Epoch { uid: uid.into(), epoch: given }))
}

pub(crate) fn set_aside(
    key: String,
    kind: &'static str,
    player: PlayerId,
    amount: u64,
) -> Result<Transfer, LedgerError> {
    let out = Posting::out(Account::Free(player), amount)?;
    Transfer::new(key, kind, vec![out, Posting::into(Account::Reserved(player), amount)?])
}

pub(crate) fn set_free(
    key: String,
    kind: &'static str,
    player: PlayerId,
    amount: u64,
) -> Result<Transfer, LedgerError> {
    let out = Posting::out(Account::Reserved(player), amount)?;
    Transfer::new(key, kind, vec![out, Posting::into(Account::Free(player), amount)?])
}

/// The name of a reservation.
pub fn reservation_id(player: PlayerId, nonce: u64) -> String {
    format!("{player}-{nonce}")
}

/// Reserves a permit's amount from the player's free balance, once for each permit; a repetition changes nothing.
///
/// # Errors
/// The rule that forbids it.
pub fn reserve(books: &Books, uid: &str, ask: &Reserve, now_s: u64) -> Result<Vec<Change>, RequestError> {
    let (table, permit, player) = (table(books, uid)?, &ask.permit, ask.player);
    let mut changes: Vec<Change> = raise(uid, table.epoch, ask.epoch)?.into_iter().collect();
    if table.state != TableState::Open {
        return Err(RequestError::NotOpen(uid.into()));
    }
    // This covers reservations made before the denial as well: a denied player cannot get a seat by repeating the
    // request.
    if books.denied.contains(&player) {
        return Err(RequestError::Denied(player));
    }
    let id = PromiseId { kind: PromiseKind::Permit, player, nonce: permit.nonce };
    let terms = PromiseTerms::Permit {
        uid: uid.into(),
        seat: ask.seat.0,
        top_up: ask.top_up,
        permit: permit.clone(),
    };
    if let Some(made) = books.promises.get(&id) {
        let same = made.terms == terms && made.state.is_live();
        return if same { Ok(changes) } else { Err(RequestError::NonceUsed(permit.nonce)) };
    }
    check_life(permit, now_s)?;
    if books.frozen.contains_key(&player) {
        return Err(RequestError::Frozen(player));
    }
    differing::may_reserve(books, uid, player)?;
    table.policy().apply(&seating(ask), &Limits::default())?;
    if !ask.top_up && seat_is_promised(books, uid, ask, now_s) {
        return Err(Refusal::SeatTaken(ask.seat.0).into());
    }
    if let Some(own) = books.own.get(&player) {
        let stack = table.seats.get(&ask.seat.0).filter(|held| ask.top_up && held.player == player);
        let session = limits::may_seat(own, stack.map_or(0, |held| held.stack), permit.amount, now_s)?;
        changes.push(Change::Session { player, session });
    }
    if books.free(player) < permit.amount {
        return Err(RequestError::Insufficient(player));
    }
    let key = format!("reserve:{}", reservation_id(player, permit.nonce));
    changes.push(Change::Post(set_aside(key, "reserve", player, permit.amount)?));
    let (amount, until_s) = (permit.amount, permit.expiry_s);
    let promise = Promise { amount, state: PromiseState::Held, until_s, terms };
    changes.push(Change::Promised { id, promise });
    Ok(changes)
}

fn seating(ask: &Reserve) -> EntryBody {
    let (seat, player, permit) = (ask.seat, ask.player, ask.permit.clone());
    if ask.top_up {
        EntryBody::TopUp { seat, player, permit }
    } else {
        EntryBody::Sit { seat, player, permit }
    }
}

/// Whether another live reservation has the seat, or has another seat for the player.
fn seat_is_promised(books: &Books, uid: &str, ask: &Reserve, now_s: u64) -> bool {
    books.promises.iter().any(|(id, promise)| match &promise.terms {
        PromiseTerms::Permit { uid: at, seat, top_up: false, .. } => {
            at == uid
                && promise.state.is_live()
                && promise.until_s > now_s
                && (*seat == ask.seat.0 || id.player == ask.player)
        }
        _ => false,
    })
}

/// Accepts entries in order, up to the first that a rule refuses. A refused entry does not affect the entries before
/// it.
///
/// # Errors
/// [`RequestError::Conflict`] for another payload under an old number, [`RequestError::Gap`] for a number that is not the
/// next; a rule, or [`RequestError::NoReservation`], where the first new entry is refused.
pub fn accept(
    books: &Books,
    uid: &str,
    submit: &Submit,
    limits: &Limits,
    mut hour: Hour,
) -> Result<Acceptance, RequestError> {
    let table = table(books, uid)?;
    let mut changes: Vec<Change> = raise(uid, table.epoch, submit.epoch)?.into_iter().collect();
    if table.state != TableState::Open {
        return Err(RequestError::NotOpen(uid.into()));
    }
    let (mut seats, mut head, mut newcomers) = (table.policy(), table.head_seq, Vec::new());
    let mut unbacked = if limits.refuse_unbacked { Unbacked::of(table) } else { Unbacked::default() };
    for entry in &submit.entries {
        let hash = entry.payload_hash().map_err(|error| RequestError::Json(error.to_string()))?;
        if entry.seq <= head && entry.seq > 0 {
            changes.extend(same_payload(uid, table, submit, entry.seq, hash)?);
            continue;
        }
        if entry.seq != head + 1 {
            return Err(RequestError::Gap { uid: uid.into(), next: head + 1, given: entry.seq });
        }
        let (effect, promise) = match admit(books, uid, &mut seats, entry, limits, &mut hour, &unbacked) {
            Err(RequestError::Refused(_) | RequestError::NoReservation) if head > table.head_seq => break,
            admitted => admitted?,
        };
        changes.extend(promise);
        unbacked.add(entry, &effect);
        let uid = uid.to_owned();
        changes.push(Change::Accepted { uid, entry: entry.clone(), hash, effect });
        head = entry.seq;
        if let EntryBody::Sit { player, .. } = entry.body {
            newcomers.push(player);
        }
    }
    if head > table.head_seq {
        changes.push(Change::Seats { uid: uid.into(), seats: seats.seats });
    }
    // A reservation from before a denial still takes its seat, since an entry cannot be skipped; then the seat is stood up
    // like one that was there.
    for player in newcomers.into_iter().filter(|player| books.denied.contains(player)) {
        changes.push(Change::PlayerNotice { player, state: NoticeState::Exit(player), tx: [0; 32] });
    }
    Ok(Acceptance { head, changes })
}

/// A number that was used before accepts only the same payload; a number that admins passed over accepts the first
/// payload submitted.
fn same_payload(
    uid: &str,
    table: &TableBooks,
    submit: &Submit,
    seq: u64,
    hash: [u8; 32],
) -> Result<Option<Change>, RequestError> {
    let conflict = || RequestError::Conflict { uid: uid.into(), seq };
    let bound = match table.entries.get(&seq) {
        Some(booked) => booked.hash,
        // Accepted earlier in this same request.
        None => {
            let first = submit.entries.iter().find(|entry| entry.seq == seq).ok_or_else(conflict)?;
            first.payload_hash().map_err(|error| RequestError::Json(error.to_string()))?
        }
    };
    match bound {
        bound if bound == hash => Ok(None),
        UNBOUND => Ok(Some(Change::Bound { uid: uid.into(), seq, hash })),
        _ => Err(conflict()),
    }
}

/// Checks everything that can refuse an entry, before any change.
fn admit(
    books: &Books,
    uid: &str,
    seats: &mut Table,
    entry: &Entry,
    limits: &Limits,
    hour: &mut Hour,
    unbacked: &Unbacked,
) -> Result<(Effect, Option<Change>), RequestError> {
    let mut after = seats.clone();
    let effect = after.apply(&entry.body, limits)?;
    unbacked.check(table(books, uid)?, seats, &effect)?;
    let moved = hour.moved.saturating_add(effect.moved);
    if hour.limit != 0 && effect.moved > 0 && moved > hour.limit {
        return Err(Refusal::HourLimit { moved, limit: hour.limit }.into());
    }
    let promise = match &entry.body {
        EntryBody::Sit { seat, player, permit } => {
            use_reservation(books, uid, seat.0, *player, permit, false)?
        }
        EntryBody::TopUp { seat, player, permit } => {
            use_reservation(books, uid, seat.0, *player, permit, true)?
        }
        EntryBody::Hand { .. } | EntryBody::Leave { .. } => None,
    };
    (*seats, hour.moved) = (after, moved);
    Ok((effect, promise))
}

/// Uses up a reservation for an entry. A reservation that has ended in the meantime (by time or by an exit) contributes
/// no money, but the entry is accepted so that the sequence goes on: the chain then refuses it, or pays it from the
/// player's free balance.
fn use_reservation(
    books: &Books,
    uid: &str,
    seat: u8,
    player: PlayerId,
    permit: &Permit,
    top_up: bool,
) -> Result<Option<Change>, RequestError> {
    let id = PromiseId { kind: PromiseKind::Permit, player, nonce: permit.nonce };
    let terms = PromiseTerms::Permit { uid: uid.into(), seat, top_up, permit: permit.clone() };
    let promise = books.promises.get(&id).filter(|promise| promise.terms == terms);
    let promise = promise.ok_or(RequestError::NoReservation)?;
    let state = next(id.kind, promise.state, PromiseEvent::Use).map_err(|_| RequestError::NoReservation)?;
    Ok((state != promise.state).then_some(Change::Promise { id, state }))
}

/// A withdrawal that its player has signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VoucherRequest {
    pub player: PlayerId,
    pub amount: u64,
    pub nonce: u64,
    /// Seconds since 1970.
    pub deadline_s: u64,
}

/// Sets a voucher's amount aside, once for each nonce; gives the signature if there is one already.
///
/// # Errors
/// The rule that forbids it.
pub fn voucher(books: &Books, ask: &VoucherRequest) -> Result<(Option<String>, Vec<Change>), RequestError> {
    let VoucherRequest { player, amount, nonce, deadline_s } = *ask;
    if books.denied.contains(&player) {
        return Err(RequestError::Denied(player));
    }
    if books.held.contains(&player) {
        return Err(RequestError::Held(player));
    }
    if books.frozen.contains_key(&player) {
        return Err(RequestError::Frozen(player));
    }
    differing::may_pay(books, player)?;
    let id = PromiseId { kind: PromiseKind::Voucher, player, nonce };
    if let Some(made) = books.promises.get(&id) {
        let same = (made.amount, made.until_s, made.state) == (amount, deadline_s, PromiseState::Held);
        return match &made.terms {
            PromiseTerms::Voucher { signature } if same => Ok((signature.clone(), Vec::new())),
            _ => Err(RequestError::NonceUsed(nonce)),
        };
    }
    if books.free(player) < amount {
        return Err(RequestError::Insufficient(player));
    }
    let post = set_aside(format!("voucher:{player}-{nonce}"), "voucher", player, amount)?;
    let terms = PromiseTerms::Voucher { signature: None };
    let promise = Promise { amount, state: PromiseState::Held, until_s: deadline_s, terms };
    Ok((None, vec![Change::Post(post), Change::Promised { id, promise }]))
}

/// Frees amounts reserved for permits and vouchers that have expired at the final block.
///
/// # Errors
/// Where a promise is larger than the ledger's range.
pub fn expire(books: &Books, final_time_s: u64) -> Result<Vec<Change>, RequestError> {
    let mut changes = Vec::new();
    for (id, promise) in books.promises.iter().filter(|(_, promise)| promise.until_s < final_time_s) {
        let Ok(state) = next(id.kind, promise.state, PromiseEvent::Expire) else { continue };
        if promise.state.is_live() {
            changes.push(Change::Post(release(*id, promise.amount)?));
        }
        changes.push(Change::Promise { id: *id, state });
    }
    Ok(changes)
}

/// Frees a promise's chips; once for each promise.
pub(crate) fn release(id: PromiseId, amount: u64) -> Result<Transfer, LedgerError> {
    let (word, PromiseId { player, nonce, .. }) = match id.kind {
        PromiseKind::Permit => ("release", id),
        PromiseKind::Voucher => ("unvoucher", id),
    };
    set_free(format!("{word}:{player}-{nonce}"), word, player, amount)
}
