//! What a task sends on its overlay leg: all of it is decided here, nothing from such a leg reaches the
//! node's own stack. Who has which address is in `ENDPOINTS`, so that a frame is either answered at
//! once, or handed to exactly one receiver, here or on another node.

use lb_common::{
    addr::V4,
    backend::NODE_SELF,
    drops::Reason,
    endpoint::{ENDPOINT_GATEWAY, ENDPOINT_TASK, ENDPOINT_VIP, Endpoint, EndpointKey, OverlayLeg},
    port::ICMP,
    wire::TUNNEL_OVERHEAD,
};

use super::{
    arp::arp,
    frag::{Side, find_ports, remember},
    home::is_answerable,
    vip,
};
use crate::{
    carriage::{Act, Carriage},
    headers::{
        ETHERTYPE_ARP, ETHERTYPE_IPV4, Eth, ICMP_ECHO_REQUEST, IPV4_PLAIN, Icmp, Ipv4Hdr, Tcp,
    },
    packet::Packet,
    parse::{ETH_LEN, Fragment, IP_LEN, Kind, L4, Parse, Parsed, fragment_of, other, parse},
    tables::Tables,
};

/// Length of a UDP header.
const UDP_LEN: u16 = 8;

/// What a packet has to be told from: an IPv4 packet of the task's own, and who has its destination.
#[derive(Clone, Copy, Debug)]
struct Sent {
    ip: Ipv4Hdr,
    to: Endpoint,
}

/// Decides about a frame that came in by `leg`. `gso_size`, as in `__sk_buff`: payload of the segments
/// that the packet is cut into later; 0: it goes out as it is. `parsed` gets the facts about an IPv4
/// packet.
#[inline(always)]
pub fn overlay<T: Tables>(
    tables: &T,
    packet: &Packet<'_>,
    leg: &OverlayLeg,
    gso_size: u16,
    parsed: &mut Parsed,
) -> Carriage {
    let sent = match sent(tables, packet, leg) {
        Ok(sent) => sent,
        Err(carriage) => return carriage,
    };
    if sent.to.kind != ENDPOINT_TASK && is_echo(packet, &sent.ip) {
        return Carriage::answer(Act::Echo, sent.to.mac);
    }
    *parsed = match facts(packet, &sent.ip, gso_size) {
        Some(parsed) => parsed,
        None => return Carriage::drop(Reason::Malformed),
    };
    match sent.to.kind {
        ENDPOINT_TASK => direct(tables, leg, &sent.to, parsed),
        _ if parsed.kind == Kind::Other => Carriage::drop(Reason::NotCarried),
        ENDPOINT_VIP => dial(tables, leg, &sent.to, parsed),
        _ => refuse(parsed, Reason::NoEndpoint),
    }
}

/// Looks at the headers and asks for the receiver; what has none ends here.
#[inline(always)]
fn sent<T: Tables>(tables: &T, packet: &Packet<'_>, leg: &OverlayLeg) -> Result<Sent, Carriage> {
    let Some(eth) = packet.read::<Eth>(0) else { return Err(Carriage::drop(Reason::Malformed)) };
    if eth.src != leg.mac {
        return Err(Carriage::drop(Reason::OverlaySpoof));
    }
    if eth.ether_type == ETHERTYPE_ARP {
        return Err(arp(tables, packet, leg));
    }
    let to_many = eth.dst[0] & 1 != 0;
    if eth.ether_type != ETHERTYPE_IPV4 || to_many {
        return Err(Carriage::drop(Reason::NotCarried));
    }
    let Some(ip) = packet.read::<Ipv4Hdr>(ETH_LEN) else {
        return Err(Carriage::drop(Reason::Malformed));
    };
    if ip.src_addr != leg.addr {
        return Err(Carriage::drop(Reason::OverlaySpoof));
    }
    match receiver(tables, leg.vni, ip.dst_addr) {
        Some(to) => Ok(Sent { ip, to }),
        None => Err(Carriage::drop(Reason::NoEndpoint)),
    }
}

