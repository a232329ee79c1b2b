//! The part of a site that swarmlb serves.

use std::net::Ipv4Addr;

use anyhow::Result;
use lb_testbed::{Cluster, ClusterFile, NetworkTable, Ns, ServiceTable, TaskTable};

use super::SERVER;

/// Published, with a task on the dialled node.
pub const PORT_HERE: u16 = 8001;
/// Published, with a task on the other node.
pub const PORT_THERE: u16 = 8002;
/// The same with direct return.
pub const PORT_THERE_DIRECT: u16 = 8003;
/// Address of the task on the other node.
pub(super) const THERE: Ipv4Addr = Ipv4Addr::new(10, 60, 0, 13);
/// Virtual IPs.
pub(super) const VIP_HERE: Ipv4Addr = Ipv4Addr::new(10, 60, 0, 102);
pub(super) const VIP_THERE: Ipv4Addr = Ipv4Addr::new(10, 60, 0, 103);
/// Address of the task on the same node.
pub(super) const HERE: Ipv4Addr = Ipv4Addr::new(10, 60, 0, 12);
const ME: Ipv4Addr = Ipv4Addr::new(10, 60, 0, 11);
const NET: &str = "net";

/// Namespaces of the tasks.
#[derive(Debug)]
pub(super) struct Tasks {
    pub(super) me: Ns,
    pub(super) here: Ns,
    pub(super) there: Ns,
    pub(super) there_direct: Ns,
}

/// Makes the tasks and starts the agents.
pub(super) fn start(cluster: &Cluster) -> Result<Tasks> {
    let ns = |name| cluster.task_ns(name);
    let tasks = Tasks {
        me: ns("me")?,
        here: ns("here")?,
        there: ns("there")?,
        there_direct: ns("direct")?,
    };
    cluster.write_config(&file(cluster, &tasks).to_string())?;
    cluster.start_agents()?;
    Ok(tasks)
}

fn file(cluster: &Cluster, tasks: &Tasks) -> ClusterFile {
    let task = |name: &str, node, ns: &Ns, address: Ipv4Addr| {
        TaskTable::new(name, node, ns).address(NET, address)
    };
    let vip = |vip: Ipv4Addr| format!("{{ {NET} = \"{vip}\" }}");
    let service = |name: &str| ServiceTable::new(name).network(NET);
    let here = service("here").key("vip", vip(VIP_HERE)).publish(PORT_HERE, SERVER, "tcp");
    let there = service("there").key("vip", vip(VIP_THERE)).publish(PORT_THERE, SERVER, "tcp");
    let direct = ServiceTable::new("there-direct")
        .publish(PORT_THERE_DIRECT, SERVER, "tcp")
        .key("return", "\"direct\"");
    ClusterFile::new(cluster)
        .network(NetworkTable::new(NET).subnet("10.60.0.0/24", 5060))
        .service(service("me").task(task("me.1", "n1", &tasks.me, ME)))
        .service(here.task(task("here.1", "n1", &tasks.here, HERE)))
        .service(there.task(task("there.1", "n2", &tasks.there, THERE)))
        .service(direct.task(TaskTable::new("there-direct.1", "n2", &tasks.there_direct)))
}
