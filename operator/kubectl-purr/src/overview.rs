//! A release on one screen: from what Kubernetes and the programs' metrics say, one line for each part.

use crate::scrape::Sample;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// Days before its end from which a certificate is reported. The chart renews at the last third of its time.
const CERTIFICATE_DAYS: i64 = 14;
/// Hours without a backup, as alert PurrBackupOld has it.
const BACKUP_HOURS: i64 = 36;
const HOUR_S: i64 = 3600;
const DAY_S: i64 = 86_400;

/// A Deployment or StatefulSet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Workload {
    pub component: String,
    pub name: String,
    pub wanted: i32,
    pub ready: i32,
    pub images: Vec<String>,
    /// Version of the chart's application, by its label.
    pub version: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schedule {
    pub cron: String,
    pub suspended: bool,
    pub last_success_s: Option<i64>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    pub secret: String,
    pub not_after_s: i64,
}

/// Why something of the release was not read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unread {
    #[error("metrics: {0}")]
    Metrics(String),
    #[error("secrets: {0}")]
    Secrets(String),
}

/// Metrics of one pod, or why there are none.
#[derive(Clone, Debug, PartialEq)]
pub struct Scraped {
    pub component: String,
    pub pod: String,
    pub samples: Result<Vec<Sample>, Unread>,
}

/// Everything that was read.
#[derive(Clone, Debug)]
pub struct Seen {
    pub namespace: String,
    pub release: String,
    /// Seconds since 1970.
    pub now_s: i64,
    pub workloads: Vec<Workload>,
    /// The CronJob of backups; `None`: backups are off.
    pub backup: Option<Schedule>,
    /// The certificates, or why they cannot be read.
    pub certificates: Result<Vec<Certificate>, Unread>,
    pub scraped: Vec<Scraped>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum State {
    Ok,
    /// Not installed, or disabled in the chart's values.
    Off,
    /// Cannot be seen with these rights, or nobody answers.
    Unknown,
    Bad,
}

impl State {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Off => "off",
            Self::Unknown => "unknown",
            Self::Bad => "BAD",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Part {
    pub part: String,
    pub state: State,
    pub says: String,
}

fn part(part: impl Into<String>, state: State, says: impl Into<String>) -> Part {
    Part { part: part.into(), state, says: says.into() }
}

/// Whether every part is healthy and readable.
pub fn is_well(parts: &[Part]) -> bool {
    parts.iter().all(|part| part.state <= State::Off)
}

pub fn of(seen: &Seen) -> Vec<Part> {
    let mut parts = vec![release(seen)];
    parts.extend(workloads(seen));
    parts.push(stores(seen));
    parts.extend([signer(seen), chain(seen), tables(seen), backups(seen), certificates(seen)]);
    parts
}

fn release(seen: &Seen) -> Part {
    let versions = |of: BTreeSet<&str>| of.into_iter().collect::<Vec<_>>().join(", ");
    if seen.workloads.is_empty() {
        let says =
            format!("no release {} in namespace {}: see --release and -n", seen.release, seen.namespace);
        return part("release", State::Bad, says);
    }
    let charts = versions(seen.workloads.iter().filter_map(|one| one.version.as_deref()).collect());
    // A rollout that is under way has two revisions of one program; that alone is nothing bad.
    let programs = all(seen, "purr_build_info").filter_map(|(_, sample)| {
        Some((sample.labels.get("version")?.as_str(), sample.labels.get("revision").map(String::as_str)))
    });
    let programs: BTreeSet<String> = programs
        .map(|(version, revision)| match revision.filter(|revision| !revision.is_empty()) {
            Some(revision) => format!("{version} ({revision})"),
            None => version.to_owned(),
        })
        .collect();
    let mut says = format!("{} in namespace {}, application {charts}", seen.release, seen.namespace);
    if !programs.is_empty() {
        says += &format!("; programs say {}", programs.into_iter().collect::<Vec<_>>().join(", "));
    }
    part("release", State::Ok, says)
}

/// Last part of an image's reference, without the digits of a digest that nobody compares by eye.
fn image(reference: &str) -> &str {
    let name = reference.rsplit('/').next().unwrap_or(reference);
    match name.split_once("@sha256:") {
        Some((_, digest)) => &name[..name.len() - digest.len().saturating_sub(12)],
        None => name,
    }
}

fn workloads(seen: &Seen) -> Vec<Part> {
    let mut by_component = BTreeMap::<&str, Vec<&Workload>>::new();
    for one in &seen.workloads {
        by_component.entry(&one.component).or_default().push(one);
    }
    let line = |(component, of): (&str, Vec<&Workload>)| {
        let (ready, wanted) = of.iter().fold((0, 0), |(r, w), one| (r + one.ready, w + one.wanted));
        let images: BTreeSet<&str> = of.iter().flat_map(|one| &one.images).map(|one| image(one)).collect();
        let state = match (ready, wanted) {
            (_, 0) => State::Off,
            (ready, wanted) if ready < wanted => State::Bad,
            _ => State::Ok,
        };
        let images = images.into_iter().collect::<Vec<_>>().join(", ");
        part(component, state, format!("{ready} of {wanted} ready; {images}"))
    };
    by_component.into_iter().map(line).collect()
}

/// Samples of a name, with the pods that they are of.
fn all<'a>(seen: &'a Seen, name: &'a str) -> impl Iterator<Item = (&'a Scraped, &'a Sample)> {
    let of = |scraped: &'a Scraped| scraped.samples.iter().flatten().map(move |sample| (scraped, sample));
    seen.scraped.iter().flat_map(of).filter(move |(_, sample)| sample.name == name)
}

/// Samples of the leading pod, which says so itself.
fn leading<'a>(seen: &'a Seen, flag: &str) -> Option<(&'a str, &'a [Sample])> {
    seen.scraped.iter().find_map(|scraped| {
        let samples = scraped.samples.as_deref().ok()?;
        let leads = samples.iter().any(|sample| sample.name == flag && sample.value > 0.0);
        leads.then_some((scraped.pod.as_str(), samples))
    })
}

