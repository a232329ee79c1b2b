//! TCP connections from a namespace, with a chosen client port and a deadline.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpStream},
    time::Duration,
};

use anyhow::Result;
use socket2::{Domain, Socket, Type};

use crate::netns::{Ns, in_ns};

/// How long connecting, and each read and write after it, may take unless told otherwise.
pub const DIAL_LIMIT: Duration = Duration::from_secs(5);

/// Connects from `ns`, from client port `from_port` or any (0). Reads and writes of the stream
/// have the same `limit` each.
///
/// # Errors
/// The outer one: no such namespace. The inner one: what the kernel said to the connection, for
/// tests of refusals.
pub fn dial(
    ns: &Ns,
    to: SocketAddrV4,
    from_port: u16,
    limit: Duration,
) -> Result<io::Result<TcpStream>> {
    in_ns(ns, || dial_here(to, from_port, limit))
}

/// Connects from the calling thread's namespace.
pub(crate) fn dial_here(
    to: SocketAddrV4,
    from_port: u16,
    limit: Duration,
) -> io::Result<TcpStream> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    if from_port != 0 {
        // One client port towards several addresses, and again soon after.
        socket.set_reuse_address(true)?;
        socket.bind(&SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, from_port).into())?;
    }
    socket.connect_timeout(&to.into(), limit)?;
    socket.set_tcp_nodelay(true)?;
    let stream = TcpStream::from(socket);
    stream.set_read_timeout(Some(limit))?;
    stream.set_write_timeout(Some(limit))?;
    Ok(stream)
}

/// An address of a socket that is IPv4, as all of a cluster are.
pub(crate) fn v4(address: SocketAddr) -> io::Result<SocketAddrV4> {
    match address {
        SocketAddr::V4(address) => Ok(address),
        SocketAddr::V6(_) => Err(io::ErrorKind::Unsupported.into()),
    }
}
