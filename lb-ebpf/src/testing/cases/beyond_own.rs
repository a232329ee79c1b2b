//! The node's own processes and a task of a node without agent, by that node's address.

use lb_common::{drops::Reason, flow::SNAT_OPEN, port::UDP};

use super::{
    Case,
    Hook::{Nic, NicOut},
    beyond::{answer, answered, by_beyond, to_beyond},
    beyond_change::{in_state, with_agent},
    dialling::connected,
};
use crate::{
    headers::{ACK, CODE_FRAG_NEEDED, SYN},
    testing::*,
};

pub(super) fn cases(on: &Interfaces) -> Vec<Case> {
    let world = World::beyond(*on);
    [vec![connection(&world, on), datagram(&world, on), too_big(&world, on)], others(&world, on)]
        .concat()
}

/// What a process sends after its address was replaced.
fn to_web() -> Frame {
    Frame::tcp((NODE, 50_000), (NODE_2, WEB_PORT)).between(node_mac(NODE_2), NIC_MAC)
}

fn ask() -> Frame {
    Frame { proto: UDP, ..to_web() }.to((NODE_2, DNS_PORT)).payload(b"question")
}

/// What the kernel gets of a task's answer, as if the dialled node had sent it.
fn told(frame: &Frame) -> Frame {
    answered(frame).between(node_mac(NODE), node_mac(NODE_2))
}

fn connection(world: &World, on: &Interfaces) -> Case {
    let syn = to_web().flags(SYN).mss(1460);
    let back = answer(&to_web()).flags(SYN | ACK).mss(1460);
    let out = told(&to_web()).flags(SYN | ACK).mss(LEG_MTU - 40);
    let data = to_web().flags(ACK).payload(b"hello");
    Case::new(
        "a process's connection to a task of a node without agent and back",
        &connected(world, &to_web(), ON_2),
    )
    .sends(NicOut, &syn.bytes(), on.nic, &to_beyond(&syn, &syn.clone().mss(LEG_MTU - 40)))
    .bridges(Nic, &by_beyond(&back.bytes()), &out.bytes())
    .sends(NicOut, &data.bytes(), on.nic, &to_beyond(&data, &data))
}

fn datagram(world: &World, on: &Interfaces) -> Case {
    Case::new("a process's datagram to such a task and back", &connected(world, &ask(), ON_2))
        .sends(NicOut, &ask().bytes(), on.nic, &to_beyond(&ask(), &ask()))
        .bridges(Nic, &by_beyond(&answer(&ask()).bytes()), &told(&ask()).bytes())
}

fn too_big(world: &World, on: &Interfaces) -> Case {
    let large = ask().payload(&[0; 1440]);
    let error =
        IcmpError { mtu: LEG_MTU, ..IcmpError::unreachable(NODE_2, CODE_FRAG_NEEDED, &large) };
    Case::new(
        "a process is told what Docker's ingress network carries",
        &connected(world, &large, ON_2),
    )
    .sends(NicOut, &large.bytes(), on.nic, &error.between(NIC_MAC, node_mac(NODE_2)).bytes())
    .counting(Reason::TooBig)
}

fn others(world: &World, on: &Interfaces) -> Vec<Case> {
    let (syn, ack) = (to_web().flags(SYN), to_web().flags(ACK));
    let came = with_agent(&connected(world, &to_web(), ON_2));
    let mut elsewhere = world.clone();
    elsewhere.set_rows(WEB, &[row([ON_3])]);
    let passes =
        |name, world: &World, frame: Frame| Case::new(name, world).passes(NicOut, &frame.bytes());
    vec![
        Case::new(
            "a process's connection goes on once an agent came",
            &in_state(came.clone(), SNAT_OPEN),
        )
        .sends(NicOut, &ack.bytes(), on.nic, &to_beyond(&ack, &ack)),
        Case::new(
            "a new one on its ports is another client's of that node",
            &in_state(came, SNAT_OPEN),
        )
        .passes(NicOut, &syn.bytes())
        .passes(NicOut, &ack.bytes()),
        passes("a process's segment of no connection", world, ack),
        passes(
            "a process's connection to a node with agent",
            world,
            syn.clone().to((NODE_3, WEB_PORT)),
        ),
        passes("a process's connection to no node", world, syn.clone().to(CLIENT)),
        passes("a process's connection to another port", world, syn.clone().to((NODE_2, 22))),
        passes("what somebody else sends by this node", world, syn.clone().from(CLIENT)),
        passes("a process's connection to a service without such tasks", &elsewhere, syn),
        passes("a process's answer", world, to_web().flags(SYN | ACK)),
    ]
}
