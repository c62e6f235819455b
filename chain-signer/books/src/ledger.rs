//! The ledger: who owns how much, in double entry and in minor units.
//!
//! Accounts, and transfers that sum to zero.

use purr_engine::PlayerId;
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    str::FromStr,
};

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LedgerError {
    #[error("the postings of '{0}' do not sum to zero")]
    Unbalanced(String),
    #[error("amount {0} is too large")]
    Range(u64),
    #[error("'{key}' would overdraw an account")]
    Insufficient { key: String },
}

/// Accounts of the ledger. The sum over all accounts is always zero.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Account {
    /// The other side of everything in the vault; never positive.
    Chain,
    /// May be seated or withdrawn.
    Free(PlayerId),
    /// Promised to a seat or to a voucher.
    Reserved(PlayerId),
    Seat {
        uid: String,
        seat: u8,
    },
    Rake {
        uid: String,
    },
    /// The vault's house reserve.
    House,
    /// Amounts that the chain reports and the books cannot place; may be negative. Named by the subject that differs.
    Suspense(Subject),
}

/// The subject of a difference between books and chain.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Subject {
    Table(String),
    Player(PlayerId),
    House,
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Table(uid) => write!(f, "table:{uid}"),
            Self::Player(player) => write!(f, "player:{player}"),
            Self::House => f.write_str("house"),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' names no table, player or house")]
pub struct BadSubject(pub String);

impl FromStr for Subject {
    type Err = BadSubject;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bad = || BadSubject(text.into());
        match text.split_once(':') {
            Some(("table", uid)) => Ok(Self::Table(uid.into())),
            Some(("player", player)) => player.parse().map(Self::Player).map_err(|_| bad()),
            None if text == "house" => Ok(Self::House),
            _ => Err(bad()),
        }
    }
}

impl Account {
    /// Only the other side of the vault and what cannot be placed may be below zero.
    pub fn may_be_negative(&self) -> bool {
        matches!(self, Self::Chain | Self::Suspense(_))
    }
}

impl fmt::Display for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Chain => f.write_str("chain"),
            Self::Free(player) => write!(f, "free:{player}"),
            Self::Reserved(player) => write!(f, "reserved:{player}"),
            Self::Seat { uid, seat } => write!(f, "seat:{uid}:{seat}"),
            Self::Rake { uid } => write!(f, "rake:{uid}"),
            Self::House => f.write_str("house"),
            Self::Suspense(subject) => write!(f, "suspense:{subject}"),
        }
    }
}

/// One side of a transfer; `amount` is what the account gains.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Posting {
    pub account: Account,
    pub amount: i64,
}

impl Posting {
    pub fn into(account: Account, amount: u64) -> Result<Self, LedgerError> {
        let amount = i64::try_from(amount).map_err(|_| LedgerError::Range(amount))?;
        Ok(Self { account, amount })
    }

    pub fn out(account: Account, amount: u64) -> Result<Self, LedgerError> {
        let posting = Self::into(account, amount)?;
        Ok(Self { amount: -posting.amount, ..posting })
    }
}

/// Postings that sum to zero, under a key that makes them happen once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transfer {
    key: String,
    kind: &'static str,
    postings: Vec<Posting>,
}

impl Transfer {
    /// Merges postings to one per account, sorted by account so that all callers lock in one order, without empty ones.
    /// No account goes below zero in between.
    ///
    /// # Errors
    /// [`LedgerError::Unbalanced`] where they do not sum to zero.
    pub fn new(key: String, kind: &'static str, postings: Vec<Posting>) -> Result<Self, LedgerError> {
        let sum: i128 = postings.iter().map(|posting| i128::from(posting.amount)).sum();
        if sum != 0 {
            return Err(LedgerError::Unbalanced(key));
        }
        let mut sums = BTreeMap::<Account, i64>::new();
        for Posting { account, amount } in postings {
            let sum = sums.entry(account).or_default();
            *sum = sum.checked_add(amount).ok_or(LedgerError::Range(amount.unsigned_abs()))?;
        }
        let postings = sums
            .into_iter()
            .filter(|(_, amount)| *amount != 0)
            .map(|(account, amount)| Posting { account, amount })
            .collect();
        Ok(Self { key, kind, postings })
    }

