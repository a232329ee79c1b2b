//! A task, or beside Docker any container, that dials a published port of its own node: a client like any other, once it has an
//! address that other nodes can answer to. Its connection has state here anyway, for the address, so
//! the backend stands beside it and no row is followed.

use lb_common::{
    addr::V4,
    backend::{Backend, NODE_SELF},
    drops::Reason,
    leg::leg_index,
    row::{BackendNumber, Row},
    service::Service,
    wire::TUNNEL_OVERHEAD,
};

use super::{
    entry,
    frag::{Side, find_ports, remember},
    full_nat::{self, goes_on, is_beyond, towards},
    home::{opens, too_big},
    ingress,
    own::is_own,
    slot::{HomeFlow, find, open},
    snat::{self, Held},
};
use crate::{
    packet::Packet,
    parse::{Kind, Parse, Parsed, parse},
    tables::Tables,
    verdict::{Action, Nat, Verdict},
};

/// A task's packet to a published port of its own node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TaskClient {
    /// Facts about the packet as the task sent it.
    pub parsed: Parsed,
    /// The same as a client of the node would have sent it; complete once [`decide`] was asked.
    pub node: Parsed,
}

impl TaskClient {
    /// The addresses that make the task's packet the node's.
    #[inline(always)]
    #[must_use]
    pub fn as_node(&self) -> Nat {
        let node = &self.node;
        Nat { src: node.src, dst: node.dst, src_port: node.src_port, dst_port: node.dst_port }
    }
}

/// Recognises such a packet from the task behind interface `ifindex`. `whole` says that it goes out as
/// it is, not cut into segments first. `None`: the kernel's.
#[inline(always)]
pub fn task_client<T: Tables>(
    tables: &T,
    packet: &Packet<'_>,
    ifindex: u32,
    whole: bool,
) -> Option<TaskClient> {
    let Parse::Packet(mut parsed) = parse::<0>(packet) else { return None };
    if parsed.kind == Kind::IcmpError || !is_own(tables, parsed.dst) {
        return None;
    }
    find_ports(tables, &mut parsed, Side::Task)?;
    ingress::open(tables, &parsed)?;
    let mtu = sender_mtu(tables, parsed.src, ifindex)?;
    if !whole {
        parsed.segment_len = mtu;
    }
    remember(tables, &parsed, Side::Task);
    Some(TaskClient { parsed, node: parsed })
}

/// The MTU of whoever sends from that address by that interface: a task by its leg, a container by its
/// bridge. `None`: forged, and beside Docker the engine's own rules judge.
#[inline(always)]
fn sender_mtu<T: Tables>(tables: &T, src: V4, ifindex: u32) -> Option<u16> {
    if let Some(leg) = tables.leg(leg_index(src))
        && leg.ifindex == ifindex
        && leg.addr == src
    {
        return Some(leg.mtu);
    }
    Some(tables.bridge(ifindex).filter(|bridge| bridge.contains(src))?.mtu)
}

/// Decides about it; whether there is a verdict at all. (A function that returns nothing, or something
/// large, leaves its last register to its caller, and the verifier refuses that if it is a pointer.)
#[inline(never)]
pub fn decide<T: Tables>(tables: &T, client: &mut TaskClient, verdict: &mut Verdict) -> bool {
    *verdict = verdict_of(tables, client);
    verdict.action != Action::Pass
}

#[inline(always)]
fn verdict_of<T: Tables>(tables: &T, client: &mut TaskClient) -> Verdict {
    let Some(port) = ingress::open(tables, &client.parsed) else { return Verdict::pass() };
    let Some(service) = tables.service(port.service) else {
        return Verdict::drop(Reason::Internal);
    };
    ingress::count(tables, port.service, &client.parsed);
    let held = snat::held(tables, &client.parsed);
    let Some((number, backend)) = choose(tables, port.service, service, &client.parsed, &held)
    else {
        return Verdict::refuse(Reason::NoBackend, NODE_SELF);
    };
    let is_held = snat::exists(&held)
        && (held.backend, held.generation) == (number, backend.generation)
        && goes_on(&held, &backend, &client.parsed);
    let by_ingress = if is_held { snat::is_by_ingress(&held) } else { is_beyond(&backend) };
    if by_ingress && !is_held && !opens(&client.parsed) {
        return Verdict::refuse(Reason::NoSocket, NODE_SELF);
    }
    let chosen = (number, backend.generation);
    let node_port = if is_held {
        held.node_port
    } else {
        match snat::hold(tables, &client.parsed, &held, chosen, by_ingress) {
            Some(node_port) => node_port,
            None => return Verdict::drop(Reason::PortsExhausted),
        }
    };
    if by_ingress {
        let verdict = towards(tables, &client.parsed, &backend, node_port);
        // What is cut later becomes as small as the connection's ends have agreed on.
        let is_whole = client.parsed.segment_len == client.parsed.total_len;
        return if is_whole { full_nat::fits(tables, &client.parsed, verdict) } else { verdict };
    }
    client.node.src = tables.node_addr();
    client.node.src_port = node_port;
    if backend.node != NODE_SELF {
        return away(tables, &client.node, backend.node, number);
    }
    here(tables, &client.node, (port.service, port.target), backend.leg)
}

