//! tcx on the host end of gateway legs (what tasks send) and on the NIC (what XDP could not finish):
//! carries out what `decide` concluded.

use aya_ebpf::{
    EbpfContext as _,
    bindings::{BPF_F_ADJ_ROOM_FIXED_GSO, tcx_action_base::TCX_NEXT},
    programs::TcContext,
};
use lb_common::{drops::Reason, wire::OUTER_LEN};

use super::{
    Kernel,
    fib::{NextHop, next_hop},
    output,
    skb_nat::{clamp, inner_packet, packet, translate},
    tcx::{
        Outcome, adjust_room, finish, ifindex, inner_len, into_tunnel, is_whole, send,
        send_by_neighbour, unreachable_back,
    },
    trace::tell,
};
use crate::{
    decide::{
        client::{TaskClient, decide, task_client},
        full_nat::{answered, is_ingress, mtu},
        ingress::{Arriving, Inner, is_mesh, replied, sort, unwrap},
        leg::{LegPacket, is_foreign, leg, trespasses},
    },
    headers::SYN,
    parse::{Kind, Parse, Parsed, parse},
    rewrite::mss,
    tables::Tables,
    verdict::{Action, Nat, Verdict},
};

/// The first program on a leg: replies, and what may not leave.
#[inline(always)]
pub fn run_leg(ctx: &TcContext) -> i32 {
    let kernel = Kernel::new(ctx.as_ptr());
    let packet = packet(ctx);
    match is_foreign(&kernel, &packet, ifindex(ctx)) {
        Ok(false) => {}
        Ok(true) => return TCX_NEXT,
        Err(reason) => return finish(&kernel, Err(reason)),
    }
    match leg(&kernel, &packet, is_whole(ctx)) {
        Some(LegPacket { verdict, parsed }) => answer(ctx, &verdict, &parsed),
        None if trespasses(&kernel, &packet) => finish(&kernel, Err(Reason::LegIsolation)),
        None => TCX_NEXT,
    }
}

/// The second program on a leg, for what the first let pass, and the one on a bridge: the task or container
/// as a client of its own node.
/// Two programs and not one, since neither stack nor verifier would take both.
#[inline(always)]
pub fn run_client(ctx: &TcContext) -> i32 {
    let kernel = Kernel::new(ctx.as_ptr());
    let Some(mut client) = task_client(&kernel, &packet(ctx), ifindex(ctx), is_whole(ctx)) else {
        return TCX_NEXT;
    };
    let mut verdict = Verdict::pass();
    if decide(&kernel, &mut client, &mut verdict) {
        enter(ctx, &client, &verdict)
    } else {
        TCX_NEXT
    }
}

/// The program on the NIC: replies whose client's Ethernet address XDP did not find, and those to
/// containers behind bridges.
#[inline(always)]
pub fn run_node(ctx: &TcContext) -> i32 {
    let kernel = Kernel::new(ctx.as_ptr());
    let packet = packet(ctx);
    let Some(Arriving::Tunnel(outer)) = sort(&kernel, &packet) else { return TCX_NEXT };
    if is_ingress(&kernel, &packet) {
        return run_ingress(ctx, u32::from_ne_bytes(outer));
    }
    if !is_mesh(&kernel, &packet) {
        return TCX_NEXT;
    }
    let packet = inner_packet(ctx);
    let Some(Inner { parsed: mut inner, is_reply: true }) = unwrap(&kernel, &packet) else {
        return TCX_NEXT;
    };
    let verdict = replied(&kernel, outer, &mut inner);
    match verdict.action {
        Action::Unpack => finish(&kernel, unpack(ctx, &inner)),
        Action::ToClient => late_client(ctx, &verdict, &inner),
        _ => TCX_NEXT,
    }
}

