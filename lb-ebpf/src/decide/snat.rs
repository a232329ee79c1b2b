//! Clients whose source is translated at their entry node: tasks and containers that dial a published port
//! of their own node, whose addresses mean nothing elsewhere, and all whose backend is on a node without agent.
//! Their packets go out with an address of the node and a port that is allocated here, and the reply
//! finds its way back by that port.
//!
//! A port is a connection's as long as nobody else needs it. Where none of those tried is free, one goes
//! over that is not open any more, or has been idle for long: LRU maps alone never give one back, since
//! there are fewer ports than elements.

use lb_common::{
    addr::V4,
    backend::{Backend, STATE_ACTIVE, STATE_NONE},
    flow::{
        SNAT_CLOSED, SNAT_FORGOTTEN, SNAT_INGRESS, SNAT_OPEN, SNAT_OPENING, SnatInKey, SnatInValue,
        SnatOutKey, SnatOutValue,
    },
    leg::leg_index,
    service::Service,
};

use super::{
    entry,
    home::opens,
    ingress::{in_gateway_subnet, is_published},
};
use crate::{
    headers::{ACK, FIN, RST, SYN},
    parse::Parsed,
    tables::Tables,
    verdict::{Nat, Verdict},
};

/// Ports that are tried before a connection is given up.
const ATTEMPTS: u8 = 8;
/// Lowest port that is allocated.
const FIRST_PORT: u16 = 0x8000;
/// How long an open connection keeps its port without a packet, [`now`]: 15 minutes, as IPVS has it.
const IDLE: u32 = 838;

/// What is known of a connection.
#[repr(C, align(4))]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Held {
    /// Allocated port, network order; 0: there is no such connection.
    pub(super) node_port: [u8; 2],
    /// Backend number.
    pub(super) backend: u16,
    /// Its generation.
    pub(super) generation: u8,
    /// `SNAT_INGRESS` or 0.
    flags: u8,
    /// `SNAT_*` before this packet.
    state: u8,
    reserved: u8,
}

/// What [`held`] knows of a connection that does not exist: ports are never 0. Not an `Option`, whose
/// payload would be uninitialised registers where there is none.
const NOTHING: Held =
    Held { node_port: [0; 2], backend: 0, generation: 0, flags: 0, state: 0, reserved: 0 };
/// What a function returns that asks for the state of nobody's connection; no `SNAT_*`.
const NOBODYS: u8 = u8::MAX;

/// Whether [`held`] found a connection.
#[inline(always)]
pub(super) fn exists(held: &Held) -> bool {
    u16::from_ne_bytes(held.node_port) != 0
}

/// Whether a connection goes through Docker's ingress network, else by the mesh.
#[inline(always)]
pub(super) fn is_by_ingress(held: &Held) -> bool {
    held.flags & SNAT_INGRESS != 0
}

/// Whether a packet begins something new on a connection's ports: a SYN where no other one is
/// unanswered, a datagram after a long silence.
#[inline(always)]
pub(super) fn begins_anew(held: &Held, parsed: &Parsed) -> bool {
    opens(parsed) && held.state != SNAT_OPENING
}

/// What is known of a client's connection; its packet keeps it alive.
#[inline(always)]
pub(super) fn held<T: Tables>(tables: &T, parsed: &Parsed) -> Held {
    let key = out_key(parsed);
    let Some(held) = tables.snat_out(&key) else { return NOTHING };
    let now = now(tables);
    let state = |value: &mut SnatInValue<V4>| {
        if !is_of(value, &key) {
            return NOBODYS;
        }
        let state = state(value, now);
        touch(value, now, after(value.state, parsed.flags));
        state
    };
    match tables.snat_in(&in_key(held.node_port, key.proto), state) {
        Some(state) if state != NOBODYS => Held {
            node_port: held.node_port,
            backend: held.backend,
            generation: held.generation,
            flags: held.flags,
            state,
            reserved: 0,
        },
        _ => NOTHING,
    }
}

/// A connection's state, which ends by silence where nobody knows whether it is open.
#[inline(always)]
fn state(value: &SnatInValue<V4>, now: u32) -> u8 {
    let is_silent = now.wrapping_sub(value.used) > SNAT_FORGOTTEN;
    if value.state == SNAT_OPENING && is_silent { SNAT_CLOSED } else { value.state }
}

