//! A task that dials a published port of its own node.

use lb_common::{
    addr::{V4, mac_of},
    drops::Reason,
    flow::{SNAT_INGRESS, SNAT_OPENING, SnatInKey, SnatInValue, SnatOutKey, SnatOutValue},
    port::{TCP, UDP, port_index},
    row::BackendNumber,
};

use super::{
    Case,
    Hook::{Leg, Nic},
    wire::{forward, reply},
};
use crate::{
    decide::{entry::backend, full_nat},
    headers::{ACK, CODE_PORT, SYN},
    tables::Tables as _,
    testing::*,
};

/// The task's own port.
const TASK_PORT: u16 = 50_000;
/// The port that its connection has on the node's address.
pub(super) const NODE_PORT: u16 = 0x9000;

pub(super) fn cases(on: &Interfaces) -> Vec<Case> {
    let world = World::small(*on);
    vec![
        away(&world, on),
        here(&world, on),
        datagram(&world, on),
        fragments(&world, on),
        backend_gone(&world, on),
        exhausted(&world, on),
        refused(&world, on),
        no_leg(&world, on),
        unknown(&world, on),
        too_big(&world, on),
    ]
}

pub(super) fn dial() -> Frame {
    Frame::tcp((TASK_A, TASK_PORT), (NODE, WEB_PORT)).between(host_mac(TASK_A), mac_of(TASK_A))
}

fn ask() -> Frame {
    Frame { proto: UDP, ..dial() }.to((NODE, DNS_PORT)).payload(b"question")
}

/// A node on which the sender of a frame has a connection to a backend.
pub(super) fn connected(world: &World, frame: &Frame, number: BackendNumber) -> World {
    let mut world = world.clone();
    let (task_port, dialled_port) = (frame.src_port.to_be_bytes(), frame.dst_port.to_be_bytes());
    let (task, dialled, proto) = (frame.src, frame.dst, frame.proto);
    let node_port = NODE_PORT.to_be_bytes();
    let (client, client_port) = (task, task_port);
    let out = SnatOutKey { client, dialled, client_port, dialled_port, proto, reserved: [0; 3] };
    let flags = if is_beyond(&world, frame, number) { SNAT_INGRESS } else { 0 };
    let held = SnatOutValue { node_port, backend: number, generation: 1, flags, reserved: [0; 2] };
    world.snat_out.get_mut().insert(out, held);
    let back = SnatInValue {
        client,
        dialled,
        client_port,
        dialled_port,
        used: 0,
        state: SNAT_OPENING,
        reserved: [0; 3],
    };
    world.snat_in.get_mut().insert(SnatInKey { node_port, proto, reserved: 0 }, back);
    world
}

/// Whether new flows of a frame's service to a backend go through Docker's ingress network.
fn is_beyond(world: &World, frame: &Frame, number: BackendNumber) -> bool {
    let port = port_index(frame.proto, frame.dst_port).and_then(|index| world.port(index));
    let service = port.and_then(|port| world.service(port.service));
    service
        .and_then(|service| backend(world, service, number))
        .is_some_and(|backend| full_nat::is_beyond(&backend))
}

pub(super) fn as_node(frame: &Frame) -> Frame {
    frame.clone().from((NODE, NODE_PORT))
}

fn away(world: &World, on: &Interfaces) -> Case {
    let syn = dial().flags(SYN).mss(LEG_MTU - 40);
    let out = forward(NODE, NODE_2, row([ON_2]), NODE, &as_node(&syn).bytes());
    let answer = Frame::tcp((NODE, WEB_PORT), (NODE, NODE_PORT)).flags(SYN | ACK);
    let back = answer.clone().to((TASK_A, TASK_PORT)).between(mac_of(TASK_A), host_mac(TASK_A));
    let frame = reply(NODE_2, NODE, &answer.bytes(), &answer.bytes());
    Case::new(
        "a task's connection leaves with the node's address, and its reply comes back",
        &connected(world, &dial(), ON_2),
    )
    .sends(Leg(on.legs[0]), &syn.bytes(), on.nic, &out)
    .sends(Nic, &frame, on.legs[0], &back.bytes())
}

fn at_b(frame: &Frame) -> Vec<u8> {
    super::home::at_task(&as_node(frame), (TASK_B, WEB_TARGET)).bytes()
}

fn here(world: &World, on: &Interfaces) -> Case {
    let (syn, ack) = (dial().flags(SYN), dial().flags(ACK));
    let answer = Frame::tcp((TASK_B, WEB_TARGET), (NODE, NODE_PORT)).flags(SYN | ACK);
    let back = answer.clone().from((NODE, WEB_PORT)).to((TASK_A, TASK_PORT));
    let back = back.between(mac_of(TASK_A), host_mac(TASK_A));
    Case::new("a task's connection to a task here and back", &connected(world, &dial(), B))
        .sends(Leg(on.legs[0]), &syn.bytes(), on.legs[1], &at_b(&syn))
        .sends(Leg(on.legs[1]), &answer.bytes(), on.legs[0], &back.bytes())
        .sends(Leg(on.legs[0]), &ack.bytes(), on.legs[1], &at_b(&ack))
}

