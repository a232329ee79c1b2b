//! Saying no: a client's packet becomes the RST or the ICMP error that answers it. Works in the
//! packet's own bytes; Ethernet addresses are left to whoever sends it.

use lb_common::port::{ICMP, TCP};

use crate::{
    checksum::Sum,
    headers::{
        ACK, CODE_FRAG_NEEDED, CODE_PORT, ETHERTYPE_IPV4, Eth, FIN, Header, ICMP_UNREACHABLE,
        IPV4_PLAIN, Icmp, Ipv4Hdr, RST, SYN, Tcp,
    },
    packet::Packet,
    parse::{ETH_LEN, IP_LEN, L4, QUOTE, QUOTE_L4},
};

/// Length of the frame that [`reset`] makes.
pub const RESET_LEN: usize = L4 + 20;
/// Bytes that must be put before a frame, between Ethernet and IPv4 header, for [`unreachable`].
pub const ICMP_ROOM: usize = IP_LEN + 8;
/// Length of the frame that [`unreachable`] makes: the quote is an IPv4 header and eight bytes.
pub const ICMP_LEN: usize = QUOTE_L4 + 8;
const TTL: u8 = 64;

/// The RST that answers a TCP segment (RFC 9293 §3.10.7.1).
#[derive(Clone, Copy, Debug)]
pub struct Reset {
    ip: Ipv4Hdr,
    tcp: Tcp,
}

impl Reset {
    /// The answer to the segment in this frame.
    #[inline(always)]
    #[must_use]
    pub fn to(packet: &Packet<'_>) -> Option<Self> {
        let ip = packet.read::<Ipv4Hdr>(ETH_LEN)?;
        let answer = answer_to(&ip, &packet.read::<Tcp>(L4)?);
        let ip = ip_back(&ip, TCP, IP_LEN as u16 + 20);
        let check = tcp_sum(&answer, &ip).checksum();
        Some(Self { ip, tcp: Tcp { check, ..answer } })
    }

    /// Writes it into a frame of [`RESET_LEN`] bytes.
    #[inline(always)]
    pub fn store(&self, packet: &Packet<'_>) -> Option<()> {
        packet.write(L4, &self.tcp)?;
        packet.write(ETH_LEN, &self.ip)
    }
}

/// Turns a TCP segment into the RST that answers it; the frame must then be cut to [`RESET_LEN`].
#[inline(always)]
pub fn reset(packet: &Packet<'_>) -> Option<()> {
    Reset::to(packet)?.store(packet)
}

#[inline(always)]
fn answer_to(ip: &Ipv4Hdr, tcp: &Tcp) -> Tcp {
    let acked = tcp.flags & ACK != 0;
    let header = u32::from(tcp.offset >> 4) * 4;
    let length = u32::from(u16::from_be_bytes(ip.tot_len)).wrapping_sub(IP_LEN as u32 + header);
    let phantom = u32::from(tcp.flags & SYN != 0) + u32::from(tcp.flags & FIN != 0);
    let next = u32::from_be_bytes(tcp.seq).wrapping_add(length).wrapping_add(phantom);
    Tcp {
        src_port: tcp.dst_port,
        dst_port: tcp.src_port,
        seq: if acked { tcp.ack } else { [0; 4] },
        ack: if acked { [0; 4] } else { next.to_be_bytes() },
        offset: 5 << 4,
        flags: if acked { RST } else { RST | ACK },
        window: [0; 2],
        check: [0; 2],
        urgent: [0; 2],
    }
}

#[inline(always)]
fn tcp_sum(tcp: &Tcp, ip: &Ipv4Hdr) -> Sum {
    Sum::default()
        .add4(ip.src_addr)
        .add4(ip.dst_addr)
        .add2([0, TCP])
        .add2(20u16.to_be_bytes())
        .add2(tcp.src_port)
        .add2(tcp.dst_port)
        .add4(tcp.seq)
        .add4(tcp.ack)
        .add2([tcp.offset, tcp.flags])
}

/// What an ICMP error quotes of a packet: an IPv4 header and eight bytes (RFC 792).
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Quote {
    ip: Ipv4Hdr,
    rest: [u8; 8],
}

// SAFETY: made of headers and bytes, which have alignment 1 and no padding, as the assert confirms.
unsafe impl Header for Quote {}
const _: () = assert!(align_of::<Quote>() == 1 && size_of::<Quote>() == ICMP_LEN - QUOTE);

impl Quote {
    #[inline(always)]
    fn sum(&self) -> Sum {
        let ip = &self.ip;
        let [a, b, c, d, e, f, g, h] = self.rest;
        Sum::default()
            .add2([ip.vihl, ip.tos])
            .add2(ip.tot_len)
            .add2(ip.id)
            .add2(ip.frags)
            .add2([ip.ttl, ip.proto])
            .add2(ip.check)
            .add4(ip.src_addr)
            .add4(ip.dst_addr)
            .add4([a, b, c, d])
            .add4([e, f, g, h])
    }

    /// Writes what stands before it in the ICMP error that answers the quoted packet: fragmentation
    /// needed for `mtu`, or port unreachable if that is 0.
    #[inline(always)]
    pub fn answer(&self, packet: &Packet<'_>, mtu: u16) -> Option<()> {
        let code = if mtu == 0 { CODE_PORT } else { CODE_FRAG_NEEDED };
        let [high, low] = mtu.to_be_bytes();
        let sum = self.sum().add2([ICMP_UNREACHABLE, code]).add2([high, low]);
        let rest = [0, 0, high, low];
        let icmp = Icmp { kind: ICMP_UNREACHABLE, code, check: sum.checksum(), rest };
        packet.write(L4, &icmp)?;
        packet.write(ETH_LEN, &ip_back(&self.ip, ICMP, (ICMP_LEN - ETH_LEN) as u16))?;
        packet.write(0, &Eth { dst: [0; 6], src: [0; 6], ether_type: ETHERTYPE_IPV4 })
    }
}

/// Makes the ICMP error that answers the packet whose IPv4 header stands at [`QUOTE`], after
/// [`ICMP_ROOM`] bytes were put before it; see [`Quote::answer`]. The frame must then be cut to
/// [`ICMP_LEN`].
#[inline(always)]
pub fn unreachable(packet: &Packet<'_>, mtu: u16) -> Option<()> {
    packet.read::<Quote>(QUOTE)?.answer(packet, mtu)
}

#[inline(always)]
fn ip_back(ip: &Ipv4Hdr, proto: u8, total_len: u16) -> Ipv4Hdr {
    let tot_len = total_len.to_be_bytes();
    let sum = Sum::default()
        .add2([IPV4_PLAIN, 0])
        .add2(tot_len)
        .add2([0x40, 0])
        .add2([TTL, proto])
        .add4(ip.src_addr)
        .add4(ip.dst_addr);
    Ipv4Hdr {
        vihl: IPV4_PLAIN,
        tos: 0,
        tot_len,
        id: [0; 2],
        frags: [0x40, 0],
        ttl: TTL,
        proto,
        check: sum.checksum(),
        src_addr: ip.dst_addr,
        dst_addr: ip.src_addr,
    }
}
