//! Carries out decisions on byte vectors: what `kernel::{xdp,skb}` do by helpers, step by step in
//! the same order, with the same `rewrite` functions.

use lb_common::{
    addr::{Mac, V4},
    backend::NODE_SELF,
    drops::Reason,
    leg::leg_index,
    peer::{PEER_RESOLVED, Peer},
    wire::{self, OUTER_LEN, TUNNEL_OVERHEAD},
};

use super::{
    Way, World,
    full_nat::{ingress, late_client, receive_answer, receive_late_answer, translate},
};
use crate::{
    decide::{
        client::{TaskClient, decide, task_client},
        express::{Express, express},
        full_nat::{self, is_ingress},
        ingress::{Arriving, Inner, client, forwarded, is_mesh, passes_by, replied, sort, unwrap},
        leg::{LegPacket, is_foreign, leg, trespasses},
    },
    headers::{ETHERTYPE_IPV4, Eth, SYN},
    packet::Packet,
    parse::{ETH_LEN, Kind, Parsed},
    rewrite::{
        mss, nat,
        refusal::{ICMP_LEN, ICMP_ROOM, RESET_LEN, reset, unreachable},
        tunnel::{Tunnel, TunnelHeader, source_port},
    },
    tables::Tables,
    verdict::{Action, Verdict},
};

/// Inner MAC addresses of reply frames.
pub const REPLY_MACS: (Mac, Mac) = ([2, 0, 0, 0, 0, 1], [2, 0, 0, 0, 0, 2]);

/// What became of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// On to the kernel.
    Pass,
    /// Dropped; the reason is counted.
    Drop,
    /// Sent by an interface.
    Send(u32),
    /// Handed to the task at the other end of an interface.
    Deliver(u32),
    /// Sent by an interface, after the kernel asked for the neighbour's Ethernet address.
    Ask(u32),
}

/// The end of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ran {
    /// What became of the frame.
    pub end: End,
    /// Its bytes then.
    pub frame: Vec<u8>,
}

pub(super) type Outcome = Result<End, Reason>;

/// The frame on its way.
pub(super) struct Wire(pub(super) Vec<u8>);

impl Wire {
    pub(super) fn packet(&mut self) -> Packet<'_> {
        Packet::from_slice(&mut self.0)
    }

    /// Removes bytes at the front, or adds some if `delta` is negative.
    pub(super) fn adjust_head(&mut self, delta: i32) {
        match usize::try_from(delta) {
            Ok(fewer) => drop(self.0.drain(..fewer)),
            Err(_) => {
                drop(self.0.splice(..0, std::iter::repeat_n(0, delta.unsigned_abs() as usize)));
            }
        }
    }

    /// Adds bytes between Ethernet and IPv4 header, or removes some if `delta` is negative.
    pub(super) fn adjust_room(&mut self, delta: i32) {
        let eth: Vec<u8> = self.0[..ETH_LEN].to_vec();
        self.adjust_head(-delta);
        self.0[..ETH_LEN].copy_from_slice(&eth);
    }

    pub(super) fn send(&mut self, macs: (Mac, Mac), ifindex: u32) -> Outcome {
        let eth = Eth { dst: macs.0, src: macs.1, ether_type: ETHERTYPE_IPV4 };
        self.packet().write(0, &eth).ok_or(Reason::Internal)?;
        Ok(End::Send(ifindex))
    }
}

pub(super) fn finish(world: &World, wire: Wire, outcome: Outcome) -> Ran {
    let end = outcome.unwrap_or_else(|reason| {
        world.count(reason);
        End::Drop
    });
    Ran { end, frame: wire.0 }
}

/// The program `xdp_node`: a frame that the NIC received.
#[must_use]
pub fn xdp(world: &World, frame: &[u8]) -> Ran {
    let mut wire = Wire(frame.to_vec());
    let outcome = receive(world, &mut wire);
    finish(world, wire, outcome)
}

fn receive(world: &World, wire: &mut Wire) -> Outcome {
    if let Some(Express { parsed, index, row, .. }) = express(world, &wire.packet()) {
        let verdict = Verdict::forward(index, row, parsed.dst);
        return conclude(world, wire, &verdict, &parsed, false);
    }
    match sort(world, &wire.packet()) {
        Some(Arriving::Client(parsed)) if passes_by(world, &parsed) => Ok(End::Pass),
        Some(Arriving::Client(mut parsed)) => {
            if full_nat::is_concerned(world, &parsed) {
                let verdict = full_nat::client(world, &mut parsed);
                if verdict.action != Action::Pass {
                    return conclude(world, wire, &verdict, &parsed, false);
                }
            }
            let verdict = client(world, &mut parsed);
            conclude(world, wire, &verdict, &parsed, false)
        }
        Some(Arriving::Tunnel(outer)) => receive_tunnel(world, wire, outer),
        None => Ok(End::Pass),
    }
}