/// Forgets a connection, whose ports another one has now that needs no port here.
#[inline(always)]
pub(super) fn forget<T: Tables>(tables: &T, held: &Held, proto: u8) {
    tables.snat_in_remove(&in_key(held.node_port, proto));
}

/// The backend that a connection has, as long as it lives (and, for a new connection from an old port,
/// as long as it takes new flows).
#[inline(always)]
pub(super) fn backend<T: Tables>(
    tables: &T,
    service: &Service,
    held: &Held,
    parsed: &Parsed,
) -> Option<Backend> {
    entry::backend(tables, service, held.backend).filter(|backend| {
        backend.generation == held.generation
            && (backend.state == STATE_ACTIVE
                || (backend.state != STATE_NONE && parsed.flags & SYN == 0))
    })
}

/// Notes whom a connection goes to and by which way, from the port it has or from one that is allocated
/// now. `None`: no port is free.
#[inline(always)]
pub(super) fn hold<T: Tables>(
    tables: &T,
    parsed: &Parsed,
    held: &Held,
    (backend, generation): (u16, u8),
    by_ingress: bool,
) -> Option<[u8; 2]> {
    let key = out_key(parsed);
    let node_port = if exists(held) { held.node_port } else { allocate(tables, &key)? };
    let flags = if by_ingress { SNAT_INGRESS } else { 0 };
    let value = SnatOutValue { node_port, backend, generation, flags, reserved: [0; 2] };
    tables.snat_out_insert(&key, &value);
    Some(node_port)
}

#[inline(always)]
fn out_key(parsed: &Parsed) -> SnatOutKey<V4> {
    SnatOutKey {
        client: parsed.src,
        dialled: parsed.dst,
        client_port: parsed.src_port,
        dialled_port: parsed.dst_port,
        proto: parsed.proto,
        reserved: [0; 3],
    }
}

#[inline(always)]
fn in_key(node_port: [u8; 2], proto: u8) -> SnatInKey {
    SnatInKey { node_port, proto, reserved: 0 }
}

/// Whether a port is this connection's.
#[inline(always)]
fn is_of(value: &SnatInValue<V4>, key: &SnatOutKey<V4>) -> bool {
    value.client == key.client
        && value.dialled == key.dialled
        && value.client_port == key.client_port
        && value.dialled_port == key.dialled_port
}

/// Monotonic time in units of [`SnatInValue::used`].
#[inline(always)]
fn now<T: Tables>(tables: &T) -> u32 {
    (tables.now_ns() >> 30) as u32
}

/// Notes a packet; most of them tell nothing new, and write nothing.
#[inline(always)]
fn touch(value: &mut SnatInValue<V4>, now: u32, state: u8) {
    if value.used != now {
        value.used = now;
    }
    if value.state != state {
        value.state = state;
    }
}

/// A connection's state after a client's packet with these TCP flags.
#[inline(always)]
const fn after(state: u8, flags: u8) -> u8 {
    if flags & (FIN | RST) != 0 {
        SNAT_CLOSED
    } else if flags & SYN != 0 {
        SNAT_OPENING
    } else if state == SNAT_OPENING && flags & ACK != 0 {
        SNAT_OPEN
    } else {
        state
    }
}

#[inline(always)]
fn allocate<T: Tables>(tables: &T, key: &SnatOutKey<V4>) -> Option<[u8; 2]> {
    let now = now(tables);
    let new = SnatInValue {
        client: key.client,
        dialled: key.dialled,
        client_port: key.client_port,
        dialled_port: key.dialled_port,
        used: now,
        state: SNAT_OPENING,
        reserved: [0; 3],
    };
    let mut oldest = Candidate { age: 0, port: [0; 2], reserved: [0; 2] };
    let mut attempt = 0;
    while attempt < ATTEMPTS {
        attempt += 1;
        let port = (tables.random() as u16 | FIRST_PORT).to_be_bytes();
        if is_published(tables, key.proto, port) {
            continue;
        }
        let entry = in_key(port, key.proto);
        if tables.snat_in_insert(&entry, &new) {
            return Some(port);
        }
        let age = tables.snat_in(&entry, |value| yielding(value, now)).unwrap_or_default();
        if age > oldest.age {
            oldest = Candidate { age, port, ..oldest };
        }
    }
    take_over(tables, &oldest, key.proto, &new)
}

