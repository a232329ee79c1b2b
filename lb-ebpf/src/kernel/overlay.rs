//! tcx on the node end of overlay legs: carries out what `decide::overlay` concluded.

use aya_ebpf::{EbpfContext as _, programs::TcContext};
use lb_common::drops::Reason;

use super::{
    Kernel, output,
    skb_nat::{clamp, packet, translate, view},
    tcx::{
        Outcome, finish, ifindex, inner_len, into_peer, into_tunnel, redirect, reset_back,
        unreachable_back,
    },
    trace::tell,
};
use crate::{
    carriage::{Act, Carriage},
    decide::overlay::overlay,
    headers::{ETHERTYPE_IPV4, Eth, SYN},
    parse::{Kind, Parsed},
    rewrite::{arp, echo, mss},
    tables::Tables,
};

/// The program.
#[inline(always)]
pub fn run(ctx: &TcContext) -> i32 {
    let kernel = Kernel::new(ctx.as_ptr());
    let Some(leg) = kernel.overlay_leg(ifindex(ctx)) else {
        return finish(&kernel, Err(Reason::NoLeg));
    };
    let mut parsed = Parsed::NOTHING;
    let carriage = overlay(&kernel, &packet(ctx), &leg, gso_size(ctx), &mut parsed);
    tell(ctx, &parsed, carriage.act as u8, carriage.peer);
    finish(&kernel, carry_out(ctx, &kernel, &carriage, &parsed))
}

#[inline(always)]
fn gso_size(ctx: &TcContext) -> u16 {
    // SAFETY: a field of the running program's context.
    (unsafe { (*ctx.skb.skb).gso_size }) as u16
}

#[inline(always)]
fn carry_out(ctx: &TcContext, kernel: &Kernel, carriage: &Carriage, parsed: &Parsed) -> Outcome {
    match carriage.act {
        Act::Local | Act::Remote => carry(ctx, kernel, carriage, parsed),
        _ => answer(ctx, kernel, carriage, parsed),
    }
}

/// What ends at this leg: questions, and what nobody takes.
#[inline(always)]
pub(super) fn answer(
    ctx: &TcContext,
    kernel: &Kernel,
    carriage: &Carriage,
    parsed: &Parsed,
) -> Outcome {
    match carriage.act {
        Act::Arp => back(ctx, arp::reply(&view(ctx), carriage.macs.1)),
        Act::Echo => back(ctx, echo::reply(&view(ctx), carriage.macs.1)),
        Act::Refuse | Act::TooBig => refuse(ctx, kernel, carriage, parsed),
        _ => Err(carriage.reason.unwrap_or(Reason::Internal)),
    }
}

#[inline(always)]
fn carry(ctx: &TcContext, kernel: &Kernel, carriage: &Carriage, parsed: &Parsed) -> Outcome {
    if carriage.translated {
        translate(ctx, parsed, &carriage.nat)?;
    }
    if carriage.act == Act::Local {
        local(ctx, carriage)
    } else {
        remote(ctx, kernel, carriage, parsed)
    }
}

#[inline(always)]
pub(super) fn local(ctx: &TcContext, carriage: &Carriage) -> Outcome {
    let (dst, src) = carriage.macs;
    view(ctx).write(0, &Eth { dst, src, ether_type: ETHERTYPE_IPV4 }).ok_or(Reason::Internal)?;
    into_peer(ctx, carriage.ifindex)
}

/// Both ends learn from SYN and SYN+ACK what a way that carries less than the leg does carries.
#[inline(always)]
fn remote(ctx: &TcContext, kernel: &Kernel, carriage: &Carriage, parsed: &Parsed) -> Outcome {
    if carriage.mtu != 0 && parsed.kind == Kind::Tcp && parsed.flags & SYN != 0 {
        clamp(ctx, carriage.mtu - mss::TCP_OVERHEAD)?;
    }
    let tunnel = output::overlay(kernel, parsed, inner_len(ctx), (carriage.vni, carriage.macs));
    into_tunnel(ctx, kernel, carriage.peer, &tunnel)
}

/// An answer that stands in the place of the question.
#[inline(always)]
fn back(ctx: &TcContext, written: Option<()>) -> Outcome {
    written.ok_or(Reason::Malformed)?;
    redirect(ifindex(ctx))
}

#[inline(always)]
fn refuse(ctx: &TcContext, kernel: &Kernel, carriage: &Carriage, parsed: &Parsed) -> Outcome {
    kernel.count(carriage.reason.unwrap_or(Reason::Internal));
    if parsed.kind == Kind::Tcp && carriage.act == Act::Refuse {
        reset_back(ctx)
    } else {
        unreachable_back(ctx, carriage.mtu)
    }
}
