//! tcx on the node end of overlay legs in a Docker Engine's namespaces, in both directions: carries out
//! what `decide::vip_leg` concluded, and leaves the way to the engine's bridge.

use aya_ebpf::{EbpfContext as _, bindings::tcx_action_base::TCX_NEXT, programs::TcContext};
use lb_common::drops::Reason;

use super::{
    Kernel,
    fib::{NextHop, next_hop},
    overlay::{answer, local},
    skb_nat::{packet, translate, view},
    tcx::{Outcome, finish, ifindex, send_by_neighbour},
    trace::tell,
};
use crate::{
    carriage::{Act, Carriage},
    decide::vip_leg::{back, out},
    headers::{ETHERTYPE_IPV4, Eth},
    parse::Parsed,
    verdict::Nat,
};

/// What a task sends.
#[inline(always)]
pub fn run_out(ctx: &TcContext) -> i32 {
    let kernel = Kernel::new(ctx.as_ptr());
    let mut parsed = Parsed::NOTHING;
    let carriage = out(&kernel, &packet(ctx), ifindex(ctx), &mut parsed);
    tell(ctx, &parsed, carriage.act as u8, 0);
    finish(&kernel, carry_out(ctx, &kernel, &carriage, &parsed))
}

/// What a task gets.
#[inline(always)]
pub fn run_in(ctx: &TcContext) -> i32 {
    let kernel = Kernel::new(ctx.as_ptr());
    let mut parsed = Parsed::NOTHING;
    match back(&kernel, &packet(ctx), &mut parsed) {
        Some(nat) => finish(&kernel, translate(ctx, &parsed, &nat).map(|()| TCX_NEXT)),
        None => TCX_NEXT,
    }
}

#[inline(always)]
fn carry_out(ctx: &TcContext, kernel: &Kernel, carriage: &Carriage, parsed: &Parsed) -> Outcome {
    match carriage.act {
        Act::Bridge | Act::Route | Act::Local => carry(ctx, carriage, parsed),
        _ => answer(ctx, kernel, carriage, parsed),
    }
}

#[inline(always)]
fn carry(ctx: &TcContext, carriage: &Carriage, parsed: &Parsed) -> Outcome {
    if !carriage.translated {
        return Ok(TCX_NEXT);
    }
    translate(ctx, parsed, &carriage.nat)?;
    match carriage.act {
        Act::Local => local(ctx, carriage),
        Act::Route => route(ctx, &carriage.nat),
        _ => bridge(ctx, carriage),
    }
}

#[inline(always)]
fn bridge(ctx: &TcContext, carriage: &Carriage) -> Outcome {
    let (dst, src) = carriage.macs;
    view(ctx).write(0, &Eth { dst, src, ether_type: ETHERTYPE_IPV4 }).ok_or(Reason::Internal)?;
    Ok(TCX_NEXT)
}

/// Where the engine's namespace forwards between the subnets of its network.
#[inline(always)]
fn route(ctx: &TcContext, nat: &Nat) -> Outcome {
    match next_hop(ctx.as_ptr(), nat.src, nat.dst, ifindex(ctx)) {
        NextHop::Resolved { ifindex, .. } | NextHop::Unresolved { ifindex } => {
            send_by_neighbour(ifindex)
        }
        NextHop::None => Err(Reason::NoNextHop),
    }
}
