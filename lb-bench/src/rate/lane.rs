//! Nameless network namespaces, and a node with a wire in and a wire out.
//!
//! ```text
//!  generator: g-LANE ── l0 node l1 ── s-LANE: receiver
//!                          leg ── t-LANE
//! ```

use std::{
    fs::{self, File},
    os::fd::AsRawFd as _,
    process::{self, Command},
};

use anyhow::{Context as _, Result, ensure};
use nix::{
    net::if_::if_nametoindex,
    sched::{CloneFlags, setns, unshare},
};

use crate::packet::place::{NIC_MAC, ROUTER_MAC, mac};

/// A network namespace that lives as long as this value.
#[derive(Debug)]
pub(super) struct Space(File);

impl Space {
    /// A new one, in which the calling thread then is.
    pub(super) fn make() -> Result<Self> {
        unshare(CloneFlags::CLONE_NEWNET).context("cannot make a network namespace (not root?)")?;
        ip("link set lo up")?;
        // Neighbour discovery is noise in counters.
        fs::write("/proc/sys/net/ipv6/conf/default/disable_ipv6", "1").ok();
        Ok(Self(File::open("/proc/thread-self/ns/net")?))
    }

    /// Moves the calling thread there.
    pub(super) fn enter(&self) -> Result<()> {
        setns(&self.0, CloneFlags::CLONE_NEWNET).context("cannot enter a network namespace")
    }

    /// A path for `ip`, which runs in another process.
    fn path(&self) -> String {
        format!("/proc/{}/fd/{}", process::id(), self.0.as_raw_fd())
    }
}

/// Where all lanes begin and end.
#[derive(Debug)]
pub(super) struct Ends {
    /// Generators' ends.
    pub(super) generator: Space,
    /// Receivers' ends.
    pub(super) receiver: Space,
}

impl Ends {
    pub(super) fn make() -> Result<Self> {
        Ok(Self { generator: Space::make()?, receiver: Space::make()? })
    }
}

/// A node between generator and receiver.
#[derive(Debug)]
pub(super) struct Lane {
    /// The node's namespace.
    pub(super) node: Space,
    /// The generator's end of the wire in.
    pub(super) generator: u32,
    /// The task's end of its leg.
    pub(super) task: u32,
    /// The node's ends: out, and the leg.
    pub(super) out: u32,
    pub(super) leg: u32,
    name: &'static str,
}

impl Lane {
    /// Makes it; the calling thread is in the node's namespace then.
    pub(super) fn make(ends: &Ends, name: &'static str) -> Result<Self> {
        let node = Space::make()?;
        for (own, space, far) in [
            ("l0", &ends.generator, "g"),
            ("l1", &ends.receiver, "s"),
            ("leg", &ends.receiver, "t"),
        ] {
            ip(&format!("link add {own} type veth peer name {far}-{name} netns {}", space.path()))?;
            // NAPI, without which a veth drops what XDP sends to it.
            ethtool(&format!("-K {own} gro on"))?;
        }
        ip(&format!("link set l0 address {}", mac(NIC_MAC)))?;
        ip("addr add 198.18.0.1/24 dev l0")?;
        ip("addr add 198.18.9.1/24 dev l1")?;
        for own in ["l0", "l1", "leg"] {
            ip(&format!("link set {own} up"))?;
        }
        ip(&format!("neigh add 198.18.9.254 lladdr {} dev l1 nud permanent", mac(ROUTER_MAC)))?;
        ip("route add 203.0.113.0/24 via 198.18.9.254 dev l1")?;
        fs::write("/proc/sys/net/ipv4/ip_forward", "1")?;
        for conf in ["all", "l0"] {
            fs::write(format!("/proc/sys/net/ipv4/conf/{conf}/rp_filter"), "0")?;
        }
        let (out, leg) = (index("l1")?, index("leg")?);
        let generator = up(&ends.generator, &format!("g-{name}"))?;
        up(&ends.receiver, &format!("s-{name}"))?;
        let task = up(&ends.receiver, &format!("t-{name}"))?;
        node.enter()?;
        Ok(Self { node, generator, task, out, leg, name })
    }

    /// Names of the receiver's ends.
    pub(super) fn far(&self) -> [String; 2] {
        ["s", "t"].map(|end| format!("{end}-{}", self.name))
    }
}

fn up(space: &Space, name: &str) -> Result<u32> {
    space.enter()?;
    ip(&format!("link set {name} up"))?;
    index(name)
}

fn index(name: &str) -> Result<u32> {
    if_nametoindex(name).with_context(|| format!("no interface {name}"))
}

/// Runs `ip` in the calling thread's namespace.
pub(super) fn ip(arguments: &str) -> Result<()> {
    run("ip", arguments.split(' '))
}

fn ethtool(arguments: &str) -> Result<()> {
    run("ethtool", arguments.split(' '))
}

/// Has nftables take a script.
pub(super) fn nft(script: &str) -> Result<()> {
    run("nft", [script])
}

/// Runs a program in the calling thread's namespace.
pub(super) fn run<'a>(program: &str, arguments: impl IntoIterator<Item = &'a str>) -> Result<()> {
    let mut command = Command::new(program);
    command.args(arguments);
    let output = command.output().with_context(|| format!("cannot run {program}"))?;
    ensure!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}
