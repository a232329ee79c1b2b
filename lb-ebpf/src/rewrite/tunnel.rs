//! The tunnel's headers: outer Ethernet, IPv4, UDP, VXLAN (RFC 7348), and the inner Ethernet header
//! that carries the row.

use lb_common::{
    addr::{Mac, V4},
    hash::mix,
    peer::Peer,
    port::UDP,
    wire::{OUTER_LEN, OUTER_TTL, VXLAN_FLAGS},
};

use crate::{
    checksum::Sum,
    headers::{IPV4_PLAIN, Words},
    packet::Packet,
    parse::Parsed,
};

/// All that stands before the inner IPv4 header of a tunnel frame, in the words that are stored: outer
/// Ethernet, IPv4 and UDP (checksum zero: RFC 7348 §4.1, RFC 768), VXLAN, inner Ethernet. Words and not
/// headers, since what was put together on the stack from shorter pieces is slow to load again.
#[derive(Clone, Copy, Debug)]
pub struct TunnelHeader(Words<16>);

const _: () = assert!(size_of::<TunnelHeader>() == OUTER_LEN + 14);

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
        let [[t, t2], [u, u2]] = [udp_len.wrapping_add(20), udp_len].map(u16::to_be_bytes);
        let [p, p2] = tunnel.port.to_be_bytes();
        let [_, v, v2, v3] = tunnel.vni.to_be_bytes();
        let ([a, b, c, d, e, f], [g, h, i, j, k, l]) = tunnel.macs;
        let [to, from] = peer.macs();
        let [own, peer_addr] = [tunnel.own, peer.addr].map(little);
        let check = u64::from(u16::from_le_bytes(check(peer, [t, t2])));
        let src_port = u64::from(tunnel.src_port.to_be().to_le());
        Self(Words([
            low(to),
            low(to >> 32 | from << 16),
            low(from >> 16),
            [0x08, 0x00, IPV4_PLAIN, 0],
            [t, t2, 0, 0],
            [0x40, 0, OUTER_TTL, UDP],
            low(check | own << 16),
            low(own >> 16 | peer_addr << 16),
            low(peer_addr >> 16 | src_port << 16),
            [p, p2, u, u2],
            [0, 0, VXLAN_FLAGS, 0],
            [0, 0, v, v2],
            [v3, 0, a, b],
            [c, d, e, f],
            [g, h, i, j],
            [k, l, 0x08, 0x00],
        ]))
    }

    /// Writes the headers to the start of `packet`.
    #[inline(always)]
    pub fn store(&self, packet: &Packet<'_>) -> Option<()> {
        packet.write(0, &self.0)
    }
}

/// Four bytes of a header as a number with the first byte lowest.
#[inline(always)]
fn little(bytes: [u8; 4]) -> u64 {
    u64::from(u32::from_le_bytes(bytes))
}

/// The four bytes that lie lowest.
#[inline(always)]
const fn low(bytes: u64) -> [u8; 4] {
    (bytes as u32).to_le_bytes()
}

/// Checksum of the outer IPv4 header, which has DF set, since nobody reassembles tunnel frames: from the
/// peer's precomputed sum and the length.
#[inline(always)]
fn check(peer: &Peer, total_len: [u8; 2]) -> [u8; 2] {
    Sum::default().add2(peer.ip_sum.to_be_bytes()).add2(total_len).checksum()
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
