//! Hands out power-of-two ranges of a flat map (`ROWS`, `BACKENDS`), so that a service can change by
//! moving from one finished range to another. A range that was left rests for a grace period: a
//! packet may still be reading it.
//!
//! Pure bookkeeping: `dataplane` asks before it writes, and says at start which ranges the pinned
//! services hold. First fit over a sorted free list; ranges are aligned to their own length, so
//! that holes fit again.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use lb_common::service::Range;

/// A range in a pin cannot be what it claims to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the pinned range of {} elements at {} is outside the map or overlaps another one; \
     `swarmlb detach` clears the pins", range.len(), range.base
)]
pub struct ReserveError {
    /// The range that was found.
    pub range: Range,
}

/// Which elements of one flat map are free, in use or resting.
#[derive(Clone, Debug)]
pub struct RangeAllocator {
    /// Lengths of free stretches by first element; neighbours are merged.
    free: BTreeMap<u32, u32>,
    /// Lengths of ranges in use by first element.
    live: BTreeMap<u32, u32>,
    /// Ranges that were left, oldest first: when, first element, length.
    resting: Vec<(Instant, u32, u32)>,
}

impl RangeAllocator {
    /// For a map of `len` elements, all free.
    #[must_use]
    pub fn new(len: u32) -> Self {
        let free = (len > 0).then_some((0, len)).into_iter().collect();
        Self { free, live: BTreeMap::new(), resting: Vec::new() }
    }

    /// Marks a range as in use that a pinned service holds.
    ///
    /// # Errors
    /// [`ReserveError`] where it is outside the map or overlaps a range in use.
    pub fn reserve(&mut self, range: Range) -> Result<(), ReserveError> {
        let len = length(range.log2).ok_or(ReserveError { range })?;
        let end = u64::from(range.base) + u64::from(len);
        let hole = self.free.range(..=range.base).next_back().map(|(&start, &len)| (start, len));
        let (start, hole) =
            hole.filter(|hole| end <= end_of(*hole)).ok_or(ReserveError { range })?;
        self.take((start, hole), range.base, len);
        Ok(())
    }

    /// A free range of `1 << log2` elements: its first element, or `None` where none is left.
    pub fn allocate(&mut self, log2: u8) -> Option<u32> {
        let len = length(log2)?;
        let fit = |hole: (u32, u32)| {
            let base = u64::from(hole.0).next_multiple_of(len.into());
            (base + u64::from(len) <= end_of(hole)).then_some((hole, base as u32))
        };
        let (hole, base) = self.free.iter().find_map(|(&start, &len)| fit((start, len)))?;
        self.take(hole, base, len);
        Some(base)
    }

    /// Puts a range to rest that no service names any more since `now`. A range that is not in use
    /// is left alone.
    pub fn release(&mut self, range: Range, now: Instant) {
        if let Some(len) = self.live.remove(&range.base) {
            self.resting.push((now, range.base, len));
        }
    }

    /// Frees what has rested for `grace` at `now`.
    pub fn reclaim(&mut self, now: Instant, grace: Duration) {
        let rested =
            |(since, ..): &mut (Instant, u32, u32)| now.saturating_duration_since(*since) >= grace;
        for (_, base, len) in self.resting.extract_if(.., rested).collect::<Vec<_>>() {
            self.give(base, len);
        }
    }

    /// Elements in use or resting.
    #[must_use]
    pub fn taken(&self) -> u64 {
        let resting = self.resting.iter().map(|&(_, _, len)| u64::from(len));
        self.live.values().copied().map(u64::from).chain(resting).sum()
    }

    /// Takes a range out of the hole it lies in.
    fn take(&mut self, hole: (u32, u32), base: u32, len: u32) {
        let (start, rest) = (hole.0, end_of(hole) - u64::from(base) - u64::from(len));
        self.free.remove(&start);
        if base > start {
            self.free.insert(start, base - start);
        }
        if rest > 0 {
            self.free.insert(base + len, rest as u32);
        }
        self.live.insert(base, len);
    }

    /// Gives a range back, merged with free neighbours.
    fn give(&mut self, mut base: u32, mut len: u32) {
        if let Some(next) = base.checked_add(len).and_then(|end| self.free.remove(&end)) {
            len += next;
        }
        let before = self.free.range(..base).next_back().map(|(&start, &len)| (start, len));
        if let Some(hole) = before.filter(|hole| end_of(*hole) == u64::from(base)) {
            (base, len) = (hole.0, hole.1 + len);
        }
        self.free.insert(base, len);
    }
}

