//! Per-flow state: keys and values of `NAT` and `EMBRYO` (home node), `FLOWS` (entry node, only
//! where a scheduler or UDP needs it), `SNAT_OUT`/`SNAT_IN` (clients whose source is translated), `FRAGS`, `SOCKETS`.
//!
//! Generic over the address family; IPv4 instances today.

use crate::addr::{Address, V4};

/// Entries of `NAT`, the established flows of this node's tasks.
pub const NAT_LEN: u32 = 1 << 18;
/// Entries of `EMBRYO`, flows whose client has not answered yet.
pub const EMBRYO_LEN: u32 = 1 << 16;
/// Entries of `FLOWS`, the entry node's flow cache for `rr` and UDP.
pub const FLOWS_LEN: u32 = 1 << 18;
/// Entries of `SNAT_OUT` and of `SNAT_IN`.
pub const SNAT_LEN: u32 = 1 << 16;
/// Entries of `FRAGS`, datagrams whose fragments are under way.
pub const FRAGS_LEN: u32 = 1 << 13;
/// Entries of `SOCKETS`, unconnected UDP sockets of the node's own processes.
pub const SOCKETS_LEN: u32 = 1 << 14;

/// A home flow as both directions can name it: the client side as the task sees it, and the task.
///
/// From the client: client and target port follow from the packet and `PORTS`, the task from the
/// carried row. From the task: all of it is in the packet. So one entry serves both directions.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct NatKey<A: Address> {
    /// The client's address.
    pub client: A,
    /// The task's address on its gateway leg.
    pub task: A,
    /// The client's port as the task sees it (an alternative one after a clash), network order.
    pub client_port: [u8; 2],
    /// The task's port, network order.
    pub target_port: [u8; 2],
    /// [`crate::port::TCP`] or [`crate::port::UDP`].
    pub proto: u8,
    /// Zero.
    pub reserved: [u8; 3],
}

/// [`NatValue::flags`]: reply straight to the client.
pub const NAT_DIRECT: u8 = 1;
/// [`NatValue::flags`]: the client sent FIN.
pub const NAT_CLIENT_FIN: u8 = 2;
/// [`NatValue::flags`]: the task sent FIN.
pub const NAT_TASK_FIN: u8 = 4;

/// What a home flow translates to.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct NatValue<A: Address> {
    /// The node address that the client dialled.
    pub dialled: A,
    /// The port that the client dialled, network order.
    pub dialled_port: [u8; 2],
    /// The client's real port, network order; differs from the key's only after a clash.
    pub client_port: [u8; 2],
    /// Index into `PEERS` of the entry node, [`crate::backend::NODE_SELF`] for this one; follows
    /// the latest valid frame.
    pub entry: u16,
    /// Index into `SERVICES`.
    pub service: u16,
    /// `NAT_*` bits.
    pub flags: u8,
    /// [`crate::leg::Leg::generation`] of the task's leg when the flow began: with another one the
    /// entry is a former task's, and nobody's.
    pub generation: u8,
    /// Zero.
    pub reserved: [u8; 2],
}

/// A flow at its entry node, for the flow cache.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FlowKey<A: Address> {
    /// The client's address.
    pub client: A,
    /// The client's port, network order; zero for a service with client-IP affinity.
    pub client_port: [u8; 2],
    /// The port that was dialled, network order.
    pub published_port: [u8; 2],
    /// Index into `SERVICES`: several virtual IPs have the same ports.
    pub service: u16,
    /// [`crate::port::TCP`] or [`crate::port::UDP`].
    pub proto: u8,
    /// Zero.
    pub reserved: u8,
}

/// Whom a cached flow belongs to.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FlowValue {
    /// Backend number.
    pub backend: u16,
    /// [`crate::backend::Backend::generation`] when the flow was cached.
    pub generation: u8,
    /// Zero.
    pub reserved: u8,
}

/// A client's connection whose source is translated here, as the client sees it: a task that dials a
/// published port of its own node, or anybody whose backend is on a node without agent.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SnatOutKey<A: Address> {
    /// The client's address; a task's on its gateway leg.
    pub client: A,
    /// The node address it dialled.
    pub dialled: A,
    /// The client's port, network order.
    pub client_port: [u8; 2],
    /// The port it dialled, network order.
    pub dialled_port: [u8; 2],
    /// [`crate::port::TCP`] or [`crate::port::UDP`].
    pub proto: u8,
    /// Zero.
    pub reserved: [u8; 3],
}

