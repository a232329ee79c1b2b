//! The file in which a server notes whom it saw, a line each, written at once so that a reader
//! need not wait for the server's end.

use std::{
    fs::File,
    io::Write as _,
    net::SocketAddr,
    path::PathBuf,
    sync::{Mutex, PoisonError},
};

use anyhow::{Context as _, Result};

#[derive(Debug)]
pub(super) struct PeerLog(Option<Mutex<File>>);

impl PeerLog {
    pub(super) fn open(path: Option<PathBuf>) -> Result<Self> {
        let create = |path: PathBuf| {
            let file = File::options().create(true).append(true).open(&path);
            file.with_context(|| format!("cannot write {}", path.display())).map(Mutex::new)
        };
        Ok(Self(path.map(create).transpose()?))
    }

    /// Notes a connection or a datagram. A full disk must not stop the server.
    pub(super) fn note(&self, protocol: &str, local: SocketAddr, peer: SocketAddr) {
        if let Some(file) = &self.0 {
            let line = format!("{protocol} local={local} peer={peer}\n");
            let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
            let _ = file.write_all(line.as_bytes());
        }
    }
}