/// Elements of a range, where a map can have so many.
fn length(log2: u8) -> Option<u32> {
    1_u32.checked_shl(log2.into())
}

/// One past the last element; 64 bits because a map may end at 2^32.
fn end_of((start, len): (u32, u32)) -> u64 {
    u64::from(start) + u64::from(len)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const GRACE: Duration = Duration::from_secs(5);

    fn range(base: u32, log2: u8) -> Range {
        Range { base, log2, generation: 1 }
    }

    #[test]
    fn a_released_range_rests_before_it_is_used_again() {
        let (mut ranges, now) = (RangeAllocator::new(16), Instant::now());
        assert_eq!(ranges.allocate(4), Some(0));
        ranges.release(range(0, 4), now);
        ranges.reclaim(now + GRACE / 2, GRACE);
        assert_eq!(ranges.allocate(4), None);
        ranges.reclaim(now + GRACE, GRACE);
        assert_eq!(ranges.allocate(4), Some(0));
    }

    #[test]
    fn pinned_ranges_are_kept_and_impossible_ones_refused() {
        let mut ranges = RangeAllocator::new(64);
        assert_eq!(ranges.reserve(range(8, 3)), Ok(()));
        for bad in
            [range(8, 3), range(12, 2), range(0, 4), range(60, 3), range(0, 40), range(99, 0)]
        {
            assert_eq!(ranges.reserve(bad), Err(ReserveError { range: bad }));
        }
        assert_eq!((ranges.allocate(3), ranges.allocate(4)), (Some(0), Some(16)));
    }

    #[test]
    fn releasing_twice_frees_once() {
        let (mut ranges, now) = (RangeAllocator::new(8), Instant::now());
        assert_eq!(ranges.allocate(2), Some(0));
        ranges.release(range(0, 2), now);
        ranges.release(range(0, 2), now);
        ranges.reclaim(now, Duration::ZERO);
        assert_eq!(ranges.allocate(3), Some(0));
    }

    #[derive(Clone, Copy, Debug)]
    enum Step {
        Allocate(u8),
        Reserve(u32, u8),
        Release(usize),
        Wait(u64),
    }

    fn any_step() -> impl Strategy<Value = Step> {
        prop_oneof![
            4 => (0_u8..6).prop_map(Step::Allocate),
            1 => (0_u32..300, 0_u8..5).prop_map(|(base, log2)| Step::Reserve(base, log2)),
            3 => any::<usize>().prop_map(Step::Release),
            2 => (0_u64..8).prop_map(Step::Wait),
        ]
    }

    proptest! {
        #[test]
        fn ranges_never_overlap_and_all_comes_back(steps in proptest::collection::vec(any_step(), 1..80), len in 1_u32..300) {
            let (mut ranges, mut now) = (RangeAllocator::new(len), Instant::now());
            let mut live: Vec<Range> = Vec::new();
            let mut resting: Vec<(Instant, Range)> = Vec::new();
            for step in steps {
                let new = match step {
                    Step::Allocate(log2) => ranges.allocate(log2).map(|base| range(base, log2)),
                    Step::Reserve(base, log2) => ranges.reserve(range(base, log2)).ok().map(|()| range(base, log2)),
                    Step::Release(pick) if !live.is_empty() => {
                        let left = live.swap_remove(pick % live.len());
                        ranges.release(left, now);
                        resting.push((now, left));
                        None
                    }
                    Step::Release(_) => None,
                    Step::Wait(secs) => {
                        now += Duration::from_secs(secs);
                        ranges.reclaim(now, GRACE);
                        resting.retain(|(since, _)| now < *since + GRACE);
                        None
                    }
                };
                if let Some(new) = new {
                    prop_assert!(new.base + new.len() <= len);
                    let taken = live.iter().chain(resting.iter().map(|(_, range)| range));
                    for other in taken {
                        prop_assert!(new.base + new.len() <= other.base || other.base + other.len() <= new.base);
                    }
                    live.push(new);
                }
            }
            live.iter().for_each(|range| ranges.release(*range, now));
            ranges.reclaim(now + GRACE, GRACE);
            prop_assert_eq!(&ranges.free, &BTreeMap::from([(0, len)]));
            prop_assert_eq!(ranges.taken(), 0);
        }
    }
}
