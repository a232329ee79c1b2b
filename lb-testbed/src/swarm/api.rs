//! Questions to an engine's API without the docker command, whose start costs more than the answer:
//! for what is asked again and again while something is awaited, and for what the command asks back.

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

    /// `DELETE path` by a node's engine.
    ///
    /// # Errors
    /// It does not answer, or refuses.
    pub fn api_delete(&self, node: &str, path: &str) -> Result<()> {
        request(&self.engine(node).socket_file(), "DELETE", path).map(drop)
    }
}

/// The body of the answer to `GET path`.
pub(super) fn get(socket: &Path, path: &str) -> Result<String> {
    request(socket, "GET", path)
}

/// One request and the body of its answer. HTTP/1.0: the answer ends with the connection.
fn request(socket: &Path, method: &str, path: &str) -> Result<String> {
    let mut stream = UnixStream::connect(socket)
        .with_context(|| format!("no engine at {}", socket.display()))?;
    stream.set_read_timeout(Some(DOCKER_LIMIT))?;
    write!(stream, "{method} {path} HTTP/1.0\r\nHost: docker\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (head, body) = answer.split_once("\r\n\r\n").context("no answer")?;
    let status = head.split(' ').nth(1).unwrap_or("");
    ensure!(status.starts_with('2'), "{method} {path}: {status} {body}");
    Ok(body.to_owned())
}
