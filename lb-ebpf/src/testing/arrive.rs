//! The program `tc_arrive` on byte vectors, as `kernel::arrive` has it.

use lb_common::{addr::V4, drops::Reason, wire::OUTER_LEN};

use super::{
    World,
    run::{End, Outcome, Ran, Wire, finish},
    tc_overlay::{into_tunnel, make_reset, make_unreachable},
};
use crate::{
    decide::arrive::{
        Receiver, answers, has_networks, inner as facts, is_refusable, overlay_frame, receiver,
    },
    headers::Eth,
    parse::{Kind, Parsed},
    rewrite::nat,
    tables::Tables as _,
    verdict::Nat,
};

/// The program `tc_arrive`: a frame that XDP passed on the NIC.
#[must_use]
pub fn tc_arrive(world: &World, frame: &[u8]) -> Ran {
    let mut wire = Wire(frame.to_vec());
    let outcome = match overlay_frame(world, &wire.packet()) {
        Ok(Some(outer)) => deliver(world, &mut wire, outer),
        Ok(None) => Ok(End::Pass),
        Err(reason) => Err(reason),
    };
    if outcome.is_err() && !has_networks(world) {
        return finish(world, wire, Ok(End::Pass));
    }
    finish(world, wire, outcome)
}

fn deliver(world: &World, wire: &mut Wire, outer: V4) -> Outcome {
    let length = wire.0.len();
    let packet = wire.packet();
    let receiver = receiver(world, &packet, length, outer)?;
    let inner = packet.read::<Eth>(OUTER_LEN).ok_or(Reason::Malformed)?;
    let facts = facts(&packet)?;
    if receiver.ifindex == 0 {
        return refuse(world, wire, &receiver, &inner, facts);
    }
    wire.adjust_room(-(OUTER_LEN as i32));
    if let Some(mut parsed) = facts {
        let mut nat = Nat::of(&parsed);
        if answers(world, &receiver, &mut parsed, &mut nat) {
            nat::translate(&wire.packet(), &parsed, &nat).ok_or(Reason::Malformed)?;
        }
    }
    wire.packet().write(0, &Eth { dst: receiver.mac, ..inner }).ok_or(Reason::Internal)?;
    Ok(End::Deliver(receiver.ifindex))
}

fn refuse(
    world: &World,
    wire: &mut Wire,
    receiver: &Receiver,
    inner: &Eth,
    facts: Option<Parsed>,
) -> Outcome {
    let length = wire.0.len() as u32;
    let parsed = facts.filter(|parsed| is_refusable(parsed, length)).ok_or(Reason::NoLeg)?;
    wire.adjust_room(-(OUTER_LEN as i32));
    world.count(Reason::NoLeg);
    match parsed.kind {
        Kind::Tcp => make_reset(wire)?,
        _ => make_unreachable(wire, 0)?,
    }
    let macs = (inner.src, inner.dst);
    into_tunnel(world, wire, &parsed, (receiver.peer, receiver.back, macs))
}
