//! The main loop: reads ended hands, logs their opening, opens and scores them, judges, and stores cases and
//! checkpoints.
//!
//! # Guarantees
//! The cursor is stored with the state that it belongs to, so a restart scores each hand once into the state it goes on
//! with. Hands after the last checkpoint are opened again, and logged again. The game does not know of this program: it
//! reads what records has stored, and may be away for as long as records keeps bodies.

use super::{
    cases::Placed,
    database::{Database, DatabaseError, Progress, db, now_ms, undb},
    metrics::Metrics,
    openings::{DETECTORS, Opening},
    options::{Keys, Pace},
};
use crate::{
    Detector, DetectorLimits, Keep, ObserveError,
    judge::{Thresholds, Verdict, judge},
    record::{BadRecord, ended_hand},
};
use purr_engine::PlayerId;
use purr_protocol::{
    audit::AuditError,
    fairplay_feed::{Erased, FedHand, HandFeed},
    record::HandRecord,
};
use purr_runtime::{BackOff, CancellationToken, ClientError, Delays, InternalClient, Readiness};
use std::{collections::HashMap, sync::Arc, time::Duration};
use tokio::{
    task::JoinError,
    time::{Instant, sleep},
};

pub const POSTGRES: &str = "postgres";
pub const RECORDS: &str = "records";

/// Hands asked for at once.
const PAGE: usize = 500;
const WAIT: Duration = Duration::from_secs(30);
/// First and longest pause after a failure.
const RETRY: Delays = Delays::new(Duration::from_millis(500), Duration::from_secs(30));
/// Time of play over which the false-discovery rate is spent, in milliseconds.
const SPENT_OVER_MS: f64 = 30.0 * 86_400_000.0;
/// While catching up: longest time of play between two looks, in milliseconds.
const LOOK_AFTER_MS: i64 = 86_400_000;
const EXPIRE_EVERY: Duration = Duration::from_secs(3_600);

