//! Causes faults in the cluster and observes whether they are over.

use crate::{Stack, Table, table::condition, until};
use anyhow::{Context, bail, ensure};
use purr_protocol::settlement::Entry;
use serde_json::Value;
use std::{path::PathBuf, process::Stdio, time::Duration};
use tokio::process::Command;

/// The data nodes of the store's group.
pub const NODES: usize = 3;
/// Time limit for a broken part to recover.
pub const WHOLE: Duration = Duration::from_secs(180);

pub struct Ground {
    pub stack: &'static Stack,
    pub table: Table,
    /// The test cluster's name.
    pub cluster: String,
    /// See [`super::Plan`].
    pub faketime_image: Option<String>,
    /// tests/cluster/pod.sh: signals and rules of a test cluster's nodes.
    pub pod_sh: PathBuf,
}

/// One container of a pod, as the node knows it.
pub struct Container {
    uid: String,
    id: String,
}

impl Ground {
    pub async fn pod(&self, name: &str) -> anyhow::Result<Value> {
        self.stack.kubectl_json(&["get", "pod", name, "-o", "json"]).await
    }

    pub async fn table_pod(&self) -> anyhow::Result<Value> {
        self.table.pod(self.stack).await?.context("the table has no pod")
    }

    /// The first pod of a component.
    pub async fn pod_of(&self, component: &str) -> anyhow::Result<Value> {
        let selector = format!("app.kubernetes.io/component={component}");
        let pods = self.stack.kubectl_json(&["get", "pods", "-l", &selector, "-o", "json"]).await?;
        pods["items"]
            .as_array()
            .and_then(|pods| pods.first().cloned())
            .with_context(|| format!("no {component}"))
    }

    /// Kills pods at once, and deletes their objects.
    pub async fn kill_pods(&self, names: &[&str]) -> anyhow::Result<()> {
        let mut arguments = vec!["delete", "pod", "--force", "--grace-period=0", "--wait=false"];
        arguments.extend(names);
        self.stack.kubectl(&arguments).await.map(drop)
    }

    pub fn container(pod: &Value, name: &str) -> anyhow::Result<Container> {
        let statuses = pod["status"]["containerStatuses"].as_array().context("no containers")?;
        let status = statuses.iter().find(|status| status["name"] == name).context("no such container")?;
        let id =
            status["containerID"].as_str().and_then(|id| id.split("//").nth(1)).context("no container id")?;
        Ok(Container { uid: uid(pod)?, id: id.to_owned() })
    }

    pub async fn signal(&self, container: &Container, what: &str) -> anyhow::Result<()> {
        self.node(&[what, &container.uid, &container.id]).await
    }

    /// The processes of a container that run this program.
    pub async fn signal_program(
        &self,
        container: &Container,
        what: &str,
        program: &str,
    ) -> anyhow::Result<()> {
        self.node(&[what, &container.uid, &container.id, program]).await
    }

    /// A program of the cluster itself.
    pub async fn signal_service(&self, service: &str, what: &str) -> anyhow::Result<()> {
        self.node(&[what, "service", service]).await
    }

    /// Cuts all network traffic of a pod except with these pods. The node's own traffic continues, so its probes do as
    /// well.
    pub async fn cut(&self, pod: &Value, but: &[&Value]) -> anyhow::Result<()> {
        let uid = uid(pod)?;
        let node = pod["status"]["hostIP"].as_str().context("no address of the node")?;
        let mut arguments = vec!["cut", &uid, node];
        for other in but {
            arguments.push(other["status"]["podIP"].as_str().context("no address")?);
        }
        // The node's end of the pod's link, which is where probes come from.
        let own = pod["status"]["podIP"].as_str().context("no address")?;
        let gateway =
            own.rsplit_once('.').map(|(net, _)| format!("{net}.1")).context("not an IPv4 address")?;
        arguments.push(&gateway);
        self.node(&arguments).await
    }

    pub async fn join(&self, pod: &Value) -> anyhow::Result<()> {
        self.node(&["join", &uid(pod)?]).await
    }

    pub async fn lose_packets(&self, pod: &Value, percent: u8) -> anyhow::Result<()> {
        self.node(&["lossy", &uid(pod)?, &percent.to_string()]).await
    }

    /// Fills the volume of a data node.
    pub async fn fill_disk(&self, node: usize) -> anyhow::Result<()> {
        self.node(&["fill", &self.volume(node).await?]).await
    }

    pub async fn free_disk(&self, node: usize) -> anyhow::Result<()> {
        self.node(&["free", &self.volume(node).await?]).await
    }

