//! Carries out what `decide::full_nat` concluded, as `kernel::{xdp,skb}` do.

use lb_common::{
    addr::{V4, mac_of},
    drops::Reason,
    wire::OUTER_LEN,
};

use super::{
    End, Way, World,
    run::{Outcome, Ran, Wire, clamp, conclude, encapsulate, finish, inner_len, reply, way},
};
use crate::{
    decide::{
        full_nat::{answered, mtu},
        own::{dial, own},
    },
    headers::Eth,
    parse::{Parse, Parsed, parse},
    rewrite::{
        nat,
        refusal::{ICMP_LEN, ICMP_ROOM, unreachable},
        tunnel::Tunnel,
    },
    tables::Tables,
    verdict::{Action, Nat, Verdict},
};

/// A frame of Docker's ingress network, in XDP.
pub(super) fn receive_answer(world: &World, wire: &mut Wire, outer: V4) -> Outcome {
    let Parse::Packet(mut inner) = parse::<OUTER_LEN>(&wire.packet()) else {
        return Ok(End::Pass);
    };
    let verdict = answered(world, outer, &mut inner);
    match verdict.action {
        Action::ToClient => {}
        Action::ToSelf => return to_self(world, wire, &verdict, &inner),
        _ => return conclude(world, wire, &verdict, &inner, true),
    }
    match world.ways.get(&verdict.nat.dst) {
        Some(Way::Resolved { ifindex, .. }) if world.bridge(*ifindex).is_some() => Ok(End::Pass),
        Some(Way::Resolved { ifindex, macs }) => {
            wire.adjust_head(OUTER_LEN as i32);
            translate(world, wire, &verdict, &inner)?;
            wire.send(*macs, *ifindex)
        }
        Some(Way::Unresolved { .. }) => Ok(End::Pass),
        None => Err(Reason::NoNextHop),
    }
}

fn to_self(world: &World, wire: &mut Wire, verdict: &Verdict, inner: &Parsed) -> Outcome {
    let eth = wire.packet().read::<Eth>(0).ok_or(Reason::Malformed)?;
    wire.adjust_head(OUTER_LEN as i32);
    translate(world, wire, verdict, inner)?;
    wire.packet().write(0, &eth).ok_or(Reason::Internal)?;
    Ok(End::Pass)
}

/// The program `tc_own`: a frame about to leave by the NIC.
#[must_use]
pub fn tc_own(world: &World, frame: &[u8]) -> Ran {
    let mut wire = Wire(frame.to_vec());
    let outcome = leave(world, &mut wire);
    finish(world, wire, outcome)
}

fn leave(world: &World, wire: &mut Wire) -> Outcome {
    let Some(parsed) = own(world, &wire.packet(), true) else { return Ok(End::Pass) };
    let mut verdict = Verdict::pass();
    if !dial(world, &parsed, &mut verdict) {
        return Ok(End::Pass);
    }
    match verdict.action {
        Action::ToIngress => {
            translate(world, wire, &verdict, &parsed)?;
            let tunnel = ingress(world, &parsed, inner_len(wire), &verdict.nat);
            encapsulate(world, wire, verdict.index, &tunnel)
        }
        Action::TooBig => {
            world.count(Reason::TooBig);
            let eth = wire.packet().read::<Eth>(0).ok_or(Reason::Internal)?;
            wire.adjust_room(ICMP_ROOM as i32);
            unreachable(&wire.packet(), verdict.mtu).ok_or(Reason::Internal)?;
            wire.0.resize(ICMP_LEN, 0);
            wire.send((eth.src, eth.dst), world.nic)
        }
        _ => Err(verdict.reason.unwrap_or(Reason::Internal)),
    }
}

/// Translates a packet that goes to a peer, or came from one, by Docker's ingress network.
pub(super) fn translate(
    world: &World,
    wire: &mut Wire,
    verdict: &Verdict,
    parsed: &Parsed,
) -> Result<(), Reason> {
    nat::translate(&wire.packet(), parsed, &verdict.nat).ok_or(Reason::Malformed)?;
    let peer = world.peer(verdict.index).ok_or(Reason::NoNextHop)?;
    clamp(wire, parsed, mtu(world, &peer))
}

/// A frame of Docker's ingress network.
pub(super) fn ingress(world: &World, parsed: &Parsed, inner_len: u16, nat: &Nat) -> Tunnel {
    let macs = (mac_of(nat.dst), mac_of(nat.src));
    Tunnel { vni: world.ingress_vni, macs, ..reply(world, parsed, inner_len) }
}

/// The same behind XDP.
pub(super) fn receive_late_answer(world: &World, wire: &mut Wire, outer: V4) -> Outcome {
    let Parse::Packet(mut inner) = parse::<OUTER_LEN>(&wire.packet()) else {
        return Ok(End::Pass);
    };
    let verdict = answered(world, outer, &mut inner);
    match verdict.action {
        Action::ToClient => late_client(world, wire, &verdict, &inner),
        _ => Ok(End::Pass),
    }
}

/// A packet out of a frame, to a client that XDP did not reach.
pub(super) fn late_client(
    world: &World,
    wire: &mut Wire,
    verdict: &Verdict,
    parsed: &Parsed,
) -> Outcome {
    let ifindex = way(world, verdict.nat.dst)?;
    wire.adjust_room(-(OUTER_LEN as i32));
    translate(world, wire, verdict, parsed)?;
    Ok(End::Ask(ifindex))
}
