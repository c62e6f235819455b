//! Figures of a run: how long answers took, and whether any seat was two players' at once.

use anyhow::ensure;
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::time::Instant;

const WINDOW_S: u64 = 10;

#[derive(Default)]
struct Seen {
    /// Milliseconds by window of ten seconds.
    took_ms: BTreeMap<u64, Vec<f64>>,
    /// Players who were told that a seat is theirs, by table and seat.
    held: HashMap<(String, u8), u32>,
    given: u64,
    seated: u64,
    refused: u64,
    lost: u64,
    vanished: u64,
    failed: BTreeMap<String, u64>,
    /// Seats that two players were given at once.
    double_seats: u64,
    /// Requests that were sent again and got another seat.
    other_answers: u64,
    /// Number of observations of a table with more players than seats.
    over_filled: u64,
    kubernetes_calls: u64,
    gateways_cpu: f64,
    emptied: Duration,
}

pub(super) struct Tally {
    name: &'static str,
    rate: u32,
    seconds: u64,
    begun: Instant,
    seen: Mutex<Seen>,
}

/// A seat that a player was given, until dropped.
pub(super) struct Hold {
    tally: Arc<Tally>,
    at: (String, u8),
}

impl Drop for Hold {
    fn drop(&mut self) {
        if let Some(count) = self.tally.seen().held.get_mut(&self.at) {
            *count -= 1;
        }
    }
}

fn quantile(sorted: &[f64], per_mille: usize) -> f64 {
    let at = (sorted.len() * per_mille).div_ceil(1_000).saturating_sub(1);
    sorted.get(at).copied().unwrap_or_default()
}

fn sorted(took: impl IntoIterator<Item = f64>) -> Vec<f64> {
    let mut all: Vec<f64> = took.into_iter().collect();
    all.sort_unstable_by(f64::total_cmp);
    all
}

