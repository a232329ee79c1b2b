//! Child processes inside a namespace. They enter it by `setns` between fork and exec, never by
//! `ip netns exec`, which remounts /sys and so hides bpffs. What else that command does, they get
//! too: the namespace's own `/etc/resolv.conf`, by a mount that only they see.

use std::{
    ffi::{CStr, CString},
    io,
    os::unix::{ffi::OsStrExt as _, process::CommandExt as _},
    process::{Child, Command},
    sync::{
        OnceLock,
        mpsc::{Sender, channel},
    },
    thread,
};

use anyhow::{Context as _, Result};
use nix::{
    mount::{MsFlags, mount},
    sched::{CloneFlags, setns, unshare},
    sys::{prctl::set_pdeathsig, signal::Signal},
    unistd::{Pid, getppid},
};

use crate::netns::Ns;

/// Where the C library looks for name servers.
const RESOLV_CONF: &CStr = c"/etc/resolv.conf";

/// Whether a child outlives this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lifetime {
    /// The kernel kills it when this process ends, however that happens.
    WithParent,
    /// It goes on.
    Own,
}

/// Starts `command` inside `ns`, in a process group of its own so that Ctrl-C reaches only us.
///
/// # Errors
/// The namespace or the program does not exist.
pub(crate) fn spawn(mut command: Command, ns: &Ns, lifetime: Lifetime) -> Result<Child> {
    let file = ns.open()?;
    let resolv_conf = own_resolv_conf(ns)?;
    let parent = Pid::this();
    command.process_group(0);
    let before_exec = move || {
        setns(&file, CloneFlags::CLONE_NEWNET)?;
        if let Some(own) = &resolv_conf {
            mount_over(own, RESOLV_CONF)?;
        }
        if lifetime == Lifetime::WithParent {
            die_with(parent)?;
        }
        Ok(())
    };
    // SAFETY: between fork and exec only system calls run: no allocation, no lock.
    unsafe { command.pre_exec(before_exec) };
    let shown = format!("{command:?}");
    on_lasting_thread(move || command.spawn())?
        .with_context(|| format!("cannot run {shown} in {}", ns.name()))
}

/// The namespace's own resolver configuration, if somebody wrote one.
fn own_resolv_conf(ns: &Ns) -> Result<Option<CString>> {
    let path = ns.resolv_conf();
    let own = path.is_file().then(|| CString::new(path.as_os_str().as_bytes()));
    own.transpose().context("a namespace with a zero byte in its name")
}

/// Mounts a file over another in a mount namespace of the calling process's own. Later mounts of the
/// machine still reach it, so that it sees the same pins as everybody.
fn mount_over(own: &CStr, file: &CStr) -> io::Result<()> {
    unshare(CloneFlags::CLONE_NEWNS)?;
    let (none, slave) = (None::<&CStr>, MsFlags::MS_SLAVE | MsFlags::MS_REC);
    mount(none, c"/", none, slave, none)?;
    Ok(mount(Some(own), file, none, MsFlags::MS_BIND, none)?)
}

/// Asks for SIGKILL at the parent's end; a parent that is already gone counts as well.
fn die_with(parent: Pid) -> io::Result<()> {
    set_pdeathsig(Signal::SIGKILL)?;
    if getppid() == parent { Ok(()) } else { Err(nix::errno::Errno::ESRCH.into()) }
}

/// The parent-death signal comes when the *thread* that forked ends, and a test's thread ends
/// long before its process. So one thread that lasts as long as the process forks for all.
fn on_lasting_thread<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T> {
    static FORKER: OnceLock<Sender<Box<dyn FnOnce() + Send>>> = OnceLock::new();
    let forker = FORKER.get_or_init(|| {
        let (jobs, inbox) = channel::<Box<dyn FnOnce() + Send>>();
        thread::spawn(move || inbox.into_iter().for_each(|job| job()));
        jobs
    });
    let (answer, result) = channel();
    let job = Box::new(move || drop(answer.send(work())));
    forker.send(job).ok().context("the forking thread is gone")?;
    result.recv().context("the forking thread died")
}
