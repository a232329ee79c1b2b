//! Tunnel frames: replies at their entry node, and frames that nobody should send.

use lb_common::{drops::Reason, wire::MESH_VNI};

use super::{
    Case,
    Hook::{Nic, NicLate},
    home::to_web,
    wire::{forward, reply, tunnelled},
};
use crate::{
    headers::{ACK, SYN},
    testing::*,
};

pub(super) fn cases(on: &Interfaces) -> Vec<Case> {
    let world = World::small(*on);
    [replies(&world, on), forged(&world)].concat()
}

fn answer() -> Frame {
    Frame::tcp((NODE, WEB_PORT), CLIENT).flags(ACK).payload(b"HTTP/1.1 200 OK")
}

/// A frame with a reply from node 2.
fn by_2(inner: &Frame) -> Vec<u8> {
    reply(NODE_2, NODE, &inner.bytes(), &inner.bytes())
}

fn replies(world: &World, on: &Interfaces) -> Vec<Case> {
    let to_client = answer().between(CLIENT_MAC, NIC_MAC);
    let quiet = answer().to(QUIET_CLIENT);
    let lost = answer().to(LOST_CLIENT);
    let outer = by_2(&quiet);
    // Its Ethernet addresses are filled in once the neighbour has answered.
    let unpacked = [&outer[..14], &quiet.bytes()[14..]].concat();
    let direct = [&by_2(&answer())[..14], &answer().bytes()[14..]].concat();
    vec![
        Case::new("a reply is unpacked and goes to the client", world).sends(
            Nic,
            &by_2(&answer()),
            on.nic,
            &to_client.bytes(),
        ),
        Case::new("a reply to a client whose Ethernet address is unknown waits behind XDP", world)
            .passes(Nic, &outer)
            .asks(NicLate, &outer, on.nic, &unpacked)
            .asks(NicLate, &by_2(&answer()), on.nic, &direct),
        Case::new("a reply to a client that no route leads to is dropped", world)
            .drops(Nic, &by_2(&lost), Reason::NoNextHop)
            .drops(NicLate, &by_2(&lost), Reason::NoNextHop),
    ]
}

fn forged(world: &World) -> Vec<Case> {
    let data = to_web().to((NODE_2, WEB_PORT)).flags(ACK).bytes();
    let stranger = [198, 18, 0, 200];
    let unpublished = answer().from((NODE, 22));
    let foreign = answer().from(([192, 0, 2, 9], WEB_PORT));
    let unknown_port = to_web().to((NODE_2, 81)).bytes();
    let by_leg = to_web().to((NODE_2, WEB_PORT)).from((TASK_B, 40_000)).flags(SYN).bytes();
    let mut arp = data.clone();
    arp[12..14].copy_from_slice(&[0x08, 0x06]);
    let cut = data[..14 + 20 + 10].to_vec();
    let on_mesh = |inner| tunnelled(NODE_2, NODE, MESH_VNI, 50_000, inner).bytes();
    let nic = |name, frame: &[u8], reason| Case::new(name, world).drops(Nic, frame, reason);
    let docker = World { beside_docker: true, ..world.clone() };
    vec![
        nic(
            "a frame of no node of the cluster",
            &forward(stranger, NODE, row([A]), NODE_2, &data),
            Reason::UnknownPeer,
        ),
        nic(
            "a frame in this node's own name",
            &forward(NODE, NODE, row([A]), NODE_2, &data),
            Reason::UnknownPeer,
        ),
        nic(
            "a frame whose entry node is no node",
            &forward(NODE_2, NODE, row([A]), stranger, &data),
            Reason::UnknownPeer,
        ),
        nic(
            "a reply of no node of the cluster",
            &reply(stranger, NODE, &data, &answer().bytes()),
            Reason::UnknownPeer,
        ),
        nic("a reply from an unpublished port", &by_2(&unpublished), Reason::ForgedReply),
        nic("a reply from an address of another host", &by_2(&foreign), Reason::ForgedReply),
        nic(
            "a frame for an unpublished port",
            &forward(NODE_2, NODE, row([A]), NODE_2, &unknown_port),
            Reason::UnknownPort,
        ),
        nic("a mesh frame with something else inside", &on_mesh(arp), Reason::Malformed),
        nic("a mesh frame whose inner packet is cut short", &on_mesh(cut), Reason::Malformed),
        Case::new("a forged reply is the kernel's behind XDP, which dropped it", world)
            .passes(NicLate, &by_2(&unpublished)),
        Case::new("beside Docker its own rules keep clients from a leg's address", &docker)
            .passes(Nic, &to_web().to((TASK_A, WEB_TARGET)).bytes()),
        nic(
            "a client straight to a leg's address",
            &to_web().to((TASK_A, WEB_PORT)).bytes(),
            Reason::LegFromOutside,
        ),
        nic(
            "a client that has the address of a leg here",
            &to_web().from((TASK_B, 40_000)).flags(SYN).bytes(),
            Reason::LegFromOutside,
        ),
        nic(
            "so has one that came in elsewhere",
            &forward(NODE_2, NODE, row([A]), NODE_2, &by_leg),
            Reason::LegFromOutside,
        ),
        nic(
            "a client straight to a leg's address and target",
            &to_web().to((TASK_A, WEB_TARGET)).bytes(),
            Reason::LegFromOutside,
        ),
    ]
}
