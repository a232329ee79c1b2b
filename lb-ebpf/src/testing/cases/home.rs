//! A client's packet at the node of its task: straight from the client, or out of the tunnel.

use lb_common::{
    addr::{V4, mac_of},
    drops::Reason,
    port::TCP,
};

use super::{Case, Hook::Nic, from_client, wire::forward};
use crate::{
    headers::{ACK, FIN, RST, SYN},
    tables::Socket,
    testing::*,
};

pub(super) fn cases(on: &Interfaces) -> Vec<Case> {
    let world = World::small(*on);
    vec![
        local(&world, on),
        tunnelled(&world, on),
        second_hop(&world, on),
        datagram(&world, on),
        reset_ends(&world, on),
        fin_stays(&world, on),
        closed_goes_on(&world, on),
        moves_entry(&world, on),
        unknown_service(&world),
        closed(&world, on),
    ]
}

pub(super) fn to_web() -> Frame {
    from_client(Frame::tcp(CLIENT, (NODE, WEB_PORT)))
}

/// The same packet as a task receives it.
pub(super) fn at_task(frame: &Frame, task: (V4, u16)) -> Frame {
    frame.clone().to(task).between(mac_of(task.0), host_mac(task.0))
}

/// How [`TASK_A`] receives a packet of the web service.
pub(super) fn at_a(frame: &Frame) -> Vec<u8> {
    at_task(frame, (TASK_A, WEB_TARGET)).bytes()
}

/// A client's packet that node 2 was dialled with, and its frame to this node.
pub(super) fn by_2(frame: Frame) -> (Frame, Vec<u8>) {
    let frame = frame.to((NODE_2, WEB_PORT));
    let bytes = forward(NODE_2, NODE, row([A]), NODE_2, &frame.bytes());
    (frame, bytes)
}

fn local(world: &World, on: &Interfaces) -> Case {
    let syn = to_web().flags(SYN).mss(1460);
    let (ack, data) = (to_web().flags(ACK), to_web().flags(ACK).payload(b"hello"));
    Case::new("a task here gets the real client; the SYN's MSS is clamped", world)
        .sends(Nic, &syn.bytes(), on.legs[0], &at_a(&syn.mss(LEG_MTU - 40)))
        .sends(Nic, &ack.bytes(), on.legs[0], &at_a(&ack))
        .sends(Nic, &data.bytes(), on.legs[0], &at_a(&data))
}

fn tunnelled(world: &World, on: &Interfaces) -> Case {
    let (syn, syn_frame) = by_2(to_web().flags(SYN).mss(9000));
    let (ack, ack_frame) = by_2(to_web().flags(ACK).payload(b"odd"));
    Case::new("a frame of the entry node is unpacked for the task", world)
        .sends(Nic, &syn_frame, on.legs[0], &at_a(&syn.mss(LEG_MTU - 40)))
        .sends(Nic, &ack_frame, on.legs[0], &at_a(&ack))
}

fn closed(world: &World, on: &Interfaces) -> Case {
    let mut world = world.clone();
    world.close(TCP, WEB_PORT);
    let (syn, frame) = by_2(to_web().flags(SYN).mss(1200));
    Case::new("a port that a process here holds is its own, and the task's for other nodes", &world)
        .passes(Nic, &to_web().flags(SYN).bytes())
        .sends(Nic, &frame, on.legs[0], &at_a(&syn))
}

fn second_hop(world: &World, on: &Interfaces) -> Case {
    let mut world = world.clone();
    let data = to_web().to((NODE_2, WEB_PORT)).flags(ACK);
    let frame = forward(NODE_3, NODE, row([A]), NODE_2, &data.bytes());
    let held = nat_value((NODE_2, WEB_PORT), CLIENT.1, 1, WEB);
    world.nat.get_mut().insert(web_key(CLIENT, TASK_A), held);
    Case::new("a frame that another home sent on names its entry node", &world).sends(
        Nic,
        &frame,
        on.legs[0],
        &at_a(&data),
    )
}

fn datagram(world: &World, on: &Interfaces) -> Case {
    let query = from_client(Frame::udp(CLIENT, (NODE, DNS_PORT)));
    let bare = Frame { udp_checksum: false, ..query.clone() };
    let at_task = |frame| at_task(frame, (TASK_A, DNS_TARGET)).bytes();
    Case::new("datagrams are translated, without a checksum too", world)
        .sends(Nic, &query.bytes(), on.legs[0], &at_task(&query))
        .sends(Nic, &bare.bytes(), on.legs[0], &at_task(&bare))
}

fn known(world: &World) -> World {
    let mut world = world.clone();
    let held = nat_value((NODE, WEB_PORT), CLIENT.1, 0, WEB);
    world.nat.get_mut().insert(web_key(CLIENT, TASK_A), held);
    world
}

fn reset_ends(world: &World, on: &Interfaces) -> Case {
    let rst = to_web().flags(RST);
    let late = to_web().flags(RST | ACK);
    Case::new("a client's RST is delivered and ends the entry", &known(world))
        .sends(Nic, &rst.bytes(), on.legs[0], &at_a(&rst))
        .drops(Nic, &late.bytes(), Reason::NoSocket)
}

fn fin_stays(world: &World, on: &Interfaces) -> Case {
    let fin = to_web().flags(FIN | ACK);
    let ack = to_web().flags(ACK);
    let mut world = known(world);
    world.sockets.get_mut().insert(web_key(CLIENT, TASK_A), Socket::Alive);
    Case::new("a client's FIN is noted, and its flow goes on while the task has its socket", &world)
        .sends(Nic, &fin.bytes(), on.legs[0], &at_a(&fin))
        .sends(Nic, &ack.bytes(), on.legs[0], &at_a(&ack))
}

/// The client's port is in use again, and the row of the new flow has just become this task's.
fn closed_goes_on(world: &World, on: &Interfaces) -> Case {
    let (fin, data) = (to_web().flags(FIN | ACK), to_web().flags(ACK).payload(b"hello"));
    let mut world = known(world);
    world.set_rows(WEB, &[row([A, ON_2])]);
    let out = forward(NODE, NODE_2, row([ON_2]), NODE, &data.bytes());
    Case::new(
        "what a closed flow from the same port left does not take the new flow's data",
        &world,
    )
    .sends(Nic, &fin.bytes(), on.legs[0], &at_a(&fin))
    .sends(Nic, &data.bytes(), on.nic, &out)
}

fn moves_entry(world: &World, on: &Interfaces) -> Case {
    let mut world = world.clone();
    let held = nat_value((NODE_2, WEB_PORT), CLIENT.1, 2, WEB);
    world.nat.get_mut().insert(web_key(CLIENT, TASK_A), held);
    let (data, frame) = by_2(to_web().flags(ACK));
    Case::new("the entry node follows the latest frame", &world).sends(
        Nic,
        &frame,
        on.legs[0],
        &at_a(&data),
    )
}

fn unknown_service(world: &World) -> Case {
    let mut world = world.clone();
    world.publish(TCP, 81, 20_000, 1);
    let inner = to_web().to((NODE_2, 81)).flags(SYN);
    let frame = forward(NODE_2, NODE, row([A]), NODE_2, &inner.bytes());
    Case::new("a port of a service that there is not is an internal error", &world).drops(
        Nic,
        &frame,
        Reason::Internal,
    )
}
