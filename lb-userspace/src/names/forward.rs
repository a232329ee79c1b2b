//! Questions that are not ours: passed on to the node's name servers as they came, from the node's own
//! namespace, and the reply passed back as it came.
use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    time::Duration,
};

use hickory_proto::op::ResponseCode;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpStream, UdpSocket},
    time::timeout,
};

use super::{
    message::{Transport, answers, outcome},
    upstream::Upstreams,
};

/// How many name servers are asked for one question (as resolv.conf's MAXNS, and as Docker does).
pub(super) const MAX_SERVERS: usize = 3;
/// How long one of them may take.
const PATIENCE: Duration = Duration::from_secs(4);
/// The longest message over UDP or TCP, bytes.
const MAX_MESSAGE: usize = u16::MAX as usize;

/// Asks name servers on behalf of tasks.
#[derive(Debug)]
pub(super) struct Forwarder {
    upstreams: Upstreams,
}

impl Forwarder {
    /// Asks those servers that a question does not name itself.
    pub(super) const fn new(upstreams: Upstreams) -> Self {
        Self { upstreams }
    }

    /// The reply of the first server that has one; `None` if none does. A server that fails or
    /// refuses is passed over; that there is no such name is a reply.
    pub(super) async fn ask(
        &self,
        configured: &[SocketAddr],
        query: &[u8],
        transport: Transport,
    ) -> Option<Vec<u8>> {
        let (own_id, rest) = query.split_first_chunk::<2>()?;
        // An id of our own: the client's may be guessed by others.
        let ours = [&rand::random::<[u8; 2]>(), rest].concat();
        for server in self.upstreams.servers(configured).into_iter().take(MAX_SERVERS) {
            let asked = timeout(PATIENCE, exchange(server, &ours, transport)).await;
            if let Ok(Ok(mut reply)) = asked
                && !passed_over(&reply)
            {
                reply.get_mut(..2)?.copy_from_slice(own_id);
                return Some(reply);
            }
        }
        None
    }
}

fn passed_over(reply: &[u8]) -> bool {
    let code = outcome(reply).map(|(code, _)| code);
    matches!(code, None | Some(ResponseCode::ServFail | ResponseCode::Refused))
}

/// Over UDP; what was cut short for a client that takes more is asked again over TCP.
async fn exchange(server: SocketAddr, query: &[u8], transport: Transport) -> io::Result<Vec<u8>> {
    let reply = by_datagram(server, query).await?;
    let is_cut = outcome(&reply).is_some_and(|(_, cut)| cut);
    match transport {
        Transport::Tcp if is_cut => by_stream(server, query).await,
        // The client sees that it is cut and comes back over TCP.
        _ => Ok(reply),
    }
}

async fn by_datagram(server: SocketAddr, query: &[u8]) -> io::Result<Vec<u8>> {
    let any: IpAddr = match server {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    // A socket of its own for each question, so that its port is as hard to guess as the id.
    let socket = UdpSocket::bind((any, 0)).await?;
    socket.connect(server).await?;
    socket.send(query).await?;
    loop {
        // No memory before there is something to read: a thousand questions may wait.
        socket.readable().await?;
        let mut reply = Vec::with_capacity(MAX_MESSAGE);
        match socket.try_recv_buf(&mut reply) {
            Ok(_) if answers(query, &reply) => return Ok(reply),
            Err(error) if error.kind() != io::ErrorKind::WouldBlock => return Err(error),
            _ => {}
        }
    }
}

async fn by_stream(server: SocketAddr, query: &[u8]) -> io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(server).await?;
    write_framed(&mut stream, query).await?;
    let reply = read_framed(&mut stream).await?;
    match answers(query, &reply) {
        true => Ok(reply),
        false => Err(io::ErrorKind::InvalidData.into()),
    }
}

/// Reads a message with its length before it (RFC 1035, 4.2.2).
pub(super) async fn read_framed(stream: &mut TcpStream) -> io::Result<Vec<u8>> {
    let len = stream.read_u16().await?;
    let mut message = vec![0; usize::from(len)];
    stream.read_exact(&mut message).await?;
    Ok(message)
}

/// Writes a message with its length before it, in one segment where it fits.
pub(super) async fn write_framed(stream: &mut TcpStream, message: &[u8]) -> io::Result<()> {
    let len = u16::try_from(message.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
    stream.write_all(&[&len.to_be_bytes(), message].concat()).await
}
