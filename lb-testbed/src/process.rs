//! A child process whose output goes to files, with waits that have a deadline.

use std::{
    fmt, fs,
    path::PathBuf,
    process::{Child, ExitStatus},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use anyhow::{Context as _, Result, bail};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use crate::wait::eventually_some;

/// How long the end of a killed process may take on a busy machine.
pub(crate) const KILL_LIMIT: Duration = Duration::from_secs(60);
/// Lines shown of a log when something failed.
const TAIL_LINES: usize = 30;

/// A child process. Clones are handles of the same process; the cluster keeps one and kills the
/// process when it goes.
#[derive(Clone, Debug)]
pub struct Process {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    name: String,
    pid: i32,
    child: Mutex<Child>,
    stdout: PathBuf,
    stderr: PathBuf,
}

impl Process {
    pub(crate) fn new(name: String, child: Child, stdout: PathBuf, stderr: PathBuf) -> Self {
        let pid = i32::try_from(child.id()).unwrap_or(i32::MAX);
        Self { shared: Arc::new(Shared { name, pid, child: Mutex::new(child), stdout, stderr }) }
    }

    /// Name given at the start, for messages.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.shared.name
    }

    /// Process id.
    #[must_use]
    pub fn pid(&self) -> i32 {
        self.shared.pid
    }

    /// File with the standard output.
    #[must_use]
    pub fn stdout_path(&self) -> &PathBuf {
        &self.shared.stdout
    }

    /// Standard output so far.
    #[must_use]
    pub fn stdout(&self) -> String {
        read_lossy(&self.shared.stdout)
    }

    /// Standard error so far.
    #[must_use]
    pub fn stderr(&self) -> String {
        read_lossy(&self.shared.stderr)
    }

    /// Whether it has not ended yet.
    #[must_use]
    pub fn is_running(&self) -> bool {
        matches!(self.child().try_wait(), Ok(None))
    }

    /// Sends a signal; a process that has ended is left alone.
    ///
    /// # Errors
    /// The kernel refuses the signal.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        let mut child = self.child();
        // Not reaped yet, so the pid is still its own and cannot hit another process.
        if child.try_wait()?.is_none() {
            kill(Pid::from_raw(self.pid()), signal)
                .with_context(|| format!("cannot send {signal} to {self}"))?;
        }
        Ok(())
    }

    /// Kills it with SIGKILL and waits for its end.
    ///
    /// # Errors
    /// The kernel refuses, or it does not end.
    pub fn kill(&self) -> Result<()> {
        self.signal(Signal::SIGKILL)?;
        self.wait(KILL_LIMIT).map(drop)
    }

    /// Asks it to end by SIGTERM and waits for its end.
    ///
    /// # Errors
    /// It does not end within `limit`.
    pub fn terminate(&self, limit: Duration) -> Result<ExitStatus> {
        self.signal(Signal::SIGTERM)?;
        self.wait(limit)
    }

    /// Waits for its end.
    ///
    /// # Errors
    /// It does not end within `limit`.
    pub fn wait(&self, limit: Duration) -> Result<ExitStatus> {
        eventually_some(limit, &format!("end of {self}"), || self.child().try_wait().ok().flatten())
            .with_context(|| self.tail())
    }

    /// How many lines the standard output has, to be handed to [`Self::wait_line`] later.
    #[must_use]
    pub fn stdout_lines(&self) -> usize {
        complete_lines(&self.stdout()).count()
    }

    /// Waits for a line of standard output after the first `skip` ones that `wanted` takes.
    ///
    /// # Errors
    /// The process ends first, or no such line comes within `limit`; the message shows its log.
    pub fn wait_line<T>(
        &self,
        skip: usize,
        limit: Duration,
        mut wanted: impl FnMut(&str) -> Option<T>,
    ) -> Result<T> {
        self.wait_output(limit, || complete_lines(&self.stdout()).skip(skip).find_map(&mut wanted))
    }

    /// Waits for a line of standard error that `wanted` takes.
    ///
    /// # Errors
    /// The process ends first, or no such line comes within `limit`; the message shows its log.
    pub fn wait_stderr<T>(
        &self,
        limit: Duration,
        mut wanted: impl FnMut(&str) -> Option<T>,
    ) -> Result<T> {
        self.wait_output(limit, || complete_lines(&self.stderr()).find_map(&mut wanted))
    }

    fn wait_output<T>(&self, limit: Duration, mut probe: impl FnMut() -> Option<T>) -> Result<T> {
        let look = || {
            // Asked before reading, so that the last words of a dying process count.
            let running = self.is_running();
            match probe() {
                None if running => None,
                found => Some(found),
            }
        };
        match eventually_some(limit, &format!("a line from {self}"), look) {
            Ok(Some(found)) => Ok(found),
            Ok(None) => bail!("{self} ended early\n{}", self.tail()),
            Err(late) => Err(late.context(self.tail())),
        }
    }

    /// Its last lines of output, for messages.
    #[must_use]
    pub fn tail(&self) -> String {
        let shown = |what: &str, text: &str| format!("--- {what} of {self}\n{}", last_lines(text));
        format!("{}{}", shown("stdout", &self.stdout()), shown("stderr", &self.stderr()))
    }

    fn child(&self) -> MutexGuard<'_, Child> {
        self.shared.child.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Display for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (pid {})", self.name(), self.pid())
    }
}

fn read_lossy(path: &PathBuf) -> String {
    fs::read(path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
}

/// Lines that have their end; the last one may still be in the writing.
fn complete_lines(text: &str) -> impl Iterator<Item = &str> {
    text.split_inclusive('\n').filter_map(|line| line.strip_suffix('\n'))
}

fn last_lines(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    let start = lines.len().saturating_sub(TAIL_LINES);
    lines[start..].iter().map(|line| format!("    {line}\n")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_a_line_is_not_a_line() {
        assert_eq!(complete_lines("a\nb\nc").collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!(complete_lines("").count(), 0);
    }

    #[test]
    fn tail_is_bounded() {
        let text: String = (0..100).map(|line| format!("{line}\n")).collect();
        let tail = last_lines(&text);
        assert_eq!(tail.lines().count(), TAIL_LINES);
        assert!(tail.ends_with("    99\n"));
    }
}
