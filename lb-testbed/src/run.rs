//! Processes inside a cluster: started, run to their end, and ended with it.

use std::{
    fs::File,
    path::Path,
    process::{Command, Output, Stdio},
    sync::{MutexGuard, PoisonError, atomic::Ordering},
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};
use nix::sys::signal::Signal;

use crate::{
    cluster::Cluster,
    netns::Ns,
    process::{KILL_LIMIT, Process},
    spawn::{Lifetime, spawn},
};

/// How long [`Cluster::run_in`] lets a command run.
const COMMAND_LIMIT: Duration = Duration::from_secs(60);

impl Cluster {
    /// Starts a command inside `ns`. Its output goes to files that are shown when a test fails;
    /// it ends with the cluster, and with this process however that dies.
    ///
    /// # Errors
    /// The namespace or the program does not exist.
    pub fn spawn_in(&self, ns: &Ns, mut command: Command) -> Result<Process> {
        let program = Path::new(command.get_program()).file_name().unwrap_or_default();
        let place = ns.name().trim_start_matches(&self.prefix().name(""));
        let name = format!("{}@{place}", program.to_string_lossy());
        let number = self.next_number();
        let log = |kind| self.dir().join("log").join(format!("{number:03}-{name}.{kind}"));
        let (stdout, stderr) = (log("out"), log("err"));
        command.stdin(Stdio::null());
        command.stdout(File::create(&stdout)?).stderr(File::create(&stderr)?);
        let lifetime = if self.keep { Lifetime::Own } else { Lifetime::WithParent };
        let process = Process::new(name, spawn(command, ns, lifetime)?, stdout, stderr);
        self.processes().push(process.clone());
        Ok(process)
    }

    /// Runs a command inside `ns` to its end, for at most a minute.
    ///
    /// # Errors
    /// It cannot be started or takes too long. That it fails is no error: see the status.
    pub fn run_in(&self, ns: &Ns, command: Command) -> Result<Output> {
        let process = self.spawn_in(ns, command)?;
        let ended = process.wait(COMMAND_LIMIT);
        self.processes().retain(|other| other.pid() != process.pid());
        let status = ended.inspect_err(|_| drop(process.kill()))?;
        let (stdout, stderr) = (process.stdout().into_bytes(), process.stderr().into_bytes());
        Ok(Output { status, stdout, stderr })
    }

    /// Runs a command line (words separated by blanks) inside `ns` and returns its output.
    ///
    /// # Errors
    /// As [`Self::run_in`], and when its status is not 0; the message shows its output.
    pub fn sh_in(&self, ns: &Ns, line: &str) -> Result<String> {
        let mut words = line.split_whitespace();
        let mut command = Command::new(words.next().context("empty command line")?);
        command.args(words);
        let output = self.run_in(ns, command)?;
        let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
        ensure!(output.status.success(), "`{line}` in {}: {}{stderr}", ns.name(), output.status);
        Ok(stdout)
    }

    /// Fetches a page with `curl` in `ns`, by the names that `ns` resolves; returns its body.
    ///
    /// # Errors
    /// curl is missing, or there is no good answer within five seconds; the message says why.
    pub fn curl(&self, ns: &Ns, url: &str) -> Result<String> {
        self.sh_in(ns, &format!("curl --silent --show-error --fail --max-time 5 {url}"))
    }

    /// Last lines of the logs of all processes, for messages.
    #[must_use]
    pub fn log_tails(&self) -> String {
        self.processes().iter().map(Process::tail).collect()
    }

    /// A number for a file's name that was not used before.
    pub(crate) fn next_number(&self) -> u32 {
        self.numbered.fetch_add(1, Ordering::Relaxed)
    }

    fn processes(&self) -> MutexGuard<'_, Vec<Process>> {
        self.processes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Kills all processes at once, then waits for each.
    pub(crate) fn end_processes(&self) {
        let processes = self.processes();
        for process in processes.iter() {
            let _ = process.signal(Signal::SIGKILL);
        }
        for process in processes.iter() {
            let _ = process.wait(KILL_LIMIT);
        }
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
