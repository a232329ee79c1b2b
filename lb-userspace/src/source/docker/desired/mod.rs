//! Facts in, desired state out; pure, so that every node of the Swarm comes to the same services, tasks
//! and numbers whoever told it the facts.
//!
//! `nodes` names the nodes, `networks` the overlay networks, `services` puts services together: which are
//! ours (`take_over`), what their labels say (`labels`), which ports they may have (`ports`), who their
//! tasks are (`tasks`) and which numbers these have (`numbers`); `seat` is what the engine made on this node, `answers`
//! whom tasks cannot answer.
//! What cannot be served is left out with a warning and never stops the rest.

mod answers;
mod labels;
mod networks;
mod nodes;
mod numbers;
mod ports;
mod seat;
mod services;
mod take_over;
mod tasks;
#[cfg(test)]
mod tests;

use lb_common::wire::VXLAN_PORT;

use super::{
    DockerOptions,
    facts::{BridgeFacts, LocalFacts, SwarmFacts},
};
use crate::{
    model::{Cluster, DesiredState, Dns, Shape, Subnet},
    source::{HOLD_MS, Warning, derive},
};

use networks::Networks;
use nodes::Nodes;

/// Why there is no desired state (yet); what was in force stays so.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotReady {
    /// The node has no id.
    #[error("this node is in no Swarm; run `docker swarm init` or `docker swarm join`")]
    NoSwarm,
    /// There is no gateway bridge.
    #[error(
        "there is no bridge docker_gwbridge yet, which the engine makes when the node joins a Swarm; \
         waiting for it"
    )]
    NoBridge,
    /// The gateway bridge is too large, or too small for anybody.
    #[error(
        "the gateway bridge has subnet {0}, and swarmlb needs a prefix length from 16 to 30; create \
         docker_gwbridge with such a subnet (`docker network create --subnet`) before the node joins"
    )]
    Bridge(Subnet),
    /// Nobody knows the node's data-path address.
    #[error("this node's data-path address is not known yet; waiting for the engine to tell it")]
    NoAddress,
    /// The facts are of another Swarm.
    #[error(
        "the node is in Swarm {node}, and what is known is of Swarm {known}; waiting for news of the \
         right one"
    )]
    OtherSwarm {
        /// Id of the node's Swarm.
        node: String,
        /// Id in the facts.
        known: String,
    },
    /// Docker's own frames would be taken for the mesh's.
    #[error(
        "network {network:?} has VNI {vni}, which swarmlb uses itself; choose another mesh VNI below \
         4095 for all agents"
    )]
    MeshVni {
        /// A network of the Swarm.
        network: String,
        /// Its VNI.
        vni: u32,
    },
}

/// What everybody in this room looks at.
#[derive(Clone, Copy, Debug)]
struct View<'a> {
    swarm: &'a SwarmFacts,
    local: &'a LocalFacts,
    options: &'a DockerOptions,
}

/// What the node should be, the node's name in it, and what may surprise or is not served.
///
/// # Errors
/// [`NotReady`], where something is missing that everything needs.
pub fn desired(
    swarm: &SwarmFacts,
    local: &LocalFacts,
    options: &DockerOptions,
) -> Result<(DesiredState, String, Vec<Warning>), NotReady> {
    let view = View { swarm, local, options };
    is_right_swarm(view)?;
    let bridge = local.bridge.as_ref().ok_or(NotReady::NoBridge)?;
    let cluster = cluster(view, bridge)?;
    let mut warnings = Vec::new();
    let nodes = Nodes::new(view, &mut warnings)?;
    let networks = Networks::new(view, &mut warnings);
    let (services, names) = services::services(view, &nodes, &networks, &mut warnings);
    let docker = seat::docker_node(view, bridge, &networks, &names);
    seat::warn(&docker, &nodes, &services, &mut warnings);
    answers::warn(&nodes, &networks, &services, &mut warnings);
    let state = DesiredState {
        cluster,
        nodes: nodes.list,
        networks: networks.list,
        services,
        dns: Dns { enabled: false, ..Dns::default() },
        shape: Shape::BesideDocker(docker),
    };
    Ok((state, nodes.here, warnings))
}

fn is_right_swarm(View { swarm, local, .. }: View<'_>) -> Result<(), NotReady> {
    if local.node.is_empty() {
        return Err(NotReady::NoSwarm);
    }
    let (node, known) = (&local.cluster_id, &swarm.cluster_id);
    if !node.is_empty() && !known.is_empty() && node != known {
        return Err(NotReady::OtherSwarm { node: node.clone(), known: known.clone() });
    }
    Ok(())
}

/// The settings that all nodes must share follow from the Swarm's id and from what all agents are told.
fn cluster(view: View<'_>, bridge: &BridgeFacts) -> Result<Cluster, NotReady> {
    let View { swarm, local, options } = view;
    let id = if swarm.cluster_id.is_empty() { &local.cluster_id } else { &swarm.cluster_id };
    networks::spare_mesh_vni(swarm, options.mesh_vni)?;
    let range = 16..=30;
    let gateway = Some(bridge.subnet).filter(|subnet| range.contains(&subnet.prefix));
    Ok(Cluster {
        vxlan_port: if swarm.vxlan_port == 0 { VXLAN_PORT } else { swarm.vxlan_port },
        mesh_vni: options.mesh_vni,
        hash_key: derive::hash_key(Some(id)),
        gateway: normal(gateway.ok_or(NotReady::Bridge(bridge.subnet))?),
        hold_ms: HOLD_MS,
    })
}

/// The subnet without host bits; its prefix length is at most 32.
fn normal(subnet: Subnet) -> Subnet {
    let mask = u32::from_be_bytes(subnet.mask());
    Subnet { addr: (u32::from(subnet.addr) & mask).into(), ..subnet }
}