    async fn volume(&self, node: usize) -> anyhow::Result<String> {
        let claim = format!("data-purr-redis-{node}");
        self.stack.kubectl(&["get", "pvc", &claim, "-o", "jsonpath={.spec.volumeName}"]).await
    }

    /// Checks that the table runs from the image whose clock can be set.
    pub async fn can_set_clock(&self) -> anyhow::Result<()> {
        let image = self.faketime_image.as_deref().context("--faketime-image is needed")?;
        let old = self.table_pod().await?;
        if old["spec"]["containers"][0]["image"] == image {
            return Ok(());
        }
        let patch = serde_json::json!({"spec": {"pod": {"image": image}}}).to_string();
        self.stack.kubectl(&["patch", "ptable", &self.table.name, "--type=merge", "-p", &patch]).await?;
        self.is_replaced(&old, WHOLE).await?;
        self.table_is_ready().await
    }

    /// Sets the clock of the table's process, in seconds from the right time.
    pub async fn set_clock(&self, offset_s: i64) -> anyhow::Result<()> {
        let pod = self.table_pod().await?;
        let Container { uid, id } = Self::container(&pod, "table")?;
        self.node(&["clock", &uid, &id, &format!("{offset_s:+}")]).await
    }

    /// The pod of the controller that leads; empty where none does.
    pub async fn leader(&self) -> anyhow::Result<String> {
        self.stack
            .kubectl(&["get", "lease", "purr-controller", "-o", "jsonpath={.spec.holderIdentity}"])
            .await
    }

    /// Evicts a pod as `kubectl drain` does: budgets are respected, and the pod has its grace period.
    pub async fn evict(&self, pod: &str) -> anyhow::Result<()> {
        let eviction = serde_json::json!({
            "apiVersion": "policy/v1", "kind": "Eviction",
            "metadata": {"name": pod, "namespace": self.stack.namespace},
        });
        let path = format!("/api/v1/namespaces/{}/pods/{pod}/eviction", self.stack.namespace);
        let body = eviction.to_string();
        self.stack.kubectl_with(&["create", "--raw", &path, "-f", "-"], &body).await.map(drop)
    }

    pub async fn nodes_are_ready(&self) -> anyhow::Result<()> {
        self.stack
            .kubectl(&["wait", "node", "--all", "--for=condition=Ready", "--timeout=180s"])
            .await
            .map(drop)
    }

    /// Drains a node: evicts all its pods and lets no new ones start. Returns when they are gone.
    pub async fn drain(&self, node: &str) -> anyhow::Result<()> {
        self.stack
            .kubectl(&["drain", node, "--ignore-daemonsets", "--delete-emptydir-data", "--timeout=180s"])
            .await
            .map(drop)
    }

    /// The table runs on this node, of two.
    pub async fn table_is_on(&self, node: &str) -> anyhow::Result<()> {
        let nodes = self.stack.kubectl_json(&["get", "nodes", "-o", "json"]).await?;
        let nodes: Vec<&str> = nodes["items"]
            .as_array()
            .context("no nodes")?
            .iter()
            .filter_map(|node| node["metadata"]["name"].as_str())
            .collect();
        ensure!(nodes.len() == 2 && nodes.contains(&node), "two nodes are needed (PURR_NODES=2)");
        let pod = self.table_pod().await?;
        if pod["spec"]["nodeName"] == node {
            return Ok(());
        }
        let other = pod["spec"]["nodeName"].as_str().context("the table's pod is on no node")?;
        self.stack.kubectl(&["cordon", other]).await?;
        let moved = async {
            self.evict(name(&pod)?).await?;
            self.is_replaced(&pod, WHOLE).await?;
            self.table_is_ready().await
        };
        let moved = moved.await;
        self.stack.kubectl(&["uncordon", other]).await?;
        moved
    }

