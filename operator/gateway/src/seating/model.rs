//! Seats and waiting lists in memory: for one process without a cluster, and as the model that the script is compared with.

use super::{
    choose::{Held, HeldKind, Offer},
    key::FleetKey,
    step::{
        BACK_MS, ENDS_MAX, HOLDS_MAX, LINGER_MS, OWN_MS, Outcome, PAUSE_MAX_MS, Pace, SEEN_MS, SIT_MS,
        Standing, Step, UNUSED_MS,
    },
};
use purr_engine::PlayerId;
use std::collections::BTreeMap;

#[derive(Clone, Debug)]
struct Hold {
    player: PlayerId,
    until: u64,
    kind: HeldKind,
    id: String,
}

#[derive(Clone, Debug)]
struct Waiting {
    player: PlayerId,
    id: String,
    seen: u64,
}

#[derive(Clone, Debug, Default)]
struct Fleet {
    /// Holds by seat, in the stored form of a seat.
    seats: BTreeMap<String, Hold>,
    /// Seats that are held and not taken yet.
    holds: BTreeMap<PlayerId, String>,
    list: Vec<Waiting>,
    last: u64,
    mean: u64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Fate {
    Live,
    Ended,
    Seated(String),
}

/// The outcome of a player's last request.
#[derive(Clone, Debug)]
struct Own {
    fleet: FleetKey,
    id: String,
    fate: Fate,
    at: u64,
}

/// All fleets' books.
#[derive(Clone, Debug, Default)]
pub struct Books {
    fleets: BTreeMap<FleetKey, Fleet>,
    own: BTreeMap<PlayerId, Own>,
    /// Pauses running, and until when.
    pauses: BTreeMap<PlayerId, (u32, u64)>,
}

fn offer(at: &str) -> Offer {
    at.parse().unwrap_or(Offer { table: at.to_owned(), seat: u8::MAX })
}

fn count(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}

impl Books {
    fn fleet(&mut self, key: &FleetKey) -> &mut Fleet {
        self.fleets.entry(key.clone()).or_default()
    }

    fn note(&mut self, key: &FleetKey, player: PlayerId, id: &str, fate: Fate, at: u64) {
        self.own.insert(player, Own { fleet: key.clone(), id: id.to_owned(), fate, at });
    }

    fn pause(&mut self, player: PlayerId, base: u64, now: u64) {
        let (count, until) = self.pauses.get(&player).copied().unwrap_or_default();
        let count = if now >= until + PAUSE_MAX_MS { 0 } else { count };
        let length = base.saturating_mul(1 << count.min(30)).min(PAUSE_MAX_MS);
        self.pauses.insert(player, (count + 1, now + length));
    }

    /// Removes expired entries.
    fn expire(&mut self, key: &FleetKey, now: u64) {
        let fleet = self.fleet(key);
        let over = fleet.seats.iter().filter(|(_, hold)| hold.until <= now);
        let mut over: Vec<(u64, String)> = over.map(|(at, hold)| (hold.until, at.clone())).collect();
        over.sort();
        let mut unused = Vec::new();
        for (_, at) in over.into_iter().take(ENDS_MAX) {
            let Some(hold) = fleet.seats.remove(&at) else { continue };
            if hold.kind != HeldKind::Seated {
                fleet.holds.remove(&hold.player);
                unused.push(hold);
            }
        }
        fleet.list.retain(|waiting| waiting.seen + SEEN_MS > now);
        for Hold { player, id, .. } in unused {
            self.note(key, player, &id, Fate::Ended, now);
            self.pause(player, UNUSED_MS, now);
        }
        self.own.retain(|_, own| own.at + OWN_MS > now);
        self.pauses.retain(|_, (_, until)| now < *until + PAUSE_MAX_MS);
    }

    fn standing(&mut self, key: &FleetKey, player: PlayerId, now: u64) -> Option<Outcome> {
        let fleet = self.fleet(key);
        if let Some((at, hold)) = fleet.holds.get(&player).and_then(|at| Some((at, fleet.seats.get(at)?))) {
            return Some(Outcome::Held {
                at: offer(at),
                left_ms: hold.until.saturating_sub(now),
                offered: hold.kind == HeldKind::Offered,
                sitting: hold.kind == HeldKind::Sitting,
                id: hold.id.clone(),
            });
        }
        let place = fleet.list.iter().position(|waiting| waiting.player == player)?;
        let size = count(fleet.list.len());
        let pace = Pace { mean_ms: fleet.mean, since_ms: now.saturating_sub(fleet.last) };
        fleet.list.get_mut(place)?.seen = now;
        Some(Outcome::Waiting { place: count(place) + 1, size, pace })
    }

