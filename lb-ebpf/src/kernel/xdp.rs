//! XDP on the NIC: carries out what `decide::ingress` concluded.

use aya_ebpf::{
    EbpfContext as _,
    bindings::xdp_action::{XDP_DROP, XDP_PASS},
    helpers::generated::{bpf_xdp_adjust_head, bpf_xdp_adjust_tail, bpf_xdp_get_buff_len},
    programs::XdpContext,
};
use lb_common::{
    backend::NODE_SELF,
    drops::Reason,
    wire::{OUTER_LEN, TUNNEL_OVERHEAD},
};

use super::{
    Kernel,
    fib::{NextHop, next_hop},
    output,
    trace::tell,
};
use crate::{
    decide::{
        express::{Express, express},
        full_nat::{self, answered, is_ingress},
        ingress::{Arriving, Inner, client, forwarded, is_mesh, passes_by, replied, sort, unwrap},
    },
    headers::{ETHERTYPE_IPV4, Eth, SYN},
    maps,
    packet::Packet,
    parse::{ETH_LEN, Kind, Parse, Parsed, parse},
    rewrite::{
        mss, nat,
        refusal::{ICMP_LEN, ICMP_ROOM, RESET_LEN, reset, unreachable},
        tunnel::{Tunnel, TunnelHeader},
    },
    tables::Tables,
    verdict::{Action, Verdict},
};

/// What an executor ends with: an XDP action, or why the packet was dropped.
type Outcome = Result<u32, Reason>;
/// No XDP action: the packet goes by the mesh.
const GO_ON: u32 = u32::MAX;

/// The program. It carries the short way itself, which costs no call, and sorts the rest; those paths
/// are functions of their own, so that no chain of calls needs more than 512 bytes of stack.
#[inline(always)]
pub fn run(ctx: &XdpContext) -> u32 {
    let kernel = Kernel::new(ctx.as_ptr());
    if let Some(express) = express(&kernel, &packet(ctx)) {
        tell(ctx, &express.parsed, Action::Forward as u8, express.index);
        return finish(&kernel, run_express(ctx, &kernel, &express));
    }
    match sort(&kernel, &packet(ctx)) {
        Some(Arriving::Client(parsed)) if passes_by(&kernel, &parsed) => {
            tell(ctx, &parsed, Action::Pass as u8, 0);
            XDP_PASS
        }
        Some(Arriving::Client(mut parsed)) => {
            if full_nat::is_concerned(&kernel, &parsed) {
                let action = run_full_nat(ctx, &mut parsed);
                if action != GO_ON {
                    return action;
                }
            }
            run_client(ctx, &mut parsed)
        }
        Some(Arriving::Tunnel(outer)) if is_ingress(&kernel, &packet(ctx)) => {
            run_ingress(ctx, u32::from_ne_bytes(outer))
        }
        Some(Arriving::Tunnel(outer)) => run_tunnel(ctx, u32::from_ne_bytes(outer)),
        None => XDP_PASS,
    }
}

/// Clients' segments that go straight to another node.
#[inline(always)]
fn run_express(ctx: &XdpContext, kernel: &Kernel, express: &Express<'_>) -> Outcome {
    let tunnel = output::express(kernel, &express.parsed, express.row);
    adjust_head(ctx, -(OUTER_LEN as i32))?;
    TunnelHeader::new(express.peer, &tunnel).store(&packet(ctx)).ok_or(Reason::Internal)?;
    redirect(express.peer.ifindex)
}

/// Clients of published ports.
#[inline(never)]
fn run_client(ctx: &XdpContext, parsed: &mut Parsed) -> u32 {
    let verdict = client(&Kernel::new(ctx.as_ptr()), parsed);
    conclude(ctx, &verdict, parsed, false)
}

/// Clients of services some of whose tasks are on nodes without agent.
#[inline(never)]
fn run_full_nat(ctx: &XdpContext, parsed: &mut Parsed) -> u32 {
    let kernel = Kernel::new(ctx.as_ptr());
    let verdict = full_nat::client(&kernel, parsed);
    tell(ctx, parsed, verdict.action as u8, verdict.index);
    let outcome = match verdict.action {
        Action::Pass => Ok(GO_ON),
        Action::ToIngress => into_ingress(ctx, &verdict, parsed),
        Action::TooBig => refuse(ctx, &verdict, parsed, false),
        _ => Err(verdict.reason.unwrap_or(Reason::Internal)),
    };
    finish(&kernel, outcome)
}

