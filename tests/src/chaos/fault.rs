//! The faults, each with what it may cost the players.

use super::ground::{Ground, WHOLE, name};
use crate::until;
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// How long a partition or an absence lasts.
const PARTED: Duration = Duration::from_secs(12);
/// How long the API server is away.
const AWAY: Duration = Duration::from_secs(60);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Nothing at all: what players wait for by themselves.
    None,
    PodKilled,
    ProcessKilled,
    /// Stopped until another has the table, then let go on.
    PodFrozen,
    MasterKilled,
    /// The master and the table are alone with each other.
    PartitionWrongSide,
    /// The master is alone; the table is with the others.
    PartitionRightSide,
    SentinelKilled,
    TwoStoresKilled,
    AllStoresKilled,
    SignerKilled,
    GatewayKilled,
    ControllerKilled,
    RecordsKilled,
    PostgresKilled,
    ApiServerAway,
}

pub const ALL: [Fault; 16] = [
    Fault::None,
    Fault::PodKilled,
    Fault::ProcessKilled,
    Fault::PodFrozen,
    Fault::MasterKilled,
    Fault::PartitionWrongSide,
    Fault::PartitionRightSide,
    Fault::SentinelKilled,
    Fault::TwoStoresKilled,
    Fault::AllStoresKilled,
    Fault::SignerKilled,
    Fault::GatewayKilled,
    Fault::ControllerKilled,
    Fault::RecordsKilled,
    Fault::PostgresKilled,
    Fault::ApiServerAway,
];

impl Fault {
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::PodKilled => "pod-killed",
            Self::ProcessKilled => "process-killed",
            Self::PodFrozen => "pod-frozen",
            Self::MasterKilled => "master-killed",
            Self::PartitionWrongSide => "partition-wrong-side",
            Self::PartitionRightSide => "partition-right-side",
            Self::SentinelKilled => "sentinel-killed",
            Self::TwoStoresKilled => "two-stores-killed",
            Self::AllStoresKilled => "all-stores-killed",
            Self::SignerKilled => "signer-killed",
            Self::GatewayKilled => "gateway-killed",
            Self::ControllerKilled => "controller-killed",
            Self::RecordsKilled => "records-killed",
            Self::PostgresKilled => "postgres-killed",
            Self::ApiServerAway => "api-server-away",
        }
    }

    /// The longest that a player may wait for an action, once the fault is detected.
    pub const fn bound(self) -> Duration {
        Duration::from_secs(match self {
            Self::PodKilled | Self::ProcessKilled | Self::PodFrozen => 3,
            Self::MasterKilled | Self::PartitionWrongSide | Self::PartitionRightSide => 10,
            // Without a quorum the table stands still; counted from the repair.
            Self::TwoStoresKilled | Self::AllStoresKilled => 10,
            Self::GatewayKilled => 2,
            Self::None
            | Self::SentinelKilled
            | Self::SignerKilled
            | Self::ControllerKilled
            | Self::RecordsKilled
            | Self::PostgresKilled
            | Self::ApiServerAway => 1,
        })
    }

    /// Does it, and returns when what it broke is whole again: how long it took until somebody saw that a pod was to be
    /// replaced, or until what was taken away was given back, where players' time counts from there.
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
                // A restart in place: the pod stays, its process is another one.
                until("its container has started again", WHOLE, || async {
                    let now = ground.pod(name(&pod)?).await?;
                    let count = |pod: &serde_json::Value| {
                        pod["status"]["containerStatuses"][0]["restartCount"].as_u64()
                    };
                    Ok((count(&now) > count(&pod)).then_some(()))
                })
                .await?;
                ground.table_is_ready().await?;
            }
            Self::PodFrozen => {
                let pod = ground.table_pod().await?;
                let container = Ground::container(&pod, "table")?;
                ground.signal(&container, "stop").await?;
                ground.is_replaced(&pod, WHOLE).await?;
                seen = begun.elapsed();
                ground.table_is_ready().await?;
                // It goes on where it was, and finds that nobody listens.
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
                // It may be gone by now, and its network with it.
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
                let pod = ground.pod("purr-redis-0").await?;
                ground.signal(&Ground::container(&pod, "sentinel")?, "kill").await?;
                ground.is_rolled_out("statefulset/purr-redis").await?;
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
                ground.signal_service("kube-apiserver", "stop").await?;
                sleep(AWAY).await;
                ground.signal_service("kube-apiserver", "cont").await?;
                ground.table_is_ready().await?;
            }
        }
        Ok(seen)
    }
}
