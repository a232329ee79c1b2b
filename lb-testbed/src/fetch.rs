//! One HTTP/1.1 exchange over an asynchronous stream, for the clients of a load and for servers that
//! ask another one.

use std::io;

use tokio::{io::AsyncReadExt as _, net::TcpStream};

use crate::http;

/// The head of a `GET`.
pub(crate) fn request(path: &str, keep_alive: bool) -> String {
    let connection = if keep_alive { "keep-alive" } else { "close" };
    format!("GET {path} HTTP/1.1\r\nHost: testbed\r\nConnection: {connection}\r\n\r\n")
}

/// Reads one response; returns the start of its body, which is all that is kept of a long one.
pub(crate) async fn receive(stream: &mut TcpStream) -> io::Result<String> {
    let mut bytes = Vec::with_capacity(512);
    let head = loop {
        if let Some(head) = http::parse_head(&bytes)? {
            break head;
        }
        if stream.read_buf(&mut bytes).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    };
    if head.status != 200 {
        return Err(io::Error::other(head.told()));
    }
    bytes.drain(..head.head_bytes);
    let mut left = head.body_bytes.saturating_sub(bytes.len() as u64);
    let mut rest = Vec::new();
    while left > 0 {
        rest.clear();
        let read = stream.read_buf(&mut rest).await?;
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        left = left.saturating_sub(read as u64);
        if bytes.len() < 512 {
            bytes.extend_from_slice(&rest);
        }
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
