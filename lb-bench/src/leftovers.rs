//! What a bench makes outside itself carries its process id, so that a later one can remove what one
//! that was killed left: pins here, and by the test-bed namespaces, files and processes.

use std::{
    fs,
    path::{Path, PathBuf},
    process,
    sync::atomic::{AtomicU32, Ordering},
};

use anyhow::{Context as _, Result};

/// Where pins lie.
const BPFFS: &str = "/sys/fs/bpf";
/// How the pin roots of benches begin.
const PREFIX: &str = "lb-bench-";
/// Name of the bench's program.
const COMMAND: &str = "lb-bench";

/// A pin root that nobody else has.
#[must_use]
pub fn new_pin_root() -> PathBuf {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    Path::new(BPFFS).join(format!("{PREFIX}{}-{number}", process::id()))
}

/// Removes what dead benches, and dead clusters of the test-bed, left.
///
/// # Errors
/// Something cannot be listed or removed.
pub fn sweep() -> Result<()> {
    lb_testbed::Cluster::sweep()?;
    let Ok(pins) = fs::read_dir(BPFFS) else { return Ok(()) };
    for path in pins.flatten().map(|pin| pin.path()) {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if owner(&name).is_some_and(|pid| !is_bench(pid)) {
            fs::remove_dir_all(&path)
                .with_context(|| format!("cannot remove {}", path.display()))?;
        }
    }
    Ok(())
}

/// Which process made a pin root of that name.
fn owner(name: &str) -> Option<u32> {
    name.strip_prefix(PREFIX)?.split('-').next()?.parse().ok()
}

/// Whether a process is a bench that runs; one that is dead and waits for its parent has no program.
fn is_bench(pid: u32) -> bool {
    let program = fs::read_link(format!("/proc/{pid}/exe"));
    program.is_ok_and(|path| {
        path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(COMMAND))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pin_roots_tell_who_made_them() {
        let (first, second) = (new_pin_root(), new_pin_root());
        assert_ne!(first, second);
        let name = first.file_name().expect("a name").to_string_lossy();
        assert_eq!(owner(&name), Some(process::id()));
        assert_eq!(owner("lb-bench-17"), Some(17));
        assert_eq!([owner("swarmlb"), owner("lb-bench-mine")], [None, None]);
    }

    #[test]
    fn another_program_with_that_pid_is_no_bench() {
        assert!(!is_bench(1));
    }
}
