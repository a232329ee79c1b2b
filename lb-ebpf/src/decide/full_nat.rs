//! Tasks of nodes that run no agent, beside Docker: reached through Docker's own ingress network. The
//! entry node translates both ends of such a flow, so that to the task's node it is a connection of the
//! entry node's own seat in that network, which Docker's vxlan device takes in, and whose answers it
//! sends back here. The task does not see the client's address.
//!
//! A flow that began so has entries in `SNAT_OUT` and `SNAT_IN`, and goes on so as long as its backend
//! lives, also if an agent takes up work there meanwhile. All else of the service goes by the mesh, past
//! the backends that cannot be reached by it.

use lb_common::{
    addr::V4,
    backend::{BACKEND_CUT_OFF, BACKEND_INGRESS, Backend, NODE_SELF},
    drops::Reason,
    flow::{SNAT_INGRESS, SnatInValue},
    peer::Peer,
    service::FLAG_INGRESS,
    wire::TUNNEL_OVERHEAD,
};

use super::{
    entry,
    frag::{Side, find_ports, remember},
    home::{opens, too_big},
    ingress::{count, is_leg, is_ours, open, published, sender, vni},
    own::is_own,
    snat::{self, Held},
};
use crate::{
    headers::{ACK, SYN},
    packet::Packet,
    parse::{Fragment, Parsed},
    tables::Tables,
    verdict::{Action, Nat, Verdict},
};

/// Whether new flows to a backend of a published port go through Docker's ingress network.
#[inline(always)]
#[must_use]
pub fn is_beyond(backend: &Backend) -> bool {
    backend.flags & BACKEND_INGRESS != 0
}

/// Whether no mesh frame reaches a backend.
#[inline(always)]
pub(super) fn is_cut_off(backend: &Backend) -> bool {
    backend.flags & BACKEND_CUT_OFF != 0
}

/// Whether a packet goes the way that its connection has, though new ones may have another by now: that
/// would be another connection to the task.
#[inline(always)]
pub(super) fn goes_on(held: &Held, backend: &Backend, parsed: &Parsed) -> bool {
    let by_ingress = snat::is_by_ingress(held);
    if by_ingress == is_beyond(backend) {
        return true;
    }
    let is_open = if by_ingress { has_addr(backend) } else { !is_cut_off(backend) };
    is_open && !snat::begins_anew(held, parsed)
}

#[inline(always)]
fn has_addr(backend: &Backend) -> bool {
    u32::from_ne_bytes(backend.addr) != 0
}

/// Largest packet that Docker's ingress network carries to a peer: what the wire leaves, and what
/// the network's own interfaces have.
#[inline(always)]
pub fn mtu<T: Tables>(tables: &T, peer: &Peer) -> u16 {
    let wire = peer.mtu.wrapping_sub(TUNNEL_OVERHEAD);
    if wire < tables.ingress_mtu() { wire } else { tables.ingress_mtu() }
}

/// Whether a client's packet is for a service that has such backends, as far as the packet tells: a later
/// fragment names no port.
#[inline(always)]
pub fn is_concerned<T: Tables>(tables: &T, parsed: &Parsed) -> bool {
    tables.ingress_vni() != 0
        && (parsed.fragment == Fragment::Later || service(tables, parsed).is_some())
}

/// Index of the service that a packet dials, if it has such backends.
#[inline(always)]
pub(super) fn service<T: Tables>(tables: &T, parsed: &Parsed) -> Option<u16> {
    let index = open(tables, parsed)?.service;
    (tables.service(index)?.flags & FLAG_INGRESS != 0).then_some(index)
}

/// Decides about such a packet before the mesh does; [`Action::Pass`](crate::verdict::Action::Pass): it
/// goes by the mesh.
#[inline(always)]
pub fn client<T: Tables>(tables: &T, parsed: &mut Parsed) -> Verdict {
    if find_ports(tables, parsed, Side::Client).is_none()
        || !is_ours(tables, parsed.proto, parsed.dst)
    {
        return Verdict::pass();
    }
    let Some(index) = service(tables, parsed) else { return Verdict::pass() };
    if parsed.flags & (SYN | ACK) == SYN | ACK || is_leg(tables, parsed.src) {
        return Verdict::pass();
    }
    let mut verdict = Verdict::pass();
    if !enter(tables, index, parsed, &mut verdict) {
        return Verdict::pass();
    }
    remember(tables, parsed, Side::Client);
    count(tables, index, parsed);
    fits(tables, parsed, verdict)
}

