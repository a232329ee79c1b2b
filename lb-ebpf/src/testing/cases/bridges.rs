//! Containers on a bridge of the node's own, which have no leg, as clients of published ports.

use lb_common::{addr::mac_of, drops::Reason, port::UDP};

use super::{
    Case,
    Hook::{Bridge, Leg, Nic, NicLate},
    beyond::{answer as of_beyond, by_beyond, to_beyond},
    dialling::{NODE_PORT, connected},
    home::at_task,
    wire::{forward, reply},
};
use crate::{
    headers::{ACK, CODE_PORT, SYN},
    testing::*,
};

pub(super) fn cases(on: &Interfaces) -> Vec<Case> {
    let world = World::with_bridge(World::small(*on), on);
    vec![
        away(&world, on),
        here(&world, on),
        datagram(&world, on),
        beyond(on),
        refused(&world, on),
        foreign(&world, on),
    ]
}

fn dial() -> Frame {
    Frame::tcp(GUEST, (NODE, WEB_PORT)).between(BRIDGE_MAC, mac_of(GUEST.0))
}

fn ask() -> Frame {
    Frame { proto: UDP, ..dial() }.to((NODE, DNS_PORT)).payload(b"question")
}

fn as_node(frame: &Frame) -> Frame {
    frame.clone().from((NODE, NODE_PORT))
}

/// A frame out of the tunnel whose Ethernet addresses the kernel has yet to fill in.
fn unpacked(frame: &[u8], inner: &Frame) -> Vec<u8> {
    [&frame[..14], &inner.bytes()[14..]].concat()
}

fn away(world: &World, on: &Interfaces) -> Case {
    let syn = dial().flags(SYN).mss(LEG_MTU - 40);
    let out = forward(NODE, NODE_2, row([ON_2]), NODE, &as_node(&syn).bytes());
    let answer = Frame::tcp((NODE, WEB_PORT), (NODE, NODE_PORT)).flags(SYN | ACK);
    let frame = reply(NODE_2, NODE, &answer.bytes(), &answer.bytes());
    let back = unpacked(&frame, &answer.to(GUEST));
    Case::new(
        "a container's connection leaves with the node's address, and its reply comes back",
        &connected(world, &dial(), ON_2),
    )
    .sends(Bridge(on.bridge), &syn.bytes(), on.nic, &out)
    .passes(Nic, &frame)
    .asks(NicLate, &frame, on.bridge, &back)
}

fn here(world: &World, on: &Interfaces) -> Case {
    let (syn, ack) = (dial().flags(SYN), dial().flags(ACK));
    let at_b = |frame: &Frame| at_task(&as_node(frame), (TASK_B, WEB_TARGET)).bytes();
    let answer = Frame::tcp((TASK_B, WEB_TARGET), (NODE, NODE_PORT)).flags(SYN | ACK);
    let back = answer.clone().from((NODE, WEB_PORT)).to(GUEST);
    let back = back.between(mac_of(GUEST.0), BRIDGE_MAC);
    Case::new("a container's connection to a task here and back", &connected(world, &dial(), B))
        .sends(Bridge(on.bridge), &syn.bytes(), on.legs[1], &at_b(&syn))
        .sends(Leg(on.legs[1]), &answer.bytes(), on.bridge, &back.bytes())
        .sends(Bridge(on.bridge), &ack.bytes(), on.legs[1], &at_b(&ack))
}

fn datagram(world: &World, on: &Interfaces) -> Case {
    let out = forward(NODE, NODE_3, row([ON_3]), NODE, &as_node(&ask()).bytes());
    Case::new("a container's datagram leaves likewise", &connected(world, &ask(), ON_3)).sends(
        Bridge(on.bridge),
        &ask().bytes(),
        on.nic,
        &out,
    )
}

fn beyond(on: &Interfaces) -> Case {
    let world = World::with_bridge(World::beyond(*on), on);
    let query = ask();
    let frame = by_beyond(&of_beyond(&query).bytes());
    let back = unpacked(&frame, &of_beyond(&query).from((NODE, DNS_PORT)).to(GUEST));
    Case::new(
        "a container's datagram to a task of a node without agent, and back",
        &connected(&world, &query, ON_2),
    )
    .sends(Bridge(on.bridge), &query.bytes(), on.nic, &to_beyond(&query, &query))
    .passes(Nic, &frame)
    .asks(NicLate, &frame, on.bridge, &back)
}

fn refused(world: &World, on: &Interfaces) -> Case {
    let mut world = world.clone();
    world.set_rows(DNS, &[row([0, 0])]);
    let error = IcmpError::unreachable(NODE, CODE_PORT, &ask());
    let error = error.between(mac_of(GUEST.0), BRIDGE_MAC);
    Case::new("a container is refused by ICMP", &world)
        .sends(Bridge(on.bridge), &ask().bytes(), on.bridge, &error.bytes())
        .counting(Reason::NoBackend)
}

fn foreign(world: &World, on: &Interfaces) -> Case {
    let elsewhere = ([172, 30, 0, 5], GUEST.1);
    Case::new("what no container of the bridge sends, or nobody published, is the kernel's", world)
        .passes(Bridge(on.bridge), &dial().from(elsewhere).flags(SYN).bytes())
        .passes(Bridge(on.legs[0]), &dial().flags(SYN).bytes())
        .passes(Bridge(on.bridge), &ask().to((NODE, DNS_PORT + 1)).bytes())
        .passes(Bridge(on.bridge), &ask().to((CLIENT.0, DNS_PORT)).bytes())
}