impl Tally {
    pub fn new(name: &'static str, rate: u32, seconds: u64) -> Arc<Self> {
        Arc::new(Self { name, rate, seconds, begun: Instant::now(), seen: Mutex::default() })
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// `due`: when the player arrived by the plan.
    pub fn answered(&self, due: Instant, took: Duration) {
        let window = due.duration_since(self.begun).as_secs() / WINDOW_S;
        self.seen().took_ms.entry(window).or_default().push(took.as_secs_f64() * 1_000.0);
    }

    pub fn holds(self: &Arc<Self>, table: &str, seat: u8) -> Hold {
        let at = (table.to_owned(), seat);
        let mut seen = self.seen();
        seen.given += 1;
        let count = seen.held.entry(at.clone()).or_default();
        *count += 1;
        let double = *count > 1;
        seen.double_seats += u64::from(double);
        drop(seen);
        Hold { tally: self.clone(), at }
    }

    pub fn refused(&self) {
        self.seen().refused += 1;
    }

    pub fn lost(&self) {
        self.seen().lost += 1;
    }

    pub fn vanished(&self) {
        self.seen().vanished += 1;
    }

    pub fn answered_otherwise(&self) {
        self.seen().other_answers += 1;
    }

    pub fn seated(&self) {
        self.seen().seated += 1;
    }

    /// A table as a player sees it.
    pub fn sees(&self, players: usize, seats: usize) {
        self.seen().over_filled += u64::from(players > seats);
    }

    pub fn failed(&self, why: &str) {
        *self.seen().failed.entry(why.chars().take(120).collect()).or_default() += 1;
    }

    /// How a visit has ended; one that failed is counted, and the others go on.
    pub fn visited(&self, ended: anyhow::Result<()>) {
        if let Err(error) = ended {
            self.failed(&format!("{error:#}"));
        }
    }

    pub fn ended(&self, kubernetes_calls: u64, gateways_cpu: f64) {
        let mut seen = self.seen();
        (seen.kubernetes_calls, seen.gateways_cpu) = (kubernetes_calls, gateways_cpu);
    }

    pub fn emptied(&self, after: Duration) {
        self.seen().emptied = after;
    }

    fn p99_ms(&self) -> f64 {
        quantile(&sorted(self.seen().took_ms.values().flatten().copied()), 990)
    }

    pub fn row(&self) -> Value {
        let seen = self.seen();
        let spread = |took: Vec<f64>| {
            let took = sorted(took);
            json!({
                "answers": took.len(), "p50Ms": quantile(&took, 500), "p99Ms": quantile(&took, 990),
                "maxMs": took.last(),
            })
        };
        let all = seen.took_ms.values().flatten().copied().collect();
        json!({
            "name": self.name, "rate": self.rate, "seconds": self.seconds, "all": spread(all),
            "windows": seen.took_ms.values().map(|took| spread(took.clone())).collect::<Vec<_>>(),
            "given": seen.given, "seated": seen.seated, "refused": seen.refused, "lostAnswers": seen.lost,
            "vanished": seen.vanished, "failed": seen.failed, "doubleSeats": seen.double_seats,
            "otherAnswers": seen.other_answers, "overFilled": seen.over_filled,
            "kubernetesCalls": seen.kubernetes_calls, "gatewaysCpu": seen.gateways_cpu,
            "lastHoldGoneAfterS": seen.emptied.as_secs_f64(),
        })
    }

    pub fn line(&self) -> String {
        let p99 = self.p99_ms();
        let seen = self.seen();
        format!(
            "{} seats given, {} taken, {} refused, {} answers lost; p99 {p99:.1} ms; {} double, {} over-filled, {} calls \
             to the Kubernetes API; {:.0}% CPU of the gateways; the last hold was gone after {:.1} s",
            seen.given,
            seen.seated,
            seen.refused,
            seen.lost,
            seen.double_seats + seen.other_answers,
            seen.over_filled,
            seen.kubernetes_calls,
            seen.gateways_cpu * 100.0,
            seen.emptied.as_secs_f64(),
        )
    }

    /// # Errors
    /// Names the bound that does not hold.
    pub fn check(&self, p99_ms_max: f64) -> anyhow::Result<()> {
        let p99 = self.p99_ms();
        let seen = self.seen();
        let name = self.name;
        ensure!(seen.double_seats == 0, "{name}: {} seats were two players' at once", seen.double_seats);
        ensure!(seen.other_answers == 0, "{name}: {} requests got two seats", seen.other_answers);
        ensure!(seen.over_filled == 0, "{name}: tables were over-filled");
        ensure!(seen.kubernetes_calls == 0, "{name}: {} calls to the Kubernetes API", seen.kubernetes_calls);
        ensure!(
            seen.given > 0 && seen.seated > 0,
            "{name}: {} seats given, {} taken",
            seen.given,
            seen.seated
        );
        let failed: u64 = seen.failed.values().sum();
        ensure!(failed * 1_000 <= seen.given, "{name}: {failed} failures: {:?}", seen.failed);
        ensure!(p99 <= p99_ms_max, "{name}: p99 is {p99:.1} ms, above {p99_ms_max} ms");
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_seat_of_two_players_at_once_is_seen() {
        let tally = Tally::new("x", 1, 1);
        drop(tally.holds("a", 0));
        let other = tally.holds("a", 0);
        assert_eq!(tally.seen().double_seats, 0);
        let third = tally.holds("a", 0);
        assert_eq!(tally.seen().double_seats, 1);
        drop((other, third));
        tally.seated();
        assert!(tally.check(50.0).unwrap_err().to_string().contains("two players'"));
    }

    #[test]
    fn quantiles_are_of_what_was_seen() {
        let all = sorted((1..=100).rev().map(f64::from));
        assert!((quantile(&all, 990) - 99.0).abs() < 0.1 && (quantile(&all, 500) - 50.0).abs() < 0.1);
        assert!(quantile(&[], 990).abs() < 0.1);
    }
}
