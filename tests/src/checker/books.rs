//! Rules about the final contents of store and signer.

use super::{HandSeen, Ledger, Losses, Purse, Record, Seen, Survivor, Told, Violation};
use purr_protocol::settlement::{Entry, EntryBody};
use std::collections::{BTreeMap, BTreeSet};

#[derive(Default)]
struct Books<'a> {
    found: Vec<Violation>,
    journal: BTreeMap<&'a str, Vec<&'a Entry>>,
    commits: BTreeMap<&'a str, Vec<&'a Survivor>>,
    purse: Option<&'a Purse>,
    ledger: Option<&'a Ledger>,
}

pub(super) fn check(records: &[Record], losses: &Losses) -> Vec<Violation> {
    let mut books = Books::default();
    for record in records {
        match record {
            Record::Settled { table, entry } => books.journal.entry(table).or_default().push(entry),
            Record::Survived(commit) => books.commits.entry(&commit.table).or_default().push(commit),
            Record::Purse(purse) => books.purse = Some(purse),
            Record::Ledger(ledger) => books.ledger = Some(ledger),
            Record::Refused { table, seq } => {
                books.found.push(Violation::Renumbered { table: table.clone(), seq: *seq });
            }
            _ => {}
        }
    }
    books.journal();
    books.commits();
    books.conserved();
    books.ledger();
    books.told(records, losses);
    books.found
}

fn signed(chips: u64) -> i64 {
    i64::try_from(chips).unwrap_or(i64::MAX)
}

/// Returns the chips that an entry brings to its table, once it is final.
fn brings(entry: &Entry) -> i64 {
    match &entry.body {
        EntryBody::Sit { permit, .. } | EntryBody::TopUp { permit, .. } => signed(permit.amount),
        EntryBody::Leave { stack, .. } => -signed(*stack),
        EntryBody::Hand { rake, .. } => -signed(*rake),
    }
}