fn value(samples: &[Sample], name: &str) -> Option<f64> {
    samples.iter().find(|sample| sample.name == name).map(|sample| sample.value)
}

/// The state without a leader: why no metrics of the component were read, or that no pod leads.
fn nobody(seen: &Seen, component: &str) -> (State, String) {
    let of = || seen.scraped.iter().filter(|scraped| scraped.component == component);
    match of().find_map(|scraped| scraped.samples.as_ref().err()) {
        Some(why) => (State::Unknown, format!("{component}: {why}")),
        None if of().next().is_none() => (State::Unknown, format!("no pod of {component} runs")),
        None => (State::Bad, format!("no pod of {component} leads")),
    }
}

fn stores(seen: &Seen) -> Part {
    let Some((_, samples)) = leading(seen, "purr_controller_leader") else {
        let (state, says) = nobody(seen, "controller");
        return part("stores", state, says);
    };
    let masters = samples.iter().filter(|sample| sample.name == "purr_controller_store_masters");
    let masters: Vec<(&str, f64)> =
        masters.filter_map(|sample| Some((sample.labels.get("store")?.as_str(), sample.value))).collect();
    let says: Vec<String> =
        masters.iter().map(|(store, count)| format!("{store} has {}", counted(*count, "master"))).collect();
    match masters.iter().all(|(_, count)| (*count - 1.0).abs() < f64::EPSILON) {
        _ if masters.is_empty() => part("stores", State::Unknown, "the controller has asked no store yet"),
        true => part("stores", State::Ok, says.join(", ")),
        false => part("stores", State::Bad, says.join(", ")),
    }
}

fn counted(count: f64, what: &str) -> String {
    format!("{count:.0} {what}{}", if (count - 1.0).abs() < f64::EPSILON { "" } else { "s" })
}

