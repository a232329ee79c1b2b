//! A packet as two addresses, and the only place that turns them into memory accesses.
//!
//! Comes from `xdp_md`/`__sk_buff` in the kernel and from a byte slice in tests; goes to `parse` and
//! `rewrite`. The verifier accepts an access only after a comparison with `end`, so each read and
//! write compares for itself, and computes from `start` with constants.

use core::marker::PhantomData;

use crate::headers::Header;

/// The linear bytes of a packet, from the Ethernet header on.
#[derive(Clone, Copy, Debug)]
pub struct Packet<'a> {
    start: usize,
    end: usize,
    bytes: PhantomData<&'a mut [u8]>,
}

impl<'a> Packet<'a> {
    /// A packet in memory that the caller owns.
    pub fn from_slice(bytes: &'a mut [u8]) -> Self {
        let range = bytes.as_mut_ptr_range();
        Self { start: range.start as usize, end: range.end as usize, bytes: PhantomData }
    }

    /// A packet between two addresses.
    ///
    /// # Safety
    /// `start..end` must be readable and writable for `'a`, and nothing else may change it. The
    /// verifier proves this for `data` and `data_end` of a context, until the next helper that
    /// moves the packet.
    #[inline(always)]
    #[must_use]
    pub unsafe fn from_addresses(start: usize, end: usize) -> Self {
        Self { start, end, bytes: PhantomData }
    }

    /// Bytes from the Ethernet header to the end of the linear part.
    #[inline(always)]
    #[must_use]
    pub fn len(&self) -> usize {
        self.end - self.start
    }

    /// Whether there is nothing in it.
    #[inline(always)]
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.end == self.start
    }

    /// The header at `offset`, or `None` if it does not lie within the packet.
    #[inline(always)]
    #[must_use]
    pub fn read<T: Header>(&self, offset: usize) -> Option<T> {
        let at = self.start + offset;
        if at + size_of::<T>() > self.end {
            return None;
        }
        // SAFETY: within the packet by the comparison above; `Header` types take any bytes.
        Some(unsafe { load(at) })
    }

    /// Stores `header` at `offset`; `None` if it does not fit.
    #[inline(always)]
    pub fn write<T: Header>(&self, offset: usize, header: &T) -> Option<()> {
        let at = self.start + offset;
        if at + size_of::<T>() > self.end {
            return None;
        }
        // SAFETY: as in `read`; `Header` types have no padding.
        unsafe { store(at, header) };
        Some(())
    }
}

/// Copies a header out of the packet.
///
/// # Safety
/// `at` must be readable for the size of `T`.
#[cfg(not(target_arch = "bpf"))]
unsafe fn load<T: Header>(at: usize) -> T {
    // SAFETY: the caller's; `Header` types have alignment 1.
    unsafe { (at as *const T).read() }
}

/// Copies a header into the packet.
///
/// # Safety
/// `at` must be writable for the size of `T`.
#[cfg(not(target_arch = "bpf"))]
unsafe fn store<T: Header>(at: usize, header: &T) {
    // SAFETY: the caller's; `Header` types have alignment 1.
    unsafe { (at as *mut T).write(*header) }
}

/// Copies a header out of the packet, four bytes at a time: for types with alignment 1 the compiler
/// would emit one load per byte, while the kernel takes unaligned accesses to packets on every
/// architecture that does them well (`CONFIG_HAVE_EFFICIENT_UNALIGNED_ACCESS`).
///
/// # Safety
/// `at` must be readable for the size of `T`.
#[cfg(target_arch = "bpf")]
#[inline(always)]
unsafe fn load<T: Header>(at: usize) -> T {
    let mut header = core::mem::MaybeUninit::<T>::uninit();
    let to = header.as_mut_ptr().cast::<u8>();
    let mut done = 0;
    while done + 4 <= size_of::<T>() {
        // SAFETY: inside both by the loop's condition; see above for the alignment of the packet's.
        unsafe { to.add(done).cast::<u32>().write_unaligned(((at + done) as *const u32).read()) };
        done += 4;
    }
    while done < size_of::<T>() {
        // SAFETY: inside both by the loop's condition; sizes are even.
        unsafe { to.add(done).cast::<u16>().write_unaligned(((at + done) as *const u16).read()) };
        done += 2;
    }
    // SAFETY: every byte was written, and `Header` types take any bytes.
    unsafe { header.assume_init() }
}

/// Copies a header into the packet, four bytes at a time, for the reason given at [`load`].
///
/// # Safety
/// `at` must be writable for the size of `T`.
#[cfg(target_arch = "bpf")]
#[inline(always)]
unsafe fn store<T: Header>(at: usize, header: &T) {
    let from = core::ptr::from_ref(header).cast::<u8>();
    let mut done = 0;
    while done + 4 <= size_of::<T>() {
        // SAFETY: inside both by the loop's condition; see `load` for the alignment.
        unsafe { ((at + done) as *mut u32).write(from.add(done).cast::<u32>().read_unaligned()) };
        done += 4;
    }
    while done < size_of::<T>() {
        // SAFETY: inside both by the loop's condition; sizes are even.
        unsafe { ((at + done) as *mut u16).write(from.add(done).cast::<u16>().read_unaligned()) };
        done += 2;
    }
}