/// Answers out of Docker's ingress network whose client's Ethernet address XDP did not find.
#[inline(never)]
fn run_ingress(ctx: &TcContext, outer: u32) -> i32 {
    let kernel = Kernel::new(ctx.as_ptr());
    let Parse::Packet(mut inner) = parse::<OUTER_LEN>(&inner_packet(ctx)) else { return TCX_NEXT };
    let verdict = answered(&kernel, outer.to_ne_bytes(), &mut inner);
    match verdict.action {
        Action::ToClient => late_client(ctx, &verdict, &inner),
        _ => TCX_NEXT,
    }
}

#[inline(never)]
fn late_client(ctx: &TcContext, verdict: &Verdict, parsed: &Parsed) -> i32 {
    let kernel = Kernel::new(ctx.as_ptr());
    finish(&kernel, to_late_client(ctx, &kernel, verdict, parsed))
}

#[inline(always)]
fn to_late_client(ctx: &TcContext, kernel: &Kernel, verdict: &Verdict, parsed: &Parsed) -> Outcome {
    match next_hop(ctx.as_ptr(), verdict.nat.src, verdict.nat.dst, ifindex(ctx)) {
        NextHop::Resolved { ifindex, .. } | NextHop::Unresolved { ifindex } => {
            unwrap_frame(ctx)?;
            translate(ctx, parsed, &verdict.nat)?;
            clamp_for(ctx, kernel, parsed, verdict.index)?;
            send_by_neighbour(ifindex)
        }
        NextHop::None => Err(Reason::NoNextHop),
    }
}

/// Carries out what was decided; a function of its own, so that no chain of calls needs more than
/// 512 bytes of stack.
#[inline(never)]
fn answer(ctx: &TcContext, verdict: &Verdict, parsed: &Parsed) -> i32 {
    tell(ctx, parsed, verdict.action as u8, verdict.index);
    let kernel = Kernel::new(ctx.as_ptr());
    finish(&kernel, reply(ctx, &kernel, verdict, parsed))
}

/// Carries out what was decided about a reply.
#[inline(always)]
fn reply(ctx: &TcContext, kernel: &Kernel, verdict: &Verdict, parsed: &Parsed) -> Outcome {
    if let Some(reason) = verdict.reason {
        return Err(reason);
    }
    clamp_answer(ctx, kernel, parsed)?;
    translate(ctx, parsed, &verdict.nat)?;
    match verdict.action {
        Action::ToTask => into_leg(ctx, kernel, verdict.index),
        Action::ToClient => to_client(ctx, &verdict.nat),
        Action::ToEntry => {
            into_tunnel(ctx, kernel, verdict.index, &output::reply(kernel, parsed, inner_len(ctx)))
        }
        _ => Err(Reason::Internal),
    }
}

/// Carries out what was decided about a task's own connection.
#[inline(never)]
fn enter(ctx: &TcContext, client: &TaskClient, verdict: &Verdict) -> i32 {
    tell(ctx, &client.parsed, verdict.action as u8, verdict.index);
    let kernel = Kernel::new(ctx.as_ptr());
    let outcome = match verdict.action {
        Action::Pass => Ok(TCX_NEXT),
        Action::ToTask => to_task(ctx, &kernel, client, verdict),
        Action::Forward => forward(ctx, &kernel, client, verdict),
        Action::ToIngress => into_ingress(ctx, &kernel, &client.parsed, verdict),
        Action::Refuse | Action::TooBig => refuse(ctx, &kernel, verdict, &client.parsed),
        _ => Err(verdict.reason.unwrap_or(Reason::Internal)),
    };
    finish(&kernel, outcome)
}

#[inline(always)]
fn to_task(ctx: &TcContext, kernel: &Kernel, client: &TaskClient, verdict: &Verdict) -> Outcome {
    translate(ctx, &client.parsed, &verdict.nat)?;
    into_leg(ctx, kernel, verdict.index)
}

#[inline(always)]
fn forward(ctx: &TcContext, kernel: &Kernel, client: &TaskClient, verdict: &Verdict) -> Outcome {
    translate(ctx, &client.parsed, &client.as_node())?;
    let tunnel = output::forward(kernel, &client.node, inner_len(ctx), verdict);
    into_tunnel(ctx, kernel, verdict.index, &tunnel)
}

