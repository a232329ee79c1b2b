//! Large transfers from and to a `whoami` server whose every byte is compared by checksum.

use std::{
    net::SocketAddrV4,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};

use crate::{
    answer::Answer,
    dial::{DIAL_LIMIT, dial_here},
    http::{Http, request},
    netns::{Ns, spawn_thread_in},
    pattern::{Checksum, Pattern, checksum_of},
};

/// Seed of the transfers' bytes.
const SEED: u64 = 1;
/// Bytes sent at once.
const PIECE_BYTES: usize = 64 << 10;

/// Which way the bytes go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From the task to the client.
    Download,
    /// From the client to the task.
    Upload,
}

/// A finished transfer.
#[derive(Clone, Copy, Debug)]
pub struct Transfer {
    /// Length, bytes.
    pub len_bytes: u64,
    /// From the connection's start to the last byte (or its acknowledgement by the task).
    pub took: Duration,
}

/// A transfer in progress. Each read and write may take [`DIAL_LIMIT`], so a stall is an error.
#[derive(Debug)]
pub struct Bulk {
    thread: JoinHandle<Result<Transfer>>,
    moved_bytes: Arc<AtomicU64>,
}

impl Bulk {
    /// Starts moving `len_bytes` between `ns` and a server.
    ///
    /// # Errors
    /// No such namespace; what happens on the wire is told by [`Bulk::finish`].
    pub fn start(ns: &Ns, to: SocketAddrV4, direction: Direction, len_bytes: u64) -> Result<Self> {
        let moved_bytes = Arc::new(AtomicU64::new(0));
        let moved = Arc::clone(&moved_bytes);
        let thread = spawn_thread_in(ns, move || {
            let start = Instant::now();
            match direction {
                Direction::Download => download(to, len_bytes, &moved),
                Direction::Upload => upload(to, len_bytes, &moved),
            }
            .with_context(|| progress(direction, to, len_bytes, &moved))?;
            Ok(Transfer { len_bytes, took: start.elapsed() })
        })?;
        Ok(Self { thread, moved_bytes })
    }

    /// Bytes the client has sent or received so far.
    #[must_use]
    pub fn moved_bytes(&self) -> u64 {
        self.moved_bytes.load(Ordering::Relaxed)
    }

    /// Whether it is still under way.
    #[must_use]
    pub fn is_running(&self) -> bool {
        !self.thread.is_finished()
    }

    /// Waits for the end.
    ///
    /// # Errors
    /// The connection broke or stalled, or a byte is wrong.
    pub fn finish(self) -> Result<Transfer> {
        self.thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }

    /// Moves `len_bytes` and waits for the end.
    ///
    /// # Errors
    /// As [`Bulk::start`] and [`Bulk::finish`].
    pub fn run(
        ns: &Ns,
        to: SocketAddrV4,
        direction: Direction,
        len_bytes: u64,
    ) -> Result<Transfer> {
        Self::start(ns, to, direction, len_bytes)?.finish()
    }
}

impl Transfer {
    /// Speed in Gbit/s.
    #[must_use]
    pub fn gbit_per_s(&self) -> f64 {
        self.len_bytes as f64 * 8e-9 / self.took.as_secs_f64()
    }
}

fn download(to: SocketAddrV4, len_bytes: u64, moved: &AtomicU64) -> Result<()> {
    let mut http = Http::new(dial_here(to, 0, DIAL_LIMIT)?);
    http.send(request("GET", &format!("/bytes/{len_bytes}?seed={SEED}"), 0).as_bytes())?;
    let mut sum = Checksum::default();
    let received = http.receive(|piece| {
        sum.add(piece);
        moved.fetch_add(piece.len() as u64, Ordering::Relaxed);
    })?;
    ensure!(received == len_bytes, "the answer has {received} bytes");
    ensure!(sum.finish() == checksum_of(SEED, len_bytes), "wrong bytes");
    Ok(())
}

fn upload(to: SocketAddrV4, len_bytes: u64, moved: &AtomicU64) -> Result<()> {
    let mut http = Http::new(dial_here(to, 0, DIAL_LIMIT)?);
    http.send(request("POST", "/sink", len_bytes).as_bytes())?;
    let (mut pattern, mut left) = (Pattern::new(SEED), len_bytes);
    let mut buffer = vec![0; PIECE_BYTES];
    while left > 0 {
        let piece = usize::try_from(left).map_or(PIECE_BYTES, |left| left.min(PIECE_BYTES));
        pattern.fill(&mut buffer[..piece]);
        http.send(&buffer[..piece])?;
        left -= piece as u64;
        moved.fetch_add(piece as u64, Ordering::Relaxed);
    }
    let mut text = Vec::new();
    http.receive(|piece| text.extend_from_slice(piece))?;
    let answer = Answer::parse(&String::from_utf8_lossy(&text));
    ensure!(answer.received_bytes == Some(len_bytes), "the task got {:?}", answer.received_bytes);
    ensure!(answer.checksum == Some(checksum_of(SEED, len_bytes)), "the task got wrong bytes");
    Ok(())
}

fn progress(direction: Direction, to: SocketAddrV4, len_bytes: u64, moved: &AtomicU64) -> String {
    let moved = moved.load(Ordering::Relaxed);
    format!("{direction:?} of {len_bytes} bytes, {to}, after {moved} bytes")
}
