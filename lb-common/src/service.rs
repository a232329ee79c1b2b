//! A service as the packet path sees it: where its rows lie, where its backends lie, and how it
//! balances. One element of `SERVICES`, a memory-mapped array indexed by service (1-based).

/// Elements of `SERVICES` unless the loader says otherwise; index 0 is never a service.
pub const SERVICES_LEN: u32 = 16384;

/// Consistent hash over client address and port.
pub const SCHEDULER_HASH: u8 = 1;
/// Round robin at the SYN; the flow then lives by the entry node's flow cache.
pub const SCHEDULER_RR: u8 = 2;

/// [`Service::flags`]: hash only the client's address (`source`, `affinity = "client-ip"`).
pub const FLAG_CLIENT_IP: u8 = 1;
/// [`Service::flags`]: replies leave the home node straight to the client (`return = "direct"`).
pub const FLAG_DIRECT: u8 = 2;
/// [`Service::flags`]: beside Docker, some backends run on nodes without agent and are reached by full
/// NAT through the ingress network: flows may have entries in `SNAT_OUT`.
pub const FLAG_INGRESS: u8 = 4;

/// A range in a flat map: first element, log2 of the length, generation.
///
/// Packed in one `u64` that user space stores atomically: a reader sees the old or the new range
/// and never a mixture. Zero means "no range", which a service without live backends has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Range {
    /// Index of the first element.
    pub base: u32,
    /// The range has `1 << log2` elements.
    pub log2: u8,
    /// Counts changes modulo 2^16, never 0 for a range in use; flow cache entries compare it.
    pub generation: u16,
}

impl Range {
    /// The one-word form that lies in the map: `base` low, then `log2`, then `generation`.
    #[inline(always)]
    #[must_use]
    pub const fn pack(self) -> u64 {
        self.base as u64 | (self.log2 as u64) << 32 | (self.generation as u64) << 48
    }

    /// Reads the one-word form; `None` where there is no range.
    #[inline(always)]
    #[must_use]
    pub const fn unpack(word: u64) -> Option<Self> {
        if word == 0 {
            return None;
        }
        Some(Self { base: word as u32, log2: (word >> 32) as u8, generation: (word >> 48) as u16 })
    }

    /// Number of elements.
    #[inline(always)]
    #[must_use]
    pub const fn len(self) -> u32 {
        1 << (self.log2 & 31)
    }

    /// A range is never empty; here for the convention that goes with `len`.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        false
    }

    /// Index of the element that `hash` falls on.
    #[inline(always)]
    #[must_use]
    pub const fn pick(self, hash: u32) -> u32 {
        self.base + (hash & (self.len() - 1))
    }

    /// Index of element `offset`, or `None` past the end.
    #[inline(always)]
    #[must_use]
    pub const fn at(self, offset: u32) -> Option<u32> {
        if offset < self.len() { Some(self.base + offset) } else { None }
    }
}

/// One service.
///
/// `rows` and `backends` are [`Range`] words, each stored atomically. A reader loads `rows` before
/// `backends`, a writer stores `backends` before `rows` when it adds, so that a row never names a
/// backend that the reader's backend range lacks.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Service {
    /// [`Range`] word into `ROWS`; 0: no live backend, new flows are refused.
    pub rows: u64,
    /// [`Range`] word into `BACKENDS`, indexed by backend number; 0: none.
    pub backends: u64,
    /// The service's part of the flow hash, the same on every node (from name and cluster seed).
    pub seed: u32,
    /// [`SCHEDULER_HASH`] or [`SCHEDULER_RR`]; 0: no service here.
    pub scheduler: u8,
    /// `FLAG_*` bits.
    pub flags: u8,
    /// Zero.
    pub reserved: u16,
    /// Next row for [`SCHEDULER_RR`], advanced by the packet path.
    pub rr_next: u64,
    /// Monotonic time, ns, until which a segment that belongs nowhere is dropped silently and not
    /// reset: other nodes may not have seen the last change yet.
    pub quiet_until_ns: u64,
}

impl Service {
    /// Where its rows lie now. Read before [`Service::backend_range`].
    #[inline(always)]
    #[must_use]
    pub fn row_range(&self) -> Option<Range> {
        Range::unpack(load(&self.rows))
    }

    /// Where its backends lie now.
    #[inline(always)]
    #[must_use]
    pub fn backend_range(&self) -> Option<Range> {
        Range::unpack(load(&self.backends))
    }
}

/// Reads a word that user space may change meanwhile: once, whole, in program order.
#[inline(always)]
fn load(word: &u64) -> u64 {
    // SAFETY: a reference is valid and aligned; volatile because the map is shared memory.
    unsafe { core::ptr::from_ref(word).read_volatile() }
}

const _: () = assert!(size_of::<Service>() == 40);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn range_survives_packing() {
        let range = Range { base: 0xdead_beef, log2: 20, generation: 0xabcd };
        assert_eq!(Range::unpack(range.pack()), Some(range));
        assert_eq!(Range::unpack(0), None);
    }
}
