//! What a task may not send; beside Docker, what is left to the engine's own rules.

use lb_common::{addr::V4, drops::Reason};

use super::{Case, Hook::Leg, replying::from_a};
use crate::{headers::SYN, testing::*};

pub(super) fn cases(on: &Interfaces) -> Vec<Case> {
    let world = World::small(*on);
    let from_b = from_a((TASK_B, 22)).from((TASK_B, WEB_TARGET)).flags(SYN);
    let elsewhere = from_a(CLIENT).from(([203, 0, 113, 1], 1)).flags(SYN);
    let leg =
        |name, bytes: &[u8], reason| Case::new(name, &world).drops(Leg(on.legs[0]), bytes, reason);
    let trespassing = from_a((TASK_B, 22)).flags(SYN).bytes();
    let docker = World { beside_docker: true, ..world.clone() };
    let passes = |name, bytes: &[u8]| Case::new(name, &docker).passes(Leg(on.legs[0]), bytes);
    let dialling = elsewhere.clone().to((NODE, WEB_PORT));
    vec![
        passes("beside Docker a container to another's leg", &trespassing),
        passes("beside Docker a container in another's name", &from_b.bytes()),
        passes("beside Docker a ping to another's leg", &ping(TASK_A, TASK_B)),
        passes("beside Docker somebody else's name is no client here", &dialling.bytes()),
        leg("a task to another task's leg", &trespassing, Reason::LegIsolation),
        leg("a task in another task's name", &from_b.bytes(), Reason::LegSpoof),
        leg("a task in somebody else's name", &elsewhere.bytes(), Reason::LegSpoof),
        leg("a ping to another task's leg", &ping(TASK_A, TASK_B), Reason::LegIsolation),
        leg("a ping in another task's name", &ping(TASK_B, CLIENT.0), Reason::LegSpoof),
    ]
}

fn ping(src: V4, dst: V4) -> Vec<u8> {
    Echo::request(src, dst).bytes()
}
