//! How a load went: counts, reasons, latencies, tasks.

use std::{
    collections::BTreeMap,
    fmt, io,
    net::{SocketAddr, SocketAddrV4},
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use anyhow::{Result, ensure};

use crate::answer::Answer;

/// Failures that are kept word by word.
const EXAMPLES: usize = 5;

/// Result of a load.
#[derive(Clone, Debug, Default)]
pub struct LoadReport {
    /// Requests that were answered with status 200.
    pub ok: u64,
    /// Requests that were not.
    pub failed: u64,
    /// How often each reason was given, such as `connect: connection refused`.
    pub reasons: BTreeMap<String, u64>,
    /// The first failures with address and time.
    pub examples: Vec<String>,
    /// When the last request failed, counted from the load's start.
    pub last_failure: Option<Duration>,
    /// Answers of each task; `?` for servers that do not say.
    pub by_task: BTreeMap<String, u64>,
    /// Answers of each task behind the one that was asked, if that asks another.
    pub by_behind: BTreeMap<String, u64>,
    /// Answers of tasks that saw another address than the client's own.
    pub wrong_peer: u64,
    /// Answers of tasks that saw the client's address with another port. It happens when the kernel
    /// lends one client port to connections with two nodes and both meet at one task.
    pub other_port: u64,
    /// Median time of a request, with its connection if it made one.
    pub latency_p50: Duration,
    /// 99th percentile.
    pub latency_p99: Duration,
    /// The slowest.
    pub latency_max: Duration,
    /// From start to end.
    pub took: Duration,
}

impl LoadReport {
    /// Insists on answers, all of them good, from tasks that saw the client's own address, and but
    /// for one in twenty its own port: clients dial several addresses from one port at once, the more
    /// so the longer answers take.
    ///
    /// # Errors
    /// Otherwise; the message is the whole report.
    pub fn expect_clean(&self) -> Result<()> {
        let ports_kept = self.other_port <= self.ok / 20;
        ensure!(self.ok > 0 && self.failed == 0 && self.wrong_peer == 0 && ports_kept, "{self}");
        Ok(())
    }

    /// Answers per second.
    #[must_use]
    pub fn ok_per_s(&self) -> f64 {
        self.ok as f64 / self.took.as_secs_f64()
    }
}

impl fmt::Display for LoadReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { ok, failed, latency_p50, latency_p99, latency_max, .. } = self;
        writeln!(f, "{ok} ok, {failed} failed in {:.1?}, {:.0}/s", self.took, self.ok_per_s())?;
        writeln!(f, "latency p50 {latency_p50:.1?}, p99 {latency_p99:.1?}, max {latency_max:.1?}")?;
        self.by_task.iter().try_for_each(|(task, count)| writeln!(f, "{count:>8}  {task}"))?;
        self.by_behind
            .iter()
            .try_for_each(|(task, count)| writeln!(f, "{count:>8}  behind it: {task}"))?;
        if self.wrong_peer > 0 {
            writeln!(f, "{:>8}  saw another address than the client's", self.wrong_peer)?;
        }
        if self.other_port > 0 {
            writeln!(f, "{:>8}  saw another port than the client's", self.other_port)?;
        }
        self.reasons.iter().try_for_each(|(reason, count)| writeln!(f, "{count:>8}  {reason}"))?;
        self.examples.iter().try_for_each(|example| writeln!(f, "          e.g. {example}"))
    }
}

/// A request that failed.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) step: &'static str,
    pub(super) error: io::Error,
}

/// The counts while the load runs.
#[derive(Debug, Default)]
pub(super) struct Tally {
    ok: AtomicU64,
    failed: AtomicU64,
    rest: Mutex<Rest>,
}

#[derive(Debug, Default)]
struct Rest {
    latencies: Vec<Duration>,
    report: LoadReport,
}

impl Tally {
    pub(super) fn ok(&self) -> u64 {
        self.ok.load(Ordering::Relaxed)
    }

    pub(super) fn failed(&self) -> u64 {
        self.failed.load(Ordering::Relaxed)
    }