    /// The seat that the player holds in another fleet.
    fn elsewhere(&self, key: &FleetKey, player: PlayerId, now: u64) -> Option<Outcome> {
        let own = self.own.get(&player).filter(|own| own.fate == Fate::Live && own.fleet != *key)?;
        let there = self.fleets.get(&own.fleet)?;
        let hold = there.seats.get(there.holds.get(&player)?)?;
        (hold.until > now).then(|| Outcome::Elsewhere { fleet: own.fleet.to_string() })
    }

    fn paused(&self, player: PlayerId, now: u64) -> Option<Outcome> {
        let (_, until) = self.pauses.get(&player)?;
        (*until > now).then(|| Outcome::Paused { left_ms: until - now })
    }

    fn hold(
        &mut self,
        key: &FleetKey,
        player: PlayerId,
        now: u64,
        hold: &Hold,
        offers: &[Offer],
    ) -> Option<Outcome> {
        let fleet = self.fleet(key);
        if fleet.seats.len() >= HOLDS_MAX {
            return None;
        }
        let at = offers.iter().map(ToString::to_string).find(|at| !fleet.seats.contains_key(at))?;
        fleet.seats.insert(at.clone(), hold.clone());
        fleet.holds.insert(player, at);
        self.note(key, player, &hold.id, Fate::Live, now);
        self.standing(key, player, now)
    }

    pub fn step(&mut self, now: u64, key: &FleetKey, player: PlayerId, step: &Step) -> Outcome {
        self.expire(key, now);
        match step {
            Step::Ask { id, hold_ms, waiting_max, join, offers } => {
                if let Some(standing) = self.standing(key, player, now) {
                    return standing;
                }
                if let Some(own) = self.own.get(&player).filter(|own| own.fleet == *key && own.id == *id) {
                    match &own.fate {
                        Fate::Seated(at) => return Outcome::Seated { at: offer(at) },
                        Fate::Ended => return Outcome::Ended,
                        Fate::Live => {}
                    }
                }
                if let Some(refused) = self.elsewhere(key, player, now).or_else(|| self.paused(player, now)) {
                    return refused;
                }
                let size = count(self.fleet(key).list.len());
                if size == 0 && !offers.is_empty() {
                    let hold = Hold { player, until: now + hold_ms, kind: HeldKind::Asked, id: id.clone() };
                    return self.hold(key, player, now, &hold, offers).unwrap_or(Outcome::Taken);
                }
                if !join {
                    return if size > 0 { Outcome::Behind { size } } else { Outcome::Full };
                }
                if size >= u64::from(*waiting_max) {
                    return Outcome::ListFull { max: u64::from(*waiting_max) };
                }
                let fleet = self.fleet(key);
                if size == 0 {
                    fleet.last = now;
                }
                fleet.list.push(Waiting { player, id: id.clone(), seen: now });
                self.standing(key, player, now).unwrap_or(Outcome::None)
            }
            Step::Own => {
                if let Some(standing) = self.standing(key, player, now) {
                    return standing;
                }
                match self.own.get(&player).filter(|own| own.fleet == *key).map(|own| &own.fate) {
                    Some(Fate::Seated(at)) => Outcome::Seated { at: offer(at) },
                    _ => self.paused(player, now).unwrap_or(Outcome::None),
                }
            }
            Step::Back { id } => self.back(key, player, now, id.as_deref()),
            Step::Sit { at } => {
                let Some(hold) = self.fleet(key).seats.get_mut(&at.to_string()) else { return Outcome::None };
                if hold.player != player {
                    return Outcome::Other;
                }
                if hold.kind.is_open() {
                    (hold.kind, hold.until) = (HeldKind::Sitting, hold.until.max(now + SIT_MS));
                }
                Outcome::Done
            }
            Step::Confirm { at } => {
                let fleet = self.fleet(key);
                let Some(held) = fleet.holds.get(&player).cloned() else { return Outcome::None };
                if offer(&held).table != at.table {
                    return Outcome::None;
                }
                fleet.holds.remove(&player);
                let Some(Hold { id, .. }) = fleet.seats.remove(&held) else { return Outcome::None };
                let kept = Hold { player, until: now + LINGER_MS, kind: HeldKind::Seated, id: id.clone() };
                fleet.seats.entry(at.to_string()).or_insert(kept);
                self.note(key, player, &id, Fate::Seated(at.to_string()), now);
                Outcome::Done
            }
            Step::Serve { hold_ms, offers } => {
                let fleet = self.fleet(key);
                let Some(place) = fleet.list.iter().position(|waiting| waiting.player == player) else {
                    return Outcome::None;
                };
                if let Some(elsewhere) = self.elsewhere(key, player, now) {
                    return elsewhere;
                }
                let id =
                    self.fleet(key).list.get(place).map(|waiting| waiting.id.clone()).unwrap_or_default();
                let hold = Hold { player, until: now + hold_ms, kind: HeldKind::Offered, id };
                let Some(held) = self.hold(key, player, now, &hold, offers) else { return Outcome::Taken };
                let fleet = self.fleet(key);
                fleet.list.retain(|waiting| waiting.player != player);
                let gap = now.saturating_sub(fleet.last);
                fleet.mean = if fleet.mean == 0 { gap } else { (3 * fleet.mean + gap) / 4 };
                fleet.last = now;
                held
            }
        }
    }

