//! A manager's side: listens on the node's own Swarm address, and lets in the agents of the Swarm's
//! nodes, each with a session of its own, so that a slow one holds up nobody.
use std::{
    collections::BTreeSet,
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinSet,
    time::sleep,
};
use tracing::{debug, warn};

use super::{
    Station,
    admission::{Admission, Seat},
    complaints::Complaints,
    credentials::Credentials,
    register::Register,
    socket,
};

/// How long until listening is tried again: the address is not there yet, or still another agent's.
const RETRY: Duration = Duration::from_secs(1);

/// What sessions send, encoded once for all.
#[derive(Clone, Debug)]
pub(super) struct Edition {
    /// The nodes that may have it.
    pub(super) known: BTreeSet<String>,
    /// The frame.
    pub(super) frame: Bytes,
}

/// What all sessions share.
#[derive(Debug)]
pub(super) struct Desk {
    pub(super) credentials: Arc<Credentials>,
    pub(super) register: Arc<Register>,
    pub(super) edition: watch::Receiver<Option<Arc<Edition>>>,
    pub(super) admission: Admission,
    pub(super) complaints: Complaints,
    /// Nodes whose sessions have ended, where somebody waits for that.
    pub(super) ended: Option<watch::Sender<BTreeSet<String>>>,
}

/// Listens where the station says, while it says so.
pub(super) async fn serve(desk: Arc<Desk>, mut station: watch::Receiver<Station>, port: u16) {
    loop {
        let listen = station.borrow_and_update().listen;
        let moved = async { station.wait_for(|now| now.listen != listen).await.is_ok() };
        tokio::select! {
            () = serve_at(&desk, listen, port) => {}
            moved = moved => if !moved { return },
        }
    }
}

/// Does not end by itself.
pub(super) async fn serve_at(desk: &Arc<Desk>, listen: Option<Ipv4Addr>, port: u16) {
    let Some(address) = listen else { return std::future::pending().await };
    let concern = Concern { about: format!("agents of other nodes, at {address}:{port}"), desk };
    loop {
        let ended = match socket::listen(address, port) {
            Ok(listener) => {
                desk.complaints.settle(&concern.about);
                accept(desk, listener).await
            }
            Err(error) => error,
        };
        let problem = format!("cannot listen: {ended}; tried again each second");
        desk.complaints.raise(&concern.about, problem);
        sleep(RETRY).await;
    }
}

/// A problem with an address, which is none any more when the address is not ours to serve.
struct Concern<'a> {
    about: String,
    desk: &'a Desk,
}

impl Drop for Concern<'_> {
    fn drop(&mut self) {
        self.desk.complaints.forget(&self.about);
    }
}

/// Accepts until that fails; sessions end with it.
async fn accept(desk: &Arc<Desk>, listener: TcpListener) -> io::Error {
    let mut sessions = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            Some(_) = sessions.join_next() => continue,
        };
        match accepted {
            Ok((stream, SocketAddr::V4(peer))) => {
                if let Some(seat) = desk.admission.unknown(*peer.ip()) {
                    sessions.spawn(attend(desk.clone(), stream, *peer.ip(), seat));
                } else {
                    desk.refused(*peer.ip(), "it has too many connections");
                }
            }
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
            Err(error) => return error,
        }
    }
}

async fn attend(desk: Arc<Desk>, stream: TcpStream, peer: Ipv4Addr, seat: Seat<Ipv4Addr>) {
    match desk.let_in(stream, seat).await {
        Ok(session) => {
            let node = session.node().to_owned();
            let ended = session.run().await;
            debug!("the agent of node {node} at {peer} is not heard any more: {ended:?}");
            if let Some(all) = &desk.ended {
                all.send_if_modified(|all| all.insert(node));
            }
        }
        Err(error) => desk.refused(peer, &error.to_string()),
    }
}

impl Desk {
    /// Tells of a refusal, unless that peer's was told a moment ago.
    fn refused(&self, peer: Ipv4Addr, reason: &str) {
        if self.admission.is_news(peer, Instant::now()) {
            warn!("a connection of {peer} to the stream between agents is refused: {reason}");
        }
    }
}
