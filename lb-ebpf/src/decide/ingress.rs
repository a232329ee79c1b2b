//! What a NIC receives: tunnel frames from other nodes, clients of published ports, all the rest.

use lb_common::{
    addr::V4,
    backend::NODE_SELF,
    drops::Reason,
    leg::leg_index,
    port::{PublishedPort, TCP, port_index},
    wire::{self, OUTER_LEN, VXLAN_FLAGS},
};

use super::{
    entry,
    frag::{Side, find_ports, remember},
    home::{Arrival, refuse, route, too_big},
    snat,
};
use crate::{
    headers::{ACK, Eth, SYN, VxlanHdr},
    packet::Packet,
    parse::{Fragment, Kind, L4, Parse, Parsed, parse},
    tables::Tables,
    verdict::{Action, Verdict},
};

/// What a frame that a NIC received may be to us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arriving {
    /// On the data-path port, with this outer source: [`tunnel`] decides.
    Tunnel(V4),
    /// For [`client`] to decide.
    Client(Parsed),
}

/// Sorts a frame that a NIC received; `None`: not ours.
#[inline(always)]
pub fn sort<T: Tables>(tables: &T, packet: &Packet<'_>) -> Option<Arriving> {
    let Parse::Packet(parsed) = parse::<0>(packet) else { return None };
    Some(if is_tunnel(tables, &parsed) {
        Arriving::Tunnel(parsed.src)
    } else {
        Arriving::Client(parsed)
    })
}

/// What a frame on one of the mesh's two VNIs holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Inner {
    /// Facts about the inner packet.
    pub parsed: Parsed,
    /// It is a reply, else a client's packet.
    pub is_reply: bool,
}

/// Whether a frame on the data-path port is on one of the mesh's VNIs.
#[inline(always)]
pub fn is_mesh<T: Tables>(tables: &T, packet: &Packet<'_>) -> bool {
    vni(packet).is_some_and(|vni| vni == tables.mesh_vni() || vni == tables.mesh_vni() + 1)
}

/// Looks into a mesh frame; `None`: neither TCP nor UDP nor an ICMP error, or cut short.
#[inline(always)]
pub fn unwrap<T: Tables>(tables: &T, packet: &Packet<'_>) -> Option<Inner> {
    let is_reply = vni(packet)? == tables.mesh_vni() + 1;
    match parse::<OUTER_LEN>(packet) {
        Parse::Packet(parsed) => Some(Inner { parsed, is_reply }),
        Parse::NotOurs | Parse::Malformed => None,
    }
}

#[inline(always)]
fn is_tunnel<T: Tables>(tables: &T, parsed: &Parsed) -> bool {
    is_to_tunnel(tables, parsed) && parsed.fragment == Fragment::Whole
}

/// Whether a datagram, or the first piece of one, goes to the tunnel's port.
#[inline(always)]
pub(super) fn is_to_tunnel<T: Tables>(tables: &T, parsed: &Parsed) -> bool {
    parsed.kind == Kind::Udp
        && u16::from_be_bytes(parsed.dst_port) == tables.vxlan_port()
        && parsed.dst == tables.node_addr()
}

/// A client's packet from another node, whose outer source is `outer`.
#[inline(always)]
pub fn forwarded<T: Tables>(
    tables: &T,
    packet: &Packet<'_>,
    outer: V4,
    inner: &mut Parsed,
) -> Verdict {
    let Some(sender) = sender(tables, outer) else { return Verdict::drop(Reason::UnknownPeer) };
    let Some(eth) = packet.read::<Eth>(OUTER_LEN) else { return Verdict::drop(Reason::Malformed) };
    let (row, entry_addr) = wire::carried(eth.dst, eth.src);
    let entry = if entry_addr == outer { Some(sender) } else { tables.peer_index(entry_addr) };
    let Some(entry) = entry else { return Verdict::drop(Reason::UnknownPeer) };
    if find_ports(tables, inner, Side::Client).is_none() {
        return Verdict::drop(Reason::Malformed);
    }
    let Some(port) = published(tables, inner) else { return Verdict::drop(Reason::UnknownPort) };
    if is_leg(tables, inner.src) {
        return Verdict::drop(Reason::LegFromOutside);
    }
    remember(tables, inner, Side::Client);
    route(tables, &Arrival { parsed: inner, port, row, entry, entry_addr, tunnelled: true })
}

