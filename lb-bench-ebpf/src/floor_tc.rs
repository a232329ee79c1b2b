//! The least that a NAT in tcx can do: parse, one LRU hit, addresses and ports replaced, both checksums
//! corrected by the kernel's helpers, sent on; and the same with VXLAN headers on top.

use aya_ebpf::{
    bindings::{
        BPF_F_ADJ_ROOM_ENCAP_L3_IPV4, BPF_F_ADJ_ROOM_ENCAP_L4_UDP, BPF_F_PSEUDO_HDR,
        bpf_adj_room_mode::BPF_ADJ_ROOM_MAC, tcx_action_base::TCX_NEXT,
    },
    helpers::generated::{
        bpf_l3_csum_replace, bpf_l4_csum_replace, bpf_redirect, bpf_skb_adjust_room,
    },
    programs::TcContext,
};

use crate::{
    drive::{DST_ADDR, IP_CHECK, SRC_ADDR, SRC_PORT, TCP_CHECK},
    floor::{OUTER_LEN, outer},
    maps::{FLOOR_NAT, FlowKey, REALS},
};

/// `BPF_F_ADJ_ROOM_ENCAP_L2_ETH` and the length of the inner Ethernet header.
const ENCAP: u64 =
    (BPF_F_ADJ_ROOM_ENCAP_L3_IPV4 | BPF_F_ADJ_ROOM_ENCAP_L4_UDP) as u64 | 1 << 6 | 14 << 56;
const HEADERS: usize = 54;

/// What a flow's source becomes.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct NatTo {
    /// Address.
    pub addr: u32,
    /// Port, network order.
    pub port: u16,
    /// Zero.
    pub reserved: u16,
}

/// To an interface.
#[inline(always)]
pub fn nat(ctx: &TcContext) -> i32 {
    match translate(ctx) {
        // SAFETY: no pointers.
        Some(_) => (unsafe { bpf_redirect((*ctx.skb.skb).ifindex, 0) }) as i32,
        None => TCX_NEXT,
    }
}

/// Into a tunnel.
#[inline(always)]
pub fn nat_into_tunnel(ctx: &TcContext) -> i32 {
    into_tunnel(ctx).unwrap_or(TCX_NEXT)
}

#[inline(always)]
fn into_tunnel(ctx: &TcContext) -> Option<i32> {
    let port = translate(ctx)?;
    let real = REALS.get(1)?;
    let length = (ctx.len() - 14) as u16;
    // SAFETY: the running program's context; packet pointers are derived anew.
    if unsafe { bpf_skb_adjust_room(ctx.skb.skb, OUTER_LEN as i32, BPF_ADJ_ROOM_MAC, ENCAP) } != 0 {
        return None;
    }
    let start = ctx.data();
    if start + OUTER_LEN + 14 > ctx.data_end() {
        return None;
    }
    outer(start, real, length, port);
    // SAFETY: no pointers.
    Some((unsafe { bpf_redirect((*ctx.skb.skb).ifindex, 0) }) as i32)
}

/// Translates the source; the flow's client port, if it is known.
#[inline(always)]
fn translate(ctx: &TcContext) -> Option<u16> {
    let start = ctx.data();
    if start + HEADERS > ctx.data_end() {
        return None;
    }
    let get = |at: usize| {
        // SAFETY: inside the packet by the comparison above.
        unsafe { ((start + at) as *const u32).read() }
    };
    let (src, dst, ports) = (get(SRC_ADDR), get(DST_ADDR), get(SRC_PORT));
    let key = FlowKey { src, dst, ports, proto: 6 };
    // SAFETY: copied at once.
    let to = *unsafe { FLOOR_NAT.get(key) }?;
    let (addr, old_port) = (to.addr, ports as u16);
    // SAFETY: inside the packet by the comparison above.
    unsafe { ((start + SRC_ADDR) as *mut u32).write(addr) };
    // SAFETY: as above.
    unsafe { ((start + SRC_PORT) as *mut u16).write(to.port) };
    // SAFETY: the running program's context.
    let ip =
        unsafe { bpf_l3_csum_replace(ctx.skb.skb, IP_CHECK as u32, src.into(), addr.into(), 4) };
    let difference = u64::from(!src) + u64::from(addr) + u64::from(!old_port) + u64::from(to.port);
    let difference = (difference & 0xffff_ffff) + (difference >> 32);
    let flags = u64::from(BPF_F_PSEUDO_HDR);
    // SAFETY: as above; size 0 means that the value is a difference.
    let l4 = unsafe { bpf_l4_csum_replace(ctx.skb.skb, TCP_CHECK as u32, 0, difference, flags) };
    (ip == 0 && l4 == 0).then_some((ports >> 16) as u16)
}
