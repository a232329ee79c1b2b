//! Translation of an skb: the same plan as `rewrite::nat`, with checksum helpers that know about
//! partial checksums and offloads.

use aya_ebpf::{
    bindings::{BPF_F_MARK_MANGLED_0, BPF_F_PSEUDO_HDR},
    helpers::generated::{bpf_l4_csum_replace, bpf_skb_pull_data},
    programs::TcContext,
};
use lb_common::{drops::Reason, port::UDP, wire::OUTER_LEN};

use crate::{
    checksum::Sum,
    headers::Ipv4Hdr,
    packet::Packet,
    parse::{ETH_LEN, Kind, L4, Parsed, QUOTE_L4},
    rewrite::{
        mss,
        nat::{check_offset, plan, translate_quote},
    },
    verdict::Nat,
};

/// Bytes that decisions and translations look at.
const HEADERS: usize = QUOTE_L4 + 8;
/// Bytes that are made linear where fewer are: headers with all TCP options.
const PULL: u32 = 128;
/// Offset of the checksum in an IPv4 header.
const IP_CHECK: usize = 10;
/// Offset of the addresses in an IPv4 header.
const IP_ADDRS: usize = 12;

/// The linear bytes, with all headers among them.
#[inline(always)]
pub(super) fn packet(ctx: &TcContext) -> Packet<'_> {
    packet_behind::<0>(ctx)
}

/// The linear bytes of a tunnel frame, with all headers of the inner packet among them.
#[inline(always)]
pub(super) fn inner_packet(ctx: &TcContext) -> Packet<'_> {
    packet_behind::<OUTER_LEN>(ctx)
}

/// The linear bytes, with all headers behind the first `OUTER` bytes among them.
#[inline(always)]
fn packet_behind<const OUTER: usize>(ctx: &TcContext) -> Packet<'_> {
    let linear = ctx.data_end() - ctx.data();
    if linear < OUTER + HEADERS && ctx.len() as usize > linear {
        let pull = OUTER as u32 + PULL;
        let length = if ctx.len() < pull { ctx.len() } else { pull };
        // SAFETY: the running program's context; no packet pointer is alive. If it fails, the
        // checks in `Packet` see a short packet.
        let _: i64 = unsafe { bpf_skb_pull_data(ctx.skb.skb, length) };
    }
    view(ctx)
}

/// The linear bytes as they are.
#[inline(always)]
pub(super) fn view(ctx: &TcContext) -> Packet<'_> {
    // SAFETY: `data..data_end` of a live context; every helper that may move the packet is followed
    // by a new `view`.
    unsafe { Packet::from_addresses(ctx.data(), ctx.data_end()) }
}

/// Translates the packet in place. The IPv4 header's checksum is always complete; only the transport's
/// needs a helper, one call for what counts in the pseudo header and one for what does not.
#[inline(always)]
pub(super) fn translate(ctx: &TcContext, parsed: &Parsed, nat: &Nat) -> Result<(), Reason> {
    if parsed.kind == Kind::IcmpError {
        return translate_error(ctx, parsed, nat);
    }
    let plan = plan(parsed, nat);
    store_addresses(ctx, plan.addresses, nat)?;
    let Some(check) = check_offset(parsed) else { return Ok(()) };
    let flags = if parsed.proto == UDP { u64::from(BPF_F_MARK_MANGLED_0) } else { 0 };
    if parsed.src_port != nat.src_port || parsed.dst_port != nat.dst_port {
        let ([a, b], [c, d]) = (nat.src_port, nat.dst_port);
        view(ctx).write(L4, &[a, b, c, d]).ok_or(Reason::Malformed)?;
        replace_l4(ctx, L4 + check, plan.ports, flags)?;
    }
    replace_l4(ctx, L4 + check, plan.addresses, flags | u64::from(BPF_F_PSEUDO_HDR))
}

#[inline(always)]
fn translate_error(ctx: &TcContext, parsed: &Parsed, nat: &Nat) -> Result<(), Reason> {
    let ip = view(ctx).read::<Ipv4Hdr>(ETH_LEN).ok_or(Reason::Malformed)?;
    let src = if ip.src_addr == parsed.src { nat.src } else { ip.src_addr };
    let sum = Sum::default().replace4(ip.src_addr, src).replace4(ip.dst_addr, nat.dst);
    store_addresses(ctx, sum, &Nat { src, ..*nat })?;
    let quote = translate_quote(&view(ctx), nat).ok_or(Reason::Malformed)?;
    replace_l4(ctx, L4 + 2, quote, 0)
}

/// Lowers the MSS of a SYN or SYN+ACK to `limit`.
#[inline(always)]
pub(super) fn clamp(ctx: &TcContext, limit: u16) -> Result<(), Reason> {
    let Some(clamp) = mss::find(&view(ctx), limit) else { return Ok(()) };
    replace_l4(ctx, L4 + 16, clamp.sum(), 0)?;
    view(ctx).write(clamp.at & 0x7f, &clamp.new).ok_or(Reason::Malformed)
}

/// Writes the addresses; `difference` is what they add to the header's checksum.
#[inline(always)]
fn store_addresses(ctx: &TcContext, difference: Sum, nat: &Nat) -> Result<(), Reason> {
    let packet = view(ctx);
    let check = packet.read::<[u8; 2]>(ETH_LEN + IP_CHECK).ok_or(Reason::Malformed)?;
    let ([a, b, c, d], [e, f, g, h]) = (nat.src, nat.dst);
    packet.write(ETH_LEN + IP_ADDRS, &[a, b, c, d, e, f, g, h]).ok_or(Reason::Malformed)?;
    packet.write(ETH_LEN + IP_CHECK, &difference.update(check)).ok_or(Reason::Malformed)
}

#[inline(always)]
fn replace_l4(ctx: &TcContext, at: usize, difference: Sum, flags: u64) -> Result<(), Reason> {
    // SAFETY: the running program's context; packet pointers are derived anew afterwards. Size 0 in
    // `flags` means that `difference` is one.
    match unsafe {
        bpf_l4_csum_replace(ctx.skb.skb, at as u32, 0, difference.fold32().into(), flags)
    } {
        0 => Ok(()),
        _ => Err(Reason::Internal),
    }
}