fn receive_tunnel(world: &World, wire: &mut Wire, outer: V4) -> Outcome {
    let packet = wire.packet();
    if is_ingress(world, &packet) {
        return receive_answer(world, wire, outer);
    }
    if !is_mesh(world, &packet) {
        return Ok(End::Pass);
    }
    let Some(Inner { parsed: mut inner, is_reply }) = unwrap(world, &packet) else {
        return Err(Reason::Malformed);
    };
    let verdict = if is_reply {
        replied(world, outer, &mut inner)
    } else {
        forwarded(world, &packet, outer, &mut inner)
    };
    conclude(world, wire, &verdict, &inner, true)
}

pub(super) fn conclude(
    world: &World,
    wire: &mut Wire,
    verdict: &Verdict,
    parsed: &Parsed,
    tunnelled: bool,
) -> Outcome {
    match verdict.action {
        Action::Pass => Ok(End::Pass),
        Action::ToTask => deliver(world, wire, verdict, parsed, tunnelled),
        Action::Forward => {
            if !tunnelled {
                wire.adjust_head(-(OUTER_LEN as i32));
            }
            into_tunnel(
                world,
                wire,
                verdict.index,
                &forward(world, parsed, parsed.total_len, verdict),
            )
        }
        Action::ToIngress => {
            translate(world, wire, verdict, parsed)?;
            wire.adjust_head(-(OUTER_LEN as i32));
            let tunnel = ingress(world, parsed, parsed.total_len, &verdict.nat);
            into_tunnel(world, wire, verdict.index, &tunnel)
        }
        Action::Unpack => unpack(world, wire, parsed),
        Action::Refuse | Action::TooBig => refuse(world, wire, verdict, parsed, tunnelled),
        Action::Drop => Err(verdict.reason.unwrap_or(Reason::Internal)),
        Action::ToClient => Ok(End::Pass),
        Action::ToSelf | Action::ToEntry => Err(Reason::Internal),
    }
}

fn deliver(
    world: &World,
    wire: &mut Wire,
    verdict: &Verdict,
    parsed: &Parsed,
    tunnelled: bool,
) -> Outcome {
    let leg = world.leg(verdict.index).ok_or(Reason::TaskGone)?;
    if tunnelled {
        wire.adjust_head(OUTER_LEN as i32);
    }
    nat::translate(&wire.packet(), parsed, &verdict.nat).ok_or(Reason::Malformed)?;
    clamp(wire, parsed, leg.mtu)?;
    wire.send((leg.task_mac, leg.host_mac), leg.ifindex)
}

pub(super) fn clamp(wire: &mut Wire, parsed: &Parsed, mtu: u16) -> Result<(), Reason> {
    if parsed.kind != Kind::Tcp || parsed.flags & SYN == 0 {
        return Ok(());
    }
    match mss::find(&wire.packet(), mtu - mss::TCP_OVERHEAD) {
        Some(clamp) => mss::write(&wire.packet(), &clamp).ok_or(Reason::Malformed),
        None => Ok(()),
    }
}

fn forward(world: &World, parsed: &Parsed, inner_len: u16, verdict: &Verdict) -> Tunnel {
    Tunnel {
        vni: world.mesh_vni,
        macs: wire::carry(verdict.row, verdict.entry),
        ..reply(world, parsed, inner_len)
    }
}

pub(super) fn reply(world: &World, parsed: &Parsed, inner_len: u16) -> Tunnel {
    Tunnel {
        own: world.node_addr,
        port: world.vxlan_port,
        vni: world.mesh_vni + 1,
        macs: REPLY_MACS,
        src_port: source_port(parsed),
        inner_len,
    }
}

fn into_tunnel(world: &World, wire: &mut Wire, peer: u16, tunnel: &Tunnel) -> Outcome {
    let peer = resolved(world, peer).ok_or(Reason::NoNextHop)?;
    TunnelHeader::new(&peer, tunnel).store(&wire.packet()).ok_or(Reason::Internal)?;
    Ok(End::Send(peer.ifindex))
}