    async fn node(&self, arguments: &[&str]) -> anyhow::Result<()> {
        let output = Command::new(&self.pod_sh)
            .arg(&self.cluster)
            .args(arguments)
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .output()
            .await
            .with_context(|| self.pod_sh.display().to_string())?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "pod.sh {}: {}", arguments.join(" "), said.trim());
        Ok(())
    }

    /// Runs a command on one data node as its administrator; with `--sentinel` in front, on its Sentinel.
    pub async fn redis(&self, node: usize, command: &str) -> anyhow::Result<String> {
        let pod = format!("purr-redis-{node}");
        let mut arguments = vec!["exec", &pod, "-c", "redis", "--", "purr-redis-node", "cli"];
        arguments.extend(command.split(' '));
        self.stack.kubectl(&arguments).await
    }

    /// Which process of the Sentinel answers on a data node; `None`: none does.
    pub async fn sentinel_run(&self, node: usize) -> Option<String> {
        let info = self.redis(node, "--sentinel info server").await.ok()?;
        info.lines().find_map(|line| line.trim().strip_prefix("run_id:").map(str::to_owned))
    }

    /// Returns the roles of every data node that answers.
    pub async fn roles(&self) -> Vec<(usize, String)> {
        let mut found = Vec::new();
        for node in 0..NODES {
            let role = self.redis(node, "role").await.unwrap_or_default();
            found.extend(role.lines().next().map(|role| (node, role.to_owned())));
        }
        found
    }

    pub async fn masters(&self) -> Vec<usize> {
        let roles = self.roles().await;
        roles.into_iter().filter(|(_, role)| role == "master").map(|(node, _)| node).collect()
    }

    pub async fn master(&self) -> anyhow::Result<usize> {
        match self.masters().await[..] {
            [master] => Ok(master),
            ref other => bail!("masters: {other:?}"),
        }
    }

    /// Checks that there is one master that both others follow, and that restarted nodes have read their whole log.
    pub async fn redis_is_whole(&self) -> anyhow::Result<()> {
        until("one master with two replicas", WHOLE, || async {
            let master = self.master().await?;
            let online = self.redis(master, "info replication").await?.matches("state=online").count();
            Ok((online == NODES - 1).then_some(()))
        })
        .await?;
        for node in 0..NODES {
            let pod = format!("purr-redis-{node}");
            let said = self.stack.kubectl(&["logs", &pod, "-c", "redis", "--since=10m"]).await?;
            // Redis skips what it cannot read, and a replica gets it from its master.
            ensure!(!said.contains("AOF-loading-client"), "{pod} came up without a part of its log");
        }
        Ok(())
    }

    /// Whether all pods of a Deployment or StatefulSet are ready and current.
    pub async fn is_rolled_out(&self, what: &str) -> anyhow::Result<()> {
        self.stack.kubectl(&["rollout", "status", what, "--timeout=180s"]).await.map(drop)
    }

    pub async fn table_is_ready(&self) -> anyhow::Result<()> {
        until("the table is Ready", WHOLE, || async {
            let table = self.table.get(self.stack).await?;
            let ready = condition(&table, "Ready").is_some_and(|ready| ready["status"] == "True");
            let pod = self.table_pod().await?;
            let serves = condition(&pod, "Ready").is_some_and(|ready| ready["status"] == "True");
            Ok((ready && serves).then_some(()))
        })
        .await
    }

    /// A condition of the table has this reason.
    pub async fn condition_says(&self, kind: &str, reason: &str) -> anyhow::Result<()> {
        until(&format!("{kind}: {reason}"), WHOLE, || async {
            let table = self.table.get(self.stack).await?;
            Ok(condition(&table, kind).is_some_and(|found| found["reason"] == reason).then_some(()))
        })
        .await
    }

    /// Waits until another pod has the table, or is about to take it.
    pub async fn is_replaced(&self, old: &Value, limit: Duration) -> anyhow::Result<()> {
        until("another pod for the table", limit, || async {
            let pod = self.table_pod().await?;
            Ok((pod["metadata"]["uid"] != old["metadata"]["uid"]).then_some(()))
        })
        .await
    }

    /// The signer's journal of the table, read where it is kept.
    pub async fn journal(&self) -> anyhow::Result<Vec<Entry>> {
        let query =
            format!("SELECT payload FROM signer.entries WHERE uid = '{}' ORDER BY seq", self.table.uid);
        let script = format!(
            "PGPASSWORD=$(</etc/purr/postgres/admin) exec /usr/lib/postgresql/15/bin/psql \
             'host=/run/postgresql user=admin dbname=purr' -Atc \"{query}\""
        );
        let text = self.stack.kubectl(&["exec", "purr-postgres-0", "--", "bash", "-c", &script]).await?;
        text.lines().map(|line| serde_json::from_str(line).with_context(|| line.to_owned())).collect()
    }
}

fn uid(object: &Value) -> anyhow::Result<String> {
    object["metadata"]["uid"].as_str().map(str::to_owned).context("no uid")
}

pub fn name(object: &Value) -> anyhow::Result<&str> {
    object["metadata"]["name"].as_str().context("no name")
}
