//! tcx on the host end of gateway legs (what tasks send) and on the NIC (what XDP could not finish):
//! carries out what `decide` concluded.

use aya_ebpf::{
    EbpfContext as _,
    bindings::{
        BPF_F_ADJ_ROOM_ENCAP_L3_IPV4, BPF_F_ADJ_ROOM_ENCAP_L4_UDP, BPF_F_ADJ_ROOM_FIXED_GSO,
        bpf_adj_room_mode::BPF_ADJ_ROOM_MAC,
        tcx_action_base::{TCX_DROP, TCX_NEXT},
    },
    helpers::generated::{
        bpf_redirect, bpf_redirect_neigh, bpf_skb_adjust_room, bpf_skb_change_tail,
    },
    programs::TcContext,
};
use lb_common::{addr::Mac, drops::Reason, wire::OUTER_LEN};

use super::{
    Kernel,
    fib::{NextHop, next_hop},
    output,
    skb_nat::{clamp, inner_packet, packet, translate, view},
    trace::tell,
};
use crate::{
    decide::{
        client::{TaskClient, decide, task_client},
        ingress::{Arriving, Inner, is_mesh, replied, sort, unwrap},
        leg::{LegPacket, is_forged, leg, trespasses},
    },
    headers::{ETHERTYPE_IPV4, Eth, SYN},
    parse::{ETH_LEN, Kind, Parsed},
    rewrite::{
        refusal::{ICMP_LEN, ICMP_ROOM, unreachable},
        tunnel::{Tunnel, TunnelHeader},
    },
    tables::Tables,
    verdict::{Action, Nat, Verdict},
};

/// What an executor ends with: a tcx action, or why the packet was dropped.
pub(super) type Outcome = Result<i32, Reason>;

/// `BPF_F_ADJ_ROOM_ENCAP_L2_ETH`, include/uapi/linux/bpf.h.
const ENCAP_L2_ETH: u64 = 1 << 6;
/// `BPF_F_ADJ_ROOM_ENCAP_L2(14)`: the inner Ethernet header. With the 22 that one would expect
/// (VXLAN included) large TCP packets stall.
const ENCAP_L2: u64 = 14 << 56;
/// How a packet gets outer headers. `FIXED_GSO`: segments keep their length, since legs have the MTU
/// that the tunnel carries; otherwise the kernel makes TCP's smaller than need be, and refuses UDP's,
/// which are datagrams (`UDP_SEGMENT`).
const ENCAP: u64 =
    (BPF_F_ADJ_ROOM_ENCAP_L3_IPV4 | BPF_F_ADJ_ROOM_ENCAP_L4_UDP | BPF_F_ADJ_ROOM_FIXED_GSO) as u64
        | ENCAP_L2_ETH
        | ENCAP_L2;
/// IPv4 and TCP header, which an MSS does not count.
const TCP_OVERHEAD: u16 = 40;

/// The first program on a leg: replies, and what may not leave.
#[inline(always)]
pub fn run_leg(ctx: &TcContext) -> i32 {
    let kernel = Kernel::new(ctx.as_ptr());
    let packet = packet(ctx);
    if is_forged(&kernel, &packet, ifindex(ctx)) {
        return finish(&kernel, Err(Reason::LegSpoof));
    }
    match leg(&kernel, &packet, is_whole(ctx)) {
        Some(LegPacket { verdict, parsed }) => answer(ctx, &verdict, &parsed),
        None if trespasses(&kernel, &packet) => finish(&kernel, Err(Reason::LegIsolation)),
        None => TCX_NEXT,
    }
}

/// The second program on a leg, for what the first let pass: the task as a client of its own node.
/// Two programs and not one, since neither stack nor verifier would take both.
#[inline(always)]
pub fn run_client(ctx: &TcContext) -> i32 {
    let kernel = Kernel::new(ctx.as_ptr());
    let Some(mut client) = task_client(&kernel, &packet(ctx), is_whole(ctx)) else {
        return TCX_NEXT;
    };
    let mut verdict = Verdict::pass();
    if decide(&kernel, &mut client, &mut verdict) {
        enter(ctx, &client, &verdict)
    } else {
        TCX_NEXT
    }
}

#[inline(always)]
fn ifindex(ctx: &TcContext) -> u32 {
    // SAFETY: a field of the running program's context.
    unsafe { (*ctx.skb.skb).ifindex }
}

/// Whether the packet goes out as it is, not cut into segments first.
#[inline(always)]
fn is_whole(ctx: &TcContext) -> bool {
    // SAFETY: a field of the running program's context.
    unsafe { (*ctx.skb.skb).gso_size == 0 }
}

/// The program on the NIC: replies whose client's Ethernet address XDP did not find.
#[inline(always)]
pub fn run_node(ctx: &TcContext) -> i32 {
    let kernel = Kernel::new(ctx.as_ptr());
    let packet = packet(ctx);
    let Some(Arriving::Tunnel(outer)) = sort(&kernel, &packet) else { return TCX_NEXT };
    if !is_mesh(&kernel, &packet) {
        return TCX_NEXT;
    }
    let packet = inner_packet(ctx);
    let Some(Inner { parsed: mut inner, is_reply: true }) = unwrap(&kernel, &packet) else {
        return TCX_NEXT;
    };
    match replied(&kernel, outer, &mut inner).action {
        Action::Unpack => finish(&kernel, unpack(ctx, &inner)),
        _ => TCX_NEXT,
    }
}

