//! Rules across networks and nodes: subnets share no address with each other, the gateway subnet or
//! a node, and each has a VNI of its own.

use lb_common::wire::FIRST_NETWORK_VNI;

use super::{
    entry::{FileEntry, NodeEntry},
    names::repeated,
    networks::{Resolved, SubnetPlaces, is_unicast, usable},
    report::{At, Report},
};
use crate::{
    model::{NetworkSubnet, Subnet},
    source::derive,
};

/// A subnet of some network.
type Part<'a> = (&'a NetworkSubnet, &'a SubnetPlaces);

/// Checks the subnets of all networks against all that they must differ from.
pub(super) fn check(file: &FileEntry, networks: &[Resolved], report: &mut Report) {
    let parts: Vec<Part<'_>> =
        networks.iter().flat_map(|net| net.network.subnets().zip(&net.places)).collect();
    vnis(&parts, file.cluster.mesh_vni.value, report);
    subnets(&parts, &file.cluster.gateway, report);
    nodes(file, report);
    for node in &file.nodes {
        node_outside_subnets(node, &parts, &file.cluster.gateway, report);
    }
}

fn vnis(parts: &[Part<'_>], mesh: u32, report: &mut Report) {
    for (NetworkSubnet { vni, .. }, places) in parts {
        let range = format!("choose one from {FIRST_NETWORK_VNI} to {}", derive::VNI_END - 1);
        if *vni == mesh || *vni == mesh + 1 {
            let message = format!("VNI {vni} is the routing mesh's own (mesh_vni = {mesh})");
            report.add(&places.vni, message, range);
        } else if !(FIRST_NETWORK_VNI..derive::VNI_END).contains(vni) {
            report.add(&places.vni, format!("VNI {vni} is out of range"), range);
        }
    }
    for (place, first) in repeated(parts.iter().map(|(part, places)| (part.vni, &places.vni))) {
        let message = format!("its VNI is also that of {}", first.reference());
        report.add(place, message, "give one of them a vni of its own");
    }
}

fn subnets(parts: &[Part<'_>], gateway: &At<Subnet>, report: &mut Report) {
    usable(gateway, report);
    for (i, (part, places)) in parts.iter().enumerate() {
        let mine = part.subnet;
        if mine.overlaps(&gateway.value) {
            let message = format!("{mine} overlaps the gateway subnet {}", gateway.value);
            report.add(&places.subnet, message, "change the network's subnet or gateway_subnet");
        }
        for (their, others) in
            parts.iter().take(i).filter(|(other, _)| other.subnet.overlaps(&mine))
        {
            let message =
                format!("{mine} overlaps {} of {}", their.subnet, others.subnet.reference());
            report.add(&places.subnet, message, "give one of them another subnet = \"A.B.C.D/N\"");
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
    parts: &[Part<'_>],
    gateway: &At<Subnet>,
    report: &mut Report,
) {
    let Some(address) = &node.address else { return };
    for (part, places) in parts.iter().filter(|(part, _)| part.subnet.contains(address.value)) {
        let (subnet, reference) = (part.subnet, places.subnet.reference());
        let message = format!("{} lies in subnet {subnet} of {reference}", address.value);
        report.add(&address.place, message, "give that network another subnet = \"A.B.C.D/N\"");
    }
    if gateway.value.contains(address.value) {
        let message = format!("{} lies in the gateway subnet {}", address.value, gateway.value);
        report.add(&address.place, message, "set gateway_subnet to one that no node uses");
    }
}
