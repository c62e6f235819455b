//! A stand-in for records' statistics, in memory: a player's figures, days, sessions and hands, and staff's orders. The
//! JSON equals that of `purr_records`, from the same facts; only the page's own filters exist.

use super::records::Hands;
use axum::{
    Json, Router,
    extract::{Path, Query, State},
    routing::{get, post},
};
use purr_engine::{Event, PlayerId};
use purr_facts::{Counters, PlayerFacts, facts, rates};
use purr_protocol::{
    Problem,
    floor::{Acts, NewAct, RecordedAct, StaffAct, StakesPlayed},
    record::HandRecord,
};
use purr_runtime::problem::Answer;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::{SystemTime, UNIX_EPOCH},
};

/// Orders that are remembered.
const ACTS_MAX: usize = 1_000;
const DAY_MS: u64 = 86_400_000;

/// Data beside the hands.
#[derive(Default)]
pub struct Desk {
    acts: Mutex<Vec<StaffAct>>,
    /// Tags by player and hand.
    tags: Mutex<BTreeMap<(PlayerId, u64), Vec<String>>>,
}

#[derive(Clone)]
struct Held {
    hands: Arc<Hands>,
    desk: Arc<Desk>,
}

pub fn routes(hands: Arc<Hands>) -> Router {
    Router::new()
        .route("/v1/players/{player}/statistics", get(statistics))
        .route("/v1/players/{player}/graph", get(graph))
        .route("/v1/players/{player}/sessions", get(sessions))
        .route("/v1/players/{player}/search", get(search))
        .route("/v1/players/{player}/tags", post(tag))
        .route("/v1/rooms", get(rooms))
        .route("/v1/staff/acts", get(acts).post(note))
        .route("/v1/staff/stakes", post(async || Json(StakesPlayed { highest: Vec::new() })))
        .with_state(Held { hands, desk: Arc::default() })
}

fn own(text: &str) -> Result<PlayerId, Answer> {
    text.parse().map_err(|_| Problem::new(400, "bad-request", "Not an address").into())
}

/// The player's facts of each hand, oldest first, with its end in milliseconds since 1970.
fn played(hands: &Hands, player: PlayerId) -> Vec<(u64, HandRecord, PlayerFacts)> {
    let all = hands.all().into_iter();
    all.filter_map(|(ended_at_ms, record)| {
        let own = facts(&record).ok()?.into_iter().find(|facts| facts.player == player)?;
        Some((ended_at_ms, record, own))
    })
    .collect()
}

#[allow(clippy::cast_precision_loss, reason = "for showing alone")]
async fn statistics(
    State(Held { hands, .. }): State<Held>,
    Path(who): Path<String>,
) -> Result<Json<Value>, Answer> {
    let (mut all, mut sums, mut squares, mut stakes) =
        (Counters::default(), [0.0; 3], [0.0; 3], BTreeMap::new());
    for (_, _, PlayerFacts { counters, small_blind, big_blind, .. }) in played(&hands, own(&who)?) {
        let blind = big_blind as f64;
        for (at, won) in [counters.won, counters.won_before_rake, counters.adjusted].into_iter().enumerate() {
            sums[at] += won as f64 / blind;
            squares[at] += (won as f64 / blind).powi(2);
        }
        all = all.plus(&counters);
        *stakes.entry((small_blind, big_blind)).or_insert(0) += 1;
    }
    let winning = |at: usize| rates::winning(all.hands, sums[at], squares[at]);
    let shares: Map<String, Value> =
        rates::shares(&all).into_iter().map(|(name, figure)| (name.to_owned(), json!(figure))).collect();
    let played: Vec<Value> = stakes
        .into_iter()
        .map(|((small, big), hands)| json!({ "smallBlind": small, "bigBlind": big, "hands": hands }))
        .collect();
    Ok(Json(json!({
        "hands": all.hands, "rates": shares, "aggressionFactor": rates::aggression_factor(&all),
        "aggression": rates::aggression(&all), "won": winning(0),
        "wonBeforeRake": winning(1), "adjusted": winning(2), "played": played,
    })))
}

async fn graph(
    State(Held { hands, .. }): State<Held>,
    Path(who): Path<String>,
) -> Result<Json<Value>, Answer> {
    let mut days: BTreeMap<u64, Counters> = BTreeMap::new();
    for (ended_at_ms, _, facts) in played(&hands, own(&who)?) {
        let day = days.entry(ended_at_ms / DAY_MS).or_default();
        *day = day.plus(&facts.counters);
    }
    let start = jiff::civil::date(1970, 1, 1);
    let date =
        |day: u64| start.saturating_add(jiff::Span::new().days(i64::try_from(day).unwrap_or(0))).to_string();
    let point = |(day, sums): (u64, Counters)| json!({ "day": date(day), "hands": sums.hands, "won": sums.won, "adjusted": sums.adjusted, "rake": sums.rake });
    Ok(Json(json!({ "points": days.into_iter().map(point).collect::<Vec<Value>>() })))
}

