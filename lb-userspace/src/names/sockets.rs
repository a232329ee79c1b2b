//! A resolver's sockets, made inside a task's namespace and served from the node's.
use std::{
    io,
    net::{self, SocketAddr, SocketAddrV4},
};

use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::{TcpListener, UdpSocket};

use super::NamesError;
use crate::{
    descriptors,
    host::{Netlink, netns::Namespace},
    model::RESOLVER,
};

/// Where tasks ask.
const AT: SocketAddr = SocketAddr::V4(SocketAddrV4::new(RESOLVER, 53));
/// Connections that may wait to be accepted.
const BACKLOG: i32 = 128;
/// Most questions that may wait, whatever the system grants.
const MOST: usize = 1 << 16;
/// Where the budget of file descriptors is unknown.
const FALLBACK_BUDGET: u64 = 1024;

/// Both sockets, not served yet.
#[derive(Debug)]
pub(super) struct Sockets {
    udp: net::UdpSocket,
    tcp: net::TcpListener,
}

impl Sockets {
    /// Hands them to the runtime that is entered.
    pub(super) fn register(self) -> io::Result<(UdpSocket, TcpListener)> {
        Ok((UdpSocket::from_std(self.udp)?, TcpListener::from_std(self.tcp)?))
    }
}

/// Makes the sockets of `task`. Its `lo` is brought up before: a namespace that never had an address
/// has no routing table, and the kernel then takes 127.0.0.11 for a broadcast address (`inet_bind`),
/// whose socket it lets answer from 127.0.0.1 for ever.
pub(super) async fn open(task: &str, namespace: &Namespace) -> Result<Sockets, NamesError> {
    let host = |error| NamesError::host(task, error);
    Netlink::inside(namespace).map_err(host)?.set_up("lo").await.map_err(host)?;
    namespace.run(bind).map_err(host)?.map_err(NamesError::socket(task))
}

fn bind() -> io::Result<Sockets> {
    let udp = socket(Type::DGRAM, Protocol::UDP)?;
    let tcp = socket(Type::STREAM, Protocol::TCP)?;
    tcp.listen(BACKLOG)?;
    Ok(Sockets { udp: udp.into(), tcp: tcp.into() })
}

/// `SO_REUSEADDR`: past connections of a former agent do not stand in the way, nor does a name server
/// of the task's own on 0.0.0.0 that sets it, too.
fn socket(kind: Type, protocol: Protocol) -> io::Result<Socket> {
    let socket = Socket::new(Domain::IPV4, kind, Some(protocol))?;
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&AT.into())?;
    Ok(socket)
}

/// How many questions of the whole node may wait for name servers: each has a socket, and half of the
/// process's file descriptors are left to all else. Takes as many descriptors as the system grants.
pub(super) fn node_budget() -> usize {
    let budget = descriptors::take_all().unwrap_or(FALLBACK_BUDGET) / 2;
    usize::try_from(budget).unwrap_or(MOST).min(MOST)
}
