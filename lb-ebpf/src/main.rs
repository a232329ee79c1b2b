//! Entry points of the BPF programs.
#![cfg_attr(target_arch = "bpf", no_std, no_main)]

#[cfg(target_arch = "bpf")]
mod programs {
    use aya_ebpf::{macros::xdp, programs::XdpContext};
    use lb_ebpf::maps;

    #[xdp]
    pub fn xdp_node(_ctx: XdpContext) -> u32 {
        match maps::PORTS.get(1) {
            Some(p) if p.is_published() => 1,
            _ => 2,
        }
    }

    #[panic_handler]
    fn panic(_info: &core::panic::PanicInfo<'_>) -> ! {
        loop {}
    }
}

/// The BPF target takes its entry points from `programs`; on the host there is nothing to run.
#[cfg(not(target_arch = "bpf"))]
fn main() {}
