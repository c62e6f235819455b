//! A stand-in for records: the last hands, in memory, in the formats of records (`purr_protocol::hand`).

use async_trait::async_trait;
use axum::{
    Json, Router,
    extract::{Path, Query, State},
    http::header,
    response::{IntoResponse, Response},
    routing::get,
};
use bytes::Bytes;
use purr_protocol::{
    Problem,
    hand::{HandQuery, Rendered, Site, Standing, Stored, render},
    record::HandRecord,
};
use purr_runtime::problem::Answer;
use purr_store::{Commit, HandEntry, MemoryStore, Recovered, Store, StoreError};
use serde::Deserialize;
use serde_json::{Value, json};
use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{SystemTime, UNIX_EPOCH},
};

/// Hands that are remembered.
const HANDS_MAX: usize = 1_000;
const PAGE_MAX: usize = 200;

struct Kept {
    hand: u64,
    hash: String,
    /// Milliseconds since 1970.
    ended_at_ms: u64,
    record: Bytes,
}

/// The table's store: in memory, with the last hands beside it.
#[derive(Default)]
pub struct Hands {
    table: MemoryStore,
    kept: Mutex<VecDeque<Kept>>,
}

impl Hands {
    fn kept(&self) -> MutexGuard<'_, VecDeque<Kept>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The number of the last hand that ended; 0: none.
    pub fn last(&self) -> u64 {
        self.kept().back().map_or(0, |kept| kept.hand)
    }

    /// Ends in milliseconds since 1970, and records, oldest first.
    pub fn all(&self) -> Vec<(u64, HandRecord)> {
        let read = |kept: &Kept| Some((kept.ended_at_ms, serde_json::from_slice(&kept.record).ok()?));
        self.kept().iter().filter_map(read).collect()
    }

    fn keep(&self, HandEntry { hand, hash, record }: HandEntry) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
        let ended_at_ms = u64::try_from(now).unwrap_or(u64::MAX);
        let mut kept = self.kept();
        // A commit that is repeated brings its hand again.
        if kept.back().is_some_and(|last| last.hash == hash) {
            return;
        }
        kept.push_back(Kept { hand, hash, ended_at_ms, record });
        if kept.len() > HANDS_MAX {
            kept.pop_front();
        }
    }

    /// Routes of records that gateways use.
    pub fn routes(self: Arc<Self>) -> Router {
        Router::new()
            .route("/v1/tables/{uid}/hands", get(list))
            .route("/v1/tables/{uid}/hands/{hand}", get(one))
            .with_state(self.clone())
            .merge(super::statistics::routes(self))
    }
}

#[async_trait]
impl Store for Hands {
    async fn take_over(&self, table: &str, epoch: u64) -> Result<Recovered, StoreError> {
        self.table.take_over(table, epoch).await
    }

    async fn commit(&self, commit: &Commit) -> Result<(), StoreError> {
        // The hand is kept here, with a bound; the store in memory has none.
        self.table.commit(&Commit { hand: None, ..commit.clone() }).await?;
        if let Some(hand) = commit.hand.clone() {
            self.keep(hand);
        }
        Ok(())
    }
}

#[derive(Deserialize)]
struct PageQuery {
    before: Option<u64>,
    limit: Option<usize>,
}

fn unreadable(error: &serde_json::Error) -> Answer {
    Problem::new(500, "corrupt", "The record cannot be read").detail(error.to_string()).into()
}

async fn list(
    State(hands): State<Arc<Hands>>,
    Query(PageQuery { before, limit }): Query<PageQuery>,
) -> Result<Json<Value>, Answer> {
    let (before, limit) = (before.unwrap_or(u64::MAX), limit.unwrap_or(50).clamp(1, PAGE_MAX));
    let kept = hands.kept();
    let mut found = kept.iter().rev().filter(|kept| kept.hand < before);
    let page: Vec<&Kept> = found.by_ref().take(limit).collect();
    let next = page.last().map(|kept| kept.hand).filter(|_| found.next().is_some());
    let lines: Result<Vec<Value>, Answer> = page.into_iter().map(line).collect();
    Ok(Json(json!({ "hands": lines?, "next": next })))
}

fn line(kept: &Kept) -> Result<Value, Answer> {
    let record: HandRecord = serde_json::from_slice(&kept.record).map_err(|error| unreadable(&error))?;
    Ok(json!({
        "table": record.table, "hand": kept.hand, "hash": kept.hash, "endedAtMs": kept.ended_at_ms,
        "void": record.end.void, "rake": record.end.rake, "conflict": false, "results": record.end.results,
    }))
}

fn site() -> Site {
    Site { name: "Purr Poker".into(), network: "purr-solo".into(), unit: "chips".into(), decimals: 0 }
}

