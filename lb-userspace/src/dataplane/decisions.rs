//! Prints what the programs tell of their decisions, in a build with feature `trace`: from aya-log's
//! ring buffer to this process's log.

use std::time::Duration;

use aya::Ebpf;
use aya_log::EbpfLogger;
use tokio::task::AbortHandle;
use tracing::warn;

/// How often the ring buffer is emptied: often enough for a reader, and it needs no file descriptor
/// of its own.
const PERIOD: Duration = Duration::from_millis(100);

/// The listener of one loaded object; it ends with this value.
#[derive(Debug)]
pub(super) struct Decisions(AbortHandle);

impl Drop for Decisions {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Begins to print. `None`, with a warning, where the object tells nothing or there is no runtime.
pub(super) fn listen(ebpf: &mut Ebpf) -> Option<Decisions> {
    let runtime = tokio::runtime::Handle::try_current().ok()?;
    let mut logger = EbpfLogger::init(ebpf)
        .inspect_err(|error| warn!(%error, "the object tells no decisions; build it with trace"))
        .ok()?;
    let task = runtime.spawn(async move {
        let mut period = tokio::time::interval(PERIOD);
        loop {
            period.tick().await;
            logger.flush();
        }
    });
    Some(Decisions(task.abort_handle()))
}
