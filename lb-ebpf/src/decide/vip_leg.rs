//! Virtual IPs on the legs of networks that a Docker Engine made: what a task sends to a virtual IP is
//! answered or given to a task of the service, and an answer comes from the virtual IP. The engine's
//! own bridge carries all frames, to tasks here and elsewhere; what concerns no virtual IP is its own.
//!
//! Legs lie in namespaces of the engine, where one interface index means many legs: who the task is
//! follows from its packets, and all look-ups are under [`ANY_VNI`].

use lb_common::{
    addr::V4,
    drops::Reason,
    endpoint::{ANY_VNI, ENDPOINT_TASK, ENDPOINT_VIP, Endpoint},
};

use super::{
    frag::{Side, find_ports, remember},
    overlay::{facts, is_echo, receiver, refuse},
    vip,
};
use crate::{
    carriage::{Act, Carriage},
    headers::{ARP_IPV4, ARP_REQUEST, Arp, ETHERTYPE_ARP, ETHERTYPE_IPV4, Eth, Ipv4Hdr},
    packet::Packet,
    parse::{ETH_LEN, Kind, Parse, Parsed, parse},
    tables::Tables,
    verdict::Nat,
};

/// Decides about a frame from the task whose leg's node end is `ifindex`. `parsed` gets the facts about
/// a packet to a virtual IP.
#[inline(always)]
pub fn out<T: Tables>(
    tables: &T,
    packet: &Packet<'_>,
    ifindex: u32,
    parsed: &mut Parsed,
) -> Carriage {
    let Some(eth) = packet.read::<Eth>(0) else { return Carriage::pass() };
    if eth.ether_type == ETHERTYPE_ARP {
        return arp(tables, packet);
    }
    let Some(ip) = ipv4(packet, &eth) else { return Carriage::pass() };
    let Some(to) = receiver(tables, ANY_VNI, ip.dst_addr) else { return Carriage::pass() };
    if to.kind != ENDPOINT_VIP {
        return direct(tables, packet, &to);
    }
    if is_echo(packet, &ip) {
        return Carriage::answer(Act::Echo, to.mac);
    }
    *parsed = match facts(packet, &ip, 0) {
        Some(parsed) => parsed,
        None => return Carriage::drop(Reason::Malformed),
    };
    if parsed.kind == Kind::Other {
        return Carriage::drop(Reason::NotCarried);
    }
    dial(tables, &Dialler { eth, addr: ip.src_addr, ifindex }, &to, parsed)
}

#[inline(always)]
fn ipv4(packet: &Packet<'_>, eth: &Eth) -> Option<Ipv4Hdr> {
    packet.read::<Ipv4Hdr>(ETH_LEN).filter(|_| eth.ether_type == ETHERTYPE_IPV4)
}

/// A virtual IP is asked for; anybody else answers for himself.
#[inline(always)]
fn arp<T: Tables>(tables: &T, packet: &Packet<'_>) -> Carriage {
    let Some(arp) = packet.read::<Arp>(ETH_LEN) else { return Carriage::pass() };
    if arp.format != ARP_IPV4 || arp.operation != ARP_REQUEST || arp.target == arp.sender {
        return Carriage::pass();
    }
    match receiver(tables, ANY_VNI, arp.target) {
        Some(found) if found.kind == ENDPOINT_VIP => Carriage::answer(Act::Arp, found.mac),
        _ => Carriage::pass(),
    }
}

/// To a task by its own address: a flow with the same ports may have gone there through a virtual IP.
#[inline(always)]
fn direct<T: Tables>(tables: &T, packet: &Packet<'_>, to: &Endpoint) -> Carriage {
    if to.service != 0
        && let Parse::Packet(parsed) = parse::<0>(packet)
    {
        vip::forget(tables, ANY_VNI, &parsed);
    }
    Carriage::pass()
}

/// Who sent a packet to a virtual IP.
struct Dialler {
    /// Its Ethernet header.
    eth: Eth,
    /// The address that it sent from.
    addr: V4,
    /// Node end of its leg.
    ifindex: u32,
}

/// To a virtual IP.
#[inline(always)]
fn dial<T: Tables>(tables: &T, task: &Dialler, to: &Endpoint, parsed: &mut Parsed) -> Carriage {
    if find_ports(tables, parsed, Side::Overlay).is_none() {
        return Carriage::drop(Reason::Malformed);
    }
    // An ICMP error about somebody else's packet.
    if parsed.src != task.addr {
        return Carriage::drop(Reason::IcmpUnmatched);
    }
    remember(tables, parsed, Side::Overlay);
    if vip::answers_itself(tables, ANY_VNI, parsed) {
        return loop_back(task, to, parsed);
    }
    let addr = match vip::choose(tables, ANY_VNI, to.service, parsed) {
        Ok(addr) => addr,
        Err(reason) => return refuse(parsed, reason),
    };
    if addr == task.addr {
        return loop_back(task, to, parsed);
    }
    match receiver(tables, ANY_VNI, addr) {
        Some(chosen) if chosen.kind == ENDPOINT_TASK => {
            let carriage = if is_near(tables, task, to, &chosen) {
                Carriage::bridge((chosen.mac, task.eth.src))
            } else {
                Carriage::route()
            };
            carriage.between(parsed, parsed.src, addr)
        }
        _ => refuse(parsed, Reason::TaskGone),
    }
}

/// Whether the chosen task is in the dialler's subnet, each of which has a bridge of its own. Of a
/// container that is no task the virtual IP's subnet is taken for its own.
#[inline(always)]
fn is_near<T: Tables>(tables: &T, task: &Dialler, vip: &Endpoint, chosen: &Endpoint) -> bool {
    let in_vips = chosen.vni == vip.vni;
    if in_vips && task.eth.dst == vip.mac {
        return true;
    }
    receiver(tables, ANY_VNI, task.addr).map_or(in_vips, |own| own.vni == chosen.vni)
}

/// Back into the leg that it came from, as if the virtual IP had sent it.
#[inline(always)]
fn loop_back(task: &Dialler, vip: &Endpoint, parsed: &Parsed) -> Carriage {
    Carriage::local(task.ifindex, (task.eth.src, vip.mac)).between(parsed, parsed.dst, task.addr)
}

/// A packet on its way to a task: the addresses that it gets if it answers what the task sent to a
/// virtual IP, with the facts about it in `parsed`.
#[inline(always)]
pub fn back<T: Tables>(tables: &T, packet: &Packet<'_>, parsed: &mut Parsed) -> Option<Nat> {
    let ip = ipv4(packet, &packet.read::<Eth>(0)?)?;
    let from = receiver(tables, ANY_VNI, ip.src_addr)?;
    if from.kind != ENDPOINT_TASK || from.service == 0 {
        return None;
    }
    let Parse::Packet(facts) = parse::<0>(packet) else { return None };
    *parsed = facts;
    find_ports(tables, parsed, Side::Overlay)?;
    // Of other datagrams too, or pieces of one would be taken for those of an earlier answer.
    remember(tables, parsed, Side::Overlay);
    vip::answered(tables, ANY_VNI, ip.src_addr, parsed)
}
