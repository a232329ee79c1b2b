//! One connection to a manager's agent: who it is, then signs of life out and facts in.
use std::net::SocketAddr;

use tokio::{
    io::{ReadHalf, WriteHalf, split},
    net::TcpStream,
    sync::watch,
    time::timeout,
};
use tokio_rustls::{TlsConnector, client::TlsStream};

use super::{
    Manager, Station, StreamError,
    admission::may_publish,
    caller::Caller,
    credentials::Credentials,
    frame::{
        AGENT_FRAME_MAX, AgentFrame, FrameReader, FrameWriter, Greet as _, KEEPALIVE,
        MANAGER_FRAME_MAX, ManagerFrame,
    },
    session::HANDSHAKE,
    socket,
    subject::Subject,
    tls,
};

/// A connection to a manager's agent that is the one it should be.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) peer: Subject,
    pub(super) reader: FrameReader<ReadHalf<TlsStream<TcpStream>>>,
    pub(super) writer: FrameWriter<WriteHalf<TlsStream<TcpStream>>>,
}

impl Connection {
    /// Connects, and finds out whether a manager answers.
    ///
    /// # Errors
    /// Nobody does, or somebody else.
    pub(super) async fn to(
        manager: &Manager,
        port: u16,
        credentials: &Credentials,
    ) -> Result<Self, StreamError> {
        let identity = credentials.current()?;
        let stream = socket::connect(SocketAddr::from((manager.address, port))).await?;
        let connector = TlsConnector::from(identity.client.clone());
        let shaken = timeout(HANDSHAKE, connector.connect(tls::manager_name()?, stream)).await;
        let silence = |_| StreamError::Silence { awaited: "TLS handshake", patience: HANDSHAKE };
        let stream = shaken.map_err(silence)?.map_err(StreamError::network("speak TLS with it"))?;
        let peer = tls::peer(stream.get_ref().1.peer_certificates())?;
        may_publish(&peer, &identity.subject, &manager.node).map_err(StreamError::Stranger)?;
        let (reader, writer) = split(stream);
        Ok(Self {
            peer,
            reader: FrameReader::new(reader, MANAGER_FRAME_MAX),
            writer: FrameWriter::new(writer, AGENT_FRAME_MAX),
        })
    }
}

impl Caller {
    /// Speaks with a manager's agent until one side ends that.
    ///
    /// # Errors
    /// Why it ended, or did not begin.
    pub(super) async fn call(
        &self,
        manager: &Manager,
        station: watch::Receiver<Station>,
    ) -> Result<(), StreamError> {
        let connection = Connection::to(manager, self.port, &self.credentials).await?;
        let Connection { peer, reader, writer } = connection;
        // What the other side said before it went counts.
        tokio::select! {
            biased;
            heard = self.hear(manager, &peer, reader) => heard,
            said = say(writer, station) => said,
        }
    }

    async fn hear(
        &self,
        manager: &Manager,
        peer: &Subject,
        mut reader: FrameReader<ReadHalf<TlsStream<TcpStream>>>,
    ) -> Result<(), StreamError> {
        reader.greeted::<ManagerFrame>().await?;
        loop {
            match reader.next::<ManagerFrame>().await? {
                ManagerFrame::Facts { facts, engine_answers } => {
                    if facts.cluster_id != peer.cluster {
                        return Err(StreamError::Stranger(format!(
                            "{peer} publishes facts of another Swarm, {}",
                            facts.cluster_id.escape_debug()
                        )));
                    }
                    self.complaints.settle(&self.about(manager));
                    self.change(|choice| choice.told(manager.address, *facts, engine_answers));
                }
                ManagerFrame::Refused { reason } => return Err(StreamError::Refused(reason)),
                ManagerFrame::Goodbye => {
                    self.change(|choice| choice.left(manager.address, &peer.node));
                    return Err(StreamError::Left);
                }
                ManagerFrame::Alive | ManagerFrame::Greeting { .. } | ManagerFrame::Unknown => {}
            }
        }
    }
}

async fn say(
    mut writer: FrameWriter<WriteHalf<TlsStream<TcpStream>>>,
    mut station: watch::Receiver<Station>,
) -> Result<(), StreamError> {
    writer.send(&AgentFrame::greeting()).await?;
    let mut said = None;
    station.mark_changed();
    loop {
        match timeout(KEEPALIVE, station.changed()).await {
            Err(_) => writer.send(&AgentFrame::Alive).await?,
            Ok(Err(_)) => return Ok(()),
            Ok(Ok(())) => {
                let hello = station.borrow_and_update().hello.clone();
                if let Some(hello) = hello.filter(|hello| said.as_ref() != Some(hello)) {
                    writer.send(&AgentFrame::Hello(hello.clone())).await?;
                    said = Some(hello);
                }
            }
        }
    }
}
