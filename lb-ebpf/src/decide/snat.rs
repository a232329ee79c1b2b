//! Tasks as clients of their own node's published ports. Gateway subnets repeat on every node, so a
//! task's address means nothing elsewhere: it goes out with the node's address and a port that is
//! allocated here, and the reply finds its way back by that port.

use lb_common::{
    addr::V4,
    flow::{SnatInKey, SnatInValue, SnatOutKey, SnatOutValue},
    leg::leg_index,
};

use super::ingress::is_published;
use crate::{
    parse::Parsed,
    tables::Tables,
    verdict::{Nat, Verdict},
};

/// Ports that are tried before a connection is given up.
const ATTEMPTS: u8 = 8;
/// Lowest port that is allocated.
const FIRST_PORT: u16 = 0x8000;

/// What is known of a task's connection.
#[inline(always)]
pub(super) fn held<T: Tables>(tables: &T, parsed: &Parsed) -> Option<SnatOutValue> {
    let key = out_key(parsed);
    tables.snat_out(&key).filter(|value| still_ours(tables, &key, value.node_port))
}

/// Notes whom a task's connection goes to, by the port it has or by one that is allocated now.
/// `None`: no port is free.
#[inline(always)]
pub(super) fn hold<T: Tables>(
    tables: &T,
    parsed: &Parsed,
    held: Option<SnatOutValue>,
    (backend, generation): (u16, u8),
) -> Option<[u8; 2]> {
    let key = out_key(parsed);
    let node_port = match held {
        Some(value) => value.node_port,
        None => allocate(tables, &key)?,
    };
    tables
        .snat_out_insert(&key, &SnatOutValue { node_port, backend, generation, reserved: [0; 3] });
    Some(node_port)
}

#[inline(always)]
fn out_key(parsed: &Parsed) -> SnatOutKey<V4> {
    SnatOutKey {
        task: parsed.src,
        dialled: parsed.dst,
        task_port: parsed.src_port,
        dialled_port: parsed.dst_port,
        proto: parsed.proto,
        reserved: [0; 3],
    }
}

#[inline(always)]
fn still_ours<T: Tables>(tables: &T, key: &SnatOutKey<V4>, node_port: [u8; 2]) -> bool {
    tables
        .snat_in(&SnatInKey { node_port, proto: key.proto, reserved: 0 })
        .is_some_and(|value| value == back(key))
}

#[inline(always)]
fn back(key: &SnatOutKey<V4>) -> SnatInValue<V4> {
    SnatInValue {
        task: key.task,
        dialled: key.dialled,
        task_port: key.task_port,
        dialled_port: key.dialled_port,
    }
}

#[inline(always)]
fn allocate<T: Tables>(tables: &T, key: &SnatOutKey<V4>) -> Option<[u8; 2]> {
    let mut attempt = 0;
    while attempt < ATTEMPTS {
        attempt += 1;
        let node_port = (tables.random() as u16 | FIRST_PORT).to_be_bytes();
        let entry = SnatInKey { node_port, proto: key.proto, reserved: 0 };
        if !is_published(tables, key.proto, node_port) && tables.snat_in_insert(&entry, &back(key))
        {
            return Some(node_port);
        }
    }
    None
}

/// The task's connection that a reply to the node's address belongs to; `None`: it is for somebody
/// else.
#[inline(always)]
pub(super) fn connection<T: Tables>(tables: &T, reply: &Flow) -> Option<SnatInValue<V4>> {
    if reply.dst != tables.node_addr() {
        return None;
    }
    let flow = tables.snat_in(&SnatInKey {
        node_port: reply.dst_port,
        proto: reply.proto,
        reserved: 0,
    })?;
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
}

/// Hands a reply to the task whose connection it belongs to.
#[inline(always)]
pub(super) fn to_task(connection: &SnatInValue<V4>) -> Verdict {
    let nat = Nat {
        src: connection.dialled,
        dst: connection.task,
        src_port: connection.dialled_port,
        dst_port: connection.task_port,
    };
    Verdict::to_task(nat, leg_index(connection.task))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{A, Interfaces, NODE, ON_2, TASK_A, TASK_B, WEB_PORT, World, facts};

    fn dial(task: V4) -> Parsed {
        facts(lb_common::port::TCP, (task, 50_000), (NODE, WEB_PORT), 0)
    }

    #[test]
    fn connections_have_ports_of_their_own_and_keep_them() {
        let world = World::small(Interfaces::default());
        let one = hold(&world, &dial(TASK_A), None, (ON_2, 1)).unwrap();
        let other = hold(&world, &dial(TASK_B), None, (ON_2, 1)).unwrap();
        assert_ne!(one, other);
        let held = held(&world, &dial(TASK_A)).unwrap();
        assert_eq!((held.node_port, held.backend), (one, ON_2));
        assert_eq!(hold(&world, &dial(TASK_A), Some(held), (A, 1)), Some(one));
    }

    #[test]
    fn a_port_that_went_to_another_connection_is_not_held() {
        let world = World::small(Interfaces::default());
        let port = hold(&world, &dial(TASK_A), None, (ON_2, 1)).unwrap();
        let key = SnatInKey { node_port: port, proto: lb_common::port::TCP, reserved: 0 };
        let thief = back(&out_key(&dial(TASK_B)));
        world.snat_in.borrow_mut().insert(key, thief);
        assert_eq!(held(&world, &dial(TASK_A)), None);
    }

    #[test]
    fn a_reply_to_another_port_or_peer_is_nobodys() {
        let world = World::small(Interfaces::default());
        let node_port = hold(&world, &dial(TASK_A), None, (ON_2, 1)).unwrap();
        let reply = Flow {
            src: NODE,
            dst: NODE,
            src_port: WEB_PORT.to_be_bytes(),
            dst_port: node_port,
            proto: lb_common::port::TCP,
        };
        assert_eq!(connection(&world, &reply).map(|flow| flow.task), Some(TASK_A));
        assert_eq!(connection(&world, &Flow { src: TASK_B, ..reply }), None);
        assert_eq!(connection(&world, &Flow { dst_port: [0, 1], ..reply }), None);
    }
}
