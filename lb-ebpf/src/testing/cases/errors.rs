//! ICMP errors about balanced packets reach the end that sent them, with the quote translated.

use lb_common::{
    addr::{V4, mac_of},
    drops::Reason,
};

use super::{
    Case,
    Hook::{Leg, Nic},
    wire::{forward, reply},
};
use crate::{
    headers::{ACK, CODE_FRAG_NEEDED, CODE_PORT},
    testing::*,
};

/// A router between a client and the cluster.
const ROUTER: V4 = [192, 0, 2, 77];

pub(super) fn cases(on: &Interfaces) -> Vec<Case> {
    let world = World::small(*on);
    vec![
        to_task(&world, on),
        from_router(&world, on),
        to_home(&world, on),
        unmatched(&world),
        to_client(&world, on),
        by_entry(&world, on),
    ]
}

/// What the client was sent.
fn sent(dialled: V4) -> Frame {
    Frame::tcp((dialled, WEB_PORT), CLIENT).flags(ACK).payload(b"payload")
}

/// The same as the task sent it.
fn sent_by_task() -> Frame {
    sent(NODE).from((TASK_A, WEB_TARGET))
}

fn with_flow(world: &World, dialled: V4, entry: u16) -> World {
    let mut world = world.clone();
    let value = nat_value((dialled, WEB_PORT), CLIENT.1, entry, WEB);
    world.nat.get_mut().insert(web_key(CLIENT, TASK_A), value);
    world
}

fn needed(from: V4, dialled: V4) -> IcmpError {
    IcmpError { mtu: 1400, ..IcmpError::unreachable(from, CODE_FRAG_NEEDED, &sent(dialled)) }
}

fn at_task(from: V4) -> Vec<u8> {
    let error = IcmpError::unreachable(from, CODE_FRAG_NEEDED, &sent_by_task());
    IcmpError { mtu: 1400, ..error }.between(mac_of(TASK_A), host_mac(TASK_A)).bytes()
}

fn to_task(world: &World, on: &Interfaces) -> Case {
    Case::new("a client's ICMP error reaches the task", &with_flow(world, NODE, 0)).sends(
        Nic,
        &needed(CLIENT.0, NODE).bytes(),
        on.legs[0],
        &at_task(CLIENT.0),
    )
}

fn from_router(world: &World, on: &Interfaces) -> Case {
    let inner = needed(ROUTER, NODE_2);
    let frame = forward(NODE_2, NODE, row([A]), NODE_2, &inner.bytes());
    Case::new("a router's keeps its source", &with_flow(world, NODE_2, 1)).sends(
        Nic,
        &frame,
        on.legs[0],
        &at_task(ROUTER),
    )
}

fn to_home(world: &World, on: &Interfaces) -> Case {
    let mut world = world.clone();
    world.set_rows(WEB, &[row([ON_2, ON_3])]);
    let error = needed(ROUTER, NODE).bytes();
    Case::new("an ICMP error goes the way of its flow", &world).sends(
        Nic,
        &error,
        on.nic,
        &forward(NODE, NODE_2, row([ON_2, ON_3]), NODE, &error),
    )
}

fn unmatched(world: &World) -> Case {
    Case::new("an ICMP error about a flow that nobody knows is dropped", world).drops(
        Nic,
        &needed(ROUTER, NODE).bytes(),
        Reason::IcmpUnmatched,
    )
}

/// What the task complains about: a datagram of the client.
fn complaint() -> IcmpError {
    let seen = Frame::udp(CLIENT, (TASK_A, DNS_TARGET));
    let error = IcmpError::unreachable(TASK_A, CODE_PORT, &seen);
    error.between(host_mac(TASK_A), mac_of(TASK_A))
}

fn about(dialled: V4) -> IcmpError {
    let error = complaint();
    let asked = Frame::udp(CLIENT, (dialled, DNS_PORT));
    // The quote keeps the checksum that the task saw: nobody can check it.
    let mut quote = asked.packet()[..28].to_vec();
    quote[26..28].copy_from_slice(&error.quote[26..28]);
    IcmpError { src: dialled, quote, ..error }
}

fn with_query(world: &World, dialled: V4, entry: u16) -> World {
    let mut world = world.clone();
    let value = nat_value((dialled, DNS_PORT), CLIENT.1, entry, DNS);
    world.nat.get_mut().insert(dns_key(CLIENT, TASK_A), value);
    world
}

fn to_client(world: &World, on: &Interfaces) -> Case {
    let out = about(NODE).between(CLIENT_MAC, NIC_MAC);
    Case::new("a task's ICMP error reaches the client", &with_query(world, NODE, 0)).sends(
        Leg(on.legs[0]),
        &complaint().bytes(),
        on.nic,
        &out.bytes(),
    )
}

fn by_entry(world: &World, on: &Interfaces) -> Case {
    let out = reply(NODE, NODE_2, &complaint().bytes(), &about(NODE_2).bytes());
    Case::new("by way of the entry node too", &with_query(world, NODE_2, 1)).sends(
        Leg(on.legs[0]),
        &complaint().bytes(),
        on.nic,
        &out,
    )
}
