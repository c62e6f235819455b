//! Checks a record before it is stored: a function of its bytes.

use purr_engine::{Event, PlayerId, SeatIndex};
use purr_protocol::{
    HistoryNames, TableUid,
    record::{HandRecord, VERSION},
};
use purr_store::StoredHand;

/// Largest record, in bytes. A full one with ten seats has about 100 KiB.
pub const RECORD_BYTES_MAX: usize = 1 << 20;

/// A record that has been checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checked {
    pub table: String,
    pub hand: i64,
    pub hash: [u8; 32],
    pub epoch: i64,
    /// Milliseconds since 1970, by the clock of the Redis master.
    pub ended_ms: i64,
    pub void: bool,
    pub rake: i64,
    /// Whether everybody sees addresses.
    pub public: bool,
    /// When other players may first read the hand, in milliseconds since 1970.
    pub shown_ms: i64,
    /// All pots before rake.
    pub pot: i64,
    pub seats: Vec<CheckedSeat>,
    pub record: HandRecord,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckedSeat {
    pub seat: i16,
    pub player: PlayerId,
    pub delta: i64,
    pub stack: i64,
    /// Hole cards that everybody saw, the low number first.
    pub shown: Option<[i16; 2]>,
}

/// Why something is no record.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    #[error("{0} bytes: at most {RECORD_BYTES_MAX}")]
    TooLarge(usize),
    #[error("the hash does not belong to the bytes")]
    Hash,
    #[error("not a hand record: {0}")]
    Syntax(String),
    #[error("version {0} is not known")]
    Version(u8),
    #[error("the stream says {stream}, the record {record}")]
    Other { stream: String, record: String },
    #[error("'{0}' is not a table's UID")]
    Table(String),
    #[error("{0} is out of range")]
    Range(&'static str),
    #[error("the record does not say how the hand ended, or twice, or not as its history does")]
    End,
    #[error("the results do not sum to zero: {0} chips are too many")]
    Sum(i128),
    #[error("the result of seat {0} does not follow from its stack at the start")]
    Stack(u8),
    #[error("there are too many records of this hand")]
    Versions,
    #[error("refused by the database: {0}")]
    Refused(String),
}

fn text(value: &str) -> String {
    value.chars().filter(|c| !c.is_control()).take(200).collect()
}

/// Checks one entry of the stream.
pub fn check(stored: &StoredHand) -> Result<Checked, Malformed> {
    if stored.record.len() > RECORD_BYTES_MAX {
        return Err(Malformed::TooLarge(stored.record.len()));
    }
    let hash = HandRecord::hash(&stored.record);
    if hex::encode(hash) != stored.hash {
        return Err(Malformed::Hash);
    }
    let record: HandRecord = serde_json::from_slice(&stored.record)
        .map_err(|error| Malformed::Syntax(text(&error.to_string())))?;
    if !(1..=VERSION).contains(&record.version) {
        return Err(Malformed::Version(record.version));
    }
    if !TableUid::is_one(&record.table) {
        return Err(Malformed::Table(text(&record.table)));
    }
    let (end, history) = (&record.end, &record.history);
    let named = |table: &str, hand: u64| format!("hand {hand} of table {}", text(table));
    for said in [end.hand, history.hand] {
        if (stored.table.as_str(), stored.hand) != (record.table.as_str(), said) {
            let (stream, record) = (named(&stored.table, stored.hand), named(&record.table, said));
            return Err(Malformed::Other { stream, record });
        }
    }
    let ends: Vec<_> = history.events.iter().filter(|event| matches!(event, Event::HandEnded(_))).collect();
    if ends != [&Event::HandEnded(end.clone())] {
        return Err(Malformed::End);
    }
    let sum: i128 =
        end.results.iter().map(|result| i128::from(result.delta)).sum::<i128>() + i128::from(end.rake);
    if sum != 0 {
        return Err(Malformed::Sum(sum));
    }
    let whole = |value: u64, what| i64::try_from(value).map_err(|_| Malformed::Range(what));
    if !(1..i64::MAX.unsigned_abs()).contains(&end.hand) {
        return Err(Malformed::Range("the hand's number"));
    }
    let mut seats: Vec<CheckedSeat> = Vec::with_capacity(end.results.len());
    for result in &end.results {
        let start = history.seats.iter().find(|start| start.seat == result.seat);
        let follows = start.is_some_and(|start| {
            start.player == result.player
                && i128::from(start.stack) + i128::from(result.delta) == i128::from(result.stack)
        });
        let twice = seats.iter().any(|seat| seat.seat == i16::from(result.seat.0));
        if !follows || twice || result.seat.0 > 9 {
            return Err(Malformed::Stack(result.seat.0));
        }
        seats.push(CheckedSeat {
            seat: result.seat.0.into(),
            player: result.player,
            delta: result.delta,
            stack: whole(result.stack, "a stack")?,
            shown: shown(&record, result.seat),
        });
    }
    let ended_ms = ended_ms(&stored.id);
    let public = record.shown.names == HistoryNames::Public;
    let delay_ms = if public { 0 } else { i64::from(record.shown.delay_s) * 1_000 };
    let won = |event: &Event| match event {
        Event::PotWon { amount, .. } => u128::from(*amount),
        _ => 0,
    };
    let pot = history.events.iter().map(won).sum::<u128>() + u128::from(end.rake);
    let pot = i64::try_from(pot).map_err(|_| Malformed::Range("the pot"))?;
    Ok(Checked {
        table: record.table.clone(),
        hand: whole(end.hand, "the hand's number")?,
        hash,
        epoch: whole(record.epoch, "the epoch")?,
        ended_ms,
        void: end.void,
        rake: whole(end.rake, "the rake")?,
        public,
        shown_ms: ended_ms.saturating_add(delay_ms),
        pot,
        seats,
        record,
    })
}

fn shown(record: &HandRecord, of: SeatIndex) -> Option<[i16; 2]> {
    record.history.events.iter().find_map(|event| match event {
        Event::Shown { seat, cards: [one, other] } if *seat == of => {
            let (one, other) = (one.number(), other.number());
            Some([one.min(other).into(), one.max(other).into()])
        }
        _ => None,
    })
}

/// A stream's ids begin with the master's time.
fn ended_ms(id: &str) -> i64 {
    id.split('-').next().and_then(|ms| ms.parse().ok()).unwrap_or(0)
}
