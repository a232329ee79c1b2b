//! Desired state in, map contents out. Pure: no clock, no randomness, no I/O, so that every node
//! computes alike and properties can be tested.
//!
//! `targets` says which services there are at a node (host-mode ports are services of their own),
//! `indices` where they and the peers stand, `backends` who their tasks are, `rows` who owns what, `service` puts one together;
//! `previous` carries what the maps held, so that indices, history and generations go on.
mod backends;
mod contents;
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
    BackendContents, MapContents, PeerContents, Previous, PreviousService, ServiceContents,
};

pub use error::CompileError;

use std::collections::{BTreeMap, BTreeSet};

use lb_common::{addr::V4, peer::PEERS_LEN, port::PublishedPort, service::SERVICES_LEN};

use crate::model::{DesiredState, Node};
use indices::assign;
use service::service;
use targets::{Target, targets};

/// What only the node itself knows.
#[derive(Clone, Copy, Debug)]
struct Here<'a> {
    /// This node's name.
    node: &'a str,
    /// Addresses of the gateway legs that exist here, by task name.
    legs: &'a BTreeMap<String, V4>,
    /// Names of tasks that are too new elsewhere to own rows here.
    held: &'a BTreeSet<String>,
    /// Other nodes' indices into `PEERS`, by name.
    peers: &'a BTreeMap<&'a str, u16>,
}

/// What the maps should hold at `node`.
///
/// `legs` are the gateway legs that exist there, address by task name. `held` names tasks that get
/// a backend but own no row yet, because their home node may not know them yet; where a service has
/// no other task that takes new flows, they own rows all the same. `previous` is what the maps hold.
///
/// # Errors
/// [`CompileError`] where the cluster has more nodes or services than the maps have places.
pub fn compile(
    desired: &DesiredState,
    node: &str,
    legs: &BTreeMap<String, V4>,
    held: &BTreeSet<String>,
    previous: &Previous,
) -> Result<MapContents, CompileError> {
    let others: Vec<&Node> = desired.nodes.iter().filter(|other| other.name != node).collect();
    let addrs = others.iter().map(|other| other.address.octets());
    let peers = assign(addrs, &previous.peers, PEERS_LEN).ok_or(CompileError::TooManyNodes)?;
    let index_of = |other: &&Node| peers[&other.address.octets()];
    let by_name = others.iter().map(|other| (other.name.as_str(), index_of(other))).collect();
    let here = Here { node, legs, held, peers: &by_name };
    let (services, ports) = services(desired, here, &previous.services)?;
    let contents =
        |other: &&Node| PeerContents { name: other.name.clone(), addr: other.address.octets() };
    let peers = others.iter().map(|other| (index_of(other), contents(other))).collect();
    Ok(MapContents { ports, services, peers })
}

/// Services by index, and the ports that name them.
fn services(
    desired: &DesiredState,
    here: Here<'_>,
    previous: &BTreeMap<String, PreviousService>,
) -> Result<(BTreeMap<u16, ServiceContents>, BTreeMap<u32, PublishedPort>), CompileError> {
    let targets = targets(desired, here.node);
    let known = previous.iter().map(|(name, before)| (name.clone(), before.index)).collect();
    let names = targets.iter().map(|target| target.name.clone());
    let indices = assign(names, &known, SERVICES_LEN).ok_or(CompileError::TooManyServices)?;
    let placed = || targets.iter().map(|target| (indices[&target.name], target));
    let contents = |target: &Target<'_>| {
        service(target, here, desired.cluster.hash_key, previous.get(&target.name))
    };
    let services = placed().map(|(index, target)| (index, contents(target))).collect();
    Ok((services, placed().flat_map(|(index, target)| target.ports(index)).collect()))
}
