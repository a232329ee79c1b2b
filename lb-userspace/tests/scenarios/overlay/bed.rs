//! Three nodes with agents and one overlay network, `net`. Addresses are given, so that tests can
//! name them: task number k of the file (from 0) is 10.50.0.(11 + k), service number k has the virtual
//! IP 10.50.0.(101 + k).

use std::{
    collections::{BTreeMap, BTreeSet},
    net::{Ipv4Addr, SocketAddrV4},
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};
use lb_common::drops::Reason;
use lb_testbed::{
    Cluster, ClusterFile, NetworkTable, Ns, Server, ServiceTable, Session, TaskTable, TcpSession,
    eventually, in_ns,
};
use lb_userspace::observe::Pins;

/// How long anything awaited may take on a busy machine.
pub(super) const PATIENCE: Duration = Duration::from_secs(60);
/// The network.
pub(super) const NET: &str = "net";
/// Its VNI.
pub(super) const VNI: u32 = 5001;
/// The port that all servers listen on, TCP and UDP.
pub(super) const PORT: u16 = 8080;

/// A running cluster.
#[derive(Debug)]
pub(super) struct Bed {
    pub(super) cluster: Cluster,
    pub(super) file: ClusterFile,
    servers: BTreeMap<String, Server>,
    plan: Plan,
    addresses: BTreeMap<String, Ipv4Addr>,
}

