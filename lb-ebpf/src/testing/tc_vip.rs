//! The programs `tc_vip_out` and `tc_vip_in` on byte vectors, as `kernel::vip_leg` has them.

use lb_common::drops::Reason;

use super::{
    Way, World,
    run::{End, Outcome, Ran, Wire, finish},
    tc_overlay::{answer, local, translate},
};
use crate::{
    carriage::{Act, Carriage},
    decide::vip_leg::{back, out},
    headers::{ETHERTYPE_IPV4, Eth},
    parse::Parsed,
    rewrite::nat,
};

/// The program `tc_vip_out`: a frame from the task behind interface `ifindex`.
#[must_use]
pub fn tc_vip_out(world: &World, frame: &[u8], ifindex: u32) -> Ran {
    let mut wire = Wire(frame.to_vec());
    let mut parsed = Parsed::NOTHING;
    let carriage = out(world, &wire.packet(), ifindex, &mut parsed);
    let outcome = match carriage.act {
        Act::Local => local(&mut wire, &carriage, &parsed),
        Act::Bridge => bridge(&mut wire, &carriage, &parsed),
        Act::Route => route(world, &mut wire, &carriage, &parsed),
        _ => answer(world, &mut wire, &carriage, &parsed, ifindex),
    };
    finish(world, wire, outcome)
}

fn bridge(wire: &mut Wire, carriage: &Carriage, parsed: &Parsed) -> Outcome {
    if carriage.translated {
        translate(wire, carriage, parsed)?;
        let (dst, src) = carriage.macs;
        let eth = Eth { dst, src, ether_type: ETHERTYPE_IPV4 };
        wire.packet().write(0, &eth).ok_or(Reason::Internal)?;
    }
    Ok(End::Pass)
}

fn route(world: &World, wire: &mut Wire, carriage: &Carriage, parsed: &Parsed) -> Outcome {
    translate(wire, carriage, parsed)?;
    match world.ways.get(&carriage.nat.dst) {
        Some(Way::Resolved { ifindex, .. } | Way::Unresolved { ifindex }) => Ok(End::Ask(*ifindex)),
        None => Err(Reason::NoNextHop),
    }
}

/// The program `tc_vip_in`: a frame on its way to a task.
#[must_use]
pub fn tc_vip_in(world: &World, frame: &[u8]) -> Ran {
    let mut wire = Wire(frame.to_vec());
    let mut parsed = Parsed::NOTHING;
    let outcome = match back(world, &wire.packet(), &mut parsed) {
        Some(nat) => nat::translate(&wire.packet(), &parsed, &nat).ok_or(Reason::Malformed),
        None => Ok(()),
    };
    finish(world, wire, outcome.map(|()| End::Pass))
}