fn signer(seen: &Seen) -> Part {
    let Some((pod, samples)) = leading(seen, "purr_signer_leading") else {
        let (state, says) = nobody(seen, "chain-signer");
        return part("signer", state, says);
    };
    let mut bad: Vec<String> = samples
        .iter()
        .filter(|sample| sample.name == "purr_signer_up" && sample.value < 1.0)
        .filter_map(|sample| Some(format!("{} does not work", sample.labels.get("part")?)))
        .collect();
    // 0 also until the first comparison, a minute after a start.
    let agrees = value(samples, "purr_signer_reconciled").is_some_and(|agree| agree > 0.0);
    let failed = value(samples, "purr_signer_reconcile_failures_total").is_some_and(|count| count > 0.0);
    if !agrees && failed {
        bad.push("the last comparison of ledger and chain found a difference".into());
    }
    for (name, says) in [
        ("purr_signer_differing", "tables and players that differ from the chain"),
        ("purr_signer_frozen_players", "players whose deposit has vanished"),
        ("purr_signer_foreign_nonce", "uses of the settling key elsewhere"),
        ("purr_signer_checkpoint_contradicted", "signed checkpoints that the journal contradicts"),
    ] {
        if let Some(count) = value(samples, name).filter(|count| *count > 0.0) {
            bad.push(format!("{count:.0} {says}"));
        }
    }
    let in_flight = value(samples, "purr_signer_transactions_in_flight").unwrap_or_default();
    let sends = format!("{pod} sends, {} on the way", counted(in_flight, "transaction"));
    match bad.is_empty() {
        true if agrees => part("signer", State::Ok, format!("{sends}; ledger and chain agree")),
        true => part("signer", State::Unknown, format!("{sends}; ledger and chain are not compared yet")),
        false => part("signer", State::Bad, format!("{sends}; {}", bad.join(", "))),
    }
}

fn chain(seen: &Seen) -> Part {
    let Some((_, samples)) = leading(seen, "purr_signer_leading") else {
        let (_, says) = nobody(seen, "chain-signer");
        return part("chain", State::Unknown, says);
    };
    let block = |name| value(samples, name).unwrap_or_default();
    let (head, taken) = (block("purr_signer_block_head"), block("purr_signer_block_final"));
    let down = samples.iter().any(|sample| {
        sample.name == "purr_signer_up"
            && sample.labels.get("part").is_some_and(|part| part == "chain")
            && sample.value < 1.0
    });
    let state = if down || head < 1.0 { State::Bad } else { State::Ok };
    part("chain", state, format!("head {head:.0}, in the ledger up to {taken:.0}"))
}

fn tables(seen: &Seen) -> Part {
    let Some((_, samples)) = leading(seen, "purr_controller_leader") else {
        let (state, says) = nobody(seen, "controller");
        return part("tables", state, says);
    };
    let counts: Vec<(&str, f64)> = samples
        .iter()
        .filter(|sample| sample.name == "purr_controller_tables" && sample.value > 0.0)
        .filter_map(|sample| Some((sample.labels.get("phase")?.as_str(), sample.value)))
        .collect();
    let stalled: Vec<&str> = samples
        .iter()
        .filter(|sample| sample.name == "purr_fleet_stalled" && sample.value > 0.0)
        .filter_map(|sample| sample.labels.get("fleet").map(String::as_str))
        .collect();
    let mut says: Vec<String> = counts.iter().map(|(phase, count)| format!("{count:.0} {phase}")).collect();
    if says.is_empty() {
        says.push("none".into());
    }
    if !stalled.is_empty() {
        says.push(format!("fleets that have stalled: {}", stalled.join(", ")));
    }
    let bad = !stalled.is_empty() || counts.iter().any(|(phase, _)| *phase == "Degraded");
    part("tables", if bad { State::Bad } else { State::Ok }, says.join(", "))
}

fn backups(seen: &Seen) -> Part {
    let Some(backup) = &seen.backup else {
        return part("backups", State::Off, "backup.enabled is false");
    };
    if backup.suspended {
        return part("backups", State::Bad, format!("suspended ({})", backup.cron));
    }
    match backup.last_success_s.map(|at| (seen.now_s - at) / HOUR_S) {
        None => part("backups", State::Bad, format!("none has succeeded yet ({})", backup.cron)),
        Some(hours) => {
            let state = if hours > BACKUP_HOURS { State::Bad } else { State::Ok };
            part("backups", state, format!("the last one {hours} h ago ({})", backup.cron))
        }
    }
}

fn certificates(seen: &Seen) -> Part {
    let all = match &seen.certificates {
        Ok(all) => all,
        Err(why) => return part("certificates", State::Unknown, why.to_string()),
    };
    let Some(first) = all.iter().min_by_key(|one| one.not_after_s) else {
        return part("certificates", State::Unknown, "no Secret of the release holds one");
    };
    let days = (first.not_after_s - seen.now_s).div_euclid(DAY_S);
    let says = format!("{}, the first to end is {} in {days} days", all.len(), first.secret);
    part("certificates", if days < CERTIFICATE_DAYS { State::Bad } else { State::Ok }, says)
}

#[cfg(test)]
#[path = "overview_tests.rs"]
mod tests;
