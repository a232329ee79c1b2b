//! Named network namespaces coming and going, by inotify on the directory where `ip netns` and
//! container runtimes, or a Docker Engine, name them. Elsewhere, and of processes, rechecks find out.
#![expect(unsafe_code, reason = "tokio wants a promise about the descriptor; see the SAFETY note")]

use std::{
    io,
    os::fd::OwnedFd,
    path::{Path, PathBuf},
};

use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};
use tokio::io::unix::AsyncFd;

/// Where `ip netns` names them.
pub(super) const DIRECTORY: &str = "/run/netns";

/// A directory, watched as soon as it exists.
#[derive(Debug)]
pub(super) struct Namespaces {
    directory: PathBuf,
    watch: Option<AsyncFd<OwnedFd>>,
}

impl Namespaces {
    /// Watches a directory, which may come later.
    pub(super) const fn new(directory: PathBuf) -> Self {
        Self { directory, watch: None }
    }

    /// Waits until a name comes or goes; for ever, while there is no such directory.
    pub(super) async fn changed(&mut self) {
        if self.watch.is_none() {
            self.watch = open(&self.directory).ok();
        }
        let Some(watch) = &self.watch else { return std::future::pending().await };
        if drain(watch).await.is_err() {
            self.watch = None;
        }
    }
}

fn open(directory: &Path) -> io::Result<AsyncFd<OwnedFd>> {
    let inotify = Inotify::init(InitFlags::IN_NONBLOCK | InitFlags::IN_CLOEXEC)?;
    let names = AddWatchFlags::IN_CREATE | AddWatchFlags::IN_DELETE;
    inotify.add_watch(directory, names | AddWatchFlags::IN_ONLYDIR)?;
    // SAFETY: an OwnedFd names the same open descriptor from here until it is dropped with the
    // AsyncFd that owns it.
    Ok(unsafe { AsyncFd::register(OwnedFd::from(inotify)) }?)
}

/// Waits for events and forgets what they say: the caller looks for itself.
async fn drain(watch: &AsyncFd<OwnedFd>) -> io::Result<()> {
    let mut buffer = [0; 4096];
    loop {
        let mut ready = watch.readable().await?;
        let read = ready.try_io(|fd| Ok(nix::unistd::read(fd, &mut buffer)?));
        match read {
            Ok(read) => return read.map(drop),
            Err(_would_block) => {}
        }
    }
}
