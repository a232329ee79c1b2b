//! Bytes to facts: what a packet is, whose flow it belongs to. Comes from `packet`, goes to
//! `decide`. Nothing is written here.

use lb_common::{
    addr::V4,
    port::{ICMP, TCP, UDP},
};

use crate::{
    headers::{
        ETHERTYPE_IPV4, Eth, ICMP_PARAMETER, ICMP_TIME_EXCEEDED, ICMP_UNREACHABLE, IPV4_PLAIN,
        Icmp, Ipv4Hdr, Tcp,
    },
    packet::Packet,
};

/// Length of an Ethernet header.
pub const ETH_LEN: usize = 14;
/// Length of an IPv4 header without options.
pub const IP_LEN: usize = 20;
/// Offset of the transport header in a frame.
pub const L4: usize = ETH_LEN + IP_LEN;
/// Offset of the quoted IPv4 header in a frame with an ICMP error.
pub const QUOTE: usize = L4 + 8;
/// Offset of the quoted transport header.
pub const QUOTE_L4: usize = QUOTE + IP_LEN;

/// Which piece of a datagram this is (RFC 791 §3.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fragment {
    /// All of it.
    Whole,
    /// The piece with the ports.
    First,
    /// A piece without ports.
    Later,
}

/// What the ports and flags come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A TCP segment.
    Tcp,
    /// A UDP datagram.
    Udp,
    /// An ICMP error; addresses, ports and protocol are those of the quoted packet, turned round,
    /// so that they name the flow in the direction in which the error travels.
    IcmpError,
    /// Any other IPv4 packet, of which only the addresses are known ([`other`]).
    Other,
}

/// The facts about one IPv4 packet, without options where there are ports.
#[repr(C, align(4))]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parsed {
    /// Source of the flow in this packet's direction.
    pub src: V4,
    /// Destination of the flow in this packet's direction.
    pub dst: V4,
    /// Source port; zero in a later fragment until `FRAGS` is asked.
    pub src_port: [u8; 2],
    /// Destination port; likewise.
    pub dst_port: [u8; 2],
    /// IP identification, for fragments.
    pub id: [u8; 2],
    /// IP total length, bytes.
    pub total_len: u16,
    /// The same as it goes over a wire: less than `total_len` only where the kernel still has to cut
    /// a large packet into segments.
    pub segment_len: u16,
    /// What it is.
    pub kind: Kind,
    /// Protocol of the flow.
    pub proto: u8,
    /// TCP flags; zero where there are none.
    pub flags: u8,
    /// Which piece of its datagram.
    pub fragment: Fragment,
    /// Zero: padding would be uninitialised.
    pub reserved: u16,
}

impl Parsed {
    /// Facts about no packet yet.
    pub const NOTHING: Self = Self {
        src: [0; 4],
        dst: [0; 4],
        src_port: [0; 2],
        dst_port: [0; 2],
        id: [0; 2],
        total_len: 0,
        segment_len: 0,
        kind: Kind::Other,
        proto: 0,
        flags: 0,
        fragment: Fragment::Whole,
        reserved: 0,
    };
}

/// What parsing can end with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parse {
    /// Not for us: the kernel knows what to do with it.
    NotOurs,
    /// Headers cut short.
    Malformed,
    /// TCP, UDP or an ICMP error about either.
    Packet(Parsed),
}

/// Parses the frame that begins `BASE` bytes into the packet.
#[inline(always)]
#[must_use]
pub fn parse<const BASE: usize>(packet: &Packet<'_>) -> Parse {
    let Some(eth) = packet.read::<Eth>(BASE) else { return Parse::NotOurs };
    let Some(ip) = packet.read::<Ipv4Hdr>(BASE + ETH_LEN) else { return Parse::NotOurs };
    if eth.ether_type != ETHERTYPE_IPV4 || ip.vihl != IPV4_PLAIN {
        return Parse::NotOurs;
    }
    let fragment = fragment_of(ip.frags);
    match (ip.proto, fragment) {
        (TCP | UDP, Fragment::Later) => Parse::Packet(facts(&ip, fragment, [0; 2], [0; 2], 0)),
        (TCP, _) => match packet.read::<Tcp>(BASE + L4) {
            Some(tcp) => Parse::Packet(facts(&ip, fragment, tcp.src_port, tcp.dst_port, tcp.flags)),
            None => Parse::Malformed,
        },
        (UDP, _) => match packet.read::<[u8; 4]>(BASE + L4) {
            Some([a, b, c, d]) => Parse::Packet(facts(&ip, fragment, [a, b], [c, d], 0)),
            None => Parse::Malformed,
        },
        (ICMP, Fragment::Whole) => parse_icmp::<BASE>(packet, &ip),
        _ => Parse::NotOurs,
    }
}

/// What an IPv4 header alone says, for what [`parse`] leaves to others.
#[inline(always)]
#[must_use]
pub fn other(ip: &Ipv4Hdr) -> Parsed {
    Parsed { kind: Kind::Other, ..facts(ip, fragment_of(ip.frags), [0; 2], [0; 2], 0) }
}

/// Reads the flags and the offset of an IPv4 header.
#[inline(always)]
#[must_use]
pub fn fragment_of(field: [u8; 2]) -> Fragment {
    match (u16::from_be_bytes(field) & 0x1fff, field[0] & 0x20) {
        (0, 0) => Fragment::Whole,
        (0, _) => Fragment::First,
        _ => Fragment::Later,
    }
}

#[inline(always)]
fn facts(
    ip: &Ipv4Hdr,
    fragment: Fragment,
    src_port: [u8; 2],
    dst_port: [u8; 2],
    flags: u8,
) -> Parsed {
    Parsed {
        kind: if ip.proto == TCP { Kind::Tcp } else { Kind::Udp },
        src: ip.src_addr,
        dst: ip.dst_addr,
        src_port,
        dst_port,
        proto: ip.proto,
        flags,
        fragment,
        id: ip.id,
        total_len: u16::from_be_bytes(ip.tot_len),
        reserved: 0,
        segment_len: u16::from_be_bytes(ip.tot_len),
    }
}

/// An error that quotes a TCP or UDP packet sent by the error's receiver; all else is the kernel's.
#[inline(always)]
fn parse_icmp<const BASE: usize>(packet: &Packet<'_>, ip: &Ipv4Hdr) -> Parse {
    let Some(icmp) = packet.read::<Icmp>(BASE + L4) else { return Parse::NotOurs };
    if !matches!(icmp.kind, ICMP_UNREACHABLE | ICMP_TIME_EXCEEDED | ICMP_PARAMETER) {
        return Parse::NotOurs;
    }
    let Some(quote) = packet.read::<Ipv4Hdr>(BASE + QUOTE) else { return Parse::NotOurs };
    let Some([a, b, c, d]) = packet.read::<[u8; 4]>(BASE + QUOTE_L4) else { return Parse::NotOurs };
    let later = fragment_of(quote.frags) == Fragment::Later;
    if quote.vihl != IPV4_PLAIN
        || later
        || !matches!(quote.proto, TCP | UDP)
        || quote.src_addr != ip.dst_addr
    {
        return Parse::NotOurs;
    }
    Parse::Packet(Parsed {
        kind: Kind::IcmpError,
        src: quote.dst_addr,
        dst: quote.src_addr,
        src_port: [c, d],
        dst_port: [a, b],
        proto: quote.proto,
        flags: 0,
        fragment: Fragment::Whole,
        id: ip.id,
        total_len: u16::from_be_bytes(ip.tot_len),
        reserved: 0,
        segment_len: u16::from_be_bytes(ip.tot_len),
    })
}
