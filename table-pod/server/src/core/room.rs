//! Rules about seats: how long a seat is kept for a player who does not play, and how long a player who left waits for
//! the next one.
//!
//! Times are the process's own; [`Room::rebase`] carries the spans over to the next process's clock.

use super::{Asking, Core, Step};
use purr_engine::{Chips, Command, Event, Millis, PlayerId, Post, SeatIndex, SeatSet, rake::rake};
use purr_protocol::{
    RoomRules,
    pb::{self, StoodUpCause, event::Kind, server_message::Body},
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Most players whose cool-downs are remembered, for each kind; beyond it the oldest is evicted.
const PAUSES_MAX: usize = 64;

/// State of the house rules about seats and players.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Room {
    /// The process's clock at the last committed step.
    at: Millis,
    stays: BTreeMap<SeatIndex, Stay>,
    /// After holds that brought no chips.
    #[serde(skip_serializing_if = "Pauses::is_empty")]
    held: Pauses,
    /// After short stays.
    #[serde(skip_serializing_if = "Pauses::is_empty")]
    left: Pauses,
    /// The seat of the last big blind.
    last_big: Option<SeatIndex>,
}

/// A player's stay from sitting down to leaving. Every commit contains it, so default values are left out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
struct Stay {
    /// Hands dealt in.
    hands: u32,
    /// Big blinds that passed the player since the last hand dealt in.
    #[serde(skip_serializing_if = "is_default")]
    missed: u32,
    /// Time sat out since the last hand dealt in, before `since`.
    #[serde(skip_serializing_if = "is_default")]
    out_ms: Millis,
    /// Time since which the player sits out.
    #[serde(skip_serializing_if = "is_default")]
    since: Option<Millis>,
    /// Topped up since the last hand that the player was dealt.
    #[serde(skip_serializing_if = "is_default")]
    topped: bool,
}

pub(super) fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

impl Stay {
    /// The stay of a player who sat down under a release without these counts.
    const UNCOUNTED: Self = Self { hands: u32::MAX, missed: 0, out_ms: 0, since: None, topped: false };

    fn out_for(&self, now: Millis) -> Millis {
        self.out_ms + self.since.map_or(0, |since| now.saturating_sub(since))
    }
}

/// Players who have to wait before they may sit down, the newest last.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
struct Pauses(Vec<Pause>);

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Pause {
    player: PlayerId,
    until: Millis,
    /// Number of pauses in a row; each doubles the next one.
    count: u32,
}

impl Pauses {
    const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds a cool-down of this player. One that has been over for `max` is forgotten.
    fn add(&mut self, player: PlayerId, now: Millis, base: Millis, max: Millis) {
        self.0.retain(|pause| now < pause.until.saturating_add(max));
        if base == 0 {
            return;
        }
        let before = self.0.iter().position(|pause| pause.player == player);
        let count = before.map_or(0, |at| self.0.remove(at).count);
        let length = base.saturating_mul(1_u64.checked_shl(count).unwrap_or(Millis::MAX)).min(max);
        if self.0.len() >= PAUSES_MAX {
            self.0.remove(0);
        }
        self.0.push(Pause { player, until: now.saturating_add(length), count: count.saturating_add(1) });
    }

    fn left(&self, player: PlayerId, now: Millis) -> Option<Millis> {
        let pause = self.0.iter().find(|pause| pause.player == player)?;
        Some(pause.until.saturating_sub(now)).filter(|left| *left > 0)
    }

    fn rebase(&mut self, at: Millis) {
        self.0.iter_mut().for_each(|pause| pause.until = pause.until.saturating_sub(at));
    }
}

impl Room {
    /// Converts the times to a clock that begins at 0.
    pub(super) fn rebase(&mut self) {
        let at = std::mem::take(&mut self.at);
        for stay in self.stays.values_mut() {
            stay.out_ms = stay.out_for(at);
            stay.since = stay.since.map(|_| 0);
        }
        self.held.rebase(at);
        self.left.rebase(at);
    }