#[inline(always)]
pub(super) fn finish(kernel: &Kernel, outcome: Outcome) -> i32 {
    match outcome {
        Ok(action) => action,
        Err(reason) => {
            kernel.count(reason);
            TCX_DROP
        }
    }
}

/// Carries out what was decided; a function of its own, so that no chain of calls needs more than
/// 512 bytes of stack.
#[inline(never)]
fn answer(ctx: &TcContext, verdict: &Verdict, parsed: &Parsed) -> i32 {
    tell(ctx, verdict, parsed);
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
    tell(ctx, verdict, &client.parsed);
    let kernel = Kernel::new(ctx.as_ptr());
    let outcome = match verdict.action {
        Action::Pass => Ok(TCX_NEXT),
        Action::ToTask => to_task(ctx, &kernel, client, verdict),
        Action::Forward => forward(ctx, &kernel, client, verdict),
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

/// Of a packet that is cut into segments later, the kernel corrects the lengths then.
#[inline(always)]
fn inner_len(ctx: &TcContext) -> u16 {
    (ctx.len() as usize - ETH_LEN) as u16
}

/// A SYN+ACK tells the client what the mesh carries.
#[inline(always)]
fn clamp_answer(ctx: &TcContext, kernel: &Kernel, parsed: &Parsed) -> Result<(), Reason> {
    if parsed.kind != Kind::Tcp || parsed.flags & SYN == 0 {
        return Ok(());
    }
    match kernel.leg(lb_common::leg::leg_index(parsed.src)) {
        Some(leg) => clamp(ctx, leg.mtu - TCP_OVERHEAD),
        None => Ok(()),
    }
}

#[inline(always)]
fn into_tunnel(ctx: &TcContext, kernel: &Kernel, peer: u16, tunnel: &Tunnel) -> Outcome {
    let peer = output::resolved(kernel, peer).ok_or(Reason::NoNextHop)?;
    adjust_room(ctx, OUTER_LEN as i32, ENCAP)?;
    TunnelHeader::new(&peer, tunnel).store(&view(ctx)).ok_or(Reason::Internal)?;
    redirect(peer.ifindex)
}

/// A refused UDP datagram of a task gets its ICMP error; of a TCP segment the kernel, which has the
/// port reserved but does not listen, says RST itself.
#[inline(always)]
fn refuse(ctx: &TcContext, kernel: &Kernel, verdict: &Verdict, parsed: &Parsed) -> Outcome {
    kernel.count(verdict.reason.unwrap_or(Reason::Internal));
    if parsed.kind == Kind::Tcp && verdict.action == Action::Refuse {
        return Ok(TCX_NEXT);
    }
    let eth = view(ctx).read::<Eth>(0).ok_or(Reason::Internal)?;
    adjust_room(ctx, ICMP_ROOM as i32, 0)?;
    unreachable(&view(ctx), verdict.mtu).ok_or(Reason::Internal)?;
    // SAFETY: the running program's context; packet pointers are derived anew afterwards.
    if unsafe { bpf_skb_change_tail(ctx.skb.skb, ICMP_LEN as u32, 0) } != 0 {
        return Err(Reason::Internal);
    }
    send(ctx, (eth.src, eth.dst), ifindex(ctx))
}

#[inline(always)]
fn unpack(ctx: &TcContext, parsed: &Parsed) -> Outcome {
    match next_hop(ctx.as_ptr(), parsed.src, parsed.dst, ifindex(ctx)) {
        NextHop::Resolved { ifindex, .. } | NextHop::Unresolved { ifindex } => {
            adjust_room(ctx, -(OUTER_LEN as i32), 0)?;
            send_by_neighbour(ifindex)
        }
        NextHop::None => Err(Reason::NoNextHop),
    }
}

#[inline(always)]
fn send(ctx: &TcContext, macs: (Mac, Mac), ifindex: u32) -> Outcome {
    let eth = Eth { dst: macs.0, src: macs.1, ether_type: ETHERTYPE_IPV4 };
    view(ctx).write(0, &eth).ok_or(Reason::Internal)?;
    redirect(ifindex)
}

#[inline(always)]
fn redirect(ifindex: u32) -> Outcome {
    // SAFETY: no pointers.
    Ok(unsafe { bpf_redirect(ifindex, 0) } as i32)
}

/// Sends by the kernel's neighbour table, which asks by ARP and keeps the packet meanwhile.
#[inline(always)]
fn send_by_neighbour(ifindex: u32) -> Outcome {
    // SAFETY: no parameters block: the kernel takes the next hop from its routes.
    Ok(unsafe { bpf_redirect_neigh(ifindex, core::ptr::null_mut(), 0, 0) } as i32)
}

#[inline(always)]
pub(super) fn adjust_room(ctx: &TcContext, delta: i32, flags: u64) -> Result<(), Reason> {
    // SAFETY: the running program's context; packet pointers are derived anew afterwards.
    match unsafe { bpf_skb_adjust_room(ctx.skb.skb, delta, BPF_ADJ_ROOM_MAC, flags) } {
        0 => Ok(()),
        _ => Err(Reason::Internal),
    }
}