impl Books<'_> {
    /// Numbers are consecutive, and each hand occurs once, with results that sum to zero.
    fn journal(&mut self) {
        for (table, entries) in &self.journal {
            let mut hands = BTreeMap::new();
            let mut last = 0;
            for entry in entries {
                if entry.seq != last + 1 {
                    let table = (*table).to_owned();
                    self.found.push(Violation::SequenceGap { table, last, found: entry.seq });
                }
                last = entry.seq;
                let EntryBody::Hand { hand, deltas, rake, .. } = &entry.body else { continue };
                if let Some(first) = hands.insert(*hand, entry.seq) {
                    let (table, hand, second) = ((*table).to_owned(), *hand, entry.seq);
                    self.found.push(Violation::SettledTwice { table, hand, first, second });
                }
                let sum = deltas.iter().map(|delta| delta.delta).sum::<i64>() + signed(*rake);
                if sum != 0 {
                    let table = (*table).to_owned();
                    self.found.push(Violation::HandNotConserved { table, hand: *hand, sum });
                }
            }
        }
    }

    /// Numbers are consecutive, chips agree with the sequence, and no command is applied twice.
    fn commits(&mut self) {
        for (table, commits) in &self.commits {
            let journal = self.journal.get(table);
            let mut last = 0;
            let mut ever: BTreeSet<(&str, u64)> = BTreeSet::new();
            let mut before: BTreeSet<(&str, u64)> = BTreeSet::new();
            for commit in commits {
                let number = commit.number;
                if number != last + 1 {
                    self.found.push(Violation::CommitGap { table: (*table).to_owned(), last, found: number });
                }
                last = number;
                let ids: Vec<(&str, u64)> = commit
                    .applied
                    .iter()
                    .flat_map(|(player, ids)| ids.iter().map(move |id| (player.as_str(), *id)))
                    .collect();
                let now: BTreeSet<(&str, u64)> = ids.iter().copied().collect();
                let mut again: BTreeSet<_> =
                    now.iter().filter(|id| !before.contains(id) && ever.contains(id)).copied().collect();
                let mut once = BTreeSet::new();
                again.extend(ids.iter().filter(|id| !once.insert(**id)));
                for (player, id) in again {
                    let (table, player) = ((*table).to_owned(), player.to_owned());
                    self.found.push(Violation::AppliedTwice { table, player, id, number });
                }
                ever.extend(now.iter().copied());
                before = now;
                // Chips arrive when the chain confirms an entry, and leave when the entry is made.
                let here = |entry: &&&Entry| match entry.body {
                    EntryBody::Sit { .. } | EntryBody::TopUp { .. } => entry.seq <= commit.confirmed,
                    _ => entry.seq <= commit.sequence,
                };
                let Some(journal) = journal.filter(|all| all.len() as u64 >= commit.sequence) else {
                    continue;
                };
                let wanted: i64 = journal.iter().filter(here).map(|entry| brings(entry)).sum();
                if signed(commit.chips) != wanted {
                    let (table, chips) = ((*table).to_owned(), commit.chips);
                    self.found.push(Violation::ChipsNotConserved { table, number, chips, wanted });
                }
            }
        }
    }

    /// Chips at no table, chips that came to tables and did not leave them, and the rake are all that was granted.
    fn conserved(&mut self) {
        let Some(purse) = self.purse else { return };
        let entries = || self.journal.values().flatten();
        let rake = entries().map(|entry| match entry.body {
            EntryBody::Hand { rake, .. } => signed(rake),
            _ => 0,
        });
        let found =
            signed(purse.held) + entries().map(|entry| brings(entry)).sum::<i64>() + rake.sum::<i64>();
        if found != signed(purse.granted) {
            self.found.push(Violation::PurseNotConserved { granted: purse.granted, found });
        }
    }

    /// The ledger equals the grants plus the sequence, account by account.
    fn ledger(&mut self) {
        let Some(ledger) = self.ledger else { return };
        self.found.extend(ledger.flaws.iter().cloned().map(Violation::BooksFlawed));
        let grants = ledger.granted.iter().map(|player| (player.clone(), signed(ledger.grant)));
        let (mut free, mut stacks): (BTreeMap<String, i64>, BTreeMap<String, i64>) =
            (grants.collect(), BTreeMap::new());
        for entry in self.journal.get(ledger.table.as_str()).into_iter().flatten() {
            let mut moves = |player: String, seat: u8, to_seat: i64| {
                *free.entry(player).or_default() -= to_seat;
                *stacks.entry(seat.to_string()).or_default() += to_seat;
            };
            match &entry.body {
                EntryBody::Sit { seat, player, permit } | EntryBody::TopUp { seat, player, permit } => {
                    moves(player.to_string(), seat.0, signed(permit.amount));
                }
                EntryBody::Leave { seat, player, stack } => {
                    moves(player.to_string(), seat.0, -signed(*stack));
                }
                EntryBody::Hand { deltas, .. } => {
                    for delta in deltas {
                        *stacks.entry(delta.seat.0.to_string()).or_default() += delta.delta;
                    }
                }
            }
        }
        for (wanted, has, what) in [(free, &ledger.free, "player"), (stacks, &ledger.stacks, "seat")] {
            let names: BTreeSet<&String> = wanted.keys().chain(has.keys()).collect();
            for name in names {
                let (wanted, ledger) =
                    (wanted.get(name).copied().unwrap_or(0), has.get(name).copied().unwrap_or(0));
                if signed(ledger) != wanted {
                    let account = format!("{what} {name}");
                    self.found.push(Violation::LedgerDiffers { account, ledger, wanted });
                }
            }
        }
    }

    /// Everything that was shown and acknowledged exists.
    fn told(&mut self, records: &[Record], losses: &Losses) {
        let mut found = Vec::new();
        for (table, entries) in &self.journal {
            let Some(commits) = self.commits.get(table) else { continue };
            let recorded: BTreeSet<&str> =
                commits.iter().filter_map(|commit| Some(commit.hand.as_ref()?.hash.as_str())).collect();
            for entry in entries {
                if let EntryBody::Hand { hand, record_hash, .. } = &entry.body
                    && !recorded.contains(record_hash.as_str())
                    // The commit of a hand that the signer already had was among those that were lost.
                    && !losses.after(table, 0)
                {
                    let (table, hand, seq) = ((*table).to_owned(), *hand, entry.seq);
                    found.push(Violation::NoRecord { table, hand, seq });
                }
            }
        }
        let mut hands = Hands { books: self, losses, seats: BTreeMap::new(), found };
        for record in records {
            match record {
                Record::Acknowledged { table, epoch, number } => hands.commit(table, *epoch, *number),
                Record::Told { table, player, epoch, told, .. } => hands.told(table, player, *epoch, told),
                _ => {}
            }
        }
        let found = hands.found;
        self.found.extend(found);
    }
}

/// A player's knowledge of the running hand.
#[derive(Clone, Default)]
struct View {
    seat: Option<u32>,
    cards: Vec<String>,
    board: Vec<String>,
}

struct Hands<'a, 'b> {
    books: &'b Books<'a>,
    losses: &'b Losses,
    seats: BTreeMap<(String, String), View>,
    found: Vec<Violation>,
}

