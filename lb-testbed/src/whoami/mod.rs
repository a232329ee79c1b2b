//! The server of the tasks. It says who it is and whom it sees, over HTTP/1.1 and, on the same
//! port numbers, over UDP; it notes each peer in a file.
//!
//! | request | answer |
//! |---|---|
//! | `GET /` | `task=NAME local=IP:PORT peer=IP:PORT` |
//! | `GET /bytes/N?seed=S` | N bytes of the seed's pattern |
//! | `GET /slow?ms=N` | as `/`, after N ms |
//! | `POST /sink` | as `/`, with the body's length and checksum |
//! | a datagram | `task=NAME peer=IP:PORT len=N `, then the datagram itself |

mod connection;
mod log;
mod udp;

use std::{
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
    sync::Arc,
};

use anyhow::{Context as _, Result};
use tokio::{
    net::{TcpListener, UdpSocket},
    sync::watch,
    task::JoinSet,
};

use crate::mongo_express::Database;
use log::PeerLog;

/// What a server is called and where it listens.
#[derive(Clone, Debug)]
pub struct Whoami {
    /// Task name in its answers.
    pub name: String,
    /// TCP and UDP ports, on all addresses.
    pub ports: Vec<u16>,
    /// File for a line per TCP connection and datagram.
    pub log: Option<PathBuf>,
}

/// What a connection needs to know.
#[derive(Debug)]
struct Shared {
    name: String,
    log: PeerLog,
    database: Option<Database>,
}

/// Serves until `stop` becomes true, then closes its listeners and finishes what it accepted.
/// `ready` is called once all ports are bound.
///
/// # Errors
/// A port cannot be bound or the log not written.
pub async fn serve(
    config: Whoami,
    stop: watch::Receiver<bool>,
    ready: impl FnOnce(),
) -> Result<()> {
    serve_before(config, None, stop, ready).await
}

/// As [`serve`], asking the server behind it, if there is one, at each `GET /`.
pub(crate) async fn serve_before(
    config: Whoami,
    database: Option<Database>,
    stop: watch::Receiver<bool>,
    ready: impl FnOnce(),
) -> Result<()> {
    let log = PeerLog::open(config.log)?;
    let shared = Arc::new(Shared { name: config.name, log, database });
    let mut listeners = JoinSet::new();
    for port in config.ports {
        let address = SocketAddr::from((Ipv4Addr::UNSPECIFIED, port));
        let tcp = TcpListener::bind(address).await.with_context(|| format!("TCP {address}"))?;
        let udp = UdpSocket::bind(address).await.with_context(|| format!("UDP {address}"))?;
        listeners.spawn(accept(tcp, Arc::clone(&shared), stop.clone()));
        listeners.spawn(udp::echo(udp, Arc::clone(&shared), stop.clone()));
    }
    ready();
    while listeners.join_next().await.is_some() {}
    Ok(())
}

/// Accepts connections until the stop, then waits for those that it accepted. What waits in the
/// backlog at the stop is accepted too: its client believes that it is connected.
async fn accept(listener: TcpListener, shared: Arc<Shared>, mut stop: watch::Receiver<bool>) {
    let mut connections = JoinSet::new();
    let stopping = stop.clone();
    loop {
        tokio::select! {
            biased;
            accepted = listener.accept() => if let Ok((stream, peer)) = accepted {
                let work = connection::serve(stream, peer, Arc::clone(&shared), stopping.clone());
                connections.spawn(work);
            },
            Some(_) = connections.join_next() => {}
            _ = stop.wait_for(|stop| *stop) => break,
        }
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
}