    /// Notes who is seated, if the state came from a release that did not note it.
    pub(super) fn note_seated(&mut self, seated: impl Iterator<Item = (SeatIndex, bool)>) {
        let mut known = std::mem::take(&mut self.stays);
        for (seat, sitting_out) in seated {
            let mut stay = known.remove(&seat).unwrap_or(Stay::UNCOUNTED);
            if sitting_out && stay.since.is_none() {
                stay.since = Some(0);
            }
            self.stays.insert(seat, stay);
        }
    }

    pub(super) fn committed(&mut self, now: Millis) {
        self.at = now;
    }

    /// The table was stopped for `pause`, which is counted against no player.
    pub(super) fn stalled(&mut self, pause: Millis, now: Millis) {
        for since in self.stays.values_mut().filter_map(|stay| stay.since.as_mut()) {
            *since = since.saturating_add(pause).min(now);
        }
    }

    /// How long this player still has to wait before a seat, or before a top-up.
    pub(super) fn wait(&self, player: PlayerId, top_up: bool, now: Millis) -> Option<Millis> {
        let left = if top_up { None } else { self.left.left(player, now) };
        left.max(self.held.left(player, now))
    }

    pub(super) fn unused_hold(&mut self, player: PlayerId, rules: &RoomRules, now: Millis) {
        self.held.add(player, now, rules.hold_cool_down_ms, rules.cool_down_max_ms);
    }

    /// Each top-up is a settlement of its own: a second one without a hand in between is followed by a cool-down.
    pub(super) fn topped_up(&mut self, seat: SeatIndex, player: PlayerId, rules: &RoomRules, now: Millis) {
        if std::mem::replace(&mut self.stay(seat).topped, true) {
            self.unused_hold(player, rules, now);
        }
    }

    fn stay(&mut self, seat: SeatIndex) -> &mut Stay {
        self.stays.entry(seat).or_insert(Stay::UNCOUNTED)
    }

    fn gone(&mut self, seat: SeatIndex, player: PlayerId, rules: &RoomRules, now: Millis) {
        let stay = self.stays.remove(&seat).unwrap_or(Stay::UNCOUNTED);
        if stay.hands < rules.short_stay_hands {
            self.left.add(player, now, rules.rejoin_cool_down_ms, rules.cool_down_max_ms);
        }
    }

    /// Why the player of this seat has to be stood up.
    fn too_long(&self, seat: SeatIndex, rules: &RoomRules, now: Millis) -> Option<StoodUpCause> {
        let stay = self.stays.get(&seat)?;
        if stay.out_for(now) >= rules.sit_out_max_ms {
            Some(StoodUpCause::Time)
        } else if stay.missed >= rules.sit_out_max_big_blinds {
            Some(StoodUpCause::BigBlinds)
        } else {
            None
        }
    }

    /// When the player of this seat, who sits out, has to be stood up.
    fn due(&self, seat: SeatIndex, rules: &RoomRules) -> Option<Millis> {
        let stay = self.stays.get(&seat)?;
        Some(stay.since?.saturating_add(rules.sit_out_max_ms.saturating_sub(stay.out_ms)))
    }
}

impl Core {
    /// Updates the record of how long each player has stayed at the table, by the events of one step.
    pub(super) fn note_stays(&mut self, events: &[Event]) {
        let (now, rules) = (self.now, self.spec.room);
        let room = &mut self.state.room;
        let mut big = None;
        for event in events {
            match event {
                Event::Seated { seat, .. } => {
                    room.stays.insert(*seat, Stay::default());
                }
                Event::Left { seat, player, .. } => room.gone(*seat, *player, &rules, now),
                Event::SatOut { seat } => {
                    room.stay(*seat).since.get_or_insert(now);
                }
                Event::SatIn { seat } => {
                    // Only a dealt hand restarts the time: sitting in for a moment does not.
                    let stay = room.stay(*seat);
                    stay.out_ms = stay.out_for(now);
                    stay.since = None;
                }
                Event::HandStarted { dealt_in, .. } => {
                    for seat in dealt_in.iter() {
                        let stay = room.stay(*seat);
                        *stay = Stay { hands: stay.hands.saturating_add(1), ..Stay::default() };
                    }
                }
                Event::Posted { seat, post: Post::BigBlind, .. } => big = Some(*seat),
                _ => {}
            }
        }
        if let Some(big) = big {
            self.note_missed(big);
        }
    }

