//! What the engine made on this node, and what that does not let us serve.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    View, Warning,
    networks::{Ingress, Networks},
    nodes::Nodes,
};
use crate::{
    model::{DockerBridge, DockerLeg, DockerNode, IngressSeat, Netns, Reach, Service},
    source::docker::facts::{BridgeFacts, ContainerFacts},
};

/// The engine's side of the node; `names` are those of tasks by id.
pub(super) fn docker_node(
    view: View<'_>,
    bridge: &BridgeFacts,
    networks: &Networks,
    names: &BTreeMap<&str, String>,
) -> DockerNode {
    let leg = |(id, container): (&String, &ContainerFacts)| DockerLeg {
        task: container.task.as_deref().and_then(|task| names.get(task)).cloned(),
        container: id.clone(),
        addr: container.addr,
        mac: container.mac,
        netns: Netns::Path(container.netns.clone()),
    };
    let ingress = networks.ingress.as_ref();
    DockerNode {
        netns_dir: view.local.netns_dir.clone(),
        bridge: bridge.interface.clone(),
        gateway: bridge.gateway,
        legs: view.local.containers.iter().map(leg).collect(),
        bridges: view.local.bridges.iter().map(client_bridge).collect(),
        ingress: ingress.and_then(|ingress| seat(view, ingress)),
        is_ingress_encrypted: ingress.is_some_and(|ingress| ingress.is_encrypted),
        has_ipvs: view.local.has_ipvs,
    }
}

fn client_bridge(bridge: &BridgeFacts) -> DockerBridge {
    DockerBridge { interface: bridge.interface.clone(), subnet: bridge.subnet }
}

/// This node's place in the ingress network, unless that is encrypted.
fn seat(view: View<'_>, ingress: &Ingress) -> Option<IngressSeat> {
    let addr = view.local.ingress_addr.filter(|_| !ingress.is_encrypted)?;
    let part = ingress.subnets.iter().find(|part| part.subnet.contains(addr))?;
    let (network, vni, mtu) = (ingress.name.clone(), part.vni, ingress.mtu);
    Some(IngressSeat { network, vni, addr, mtu })
}

/// Tells which tasks published ports do not reach from here.
pub(super) fn warn(
    docker: &DockerNode,
    nodes: &Nodes,
    services: &[Service],
    warnings: &mut Vec<Warning>,
) {
    let published = || services.iter().filter(|service| !service.publish.is_empty());
    let mut warn = |text: String| {
        let subject = "ingress network".to_owned();
        warnings.push(Warning { subject, text });
    };
    if docker.is_ingress_encrypted && published().next().is_some() {
        let text = "it is encrypted, and swarmlb sends nothing in clear for it: published ports \
                    reach only tasks of the node that a client dials";
        return warn(text.to_owned());
    }
    if docker.ingress.is_none() {
        let tasks = published().flat_map(|service| &service.tasks);
        let homes: BTreeSet<&str> = tasks.map(|task| task.node.as_str()).collect();
        let closed = nodes
            .list
            .iter()
            .filter(|node| node.reach == Reach::Ingress && homes.contains(node.name.as_str()));
        let closed: Vec<&str> = closed.map(|node| node.name.as_str()).collect();
        if !closed.is_empty() {
            let nodes = closed.join(", ");
            warn(format!(
                "this node has no address in it, so published ports here do not reach tasks of nodes \
                 without agent ({nodes})"
            ));
        }
    }
}
