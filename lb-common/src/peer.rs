//! Peers: `PEERS`, one element per node of the cluster, with the outer header ready to be copied.
//! Filled by the agent from the cluster's nodes and from netlink routes and neighbours.

use crate::addr::{Mac, V4};

/// Elements of `PEERS`; index 0 is this node.
pub const PEERS_LEN: u32 = 1024;

/// [`Peer::flags`]: this element names a node.
pub const PEER_PRESENT: u16 = 1;
/// [`Peer::flags`]: `dst_mac`, `src_mac` and `ifindex` are valid.
pub const PEER_RESOLVED: u16 = 2;
/// [`Peer::flags`]: no agent was heard on the node for a while, if ever; new flows reach its tasks through
/// Docker's ingress network.
pub const PEER_INGRESS: u16 = 4;
/// [`Peer::flags`]: its agent fell silent without taking leave, so that the mesh may carry the flows that it
/// has; with [`PEER_INGRESS`].
pub const PEER_SILENT: u16 = 8;

/// A node of the cluster and how to reach it.
///
/// The fields lie as the kernel copies them: eight bytes at a time, each MAC within one word, so an
/// update under traffic never shows half an address.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Peer {
    /// Next hop's Ethernet address.
    pub dst_mac: Mac,
    /// `PEER_*` bits.
    pub flags: u16,
    /// Ethernet address of the interface towards it.
    pub src_mac: Mac,
    /// Zero.
    pub reserved: u16,
    /// Interface towards it.
    pub ifindex: u32,
    /// The node's data-path address.
    pub addr: V4,
    /// One's complement sum (folded to 16 bits, not inverted) of the outer IPv4 header without its
    /// total length and identification, host order.
    pub ip_sum: u16,
    /// Largest outer IP packet that reaches it, bytes.
    pub mtu: u16,
    /// Zero.
    pub reserved2: u32,
}

const _: () = assert!(size_of::<Peer>() == 32);

impl Peer {
    /// Destination and source address of its frames' Ethernet header, each as a number whose lowest byte
    /// comes first: one load each, while arrays are loaded byte by byte.
    #[inline(always)]
    #[must_use]
    pub fn macs(&self) -> [u64; 2] {
        // SAFETY: sizes are equal, there is no padding, and any bits are a number.
        let [dst, src, ..]: [u64; 4] = unsafe { core::mem::transmute(*self) };
        [dst, src].map(|mac| mac.to_le() & 0xffff_ffff_ffff)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_as_numbers_begin_with_their_lowest_byte() {
        let (dst_mac, src_mac) = ([1, 2, 3, 4, 5, 6], [7, 8, 9, 10, 11, 12]);
        let peer = Peer { dst_mac, flags: 3, src_mac, reserved: 9, ..Peer::default() };
        assert_eq!(peer.macs(), [0x0605_0403_0201, 0x0c0b_0a09_0807]);
    }
}