/// Gives a task, by its number and name, its address in a network; without one it gets its own.
pub(super) type Plan = fn(u8, &str) -> Option<(&'static str, Ipv4Addr)>;

/// A service of the network with tasks on these nodes.
pub(super) type Service = (&'static str, &'static [&'static str]);

impl Bed {
    /// Starts servers and agents, and waits until every task reaches every other one.
    pub(super) fn new(services: &[Service]) -> Result<Self> {
        let bed = Self::prepared(services)?;
        bed.start()?;
        bed.await_all()?;
        Ok(bed)
    }

    /// The same before any agent runs.
    pub(super) fn prepared(services: &[Service]) -> Result<Self> {
        let network = NetworkTable::new(NET).subnet("10.50.0.0/24", VNI);
        let vip =
            |at: usize| format!("{{ {NET} = \"{}\" }}", Ipv4Addr::new(10, 50, 0, 101 + at as u8));
        let table = |(at, (name, _)): (usize, &Service)| {
            ServiceTable::new(name).network(NET).key("vip", vip(at))
        };
        let tables = services.iter().enumerate().map(table).collect();
        let plan = |at, _: &str| Some((NET, Ipv4Addr::new(10, 50, 0, 11 + at)));
        Self::without_agents(vec![network], tables, services, plan)
    }

    /// Starts servers and agents with networks and services as given, without waiting.
    pub(super) fn with(
        networks: Vec<NetworkTable>,
        tables: Vec<ServiceTable>,
        services: &[Service],
        plan: Plan,
    ) -> Result<Self> {
        let bed = Self::without_agents(networks, tables, services, plan)?;
        bed.start()?;
        Ok(bed)
    }

    /// The same before any agent runs, so that the file can still be changed.
    pub(super) fn without_agents(
        networks: Vec<NetworkTable>,
        tables: Vec<ServiceTable>,
        services: &[Service],
        plan: Plan,
    ) -> Result<Self> {
        let swarmlb = env!("CARGO_BIN_EXE_swarmlb");
        let cluster = Cluster::builder().nodes(3).clients(2).swarmlb(swarmlb).build()?;
        let file = networks.into_iter().fold(ClusterFile::new(&cluster), ClusterFile::network);
        let file = tables.into_iter().fold(file, ClusterFile::service);
        let (servers, addresses) = (BTreeMap::new(), BTreeMap::new());
        let mut bed = Self { cluster, file, servers, plan, addresses };
        for (service, nodes) in services {
            nodes.iter().try_for_each(|node| bed.add_task(service, node))?;
        }
        Ok(bed)
    }

    /// Starts the agents with the file as it is now.
    pub(super) fn start(&self) -> Result<()> {
        self.cluster.write_config(&self.file.to_string())?;
        self.cluster.start_agents()
    }

    /// A further task: a namespace with a server in it, and a table in the file, which is not applied
    /// yet.
    pub(super) fn add_task(&mut self, service: &str, node: &str) -> Result<()> {
        let tasks = &mut self.file.service_mut(service).tasks;
        let name = format!("{service}.{}", tasks.len() + 1);
        let ns = self.cluster.task_ns(&name.replace('.', "-"))?;
        let mut table = TaskTable::new(&name, node, &ns);
        if let Some((network, address)) = (self.plan)(self.servers.len() as u8, &name) {
            table = table.address(network, address);
            self.addresses.insert(name.clone(), address);
        }
        tasks.push(table);
        let server = self.cluster.start_whoami(&name, &ns, &[PORT])?;
        self.servers.insert(name, server);
        Ok(())
    }

    /// From the next [`Bed::apply`] on, nodes wait so long for a task that is new elsewhere that its own
    /// node has made its legs by then, also on a busy machine: else the first connections to it are
    /// refused, as they should be when a task is not there.
    pub(super) fn hold_long(&mut self) {
        self.file = std::mem::take(&mut self.file).key("hold_ms", 3000);
    }

    /// Applies the file as it is now.
    pub(super) fn apply(&self) -> Result<()> {
        self.cluster.apply_config(&self.file.to_string())
    }

    /// Waits until every task reaches every other one.
    pub(super) fn await_all(&self) -> Result<()> {
        for from in self.servers.values() {
            for to in self.servers.keys() {
                let to = self.at(to);
                eventually(PATIENCE, &format!("{} to reach {to}", from.name), || {
                    TcpSession::open(&from.ns, to, 0).is_ok()
                })?;
            }
        }
        Ok(())
    }

    /// Address of a task as it was planned.
    pub(super) fn address(&self, task: &str) -> Ipv4Addr {
        self.addresses[task]
    }

    /// A task's server in the network.
    pub(super) fn at(&self, task: &str) -> SocketAddrV4 {
        SocketAddrV4::new(self.address(task), PORT)
    }

    /// The virtual IP of a service, at the servers' port.
    pub(super) fn vip(&self, service: &str) -> SocketAddrV4 {
        let at = self.file.services.iter().position(|table| table.name == service);
        let at = at.unwrap_or_else(|| panic!("no service {service}"));
        SocketAddrV4::new(Ipv4Addr::new(10, 50, 0, 101 + at as u8), PORT)
    }

    /// Names of all tasks that were ever there.
    pub(super) fn tasks(&self) -> impl Iterator<Item = &str> {
        self.servers.keys().map(String::as_str)
    }

    /// Network namespace of a task.
    pub(super) fn task(&self, task: &str) -> &Ns {
        &self.server(task).ns
    }

    /// The server in a task.
    pub(super) fn server(&self, task: &str) -> &Server {
        &self.servers[task]
    }

    /// How often a node has dropped or refused for a reason.
    pub(super) fn dropped(&self, node: &str, reason: Reason) -> Result<u64> {
        let counts = Pins::open(&self.cluster.pin_root(node))?.drops()?;
        counts.get(reason as usize).copied().context("no such reason")
    }

    /// Waits until a node has counted more than `before`.
    pub(super) fn await_drop(&self, node: &str, reason: Reason, before: u64) -> Result<()> {
        eventually(PATIENCE, &format!("{} counted on {node}", reason.slug()), || {
            self.dropped(node, reason).is_ok_and(|count| count > before)
        })
    }
}

/// Opens that many flows from a task, insists that each server saw the task's own address and port,
/// and returns who answered.
pub(super) fn meet<S: Session>(
    bed: &Bed,
    from: &str,
    to: SocketAddrV4,
    flows: u16,
) -> Result<BTreeSet<String>> {
    let own = bed.address(from);
    let one = |_| -> Result<String> {
        let flow = S::open_here(to, 0)?;
        let client = SocketAddrV4::new(own, flow.local().port());
        ensure!(flow.first().peer == Some(client), "{client}: {:?}", flow.first());
        Ok(flow.first().task_name().to_owned())
    };
    in_ns(bed.task(from), || (0..flows).map(one).collect::<Result<_>>())?
        .with_context(|| format!("{from} -> {to}"))
}

/// A set of names.
pub(super) fn names<const N: usize>(names: [&str; N]) -> BTreeSet<String> {
    names.map(str::to_owned).into()
}
