//! Events in everybody's own view, as they are stored and sent.

use super::{Core, Deal, dealing::Dealing};
use bytes::Bytes;
use purr_engine::{Event, PlayerId, SeatIndex};
use purr_protocol::{
    deal::{committed, prove},
    pb,
    views::{self, Context, Viewer},
};
use serde::{Deserialize, Serialize};

/// One commit's events: the view of each player, and the public view.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shown {
    pub offset: u64,
    pub entries: Vec<LogEntry>,
}

/// Events as bytes for all of these players; without players: for everybody not named in another entry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogEntry {
    pub players: Vec<PlayerId>,
    /// An `Events` message, protobuf.
    #[serde(with = "text")]
    pub events: Bytes,
}

/// Bytes as base64 where people read it: a list of numbers is three times as long, and as slow to write.
mod text {
    use base64::{Engine, engine::general_purpose::STANDARD};
    use bytes::Bytes;
    use serde::{
        Deserializer, Serializer,
        de::{Error, Visitor},
    };
    use std::fmt;

    pub(super) fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        match serializer.is_human_readable() {
            true => serializer.serialize_str(&STANDARD.encode(bytes)),
            false => serializer.serialize_bytes(bytes),
        }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Bytes, D::Error> {
        deserializer.deserialize_any(Either).map(Bytes::from)
    }

    struct Either;

    impl Visitor<'_> for Either {
        type Value = Vec<u8>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("bytes or base64")
        }

        fn visit_str<E: Error>(self, text: &str) -> Result<Vec<u8>, E> {
            STANDARD.decode(text).map_err(E::custom)
        }

        fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<Vec<u8>, E> {
            Ok(bytes.to_vec())
        }
    }
}

impl LogEntry {
    pub fn read(&self) -> Option<pb::Events> {
        prost::Message::decode(self.events.clone()).ok()
    }
}

impl Shown {
    /// The entry with this player's view. Views are kept by player, not by seat, or the next player in a seat could
    /// read the previous one's cards.
    pub fn entry_for(&self, player: PlayerId) -> Option<usize> {
        let own = self.entries.iter().position(|entry| entry.players.contains(&player));
        own.or_else(|| self.entries.iter().position(|entry| entry.players.is_empty()))
    }

    /// The events in this player's view.
    pub fn for_player(&self, player: PlayerId) -> Option<pb::Events> {
        self.entries.get(self.entry_for(player)?)?.read()
    }
}

/// Room for the events of an action, in bytes.
const EVENTS_BYTES: usize = 128;

/// An event of which one seat sees more than the others.
struct Own {
    /// Its place among the events.
    at: usize,
    seat: SeatIndex,
    bytes: Vec<u8>,
}

/// Adds one event to an `Events` message: the encodings of two such messages, one after the other, are that of both together
/// (<https://protobuf.dev/programming-guides/encoding/#last-one-wins>).
fn put(out: &mut Vec<u8>, event: pb::Event) {
    // Encoding into a vector cannot run out of room.
    let _ = prost::Message::encode(&pb::Events { events: vec![event] }, out);
}

impl Core {
    pub(super) fn render(
        &self,
        events: &[Event],
        extra: &[pb::event::Kind],
        deal: Option<&Deal>,
    ) -> Vec<LogEntry> {
        let context =
            Context { now: self.now, deal: deal.map(|deal| &deal.sealed), table: &self.state.table };
        // Each event is encoded once for the public, and again for a seat that sees more of it.
        let mut public = Vec::with_capacity(EVENTS_BYTES);
        let mut ends = Vec::with_capacity(events.len());
        let mut owns: Vec<Own> = Vec::new();
        for event in events {
            if let Some((seat, own)) = views::own(event, &context) {
                let mut bytes = Vec::new();
                put(&mut bytes, own);
                owns.push(Own { at: ends.len(), seat, bytes });
            }
            if let Some(seen) = views::public(event, &context) {
                put(&mut public, seen);
            }
            ends.push(public.len());
        }
        for kind in extra {
            put(&mut public, pb::Event { kind: Some(kind.clone()) });
        }
        let chairs = (0u8..).map(SeatIndex).zip(self.state.table.seats());
        let mut more: Vec<LogEntry> = Vec::new();
        for (seat, chair) in chairs.filter(|_| !owns.is_empty()) {
            let Some(chair) = chair else { continue };
            let mut own = owns.iter().filter(|own| own.seat == seat).peekable();
            if own.peek().is_none() {
                continue;
            }
            let (mut events, mut from) = (Vec::with_capacity(public.len() + EVENTS_BYTES), 0);
            for Own { at, bytes, .. } in own {
                let before = at.checked_sub(1).and_then(|at| ends.get(at)).copied().unwrap_or(0);
                events.extend_from_slice(public.get(from..before).unwrap_or_default());
                events.extend_from_slice(bytes);
                from = ends.get(*at).copied().unwrap_or(before);
            }
            events.extend_from_slice(public.get(from..).unwrap_or_default());
            if events != public {
                more.push(LogEntry { players: vec![chair.player], events: events.into() });
            }
        }
        let mut entries = Vec::with_capacity(1 + more.len());
        entries.push(LogEntry { players: Vec::new(), events: public.into() });
        entries.append(&mut more);
        entries
    }

