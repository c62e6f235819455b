//! Where books and chain differ, and what waits until they agree again.
//!
//! A difference is about one table or one player, so that a false alarm stops nobody else.

use crate::{
    books::Books,
    ledger::{Account, Subject},
};
use purr_engine::PlayerId;
use std::collections::BTreeMap;

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

/// What differs after a comparison at a block: what the comparison found, what is still in suspense, and conflicts of later
/// blocks. A difference that is found again keeps the block at which it began.
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
    for (subject, known) in before.iter().filter(|(_, known)| known.block > block) {
        found.insert(subject.clone(), known.clone());
    }
    found
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
        table.owners.insert(0, Owner { player: ONE, vacated: None, rake_left: 0 });
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
}
