//! The least that a balancer at the entry can do, as references for what swarmlb costs: parse, look the
//! virtual IP up in a hash map, hash the flow, one slot of a ring, one backend, one per-CPU counter,
//! VXLAN headers from precomputed parts. No options, no fragments, no checks that safety would want.
//!
//! [`stateless`] is that; [`lru`] remembers the backend of each flow in an LRU map besides.

use aya_ebpf::{
    bindings::xdp_action::{XDP_PASS, XDP_TX},
    helpers::generated::bpf_xdp_adjust_head,
    programs::XdpContext,
};

use crate::{
    drive::{DST_ADDR, DST_PORT, SRC_ADDR, SRC_PORT},
    maps::{FLOOR_LRU, FlowKey, REAL_STATS, REALS, RING, VIPS},
    plan::RING_LEN,
};

/// Ethernet, IPv4 and as much of the transport as is read.
const HEADERS: usize = 54;
/// Outer Ethernet, IPv4, UDP and VXLAN.
pub(crate) const OUTER_LEN: usize = 50;
const PROTO: usize = 23;
const TOTAL_LEN: usize = 16;
const ETHER_TYPE: usize = 12;

/// A virtual IP, as balancers usually key it: 20 bytes, room for IPv6.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct VipKey {
    /// The address, and zeros.
    pub addr: [u32; 4],
    /// Network order.
    pub port: u16,
    /// TCP or UDP.
    pub proto: u16,
}

/// What is known of a virtual IP.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Vip {
    /// Not used by the floor.
    pub flags: u32,
    /// Number of its ring.
    pub number: u32,
}

/// A backend, with its outer headers precomputed.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Real {
    /// Outer destination.
    pub addr: u32,
    /// Sum of the outer IPv4 header without its length.
    pub ip_sum: u32,
    /// Outer Ethernet addresses, destination first, in the words that are stored.
    pub macs: [u32; 3],
}

/// Packets and bytes to a backend.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct RealStats {
    /// Packets.
    pub packets: u64,
    /// Bytes.
    pub bytes: u64,
}

/// Loads a word of a packet: at once, though it is not aligned, which the kernel allows for packets
/// where the CPU does (`read_unaligned` would be a load a byte).
#[inline(always)]
fn get<T: Copy>(at: usize) -> T {
    // SAFETY: callers stay inside what they compared with the packet's end.
    unsafe { (at as *const T).read() }
}

/// Stores a word of a packet, as [`get`] loads one.
#[inline(always)]
fn put<T>(at: usize, value: T) {
    // SAFETY: as in `get`.
    unsafe { (at as *mut T).write(value) };
}

/// Jenkins' hash of two words and a key, as `jhash_2words` in the kernel.
#[inline(always)]
fn jhash(a: u32, b: u32, key: u32) -> u32 {
    let start = 0xdead_beef_u32.wrapping_add(8).wrapping_add(key);
    let (mut a, mut b, mut c) = (a.wrapping_add(start), b.wrapping_add(start), start);
    c = (c ^ b).wrapping_sub(b.rotate_left(14));
    a = (a ^ c).wrapping_sub(c.rotate_left(11));
    b = (b ^ a).wrapping_sub(a.rotate_left(25));
    c = (c ^ b).wrapping_sub(b.rotate_left(16));
    a = (a ^ c).wrapping_sub(c.rotate_left(4));
    b = (b ^ a).wrapping_sub(a.rotate_left(14));
    (c ^ b).wrapping_sub(b.rotate_left(24))
}

/// Entry without flow state.
#[inline(always)]
pub fn stateless(ctx: &XdpContext) -> u32 {
    entry::<false>(ctx).unwrap_or(XDP_PASS)
}

/// Entry with a flow table.
#[inline(always)]
pub fn lru(ctx: &XdpContext) -> u32 {
    entry::<true>(ctx).unwrap_or(XDP_PASS)
}