/// Frames from other nodes.
#[inline(never)]
fn run_tunnel(ctx: &XdpContext, outer: u32) -> u32 {
    let kernel = Kernel::new(ctx.as_ptr());
    let packet = packet(ctx);
    if !is_mesh(&kernel, &packet) {
        return XDP_PASS;
    }
    let Some(Inner { parsed: mut inner, is_reply }) = unwrap(&kernel, &packet) else {
        return finish(&kernel, Err(Reason::Malformed));
    };
    let outer = outer.to_ne_bytes();
    let verdict = if is_reply {
        replied(&kernel, outer, &mut inner)
    } else {
        forwarded(&kernel, &packet, outer, &mut inner)
    };
    conclude(ctx, &verdict, &inner, true)
}

/// Frames of Docker's ingress network.
#[inline(never)]
fn run_ingress(ctx: &XdpContext, outer: u32) -> u32 {
    let kernel = Kernel::new(ctx.as_ptr());
    let Parse::Packet(mut inner) = parse::<OUTER_LEN>(&packet(ctx)) else { return XDP_PASS };
    let verdict = answered(&kernel, outer.to_ne_bytes(), &mut inner);
    tell(ctx, &inner, verdict.action as u8, verdict.index);
    let outcome = match verdict.action {
        Action::ToTask => deliver(ctx, &verdict, &inner, true),
        Action::ToClient => to_client(ctx, &verdict, &inner),
        Action::ToSelf => to_self(ctx, &verdict, &inner),
        _ => Ok(XDP_PASS),
    };
    finish(&kernel, outcome)
}

/// Carries out a decision.
#[inline(always)]
fn conclude(ctx: &XdpContext, verdict: &Verdict, parsed: &Parsed, tunnelled: bool) -> u32 {
    tell(ctx, parsed, verdict.action as u8, verdict.index);
    let kernel = Kernel::new(ctx.as_ptr());
    finish(&kernel, carry_out(ctx, verdict, parsed, tunnelled))
}

#[inline(always)]
fn finish(kernel: &Kernel, outcome: Outcome) -> u32 {
    match outcome {
        Ok(action) => action,
        Err(reason) => {
            kernel.count(reason);
            XDP_DROP
        }
    }
}

#[inline(always)]
fn packet(ctx: &XdpContext) -> Packet<'_> {
    // SAFETY: `data..data_end` of a live context; every helper that moves the packet is followed by
    // a new `packet`.
    unsafe { Packet::from_addresses(ctx.data(), ctx.data_end()) }
}

#[inline(always)]
fn carry_out(ctx: &XdpContext, verdict: &Verdict, parsed: &Parsed, tunnelled: bool) -> Outcome {
    match verdict.action {
        Action::Pass => Ok(XDP_PASS),
        Action::ToTask => deliver(ctx, verdict, parsed, tunnelled),
        Action::Forward => forward(ctx, verdict, parsed, tunnelled),
        Action::Unpack => unpack(ctx, parsed),
        Action::Refuse | Action::TooBig => refuse(ctx, verdict, parsed, tunnelled),
        Action::Drop => Err(verdict.reason.unwrap_or(Reason::Internal)),
        // No XDP reaches a container behind a bridge: `tc_node` does.
        Action::ToClient => Ok(XDP_PASS),
        // Only tasks reply, on legs or in Docker's ingress network.
        Action::ToSelf | Action::ToEntry | Action::ToIngress => Err(Reason::Internal),
    }
}

/// To a local task: unpack, translate, into the leg.
#[inline(never)]
fn deliver(ctx: &XdpContext, verdict: &Verdict, parsed: &Parsed, tunnelled: bool) -> Outcome {
    let leg = Kernel::new(ctx.as_ptr()).leg(verdict.index).ok_or(Reason::TaskGone)?;
    if tunnelled {
        adjust_head(ctx, OUTER_LEN as i32)?;
    }
    let packet = packet(ctx);
    nat::translate(&packet, parsed, &verdict.nat).ok_or(Reason::Malformed)?;
    if parsed.kind == Kind::Tcp && parsed.flags & SYN != 0 {
        clamp(&packet, leg.mtu)?;
    }
    send(&packet, leg.task_mac, leg.host_mac, leg.ifindex)
}

