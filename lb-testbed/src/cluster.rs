//! A running cluster: its hosts, its processes, and its end.

use std::{
    fs,
    net::Ipv4Addr,
    path::{Path, PathBuf},
    sync::{Mutex, atomic::AtomicU32},
    thread,
};

use anyhow::Result;

use crate::{
    agent::Agents,
    builder::ClusterBuilder,
    cleanup, ip,
    names::Prefix,
    netns::Ns,
    process::Process,
    topology::{Host, Plan, prepare},
};

/// Programs that the cluster runs, as far as they were found.
#[derive(Clone, Debug)]
pub(crate) struct Binaries {
    pub(crate) swarmlb: Option<PathBuf>,
    pub(crate) testbed: Option<PathBuf>,
    pub(crate) object: Option<PathBuf>,
}

/// A cluster of nodes and clients in network namespaces. Dropping it, also in a panic, ends its
/// processes and removes its namespaces, pins and files.
#[derive(Debug)]
pub struct Cluster {
    prefix: Prefix,
    plan: Plan,
    pub(crate) binaries: Binaries,
    pub(crate) agents: Agents,
    pub(crate) keep: bool,
    pub(crate) processes: Mutex<Vec<Process>>,
    /// Files and processes numbered so far.
    pub(crate) numbered: AtomicU32,
}

impl Cluster {
    /// Starts the description of a cluster.
    #[must_use]
    pub fn builder() -> ClusterBuilder {
        ClusterBuilder::default()
    }

    pub(crate) fn new(prefix: Prefix, plan: Plan, binaries: Binaries, keep: bool) -> Self {
        let (agents, processes) = (Agents::default(), Mutex::default());
        Self { prefix, plan, binaries, agents, keep, processes, numbered: AtomicU32::new(0) }
    }

    pub(crate) fn make(&self) -> Result<()> {
        fs::create_dir_all(self.dir().join("log"))?;
        self.plan.make()
    }

    /// Removes what dead processes left behind; [`ClusterBuilder::build`] does so first.
    ///
    /// # Errors
    /// Something cannot be listed or removed.
    pub fn sweep() -> Result<()> {
        cleanup::sweep()
    }

    /// Prefix of all names of this cluster.
    #[must_use]
    pub const fn prefix(&self) -> &Prefix {
        &self.prefix
    }

    /// Directory for configuration, logs and captures; removed with the cluster.
    #[must_use]
    pub fn dir(&self) -> PathBuf {
        self.prefix.dir()
    }

    /// All nodes, `n1` first.
    #[must_use]
    pub fn nodes(&self) -> &[Host] {
        &self.plan.nodes
    }

    /// All clients, `c1` first.
    #[must_use]
    pub fn clients(&self) -> &[Host] {
        &self.plan.clients
    }

    /// The first client.
    ///
    /// # Panics
    /// The cluster was built without clients.
    #[must_use]
    pub fn client(&self) -> &Host {
        &self.plan.clients[0]
    }

    /// The node of that name, such as `n1`.
    ///
    /// # Panics
    /// There is none.
    #[must_use]
    pub fn node(&self, name: &str) -> &Host {
        let found = self.nodes().iter().find(|node| node.name == name);
        found.unwrap_or_else(|| panic!("the cluster has no node {name}"))
    }

    /// Data-path address of the node of that name.
    ///
    /// # Panics
    /// There is no such node.
    #[must_use]
    pub fn address(&self, node: &str) -> Ipv4Addr {
        self.node(node).address
    }

    /// Namespace of the bridge. Its ports are named as the hosts at their ends, and captures there
    /// see what is on the wire: XDP redirects bypass captures on a node's own `eth0`.
    #[must_use]
    pub const fn bridge_ns(&self) -> &Ns {
        &self.plan.bridge
    }

    /// Namespace of the router, if there is one.
    #[must_use]
    pub const fn router_ns(&self) -> Option<&Ns> {
        self.plan.router.as_ref()
    }

    /// MTU between the hosts, bytes.
    #[must_use]
    pub const fn underlay_mtu_bytes(&self) -> u32 {
        self.plan.mtu_bytes
    }

    /// Pin root of a node's agent.
    #[must_use]
    pub fn pin_root(&self, node: &str) -> PathBuf {
        self.prefix.pin_root(node)
    }

    /// Makes an empty namespace for a task; its name, for the cluster file, is `ns.name()`.
    ///
    /// # Errors
    /// It exists already.
    pub fn task_ns(&self, name: &str) -> Result<Ns> {
        let ns = Ns::named(self.prefix.name(name));
        ip::batch(None, &format!("netns add {}\n", ns.name()))?;
        prepare(&ns)?;
        Ok(ns)
    }

    /// Removes a task's namespace, as when the task ends. Processes inside live on unless ended.
    ///
    /// # Errors
    /// It does not exist.
    pub fn remove_ns(&self, ns: &Ns) -> Result<()> {
        ip::batch(None, &format!("netns del {}\n", ns.name()))
    }

    /// How to look at a kept cluster and how to remove it.
    #[must_use]
    pub fn how_to_poke(&self) -> String {
        let shown = |host: &Host| {
            let ns = host.ns.path();
            format!("  {:<3} {}: nsenter --net={} bash\n", host.name, host.address, ns.display())
        };
        let hosts: String = self.clients().iter().chain(self.nodes()).map(shown).collect();
        let testbed = self.binaries.testbed.as_deref().unwrap_or_else(|| Path::new("testbed"));
        format!(
            "The cluster {prefix} goes on running.\n{hosts}  files and logs: {dir}\n  \
             pins: ls {pins}*/v*/maps\n  remove it: {testbed} remove {prefix}\n",
            prefix = self.prefix,
            dir = self.dir().display(),
            pins = self.pin_root("").display(),
            testbed = testbed.display(),
        )
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if thread::panicking() {
            eprint!("{}", self.log_tails());
        }
        if self.keep {
            eprint!("{}", self.how_to_poke());
            return;
        }
        self.end_processes();
        if let Err(error) = cleanup::remove(&self.prefix) {
            eprintln!("cluster {} is not fully removed: {error:#}", self.prefix);
        }
    }
}
