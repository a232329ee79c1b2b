//! The ranges that services own in `ROWS` and `BACKENDS`, read back from the maps at start.

use std::time::{Duration, Instant};

use lb_common::service::Range;

use super::{apply::ApplyError, executor::Executor, maps::Maps};
use crate::ranges::{RangeAllocator, ReserveError};

/// How long a range rests after its service left it; a packet holds one for microseconds.
const GRACE: Duration = Duration::from_secs(1);

/// Free and taken ranges of the flat maps.
#[derive(Debug)]
pub(super) struct MapRanges {
    rows: RangeAllocator,
    backends: RangeAllocator,
}

/// A flat map has no free range.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "map {map} has no room for {len} more elements; have fewer services, or tasks with lower backend numbers"
)]
pub struct NoRoom {
    /// The map.
    pub map: &'static str,
    /// Elements that were asked for.
    pub len: u64,
}

impl MapRanges {
    /// The ranges that the services in `maps` own.
    pub(super) fn of(maps: &Maps) -> Result<Self, ReserveError> {
        let mut rows = RangeAllocator::new(maps.rows.len());
        let mut backends = RangeAllocator::new(maps.backends.len());
        for (_, service) in maps.services_in_use() {
            Range::unpack(service.rows).map_or(Ok(()), |range| rows.reserve(range))?;
            Range::unpack(service.backends).map_or(Ok(()), |range| backends.reserve(range))?;
        }
        Ok(Self { rows, backends })
    }

    /// Frees what has rested long enough.
    pub(super) fn reclaim(&mut self) {
        let now = Instant::now();
        self.rows.reclaim(now, GRACE);
        self.backends.reclaim(now, GRACE);
    }
}

impl Executor<'_> {
    /// A new range in `ROWS` of the next generation.
    pub(super) fn new_rows(&mut self, log2: u8, old: Option<Range>) -> Result<Range, ApplyError> {
        let base = self.ranges.rows.allocate(log2);
        next(base, log2, old)
            .ok_or(ApplyError::NoRoom(NoRoom { map: "ROWS", len: 1 << (log2 & 63) }))
    }

    /// A new range in `BACKENDS` of the next generation.
    pub(super) fn new_backends(
        &mut self,
        log2: u8,
        old: Option<Range>,
    ) -> Result<Range, ApplyError> {
        let base = self.ranges.backends.allocate(log2);
        next(base, log2, old)
            .ok_or(ApplyError::NoRoom(NoRoom { map: "BACKENDS", len: 1 << (log2 & 63) }))
    }

    pub(super) fn release_rows(&mut self, old: Option<Range>) {
        old.into_iter().for_each(|range| self.ranges.rows.release(range, Instant::now()));
    }

    pub(super) fn release_backends(&mut self, old: Option<Range>) {
        old.into_iter().for_each(|range| self.ranges.backends.release(range, Instant::now()));
    }
}

/// The range at `base`, with the generation after `old`'s, which is never 0.
fn next(base: Option<u32>, log2: u8, old: Option<Range>) -> Option<Range> {
    let generation = old.map_or(1, |old| old.generation.wrapping_add(1).max(1));
    base.map(|base| Range { base, log2, generation })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn generations_go_on_and_skip_zero() {
        let range = |generation| Range { base: 8, log2: 3, generation };
        assert_eq!(next(Some(8), 3, None), Some(range(1)));
        assert_eq!(next(Some(8), 3, Some(range(u16::MAX))), Some(range(1)));
        assert_eq!(next(None, 3, None), None);
    }
}
