//! What a Docker Engine made on this node, found and left as it is: the gateway legs of its containers.
//! Which containers there are comes from the source ([`DockerNode`]); states go into the map `LEGS`.
//!
//! Bridges of containers that have none are found in `bridges`. A leg's node end is a port of Docker's gateway bridge. The one change that is made is GRO at the
//! task end (`gro`), on record in the journal.

mod bridges;
pub(super) mod gro;

use std::collections::{BTreeMap, BTreeSet};

use lb_common::addr::Mac;

pub use bridges::{BridgeState, bridges};

use super::{HostError, Journal, Netlink, Result, legs::LegState, netlink::Link, netns::Namespace};
use crate::model::{DockerLeg, DockerNode};

/// The gateway legs of containers, as they were found last.
#[derive(Debug)]
pub struct DockerLegs {
    node: Netlink,
    /// By container.
    known: BTreeMap<String, Known>,
}

/// A leg that was looked at from inside the container, which need not be done again.
#[derive(Clone, Debug)]
struct Known {
    leg: DockerLeg,
    state: LegState,
    task_ifindex: u32,
}

/// The legs of a node after they were looked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FoundLegs {
    /// Legs that are there, by task; those of other containers by container.
    pub present: BTreeMap<String, LegState>,
    /// What could not be done, for people.
    pub problems: Vec<String>,
}

/// The gateway bridge and all interfaces of the node, asked for once a round.
struct Ground<'a> {
    bridge: &'a Link,
    host_mac: Mac,
    links: &'a [Link],
    mtu: u16,
}

impl DockerLegs {
    /// Looks in the namespace that `node` is connected to.
    #[must_use]
    pub fn new(node: Netlink) -> Self {
        Self { node, known: BTreeMap::new() }
    }

    /// Finds the legs that `docker` tells of; those whose container or interface is gone are not there,
    /// which is no problem. Only containers that are new or have changed are entered. `tunnel_mtu` is
    /// the most that the tunnel carries, bytes.
    pub async fn find(
        &mut self,
        docker: &DockerNode,
        tunnel_mtu: u16,
        journal: &mut Journal,
    ) -> FoundLegs {
        let mut found = FoundLegs::default();
        let links = match self.node.links().await {
            Ok(links) => links,
            Err(error) => return found.with(&error),
        };
        let bridge = links.iter().find(|link| link.name == docker.bridge);
        // Without a bridge there are no legs yet.
        if let Some((bridge, host_mac)) = bridge.and_then(|link| Some((link, link.mac?))) {
            let ground = Ground { bridge, host_mac, links: &links, mtu: tunnel_mtu };
            for leg in &docker.legs {
                match self.leg(leg, &ground, journal).await {
                    Ok(Some(state)) => {
                        let owner = leg.task.as_ref().unwrap_or(&leg.container);
                        found.present.insert(owner.clone(), state);
                    }
                    Ok(None) => {}
                    Err(error) => {
                        found.problems.push(format!("container {}: {error}", leg.container));
                    }
                }
            }
        }
        self.forget(docker, journal, &mut found);
        found
    }

    async fn leg(
        &mut self,
        leg: &DockerLeg,
        ground: &Ground<'_>,
        journal: &mut Journal,
    ) -> Result<Option<LegState>> {
        if let Some(known) = self.known.get(&leg.container).filter(|known| known.is(leg, ground)) {
            return Ok(Some(known.state.clone()));
        }
        let namespace = match Namespace::of_task(&leg.netns, &leg.container) {
            Err(error) if error.is_missing_namespace() => return Ok(None),
            namespace => namespace?,
        };
        let netns_id = self.node.ensure_netns_id(&namespace).await?;
        let Some(end) = node_end(ground, netns_id) else { return Ok(None) };
        let Some(task_ifindex) = end.peer_ifindex else { return Ok(None) };
        if !gro::enable(&namespace, task_ifindex, leg.mac, journal)? {
            return Ok(None);
        }
        let state = state(leg, end, netns_id, ground);
        let known = Known { leg: leg.clone(), state: state.clone(), task_ifindex };
        self.known.insert(leg.container.clone(), known);
        Ok(Some(state))
    }

    /// Restores what was set at legs that are no more.
    fn forget(&mut self, docker: &DockerNode, journal: &mut Journal, found: &mut FoundLegs) {
        let wanted: BTreeSet<&str> = docker.legs.iter().map(|leg| leg.container.as_str()).collect();
        self.known.retain(|container, _| wanted.contains(container.as_str()));
        let kept: BTreeSet<_> = docker.legs.iter().map(|leg| leg.netns.path()).collect();
        let restored = journal.restore_gro(|interface| kept.contains(&interface.netns));
        found.problems.extend(restored.err().map(|error| error.to_string()));
    }
}

