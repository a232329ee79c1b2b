//! Fragments follow their first one.

use lb_common::{
    addr::mac_of,
    drops::Reason,
    flow::{FragKey, FragValue},
    port::UDP,
};

use super::{
    Case,
    Hook::{Leg, Nic},
    from_client,
    home::at_task,
    wire::{forward, reply},
};
use crate::testing::*;

const MORE: u16 = 0x2000;

pub(super) fn cases(on: &Interfaces) -> Vec<Case> {
    let world = World::small(*on);
    vec![
        forwarded(&world, on),
        delivered(&world, on),
        overtaking(&world),
        answered(&world, on),
        refused(&world),
        too_big(&world),
        too_big_here(&world),
        arriving(&world, on),
    ]
}

fn first() -> Frame {
    let frame = from_client(Frame::udp(CLIENT, (NODE, DNS_PORT)));
    Frame { frags: MORE, udp_checksum: false, ..frame }.payload(&[1; 64])
}

fn later() -> Frame {
    Frame { frags: 9, ..first() }.payload(b"the rest")
}

fn forwarded(world: &World, on: &Interfaces) -> Case {
    let mut world = world.clone();
    world.set_rows(DNS, &[row([ON_2])]);
    // The outer source port of a later fragment follows from the ports that it has not got.
    let whole = Frame { frags: 0, ..first() };
    let out = |frame: &Frame| {
        let mut bytes = forward(NODE, NODE_2, row([ON_2]), NODE, &frame.bytes());
        let port = super::wire::flow_port(&whole.bytes()).to_be_bytes();
        bytes[34..36].copy_from_slice(&port);
        bytes
    };
    Case::new("fragments go where their first one went", &world)
        .sends(Nic, &first().bytes(), on.nic, &out(&first()))
        .sends(Nic, &later().bytes(), on.nic, &out(&later()))
}

fn delivered(world: &World, on: &Interfaces) -> Case {
    let at_task = |frame| at_task(frame, (TASK_A, DNS_TARGET)).bytes();
    Case::new("fragments reach the task of their first one", world)
        .sends(Nic, &first().bytes(), on.legs[0], &at_task(&first()))
        .sends(Nic, &later().bytes(), on.legs[0], &at_task(&later()))
}

fn overtaking(world: &World) -> Case {
    let inner = later().to((NODE_2, DNS_PORT));
    let frame = forward(NODE_2, NODE, row([A]), NODE_2, &inner.bytes());
    Case::new("a fragment before its first one is the kernel's, in the tunnel nobody's", world)
        .passes(Nic, &later().bytes())
        .drops(Nic, &frame, Reason::Malformed)
}

fn answered(world: &World, on: &Interfaces) -> Case {
    let mut world = world.clone();
    let value = nat_value((NODE, DNS_PORT), CLIENT.1, 0, DNS);
    world.nat.get_mut().insert(dns_key(CLIENT, TASK_A), value);
    let from_task = |frame: Frame| {
        let frame = Frame { src: TASK_A, src_port: DNS_TARGET, ..frame }.to(CLIENT);
        frame.between(host_mac(TASK_A), mac_of(TASK_A))
    };
    let out =
        |frame: &Frame| frame.clone().from((NODE, DNS_PORT)).between(CLIENT_MAC, NIC_MAC).bytes();
    let (one, two) = (from_task(first()), from_task(later()));
    Case::new("fragments of a reply are translated", &world)
        .sends(Leg(on.legs[0]), &one.bytes(), on.nic, &out(&one))
        .sends(Leg(on.legs[0]), &two.bytes(), on.nic, &out(&two))
}

fn remembered(world: &World) -> World {
    let mut world = world.clone();
    let key =
        FragKey { src: CLIENT.0, dst: NODE, id: first().id.to_be_bytes(), proto: UDP, side: 0 };
    let ports = FragValue { src_port: CLIENT.1.to_be_bytes(), dst_port: DNS_PORT.to_be_bytes() };
    world.frags.get_mut().insert(key, ports);
    world
}

fn refused(world: &World) -> Case {
    let mut world = remembered(world);
    world.set_rows(DNS, &[row([0, 0])]);
    Case::new("a later fragment is not answered", &world).drops(
        Nic,
        &later().bytes(),
        Reason::NoBackend,
    )
}

fn too_big(world: &World) -> Case {
    let mut world = remembered(world);
    world.set_rows(DNS, &[row([ON_2])]);
    let large = later().payload(&[3; 1480]);
    Case::new("nor where it is too big", &world).drops(Nic, &large.bytes(), Reason::TooBig)
}

fn too_big_here(world: &World) -> Case {
    let mut world = remembered(world);
    for leg in world.legs.values_mut() {
        leg.mtu = 1280;
    }
    let large = later().payload(&[3; 1300]);
    Case::new("nor where it is too big for a leg", &world).drops(
        Nic,
        &large.bytes(),
        Reason::TooBig,
    )
}

fn arriving(world: &World, on: &Interfaces) -> Case {
    let answer = Frame { src: NODE, src_port: DNS_PORT, ..later() }.to(CLIENT);
    let frame = reply(NODE_2, NODE, &answer.bytes(), &answer.bytes());
    let out = answer.between(CLIENT_MAC, NIC_MAC);
    Case::new("a reply's fragments are unpacked", world).sends(Nic, &frame, on.nic, &out.bytes())
}
