//! The books' figures beside the chain's, as a function of both.

use crate::{
    chain::{ChainSeat, ChainTable, Figures},
    journal::Snapshot,
};
use purr_books::{
    differing::Compared,
    ledger::{Account, Subject},
};
use purr_engine::PlayerId;
use purr_protocol::settlement::{PlayerReconciliation, SeatReconciliation, TableReconciliation};
use std::collections::BTreeMap;

/// The differences that comparisons found so far.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub compared: Vec<Compared>,
    pub tables: Vec<TableReconciliation>,
    pub free: Vec<(PlayerId, u64, u64)>,
    pub seats: BTreeMap<PlayerId, Vec<SeatReconciliation>>,
}

impl Found {
    /// Records one subject's figures if both sides agree; otherwise changes nothing. Returns whether they do.
    pub(super) fn agrees(&mut self, books: &Snapshot, subject: &Subject, figures: &Figures) -> bool {
        let mut one = Self::default();
        one.compare(books, subject, figures);
        let agrees = !one.compared.is_empty() && one.compared.iter().all(|one| one.books == one.chain);
        if agrees {
            self.compared.append(&mut one.compared);
            self.tables.append(&mut one.tables);
            self.free.append(&mut one.free);
            for (player, mut seats) in one.seats {
                self.seats.entry(player).or_default().append(&mut seats);
            }
        }
        agrees
    }

    /// Compares one subject's figures, both of the same block.
    pub(super) fn compare(&mut self, books: &Snapshot, subject: &Subject, figures: &Figures) {
        match (subject, figures) {
            (Subject::House, Figures::Sums { held, reserve }) => {
                let at = || Subject::House;
                self.compared.push(Compared::new(at(), "all that is held", &books.held(), held));
                self.compared.push(Compared::new(at(), "reserve", &books.of(&Account::House), reserve));
            }
            (Subject::Player(player), Figures::Player { free }) => {
                // Reserved chips are still part of the free balance on chain.
                let ledger = books.of(&Account::Free(*player)) + books.of(&Account::Reserved(*player));
                self.compared.push(Compared::new(subject.clone(), "free balance", &ledger, free));
                self.free.push((*player, ledger, *free));
            }
            (Subject::Table(uid), Figures::Table { table, seats }) => self.table(books, uid, *table, seats),
            _ => {}
        }
    }

    fn table(&mut self, books: &Snapshot, uid: &str, on_chain: ChainTable, chain_seats: &[ChainSeat]) {
        let Some(table) = books.tables.get(uid) else { return };
        let at = || Subject::Table(uid.to_owned());
        let text =
            |player: Option<PlayerId>| player.map_or_else(|| "nobody".into(), |player| player.to_string());
        for seat in 0..table.terms.seats {
            let ledger_stack = books.of(&Account::Seat { uid: uid.into(), seat });
            let chain = chain_seats.get(usize::from(seat));
            let chain_player = chain.map(|seat| PlayerId(seat.player)).filter(|player| player.0 != [0; 20]);
            let chain_stack = chain.map_or(0, |seat| seat.stack);
            let owner = books.owners.get(&(uid.to_owned(), seat)).copied();
            self.compared.push(Compared::new(at(), "a seat's stack", &ledger_stack, &chain_stack));
            self.compared.push(Compared::new(at(), "a seat's player", &text(owner), &text(chain_player)));
            if let Some(player) = chain_player.or(owner) {
                let row = SeatReconciliation { table: uid.to_owned(), ledger_stack, chain_stack };
                self.seats.entry(player).or_default().push(row);
            }
        }
        let ledger_rake = books.of(&Account::Rake { uid: uid.into() });
        self.compared.push(Compared::new(at(), "rake", &ledger_rake, &on_chain.rake));
        self.compared.push(Compared::new(at(), "last number", &table.confirmed_seq, &on_chain.seq));
        self.tables.push(TableReconciliation {
            uid: uid.to_owned(),
            table_id: format!("0x{}", hex::encode(table.table_id)),
            head_seq: table.head_seq,
            chain_seq: on_chain.seq,
            ledger_rake,
            chain_rake: on_chain.rake,
        });
    }

    /// All players with their seats, sorted by player.
    pub(super) fn players(&mut self) -> Vec<PlayerReconciliation> {
        let mut seats = std::mem::take(&mut self.seats);
        let free = self.free.iter().map(|(player, ledger_free, chain_free)| PlayerReconciliation {
            player: *player,
            ledger_free: *ledger_free,
            chain_free: *chain_free,
            seats: seats.remove(player).unwrap_or_default(),
        });
        let mut players: Vec<_> = free.collect();
        players.sort_by_key(|one| one.player);
        players
    }
}
