//! Rules about the messages that players got.

use super::{Losses, Record, Seen, Told, Violation};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// A table's history between two losses: after a loss, offsets may be used again.
type Life = (String, u64);
/// Table, player, hand.
type Part<'a> = (&'a str, &'a str, u64);

#[derive(Default)]
struct Player {
    seat: Option<u32>,
    epoch: u64,
    offset: u64,
    hand: Option<u64>,
    cards: Vec<String>,
    board: Vec<String>,
}

#[derive(Default)]
struct Views<'a> {
    found: Vec<Violation>,
    players: BTreeMap<(&'a str, &'a str), Player>,
    pods: HashMap<(&'a str, u64), &'a str>,
    /// The message at an offset, its first receiver, and its epoch.
    told: HashMap<(Life, u64), (u64, &'a str, u64)>,
    forked: BTreeSet<(Life, u64)>,
    /// The hand that a command acts in, by its id.
    asked: HashMap<Part<'a>, Option<u64>>,
    /// Actions that were asked for, and those seen, by hand.
    wanted: BTreeMap<Part<'a>, BTreeSet<u64>>,
    acted: BTreeMap<Part<'a>, BTreeSet<u64>>,
    /// Acknowledged actions, with epoch and offset, in hands of which the player did not see every event.
    acked: BTreeMap<Part<'a>, BTreeMap<u64, (u64, u64)>>,
    patchy: BTreeSet<Part<'a>>,
}

fn sorted(cards: &[String]) -> Vec<String> {
    let mut cards = cards.to_vec();
    cards.sort();
    cards
}

pub(super) fn check(records: &[Record], losses: &Losses) -> Vec<Violation> {
    let mut views = Views::default();
    for record in records {
        match record {
            Record::Asked { table, player, id, hand } => {
                views.asked.insert((table, player, *id), *hand);
                if let Some(hand) = hand {
                    views.wanted.entry((table, player, *hand)).or_default().insert(*id);
                }
            }
            Record::Told { table, player, pod, epoch, offset, told } => {
                views.spoke(table, *epoch, pod.as_deref());
                views.take(table, player, *epoch, *offset, told, losses);
            }
            _ => {}
        }
    }
    views.count(losses);
    views.found
}

impl<'a> Views<'a> {
    fn spoke(&mut self, table: &'a str, epoch: u64, pod: Option<&'a str>) {
        let Some(pod) = pod else { return };
        let first = *self.pods.entry((table, epoch)).or_insert(pod);
        if first != pod {
            let (table, first, second) = (table.to_owned(), first.to_owned(), pod.to_owned());
            self.found.push(Violation::TwoPods { table, epoch, first, second });
        }
    }

    fn take(
        &mut self,
        table: &'a str,
        player: &'a str,
        epoch: u64,
        offset: u64,
        told: &'a Told,
        losses: &Losses,
    ) {
        let seen = self.players.entry((table, player)).or_default();
        let (last, last_epoch) = (seen.offset, seen.epoch);
        if epoch < last_epoch {
            let (table, player) = (table.to_owned(), player.to_owned());
            self.found.push(Violation::OldEpoch { table, player, last: last_epoch, epoch });
            return;
        }
        let life = (table.to_owned(), losses.at(table, epoch));
        let counted = life.1 > losses.at(table, last_epoch);
        match told {
            Told::Snapshot { seat, hand, cards, board } => {
                if offset < last && !counted {
                    self.found.push(Violation::LossNotCounted {
                        table: table.to_owned(),
                        epoch,
                        player: player.to_owned(),
                        last,
                        offset,
                    });
                }
                // The same cards make it the same hand: a number that was not settled is used again.
                let same = hand.is_some() && *hand == seen.hand && !cards.is_empty();
                if same && sorted(cards) == sorted(&seen.cards) && !board.starts_with(&seen.board) {
                    self.found.push(Violation::LostHandResumed {
                        table: table.to_owned(),
                        hand: hand.unwrap_or_default(),
                        player: player.to_owned(),
                        epoch,
                        seen: seen.board.clone(),
                        board: board.clone(),
                    });
                }
                for hand in [seen.hand, *hand].into_iter().flatten() {
                    self.patchy.insert((table, player, hand));
                }
                seen.seat = seat.or(seen.seat);
                (seen.hand, seen.cards, seen.board) = (*hand, cards.clone(), board.clone());
                seen.offset = offset;
            }
            Told::Events { seen: events, public } => {
                // The first message of a table may have any offset.
                if last_epoch > 0 && offset != last + 1 {
                    self.found.push(Violation::OffsetGap {
                        table: table.to_owned(),
                        epoch,
                        player: player.to_owned(),
                        last,
                        found: offset,
                    });
                }
                seen.offset = offset;
                self.agree(life, offset, *public, player, epoch);
                self.events(table, player, offset, events);
            }
            Told::Ack { id, at_offset } => {
                if let Some(hand) = self.asked.get(&(table, player, *id)).copied().flatten() {
                    let acked = self.acked.entry((table, player, hand)).or_default();
                    // A repeated command is acknowledged at the current offset, so the first acknowledgement is kept.
                    acked.entry(*id).or_insert((epoch, *at_offset));
                }
            }
            // A refused command may have been repeated and accepted: it still counts as sent.
            Told::Error { .. } | Told::Other => {}
        }
        if let Some(seen) = self.players.get_mut(&(table, player)) {
            seen.epoch = epoch;
        }
    }

    /// All players see the same public events at an offset.
    fn agree(&mut self, life: Life, offset: u64, public: u64, player: &'a str, epoch: u64) {
        let at = (life, offset);
        let (first, who, first_epoch) = *self.told.entry(at.clone()).or_insert((public, player, epoch));
        if first != public && self.forked.insert(at.clone()) {
            self.found.push(Violation::Fork {
                table: at.0.0,
                offset,
                first: who.to_owned(),
                first_epoch,
                second: player.to_owned(),
                second_epoch: epoch,
            });
        }
    }

    fn events(&mut self, table: &'a str, player: &'a str, offset: u64, events: &'a [Seen]) {
        let Some(own) = self.players.get_mut(&(table, player)) else { return };
        for event in events {
            match event {
                Seen::Seated { seat, player: who } if who == player => own.seat = Some(*seat),
                Seen::Started { hand } => {
                    if let Some(lost) = own.hand.filter(|_| !own.cards.is_empty()) {
                        let (table, player) = (table.to_owned(), player.to_owned());
                        self.found.push(Violation::LossNotAnnounced { table, hand: lost, player });
                    }
                    (own.hand, own.cards, own.board) = (Some(*hand), Vec::new(), Vec::new());
                }
                Seen::Dealt { seat, cards } => {
                    own.seat = Some(*seat);
                    own.cards.clone_from(cards);
                }
                Seen::Board { cards } => own.board.extend(cards.iter().cloned()),
                Seen::Acted { seat } if own.seat == Some(*seat) => {
                    if let Some(hand) = own.hand {
                        self.acted.entry((table, player, hand)).or_default().insert(offset);
                    }
                }
                Seen::Ended { hand, rake, results, .. } => {
                    let sum: i64 = results.values().sum::<i64>() + i64::try_from(*rake).unwrap_or(i64::MAX);
                    if sum != 0 {
                        let table = table.to_owned();
                        self.found.push(Violation::HandNotConserved { table, hand: *hand, sum });
                    }
                    (own.hand, own.cards, own.board) = (None, Vec::new(), Vec::new());
                }
                Seen::Seated { .. } | Seen::Acted { .. } => {}
            }
        }
    }

    /// Checks that need the whole history.
    fn count(&mut self, losses: &Losses) {
        for ((table, player, hand), acted) in &self.acted {
            let asked = self.wanted.get(&(*table, *player, *hand)).map_or(0, BTreeSet::len);
            if acted.len() > asked {
                self.found.push(Violation::ActedTooOften {
                    table: (*table).to_owned(),
                    hand: *hand,
                    player: (*player).to_owned(),
                    acted: acted.len(),
                    asked,
                });
            }
        }
        for ((table, player, hand), acked) in &self.acked {
            let acted = self.acted.get(&(*table, *player, *hand)).map_or(0, BTreeSet::len);
            let whole = !self.patchy.contains(&(*table, *player, *hand));
            let Some((id, (epoch, offset))) = acked.iter().nth(acted).filter(|_| whole) else { continue };
            if !losses.after(table, *epoch) {
                self.found.push(Violation::ActionMissing {
                    table: (*table).to_owned(),
                    player: (*player).to_owned(),
                    id: *id,
                    epoch: *epoch,
                    offset: *offset,
                });
            }
        }
    }
}
