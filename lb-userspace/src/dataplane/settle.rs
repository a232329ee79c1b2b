//! Waits for readers: everything that runs in the kernel when this begins has ended when it returns.
#![expect(unsafe_code, reason = "membarrier has no wrapper in libc or nix")]

use nix::{errno::Errno, libc};

/// Waits until every program run that began before this call has ended.
///
/// `membarrier(MEMBARRIER_CMD_GLOBAL)` is `synchronize_rcu` in the kernel, and programs run inside
/// an RCU read section. Kernels with `nohz_full` refuse it; then the wait is skipped with a warning,
/// and a packet of these microseconds may be refused as if its service had no backend.
pub(super) fn settle() {
    // SAFETY: the call takes two numbers and touches no memory of this process.
    let result = unsafe { libc::syscall(libc::SYS_membarrier, libc::MEMBARRIER_CMD_GLOBAL, 0) };
    if let Err(error) = Errno::result(result) {
        tracing::warn!(%error, "cannot wait for packets under way (membarrier)");
    }
}
