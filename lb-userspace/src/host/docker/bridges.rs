//! Bridges of containers that have no gateway leg: found by their names, and left as they are. The source
//! tells which ones there are; what is found gets a program and stands in the map `BRIDGES`.

use lb_common::bridge::Bridge;

use super::super::{Netlink, Result, netlink::Link};
use crate::model::DockerBridge;

/// Such a bridge as it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BridgeState {
    /// Its interface index.
    pub ifindex: u32,
    /// Its name.
    pub ifname: String,
    /// Its element of `BRIDGES`.
    pub element: Bridge,
}

/// Finds those of `wanted` that are there; one that is not yet, or no more, is no problem. `tunnel_mtu` is
/// the most that the tunnel carries, bytes.
///
/// # Errors
/// When the kernel refuses the question.
pub async fn bridges(
    node: &Netlink,
    wanted: &[DockerBridge],
    tunnel_mtu: u16,
) -> Result<Vec<BridgeState>> {
    if wanted.is_empty() {
        return Ok(Vec::new());
    }
    Ok(found(&node.links().await?, wanted, tunnel_mtu))
}

fn found(links: &[Link], wanted: &[DockerBridge], tunnel_mtu: u16) -> Vec<BridgeState> {
    let there = wanted.iter().filter_map(|bridge| {
        let is = |link: &&Link| link.name == bridge.interface && link.kind == "bridge";
        links.iter().find(is).map(|link| state(link, bridge, tunnel_mtu))
    });
    there.collect()
}

fn state(link: &Link, bridge: &DockerBridge, tunnel_mtu: u16) -> BridgeState {
    let mtu = link.mtu.try_into().unwrap_or(u16::MAX).min(tunnel_mtu);
    let (addr, mask) = (bridge.subnet.addr.octets(), bridge.subnet.mask());
    let element = Bridge { addr, mask, mtu, reserved: 0 };
    BridgeState { ifindex: link.ifindex, ifname: link.name.clone(), element }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Subnet;

    #[test]
    fn only_bridges_that_are_there_are_found() {
        let link = |ifindex, name: &str, kind: &str| Link {
            ifindex,
            name: name.into(),
            kind: kind.into(),
            mtu: 1500,
            ..Link::default()
        };
        let links =
            [link(3, "docker0", "bridge"), link(4, "br-1", "veth"), link(5, "br-2", "bridge")];
        let subnet = Subnet { addr: [172, 17, 0, 0].into(), prefix: 16 };
        let wanted =
            ["docker0", "br-1", "br-3"].map(|name| DockerBridge { interface: name.into(), subnet });
        let element =
            Bridge { addr: [172, 17, 0, 0], mask: [255, 255, 0, 0], mtu: 1450, reserved: 0 };
        let docker0 = BridgeState { ifindex: 3, ifname: "docker0".into(), element };
        assert_eq!(found(&links, &wanted, 1450), [docker0]);
    }
}
