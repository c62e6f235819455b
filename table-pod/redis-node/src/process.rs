//! A supervised child process.

use crate::decide::Node;
use purr_runtime::Delays;
use std::{io, process::Stdio, time::Duration};
use tokio::{
    process::{Child, Command},
    time::{Instant, timeout},
};

/// A process that ran for less time did not stay up.
const STAYS_UP: Duration = Duration::from_secs(10);
/// Waits before a process that does not stay up is started again.
const RESTART: Delays = Delays::new(Duration::from_secs(1), Duration::from_secs(30));

/// The wait after this many starts in a row after which the process ended soon.
pub fn wait_after(failures: u32) -> Duration {
    match failures {
        0 => Duration::ZERO,
        _ => RESTART.after(failures - 1),
    }
}

pub struct Process {
    name: &'static str,
    child: Option<(Child, Instant)>,
    failures: u32,
    not_before: Option<Instant>,
}

impl Process {
    pub fn new(name: &'static str) -> Self {
        Self { name, child: None, failures: 0, not_before: None }
    }

    /// Whether the process runs. Notices when it has ended.
    pub fn runs(&mut self) -> bool {
        let Some((child, started)) = &mut self.child else { return false };
        match child.try_wait() {
            Ok(None) => true,
            ended => {
                let status = ended.ok().flatten().map(|status| status.to_string()).unwrap_or_default();
                let ran = started.elapsed();
                self.failures = if ran < STAYS_UP { self.failures.saturating_add(1) } else { 0 };
                let wait = wait_after(self.failures);
                self.not_before = Some(Instant::now() + wait);
                self.child = None;
                tracing::warn!(process = self.name, status, ?ran, ?wait, "it has ended");
                false
            }
        }
    }

    /// Whether the wait after a failed start is over.
    pub fn may_start(&self) -> bool {
        self.not_before.is_none_or(|time| Instant::now() >= time)
    }

    /// # Errors
    /// Where the program cannot be started.
    pub fn start(&mut self, arguments: &[String]) -> io::Result<()> {
        let child =
            Command::new(self.name).args(arguments).stdin(Stdio::null()).kill_on_drop(true).spawn()?;
        self.child = Some((child, Instant::now()));
        Ok(())
    }

    /// Returns when the process ends; never if it does not run.
    pub async fn ended(&mut self) {
        match &mut self.child {
            Some((child, _)) => drop(child.wait().await),
            None => std::future::pending().await,
        }
    }

    /// Waits until it has ended by itself, and kills it after this time.
    pub async fn stop(&mut self, limit: Duration) -> io::Result<()> {
        let Some((mut child, _)) = self.child.take() else { return Ok(()) };
        if timeout(limit, child.wait()).await.is_err() {
            if !limit.is_zero() {
                tracing::warn!(process = self.name, ?limit, "it does not end: killed");
            }
            child.kill().await?;
        }
        (self.failures, self.not_before) = (0, None);
        Ok(())
    }
}

/// Arguments of a server that replicates from this node, or from nowhere as a candidate.
pub fn replica_of(config: &str, master: Option<(&str, u16)>) -> Vec<String> {
    let (host, port) = master.unwrap_or(NOWHERE);
    let mut arguments: Vec<String> = [config, "--replicaof", host].map(str::to_owned).to_vec();
    arguments.push(port.to_string());
    if master.is_none() {
        arguments.extend(["--replica-priority", "0"].map(str::to_owned));
    }
    arguments
}

/// The address that a candidate follows while it votes for no other node: nothing listens there.
pub const NOWHERE: (&str, u16) = ("127.0.0.1", 1);

/// The position of a node in its group, for logs.
impl std::fmt::Display for Node {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_that_does_not_stay_up_is_started_ever_more_rarely() {
        let waits: Vec<u64> = (0..8).map(|failures| wait_after(failures).as_secs()).collect();
        assert_eq!(waits, [0, 1, 2, 4, 8, 16, 30, 30]);
        assert_eq!(wait_after(u32::MAX), Duration::from_secs(30));
    }

    #[tokio::test]
    async fn an_end_is_noticed_and_a_stop_ends_what_does_not_end_by_itself() {
        let mut process = Process::new("sleep");
        assert!(process.may_start() && !process.runs());
        process.start(&["0".into()]).unwrap();
        process.ended().await;
        assert!(!process.runs() && !process.may_start(), "it did not stay up");
        process.start(&["1000".into()]).unwrap();
        assert!(process.runs());
        process.stop(Duration::ZERO).await.unwrap();
        assert!(!process.runs() && process.may_start());
        assert!(Process::new("/nowhere/at/all").start(&[]).is_err());
    }
}
