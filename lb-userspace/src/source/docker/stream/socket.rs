//! TCP sockets of the stream: dead peers are noticed within seconds.
use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};

use socket2::{Domain, Protocol, SockRef, Socket, TcpKeepalive, Type};
use tokio::{
    net::{TcpListener, TcpStream},
    time::timeout,
};

use super::{
    StreamError,
    frame::{KEEPALIVE, SILENCE},
};

/// How long a manager's agent may take to accept.
const CONNECT: Duration = Duration::from_secs(3);
/// Connections that may wait to be accepted.
const BACKLOG: i32 = 256;

/// Listens on one of this node's addresses. `SO_REUSEADDR`: connections of a former agent do not
/// stand in the way.
pub(super) fn listen(address: Ipv4Addr, port: u16) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&SocketAddr::from((address, port)).into())?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}

/// Connects to a manager's agent.
///
/// # Errors
/// Nobody answers, in time or at all.
pub(super) async fn connect(at: SocketAddr) -> Result<TcpStream, StreamError> {
    let connected = timeout(CONNECT, TcpStream::connect(at)).await;
    let connected = connected.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
    let stream = connected.map_err(StreamError::Unreachable)?;
    watch_over(&stream).map_err(StreamError::network("set up the connection"))?;
    Ok(stream)
}

/// Lets the kernel end the connection when the other side no longer acknowledges anything.
pub(super) fn watch_over(stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let socket = SockRef::from(stream);
    socket.set_tcp_user_timeout(Some(SILENCE))?;
    let keepalive = TcpKeepalive::new().with_time(KEEPALIVE).with_interval(KEEPALIVE);
    socket.set_tcp_keepalive(&keepalive)
}
