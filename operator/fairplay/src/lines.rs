//! Files of ended hands, one JSON object a line: hands as the README describes them, and tables' records, also mixed.

use crate::{
    Detector, ObserveError,
    record::{BadRecord, ended_hand, open},
};
use purr_fairplay_hands::EndedHand;
use purr_fairplay_sim::BadField;
use purr_protocol::{audit::AuditError, fairplay::FairPlaySecret, record::HandRecord};
use serde_json::Value;
use std::io::{BufRead, Read};

/// Longest line, in bytes: a hand of ten players has some 8 kB.
pub const LINE_BYTES_MAX: u64 = 1 << 20;

/// Why a line cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum LineError {
    #[error("the file cannot be read: {0}")]
    Io(#[from] std::io::Error),
    #[error("longer than {LINE_BYTES_MAX} bytes")]
    TooLong,
    #[error("not JSON: {}", by_column(.0))]
    Json(serde_json::Error),
    #[error(
        "neither an ended hand, an object with \"seats\", nor a table's record, an object with \"history\""
    )]
    Neither,
    #[error("not an ended hand: {0}")]
    Hand(BadField),
    #[error("not a table's record: {0}")]
    Record(BadField),
    #[error("the fair-play part of the record: {0}")]
    Sealed(#[from] AuditError),
    #[error("a table's record that cannot be scored: {0}")]
    BadRecord(#[from] BadRecord),
    #[error(transparent)]
    Observe(#[from] ObserveError),
}

/// An error of one line's JSON: without the line, which is always its first.
fn by_column(error: &serde_json::Error) -> String {
    error.to_string().replace(&format!(" at line {} column", error.line()), " at column")
}

/// A line, from 1, and what is wrong with it.
#[derive(Debug, thiserror::Error)]
#[error("line {line}: {error}")]
pub struct BadLine {
    pub line: u64,
    pub error: LineError,
}

/// Scores every line; empty ones and void hands are passed over.
///
/// # Errors
/// The first line that cannot be scored. Those before it are scored.
pub fn observe_lines(
    mut lines: impl BufRead,
    secret: Option<&FairPlaySecret>,
    detector: &mut Detector,
) -> Result<(), BadLine> {
    let (mut text, mut format) = (Vec::new(), Format::Hand);
    for line in 1.. {
        let scored = next_line(&mut lines, &mut text).and_then(|more| {
            if more && !text.iter().all(u8::is_ascii_whitespace) {
                let (hand, found) = read_hand(&text, secret, format)?;
                format = found;
                hand.map_or(Ok(()), |hand| detector.observe(&hand))?;
            }
            Ok(more)
        });
        match scored {
            Ok(true) => {}
            Ok(false) => break,
            Err(error) => return Err(BadLine { line, error }),
        }
    }
    Ok(())
}

/// Whether there was a line.
fn next_line(lines: &mut impl BufRead, text: &mut Vec<u8>) -> Result<bool, LineError> {
    text.clear();
    let read = lines.take(LINE_BYTES_MAX + 1).read_until(b'\n', text)? as u64;
    if read > LINE_BYTES_MAX { Err(LineError::TooLong) } else { Ok(read > 0) }
}

/// The format of the previous line: the next one usually has the same.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Format {
    Hand,
    Record,
}

/// The hand of a line; none of a void one.
fn read_hand(
    text: &[u8],
    secret: Option<&FairPlaySecret>,
    before: Format,
) -> Result<(Option<EndedHand>, Format), LineError> {
    if before == Format::Hand
        && let Ok(hand) = serde_json::from_slice(text)
    {
        return Ok((Some(by_rising_seat(hand)), Format::Hand));
    }
    let record = match serde_json::from_slice::<HandRecord>(text) {
        Ok(record) => record,
        Err(error) => match serde_json::from_slice(text) {
            Ok(hand) => return Ok((Some(by_rising_seat(hand)), Format::Hand)),
            Err(not_a_hand) => return Err(neither(text, error, not_a_hand)),
        },
    };
    let hidden = secret.map(|secret| open(&record, secret)).transpose()?.flatten();
    let started = record.place.as_ref().and_then(|place| place.started_at_ms);
    match ended_hand(&record, hidden.as_ref(), started.unwrap_or(0)) {
        Ok(hand) => Ok((Some(hand), Format::Record)),
        Err(BadRecord::Void) => Ok((None, Format::Record)),
        Err(error) => Err(error.into()),
    }
}

/// The detectors find positions by the order of seats, whoever wrote them in another.
fn by_rising_seat(mut hand: EndedHand) -> EndedHand {
    if !hand.seats.is_sorted_by_key(|played| played.seat) {
        hand.seats.sort_by_key(|played| played.seat);
    }
    hand
}

/// Why a line is neither, by the format that it is nearer to.
fn neither(text: &[u8], not_a_record: serde_json::Error, not_a_hand: serde_json::Error) -> LineError {
    match serde_json::from_slice::<Value>(text) {
        Err(error) => LineError::Json(error),
        Ok(value) if value.get("history").is_some() => {
            LineError::Record(BadField::of::<HandRecord>(value, not_a_record))
        }
        Ok(value) if value.get("seats").is_some() => {
            LineError::Hand(BadField::of::<EndedHand>(value, not_a_hand))
        }
        Ok(_) => LineError::Neither,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may fail loudly")]
mod tests {
    use super::*;

    const HAND: &str = r#"{"table":"t","hand":1,"bigBlind":100,"button":0,"seats":[
        {"seat":0,"player":"0x0000000000000000000000000000000000000001","stack":1000,"cards":["As","Kd"],"delta":100},
        {"seat":1,"player":"0x0000000000000000000000000000000000000002","stack":1000,"cards":null,"delta":-100}],
        "posts":[{"seat":0,"amount":50},{"seat":1,"amount":100}],
        "actions":[{"seat":0,"street":"preflop","action":"fold","to":50}]}"#;

    fn hand() -> String {
        HAND.replace('\n', "")
    }

    fn scored(text: &str) -> Result<u64, String> {
        let mut detector = Detector::default();
        let done = observe_lines(text.as_bytes(), None, &mut detector);
        done.map(|()| detector.hands()).map_err(|error| error.to_string())
    }

    #[test]
    fn empty_lines_and_unknown_fields_are_passed_over_and_the_last_line_needs_no_end() {
        let other = hand().replace(r#""hand":1"#, r#""hand":2,"weather":"rain""#);
        assert_eq!(scored(&format!("\n{}\n  \n{other}", hand())), Ok(2));
        assert_eq!(scored(""), Ok(0));
    }

    #[test]
    fn seats_in_another_order_are_the_same_hand() {
        let hand: EndedHand = serde_json::from_str(HAND).unwrap();
        let mut other = hand.clone();
        other.seats.reverse();
        let text = serde_json::to_vec(&other).unwrap();
        assert_eq!(read_hand(&text, None, Format::Hand).unwrap().0, Some(hand));
    }

    #[test]
    fn what_is_wrong_with_a_line_is_said_with_its_number() {
        let cases = [
            ("{", "line 2: not JSON: EOF"),
            ("[1]", "line 2: neither an ended hand"),
            (r#"{"table":"t"}"#, "line 2: neither an ended hand"),
            (r#"{"history":5}"#, "line 2: not a table's record"),
            (r#"{"seats":[]}"#, "line 2: not an ended hand: missing field `table`"),
            (r#"{"table":"t","#, "line 2: not JSON: EOF while parsing a value at column"),
        ];
        for (line, wanted) in cases {
            let error = scored(&format!("{}\n{line}\n", hand())).unwrap_err();
            assert!(error.starts_with(wanted), "{line}: {error}");
        }
        for (from, to, wanted) in [
            (r#""As""#, r#""Xs""#, "not an ended hand"),
            (r#""preflop""#, r#""lobby""#, "unknown variant"),
            (r#""hand":1"#, r#""hand":4294967296"#, "below 2^32"),
            (r#""board":[]"#, "", ""),
            (r#""0x0000000000000000000000000000000000000002""#, r#""0x02""#, "not an ended hand"),
            (
                r#""seat":1,"player""#,
                r#""seat":0,"player""#,
                "hand 1 of table t: seats: seat 0 is listed twice",
            ),
            (r#""stack":1000,"cards":null"#, r#""stack":"1000""#, "seats[1].stack: invalid type: string"),
            (r#""seat":0,"amount":50"#, r#""seat":0"#, "posts[0]: missing field `amount`"),
            (r#""action":"fold""#, r#""action":"shove""#, "actions[0].action: unknown variant `shove`"),
            (r#""bigBlind":100"#, r#""bigBlind":-1"#, "bigBlind: invalid value"),
            (r#""bigBlind":100"#, r#""bigBlind":0"#, "hand 1 of table t: bigBlind: must be at least 1"),
            (r#""hand":1"#, r#""hand":1,"hand":2"#, "duplicate field `hand`"),
            ("000002", "000001", "seats[1].player: has another seat"),
            (r#""cards":null"#, r#""cards":["As","2c"]"#, "cards and board: As is there twice"),
            (r#""street":"preflop""#, r#""street":"flop""#, "actions[0].street: the board has 0 cards"),
            (r#""action":"fold""#, r#""action":"raise""#, "actions[0].to: a raise to 50 where 100 is bet"),
            (
                r#""action":"fold","to":50"#,
                r#""action":"call""#,
                "actions[0].to: a call to 0 by a seat that has 50",
            ),
        ] {
            assert!(hand().contains(from) || wanted.is_empty(), "{from}");
            let error = scored(&hand().replace(from, to));
            if wanted.is_empty() {
                assert_eq!(error, Ok(1));
            } else {
                assert!(error.as_ref().is_err_and(|error| error.contains(wanted)), "{to}: {error:?}");
            }
        }
        let long = format!("{}{}", hand(), " ".repeat(usize::try_from(LINE_BYTES_MAX).unwrap()));
        assert!(scored(&long).unwrap_err().contains("longer than"));
    }
}
