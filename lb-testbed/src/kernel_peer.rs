//! A node that is none of ours: the kernel's own vxlan device with what other overlays write into it
//! (static forwarding entries and neighbours), to see that frames mean the same to both sides.
//!
//! ```text
//!  host's namespace                        the peer task's namespace
//!  eth0 ── vx0 (vxlan) ── br0 ── leg ────── eth0 address, MAC 02:42 + address
//! ```

use std::{fmt::Write as _, net::Ipv4Addr};

use anyhow::Result;
use lb_common::{
    addr::{Mac, mac_of},
    wire::VXLAN_PORT,
};

use crate::{cluster::Cluster, ip, netns::Ns, topology::Host};

/// What the tunnel takes of the underlay's MTU, bytes: IPv4, UDP, VXLAN, Ethernet.
const TUNNEL_BYTES: u32 = 50;

/// A network as a [`KernelPeer`] joins it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KernelNetwork {
    /// VXLAN network identifier.
    pub vni: u32,
    /// Prefix length of its subnet.
    pub prefix: u8,
    /// UDP port of the tunnel.
    pub port: u16,
}

impl KernelNetwork {
    /// A network on the usual UDP port.
    #[must_use]
    pub const fn new(vni: u32, prefix: u8) -> Self {
        Self { vni, prefix, port: VXLAN_PORT }
    }
}

/// A host with the kernel's overlay, and one task on it.
#[derive(Clone, Debug)]
pub struct KernelPeer {
    /// Namespace of the host.
    pub host: Ns,
    /// Namespace of the task.
    pub task: Ns,
    /// The task's address.
    pub address: Ipv4Addr,
}

impl Cluster {
    /// Makes a host without agent (one of [`Cluster::clients`]) a node of an overlay network, with a
    /// task in a new namespace `name`. Its tasks and nodes have to be told to each other: the agents
    /// by the cluster file, the kernel by [`KernelPeer::learn`].
    ///
    /// # Errors
    /// The kernel has no vxlan, or the host is a peer already.
    pub fn kernel_peer(
        &self,
        host: &Host,
        name: &str,
        network: KernelNetwork,
        address: Ipv4Addr,
    ) -> Result<KernelPeer> {
        let task = self.task_ns(name)?;
        let peer = KernelPeer { host: host.ns.clone(), task, address };
        let mtu_bytes = self.underlay_mtu_bytes() - TUNNEL_BYTES;
        ip::batch(Some(&peer.host), &peer.host_lines(host.address, network, mtu_bytes))?;
        let prefix = network.prefix;
        let lines = format!("addr add {address}/{prefix} dev eth0\nlink set eth0 up\n");
        ip::batch(Some(&peer.task), &lines)?;
        Ok(peer)
    }
}

impl KernelPeer {
    /// Tells the kernel who has `address`: the task with that Ethernet address behind that node.
    /// Nothing is flooded or learnt, as in an overlay with a control plane.
    ///
    /// # Errors
    /// It knows already.
    pub fn learn(&self, address: Ipv4Addr, mac: Mac, node: Ipv4Addr) -> Result<()> {
        let mac = shown(mac);
        ip::bridge_batch(&self.host, &format!("fdb add {mac} dev vx0 dst {node}\n"))?;
        ip::batch(Some(&self.task), &format!("neigh add {address} lladdr {mac} dev eth0\n"))
    }

    /// Ethernet address of its task.
    #[must_use]
    pub fn mac(&self) -> Mac {
        mac_of(self.address.octets())
    }

    fn host_lines(&self, local: Ipv4Addr, network: KernelNetwork, mtu_bytes: u32) -> String {
        let KernelNetwork { vni, port, .. } = network;
        let (mut lines, mac, task) = (String::new(), shown(self.mac()), self.task.name());
        let plain = "stp_state 0 forward_delay 0 mcast_snooping 0";
        let _ = writeln!(lines, "link add br0 type bridge {plain}");
        let _ = writeln!(
            lines,
            "link add vx0 mtu {mtu_bytes} type vxlan id {vni} dstport {port} local {local} nolearning"
        );
        let _ = writeln!(
            lines,
            "link add leg mtu {mtu_bytes} type veth peer name eth0 mtu {mtu_bytes} address {mac} netns {task}"
        );
        lines.push_str("link set vx0 master br0\nlink set leg master br0\n");
        lines.push_str("link set br0 up\nlink set vx0 up\nlink set leg up\n");
        lines
    }
}

fn shown(mac: Mac) -> String {
    mac.map(|byte| format!("{byte:02x}")).join(":")
}
