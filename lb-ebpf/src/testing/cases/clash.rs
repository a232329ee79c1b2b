//! One client port towards one task through two dialled addresses.

use lb_common::{
    addr::{V4, mac_of},
    drops::Reason,
    hash::mix,
};

use super::{
    Case,
    Hook::{Leg, Nic},
    from_client,
    home::{at_a, at_task, to_web},
};
use crate::{
    headers::{ACK, SYN},
    tables::Socket,
    testing::*,
};

pub(super) fn cases(on: &Interfaces) -> Vec<Case> {
    let world = World::small(*on);
    vec![twins(&world, on), taken_over(&world, on), both_live(&world, on), exhausted(&world)]
}

/// The port that a clashing flow gets towards its task: at least 1024, by what it dialled.
fn alternative(dialled: (V4, u16), attempt: u64) -> u16 {
    let word = u64::from(u32::from_be_bytes(dialled.0)) << 32
        | u64::from(dialled.1) << 16
        | u64::from(CLIENT.1);
    mix(word + attempt) as u16 | 0x0400
}

fn twins(world: &World, on: &Interfaces) -> Case {
    let one = from_client(Frame::udp(CLIENT, (NODE, DNS_PORT)));
    let other = one.clone().to((SECOND_ADDR, DNS_PORT));
    let port = alternative((SECOND_ADDR, DNS_PORT), 1);
    let seen = |frame: &Frame, port| {
        at_task(&frame.clone().from((CLIENT.0, port)), (TASK_A, DNS_TARGET)).bytes()
    };
    let reply = Frame::udp((TASK_A, DNS_TARGET), (CLIENT.0, port))
        .between(host_mac(TASK_A), mac_of(TASK_A));
    let back = reply.clone().to(CLIENT).from((SECOND_ADDR, DNS_PORT)).between(CLIENT_MAC, NIC_MAC);
    Case::new(
        "a second flow of one client port gets another one, and its reply the real one",
        world,
    )
    .sends(Nic, &one.bytes(), on.legs[0], &seen(&one, CLIENT.1))
    .sends(Nic, &other.bytes(), on.legs[0], &seen(&other, port))
    .sends(Leg(on.legs[0]), &reply.bytes(), on.nic, &back.bytes())
    .sends(Nic, &one.bytes(), on.legs[0], &seen(&one, CLIENT.1))
}

fn second() -> Frame {
    to_web().to((SECOND_ADDR, WEB_PORT)).flags(SYN)
}

fn held(world: &World) -> World {
    let mut world = world.clone();
    let value = nat_value((NODE, WEB_PORT), CLIENT.1, 0, WEB);
    world.nat.get_mut().insert(web_key(CLIENT, TASK_A), value);
    world
}

fn taken_over(world: &World, on: &Interfaces) -> Case {
    Case::new("a port whose connection has ended is taken over", &held(world)).sends(
        Nic,
        &second().bytes(),
        on.legs[0],
        &at_a(&second()),
    )
}

fn both_live(world: &World, on: &Interfaces) -> Case {
    let mut world = held(world);
    world.sockets.get_mut().insert(web_key(CLIENT, TASK_A), Socket::Alive);
    let port = alternative((SECOND_ADDR, WEB_PORT), 1);
    let ack = second().flags(ACK);
    let seen = |frame: &Frame| at_a(&frame.clone().from((CLIENT.0, port)));
    Case::new("a port whose connection lives is not", &world)
        .sends(Nic, &second().bytes(), on.legs[0], &seen(&second()))
        .sends(Nic, &ack.bytes(), on.legs[0], &seen(&ack))
}

fn exhausted(world: &World) -> Case {
    let mut world = held(world);
    let second = (SECOND_ADDR, WEB_PORT);
    for port in [CLIENT.1, alternative(second, 1), alternative(second, 2)] {
        let key = web_key((CLIENT.0, port), TASK_A);
        world.sockets.get_mut().insert(key, Socket::Alive);
        world.nat.get_mut().insert(key, nat_value((NODE, WEB_PORT_2), 1, 0, WEB));
    }
    Case::new("a flow whose ports are all in use is dropped", &world).drops(
        Nic,
        &self::second().bytes(),
        Reason::ClashExhausted,
    )
}
