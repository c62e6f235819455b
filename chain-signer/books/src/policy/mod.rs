//! Policy: what the signer signs, as data and pure functions. It trusts neither tables nor its own builder:
//! requests are applied to a model of the table ([`Table::apply`]), and the signer decodes the finished
//! calldata again and compares.

mod hand;

pub use hand::{Lane, lanes, split_rake};

use purr_engine::PlayerId;
use purr_protocol::settlement::{EntryBody, OpenTable, Permit};
use std::collections::BTreeMap;

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("seat {0} does not exist at this table")]
    NoSuchSeat(u8),
    #[error("seat {0} is taken")]
    SeatTaken(u8),
    #[error("seat {0} is empty")]
    SeatEmpty(u8),
    #[error("seat {0} belongs to another player")]
    WrongPlayer(u8),
    #[error("the player already sits at this table")]
    AlreadySeated,
    #[error("seats of a hand must be named once, in rising order")]
    SeatOrder,
    #[error("deltas and rake sum to {0}, not to zero")]
    NotZeroSum(i128),
    #[error("seat {seat} has {stack} and cannot lose {loss}")]
    Insolvent { seat: u8, stack: u64, loss: u64 },
    #[error("rake {rake} is above this table's cap {cap}")]
    RakeAboveCap { rake: u64, cap: u64 },
    #[error("rake {0} is above what the players' permits allow")]
    RakeAbovePermits(u64),
    #[error("the stack is {have}, not {given}")]
    StackMismatch { have: u64, given: u64 },
    #[error("{moved} in one hand is above the limit {limit}")]
    HandLimit { moved: u64, limit: u64 },
    #[error("{moved} within an hour is above this table's limit {limit}")]
    HourLimit { moved: u64, limit: u64 },
    #[error("amount {0} is out of range")]
    Amount(u64),
    #[error("record hash must be 64 hex digits")]
    RecordHash,
    #[error("the permit's signature is not the player's")]
    BadPermit,
    #[error(
        "the permit expires at {expiry_s}; want {PERMIT_LIFE_MIN_S} to {PERMIT_LIFE_MAX_S} seconds after {now_s}"
    )]
    PermitLife { expiry_s: u64, now_s: u64 },
    #[error("the terms of the table are out of range; want {0}")]
    Terms(&'static str),
    #[error("a hand has at least two seats")]
    TooFewSeats,
    #[error("the deadline must be after now and within a day")]
    Deadline,
    #[error("calldata: {0}")]
    Calldata(String),
}

impl Refusal {
    /// Stable name of the rule, for problems and metrics.
    pub fn rule(&self) -> &'static str {
        match self {
            Self::NoSuchSeat(_) => "no_such_seat",
            Self::SeatTaken(_) => "seat_taken",
            Self::SeatEmpty(_) => "seat_empty",
            Self::WrongPlayer(_) => "wrong_player",
            Self::AlreadySeated => "already_seated",
            Self::SeatOrder => "seat_order",
            Self::NotZeroSum(_) => "not_zero_sum",
            Self::Insolvent { .. } => "insolvent_seat",
            Self::RakeAboveCap { .. } => "rake_above_cap",
            Self::RakeAbovePermits(_) => "rake_above_permits",
            Self::StackMismatch { .. } => "stack_mismatch",
            Self::HandLimit { .. } => "hand_limit",
            Self::HourLimit { .. } => "hour_limit",
            Self::Amount(_) => "amount_out_of_range",
            Self::RecordHash => "record_hash",
            Self::BadPermit => "bad_permit",
            Self::PermitLife { .. } => "permit_life",
            Self::Terms(_) => "terms",
            Self::TooFewSeats => "too_few_seats",
            Self::Deadline => "deadline",
            Self::Calldata(_) => "calldata",
        }
    }
}

/// Limits beyond what the contract has.
#[derive(Clone, Copy, Debug, Default)]
pub struct Limits {
    /// Chips that may change hands in one hand, in minor units. 0: any number.
    pub hand_max: u64,
    /// Whether a loss is refused that the chain may not have because of a shortfall that is not final yet. A journal that is
    /// read again does not ask: releases before accepted such hands.
    pub refuse_unbacked: bool,
}

/// A table's immutable terms, as its id on chain binds them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms {
    pub seats: u8,
    pub rake_basis_points: u16,
    pub rake_cap: u64,
    pub big_blind: u64,
}

impl Terms {
    /// The most that a hand may be raked where these stacks are in it, as the contract counts: no pot is
    /// larger than all stacks, and rounding adds at most one unit.
    pub fn rake_max(&self, stacks: u128) -> u128 {
        if self.rake_basis_points == 0 {
            return 0;
        }
        let by_stacks = u128::from(self.rake_basis_points) * stacks / 10_000 + 1;
        if self.rake_cap == 0 { by_stacks } else { by_stacks.min(self.rake_cap.into()) }
    }

