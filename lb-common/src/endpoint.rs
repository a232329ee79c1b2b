//! Overlay networks: `ENDPOINTS`, who has which address in which network; `OVERLAY_LEGS`, what the
//! program on a leg needs to know about the task behind it; `VIPFLOWS`, which task a client's flow to
//! a virtual IP went to. The first two are written by the agent, the last by the packet path at the
//! client's node.

use crate::addr::{Address, Mac, V4};

/// Elements of `ENDPOINTS`.
pub const ENDPOINTS_LEN: u32 = 1 << 17;
/// Elements of `OVERLAY_LEGS`.
pub const OVERLAY_LEGS_LEN: u32 = 1 << 16;
/// Entries of `VIPFLOWS`.
pub const VIPFLOWS_LEN: u32 = 1 << 18;

/// Where a leg with that interface index stands in `OVERLAY_LEGS`; two legs of one node must differ
/// in it, which the agent sees to.
#[inline(always)]
#[must_use]
pub const fn overlay_leg_index(ifindex: u32) -> u32 {
    ifindex % OVERLAY_LEGS_LEN
}

/// An address in a network.
///
/// A network with several subnets has one VNI each. Every endpoint of it is entered under every one
/// of them, so that the VNI of a frame, or of a leg, finds all that it may reach with one look-up.
/// Beside Docker, where no two networks share an address and programs sit in the engine's own
/// namespaces, all of them are entered under [`ANY_VNI`] alone: an interface index tells no network there.
///
/// The address 0.0.0.0 under a VNI says that the VNI is known ([`ENDPOINT_NETWORK`]); under the
/// mesh's, which no network has, that the cluster has networks at all.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EndpointKey<A: Address> {
    /// VXLAN network identifier.
    pub vni: u32,
    /// The address.
    pub addr: A,
}

/// [`EndpointKey::vni`] and [`VipFlowKey::vni`] beside Docker.
pub const ANY_VNI: u32 = 0;

/// [`Endpoint::kind`]: a task.
pub const ENDPOINT_TASK: u8 = 1;
/// [`Endpoint::kind`]: a virtual IP; answers ARP and ping, the rest is balanced.
pub const ENDPOINT_VIP: u8 = 2;
/// [`Endpoint::kind`]: a subnet's gateway; answers ARP and ping.
pub const ENDPOINT_GATEWAY: u8 = 3;
/// [`Endpoint::kind`]: not an address but the VNI itself.
pub const ENDPOINT_NETWORK: u8 = 4;

/// Who has an address.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Endpoint {
    /// Its Ethernet address.
    pub mac: Mac,
    /// `ENDPOINT_*`.
    pub kind: u8,
    /// Zero.
    pub reserved: u8,
    /// VNI of the subnet that the address lies in: frames to it carry this one.
    pub vni: u32,
    /// Of a task on this node, the node end of its leg; 0: elsewhere, or no leg (yet).
    pub ifindex: u32,
    /// Of a task, index into `PEERS` of its node; [`crate::backend::NODE_SELF`] for this one.
    pub node: u16,
    /// Index into `SERVICES`: of a virtual IP its service, of a task the service whose virtual IP in
    /// this network has it as a backend; 0: none.
    pub service: u16,
}

/// An overlay leg of this node, found by the interface that a packet came in by. All zero: no leg.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OverlayLeg {
    /// The node end's interface index; differs from the packet's where the element is another leg's.
    pub ifindex: u32,
    /// VNI of the task's subnet.
    pub vni: u32,
    /// The task's address.
    pub addr: V4,
    /// The task's Ethernet address.
    pub mac: Mac,
    /// Largest IP packet that the leg carries, bytes.
    pub mtu: u16,
    /// As [`Endpoint::service`] of the task.
    pub service: u16,
    /// Zero.
    pub reserved: u16,
}

/// A client's flow to a virtual IP as both directions can name it: the client and the task that it
/// was given to. From the client the task follows from the service's row, the rest is in the packet
/// (the port stays the same); from the task all of it is in the packet.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct VipFlowKey<A: Address> {
    /// VNI of the client's subnet; [`ANY_VNI`] beside Docker.
    pub vni: u32,
    /// The client's address.
    pub client: A,
    /// The task's address.
    pub backend: A,
    /// The client's port, network order.
    pub client_port: [u8; 2],
    /// The port that it dialled, network order.
    pub port: [u8; 2],
    /// [`crate::port::TCP`] or [`crate::port::UDP`].
    pub proto: u8,
    /// Zero. Two fields, since three bytes at once are a call in BPF.
    pub reserved: u8,
    /// Zero.
    pub reserved2: u16,
}

/// [`VipFlowValue::flags`]: the task has answered.
pub const VIPFLOW_ANSWERED: u8 = 1;

/// Which virtual IP a flow dialled.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct VipFlowValue<A: Address> {
    /// The virtual IP.
    pub vip: A,
    /// Index into `SERVICES`.
    pub service: u16,
    /// Backend number.
    pub backend: u16,
    /// [`crate::backend::Backend::generation`] when the flow began.
    pub generation: u8,
    /// `VIPFLOW_*` bits.
    pub flags: u8,
    /// Zero.
    pub reserved: u16,
}

const _: () = assert!(size_of::<EndpointKey<V4>>() == 8);
const _: () = assert!(size_of::<Endpoint>() == 20);
const _: () = assert!(size_of::<OverlayLeg>() == 24);
const _: () = assert!(size_of::<VipFlowKey<V4>>() == 20);
const _: () = assert!(size_of::<VipFlowValue<V4>>() == 12);
