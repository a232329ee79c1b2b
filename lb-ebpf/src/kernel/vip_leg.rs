//! tcx on the node end of overlay legs in a Docker Engine's namespaces, in both directions: carries out
//! what `decide::vip_leg` concluded, and leaves the way to the engine's bridge.

use aya_ebpf::{EbpfContext as _, bindings::tcx_action_base::TCX_NEXT, programs::TcContext};
use lb_common::drops::Reason;

use super::{
    Kernel,
    overlay::{answer, local},
    skb_nat::{packet, translate, view},
    tcx::{Outcome, finish, ifindex},
    trace::tell,
};
use crate::{
    carriage::{Act, Carriage},
    decide::vip_leg::{back, out},
    headers::{ETHERTYPE_IPV4, Eth},
    parse::Parsed,
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
        Act::Bridge | Act::Local => carry(ctx, carriage, parsed),
        _ => answer(ctx, kernel, carriage, parsed),
    }
}

#[inline(always)]
fn carry(ctx: &TcContext, carriage: &Carriage, parsed: &Parsed) -> Outcome {
    if !carriage.translated {
        return Ok(TCX_NEXT);
    }
    translate(ctx, parsed, &carriage.nat)?;
    if carriage.act == Act::Local {
        return local(ctx, carriage);
    }
    let (dst, src) = carriage.macs;
    view(ctx).write(0, &Eth { dst, src, ether_type: ETHERTYPE_IPV4 }).ok_or(Reason::Internal)?;
    Ok(TCX_NEXT)
}
