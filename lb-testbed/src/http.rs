//! The client's side of HTTP/1.1 over a blocking stream: as much as the test-bed needs.

use std::{
    io::{self, Read as _, Write as _},
    net::TcpStream,
};

use anyhow::{Result, ensure};

/// Bytes read at once.
const PIECE_BYTES: usize = 64 << 10;

/// What of a response's head matters here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    /// Status code.
    pub(crate) status: u16,
    /// What the server says to it.
    pub(crate) reason: String,
    /// Length of the body, bytes.
    pub(crate) body_bytes: u64,
    /// Length of the head itself, bytes.
    pub(crate) head_bytes: usize,
}

impl Head {
    /// Status and reason, for messages.
    pub(crate) fn told(&self) -> String {
        format!("status {} {}", self.status, self.reason)
    }
}

/// A connection with what was read ahead.
#[derive(Debug)]
pub(crate) struct Http {
    stream: TcpStream,
    ahead: Vec<u8>,
}

impl Http {
    pub(crate) const fn new(stream: TcpStream) -> Self {
        Self { stream, ahead: Vec::new() }
    }

    /// Asks for `path` and returns the whole body as text.
    pub(crate) fn get(&mut self, path: &str) -> Result<String> {
        self.send(request("GET", path, 0).as_bytes())?;
        let mut body = Vec::new();
        self.receive(|piece| body.extend_from_slice(piece))?;
        Ok(String::from_utf8_lossy(&body).into_owned())
    }

    pub(crate) fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)
    }

    /// Reads one response and hands its body on piece by piece; returns its length, bytes.
    pub(crate) fn receive(&mut self, mut sink: impl FnMut(&[u8])) -> Result<u64> {
        let head = self.head()?;
        ensure!(head.status == 200, "{}", head.told());
        let ahead = self.ahead.len().min(clamp(head.body_bytes));
        sink(&self.ahead[..ahead]);
        self.ahead.drain(..ahead);
        let mut left = head.body_bytes - ahead as u64;
        let mut buffer = vec![0; PIECE_BYTES.min(clamp(left))];
        while left > 0 {
            let most = buffer.len().min(clamp(left));
            let read = self.stream.read(&mut buffer[..most])?;
            ensure!(read > 0, "closed {left} bytes before the end");
            sink(&buffer[..read]);
            left -= read as u64;
        }
        Ok(head.body_bytes)
    }

    fn head(&mut self) -> Result<Head> {
        let mut buffer = [0; 4096];
        loop {
            if let Some(head) = parse_head(&self.ahead)? {
                self.ahead.drain(..head.head_bytes);
                return Ok(head);
            }
            let read = self.stream.read(&mut buffer)?;
            ensure!(read > 0, "closed before the answer");
            self.ahead.extend_from_slice(&buffer[..read]);
        }
    }
}

/// A request's head.
pub(crate) fn request(method: &str, path: &str, body_bytes: u64) -> String {
    format!("{method} {path} HTTP/1.1\r\nHost: testbed\r\nContent-Length: {body_bytes}\r\n\r\n")
}

/// The head of a response, or none while it is not complete.
pub(crate) fn parse_head(bytes: &[u8]) -> io::Result<Option<Head>> {
    let mut headers = [httparse::EMPTY_HEADER; 32];
    let mut response = httparse::Response::new(&mut headers);
    let parsed = response.parse(bytes).map_err(io::Error::other)?;
    let httparse::Status::Complete(head_bytes) = parsed else { return Ok(None) };
    let length = response.headers.iter().find(|h| h.name.eq_ignore_ascii_case("content-length"));
    let length = length.and_then(|header| str::from_utf8(header.value).ok()?.trim().parse().ok());
    let body_bytes = length.ok_or_else(|| io::Error::other("an answer without a length"))?;
    let reason = response.reason.unwrap_or_default().to_owned();
    Ok(Some(Head { status: response.code.unwrap_or(0), reason, body_bytes, head_bytes }))
}

fn clamp(len_bytes: u64) -> usize {
    usize::try_from(len_bytes).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_needs_its_end_and_a_length() {
        let bytes = b"HTTP/1.1 200 OK\r\ncontent-length: 12\r\n\r\nbody";
        assert_eq!(parse_head(&bytes[..30]).unwrap(), None);
        let head = parse_head(bytes).unwrap().unwrap();
        assert_eq!(
            (head.status, head.body_bytes, &bytes[head.head_bytes..]),
            (200, 12, &b"body"[..])
        );
        assert!(parse_head(b"HTTP/1.1 200 OK\r\n\r\n").is_err());
    }
}
