//! One HTTP/1.1 connection of the server: request after request until either side closes.

use std::{fmt::Write as _, io, net::SocketAddr, sync::Arc, time::Duration};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    sync::watch,
};

use super::Shared;
use crate::pattern::{Checksum, Pattern};

/// Longest request head.
const HEAD_LIMIT_BYTES: usize = 16 << 10;
/// Bytes moved at once in bulk answers and bodies.
const PIECE_BYTES: usize = 64 << 10;
/// How long a server that was asked to end waits for the first request of a connection that it has
/// accepted: the client has sent it, or is about to.
const FIRST_REQUEST: Duration = Duration::from_secs(5);

/// What of a request's head matters here.
#[derive(Debug, PartialEq, Eq)]
struct Request {
    method: String,
    target: String,
    body_bytes: u64,
    close: bool,
    wants_continue: bool,
}

/// A connection with what was read ahead of the parser.
struct Connection {
    stream: TcpStream,
    ahead: Vec<u8>,
    who: String,
    shared: Arc<Shared>,
}

/// Serves requests until the peer closes, asks to close, breaks the protocol, or the server stops.
pub(super) async fn serve(
    stream: TcpStream,
    peer: SocketAddr,
    shared: Arc<Shared>,
    mut stop: watch::Receiver<bool>,
) {
    let Ok(local) = stream.local_addr() else { return };
    shared.log.note("tcp", local, peer);
    let _ = stream.set_nodelay(true);
    let who = format!("task={} local={local} peer={peer}", shared.name);
    let mut connection = Connection { stream, ahead: Vec::new(), who, shared };
    let mut patience = FIRST_REQUEST;
    loop {
        let request = tokio::select! {
            biased;
            request = connection.read_head() => request,
            // Idle connections end with the server; a request that is being served goes on.
            () = patience_ends(&mut stop, patience) => return,
        };
        patience = Duration::ZERO;
        let Ok(Some(request)) = request else { return };
        let close = request.close;
        if connection.answer(request).await.is_err() || close {
            let _ = connection.stream.shutdown().await;
            return;
        }
    }
}

/// Waits for the server's stop, and then that long.
async fn patience_ends(stop: &mut watch::Receiver<bool>, patience: Duration) {
    // A server that is gone without a word has stopped as well.
    let _ = stop.wait_for(|stop| *stop).await;
    tokio::time::sleep(patience).await;
}

impl Connection {
    /// The next request's head, or none when the peer has closed.
    async fn read_head(&mut self) -> io::Result<Option<Request>> {
        loop {
            if let Some((request, len)) = parse(&self.ahead)? {
                self.ahead.drain(..len);
                return Ok(Some(request));
            }
            if self.ahead.len() > HEAD_LIMIT_BYTES {
                return Err(io::ErrorKind::InvalidData.into());
            }
            if self.stream.read_buf(&mut self.ahead).await? == 0 {
                return Ok(None);
            }
        }
    }

    async fn answer(&mut self, request: Request) -> io::Result<()> {
        if request.wants_continue {
            self.stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").await?;
        }
        let sum = self.read_body(request.body_bytes).await?;
        let (path, query) = request.target.split_once('?').unwrap_or((&request.target, ""));
        match (request.method.as_str(), path) {
            ("GET", "/") => self.say_front().await,
            ("GET", "/slow") => {
                tokio::time::sleep(Duration::from_millis(number(query, "ms").unwrap_or(0))).await;
                self.say("").await
            }
            ("POST", "/sink") => {
                let bytes = request.body_bytes;
                self.say(&format!(" bytes={bytes} checksum={sum:016x}")).await
            }
            ("GET", path) => match path.strip_prefix("/bytes/").and_then(|n| n.parse().ok()) {
                Some(len) => self.send_pattern(number(query, "seed").unwrap_or(1), len).await,
                None => self.head("404 Not Found", 0).await,
            },
            _ => self.head("405 Method Not Allowed", 0).await,
        }
    }

    /// Reads the body to its end and returns its checksum.
    async fn read_body(&mut self, len_bytes: u64) -> io::Result<u64> {
        let (mut sum, mut left) = (Checksum::default(), len_bytes);
        let ahead = usize::try_from(left).map_or(self.ahead.len(), |n| n.min(self.ahead.len()));
        sum.add(&self.ahead[..ahead]);
        self.ahead.drain(..ahead);
        left -= ahead as u64;
        let mut buffer = vec![0; if left > 0 { PIECE_BYTES } else { 0 }];
        while left > 0 {
            let most = usize::try_from(left).map_or(PIECE_BYTES, |left| left.min(PIECE_BYTES));
            let read = self.stream.read(&mut buffer[..most]).await?;
            if read == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            sum.add(&buffer[..read]);
            left -= read as u64;
        }
        Ok(sum.finish())
    }

