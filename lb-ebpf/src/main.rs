//! Entry points of the BPF programs: one function a hook, nothing else.
#![cfg_attr(target_arch = "bpf", no_std, no_main)]

#[cfg(target_arch = "bpf")]
mod programs {
    use aya_ebpf::{
        macros::{cgroup_sock_addr, classifier, xdp},
        programs::{SockAddrContext, TcContext, XdpContext},
    };
    use lb_ebpf::kernel::{arrive, overlay, own, skb, sock, vip_leg, xdp as node};

    /// On the node's NICs: clients of published ports, tunnel frames.
    #[xdp]
    fn xdp_node(ctx: XdpContext) -> u32 {
        node::run(&ctx)
    }

    /// First on the host end of a task's gateway leg: replies.
    #[classifier]
    fn tc_leg(ctx: TcContext) -> i32 {
        skb::run_leg(&ctx)
    }

    /// Second there, and on bridges of containers: they as clients of their own node.
    #[classifier]
    fn tc_client(ctx: TcContext) -> i32 {
        skb::run_client(&ctx)
    }

    /// On the node end of a task's overlay leg: all that the task sends into the network.
    #[classifier]
    fn tc_overlay(ctx: TcContext) -> i32 {
        overlay::run(&ctx)
    }

    /// On the node's NICs, behind XDP: replies that have to wait for ARP, or go to a bridge.
    #[classifier]
    fn tc_node(ctx: TcContext) -> i32 {
        skb::run_node(&ctx)
    }

    /// Likewise: overlay frames of other nodes.
    #[classifier]
    fn tc_arrive(ctx: TcContext) -> i32 {
        arrive::run(&ctx)
    }

    /// Beside Docker, at egress of the node's NICs: its own processes' packets to tasks of nodes without
    /// agent.
    #[classifier]
    fn tc_own(ctx: TcContext) -> i32 {
        own::run(&ctx)
    }

    /// Beside Docker, on the node end of a task's overlay leg: what the task sends to virtual IPs.
    #[classifier]
    fn tc_vip_out(ctx: TcContext) -> i32 {
        vip_leg::run_out(&ctx)
    }

    /// There at egress: answers that the task gets.
    #[classifier]
    fn tc_vip_in(ctx: TcContext) -> i32 {
        vip_leg::run_in(&ctx)
    }

    /// The node's own processes dial a published port.
    #[cgroup_sock_addr(connect4)]
    fn connect4(ctx: SockAddrContext) -> i32 {
        sock::run_dial(&ctx)
    }

    /// The same for unconnected UDP sockets.
    #[cgroup_sock_addr(sendmsg4)]
    fn sendmsg4(ctx: SockAddrContext) -> i32 {
        sock::run_dial(&ctx)
    }

    /// A datagram's source as its receiver expects it.
    #[cgroup_sock_addr(recvmsg4)]
    fn recvmsg4(ctx: SockAddrContext) -> i32 {
        sock::run_report(&ctx)
    }

    /// A connection's peer as its owner expects it.
    #[cgroup_sock_addr(getpeername4)]
    fn getpeername4(ctx: SockAddrContext) -> i32 {
        sock::run_report(&ctx)
    }

    /// Helpers such as `bpf_fib_lookup` and `bpf_skc_lookup_tcp` are GPL-only.
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
