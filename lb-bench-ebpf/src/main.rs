//! Entry points of the measuring programs.
#![cfg_attr(target_arch = "bpf", no_std, no_main)]

#[cfg(target_arch = "bpf")]
mod programs {
    use aya_ebpf::{
        bindings::{tcx_action_base::TCX_NEXT, xdp_action::XDP_PASS},
        macros::{classifier, xdp},
        programs::{TcContext, XdpContext},
    };
    use lb_bench_ebpf::{
        drive::{self, PLAIN_WORDS, TUNNEL_WORDS},
        floor, floor_tc, generate,
    };

    /// Frames from clients.
    #[xdp]
    fn drive_plain(ctx: XdpContext) -> u32 {
        drive::xdp::<PLAIN_WORDS, 0, false>(&ctx)
    }

    /// Tunnel frames with clients' packets.
    #[xdp]
    fn drive_tunnel(ctx: XdpContext) -> u32 {
        drive::xdp::<TUNNEL_WORDS, 50, false>(&ctx)
    }

    /// Tunnel frames with replies.
    #[xdp]
    fn drive_reply(ctx: XdpContext) -> u32 {
        drive::xdp::<TUNNEL_WORDS, 50, true>(&ctx)
    }

    /// What a task sends as a client.
    #[classifier]
    fn drive_send(ctx: TcContext) -> i32 {
        drive::tc::<PLAIN_WORDS, 0, false>(&ctx)
    }

    /// What a task answers.
    #[classifier]
    fn drive_answer(ctx: TcContext) -> i32 {
        drive::tc::<PLAIN_WORDS, 0, true>(&ctx)
    }

    /// Tunnel frames with packets of clients, as tcx sees them.
    #[classifier]
    fn drive_arrive(ctx: TcContext) -> i32 {
        drive::tc::<TUNNEL_WORDS, 50, false>(&ctx)
    }

    /// Tunnel frames with answers, as tcx sees them.
    #[classifier]
    fn drive_arrive_back(ctx: TcContext) -> i32 {
        drive::tc::<TUNNEL_WORDS, 50, true>(&ctx)
    }

    /// The empty target.
    #[xdp]
    fn empty_xdp(_ctx: XdpContext) -> u32 {
        XDP_PASS
    }

    /// The empty target.
    #[classifier]
    fn empty_tc(_ctx: TcContext) -> i32 {
        TCX_NEXT
    }

    /// The floor of an entry without flow state.
    #[xdp]
    fn floor_stateless(ctx: XdpContext) -> u32 {
        floor::stateless(&ctx)
    }

    /// The floor of an entry with a flow table.
    #[xdp]
    fn floor_lru(ctx: XdpContext) -> u32 {
        floor::lru(&ctx)
    }

    /// The floor of a NAT in tcx.
    #[classifier]
    fn floor_tc_nat(ctx: TcContext) -> i32 {
        floor_tc::nat(&ctx)
    }

    /// The same into a tunnel.
    #[classifier]
    fn floor_tc_tunnel(ctx: TcContext) -> i32 {
        floor_tc::nat_into_tunnel(&ctx)
    }

    /// Generator of clients' frames.
    #[xdp]
    fn generate_plain(ctx: XdpContext) -> u32 {
        generate::plain(&ctx)
    }

    /// The generator alone.
    #[xdp]
    fn generate_alone(ctx: XdpContext) -> u32 {
        generate::alone(&ctx)
    }

    /// Generator of tunnel frames.
    #[xdp]
    fn generate_tunnel(ctx: XdpContext) -> u32 {
        generate::tunnel(&ctx)
    }

    /// Generator of answers.
    #[xdp]
    fn generate_back(ctx: XdpContext) -> u32 {
        generate::back(&ctx)
    }

    /// Counts and drops.
    #[xdp]
    fn sink(ctx: XdpContext) -> u32 {
        generate::sink(&ctx)
    }

    /// Swaps Ethernet addresses and sends.
    #[xdp]
    fn swap(ctx: XdpContext) -> u32 {
        generate::swap(&ctx)
    }

    /// Lets everything pass: a veth's far end takes redirected frames only with a program or GRO.
    #[xdp]
    fn pass(_ctx: XdpContext) -> u32 {
        XDP_PASS
    }

    /// Helpers such as `bpf_skb_adjust_room` are GPL-only.
    #[unsafe(link_section = "license")]
    #[unsafe(no_mangle)]
    static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";

    #[panic_handler]
    fn panic(_info: &core::panic::PanicInfo<'_>) -> ! {
        loop {}
    }
}

/// The BPF target takes its entry points from `programs`; on the host there is nothing to run.
#[cfg(not(target_arch = "bpf"))]
fn main() {}
