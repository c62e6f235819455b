//! Compares a player's messages with the table's own log. Values in, verdicts out.

use super::Heard;
use purr_engine::PlayerId;
use purr_protocol::{
    pb::{self, client_message::Body as Ask, event::Kind, server_message::Body},
    settlement::{Entry, EntryBody},
};
use purr_table::{actor::GUEST_STEPS_MAX, core::Shown};
use std::collections::BTreeMap;

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Wrong {
    #[error("{player} was told {found} after {last}")]
    Missed { player: PlayerId, last: u64, found: u64 },
    #[error("{player} was given the whole table again at {offset}, after {last}")]
    NotResumed { player: PlayerId, last: u64, offset: u64 },
    #[error("{player} was told something else at {offset} than the table logged")]
    Otherwise { player: PlayerId, offset: u64 },
    #[error("{player} heard up to {last}, the table's log ends at {newest}")]
    Behind { player: PlayerId, last: u64, newest: u64 },
    #[error("{player}, hand {hand}: asked and was acknowledged {asked:?}, the table logged {logged:?}")]
    Acted { player: PlayerId, hand: u64, asked: Vec<i32>, logged: Vec<i32> },
    #[error("{player}: permits {asked:?} were acknowledged, {booked:?} were booked")]
    Bought { player: PlayerId, asked: Vec<u64>, booked: Vec<u64> },
    #[error("{player}: {count} commands without an answer")]
    Unanswered { player: PlayerId, count: usize },
    #[error("{player}: {0}", .what)]
    Deal { player: PlayerId, what: String },
}

/// Lists everything wrong with one player's messages. `log` is by offset, `entries` are the signer's.
pub fn judge(heard: &Heard, log: &BTreeMap<u64, Shown>, entries: &[Entry]) -> Vec<Wrong> {
    let mut wrong = told(heard, log);
    wrong.extend(acted(heard, log));
    wrong.extend(bought(heard, entries));
    let player = heard.player;
    let count = heard.asked.len() - heard.acked.len() - heard.refused.len();
    if count > 0 {
        wrong.push(Wrong::Unanswered { player, count });
    }
    wrong.extend(heard.deals_wrong.iter().map(|what| Wrong::Deal { player, what: what.clone() }));
    wrong
}

/// A snapshot must be followed by every step of the log, in this player's view.
fn told(heard: &Heard, log: &BTreeMap<u64, Shown>) -> Vec<Wrong> {
    let (player, mut wrong, mut last) = (heard.player, Vec::new(), None);
    for message in &heard.told {
        let offset = message.offset;
        match (&message.body, last) {
            (Some(Body::Snapshot(_)), None) => {}
            // The table never restarts here, and its log reaches back further than any client was away. Who has left the
            // table is given no long story.
            (Some(Body::Snapshot(_)), Some(last)) => {
                if offset - last <= GUEST_STEPS_MAX || has_seat(heard, log, offset) {
                    wrong.push(Wrong::NotResumed { player, last, offset });
                }
            }
            (Some(Body::Events(events)), _) => {
                let last = last.unwrap_or(0);
                if offset != last + 1 {
                    wrong.push(Wrong::Missed { player, last, found: offset });
                }
                let logged = log.get(&offset).and_then(|shown| shown.for_player(player));
                if logged.as_ref() != Some(events) {
                    wrong.push(Wrong::Otherwise { player, offset });
                }
            }
            _ => continue,
        }
        last = Some(offset);
    }
    let (last, newest) = (last.unwrap_or(0), log.last_key_value().map_or(0, |(offset, _)| *offset));
    if last != newest {
        wrong.push(Wrong::Behind { player, last, newest });
    }
    wrong
}

/// Whether the player had a seat after this step, by the table's log.
fn has_seat(heard: &Heard, log: &BTreeMap<u64, Shown>, offset: u64) -> bool {
    let (seat, player) = (u32::from(heard.seat.0), heard.player.to_string());
    let shown = log.range(..=offset).filter_map(|(_, shown)| shown.for_player(heard.player));
    let mut has = false;
    for kind in shown.flat_map(|shown| shown.events).filter_map(|event| event.kind) {
        match kind {
            Kind::Seated(seated) if seated.seat == seat => has = seated.player == player,
            Kind::Left(left) if left.seat == seat => has = false,
            _ => {}
        }
    }
    has
}

/// The actions that were acknowledged are those that the log has, hand by hand and in order: no id has two effects, and
/// no effect is without its id.
fn acted(heard: &Heard, log: &BTreeMap<u64, Shown>) -> Vec<Wrong> {
    let mut asked: BTreeMap<u64, Vec<i32>> = BTreeMap::new();
    for (id, ask) in &heard.asked {
        if let Ask::Act(act) = ask
            && heard.acked.contains(id)
        {
            asked.entry(act.hand).or_default().push(act.kind);
        }
    }
    let (mut logged, mut hand) = (BTreeMap::<u64, Vec<i32>>::new(), 0);
    let events =
        log.values().filter_map(|shown| shown.for_player(heard.player)).flat_map(|shown| shown.events);
    for kind in events.filter_map(|event| event.kind) {
        match kind {
            Kind::HandStarted(started) => hand = started.hand,
            Kind::Acted(pb::Acted { seat, kind, timed_out: false, .. })
                if seat == u32::from(heard.seat.0) =>
            {
                logged.entry(hand).or_default().push(kind);
            }
            _ => {}
        }
    }
    let hands = asked.keys().chain(logged.keys()).copied().collect::<std::collections::BTreeSet<u64>>();
    let of = |all: &BTreeMap<u64, Vec<i32>>, hand| all.get(&hand).cloned().unwrap_or_default();
    let differ = hands.into_iter().filter(|hand| of(&asked, *hand) != of(&logged, *hand));
    let player = heard.player;
    differ
        .map(|hand| Wrong::Acted { player, hand, asked: of(&asked, hand), logged: of(&logged, hand) })
        .collect()
}

/// Chips must have been bought with the permits that were accepted, each once.
fn bought(heard: &Heard, entries: &[Entry]) -> Option<Wrong> {
    let permit = |ask: &Ask| match ask {
        Ask::Sit(pb::Sit { permit, .. }) | Ask::TopUp(pb::TopUp { permit, .. }) => {
            permit.as_ref().map(|p| p.nonce)
        }
        _ => None,
    };
    let acked = heard.asked.iter().filter(|(id, _)| heard.acked.contains(id));
    let asked: Vec<u64> = acked.filter_map(|(_, ask)| permit(ask)).collect();
    let booked = entries.iter().filter_map(|entry| match &entry.body {
        EntryBody::Sit { player, permit, .. } | EntryBody::TopUp { player, permit, .. }
            if *player == heard.player =>
        {
            Some(permit.nonce)
        }
        _ => None,
    });
    let booked: Vec<u64> = booked.collect();
    (asked != booked).then_some(Wrong::Bought { player: heard.player, asked, booked })
}
