//! The floor's figures of the table, and staff's pause.

use super::{Core, Deal, Step};
use purr_engine::{Event, HandEnd, SeatIndex};
use purr_protocol::{
    floor::{Floor, FloorSeat, PausedBy, Rates},
    pb::{self, event::Kind},
};

impl Core {
    /// Commits staff's pause, or its end, and notifies the players. A repetition changes nothing.
    pub(super) fn staff_pause(&mut self, pause: Option<PausedBy>, step: &mut Step) {
        let pause = pause.map(|pause| PausedBy { at_s: self.unix_s, ..pause });
        let reason = |pause: &Option<PausedBy>| pause.as_ref().map(|pause| pause.reason.clone());
        if reason(&self.state.paused_by) == reason(&pause) {
            return;
        }
        step.dirty = true;
        step.extra(Kind::StaffPaused(pb::StaffPaused { reason: reason(&pause).unwrap_or_default() }));
        self.state.paused_by = pause;
    }

    /// Why staff has paused the table.
    pub fn paused_by(&self) -> Option<&PausedBy> {
        self.state.paused_by.as_ref()
    }

    /// Notes who takes and leaves seats.
    pub(super) fn watch(&mut self, events: &[Event]) {
        for event in events {
            match event {
                Event::Seated { player, .. } | Event::Left { player, .. } => {
                    self.window.change(self.now, *player);
                }
                _ => {}
            }
        }
    }

    /// Adds an ended hand: results, and timed decisions. A void hand adds nothing.
    pub(super) fn watch_hand(&mut self, end: &HandEnd, deal: &Deal) {
        if end.void {
            return;
        }
        let results = end.results.iter().map(|result| (result.player, result.delta)).collect();
        let player =
            |seat: SeatIndex| deal.starts.iter().find(|start| start.seat == seat).map(|start| start.player);
        let acted = deal.events.iter().filter_map(|event| match event {
            Event::Acted { seat, .. } => Some(*seat),
            _ => None,
        });
        let think =
            acted.zip(&deal.timings).filter_map(|(seat, timing)| Some((player(seat)?, timing.think_ms?)));
        self.window.hand(self.now, results, think.collect());
    }

    /// The table as operators see it.
    pub fn floor(&mut self) -> Floor {
        let seat = |(at, chair): (u8, &Option<purr_engine::table::Seat>)| {
            let chair = chair.as_ref()?;
            Some(FloorSeat {
                seat: at,
                player: chair.player,
                stack: chair.stack,
                sitting_out: chair.sitting_out,
                connected: chair.connected,
                rates: Rates::default(),
            })
        };
        let mut floor = Floor {
            uid: self.uid.clone(),
            seats: (0u8..).zip(self.state.table.seats()).filter_map(seat).collect(),
            unsettled: self.state.sequence.saturating_sub(self.state.confirmed),
            unsettled_s: self.waiting.oldest_ms(self.now) / 1_000,
            paused_by: self.state.paused_by.clone(),
            ..Floor::default()
        };
        self.window.fill(self.now, &mut floor);
        floor
    }
}
