//! Interfaces that come and go in the namespaces of a Docker Engine's overlay networks. One socket in
//! the node's namespace hears of all namespaces that have an id there, so that nothing of ours keeps
//! a namespace alive that Docker removes; inotify tells of namespaces that have none yet.
//!
//! Like all of `watch` it says that something changed and never what.
#![expect(unsafe_code, reason = "tokio wants a promise about the descriptor; see the SAFETY note")]

use std::{io, path::PathBuf, time::Duration};

use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_ROUTE};
use tokio::{
    io::unix::AsyncFd,
    time::{Instant, sleep_until},
};

use super::namespaces::Namespaces;
use crate::host::{HostError, Result};

/// How long further changes are gathered after the first one: an interface is made, renamed, moved and
/// set up within a few milliseconds.
const GATHER: Duration = Duration::from_millis(20);
/// `RTMGRP_LINK` of include/uapi/linux/rtnetlink.h.
const LINKS: u32 = 1;

/// Notices that something may have changed in a hidden namespace.
#[derive(Debug)]
pub struct HiddenLinks {
    links: AsyncFd<Socket>,
    names: Namespaces,
    /// A change was seen, and is told then.
    due: Option<Instant>,
}

impl HiddenLinks {
    /// Watches from here on, in all namespaces that this thread's has an id for, and the directory where
    /// an engine names its own, which may come later. Needs a tokio runtime.
    ///
    /// # Errors
    /// When the kernel gives no netlink socket, or the caller may not hear of other namespaces.
    pub fn new(netns_dir: PathBuf) -> Result<Self> {
        let links = subscribe().map_err(HostError::io("subscribe to changes in all namespaces"))?;
        Ok(Self { links, names: Namespaces::new(netns_dir), due: None })
    }

    /// Waits for changes; those of a few milliseconds are told at once. Nothing is lost where the caller
    /// stops waiting.
    pub async fn changed(&mut self) {
        if self.due.is_none() {
            tokio::select! {
                () = drain(&self.links) => {}
                () = self.names.changed() => {}
            }
            self.due = Some(Instant::now() + GATHER);
        }
        if let Some(due) = self.due {
            sleep_until(due).await;
        }
        self.due = None;
    }
}

fn subscribe() -> io::Result<AsyncFd<Socket>> {
    let mut socket = Socket::new(NETLINK_ROUTE)?;
    socket.set_non_blocking(true)?;
    socket.set_listen_all_namespaces(true)?;
    socket.bind(&SocketAddr::new(0, LINKS))?;
    // SAFETY: a netlink Socket owns its descriptor, which stays open and the same until the AsyncFd
    // that owns the socket is dropped.
    Ok(unsafe { AsyncFd::register(socket) }?)
}

/// Waits for notices and forgets what they say; lost ones (`ENOBUFS`) are notices, too.
async fn drain(links: &AsyncFd<Socket>) {
    let mut buffer = [0_u8; 4096];
    let Ok(mut ready) = links.readable().await else { return std::future::pending().await };
    while ready.try_io(|socket| socket.get_ref().recv(&mut &mut buffer[..], 0)).is_ok() {}
}
