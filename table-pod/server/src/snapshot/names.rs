//! Names of fields and variants that are written as one or two bytes.

use super::malformed::Malformed;
use std::sync::{
    LazyLock,
    atomic::{AtomicU64, Ordering},
};

/// Names by code. The list is part of the format: a release with a shorter list could not read what a longer one
/// writes. So this list never changes; later names of a state are written out, and a new version of the format lists
/// them.
#[rustfmt::skip]
const NAMES: [&str; 178] = [
    // Names of a running hand, which take one byte each.
    "seat", "action", "total", "stack", "all_in", "timed_out", "acted", "turnStarted", "deadline", "raiseTo",
    "fold", "check", "call", "posted", "post", "amount", "dealt", "cards", "streetDealt", "street",
    "preflop", "flop", "turn", "river", "handStarted", "hand", "button", "dealt_in", "smallBlind", "bigBlind",
    "ante", "live", "dead", "straddle", "uncalled", "shown", "mucked", "raked", "potWon", "pot",
    "handEnded", "timeBankStarted", "disconnected", "reconnected", "board", "player", "pending", "sitting_out", "leaving", "connected",
    "owes_big", "owes_small", "posts", "time_bank_preflop_ms", "time_bank_ms", "disconnect_ms", "hands", "rake_left", "street_bet", "folded",
    "acted_at", "start_stack", "owed", "big", "small", "mucks", "number", "deck", "second_board", "players",
    "able", "bet", "full_bet", "raise_size", "minimum_bet", "bets", "aggressor", "pushed", "twice", "before",
    "last_before", "missed", "bank_since", "away", "away_ms", "grace_ms", "house", "since", "left_ms", "bank_ms",
    "allowed_ms", "NotAsked", "Asked", "Decided", "open", "satOut", "satIn", "left", "seated", "toppedUp",
    "agree", "on", "seats", "offset", "events", "timings", "sealed", "seed", "commitments", "reveals",
    "starts", "started_at_ms", "hash", "entropy", "applied", "room", "at", "stays", "out_ms", "topped",
    "entries", "until", "dealing", "deal", "table", "now", "results", "delta",
    // All others: two bytes.
    "config", "positions", "last", "last_hand", "paused_since", "departed", "bank", "broken", "played", "payer",
    "paid", "time", "preflop_ms", "sequence", "confirmed", "outbox", "notice", "seating", "exiting", "frozen",
    "withheld", "draining", "deleting", "closed", "paused_by", "hands_lost", "deals_void", "withheld_total", "faults",
    "after_deal", "last_big", "held", "void_too_few_players", "void_state_lost", "void_frozen", "void_other",
    "withheld_silent", "withheld_disconnected", "seq", "what", "left_with", "rake", "Sit", "TopUp", "Leave", "SitOut",
    "count", "void", "handNumber", "recordHash",
];

const NAMES_LENGTH: usize = NAMES.len();

/// Code of a name that is not in the list.
const NONE: u8 = u8::MAX;
const _: () = assert!(NAMES_LENGTH < NONE as usize, "a code is one byte");

pub(super) fn name(code: u8) -> Result<&'static str, Malformed> {
    NAMES.get(usize::from(code)).copied().ok_or(Malformed::Name(code))
}

/// Names in their order, with their codes.
static CODES: LazyLock<Vec<(&'static str, u8)>> = LazyLock::new(|| {
    let mut codes: Vec<(&'static str, u8)> = NAMES.into_iter().zip(0..).collect();
    codes.sort_unstable();
    codes
});

/// Places of names that were looked up, each with its code: one name is asked for from few places in the program, and
/// again with every step. An entry is a place's address (48 bits), the name's length and its code (8 bits each).
static PLACES: [AtomicU64; 1024] = [const { AtomicU64::new(0) }; 1024];

/// A name's code, where it has one.
#[inline]
pub(super) fn code(name: &'static str) -> Option<u8> {
    let (key, at) = place(name);
    let known = PLACES[at % PLACES.len()].load(Ordering::Relaxed);
    if known & !0xFF == key { code_of(known) } else { code_beside(name) }
}

/// Hash and address of a name. No name has address 0, so that an empty entry matches no name.
fn place(name: &'static str) -> (u64, usize) {
    let address = name.as_ptr() as u64;
    // Fibonacci hashing (Knuth, The Art of Computer Programming 6.4).
    let slot = (address ^ name.len() as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 54;
    (address << 16 | (name.len() as u64) << 8, usize::try_from(slot).unwrap_or_default())
}

#[allow(clippy::cast_possible_truncation, reason = "the code is the lowest byte")]
fn code_of(entry: u64) -> Option<u8> {
    let code = entry as u8;
    (code != NONE).then_some(code)
}

/// If two names share a slot, the second one uses the slot next to it.
#[inline(never)]
fn code_beside(name: &'static str) -> Option<u8> {
    let (key, at) = place(name);
    let [first, second] = [&PLACES[at % PLACES.len()], &PLACES[(at ^ 1) % PLACES.len()]];
    let known = second.load(Ordering::Relaxed);
    if known & !0xFF == key {
        return code_of(known);
    }
    let found = look_up(name);
    if name.as_ptr() as u64 >> 48 == 0 && name.len() < 256 {
        let place = if first.load(Ordering::Relaxed) == 0 { first } else { second };
        place.store(key | u64::from(found), Ordering::Relaxed);
    }
    (found != NONE).then_some(found)
}

#[cold]
fn look_up(name: &str) -> u8 {
    let at = CODES.binary_search_by_key(&name, |(known, _)| known);
    at.ok().and_then(|at| CODES.get(at)).map_or(NONE, |(_, code)| *code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_has_one_code_and_other_names_have_none() {
        for _ in 0..2 {
            for (at, known) in NAMES.into_iter().enumerate() {
                assert_eq!(code(known).map(usize::from), Some(at), "{known}");
                assert_eq!(name(u8::try_from(at).unwrap()), Ok(known));
            }
            assert_eq!(code("no such name"), None);
            // A text in the memory of a known name, but shorter: its address alone must not decide.
            assert_eq!(code(&NAMES[0][..1]), None);
        }
        assert!(name(u8::try_from(NAMES.len()).unwrap()).is_err());
    }
}
