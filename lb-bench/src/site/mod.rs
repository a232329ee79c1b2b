//! A cluster with everything that bulk transfers and requests are measured through: swarmlb on two
//! nodes, and beside it hosts that do the same by the kernel's own means or by a proxy.
//!
//! ```text
//!  n1, n2   agents; tasks `me`, `here` (n1), `there` (n2) in network `net`, published ports;
//!           task `direct` (n2), whose replies return directly
//!  c1, c2   the kernel's bridge and vxlan, a task on each
//!  c3       the client outside
//!  c4       nftables DNAT to a task behind it      c5  HAProxy and nginx stream, likewise
//!  c6       plain forwarding between two tasks     c7  a server without anything between
//! ```

mod hosts;
mod swarm;

use std::{
    net::{Ipv4Addr, SocketAddrV4, TcpStream},
    process::{Command, Output},
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};
use lb_testbed::{Cluster, Ns, eventually, in_ns};

pub use swarm::{PORT_HERE, PORT_THERE, PORT_THERE_DIRECT};

/// Port of what answers, in every task and on every host.
pub const SERVER: u16 = 8000;
/// HAProxy's port.
pub const HAPROXY: u16 = 8101;
/// nginx's as a proxy.
pub const NGINX: u16 = 8102;
/// How long a way may take until it carries a connection.
const PATIENCE: Duration = Duration::from_secs(60);

/// A running site.
#[derive(Debug)]
pub struct Site {
    cluster: Cluster,
    /// Offloads, for the report.
    pub notes: Vec<String>,
    tasks: swarm::Tasks,
    behind: hosts::Behind,
}

/// What answers in tasks and on hosts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Server {
    /// iperf3.
    Iperf,
    /// nginx.
    Http,
}

/// A way from somebody to a server.
#[derive(Clone, Debug)]
pub struct Way {
    /// Part of its figures' ids.
    pub id: &'static str,
    /// What it is.
    pub title: &'static str,
    /// Who dials.
    pub from: Ns,
    /// What is dialled.
    pub to: SocketAddrV4,
}

impl Site {
    /// Makes it, with `server` running everywhere.
    ///
    /// # Errors
    /// Not root, a program is missing, or a way carries nothing after a minute.
    pub fn build(server: Server) -> Result<Self> {
        let cluster = Cluster::builder().nodes(2).clients(7).build()?;
        let tasks = swarm::start(&cluster)?;
        let behind = hosts::make(&cluster)?;
        let own = [&tasks.here, &tasks.there, &tasks.there_direct];
        let servers = own.into_iter().chain(behind.servers());
        for ns in servers {
            hosts::serve(&cluster, ns, server)?;
        }
        hosts::proxies(&cluster)?;
        let notes = vec![offloads(&cluster)?];
        let site = Self { cluster, notes, tasks, behind };
        site.ways().iter().try_for_each(Way::wait)?;
        Ok(site)
    }

    /// All ways, whether or not a group measures them.
    #[must_use]
    pub fn ways(&self) -> Vec<Way> {
        let way = |id, title, from: &Ns, to: Ipv4Addr, port| Way {
            id,
            title,
            from: from.clone(),
            to: SocketAddrV4::new(to, port),
        };
        let host = |number: usize| &self.cluster.clients()[number - 1];
        let (client, node) = (&host(3).ns, self.cluster.address("n1"));
        let (me, behind) = (&self.tasks.me, &self.behind);
        vec![
            way("direct", "client to a server, nothing between", client, host(7).address, SERVER),
            way(
                "kernel-route",
                "task to task, kernel forwarding",
                &behind.routed.0,
                hosts::ROUTED,
                SERVER,
            ),
            way(
                "kernel-vxlan",
                "task to task across nodes, kernel bridge and vxlan",
                &behind.vxlan.0,
                hosts::VXLAN[1],
                SERVER,
            ),
            way("direct-local", "task to task here, swarmlb", me, swarm::HERE, SERVER),
            way("direct-remote", "task to task across nodes, swarmlb", me, swarm::THERE, SERVER),
            way("vip-local", "task to a VIP, task here", me, swarm::VIP_HERE, SERVER),
            way("vip-remote", "task to a VIP, task elsewhere", me, swarm::VIP_THERE, SERVER),
            way("mesh-local", "client to a published port, task here", client, node, PORT_HERE),
            way(
                "mesh-remote",
                "client to a published port, task elsewhere",
                client,
                node,
                PORT_THERE,
            ),
            way("mesh-direct", "the same, direct return", client, node, PORT_THERE_DIRECT),
            way(
                "nft-dnat",
                "client to a task behind nftables DNAT",
                client,
                host(4).address,
                SERVER,
            ),
            way(
                "haproxy",
                "client to a task behind HAProxy (tcp)",
                client,
                host(5).address,
                HAPROXY,
            ),
            way(
                "nginx-stream",
                "client to a task behind nginx (stream)",
                client,
                host(5).address,
                NGINX,
            ),
        ]
    }

    /// Runs a command where a way begins, and returns what it wrote.
    ///
    /// # Errors
    /// It fails.
    pub fn run(&self, way: &Way, command: Command) -> Result<String> {
        let shown = format!("{command:?}");
        let Output { status, stdout, stderr } = self.cluster.run_in(&way.from, command)?;
        let (out, error) = (String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr));
        ensure!(status.success(), "{}: {shown}: {status}: {error}{out}", way.id);
        Ok(out.into_owned())
    }
}

impl Way {
    /// Waits until it carries a connection.
    fn wait(&self) -> Result<()> {
        let connects = || {
            in_ns(&self.from, || {
                TcpStream::connect_timeout(&self.to.into(), Duration::from_secs(1)).is_ok()
            })
        };
        eventually(PATIENCE, self.title, || connects().unwrap_or(false))
            .with_context(|| format!("no connection by {} to {}", self.id, self.to))
    }
}

/// Offloads of the interfaces that count.
fn offloads(cluster: &Cluster) -> Result<String> {
    let shown = cluster.sh_in(&cluster.node("n1").ns, "ethtool -k eth0")?;
    let wanted = ["tx-checksumming", "tcp-segmentation-offload", "generic-receive-offload"];
    let lines: Vec<_> = shown
        .lines()
        .map(str::trim)
        .filter(|line| wanted.iter().any(|name| line.starts_with(name)))
        .collect();
    Ok(format!(
        "wires like a network's (bridge ports: tx off, gro on); nodes' NICs: {}",
        lines.join(", ")
    ))
}
