//! Tells every decision through aya-log, for a build with feature `trace`; the agent prints what it
//! hears. Without the feature these are empty functions: aya-log's map is a legacy one, and an object
//! that has it cannot be opened by libbpf (bpftool, veristat).

use aya_ebpf::EbpfContext;

use crate::parse::Parsed;

/// Tells what was decided about a packet: the number of the action, and the peer or leg.
#[cfg(feature = "trace")]
#[inline(never)]
pub(super) fn tell<C: EbpfContext>(ctx: &C, parsed: &Parsed, action: u8, index: u16) -> bool {
    aya_log_ebpf::info!(
        ctx,
        "{:i}:{} -> {:i}:{} proto {} flags {:x}: action {} index {}",
        u32::from_be_bytes(parsed.src),
        u16::from_be_bytes(parsed.src_port),
        u32::from_be_bytes(parsed.dst),
        u16::from_be_bytes(parsed.dst_port),
        parsed.proto,
        parsed.flags,
        action,
        index
    );
    true
}

/// Tells nothing.
#[cfg(not(feature = "trace"))]
#[inline(always)]
pub(super) fn tell<C: EbpfContext>(_ctx: &C, _parsed: &Parsed, _action: u8, _index: u16) -> bool {
    false
}
