//! The money that settled hands move, and who bears the losses that seats that had left could not pay.

use super::{Moves, Taking, seat_account};
use crate::{
    books::{Change, Conflict, Owner},
    events::{VaultEvent, VaultLog},
    ledger::{Account, Subject},
};
use purr_engine::PlayerId;
use purr_protocol::settlement::{EntryBody, NoticeState, SeatDelta};
use std::collections::BTreeMap;

/// A range of hands, netted.
#[derive(Default)]
struct Netted {
    deltas: BTreeMap<u8, i128>,
    rakes: BTreeMap<u8, u64>,
    /// The seat in which each player first appears in the range.
    seats: BTreeMap<PlayerId, u8>,
}

impl Netted {
    fn add(&mut self, deltas: &[SeatDelta]) {
        for one in deltas {
            *self.deltas.entry(one.seat.0).or_default() += i128::from(one.delta);
            self.seats.entry(one.player).or_insert(one.seat.0);
        }
    }
}

impl Taking<'_> {
    pub(super) fn hands(
        &mut self,
        log: &VaultLog,
        key: &str,
        uid: &str,
        id: &[u8; 32],
        range: (u64, u64),
        rake: u64,
    ) {
        let subject = Subject::Table(uid.into());
        let mut netted = Netted::default();
        let mut others = Vec::new();
        if let Some(table) = self.books.tables.get(uid).filter(|_| range.0 <= range.1) {
            for (seq, booked) in table.entries.range(range.0..=range.1) {
                match booked.entry.as_ref().map(|entry| &entry.body) {
                    Some(EntryBody::Hand { deltas, .. }) => netted.add(deltas),
                    _ => others.push(*seq),
                }
                for (seat, lane) in &booked.effect.lanes {
                    let sum = netted.rakes.entry(*seat).or_default();
                    *sum = sum.saturating_add(lane.rake);
                }
            }
        }
        for seq in others {
            self.conflict(&subject, key.into(), Conflict::Other(seq));
        }
        let mut moves: Moves =
            netted.deltas.iter().map(|(seat, amount)| (seat_account(uid, *seat), *amount)).collect();
        moves.push((Account::Rake { uid: uid.into() }, rake.into()));
        let (logs, mut borne) = (self.logs, Vec::new());
        for other in logs.iter().filter(|other| other.tx == log.tx) {
            match &other.event {
                VaultEvent::LateWinnings { table, player, first, amount }
                    if table == id && *first == range.0 =>
                {
                    let amount = i128::from(*amount);
                    moves.push((Account::Free(*player), amount));
                    // Where the books do not know the seat, the chain's event decides, and the suspense account makes
                    // up the difference.
                    if let Some(seat) = netted.seats.get(player) {
                        moves.push((seat_account(uid, *seat), -amount));
                    }
                }
                VaultEvent::Shortfall { table, first, reserve, winners, .. }
                    if table == id && *first == range.0 =>
                {
                    self.shortfall(uid, &mut moves, &netted.deltas, *reserve, *winners);
                    borne = winners_bear(&netted.deltas, *winners);
                }
                _ => {}
            }
        }
        self.post(key, "hands", &subject, moves);
        self.late(uid, &netted);
        self.bear(log, uid, borne);
    }

    /// Records how much each winner bore of a shortfall. Such a winner has more chips at the table than the chain has
    /// for the seat; the difference is stored with the seat ([`Owner::borne`]), so that the Leave names the chain's
    /// stack. The table is notified that the player has to leave, so that no hand risks chips that the chain does not
    /// have.
    fn bear(&mut self, log: &VaultLog, uid: &str, parts: Vec<(u8, u64)>) {
        let mut borne = BTreeMap::<u8, u64>::new();
        for (seat, part) in parts.into_iter().filter(|(_, part)| *part > 0) {
            *borne.entry(seat).or_default() += part;
        }
        for (seat, part) in borne {
            let Some(table) = self.books.tables.get(uid) else { return };
            let head = table.head_seq;
            // The win of a seat that an exit has emptied was paid out, less the part it bore.
            let Some(owner) = table.owners.get(&seat).filter(|owner| owner.vacated.is_none()).copied() else {
                continue;
            };
            let sits = table.seats.get(&seat).is_some_and(|held| held.player == owner.player);
            self.owner(uid, seat, Some(Owner { borne: owner.borne.saturating_add(part), ..owner }));
            if sits {
                let state = NoticeState::Exit(owner.player);
                self.change(Change::Notice { uid: uid.into(), range: (head, head), state, tx: log.tx });
            }
        }
    }

    /// Whether a rejected item is the Leave of a winner who bore a shortfall in the same transaction. The Leave was
    /// made before the shortfall was known and named the table's stack; it waits again, to name the chain's stack. Only
    /// once: the next Leave knows.
    pub(super) fn left_too_early(&self, log: &VaultLog, uid: &str, seq: u64) -> bool {
        let Some(table) = self.books.tables.get(uid) else { return false };
        let entry = table.entries.get(&seq).and_then(|booked| booked.entry.as_ref());
        let Some(EntryBody::Leave { seat, player, stack }) = entry.map(|entry| &entry.body) else {
            return false;
        };
        let is_short = |other: &VaultLog| matches!(&other.event, VaultEvent::Shortfall { table: id, winners, .. } if *id == table.id && *winners > 0);
        let short =
            self.logs.iter().any(|other| other.tx == log.tx && other.index < log.index && is_short(other));
        let borne = table.borne(seat.0, *player);
        short && borne > 0 && self.books.stack(uid, seat.0).checked_add(borne) == Some(*stack)
    }

    /// Vacated seats go on changing, as in the contract: their stack bounds their late losses. The rake uses up
    /// what permits allow.
    fn late(&mut self, uid: &str, netted: &Netted) {
        let Some(table) = self.books.tables.get(uid) else { return };
        for (seat, owner) in table.owners.clone() {
            let rake = netted.rakes.get(&seat).copied().unwrap_or(0);
            let delta = netted.deltas.get(&seat).copied().unwrap_or(0);
            let vacated = owner.vacated.map(|stack| {
                let stack = (i128::from(stack) + delta).max(0);
                u64::try_from(stack).unwrap_or(u64::MAX)
            });
            let after = Owner { vacated, rake_left: owner.rake_left.saturating_sub(rake), ..owner };
            if after != owner {
                self.owner(uid, seat, Some(after));
            }
        }
    }

    /// Books losses that emptied seats could not pay: from the reserve, the rake, then the winners in proportion.
    /// HandsSettled says how much rake was left; a remainder is a conflict.
    fn shortfall(
        &self,
        uid: &str,
        moves: &mut Moves,
        deltas: &BTreeMap<u8, i128>,
        reserve: u64,
        winners: u64,
    ) {
        for (seat, delta) in deltas.iter().filter(|(_, delta)| **delta < 0) {
            let has = i128::from(self.books.stack(uid, *seat));
            moves.push((seat_account(uid, *seat), (-delta - has).max(0)));
        }
        moves.push((Account::House, -i128::from(reserve)));
        for (seat, part) in winners_bear(deltas, winners) {
            moves.push((seat_account(uid, seat), -i128::from(part)));
        }
    }
}

