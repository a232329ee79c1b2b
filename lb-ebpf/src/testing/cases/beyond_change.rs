//! Agents come and go: which flows go on the way they have, and which begin another.

use lb_common::{
    backend::BACKEND_INGRESS,
    drops::Reason,
    flow::{SNAT_CLOSED, SNAT_OPEN},
    peer::PEER_INGRESS,
};

use super::{
    Case,
    Hook::{Leg, Nic},
    beyond::{answer, answered, by_beyond, query, to_beyond},
    dialling::{as_node, connected, dial},
    home::to_web,
    wire::forward,
};
use crate::{
    headers::{ACK, SYN},
    testing::*,
};

pub(super) fn cases(on: &Interfaces) -> Vec<Case> {
    let world = World::beyond(*on);
    [came(&world, on), new(&world, on), left(&world, on), containers(&world, on)].concat()
}

/// The world where an agent has taken up work on the second node.
pub(super) fn with_agent(world: &World) -> World {
    let mut world = world.clone();
    world.peers.entry(1).or_default().flags &= !PEER_INGRESS;
    for service in [WEB, DNS] {
        world.backend_mut(service, ON_2).flags = 0;
    }
    world
}

/// The world where nobody has heard of the second node's agent for long.
fn silent(world: &World) -> World {
    let mut world = world.clone();
    for service in [WEB, DNS] {
        world.backend_mut(service, ON_2).flags = BACKEND_INGRESS;
    }
    world
}

/// The world where the only connection is in this state.
pub(super) fn in_state(mut world: World, state: u8) -> World {
    world.snat_in.get_mut().values_mut().for_each(|value| value.state = state);
    world
}

fn by_mesh(frame: &Frame) -> Vec<u8> {
    forward(NODE, NODE_2, row([ON_2]), NODE, &frame.bytes())
}

fn came(world: &World, on: &Interfaces) -> Vec<Case> {
    let (syn, data) = (to_web().flags(SYN), to_web().flags(ACK).payload(b"more"));
    let world = with_agent(&connected(world, &data, ON_2));
    let (back, odd) = (answer(&data).flags(ACK), to_web().flags(0));
    vec![
        Case::new(
            "a connection through Docker's network goes on there once an agent came",
            &in_state(world.clone(), SNAT_OPEN),
        )
        .sends(Nic, &data.bytes(), on.nic, &to_beyond(&data, &data))
        .sends(Nic, &by_beyond(&back.bytes()), on.nic, &answered(&data).flags(ACK).bytes()),
        // Its first packet tells the time, which does not begin at 0 in the kernel.
        Case::new("so does one that the task has yet to answer", &world)
            .sends(Nic, &odd.bytes(), on.nic, &to_beyond(&odd, &odd))
            .sends(Nic, &syn.bytes(), on.nic, &to_beyond(&syn, &syn)),
    ]
}

fn new(world: &World, on: &Interfaces) -> Vec<Case> {
    let (syn, ack) = (to_web().flags(SYN), to_web().flags(ACK));
    let one = |state| in_state(with_agent(&connected(world, &syn, ON_2)), state);
    let again = |name, state| {
        Case::new(name, &one(state)).sends(Nic, &syn.bytes(), on.nic, &by_mesh(&syn)).sends(
            Nic,
            &ack.bytes(),
            on.nic,
            &by_mesh(&ack),
        )
    };
    let first = with_agent(world);
    vec![
        again("a new connection on the ports of an open one goes by the mesh for good", SNAT_OPEN),
        again("so does one on the ports of a closed one", SNAT_CLOSED),
        Case::new("a first datagram goes by the mesh", &first).sends(
            Nic,
            &query().bytes(),
            on.nic,
            &by_mesh(&query()),
        ),
    ]
}

fn left(world: &World, on: &Interfaces) -> Vec<Case> {
    let ack = to_web().flags(ACK);
    vec![
        Case::new(
            "where an agent is only silent, the mesh carries the connections that it has",
            &silent(world),
        )
        .sends(Nic, &ack.bytes(), on.nic, &by_mesh(&ack)),
    ]
}

fn containers(world: &World, on: &Interfaces) -> Vec<Case> {
    let ack = dial().flags(ACK);
    let through = connected(world, &ack, ON_2);
    let carried = connected(&with_agent(world), &ack, ON_2);
    let cut_off = World { backends: world.backends.clone(), ..carried.clone() };
    let sent = forward(NODE, NODE_2, row([ON_2]), NODE, &as_node(&ack).bytes());
    let leg = Leg(on.legs[0]);
    vec![
        Case::new(
            "a container's connection through Docker's network goes on there",
            &in_state(with_agent(&through), SNAT_OPEN),
        )
        .sends(leg, &ack.bytes(), on.nic, &to_beyond(&ack, &ack)),
        Case::new("one by the mesh ends where the agent took leave", &cut_off)
            .passes(leg, &ack.bytes())
            .counting(Reason::NoSocket),
        Case::new("and goes on where it is only silent", &silent(&carried)).sends(
            leg,
            &ack.bytes(),
            on.nic,
            &sent,
        ),
    ]
}
