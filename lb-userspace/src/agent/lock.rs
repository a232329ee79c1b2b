//! One agent per state directory: an open-file-description lock that dies with its process, so
//! that a killed agent never leaves a stale one, and that others can query without taking it.
use std::{
    fs::{self, File, OpenOptions},
    io,
    os::fd::AsFd,
    path::{Path, PathBuf},
    time::Duration,
};

use nix::{
    errno::Errno,
    fcntl::{FcntlArg, fcntl},
    libc,
};
use tokio::time::{Instant, sleep};

/// How long a newcomer waits for a lock: a killed agent holds its locks until the kernel has closed
/// its files, which takes a moment after the signal.
pub(super) const PATIENCE: Duration = Duration::from_secs(3);
/// How long between two attempts; the kernel tells nobody when a lock becomes free.
const PAUSE: Duration = Duration::from_millis(20);

pub(super) const LOCK_FILE: &str = "agent.lock";

/// The right to be the agent of a state directory, held until dropped.
#[derive(Debug)]
pub struct AgentLock {
    _file: File,
}

/// Why the lock was not taken.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another agent has it.
    #[error(
        "another agent already runs with the state directory {dir}: stop it first, or give this one its own --pin-root and --state-dir"
    )]
    Held {
        /// The state directory.
        dir: PathBuf,
    },
    /// The lock file is out of reach.
    #[error("cannot lock {path}: {source}")]
    Io {
        /// The lock file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl AgentLock {
    /// Takes the lock, waiting a few seconds for an agent that is just ending.
    ///
    /// # Errors
    /// As [`Self::try_acquire`].
    pub async fn acquire(state_dir: &Path) -> Result<Self, LockError> {
        let held = |error: &LockError| matches!(error, LockError::Held { .. });
        patiently(PATIENCE, || Self::try_acquire(state_dir), held).await
    }

    /// Takes the lock; makes the directory where it is missing.
    ///
    /// # Errors
    /// [`LockError::Held`] while another agent runs, else [`LockError::Io`].
    pub fn try_acquire(state_dir: &Path) -> Result<Self, LockError> {
        let path = state_dir.join(LOCK_FILE);
        let failed = |source| LockError::Io { path: path.clone(), source };
        fs::create_dir_all(state_dir).map_err(failed)?;
        let options = OpenOptions::new().write(true).create(true).truncate(false).open(&path);
        let file = options.map_err(failed)?;
        match fcntl(file.as_fd(), FcntlArg::F_OFD_SETLK(&whole_file())) {
            Ok(_) => Ok(Self { _file: file }),
            Err(Errno::EAGAIN | Errno::EACCES) => Err(LockError::Held { dir: state_dir.into() }),
            Err(errno) => Err(failed(errno.into())),
        }
    }
}

/// Repeats `attempt` for as long as `patience` while it fails with an error that `may_pass`.
pub(super) async fn patiently<T, E>(
    patience: Duration,
    mut attempt: impl FnMut() -> Result<T, E>,
    may_pass: impl Fn(&E) -> bool,
) -> Result<T, E> {
    let deadline = Instant::now() + patience;
    loop {
        match attempt() {
            Err(error) if may_pass(&error) && Instant::now() < deadline => sleep(PAUSE).await,
            outcome => return outcome,
        }
    }
}

/// Whether an agent holds the lock of `state_dir`; false where the directory does not exist.
#[must_use]
pub fn is_running(state_dir: &Path) -> bool {
    let Ok(file) = File::open(state_dir.join(LOCK_FILE)) else { return false };
    let mut lock = whole_file();
    let asked = fcntl(file.as_fd(), FcntlArg::F_OFD_GETLK(&mut lock));
    asked.is_ok() && lock.l_type != libc::F_UNLCK as libc::c_short
}

const fn whole_file() -> libc::flock {
    libc::flock {
        l_type: libc::F_WRLCK as libc::c_short,
        l_whence: libc::SEEK_SET as libc::c_short,
        l_start: 0,
        l_len: 0,
        l_pid: 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_agent_is_refused_while_the_first_lives() {
        let dir = tempfile::tempdir().unwrap();
        assert!(!is_running(dir.path()));
        let first = AgentLock::try_acquire(dir.path()).unwrap();
        assert!(is_running(dir.path()));
        let second = AgentLock::try_acquire(dir.path()).unwrap_err();
        assert!(matches!(second, LockError::Held { .. }), "{second}");
        drop(first);
        assert!(!is_running(dir.path()));
        AgentLock::try_acquire(dir.path()).unwrap();
    }

    #[tokio::test]
    async fn a_newcomer_waits_for_one_that_ends_and_gives_up_on_one_that_stays() {
        let mut attempts = 0;
        let third = || {
            attempts += 1;
            if attempts < 3 { Err("held") } else { Ok(attempts) }
        };
        let patience = PAUSE * 3;
        assert_eq!(patiently(patience, third, |_| true).await, Ok(3));
        assert_eq!(patiently(patience, || Err::<(), _>("held"), |_| true).await, Err("held"));
        assert_eq!(
            patiently(patience, || Err::<(), _>("broken"), |e| *e != "broken").await,
            Err("broken")
        );
    }
}