#[inline(always)]
fn entry<const LRU: bool>(ctx: &XdpContext) -> Option<u32> {
    let start = ctx.data();
    if start + HEADERS > ctx.data_end() || get::<u16>(start + ETHER_TYPE) != 0x0800_u16.to_be() {
        return None;
    }
    let (src, dst) = (get::<u32>(start + SRC_ADDR), get::<u32>(start + DST_ADDR));
    let (ports, proto) = (get::<u32>(start + SRC_PORT), get::<u8>(start + PROTO));
    let key = VipKey { addr: [dst, 0, 0, 0], port: get(start + DST_PORT), proto: proto.into() };
    // SAFETY: written once, before any run.
    let vip = *unsafe { VIPS.get(key) }?;
    let hash = jhash(src, ports, vip.number);
    let number = if LRU {
        let key = FlowKey { src, dst, ports, proto: proto.into() };
        remembered(&key, hash)?
    } else {
        slot(hash)?
    };
    send(ctx, number, (hash, get(start + TOTAL_LEN)))
}

#[inline(always)]
fn slot(hash: u32) -> Option<u32> {
    RING.get(((u64::from(hash) * u64::from(RING_LEN)) >> 32) as u32).copied()
}

#[inline(always)]
fn remembered(key: &FlowKey, hash: u32) -> Option<u32> {
    // SAFETY: one word, read at once.
    if let Some(number) = unsafe { FLOOR_LRU.get(key) } {
        return Some(*number);
    }
    let number = slot(hash)?;
    // A flow that is not remembered is looked up again.
    let _: Result<(), i32> = FLOOR_LRU.insert(key, number, 0);
    Some(number)
}

#[inline(always)]
fn send(ctx: &XdpContext, number: u32, (hash, total_len): (u32, u16)) -> Option<u32> {
    let real = REALS.get(number)?;
    let stats = REAL_STATS.get_ptr_mut(number)?;
    // SAFETY: this CPU's element.
    let stats = unsafe { &mut *stats };
    stats.packets += 1;
    stats.bytes += u64::from(u16::from_be(total_len));
    // SAFETY: the running program's context; packet pointers are derived anew.
    if unsafe { bpf_xdp_adjust_head(ctx.ctx, -(OUTER_LEN as i32)) } != 0 {
        return None;
    }
    let start = ctx.data();
    if start + OUTER_LEN + 14 > ctx.data_end() {
        return None;
    }
    outer(start, real, u16::from_be(total_len), (0xc000 | hash as u16 & 0x3fff).to_be());
    Some(XDP_TX)
}

/// Outer Ethernet, IPv4, UDP, VXLAN.
#[inline(always)]
pub(crate) fn outer(start: usize, real: &Real, inner_len: u16, src_port: u16) {
    let total = inner_len.wrapping_add(50).to_be();
    let sum = real.ip_sum + u32::from(total);
    let sum = (sum & 0xffff) + (sum >> 16);
    let sum = (sum & 0xffff) + (sum >> 16);
    let [a, b, c] = real.macs;
    put(start, a);
    put(start + 4, b);
    put(start + 8, c);
    put(start + 12, u32::from_ne_bytes([0x08, 0x00, 0x45, 0x00]));
    put(start + 16, total);
    put(start + 18, u32::from_ne_bytes([0, 0, 0x40, 0]));
    put(start + 22, u16::from_ne_bytes([64, 17]));
    put(start + 24, !(sum as u16));
    put(start + 26, u32::from_ne_bytes([198, 18, 0, 1]));
    put(start + 30, real.addr);
    put(start + 34, src_port);
    put(start + 36, 4789_u16.to_be());
    put(start + 38, inner_len.wrapping_add(30).to_be());
    put(start + 40, 0_u16);
    put(start + 42, u32::from_ne_bytes([0x08, 0, 0, 0]));
    put(start + 46, u32::from_ne_bytes([0, 0x10, 0, 0]));
}