    fn back(&mut self, key: &FleetKey, player: PlayerId, now: u64, id: Option<&str>) -> Outcome {
        let fleet = self.fleet(key);
        if let Some(at) = fleet.holds.get(&player).cloned() {
            let Some(hold) = fleet.seats.get(&at).cloned() else { return Outcome::None };
            if id.is_some_and(|id| id != hold.id) {
                return Outcome::Other;
            }
            if hold.kind == HeldKind::Sitting {
                return Outcome::Sitting;
            }
            fleet.seats.remove(&at);
            fleet.holds.remove(&player);
            self.note(key, player, &hold.id, Fate::Ended, now);
            self.pause(player, BACK_MS, now);
            return Outcome::Done;
        }
        if let Some(place) = fleet.list.iter().position(|waiting| waiting.player == player) {
            let listed = fleet.list.get(place).map(|waiting| waiting.id.clone()).unwrap_or_default();
            if id.is_some_and(|id| id != listed) {
                return Outcome::Other;
            }
            fleet.list.remove(place);
            self.note(key, player, &listed, Fate::Ended, now);
            return Outcome::Done;
        }
        if let Some(id) = id {
            // The request itself may still arrive later.
            let kept = self.own.get(&player).is_some_and(|own| match own.fate {
                Fate::Live => own.fleet != *key,
                Fate::Seated(_) => own.fleet == *key && own.id == id,
                Fate::Ended => false,
            });
            if !kept {
                self.note(key, player, id, Fate::Ended, now);
            }
        }
        Outcome::None
    }

    /// Players on the waiting list were seen.
    pub fn seen(&mut self, now: u64, key: &FleetKey, players: &[PlayerId]) {
        for waiting in self.fleet(key).list.iter_mut().filter(|waiting| players.contains(&waiting.player)) {
            waiting.seen = now;
        }
    }

    /// The books, with at most `first` entries of the waiting list.
    pub fn look(&mut self, now: u64, key: &FleetKey, first: usize) -> Standing {
        self.expire(key, now);
        let fleet = self.fleet(key);
        let seats = fleet.seats.iter();
        let (held, left_ms) = seats
            .map(|(at, hold)| {
                let held = Held { at: offer(at), player: hold.player, kind: hold.kind };
                (held, hold.until.saturating_sub(now))
            })
            .unzip();
        Standing {
            held,
            left_ms,
            waiting: fleet.list.iter().take(first).map(|waiting| waiting.player).collect(),
            size: count(fleet.list.len()),
            pace: Pace { mean_ms: fleet.mean, since_ms: now.saturating_sub(fleet.last) },
        }
    }
}