/// [`SnatOutValue::flags`]: it goes through Docker's ingress network; else by the mesh.
pub const SNAT_INGRESS: u8 = 1;

/// The port that such a connection got on the node's address, and whom it goes to.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SnatOutValue {
    /// Allocated port, network order: on the node's data-path address by the mesh, on its address in
    /// Docker's ingress network through that.
    pub node_port: [u8; 2],
    /// Backend number.
    pub backend: u16,
    /// [`crate::backend::Backend::generation`] when it was chosen.
    pub generation: u8,
    /// `SNAT_INGRESS` or 0.
    pub flags: u8,
    /// Zero.
    pub reserved: [u8; 2],
}

/// The same connection seen from the reply.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SnatInKey {
    /// Allocated port, network order.
    pub node_port: [u8; 2],
    /// [`crate::port::TCP`] or [`crate::port::UDP`].
    pub proto: u8,
    /// Zero.
    pub reserved: u8,
}

/// [`SnatInValue::state`]: begun, and nobody knows yet whether for good; all that UDP ever is.
pub const SNAT_OPENING: u8 = 0;
/// [`SnatInValue::state`]: the client acknowledged the answer.
pub const SNAT_OPEN: u8 = 1;
/// [`SnatInValue::state`]: one side sent FIN or RST.
pub const SNAT_CLOSED: u8 = 2;
/// After how long without a packet a flow of which nobody knows whether it is open, all UDP among them,
/// is taken for ended, in units of [`SnatInValue::used`]: 5 minutes, as IPVS has it for UDP.
pub const SNAT_FORGOTTEN: u32 = 279;

/// Whose connection an allocated port is.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SnatInValue<A: Address> {
    /// The client's address; a task's on its gateway leg.
    pub client: A,
    /// The node address it dialled.
    pub dialled: A,
    /// The client's port, network order.
    pub client_port: [u8; 2],
    /// The port it dialled, network order.
    pub dialled_port: [u8; 2],
    /// When its last packet came, 2^30 ns of monotonic time; wraps.
    pub used: u32,
    /// `SNAT_*`: only an open connection keeps its port where none is free.
    pub state: u8,
    /// Zero.
    pub reserved: [u8; 3],
}

/// A datagram whose fragments are under way (RFC 791 §3.2: source, destination, protocol, id).
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FragKey<A: Address> {
    /// Source address.
    pub src: A,
    /// Destination address.
    pub dst: A,
    /// IP identification, network order.
    pub id: [u8; 2],
    /// IP protocol.
    pub proto: u8,
    /// Where it was seen: 0 as a client of the mesh sent it, 1 as a task answered it, 2 as the answer
    /// came back to the entry node, 3 as a task sent it into an overlay network.
    pub side: u8,
}

/// The ports that only the first fragment carries.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FragValue {
    /// Source port, network order.
    pub src_port: [u8; 2],
    /// Destination port, network order.
    pub dst_port: [u8; 2],
}

/// An unconnected UDP socket of the node's own processes and the peer it really talks to.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SocketKey<A: Address> {
    /// Socket cookie.
    pub cookie: u64,
    /// Where datagrams really go.
    pub addr: A,
    /// Port of it, network order.
    pub port: [u8; 2],
    /// Zero.
    pub reserved: [u8; 2],
}

/// The address that the socket's owner believes it talks to.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SocketValue<A: Address> {
    /// The dialled address.
    pub addr: A,
    /// The dialled port, network order.
    pub port: [u8; 2],
    /// Zero.
    pub reserved: [u8; 2],
}

const _: () = assert!(size_of::<NatKey<V4>>() == 16);
const _: () = assert!(size_of::<NatValue<V4>>() == 16);
const _: () = assert!(size_of::<FlowKey<V4>>() == 12);
const _: () = assert!(size_of::<FlowValue>() == 4);
const _: () = assert!(size_of::<SnatOutKey<V4>>() == 16);
const _: () = assert!(size_of::<SnatOutValue>() == 8);
const _: () = assert!(size_of::<SnatInValue<V4>>() == 20);
const _: () = assert!(size_of::<FragKey<V4>>() == 12);
const _: () = assert!(size_of::<SocketKey<V4>>() == 16);