    /// Checks that the contract would open a table with these terms.
    ///
    /// # Errors
    /// [`Refusal::Terms`] names what it would not.
    pub fn check(&self) -> Result<(), Refusal> {
        let sound = [
            ((2..=10).contains(&self.seats), "seats: 2 to 10"),
            (self.rake_basis_points <= 1_000, "rakeBasisPoints: at most 1000"),
            (self.rake_cap < 1 << 56, "rakeCap: less than 2^56"),
            (self.big_blind > 0, "bigBlind: more than 0"),
        ];
        sound.into_iter().find(|(holds, _)| !holds).map_or(Ok(()), |(_, what)| Err(Refusal::Terms(what)))
    }
}

impl From<&OpenTable> for Terms {
    fn from(open: &OpenTable) -> Self {
        Self {
            seats: open.seats,
            rake_basis_points: open.rake_basis_points,
            rake_cap: open.rake_cap,
            big_blind: open.big_blind,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seat {
    pub player: PlayerId,
    pub stack: u64,
    /// The rest of the rake that the player's permits allow.
    pub rake_left: u64,
}

/// The effect of an entry.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Effect {
    /// Chips that change hands by it.
    pub moved: u64,
    /// A hand's lanes by seat.
    pub lanes: BTreeMap<u8, Lane>,
}

/// A table as its accepted entries leave it: a model of what the contract will hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    pub terms: Terms,
    pub seats: BTreeMap<u8, Seat>,
}

impl Table {
    /// Applies one entry.
    ///
    /// # Errors
    /// The rule that forbids it; the table is then to be thrown away.
    pub fn apply(&mut self, body: &EntryBody, limits: &Limits) -> Result<Effect, Refusal> {
        match body {
            EntryBody::Sit { seat, player, permit } => {
                self.sit(seat.0, *player, permit)?;
                Ok(Effect::default())
            }
            EntryBody::TopUp { seat, player, permit } => {
                let held = self.owned(seat.0, *player)?;
                check_permit(permit)?;
                held.stack = held.stack.checked_add(permit.amount).ok_or(Refusal::Amount(permit.amount))?;
                held.rake_left = held.rake_left.saturating_add(permit.max_total_rake).min(RAKE_MAX);
                Ok(Effect::default())
            }
            EntryBody::Hand { deltas, rake, record_hash, .. } => {
                if hex::decode(record_hash).map_or(true, |hash| hash.len() != 32) {
                    return Err(Refusal::RecordHash);
                }
                hand::apply(self, deltas, *rake, limits)
            }
            EntryBody::Leave { seat, player, stack } => {
                let held = self.owned(seat.0, *player)?;
                if held.stack != *stack {
                    return Err(Refusal::StackMismatch { have: held.stack, given: *stack });
                }
                self.seats.remove(&seat.0);
                Ok(Effect::default())
            }
        }
    }

    fn sit(&mut self, seat: u8, player: PlayerId, permit: &Permit) -> Result<(), Refusal> {
        if seat >= self.terms.seats {
            return Err(Refusal::NoSuchSeat(seat));
        }
        if self.seats.contains_key(&seat) {
            return Err(Refusal::SeatTaken(seat));
        }
        if self.seats.values().any(|held| held.player == player) {
            return Err(Refusal::AlreadySeated);
        }
        check_permit(permit)?;
        let rake_left = permit.max_total_rake.min(RAKE_MAX);
        self.seats.insert(seat, Seat { player, stack: permit.amount, rake_left });
        Ok(())
    }

    fn owned(&mut self, seat: u8, player: PlayerId) -> Result<&mut Seat, Refusal> {
        let held = self.seats.get_mut(&seat).ok_or(Refusal::SeatEmpty(seat))?;
        if held.player == player { Ok(held) } else { Err(Refusal::WrongPlayer(seat)) }
    }
}

/// The contract's amounts are 64 bits, the system's are smaller; a permit's rake has no such bound.
pub const RAKE_MAX: u64 = purr_engine::config::AMOUNT_MAX;

/// Seconds that a permit must still be good for when chips are reserved for it, so that its entry can get
/// into a block; and the longest that a promise may bind them.
pub const PERMIT_LIFE_MIN_S: u64 = 60;
pub const PERMIT_LIFE_MAX_S: u64 = 86_400;

/// # Errors
/// [`Refusal::PermitLife`] names the bounds.
pub fn check_life(permit: &Permit, now_s: u64) -> Result<(), Refusal> {
    let expiry_s = permit.expiry_s;
    let left = expiry_s.saturating_sub(now_s);
    let sound = (PERMIT_LIFE_MIN_S..=PERMIT_LIFE_MAX_S).contains(&left);
    if sound { Ok(()) } else { Err(Refusal::PermitLife { expiry_s, now_s }) }
}

fn check_permit(permit: &Permit) -> Result<(), Refusal> {
    if permit.amount == 0 || permit.amount > purr_engine::config::AMOUNT_MAX {
        return Err(Refusal::Amount(permit.amount));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
