//! Network namespaces: opened by the path or process that the cluster file names, entered by a
//! thread of their own, so that the agent's other threads never leave the node's namespace.

use std::{
    fs::File,
    os::{fd::AsFd, fd::BorrowedFd, unix::fs::MetadataExt},
    path::{Path, PathBuf},
    thread,
};

use nix::{
    getsockopt_impl,
    sched::{CloneFlags, setns},
    sockopt_impl,
    sys::{
        socket::{AddressFamily, SockFlag, SockType, getsockopt, socket},
        statfs::{NSFS_MAGIC, fstatfs},
    },
};

use super::{HostError, Result};
use crate::model::Netns;

/// `SO_NETNS_COOKIE` of include/uapi/asm-generic/socket.h, since Linux 5.14.
const SO_NETNS_COOKIE: libc::c_int = 71;

sockopt_impl!(
    /// Cookie of a socket's network namespace.
    NetnsCookie,
    GetOnly,
    libc::SOL_SOCKET,
    SO_NETNS_COOKIE,
    u64
);

/// An open network namespace. Holding it keeps the namespace alive, so hold it only while working.
#[derive(Debug)]
pub struct Namespace {
    file: File,
    path: PathBuf,
    inode: u64,
}

impl Namespace {
    /// Opens the namespace of a task.
    ///
    /// # Errors
    /// When there is none (yet): see [`HostError::is_missing_namespace`].
    pub fn open(netns: &Netns) -> Result<Self> {
        Self::open_path(&netns.path())
    }

    /// The namespace of the calling thread: the node's.
    ///
    /// # Errors
    /// When /proc is not mounted.
    pub fn current() -> Result<Self> {
        Self::open_path(Path::new("/proc/thread-self/ns/net"))
    }

    /// Opens the namespace of a task, which must not be the node's.
    ///
    /// # Errors
    /// As [`Namespace::open`], and [`HostError::NodeNamespace`].
    pub fn of_task(netns: &Netns, task: &str) -> Result<Self> {
        let namespace = Self::open(netns)?;
        if namespace.inode() == Self::current()?.inode() {
            return Err(HostError::NodeNamespace { task: task.into() });
        }
        Ok(namespace)
    }

    fn open_path(path: &Path) -> Result<Self> {
        let missing = |source| HostError::NoNamespace { path: path.to_owned(), source };
        let file = File::open(path).map_err(missing)?;
        let inode = file.metadata().map_err(missing)?.ino();
        // A file that `ip netns add` has made but not yet mounted over is an ordinary empty one.
        let fs = fstatfs(&file).map_err(|errno| missing(errno.into()))?;
        if fs.filesystem_type() != NSFS_MAGIC {
            return Err(HostError::NotANamespace { path: path.to_owned() });
        }
        Ok(Self { file, path: path.to_owned(), inode })
    }

    /// Where it was opened.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The inode that identifies a namespace on this machine, whatever its path.
    #[must_use]
    pub const fn inode(&self) -> u64 {
        self.inode
    }

    /// Runs `work` inside, on a thread of its own that ends with it. Sockets made inside stay
    /// bound to this namespace. Blocks the caller until `work` is done: keep it short.
    ///
    /// # Errors
    /// When the namespace cannot be entered (`CAP_SYS_ADMIN` is missing).
    pub fn run<T: Send>(&self, work: impl FnOnce() -> T + Send) -> Result<T> {
        let enter = format!("enter namespace {}", self.path.display());
        thread::scope(|scope| {
            let inside =
                scope.spawn(|| setns(&self.file, CloneFlags::CLONE_NEWNET).map(|()| work()));
            let ended = inside.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            ended.map_err(HostError::io(enter))
        })
    }
}

impl AsFd for Namespace {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

/// The cookie of the calling thread's namespace, by which cgroup programs tell the node's own
/// processes from tasks.
///
/// # Errors
/// On kernels before 5.14.
pub fn cookie() -> Result<u64> {
    let made = socket(AddressFamily::Unix, SockType::Datagram, SockFlag::SOCK_CLOEXEC, None);
    let fd = made.map_err(HostError::io("make a socket"))?;
    getsockopt(&fd, NetnsCookie).map_err(HostError::io("read the namespace's cookie"))
}