    /// The same transfer under another key: a fault, for tests.
    #[must_use]
    pub fn again(&self) -> Self {
        Self { key: format!("{}:again", self.key), ..self.clone() }
    }

    /// Names the transfer for ever: it is posted once.
    pub fn key(&self) -> &str {
        &self.key
    }

    pub fn kind(&self) -> &'static str {
        self.kind
    }

    /// The postings, one for each account, sorted by account.
    pub fn postings(&self) -> &[Posting] {
        &self.postings
    }
}

/// Balances, and the keys that were posted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ledger {
    balances: BTreeMap<Account, i64>,
    posted: BTreeSet<String>,
}

impl Ledger {
    /// A part of a ledger that was loaded: these accounts have these balances, all others are empty.
    pub fn load(balances: BTreeMap<Account, i64>, posted: BTreeSet<String>) -> Self {
        Self { balances, posted }
    }

    pub fn amount(&self, account: &Account) -> i64 {
        self.balances.get(account).copied().unwrap_or(0)
    }

    /// Returns the amount that can be taken out of an account.
    pub fn balance(&self, account: &Account) -> u64 {
        u64::try_from(self.amount(account)).unwrap_or(0)
    }

    pub fn balances(&self) -> &BTreeMap<Account, i64> {
        &self.balances
    }

    pub fn is_posted(&self, key: &str) -> bool {
        self.posted.contains(key)
    }

    /// Posts a transfer once; false: it was posted before.
    ///
    /// # Errors
    /// [`LedgerError::Insufficient`] where an account would fall below zero; nothing is posted then.
    pub fn post(&mut self, transfer: &Transfer) -> Result<bool, LedgerError> {
        if self.is_posted(&transfer.key) {
            return Ok(false);
        }
        let mut after = Vec::with_capacity(transfer.postings.len());
        for Posting { account, amount } in &transfer.postings {
            let sum = self.amount(account).checked_add(*amount);
            let sum = sum.ok_or(LedgerError::Range(amount.unsigned_abs()))?;
            if sum < 0 && !account.may_be_negative() {
                return Err(LedgerError::Insufficient { key: transfer.key.clone() });
            }
            after.push((account.clone(), sum));
        }
        self.balances.extend(after);
        self.posted.insert(transfer.key.clone());
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_transfer_that_makes_money_is_refused() {
        let player = PlayerId([1; 20]);
        let postings =
            vec![Posting::out(Account::Chain, 5).unwrap(), Posting::into(Account::Free(player), 6).unwrap()];
        assert!(matches!(Transfer::new("k".into(), "deposit", postings), Err(LedgerError::Unbalanced(_))));
    }

    #[test]
    fn an_amount_beyond_the_database_is_refused() {
        assert!(matches!(Posting::into(Account::Chain, u64::MAX), Err(LedgerError::Range(_))));
    }

    #[test]
    fn postings_are_sorted_and_empty_ones_dropped() {
        let (a, b) = (PlayerId([1; 20]), PlayerId([2; 20]));
        let postings = vec![
            Posting::into(Account::Free(b), 4).unwrap(),
            Posting::into(Account::House, 0).unwrap(),
            Posting::out(Account::Free(a), 4).unwrap(),
        ];
        let transfer = Transfer::new("k".into(), "test", postings).unwrap();
        let accounts: Vec<_> = transfer.postings.iter().map(|posting| posting.account.clone()).collect();
        assert_eq!(accounts, [Account::Free(a), Account::Free(b)]);
    }

    #[test]
    fn an_account_has_one_posting_however_often_it_is_named() {
        let seat = |seat| Account::Seat { uid: "t".into(), seat };
        let postings = vec![
            Posting::out(seat(1), 30).unwrap(),
            Posting::into(seat(0), 30).unwrap(),
            Posting::into(seat(1), 30).unwrap(),
            Posting::out(Account::House, 30).unwrap(),
        ];
        let transfer = Transfer::new("k".into(), "hands", postings).unwrap();
        let want = [Posting::into(seat(0), 30).unwrap(), Posting::out(Account::House, 30).unwrap()];
        assert_eq!(transfer.postings, want);
    }
}
