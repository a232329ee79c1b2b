//! The node's interfaces as the agent needs them: which ones are its NICs, which carry programs,
//! which may be sent to.
use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use lb_common::{addr::V4, leg::Leg};

use super::{
    AgentError,
    attach::{Interfaces, Role},
    hops::Hops,
};
use crate::{
    compile::LocalLegs,
    host::{
        Netlink,
        docker::BridgeState,
        legs::LegState,
        network::{self, Interface},
        overlay::{OverlayState, Owner},
        preflight,
    },
    model::Node,
    observe,
};

/// The interfaces that the file names, or the one that carries the node's address; all of them fit
/// to carry the data plane.
pub(super) async fn nics(
    netlink: &Netlink,
    node: &Node,
    pin_root: &Path,
) -> Result<Vec<Interface>, AgentError> {
    let own = own_programs(pin_root)?;
    let problems = preflight::interfaces(netlink, node.address, &node.interfaces, &own).await?;
    if !problems.is_empty() {
        return Err(AgentError::Unfit { node: node.name.clone(), problems });
    }
    let all = network::interfaces(netlink).await?.into_iter();
    let carries = |nic: &Interface| nic.addresses.iter().any(|(addr, _)| *addr == node.address);
    let named = |nic: &Interface| node.interfaces.contains(&nic.link.name);
    let by_address = node.interfaces.is_empty();
    Ok(all.filter(|nic| if by_address { carries(nic) } else { named(nic) }).collect())
}

/// Ids of the programs that earlier agents attached by pinned links.
fn own_programs(pin_root: &Path) -> Result<Vec<u32>, AgentError> {
    match observe::Pins::open(pin_root) {
        Ok(pins) => Ok(pins.links()?.into_iter().map(|link| link.program).collect()),
        Err(_nothing_pinned) => Ok(Vec::new()),
    }
}

/// The smallest MTU of the NICs, bytes.
pub(super) fn mtu(nics: &[Interface]) -> u16 {
    let smallest = nics.iter().map(|nic| nic.link.mtu).min().unwrap_or_default();
    smallest.try_into().unwrap_or(u16::MAX)
}

/// What a round found or made: the interfaces that packets pass.
#[derive(Clone, Debug)]
pub(super) struct Present {
    /// The node's NICs.
    pub(super) nics: Vec<Interface>,
    /// What they are for.
    pub(super) nic_role: Role,
    /// Gateway legs by task; beside Docker, also those of containers that are none, by container.
    pub(super) gateway: BTreeMap<String, LegState>,
    /// Bridges of containers without gateway legs.
    pub(super) bridges: Vec<BridgeState>,
    /// Overlay legs.
    pub(super) overlay: BTreeMap<Owner, OverlayState>,
}

impl Present {
    /// The interfaces that carry programs.
    pub(super) fn carriers(&self) -> Interfaces {
        let nics = self.nics.iter().map(|nic| (nic.link.name.clone(), self.nic_role));
        let gateway = self.gateway.values().map(|leg| (leg.ifname.clone(), Role::Leg));
        let overlay = self.overlay.values().map(|leg| (leg.ifname.clone(), Role::OverlayLeg));
        let bridges = self.bridges.iter().map(|bridge| (bridge.ifname.clone(), Role::Bridge));
        nics.chain(gateway).chain(overlay).chain(bridges).collect()
    }

    /// Every interface that XDP may send to. Overlay legs are not among them: packets get there by
    /// `bpf_redirect_peer`, which needs no device map.
    pub(super) fn devices(&self, hops: &Hops) -> BTreeSet<u32> {
        let nics = self.nics.iter().map(|nic| nic.link.ifindex);
        let hops = hops.values().flatten().map(|hop| hop.ifindex);
        nics.chain(self.gateway.values().map(|leg| leg.ifindex)).chain(hops).collect()
    }

    /// The legs in the words of `compile`.
    pub(super) fn local_legs(&self) -> LocalLegs {
        let gateway = self.gateway.iter().map(|(task, leg)| (task.clone(), leg.addr.octets()));
        let overlay = self
            .overlay
            .iter()
            .map(|(owner, leg)| ((owner.task.clone(), owner.network.clone()), leg.ifindex));
        LocalLegs { gateway: gateway.collect(), overlay: overlay.collect() }
    }
}

/// Interfaces of known ways that exist: a peer that does not answer just now keeps its way.
pub(super) async fn still_there(
    netlink: &Netlink,
    ways: &BTreeMap<V4, u32>,
) -> Result<BTreeSet<u32>, AgentError> {
    let mut there = BTreeSet::new();
    for &ifindex in ways.values().collect::<BTreeSet<_>>() {
        if netlink.link_at(ifindex).await?.is_some() {
            there.insert(ifindex);
        }
    }
    Ok(there)
}

pub(super) const fn leg_element(leg: &LegState) -> Leg {
    Leg {
        ifindex: leg.ifindex,
        netns_id: leg.netns_id,
        addr: leg.addr.octets(),
        task_mac: leg.task_mac,
        host_mac: leg.host_mac,
        mtu: leg.mtu,
        generation: 0,
        reserved: [0; 5],
    }
}
