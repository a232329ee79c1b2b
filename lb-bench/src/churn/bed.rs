//! A small cluster with load on it, for what must not be noticed: changes, and floods.
//!
//! ```text
//!  n1, n2  agents, two tasks of service `web` each      c1  clients      c2  the flood
//! ```

use std::{
    net::{Ipv4Addr, SocketAddrV4},
    time::Duration,
};

use anyhow::{Context as _, Result};
use lb_testbed::{
    Cluster, ClusterFile, Host, Ns, Process, ServiceTable, Sessions, TaskTable, TcpSession,
    eventually,
};
use nix::sys::signal::Signal;

/// The published port.
pub(super) const PORT: u16 = 80;
/// What tasks listen on.
const TARGET: u16 = 8080;
/// How long the cluster may take to serve.
const PATIENCE: Duration = Duration::from_secs(60);
/// Nodes of the tasks.
const NODES: [&str; 4] = ["n1", "n2", "n1", "n2"];

/// The running cluster.
pub(super) struct Bed {
    cluster: Cluster,
    tasks: Vec<Ns>,
}

impl Bed {
    /// Makes it and waits until it serves.
    pub(super) fn build() -> Result<Self> {
        let cluster = Cluster::builder().nodes(2).clients(2).build()?;
        let names = 1..=NODES.len();
        let tasks: Vec<Ns> =
            names.map(|number| cluster.task_ns(&format!("t{number}"))).collect::<Result<_>>()?;
        let bed = Self { cluster, tasks };
        for (number, ns) in (1..).zip(&bed.tasks) {
            bed.cluster.start_whoami(&format!("web.{number}"), ns, &[TARGET])?;
        }
        bed.cluster.write_config(&bed.file(None))?;
        bed.cluster.start_agents()?;
        let opens =
            || Sessions::<TcpSession>::open(bed.client(), &bed.targets(), NODES.len() * 4).is_ok();
        eventually(PATIENCE, "answers of the small cluster", opens)?;
        Ok(bed)
    }

    /// The clients' namespace.
    pub(super) fn client(&self) -> &Ns {
        &self.cluster.clients()[0].ns
    }

    /// Where the flood comes from.
    pub(super) fn flooder(&self) -> &Host {
        &self.cluster.clients()[1]
    }

    /// The node that is flooded.
    pub(super) fn flooded(&self) -> &Host {
        self.cluster.node("n1")
    }

    /// The published port on both nodes.
    pub(super) fn targets(&self) -> [SocketAddrV4; 2] {
        ["n1", "n2"].map(|node| SocketAddrV4::new(self.cluster.address(node), PORT))
    }

    /// Runs a command line inside a namespace.
    pub(super) fn sh(&self, ns: &Ns, line: &str) -> Result<String> {
        self.cluster.sh_in(ns, line)
    }

    /// Has all nodes reach a subnet through the flooder, who throws away what comes.
    pub(super) fn swallow(&self, subnet: &str) -> Result<()> {
        let via: Ipv4Addr = self.flooder().address;
        let line = format!("ip route replace {subnet} via {via}");
        self.cluster.nodes().iter().try_for_each(|node| self.sh(&node.ns, &line).map(drop))
    }

    /// Has one task, or none, take no new flows; does not wait until the agents have done so.
    pub(super) fn drain(&self, task: Option<usize>) -> Result<()> {
        self.cluster.write_config(&self.file(task))?;
        self.agents()?.iter().try_for_each(|agent| agent.signal(Signal::SIGHUP))
    }

    /// Changes that the agent of the first node has put into force so far.
    pub(super) fn applied(&self) -> Result<usize> {
        Ok(self.agents()?.first().context("no agents")?.stdout_lines())
    }

    fn agents(&self) -> Result<Vec<Process>> {
        self.cluster.nodes().iter().map(|node| self.cluster.agent(&node.name)).collect()
    }

    fn file(&self, drained: Option<usize>) -> String {
        let task = |(number, ns): (usize, &Ns)| {
            let task = TaskTable::new(&format!("web.{}", number + 1), NODES[number], ns);
            task.weight(u16::from(drained != Some(number)))
        };
        let web = ServiceTable::new("web").publish(PORT, TARGET, "tcp");
        let web = self.tasks.iter().enumerate().map(task).fold(web, ServiceTable::task);
        ClusterFile::new(&self.cluster).service(web).to_string()
    }
}