/// To a task of a node without agent, in the node's own name.
#[inline(always)]
pub(super) fn into_ingress(
    ctx: &TcContext,
    kernel: &Kernel,
    parsed: &Parsed,
    verdict: &Verdict,
) -> Outcome {
    translate(ctx, parsed, &verdict.nat)?;
    clamp_for(ctx, kernel, parsed, verdict.index)?;
    let tunnel = output::ingress(kernel, parsed, inner_len(ctx), &verdict.nat);
    into_tunnel(ctx, kernel, verdict.index, &tunnel)
}

/// A SYN or SYN+ACK tells its receiver what Docker's ingress network carries between here and a peer.
#[inline(always)]
fn clamp_for(ctx: &TcContext, kernel: &Kernel, parsed: &Parsed, peer: u16) -> Result<(), Reason> {
    if parsed.kind != Kind::Tcp || parsed.flags & SYN == 0 {
        return Ok(());
    }
    let peer = kernel.peer(peer).ok_or(Reason::NoNextHop)?;
    clamp(ctx, mtu(kernel, &peer) - mss::TCP_OVERHEAD)
}

/// To another task of this node.
#[inline(always)]
fn into_leg(ctx: &TcContext, kernel: &Kernel, leg: u16) -> Outcome {
    let leg = kernel.leg(leg).ok_or(Reason::TaskGone)?;
    send(ctx, (leg.task_mac, leg.host_mac), leg.ifindex)
}

/// A reply, straight to the client.
#[inline(always)]
fn to_client(ctx: &TcContext, nat: &Nat) -> Outcome {
    match next_hop(ctx.as_ptr(), nat.src, nat.dst, ifindex(ctx)) {
        NextHop::Resolved { ifindex, macs } => send(ctx, macs, ifindex),
        NextHop::Unresolved { ifindex } => send_by_neighbour(ifindex),
        NextHop::None => Err(Reason::NoNextHop),
    }
}

/// A SYN+ACK tells the client what the mesh carries.
#[inline(always)]
fn clamp_answer(ctx: &TcContext, kernel: &Kernel, parsed: &Parsed) -> Result<(), Reason> {
    if parsed.kind != Kind::Tcp || parsed.flags & SYN == 0 {
        return Ok(());
    }
    match kernel.leg(lb_common::leg::leg_index(parsed.src)) {
        Some(leg) => clamp(ctx, leg.mtu - mss::TCP_OVERHEAD),
        None => Ok(()),
    }
}

/// A refused UDP datagram of a task gets its ICMP error; of a TCP segment the kernel, which has the
/// port reserved but does not listen, says RST itself.
#[inline(always)]
fn refuse(ctx: &TcContext, kernel: &Kernel, verdict: &Verdict, parsed: &Parsed) -> Outcome {
    kernel.count(verdict.reason.unwrap_or(Reason::Internal));
    if parsed.kind == Kind::Tcp && verdict.action == Action::Refuse {
        return Ok(TCX_NEXT);
    }
    unreachable_back(ctx, verdict.mtu)
}

/// Segments keep their length: the sender has made them for what the tunnel carries.
#[inline(always)]
fn unwrap_frame(ctx: &TcContext) -> Result<(), Reason> {
    adjust_room(ctx, -(OUTER_LEN as i32), BPF_F_ADJ_ROOM_FIXED_GSO.into())
}

#[inline(always)]
fn unpack(ctx: &TcContext, parsed: &Parsed) -> Outcome {
    match next_hop(ctx.as_ptr(), parsed.src, parsed.dst, ifindex(ctx)) {
        NextHop::Resolved { ifindex, .. } | NextHop::Unresolved { ifindex } => {
            unwrap_frame(ctx)?;
            send_by_neighbour(ifindex)
        }
        NextHop::None => Err(Reason::NoNextHop),
    }
}
