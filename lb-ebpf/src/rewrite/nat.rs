//! Address and port translation, of a packet and of the packet that an ICMP error quotes, with
//! checksums brought up to date incrementally.
//!
//! `plan` says what changes; `translate` writes it into bytes whose checksums are complete, as XDP
//! sees them; `kernel::skb` writes the same plan with helpers that know about offloads.

use crate::{
    checksum::Sum,
    headers::{Icmp, Ipv4Hdr},
    packet::Packet,
    parse::{ETH_LEN, Fragment, Kind, L4, Parsed, QUOTE, QUOTE_L4},
    verdict::Nat,
};

/// What a translation adds to checksums.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Replaced addresses: counts in the IPv4 header and in the pseudo header.
    pub addresses: Sum,
    /// Replaced ports: counts in the transport header.
    pub ports: Sum,
}

/// What changes between the packet's addresses and the new ones.
#[inline(always)]
#[must_use]
pub fn plan(parsed: &Parsed, nat: &Nat) -> Plan {
    Plan {
        addresses: Sum::default().replace4(parsed.src, nat.src).replace4(parsed.dst, nat.dst),
        ports: Sum::default()
            .replace2(parsed.src_port, nat.src_port)
            .replace2(parsed.dst_port, nat.dst_port),
    }
}

/// Offset of the checksum within the transport header; `None` for what has no ports of its own.
#[inline(always)]
#[must_use]
pub fn check_offset(parsed: &Parsed) -> Option<usize> {
    match (parsed.kind, parsed.fragment) {
        (_, Fragment::Later) | (Kind::IcmpError | Kind::Other, _) => None,
        (Kind::Tcp, _) => Some(16),
        (Kind::Udp, _) => Some(6),
    }
}

/// Translates the packet in place.
#[inline(always)]
pub fn translate(packet: &Packet<'_>, parsed: &Parsed, nat: &Nat) -> Option<()> {
    if parsed.kind == Kind::IcmpError {
        return translate_error(packet, parsed, nat);
    }
    let plan = plan(parsed, nat);
    translate_ip(packet, parsed, nat)?;
    let Some(at) = check_offset(parsed) else { return Some(()) };
    let old = packet.read::<[u8; 2]>(L4 + at)?;
    let both = Sum(plan.addresses.0 + plan.ports.0);
    let new = if parsed.kind == Kind::Udp { both.update_udp(old) } else { both.update(old) };
    packet.write(L4 + at, &new)?;
    let ([a, b], [c, d]) = (nat.src_port, nat.dst_port);
    packet.write(L4, &[a, b, c, d])
}

/// The outer addresses: of an ICMP error from a router on the way, the source stays the router's.
#[inline(always)]
fn translate_ip(packet: &Packet<'_>, parsed: &Parsed, nat: &Nat) -> Option<()> {
    let mut ip = packet.read::<Ipv4Hdr>(ETH_LEN)?;
    let src = if ip.src_addr == parsed.src { nat.src } else { ip.src_addr };
    let sum = Sum::default().replace4(ip.src_addr, src).replace4(ip.dst_addr, nat.dst);
    ip.check = sum.update(ip.check);
    ip.src_addr = src;
    ip.dst_addr = nat.dst;
    packet.write(ETH_LEN, &ip)
}

/// An ICMP error: outer header, and the quote turned round, so that the receiver recognises the
/// packet it sent.
#[inline(always)]
fn translate_error(packet: &Packet<'_>, parsed: &Parsed, nat: &Nat) -> Option<()> {
    translate_ip(packet, parsed, nat)?;
    let sum = translate_quote(packet, nat)?;
    let mut icmp = packet.read::<Icmp>(L4)?;
    icmp.check = sum.update(icmp.check);
    packet.write(L4, &icmp)
}

/// Translates the quoted packet; what it adds to the ICMP checksum.
#[inline(always)]
pub fn translate_quote(packet: &Packet<'_>, nat: &Nat) -> Option<Sum> {
    let mut quote = packet.read::<Ipv4Hdr>(QUOTE)?;
    let addresses =
        Sum::default().replace4(quote.src_addr, nat.dst).replace4(quote.dst_addr, nat.src);
    let check = addresses.update(quote.check);
    let sum = addresses.replace2(quote.check, check);
    quote.check = check;
    quote.src_addr = nat.dst;
    quote.dst_addr = nat.src;
    packet.write(QUOTE, &quote)?;
    let old = packet.read::<[u8; 4]>(QUOTE_L4)?;
    let ([a, b], [c, d]) = (nat.dst_port, nat.src_port);
    packet.write(QUOTE_L4, &[a, b, c, d])?;
    Some(sum.replace4(old, [a, b, c, d]))
}
