//! Chooses a seat for a player: at the fullest table of the fleet with a free one. A function of values.

use super::apart::Apart;
use purr_engine::PlayerId;
use purr_protocol::summary::Taken;
use serde::{Deserialize, Serialize};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    str::FromStr,
};

/// Seats offered in one step, because others may take some of them meanwhile.
pub const OFFERS_MAX: usize = 8;

/// A seat of a table.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Offer {
    /// UID of the table.
    pub table: String,
    pub seat: u8,
}

impl fmt::Display for Offer {
    /// The form that the store keeps.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.table, self.seat)
    }
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is not a seat: expected table/number")]
pub struct BadOffer(String);

impl FromStr for Offer {
    type Err = BadOffer;

    fn from_str(text: &str) -> Result<Self, BadOffer> {
        let parts = text.rsplit_once('/').and_then(|(table, seat)| Some((table, seat.parse().ok()?)));
        let (table, seat) = parts.ok_or_else(|| BadOffer(text.chars().take(80).collect()))?;
        Ok(Self { table: table.to_owned(), seat })
    }
}

/// A table of a fleet, as its own summary and the API's objects show it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableView {
    pub uid: String,
    pub seats: u8,
    /// Accepts new players: serves, follows the fleet's template, and is neither closed, paused nor being deleted.
    pub open: bool,
    pub taken: Vec<Taken>,
}

/// A seat that is held for a player, or that a player has just sat down in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    pub at: Offer,
    pub player: PlayerId,
    pub kind: HeldKind,
}

/// How far a hold has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeldKind {
    /// The player asked for the seat.
    Asked,
    /// The player was on the waiting list.
    Offered,
    /// The player has sent Sit to the table.
    Sitting,
    /// The player has the seat. Kept until every gateway has read so in the table's summary.
    Seated,
}

impl HeldKind {
    /// Whether the player may still give the seat back.
    pub const fn is_open(self) -> bool {
        matches!(self, Self::Asked | Self::Offered)
    }
}

/// The offer of a fleet to a player.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Choice {
    /// Seats, the best first, at most [`OFFERS_MAX`].
    Seats(Vec<Offer>),
    /// No table has a seat for this player. The reason is hidden, because it may be another player there.
    Nothing,
}

/// Chooses seats for a player, at the fullest table first. A table is left out if it refuses new players, if the player
/// sits there, or if someone sits there from whom the player is kept apart.
pub fn choose(tables: &[TableView], held: &[Held], player: PlayerId, apart: &Apart) -> Choice {
    let mut holds: BTreeMap<&str, Vec<(u8, PlayerId)>> = BTreeMap::new();
    for hold in held {
        holds.entry(&hold.at.table).or_default().push((hold.at.seat, hold.player));
    }
    let mut fitting: Vec<(usize, &str, Vec<u8>)> = tables
        .iter()
        .filter(|table| table.open)
        .filter_map(|table| {
            let none = Vec::new();
            let holds = holds.get(table.uid.as_str()).unwrap_or(&none);
            let there =
                table.taken.iter().map(|taken| (taken.seat, taken.player)).chain(holds.iter().copied());
            let mut seats = BTreeSet::new();
            for (seat, other) in there {
                if other == player || apart.are(player, other) {
                    return None;
                }
                seats.insert(seat);
            }
            let free: Vec<u8> = (0..table.seats).filter(|seat| !seats.contains(seat)).collect();
            (!free.is_empty()).then_some((seats.len(), table.uid.as_str(), free))
        })
        .collect();
    // Equally full tables are ordered by UID, so that all gateways fill the same one.
    fitting.sort_unstable_by(|(one, a, _), (other, b, _)| other.cmp(one).then(a.cmp(b)));
    let offers: Vec<Offer> = fitting
        .into_iter()
        .flat_map(|(_, uid, free)| free.into_iter().map(move |seat| Offer { table: uid.to_owned(), seat }))
        .take(OFFERS_MAX)
        .collect();
    if offers.is_empty() { Choice::Nothing } else { Choice::Seats(offers) }
}

