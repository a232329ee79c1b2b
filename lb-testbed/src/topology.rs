//! The wires: nodes and clients with a veth `eth0` each into a bridge in a namespace of its own.
//! Everything is planned as text first and made by a handful of `ip -batch` runs.
//!
//! ```text
//!  n1 eth0 ── n1 ┐                         c1 eth0 ── c1 (bridge)          198.18.0.0/24
//!  n2 eth0 ── n2 ┤ br0                  or, behind a router,
//!  n3 eth0 ── n3 ┘ (bridge namespace)      r eth0 ── r (bridge), r c1 ── c1 eth0  198.18.K.0/24
//! ```
//!
//! Frames between nodes must look as on a wire: XDP sees no partial checksums and no
//! super-packets. So bridge ports have `tx off`; `gro on` gives them NAPI, without which a veth
//! drops what XDP redirected out of its peer. The nodes' own ends keep all their offloads.

use std::{fmt::Write as _, fs, net::Ipv4Addr, path::Path};

use anyhow::Result;

use crate::{
    ip,
    names::Prefix,
    netns::{Ns, in_ns},
};

/// Prefix length of the underlay and of the links to clients behind the router.
const PREFIX_LEN: u8 = 24;
/// Last octet of the first client; nodes count from 1.
const FIRST_CLIENT: u8 = 101;
/// Last octet of the router on each of its subnets.
const ROUTER: u8 = 254;
/// Most nodes, and most clients, of a cluster.
pub(crate) const MOST_HOSTS: u8 = 99;

/// A node or a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Host {
    /// Short name: `n1` or `c1`.
    pub name: String,
    /// Address of its `eth0`.
    pub address: Ipv4Addr,
    /// Default gateway: the router, when there is one.
    pub gateway: Option<Ipv4Addr>,
    /// Its namespace.
    pub ns: Ns,
}

/// What to build.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Plan {
    pub(crate) nodes: Vec<Host>,
    pub(crate) clients: Vec<Host>,
    pub(crate) bridge: Ns,
    pub(crate) router: Option<Ns>,
    pub(crate) mtu_bytes: u32,
}

impl Plan {
    pub(crate) fn new(
        prefix: &Prefix,
        nodes: u8,
        clients: u8,
        mtu_bytes: u32,
        routed: bool,
    ) -> Self {
        let ns = |part: &str| Ns::named(prefix.name(part));
        let gateway = |subnet| routed.then(|| underlay(subnet, ROUTER));
        let node = |i: u8| host(format!("n{i}"), underlay(0, i), gateway(0), ns);
        let client = |i: u8| {
            let subnet = if routed { i } else { 0 };
            let address = underlay(subnet, FIRST_CLIENT - 1 + i);
            host(format!("c{i}"), address, gateway(subnet), ns)
        };
        Self {
            nodes: (1..=nodes).map(node).collect(),
            clients: (1..=clients).map(client).collect(),
            bridge: ns("br"),
            router: routed.then(|| ns("r")),
            mtu_bytes,
        }
    }

    /// Makes it all.
    ///
    /// # Errors
    /// A command fails; what was made so far stays for the caller to remove.
    pub(crate) fn make(&self) -> Result<()> {
        ip::batch(None, &self.links())?;
        self.namespaces().try_for_each(prepare)?;
        ip::batch(Some(&self.bridge), &self.bridge_ports())?;
        self.ports()
            .try_for_each(|port| ip::offloads(&self.bridge, port, &["tx", "off", "gro", "on"]))?;
        if let Some(router) = &self.router {
            in_ns(router, || fs::write("/proc/sys/net/ipv4/ip_forward", "1"))??;
            ip::batch(Some(router), &self.router_lines())?;
        }
        self.hosts().try_for_each(|host| ip::batch(Some(&host.ns), &host_lines(host)))
    }

    fn hosts(&self) -> impl Iterator<Item = &Host> {
        self.nodes.iter().chain(&self.clients)
    }

    fn namespaces(&self) -> impl Iterator<Item = &Ns> {
        self.hosts().map(|host| &host.ns).chain([&self.bridge]).chain(&self.router)
    }

    /// Names of the bridge's ports.
    fn ports(&self) -> impl Iterator<Item = &str> {
        let clients = if self.router.is_some() { &[][..] } else { &self.clients };
        let hosts = self.nodes.iter().chain(clients).map(|host| host.name.as_str());
        hosts.chain(self.router.iter().map(|_| "r"))
    }

