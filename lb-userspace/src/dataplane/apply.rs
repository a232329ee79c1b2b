//! Makes the maps hold what `compile` wants: reads what they hold, plans the steps, executes them.
//! What it reads is what lies in the maps and not what it wrote last, so drift is repaired too.

use std::collections::BTreeSet;

use nix::time::{ClockId, clock_gettime};
use serde::Serialize;

use super::{Dataplane, executor::Executor, maps::MapsError, ranges::NoRoom};
use crate::{
    compile::MapContents,
    plan::{Change, plan},
};

/// How long after a change a segment that belongs nowhere is dropped silently: by then all nodes
/// have seen the change, and a client has retransmitted once.
const QUIET_NS: u64 = 2_000_000_000;

/// What an update did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Steps of the plan; 0 where the maps held what was wanted.
    pub changes: usize,
    /// Elements written or removed.
    pub writes: usize,
}

/// Why an update stopped half-way; the next one goes on from there.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    /// A map could not be read or written.
    #[error(transparent)]
    Maps(#[from] MapsError),
    /// A flat map has no free range.
    #[error(transparent)]
    NoRoom(#[from] NoRoom),
    /// The clock could not be read.
    #[error("cannot read the monotonic clock: {0}")]
    Clock(nix::Error),
}

impl Dataplane {
    /// Brings the maps to `wanted` in the order that keeps readers safe (see [`crate::plan`]). May
    /// wait some milliseconds for packets under way.
    ///
    /// # Errors
    /// [`ApplyError`]; what was written stays, and each state in between is one that packets may meet.
    pub fn apply(&mut self, wanted: &MapContents) -> Result<Report, ApplyError> {
        let now_ns = monotonic_ns()?;
        let current = self.maps.contents()?;
        let changes = plan(&current, wanted);
        let mut report = Report { changes: changes.len(), writes: 0 };
        let quiet = services_of(&changes);
        self.ranges.reclaim();
        let mut executor = self.executor();
        for service in quiet {
            executor.set_quiet_until(service, now_ns + QUIET_NS)?;
        }
        for change in changes {
            executor.execute(change)?;
        }
        executor.sweep(wanted)?;
        report.writes = executor.writes;
        Ok(report)
    }

    fn executor(&mut self) -> Executor<'_> {
        let Self { maps, ranges, node_addr, .. } = self;
        Executor { maps, ranges, node_addr: *node_addr, writes: 0 }
    }
}

/// Monotonic time as the packet path has it (`bpf_ktime_get_ns`), ns.
pub(super) fn monotonic_ns() -> Result<u64, ApplyError> {
    let now = clock_gettime(ClockId::CLOCK_MONOTONIC).map_err(ApplyError::Clock)?;
    Ok(now.tv_sec().unsigned_abs() * 1_000_000_000 + now.tv_nsec().unsigned_abs())
}

/// Services whose rows or backends change while they stay.
fn services_of(changes: &[Change]) -> BTreeSet<u16> {
    let changed = changes.iter().filter_map(|change| match change {
        Change::SetRows { service, .. }
        | Change::SetBackends { service, .. }
        | Change::RemoveBackends { service, .. } => Some(*service),
        _ => None,
    });
    let removed: BTreeSet<_> = changes
        .iter()
        .filter_map(|change| match change {
            Change::RemoveService { service } => Some(*service),
            _ => None,
        })
        .collect();
    changed.filter(|service| !removed.contains(service)).collect()
}
