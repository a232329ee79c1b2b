//! The tunnel's headers: outer Ethernet, IPv4, UDP, VXLAN (RFC 7348), and the inner Ethernet header
//! that carries the row.

use lb_common::{
    addr::{Mac, V4},
    hash::mix,
    peer::Peer,
    wire::{OUTER_LEN, OUTER_TTL, VXLAN_FLAGS},
};

use crate::{
    checksum::Sum,
    headers::{ETHERTYPE_IPV4, Eth, Header, IPV4_PLAIN, Ipv4Hdr, UdpHdr, VxlanHdr},
    packet::Packet,
    parse::Parsed,
};

/// All that stands before the inner IPv4 header of a tunnel frame.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct TunnelHeader {
    /// Outer Ethernet.
    pub eth: Eth,
    /// Outer IPv4.
    pub ip: Ipv4Hdr,
    /// Outer UDP, checksum zero (RFC 7348 §4.1, RFC 768).
    pub udp: UdpHdr,
    /// VXLAN.
    pub vxlan: VxlanHdr,
    /// Inner Ethernet.
    pub inner: Eth,
}

// SAFETY: made of headers only, which have alignment 1 and no padding, as the assert confirms.
unsafe impl Header for TunnelHeader {}
const _: () =
    assert!(align_of::<TunnelHeader>() == 1 && size_of::<TunnelHeader>() == OUTER_LEN + 14);

/// What a tunnel frame needs besides its peer.
#[derive(Clone, Copy, Debug)]
pub struct Tunnel {
    /// This node's data-path address: always the outer source, since peers drop all else.
    pub own: V4,
    /// UDP port of the tunnel, host order.
    pub port: u16,
    /// VXLAN network identifier.
    pub vni: u32,
    /// Inner destination and source MAC.
    pub macs: (Mac, Mac),
    /// Spreads flows over the receiver's queues and over equal paths.
    pub src_port: u16,
    /// Length of the inner IPv4 packet, bytes.
    pub inner_len: u16,
}

impl TunnelHeader {
    /// The headers of a frame to `peer`.
    #[inline(always)]
    #[must_use]
    pub fn new(peer: &Peer, tunnel: &Tunnel) -> Self {
        let udp_len = tunnel.inner_len.wrapping_add(14 + 16);
        let [_, a, b, c] = tunnel.vni.to_be_bytes();
        Self {
            eth: Eth { dst: peer.dst_mac, src: peer.src_mac, ether_type: ETHERTYPE_IPV4 },
            ip: outer_ip(peer, tunnel.own, udp_len.wrapping_add(20)),
            udp: UdpHdr {
                src: tunnel.src_port.to_be_bytes(),
                dst: tunnel.port.to_be_bytes(),
                len: udp_len.to_be_bytes(),
                check: [0; 2],
            },
            vxlan: VxlanHdr {
                flags: VXLAN_FLAGS,
                _reserved1: [0; 3],
                vni: [a, b, c],
                _reserved2: 0,
            },
            inner: Eth { dst: tunnel.macs.0, src: tunnel.macs.1, ether_type: ETHERTYPE_IPV4 },
        }
    }

    /// Writes the headers to the start of `packet`.
    #[inline(always)]
    pub fn store(&self, packet: &Packet<'_>) -> Option<()> {
        packet.write(0, self)
    }
}

/// The outer IPv4 header: DF set, since nobody reassembles tunnel frames; the checksum from the
/// peer's precomputed sum and the length.
#[inline(always)]
fn outer_ip(peer: &Peer, own: V4, total_len: u16) -> Ipv4Hdr {
    let tot_len = total_len.to_be_bytes();
    Ipv4Hdr {
        vihl: IPV4_PLAIN,
        tos: 0,
        tot_len,
        id: [0; 2],
        frags: [0x40, 0],
        ttl: OUTER_TTL,
        proto: lb_common::port::UDP,
        check: Sum::default().add2(peer.ip_sum.to_be_bytes()).add2(tot_len).checksum(),
        src_addr: own,
        dst_addr: peer.addr,
    }
}

/// The outer source port for a flow, 49152 and up (RFC 7348 §5).
#[inline(always)]
#[must_use]
pub fn source_port(parsed: &Parsed) -> u16 {
    let addresses =
        u64::from(u32::from_ne_bytes(parsed.src)) << 32 | u64::from(u32::from_ne_bytes(parsed.dst));
    let ports = u64::from(u16::from_ne_bytes(parsed.src_port)) << 16
        | u64::from(u16::from_ne_bytes(parsed.dst_port));
    0xc000 | (mix(addresses ^ ports.rotate_left(16)) as u16 & 0x3fff)
}