/// Number of seats that could be offered.
pub fn free(tables: &[TableView], held: &[Held]) -> u32 {
    let free = |table: &TableView| {
        let here = held.iter().filter(|hold| hold.at.table == table.uid).map(|hold| hold.at.seat);
        let taken: BTreeSet<u8> = table.taken.iter().map(|taken| taken.seat).chain(here).collect();
        (0..table.seats).filter(|seat| !taken.contains(seat)).count()
    };
    let sum: usize = tables.iter().filter(|table| table.open).map(free).sum();
    u32::try_from(sum).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn player(number: u8) -> PlayerId {
        PlayerId([number; 20])
    }

    fn table(uid: &str, seats: u8, taken: &[(u8, u8)]) -> TableView {
        let taken =
            taken.iter().map(|(seat, number)| Taken { seat: *seat, player: player(*number) }).collect();
        TableView { uid: uid.into(), seats, open: true, taken }
    }

    fn hold(uid: &str, seat: u8, number: u8) -> Held {
        let at = Offer { table: uid.into(), seat };
        Held { at, player: player(number), kind: HeldKind::Asked }
    }

    fn first(choice: &Choice) -> Option<String> {
        match choice {
            Choice::Seats(offers) => offers.first().map(ToString::to_string),
            Choice::Nothing => None,
        }
    }

    #[test]
    fn the_fullest_table_comes_first_and_holds_count_as_players() {
        let tables = [table("a", 6, &[]), table("b", 6, &[(0, 1), (1, 2)]), table("c", 6, &[(0, 3)])];
        let choice = choose(&tables, &[], player(9), &Apart::default());
        assert_eq!(first(&choice).as_deref(), Some("b/2"));
        let held = [hold("c", 1, 4), hold("c", 2, 5)];
        assert_eq!(first(&choose(&tables, &held, player(9), &Apart::default())).as_deref(), Some("c/3"));
    }

    #[test]
    fn a_seat_is_written_as_it_is_read() {
        let offer = Offer { table: "0a-1".into(), seat: 7 };
        assert_eq!(offer.to_string().parse(), Ok(offer));
        assert!("0a".parse::<Offer>().is_err() && "0a/300".parse::<Offer>().is_err());
    }

    prop_compose! {
        fn tables()(
            found in prop::collection::vec((2_u8..=10, any::<bool>(), prop::collection::vec((0_u8..10, 0_u8..20), 0..10)), 0..8)
        ) -> Vec<TableView> {
            found.into_iter().enumerate().map(|(at, (seats, open, taken))| {
                TableView { open, ..table(&format!("t{at}"), seats, &taken) }
            }).collect()
        }
    }

    proptest! {
        #[test]
        fn what_is_offered_is_free_open_and_away_from_those_who_are_kept_apart(
            tables in tables(),
            held in prop::collection::vec((0_usize..8, 0_u8..10, 20_u8..30), 0..20),
            pairs in prop::collection::vec((0_u8..30, 0_u8..30), 0..10),
        ) {
            let me = player(5);
            let held: Vec<Held> = held.iter().map(|(at, seat, who)| hold(&format!("t{at}"), *seat, *who)).collect();
            let apart = Apart::of(pairs.iter().map(|(one, other)| (player(*one), player(*other))));
            let choice = choose(&tables, &held, me, &apart);
            let there = |uid: &str| {
                let table = tables.iter().find(|table| table.uid == uid).unwrap();
                let holds = held.iter().filter(|hold| hold.at.table == uid);
                let all = table.taken.iter().map(|taken| (taken.seat, taken.player));
                let all: Vec<(u8, PlayerId)> = all.chain(holds.map(|hold| (hold.at.seat, hold.player))).collect();
                (table, all)
            };
            let fits = |uid: &str| {
                let (table, all) = there(uid);
                let seats: BTreeSet<u8> = all.iter().map(|(seat, _)| *seat).collect();
                let free = (0..table.seats).any(|seat| !seats.contains(&seat));
                let may = all.iter().all(|(_, who)| *who != me && !apart.are(me, *who));
                (table.open && free && may).then_some(seats.len())
            };
            match choice {
                Choice::Nothing => prop_assert!(tables.iter().all(|table| fits(&table.uid).is_none())),
                Choice::Seats(offers) => {
                    prop_assert!(!offers.is_empty() && offers.len() <= OFFERS_MAX);
                    let once: BTreeSet<&Offer> = offers.iter().collect();
                    prop_assert_eq!(once.len(), offers.len());
                    let fill: Vec<usize> = offers.iter().map(|offer| fits(&offer.table).unwrap()).collect();
                    prop_assert!(fill.is_sorted_by(|one, next| one >= next), "{:?}", fill);
                    let fullest = tables.iter().filter_map(|table| fits(&table.uid)).max();
                    prop_assert_eq!(fill.first().copied(), fullest);
                    for Offer { table, seat } in &offers {
                        let (view, all) = there(table);
                        prop_assert!(*seat < view.seats && all.iter().all(|(taken, _)| taken != seat));
                    }
                }
            }
        }
    }
}
