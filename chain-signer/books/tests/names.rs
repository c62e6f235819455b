//! Texts that name accounts, rules and kinds in rows, metrics and problems: they are stored, so no two may be equal.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests may fail loudly")]

mod common;

use common::{logs_of, permit, player, table_id};
use purr_books::{
    asked,
    events::{Reason, VaultEvent as E, VaultLog},
    ledger::{Account, BadSubject, Subject},
    policy::Refusal as R,
};
use purr_engine::SeatIndex;
use purr_protocol::settlement::EntryBody;
use std::collections::BTreeSet;

const TABLE: &str = "one";

fn apart(names: &[String]) {
    let distinct: BTreeSet<&String> = names.iter().collect();
    assert_eq!(distinct.len(), names.len(), "{names:?}");
}

#[test]
fn accounts_are_named_apart_and_a_subject_is_read_back_from_its_name() {
    let (uid, who) = (TABLE.to_owned(), player(1));
    let subjects = [Subject::Table(uid.clone()), Subject::Player(who), Subject::House];
    let accounts = [
        Account::Chain,
        Account::Free(who),
        Account::Free(player(2)),
        Account::Reserved(who),
        Account::Seat { uid: uid.clone(), seat: 1 },
        Account::Seat { uid: uid.clone(), seat: 2 },
        Account::Rake { uid },
        Account::House,
    ];
    let suspense = subjects.iter().cloned().map(Account::Suspense);
    apart(&accounts.into_iter().chain(suspense).map(|account| account.to_string()).collect::<Vec<_>>());
    for subject in subjects {
        assert_eq!(subject.to_string().parse(), Ok(subject));
    }
    for text in ["", "seat:one", "player:me", "houses"] {
        assert_eq!(text.parse::<Subject>(), Err(BadSubject(text.into())));
    }
}

#[test]
fn each_rule_has_a_name_of_its_own() {
    let refusals = [
        R::NoSuchSeat(1),
        R::SeatTaken(1),
        R::SeatEmpty(1),
        R::WrongPlayer(1),
        R::AlreadySeated,
        R::SeatOrder,
        R::NotZeroSum(1),
        R::Insolvent { seat: 1, stack: 2, loss: 3 },
        R::RakeAboveCap { rake: 2, cap: 1 },
        R::RakeAbovePermits(1),
        R::StackMismatch { have: 1, given: 2 },
        R::HandLimit { moved: 2, limit: 1 },
        R::HourLimit { moved: 2, limit: 1 },
        R::Amount(0),
        R::RecordHash,
        R::BadPermit,
        R::PermitLife { expiry_s: 1, now_s: 2 },
        R::Terms("2 to 10 seats"),
        R::TooFewSeats,
        R::Deadline,
        R::Calldata("short".into()),
    ];
    apart(&refusals.iter().map(|refusal| refusal.rule().to_owned()).collect::<Vec<_>>());
    apart(&refusals.iter().map(ToString::to_string).collect::<Vec<_>>());
}

#[test]
fn each_kind_of_entry_has_a_name_of_its_own() {
    let (seat, player, permit) = (SeatIndex(0), player(0), permit(1, 1));
    let bodies = [
        EntryBody::Sit { seat, player, permit: permit.clone() },
        EntryBody::TopUp { seat, player, permit },
        EntryBody::Hand {
            hand: 1,
            deltas: Vec::new(),
            rake: 0,
            record_hash: String::new(),
            next: String::new(),
        },
        EntryBody::Leave { seat, player, stack: 0 },
    ];
    apart(&bodies.iter().map(|body| asked::kind(body).to_owned()).collect::<Vec<_>>());
}

#[test]
fn logs_survive_their_json_and_say_their_nonce_and_numbers() {
    let (player, table, seq, seat, amount, nonce) = (player(3), table_id(TABLE), 7, 2, 40, 11);
    let (first, last) = (8, 9);
    let said = [
        (E::Deposited { player, amount }, None, None),
        (E::Withdrawn { player, amount, nonce }, Some(nonce), None),
        (E::ExitRequested { player, ready_at_s: 5 }, None, None),
        (E::ExitFinalised { player, amount }, None, None),
        (E::PermitCancelled { player, nonce }, Some(nonce), None),
        (E::TableOpened { table }, None, None),
        (E::Seated { table, player, seq, seat, amount, nonce }, Some(nonce), Some((seq, seq))),
        (E::ToppedUp { table, player, seq, seat, amount, nonce }, Some(nonce), Some((seq, seq))),
        (E::SeatingRefused { table, player, seq, nonce, reason: [1; 4] }, Some(nonce), Some((seq, seq))),
        (E::HandsSettled { table, first, last, rake: 1 }, None, Some((first, last))),
        (E::Shortfall { table, first, amount, reserve: 1, rake: 2, winners: 37 }, None, None),
        (E::LateWinnings { table, player, first, amount }, None, None),
        (E::Left { table, player, seq, seat, stack: 3 }, None, Some((seq, seq))),
        (E::SeatVacated { table, player, seat, stack: 3 }, None, None),
        (E::RangeVoided { table, first, last }, None, Some((first, last))),
        (E::ItemRejected { table, seq, reason: Reason::Again([2; 4]) }, None, Some((seq, seq))),
        (E::RakeSwept { table, amount }, None, None),
        (E::ReserveFunded { amount }, None, None),
        (E::HousePaid { to: player, amount }, None, None),
    ];
    for (event, nonce, range) in said {
        assert_eq!((event.nonce(), event.range()), (nonce, range), "{event:?}");
        let log = logs_of(12, &[event]).remove(0);
        let json = serde_json::to_string(&log).unwrap();
        assert!(json.contains(&hex::encode(log.tx)), "{json}");
        assert_eq!(serde_json::from_str::<VaultLog>(&json).unwrap(), log);
        let short = json.replace(&hex::encode(log.tx), "abcd");
        assert!(serde_json::from_str::<VaultLog>(&short).unwrap_err().to_string().contains("64 hex digits"));
    }
}
