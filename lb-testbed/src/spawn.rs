//! Child processes inside a namespace. They enter it by `setns` between fork and exec, never by
//! `ip netns exec`, which remounts /sys and so hides bpffs.

use std::{
    io,
    os::unix::process::CommandExt as _,
    process::{Child, Command},
    sync::{
        OnceLock,
        mpsc::{Sender, channel},
    },
    thread,
};

use anyhow::{Context as _, Result};
use nix::{
    sched::{CloneFlags, setns},
    sys::{prctl::set_pdeathsig, signal::Signal},
    unistd::{Pid, getppid},
};

use crate::netns::Ns;

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
    let parent = Pid::this();
    command.process_group(0);
    let before_exec = move || {
        setns(&file, CloneFlags::CLONE_NEWNET)?;
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
