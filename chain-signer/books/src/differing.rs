//! Where books and chain differ, and what waits until they agree again.
//!
//! A difference is about one table or one player, so that a false alarm stops nobody else.

use crate::{
    books::Books,
    events::VaultLog,
    ledger::{Account, Subject},
};
use purr_engine::PlayerId;
use std::collections::{BTreeMap, BTreeSet};

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("books and chain differ about {subject} ({why}): nothing is promised or paid there until they agree")]
pub struct Differs {
    pub subject: Subject,
    pub why: String,
}

fn refuse(books: &Books, subject: Subject) -> Result<(), Differs> {
    match books.differing.get(&subject) {
        Some(why) => Err(Differs { subject, why: why.clone() }),
        None => Ok(()),
    }
}

/// Whether a voucher may be signed: neither the player nor a table where the player has a seat differs.
///
/// # Errors
/// What differs.
pub fn may_pay(books: &Books, player: PlayerId) -> Result<(), Differs> {
    refuse(books, Subject::Player(player))?;
    let here = |table: &crate::books::TableBooks| table.owners.values().any(|owner| owner.player == player);
    let tables = books.tables.iter().filter(|(_, table)| here(table));
    tables.into_iter().try_for_each(|(uid, _)| refuse(books, Subject::Table(uid.clone())))
}

/// Whether chips may be set aside for a seat: neither the player nor the table differs.
///
/// # Errors
/// What differs.
pub fn may_reserve(books: &Books, uid: &str, player: PlayerId) -> Result<(), Differs> {
    refuse(books, Subject::Player(player))?;
    refuse(books, Subject::Table(uid.into()))
}

/// One figure on both sides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Compared {
    pub subject: Subject,
    pub what: &'static str,
    pub books: String,
    pub chain: String,
}

impl Compared {
    pub fn new(subject: Subject, what: &'static str, books: &impl ToString, chain: &impl ToString) -> Self {
        Self { subject, what, books: books.to_string(), chain: chain.to_string() }
    }
}

/// Why something differs, and since which block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    pub why: String,
    pub block: u64,
}

/// Returns the differences after a comparison at a block: the comparison's own, what is still in suspense, conflicts of later
/// blocks, and what it left out. A difference that is found again keeps the block at which it began.
pub fn after_comparison(
    before: &BTreeMap<Subject, Difference>,
    compared: &[Compared],
    suspense: impl Iterator<Item = (Account, i64)>,
    block: u64,
) -> BTreeMap<Subject, Difference> {
    let mut found = BTreeMap::<Subject, Difference>::new();
    let since = |subject: &Subject| before.get(subject).map_or(block, |known| known.block.min(block));
    let differing = compared.iter().filter(|one| one.books != one.chain).map(|one| {
        (one.subject.clone(), format!("{}: {} in the books, {} on the chain", one.what, one.books, one.chain))
    });
    let held = suspense.filter_map(|(account, amount)| match account {
        Account::Suspense(subject) if amount != 0 => Some((subject, format!("{amount} in suspense"))),
        _ => None,
    });
    for (subject, why) in differing.chain(held) {
        let block = since(&subject);
        found.entry(subject).or_insert(Difference { why, block });
    }
    let looked_at: BTreeSet<&Subject> = compared.iter().map(|one| &one.subject).collect();
    let stays = |subject: &Subject, known: &Difference| known.block > block || !looked_at.contains(subject);
    for (subject, known) in before.iter().filter(|(subject, known)| stays(subject, known)) {
        found.insert(subject.clone(), known.clone());
    }
    found
}

/// Returns the subjects that final logs have changed, and in which block: they are compared with the chain next.
pub fn touched(books: &Books, logs: &[VaultLog]) -> BTreeMap<Subject, u64> {
    let mut touched = BTreeMap::<Subject, u64>::new();
    for log in logs {
        let table = log.event.table().and_then(|id| books.uid_of(&id)).map(Subject::Table);
        let player = log.event.player().map(Subject::Player);
        let sums = log.event.moves_sums().then_some(Subject::House);
        for subject in [table, player, sums].into_iter().flatten() {
            let at = touched.entry(subject).or_default();
            *at = log.block.max(*at);
        }
    }
    touched
}