async fn one(
    State(hands): State<Arc<Hands>>,
    Path((_, hand)): Path<(String, u64)>,
    Query(HandQuery { format }): Query<HandQuery>,
) -> Result<Response, Answer> {
    let kept = hands.kept();
    let kept = kept.iter().find(|kept| kept.hand == hand);
    let kept = kept.ok_or_else(|| Problem::new(404, "no-such-hand", "There is no record of this hand"))?;
    let record: HandRecord = serde_json::from_slice(&kept.record).map_err(|error| unreadable(&error))?;
    let stored = Stored {
        // There is no chain.
        standing: Standing::Pending,
        confirmed: true,
        pseudonymous: false,
        hash: kept.hash.clone(),
        ended_at_ms: i64::try_from(kept.ended_at_ms).unwrap_or(i64::MAX),
        hashes: vec![kept.hash.clone()],
        record,
    };
    let Rendered { content_type, text } = render(stored, format, &site())
        .map_err(|error| Problem::new(500, "format", "Not in this format").detail(error.to_string()))?;
    Ok(([(header::CONTENT_TYPE, content_type)], text).into_response())
}

#[cfg(test)]
mod tests {
    use super::*;
    use purr_engine::{
        Action, Command, Deck, Event, PlayerId, SeatIndex, Table,
        history::{HandHistory, SeatStart},
        ohh::Ohh,
        phh::Phh,
    };

    /// A hand as the table's commit delivers it.
    fn kept() -> (Arc<Hands>, HandRecord) {
        let spec = <crate::solo::Options as clap::Parser>::parse_from(["purr-solo"]).validate().unwrap();
        let config = spec.engine;
        let mut table = Table::new(config.clone()).unwrap();
        for number in 0..2 {
            let (seat, player) = (SeatIndex(number), PlayerId([number; 20]));
            table.apply(0, Command::Sit { seat, player, stack: 2_000 }).unwrap();
        }
        let deck = Deck::starting_with(&[]).unwrap();
        let mut events = table.apply(0, Command::StartHand { hand: 1, deck }).unwrap();
        let seat = table.to_act().unwrap();
        events.extend(table.apply(0, Command::Act { seat, action: Action::Fold }).unwrap());
        let start = |seat: SeatIndex| SeatStart { seat, player: PlayerId([seat.0; 20]), stack: 2_000 };
        let (mut seats, mut end) = (Vec::new(), None);
        for event in &events {
            match event {
                Event::HandStarted { dealt_in, .. } => seats = dealt_in.iter().copied().map(start).collect(),
                Event::HandEnded(ended) => end = Some(ended.clone()),
                _ => {}
            }
        }
        let record: HandRecord = serde_json::from_value(json!({
            "table": "0a", "epoch": 1, "history": HandHistory::public(1, config, seats, &events), "end": end.unwrap(),
            "root": "ab", "reveals": [], "openings": [], "sealed": "c2VhbGVk",
            "place": { "tableName": "play", "unit": "chips", "decimals": 0, "startedAtMs": 1_586_269_970_000_u64 },
        }))
        .unwrap();
        let bytes = record.to_bytes().unwrap();
        let hands = Arc::new(Hands::default());
        let hash = hex::encode(HandRecord::hash(&bytes));
        hands.keep(HandEntry { hand: 1, hash, record: bytes.into() });
        (hands, record)
    }

    async fn asked(hands: &Arc<Hands>, format: &str) -> (Option<String>, String) {
        let query = Query(serde_json::from_value(json!({ "format": format })).unwrap());
        let answer = one(State(hands.clone()), Path(("0a".into(), 1)), query).await;
        let answer = answer.unwrap_or_else(|_| panic!("{format}"));
        let media = answer.headers()[header::CONTENT_TYPE].to_str().ok().map(str::to_owned);
        let body = axum::body::to_bytes(answer.into_body(), usize::MAX).await.unwrap();
        (media, String::from_utf8(body.to_vec()).unwrap())
    }

    #[tokio::test]
    async fn a_hand_is_told_in_every_format_that_records_has() {
        let (hands, record) = kept();
        let (_, json) = asked(&hands, "json").await;
        let hand: purr_protocol::hand::Hand = serde_json::from_str(&json).unwrap();
        assert_eq!((&hand.history, &hand.end), (&record.history, &record.end));
        assert!(!json.contains("sealed") && hand.ended_at_ms > 0);
        let (media, phh) = asked(&hands, "phh").await;
        assert_eq!(media.as_deref(), Some("application/toml"));
        assert_eq!(Phh::parse(&phh).unwrap(), Phh::from_history(&record.history));
        let (_, ohh) = asked(&hands, "ohh").await;
        let ohh = Ohh::parse(&ohh).unwrap();
        assert_eq!((ohh.currency.as_deref(), ohh.table_name.as_deref()), (Some("XPM"), Some("play")));
        assert_eq!(ohh.start_date_utc.as_deref(), Some("2020-04-07T14:32:50Z"));
    }
}
