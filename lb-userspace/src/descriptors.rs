//! File descriptors of the process: a resolver's sockets, sessions and watched processes may be many.

use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// Takes as many as the system grants, and tells how many that is; `None`: what it had stays.
pub(crate) fn take_all() -> Option<u64> {
    let (_, most) = getrlimit(Resource::RLIMIT_NOFILE).ok()?;
    setrlimit(Resource::RLIMIT_NOFILE, most, most).ok()?;
    Some(most)
}
