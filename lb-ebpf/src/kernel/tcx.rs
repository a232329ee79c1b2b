//! What programs on tcx share: how they end, and the ways out of the node.

use aya_ebpf::{
    bindings::{
        BPF_F_ADJ_ROOM_ENCAP_L3_IPV4, BPF_F_ADJ_ROOM_ENCAP_L4_UDP, BPF_F_ADJ_ROOM_FIXED_GSO,
        BPF_F_INGRESS, bpf_adj_room_mode::BPF_ADJ_ROOM_MAC, tcx_action_base::TCX_DROP,
    },
    helpers::generated::{
        bpf_redirect, bpf_redirect_neigh, bpf_redirect_peer, bpf_skb_adjust_room,
        bpf_skb_change_tail, bpf_skb_change_type,
    },
    programs::TcContext,
};
use lb_common::{addr::Mac, drops::Reason, wire::OUTER_LEN};

use super::{Kernel, output, skb_nat::view};
use crate::{
    headers::{ETHERTYPE_IPV4, Eth},
    parse::{ETH_LEN, QUOTE},
    rewrite::{
        refusal::{ICMP_LEN, Quote, RESET_LEN, Reset},
        tunnel::{Tunnel, TunnelHeader},
    },
    tables::Tables,
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
/// `PACKET_HOST`, include/uapi/linux/if_packet.h.
const PACKET_HOST: u32 = 0;
/// Bytes behind the Ethernet header that [`blank`] takes away: beyond the place where the checksum of
/// an IPv4 packet's payload begins.
const BLANK: i32 = 40;

#[inline(always)]
pub(super) fn ifindex(ctx: &TcContext) -> u32 {
    // SAFETY: a field of the running program's context.
    unsafe { (*ctx.skb.skb).ifindex }
}

/// Whether the packet goes out as it is, not cut into segments first.
#[inline(always)]
pub(super) fn is_whole(ctx: &TcContext) -> bool {
    // SAFETY: a field of the running program's context.
    unsafe { (*ctx.skb.skb).gso_size == 0 }
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

/// Of a packet that is cut into segments later, the kernel corrects the lengths then.
#[inline(always)]
pub(super) fn inner_len(ctx: &TcContext) -> u16 {
    (ctx.len() as usize - ETH_LEN) as u16
}

#[inline(always)]
pub(super) fn into_tunnel(ctx: &TcContext, kernel: &Kernel, peer: u16, tunnel: &Tunnel) -> Outcome {
    encapsulate(ctx, kernel, peer, tunnel, ENCAP)
}

/// The same for an answer of our own, which needs neither to be cut into segments nor a checksum. The
/// kernel is not told that it gets outer headers: see [`blank_unpacked`].
#[inline(always)]
pub(super) fn answer_into_tunnel(
    ctx: &TcContext,
    kernel: &Kernel,
    peer: u16,
    tunnel: &Tunnel,
) -> Outcome {
    encapsulate(ctx, kernel, peer, tunnel, 0)
}

#[inline(always)]
fn encapsulate(
    ctx: &TcContext,
    kernel: &Kernel,
    peer: u16,
    tunnel: &Tunnel,
    flags: u64,
) -> Outcome {
    let peer = output::resolved(kernel, peer).ok_or(Reason::NoNextHop)?;
    adjust_room(ctx, OUTER_LEN as i32, flags)?;
    TunnelHeader::new(&peer, tunnel).store(&view(ctx)).ok_or(Reason::Internal)?;
    redirect(peer.ifindex)
}

#[inline(always)]
pub(super) fn send(ctx: &TcContext, macs: (Mac, Mac), ifindex: u32) -> Outcome {
    let eth = Eth { dst: macs.0, src: macs.1, ether_type: ETHERTYPE_IPV4 };
    view(ctx).write(0, &eth).ok_or(Reason::Internal)?;
    redirect(ifindex)
}

#[inline(always)]
pub(super) fn redirect(ifindex: u32) -> Outcome {
    // SAFETY: no pointers.
    Ok(unsafe { bpf_redirect(ifindex, 0) } as i32)
}

/// Sends by the kernel's neighbour table, which asks by ARP and keeps the packet meanwhile.
#[inline(always)]
pub(super) fn send_by_neighbour(ifindex: u32) -> Outcome {
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

/// Hands the packet to the far end of the veth whose near end is `ifindex`, without a queue on the way.
/// It came in as somebody else's, and its receiver would take it for that: the Ethernet address that it
/// went to is the task's, and not the interface's.
#[inline(always)]
pub(super) fn into_peer(ctx: &TcContext, ifindex: u32) -> Outcome {
    // SAFETY: the running program's context.
    if unsafe { (*ctx.skb.skb).pkt_type } != PACKET_HOST {
        // SAFETY: as above. It fails for no type that a received packet can have.
        let _: i64 = unsafe { bpf_skb_change_type(ctx.skb.skb, PACKET_HOST) };
    }
    // SAFETY: no pointers.
    Ok(unsafe { bpf_redirect_peer(ifindex, 0) } as i32)
}

/// Answers the task that sent the packet with an ICMP error: fragmentation needed for `mtu`, or port
/// unreachable if that is 0.
#[inline(always)]
pub(super) fn unreachable_back(ctx: &TcContext, mtu: u16) -> Outcome {
    let eth = view(ctx).read::<Eth>(0).ok_or(Reason::Internal)?;
    unreachable(ctx, mtu, blank)?;
    send(ctx, (eth.src, eth.dst), ifindex(ctx))
}

/// Answers the node itself, whose packet is about to leave, likewise.
#[inline(always)]
pub(super) fn unreachable_here(ctx: &TcContext, mtu: u16) -> Outcome {
    let eth = view(ctx).read::<Eth>(0).ok_or(Reason::Internal)?;
    unreachable(ctx, mtu, blank)?;
    let eth = Eth { dst: eth.src, src: eth.dst, ether_type: ETHERTYPE_IPV4 };
    view(ctx).write(0, &eth).ok_or(Reason::Internal)?;
    // SAFETY: no pointers.
    Ok(unsafe { bpf_redirect(ifindex(ctx), BPF_F_INGRESS.into()) } as i32)
}

/// Makes the packet the ICMP error that answers it, in the bytes that `blank` leaves; its Ethernet
/// addresses are left to whoever sends it.
#[inline(always)]
pub(super) fn unreachable(
    ctx: &TcContext,
    mtu: u16,
    blank: impl Fn(&TcContext, usize) -> Result<(), Reason>,
) -> Result<(), Reason> {
    let quote = view(ctx).read::<Quote>(ETH_LEN).ok_or(Reason::Malformed)?;
    blank(ctx, ICMP_LEN)?;
    view(ctx).write(QUOTE, &quote).ok_or(Reason::Internal)?;
    quote.answer(&view(ctx), mtu).ok_or(Reason::Internal)
}

/// Answers the task that sent the segment with a RST.
#[inline(always)]
pub(super) fn reset_back(ctx: &TcContext) -> Outcome {
    let eth = view(ctx).read::<Eth>(0).ok_or(Reason::Internal)?;
    reset(ctx, blank)?;
    send(ctx, (eth.src, eth.dst), ifindex(ctx))
}

/// Makes the segment the RST that answers it, as [`unreachable`] does.
#[inline(always)]
pub(super) fn reset(
    ctx: &TcContext,
    blank: impl Fn(&TcContext, usize) -> Result<(), Reason>,
) -> Result<(), Reason> {
    let reset = Reset::to(&view(ctx)).ok_or(Reason::Malformed)?;
    blank(ctx, RESET_LEN)?;
    reset.store(&view(ctx)).ok_or(Reason::Internal)
}

/// As [`blank`] for a packet that came out of the tunnel. It may still pass for encapsulated, as NIC,
/// GRO or a sender on the same host said, and of such a packet the kernel neither moves the end nor
/// encapsulates it once more. Its checksum is complete, since it was on a wire.
#[inline(always)]
pub(super) fn blank_unpacked(ctx: &TcContext, length: usize) -> Result<(), Reason> {
    adjust_room(ctx, length as i32 - ctx.len() as i32, 0)
}

/// Makes the packet `length` bytes of anything, for an answer of our own to be written: not to be cut
/// into segments, and without a checksum that the kernel would complete (it forgets one whose place is
/// pulled away).
#[inline(always)]
pub(super) fn blank(ctx: &TcContext, length: usize) -> Result<(), Reason> {
    let longer = length as u32 + BLANK.unsigned_abs();
    // SAFETY: the running program's context; packet pointers are derived anew afterwards.
    if unsafe { bpf_skb_change_tail(ctx.skb.skb, longer, 0) } != 0 {
        return Err(Reason::Internal);
    }
    adjust_room(ctx, -BLANK, 0)
}