/// A port that could go to another connection.
#[repr(C, align(4))]
#[derive(Clone, Copy)]
struct Candidate {
    /// 1 and the time since its last packet; 0: none.
    age: u32,
    port: [u8; 2],
    reserved: [u8; 2],
}

/// How willingly a connection gives its port away; 0: not at all.
#[inline(always)]
fn yielding(value: &SnatInValue<V4>, now: u32) -> u32 {
    let idle = now.wrapping_sub(value.used);
    if value.state == SNAT_OPEN && idle < IDLE { 0 } else { idle.wrapping_add(1) }
}

#[inline(always)]
fn take_over<T: Tables>(
    tables: &T,
    oldest: &Candidate,
    proto: u8,
    new: &SnatInValue<V4>,
) -> Option<[u8; 2]> {
    if oldest.age == 0 {
        return None;
    }
    let entry = in_key(oldest.port, proto);
    tables.snat_in_remove(&entry);
    tables.snat_in_insert(&entry, new).then_some(oldest.port)
}

/// The connection that an allocated port, network order, was given to; the reply's packet keeps it
/// alive.
#[inline(always)]
pub(super) fn of_port<T: Tables>(
    tables: &T,
    port: [u8; 2],
    proto: u8,
    flags: u8,
) -> Option<SnatInValue<V4>> {
    tables.snat_in(&in_key(port, proto), |value| {
        let state = if flags & (FIN | RST) != 0 { SNAT_CLOSED } else { value.state };
        touch(value, now(tables), state);
        *value
    })
}

/// Whom such a connection goes to.
#[inline(always)]
pub(super) fn whom<T: Tables>(
    tables: &T,
    connection: &SnatInValue<V4>,
    proto: u8,
) -> Option<SnatOutValue> {
    tables.snat_out(&SnatOutKey {
        client: connection.client,
        dialled: connection.dialled,
        client_port: connection.client_port,
        dialled_port: connection.dialled_port,
        proto,
        reserved: [0; 3],
    })
}

/// The task's connection that a reply to the node's address belongs to; `None`: it is for somebody
/// else.
#[inline(always)]
pub(super) fn connection<T: Tables>(tables: &T, reply: &Flow) -> Option<SnatInValue<V4>> {
    if reply.dst != tables.node_addr() {
        return None;
    }
    let flow = of_port(tables, reply.dst_port, reply.proto, reply.flags)?;
    (flow.dialled == reply.src && flow.dialled_port == reply.src_port).then_some(flow)
}

/// The addresses and ports of a reply as they are on the wire.
#[derive(Clone, Copy, Debug)]
pub(super) struct Flow {
    /// Source address.
    pub src: V4,
    /// Destination address.
    pub dst: V4,
    /// Source port, network order.
    pub src_port: [u8; 2],
    /// Destination port, network order.
    pub dst_port: [u8; 2],
    /// Protocol.
    pub proto: u8,
    /// TCP flags.
    pub flags: u8,
}

/// The addresses and ports that a reply has for the client.
#[inline(always)]
pub(super) fn to_client(connection: &SnatInValue<V4>) -> Nat {
    Nat {
        src: connection.dialled,
        dst: connection.client,
        src_port: connection.dialled_port,
        dst_port: connection.client_port,
    }
}