#[inline(always)]
fn clamp(packet: &Packet<'_>, mtu: u16) -> Result<(), Reason> {
    match mss::find(packet, mtu - mss::TCP_OVERHEAD) {
        Some(clamp) => mss::write(packet, &clamp).ok_or(Reason::Malformed),
        None => Ok(()),
    }
}

/// To the task's node: the untouched packet behind new headers, in place of old ones if it came
/// through the tunnel itself.
#[inline(never)]
fn forward(ctx: &XdpContext, verdict: &Verdict, parsed: &Parsed, tunnelled: bool) -> Outcome {
    let kernel = &Kernel::new(ctx.as_ptr());
    let tunnel = output::forward(kernel, parsed, parsed.total_len, verdict);
    if !tunnelled {
        adjust_head(ctx, -(OUTER_LEN as i32))?;
    }
    into_tunnel(ctx, kernel, verdict.index, &tunnel)
}

/// To a task of a node without agent, in the node's own name.
#[inline(never)]
fn into_ingress(ctx: &XdpContext, verdict: &Verdict, parsed: &Parsed) -> Outcome {
    let kernel = &Kernel::new(ctx.as_ptr());
    translate(ctx, kernel, verdict, parsed)?;
    adjust_head(ctx, -(OUTER_LEN as i32))?;
    let tunnel = output::ingress(kernel, parsed, parsed.total_len, &verdict.nat);
    into_tunnel(ctx, kernel, verdict.index, &tunnel)
}

/// An answer out of Docker's ingress network, to the client; where its Ethernet address is not known, or
/// it is a container behind a bridge, by `tc_node`.
#[inline(never)]
fn to_client(ctx: &XdpContext, verdict: &Verdict, parsed: &Parsed) -> Outcome {
    let ingress = ctx.ingress_ifindex() as u32;
    let kernel = Kernel::new(ctx.as_ptr());
    match next_hop(ctx.as_ptr(), verdict.nat.src, verdict.nat.dst, ingress) {
        NextHop::Resolved { ifindex, .. } if kernel.bridge(ifindex).is_some() => Ok(XDP_PASS),
        NextHop::Resolved { ifindex, macs } => {
            adjust_head(ctx, OUTER_LEN as i32)?;
            translate(ctx, &kernel, verdict, parsed)?;
            send(&packet(ctx), macs.0, macs.1, ifindex)
        }
        NextHop::Unresolved { .. } => Ok(XDP_PASS),
        NextHop::None => Err(Reason::NoNextHop),
    }
}

/// The same to a process of the node itself: the kernel goes on with what the task sent, as if it had come
/// in by this NIC.
#[inline(never)]
fn to_self(ctx: &XdpContext, verdict: &Verdict, parsed: &Parsed) -> Outcome {
    let eth = packet(ctx).read::<Eth>(0).ok_or(Reason::Malformed)?;
    adjust_head(ctx, OUTER_LEN as i32)?;
    translate(ctx, &Kernel::new(ctx.as_ptr()), verdict, parsed)?;
    packet(ctx).write(0, &eth).ok_or(Reason::Internal)?;
    Ok(XDP_PASS)
}

/// Translates a packet that goes to a peer, or came from one, by Docker's ingress network.
#[inline(always)]
fn translate(
    ctx: &XdpContext,
    kernel: &Kernel,
    verdict: &Verdict,
    parsed: &Parsed,
) -> Result<(), Reason> {
    let packet = packet(ctx);
    nat::translate(&packet, parsed, &verdict.nat).ok_or(Reason::Malformed)?;
    if parsed.kind == Kind::Tcp && parsed.flags & SYN != 0 {
        let peer = kernel.peer(verdict.index).ok_or(Reason::NoNextHop)?;
        clamp(&packet, full_nat::mtu(kernel, &peer))?;
    }
    Ok(())
}

#[inline(always)]
fn into_tunnel(ctx: &XdpContext, kernel: &Kernel, peer: u16, tunnel: &Tunnel) -> Outcome {
    let peer = output::resolved(kernel, peer).ok_or(Reason::NoNextHop)?;
    TunnelHeader::new(&peer, tunnel).store(&packet(ctx)).ok_or(Reason::Internal)?;
    redirect(peer.ifindex)
}

