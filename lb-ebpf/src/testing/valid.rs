//! Whether a frame is what receivers accept: lengths that agree and checksums recomputed in full.

use lb_common::{
    addr::V4,
    port::{ICMP, TCP, UDP},
};

use super::frame::pseudo_header;
use crate::{
    checksum::{Sum, sum_bytes},
    headers::{ETHERTYPE_IPV4, Eth, Ipv4Hdr},
    packet::Packet,
    parse::{ETH_LEN, L4, QUOTE},
};

/// What a receiver would take offence at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Invalid {
    /// Not Ethernet with IPv4.
    Headers,
    /// IP total length and bytes disagree.
    Length,
    /// The IPv4 header's checksum.
    IpChecksum,
    /// The checksum of TCP, UDP or ICMP.
    Checksum,
    /// The checksum of the IPv4 header that an ICMP error quotes.
    QuoteChecksum,
}

/// Checks a frame with an unfragmented packet.
///
/// # Errors
/// [`Invalid`], the first thing that is wrong.
pub fn check(frame: &[u8]) -> Result<(), Invalid> {
    let mut bytes = frame.to_vec();
    let packet = Packet::from_slice(&mut bytes);
    let eth = packet.read::<Eth>(0).ok_or(Invalid::Headers)?;
    let ip = packet.read::<Ipv4Hdr>(ETH_LEN).ok_or(Invalid::Headers)?;
    if eth.ether_type != ETHERTYPE_IPV4 || ip.vihl != 0x45 {
        return Err(Invalid::Headers);
    }
    if usize::from(u16::from_be_bytes(ip.tot_len)) != frame.len() - ETH_LEN {
        return Err(Invalid::Length);
    }
    if sum_bytes(&frame[ETH_LEN..L4]).fold() != 0xffff {
        return Err(Invalid::IpChecksum);
    }
    body(&frame[L4..], ip.proto, ip.src_addr, ip.dst_addr)?;
    if ip.proto == ICMP && sum_bytes(&frame[QUOTE..QUOTE + 20]).fold() != 0xffff {
        return Err(Invalid::QuoteChecksum);
    }
    Ok(())
}

fn body(body: &[u8], proto: u8, src: V4, dst: V4) -> Result<(), Invalid> {
    let pseudo = match proto {
        TCP => pseudo_header(src, dst, proto, body.len()),
        UDP if body.get(6..8) == Some(&[0, 0]) => return Ok(()),
        UDP => pseudo_header(src, dst, proto, body.len()),
        _ => Sum::default(),
    };
    match Sum(pseudo.0 + sum_bytes(body).0).fold() {
        0xffff => Ok(()),
        _ => Err(Invalid::Checksum),
    }
}
