//! Why a task's names do not work, and what to do about it.
use std::{
    io,
    path::{Path, PathBuf},
};

use crate::host::HostError;

/// What went wrong with names.
#[derive(Debug, thiserror::Error)]
pub enum NamesError {
    /// The resolvers' thread.
    #[error("cannot start the thread that answers names: {0}")]
    Thread(io::Error),
    /// The task's namespace.
    #[error("names of task {task}: {source}")]
    Host {
        /// The task.
        task: String,
        /// What went wrong.
        source: HostError,
    },
    /// Something else answers there.
    #[error(
        "names of task {task}: port 53 is taken in its namespace; let its own name server listen on \
         the address that clients use in place of 0.0.0.0, or set [dns] enabled = false"
    )]
    PortTaken {
        /// The task.
        task: String,
    },
    /// A socket.
    #[error("names of task {task}: cannot listen on 127.0.0.11:53 in its namespace: {source}")]
    Socket {
        /// The task.
        task: String,
        /// What the system said.
        source: io::Error,
    },
    /// A resolv.conf that somebody else made.
    #[error(
        "{} is not of swarmlb's making and stays as it is; remove it, or write `nameserver \
         127.0.0.11` into it and set [dns] resolv_conf = false", path.display()
    )]
    ForeignFile {
        /// The file.
        path: PathBuf,
    },
    /// A resolv.conf cannot be read, written or removed.
    #[error("cannot {action} {}: {source}", path.display())]
    File {
        /// What was tried.
        action: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl NamesError {
    pub(super) fn host(task: &str, source: HostError) -> Self {
        Self::Host { task: task.to_owned(), source }
    }

    pub(super) fn socket(task: &str) -> impl FnOnce(io::Error) -> Self {
        let task = task.to_owned();
        |source| match source.kind() {
            io::ErrorKind::AddrInUse => Self::PortTaken { task },
            _ => Self::Socket { task, source },
        }
    }

    pub(super) fn file(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::File { action, path, source }
    }
}
