//! Events in everybody's own view, as they are stored and sent.

use super::{Core, Deal, dealing::Dealing};
use purr_engine::{Event, PlayerId, SeatIndex};
use purr_protocol::{
    deal::{committed, prove},
    pb,
    views::{self, Context, Viewer},
};
use serde::{Deserialize, Serialize};

/// One commit's events: what each player gets to see of them, and what everybody else does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shown {
    pub offset: u64,
    pub entries: Vec<LogEntry>,
}

/// The same bytes for all of these players; no players: for everybody not named in another entry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogEntry {
    pub players: Vec<PlayerId>,
    /// An `Events` message, protobuf.
    #[serde(with = "text")]
    pub events: Vec<u8>,
}

/// Bytes as base64: a list of numbers is three times as long, and as slow to write.
mod text {
    use base64::{Engine, engine::general_purpose::STANDARD};
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(super) fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&STANDARD.encode(bytes))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        let text = String::deserialize(deserializer)?;
        STANDARD.decode(text).map_err(Error::custom)
    }
}

impl LogEntry {
    pub fn read(&self) -> Option<pb::Events> {
        prost::Message::decode(self.events.as_slice()).ok()
    }
}

impl Shown {
    /// Which entry is this player's view; views are kept by player, not by seat, or the next holder of a seat could
    /// read what the one before saw.
    pub fn entry_for(&self, player: PlayerId) -> Option<usize> {
        let own = self.entries.iter().position(|entry| entry.players.contains(&player));
        own.or_else(|| self.entries.iter().position(|entry| entry.players.is_empty()))
    }

    /// The events in this player's view.
    pub fn for_player(&self, player: PlayerId) -> Option<pb::Events> {
        self.entries.get(self.entry_for(player)?)?.read()
    }
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
        let render = |viewer: Viewer| {
            let seen = events.iter().filter_map(|event| views::event(event, viewer, &context));
            let more = extra.iter().map(|kind| pb::Event { kind: Some(kind.clone()) });
            prost::Message::encode_to_vec(&pb::Events { events: seen.chain(more).collect() })
        };
        let public = render(Viewer::Spectator);
        let mut entries = vec![LogEntry { players: Vec::new(), events: public.clone() }];
        for (seat, chair) in (0u8..).map(SeatIndex).zip(self.state.table.seats()) {
            let Some(chair) = chair else { continue };
            let own = render(Viewer::Seat(seat));
            if own != public {
                entries.push(LogEntry { players: vec![chair.player], events: own });
            }
        }
        entries
    }

    /// The whole table for a player who attaches.
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