impl Hands<'_, '_> {
    fn commit(&mut self, table: &str, epoch: u64, number: u64) {
        let Some(commits) = self.books.commits.get(table) else { return };
        let there = commits.iter().any(|commit| commit.number == number && commit.epoch == epoch);
        if !there && !self.losses.after(table, epoch) {
            self.found.push(Violation::CommitMissing { table: table.to_owned(), epoch, number });
        }
    }

    fn told(&mut self, table: &str, player: &str, epoch: u64, told: &Told) {
        let at = (table.to_owned(), player.to_owned());
        let mut view = self.seats.remove(&at).unwrap_or_default();
        match told {
            Told::Snapshot { seat, cards, board, .. } => {
                view = View { seat: *seat, cards: cards.clone(), board: board.clone() };
            }
            Told::Events { seen, .. } => {
                for event in seen {
                    match event {
                        Seen::Started { .. } => (view.cards, view.board) = (Vec::new(), Vec::new()),
                        Seen::Dealt { seat, cards } => {
                            (view.seat, view.cards) = (Some(*seat), cards.clone());
                        }
                        Seen::Board { cards } => view.board.extend(cards.iter().cloned()),
                        Seen::Ended { hand, void: false, rake, results } => {
                            self.settled(&at, epoch, *hand, *rake, results);
                            self.cards(&at, *hand, &view);
                        }
                        _ => {}
                    }
                }
            }
            Told::Ack { id, at_offset } => self.action(&at, *id, epoch, *at_offset),
            Told::Error { .. } | Told::Other => {}
        }
        self.seats.insert(at, view);
    }

    fn action(&mut self, (table, player): &(String, String), id: u64, epoch: u64, offset: u64) {
        let Some(commits) = self.books.commits.get(table.as_str()) else { return };
        let there =
            commits.iter().any(|commit| commit.applied.get(player).is_some_and(|ids| ids.contains(&id)));
        if !there && !self.losses.after(table, epoch) {
            let (table, player) = (table.clone(), player.clone());
            self.found.push(Violation::ActionMissing { table, player, id, epoch, offset });
        }
    }

    fn settled(
        &mut self,
        (table, player): &(String, String),
        epoch: u64,
        hand: u64,
        rake: u64,
        results: &BTreeMap<u32, i64>,
    ) {
        let Some(journal) = self.books.journal.get(table.as_str()) else { return };
        let of_hand = |entry: &&&Entry| matches!(&entry.body, EntryBody::Hand { hand: h, .. } if *h == hand);
        let excused = self.losses.after(table, epoch);
        let Some(entry) = journal.iter().find(of_hand) else {
            if !excused {
                let (table, player) = (table.clone(), player.clone());
                self.found.push(Violation::NotSettled { table, hand, player });
            }
            return;
        };
        let EntryBody::Hand { deltas, rake: settled_rake, .. } = &entry.body else { return };
        let settled: BTreeMap<u32, i64> =
            deltas.iter().map(|delta| (delta.seat.0.into(), delta.delta)).collect();
        if (settled != *results || *settled_rake != rake) && !excused {
            let (table, player, seq) = (table.clone(), player.clone(), entry.seq);
            self.found.push(Violation::SettledOtherwise { table, hand, seq, player });
        }
    }

    fn cards(&mut self, (table, player): &(String, String), hand: u64, view: &View) {
        let Some(record) = self.record(table, hand).cloned() else { return };
        let own = view.seat.and_then(|seat| record.holes.get(&seat)).filter(|_| !view.cards.is_empty());
        let pairs =
            [(Some(&view.board), &record.board), (own.map(|_| &view.cards), own.unwrap_or(&view.cards))];
        for (seen, recorded) in pairs {
            let sorted = |cards: &[String]| cards.iter().cloned().collect::<BTreeSet<String>>();
            let Some(seen) = seen.filter(|seen| sorted(seen) != sorted(recorded)) else { continue };
            self.found.push(Violation::OtherCards {
                table: table.clone(),
                hand,
                player: player.clone(),
                seen: seen.clone(),
                recorded: recorded.clone(),
            });
        }
    }

    /// The record whose hash is settled.
    fn record(&self, table: &str, hand: u64) -> Option<&HandSeen> {
        let hash = self.books.journal.get(table)?.iter().find_map(|entry| match &entry.body {
            EntryBody::Hand { hand: of, record_hash, .. } if *of == hand => Some(record_hash),
            _ => None,
        })?;
        let commits = self.books.commits.get(table)?;
        commits.iter().filter_map(|commit| commit.hand.as_ref()).find(|record| record.hash == *hash)
    }
}
