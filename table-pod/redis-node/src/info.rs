//! Reads the answer to `INFO replication`.

use crate::{
    decide::{Node, Role},
    options::Names,
};
use std::collections::HashMap;

/// A data node's report of its replication.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Info {
    pub role: Role,
    /// For a replica: connected to its master and in sync.
    pub link_up: bool,
    /// End of the replication stream, in bytes.
    pub offset: u64,
    /// Offsets that connected replicas have acknowledged.
    pub replicas: Vec<u64>,
}

impl Info {
    /// A role that is not named is silent.
    pub fn parse(text: &str, names: &Names) -> Self {
        let fields: HashMap<&str, &str> =
            text.lines().filter_map(|line| line.trim_end().split_once(':')).collect();
        let field = |name: &str| fields.get(name).copied();
        let number = |name: &str| field(name).and_then(|text| text.parse().ok()).unwrap_or(0);
        let of = || -> Option<Node> {
            let port: u16 = field("master_port")?.parse().ok()?;
            names.node(field("master_host")?).filter(|_| port == names.port)
        };
        let role = match field("role") {
            Some("master") => Role::Master,
            Some("slave") if field("slave_priority") == Some("0") => Role::Candidate { vote: of() },
            Some("slave") => Role::Replica { of: of() },
            _ => Role::Silent,
        };
        let acknowledged = |value: &str| {
            let online = value.contains("state=online");
            let offset = value.split(',').find_map(|part| part.strip_prefix("offset="))?.parse().ok();
            // A replica that is still receiving its first copy has nothing.
            Some(if online { offset? } else { 0 })
        };
        let replica = |(name, value): (&&str, &&str)| {
            let place = name.strip_prefix("slave")?;
            place.parse::<u32>().ok()?;
            acknowledged(value)
        };
        Self {
            role,
            link_up: field("master_link_status") == Some("up"),
            offset: if role == Role::Master {
                number("master_repl_offset")
            } else {
                number("slave_repl_offset")
            },
            replicas: fields.iter().filter_map(replica).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names() -> Names {
        Names { nodes: ["a", "b", "c"].map(str::to_owned).to_vec(), port: 6379 }
    }

    #[test]
    fn a_master_names_what_its_replicas_have() {
        let text = "# Replication\r\nrole:master\r\nconnected_slaves:3\r\n\
            slave0:ip=b,port=6379,state=online,offset=98,lag=0\r\n\
            slave1:ip=c,port=6379,state=online,offset=112,lag=1\r\n\
            slave2:ip=d,port=6379,state=wait_bgsave,offset=0,lag=0\r\n\
            master_failover_state:no-failover\r\nmaster_repl_offset:112\r\n";
        let mut info = Info::parse(text, &names());
        info.replicas.sort_unstable();
        let role = Role::Master;
        assert_eq!(info, Info { role, link_up: false, offset: 112, replicas: vec![0, 98, 112] });
    }

    #[test]
    fn a_candidate_is_a_replica_that_nobody_may_promote() {
        let slave = |host: &str, port: u16, priority: u8| {
            let text = format!(
                "role:slave\r\nmaster_host:{host}\r\nmaster_port:{port}\r\nmaster_link_status:down\r\n\
                 slave_repl_offset:7\r\nslave_priority:{priority}\r\nconnected_slaves:0\r\n"
            );
            Info::parse(&text, &names()).role
        };
        assert_eq!(slave("b", 6379, 100), Role::Replica { of: Some(Node(1)) });
        assert_eq!(slave("b", 6379, 0), Role::Candidate { vote: Some(Node(1)) });
        assert_eq!(slave("127.0.0.1", 1, 0), Role::Candidate { vote: None });
        assert_eq!(slave("a", 1, 0), Role::Candidate { vote: None }, "the port tells nowhere from a node");
        assert_eq!(slave("elsewhere", 6379, 100), Role::Replica { of: None });
        assert_eq!(Info::parse("", &names()), Info::default());
    }
}
