//! The books in the sessions' Redis: one script carries out every step, so that each is atomic whichever gateway runs
//! it.

use super::{
    choose::{Held, HeldKind, Offer},
    key::FleetKey,
    step::{
        BACK_MS, ENDS_MAX, HOLDS_MAX, LINGER_MS, OWN_MS, Outcome, PAUSE_MAX_MS, Pace, SEEN_MS, SIT_MS,
        Standing, Step, UNUSED_MS,
    },
};
use purr_engine::PlayerId;
use purr_store::{StoreError, seating_key};

const SCRIPT: &str = include_str!("script.lua");
/// Seconds for which a fleet's books are kept when no gateway reads them any more.
const KEEP_S: u64 = 3_600;

/// `now_ms` 0: the server's own clock.
fn command(op: &str, now_ms: u64, fleet: &FleetKey, player: &str) -> redis::Cmd {
    let mut command = redis::cmd("EVAL");
    let names = ["seats", "ends", "holds", "list", "seen", "ids", "pace"];
    command.arg(SCRIPT).arg(names.len());
    for name in names {
        command.arg(seating_key(fleet, name));
    }
    command.arg(op).arg(now_ms).arg(fleet.to_string()).arg(player);
    for number in [SIT_MS, LINGER_MS, SEEN_MS, UNUSED_MS, BACK_MS, PAUSE_MAX_MS] {
        command.arg(number);
    }
    command.arg(HOLDS_MAX).arg(OWN_MS).arg(ENDS_MAX);
    command
}

/// The command of a step.
pub fn step(now_ms: u64, fleet: &FleetKey, player: PlayerId, step: &Step) -> redis::Cmd {
    let begin = |op| command(op, now_ms, fleet, &player.to_string());
    let offered = |mut command: redis::Cmd, offers: &[Offer]| {
        for offer in offers {
            command.arg(offer.to_string());
        }
        command
    };
    match step {
        Step::Ask { id, hold_ms, waiting_max, join, offers } => {
            let mut command = begin("ask");
            command.arg(id).arg(*hold_ms).arg(*waiting_max).arg(u8::from(*join));
            offered(command, offers)
        }
        Step::Own => begin("own"),
        Step::Back { id } => {
            let mut command = begin("back");
            command.arg(id.as_deref().unwrap_or("-"));
            command
        }
        Step::Sit { at } => offered(begin("sit"), std::slice::from_ref(at)),
        Step::Confirm { at } => offered(begin("confirm"), std::slice::from_ref(at)),
        Step::Serve { hold_ms, offers } => {
            let mut command = begin("serve");
            command.arg(*hold_ms);
            offered(command, offers)
        }
    }
}

pub fn seen(now_ms: u64, fleet: &FleetKey, players: &[PlayerId]) -> redis::Cmd {
    let mut command = command("seen", now_ms, fleet, "-");
    for player in players {
        command.arg(player.to_string());
    }
    command
}

/// `keep`: extends the lifetime of the books.
pub fn look(now_ms: u64, fleet: &FleetKey, first: usize, keep: bool) -> redis::Cmd {
    let mut command = command("look", now_ms, fleet, "-");
    command.arg(first).arg(if keep { KEEP_S } else { 0 });
    command
}

fn corrupt(words: &[String]) -> StoreError {
    let words: Vec<&str> = words.iter().map(String::as_str).take(8).collect();
    StoreError::Corrupt(format!("seating was answered with {words:?}"))
}

/// Parses the answer to a step.
///
/// # Errors
/// Where it is no answer of this script.
pub fn outcome(words: &[String]) -> Result<Outcome, StoreError> {
    let parsed = || {
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        Some(match *words.as_slice() {
            ["held", at, left_ms, kind, id] => Outcome::Held {
                at: at.parse().ok()?,
                left_ms: left_ms.parse().ok()?,
                offered: kind == "o",
                sitting: kind == "s",
                id: id.to_owned(),
            },
            ["waiting", place, size, mean_ms, since_ms] => Outcome::Waiting {
                place: place.parse().ok()?,
                size: size.parse().ok()?,
                pace: Pace { mean_ms: mean_ms.parse().ok()?, since_ms: since_ms.parse().ok()? },
            },
            ["seated", at] => Outcome::Seated { at: at.parse().ok()? },
            ["ended"] => Outcome::Ended,
            ["elsewhere", fleet] => Outcome::Elsewhere { fleet: fleet.to_owned() },
            ["paused", left_ms] => Outcome::Paused { left_ms: left_ms.parse().ok()? },
            ["taken"] => Outcome::Taken,
            ["full"] => Outcome::Full,
            ["behind", size] => Outcome::Behind { size: size.parse().ok()? },
            ["list-full", max] => Outcome::ListFull { max: max.parse().ok()? },
            ["none"] => Outcome::None,
            ["other"] => Outcome::Other,
            ["sitting"] => Outcome::Sitting,
            ["done"] => Outcome::Done,
            _ => return None,
        })
    };
    parsed().ok_or_else(|| corrupt(words))
}

fn held(at: &str, value: &str, now: u64) -> Option<(Held, u64)> {
    let mut words = value.split(' ');
    let player = words.next()?.parse().ok()?;
    let until: u64 = words.next()?.parse().ok()?;
    let kind = match words.next()? {
        "h" => HeldKind::Asked,
        "o" => HeldKind::Offered,
        "s" => HeldKind::Sitting,
        "c" => HeldKind::Seated,
        _ => return None,
    };
    Some((Held { at: at.parse().ok()?, player, kind }, until.saturating_sub(now)))
}

/// Parses the answer to a read of the books; seats are sorted.
///
/// # Errors
/// Where it is no answer of this script.
pub fn standing(words: &[String]) -> Result<Standing, StoreError> {
    let parsed = || {
        let (head, rest) = words.split_at_checked(6)?;
        let [look, now, mean_ms, since_ms, size, seats] = head else { return None };
        if look != "look" {
            return None;
        }
        let now: u64 = now.parse().ok()?;
        let seats: usize = seats.parse().ok()?;
        let (seats, waiting) = rest.split_at_checked(seats.checked_mul(2)?)?;
        let mut seats: Vec<&[String]> = seats.chunks_exact(2).collect();
        seats.sort_unstable();
        let (held, left_ms) = seats
            .into_iter()
            .map(|pair| held(pair.first()?, pair.get(1)?, now))
            .collect::<Option<Vec<_>>>()?
            .into_iter()
            .unzip();
        Some(Standing {
            held,
            left_ms,
            waiting: waiting.iter().map(|player| player.parse().ok()).collect::<Option<_>>()?,
            size: size.parse().ok()?,
            pace: Pace { mean_ms: mean_ms.parse().ok()?, since_ms: since_ms.parse().ok()? },
        })
    };
    parsed().ok_or_else(|| corrupt(words))
}
