//! Rules about nodes and networks: usable addresses, subnets that share nothing, one VNI each.
//! Subnets and VNIs left out are derived here.

use std::{collections::HashSet, net::Ipv4Addr};

use lb_common::wire::FIRST_NETWORK_VNI;

use super::{
    entry::{FileEntry, NetworkEntry, NodeEntry, Wanted},
    names::repeated,
    report::{At, Place, Report},
};
use crate::{
    model::{Network, NetworkSubnet, Subnet},
    source::derive,
};

/// A network whose subnet and VNI are known.
#[derive(Debug)]
pub(super) struct Resolved {
    pub(super) network: Network,
    place: Place,
    subnet: At<Subnet>,
}

/// Checks nodes and networks and gives the networks that have a subnet and a VNI, in file order.
pub(super) fn resolve(file: &FileEntry, report: &mut Report) -> Vec<Resolved> {
    let mut names = HashSet::new();
    let once = file.networks.iter().filter(|entry| names.insert(&entry.name.value));
    let resolved: Vec<_> = once.filter_map(|entry| one(entry, report)).collect();
    vnis(&resolved, file, report);
    subnets(&resolved, &file.cluster.gateway, report);
    nodes(file, report);
    for node in &file.nodes {
        node_outside_subnets(node, &resolved, &file.cluster.gateway, report);
    }
    resolved
}

fn one(entry: &NetworkEntry, report: &mut Report) -> Option<Resolved> {
    let (name, place) = (&entry.name.value, &entry.name.place);
    let subnet = value(&entry.subnet, place, || derive::subnet(name))?;
    let vni = value(&entry.vni, place, || derive::vni(name))?;
    usable_subnet(&subnet, report);
    let network = Network {
        name: name.clone(),
        first: NetworkSubnet {
            vni: vni.value,
            subnet: subnet.value,
            gateway: subnet.value.gateway(),
        },
        further: Vec::new(),
        internal: entry.internal,
        mtu: None,
    };
    Some(Resolved { network, place: vni.place, subnet })
}

fn value<T: Copy>(wanted: &Wanted<T>, name: &Place, derive: impl Fn() -> T) -> Option<At<T>> {
    match wanted {
        Wanted::Explicit(at) => Some(at.clone()),
        Wanted::Derived => Some(At { value: derive(), place: name.clone() }),
        Wanted::Wrong => None,
    }
}

fn usable_subnet(subnet: &At<Subnet>, report: &mut Report) {
    if !is_unicast(subnet.value.addr) {
        let message = format!("{} is not for hosts", subnet.value);
        report.add(&subnet.place, message, "choose a private subnet, such as one of 10.0.0.0/8");
    }
}

fn vnis(networks: &[Resolved], file: &FileEntry, report: &mut Report) {
    let mesh = file.cluster.mesh_vni.value;
    for Resolved { network, place, .. } in networks {
        let range = format!("choose one from {FIRST_NETWORK_VNI} to {}", derive::VNI_END - 1);
        if network.first.vni == mesh || network.first.vni == mesh + 1 {
            let message =
                format!("VNI {} is the routing mesh's own (mesh_vni = {mesh})", network.first.vni);
            report.add(place, message, range);
        } else if !(FIRST_NETWORK_VNI..derive::VNI_END).contains(&network.first.vni) {
            report.add(place, format!("VNI {} is out of range", network.first.vni), range);
        }
    }
    for (place, first) in repeated(networks.iter().map(|net| (net.network.first.vni, &net.place))) {
        let message = format!("its VNI is also that of {}", first.reference());
        report.add(place, message, "give one of them a vni of its own");
    }
}

fn subnets(networks: &[Resolved], gateway: &At<Subnet>, report: &mut Report) {
    usable_subnet(gateway, report);
    for (i, network) in networks.iter().enumerate() {
        let mine = &network.subnet;
        if mine.value.overlaps(&gateway.value) {
            let message = format!("{} overlaps the gateway subnet {}", mine.value, gateway.value);
            report.add(&mine.place, message, "change the network's subnet or gateway_subnet");
        }
        let others =
            networks.iter().take(i).filter(|other| other.subnet.value.overlaps(&mine.value));
        for other in others {
            let their = &other.subnet;
            let reference = their.place.reference();
            let message = format!("{} overlaps {} of {reference}", mine.value, their.value);
            report.add(&mine.place, message, "give one of them another subnet = \"A.B.C.D/N\"");
        }
    }
}

fn nodes(file: &FileEntry, report: &mut Report) {
    let addresses: Vec<_> = file.nodes.iter().filter_map(|node| node.address.as_ref()).collect();
    for address in addresses.iter().filter(|address| !is_unicast(address.value)) {
        let message = format!("{} cannot be a node's address", address.value);
        report.add(&address.place, message, "use the address that the other nodes reach it by");
    }
    for (place, first) in repeated(addresses.iter().map(|at| (at.value, &at.place))) {
        let message = format!("the address is already that of {}", first.reference());
        report.add(place, message, "give each node its own data-path address");
    }
}

fn node_outside_subnets(
    node: &NodeEntry,
    networks: &[Resolved],
    gateway: &At<Subnet>,
    report: &mut Report,
) {
    let Some(address) = &node.address else { return };
    for network in networks.iter().filter(|net| net.subnet.value.contains(address.value)) {
        let (subnet, reference) = (network.subnet.value, network.subnet.place.reference());
        let message = format!("{} lies in subnet {subnet} of {reference}", address.value);
        report.add(&address.place, message, "give that network another subnet = \"A.B.C.D/N\"");
    }
    if gateway.value.contains(address.value) {
        let message = format!("{} lies in the gateway subnet {}", address.value, gateway.value);
        report.add(&address.place, message, "set gateway_subnet to one that no node uses");
    }
}

/// Whether hosts can have the address: not "this network", loopback, multicast or reserved.
fn is_unicast(address: Ipv4Addr) -> bool {
    !matches!(address.octets()[0], 0 | 127 | 224..)
}
