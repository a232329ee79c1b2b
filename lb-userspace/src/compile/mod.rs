//! Desired state in, map contents out. Pure: no clock, no randomness, no I/O, so that every node
//! computes alike and properties can be tested.
//!
//! `targets` says which services there are at a node (virtual IPs and host-mode ports are services of
//! their own), `indices` where they and the peers stand, `backends` who their tasks are, `rows` who
//! owns what, `service` puts one together; `endpoints` says who has which address in which network;
//! `previous` carries what the maps held, so that indices, history and generations go on.
mod backends;
mod contents;
mod endpoints;
mod error;
mod indices;
mod previous;
mod rows;
mod service;
mod targets;

#[cfg(test)]
mod fixtures;
#[cfg(test)]
mod property_tests;

pub use contents::{
    BackendContents, EndpointContents, MapContents, NetworkContents, PeerContents, Previous,
    PreviousService, ServiceContents,
};

pub use error::CompileError;

use std::collections::{BTreeMap, BTreeSet};

use lb_common::{addr::V4, peer::PEERS_LEN, service::SERVICES_LEN};

use crate::model::{DesiredState, DockerNode, Node, Reach};
use indices::assign;
use service::service;
use targets::targets;

/// The legs of tasks that exist at a node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LocalLegs {
    /// Addresses of gateway legs, by task name.
    pub gateway: BTreeMap<String, V4>,
    /// Interface indices of the node ends of overlay legs, by names of task and network.
    pub overlay: BTreeMap<(String, String), u32>,
}

/// What only the node itself knows.
#[derive(Clone, Copy, Debug)]
struct Here<'a> {
    /// This node's name.
    node: &'a str,
    /// The legs that exist here.
    legs: &'a LocalLegs,
    /// Names of tasks that are too new elsewhere to own rows here.
    held: &'a BTreeSet<String>,
    /// Other nodes' indices into `PEERS`, by name.
    peers: &'a BTreeMap<&'a str, u16>,
    /// How published ports reach the tasks of other nodes, by name.
    reach: &'a BTreeMap<&'a str, Reach>,
    /// What a Docker Engine made here, if one did.
    docker: Option<&'a DockerNode>,
}

/// What the maps should hold at `node`.
///
/// `legs` are the legs that exist there. `held` names tasks that get
/// a backend but own no row yet, because their home node may not know them yet; where a service has
/// no other task that takes new flows, they own rows all the same. `previous` is what the maps hold.
///
/// # Errors
/// [`CompileError`] where the cluster has more of something than the maps have places.
pub fn compile(
    desired: &DesiredState,
    node: &str,
    legs: &LocalLegs,
    held: &BTreeSet<String>,
    previous: &Previous,
) -> Result<MapContents, CompileError> {
    let others: Vec<&Node> = desired.nodes.iter().filter(|other| other.name != node).collect();
    let addrs = others.iter().map(|other| other.address.octets());
    let peers = assign(addrs, &previous.peers, PEERS_LEN).ok_or(CompileError::TooManyNodes)?;
    let index_of = |other: &&Node| peers[&other.address.octets()];
    let by_name = others.iter().map(|other| (other.name.as_str(), index_of(other))).collect();
    let reach = others.iter().map(|other| (other.name.as_str(), other.reach)).collect();
    let docker = desired.docker();
    let here = Here { node, legs, held, peers: &by_name, reach: &reach, docker };
    let contents = |other: &&Node| {
        let (name, addr, reach) = (other.name.clone(), other.address.octets(), other.reach);
        (index_of(other), PeerContents { name, addr, reach })
    };
    let peers = others.iter().map(contents).collect();
    let mut contents = MapContents { peers, ..Default::default() };
    let services = add_services(&mut contents, desired, here, &previous.services)?;
    endpoints::add(&mut contents, desired, here, &services)?;
    Ok(contents)
}

/// Services at their indices, and the ports that name them. Returns the indices by name.
fn add_services(
    contents: &mut MapContents,
    desired: &DesiredState,
    here: Here<'_>,
    previous: &BTreeMap<String, PreviousService>,
) -> Result<BTreeMap<String, u16>, CompileError> {
    let targets = targets(desired, here.node);
    let known = previous.iter().map(|(name, before)| (name.clone(), before.index)).collect();
    let names = targets.iter().map(|target| target.name.clone());
    let indices = assign(names, &known, SERVICES_LEN).ok_or(CompileError::TooManyServices)?;
    for target in &targets {
        let index = indices[&target.name];
        let before = previous.get(&target.name);
        let held = service(target, here, desired.cluster.hash_key, before);
        contents.services.insert(index, held);
        contents.ports.extend(target.ports(index));
    }
    Ok(indices)
}
