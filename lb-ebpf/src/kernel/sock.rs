//! The node's own processes as clients of published ports: they never pass a NIC, so the address is
//! replaced at the socket. A local task is dialled at its leg, a remote one at its node's published
//! port, where it enters like any client and is balanced once more: a node's own tasks get more than
//! their share of its own connections. That of a node without agent, too, where nobody listens: the packet is
//! led to a task on its way out (`decide::own`). Where there is no task, the call itself is refused: a
//! datagram would else end in the socket that reserves the port.

use aya_ebpf::{
    bindings::bpf_sock_addr,
    helpers::generated::{bpf_get_netns_cookie, bpf_get_socket_cookie, bpf_set_retval},
    programs::SockAddrContext,
};
use lb_common::{
    addr::V4,
    backend::{Backend, NODE_SELF},
    drops::Reason,
    flow::{SocketKey, SocketValue},
    hash::{flow_hash, mix},
    port::{PublishedPort, TCP, UDP, port_index},
    service::{FLAG_CLIENT_IP, SCHEDULER_RR, Service},
};

use super::Kernel;
use crate::{decide::entry::backend, maps, tables::Tables};

/// Let the call go on.
const PROCEED: i32 = 1;
/// Let the call fail.
const FAIL: i32 = 0;
/// `ECONNREFUSED`, include/uapi/asm-generic/errno.h.
const CONNECTION_REFUSED: i32 = 111;
/// `SOCK_STREAM`, include/linux/net.h.
const SOCK_STREAM: u32 = 1;
/// `SOCK_DGRAM`.
const SOCK_DGRAM: u32 = 2;

/// An address and port, network order.
type Endpoint = (V4, [u8; 2]);

/// connect() and sendmsg(): the dialled address becomes a backend's.
#[inline(always)]
pub fn run_dial(ctx: &SockAddrContext) -> i32 {
    if is_node(ctx) { dial(ctx).unwrap_or(PROCEED) } else { PROCEED }
}

/// recvmsg() and getpeername(): the backend's address becomes the dialled one.
#[inline(always)]
pub fn run_report(ctx: &SockAddrContext) -> i32 {
    if is_node(ctx) {
        let (addr, port) = endpoint(ctx);
        // SAFETY: the value is copied; a reused element belongs to another cookie.
        if let Some(dialled) = unsafe { maps::SOCKETS.get(socket_key(ctx, addr, port)) } {
            set_endpoint(ctx, (dialled.addr, dialled.port));
        }
    }
    PROCEED
}

/// The root cgroup has the processes of every namespace; only the node's own are meant.
#[inline(always)]
fn is_node(ctx: &SockAddrContext) -> bool {
    // SAFETY: the running program's context.
    unsafe { bpf_get_netns_cookie(ctx.sock_addr.cast()) == maps::NETNS_COOKIE.load() }
}

/// `None`: not for a published port.
#[inline(always)]
fn dial(ctx: &SockAddrContext) -> Option<i32> {
    let kernel = Kernel::new(ctx.sock_addr.cast());
    let dialled = endpoint(ctx);
    let proto = proto(ctx)?;
    let port = kernel.port(port_index(proto, u16::from_be_bytes(dialled.1))?)?;
    if !port.is_open() || !(dialled.0[0] == 127 || kernel.is_own(dialled.0)) {
        return None;
    }
    let real = pick(&kernel, port, cookie(ctx), proto)
        .and_then(|backend| address(&kernel, &backend, port, dialled.1));
    Some(match real {
        Ok(real) => redirect(ctx, dialled, real),
        Err(reason) => refuse(&kernel, reason),
    })
}

#[inline(always)]
fn redirect(ctx: &SockAddrContext, dialled: Endpoint, real: Endpoint) -> i32 {
    let value = SocketValue { addr: dialled.0, port: dialled.1, reserved: [0; 2] };
    // A full map costs the caller the dialled address in getpeername(), nothing else.
    let _: Result<(), i32> = maps::SOCKETS.insert(socket_key(ctx, real.0, real.1), value, 0);
    set_endpoint(ctx, real);
    PROCEED
}

