//! What a task may not send.

use lb_common::drops::Reason;

use super::{Case, Hook::Leg, replying::from_a};
use crate::{headers::SYN, testing::*};

pub(super) fn cases(on: &Interfaces) -> Vec<Case> {
    let world = World::small(*on);
    let from_b = from_a((TASK_B, 22)).from((TASK_B, WEB_TARGET)).flags(SYN);
    let elsewhere = from_a(CLIENT).from(([203, 0, 113, 1], 1)).flags(SYN);
    let leg = |name, frame: &Frame, reason| {
        Case::new(name, &world).drops(Leg(on.legs[0]), &frame.bytes(), reason)
    };
    vec![
        leg("a task to another task's leg", &from_a((TASK_B, 22)).flags(SYN), Reason::LegIsolation),
        leg("a task in another task's name", &from_b, Reason::LegSpoof),
        leg("a task in somebody else's name", &elsewhere, Reason::LegSpoof),
    ]
}
