//! One client of a load: takes the next request that is due, makes it, notes how it went.

use std::{
    io,
    net::{SocketAddr, SocketAddrV4},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::{
    io::AsyncWriteExt as _,
    net::TcpStream,
    sync::watch,
    time::{Instant, sleep_until, timeout},
};

use super::report::{Failure, Tally};
use crate::{answer::Answer, fetch};

/// What all clients of a load share.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) targets: Vec<SocketAddrV4>,
    pub(super) path: String,
    pub(super) keep_alive: bool,
    pub(super) interval: Option<Duration>,
    pub(super) total: u64,
    pub(super) limit: Duration,
    pub(super) start: Instant,
    /// Number of the next request.
    pub(super) next: AtomicU64,
    pub(super) tally: Arc<Tally>,
}

impl Job {
    /// When a request is due, counted from the start so that a late one delays no other.
    fn due(&self, number: u64) -> Instant {
        let after = self.interval.map(|interval| interval.mul_f64(number as f64));
        self.start + after.unwrap_or_default()
    }

    fn target(&self, number: u64) -> SocketAddrV4 {
        let index = number % self.targets.len() as u64;
        self.targets[usize::try_from(index).unwrap_or(0)]
    }
}

/// Works until the load's end or the stop. A request under way is finished.
pub(super) async fn work(job: Arc<Job>, index: usize, mut stop: watch::Receiver<bool>) {
    let mut kept = None;
    loop {
        let number = job.next.fetch_add(1, Ordering::Relaxed);
        if number >= job.total {
            return;
        }
        tokio::select! {
            biased;
            _ = stop.wait_for(|stop| *stop) => return,
            () = sleep_until(job.due(number)) => {}
        }
        // A kept connection stays with its address.
        let target = job.target(if job.keep_alive { index as u64 } else { number });
        let start = Instant::now();
        let failed = |failure| {
            job.tally.note_failure(target, &failure, start.elapsed(), job.start.elapsed());
        };
        match timeout(job.limit, exchange(&job, target, &mut kept)).await {
            Ok(Ok((answer, local))) => job.tally.note_ok(start.elapsed(), &answer, local),
            Ok(Err(failure)) => failed(failure),
            Err(_) => {
                // The connection is of no more use: its late answer would be taken for the next.
                kept = None;
                failed(Failure { step: "request", error: io::ErrorKind::TimedOut.into() });
            }
        }
    }
}

/// One request and its answer; leaves the connection in `kept` if it may be used again.
async fn exchange(
    job: &Job,
    target: SocketAddrV4,
    kept: &mut Option<TcpStream>,
) -> Result<(Answer, SocketAddr), Failure> {
    let at = |step| move |error| Failure { step, error };
    let mut stream = match kept.take() {
        Some(stream) => stream,
        None => TcpStream::connect(target).await.map_err(at("connect"))?,
    };
    let local = stream.local_addr().map_err(at("connect"))?;
    let request = fetch::request(&job.path, job.keep_alive);
    stream.write_all(request.as_bytes()).await.map_err(at("send"))?;
    let body = fetch::receive(&mut stream).await.map_err(at("receive"))?;
    if job.keep_alive {
        *kept = Some(stream);
    }
    Ok((Answer::parse(&body), local))
}
