//! Nodes as the managers see them. Their data-path addresses are better known elsewhere: the
//! managers see the address from which a node speaks to them.

use std::{collections::BTreeMap, net::Ipv4Addr};

use bollard::models::{Node, NodeState};

use crate::source::docker::facts::NodeFacts;

/// Facts about nodes, by id.
pub(in crate::source::docker) fn nodes(documents: &[Node]) -> BTreeMap<String, NodeFacts> {
    documents.iter().filter_map(|node| Some((node.id.clone()?, facts(node)))).collect()
}

fn facts(node: &Node) -> NodeFacts {
    let description = node.description.as_ref();
    let state = node.status.as_ref().and_then(|status| status.state);
    NodeFacts {
        hostname: description.and_then(|text| text.hostname.clone()).unwrap_or_default(),
        address: seen_at(node),
        // A node is `unknown` while the Swarm changes its leader and `disconnected` when it left
        // its manager for another one; both may well forward.
        is_down: state == Some(NodeState::DOWN),
        has_agent: false,
        is_silent: false,
    }
}

/// Where the managers see the node. The leader's own status may say 0.0.0.0; its address as a
/// manager does not.
fn seen_at(node: &Node) -> Option<Ipv4Addr> {
    let status = node.status.as_ref().and_then(|status| status.addr.as_deref());
    let manager = node.manager_status.as_ref().and_then(|manager| manager.addr.as_deref());
    let of_manager = manager.and_then(|addr| addr.rsplit_once(':')).map(|(addr, _)| addr);
    let parsed = [status, of_manager].into_iter().flatten().filter_map(|addr| addr.parse().ok());
    parsed.into_iter().find(|addr: &Ipv4Addr| !addr.is_unspecified())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::docker::documents::document;

    #[test]
    fn nodes_have_names_and_addresses() {
        let nodes = nodes(&document::<Vec<_>>("nodes.json"));
        let told: Vec<_> = nodes.values().map(|node| (&*node.hostname, node.address)).collect();
        let addr = |last| Some([198, 18, 103, last].into());
        assert_eq!(told, [("n1", addr(1)), ("n3", addr(3)), ("n2", addr(2))]);
        assert!(nodes.values().all(|node| !node.is_down && !node.has_agent));
    }

    #[test]
    fn only_a_node_that_is_down_is_lost() {
        let mut documents: Vec<Node> = document("nodes.json");
        let states = [NodeState::DOWN, NodeState::UNKNOWN, NodeState::DISCONNECTED];
        for (node, state) in documents.iter_mut().zip(states) {
            node.status.as_mut().expect("status").state = Some(state);
        }
        let lost: Vec<_> = nodes(&documents).values().map(|node| node.is_down).collect();
        assert_eq!(lost, [true, false, false]);
    }

    #[test]
    fn a_leader_without_address_is_found_as_manager() {
        let mut documents: Vec<Node> = document("nodes.json");
        documents[0].status.as_mut().expect("status").addr = Some("0.0.0.0".into());
        let nodes = nodes(&documents[..1]);
        let leader = nodes.values().next().expect("a node");
        assert_eq!(leader.address, Some([198, 18, 103, 1].into()));
    }
}
