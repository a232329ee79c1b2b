//! Load on a service: HTTP requests from one namespace to a list of addresses, each on a new
//! connection or on kept ones, at a steady rate or as fast as they come back.

mod report;
mod worker;

use std::{
    net::SocketAddrV4,
    sync::Arc,
    thread::JoinHandle,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use tokio::{sync::watch, task::JoinSet};

pub use report::LoadReport;

use crate::{
    netns::{Ns, spawn_thread_in},
    wait::eventually,
};
use report::Tally;
use worker::Job;

/// How long a load started by [`Load::run`] may take.
const RUN_LIMIT: Duration = Duration::from_secs(120);

/// What load to make.
#[derive(Clone, Debug)]
pub struct Load {
    ns: Ns,
    targets: Vec<SocketAddrV4>,
    path: String,
    keep_alive: bool,
    per_second: Option<f64>,
    concurrency: usize,
    total: Option<u64>,
    request_limit: Duration,
}

/// A load under way. Dropping it stops it.
#[derive(Debug)]
pub struct RunningLoad {
    tally: Arc<Tally>,
    stop: watch::Sender<bool>,
    thread: Option<JoinHandle<Result<()>>>,
    start: Instant,
}

impl Load {
    /// `GET /` on a new connection each, to the addresses in turn, from `ns`, as fast as 32
    /// clients can.
    #[must_use]
    pub fn new(ns: &Ns, targets: impl IntoIterator<Item = SocketAddrV4>) -> Self {
        Self {
            ns: ns.clone(),
            targets: targets.into_iter().collect(),
            path: "/".into(),
            keep_alive: false,
            per_second: None,
            concurrency: 32,
            total: None,
            request_limit: Duration::from_secs(10),
        }
    }

    /// Keeps connections: request after request on each, opened again only after a failure.
    #[must_use]
    pub const fn keep_alive(mut self) -> Self {
        self.keep_alive = true;
        self
    }

    /// Requests per second, spaced evenly, as long as the clients keep up.
    #[must_use]
    pub const fn per_second(mut self, rate: f64) -> Self {
        self.per_second = Some(rate);
        self
    }

    /// Clients that work at the same time, each with at most one open request.
    #[must_use]
    pub const fn concurrency(mut self, clients: usize) -> Self {
        self.concurrency = clients;
        self
    }

    /// Ends after that many requests.
    #[must_use]
    pub const fn total(mut self, requests: u64) -> Self {
        self.total = Some(requests);
        self
    }

    /// Path to ask for.
    #[must_use]
    pub fn path(mut self, path: &str) -> Self {
        self.path = path.into();
        self
    }

    /// How long a request may take, with its connection, before it counts as failed (10 s).
    #[must_use]
    pub const fn request_limit(mut self, limit: Duration) -> Self {
        self.request_limit = limit;
        self
    }

    /// Starts it.
    ///
    /// # Errors
    /// No such namespace, or no address.
    pub fn start(self) -> Result<RunningLoad> {
        anyhow::ensure!(!self.targets.is_empty(), "a load needs an address");
        let (stop, stopped) = watch::channel(false);
        let tally = Arc::new(Tally::default());
        let start = Instant::now();
        let job = Job {
            targets: self.targets,
            path: self.path,
            keep_alive: self.keep_alive,
            interval: self.per_second.map(|rate| Duration::from_secs_f64(1.0 / rate)),
            total: self.total.unwrap_or(u64::MAX),
            limit: self.request_limit,
            start: start.into(),
            next: 0.into(),
            tally: Arc::clone(&tally),
        };
        let clients = self.concurrency;
        let thread = spawn_thread_in(&self.ns, move || run(Arc::new(job), clients, stopped))?;
        Ok(RunningLoad { tally, stop, thread: Some(thread), start })
    }

    /// Runs it for that time.
    ///
    /// # Errors
    /// As [`Load::start`]. Failed requests are in the report.
    pub fn run_for(self, time: Duration) -> Result<LoadReport> {
        let running = self.start()?;
        let end = running.start + time;
        // The load's own end, or the time's: whichever comes first.
        let _ =
            eventually(time, "the load's time", || !running.is_running() || Instant::now() >= end);
        running.stop()
    }

    /// Runs it until [`Load::total`] requests are done.
    ///
    /// # Errors
    /// As [`Load::start`], or it takes longer than two minutes.
    pub fn run(self) -> Result<LoadReport> {
        let running = self.start()?;
        eventually(RUN_LIMIT, "end of the load", || !running.is_running())?;
        running.stop()
    }
}

impl RunningLoad {
    /// Requests answered so far.
    #[must_use]
    pub fn ok(&self) -> u64 {
        self.tally.ok()
    }

    /// Requests failed so far.
    #[must_use]
    pub fn failed(&self) -> u64 {
        self.tally.failed()
    }

    /// Time since its start, as [`LoadReport::last_failure`] has it.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.start.elapsed()
    }

    /// Whether it still makes requests.
    #[must_use]
    pub fn is_running(&self) -> bool {
        self.thread.as_ref().is_some_and(|thread| !thread.is_finished())
    }

    /// Waits until that many *more* requests have been answered.
    ///
    /// # Errors
    /// They are not within `limit`.
    pub fn wait_more_ok(&self, more: u64, limit: Duration) -> Result<()> {
        let wanted = self.ok() + more;
        eventually(limit, &format!("{more} more answers"), || self.ok() >= wanted)
            .with_context(|| format!("{} failed so far", self.failed()))
    }

    /// Starts no more requests, waits for those that are open, and tells how it went.
    ///
    /// # Errors
    /// The load could not run at all.
    pub fn stop(mut self) -> Result<LoadReport> {
        self.end()?;
        Ok(self.tally.report(self.start.elapsed()))
    }

    fn end(&mut self) -> Result<()> {
        self.stop.send_replace(true);
        match self.thread.take() {
            Some(thread) => thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)),
            None => Ok(()),
        }
    }
}

impl Drop for RunningLoad {
    fn drop(&mut self) {
        self.stop.send_replace(true);
        if let Some(thread) = self.thread.take() {
            // Its outcome no longer matters to anyone.
            let _ = thread.join();
        }
    }
}

/// Runs all clients on this thread, so that all sockets belong to its namespace.
fn run(job: Arc<Job>, clients: usize, stop: watch::Receiver<bool>) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut workers = JoinSet::new();
        for index in 0..clients {
            workers.spawn(worker::work(Arc::clone(&job), index, stop.clone()));
        }
        while let Some(ended) = workers.join_next().await {
            ended.context("a client of the load died")?;
        }
        Ok(())
    })
}
