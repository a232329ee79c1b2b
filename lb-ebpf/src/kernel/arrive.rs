//! tcx on the NIC, behind XDP: overlay frames of other nodes, out of the tunnel and into the receiver's
//! leg. tcx and not XDP, because segments that the kernel has yet to cut and checksums that it has yet
//! to complete survive here.

use aya_ebpf::{
    EbpfContext as _,
    bindings::{BPF_F_ADJ_ROOM_FIXED_GSO, tcx_action_base::TCX_NEXT},
    programs::TcContext,
};
use lb_common::{addr::V4, drops::Reason, wire::OUTER_LEN};

use super::{
    Kernel, output,
    skb_nat::{inner_packet, packet, translate, view},
    tcx::{
        Outcome, adjust_room, answer_into_tunnel, blank_unpacked, finish, inner_len, into_peer,
        reset, unreachable,
    },
};
use crate::{
    decide::arrive::{
        Receiver, answers, has_networks, inner as facts, is_refusable, overlay_frame, receiver,
    },
    headers::Eth,
    parse::{Kind, Parsed},
    tables::Tables as _,
    verdict::Nat,
};

/// The program.
#[inline(always)]
pub fn run(ctx: &TcContext) -> i32 {
    let kernel = Kernel::new(ctx.as_ptr());
    let outcome = match overlay_frame(&kernel, &packet(ctx)) {
        Ok(Some(outer)) => deliver(ctx, &kernel, outer),
        Ok(None) => Ok(TCX_NEXT),
        Err(reason) => Err(reason),
    };
    if outcome.is_err() && !has_networks(&kernel) {
        return TCX_NEXT;
    }
    finish(&kernel, outcome)
}

#[inline(always)]
fn deliver(ctx: &TcContext, kernel: &Kernel, outer: V4) -> Outcome {
    let packet = inner_packet(ctx);
    let receiver = receiver(kernel, &packet, ctx.len() as usize, outer)?;
    let inner = packet.read::<Eth>(OUTER_LEN).ok_or(Reason::Malformed)?;
    let facts = facts(&packet)?;
    if receiver.ifindex == 0 {
        return refuse(ctx, kernel, &receiver, &inner, facts);
    }
    let Some(mut parsed) = facts else {
        unpack(ctx)?;
        return into_leg(ctx, &receiver, &inner);
    };
    let mut nat = Nat::of(&parsed);
    let is_answer = answers(kernel, &receiver, &mut parsed, &mut nat);
    unpack(ctx)?;
    if is_answer {
        translate(ctx, &parsed, &nat)?;
    }
    into_leg(ctx, &receiver, &inner)
}

/// The task has no leg: who wrote to it is told so in its name, as its own stack would without the
/// process. So a flow to a task that died ends at once.
#[inline(always)]
fn refuse(
    ctx: &TcContext,
    kernel: &Kernel,
    receiver: &Receiver,
    inner: &Eth,
    facts: Option<Parsed>,
) -> Outcome {
    let parsed = facts.filter(|parsed| is_refusable(parsed, ctx.len())).ok_or(Reason::NoLeg)?;
    unpack(ctx)?;
    kernel.count(Reason::NoLeg);
    match parsed.kind {
        Kind::Tcp => reset(ctx, blank_unpacked)?,
        _ => unreachable(ctx, 0, blank_unpacked)?,
    }
    let macs = (inner.src, inner.dst);
    let tunnel = output::overlay(kernel, &parsed, inner_len(ctx), (receiver.back, macs));
    answer_into_tunnel(ctx, kernel, receiver.peer, &tunnel)
}

/// Segments keep their length: the sender has made them for what the tunnel carries.
#[inline(always)]
fn unpack(ctx: &TcContext) -> Result<(), Reason> {
    adjust_room(ctx, -(OUTER_LEN as i32), BPF_F_ADJ_ROOM_FIXED_GSO.into())
}

/// Straight to the task's end of the leg.
#[inline(always)]
fn into_leg(ctx: &TcContext, receiver: &Receiver, inner: &Eth) -> Outcome {
    view(ctx).write(0, &Eth { dst: receiver.mac, ..*inner }).ok_or(Reason::Internal)?;
    into_peer(ctx, receiver.ifindex)
}
