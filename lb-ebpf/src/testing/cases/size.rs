//! Packets larger than the way to the task.

use lb_common::{drops::Reason, leg::leg_index};

use super::{
    Case,
    Hook::Nic,
    from_client,
    home::{at_a, to_web},
    wire::{forward, reply},
};
use crate::{
    headers::{ACK, CODE_FRAG_NEEDED},
    testing::*,
};

pub(super) fn cases(on: &Interfaces) -> Vec<Case> {
    let world = World::small(*on);
    vec![
        tunnel(&world, on),
        may_be_fragmented(&world, on),
        leg(&world, on),
        leg_behind_tunnel(&world, on),
        error(&world),
        error_here(&world),
    ]
}

/// A segment whose packet has this length.
fn segment(length: u16) -> Frame {
    let payload = vec![0x5a; usize::from(length) - 40];
    Frame { frags: 0x4000, ..to_web() }.flags(ACK).payload(&payload)
}

fn needed(mtu: u16, large: &Frame) -> IcmpError {
    IcmpError { mtu, ..IcmpError::unreachable(large.dst, CODE_FRAG_NEEDED, large) }
}

fn told(mtu: u16, large: &Frame) -> Vec<u8> {
    needed(mtu, large).between(CLIENT_MAC, NIC_MAC).bytes()
}

fn tunnel(world: &World, on: &Interfaces) -> Case {
    let mut world = world.clone();
    world.set_rows(WEB, &[row([ON_2])]);
    let fits = segment(1450);
    let out = forward(NODE, NODE_2, row([ON_2]), NODE, &fits.bytes());
    Case::new("what the tunnel does not carry is answered with its MTU", &world)
        .sends(Nic, &fits.bytes(), on.nic, &out)
        .sends(Nic, &segment(1451).bytes(), on.nic, &told(1450, &segment(1451)))
        .counting(Reason::TooBig)
}

fn may_be_fragmented(world: &World, on: &Interfaces) -> Case {
    let mut world = world.clone();
    world.set_rows(DNS, &[row([ON_2])]);
    let query = from_client(Frame::udp(CLIENT, (NODE, DNS_PORT)));
    let large = Frame { frags: 0, ..query }.payload(&[1; 1472]);
    Case::new("so is a datagram that may be fragmented", &world)
        .sends(Nic, &large.bytes(), on.nic, &told(1450, &large))
        .counting(Reason::TooBig)
}

fn narrow(world: &World) -> World {
    let mut world = world.clone();
    if let Some(leg) = world.legs.get_mut(&leg_index(TASK_A)) {
        leg.mtu = 1280;
    }
    let value = nat_value((NODE, WEB_PORT), CLIENT.1, 0, WEB);
    world.nat.get_mut().insert(web_key(CLIENT, TASK_A), value);
    world
}

fn leg(world: &World, on: &Interfaces) -> Case {
    Case::new("what a leg does not carry is answered with its MTU", &narrow(world))
        .sends(Nic, &segment(1280).bytes(), on.legs[0], &at_a(&segment(1280)))
        .sends(Nic, &segment(1281).bytes(), on.nic, &told(1280, &segment(1281)))
        .counting(Reason::TooBig)
}

fn leg_behind_tunnel(world: &World, on: &Interfaces) -> Case {
    let mut world = narrow(world);
    let value = nat_value((NODE_2, WEB_PORT), CLIENT.1, 1, WEB);
    world.nat.get_mut().insert(web_key(CLIENT, TASK_A), value);
    let large = segment(1400).to((NODE_2, WEB_PORT));
    let frame = forward(NODE_2, NODE, row([A]), NODE_2, &large.bytes());
    let out = reply(NODE, NODE_2, &large.bytes(), &needed(1280, &large).bytes());
    Case::new("the answer goes by the entry node", &world)
        .sends(Nic, &frame, on.nic, &out)
        .counting(Reason::TooBig)
}

fn error(world: &World) -> Case {
    let mut away = world.clone();
    away.set_rows(WEB, &[row([ON_2])]);
    let quoted = Frame::tcp((NODE, WEB_PORT), CLIENT).payload(&[0; 1450]);
    let quote = quoted.packet();
    let large = IcmpError { quote, ..IcmpError::unreachable(CLIENT.0, 1, &quoted) };
    Case::new("a large ICMP error is not answered", &away).drops(
        Nic,
        &large.bytes(),
        Reason::TooBig,
    )
}

fn error_here(world: &World) -> Case {
    let quoted = Frame::tcp((NODE, WEB_PORT), CLIENT).payload(&[0; 1300]);
    let quote = quoted.packet();
    let large = IcmpError { quote, ..IcmpError::unreachable(CLIENT.0, 1, &quoted) };
    Case::new("nor is one for a task here", &narrow(world)).drops(
        Nic,
        &large.bytes(),
        Reason::TooBig,
    )
}
