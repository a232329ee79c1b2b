//! A running cluster with services, described by who runs where; its tasks are servers that say who
//! they are and whom they see.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    net::{Ipv4Addr, SocketAddrV4},
    time::Duration,
};

use anyhow::{Context as _, Result};
use lb_common::drops::Reason;
use lb_testbed::{Cluster, Ns, Server};
pub(super) use lb_testbed::{meet, meet_translated};
use lb_userspace::observe::Pins;

/// How long anything awaited may take on a busy machine.
pub(super) const PATIENCE: Duration = Duration::from_secs(60);
/// The port that [`web`] publishes, TCP and UDP.
pub(super) const PUBLISHED: u16 = 80;
/// The port that its tasks listen on.
pub(super) const TARGET: u16 = 8080;

/// A service of the cluster file.
#[derive(Clone, Debug)]
pub(super) struct Service {
    name: &'static str,
    options: String,
    tasks: Vec<(&'static str, u16)>,
    listens: &'static [u16],
}

/// The service `web` with a task on each of the nodes.
pub(super) fn web(nodes: &[&'static str]) -> Service {
    service("web", "", nodes)
        .publish(&[(PUBLISHED, TARGET, "tcp", "ingress"), (PUBLISHED, TARGET, "udp", "ingress")])
}

/// A service with further lines of its table, and a task on each of the nodes.
pub(super) fn service(name: &'static str, options: &str, nodes: &[&'static str]) -> Service {
    let tasks = nodes.iter().map(|node| (*node, 1)).collect();
    Service { name, options: format!("{options}\n"), tasks, listens: &[TARGET] }
}

impl Service {
    /// Ports: published, target, protocol, mode.
    pub(super) fn publish(mut self, ports: &[(u16, u16, &str, &str)]) -> Self {
        self.options += "publish = [\n";
        for (published, target, protocol, mode) in ports {
            let _ = writeln!(
                self.options,
                "  {{ published = {published}, target = {target}, protocol = \"{protocol}\", mode = \"{mode}\" }},"
            );
        }
        self.options += "]\n";
        self
    }

    /// Ports that the tasks' servers listen on.
    pub(super) fn listen(mut self, ports: &'static [u16]) -> Self {
        self.listens = ports;
        self
    }

    /// Weights of the tasks.
    pub(super) fn weights(mut self, weights: &[u16]) -> Self {
        self.tasks.iter_mut().zip(weights).for_each(|(task, weight)| task.1 = *weight);
        self
    }

    fn table(&self, cluster: &Cluster) -> String {
        let mut text = format!("[[service]]\nname = \"{}\"\n{}", self.name, self.options);
        for (at, (node, weight)) in self.tasks.iter().enumerate() {
            let _ = writeln!(
                text,
                "[[service.task]]\nname = \"{}\"\nnode = \"{node}\"\nnetns = \"{}\"\nweight = {weight}\nnumber = {}",
                self.task(at),
                cluster.prefix().name(&self.netns(at)),
                at + 1,
            );
        }
        text
    }

    /// Name of a task: `web.1` is the first.
    fn task(&self, at: usize) -> String {
        format!("{}.{}", self.name, at + 1)
    }

    fn netns(&self, at: usize) -> String {
        format!("{}-{}", self.name, at + 1)
    }
}

/// A running cluster of three nodes and two clients.
#[derive(Debug)]
pub(super) struct Bed {
    pub(super) cluster: Cluster,
    servers: BTreeMap<String, Server>,
}

impl Bed {
    /// Starts servers and agents.
    pub(super) fn new(services: &[Service]) -> Result<Self> {
        let mut bed = Self::without_tasks(services)?;
        services.iter().try_for_each(|service| bed.start_tasks(service))?;
        bed.cluster.start_agents()?;
        Ok(bed)
    }

    /// The same before any task's namespace exists and before any agent runs.
    pub(super) fn without_tasks(services: &[Service]) -> Result<Self> {
        let swarmlb = env!("CARGO_BIN_EXE_swarmlb");
        let cluster = Cluster::builder().nodes(3).clients(2).swarmlb(swarmlb).build()?;
        cluster.write_config(&config(&cluster, services))?;
        Ok(Self { cluster, servers: BTreeMap::new() })
    }

    /// Makes the namespaces of a service's tasks with their servers.
    pub(super) fn start_tasks(&mut self, service: &Service) -> Result<()> {
        for at in 0..service.tasks.len() {
            let ns = self.cluster.task_ns(&service.netns(at))?;
            let server = self.cluster.start_whoami(&service.task(at), &ns, service.listens)?;
            self.servers.insert(server.name.clone(), server);
        }
        Ok(())
    }

    /// Gives all agents other services with the same tasks.
    pub(super) fn apply(&self, services: &[Service]) -> Result<()> {
        self.cluster.apply_config(&config(&self.cluster, services))
    }

    /// A port of a node's own address.
    pub(super) fn at(&self, node: &str, port: u16) -> SocketAddrV4 {
        SocketAddrV4::new(self.cluster.address(node), port)
    }

    /// Network namespace of a node.
    pub(super) fn node(&self, node: &str) -> &Ns {
        &self.cluster.node(node).ns
    }

    /// Network namespace of the client.
    pub(super) fn client(&self) -> &Ns {
        &self.cluster.client().ns
    }

    /// The server in a task.
    pub(super) fn server(&self, task: &str) -> &Server {
        &self.servers[task]
    }

    /// Network namespace of a task.
    pub(super) fn task(&self, task: &str) -> &Ns {
        &self.server(task).ns
    }

    /// Address of a task's gateway leg.
    pub(super) fn leg(&self, task: &str) -> Result<Ipv4Addr> {
        self.word_after(task, "ip -4 route get 192.0.2.1", "src")
    }

    /// Address of the node on a task's gateway leg.
    pub(super) fn gateway(&self, task: &str) -> Result<Ipv4Addr> {
        self.word_after(task, "ip -4 route show default", "via")
    }

    fn word_after(&self, task: &str, line: &str, key: &str) -> Result<Ipv4Addr> {
        let text = self.cluster.sh_in(self.task(task), line)?;
        let mut words = text.split_whitespace().skip_while(|word| *word != key);
        let word = words.nth(1).with_context(|| format!("no {key} in {text}"))?;
        Ok(word.parse()?)
    }

    /// How often a node has dropped or refused for a reason.
    pub(super) fn dropped(&self, node: &str, reason: Reason) -> Result<u64> {
        let counts = Pins::open(&self.cluster.pin_root(node))?.drops()?;
        counts.get(reason as usize).copied().context("no such reason")
    }
}

fn config(cluster: &Cluster, services: &[Service]) -> String {
    let tables: String = services.iter().map(|service| service.table(cluster)).collect();
    format!("[cluster]\nseed = \"scenarios\"\n{}{tables}", cluster.node_tables())
}

/// A set of names.
pub(super) fn names<const N: usize>(names: [&str; N]) -> BTreeSet<String> {
    names.map(str::to_owned).into()
}
