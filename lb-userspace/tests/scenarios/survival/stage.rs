//! The stage of these scenarios: three nodes with agents, and one service `web` with a server per
//! task, published on ports 80 and 81, TCP and UDP. Tasks come and go as the cluster file says.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::{Ipv4Addr, SocketAddrV4},
    time::Duration,
};

use lb_testbed::{Cluster, Ns, Outcome, Server, dial};

use crate::common::{self, Links, cluster};

/// Ample for anything that takes a moment, also on a loaded machine.
pub(super) const AMPLE: Duration = Duration::from_secs(60);
/// Port of the tasks' servers.
const TARGET: u16 = 8080;

/// A task of the cluster file: name, node, weight (0 drains).
pub(super) type Task = (&'static str, &'static str, u16);

/// Six tasks, two a node.
pub(super) const SIX: [Task; 6] = [
    ("t1", "n1", 1),
    ("t2", "n2", 1),
    ("t3", "n3", 1),
    ("t4", "n1", 1),
    ("t5", "n2", 1),
    ("t6", "n3", 1),
];

/// The cluster with the servers of its tasks.
pub(super) struct Stage {
    pub(super) cluster: Cluster,
    servers: BTreeMap<&'static str, Server>,
}

impl Stage {
    /// A cluster whose service has these tasks, with all agents ready.
    pub(super) fn with(tasks: &[Task]) -> Self {
        let mut stage = Self::bare();
        let config = stage.prepare(tasks);
        stage.cluster.write_config(&config).expect("a cluster file");
        stage.cluster.start_agents().expect("agents");
        stage
    }

    /// A cluster without agents and tasks.
    pub(super) fn bare() -> Self {
        Self { cluster: cluster(), servers: BTreeMap::new() }
    }

    /// Starts the servers of tasks that have none yet and returns the cluster file for `tasks`.
    pub(super) fn prepare(&mut self, tasks: &[Task]) -> String {
        for (name, ..) in tasks {
            let (cluster, servers) = (&self.cluster, &mut self.servers);
            servers.entry(name).or_insert_with(|| {
                let ns = cluster.task_ns(name).expect("a namespace");
                cluster.start_whoami(name, &ns, &[TARGET]).expect("a server")
            });
        }
        self.config(tasks)
    }

    /// The cluster file for `tasks`.
    pub(super) fn config(&self, tasks: &[Task]) -> String {
        let table = |(name, node, weight): &Task| {
            let netns = self.ns(name);
            let netns = netns.name();
            format!(
                "[[service.task]]\nname = \"{name}\"\nnode = \"{node}\"\nnetns = \"{netns}\"\nweight = {weight}\n"
            )
        };
        let publish: Vec<String> = [(80, "tcp"), (80, "udp"), (81, "tcp"), (81, "udp")]
            .map(|(port, protocol)| {
                format!("{{ published = {port}, target = {TARGET}, protocol = \"{protocol}\" }}")
            })
            .into();
        let service = format!("[[service]]\nname = \"web\"\npublish = [{}]\n", publish.join(", "));
        let tasks: String = tasks.iter().map(table).collect();
        format!("{}{service}{tasks}", self.idle_config())
    }

    /// Makes the service have these tasks: servers first, then the file, until all agents are done.
    pub(super) fn change(&mut self, tasks: &[Task]) {
        let config = self.prepare(tasks);
        self.cluster.apply_config(&config).expect("the change");
    }

    /// The cluster file without any service.
    pub(super) fn idle_config(&self) -> String {
        format!("[cluster]\nseed = \"s\"\n{}", self.cluster.node_tables())
    }

    /// What each agent says to a cluster file.
    pub(super) fn offer(&self, config: &str) -> BTreeMap<String, Outcome> {
        self.cluster.offer_config(config).expect("an outcome")
    }

    /// The namespace of a task.
    pub(super) fn ns(&self, task: &str) -> Ns {
        Ns::named(self.cluster.prefix().name(task))
    }

    /// The client's namespace.
    pub(super) fn client(&self) -> &Ns {
        &self.cluster.client().ns
    }

    /// A published port at a node.
    pub(super) fn at(&self, node: &str, port: u16) -> SocketAddrV4 {
        SocketAddrV4::new(self.cluster.address(node), port)
    }

    /// Port 80 at all nodes.
    pub(super) fn everywhere(&self) -> Vec<SocketAddrV4> {
        self.cluster.nodes().iter().map(|node| SocketAddrV4::new(node.address, 80)).collect()
    }

    /// What `swarmlb` prints for a node, as JSON.
    pub(super) fn json(&self, node: &str, view: &str) -> serde_json::Value {
        common::json(&self.cluster, node, view).expect(view)
    }

    /// A counter of the service, summed over all nodes.
    pub(super) fn count(&self, counter: &str) -> u64 {
        let of = |node: &lb_testbed::Host| {
            let detail = self.json(&node.name, "service inspect web");
            detail["stats"][counter].as_u64().expect(counter)
        };
        self.cluster.nodes().iter().map(of).sum()
    }

    /// Whether a new connection is refused at once.
    pub(super) fn refuses(&self, to: SocketAddrV4) -> bool {
        let outcome = dial(self.client(), to, 0, AMPLE).expect("the client's namespace");
        outcome.is_err_and(|error| error.kind() == std::io::ErrorKind::ConnectionRefused)
    }

    /// A node's pinned links.
    pub(super) fn links(&self, node: &str) -> Links {
        common::links(&self.cluster, node).expect("links")
    }

    /// Names of a node's pinned links.
    pub(super) fn link_names(&self, node: &str) -> BTreeSet<String> {
        let dir = self.cluster.pin_root(node).join("v1/links");
        let names = std::fs::read_dir(dir).expect("pinned links").flatten();
        names.map(|name| name.file_name().to_string_lossy().into_owned()).collect()
    }
}

/// Insists that nothing failed.
pub(super) fn expect_none(failures: &[String]) {
    assert!(failures.is_empty(), "{} flows broke:\n{}", failures.len(), failures.join("\n"));
}

/// An address that any node may have, beside its own.
pub(super) const SHARED: Ipv4Addr = Ipv4Addr::new(198, 18, 0, 50);