    /// The whole table for an attaching player.
    pub fn snapshot_for(&self, player: PlayerId) -> pb::Snapshot {
        let viewer = self.state.table.seat_of(player).map_or(Viewer::Spectator, Viewer::Seat);
        let root = self.state.deal.as_ref().map(|deal| deal.sealed.root());
        let mut snapshot = views::snapshot(&self.uid, &self.spec, &self.state.table, root, viewer);
        snapshot.dealing = self.state.dealing.as_ref().map(Dealing::told);
        snapshot.deals_void = self.state.deals_void;
        snapshot.staff_paused = self.paused_by().map(|paused| paused.reason.clone()).unwrap_or_default();
        if let Some(hand) = &mut snapshot.hand {
            let deadline = self.state.table.next_deadline();
            hand.remaining_ms = deadline.map(|deadline| deadline.saturating_sub(self.now));
            hand.time_bank = self.state.table.on_time_bank();
        }
        for seat in &mut snapshot.seats {
            seat.leaving |= self.leaves_after_deal(seat.seat);
        }
        if let Some(deal) = &self.state.deal {
            let hand = self.state.table.hand().map_or(0, |hand| hand.number);
            let told = committed(hand, deal.sealed.root(), &deal.commitments, &deal.reveals);
            let order: Vec<SeatIndex> = deal.starts.iter().map(|start| start.seat).collect();
            prove(&mut snapshot, told, &deal.sealed, &order);
        }
        snapshot
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::{Pace, State};
    use purr_engine::{
        Ante, Betting, Card, ClockConfig, Command, HouseRules, RakeConfig, Table, TableConfig,
    };
    use purr_protocol::TableSpec;
    use purr_store::{DataKeys, Sealer};
    use std::sync::Arc;

    fn core() -> Core {
        let clock = ClockConfig {
            turn_ms: 15_000,
            time_bank_ms: 0,
            time_bank_gain_ms: 0,
            time_bank_hands: 1,
            time_bank_max_ms: 0,
            disconnect_ms: 10_000,
            disconnect_max_ms: 0,
            reconnect_grace_ms: 0,
            disconnect_total_ms: 0,
        };
        let engine = TableConfig {
            seats: 4,
            small_blind: 5,
            big_blind: 10,
            ante: Ante::None,
            betting: Betting::NoLimit,
            straddle: false,
            house: HouseRules::NONE,
            run_it_twice: false,
            buy_in_min: 100,
            buy_in_max: 1_000,
            rake: RakeConfig { basis_points: 0, caps: Vec::new(), no_flop_no_drop: true },
            clock,
            rat_hole_ms: 0,
        };
        let mut table = Table::new(engine.clone()).unwrap();
        for seat in 0..3 {
            let sit = Command::Sit { seat: SeatIndex(seat), player: PlayerId([seat + 1; 20]), stack: 500 };
            table.apply(0, sit).unwrap();
        }
        let spec = TableSpec {
            name: "t".into(),
            engine,
            currency: purr_protocol::Currency { token: String::new(), decimals: 6, unit: "PLAY".into() },
            settlement: purr_protocol::Settlement {
                vault: String::new(),
                chain_id: 1,
                max_hands: 1,
                max_delay_ms: 0,
            },
            paused: false,
            history: purr_protocol::HistoryRule::default(),
            room: Default::default(),
        };
        let sealer = Sealer::new(Arc::new(DataKeys::ephemeral([1; 32])), "t");
        Core::new(1, spec, State::new(table), sealer, Pace { hand_gap_ms: 0, reveal_ms: 0 })
    }

    #[test]
    fn what_is_put_together_of_single_events_is_each_seats_view_as_a_whole() {
        let mut core = core();
        let deck = purr_engine::Deck::new(std::array::from_fn(|n| Card::all().nth(n).unwrap())).unwrap();
        let mut events = vec![Event::SatOut { seat: SeatIndex(3) }];
        events.extend(core.state.table.apply(0, Command::StartHand { hand: 1, deck }).unwrap());
        events.push(Event::TimeBankStarted { seat: SeatIndex(0), deadline: 99 });
        // Cards of a free seat are in nobody's view.
        events.push(Event::Dealt { seat: SeatIndex(3), cards: [Card::LOWEST; 2] });
        let settled =
            pb::event::Kind::Settlement(pb::Settlement { seq_from: 7, ..pb::Settlement::default() });
        for (events, extra) in [
            (events.as_slice(), &[][..]),
            (&events[..1], std::slice::from_ref(&settled)),
            (&events, std::slice::from_ref(&settled)),
            (&events[2..], &[]),
            (&[], std::slice::from_ref(&settled)),
        ] {
            let context = Context { now: core.now, deal: None, table: &core.state.table };
            let view = |viewer: Viewer| {
                let seen = events.iter().filter_map(|event| views::event(event, viewer, &context));
                let more = extra.iter().map(|kind| pb::Event { kind: Some(kind.clone()) });
                Bytes::from(prost::Message::encode_to_vec(&pb::Events { events: seen.chain(more).collect() }))
            };
            let public = view(Viewer::Spectator);
            let mut expected = vec![LogEntry { players: Vec::new(), events: public.clone() }];
            for seat in 0..3 {
                let (players, events) = (vec![PlayerId([seat + 1; 20])], view(Viewer::Seat(SeatIndex(seat))));
                if events != public {
                    expected.push(LogEntry { players, events });
                }
            }
            assert_eq!(core.render(events, extra, None), expected, "{events:?}");
        }
    }
}