pub(super) fn resolved(world: &World, peer: u16) -> Option<Peer> {
    world.peer(peer).filter(|peer| peer.flags & PEER_RESOLVED != 0)
}

fn unpack(world: &World, wire: &mut Wire, parsed: &Parsed) -> Outcome {
    match world.ways.get(&parsed.dst) {
        Some(Way::Resolved { ifindex, macs }) => {
            wire.adjust_head(OUTER_LEN as i32);
            wire.send(*macs, *ifindex)
        }
        Some(Way::Unresolved { .. }) => Ok(End::Pass),
        None => Err(Reason::NoNextHop),
    }
}

fn refuse(
    world: &World,
    wire: &mut Wire,
    verdict: &Verdict,
    parsed: &Parsed,
    tunnelled: bool,
) -> Outcome {
    world.count(verdict.reason.unwrap_or(Reason::Internal));
    let eth = wire.packet().read::<Eth>(0).ok_or(Reason::Malformed)?;
    if tunnelled {
        wire.adjust_head(OUTER_LEN as i32);
    }
    let length = if parsed.kind == Kind::Tcp && verdict.action == Action::Refuse {
        reset(&wire.packet()).ok_or(Reason::Malformed)?;
        RESET_LEN
    } else {
        wire.adjust_head(-(ICMP_ROOM as i32));
        unreachable(&wire.packet(), verdict.mtu).ok_or(Reason::Malformed)?;
        ICMP_LEN
    };
    wire.0.resize(length, 0);
    if verdict.index != NODE_SELF {
        wire.adjust_head(-i32::from(TUNNEL_OVERHEAD));
        let tunnel = reply(world, parsed, (length - ETH_LEN) as u16);
        return into_tunnel(world, wire, verdict.index, &tunnel);
    }
    if !tunnelled {
        return wire.send((eth.src, eth.dst), world.nic);
    }
    match world.ways.get(&parsed.src) {
        Some(Way::Resolved { ifindex, macs }) => wire.send(*macs, *ifindex),
        Some(Way::Unresolved { .. }) | None => Err(Reason::NoNextHop),
    }
}

/// The programs `tc_leg` and `tc_client`, one after the other: a frame from the task behind
/// interface `ifindex`. `whole` is false for a packet that is cut into segments later.
#[must_use]
pub fn from_task(world: &World, frame: &[u8], ifindex: u32, whole: bool) -> Ran {
    let mut wire = Wire(frame.to_vec());
    let outcome = match is_foreign(world, &wire.packet(), ifindex) {
        Ok(false) => from_own_address(world, &mut wire, ifindex, whole),
        Ok(true) => dial(world, &mut wire, ifindex, whole),
        Err(reason) => Err(reason),
    };
    finish(world, wire, outcome)
}

/// The program `tc_client` on a bridge: a frame from a container.
#[must_use]
pub fn from_bridge(world: &World, frame: &[u8], ifindex: u32) -> Ran {
    let mut wire = Wire(frame.to_vec());
    let outcome = dial(world, &mut wire, ifindex, true);
    finish(world, wire, outcome)
}

fn from_own_address(world: &World, wire: &mut Wire, ifindex: u32, whole: bool) -> Outcome {
    let decided = leg(world, &wire.packet(), whole);
    match decided {
        Some(LegPacket { verdict, parsed }) => answer(world, wire, &verdict, &parsed),
        None if trespasses(world, &wire.packet()) => Err(Reason::LegIsolation),
        None => dial(world, wire, ifindex, whole),
    }
}

fn answer(world: &World, wire: &mut Wire, verdict: &Verdict, parsed: &Parsed) -> Outcome {
    if let Some(reason) = verdict.reason {
        return Err(reason);
    }
    if let Some(leg) = world.leg(leg_index(parsed.src)) {
        clamp(wire, parsed, leg.mtu)?;
    }
    nat::translate(&wire.packet(), parsed, &verdict.nat).ok_or(Reason::Malformed)?;
    match verdict.action {
        Action::ToTask => into_leg(world, wire, verdict.index),
        Action::ToClient => match world.ways.get(&verdict.nat.dst) {
            Some(Way::Resolved { ifindex, macs }) => wire.send(*macs, *ifindex),
            Some(Way::Unresolved { ifindex }) => Ok(End::Ask(*ifindex)),
            None => Err(Reason::NoNextHop),
        },
        Action::ToEntry => {
            let tunnel = reply(world, parsed, inner_len(wire));
            encapsulate(world, wire, verdict.index, &tunnel)
        }
        _ => Err(Reason::Internal),
    }
}

