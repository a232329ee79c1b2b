//! Where services would stand in the flat maps of a node that starts empty.

use lb_common::{backend::BACKENDS_LEN, row::ROWS_LEN};

use super::{memory, plan::Elements};
use crate::{model::Service, ranges::RangeAllocator};

/// Places given out so far.
#[derive(Debug)]
pub(super) struct Places {
    rows: RangeAllocator,
    backends: RangeAllocator,
}

impl Places {
    /// Empty maps.
    pub(super) fn new() -> Self {
        Self { rows: RangeAllocator::new(ROWS_LEN), backends: RangeAllocator::new(BACKENDS_LEN) }
    }

    /// The service's rows.
    pub(super) fn rows(&mut self, service: &Service) -> Option<Elements> {
        place(&mut self.rows, memory::rows(service))
    }

    /// The service's backends.
    pub(super) fn backends(&mut self, service: &Service) -> Option<Elements> {
        place(&mut self.backends, memory::backends(service))
    }
}

/// `len` is 0 or a power of two.
fn place(map: &mut RangeAllocator, len: u32) -> Option<Elements> {
    let log2 = u8::try_from(len.checked_ilog2()?).ok()?;
    map.allocate(log2).map(|first| Elements { first, len })
}
