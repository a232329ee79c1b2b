//! Drivers: a program that `BPF_PROG_TEST_RUN` repeats, which makes the frame what it was before the
//! last run, gives it the next flow, and tail-calls the measured program. So programs that rewrite
//! or encapsulate their frame can be repeated; what a driver costs is measured with an empty target.

use aya_ebpf::{
    bindings::{
        bpf_adj_room_mode::BPF_ADJ_ROOM_MAC, tcx_action_base::TCX_DROP, xdp_action::XDP_ABORTED,
    },
    helpers::generated::{bpf_skb_adjust_room, bpf_xdp_adjust_head, bpf_xdp_get_buff_len},
    programs::{TcContext, XdpContext},
};

use crate::{
    maps::{PLAN, TC_TARGET, XDP_TARGET},
    plan::{Flow, HEAD_WORDS, Plan},
};

/// Offsets in an Ethernet frame with IPv4 without options.
pub(crate) const IP_CHECK: usize = 24;
pub(crate) const SRC_ADDR: usize = 26;
pub(crate) const DST_ADDR: usize = 30;
pub(crate) const SRC_PORT: usize = 34;
pub(crate) const DST_PORT: usize = 36;
pub(crate) const UDP_CHECK: usize = 40;
pub(crate) const TCP_CHECK: usize = 50;
/// Words of a frame without tunnel that are restored: 64 bytes.
pub const PLAIN_WORDS: usize = 8;
/// Words of a tunnel frame.
pub const TUNNEL_WORDS: usize = HEAD_WORDS;

/// Drives an XDP program. The varied packet begins `AT` bytes into the frame; `BACK`: it goes to the
/// client and does not come from it.
#[inline(always)]
pub fn xdp<const WORDS: usize, const AT: usize, const BACK: bool>(ctx: &XdpContext) -> u32 {
    let Some(plan) = next_plan() else { return XDP_ABORTED };
    // SAFETY: the running program's context.
    let length = unsafe { bpf_xdp_get_buff_len(ctx.ctx) } as i32;
    // SAFETY: the running program's context; packet pointers are derived afterwards.
    if unsafe { bpf_xdp_adjust_head(ctx.ctx, length - plan.len as i32) } != 0 {
        return XDP_ABORTED;
    }
    let number = count(plan);
    if write::<WORDS, AT, BACK>(plan, number, ctx.data(), ctx.data_end()).is_none() {
        return XDP_ABORTED;
    }
    // SAFETY: both live. It returns only where there is no target.
    unsafe { XDP_TARGET.tail_call(ctx, 0) };
    XDP_ABORTED
}

/// Drives a tcx program.
#[inline(always)]
pub fn tc<const WORDS: usize, const AT: usize, const BACK: bool>(ctx: &TcContext) -> i32 {
    let Some(plan) = next_plan() else { return TCX_DROP };
    let missing = plan.len as i32 - ctx.len() as i32;
    // SAFETY: the running program's context; packet pointers are derived afterwards.
    if missing != 0
        && unsafe { bpf_skb_adjust_room(ctx.skb.skb, missing, BPF_ADJ_ROOM_MAC, 0) } != 0
    {
        return TCX_DROP;
    }
    let number = count(plan);
    if write::<WORDS, AT, BACK>(plan, number, ctx.data(), ctx.data_end()).is_none() {
        return TCX_DROP;
    }
    // SAFETY: both live. It returns only where there is no target.
    unsafe { TC_TARGET.tail_call(ctx, 0) };
    TCX_DROP
}

#[inline(always)]
pub(crate) fn next_plan() -> Option<&'static mut Plan> {
    let plan = PLAN.get_ptr_mut(0)?;
    // SAFETY: the element outlives the run, and only one driver runs at a time.
    Some(unsafe { &mut *plan })
}

#[inline(always)]
pub(crate) fn count(plan: &mut Plan) -> u64 {
    let number = plan.next;
    plan.next = number + 1;
    number
}

/// Writes the frame of this number; `None`: it is shorter than what is restored.
#[inline(always)]
pub(crate) fn write<const WORDS: usize, const AT: usize, const BACK: bool>(
    plan: &Plan,
    number: u64,
    start: usize,
    end: usize,
) -> Option<()> {
    if start + WORDS * 8 > end {
        return None;
    }
    let mut word = 0;
    while word < WORDS {
        // SAFETY: inside the packet by the comparison above. x86-64 and arm64 take unaligned words.
        unsafe { ((start + word * 8) as *mut u64).write(plan.head[word]) };
        word += 1;
    }
    let flow = plan.flow(number);
    vary::<BACK>(plan, flow, start + AT);
    Some(())
}

#[inline(always)]
fn vary<const BACK: bool>(plan: &Plan, flow: Flow, packet: usize) {
    let (addr, near, far) =
        if BACK { (DST_ADDR, DST_PORT, SRC_PORT) } else { (SRC_ADDR, SRC_PORT, DST_PORT) };
    put(packet + addr + 2, flow.addr.to_be());
    put(packet + near, flow.port.to_be());
    put(packet + far, flow.far_port.to_be());
    put(packet + IP_CHECK, plan.ip_check(flow));
    let check = plan.l4_check(flow);
    if plan.is_udp == 0 {
        put(packet + TCP_CHECK, check);
    } else {
        put(packet + UDP_CHECK, check);
    }
}

/// Stores two bytes of a packet, at an offset that [`write`] has compared.
#[inline(always)]
fn put(at: usize, value: u16) {
    // SAFETY: callers stay inside what `write` compared: 64 bytes, or 128 behind a tunnel header.
    unsafe { (at as *mut u16).write(value) };
}
