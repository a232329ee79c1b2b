//! Network namespaces, named under `/run/netns` or elsewhere, and closures that run inside one.

use std::{fs::File, path::PathBuf, thread};

use anyhow::{Context as _, Result};
use nix::sched::{CloneFlags, setns};

use crate::names::{NETNS_DIR, NETNS_ETC_DIR};

/// A named network namespace. Cheap to clone; does not remove the namespace when dropped.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ns {
    name: String,
    path: PathBuf,
}

impl Ns {
    /// The namespace of that name under `/run/netns`, whether it exists yet or not.
    #[must_use]
    pub fn named(name: impl Into<String>) -> Self {
        let name = name.into();
        Self { path: PathBuf::from(NETNS_DIR).join(&name), name }
    }

    /// The namespace behind a file somewhere else, such as a container's, under a name for messages.
    #[must_use]
    pub fn at(name: impl Into<String>, path: impl Into<PathBuf>) -> Self {
        Self { name: name.into(), path: path.into() }
    }

    /// Name as `ip netns` shows it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// File that stands for the namespace.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        self.path.clone()
    }

    /// The file that `ip netns exec`, and every process that a cluster starts here, has in place of
    /// `/etc/resolv.conf`. The agent of the node writes it; without it the machine's own is seen.
    #[must_use]
    pub fn resolv_conf(&self) -> PathBuf {
        PathBuf::from(NETNS_ETC_DIR).join(&self.name).join("resolv.conf")
    }

    /// Opens the namespace for `setns`.
    ///
    /// # Errors
    /// The namespace does not exist.
    pub(crate) fn open(&self) -> Result<File> {
        let path = &self.path;
        File::open(path).with_context(|| format!("no network namespace {}", path.display()))
    }
}

/// Runs `work` on a thread of its own inside `ns` and waits for it. Sockets made there stay in the
/// namespace wherever they are used later. A panic of `work` goes on in the caller.
///
/// # Errors
/// The namespace cannot be entered.
pub fn in_ns<T: Send>(ns: &Ns, work: impl FnOnce() -> T + Send) -> Result<T> {
    let file = ns.open()?;
    thread::scope(|scope| {
        let inside = scope.spawn(move || {
            enter(&file)?;
            Ok(work())
        });
        inside.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

/// Starts `work` on a thread of its own inside `ns` and does not wait for it.
///
/// # Errors
/// The namespace does not exist.
pub fn spawn_thread_in<T: Send + 'static>(
    ns: &Ns,
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<thread::JoinHandle<Result<T>>> {
    let file = ns.open()?;
    let inside = move || {
        enter(&file)?;
        work()
    };
    thread::Builder::new().name(ns.name().into()).spawn(inside).context("cannot start a thread")
}

/// Moves the calling thread into the namespace.
fn enter(file: &File) -> Result<()> {
    setns(file, CloneFlags::CLONE_NEWNET).context("cannot enter the network namespace (not root?)")
}
