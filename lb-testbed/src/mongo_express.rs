//! `mongo-express`: a small web server in front of a database that it knows by name alone, as in
//! every tutorial of service networking. For each `GET /` it looks the name up with the system's
//! resolver, connects to what it finds, and tells who answered:
//!
//! ```text
//! task=mongo-express.1 local=172.31.4.2:8081 peer=198.18.0.101:40312
//! mongo=10.20.0.5:27017 answered: task=mongo.2 local=10.20.0.12:27017 peer=10.20.0.9:51234
//! ```
//!
//! If the database cannot be asked, the answer is a status 502 with the reason. All else is as
//! [`whoami`](crate::whoami) has it.

use std::{
    io,
    net::SocketAddr,
    path::PathBuf,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use anyhow::Result;
use tokio::{io::AsyncWriteExt as _, net::TcpStream, sync::watch, time::timeout};

use crate::{
    answer::ANSWERED,
    fetch,
    whoami::{self, Whoami},
};

/// How long the system's resolver may take before the address of last time is used.
const LOOKUP_LIMIT: Duration = Duration::from_secs(5);
/// How long the database may take to answer.
const DATABASE_LIMIT: Duration = Duration::from_secs(10);

/// What the server is called, where it listens, and where its data are.
#[derive(Clone, Debug)]
pub struct MongoExpress {
    /// Task name in its answers.
    pub name: String,
    /// Port that it listens on, on all addresses.
    pub port: u16,
    /// Name of the database's service.
    pub database: String,
    /// Port of the database.
    pub database_port: u16,
    /// File for a line per TCP connection.
    pub log: Option<PathBuf>,
}

/// Serves until `stop` becomes true, then finishes what it accepted. `ready` is called once the port
/// is bound.
///
/// # Errors
/// The port cannot be bound or the log not written.
pub async fn serve(
    config: MongoExpress,
    stop: watch::Receiver<bool>,
    ready: impl FnOnce(),
) -> Result<()> {
    let MongoExpress { name, port, database, database_port, log } = config;
    let database = Database { name: database, port: database_port, last: Mutex::default() };
    let server = Whoami { name, ports: vec![port], log };
    whoami::serve_before(server, Some(database), stop, ready).await
}

/// The server behind: a name, a port, and where the name led to last time.
#[derive(Debug)]
pub(crate) struct Database {
    name: String,
    port: u16,
    last: Mutex<Option<SocketAddr>>,
}

impl Database {
    /// Asks it on a new connection; the answer is a line for our own.
    ///
    /// # Errors
    /// The name leads nowhere, or nobody answers there.
    pub(crate) async fn ask(&self) -> io::Result<String> {
        let at = |step: &str, error: io::Error| {
            io::Error::other(format!("{step} {}: {error}", self.name))
        };
        let to = self.find().await.map_err(|error| at("looking up", error))?;
        let answer = timeout(DATABASE_LIMIT, exchange(to)).await;
        let answer = answer.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
        let answer = answer.map_err(|error| at("asking", error))?;
        Ok(format!("{}={to}{ANSWERED}{}", self.name, answer.trim_end()))
    }

    /// Looks the name up. While no name server answers, the last address is as good: a service keeps
    /// its virtual IP.
    async fn find(&self) -> io::Result<SocketAddr> {
        let lookup = timeout(LOOKUP_LIMIT, tokio::net::lookup_host((&*self.name, self.port)));
        let found = match lookup.await {
            Ok(Ok(mut found)) => found.next().ok_or_else(|| io::ErrorKind::NotFound.into()),
            Ok(Err(error)) => Err(error),
            Err(_) => Err(io::ErrorKind::TimedOut.into()),
        };
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        match (found, *last) {
            (Ok(address), _) => Ok(*last.insert(address)),
            (Err(_), Some(address)) => Ok(address),
            (Err(error), None) => Err(error),
        }
    }
}

async fn exchange(to: SocketAddr) -> io::Result<String> {
    let mut stream = TcpStream::connect(to).await?;
    stream.write_all(fetch::request("/", false).as_bytes()).await?;
    fetch::receive(&mut stream).await
}
