//! What is known of a Swarm, without Docker's words: `SwarmFacts`, true of the whole cluster and the same
//! everywhere, read from a manager's API, heard from a manager's agent, or gathered from the gossip;
//! `LocalFacts`, true of this node alone. Together they give the desired state.
//!
//! Both are plain values with an order, so that "has anything changed" is a comparison. Facts about
//! the Swarm travel between agents as JSON: add fields with `#[serde(default)]`.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::Ipv4Addr,
    path::PathBuf,
};

use lb_common::addr::Mac;
use serde::{Deserialize, Serialize};

use crate::model::{Protocol, Subnet};

/// A Swarm as one of its managers sees it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SwarmFacts {
    /// Its id.
    pub cluster_id: String,
    /// UDP port of its overlay networks (`docker swarm init --data-path-port`).
    pub vxlan_port: u16,
    /// Nodes by id.
    pub nodes: BTreeMap<String, NodeFacts>,
    /// Overlay networks of the whole Swarm by id, the ingress network among them.
    pub networks: BTreeMap<String, NetworkFacts>,
    /// Services by id.
    pub services: BTreeMap<String, ServiceFacts>,
    /// Tasks that run, by id.
    pub tasks: BTreeMap<String, TaskFacts>,
    /// Tasks that have ended as their nodes' agents say; the engines, or the gossip, may name them still.
    #[serde(default)]
    pub ended: BTreeSet<String>,
}

impl SwarmFacts {
    /// These tasks have ended, whoever names them.
    pub fn end(&mut self, ended: impl IntoIterator<Item = String>) {
        self.ended.extend(ended);
        self.tasks.retain(|id, _| !self.ended.contains(id));
    }
}

/// A node.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeFacts {
    /// Its hostname, which two nodes may share.
    pub hostname: String,
    /// Its data-path address as far as known: what its agent says, else what the gossip says of its
    /// endpoints, else the address that the managers see.
    pub address: Option<Ipv4Addr>,
    /// The managers have lost it.
    pub is_down: bool,
    /// An agent of ours runs there, or did until a moment ago.
    pub has_agent: bool,
    /// One did until a while ago, and took no leave: what it left in the kernel may forward still.
    #[serde(default)]
    pub is_silent: bool,
}

/// An overlay network.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NetworkFacts {
    /// Name, unique in the Swarm.
    pub name: String,
    /// It is the ingress network.
    pub is_ingress: bool,
    /// `--internal`.
    pub is_internal: bool,
    /// `--opt encrypted`.
    pub is_encrypted: bool,
    /// Its IPv4 subnets in Docker's order, each with its VNI.
    pub subnets: Vec<SubnetFacts>,
    /// Largest IP packet, bytes, where `com.docker.network.driver.mtu` sets it.
    pub mtu: Option<u16>,
}

/// One subnet of a network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SubnetFacts {
    /// VXLAN network identifier.
    pub vni: u32,
    /// Its address.
    pub addr: Ipv4Addr,
    /// Its prefix length.
    pub prefix: u8,
    /// Its gateway.
    pub gateway: Ipv4Addr,
}

/// A service.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceFacts {
    /// Name, unique in the Swarm.
    pub name: String,
    /// Its labels that begin with `swarmlb.`, as they stand.
    pub labels: BTreeMap<String, String>,
    /// `--endpoint-mode dnsrr`.
    pub is_dnsrr: bool,
    /// Virtual IP by id of the network, that in the ingress network among them.
    pub vips: BTreeMap<String, Ipv4Addr>,
    /// Ports published on every node. Those in host mode are Docker's.
    pub ports: Vec<PortFacts>,
}

/// A port published on every node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct PortFacts {
    /// Protocol; the gossip does not tell it.
    pub protocol: Option<Protocol>,
    /// Port on the nodes.
    pub published: u16,
    /// Port in the task.
    pub target: u16,
}

/// A task that runs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskFacts {
    /// Id of its service; empty for a plain container in an attachable network.
    pub service: String,
    /// Its slot, or the id of its node where the service is global.
    pub slot: String,
    /// Id of its node.
    pub node: String,
    /// It is to stop, or its node is lost: it keeps its flows and takes no new ones.
    pub is_draining: bool,
    /// Its address by id of the network.
    pub addresses: BTreeMap<String, Ipv4Addr>,
}

/// What this node's own engine and kernel say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LocalFacts {
    /// The node's id in the Swarm.
    pub node: String,
    /// The Swarm's id, from the node's certificate.
    pub cluster_id: String,
    /// Its data-path address.
    pub address: Option<Ipv4Addr>,
    /// `netns` in the engine's exec-root.
    pub netns_dir: PathBuf,
    /// The gateway bridge; `None` while there is none (before the first swarm join).
    pub bridge: Option<BridgeFacts>,
    /// Bridges of the networks that only this node has (`docker0` first) and that lead outside.
    pub bridges: Vec<BridgeFacts>,
    /// Running containers with a leg on the gateway bridge, by id.
    pub containers: BTreeMap<String, ContainerFacts>,
    /// Ids of the tasks whose containers run here, also of those without such a leg; `None`: not known.
    /// A task of this node that is not among them is no backend, whatever the Swarm says.
    pub running: Option<BTreeSet<String>>,
    /// Tasks of this node that are known to have ended, which is more than not to run: a new one is not
    /// seen yet.
    pub ended: BTreeSet<String>,
    /// Tasks of this node that were told to stop.
    pub stopping: BTreeSet<String>,
    /// Its own address in the ingress network.
    pub ingress_addr: Option<Ipv4Addr>,
    /// Ids of the overlay networks that have a namespace here, with the namespace's file.
    pub overlay_namespaces: BTreeMap<String, PathBuf>,
    /// The kernel has IPVS, so Docker balances by itself.
    pub has_ipvs: bool,
}

/// A bridge of the node.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct BridgeFacts {
    /// The interface. That of gateway legs is `docker_gwbridge` unless the operator made another one.
    pub interface: String,
    /// Its subnet.
    pub subnet: Subnet,
    /// The node's own address on it.
    pub gateway: Ipv4Addr,
}

/// A container with a leg on the gateway bridge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContainerFacts {
    /// Id of the task that it is, if any.
    pub task: Option<String>,
    /// Its address on the bridge.
    pub addr: Ipv4Addr,
    /// Its Ethernet address there.
    pub mac: Mac,
    /// The file that names its namespace.
    pub netns: PathBuf,
}
