//! Questions to an engine's API without the docker command, whose start costs more than the answer:
//! for what is asked again and again while something is awaited.

use std::{
    io::{Read as _, Write as _},
    os::unix::net::UnixStream,
    path::Path,
};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use super::{DOCKER_LIMIT, Swarm};

impl Swarm {
    /// What a node's engine answers to `GET path`.
    ///
    /// # Errors
    /// It does not answer, or refuses.
    pub fn api(&self, node: &str, path: &str) -> Result<Value> {
        let body = get(&self.engine(node).socket_file(), path)?;
        serde_json::from_str(&body).with_context(|| format!("GET {path} on {node}: {body}"))
    }
}

/// One request and the body of its answer. HTTP/1.0: the answer ends with the connection.
pub(super) fn get(socket: &Path, path: &str) -> Result<String> {
    let mut stream = UnixStream::connect(socket)
        .with_context(|| format!("no engine at {}", socket.display()))?;
    stream.set_read_timeout(Some(DOCKER_LIMIT))?;
    write!(stream, "GET {path} HTTP/1.0\r\nHost: docker\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (head, body) = answer.split_once("\r\n\r\n").context("no answer")?;
    let status = head.split(' ').nth(1).unwrap_or("");
    ensure!(status == "200", "GET {path}: {status} {body}");
    Ok(body.to_owned())
}
