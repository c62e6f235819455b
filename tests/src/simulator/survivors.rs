//! The commits that exist in the end, decrypted.

use super::TABLE;
use crate::checker::{HandSeen, Survivor};
use anyhow::Context;
use base64::{Engine, engine::general_purpose::STANDARD};
use purr_engine::{Event, PlayerId};
use purr_protocol::record::{HandRecord, Sealed};
use purr_store::{Commit, HandEntry, Sealer};
use purr_table::{
    core::{Ids, State},
    snapshot,
};
use serde::Deserialize;
use std::collections::BTreeMap;

/// The private part of the state.
#[derive(Deserialize)]
struct Applied {
    applied: BTreeMap<PlayerId, Ids>,
}

pub(super) fn open(commit: &Commit, sealer: &Sealer) -> anyhow::Result<Survivor> {
    let at = (commit.epoch, commit.number);
    let base = commit.base.as_ref().map(|base| base.sealed().as_ref());
    let state: State =
        snapshot::read(sealer, at, &commit.snapshot, base).context("read the state of a snapshot")?;
    let applied: Applied = snapshot::read(sealer, at, &commit.snapshot, base)
        .context("read the ids of applied commands of a snapshot")?;
    let seats = state.table.seats().iter().flatten();
    let chips = seats.map(|seat| seat.stack + seat.pending).sum::<u64>() + state.table.pot();
    Ok(Survivor {
        table: TABLE.into(),
        epoch: commit.epoch,
        number: commit.number,
        chips,
        sequence: state.sequence,
        confirmed: state.confirmed,
        hands_lost: state.hands_lost,
        applied: applied
            .applied
            .into_iter()
            .map(|(player, ids)| (player.to_string(), ids.iter().collect()))
            .collect(),
        hand: commit.hand.as_ref().map(|hand| open_hand(hand, sealer)).transpose()?,
    })
}

fn open_hand(entry: &HandEntry, sealer: &Sealer) -> anyhow::Result<HandSeen> {
    let record: HandRecord = serde_json::from_slice(&entry.record).context("a hand's record")?;
    let sealed = STANDARD.decode(&record.sealed)?;
    let plain = sealer.open("record", record.epoch, entry.hand, &sealed)?;
    let sealed: Sealed = serde_json::from_slice(&plain).context("a record's sealed part")?;
    let board = record.history.events.iter().flat_map(|event| match event {
        Event::StreetDealt { board: 0, cards, .. } => cards.iter().map(ToString::to_string).collect(),
        _ => Vec::new(),
    });
    let holes = sealed.holes.iter();
    Ok(HandSeen {
        hand: entry.hand,
        hash: entry.hash.clone(),
        void: record.end.void,
        board: board.collect(),
        holes: holes.map(|(seat, cards)| (u32::from(*seat), cards.map(|c| c.to_string()).to_vec())).collect(),
    })
}