/// As `ingress::fits` for the mesh.
#[inline(always)]
pub(super) fn fits<T: Tables>(tables: &T, parsed: &Parsed, verdict: Verdict) -> Verdict {
    if verdict.action != Action::ToIngress {
        return verdict;
    }
    let Some(peer) = tables.peer(verdict.index) else { return Verdict::drop(Reason::NoNextHop) };
    let mtu = mtu(tables, &peer);
    if parsed.segment_len <= mtu { verdict } else { too_big(parsed, mtu, NODE_SELF) }
}

/// The connection that there is, as long as its backend lives, or a new one to whom the row names;
/// whether there is a verdict at all. A function of its own that fills in a record, as the verifier wants
/// it.
#[inline(never)]
fn enter<T: Tables>(tables: &T, index: u16, parsed: &Parsed, verdict: &mut Verdict) -> bool {
    let Some(service) = tables.service(index) else { return false };
    let held = snat::held(tables, parsed);
    if snat::exists(&held)
        && snat::is_by_ingress(&held)
        && let Some(backend) = snat::backend(tables, service, &held, parsed)
        && goes_on(&held, &backend, parsed)
    {
        *verdict = towards(tables, parsed, &backend, held.node_port);
        return true;
    }
    if !opens(parsed) {
        return false;
    }
    let number = entry::choose(tables, index, service, parsed).unwrap_or_default().owner();
    match entry::backend(tables, service, number) {
        Some(backend) if is_beyond(&backend) => {
            let chosen = (number, backend.generation);
            *verdict = match snat::hold(tables, parsed, &held, chosen, true) {
                Some(port) => towards(tables, parsed, &backend, port),
                None => Verdict::drop(Reason::PortsExhausted),
            };
            true
        }
        // By the mesh: what follows must not be taken for the former connection's.
        _ => {
            if snat::exists(&held) && snat::is_by_ingress(&held) {
                snat::forget(tables, &held, parsed.proto);
            }
            false
        }
    }
}

/// The packet as the node's own, from an allocated port.
#[inline(always)]
pub(super) fn towards<T: Tables>(
    tables: &T,
    parsed: &Parsed,
    backend: &Backend,
    port: [u8; 2],
) -> Verdict {
    let nat = Nat {
        src: tables.ingress_addr(),
        dst: backend.addr,
        src_port: port,
        dst_port: parsed.dst_port,
    };
    Verdict::to_ingress(nat, backend.node)
}

/// Whether a frame on the data-path port is one of Docker's ingress network.
#[inline(always)]
pub fn is_ingress<T: Tables>(tables: &T, packet: &Packet<'_>) -> bool {
    tables.ingress_vni() != 0 && vni(packet) == Some(tables.ingress_vni())
}

/// Decides about such a frame, whose outer source is `outer`: an answer to what was sent by [`towards`]
/// goes to the client, all else is Docker's own.
#[inline(always)]
pub fn answered<T: Tables>(tables: &T, outer: V4, inner: &mut Parsed) -> Verdict {
    if inner.dst != tables.ingress_addr() || find_ports(tables, inner, Side::Entry).is_none() {
        return Verdict::pass();
    }
    let Some(peer) = sender(tables, outer) else { return Verdict::pass() };
    let Some(connection) = snat::of_port(tables, inner.dst_port, inner.proto, inner.flags) else {
        return Verdict::pass();
    };
    if !is_backend(tables, &connection, inner, peer) {
        return Verdict::pass();
    }
    remember(tables, inner, Side::Entry);
    if is_own(tables, connection.client) {
        return Verdict::to_self(snat::to_client(&connection), peer);
    }
    snat::back(tables, &connection, peer)
}

/// Whether a packet comes from the task that a connection goes to.
#[inline(always)]
fn is_backend<T: Tables>(
    tables: &T,
    connection: &SnatInValue<V4>,
    inner: &Parsed,
    peer: u16,
) -> bool {
    if inner.src_port != connection.dialled_port {
        return false;
    }
    let Some(held) = snat::whom(tables, connection, inner.proto) else { return false };
    if held.flags & SNAT_INGRESS == 0 {
        return false;
    }
    let dialled = Parsed { dst_port: connection.dialled_port, ..*inner };
    let Some(port) = published(tables, &dialled) else { return false };
    let Some(service) = tables.service(port.service) else { return false };
    entry::backend(tables, service, held.backend).is_some_and(|backend| {
        backend.generation == held.generation && backend.node == peer && backend.addr == inner.src
    })
}
