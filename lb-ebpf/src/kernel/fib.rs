//! The way to a client: the node's own routes and neighbours.

use aya_ebpf::{bindings::bpf_fib_lookup as FibParams, helpers::generated::bpf_fib_lookup};
use lb_common::addr::{Mac, V4};

const AF_INET: u8 = 2;
/// `BPF_FIB_LKUP_RET_SUCCESS`, include/uapi/linux/bpf.h.
const SUCCESS: i64 = 0;
/// `BPF_FIB_LKUP_RET_NOT_FWDED`: to the node itself, or nowhere.
const NOT_FORWARDED: i64 = 4;
/// `LOOPBACK_IFINDEX`, include/net/flow.h: the same in every namespace.
const LOOPBACK: u32 = 1;
/// `BPF_FIB_LKUP_RET_NO_NEIGH`.
const NO_NEIGH: i64 = 7;

/// What routing says.
#[derive(Clone, Copy, Debug)]
pub(super) enum NextHop {
    /// Everything is known.
    Resolved {
        /// Interface to send by.
        ifindex: u32,
        /// Destination and source MAC.
        macs: (Mac, Mac),
    },
    /// The neighbour's Ethernet address is not known yet.
    Unresolved {
        /// Interface to send by.
        ifindex: u32,
    },
    /// No route.
    None,
}

/// Looks up the way from `src` to `dst` for a packet that came in at `ifindex`; forwarding must be
/// on there.
#[inline(always)]
pub(super) fn next_hop(ctx: *mut core::ffi::c_void, src: V4, dst: V4, ifindex: u32) -> NextHop {
    let mut params = params(src, dst, ifindex);
    match look_up(ctx, &mut params) {
        SUCCESS => NextHop::Resolved { ifindex: params.ifindex, macs: (params.dmac, params.smac) },
        NO_NEIGH => NextHop::Unresolved { ifindex: params.ifindex },
        _ => NextHop::None,
    }
}

/// Whether `dst` is an address of the node; forwarding must be on. Asked on behalf of the loopback
/// interface, as the node itself would ask.
///
/// The helper says the same of an address that no route leads to, so its neighbour in the subnet must
/// be somewhere: else anybody's address would be ours on a node without a default route.
#[inline(always)]
pub(super) fn is_local(ctx: *mut core::ffi::c_void, dst: V4) -> bool {
    let [a, b, c, d] = dst;
    is_not_forwarded(ctx, dst) && !is_not_forwarded(ctx, [a, b, c, d ^ 1])
}

#[inline(always)]
fn is_not_forwarded(ctx: *mut core::ffi::c_void, dst: V4) -> bool {
    look_up(ctx, &mut params([0; 4], dst, LOOPBACK)) == NOT_FORWARDED
}

#[inline(always)]
fn params(src: V4, dst: V4, ifindex: u32) -> FibParams {
    // SAFETY: all zeros is a valid value of this plain C struct.
    let mut params: FibParams = unsafe { core::mem::zeroed() };
    params.family = AF_INET;
    params.ifindex = ifindex;
    params.__bindgen_anon_3.ipv4_src = u32::from_ne_bytes(src);
    params.__bindgen_anon_4.ipv4_dst = u32::from_ne_bytes(dst);
    params
}

#[inline(always)]
fn look_up(ctx: *mut core::ffi::c_void, params: &mut FibParams) -> i64 {
    let size = size_of::<FibParams>() as i32;
    // SAFETY: `ctx` is the running program's; `params` is initialised and `size` its size.
    unsafe { bpf_fib_lookup(ctx, &raw mut *params, size, 0) }
}
