//! A PokerTable as a platform engineer handles it: with kubectl.

use crate::{Stack, until};
use anyhow::Context;
use serde_json::Value;
use std::time::{Duration, Instant};

/// The committed example, the very file that the README applies.
pub const EXAMPLE: &str = include_str!("../../crds/examples/table.yaml");

#[derive(Clone, Debug)]
pub struct Table {
    pub name: String,
    pub uid: String,
    /// From `kubectl apply` to the condition Ready.
    pub ready_after: Duration,
}

impl Table {
    /// Applies a manifest and waits until the table is Ready.
    pub async fn apply(stack: &Stack, manifest: &str, limit: Duration) -> anyhow::Result<Self> {
        let begun = Instant::now();
        stack.kubectl_with(&["apply", "-f", "-"], manifest).await?;
        let applied: Value = serde_json::from_str(
            &stack.kubectl_with(&["apply", "--dry-run=server", "-f", "-", "-o", "json"], manifest).await?,
        )?;
        let name = applied["metadata"]["name"].as_str().context("no name")?.to_owned();
        until(&format!("table {name} is Ready"), limit, || async {
            let table = stack.kubectl_json(&["get", "ptable", &name, "-o", "json"]).await?;
            Ok(condition(&table, "Ready").filter(|ready| ready["status"] == "True").map(drop))
        })
        .await?;
        let ready_after = begun.elapsed();
        let table = stack.kubectl_json(&["get", "ptable", &name, "-o", "json"]).await?;
        let uid = table["metadata"]["uid"].as_str().context("no uid")?.to_owned();
        Ok(Self { name, uid, ready_after })
    }

    pub async fn get(&self, stack: &Stack) -> anyhow::Result<Value> {
        stack.kubectl_json(&["get", "ptable", &self.name, "-o", "json"]).await
    }

    /// No new hands, or hands again.
    pub async fn pause(&self, stack: &Stack, paused: bool) -> anyhow::Result<()> {
        let patch = format!(r#"{{"spec":{{"paused":{paused}}}}}"#);
        stack.kubectl(&["patch", "ptable", &self.name, "--type=merge", "-p", &patch]).await?;
        Ok(())
    }

    /// Pauses the table and waits until its summary reports the pause, with no hand running. Returns the last number of
    /// its sequence, which does not change until a player leaves.
    pub async fn stand_still(&self, stack: &Stack, limit: Duration) -> anyhow::Result<u64> {
        self.pause(stack, true).await?;
        until("the table stands still", limit, || async {
            let summary = stack.api().table(&self.uid).await?.summary;
            Ok((summary.paused.is_some() && !summary.hand_running).then_some(summary.sequence))
        })
        .await
    }

    /// The pod of the newest generation; earlier ones may still exist.
    pub async fn pod(&self, stack: &Stack) -> anyhow::Result<Option<Value>> {
        let selector = format!("purr.poker/table-uid={}", self.uid);
        let pods = stack.kubectl_json(&["get", "pods", "-l", &selector, "-o", "json"]).await?;
        let generation = |pod: &&Value| {
            let label = pod["metadata"]["labels"]["purr.poker/generation"].as_str();
            label.and_then(|label| label.parse::<u64>().ok())
        };
        Ok(pods["items"].as_array().and_then(|pods| pods.iter().max_by_key(generation).cloned()))
    }
}

/// A condition of an object, by type.
pub fn condition<'a>(object: &'a Value, kind: &str) -> Option<&'a Value> {
    object["status"]["conditions"].as_array()?.iter().find(|condition| condition["type"] == kind)
}