impl Known {
    /// Whether `leg` is this one still: the same container's, on the same pair of interfaces.
    fn is(&self, leg: &DockerLeg, ground: &Ground<'_>) -> bool {
        let end = ground.links.iter().find(|link| link.ifindex == self.state.ifindex);
        self.leg == *leg
            && self.state.host_mac == ground.host_mac
            && self.state.mtu == end.map_or(0, |end| mtu(end, ground))
            && end.is_some_and(|end| is_port(end, ground, self.state.netns_id))
            && end.is_some_and(|end| end.peer_ifindex == Some(self.task_ifindex))
    }
}

/// The port of the gateway bridge whose other end is in the namespace with that id.
fn node_end<'a>(ground: &Ground<'a>, netns_id: i32) -> Option<&'a Link> {
    ground.links.iter().find(|link| is_port(link, ground, netns_id))
}

fn is_port(link: &Link, ground: &Ground<'_>, netns_id: i32) -> bool {
    link.kind == "veth"
        && link.master == Some(ground.bridge.ifindex)
        && link.peer_netns_id == Some(netns_id)
}

fn state(leg: &DockerLeg, end: &Link, netns_id: i32, ground: &Ground<'_>) -> LegState {
    LegState {
        ifindex: end.ifindex,
        ifname: end.name.clone(),
        addr: leg.addr,
        task_mac: leg.mac,
        host_mac: ground.host_mac,
        netns_id,
        mtu: mtu(end, ground),
    }
}

fn mtu(end: &Link, ground: &Ground<'_>) -> u16 {
    end.mtu.try_into().unwrap_or(u16::MAX).min(ground.mtu)
}

impl FoundLegs {
    fn with(mut self, error: &HostError) -> Self {
        self.problems.push(error.to_string());
        self
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;
    use crate::model::Netns;

    const BRIDGE_MAC: Mac = [2, 0x42, 1, 1, 1, 1];

    fn bridge() -> Link {
        let (name, kind) = ("docker_gwbridge".into(), "bridge".into());
        Link { ifindex: 3, name, kind, mac: Some(BRIDGE_MAC), ..Link::default() }
    }

    fn port(ifindex: u32, master: u32, netns_id: i32) -> Link {
        Link {
            ifindex,
            name: format!("veth{ifindex}"),
            kind: "veth".into(),
            mtu: 1500,
            master: Some(master),
            peer_ifindex: Some(9),
            peer_netns_id: Some(netns_id),
            ..Link::default()
        }
    }

    fn ground<'a>(bridge: &'a Link, links: &'a [Link]) -> Ground<'a> {
        Ground { bridge, host_mac: BRIDGE_MAC, links, mtu: 1450 }
    }

    fn leg() -> DockerLeg {
        DockerLeg {
            task: None,
            container: "c1".into(),
            addr: Ipv4Addr::new(172, 18, 0, 3),
            mac: [2, 0x42, 172, 18, 0, 3],
            netns: Netns::Path("/run/x".into()),
        }
    }

    #[test]
    fn the_node_end_is_the_bridges_port_towards_the_container() {
        let bridge = bridge();
        let links = [port(5, 2, 7), port(6, 3, 8), port(4, 3, 7)];
        let ground = ground(&bridge, &links);
        assert_eq!(node_end(&ground, 7).map(|link| link.ifindex), Some(4));
        assert_eq!(node_end(&ground, 1), None);
        let state = state(&leg(), &links[2], 7, &ground);
        assert_eq!((state.mtu, state.host_mac, state.netns_id), (1450, BRIDGE_MAC, 7));
    }

    #[test]
    fn a_leg_that_changed_is_looked_at_again() {
        let bridge = bridge();
        let links = [port(4, 3, 7)];
        let ground = ground(&bridge, &links);
        let state = state(&leg(), &links[0], 7, &ground);
        let known = Known { leg: leg(), state, task_ifindex: 9 };
        assert!(known.is(&leg(), &ground));
        assert!(!known.is(&DockerLeg { addr: Ipv4Addr::new(172, 18, 0, 4), ..leg() }, &ground));
        let gone = [port(5, 3, 7)];
        assert!(!known.is(&leg(), &Ground { links: &gone, ..ground }));
        let moved = [Link { peer_ifindex: Some(10), ..port(4, 3, 7) }];
        let ground = Ground { bridge: &bridge, host_mac: BRIDGE_MAC, links: &moved, mtu: 1450 };
        assert!(!known.is(&leg(), &ground));
    }
}
