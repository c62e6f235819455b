//! The faults, each with the longest interruption that it may cause.

use std::time::Duration;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// No fault: the ordinary waits of players.
    None,
    PodKilled,
    ProcessKilled,
    /// The table's process is stopped until another has the table, and then continues.
    PodFrozen,
    MasterKilled,
    /// The network is split: the master and the table are together on the smaller side.
    PartitionWrongSide,
    /// The network is split: the master is alone, and the table is with the others.
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
    /// The one of two controllers that leads.
    LeaderKilled,
    /// The disk of the master's volume.
    MasterDiskFull,
    /// The disks of all data nodes are full.
    AllDisksFull,
    /// The clock of the table's process is an hour ahead, and then an hour behind.
    ClockJumped,
    /// One packet in ten of the table's and the master's is lost.
    LossyNetwork,
    /// A replica declares itself the master, and the other replica follows it.
    SplitBrain,
    /// Evicted through the Eviction API, as by a drain of its node.
    Evicted,
    /// The node that the table is on is drained, and all that was on it goes to the other one.
    NodeDrained,
}

pub const ALL: [Fault; 24] = [
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
    Fault::LeaderKilled,
    Fault::MasterDiskFull,
    Fault::AllDisksFull,
    Fault::ClockJumped,
    Fault::LossyNetwork,
    Fault::SplitBrain,
    Fault::Evicted,
    Fault::NodeDrained,
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
            Self::LeaderKilled => "leader-killed",
            Self::MasterDiskFull => "master-disk-full",
            Self::AllDisksFull => "all-disks-full",
            Self::ClockJumped => "clock-jumped",
            Self::LossyNetwork => "lossy-network",
            Self::SplitBrain => "split-brain",
            Self::Evicted => "evicted",
            Self::NodeDrained => "node-drained",
        }
    }

    /// The longest that a player may wait for an action, once the fault is detected.
    pub const fn bound(self) -> Duration {
        Duration::from_secs(match self {
            Self::PodKilled | Self::ProcessKilled | Self::PodFrozen | Self::Evicted | Self::NodeDrained => 3,
            Self::MasterKilled | Self::PartitionWrongSide | Self::PartitionRightSide => 10,
            Self::MasterDiskFull | Self::LossyNetwork => 10,
            // Sentinels wait eight seconds before they correct a replica that follows another master.
            Self::SplitBrain => 15,
            // Without a quorum the table cannot play; counted from the repair.
            Self::TwoStoresKilled | Self::AllStoresKilled | Self::AllDisksFull => 10,
            Self::GatewayKilled => 2,
            Self::None
            | Self::SentinelKilled
            | Self::SignerKilled
            | Self::ControllerKilled
            | Self::RecordsKilled
            | Self::PostgresKilled
            | Self::ApiServerAway
            | Self::LeaderKilled
            | Self::ClockJumped => 1,
        })
    }
}
