//! A name server in a namespace, for resolvers that ask one: it knows a few names under `example`,
//! each of which stands for one way in which name servers behave, and tells what it was asked.
//!
//! | Name | Reply |
//! |---|---|
//! | `big.example` | 200 addresses, cut short over UDP |
//! | `no.example` | NXDOMAIN |
//! | `fail.example`, `refused.example` | SERVFAIL, REFUSED |
//! | `silent.example` | none |
//! | any other | the server's own [`NameServer::marker`], whatever the type |

use std::{
    io::{self, Read as _, Write as _},
    net::{Ipv4Addr, SocketAddrV4, TcpListener, TcpStream, UdpSocket},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use anyhow::Result;
use hickory_proto::{
    op::{Message, MessageType, ResponseCode},
    rr::{RData, Record, rdata::A},
    serialize::binary::{BinEncodable as _, BinEncoder},
};

use crate::netns::{Ns, in_ns};

/// Addresses of `big.example`.
pub const BIG: u8 = 200;
/// How long a silent peer keeps the server from noticing its end.
const PAUSE: Duration = Duration::from_millis(50);
/// Time to live of all its records, seconds; none of a resolver's own.
const TTL_SECS: u32 = 321;

/// A running name server; ends when dropped.
#[derive(Debug)]
pub struct NameServer {
    /// Where it answers, UDP and TCP.
    pub at: SocketAddrV4,
    /// What it tells of names that it has nothing special for.
    pub marker: Ipv4Addr,
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Shared {
    ended: AtomicBool,
    asked: Mutex<Vec<String>>,
}

/// How a question came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Transport {
    Udp,
    Tcp,
}

impl NameServer {
    /// Starts one inside `ns`.
    ///
    /// # Errors
    /// The namespace does not exist, or the address cannot be had there.
    pub fn start(ns: &Ns, at: SocketAddrV4, marker: Ipv4Addr) -> Result<Self> {
        let (udp, tcp) = in_ns(ns, || -> io::Result<_> {
            let (udp, tcp) = (UdpSocket::bind(at)?, TcpListener::bind(at)?);
            udp.set_read_timeout(Some(PAUSE))?;
            tcp.set_nonblocking(true)?;
            Ok((udp, tcp))
        })??;
        let shared = Arc::new(Shared::default());
        let (datagrams, streams) = (shared.clone(), shared.clone());
        let threads = vec![
            thread::spawn(move || datagrams.serve_udp(&udp, marker)),
            thread::spawn(move || streams.serve_tcp(&tcp, marker)),
        ];
        Ok(Self { at, marker, shared, threads })
    }

    /// What it was asked so far: transport, type and name, such as `udp A www.example.`.
    #[must_use]
    pub fn asked(&self) -> Vec<String> {
        self.shared.asked.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for NameServer {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            // It has panicked otherwise, which the thread has told.
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn goes_on(&self) -> bool {
        !self.ended.load(Ordering::Relaxed)
    }

    fn serve_udp(&self, socket: &UdpSocket, marker: Ipv4Addr) {
        let mut buffer = [0; 4096];
        while self.goes_on() {
            let Ok((len, client)) = socket.recv_from(&mut buffer) else { continue };
            if let Some(reply) = self.reply(&buffer[..len], Transport::Udp, marker) {
                // A client that is gone needs no reply.
                let _ = socket.send_to(&reply, client);
            }
        }
    }

    fn serve_tcp(&self, listener: &TcpListener, marker: Ipv4Addr) {
        while self.goes_on() {
            match listener.accept() {
                // A client that breaks off needs no reply.
                Ok((stream, _)) => drop(self.conversation(stream, marker)),
                Err(_) => pause(),
            }
        }
    }

    fn conversation(&self, mut stream: TcpStream, marker: Ipv4Addr) -> io::Result<()> {
        stream.set_nonblocking(false)?;
        stream.set_read_timeout(Some(Duration::from_secs(5)))?;
        loop {
            let mut len = [0; 2];
            stream.read_exact(&mut len)?;
            let mut query = vec![0; usize::from(u16::from_be_bytes(len))];
            stream.read_exact(&mut query)?;
            let Some(reply) = self.reply(&query, Transport::Tcp, marker) else { return Ok(()) };
            let len = u16::try_from(reply.len()).map_err(|_| io::ErrorKind::InvalidData)?;
            stream.write_all(&[&len.to_be_bytes()[..], &reply].concat())?;
        }
    }

    fn reply(&self, query: &[u8], transport: Transport, marker: Ipv4Addr) -> Option<Vec<u8>> {
        let query = Message::from_vec(query).ok()?;
        let question = query.queries.first()?.clone();
        let way = if transport == Transport::Udp { "udp" } else { "tcp" };
        let line = format!("{way} {} {}", question.query_type(), question.name());
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).push(line);
        let room = query.max_payload();
        let mut reply = query;
        reply.metadata.message_type = MessageType::Response;
        reply.metadata.recursion_available = true;
        let name = question.name().clone();
        let record = |address| Record::from_rdata(name.clone(), TTL_SECS, RData::A(A(address)));
        match name.to_ascii().to_ascii_lowercase().as_str() {
            "silent.example." => return None,
            "no.example." => reply.metadata.response_code = ResponseCode::NXDomain,
            "fail.example." => reply.metadata.response_code = ResponseCode::ServFail,
            "refused.example." => reply.metadata.response_code = ResponseCode::Refused,
            "big.example." => {
                reply.answers = (0..BIG).map(|last| record([203, 0, 113, last].into())).collect();
            }
            _ => reply.answers = vec![record(marker)],
        }
        encode(&reply, if transport == Transport::Udp { room } else { u16::MAX })
    }
}

/// The message as far as it fits, and a word that it does not.
fn encode(message: &Message, room: u16) -> Option<Vec<u8>> {
    let mut buffer = Vec::new();
    let mut encoder = BinEncoder::new(&mut buffer);
    encoder.set_max_size(room);
    message.emit(&mut encoder).ok().map(|()| buffer)
}

#[expect(clippy::disallowed_methods, reason = "between two looks at the listener and at the end")]
fn pause() {
    thread::sleep(PAUSE);
}
