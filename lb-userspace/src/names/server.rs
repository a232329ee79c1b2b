//! One task's resolver: its two sockets, served until they are dropped. Questions come in from the
//! task alone, since the sockets live in its namespace; the zone answers, or the node's name servers.
use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use tokio::{
    net::{TcpListener, TcpStream, UdpSocket},
    sync::{Semaphore, watch},
    task::JoinSet,
    time::timeout,
};
use tracing::debug;

use super::{
    counts::Counts,
    forward::{Forwarder, read_framed, write_framed},
    message::{self, Received, Request, Transport},
    zone::{Answer, Zone},
};

/// Questions of one task that may wait for name servers at a time (as Docker).
const MAX_WAITING: usize = 1024;
/// Connections of one task at a time; further ones wait to be accepted.
const MAX_CONNECTIONS: usize = 64;
/// How long a connection may be silent.
const IDLE: Duration = Duration::from_secs(10);
/// The longest datagram, bytes.
const MAX_DATAGRAM: usize = u16::MAX as usize;

/// What one task's resolver needs to know.
#[derive(Clone, Debug)]
pub(super) struct Desk {
    task: String,
    zone: watch::Receiver<Arc<Zone>>,
    forwarder: Arc<Forwarder>,
    counts: Arc<Counts>,
    waiting: Arc<Semaphore>,
    /// The same for all tasks of the node, whose file descriptors are one budget.
    node_waiting: Arc<Semaphore>,
}

/// What becomes of a message.
enum Fate {
    Reply(Vec<u8>),
    Silence,
    Forward(Box<Request>),
}

impl Desk {
    /// The resolver of `task`.
    pub(super) fn new(
        task: &str,
        zone: watch::Receiver<Arc<Zone>>,
        forwarder: Arc<Forwarder>,
        counts: Arc<Counts>,
        node_waiting: Arc<Semaphore>,
    ) -> Self {
        let waiting = Arc::new(Semaphore::new(MAX_WAITING));
        Self { task: task.to_owned(), zone, forwarder, counts, waiting, node_waiting }
    }

    /// Serves both sockets until one of them fails.
    pub(super) async fn serve(self, udp: UdpSocket, tcp: TcpListener) {
        let failed = tokio::select! {
            failed = self.serve_udp(udp) => failed,
            failed = self.serve_tcp(tcp) => failed,
        };
        debug!("the resolver of {} ends: {failed}", self.task);
    }

    async fn serve_udp(&self, socket: UdpSocket) -> io::Error {
        let socket = Arc::new(socket);
        // Dropped with this call, so that no question keeps a namespace alive that is gone.
        let mut waiting = JoinSet::new();
        let mut buffer = vec![0; MAX_DATAGRAM];
        loop {
            tokio::select! {
                received = socket.recv_from(&mut buffer) => match received {
                    Ok((len, client)) => {
                        self.datagram(&socket, client, &buffer[..len], &mut waiting).await;
                    }
                    Err(error) => return error,
                },
                Some(_) = waiting.join_next() => {}
            }
        }
    }

    async fn datagram(
        &self,
        socket: &Arc<UdpSocket>,
        client: SocketAddr,
        query: &[u8],
        waiting: &mut JoinSet<()>,
    ) {
        let request = match self.fate(query, Transport::Udp) {
            Fate::Reply(reply) => return send(socket, client, &reply).await,
            Fate::Silence => return,
            Fate::Forward(request) => request,
        };
        let (desk, socket, query) = (self.clone(), socket.clone(), query.to_vec());
        waiting.spawn(async move {
            let reply = desk.forward(&request, &query, Transport::Udp).await;
            send(&socket, client, &reply).await;
        });
    }

    async fn serve_tcp(&self, listener: TcpListener) -> io::Error {
        let mut connections = JoinSet::new();
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept(), if connections.len() < MAX_CONNECTIONS => accepted,
                Some(_) = connections.join_next() => continue,
            };
            match accepted {
                Ok((stream, _)) => drop(connections.spawn(self.clone().connection(stream))),
                Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
                Err(error) => return error,
            }
        }
    }

    /// One question after the other, until the client ends or is silent for too long.
    async fn connection(self, mut stream: TcpStream) {
        while let Ok(Ok(query)) = timeout(IDLE, read_framed(&mut stream)).await {
            let reply = match self.fate(&query, Transport::Tcp) {
                Fate::Reply(reply) => reply,
                Fate::Silence => return,
                Fate::Forward(request) => self.forward(&request, &query, Transport::Tcp).await,
            };
            let Ok(Ok(())) = timeout(IDLE, write_framed(&mut stream, &reply)).await else { return };
        }
    }

    fn fate(&self, query: &[u8], transport: Transport) -> Fate {
        let request = match message::read(query, transport) {
            Received::Request(request) => request,
            Received::Refused(reply) => return Fate::Reply(reply),
            Received::Noise => return Fate::Silence,
        };
        let Some(question) = request.question() else { return Fate::Reply(request.refusal()) };
        let answer = self.zone.borrow().answer(&self.task, question);
        match answer {
            Answer::Ask => Fate::Forward(request),
            answer => {
                self.counts.answered();
                Fate::Reply(request.reply(answer))
            }
        }
    }

    /// What the name servers say; a refusal at once where too many questions wait already.
    async fn forward(&self, request: &Request, query: &[u8], transport: Transport) -> Vec<u8> {
        let (Ok(_own), Ok(_node)) = (self.waiting.try_acquire(), self.node_waiting.try_acquire())
        else {
            self.counts.refused();
            return request.refusal();
        };
        let upstream = self.zone.borrow().upstream().to_vec();
        let reply = self.forwarder.ask(&upstream, query, transport).await;
        self.counts.forwarded(reply.is_some());
        reply.unwrap_or_else(|| request.reply(Answer::Ask))
    }
}

async fn send(socket: &UdpSocket, client: SocketAddr, reply: &[u8]) {
    if let Err(error) = socket.send_to(reply, client).await {
        debug!("no reply to {client}: {error}");
    }
}