    /// Notes a missed big blind for players who sit out and whom the big blind has passed.
    fn note_missed(&mut self, big: SeatIndex) {
        let Some(before) = self.state.room.last_big.replace(big) else { return };
        let passed = SeatSet::first(self.spec.engine.seats).clockwise(before).take_while(|seat| *seat != big);
        for seat in passed {
            if self.state.table.seat(seat).is_some_and(|chair| chair.sitting_out) {
                let stay = self.state.room.stay(seat);
                stay.missed = stay.missed.saturating_add(1);
            }
        }
    }

    /// Whether a hand is neither running nor being dealt.
    pub(super) fn between_hands(&self) -> bool {
        self.state.table.hand().is_none() && self.state.dealing.is_none()
    }

    /// Stands up players who have sat out too long, between two hands; a frozen seat stays.
    pub(super) fn stand_up(&mut self, events: &mut Vec<Event>, step: &mut Step) {
        if !self.between_hands() {
            return;
        }
        let due: Vec<(SeatIndex, StoodUpCause)> = self
            .sitting_out()
            .filter_map(|seat| Some((seat, self.state.room.too_long(seat, &self.spec.room, self.now)?)))
            .collect();
        for (seat, cause) in due {
            step.extra(Kind::StoodUp(pb::StoodUp { seat: seat.0.into(), cause: cause.into() }));
            self.command(Command::Leave { seat }, events);
        }
    }

    fn sitting_out(&self) -> impl Iterator<Item = SeatIndex> {
        let chairs = (0u8..).map(SeatIndex).zip(self.state.table.seats());
        chairs.filter_map(|(seat, chair)| {
            let chair = chair.as_ref().filter(|chair| chair.sitting_out && !chair.leaving)?;
            (!self.state.frozen.contains(&chair.player)).then_some(seat)
        })
    }

    /// When a tick is due for the rules of the room.
    pub(super) fn room_deadline(&self) -> Option<Millis> {
        let hold = self.asking.iter().filter(|asking| !asking.over).map(|asking| asking.until).min();
        let stand_up =
            || self.sitting_out().filter_map(|seat| self.state.room.due(seat, &self.spec.room)).min();
        let stand_up = if self.between_hands() { stand_up() } else { None };
        [hold, stand_up].into_iter().flatten().min()
    }

    /// Ends holds that have expired. If the signer's answer arrives afterwards, it is ignored.
    pub(super) fn end_holds(&mut self, step: &mut Step) {
        let (now, rules) = (self.now, self.spec.room);
        let mut ended = Vec::new();
        for asking in self.asking.iter_mut().filter(|asking| !asking.over && asking.until <= now) {
            asking.over = true;
            ended.push((asking.connection, asking.id, asking.player));
        }
        for (connection, id, player) in ended {
            self.state.room.unused_hold(player, &rules, now);
            step.dirty = true;
            let message =
                format!("the chain-signer did not reserve the chips within {} s", rules.hold_ms / 1_000);
            let error = pb::Error {
                id,
                code: pb::ErrorCode::Unavailable.into(),
                message,
                retry_after_ms: self.state.room.wait(player, false, now),
                ..pb::Error::default()
            };
            step.replies.push((connection, Body::Error(error)));
        }
    }

    /// The maximum rake of the next hand: the highest cap for the number of players who may still join. Tables from
    /// before caps were required: the sum of all stacks bounds the pot.
    fn rake_max(&self, seats: SeatSet) -> Chips {
        if !self.spec.engine.rake.caps.is_empty() {
            return self.rake_min();
        }
        let stacks = seats.iter().filter_map(|seat| self.state.table.seat(seat)).map(|chair| chair.stack);
        rake(&self.spec.engine.rake, stacks.fold(0, Chips::saturating_add), self.spec.engine.seats, true)
    }

