//! Where the programs run: a network namespace with a NIC and legs, whose indices contexts and device
//! maps name. No packet goes through them; the kernel asks their routes and neighbours.

use std::{fs, net::Ipv4Addr, process::Command};

use anyhow::{Context as _, Result, ensure};
use lb_common::addr::{Mac, V4};
use nix::{
    net::if_::if_nametoindex,
    sched::{CloneFlags, unshare},
};

/// The node.
pub const NODE: V4 = [198, 18, 0, 1];
/// Other nodes.
pub const PEERS: [V4; 2] = [[198, 18, 0, 2], [198, 18, 0, 3]];
/// Where legs meet.
pub const GATEWAY: V4 = [10, 231, 0, 1];
/// Next hop of all clients.
const ROUTER: V4 = [198, 18, 0, 254];
/// Clients' subnet.
const CLIENTS: &str = "198.19.0.0/16";
/// Ethernet address of the NIC.
pub const NIC_MAC: Mac = [2, 0, 198, 18, 0, 1];
/// Ethernet address of the router.
pub const ROUTER_MAC: Mac = [2, 0, 198, 18, 0, 254];

/// The interfaces' indices.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    /// Towards clients and other nodes.
    pub nic: u32,
    /// Node end of the task's gateway leg.
    pub leg: u32,
    /// Node ends of overlay legs: a client's, and a backend's.
    pub overlay: [u32; 2],
}

impl Place {
    /// Moves the calling thread into a new namespace and makes the interfaces there.
    ///
    /// # Errors
    /// Not root, or `ip` fails.
    pub fn make() -> Result<Self> {
        unshare(CloneFlags::CLONE_NEWNET).context("cannot make a network namespace (not root?)")?;
        for name in ["nic", "leg", "net-a", "net-b"] {
            ip(&format!("link add {name} type veth peer name {name}-peer"))?;
        }
        ip(&format!("link set nic address {}", mac(NIC_MAC)))?;
        for name in ["lo", "nic", "nic-peer", "leg", "leg-peer"] {
            ip(&format!("link set {name} up"))?;
        }
        let router = Ipv4Addr::from(ROUTER);
        ip(&format!("addr add {}/24 dev nic", Ipv4Addr::from(NODE)))?;
        ip(&format!("neigh add {router} lladdr {} dev nic nud permanent", mac(ROUTER_MAC)))?;
        ip(&format!("route add {CLIENTS} via {router} dev nic"))?;
        // `bpf_fib_lookup` knows no way for packets from interfaces that do not forward.
        fs::write("/proc/sys/net/ipv4/ip_forward", "1").context("cannot turn on forwarding")?;
        let index =
            |name: &str| if_nametoindex(name).with_context(|| format!("no interface {name}"));
        Ok(Self {
            nic: index("nic")?,
            leg: index("leg")?,
            overlay: [index("net-a")?, index("net-b")?],
        })
    }
}

/// As `ip` takes it.
pub fn mac(mac: Mac) -> String {
    mac.map(|byte| format!("{byte:02x}")).join(":")
}

fn ip(arguments: &str) -> Result<()> {
    let output = Command::new("ip").args(arguments.split(' ')).output().context("cannot run ip")?;
    let error = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "ip {arguments}: {error}");
    Ok(())
}
