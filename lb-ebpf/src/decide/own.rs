//! Beside Docker, the node's own processes as clients of tasks on nodes without agent. At the socket the
//! task's node was dialled in place of the service (`kernel::sock`); nobody listens there. The packet on its
//! way out begins a flow through Docker's ingress network, as a client's from outside does when it comes in.

use lb_common::{
    addr::V4, backend::Backend, drops::Reason, hash::mix, peer::PEER_INGRESS, row::BackendNumber,
    service::Service,
};

use super::{
    entry,
    frag::{Side, find_ports, remember},
    full_nat::{fits, goes_on, is_beyond, service, towards},
    home::opens,
    ingress::sender,
    snat,
};
use crate::{
    headers::{ACK, SYN},
    packet::Packet,
    parse::{Kind, Parse, Parsed, parse},
    tables::Tables,
    verdict::{Action, Verdict},
};

/// Rows that are looked at for a task that has to be reached so.
const ATTEMPTS: u8 = 32;

/// Recognises such a packet among all that leave by a NIC. `whole` says that it goes out as it is, not cut
/// into segments first. `None`: the kernel's.
#[inline(always)]
pub fn own<T: Tables>(tables: &T, packet: &Packet<'_>, whole: bool) -> Option<Parsed> {
    if tables.ingress_vni() == 0 {
        return None;
    }
    let Parse::Packet(mut parsed) = parse::<0>(packet) else { return None };
    if parsed.kind == Kind::IcmpError || parsed.flags & (SYN | ACK) == SYN | ACK {
        return None;
    }
    find_ports(tables, &mut parsed, Side::Task)?;
    service(tables, &parsed)?;
    if !is_own(tables, parsed.src) || sender(tables, parsed.dst).is_none() {
        return None;
    }
    if !whole {
        // What is cut later becomes as small as the connection's ends have agreed on.
        parsed.segment_len = 0;
    }
    remember(tables, &parsed, Side::Task);
    Some(parsed)
}

/// Whether an address is the node's.
#[inline(always)]
pub(super) fn is_own<T: Tables>(tables: &T, addr: V4) -> bool {
    addr == tables.node_addr() || tables.is_own(addr)
}

/// Decides about it; whether there is a verdict at all. A function of its own that fills in a record, as
/// the verifier wants it.
#[inline(never)]
pub fn dial<T: Tables>(tables: &T, parsed: &Parsed, verdict: &mut Verdict) -> bool {
    *verdict = verdict_of(tables, parsed);
    verdict.action != Action::Pass
}

#[inline(always)]
fn verdict_of<T: Tables>(tables: &T, parsed: &Parsed) -> Verdict {
    let Some(service) = service(tables, parsed).and_then(|index| tables.service(index)) else {
        return Verdict::pass();
    };
    let held = snat::held(tables, parsed);
    if snat::exists(&held)
        && let Some(backend) = snat::backend(tables, service, &held, parsed)
        && goes_on(&held, &backend, parsed)
    {
        return fits(tables, parsed, towards(tables, parsed, &backend, held.node_port));
    }
    if !opens(parsed) {
        return Verdict::pass();
    }
    if is_without_agent(tables, parsed.dst)
        && let Some((number, backend)) = pick(tables, service, parsed)
    {
        return match snat::hold(tables, parsed, &held, (number, backend.generation), true) {
            Some(port) => fits(tables, parsed, towards(tables, parsed, &backend, port)),
            None => Verdict::drop(Reason::PortsExhausted),
        };
    }
    // Like any client of that node: what follows must not be taken for the former connection's.
    if snat::exists(&held) {
        snat::forget(tables, &held, parsed.proto);
    }
    Verdict::pass()
}

#[inline(always)]
fn is_without_agent<T: Tables>(tables: &T, addr: V4) -> bool {
    let peer = sender(tables, addr).and_then(|index| tables.peer(index));
    peer.is_some_and(|peer| peer.flags & PEER_INGRESS != 0)
}

/// A task on a node without agent, whichever: the dialled one stands for all.
#[inline(always)]
fn pick<T: Tables>(
    tables: &T,
    service: &Service,
    parsed: &Parsed,
) -> Option<(BackendNumber, Backend)> {
    let range = service.row_range()?;
    let mut turn = entry::hash(tables, service, parsed);
    let mut attempt = 0;
    while attempt < ATTEMPTS {
        attempt += 1;
        let number = tables.row(range.pick(turn))?.owner();
        if let Some(backend) = entry::backend(tables, service, number)
            && is_beyond(&backend)
        {
            return Some((number, backend));
        }
        turn = mix(u64::from(turn).wrapping_add(1)) as u32;
    }
    None
}