/// Returns each winner's part of a shortfall, as the contract cuts it: pro rata, then the rounding rest from the
/// first winners that still have it. The same seat may come twice.
fn winners_bear(deltas: &BTreeMap<u8, i128>, cut: u64) -> Vec<(u8, u64)> {
    let wins = deltas.iter().filter(|(_, delta)| **delta > 0);
    let mut wins: Vec<(u8, u64)> =
        wins.map(|(seat, delta)| (*seat, u64::try_from(*delta).unwrap_or(u64::MAX))).collect();
    let won: u128 = wins.iter().map(|(_, win)| u128::from(*win)).sum();
    let mut left = cut;
    let mut parts = Vec::new();
    for pro_rata in [true, false] {
        for (seat, win) in &mut wins {
            let share = u128::from(*win) * u128::from(cut) / won.max(1);
            let part = if pro_rata { u64::try_from(share).unwrap_or(left) } else { *win }.min(left);
            (*win, left) = (win.saturating_sub(part), left - part);
            parts.push((*seat, part));
        }
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::winners_bear;

    #[test]
    fn winners_bear_a_shortfall_pro_rata_and_its_rounding_while_they_have_it() {
        let deltas = [(0, 1), (1, -9), (2, 1), (3, 4)].into();
        let mut borne = std::collections::BTreeMap::<u8, u64>::new();
        for (seat, part) in winners_bear(&deltas, 5) {
            *borne.entry(seat).or_default() += part;
        }
        // The parts of 5 are 0, 0 and 3; the 2 that rounding leaves are more than the first seat has.
        assert_eq!(borne, [(0, 1), (2, 1), (3, 3)].into());
    }
}
