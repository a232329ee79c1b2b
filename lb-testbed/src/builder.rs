//! What a cluster shall look like, and its making.

use std::{env, fs, path::PathBuf};

use anyhow::{Result, ensure};

use crate::{
    cleanup,
    cluster::{Binaries, Cluster},
    names::Prefix,
    topology::{MOST_HOSTS, Plan},
};

/// Description of a cluster to be made by [`ClusterBuilder::build`].
#[derive(Clone, Debug)]
pub struct ClusterBuilder {
    nodes: u8,
    clients: u8,
    underlay_mtu_bytes: u32,
    routed: bool,
    keep: bool,
    swarmlb: Option<PathBuf>,
    testbed: Option<PathBuf>,
    object: Option<PathBuf>,
}

impl Default for ClusterBuilder {
    fn default() -> Self {
        Self {
            nodes: 3,
            clients: 1,
            underlay_mtu_bytes: 1500,
            routed: false,
            keep: false,
            swarmlb: None,
            testbed: None,
            object: None,
        }
    }
}

impl ClusterBuilder {
    /// Number of nodes `n1`, `n2`, ... (3).
    #[must_use]
    pub const fn nodes(mut self, nodes: u8) -> Self {
        self.nodes = nodes;
        self
    }

    /// Number of clients `c1`, `c2`, ... outside the cluster (1).
    #[must_use]
    pub const fn clients(mut self, clients: u8) -> Self {
        self.clients = clients;
        self
    }

    /// MTU between nodes, bytes (1500).
    #[must_use]
    pub const fn underlay_mtu(mut self, bytes: u32) -> Self {
        self.underlay_mtu_bytes = bytes;
        self
    }

    /// Puts a router between clients and nodes, so that the next hop towards a client is not the
    /// client itself.
    #[must_use]
    pub const fn client_behind_router(mut self) -> Self {
        self.routed = true;
        self
    }

    /// Leaves everything running at the end and prints how to look at it and remove it.
    #[must_use]
    pub const fn keep(mut self, keep: bool) -> Self {
        self.keep = keep;
        self
    }

    /// The `swarmlb` binary. Default: `$SWARMLB_BIN`, else beside this executable.
    #[must_use]
    pub fn swarmlb(mut self, path: impl Into<PathBuf>) -> Self {
        self.swarmlb = Some(path.into());
        self
    }

    /// The `testbed` binary. Default: `$TESTBED_BIN`, else beside this executable.
    #[must_use]
    pub fn testbed(mut self, path: impl Into<PathBuf>) -> Self {
        self.testbed = Some(path.into());
        self
    }

    /// BPF object for the agents instead of the one built into `swarmlb`.
    #[must_use]
    pub fn object(mut self, path: impl Into<PathBuf>) -> Self {
        self.object = Some(path.into());
        self
    }

    /// Removes leftovers of dead processes, then makes the cluster. It can ping when this returns.
    ///
    /// # Errors
    /// Not root, a tool is missing, or the kernel refuses. What was made so far is removed.
    pub fn build(self) -> Result<Cluster> {
        ensure!(nix::unistd::geteuid().is_root(), "a cluster of namespaces needs root");
        ensure!((1..=MOST_HOSTS).contains(&self.nodes), "1 to {MOST_HOSTS} nodes");
        ensure!(self.clients <= MOST_HOSTS, "at most {MOST_HOSTS} clients");
        if let Err(error) = cleanup::sweep() {
            // Somebody else's leftovers are no reason not to work.
            eprintln!("cannot remove leftovers of an earlier cluster: {error:#}");
        }
        let prefix = Prefix::next();
        let plan = self.plan(&prefix);
        fs::create_dir_all(prefix.dir())?;
        cleanup::write_owner(&prefix, self.keep)?;
        // From here on the cluster's Drop removes whatever was made.
        let cluster = Cluster::new(prefix, plan, self.binaries(), self.keep);
        cluster.make()?;
        Ok(cluster)
    }

    fn plan(&self, prefix: &Prefix) -> Plan {
        Plan::new(prefix, self.nodes, self.clients, self.underlay_mtu_bytes, self.routed)
    }

    fn binaries(&self) -> Binaries {
        let find = |given: &Option<PathBuf>, variable, name| {
            given.clone().or_else(|| find(variable, name))
        };
        Binaries {
            swarmlb: find(&self.swarmlb, "SWARMLB_BIN", "swarmlb"),
            testbed: find(&self.testbed, "TESTBED_BIN", "testbed"),
            object: self.object.clone(),
        }
    }
}

/// The binary named by the environment variable, else the one beside this executable or, as tests
/// run in `target/<profile>/deps`, one directory up.
fn find(variable: &str, name: &str) -> Option<PathBuf> {
    if let Some(path) = env::var_os(variable) {
        return Some(path.into());
    }
    let exe = env::current_exe().ok()?;
    exe.ancestors().skip(1).take(2).map(|dir| dir.join(name)).find(|path| path.is_file())
}
