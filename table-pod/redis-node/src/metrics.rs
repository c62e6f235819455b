//! Metrics of a data node.

use crate::decide::{Role, Step};
use prometheus::{IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry};

const ROLES: [&str; 4] = ["silent", "master", "replica", "candidate"];

#[derive(Clone)]
pub struct Metrics {
    role: IntGaugeVec,
    pub offset: IntGauge,
    pub link_up: IntGauge,
    pub disk_free: IntGauge,
    pub disk: IntGauge,
    pub nodes: IntGauge,
    pub writes_refused: IntGauge,
    steps: IntCounterVec,
    pub failed: IntCounter,
}

impl Metrics {
    /// # Errors
    /// Where the registry has one of the names already.
    pub fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        let gauge = |name: &str, help: &str| {
            let metric = IntGauge::new(name, help)?;
            registry.register(Box::new(metric.clone()))?;
            Ok::<_, prometheus::Error>(metric)
        };
        let role =
            IntGaugeVec::new(Opts::new("purr_redis_role", "1 for the role of the data node"), &["role"])?;
        registry.register(Box::new(role.clone()))?;
        let steps = IntCounterVec::new(
            Opts::new("purr_redis_steps_total", "What the supervisor has done, by step"),
            &["step"],
        )?;
        registry.register(Box::new(steps.clone()))?;
        let failed =
            IntCounter::new("purr_redis_steps_failed_total", "Steps that failed and are decided anew")?;
        registry.register(Box::new(failed.clone()))?;
        Ok(Self {
            role,
            offset: gauge("purr_redis_offset_bytes", "End of the replication stream that the node has")?,
            link_up: gauge("purr_redis_link_up", "1 where the node is the master or in step with it")?,
            disk_free: gauge("purr_redis_disk_free_bytes", "Room on the volume of the server's log")?,
            nodes: gauge("purr_redis_nodes", "Nodes that the group is made of")?,
            disk: gauge("purr_redis_disk_bytes", "Size of the volume of the server's log")?,
            writes_refused: gauge(
                "purr_redis_writes_refused",
                "1 while a master refuses writes because another node is a master, too",
            )?,
            steps,
            failed,
        })
    }

    pub fn set_role(&self, role: Role) {
        let now = match role {
            Role::Silent => "silent",
            Role::Master => "master",
            Role::Replica { .. } => "replica",
            Role::Candidate { .. } => "candidate",
        };
        for name in ROLES {
            self.role.with_label_values(&[name]).set(i64::from(name == now));
        }
    }

    pub fn count(&self, step: Step) {
        self.steps.with_label_values(&[step.name()]).inc();
    }
}
