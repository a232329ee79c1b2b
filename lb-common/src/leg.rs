//! Gateway legs: `LEGS`, indexed by the low 16 bits of the leg's address in the node's gateway
//! subnet (a /16 or longer), so that a packet's own address finds its leg without hashing.

use crate::addr::{Mac, V4};

/// Elements of `LEGS`.
pub const LEGS_LEN: u32 = 65536;

/// Where a leg with address `addr` stands in `LEGS`.
#[inline(always)]
#[must_use]
pub const fn leg_index(addr: V4) -> u16 {
    u16::from_be_bytes([addr[2], addr[3]])
}

/// A task's gateway leg: a veth pair whose one end is in the node, the other in the task.
/// Without an interface: no such leg.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Leg {
    /// Host-side veth in the node's namespace; 0: no leg.
    pub ifindex: u32,
    /// The node's id for the task's network namespace (`NETNSA_NSID`), for socket look-ups;
    /// negative: unknown, then no second chance for this task.
    pub netns_id: i32,
    /// The task's address on the leg.
    pub addr: V4,
    /// The task end's Ethernet address.
    pub task_mac: Mac,
    /// The node end's Ethernet address.
    pub host_mac: Mac,
    /// Largest IP packet that the leg carries, bytes.
    pub mtu: u16,
    /// Counts the interfaces that had this address, and stays when one goes: flows that an earlier
    /// task had under the address are not the next one's ([`crate::flow::NatValue::generation`]).
    pub generation: u8,
    /// Zero.
    pub reserved: [u8; 5],
}

const _: () = assert!(size_of::<Leg>() == 32);
