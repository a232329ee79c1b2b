//! One connection of an agent to a manager's: who it is, then facts out and signs of life in.
use std::{net::Ipv4Addr, sync::Arc, time::Duration};

use tokio::{
    io::{ReadHalf, WriteHalf, split},
    net::TcpStream,
    time::timeout,
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};

use super::{
    StreamError,
    admission::{Seat, may_listen},
    frame::{
        AGENT_FRAME_MAX, AgentFrame, FrameReader, FrameWriter, Greet as _, KEEPALIVE,
        MANAGER_FRAME_MAX, ManagerFrame,
    },
    server::{Desk, Edition},
    socket,
    subject::Subject,
    tls,
};

/// How long a peer may take to show who it is, and a refused one to go.
pub(super) const HANDSHAKE: Duration = Duration::from_secs(5);

/// A connection of a node of the Swarm.
#[derive(Debug)]
pub(super) struct Session {
    desk: Arc<Desk>,
    node: String,
    reader: FrameReader<ReadHalf<TlsStream<TcpStream>>>,
    writer: FrameWriter<WriteHalf<TlsStream<TcpStream>>>,
    _seat: Seat<String>,
}

impl Desk {
    /// Finds out who connects. `seat` is given back as soon as that is known.
    ///
    /// # Errors
    /// Why the peer is not let in.
    pub(super) async fn let_in(
        self: &Arc<Self>,
        stream: TcpStream,
        seat: Seat<Ipv4Addr>,
    ) -> Result<Session, StreamError> {
        socket::watch_over(&stream).map_err(StreamError::network("set up the connection"))?;
        let identity = self.credentials.current()?;
        let handshake = TlsAcceptor::from(identity.server.clone()).accept(stream);
        let shaken = timeout(HANDSHAKE, handshake).await.map_err(|_| too_slow())?;
        let stream = shaken.map_err(StreamError::network("speak TLS with it"))?;
        let peer = tls::peer(stream.get_ref().1.peer_certificates())?;
        let (reader, writer) = split(stream);
        let reader = FrameReader::new(reader, AGENT_FRAME_MAX);
        let mut writer = FrameWriter::new(writer, MANAGER_FRAME_MAX);
        writer.send(&ManagerFrame::greeting()).await?;
        match self.judge(&peer, &identity.subject) {
            Ok(place) => {
                drop(seat);
                Ok(Session { desk: self.clone(), node: peer.node, reader, writer, _seat: place })
            }
            Err(reason) => {
                writer.send(&ManagerFrame::Refused { reason: reason.clone() }).await?;
                linger(reader, writer).await;
                Err(StreamError::Stranger(reason))
            }
        }
    }

    fn judge(&self, peer: &Subject, own: &Subject) -> Result<Seat<String>, String> {
        let edition = self.edition.borrow().clone();
        let edition = edition.ok_or("this manager has not read its engine's facts yet")?;
        may_listen(peer, own, &edition.known)?;
        self.admission.node(&peer.node).ok_or_else(|| format!("{peer} has too many connections"))
    }
}

impl Session {
    /// The node that is connected.
    pub(super) fn node(&self) -> &str {
        &self.node
    }

    /// Speaks with the agent until one side ends that.
    ///
    /// # Errors
    /// Why it ended.
    pub(super) async fn run(self) -> Result<(), StreamError> {
        let Self { desk, node, reader, writer, _seat } = self;
        tokio::select! {
            heard = hear(&desk, &node, reader) => heard,
            told = tell(&desk, &node, writer) => told,
        }
    }
}

async fn hear(
    desk: &Desk,
    node: &str,
    mut reader: FrameReader<ReadHalf<TlsStream<TcpStream>>>,
) -> Result<(), StreamError> {
    reader.greeted::<AgentFrame>().await?;
    loop {
        match reader.next::<AgentFrame>().await? {
            AgentFrame::Hello(hello) => {
                desk.register.update(|presence, now| presence.said_hello(node, hello, now));
            }
            AgentFrame::Goodbye => {
                desk.register.update(|presence, _| presence.said_goodbye(node));
                return Ok(());
            }
            AgentFrame::Alive | AgentFrame::Greeting { .. } | AgentFrame::Unknown => {
                desk.register.update(|presence, now| presence.is_alive(node, now));
            }
        }
    }
}

async fn tell(
    desk: &Desk,
    node: &str,
    mut writer: FrameWriter<WriteHalf<TlsStream<TcpStream>>>,
) -> Result<(), StreamError> {
    let mut editions = desk.edition.clone();
    editions.mark_changed();
    loop {
        match timeout(KEEPALIVE, editions.changed()).await {
            Err(_) => writer.send(&ManagerFrame::Alive).await?,
            Ok(Err(_)) => return Ok(()),
            Ok(Ok(())) => {
                let edition = editions.borrow_and_update().clone();
                send(edition.as_deref(), node, &mut writer).await?;
            }
        }
    }
}

/// Sends what is published, unless the node is not of the Swarm any more.
async fn send(
    edition: Option<&Edition>,
    node: &str,
    writer: &mut FrameWriter<WriteHalf<TlsStream<TcpStream>>>,
) -> Result<(), StreamError> {
    let Some(edition) = edition else { return Ok(()) };
    if edition.known.contains(node) {
        return writer.send_encoded(edition.frame.clone()).await;
    }
    let reason = format!("node {node} was removed from the Swarm");
    writer.send(&ManagerFrame::Refused { reason: reason.clone() }).await?;
    Err(StreamError::Stranger(reason))
}

/// Lets the other side read why it is refused: closing at once could take it away.
async fn linger(
    mut reader: FrameReader<ReadHalf<TlsStream<TcpStream>>>,
    mut writer: FrameWriter<WriteHalf<TlsStream<TcpStream>>>,
) {
    let ended = async {
        writer.close().await?;
        while reader.next::<AgentFrame>().await.is_ok() {}
        Ok::<_, StreamError>(())
    };
    // How it goes does not matter: it is refused either way.
    drop(timeout(HANDSHAKE, ended).await);
}

fn too_slow() -> StreamError {
    StreamError::Silence { awaited: "TLS handshake", patience: HANDSHAKE }
}
