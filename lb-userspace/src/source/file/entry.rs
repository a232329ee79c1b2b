//! The entries of a cluster file as written: right types, each value with its place, nothing
//! derived and nothing checked against other entries yet.

use std::net::Ipv4Addr;

use lb_common::addr::Mac;

use super::{
    report::{At, Place},
    section::ByNetwork,
};
use crate::model::{
    Dns, EndpointMode, Netns, Protocol, PublishMode, ReturnMode, Scheduler, Subnet,
};

/// The whole file.
#[derive(Debug)]
pub(super) struct FileEntry {
    pub(super) cluster: ClusterEntry,
    pub(super) nodes: Vec<NodeEntry>,
    pub(super) networks: Vec<NetworkEntry>,
    pub(super) services: Vec<ServiceEntry>,
    pub(super) dns: Dns,
}

/// `[cluster]`, defaults filled in.
#[derive(Debug)]
pub(super) struct ClusterEntry {
    pub(super) vxlan_port: At<u16>,
    pub(super) mesh_vni: At<u32>,
    pub(super) gateway: At<Subnet>,
    pub(super) hold_ms: u64,
    pub(super) seed: Option<At<String>>,
    pub(super) seed_file: Option<At<String>>,
}

/// `[[node]]`.
#[derive(Debug)]
pub(super) struct NodeEntry {
    pub(super) name: At<String>,
    pub(super) address: Option<At<Ipv4Addr>>,
    pub(super) interfaces: Vec<At<String>>,
}

/// `[[network]]`.
#[derive(Debug)]
pub(super) struct NetworkEntry {
    pub(super) name: At<String>,
    /// At least one; none where `subnets` is wrong, which has been reported.
    pub(super) subnets: Vec<SubnetEntry>,
    pub(super) range: Wanted<Subnet>,
    pub(super) internal: bool,
    pub(super) mtu: Option<u16>,
}

/// The keys of one subnet: those of the network itself or of an element of `subnets`.
#[derive(Debug)]
pub(super) struct SubnetEntry {
    pub(super) subnet: Wanted<Subnet>,
    pub(super) vni: Wanted<u32>,
    pub(super) gateway: Wanted<Ipv4Addr>,
}

/// A value that is derived where it is left out.
#[derive(Debug)]
pub(super) enum Wanted<T> {
    /// Given.
    Explicit(At<T>),
    /// Left out.
    Derived,
    /// Given, but wrong and already reported; nothing that depends on it can be checked.
    Wrong,
}

/// `[[service]]`.
#[derive(Debug)]
pub(super) struct ServiceEntry {
    pub(super) name: At<String>,
    pub(super) aliases: Vec<At<String>>,
    pub(super) networks: Vec<At<String>>,
    pub(super) mode: EndpointMode,
    pub(super) scheduler: Scheduler,
    pub(super) affinity: Option<Place>,
    pub(super) return_mode: ReturnMode,
    pub(super) publish: Vec<PublishEntry>,
    pub(super) vip: ByNetwork<Ipv4Addr>,
    pub(super) tasks: Vec<TaskEntry>,
}

/// One element of `publish`.
#[derive(Debug)]
pub(super) struct PublishEntry {
    pub(super) place: Place,
    pub(super) published: At<u16>,
    pub(super) target: u16,
    pub(super) protocol: Protocol,
    pub(super) mode: PublishMode,
}

/// `[[service.task]]`.
#[derive(Debug)]
pub(super) struct TaskEntry {
    pub(super) name: At<String>,
    pub(super) node: Option<At<String>>,
    pub(super) netns: Option<At<Netns>>,
    pub(super) weight: u16,
    pub(super) addresses: ByNetwork<Ipv4Addr>,
    pub(super) macs: ByNetwork<Mac>,
    pub(super) number: Option<At<u16>>,
}
