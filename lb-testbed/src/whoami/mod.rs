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
    io,
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
    sync::Arc,
};

use anyhow::{Context as _, Result};
use tokio::{
    net::{TcpListener, TcpStream, UdpSocket},
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
    let serve =
        |(stream, peer)| connection::serve(stream, peer, Arc::clone(&shared), stopping.clone());
    loop {
        tokio::select! {
            biased;
            accepted = listener.accept() => if let Ok(accepted) = accepted {
                connections.spawn(serve(accepted));
            },
            Some(_) = connections.join_next() => {}
            _ = stop.wait_for(|stop| *stop) => break,
        }
    }
    for accepted in backlog(listener) {
        connections.spawn(serve(accepted));
    }
    while connections.join_next().await.is_some() {}
}

/// What the kernel has connected and nobody accepted, some of which tokio may not have heard of yet.
/// The kernel resets what comes after: the listener is closed.
fn backlog(listener: TcpListener) -> Vec<(TcpStream, SocketAddr)> {
    let Ok(listener) = listener.into_std() else { return Vec::new() };
    // Still non-blocking: the end is an error, as is a connection that its client has given up.
    let again = |error: &io::Error| {
        matches!(error.kind(), io::ErrorKind::ConnectionAborted | io::ErrorKind::Interrupted)
    };
    let accepted = std::iter::from_fn(|| match listener.accept() {
        Err(error) if !again(&error) => None,
        accepted => Some(accepted.ok()),
    });
    let asynchronous = |(stream, peer): (std::net::TcpStream, _)| {
        stream.set_nonblocking(true).ok()?;
        Some((TcpStream::from_std(stream).ok()?, peer))
    };
    accepted.flatten().filter_map(asynchronous).collect()
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};

    use super::*;

    /// On one thread, the runtime hears of no connection before its only task waits.
    #[tokio::test(flavor = "current_thread")]
    async fn what_connected_before_the_stop_is_served_though_the_runtime_has_not_heard_of_it() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let connect = || std::net::TcpStream::connect(address).unwrap();
        let clients = [connect(), connect(), connect()];
        let answers = clients.map(|mut client| {
            client.write_all(b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n").unwrap();
            tokio::task::spawn_blocking(move || {
                let mut answer = String::new();
                client.read_to_string(&mut answer).map(|_| answer)
            })
        });
        let log = PeerLog::open(None).unwrap();
        let shared = Arc::new(Shared { name: "t.1".into(), log, database: None });
        accept(listener, shared, watch::channel(true).1).await;
        for answer in answers {
            assert!(answer.await.unwrap().unwrap().contains("task=t.1"));
        }
    }
}