    /// Namespaces, the bridge, and all veths, each end made where it belongs.
    fn links(&self) -> String {
        let mut lines = String::new();
        for ns in self.namespaces() {
            let _ = writeln!(lines, "netns add {}", ns.name());
        }
        let _ = writeln!(
            lines,
            "link add br0 netns {} type bridge stp_state 0 forward_delay 0 mcast_snooping 0",
            self.bridge.name()
        );
        let far = self.router.as_ref().unwrap_or(&self.bridge);
        self.nodes
            .iter()
            .for_each(|node| self.veth(&mut lines, &node.ns, &self.bridge, &node.name));
        self.clients.iter().for_each(|client| self.veth(&mut lines, &client.ns, far, &client.name));
        if let Some(router) = &self.router {
            self.veth(&mut lines, router, &self.bridge, "r");
        }
        lines
    }

    fn veth(&self, lines: &mut String, ns: &Ns, far: &Ns, far_name: &str) {
        let mtu = self.mtu_bytes;
        let _ = writeln!(
            lines,
            "link add eth0 mtu {mtu} netns {} type veth peer name {far_name} mtu {mtu} netns {}",
            ns.name(),
            far.name()
        );
    }

    fn bridge_ports(&self) -> String {
        let mut lines = format!("link set br0 mtu {} up\n", self.mtu_bytes);
        for port in self.ports() {
            let _ = writeln!(lines, "link set {port} master br0 up");
        }
        lines
    }

    fn router_lines(&self) -> String {
        let mut lines = format!("addr add {}/{PREFIX_LEN} dev eth0\n", underlay(0, ROUTER));
        lines.push_str("link set eth0 up\n");
        for client in &self.clients {
            let (name, gateway) = (&client.name, client.gateway.unwrap_or(client.address));
            let _ = writeln!(lines, "addr add {gateway}/{PREFIX_LEN} dev {name}");
            let _ = writeln!(lines, "link set {name} up");
        }
        lines
    }
}

/// Brings `lo` up and IPv6, whose multicast is noise in captures and counters, down. Done before
/// any link is up.
pub(crate) fn prepare(ns: &Ns) -> Result<()> {
    in_ns(ns, || -> Result<()> {
        for conf in ["all", "default"] {
            let path = format!("/proc/sys/net/ipv6/conf/{conf}/disable_ipv6");
            if Path::new(&path).exists() {
                fs::write(path, "1")?;
            }
        }
        Ok(())
    })??;
    ip::batch(Some(ns), "link set lo up\n")
}

fn host(
    name: String,
    address: Ipv4Addr,
    gateway: Option<Ipv4Addr>,
    ns: impl Fn(&str) -> Ns,
) -> Host {
    let ns = ns(&name);
    Host { name, address, gateway, ns }
}

fn host_lines(host: &Host) -> String {
    let mut lines = format!("addr add {}/{PREFIX_LEN} dev eth0\nlink set eth0 up\n", host.address);
    if let Some(gateway) = host.gateway {
        let _ = writeln!(lines, "route add default via {gateway}");
    }
    lines
}

/// Addresses lie in 198.18.0.0/15, the range reserved for benchmarks. Each cluster uses the same:
/// its bridge is in a namespace of its own.
const fn underlay(subnet: u8, host: u8) -> Ipv4Addr {
    Ipv4Addr::new(198, 18, subnet, host)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(routed: bool) -> Plan {
        Plan::new(&Prefix::of("slbt1-0").unwrap(), 2, 1, 1500, routed)
    }

    #[test]
    fn clients_share_the_underlay_unless_a_router_stands_between() {
        assert_eq!(plan(false).clients[0].address, Ipv4Addr::new(198, 18, 0, 101));
        assert_eq!(plan(false).nodes[0].gateway, None);
        assert_eq!(plan(true).clients[0].address, Ipv4Addr::new(198, 18, 1, 101));
        assert_eq!(plan(true).nodes[1].gateway, Some(Ipv4Addr::new(198, 18, 0, 254)));
    }

    #[test]
    fn bridge_has_the_router_in_place_of_clients() {
        assert_eq!(plan(false).ports().collect::<Vec<_>>(), ["n1", "n2", "c1"]);
        assert_eq!(plan(true).ports().collect::<Vec<_>>(), ["n1", "n2", "r"]);
    }

    #[test]
    fn no_interface_is_made_outside_the_cluster() {
        let links = plan(true).links();
        let made = links.lines().filter(|line| line.starts_with("link add"));
        made.for_each(|line| assert!(line.contains(" netns slbt1-0-"), "{line}"));
    }
}
