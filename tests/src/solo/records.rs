//! A stand-in for records: the last hands, in memory, told as records tells them (operator/records/src/api.rs).

use async_trait::async_trait;
use axum::{
    Json, Router,
    extract::{Path, Query, State},
    http::header,
    response::{IntoResponse, Response},
    routing::get,
};
use bytes::Bytes;
use purr_protocol::{Problem, record::HandRecord};
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

    /// What a gateway asks records.
    pub fn routes(self: Arc<Self>) -> Router {
        Router::new()
            .route("/v1/tables/{uid}/hands", get(list))
            .route("/v1/tables/{uid}/hands/{hand}", get(one))
            .with_state(self)
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

#[derive(Deserialize)]
struct HandQuery {
    #[serde(default)]
    format: String,
}

async fn one(
    State(hands): State<Arc<Hands>>,
    Path((_, hand)): Path<(String, u64)>,
    Query(HandQuery { format }): Query<HandQuery>,
) -> Result<Response, Answer> {
    let kept = hands.kept();
    let kept = kept.iter().find(|kept| kept.hand == hand);
    let kept = kept.ok_or_else(|| Problem::new(404, "no-such-hand", "There is no record of this hand"))?;
    if format == "phh" {
        let record: HandRecord = serde_json::from_slice(&kept.record).map_err(|error| unreadable(&error))?;
        let text = record.history.to_phh();
        let text = text.map_err(|error| Problem::new(500, "phh", "No PHH").detail(error.to_string()))?;
        return Ok(([(header::CONTENT_TYPE, "application/toml")], text).into_response());
    }
    let mut record: Value = serde_json::from_slice(&kept.record).map_err(|error| unreadable(&error))?;
    if let Some(record) = record.as_object_mut() {
        // Everybody's hole cards: encrypted, and nobody's business all the same.
        record.remove("sealed");
        record.remove("audit");
        record.remove("version");
        record.insert("hash".into(), json!(kept.hash));
        record.insert("hashes".into(), json!([kept.hash]));
        record.insert("endedAtMs".into(), json!(kept.ended_at_ms));
        record.insert("conflict".into(), json!(false));
    }
    Ok(Json(record).into_response())
}
