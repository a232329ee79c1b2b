//! Frames made by hand, and sent by a host under its own address or under one that it borrows: what
//! somebody on the underlay could send to a node.

use std::{
    fs,
    net::{Ipv4Addr, SocketAddrV4, UdpSocket},
};

use anyhow::Result;
use lb_common::{addr::Mac, wire::VXLAN_FLAGS};

use crate::{
    cluster::Cluster,
    ip,
    netns::{Ns, in_ns},
};

/// EtherType of IPv4.
pub const ETHERTYPE_IPV4: u16 = 0x0800;
/// EtherType of ARP.
pub const ETHERTYPE_ARP: u16 = 0x0806;
/// Protocol numbers of what [`packet`] carries.
pub const UDP: u8 = 17;
/// See [`UDP`].
pub const TCP: u8 = 6;
/// See [`UDP`].
pub const ICMP: u8 = 1;

/// The Ethernet addresses of an inner frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Macs {
    /// Destination.
    pub to: Mac,
    /// Source.
    pub from: Mac,
}

/// The payload of a VXLAN datagram (RFC 7348): the header and an Ethernet frame.
#[must_use]
pub fn vxlan(vni: u32, macs: Macs, ethertype: u16, packet: &[u8]) -> Vec<u8> {
    let header = [&[VXLAN_FLAGS, 0, 0, 0][..], &vni.to_be_bytes()[1..], &[0]].concat();
    [&header[..], &macs.to, &macs.from, &ethertype.to_be_bytes(), packet].concat()
}

/// An IPv4 packet with a UDP datagram without checksum (RFC 768).
#[must_use]
pub fn datagram(from: SocketAddrV4, to: SocketAddrV4, payload: &[u8]) -> Vec<u8> {
    let len = u16::try_from(8 + payload.len()).unwrap_or(u16::MAX);
    let ports = [from.port().to_be_bytes(), to.port().to_be_bytes()].concat();
    packet(*from.ip(), *to.ip(), UDP, &[&ports, &len.to_be_bytes()[..], &[0, 0], payload].concat())
}

/// An IPv4 packet with any payload (RFC 791).
#[must_use]
pub fn packet(from: Ipv4Addr, to: Ipv4Addr, protocol: u8, payload: &[u8]) -> Vec<u8> {
    let len = u16::try_from(20 + payload.len()).unwrap_or(u16::MAX).to_be_bytes();
    let mut header =
        [0x45, 0, len[0], len[1], 0, 0, 0, 0, 64, protocol, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    header[12..16].copy_from_slice(&from.octets());
    header[16..20].copy_from_slice(&to.octets());
    let sum = checksum(&header).to_be_bytes();
    header[10..12].copy_from_slice(&sum);
    [&header[..], payload].concat()
}

/// An ARP request (RFC 826): who has `wanted`, tell `sender`.
#[must_use]
pub fn arp_request(sender: (Mac, Ipv4Addr), wanted: Ipv4Addr) -> Vec<u8> {
    let kind = [0, 1, 8, 0, 6, 4, 0, 1];
    [&kind[..], &sender.0, &sender.1.octets(), &[0; 6], &wanted.octets()].concat()
}

/// Sends the payload of a tunnel frame to a node's data-path port, from `ns` and, if given, from an
/// address that was borrowed.
///
/// # Errors
/// The address is not borrowed, or the payload is too long.
pub fn send(ns: &Ns, from: Option<Ipv4Addr>, to: SocketAddrV4, payload: &[u8]) -> Result<()> {
    in_ns(ns, || {
        let socket = UdpSocket::bind((from.unwrap_or(Ipv4Addr::UNSPECIFIED), 0))?;
        socket.send_to(payload, to).map(drop)
    })??;
    Ok(())
}

impl Cluster {
    /// Lets `ns` send under a node's address, without ever answering ARP for it. Let the receiver
    /// meet the node's own Ethernet address before.
    ///
    /// # Errors
    /// It has the address already.
    pub fn borrow_address(&self, ns: &Ns, node: &str) -> Result<Ipv4Addr> {
        let address = self.address(node);
        in_ns(ns, || {
            fs::write("/proc/sys/net/ipv4/conf/all/arp_ignore", "1")?;
            fs::write("/proc/sys/net/ipv4/conf/all/arp_announce", "2")
        })??;
        ip::batch(Some(ns), &format!("addr add {address}/32 dev lo\n"))?;
        Ok(address)
    }
}

/// The Internet checksum of a header (RFC 1071).
fn checksum(header: &[u8; 20]) -> u16 {
    let words =
        header.chunks_exact(2).map(|word| u32::from(u16::from_be_bytes([word[0], word[1]])));
    let sum: u32 = words.sum();
    let folded = (sum & 0xffff) + (sum >> 16);
    !(folded as u16)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_with_its_checksum_sums_to_zero() {
        let from = SocketAddrV4::new(Ipv4Addr::new(10, 0, 0, 1), 5);
        let datagram = datagram(from, SocketAddrV4::new(Ipv4Addr::new(10, 0, 255, 255), 6), b"abc");
        assert_eq!(checksum(datagram.first_chunk().unwrap()), 0);
        assert_eq!((datagram.len(), datagram[3], datagram[25]), (31, 31, 11));
    }

    #[test]
    fn the_inner_frame_follows_the_tunnels_header() {
        let macs = Macs { to: [1; 6], from: [2; 6] };
        let frame = vxlan(0x0012_3456, macs, ETHERTYPE_ARP, &[7]);
        assert_eq!(frame[..8], [VXLAN_FLAGS, 0, 0, 0, 0x12, 0x34, 0x56, 0]);
        assert_eq!(frame[8..], [1, 1, 1, 1, 1, 1, 2, 2, 2, 2, 2, 2, 0x08, 0x06, 7]);
    }
}
