//! One step of an update: small enough that whoever executes it decides nothing, and ordered so
//! that a packet may arrive between any two.

use std::collections::{BTreeMap, BTreeSet};

use lb_common::{
    addr::V4,
    endpoint::EndpointKey,
    port::PublishedPort,
    row::{BackendNumber, Row},
};

use crate::compile::{BackendContents, EndpointContents, NetworkContents, PeerContents};

/// A write to the maps. Indices are into `PEERS`, `SERVICES` and `PORTS`. Names go into the `*_INFO`
/// maps with the element they belong to, just before it on setting and just after it on removal, so
/// that whatever is in force can be named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// Write a subnet's element of `NETWORK_INFO`, new or changed.
    SetNetwork {
        /// Its VNI.
        vni: u32,
        /// The subnet.
        network: NetworkContents,
    },
    /// Write a node's element in `PEERS`, `PEER_INDEX` and `NODE_INFO`, new or changed.
    SetPeer {
        /// Index into `PEERS`.
        index: u16,
        /// The node.
        peer: PeerContents,
    },
    /// Write an element of `ENDPOINTS` and its name, new or changed: whoever had the address before is
    /// replaced at once.
    SetEndpoint {
        /// VNI and address.
        key: EndpointKey<V4>,
        /// Who has it.
        endpoint: EndpointContents,
    },
    /// Write these elements of a service's backend range, leaving its others as they are. In place
    /// where the range has their numbers (an element is two aligned words, the state in the first); else copy the range to
    /// a bigger one, write there, then store the service's `backends` word.
    SetBackends {
        /// Index into `SERVICES`; the element may still be all zero.
        service: u16,
        /// New and changed backends.
        backends: BTreeMap<BackendNumber, BackendContents>,
    },
    /// Write all rows into a new range, then store the service's `rows` word; 0 for no rows.
    SetRows {
        /// Index into `SERVICES`; the element may still be all zero.
        service: u16,
        /// A power of two of rows, or none.
        rows: Vec<Row>,
    },
    /// Write name, seed, flags and, last, scheduler: from here on the service is there.
    SetService {
        /// Index into `SERVICES`.
        service: u16,
        /// Name for `SERVICE_INFO`.
        name: String,
        /// See [`lb_common::service::Service::seed`].
        seed: u32,
        /// `SCHEDULER_*`.
        scheduler: u8,
        /// `FLAG_*` bits.
        flags: u8,
    },
    /// Publish a port.
    SetPort {
        /// Index into `PORTS`.
        index: u32,
        /// Service and target port.
        port: PublishedPort,
    },
    /// Zero an element of `PORTS`.
    RemovePort {
        /// Index into `PORTS`.
        index: u32,
    },
    /// Wait until every program run that began before this step has ended: readers may hold what
    /// the next steps take away. (`membarrier(2)` with `MEMBARRIER_CMD_GLOBAL` waits for that: it
    /// is `synchronize_rcu` in the kernel, and programs run inside an RCU read section.)
    Settle,
    /// Zero an element of `SERVICES`, `rows` word first, release both ranges, forget the names.
    RemoveService {
        /// Index into `SERVICES`.
        service: u16,
    },
    /// Set these elements of a service's backend range to no state, keeping each one's generation
    /// so that the number's next holder gets another, and forget the tasks' names.
    RemoveBackends {
        /// Index into `SERVICES`.
        service: u16,
        /// Numbers that nobody has any more.
        numbers: BTreeSet<BackendNumber>,
    },
    /// Remove an element of `ENDPOINTS` and its name.
    RemoveEndpoint {
        /// VNI and address.
        key: EndpointKey<V4>,
    },
    /// Zero a node's element in `PEERS`, and take it out of `PEER_INDEX` and `NODE_INFO`.
    RemovePeer {
        /// Index into `PEERS`.
        index: u16,
    },
    /// Remove a subnet's element of `NETWORK_INFO`.
    RemoveNetwork {
        /// Its VNI.
        vni: u32,
    },
}