fn datagram(world: &World, on: &Interfaces) -> Case {
    let out = forward(NODE, NODE_3, row([ON_3]), NODE, &as_node(&ask()).bytes());
    Case::new("a task's datagram leaves likewise", &connected(world, &ask(), ON_3)).sends(
        Leg(on.legs[0]),
        &ask().bytes(),
        on.nic,
        &out,
    )
}

fn fragments(world: &World, on: &Interfaces) -> Case {
    let answer = Frame::udp((NODE, DNS_PORT), (NODE, NODE_PORT));
    let first = Frame { frags: 0x2000, udp_checksum: false, ..answer };
    let later = Frame { frags: 1, ..first.clone() };
    let arriving = |frame: &Frame| reply(NODE_3, NODE, &frame.bytes(), &frame.bytes());
    let at_task = |frame: &Frame| {
        let frame = frame.clone().to((TASK_A, TASK_PORT));
        frame.between(mac_of(TASK_A), host_mac(TASK_A)).bytes()
    };
    Case::new("a task's reply in fragments comes back whole", &connected(world, &ask(), ON_3))
        .sends(Nic, &arriving(&first), on.legs[0], &at_task(&first))
        .sends(Nic, &arriving(&later), on.legs[0], &at_task(&later))
}

fn backend_gone(world: &World, on: &Interfaces) -> Case {
    let mut world = connected(world, &dial(), ON_2);
    world.backend_mut(WEB, ON_2).generation = 2;
    world.set_rows(WEB, &[row([ON_3])]);
    let syn = dial().flags(SYN);
    let out = forward(NODE, NODE_3, row([ON_3]), NODE, &as_node(&syn).bytes());
    Case::new("a task's new connection from an old port goes to a backend that lives", &world)
        .sends(Leg(on.legs[0]), &syn.bytes(), on.nic, &out)
}

fn exhausted(world: &World, on: &Interfaces) -> Case {
    let mut world = world.clone();
    // Ports that are published are not allocated.
    for port in 0x8000..=u16::MAX {
        world.publish(TCP, port, WEB, WEB_TARGET);
    }
    Case::new("a task's connection for which the node has no port is dropped", &world).drops(
        Leg(on.legs[0]),
        &dial().flags(SYN).bytes(),
        Reason::PortsExhausted,
    )
}

fn refused(world: &World, on: &Interfaces) -> Case {
    let mut world = world.clone();
    for service in [WEB, DNS] {
        world.set_rows(service, &[row([0, 0])]);
    }
    let error = IcmpError::unreachable(NODE, CODE_PORT, &ask());
    let error = error.between(mac_of(TASK_A), host_mac(TASK_A));
    Case::new("a task is refused: a datagram by ICMP, a SYN by the kernel", &world)
        .sends(Leg(on.legs[0]), &ask().bytes(), on.legs[0], &error.bytes())
        .counting(Reason::NoBackend)
        .passes(Leg(on.legs[0]), &dial().flags(SYN).bytes())
        .counting(Reason::NoBackend)
}

fn no_leg(world: &World, on: &Interfaces) -> Case {
    let mut world = connected(world, &dial(), B);
    world.backend_mut(WEB, B).leg = 99;
    Case::new("a task's connection to a task that has no leg is refused", &world)
        .passes(Leg(on.legs[0]), &dial().flags(SYN).bytes())
        .counting(Reason::TaskGone)
}

fn unknown(world: &World, on: &Interfaces) -> Case {
    Case::new(
        "a task's segment that the task here does not know is refused",
        &connected(world, &dial(), B),
    )
    .passes(Leg(on.legs[0]), &dial().flags(ACK).bytes())
    .counting(Reason::NoSocket)
}

fn too_big(world: &World, on: &Interfaces) -> Case {
    let mut world = connected(world, &ask(), ON_2);
    if let Some(peer) = world.peers.get_mut(&1) {
        peer.mtu = 1400;
    }
    let large = ask().payload(&[7; 1400]);
    let to: V4 = NODE;
    let error = IcmpError { mtu: 1350, ..IcmpError::unreachable(to, 4, &large) };
    let error = error.between(mac_of(TASK_A), host_mac(TASK_A));
    Case::new("a task is told what the tunnel carries", &world)
        .sends(Leg(on.legs[0]), &large.bytes(), on.legs[0], &error.bytes())
        .counting(Reason::TooBig)
}
