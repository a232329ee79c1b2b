//! Traffic: a generator for `BPF_F_TEST_XDP_LIVE_FRAMES`, and what counts it at the other end.

use aya_ebpf::{
    bindings::xdp_action::{XDP_ABORTED, XDP_DROP},
    helpers::generated::bpf_redirect,
    programs::XdpContext,
};

use crate::{
    drive::{PLAIN_WORDS, TUNNEL_WORDS, count, next_plan, write},
    maps::{ROUTE, SEEN},
};

/// Makes the next frame and sends it. All headers are written each time: the kernel hands out the
/// same pages again, as their last receiver left them.
#[inline(always)]
pub fn frame<const WORDS: usize, const AT: usize, const BACK: bool>(ctx: &XdpContext) -> u32 {
    let (Some(plan), Some(route)) = (next_plan(), ROUTE.get(0)) else { return XDP_ABORTED };
    let number = count(plan);
    if write::<WORDS, AT, BACK>(plan, number, ctx.data(), ctx.data_end()).is_none() {
        return XDP_ABORTED;
    }
    // SAFETY: no pointers.
    (unsafe { bpf_redirect(route.generated, 0) }) as u32
}

/// Makes the next frame, counts it and drops it: what the generator itself costs.
#[inline(always)]
pub fn alone(ctx: &XdpContext) -> u32 {
    let Some(plan) = next_plan() else { return XDP_ABORTED };
    let number = count(plan);
    match write::<PLAIN_WORDS, 0, false>(plan, number, ctx.data(), ctx.data_end()) {
        Some(()) => sink(ctx),
        None => XDP_ABORTED,
    }
}

/// A client's frame.
#[inline(always)]
pub fn plain(ctx: &XdpContext) -> u32 {
    frame::<PLAIN_WORDS, 0, false>(ctx)
}

/// A frame of the tunnel.
#[inline(always)]
pub fn tunnel(ctx: &XdpContext) -> u32 {
    frame::<TUNNEL_WORDS, 50, false>(ctx)
}

/// A frame towards a client.
#[inline(always)]
pub fn back(ctx: &XdpContext) -> u32 {
    frame::<PLAIN_WORDS, 0, true>(ctx)
}

/// Counts and drops what arrives.
#[inline(always)]
pub fn sink(ctx: &XdpContext) -> u32 {
    if let Some(seen) = SEEN.get_ptr_mut(0) {
        // SAFETY: this CPU's element.
        let seen = unsafe { &mut *seen };
        seen.packets += 1;
        seen.bytes += (ctx.data_end() - ctx.data()) as u64;
    }
    XDP_DROP
}

/// Swaps the Ethernet addresses and sends the frame to the route's interface: the least that a
/// forwarder does.
#[inline(always)]
pub fn swap(ctx: &XdpContext) -> u32 {
    let Some(route) = ROUTE.get(0) else { return XDP_ABORTED };
    let start = ctx.data();
    if start + 14 > ctx.data_end() {
        return XDP_ABORTED;
    }
    let macs = start as *mut [u16; 6];
    // SAFETY: inside the packet by the comparison above.
    let [a, b, c, d, e, f] = unsafe { macs.read() };
    // SAFETY: as above.
    unsafe { macs.write([d, e, f, a, b, c]) };
    // SAFETY: no pointers.
    (unsafe { bpf_redirect(route.swapped, 0) }) as u32
}
