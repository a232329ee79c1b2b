//! The program `tc_overlay` on byte vectors, as `kernel::overlay` has it.

use lb_common::{addr::Mac, drops::Reason, wire::OUTER_LEN};

use super::{
    World,
    run::{End, Outcome, Ran, Wire, finish, resolved},
};
use crate::{
    carriage::{Act, Carriage},
    decide::overlay::overlay,
    headers::{ETHERTYPE_IPV4, Eth, SYN},
    parse::{ETH_LEN, Kind, Parsed},
    rewrite::{
        arp, echo, mss, nat,
        refusal::{ICMP_LEN, ICMP_ROOM, RESET_LEN, reset, unreachable},
        tunnel::{Tunnel, TunnelHeader, source_port},
    },
    tables::Tables,
};

/// The program `tc_overlay`: a frame from the task behind interface `ifindex`. `gso_size` is 0 for a
/// packet that goes out as it is, else the payload of the segments that it is cut into later.
#[must_use]
pub fn tc_overlay(world: &World, frame: &[u8], ifindex: u32, gso_size: u16) -> Ran {
    let mut wire = Wire(frame.to_vec());
    let Some(leg) = world.overlay_leg(ifindex) else {
        return finish(world, wire, Err(Reason::NoLeg));
    };
    let mut parsed = Parsed::NOTHING;
    let carriage = overlay(world, &wire.packet(), &leg, gso_size, &mut parsed);
    let outcome = carry_out(world, &mut wire, &carriage, &parsed, ifindex);
    finish(world, wire, outcome)
}

fn carry_out(
    world: &World,
    wire: &mut Wire,
    carriage: &Carriage,
    parsed: &Parsed,
    ifindex: u32,
) -> Outcome {
    match carriage.act {
        Act::Local => local(wire, carriage, parsed),
        Act::Remote => remote(world, wire, carriage, parsed),
        _ => answer(world, wire, carriage, parsed, ifindex),
    }
}

/// What ends at this leg: questions, and what nobody takes.
pub(super) fn answer(
    world: &World,
    wire: &mut Wire,
    carriage: &Carriage,
    parsed: &Parsed,
    ifindex: u32,
) -> Outcome {
    match carriage.act {
        Act::Arp => back(arp::reply(&wire.packet(), carriage.macs.1), ifindex),
        Act::Echo => back(echo::reply(&wire.packet(), carriage.macs.1), ifindex),
        Act::Refuse | Act::TooBig => refuse(world, wire, carriage, parsed, ifindex),
        _ => Err(carriage.reason.unwrap_or(Reason::Internal)),
    }
}

pub(super) fn translate(
    wire: &mut Wire,
    carriage: &Carriage,
    parsed: &Parsed,
) -> Result<(), Reason> {
    if !carriage.translated {
        return Ok(());
    }
    nat::translate(&wire.packet(), parsed, &carriage.nat).ok_or(Reason::Malformed)
}

pub(super) fn local(wire: &mut Wire, carriage: &Carriage, parsed: &Parsed) -> Outcome {
    translate(wire, carriage, parsed)?;
    let (dst, src) = carriage.macs;
    let eth = Eth { dst, src, ether_type: ETHERTYPE_IPV4 };
    wire.packet().write(0, &eth).ok_or(Reason::Internal)?;
    Ok(End::Deliver(carriage.ifindex))
}

fn remote(world: &World, wire: &mut Wire, carriage: &Carriage, parsed: &Parsed) -> Outcome {
    translate(wire, carriage, parsed)?;
    clamp(wire, carriage, parsed)?;
    into_tunnel(world, wire, parsed, (carriage.peer, carriage.vni, carriage.macs))
}

/// Sends a frame to a node, with the VNI and the inner MAC addresses that it has there.
pub(super) fn into_tunnel(
    world: &World,
    wire: &mut Wire,
    parsed: &Parsed,
    (peer, vni, macs): (u16, u32, (Mac, Mac)),
) -> Outcome {
    let peer = resolved(world, peer).ok_or(Reason::NoNextHop)?;
    let tunnel = Tunnel {
        own: world.node_addr,
        port: world.vxlan_port,
        vni,
        macs,
        src_port: source_port(parsed),
        inner_len: (wire.0.len() - ETH_LEN) as u16,
    };
    wire.adjust_room(OUTER_LEN as i32);
    TunnelHeader::new(&peer, &tunnel).store(&wire.packet()).ok_or(Reason::Internal)?;
    Ok(End::Send(peer.ifindex))
}

fn clamp(wire: &mut Wire, carriage: &Carriage, parsed: &Parsed) -> Result<(), Reason> {
    if carriage.mtu == 0 || parsed.kind != Kind::Tcp || parsed.flags & SYN == 0 {
        return Ok(());
    }
    match mss::find(&wire.packet(), carriage.mtu - mss::TCP_OVERHEAD) {
        Some(clamp) => mss::write(&wire.packet(), &clamp).ok_or(Reason::Malformed),
        None => Ok(()),
    }
}

fn back(written: Option<()>, ifindex: u32) -> Outcome {
    written.ok_or(Reason::Malformed)?;
    Ok(End::Send(ifindex))
}

fn refuse(
    world: &World,
    wire: &mut Wire,
    carriage: &Carriage,
    parsed: &Parsed,
    ifindex: u32,
) -> Outcome {
    world.count(carriage.reason.unwrap_or(Reason::Internal));
    let eth = wire.packet().read::<Eth>(0).ok_or(Reason::Internal)?;
    if parsed.kind == Kind::Tcp && carriage.act == Act::Refuse {
        make_reset(wire)?;
    } else {
        make_unreachable(wire, carriage.mtu)?;
    }
    wire.send((eth.src, eth.dst), ifindex)
}

/// The RST that answers a segment.
pub(super) fn make_reset(wire: &mut Wire) -> Result<(), Reason> {
    reset(&wire.packet()).ok_or(Reason::Malformed)?;
    wire.0.resize(RESET_LEN, 0);
    Ok(())
}

/// The ICMP error that answers a packet.
pub(super) fn make_unreachable(wire: &mut Wire, mtu: u16) -> Result<(), Reason> {
    wire.adjust_room(ICMP_ROOM as i32);
    unreachable(&wire.packet(), mtu).ok_or(Reason::Malformed)?;
    wire.0.resize(ICMP_LEN, 0);
    Ok(())
}
