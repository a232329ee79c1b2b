//! Where paths are tried: services with one task each, all on n2, one service per way of return.
//! Dialled at n2 a task is local, at n1 it is remote: four ways in all.

use std::{
    collections::BTreeSet,
    net::{Ipv4Addr, SocketAddrV4},
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};
use lb_testbed::{Cluster, ClusterBuilder, Ns, Server};
use lb_userspace::observe::{DropList, Pins};

/// Generous: the machine may be busy.
pub(super) const LIMIT: Duration = Duration::from_secs(60);
/// Port of the servers in the tasks.
pub(super) const TARGET: u16 = 8080;
/// Node that all tasks run on.
pub(super) const HOME: &str = "n2";

/// A way to a task and back: the node that is dialled, and the port, which stands for the service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Way {
    pub(super) node: &'static str,
    pub(super) port: u16,
}

/// Published port of the service that answers by the tunnel.
pub(super) const TUNNEL: u16 = 80;
/// Published port of the service that answers directly.
pub(super) const DIRECT: u16 = 90;
/// Added to the ports above: the same for tasks in which no server runs.
pub(super) const SILENT: u16 = 1000;

/// All four ways to tasks with a server.
pub(super) const WAYS: [Way; 4] = [
    Way { node: "n1", port: TUNNEL },
    Way { node: "n1", port: DIRECT },
    Way { node: "n2", port: TUNNEL },
    Way { node: "n2", port: DIRECT },
];

impl Way {
    /// The same way to a task without a server.
    pub(super) const fn silent(self) -> Self {
        Self { port: self.port + SILENT, ..self }
    }

    pub(super) fn is_local(self) -> bool {
        self.node == HOME
    }

    /// The node that gives replies to the client.
    pub(super) fn last(self) -> &'static str {
        if self.port % SILENT == TUNNEL { self.node } else { HOME }
    }

    const fn service(self) -> usize {
        (self.port / SILENT * 2 + (self.port % SILENT == DIRECT) as u16) as usize
    }
}

/// The cluster, its tasks' namespaces, and the servers that run in some of them.
pub(super) struct Site {
    pub(super) cluster: Cluster,
    tasks: Vec<Ns>,
    caller: Ns,
    servers: Vec<Server>,
}

/// Names, published ports and `return` of the services.
const SERVICES: [(&str, u16, &str); 4] = [
    ("tunnelled", TUNNEL, "tunnel"),
    ("direct", DIRECT, "direct"),
    ("silent-tunnelled", TUNNEL + SILENT, "tunnel"),
    ("silent-direct", DIRECT + SILENT, "direct"),
];

impl Site {
    /// Two nodes and a client.
    pub(super) fn new() -> Result<Self> {
        Self::on(Cluster::builder().nodes(2))
    }

    /// Agents, tasks and servers on a cluster of this kind.
    pub(super) fn on(builder: ClusterBuilder) -> Result<Self> {
        let cluster = builder.swarmlb(env!("CARGO_BIN_EXE_swarmlb")).build()?;
        let task = |(name, ..): &(&str, u16, &str)| cluster.task_ns(name);
        let tasks = SERVICES.iter().map(task).collect::<Result<Vec<_>>>()?;
        let caller = cluster.task_ns("caller")?;
        let server = |at: usize| cluster.start_whoami(SERVICES[at].0, &tasks[at], &[TARGET]);
        let servers = [0, 1].map(server).into_iter().collect::<Result<Vec<_>>>()?;
        let site = Self { cluster, tasks, caller, servers };
        site.cluster.write_config(&site.config())?;
        site.cluster.start_agents()?;
        Ok(site)
    }

    fn config(&self) -> String {
        let named = SERVICES.iter().zip(&self.tasks);
        let services = named.map(|((name, port, way), ns)| service(name, *port, way, ns));
        let caller =
            format!("[[service]]\nname = \"caller\"\n{}", task("caller", "n1", &self.caller));
        self.cluster.node_tables() + &services.collect::<String>() + &caller
    }

    pub(super) fn client(&self) -> &Ns {
        &self.cluster.client().ns
    }

    pub(super) fn client_address(&self) -> Ipv4Addr {
        self.cluster.client().address
    }

    /// What a client dials.
    pub(super) fn dialled(&self, way: Way) -> SocketAddrV4 {
        SocketAddrV4::new(self.cluster.address(way.node), way.port)
    }

    /// Namespace of the task that a way leads to.
    pub(super) fn task(&self, way: Way) -> &Ns {
        &self.tasks[way.service()]
    }

    /// Namespace of a task on the way's node, to dial from.
    pub(super) fn neighbour(&self, way: Way) -> &Ns {
        if way.is_local() { self.task(way.silent()) } else { &self.caller }
    }

    /// The server that a way leads to.
    pub(super) fn server(&self, way: Way) -> &Server {
        &self.servers[way.service()]
    }

    /// Address of a task's gateway leg, as the task has it.
    pub(super) fn leg_address(&self, way: Way) -> Result<Ipv4Addr> {
        let shown = self.cluster.sh_in(self.task(way), "ip -4 -o addr show dev gw0")?;
        let address = shown.split_whitespace().find_map(|word| word.strip_suffix("/32"));
        Ok(address.with_context(|| format!("no address in {shown}"))?.parse()?)
    }

    /// Makes a host forget path MTUs that it learnt.
    pub(super) fn forget_mtus(&self, ns: &Ns) -> Result<()> {
        self.cluster.sh_in(ns, "ip route flush cache").map(drop)
    }

    /// Makes a node forget the client's Ethernet address.
    pub(super) fn forget_client(&self, node: &str) -> Result<()> {
        let (node, client) = (&self.cluster.node(node).ns, self.client_address());
        self.cluster.sh_in(node, &format!("ip neigh flush {client} dev eth0"))?;
        let known = self.cluster.sh_in(node, &format!("ip neigh show {client}"))?;
        ensure!(!known.contains("lladdr"), "still known: {known}");
        Ok(())
    }

    /// How often a node dropped or refused for that reason.
    pub(super) fn drops(&self, node: &str, reason: &str) -> Result<u64> {
        let lines = self.all_drops(node)?.drops.into_iter();
        Ok(lines.filter(|line| line.reason == reason).map(|line| line.packets).sum())
    }

    fn all_drops(&self, node: &str) -> Result<DropList> {
        Ok(DropList::new(&Pins::open(&self.cluster.pin_root(node))?.drops()?, false))
    }

    /// Insists that no node dropped or refused anything but for these reasons.
    pub(super) fn expect_drops(&self, reasons: &[&str]) -> Result<()> {
        let expected = BTreeSet::from_iter(reasons);
        for node in self.cluster.nodes() {
            let drops = self.all_drops(&node.name)?.drops;
            let strange = drops.iter().find(|line| !expected.contains(&line.reason));
            ensure!(strange.is_none(), "{} dropped: {strange:?}", node.name);
        }
        Ok(())
    }
}

fn service(name: &str, published: u16, way: &str, ns: &Ns) -> String {
    let port = |protocol| {
        format!("{{ published = {published}, target = {TARGET}, protocol = \"{protocol}\" }}")
    };
    format!(
        "[[service]]\nname = \"{name}\"\nreturn = \"{way}\"\npublish = [{}, {}]\n{}",
        port("tcp"),
        port("udp"),
        task(name, HOME, ns)
    )
}

fn task(service: &str, node: &str, ns: &Ns) -> String {
    let ns = ns.name();
    format!("[[service.task]]\nname = \"{service}.1\"\nnode = \"{node}\"\nnetns = \"{ns}\"\n")
}
