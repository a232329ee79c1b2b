//! The way along a row: to the task that owns the flow, or, for a segment whose flow the owner does
//! not know, to the former owners ("second chance"), here or on the next node.

use lb_common::{
    addr::V4,
    backend::{Backend, NODE_SELF, STATE_ACTIVE},
    drops::Reason,
    flow::NAT_DIRECT,
    leg::{Leg, leg_index},
    port::{PublishedPort, TCP},
    row::{ROW_LEN, Row},
    service::{FLAG_DIRECT, Service},
};

use super::{
    entry::backend,
    full_nat::{is_beyond, is_cut_off},
    slot::{HomeFlow, find, known, open},
};
use crate::{
    headers::{ACK, RST, SYN},
    parse::{Fragment, Kind, Parsed},
    tables::Tables,
    verdict::{Nat, Verdict},
};

/// A client's packet with the row that applies to it.
#[repr(C, align(8))]
#[derive(Clone, Copy, Debug)]
pub struct Arrival<'a> {
    /// The packet as the client sent it.
    pub parsed: &'a Parsed,
    /// The published port it dialled.
    pub port: PublishedPort,
    /// Owner, former owners.
    pub row: Row,
    /// Data-path address of the node it came in at.
    pub entry_addr: V4,
    /// Index into `PEERS` of that node.
    pub entry: u16,
    /// Whether it came through the tunnel: then the owner is this node or nobody.
    pub tunnelled: bool,
}

/// Where the packet goes.
///
/// The two paths that nearly all packets take stay inline: on to the owner's node, and a known flow
/// of a task here. What is rare is a function of its own, for the sake of the stack.
#[inline(always)]
pub fn route<T: Tables>(tables: &T, arrival: &Arrival<'_>) -> Verdict {
    let Some(service) = tables.service(arrival.port.service) else {
        return Verdict::drop(Reason::Internal);
    };
    let opens = opens(arrival.parsed);
    let Some(owner) = backend(tables, service, arrival.row.owner()) else {
        return if opens { begin(tables, arrival) } else { follow(tables, arrival) };
    };
    if owner.node != NODE_SELF && !arrival.tunnelled {
        let is_out_of_reach = if opens { is_beyond(&owner) } else { is_cut_off(&owner) };
        if tables.ingress_vni() != 0 && is_out_of_reach {
            return if opens { begin(tables, arrival) } else { follow(tables, arrival) };
        }
        return Verdict::forward(owner.node, arrival.row, arrival.entry_addr);
    }
    if opens {
        return begin(tables, arrival);
    }
    if owner.node == NODE_SELF
        && let Some(leg) = tables.leg(owner.leg)
        && known(tables, &home_flow(arrival, service, &leg), &leg)
    {
        return deliver(tables, arrival, &leg, arrival.parsed.src_port);
    }
    follow(tables, arrival)
}

#[inline(always)]
fn home_flow<'a>(arrival: &Arrival<'a>, service: &Service, leg: &Leg) -> HomeFlow<'a> {
    HomeFlow {
        parsed: arrival.parsed,
        target_port: arrival.port.target.to_be_bytes(),
        entry: arrival.entry,
        service: arrival.port.service,
        flags: if service.flags & FLAG_DIRECT != 0 { NAT_DIRECT } else { 0 },
        generation: leg.generation,
    }
}

/// Whether the packet may begin a flow: a SYN or a datagram.
#[inline(always)]
pub(super) fn opens(parsed: &Parsed) -> bool {
    parsed.kind == Kind::Udp || (parsed.kind == Kind::Tcp && parsed.flags & (SYN | ACK) == SYN)
}

/// The leg of a backend that runs here.
#[inline(always)]
fn local_leg<T: Tables>(tables: &T, backend: &Backend) -> Option<Leg> {
    if backend.node != NODE_SELF {
        return None;
    }
    tables.leg(backend.leg)
}

/// A SYN or datagram goes to the owner. Where that one is not here yet, since other nodes heard of it
/// before its own did, it goes to the newest former owner that still takes new flows, and where there
/// is none, to one that drains: that one may still serve it. What follows finds it there by its second
/// chance.
#[inline(never)]
fn begin<T: Tables>(tables: &T, arrival: &Arrival<'_>) -> Verdict {
    let Some(service) = tables.service(arrival.port.service) else {
        return Verdict::drop(Reason::Internal);
    };
    let mut row = arrival.row;
    let (mut step, mut draining_too) = (0, false);
    while step < ROW_LEN && row.owner() != 0 {
        if let Some(owner) = backend(tables, service, row.owner())
            && (step == 0 || draining_too || owner.state == STATE_ACTIVE)
            && !is_beyond(&owner)
        {
            if owner.node != NODE_SELF && (step != 0 || !arrival.tunnelled) {
                return forward(tables, arrival, owner.node, row, step);
            }
            if let Some(leg) = local_leg(tables, &owner) {
                return admit(tables, arrival, service, &leg);
            }
        }
        row = row.rest();
        step += 1;
        if !draining_too && (step == ROW_LEN || row.owner() == 0) {
            (row, step, draining_too) = (arrival.row.rest(), 1, true);
        }
    }
    refuse(arrival, Reason::TaskGone)
}