    pub(super) fn note_ok(&self, latency: Duration, answer: &Answer, local: SocketAddr) {
        let mut rest = self.rest();
        rest.latencies.push(latency);
        *rest.report.by_task.entry(answer.task_name().to_owned()).or_default() += 1;
        if answer.behind.is_some() {
            *rest.report.by_behind.entry(answer.behind_name().to_owned()).or_default() += 1;
        }
        if let Some(peer) = answer.peer {
            rest.report.wrong_peer += u64::from(*peer.ip() != local.ip());
            rest.report.other_port += u64::from(peer.port() != local.port());
        }
        self.ok.fetch_add(1, Ordering::Relaxed);
    }

    /// Notes a request that failed `after` its start, `at` a time since the load's.
    pub(super) fn note_failure(
        &self,
        to: SocketAddrV4,
        failure: &Failure,
        after: Duration,
        at: Duration,
    ) {
        let mut rest = self.rest();
        rest.report.last_failure = rest.report.last_failure.max(Some(at));
        let reason = format!("{}: {}", failure.step, reason(&failure.error));
        if rest.report.examples.len() < EXAMPLES {
            let number = self.ok() + self.failed() + 1;
            rest.report
                .examples
                .push(format!("{to}, request {number}, after {after:.1?}: {reason}"));
        }
        *rest.report.reasons.entry(reason).or_default() += 1;
        self.failed.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn report(&self, took: Duration) -> LoadReport {
        let mut rest = self.rest();
        rest.latencies.sort_unstable();
        let percentile = |percent| percentile(&rest.latencies, percent);
        let (latency_p50, latency_p99, latency_max) =
            (percentile(50), percentile(99), percentile(100));
        let (ok, failed, report) = (self.ok(), self.failed(), rest.report.clone());
        LoadReport { ok, failed, took, latency_p50, latency_p99, latency_max, ..report }
    }

    fn rest(&self) -> MutexGuard<'_, Rest> {
        self.rest.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The kind of an error, so that equal ones add up; what has no kind speaks for itself.
fn reason(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::Other => error.to_string(),
        kind => kind.to_string(),
    }
}

/// The value below which that many per cent of the sorted values lie.
fn percentile(sorted: &[Duration], percent: usize) -> Duration {
    let at = (sorted.len() * percent).div_ceil(100).saturating_sub(1);
    sorted.get(at).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLIENT: &str = "198.18.0.101:4000";

    #[test]
    fn percentiles_are_values_that_occurred() {
        let sorted: Vec<Duration> = (1..=200).map(Duration::from_millis).collect();
        assert_eq!(percentile(&sorted, 50), Duration::from_millis(100));
        assert_eq!(percentile(&sorted, 99), Duration::from_millis(198));
        assert_eq!(percentile(&sorted, 100), Duration::from_millis(200));
        assert_eq!(percentile(&[], 50), Duration::ZERO);
    }

    #[test]
    fn a_clean_report_has_answers_and_nothing_else() {
        let tally = Tally::default();
        assert!(tally.report(Duration::ZERO).expect_clean().is_err(), "no answer at all");
        let answer = Answer::parse(&format!("task=a peer={CLIENT}"));
        tally.note_ok(Duration::from_millis(1), &answer, CLIENT.parse().unwrap());
        tally.report(Duration::from_secs(1)).expect_clean().unwrap();
        let other = |client: &str| {
            tally.note_ok(Duration::from_millis(1), &answer, client.parse().unwrap());
            tally.report(Duration::from_secs(1)).expect_clean()
        };
        assert!(other("198.18.0.101:4001").is_err(), "another port for half of them");
        (0..98).for_each(|_| tally.note_ok(Duration::ZERO, &answer, CLIENT.parse().unwrap()));
        tally.report(Duration::from_secs(1)).expect_clean().unwrap();
        assert!(other("198.18.0.102:4000").is_err(), "another address");
    }

    #[test]
    fn failures_add_up_by_reason() {
        let tally = Tally::default();
        for _ in 0..7 {
            let error = io::ErrorKind::ConnectionRefused.into();
            let failure = Failure { step: "connect", error };
            let at = Duration::from_secs(3);
            tally.note_failure("198.18.0.1:80".parse().unwrap(), &failure, Duration::ZERO, at);
        }
        let report = tally.report(Duration::from_secs(1));
        assert_eq!(report.reasons["connect: connection refused"], 7);
        assert_eq!((report.failed, report.examples.len()), (7, EXAMPLES));
        assert_eq!(report.last_failure, Some(Duration::from_secs(3)));
    }
}
