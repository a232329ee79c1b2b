//! The first processes of tasks' containers, watched by the kernel's own means: the engine may be away
//! when one ends, and one that starts again kills those that it finds before it answers.
//!
//! A process id counts in the agent's own pid namespace only if that is the node's, which an agent in
//! a container lacks: the process must be in the container's network namespace, else nothing is
//! watched, and the engine tells when it is back.
#![expect(unsafe_code, reason = "tokio wants a promise about the descriptor; see the SAFETY note")]

use std::{
    collections::BTreeMap,
    fs::{self, Metadata},
    io,
    os::{fd::OwnedFd, linux::fs::MetadataExt as _},
    path::{Path, PathBuf},
    sync::Arc,
    time::Instant,
};

use rustix::process::{Pid, PidfdFlags, pidfd_open};
use tokio::{
    io::{Interest, unix::AsyncFd},
    sync::{Semaphore, watch},
    task::{AbortHandle, JoinSet},
};
use tracing::debug;

use super::{Seen, tell};
use crate::{descriptors, source::docker::api::Api};

/// How many containers are asked for at a time: an agent that starts finds many.
const QUESTIONS: usize = 4;

/// The containers that are watched.
#[derive(Debug)]
pub(super) struct Processes {
    seen: watch::Sender<Seen>,
    netns_dir: PathBuf,
    questions: Arc<Semaphore>,
    /// By id of the container.
    watches: BTreeMap<String, AbortHandle>,
    /// All of them end with this.
    running: JoinSet<()>,
}

impl Processes {
    /// Tells `seen` of ends. `exec_root` is the engine's.
    pub(super) fn new(seen: watch::Sender<Seen>, exec_root: &Path) -> Self {
        // One per task.
        descriptors::take_all();
        Self {
            seen,
            netns_dir: exec_root.join("netns"),
            questions: Arc::new(Semaphore::new(QUESTIONS)),
            watches: BTreeMap::new(),
            running: JoinSet::new(),
        }
    }

    /// The engine answers anew: what could not be watched before is tried again.
    pub(super) fn try_again(&mut self) {
        self.watches.retain(|_, watch| !watch.is_finished());
    }

    /// Watches these, tasks by their containers, and no other.
    pub(super) fn watch(&mut self, tasks: &BTreeMap<String, String>, api: &Api) {
        while self.running.try_join_next().is_some() {}
        self.watches.retain(|container, watch| {
            tasks.contains_key(container) || {
                watch.abort();
                false
            }
        });
        for (container, task) in tasks {
            if !self.watches.contains_key(container) {
                let watch = self.watch_one(api.clone(), container.clone(), task.clone());
                self.watches.insert(container.clone(), watch);
            }
        }
    }

    fn watch_one(&mut self, api: Api, container: String, task: String) -> AbortHandle {
        let (seen, netns_dir) = (self.seen.clone(), self.netns_dir.clone());
        let questions = Arc::clone(&self.questions);
        self.running.spawn(async move {
            let turn = questions.acquire().await;
            let told = api.first_process(&container).await;
            drop(turn);
            let Some((pid, sandbox)) = told.ok().flatten() else { return };
            match until_ended(pid, &netns_dir.join(sandbox)).await {
                Ok(()) => tell(&seen, |seen| seen.ends.end(&task, Instant::now())),
                Err(error) => debug!("the process {pid} of task {task} is not watched: {error}"),
            }
        })
    }
}

/// Waits for the end of the process, which is in the namespace that `netns` names.
async fn until_ended(pid: i32, netns: &Path) -> io::Result<()> {
    let process = open(pid)?;
    // Once it is open, the number is nobody else's.
    if !is_same(&fs::metadata(format!("/proc/{pid}/ns/net"))?, &fs::metadata(netns)?) {
        return Err(io::Error::other("it is none of this node's"));
    }
    // SAFETY: an OwnedFd is open and the same as long as it lives, which is as long as the AsyncFd.
    let process = unsafe { AsyncFd::register_with_interest(process, Interest::READABLE) }?;
    // Readable when it has ended (pidfd_open(2)).
    process.readable().await.map(drop)
}

fn open(pid: i32) -> io::Result<OwnedFd> {
    let pid = Pid::from_raw(pid).ok_or(io::ErrorKind::NotFound)?;
    Ok(pidfd_open(pid, PidfdFlags::NONBLOCK)?)
}

fn is_same(one: &Metadata, other: &Metadata) -> bool {
    (one.st_dev(), one.st_ino()) == (other.st_dev(), other.st_ino())
}

#[cfg(test)]
mod tests {
    use std::process::{Child, Command};

    use futures::FutureExt as _;

    use super::*;

    fn sleeper() -> Child {
        Command::new("sleep").arg("600").spawn().expect("sleep")
    }

    #[tokio::test]
    async fn the_end_of_a_process_is_noticed() {
        let mut child = sleeper();
        let pid = i32::try_from(child.id()).expect("a pid");
        let mut ended = Box::pin(until_ended(pid, "/proc/self/ns/net".as_ref()));
        assert!(ended.as_mut().now_or_never().is_none());
        child.kill().expect("killed");
        ended.await.expect("watched");
        child.wait().expect("reaped");
    }

    #[tokio::test]
    async fn a_process_of_somebody_else_is_not_watched() {
        let mut child = sleeper();
        let pid = i32::try_from(child.id()).expect("a pid");
        assert!(until_ended(pid, "/proc/self/ns/uts".as_ref()).await.is_err());
        child.kill().expect("killed");
        child.wait().expect("reaped");
        assert!(until_ended(0, "/proc/self/ns/net".as_ref()).await.is_err());
    }
}
