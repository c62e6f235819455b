//! The seated players (nine at one table, on both gateways) and the latencies that they see.

use anyhow::Context;
use purr_client::load::{Moment, Outcome, Plan, Player, Purr, Target, drive};
use std::time::{Duration, Instant};
use tokio::{sync::oneshot, task::JoinHandle};

use crate::sockets::BIG_BLIND;

/// Mean think time, well below the rate limit of messages.
const THINK: Duration = Duration::from_millis(15);
/// Time for all players to get their seats, or to get them back.
const ARRIVE: Duration = Duration::from_secs(45);

/// The latency of the players of one gateway.
#[derive(Clone, Debug, Default)]
pub(super) struct Felt {
    pub actions: u64,
    pub p50_ms: f64,
    pub p99_ms: f64,
    pub pauses: u64,
    pub time_outs: u64,
    pub reconnects: u64,
    /// Seconds until all were seated; `None`: some never were.
    pub there_s: Option<f64>,
}

impl Felt {
    /// The worse of both latencies.
    fn with(self, other: &Self) -> Self {
        Self {
            actions: self.actions + other.actions,
            p50_ms: self.p50_ms.max(other.p50_ms),
            p99_ms: self.p99_ms.max(other.p99_ms),
            pauses: self.pauses + other.pauses,
            time_outs: self.time_outs + other.time_outs,
            reconnects: self.reconnects + other.reconnects,
            there_s: self.there_s.zip(other.there_s).map(|(one, other)| one.max(other)),
        }
    }
}

/// Players at work, by gateway.
pub(super) struct Victims(Vec<Gateway>);

/// A gateway's players: a signal once they sit, and their measurements at the end.
type Gateway = (Option<oneshot::Receiver<()>>, JoinHandle<anyhow::Result<Felt>>);

impl Victims {
    pub fn start(groups: Vec<(Target, Vec<Player<Purr>>)>, warm_up: Duration, measure: Duration) -> Self {
        let plan = Plan {
            think: THINK,
            arrive_max: ARRIVE,
            warm_up,
            measure,
            actions_max: u64::MAX,
            big_blind: BIG_BLIND,
            leave_max: None,
        };
        let start = |(target, players): (Target, Vec<Player<Purr>>)| {
            let (plan, begun) = (plan.clone(), Instant::now());
            let (there, all) = oneshot::channel();
            let task = tokio::task::spawn_blocking(move || {
                let (mut there, mut there_s) = (Some(there), None);
                let driven = drive(&plan, target, players, |moment, _| {
                    let Moment::Arriving { settled, of } = moment else { return };
                    if settled == of
                        && let Some(there) = there.take()
                    {
                        there_s = Some(begun.elapsed().as_secs_f64());
                        let _ = there.send(());
                    }
                });
                match driven {
                    Ok(outcome) => Ok(felt(&outcome, there_s)),
                    // A player who never got in was affected most of all.
                    Err(error) if there_s.is_none() => {
                        eprintln!("{error:#}");
                        Ok(Felt::default())
                    }
                    Err(error) => Err(error),
                }
            });
            (Some(all), task)
        };
        Self(groups.into_iter().map(start).collect())
    }

    /// Waits until all players have their seats, or until the time for that is over.
    pub async fn there(&mut self) {
        for (all, _) in &mut self.0 {
            if let Some(all) = all.take() {
                let _ = all.await;
            }
        }
    }

    pub async fn over(self) -> anyhow::Result<Felt> {
        let mut sum: Option<Felt> = None;
        for (_, task) in self.0 {
            let felt = task.await.context("the players")??;
            sum = Some(sum.map_or(felt.clone(), |sum| sum.with(&felt)));
        }
        sum.context("no players")
    }
}

fn felt(outcome: &Outcome, there_s: Option<f64>) -> Felt {
    let Outcome { actions, ack_ms, pauses, time_outs, reconnects, .. } = outcome;
    Felt {
        actions: *actions,
        p50_ms: ack_ms.p50,
        p99_ms: ack_ms.p99,
        pauses: *pauses,
        time_outs: *time_outs,
        reconnects: *reconnects,
        there_s,
    }
}