/// Subjects that may be compared next.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Candidates {
    /// Subjects that differ.
    pub differing: Vec<Subject>,
    /// Subjects that have changed since their last comparison, longest ago first.
    pub changed: Vec<Subject>,
    /// All others, compared longest ago first.
    pub rest: Vec<Subject>,
}

/// Chooses what to compare with a given number of requests. Subjects that differ get at most half of them, so that many
/// differences do not keep others waiting; then come subjects that have changed, then all others in turn.
pub fn plan(candidates: &Candidates, requests: usize, cost: impl Fn(&Subject) -> usize) -> Vec<Subject> {
    let mut chosen = Vec::new();
    let mut known = BTreeSet::new();
    let mut left = requests;
    let Candidates { differing, changed, rest } = candidates;
    let alone = changed.is_empty() && rest.is_empty();
    let mut choose = |from: &[Subject], most: usize| {
        let mut room = most.min(left);
        for subject in from {
            let cost = cost(subject);
            if cost > room {
                break;
            }
            if known.insert(subject.clone()) {
                (room, left) = (room - cost, left - cost);
                chosen.push(subject.clone());
            }
        }
    };
    choose(differing, if alone { requests } else { requests.div_ceil(2) });
    choose(changed, requests);
    choose(rest, requests);
    choose(differing, requests);
    chosen
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::books::{Owner, TableBooks};
    use crate::policy::Terms;

    const ONE: PlayerId = PlayerId([1; 20]);
    const TWO: PlayerId = PlayerId([2; 20]);

    fn books() -> Books {
        let terms = Terms { seats: 6, rake_basis_points: 0, rake_cap: 0, big_blind: 2 };
        let mut table = TableBooks::new([7; 32], terms, 1);
        table.owners.insert(0, Owner { player: ONE, vacated: None, rake_left: 0, borne: 0 });
        Books { tables: [("t".to_owned(), table)].into(), ..Books::default() }
    }

    #[test]
    fn a_table_that_differs_stops_the_payouts_of_its_own_players_only() {
        let mut books = books();
        assert_eq!((may_pay(&books, ONE), may_pay(&books, TWO)), (Ok(()), Ok(())));
        books.differing.insert(Subject::Table("t".into()), "seat 0".into());
        let refused = may_pay(&books, ONE).unwrap_err();
        assert_eq!(refused.subject, Subject::Table("t".into()));
        assert_eq!(may_pay(&books, TWO), Ok(()));
        // Nobody new sits down there; other tables go on.
        assert!(may_reserve(&books, "t", TWO).is_err() && may_reserve(&books, "other", TWO).is_ok());
    }

    #[test]
    fn a_player_that_differs_is_paid_nothing_and_the_house_stops_nobody() {
        let mut books = books();
        books.differing.insert(Subject::House, "reserve".into());
        assert_eq!(may_pay(&books, ONE), Ok(()));
        books.differing.insert(Subject::Player(TWO), "free".into());
        assert!(may_pay(&books, TWO).is_err() && may_reserve(&books, "t", TWO).is_err());
        assert_eq!(may_pay(&books, ONE), Ok(()));
    }

    #[test]
    fn a_difference_ends_with_the_comparison_that_no_longer_finds_it() {
        let (a, b, c) = (Subject::Table("a".into()), Subject::Player(ONE), Subject::Player(TWO));
        let known = |block| Difference { why: "x".into(), block };
        let before = [(a.clone(), known(5)), (b.clone(), known(5)), (c.clone(), known(11))].into();
        let compared = [
            Compared::new(a, "stack", &1, &1),
            Compared::new(b.clone(), "free", &2, &3),
            Compared::new(b.clone(), "reserved", &2, &2),
        ];
        let after = after_comparison(&before, &compared, std::iter::empty(), 10);
        assert_eq!(
            after.keys().collect::<Vec<_>>(),
            [&b, &c],
            "a later conflict is not ended by an older block"
        );
        assert_eq!(after[&b], Difference { why: "free: 2 in the books, 3 on the chain".into(), block: 5 });
    }

    #[test]
    fn what_is_in_suspense_differs_although_the_balances_agree() {
        let house = Subject::House;
        let suspense = [(Account::Suspense(house.clone()), -4), (Account::Suspense(Subject::Player(ONE)), 0)];
        let after = after_comparison(&BTreeMap::new(), &[], suspense.into_iter(), 9);
        assert_eq!(after, [(house, Difference { why: "-4 in suspense".into(), block: 9 })].into());
    }

    #[test]
    fn what_a_comparison_left_out_goes_on_differing() {
        let (a, b) = (Subject::Table("a".into()), Subject::Player(ONE));
        let known = Difference { why: "x".into(), block: 5 };
        let before = [(a.clone(), known.clone()), (b.clone(), known.clone())].into();
        let compared = [Compared::new(b, "free", &2, &2)];
        assert_eq!(after_comparison(&before, &compared, std::iter::empty(), 10), [(a, known)].into());
    }

    #[test]
    fn a_log_touches_its_table_its_player_and_where_money_crosses_the_vaults_door_the_sums() {
        use crate::events::VaultEvent as E;
        let log = |block, event| VaultLog { block, tx: [0; 32], index: 0, event };
        let logs = [
            log(3, E::Deposited { player: ONE, amount: 5 }),
            log(4, E::Left { table: [7; 32], player: TWO, seq: 1, seat: 0, stack: 5 }),
            log(5, E::HandsSettled { table: [7; 32], first: 2, last: 2, rake: 0 }),
            log(6, E::HandsSettled { table: [8; 32], first: 2, last: 2, rake: 0 }),
        ];
        let want = [
            (Subject::Table("t".into()), 5),
            (Subject::Player(ONE), 3),
            (Subject::Player(TWO), 4),
            (Subject::House, 3),
        ];
        assert_eq!(touched(&books(), &logs), want.into());
    }

    #[test]
    fn changed_accounts_come_before_the_rest_and_what_differs_takes_half_at_most() {
        let table = |n: u8| Subject::Table(n.to_string());
        let cost = |subject: &Subject| if matches!(subject, Subject::Table(_)) { 2 } else { 1 };
        let (one, two) = (Subject::Player(ONE), Subject::Player(TWO));
        let candidates = Candidates {
            differing: (0..9).map(table).collect(),
            changed: vec![one.clone(), table(0)],
            rest: vec![one.clone(), two.clone()],
        };
        // Two tables, then what has changed and is not among them, then the rest, then tables again while there is room.
        assert_eq!(plan(&candidates, 8, cost), [table(0), table(1), one.clone(), two.clone(), table(2)]);
        assert_eq!(plan(&candidates, 5, cost), [table(0), one.clone(), two.clone()]);
        let (changed, rest) = (vec![two.clone()], vec![one.clone()]);
        let one_of_both = plan(&Candidates { changed, rest, ..Candidates::default() }, 1, cost);
        assert_eq!(one_of_both.first(), Some(&two));
        let quiet = Candidates { rest: vec![one.clone(), two], ..Candidates::default() };
        assert_eq!(plan(&quiet, 1, cost), [one]);
        let stuck = Candidates { differing: vec![table(3)], ..Candidates::default() };
        assert_eq!(plan(&stuck, 2, cost), [table(3)], "alone it has all");
        assert!(plan(&stuck, 1, cost).is_empty());
    }

    #[test]
    fn many_that_have_changed_are_all_compared_in_turn() {
        let player = |n: u8| Subject::Player(PlayerId([n; 20]));
        let mut waiting: Vec<Subject> = (0..100).map(player).collect();
        let mut rounds = 0;
        while !waiting.is_empty() {
            let candidates = Candidates { changed: waiting.clone(), ..Candidates::default() };
            let chosen = plan(&candidates, 5, |_| 1);
            assert_eq!(chosen.len(), 5);
            waiting.retain(|subject| !chosen.contains(subject));
            rounds += 1;
        }
        assert_eq!(rounds, 20);
    }
}