fn dial(world: &World, wire: &mut Wire, ifindex: u32, whole: bool) -> Outcome {
    let Some(mut client) = task_client(world, &wire.packet(), ifindex, whole) else {
        return Ok(End::Pass);
    };
    let mut verdict = Verdict::pass();
    if !decide(world, &mut client, &mut verdict) {
        return Ok(End::Pass);
    }
    match verdict.action {
        Action::ToTask => {
            nat::translate(&wire.packet(), &client.parsed, &verdict.nat)
                .ok_or(Reason::Malformed)?;
            into_leg(world, wire, verdict.index)
        }
        Action::Forward => dial_away(world, wire, &client, &verdict),
        Action::ToIngress => {
            translate(world, wire, &verdict, &client.parsed)?;
            let tunnel = ingress(world, &client.parsed, inner_len(wire), &verdict.nat);
            encapsulate(world, wire, verdict.index, &tunnel)
        }
        Action::Refuse | Action::TooBig => {
            refuse_task(world, wire, &verdict, &client.parsed, ifindex)
        }
        _ => Err(verdict.reason.unwrap_or(Reason::Internal)),
    }
}

fn dial_away(world: &World, wire: &mut Wire, client: &TaskClient, verdict: &Verdict) -> Outcome {
    nat::translate(&wire.packet(), &client.parsed, &client.as_node()).ok_or(Reason::Malformed)?;
    let tunnel = forward(world, &client.node, inner_len(wire), verdict);
    encapsulate(world, wire, verdict.index, &tunnel)
}

pub(super) fn encapsulate(world: &World, wire: &mut Wire, peer: u16, tunnel: &Tunnel) -> Outcome {
    resolved(world, peer).ok_or(Reason::NoNextHop)?;
    wire.adjust_room(OUTER_LEN as i32);
    into_tunnel(world, wire, peer, tunnel)
}

fn into_leg(world: &World, wire: &mut Wire, leg: u16) -> Outcome {
    let leg = world.leg(leg).ok_or(Reason::TaskGone)?;
    wire.send((leg.task_mac, leg.host_mac), leg.ifindex)
}

fn refuse_task(
    world: &World,
    wire: &mut Wire,
    verdict: &Verdict,
    parsed: &Parsed,
    ifindex: u32,
) -> Outcome {
    world.count(verdict.reason.unwrap_or(Reason::Internal));
    if parsed.kind == Kind::Tcp && verdict.action == Action::Refuse {
        return Ok(End::Pass);
    }
    let eth = wire.packet().read::<Eth>(0).ok_or(Reason::Internal)?;
    wire.adjust_room(ICMP_ROOM as i32);
    unreachable(&wire.packet(), verdict.mtu).ok_or(Reason::Internal)?;
    wire.0.resize(ICMP_LEN, 0);
    wire.send((eth.src, eth.dst), ifindex)
}

pub(super) fn inner_len(wire: &Wire) -> u16 {
    (wire.0.len() - ETH_LEN) as u16
}

/// The program `tc_node`: a frame that XDP passed on the NIC.
#[must_use]
pub fn tc_node(world: &World, frame: &[u8]) -> Ran {
    let mut wire = Wire(frame.to_vec());
    let outcome = receive_late(world, &mut wire);
    finish(world, wire, outcome)
}

fn receive_late(world: &World, wire: &mut Wire) -> Outcome {
    let packet = wire.packet();
    let Some(Arriving::Tunnel(outer)) = sort(world, &packet) else { return Ok(End::Pass) };
    if is_ingress(world, &packet) {
        return receive_late_answer(world, wire, outer);
    }
    if !is_mesh(world, &packet) {
        return Ok(End::Pass);
    }
    let Some(Inner { mut parsed, is_reply: true }) = unwrap(world, &packet) else {
        return Ok(End::Pass);
    };
    let verdict = replied(world, outer, &mut parsed);
    match verdict.action {
        Action::Unpack => {}
        Action::ToClient => return late_client(world, wire, &verdict, &parsed),
        _ => return Ok(End::Pass),
    }
    let ifindex = way(world, parsed.dst)?;
    wire.adjust_room(-(OUTER_LEN as i32));
    Ok(End::Ask(ifindex))
}

pub(super) fn way(world: &World, dst: V4) -> Result<u32, Reason> {
    match world.ways.get(&dst) {
        Some(Way::Resolved { ifindex, .. } | Way::Unresolved { ifindex }) => Ok(*ifindex),
        None => Err(Reason::NoNextHop),
    }
}