async fn sessions(
    State(Held { hands, .. }): State<Held>,
    Path(who): Path<String>,
) -> Result<Json<Value>, Answer> {
    let all = played(&hands, own(&who)?);
    let (Some(first), Some(last)) = (all.first(), all.last()) else {
        return Ok(Json(json!({ "sessions": [], "more": false })));
    };
    // There is one table and the program does not run for days, so all hands are one session.
    let won: i128 = all.iter().map(|(_, _, facts)| facts.counters.won).sum();
    let session =
        json!({ "table": first.1.table, "fromMs": first.0, "toMs": last.0, "hands": all.len(), "won": won });
    Ok(Json(json!({ "sessions": [session], "more": false })))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Search {
    before: Option<u64>,
    limit: Option<usize>,
    result: Option<String>,
    pot_min: Option<u64>,
    pot_max: Option<u64>,
    tag: Option<String>,
}

async fn search(
    State(Held { hands, desk }): State<Held>,
    Path(who): Path<String>,
    Query(wanted): Query<Search>,
) -> Result<Json<Value>, Answer> {
    let player = own(&who)?;
    let tags = desk.tags.lock().unwrap_or_else(PoisonError::into_inner);
    let fits = |(_, record, facts): &(u64, HandRecord, PlayerFacts)| {
        let won = facts.counters.won;
        let pot = pot_of(record);
        let tagged = tags.get(&(player, record.end.hand)).map(Vec::as_slice).unwrap_or_default();
        wanted.before.is_none_or(|before| record.end.hand < before)
            && wanted.result.as_ref().is_none_or(|result| if result == "won" { won > 0 } else { won < 0 })
            && wanted.pot_min.is_none_or(|least| pot >= least)
            && wanted.pot_max.is_none_or(|most| pot <= most)
            && wanted.tag.as_ref().is_none_or(|tag| tagged.contains(tag))
    };
    let limit = wanted.limit.unwrap_or(50).clamp(1, 200);
    let mut found = played(&hands, player).into_iter().rev().filter(fits);
    let page: Vec<Value> = found
        .by_ref()
        .take(limit)
        .map(|(ended_at_ms, record, _)| {
            json!({
                "table": record.table, "hand": record.end.hand, "endedAtMs": ended_at_ms, "void": record.end.void,
                "rake": record.end.rake, "conflict": false, "results": record.end.results,
                "tags": tags.get(&(player, record.end.hand)).cloned().unwrap_or_default(),
            })
        })
        .collect();
    let next = page.last().and_then(|last| last["hand"].as_u64()).filter(|_| found.next().is_some());
    Ok(Json(json!({ "hands": page, "next": next })))
}

#[derive(Deserialize)]
struct Tagging {
    hand: u64,
    tags: Vec<String>,
}

async fn tag(
    State(Held { desk, .. }): State<Held>,
    Path(who): Path<String>,
    Json(Tagging { hand, tags }): Json<Tagging>,
) -> Result<Json<Value>, Answer> {
    let mut held = desk.tags.lock().unwrap_or_else(PoisonError::into_inner);
    if held.len() >= ACTS_MAX {
        return Err(Problem::new(409, "tags-full", "You have too many tags").into());
    }
    held.insert((own(&who)?, hand), tags.clone());
    Ok(Json(json!({ "tags": tags })))
}

#[allow(clippy::cast_precision_loss, reason = "for showing alone")]
async fn rooms(State(Held { hands, .. }): State<Held>) -> Json<Value> {
    let all = hands.all();
    let count = all.len() as f64;
    let pot: u64 = all.iter().map(|(_, record)| pot_of(record)).sum();
    let rake: u64 = all.iter().map(|(_, record)| record.end.rake).sum();
    let figures = json!({
        "hands": all.len(), "handsPerHour": count, "averagePot": (count > 0.0).then(|| pot as f64 / count),
        "playersPerFlop": null, "rake": rake,
    });
    let table = all.first().map(|(_, record)| record.table.clone()).unwrap_or_default();
    Json(json!({ "hours": 24, "all": figures, "tables": { table: figures } }))
}

async fn note(State(Held { desk, .. }): State<Held>, Json(what): Json<NewAct>) -> Json<RecordedAct> {
    let mut acts = desk.acts.lock().unwrap_or_else(PoisonError::into_inner);
    let id = i64::try_from(acts.len()).unwrap_or(i64::MAX) + 1;
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let at_s = i64::try_from(since.as_secs()).unwrap_or(i64::MAX);
    if acts.len() < ACTS_MAX {
        acts.push(StaffAct { id, at_s, what });
    }
    Json(RecordedAct { id })
}

async fn acts(State(Held { desk, .. }): State<Held>) -> Json<Acts> {
    let acts = desk.acts.lock().unwrap_or_else(PoisonError::into_inner);
    Json(Acts { acts: acts.iter().rev().cloned().collect(), next: None })
}

/// All pots before rake.
fn pot_of(record: &HandRecord) -> u64 {
    let won = record.history.events.iter().map(|event| match event {
        Event::PotWon { amount, .. } => *amount,
        _ => 0,
    });
    won.sum::<u64>() + record.end.rake
}