/// A reply from another node, whose outer source is `outer`: its inner source must be one of our
/// published addresses, whoever sent it.
#[inline(always)]
pub fn replied<T: Tables>(tables: &T, outer: V4, inner: &mut Parsed) -> Verdict {
    let Some(peer) = sender(tables, outer) else { return Verdict::drop(Reason::UnknownPeer) };
    let known =
        inner.fragment == Fragment::Later || is_published(tables, inner.proto, inner.src_port);
    if !known || !is_ours(tables, inner.proto, inner.src) {
        return Verdict::drop(Reason::ForgedReply);
    }
    if inner.dst == tables.node_addr() && find_ports(tables, inner, Side::Entry).is_some() {
        remember(tables, inner, Side::Entry);
    }
    let flow = snat::Flow {
        src: inner.src,
        dst: inner.dst,
        src_port: inner.src_port,
        dst_port: inner.dst_port,
        proto: inner.proto,
        flags: inner.flags,
    };
    match snat::connection(tables, &flow) {
        Some(connection) => snat::back(tables, &connection, peer),
        None => Verdict::unpack(),
    }
}

/// The network identifier of a frame with a plain VXLAN header.
#[inline(always)]
pub(super) fn vni(packet: &Packet<'_>) -> Option<u32> {
    let vxlan = packet.read::<VxlanHdr>(L4 + 8)?;
    let [a, b, c] = vxlan.vni;
    (vxlan.flags == VXLAN_FLAGS).then_some(u32::from_be_bytes([0, a, b, c]))
}

/// Index of the node that sent a frame, if it is another one of the cluster.
#[inline(always)]
pub(super) fn sender<T: Tables>(tables: &T, outer: V4) -> Option<u16> {
    tables.peer_index(outer).filter(|&peer| peer != NODE_SELF)
}

/// Whether [`client`] would pass a packet on by what its port and its destination say alone, as it does
/// with nearly all traffic of a node that is not for published ports.
#[inline(always)]
pub fn passes_by<T: Tables>(tables: &T, parsed: &Parsed) -> bool {
    parsed.fragment != Fragment::Later
        && open(tables, parsed).is_none()
        && from_outside_to_leg(tables, parsed).action == Action::Pass
}

/// A client's packet towards one of this node's addresses; passed on where nothing of ours is
/// published.
#[inline(always)]
pub fn client<T: Tables>(tables: &T, parsed: &mut Parsed) -> Verdict {
    if find_ports(tables, parsed, Side::Client).is_none() {
        return Verdict::pass();
    }
    // A SYN+ACK answers a connection of the node itself, whatever its local port.
    if parsed.flags & (SYN | ACK) == SYN | ACK {
        return Verdict::pass();
    }
    let Some(port) = open(tables, parsed) else {
        return from_outside_to_leg(tables, parsed);
    };
    if !is_ours(tables, parsed.proto, parsed.dst) {
        return from_outside_to_leg(tables, parsed);
    }
    if is_leg(tables, parsed.src) {
        return Verdict::drop(Reason::LegFromOutside);
    }
    remember(tables, parsed, Side::Client);
    count(tables, port.service, parsed);
    enter(tables, parsed, port)
}

/// Counts a packet that came in here.
#[inline(always)]
pub(super) fn count<T: Tables>(tables: &T, service: u16, parsed: &Parsed) {
    tables.stats(service, |stats| {
        stats.entry_packets += 1;
        stats.entry_bytes += u64::from(parsed.total_len);
        stats.entry_flows += u64::from(parsed.flags & SYN != 0);
    });
}

