//! What a task asks by ARP. Everybody in the network is known here, so nothing is ever flooded.

use lb_common::{
    drops::Reason,
    endpoint::{ENDPOINT_NETWORK, EndpointKey, OverlayLeg},
};

use crate::{
    carriage::{Act, Carriage},
    headers::{ARP_IPV4, ARP_REQUEST, Arp},
    packet::Packet,
    parse::ETH_LEN,
    tables::Tables,
};

/// Decides about an ARP packet of the task behind `leg`: whoever has the address is named. A task that
/// asks whether anybody else has its own (RFC 5227), or announces itself, hears nothing.
#[inline(always)]
pub(super) fn arp<T: Tables>(tables: &T, packet: &Packet<'_>, leg: &OverlayLeg) -> Carriage {
    let Some(arp) = packet.read::<Arp>(ETH_LEN) else { return Carriage::drop(Reason::Malformed) };
    if arp.sender_mac != leg.mac || !(arp.sender == leg.addr || arp.sender == [0; 4]) {
        return Carriage::drop(Reason::OverlaySpoof);
    }
    if arp.format != ARP_IPV4 || arp.operation != ARP_REQUEST || arp.target == leg.addr {
        return Carriage::drop(Reason::NotCarried);
    }
    match tables.endpoint(&EndpointKey { vni: leg.vni, addr: arp.target }) {
        Some(found) if found.kind != ENDPOINT_NETWORK => Carriage::answer(Act::Arp, found.mac),
        _ => Carriage::drop(Reason::NoEndpoint),
    }
}