/// Who has an address.
#[inline(always)]
pub(super) fn receiver<T: Tables>(tables: &T, vni: u32, addr: V4) -> Option<Endpoint> {
    let to = tables.endpoint(&EndpointKey { vni, addr })?;
    matches!(to.kind, ENDPOINT_TASK | ENDPOINT_VIP | ENDPOINT_GATEWAY).then_some(to)
}

/// Whether a packet is an ICMP echo request, or a later fragment that may be one's.
#[inline(always)]
pub(super) fn is_echo(packet: &Packet<'_>, ip: &Ipv4Hdr) -> bool {
    if ip.proto != ICMP || ip.vihl != IPV4_PLAIN {
        return false;
    }
    fragment_of(ip.frags) == Fragment::Later
        || packet.read::<Icmp>(L4).is_some_and(|icmp| icmp.kind == ICMP_ECHO_REQUEST)
}

/// The facts about an IPv4 packet of any kind; `None`: its headers are cut short.
#[inline(always)]
pub(super) fn facts(packet: &Packet<'_>, ip: &Ipv4Hdr, gso_size: u16) -> Option<Parsed> {
    let mut parsed = match parse::<0>(packet) {
        Parse::Packet(parsed) => parsed,
        Parse::NotOurs => other(ip),
        Parse::Malformed => return None,
    };
    if gso_size != 0 {
        let header = match parsed.kind {
            Kind::Tcp => u16::from(packet.read::<Tcp>(L4)?.offset >> 4) * 4,
            _ => UDP_LEN,
        };
        parsed.segment_len = gso_size.wrapping_add(IP_LEN as u16 + header);
    }
    Some(parsed)
}

/// To a task by its own address. If it is behind a virtual IP, a flow with the same ports may have gone
/// there before; if the sender is, the packet may be an answer, which the receiver's node translates.
#[inline(always)]
fn direct<T: Tables>(tables: &T, leg: &OverlayLeg, to: &Endpoint, parsed: &mut Parsed) -> Carriage {
    if to.service != 0 {
        vip::forget(tables, leg.vni, parsed);
    }
    let carriage = carry(tables, leg, to, parsed);
    if leg.service == 0 || carriage.act != Act::Local || parsed.kind == Kind::Other {
        return carriage;
    }
    if find_ports(tables, parsed, Side::Overlay).is_none() {
        return carriage;
    }
    // Of other datagrams too, or pieces of one would be taken for those of an earlier answer.
    remember(tables, parsed, Side::Overlay);
    carriage.translated(vip::answered(tables, to.vni, leg.addr, parsed))
}

/// To a virtual IP.
#[inline(always)]
fn dial<T: Tables>(tables: &T, leg: &OverlayLeg, to: &Endpoint, parsed: &mut Parsed) -> Carriage {
    if find_ports(tables, parsed, Side::Overlay).is_none() {
        return Carriage::drop(Reason::Malformed);
    }
    // An ICMP error about somebody else's packet.
    if parsed.src != leg.addr {
        return Carriage::drop(Reason::IcmpUnmatched);
    }
    remember(tables, parsed, Side::Overlay);
    let own = leg.service == to.service;
    if own && vip::answers_itself(tables, leg.vni, parsed) {
        return loop_back(leg, to, parsed);
    }
    let addr = match vip::choose(tables, leg.vni, to.service, parsed) {
        Ok(addr) => addr,
        Err(reason) => return refuse(parsed, reason),
    };
    if addr == leg.addr {
        return loop_back(leg, to, parsed);
    }
    match receiver(tables, leg.vni, addr) {
        Some(task) if task.node != NODE_SELF || task.ifindex != 0 => {
            let carriage = carry(tables, leg, &task, parsed);
            carriage.between(parsed, parsed.src, addr)
        }
        _ => refuse(parsed, Reason::TaskGone),
    }
}