/// Hands a reply, which came from `peer`, to whom the connection belongs to: a task by its leg, anybody else
/// by the node's routes.
#[inline(always)]
pub(super) fn back<T: Tables>(tables: &T, connection: &SnatInValue<V4>, peer: u16) -> Verdict {
    let nat = to_client(connection);
    if in_gateway_subnet(tables, connection.client) {
        Verdict::to_task(nat, leg_index(connection.client))
    } else {
        Verdict { index: peer, ..Verdict::to_client(nat) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{A, Interfaces, NODE, ON_2, TASK_A, TASK_B, WEB_PORT, World, facts};

    const TCP: u8 = lb_common::port::TCP;

    fn dial(task: V4) -> Parsed {
        from(task, 50_000)
    }

    fn from(task: V4, port: u16) -> Parsed {
        facts(TCP, (task, port), (NODE, WEB_PORT), 0)
    }

    fn world() -> World {
        World::small(Interfaces::default())
    }

    #[test]
    fn connections_have_ports_of_their_own_and_keep_them() {
        let world = world();
        let one = hold(&world, &dial(TASK_A), &NOTHING, (ON_2, 1), false).unwrap();
        let other = hold(&world, &dial(TASK_B), &NOTHING, (ON_2, 1), false).unwrap();
        assert_ne!(one, other);
        let held = held(&world, &dial(TASK_A));
        assert_eq!((held.node_port, held.backend), (one, ON_2));
        assert_eq!(hold(&world, &dial(TASK_A), &held, (A, 1), false), Some(one));
    }

    #[test]
    fn a_port_that_went_to_another_connection_is_not_held() {
        let world = world();
        let port = hold(&world, &dial(TASK_A), &NOTHING, (ON_2, 1), false).unwrap();
        world.snat_in.borrow_mut().get_mut(&in_key(port, TCP)).unwrap().client = TASK_B;
        assert!(!exists(&held(&world, &dial(TASK_A))));
    }

    #[test]
    fn a_reply_to_another_port_or_peer_is_nobodys() {
        let world = world();
        let node_port = hold(&world, &dial(TASK_A), &NOTHING, (ON_2, 1), false).unwrap();
        let reply = Flow {
            src: NODE,
            dst: NODE,
            src_port: WEB_PORT.to_be_bytes(),
            dst_port: node_port,
            proto: TCP,
            flags: 0,
        };
        assert_eq!(connection(&world, &reply).map(|flow| flow.client), Some(TASK_A));
        assert_eq!(connection(&world, &Flow { src: TASK_B, ..reply }), None);
        assert_eq!(connection(&world, &Flow { dst_port: [0, 1], ..reply }), None);
    }

    /// A node all of whose ports have connections, which the client acknowledged and then closed or not.
    fn full(flags: u8) -> World {
        let world = world();
        for port in FIRST_PORT..=u16::MAX {
            hold(&world, &from(TASK_A, port), &NOTHING, (ON_2, 1), false).unwrap();
            for flags in [ACK, flags] {
                let parsed = facts(TCP, (TASK_A, port), (NODE, WEB_PORT), flags);
                assert!(exists(&held(&world, &parsed)));
            }
        }
        world
    }

    #[test]
    fn a_closed_connection_gives_its_port_away_and_an_open_one_does_not() {
        assert!(hold(&full(FIN), &dial(TASK_B), &NOTHING, (ON_2, 1), false).is_some());
        assert_eq!(hold(&full(ACK), &dial(TASK_B), &NOTHING, (ON_2, 1), false), None);
    }

    #[test]
    fn an_open_connection_gives_its_port_away_after_15_idle_minutes() {
        let mut world = full(ACK);
        world.now_ns = 14 * 60 * 1_000_000_000;
        assert_eq!(hold(&world, &dial(TASK_B), &NOTHING, (ON_2, 1), false), None);
        world.now_ns = 16 * 60 * 1_000_000_000;
        assert!(hold(&world, &dial(TASK_B), &NOTHING, (ON_2, 1), false).is_some());
    }

    #[test]
    fn the_connection_that_was_closed_first_gives_its_port_away() {
        let mut world = full(FIN);
        world.now_ns = 60 * 1_000_000_000;
        // The next ports that are tried, all but the fourth used a moment ago.
        let tried = world.random.get() as u16;
        for (number, port) in (0..8).map(|number| (number, (tried + number) | FIRST_PORT)) {
            let key = in_key(port.to_be_bytes(), TCP);
            let used = if number == 3 { 10 } else { 50 };
            world.snat_in.borrow_mut().get_mut(&key).unwrap().used = used;
        }
        let port = hold(&world, &dial(TASK_B), &NOTHING, (ON_2, 1), false);
        assert_eq!(port, Some(((tried + 3) | FIRST_PORT).to_be_bytes()));
    }
}
