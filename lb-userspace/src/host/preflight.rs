//! Whether this node can carry the data plane: asked by `check` and by the agent before it touches
//! anything. Each problem comes with its fix.

mod system;

use std::{fmt, net::Ipv4Addr};

pub use system::{cgroup2_root, is_bpffs, system};

use super::{
    Netlink, Result,
    mtu::TUNNEL_OVERHEAD_BYTES,
    netlink::Link,
    network::{self, Interface},
};

/// Least MTU of an underlay: tasks keep 1280 bytes, what IPv6 asks of every link (RFC 8200,
/// section 5), so that the tunnel stays fit for it.
pub const MIN_UNDERLAY_MTU: u32 = 1280 + TUNNEL_OVERHEAD_BYTES as u32;

/// Something that keeps the data plane from working here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// What was found.
    pub what: String,
    /// What to do about it.
    pub fix: String,
}

impl Problem {
    fn new(what: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { what: what.into(), fix: fix.into() }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; {}", self.what, self.fix)
    }
}

/// What keeps the node's interfaces from carrying the data plane: `addr` must be on one of them,
/// and those named (where none is named, that one) must exist, be up, be Ethernet, be wide enough
/// and be free of XDP programs other than `own_programs` (kernel ids).
///
/// # Errors
/// When the kernel refuses the questions.
pub async fn interfaces(
    netlink: &Netlink,
    addr: Ipv4Addr,
    names: &[String],
    own_programs: &[u32],
) -> Result<Vec<Problem>> {
    let all = network::interfaces(netlink).await?;
    let carrier = all.iter().find(|found| found.addresses.iter().any(|(own, _)| *own == addr));
    let mut problems = Vec::new();
    if carrier.is_none() {
        problems.push(no_carrier(addr));
    }
    let fallback = carrier.filter(|_| names.is_empty()).map(|found| &found.link.name);
    for name in names.iter().chain(fallback) {
        match all.iter().find(|found| found.link.name == *name) {
            Some(found) => problems.extend(interface(&found.link, own_programs)),
            None => problems.push(no_interface(name, &all)),
        }
    }
    Ok(problems)
}

fn no_carrier(addr: Ipv4Addr) -> Problem {
    Problem::new(
        format!("no interface of this node carries {addr}"),
        "give the node's own address in the cluster file, or add it to an interface",
    )
}

fn no_interface(name: &str, all: &[Interface]) -> Problem {
    let names: Vec<_> = all.iter().map(|found| found.link.name.as_str()).collect();
    Problem::new(
        format!("there is no interface {name}"),
        format!("name one of: {}", names.join(", ")),
    )
}

fn interface(link: &Link, own_programs: &[u32]) -> Vec<Problem> {
    let name = &link.name;
    let mut problems = Vec::new();
    if !link.up {
        let fix = format!("set it up: ip link set {name} up");
        problems.push(Problem::new(format!("interface {name} is down"), fix));
    }
    if link.mac.is_none() || link.loopback {
        let fix = "name an Ethernet interface of the node";
        problems.push(Problem::new(format!("interface {name} is no Ethernet interface"), fix));
    }
    if link.mtu < MIN_UNDERLAY_MTU {
        let fix = format!("set at least {MIN_UNDERLAY_MTU}: ip link set {name} mtu 1500");
        problems.push(Problem::new(format!("interface {name} has MTU {}", link.mtu), fix));
    }
    problems.extend(foreign_xdp(link, own_programs));
    problems
}

fn foreign_xdp(link: &Link, own_programs: &[u32]) -> Option<Problem> {
    let id = link.xdp_program.filter(|id| !own_programs.contains(id))?;
    let name = &link.name;
    Some(Problem::new(
        format!("interface {name} carries another XDP program (id {id}), and only one fits"),
        format!(
            "see whose it is (bpftool prog show id {id}) and remove it: ip link set {name} xdp off"
        ),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nic() -> Link {
        Link {
            name: "eth0".into(),
            mtu: 1500,
            mac: Some([2, 0, 0, 0, 0, 1]),
            up: true,
            ..Link::default()
        }
    }

    #[test]
    fn a_fit_interface_has_no_problem() {
        assert_eq!(interface(&nic(), &[]), []);
        assert_eq!(interface(&Link { xdp_program: Some(7), ..nic() }, &[7]), []);
    }

    #[test]
    fn each_fault_is_told_with_its_fix() {
        let faults = [
            (Link { up: false, ..nic() }, "ip link set eth0 up"),
            (Link { mac: None, ..nic() }, "Ethernet"),
            (Link { mtu: 1300, ..nic() }, "1330"),
            (Link { xdp_program: Some(7), ..nic() }, "ip link set eth0 xdp off"),
        ];
        for (link, told) in faults {
            let problems = interface(&link, &[8]);
            assert_eq!(problems.len(), 1, "{problems:?}");
            assert!(problems[0].to_string().contains(told), "{}", problems[0]);
        }
    }
}