/// The backend that the connection has, as long as it lives (and, for a new connection from an old
/// port, as long as it takes new flows), else the one that the row names.
#[inline(always)]
fn choose<T: Tables>(
    tables: &T,
    index: u16,
    service: &Service,
    parsed: &Parsed,
    held: &Held,
) -> Option<(BackendNumber, Backend)> {
    if snat::exists(held)
        && let Some(backend) = snat::backend(tables, service, held, parsed)
    {
        return Some((held.backend, backend));
    }
    let number = entry::choose(tables, index, service, parsed)?.owner();
    Some((number, entry::backend(tables, service, number)?))
}

#[inline(always)]
fn away<T: Tables>(tables: &T, node: &Parsed, peer: u16, number: BackendNumber) -> Verdict {
    let Some(to) = tables.peer(peer) else { return Verdict::drop(Reason::NoNextHop) };
    let mtu = to.mtu - TUNNEL_OVERHEAD;
    if node.segment_len > mtu {
        return too_big(node, mtu, NODE_SELF);
    }
    Verdict::forward(peer, Row::of(number), tables.node_addr())
}

#[inline(always)]
fn here<T: Tables>(tables: &T, node: &Parsed, (service, target): (u16, u16), leg: u16) -> Verdict {
    let Some(leg) = tables.leg(leg) else { return Verdict::refuse(Reason::TaskGone, NODE_SELF) };
    let target_port = target.to_be_bytes();
    let generation = leg.generation;
    let flow =
        HomeFlow { parsed: node, target_port, entry: NODE_SELF, service, flags: 0, generation };
    let opens = opens(node);
    let port = if opens { open(tables, &flow, &leg) } else { find(tables, &flow, &leg) };
    match port.port() {
        Some(src_port) => {
            let nat = Nat { src: node.src, dst: leg.addr, src_port, dst_port: target_port };
            Verdict::to_task(nat, leg_index(leg.addr))
        }
        None if opens => Verdict::drop(Reason::ClashExhausted),
        None => Verdict::refuse(Reason::NoSocket, NODE_SELF),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        headers::SYN,
        testing::{
            DNS_PORT, Frame, Interfaces, NODE, ON_2, ON_3, TASK_A, WEB, WEB_PORT, World, row,
        },
    };

    fn verdict(world: &World, frame: &Frame, whole: bool) -> Option<Verdict> {
        let mut bytes = frame.bytes();
        let leg = Interfaces::default().legs[0];
        let mut client = task_client(world, &Packet::from_slice(&mut bytes), leg, whole)?;
        let mut verdict = Verdict::pass();
        decide(world, &mut client, &mut verdict).then_some(verdict)
    }

    fn world() -> World {
        let mut world = World::small(Interfaces::default());
        world.set_rows(WEB, &[row([ON_2])]);
        world
    }

    #[test]
    fn a_packet_that_is_cut_into_segments_later_is_not_too_big() {
        let large = Frame::tcp((TASK_A, 50_000), (NODE, WEB_PORT)).payload(&[0; 9000]);
        let action = |whole| verdict(&world(), &large, whole).map(|verdict| verdict.action);
        assert_eq!(action(false), Some(Action::Forward));
        assert_eq!(action(true), Some(Action::TooBig));
    }

    #[test]
    fn a_connection_keeps_its_backend_when_rows_change() {
        let mut world = world();
        let syn = Frame::tcp((TASK_A, 50_000), (NODE, WEB_PORT)).flags(SYN);
        let first = verdict(&world, &syn, true);
        world.set_rows(WEB, &[row([ON_3])]);
        let later = Frame { flags: crate::headers::ACK, ..syn };
        assert_eq!(verdict(&world, &later, true), first);
    }

    #[test]
    fn what_is_not_for_a_published_port_of_the_node_is_the_kernels() {
        let world = world();
        let dial = |to| verdict(&world, &Frame::udp((TASK_A, 50_000), to), true);
        assert_eq!(dial((NODE, DNS_PORT + 1)), None);
        assert_eq!(dial(([192, 0, 2, 9], DNS_PORT)), None);
        assert!(dial((NODE, DNS_PORT)).is_some());
    }
}
