//! The answer to an ARP request (RFC 826), written over it.

use lb_common::addr::Mac;

use crate::{
    headers::{ARP_REPLY, Arp, Eth},
    packet::Packet,
    parse::ETH_LEN,
};

/// Turns a request into the reply that the address is at `mac`.
#[inline(always)]
pub fn reply(packet: &Packet<'_>, mac: Mac) -> Option<()> {
    let eth = packet.read::<Eth>(0)?;
    let arp = packet.read::<Arp>(ETH_LEN)?;
    let answer = Arp {
        operation: ARP_REPLY,
        sender_mac: mac,
        sender: arp.target,
        target_mac: arp.sender_mac,
        target: arp.sender,
        ..arp
    };
    packet.write(ETH_LEN, &answer)?;
    packet.write(0, &Eth { dst: arp.sender_mac, src: mac, ..eth })
}