    /// Rake that the seat's permits still allow, without permits that the chain may yet refuse; `None`: any rake.
    fn rake_left(&self, seat: SeatIndex) -> Option<Chips> {
        let chair = self.state.table.seat(seat)?;
        let left = chair.rake_left?;
        let coming = self.state.seating.iter().filter(|held| held.player == chair.player);
        Some(
            left.saturating_sub(
                coming.filter_map(super::Seating::rake_coming).fold(0, Chips::saturating_add),
            ),
        )
    }

    pub(super) fn ready_seats(&self) -> SeatSet {
        let chairs = (0u8..).map(SeatIndex).zip(self.state.table.seats());
        chairs
            .filter(|(_, chair)| chair.as_ref().is_some_and(purr_engine::table::Seat::is_ready))
            .map(|(seat, _)| seat)
            .collect()
    }

    /// If the seat's permits do not cover the next hand with the ready players: the allowed and the needed rake.
    pub(super) fn rake_lacking(&self, seat: SeatIndex) -> Option<(Chips, Chips)> {
        let mut seats = self.ready_seats();
        seats.insert(seat);
        let (left, need) = (self.rake_left(seat)?, self.rake_max(seats));
        (left < need).then_some((left, need))
    }

    /// Sits out players whose permits do not cover the rake of the next hand, until a new permit does: neither others'
    /// permits nor the house pay for them.
    pub(super) fn sit_uncovered_out(&mut self, events: &mut Vec<Event>, step: &mut Step) {
        let lacking: Vec<(SeatIndex, Chips, Chips)> = self
            .ready_seats()
            .iter()
            .filter_map(|seat| self.rake_lacking(seat).map(|(left, need)| (seat, left, need)))
            .collect();
        for (seat, rake_left, rake_min) in lacking {
            step.extra(Kind::PermitNeeded(pb::PermitNeeded { seat: seat.0.into(), rake_left, rake_min }));
            self.command(Command::SitOut { seat }, events);
        }
    }
}

impl Asking {
    /// Whether the request holds a seat.
    pub(super) const fn holds(&self) -> bool {
        !self.over
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAYER: PlayerId = PlayerId([1; 20]);

    #[test]
    fn pauses_double_up_to_a_bound_and_start_anew_after_a_quiet_time() {
        let mut pauses = Pauses::default();
        let mut now = 0;
        let mut lengths = Vec::new();
        for _ in 0..8 {
            pauses.add(PLAYER, now, 30, 1_000);
            let left = pauses.left(PLAYER, now).unwrap();
            lengths.push(left);
            now += left;
            assert_eq!(pauses.left(PLAYER, now), None);
        }
        assert_eq!(lengths, [30, 60, 120, 240, 480, 960, 1_000, 1_000]);
        pauses.add(PLAYER, now + 1_000, 30, 1_000);
        assert_eq!(pauses.left(PLAYER, now + 1_000), Some(30));
        pauses.add(PLAYER, now, 0, 1_000);
        assert_eq!(pauses.0.len(), 1, "without a base there is none");
    }

    #[test]
    fn a_bounded_number_of_players_is_remembered_and_the_oldest_is_forgotten() {
        let mut pauses = Pauses::default();
        for number in 0..=u8::try_from(PAUSES_MAX).unwrap() {
            pauses.add(PlayerId([number; 20]), 0, 30, 1_000);
        }
        assert_eq!(pauses.0.len(), PAUSES_MAX);
        assert_eq!((pauses.left(PlayerId([0; 20]), 0), pauses.left(PLAYER, 0)), (None, Some(30)));
    }

    #[test]
    fn spans_go_on_under_the_next_processs_clock() {
        let mut room = Room { at: 1_000, ..Room::default() };
        room.stays.insert(SeatIndex(0), Stay { out_ms: 5, since: Some(900), ..Stay::default() });
        room.left.add(PLAYER, 990, 30, 1_000);
        let json = serde_json::to_string(&room).unwrap();
        let mut next: Room = serde_json::from_str(&json).unwrap();
        next.rebase();
        assert_eq!(next.stays[&SeatIndex(0)].out_for(10), 115);
        assert_eq!(next.wait(PLAYER, false, 0), Some(20));
    }
}