#[derive(Debug, thiserror::Error)]
pub enum RunError {
    #[error(transparent)]
    Database(#[from] DatabaseError),
    #[error("records: {0}")]
    Records(#[from] ClientError),
    #[error("scoring ended early: {0}")]
    Scoring(#[from] JoinError),
}

/// Parts of the main loop.
pub struct Runner {
    pub database: Database,
    pub records: Arc<InternalClient>,
    pub keys: Arc<Keys>,
    pub pace: Pace,
    pub limits: DetectorLimits,
    pub keep: Keep,
    pub thresholds: Thresholds,
    pub metrics: Metrics,
    pub readiness: Readiness,
    pub stop: CancellationToken,
}

/// The detectors and their position.
struct Work {
    detector: Box<Detector>,
    progress: Progress,
    /// End of the newest and of the oldest hand that were scored since the last look.
    since_look: Option<(i64, i64)>,
    looked: Instant,
    saved: Instant,
    /// Hands scored since the last checkpoint.
    unsaved: u64,
    /// When expired counts were last dropped.
    expired: Option<Instant>,
}

/// Outcome of a page of hands.
#[derive(Clone, Copy, Debug, Default)]
struct Scored {
    opened: u64,
    blind: u64,
    void: u64,
    refused: u64,
}

impl Runner {
    /// Runs until stopped; after a failure it continues from the last checkpoint.
    pub async fn run(self) {
        let mut back_off = BackOff::new(RETRY);
        while !self.stop.is_cancelled() {
            match self.generation(&mut back_off).await {
                Ok(()) => return,
                Err(error) => {
                    match &error {
                        RunError::Records(_) => self.readiness.not_ready(RECORDS, error.to_string()),
                        _ => self.readiness.not_ready(POSTGRES, error.to_string()),
                    }
                    self.metrics.retries.inc();
                }
            }
            back_off.wait(&self.stop).await;
        }
    }

    async fn generation(&self, back_off: &mut BackOff) -> Result<(), RunError> {
        let mut progress = self.database.take_over().await?;
        let detector = match self.database.restore(&progress, self.limits).await? {
            Ok(detector) => detector,
            Err(error) => {
                tracing::warn!(%error, "all hands are scored again");
                self.database.forget_progress(&mut progress).await?;
                Detector::new(self.limits)
            }
        };
        tracing::info!(hands = detector.hands(), cursor = progress.cursor, "scoring goes on");
        self.readiness.ready(POSTGRES);
        let now = Instant::now();
        let detector = Box::new(detector);
        let mut work =
            Work { detector, progress, since_look: None, looked: now, saved: now, unsaved: 0, expired: None };
        loop {
            if self.stop.is_cancelled() {
                return self.save(&mut work).await;
            }
            let read = self.read(&mut work).await;
            if matches!(read, Err(RunError::Records(_))) {
                // The state is intact: it is kept, and hands are requested again.
                self.readiness.not_ready(RECORDS, "records does not give hands");
                self.metrics.retries.inc();
                if let Err(error) = &read {
                    tracing::warn!(%error, "hands");
                }
            } else {
                self.readiness.ready(RECORDS);
            }
            let idle = match read {
                Ok(hands) => hands == 0,
                Err(RunError::Records(_)) => true,
                Err(error) => return Err(error),
            };
            back_off.reset();
            self.look_when_due(&mut work).await?;
            if work.unsaved > 0 && work.saved.elapsed() >= self.pace.checkpoint {
                self.save(&mut work).await?;
            }
            if idle {
                tokio::select! {
                    () = sleep(self.pace.poll) => {}
                    () = self.stop.cancelled() => {}
                }
            }
        }
    }

    /// Scores the next page; returns how many hands.
    async fn read(&self, work: &mut Work) -> Result<usize, RunError> {
        let path = format!("/v1/fairplay/hands?after={}&limit={PAGE}", work.progress.cursor);
        let HandFeed { mut hands, next, behind } = self.records.get(&path, WAIT).await?;
        self.metrics.behind.set(behind + i64::try_from(hands.len()).unwrap_or(0));
        let oldest = hands.iter().map(|hand| hand.ended_at_ms).min();
        let lag_ms = oldest.map_or(0, |oldest| db(now_ms()).saturating_sub(oldest).max(0));
        self.metrics.oldest_unscored_s.set(lag_ms as f64 / 1_000.0);
        let oldest_allowed =
            db(now_ms()).saturating_sub(i64::try_from(self.pace.min_age.as_millis()).unwrap_or(0));
        let young = hands.iter().position(|hand| hand.ended_at_ms > oldest_allowed);
        if let Some(young) = young {
            hands.truncate(young);
        }
        let cursor = match (young, hands.last()) {
            (None, _) => next,
            (Some(_), Some(last)) => last.cursor,
            (Some(_), None) => {
                self.was_read();
                return Ok(0);
            }
        };
        let count = hands.len();
        // Two records of one hand prove nothing, so neither is opened.
        hands.retain(|hand| !hand.conflict);
        let reads: Vec<Read> = hands.iter().map(|hand| self.check(hand)).collect();
        let openings: Vec<Opening> = reads.iter().filter_map(Read::opening).collect();
        self.database.log_openings(DETECTORS, "scoring", &openings, now_ms()).await?;
        self.metrics.openings.with_label_values(&["detectors"]).inc_by(openings.len() as u64);
        let ended = hands.iter().map(|hand| hand.ended_at_ms);
        if let (Some(first), Some(last)) = (ended.clone().min(), ended.max()) {
            let (oldest, newest) = work.since_look.unwrap_or((first, last));
            work.since_look = Some((oldest.min(first), newest.max(last)));
        }
        let keys = self.keys.clone();
        let mut detector = std::mem::take(&mut work.detector);
        let (detector, scored) = tokio::task::spawn_blocking(move || {
            let mut scored = Scored::default();
            reads.iter().for_each(|read| score(read, &keys, &mut detector, &mut scored));
            (detector, scored)
        })
        .await?;
        work.detector = detector;
        work.progress.cursor = cursor;
        work.unsaved += count as u64;
        let Scored { opened, blind, void, refused } = scored;
        for (how, hands) in [("opened", opened), ("blind", blind), ("void", void), ("refused", refused)] {
            self.metrics.hands.with_label_values(&[how]).inc_by(hands);
        }
        let conflict = (count - hands.len()) as u64;
        self.metrics.hands.with_label_values(&["conflict"]).inc_by(conflict);
        self.was_read();
        Ok(count)
    }

    fn was_read(&self) {
        self.metrics.read_at.set(now_ms() as f64 / 1_000.0);
    }

    /// Drops expired data: think times, inactive players, and erased players who have not played since and are in no
    /// case.
    async fn expire(&self, work: &mut Work, now_ms: u64) -> Result<(), RunError> {
        let mut gone = work.detector.expire(now_ms, self.keep);
        let erased: Erased = match self.records.get("/v1/fairplay/erased", WAIT).await {
            Ok(erased) => erased,
            // A records service of the previous release does not know this request; it is repeated in an hour.
            Err(error) => {
                tracing::warn!(%error, "who was erased is not known");
                Erased::default()
            }
        };
        if !erased.players.is_empty() {
            let kept = self.database.members_under_review().await?;
            let at: HashMap<PlayerId, u64> =
                erased.players.into_iter().filter(|(player, _)| !kept.contains(player)).collect();
            gone += work
                .detector
                .forget_players(|player, last_ms| at.get(player).is_some_and(|at_ms| last_ms <= *at_ms));
        }
        if gone > 0 {
            tracing::info!(gone, "players are forgotten");
            work.unsaved += 1;
        }
        Ok(())
    }

    fn check(&self, hand: &FedHand) -> Read {
        let Some(body) = &hand.record else { return Read::Gone };
        let hash = HandRecord::hash(body.as_bytes());
        if hex::encode(hash) != hand.hash {
            tracing::error!(
                table = hand.table,
                hand = hand.hand,
                "the record is not the one that its hash is of"
            );
            return Read::Gone;
        }
        match serde_json::from_str::<HandRecord>(body) {
            Ok(record) => {
                let known = record.fair_play.as_ref().is_some_and(|part| self.keys.contains_key(&part.key));
                Read::Record { record: Box::new(record), hash, ended_at_ms: undb(hand.ended_at_ms), known }
            }
            Err(error) => {
                tracing::error!(table = hand.table, hand = hand.hand, %error, "no hand record");
                Read::Gone
            }
        }
    }

    async fn look_when_due(&self, work: &mut Work) -> Result<(), RunError> {
        let Some((oldest, newest)) = work.since_look else { return Ok(()) };
        let covered = newest.saturating_sub(work.progress.judged_ms.max(oldest));
        if work.looked.elapsed() < self.pace.look && covered < LOOK_AFTER_MS {
            return Ok(());
        }
        let from = if work.progress.judged_ms == 0 { oldest } else { work.progress.judged_ms };
        // A first look over one moment spends as much as one over a look's time.
        let least = self.pace.look.as_secs_f64() * 1_000.0;
        let share = ((newest.saturating_sub(from) as f64).max(least) / SPENT_OVER_MS).min(1.0);
        let (thresholds, detector) = (self.thresholds, std::mem::take(&mut work.detector));
        let begun = Instant::now();
        let (detector, verdict) = tokio::task::spawn_blocking(move || {
            let verdict = judge(&detector.snapshot(None), &thresholds, share);
            (detector, verdict)
        })
        .await?;
        work.detector = detector;
        self.take(&verdict).await?;
        if work.expired.is_none_or(|at| at.elapsed() >= EXPIRE_EVERY) {
            self.expire(work, undb(newest)).await?;
            work.expired = Some(Instant::now());
        }
        work.progress.judged_ms = newest.max(work.progress.judged_ms);
        work.since_look = None;
        work.looked = Instant::now();
        self.metrics.look_s.set(begun.elapsed().as_secs_f64());
        self.metrics.lag_s.set(db(now_ms()).saturating_sub(oldest) as f64 / 1_000.0);
        self.metrics.players.set(i64::try_from(work.detector.players()).unwrap_or(i64::MAX));
        self.metrics.pairs.set(i64::try_from(work.detector.pairs()).unwrap_or(i64::MAX));
        Ok(())
    }

    /// Updates cases by the result of a look.
    async fn take(&self, verdict: &Verdict) -> Result<(), DatabaseError> {
        for scored in &verdict.alarms {
            let placed = self.database.put_signal(scored, now_ms()).await?;
            if placed != Placed::Known {
                self.metrics.signal(scored.signal);
                tracing::info!(signal = ?scored.signal, hands = scored.hands, ?placed, "a detector raised a signal");
            }
        }
        self.metrics.cases(&self.database.case_counts().await?);
        Ok(())
    }

    async fn save(&self, work: &mut Work) -> Result<(), RunError> {
        if work.unsaved > 0 {
            let begun = Instant::now();
            self.database.checkpoint(&work.detector, &mut work.progress).await?;
            tracing::info!(
                cursor = work.progress.cursor,
                seconds = begun.elapsed().as_secs_f64(),
                "checkpoint"
            );
        }
        (work.saved, work.unsaved) = (Instant::now(), 0);
        Ok(())
    }
}

enum Read {
    /// No body, or none that can be read.
    Gone,
    Record {
        record: Box<HandRecord>,
        hash: [u8; 32],
        ended_at_ms: u64,
        /// The fair-play part is sealed to a key of ours.
        known: bool,
    },
}

impl Read {
    fn opening(&self) -> Option<Opening> {
        match self {
            Self::Record { record, hash, known: true, .. } if !record.end.void => {
                Some(Opening { table: record.table.clone(), hand: db(record.history.hand), record: *hash })
            }
            _ => None,
        }
    }
}

fn score(read: &Read, keys: &Keys, detector: &mut Detector, scored: &mut Scored) {
    let Read::Record { record, ended_at_ms, known, .. } = read else {
        scored.refused += 1;
        return;
    };
    let part = record.fair_play.as_ref().filter(|_| *known && !record.end.void);
    let hidden = part.and_then(|part| Some(keys.get(&part.key)?.open(part, &record.about())));
    let hidden = match hidden.transpose() {
        Ok(hidden) => hidden,
        Err(error @ (AuditError::Forged | AuditError::OtherKey { .. })) => {
            tracing::error!(table = record.table, hand = record.history.hand, %error, "a fair-play part");
            None
        }
        Err(error) => {
            tracing::error!(table = record.table, hand = record.history.hand, %error, "a fair-play part");
            None
        }
    };
    let hand = match ended_hand(record, hidden.as_ref(), *ended_at_ms) {
        Ok(hand) => hand,
        Err(BadRecord::Void) => {
            scored.void += 1;
            return;
        }
        Err(error) => {
            tracing::error!(table = record.table, hand = record.history.hand, %error, "a record");
            scored.refused += 1;
            return;
        }
    };
    match detector.observe(&hand) {
        Ok(()) if hidden.is_some() => scored.opened += 1,
        Ok(()) => scored.blind += 1,
        Err(error) => {
            // One log line for each limit's worth of hands would be too much: the counter shows the number.
            if !matches!(error, ObserveError::Players(_)) {
                tracing::error!(table = record.table, hand = record.history.hand, %error, "a hand");
            }
            scored.refused += 1;
        }
    }
}