/// A reply from another node: to the client. Where its Ethernet address is not known the frame goes
/// up as it is; `tc_node` unpacks it and waits for ARP.
#[inline(never)]
fn unpack(ctx: &XdpContext, parsed: &Parsed) -> Outcome {
    match next_hop(ctx.as_ptr(), parsed.src, parsed.dst, ctx.ingress_ifindex() as u32) {
        NextHop::Resolved { ifindex, macs } => {
            adjust_head(ctx, OUTER_LEN as i32)?;
            send(&packet(ctx), macs.0, macs.1, ifindex)
        }
        NextHop::Unresolved { .. } => Ok(XDP_PASS),
        NextHop::None => Err(Reason::NoNextHop),
    }
}

/// Answers the client from the address it dialled, by the way it came: to the Ethernet address that
/// sent it, which the node itself need not know.
#[inline(never)]
fn refuse(ctx: &XdpContext, verdict: &Verdict, parsed: &Parsed, tunnelled: bool) -> Outcome {
    let kernel = &Kernel::new(ctx.as_ptr());
    kernel.count(verdict.reason.unwrap_or(Reason::Internal));
    let eth = packet(ctx).read::<Eth>(0).ok_or(Reason::Malformed)?;
    let outer = if tunnelled { OUTER_LEN as i32 } else { 0 };
    let length = if parsed.kind == Kind::Tcp && verdict.action == Action::Refuse {
        if outer != 0 {
            adjust_head(ctx, outer)?;
        }
        reset(&packet(ctx)).ok_or(Reason::Malformed)?;
        RESET_LEN
    } else {
        adjust_head(ctx, outer - ICMP_ROOM as i32)?;
        unreachable(&packet(ctx), verdict.mtu).ok_or(Reason::Malformed)?;
        ICMP_LEN
    };
    cut(ctx, length)?;
    if verdict.index != NODE_SELF {
        let tunnel = output::reply(kernel, parsed, (length - ETH_LEN) as u16);
        adjust_head(ctx, -i32::from(TUNNEL_OVERHEAD))?;
        return into_tunnel(ctx, kernel, verdict.index, &tunnel);
    }
    let ingress = ctx.ingress_ifindex() as u32;
    if !tunnelled {
        return send(&packet(ctx), eth.src, eth.dst, ingress);
    }
    match next_hop(ctx.as_ptr(), parsed.dst, parsed.src, ingress) {
        NextHop::Resolved { ifindex, macs } => send(&packet(ctx), macs.0, macs.1, ifindex),
        NextHop::Unresolved { .. } | NextHop::None => Err(Reason::NoNextHop),
    }
}

#[inline(always)]
fn send(packet: &Packet<'_>, dst: [u8; 6], src: [u8; 6], ifindex: u32) -> Outcome {
    packet.write(0, &Eth { dst, src, ether_type: ETHERTYPE_IPV4 }).ok_or(Reason::Internal)?;
    redirect(ifindex)
}

/// Always by devmap, also out of the interface that the frame came from: XDP_TX on a veth needs
/// somebody else to wake the peer.
#[inline(always)]
fn redirect(ifindex: u32) -> Outcome {
    maps::DEVICES.redirect(ifindex, 0).map_err(|_| Reason::NoNextHop)
}

#[inline(always)]
fn adjust_head(ctx: &XdpContext, delta: i32) -> Result<(), Reason> {
    // SAFETY: `ctx` is the running program's; no packet pointer is used across this call.
    match unsafe { bpf_xdp_adjust_head(ctx.ctx, delta) } {
        0 => Ok(()),
        _ => Err(Reason::Internal),
    }
}

/// Cuts the frame to `length` bytes (or extends a shorter one).
#[inline(always)]
fn cut(ctx: &XdpContext, length: usize) -> Result<(), Reason> {
    // SAFETY: the running program's context.
    let delta = length as i32 - unsafe { bpf_xdp_get_buff_len(ctx.ctx) } as i32;
    // SAFETY: as in `adjust_head`.
    match unsafe { bpf_xdp_adjust_tail(ctx.ctx, delta) } {
        0 => Ok(()),
        _ => Err(Reason::Internal),
    }
}
