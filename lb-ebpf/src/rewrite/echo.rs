//! The answer to an ICMP echo request (RFC 792), written over it.

use lb_common::addr::Mac;

use crate::{
    checksum::Sum,
    headers::{Eth, ICMP_ECHO_REPLY, ICMP_ECHO_REQUEST, Icmp, Ipv4Hdr},
    packet::Packet,
    parse::{ETH_LEN, Fragment, L4, fragment_of},
};

/// Turns a request into the reply of whoever has `mac`. Each fragment of a large one is turned alone:
/// only the first has the type, and they come together again where they came from.
#[inline(always)]
pub fn reply(packet: &Packet<'_>, mac: Mac) -> Option<()> {
    let eth = packet.read::<Eth>(0)?;
    let ip = packet.read::<Ipv4Hdr>(ETH_LEN)?;
    if fragment_of(ip.frags) != Fragment::Later {
        let icmp = packet.read::<Icmp>(L4)?;
        let sum = Sum::default().replace2([ICMP_ECHO_REQUEST, 0], [ICMP_ECHO_REPLY, 0]);
        let check = sum.update(icmp.check);
        packet.write(L4, &Icmp { kind: ICMP_ECHO_REPLY, check, ..icmp })?;
    }
    // The header's checksum does not care about the order of its words.
    packet.write(ETH_LEN, &Ipv4Hdr { src_addr: ip.dst_addr, dst_addr: ip.src_addr, ..ip })?;
    packet.write(0, &Eth { dst: eth.src, src: mac, ..eth })
}
