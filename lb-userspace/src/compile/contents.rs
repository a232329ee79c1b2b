//! What the maps should hold at one node, and what they held before: plain values, compared and
//! written by `apply`, read back from pins at start.

use std::collections::BTreeMap;

use lb_common::{
    addr::V4,
    endpoint::{Endpoint, EndpointKey},
    port::PublishedPort,
    row::{BackendNumber, Row},
};

use crate::model::{Reach, Subnet};

/// Everything that `apply` writes, for one node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MapContents {
    /// Elements of `PORTS` that publish something, by index ([`lb_common::port::port_index`]).
    pub ports: BTreeMap<u32, PublishedPort>,
    /// Services by index into `SERVICES`, 1-based.
    pub services: BTreeMap<u16, ServiceContents>,
    /// Other nodes by index into `PEERS`, 1-based; index 0 is this node and always present.
    pub peers: BTreeMap<u16, PeerContents>,
    /// Elements of `NETWORK_INFO`, by VNI.
    pub networks: BTreeMap<u32, NetworkContents>,
    /// Elements of `ENDPOINTS` and `ENDPOINT_INFO`.
    pub endpoints: BTreeMap<EndpointKey<V4>, EndpointContents>,
}

/// A subnet of a network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NetworkContents {
    /// Name of the network.
    pub name: String,
    /// The subnet.
    pub subnet: Subnet,
    /// Its gateway.
    pub gateway: V4,
    /// No way out.
    pub internal: bool,
}

/// Who has an address in a network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndpointContents {
    /// The task's or the service's name; empty for gateways and for the network itself.
    pub name: String,
    /// As in the map.
    pub endpoint: Endpoint,
}

/// One service at one node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceContents {
    /// Name as in `SERVICE_INFO`; host-mode ports are services `NAME@host:PORT/PROTO`, virtual IPs
    /// `NAME@NETWORK`.
    pub name: String,
    /// See [`lb_common::service::Service::seed`].
    pub seed: u32,
    /// `SCHEDULER_*`.
    pub scheduler: u8,
    /// `FLAG_*` bits.
    pub flags: u8,
    /// The rows, a power of two of them; none where there is nobody to send anything to. Where only
    /// draining backends are left, rows have former owners and no owner.
    pub rows: Vec<Row>,
    /// Backends by number.
    pub backends: BTreeMap<BackendNumber, BackendContents>,
}

/// One backend of a service at one node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BackendContents {
    /// The task's name.
    pub task: String,
    /// Name of its node.
    pub node: String,
    /// Index into `PEERS` of that node.
    pub peer: u16,
    /// Its gateway leg's address where it runs here and the leg exists.
    pub leg: Option<V4>,
    /// See [`lb_common::backend::Backend::addr`].
    pub addr: V4,
    /// `BACKEND_*` bits.
    pub flags: u16,
    /// `STATE_*`.
    pub state: u8,
    /// Weight; 0 drains.
    pub weight: u16,
    /// See [`lb_common::backend::Backend::generation`].
    pub generation: u8,
}

/// A node other than this one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerContents {
    /// Its name.
    pub name: String,
    /// Its data-path address.
    pub addr: V4,
    /// How published ports reach its tasks.
    pub reach: Reach,
}

/// What the maps held before: indices are kept, rows give history.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Previous {
    /// Services by name.
    pub services: BTreeMap<String, PreviousService>,
    /// Index into `PEERS` by data-path address.
    pub peers: BTreeMap<V4, u16>,
}

/// What one service held before.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PreviousService {
    /// Index into `SERVICES`.
    pub index: u16,
    /// Its rows.
    pub rows: Vec<Row>,
    /// Task name and generation by backend number.
    pub backends: BTreeMap<BackendNumber, (String, u8)>,
    /// Flows may go through Docker's ingress network, whether or not new ones do.
    pub by_ingress: bool,
}
