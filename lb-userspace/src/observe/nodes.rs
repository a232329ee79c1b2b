//! `node ls`: one line per node of the cluster, and how this node reaches it.
use std::{collections::BTreeMap, net::Ipv4Addr};

use lb_common::{
    addr::Mac,
    backend::NODE_SELF,
    peer::{PEER_INGRESS, PEER_RESOLVED, PEER_SILENT, Peer},
};
use serde::Serialize;

use super::{
    Snapshot, View,
    view::{lines, mac_text, table},
};

/// All nodes as one of them knows them.
#[derive(Clone, Debug, Serialize)]
#[serde(transparent)]
pub struct NodeList {
    /// This node first, then by peer index.
    pub nodes: Vec<NodeLine>,
}

/// One node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NodeLine {
    /// Its name.
    pub name: String,
    /// Its data-path address.
    pub address: Ipv4Addr,
    /// `self` or `peer`.
    pub role: &'static str,
    /// How published ports reach its tasks: `self`, `mesh`, or `ingress` by full NAT through Docker's
    /// ingress network, since it runs no agent; `silent`: likewise since its agent is not heard any more,
    /// while flows from before go on by the mesh.
    pub reach: &'static str,
    /// Whether frames to it find their next hop; always for this node.
    pub resolved: bool,
    /// Interface towards it.
    pub interface: Option<String>,
    /// Next hop's Ethernet address.
    pub next_hop: Option<String>,
    /// Largest outer IP packet that reaches it, bytes.
    pub mtu: Option<u16>,
}

impl NodeList {
    /// The list from what is pinned; `peers` by peer index, `interface` names the one with an
    /// index and an Ethernet address.
    #[must_use]
    pub fn new(
        snapshot: &Snapshot,
        peers: &BTreeMap<u16, Peer>,
        interface: impl Fn(u32, Mac) -> String,
    ) -> Self {
        let line = |(&index, node): (&u16, &super::NodeRecord)| {
            let hop = peers.get(&index).filter(|peer| peer.flags & PEER_RESOLVED != 0);
            let hop = hop.filter(|_| index != NODE_SELF);
            NodeLine {
                name: node.name.clone(),
                address: node.addr,
                role: if index == NODE_SELF { "self" } else { "peer" },
                reach: reach(index, peers),
                resolved: index == NODE_SELF || hop.is_some(),
                interface: hop.map(|peer| interface(peer.ifindex, peer.src_mac)),
                next_hop: hop.map(|peer| mac_text(peer.dst_mac)),
                mtu: hop.map(|peer| peer.mtu),
            }
        };
        Self { nodes: snapshot.nodes.iter().map(line).collect() }
    }
}

fn reach(index: u16, peers: &BTreeMap<u16, Peer>) -> &'static str {
    let flags = peers.get(&index).map_or(0, |peer| peer.flags);
    match index {
        NODE_SELF => "self",
        _ if flags & PEER_SILENT != 0 => "silent",
        _ if flags & PEER_INGRESS != 0 => "ingress",
        _ => "mesh",
    }
}

impl NodeLine {
    fn cells(&self) -> [String; 6] {
        let or_dash = |value: Option<String>| value.unwrap_or_else(|| "-".into());
        [
            self.name.clone(),
            self.address.to_string(),
            match self.reach {
                "self" => "this node".into(),
                "ingress" => "ingress NAT (no agent)".into(),
                "silent" => "ingress NAT (agent silent)".into(),
                other => other.into(),
            },
            if self.resolved { "yes" } else { "NO" }.into(),
            or_dash(self.interface.clone()),
            or_dash(self.next_hop.clone()),
        ]
    }
}

impl View for NodeList {
    fn text(&self) -> String {
        let mut table =
            table(&["NAME", "ADDRESS", "REACHED BY", "RESOLVED", "INTERFACE", "NEXT HOP"]);
        for node in &self.nodes {
            table.add_row(node.cells());
        }
        lines(table, &[])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observe::sample;

    #[test]
    fn a_peer_without_next_hop_shows_as_unresolved() {
        let snapshot = sample::snapshot();
        let mut peers = BTreeMap::from([(1, Peer::default())]);
        assert!(!NodeList::new(&snapshot, &peers, |_, _| "eth0".into()).nodes[1].resolved);
        let peer = Peer {
            flags: PEER_RESOLVED,
            dst_mac: [2, 0, 0, 0, 0, 0xab],
            mtu: 1500,
            ..Default::default()
        };
        peers.insert(1, peer);
        let list = NodeList::new(&snapshot, &peers, |_, _| "eth0".into());
        assert_eq!(
            serde_json::to_value(&list).unwrap()[1],
            serde_json::json!({
                "name": "n2", "address": "198.18.0.2", "role": "peer", "reach": "mesh", "resolved": true,
                "interface": "eth0", "next_hop": "02:00:00:00:00:ab", "mtu": 1500
            })
        );
        assert_eq!((list.nodes[0].role, list.nodes[0].resolved), ("self", true));
    }

    #[test]
    fn how_each_node_is_reached_is_told() {
        let snapshot = sample::snapshot();
        let list = |flags| {
            let peers = BTreeMap::from([(1, Peer { flags, ..Default::default() })]);
            NodeList::new(&snapshot, &peers, |_, _| "eth0".into())
        };
        let (mesh, ingress) = (list(PEER_RESOLVED), list(PEER_RESOLVED | PEER_INGRESS));
        let silent = list(PEER_RESOLVED | PEER_INGRESS | PEER_SILENT);
        assert!(silent.nodes[1].reach == "silent" && silent.text().contains("agent silent"));
        assert_eq!((mesh.nodes[1].reach, ingress.nodes[1].reach), ("mesh", "ingress"));
        let text = ingress.text();
        assert!(text.contains("this node") && text.contains("ingress NAT (no agent)"), "{text}");
    }
}