    /// Answers with who we are and, if a server stands behind this one, what that says.
    async fn say_front(&mut self) -> io::Result<()> {
        let shared = Arc::clone(&self.shared);
        let Some(database) = &shared.database else { return self.say("").await };
        match database.ask().await {
            Ok(answer) => self.say(&format!("\n{answer}")).await,
            Err(error) => self.head(&format!("502 {}", one_line(&error)), 0).await,
        }
    }

    /// Answers with who we are and whom we see.
    async fn say(&mut self, more: &str) -> io::Result<()> {
        let body = format!("{}{more}\n", self.who);
        let mut answer = head("200 OK", body.len() as u64);
        answer.push_str(&body);
        self.stream.write_all(answer.as_bytes()).await
    }

    async fn head(&mut self, status: &str, len_bytes: u64) -> io::Result<()> {
        self.stream.write_all(head(status, len_bytes).as_bytes()).await
    }

    async fn send_pattern(&mut self, seed: u64, len_bytes: u64) -> io::Result<()> {
        self.head("200 OK", len_bytes).await?;
        let (mut pattern, mut left) = (Pattern::new(seed), len_bytes);
        let mut buffer = vec![0; PIECE_BYTES];
        while left > 0 {
            let piece = usize::try_from(left).map_or(PIECE_BYTES, |left| left.min(PIECE_BYTES));
            pattern.fill(&mut buffer[..piece]);
            self.stream.write_all(&buffer[..piece]).await?;
            left -= piece as u64;
        }
        Ok(())
    }
}

/// An error as it may stand in a status line.
fn one_line(error: &io::Error) -> String {
    error.to_string().replace(|letter: char| letter.is_control(), " ")
}

fn head(status: &str, len_bytes: u64) -> String {
    let mut head = format!("HTTP/1.1 {status}\r\nContent-Type: text/plain\r\n");
    let _ = write!(head, "Content-Length: {len_bytes}\r\n\r\n");
    head
}

/// A request head and its length, or none while it is not complete.
fn parse(bytes: &[u8]) -> io::Result<Option<(Request, usize)>> {
    let mut headers = [httparse::EMPTY_HEADER; 32];
    let mut head = httparse::Request::new(&mut headers);
    let parsed = head.parse(bytes).map_err(io::Error::other)?;
    let httparse::Status::Complete(len) = parsed else { return Ok(None) };
    let value = |name: &str| {
        let header = head.headers.iter().find(|header| header.name.eq_ignore_ascii_case(name));
        header.map(|header| String::from_utf8_lossy(header.value).trim().to_ascii_lowercase())
    };
    let body = value("content-length").map(|len| len.parse().map_err(io::Error::other));
    let request = Request {
        method: head.method.unwrap_or_default().to_owned(),
        target: head.path.unwrap_or_default().to_owned(),
        body_bytes: body.transpose()?.unwrap_or(0),
        close: value("connection").is_some_and(|value| value == "close") || head.version == Some(0),
        wants_continue: value("expect").is_some(),
    };
    Ok(Some((request, len)))
}

/// The number that `key` has in a query string.
fn number(query: &str, key: &str) -> Option<u64> {
    let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    pairs.find(|(name, _)| *name == key)?.1.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_parsed_once_it_is_whole() {
        let bytes = b"POST /sink HTTP/1.1\r\nContent-Length: 5\r\nConnection: Close\r\n\r\nhello";
        assert_eq!(parse(&bytes[..20]).unwrap(), None);
        let (request, len) = parse(bytes).unwrap().unwrap();
        assert_eq!(&bytes[len..], b"hello");
        assert_eq!((request.method.as_str(), request.body_bytes), ("POST", 5));
        assert!(request.close && !request.wants_continue);
    }

    #[test]
    fn nonsense_is_an_error() {
        assert!(parse(b"\x16\x03\x01 not http\r\n\r\n").is_err());
        assert!(parse(b"GET / HTTP/1.1\r\nContent-Length: x\r\n\r\n").is_err());
    }

    #[test]
    fn numbers_are_found_in_queries() {
        assert_eq!(number("a=1&ms=250", "ms"), Some(250));
        assert_eq!(number("a=1", "ms"), None);
    }
}
