//! Clients that a task would look for in one of its own networks, and so never answer by the mesh. Nobody
//! knows clients before they come, but nodes' own addresses tell which subnets clients have: who dials
//! from such a node, or from beside it, is met by silence, and the operator should know why.

use super::{Warning, networks::Networks, nodes::Nodes};
use crate::model::{NetworkSubnet, Node, Service};

/// Warns of each network that tasks with published ports are attached to and in which a node's address lies.
pub(super) fn warn(
    nodes: &Nodes,
    networks: &Networks,
    services: &[Service],
    warnings: &mut Vec<Warning>,
) {
    let published: Vec<&Service> =
        services.iter().filter(|service| !service.publish.is_empty()).collect();
    let is_used = |name: &str| published.iter().any(|service| attaches(service, name));
    let ingress = networks.ingress.iter().map(|one| (one.name.as_str(), one.subnets.clone()));
    let others =
        networks.list.iter().map(|one| (one.name.as_str(), one.subnets().copied().collect()));
    for (name, subnets) in ingress.chain(others).filter(|(name, _)| is_used(name)) {
        let inside = nodes.list.iter().find_map(|node| Some((node, holder(&subnets, node)?)));
        if let Some((node, part)) = inside {
            warnings.push(conflict(name, part, node));
        }
    }
}

/// Whether tasks of a service have an address in a network.
fn attaches(service: &Service, network: &str) -> bool {
    service.tasks.iter().any(|task| task.addresses.contains_key(network))
}

/// The subnet that a node's address lies in.
fn holder<'a>(subnets: &'a [NetworkSubnet], node: &Node) -> Option<&'a NetworkSubnet> {
    subnets.iter().find(|part| part.subnet.contains(node.address))
}

fn conflict(network: &str, part: &NetworkSubnet, node: &Node) -> Warning {
    Warning {
        subject: format!("network {network:?}"),
        text: format!(
            "its subnet {} has the address of node {} ({}): tasks look for clients from there in the \
             network and never answer them by published ports; give the network another subnet",
            part.subnet, node.name, node.address
        ),
    }
}