/// Back into the leg that it came from, as if the virtual IP had sent it.
#[inline(always)]
fn loop_back(leg: &OverlayLeg, vip: &Endpoint, parsed: &Parsed) -> Carriage {
    Carriage::local(leg.ifindex, (leg.mac, vip.mac)).between(parsed, parsed.dst, leg.addr)
}

/// To a task, here or on another node.
#[inline(always)]
fn carry<T: Tables>(tables: &T, leg: &OverlayLeg, to: &Endpoint, parsed: &Parsed) -> Carriage {
    let macs = (to.mac, leg.mac);
    if to.node == NODE_SELF {
        return match to.ifindex {
            0 if parsed.kind == Kind::Other => Carriage::drop(Reason::NoLeg),
            0 => refuse(parsed, Reason::NoLeg),
            ifindex => Carriage::local(ifindex, macs),
        };
    }
    let Some(peer) = tables.peer(to.node) else { return Carriage::drop(Reason::NoNextHop) };
    let mtu = peer.mtu - TUNNEL_OVERHEAD;
    if parsed.segment_len > mtu {
        return too_big(parsed, mtu);
    }
    Carriage::remote(to.node, to.vni, macs, if mtu < leg.mtu { mtu } else { 0 })
}

/// A packet that is larger than what carries it on: its sender is told, even where it may be cut, since
/// nobody cuts it here.
#[inline(always)]
fn too_big(parsed: &Parsed, mtu: u16) -> Carriage {
    if parsed.fragment == Fragment::Later || parsed.kind == Kind::IcmpError {
        return Carriage::drop(Reason::TooBig);
    }
    Carriage::too_big(mtu)
}

#[inline(always)]
pub(super) fn refuse(parsed: &Parsed, reason: Reason) -> Carriage {
    if is_answerable(parsed) { Carriage::refuse(reason) } else { Carriage::drop(reason) }
}

#[cfg(test)]
mod tests {
    use lb_common::addr::mac_of;

    use super::*;
    use crate::testing::{Frame, Interfaces, LEG_MTU, ME, MONGO_ON_2, VIP, World};

    fn decide(world: &World, mut frame: Vec<u8>, gso_size: u16) -> (Carriage, Parsed) {
        let leg = world.overlay_leg(Interfaces::default().overlay[0]).unwrap();
        let mut parsed = Parsed::NOTHING;
        let packet = Packet::from_slice(&mut frame);
        (overlay(world, &packet, &leg, gso_size, &mut parsed), parsed)
    }

    fn large(proto: fn((V4, u16), (V4, u16)) -> Frame) -> Vec<u8> {
        let frame = proto((ME, 40_000), (MONGO_ON_2, 80)).payload(&[0; 9000]);
        frame.between(mac_of(MONGO_ON_2), mac_of(ME)).bytes()
    }

    #[test]
    fn a_packet_that_is_cut_into_segments_later_is_as_large_as_they_are() {
        let world = World::overlay(Interfaces::default());
        let (segment, datagram) = (LEG_MTU - 40, LEG_MTU - 28);
        for (frame, gso_size, act) in [
            (large(Frame::tcp), 0, Act::TooBig),
            (large(Frame::tcp), segment, Act::Remote),
            (large(Frame::tcp), segment + 1, Act::TooBig),
            (large(Frame::udp), datagram, Act::Remote),
            (large(Frame::udp), datagram + 1, Act::TooBig),
        ] {
            assert_eq!(decide(&world, frame, gso_size).0.act, act, "{gso_size}");
        }
    }

    #[test]
    fn a_header_that_is_cut_short_is_counted() {
        let world = World::overlay(Interfaces::default());
        let frame = Frame::tcp((ME, 40_000), (VIP, 80)).between(mac_of(VIP), mac_of(ME)).bytes();
        for length in [0, 13, 14, 33, 34, 53] {
            let cut = decide(&world, frame[..length].to_vec(), 0).0;
            assert_eq!(cut, Carriage::drop(Reason::Malformed), "{length}");
        }
        assert_eq!(decide(&world, frame, 0).0.act, Act::Local);
    }
}
