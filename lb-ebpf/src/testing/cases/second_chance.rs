//! A segment whose flow the owner does not know: on along the row, or no.

use lb_common::{backend::STATE_DRAINING, drops::Reason};

use super::{
    Case,
    Hook::Nic,
    home::{at_a, at_task, to_web},
    wire::forward,
};
use crate::{
    headers::{ACK, SYN},
    tables::Socket,
    testing::*,
};

pub(super) fn cases(on: &Interfaces) -> Vec<Case> {
    let world = World::small(*on);
    vec![
        next_node(&world, on),
        former_owner_here(&world, on),
        from_the_socket(&world, on),
        owner_elsewhere(&world, on),
        quiet(&world),
        not_here_yet(&world, on),
        not_known_yet(&world, on),
        only_draining_yet(&world, on),
    ]
}

/// A segment that node 2 was dialled with.
fn data() -> Frame {
    to_web().to((NODE_2, WEB_PORT)).flags(ACK).payload(b"late")
}

fn by_2(numbers: lb_common::row::Row) -> Vec<u8> {
    forward(NODE_2, NODE, numbers, NODE_2, &data().bytes())
}

fn next_node(world: &World, on: &Interfaces) -> Case {
    let out = forward(NODE, NODE_3, row([ON_3, ON_2]), NODE_2, &data().bytes());
    Case::new("an unknown segment goes to the next node of the carried row", world)
        .sends(Nic, &by_2(row([A, ON_3, ON_2])), on.nic, &out)
        .sends(Nic, &by_2(row([A, B, ON_3, ON_2])), on.nic, &out)
}

fn former_owner_here(world: &World, on: &Interfaces) -> Case {
    let mut world = world.clone();
    let held = nat_value((NODE_2, WEB_PORT), CLIENT.1, 1, WEB);
    world.nat.get_mut().insert(web_key(CLIENT, TASK_B), held);
    let out = at_task(&data(), (TASK_B, WEB_TARGET)).bytes();
    Case::new("a former owner here gets its segment", &world).sends(
        Nic,
        &by_2(row([A, B, ON_3])),
        on.legs[1],
        &out,
    )
}

fn from_the_socket(world: &World, on: &Interfaces) -> Case {
    let mut world = world.clone();
    world.sockets.get_mut().insert(web_key(CLIENT, TASK_A), Socket::Alive);
    Case::new("a flow whose entry was evicted is rebuilt from the task's sockets", &world)
        .sends(Nic, &by_2(row([A, ON_3])), on.legs[0], &at_a(&data()))
        .sends(Nic, &by_2(row([A, ON_3])), on.legs[0], &at_a(&data()))
}

fn owner_elsewhere(world: &World, on: &Interfaces) -> Case {
    let out = forward(NODE, NODE_2, row([ON_2]), NODE_2, &data().bytes());
    Case::new(
        "a frame that meant another node goes on along the row, never back to its owner",
        world,
    )
    .sends(Nic, &by_2(row([ON_3, ON_2])), on.nic, &out)
}

/// Other nodes have heard of task A before its own node has made its leg.
fn not_here_yet(world: &World, on: &Interfaces) -> Case {
    let mut world = world.clone();
    world.backend_mut(WEB, A).leg = 99;
    let syn = to_web().to((NODE_2, WEB_PORT)).flags(SYN);
    let frame = |numbers| forward(NODE_2, NODE, numbers, NODE_2, &syn.bytes());
    let out = forward(NODE, NODE_3, row([ON_3]), NODE_2, &syn.bytes());
    let at_b = at_task(&syn, (TASK_B, WEB_TARGET)).bytes();
    Case::new("a new flow whose owner has no leg yet goes to the newest former owner", &world)
        .sends(Nic, &frame(row([A, ON_3])), on.nic, &out)
        .sends(Nic, &frame(row([A, B, ON_3])), on.legs[1], &at_b)
}

fn not_known_yet(world: &World, on: &Interfaces) -> Case {
    let mut world = world.clone();
    world.backend_mut(WEB, ON_2).state = STATE_DRAINING;
    let syn = to_web().to((NODE_2, WEB_PORT)).flags(SYN);
    let frame = forward(NODE_2, NODE, row([999, ON_2, ON_3]), NODE_2, &syn.bytes());
    let out = forward(NODE, NODE_3, row([ON_3]), NODE_2, &syn.bytes());
    Case::new("so does one whose owner is not known yet, past those that drain", &world)
        .sends(Nic, &frame, on.nic, &out)
}

fn only_draining_yet(world: &World, on: &Interfaces) -> Case {
    let mut world = world.clone();
    world.backend_mut(WEB, ON_2).state = STATE_DRAINING;
    let syn = to_web().to((NODE_2, WEB_PORT)).flags(SYN);
    let frame = forward(NODE_2, NODE, row([999, ON_2]), NODE_2, &syn.bytes());
    let out = forward(NODE, NODE_2, row([ON_2]), NODE_2, &syn.bytes());
    Case::new("where all others drain, one of them may still serve it", &world)
        .sends(Nic, &frame, on.nic, &out)
}

fn quiet(world: &World) -> Case {
    let mut world = world.clone();
    world.service_mut(WEB).quiet_until_ns = u64::MAX;
    Case::new("shortly after a change an unknown segment is not reset", &world).drops(
        Nic,
        &by_2(row([A])),
        Reason::Quiet,
    )
}