#[inline(always)]
fn enter<T: Tables>(tables: &T, parsed: &Parsed, port: PublishedPort) -> Verdict {
    let row = tables
        .service(port.service)
        .and_then(|service| entry::choose(tables, port.service, service, parsed));
    let arrival = Arrival {
        parsed,
        port,
        row: row.unwrap_or_default(),
        entry: NODE_SELF,
        entry_addr: tables.node_addr(),
        tunnelled: false,
    };
    if row.is_none() {
        return refuse(&arrival, Reason::NoBackend);
    }
    fits(tables, parsed, route(tables, &arrival))
}

/// A packet too large for the tunnel comes back as "fragmentation needed", even where it may be
/// fragmented: XDP cannot cut packets, and senders that get the error send smaller ones.
#[inline(always)]
pub(super) fn fits<T: Tables>(tables: &T, parsed: &Parsed, verdict: Verdict) -> Verdict {
    if verdict.action != Action::Forward {
        return verdict;
    }
    let Some(peer) = tables.peer(verdict.index) else { return Verdict::drop(Reason::NoNextHop) };
    let mtu = peer.mtu - wire::TUNNEL_OVERHEAD;
    if parsed.segment_len <= mtu {
        return verdict;
    }
    too_big(parsed, mtu, NODE_SELF)
}

/// Whether an address is this node's.
#[inline(always)]
pub(super) fn is_ours<T: Tables>(tables: &T, proto: u8, addr: V4) -> bool {
    addr == tables.node_addr() || is_another(tables, proto, addr)
}

/// Whether an address is one that the node has besides its data-path address. A moment after one
/// moved here from another node, only the routing table knows; the kernel would answer the connections
/// that came with it by resets. Not for UDP, whose broadcasts look the same there and whose senders
/// survive a moment.
#[inline(never)]
fn is_another<T: Tables>(tables: &T, proto: u8, addr: V4) -> bool {
    tables.is_own(addr) || (proto == TCP && tables.is_local(addr))
}

#[inline(always)]
pub(super) fn published<T: Tables>(tables: &T, parsed: &Parsed) -> Option<PublishedPort> {
    let port = tables.port(port_index(parsed.proto, u16::from_be_bytes(parsed.dst_port))?)?;
    port.is_published().then_some(port)
}

/// The published port that a packet dials, where clients get in here.
#[inline(always)]
pub(super) fn open<T: Tables>(tables: &T, parsed: &Parsed) -> Option<PublishedPort> {
    published(tables, parsed).filter(PublishedPort::is_open)
}

/// Whether a port, network order, is published.
#[inline(always)]
pub(super) fn is_published<T: Tables>(tables: &T, proto: u8, port: [u8; 2]) -> bool {
    let element = port_index(proto, u16::from_be_bytes(port)).and_then(|index| tables.port(index));
    element.is_some_and(|element| element.is_published())
}

/// Gateway legs are no addresses of the wire: nothing from outside reaches them but by a port. Beside
/// Docker its own rules say so.
#[inline(always)]
fn from_outside_to_leg<T: Tables>(tables: &T, parsed: &Parsed) -> Verdict {
    if !tables.is_beside_docker() && in_gateway_subnet(tables, parsed.dst) {
        Verdict::drop(Reason::LegFromOutside)
    } else {
        Verdict::pass()
    }
}

/// Whether a task here has this address. A client that has it too cannot be answered: the answer
/// would go to that task.
#[inline(always)]
pub(super) fn is_leg<T: Tables>(tables: &T, addr: V4) -> bool {
    in_gateway_subnet(tables, addr)
        && tables.leg(leg_index(addr)).is_some_and(|leg| leg.addr == addr)
}

/// Whether an address belongs to this node's gateway legs, the node's own end included.
#[inline(always)]
pub(super) fn in_gateway_subnet<T: Tables>(tables: &T, addr: V4) -> bool {
    let mask = u32::from_ne_bytes(tables.gateway_mask());
    (u32::from_ne_bytes(addr) ^ u32::from_ne_bytes(tables.gateway_addr())) & mask == 0
}