/// The caller's system call returns "connection refused".
#[inline(always)]
fn refuse(kernel: &Kernel, reason: Reason) -> i32 {
    kernel.count(reason);
    // SAFETY: no pointers; the helper sets what the system call returns.
    unsafe { bpf_set_retval(-CONNECTION_REFUSED) };
    FAIL
}

/// A backend for this socket; the same one for every datagram of an unconnected socket as long as
/// it owns the row.
#[inline(always)]
fn pick(kernel: &Kernel, port: PublishedPort, cookie: u64, proto: u8) -> Result<Backend, Reason> {
    let service = kernel.service(port.service).ok_or(Reason::Internal)?;
    let range = service.row_range().ok_or(Reason::NoBackend)?;
    let turn = turn(kernel, port.service, service, cookie, proto);
    let row = kernel.row(range.pick(turn)).ok_or(Reason::Internal)?;
    backend(kernel, service, row.owner()).ok_or(Reason::NoBackend)
}

/// Where a backend is dialled.
#[inline(always)]
fn address(
    kernel: &Kernel,
    owner: &Backend,
    port: PublishedPort,
    dialled_port: [u8; 2],
) -> Result<Endpoint, Reason> {
    if owner.node == NODE_SELF {
        let leg = kernel.leg(owner.leg).ok_or(Reason::TaskGone)?;
        return Ok((leg.addr, port.target.to_be_bytes()));
    }
    let peer = kernel.peer(owner.node).ok_or(Reason::NoNextHop)?;
    Ok((peer.addr, dialled_port))
}

#[inline(always)]
fn turn(kernel: &Kernel, index: u16, service: &Service, cookie: u64, proto: u8) -> u32 {
    if service.flags & FLAG_CLIENT_IP != 0 {
        return flow_hash(kernel.hash_key(), service.seed, kernel.node_addr(), [0; 2], proto);
    }
    if service.scheduler == SCHEDULER_RR && proto == TCP {
        return kernel.rr_next(index) as u32;
    }
    mix(cookie ^ kernel.hash_key()) as u32
}

#[inline(always)]
fn proto(ctx: &SockAddrContext) -> Option<u8> {
    // SAFETY: a field of the running program's context.
    match unsafe { (*ctx.sock_addr).type_ } {
        SOCK_STREAM => Some(TCP),
        SOCK_DGRAM => Some(UDP),
        _ => None,
    }
}

#[inline(always)]
fn cookie(ctx: &SockAddrContext) -> u64 {
    // SAFETY: the running program's context.
    unsafe { bpf_get_socket_cookie(ctx.sock_addr.cast()) }
}

#[inline(always)]
fn socket_key(ctx: &SockAddrContext, addr: V4, port: [u8; 2]) -> SocketKey<V4> {
    SocketKey { cookie: cookie(ctx), addr, port, reserved: [0; 2] }
}

#[inline(always)]
fn endpoint(ctx: &SockAddrContext) -> Endpoint {
    let sock: *const bpf_sock_addr = ctx.sock_addr;
    // SAFETY: a field of the running program's context, read whole as the verifier demands.
    let addr = unsafe { (&raw const (*sock).user_ip4).read_volatile() };
    // SAFETY: as above.
    let port = unsafe { (&raw const (*sock).user_port).read_volatile() };
    (addr.to_ne_bytes(), (port as u16).to_ne_bytes())
}

#[inline(always)]
fn set_endpoint(ctx: &SockAddrContext, (addr, port): Endpoint) {
    let sock: *mut bpf_sock_addr = ctx.sock_addr;
    // SAFETY: a writable field of the running program's context, written whole.
    unsafe { (&raw mut (*sock).user_ip4).write_volatile(u32::from_ne_bytes(addr)) };
    // SAFETY: as above.
    unsafe { (&raw mut (*sock).user_port).write_volatile(u32::from(u16::from_ne_bytes(port))) };
}