/// A new flow of a task here.
#[inline(always)]
fn admit<T: Tables>(tables: &T, arrival: &Arrival<'_>, service: &Service, leg: &Leg) -> Verdict {
    match open(tables, &home_flow(arrival, service, leg), leg).port() {
        Some(port) => deliver(tables, arrival, leg, port),
        None => Verdict::drop(Reason::ClashExhausted),
    }
}

/// A segment that the owner's `NAT` does not have under the client's own port: along the row, asking
/// tasks here, until it belongs to another node.
///
/// A frame from the tunnel meant this node; if the tables disagree, the row still shrinks with every
/// hop, so that a frame never travels in circles.
#[inline(never)]
fn follow<T: Tables>(tables: &T, arrival: &Arrival<'_>) -> Verdict {
    let Some(service) = tables.service(arrival.port.service) else {
        return Verdict::drop(Reason::Internal);
    };
    let mut row = arrival.row;
    let mut step = 0;
    while step < ROW_LEN && row.owner() != 0 {
        if let Some(owner) = backend(tables, service, row.owner())
            && !is_cut_off(&owner)
        {
            if owner.node != NODE_SELF && (step != 0 || !arrival.tunnelled) {
                return forward(tables, arrival, owner.node, row, step);
            }
            if let Some(leg) = local_leg(tables, &owner)
                && let Some(port) = find(tables, &home_flow(arrival, service, &leg), &leg).port()
            {
                return deliver(tables, arrival, &leg, port);
            }
        }
        row = row.rest();
        step += 1;
    }
    nobody(tables, arrival, service)
}

#[inline(always)]
fn forward<T: Tables>(
    tables: &T,
    arrival: &Arrival<'_>,
    peer: u16,
    row: Row,
    step: usize,
) -> Verdict {
    if step != 0 {
        tables.stats(arrival.port.service, |stats| stats.second_chances += 1);
    }
    Verdict::forward(peer, row, arrival.entry_addr)
}

#[inline(always)]
fn deliver<T: Tables>(tables: &T, arrival: &Arrival<'_>, leg: &Leg, port: [u8; 2]) -> Verdict {
    let parsed = arrival.parsed;
    if parsed.segment_len > leg.mtu {
        return too_big(parsed, leg.mtu, arrival.entry);
    }
    tables.stats(arrival.port.service, |stats| stats.home_packets += 1);
    let target = arrival.port.target.to_be_bytes();
    let nat = Nat { src: parsed.src, dst: leg.addr, src_port: port, dst_port: target };
    Verdict::to_task(nat, leg_index(leg.addr))
}

/// The row's end: nobody knows the flow.
#[inline(always)]
fn nobody<T: Tables>(tables: &T, arrival: &Arrival<'_>, service: &Service) -> Verdict {
    if arrival.parsed.kind == Kind::IcmpError {
        return Verdict::drop(Reason::IcmpUnmatched);
    }
    if arrival.parsed.proto == TCP && tables.now_ns() < service.quiet_until_ns {
        return Verdict::drop(Reason::Quiet);
    }
    refuse(arrival, Reason::NoSocket)
}

/// A packet that is larger than what carries it on: its sender is told, unless it is an ICMP error or
/// a fragment without ports (RFC 1122 §3.2.2).
#[inline(always)]
pub(super) fn too_big(parsed: &Parsed, mtu: u16, entry: u16) -> Verdict {
    if parsed.fragment == Fragment::Later || parsed.kind == Kind::IcmpError {
        return Verdict::drop(Reason::TooBig);
    }
    Verdict::too_big(mtu, entry)
}

/// No to the client; a RST is never answered (RFC 9293 §3.10.7.1), nor an ICMP error (RFC 1122
/// §3.2.2), nor a fragment without ports.
#[inline(always)]
pub fn refuse(arrival: &Arrival<'_>, reason: Reason) -> Verdict {
    if is_answerable(arrival.parsed) {
        Verdict::refuse(reason, arrival.entry)
    } else {
        Verdict::drop(reason)
    }
}

/// Whether a packet may be answered with a RST or an ICMP error.
#[inline(always)]
pub fn is_answerable(parsed: &Parsed) -> bool {
    parsed.kind != Kind::IcmpError
        && parsed.fragment != Fragment::Later
        && !(parsed.kind == Kind::Tcp && parsed.flags & RST != 0)
}
