//! Carries out each fault and decides when it is over.

use super::{
    Fault,
    ground::{Ground, NODES, WHOLE, name},
};
use crate::until;
use anyhow::Context;
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// How long a partition or an absence lasts.
const PARTED: Duration = Duration::from_secs(12);
/// How long the API server is away.
const AWAY: Duration = Duration::from_secs(60);
/// How long packets are lost, and how many of a hundred.
const LOSSY: Duration = Duration::from_secs(20);
const LOST_PERCENT: u8 = 10;
const HOUR_S: i64 = 3_600;
/// The node that is drained: it has no volumes, so all its pods can move.
const DRAINED: &str = "node-2";

impl Fault {
    /// Waits for the parts that a fault needs, before times are measured.
    pub async fn prepare(self, ground: &Ground) -> anyhow::Result<()> {
        match self {
            Self::LeaderKilled => {
                ground.stack.kubectl(&["scale", "deployment/purr-controller", "--replicas=2"]).await?;
                ground.is_rolled_out("deployment/purr-controller").await
            }
            Self::ClockJumped => ground.can_set_clock().await,
            Self::NodeDrained => ground.table_is_on(DRAINED).await,
            _ => Ok(()),
        }
    }

    /// Carries out the fault, and returns once the broken part has recovered: the time until the fault was noticed, or
    /// until a repair by the test. The players' time counts from then.
    pub async fn happen(self, ground: &Ground) -> anyhow::Result<Duration> {
        let begun = Instant::now();
        let mut seen = Duration::ZERO;
        match self {
            Self::None => sleep(Duration::from_secs(5)).await,
            Self::PodKilled => {
                let pod = ground.table_pod().await?;
                ground.kill_pods(&[name(&pod)?]).await?;
                ground.is_replaced(&pod, WHOLE).await?;
                ground.table_is_ready().await?;
            }
            Self::ProcessKilled => {
                let pod = ground.table_pod().await?;
                ground.signal(&Ground::container(&pod, "table")?, "kill").await?;
                // A restart in place: the pod stays, its process is another one. After the second in a row kubelet waits, and
                // the controller takes another pod as soon as it sees that.
                let another =
                    until("its container has started again, or another has the table", WHOLE, || async {
                        let now = ground.table_pod().await?;
                        let count = |pod: &serde_json::Value| {
                            pod["status"]["containerStatuses"][0]["restartCount"].as_u64()
                        };
                        let another = now["metadata"]["uid"] != pod["metadata"]["uid"];
                        Ok((another || count(&now) > count(&pod)).then_some(another))
                    })
                    .await?;
                if another {
                    seen = begun.elapsed();
                }
                ground.table_is_ready().await?;
            }
            Self::PodFrozen => {
                let pod = ground.table_pod().await?;
                let container = Ground::container(&pod, "table")?;
                ground.signal(&container, "stop").await?;
                ground.is_replaced(&pod, WHOLE).await?;
                seen = begun.elapsed();
                ground.table_is_ready().await?;
                // The process continues and finds its connections closed.
                ground.signal(&container, "cont").await?;
            }
            Self::MasterKilled => {
                let master = format!("purr-redis-{}", ground.master().await?);
                let pod = ground.pod(&master).await?;
                ground.signal(&Ground::container(&pod, "redis")?, "kill").await?;
                ground.redis_is_whole().await?;
            }
            Self::PartitionWrongSide => {
                let master = ground.pod(&format!("purr-redis-{}", ground.master().await?)).await?;
                let table = ground.table_pod().await?;
                ground.cut(&master, &[&table]).await?;
                ground.cut(&table, &[&master]).await?;
                ground.is_replaced(&table, WHOLE).await?;
                seen = begun.elapsed();
                ground.table_is_ready().await?;
                ground.join(&master).await?;
                // The pod may have been replaced by now, together with its network.
                if let Err(gone) = ground.join(&table).await {
                    tracing::debug!(%gone, "the pod that was cut off");
                }
                ground.redis_is_whole().await?;
            }
            Self::PartitionRightSide => {
                let master = ground.pod(&format!("purr-redis-{}", ground.master().await?)).await?;
                ground.cut(&master, &[]).await?;
                sleep(PARTED).await;
                ground.join(&master).await?;
                ground.redis_is_whole().await?;
            }
            Self::SentinelKilled => {
                let node = (ground.master().await? + 1) % NODES;
                let before = ground.sentinel_run(node).await.context("the Sentinel does not answer")?;
                let pod = ground.pod(&format!("purr-redis-{node}")).await?;
                let container = Ground::container(&pod, "redis")?;
                ground.signal_program(&container, "kill", "redis-sentinel").await?;
                until("another Sentinel answers", WHOLE, || async {
                    Ok(ground.sentinel_run(node).await.filter(|run| *run != before).map(drop))
                })
                .await?;
            }
            Self::TwoStoresKilled => {
                let master = ground.master().await?;
                let names = [1, 2].map(|more| format!("purr-redis-{}", (master + more) % 3));
                ground.kill_pods(&[&names[0], &names[1]]).await?;
                ground.redis_is_whole().await?;
                seen = begun.elapsed();
            }
            Self::AllStoresKilled => {
                ground.kill_pods(&["purr-redis-0", "purr-redis-1", "purr-redis-2"]).await?;
                ground.redis_is_whole().await?;
                seen = begun.elapsed();
            }
            Self::SignerKilled => {
                ground.kill_pods(&["purr-chain-signer-0"]).await?;
                ground.is_rolled_out("statefulset/purr-chain-signer").await?;
            }
            Self::PostgresKilled => {
                ground.kill_pods(&["purr-postgres-0"]).await?;
                ground.is_rolled_out("statefulset/purr-postgres").await?;
            }
            Self::GatewayKilled | Self::ControllerKilled | Self::RecordsKilled => {
                let component = match self {
                    Self::GatewayKilled => "gateway",
                    Self::ControllerKilled => "controller",
                    _ => "records",
                };
                let pod = ground.pod_of(component).await?;
                ground.kill_pods(&[name(&pod)?]).await?;
                ground.is_rolled_out(&format!("deployment/purr-{component}")).await?;
            }
            Self::ApiServerAway => {
                ground.signal_service("apiserver", "stop").await?;
                sleep(AWAY).await;
                ground.signal_service("apiserver", "cont").await?;
                ground.table_is_ready().await?;
                // Nodes that could not report count as dead until they do, together with their services.
                ground.nodes_are_ready().await?;
                for component in ["gateway", "controller"] {
                    ground.is_rolled_out(&format!("deployment/purr-{component}")).await?;
                }
            }
            Self::LeaderKilled => {
                let leader = ground.leader().await?;
                ground.kill_pods(&[&leader]).await?;
                until("another controller leads", WHOLE, || async {
                    let now = ground.leader().await?;
                    Ok((!now.is_empty() && now != leader).then_some(()))
                })
                .await?;
                ground.is_rolled_out("deployment/purr-controller").await?;
            }
            Self::MasterDiskFull => {
                let master = ground.master().await?;
                ground.fill_disk(master).await?;
                until("another master", WHOLE, || async {
                    Ok(ground.masters().await.iter().any(|found| *found != master).then_some(()))
                })
                .await?;
                ground.free_disk(master).await?;
                ground.redis_is_whole().await?;
            }
            Self::AllDisksFull => {
                for node in 0..NODES {
                    ground.fill_disk(node).await?;
                }
                // Nodes that ran out of space wait for room. The last one has no replica to acknowledge, and writes
                // nothing.
                until("the store is down", WHOLE, || async {
                    Ok((ground.roles().await.len() < 2).then_some(()))
                })
                .await?;
                sleep(PARTED).await;
                for node in 0..NODES {
                    ground.free_disk(node).await?;
                }
                seen = begun.elapsed();
                ground.redis_is_whole().await?;
            }
            Self::ClockJumped => {
                for offset_s in [HOUR_S, -HOUR_S, 0] {
                    ground.set_clock(offset_s).await?;
                    sleep(PARTED).await;
                }
            }
            Self::LossyNetwork => {
                let master = ground.pod(&format!("purr-redis-{}", ground.master().await?)).await?;
                let table = ground.table_pod().await?;
                ground.lose_packets(&master, LOST_PERCENT).await?;
                ground.lose_packets(&table, LOST_PERCENT).await?;
                sleep(LOSSY).await;
                ground.join(&master).await?;
                // The pod may have been replaced, together with its network.
                if let Err(gone) = ground.join(&table).await {
                    tracing::debug!(%gone, "the pod that lost packets");
                }
                ground.redis_is_whole().await?;
                ground.table_is_ready().await?;
            }
            Self::SplitBrain => {
                let master = ground.master().await?;
                let [rebel, follower] = [1, 2].map(|more| (master + more) % NODES);
                ground.redis(rebel, "replicaof no one").await?;
                let host =
                    format!("purr-redis-{rebel}.purr-redis.{}.svc.cluster.local", ground.stack.namespace);
                ground.redis(follower, &format!("replicaof {host} 6379")).await?;
                // The second master has a replica that would acknowledge writes, and must refuse them all the same.
                until("the second master takes no writes", WHOLE, || async {
                    let answer = ground.redis(rebel, "set t:split-brain 1").await?;
                    Ok(answer.starts_with("NOREPLICAS").then_some(()))
                })
                .await?;
                ground.condition_says("StoreReady", "SplitBrain").await?;
                ground.redis_is_whole().await?;
                ground.condition_says("StoreReady", "Committing").await?;
            }
            Self::Evicted => {
                let pod = ground.table_pod().await?;
                ground.evict(name(&pod)?).await?;
                ground.is_replaced(&pod, WHOLE).await?;
                seen = begun.elapsed();
                ground.table_is_ready().await?;
            }
            Self::NodeDrained => {
                let pod = ground.table_pod().await?;
                let moved = async {
                    ground.is_replaced(&pod, WHOLE).await?;
                    let seen = begun.elapsed();
                    ground.table_is_ready().await?;
                    anyhow::Ok(seen)
                };
                let done = tokio::try_join!(moved, ground.drain(DRAINED));
                // Uncordons the node even after a failure, so that the next fault has both nodes.
                ground.stack.kubectl(&["uncordon", DRAINED]).await?;
                (seen, ()) = done?;
            }
        }
        Ok(seen)
    }
}
