//! Tells every decision through aya-log, for a build with feature `trace`; the agent prints what it
//! hears. Without the feature these are empty functions: aya-log's map is a legacy one, and an object
//! that has it cannot be opened by libbpf (bpftool, veristat).

use aya_ebpf::EbpfContext;

use crate::{parse::Parsed, verdict::Verdict};

/// Tells what was decided about a packet.
#[cfg(feature = "trace")]
#[inline(never)]
pub(super) fn tell<C: EbpfContext>(ctx: &C, verdict: &Verdict, parsed: &Parsed) -> bool {
    aya_log_ebpf::info!(
        ctx,
        "{:i}:{} -> {:i}:{} proto {} flags {:x}: action {} index {}",
        u32::from_be_bytes(parsed.src),
        u16::from_be_bytes(parsed.src_port),
        u32::from_be_bytes(parsed.dst),
        u16::from_be_bytes(parsed.dst_port),
        parsed.proto,
        parsed.flags,
        verdict.action as u8,
        verdict.index
    );
    true
}

/// Tells nothing.
#[cfg(not(feature = "trace"))]
#[inline(always)]
pub(super) fn tell<C: EbpfContext>(_ctx: &C, _verdict: &Verdict, _parsed: &Parsed) -> bool {
    false
}
