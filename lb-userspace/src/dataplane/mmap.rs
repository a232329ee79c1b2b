//! Arrays that user space maps (`BPF_F_MMAPABLE`): reads and writes without a system call, word by
//! word and atomically, so that a packet never sees half a word. The one room with `unsafe` code.
#![expect(unsafe_code, reason = "memory that the kernel shares; see the SAFETY notes")]

use std::{
    fmt, io,
    marker::PhantomData,
    num::NonZeroUsize,
    os::fd::AsFd,
    ptr::NonNull,
    sync::atomic::{AtomicU64, Ordering},
};

use aya::Pod;
use nix::sys::mman::{MapFlags, ProtFlags, mmap, munmap};

const WORD_LEN: usize = size_of::<u64>();
/// The largest element, in words.
const MAX_WORDS: usize = 8;

/// A mapped array of `T`, whose size is a multiple of eight bytes.
pub struct MappedArray<T> {
    words: NonNull<[AtomicU64]>,
    len: u32,
    element: PhantomData<T>,
}

/// An index past the end of an array.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("index {index} is past the end of an array of {len}")]
pub struct OutOfRange {
    /// The index.
    pub index: u32,
    /// Elements of the array.
    pub len: u32,
}

// SAFETY: the mapping belongs to the process and not to a thread, and is only reached by atomic
// loads and stores.
unsafe impl<T> Send for MappedArray<T> {}
// SAFETY: as above.
unsafe impl<T> Sync for MappedArray<T> {}

impl<T: Pod + PartialEq> MappedArray<T> {
    /// Words of an element; the kernel rounds array elements up to whole words.
    const WORDS: usize = {
        assert!(size_of::<T>().is_multiple_of(WORD_LEN) && align_of::<T>() <= WORD_LEN);
        assert!(size_of::<T>() <= MAX_WORDS * WORD_LEN);
        size_of::<T>() / WORD_LEN
    };

    /// Maps the array behind `fd`, which has `len` elements.
    ///
    /// # Errors
    /// What `mmap` returns: the map is not mmapable, or smaller.
    pub fn map(fd: impl AsFd, len: u32) -> io::Result<Self> {
        let bytes = NonZeroUsize::new(Self::bytes(len)).ok_or(io::ErrorKind::InvalidInput)?;
        let prot = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
        // SAFETY: no address is asked for, so the new mapping overlaps nothing of this process.
        let start = unsafe { mmap(None, bytes, prot, MapFlags::MAP_SHARED, fd, 0) }?;
        let words = NonNull::slice_from_raw_parts(start.cast(), Self::WORDS * len as usize);
        Ok(Self { words, len, element: PhantomData })
    }

    /// Elements of the array.
    #[must_use]
    pub const fn len(&self) -> u32 {
        self.len
    }

    /// Whether the array has no elements; here for the convention that goes with `len`.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Element `index`, or `None` past the end.
    #[must_use]
    pub fn get(&self, index: u32) -> Option<T> {
        let mut buffer = [0; MAX_WORDS];
        for (word, slot) in buffer.iter_mut().take(Self::WORDS).enumerate() {
            *slot = self.word(index, word)?.load(Ordering::Acquire);
        }
        // SAFETY: `T` is plain data (`Pod`) of at most `MAX_WORDS` words, all of them initialised.
        Some(unsafe { buffer.as_ptr().cast::<T>().read_unaligned() })
    }

    /// All elements with their indices.
    pub fn iter(&self) -> impl Iterator<Item = (u32, T)> + '_ {
        (0..self.len).filter_map(|index| Some((index, self.get(index)?)))
    }

    /// Writes an element that comes, where it differs, and says whether it did. The first word, which
    /// says that the element is there, is stored last: whoever reads it finds the others.
    ///
    /// # Errors
    /// [`OutOfRange`].
    pub fn set(&self, index: u32, value: T) -> Result<bool, OutOfRange> {
        self.store(index, value, (0..Self::WORDS).rev())
    }

    /// Writes an element that goes, as [`Self::set`] does but the first word first: whoever still reads
    /// it finds the others as they were.
    ///
    /// # Errors
    /// [`OutOfRange`].
    pub fn unset(&self, index: u32, value: T) -> Result<bool, OutOfRange> {
        self.store(index, value, 0..Self::WORDS)
    }

    fn store(
        &self,
        index: u32,
        value: T,
        order: impl Iterator<Item = usize>,
    ) -> Result<bool, OutOfRange> {
        let mut buffer = [0_u64; MAX_WORDS];
        // SAFETY: the buffer has room for `T` (`WORDS` asserts it), and any bytes make a `u64`.
        unsafe { buffer.as_mut_ptr().cast::<T>().write_unaligned(value) };
        let mut written = false;
        for word in order {
            written |= self.set_word(index, word, buffer[word])?;
        }
        Ok(written)
    }

    /// Writes one word of element `index` where it differs, and says whether it did.
    ///
    /// # Errors
    /// [`OutOfRange`].
    pub fn set_word(&self, index: u32, word: usize, value: u64) -> Result<bool, OutOfRange> {
        let slot = self.word(index, word).ok_or(OutOfRange { index, len: self.len })?;
        let differs = slot.load(Ordering::Acquire) != value;
        if differs {
            slot.store(value, Ordering::Release);
        }
        Ok(differs)
    }

    fn word(&self, index: u32, word: usize) -> Option<&AtomicU64> {
        if word >= Self::WORDS {
            return None;
        }
        // SAFETY: the mapping lives as long as `self`, is aligned to a page, and is only ever
        // reached through atomics.
        unsafe { self.words.as_ref() }.get(index as usize * Self::WORDS + word)
    }
}

impl<T> MappedArray<T> {
    const fn bytes(len: u32) -> usize {
        len as usize * size_of::<T>()
    }
}

impl<T> Drop for MappedArray<T> {
    fn drop(&mut self) {
        // SAFETY: `words` came from `mmap` with this length, and no reference outlives `self`.
        let unmapped = unsafe { munmap(self.words.cast(), Self::bytes(self.len)) };
        if let Err(error) = unmapped {
            tracing::warn!(%error, "cannot unmap an array");
        }
    }
}

impl<T> fmt::Debug for MappedArray<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MappedArray").field("len", &self.len).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lb_common::{row::Row, service::Service};
    use std::fs::File;

    fn array<T: Pod + PartialEq>(len: u32) -> MappedArray<T> {
        let file: File = tempfile::tempfile().expect("a file");
        file.set_len(u64::from(len) * size_of::<T>() as u64).expect("room");
        MappedArray::map(&file, len).expect("mapped")
    }

    #[test]
    fn what_is_set_is_read_and_only_differences_are_written() {
        let rows = array::<Row>(4);
        let row = Row { backends: [1, 2, 3, 4] };
        assert_eq!(rows.set(3, row), Ok(true));
        assert_eq!(rows.set(3, row), Ok(false));
        assert_eq!(rows.get(3), Some(row));
        assert_eq!(rows.get(2), Some(Row::default()));
    }

    #[test]
    fn the_end_is_respected() {
        let rows = array::<Row>(4);
        assert_eq!(rows.get(4), None);
        assert_eq!(rows.set(4, Row::of(1)), Err(OutOfRange { index: 4, len: 4 }));
        assert!(rows.set_word(0, 1, 7).is_err(), "a row has one word");
    }

    #[test]
    fn words_are_the_fields_of_a_service() {
        let services = array::<Service>(2);
        let service = Service {
            rows: 1,
            backends: 2,
            seed: 3,
            scheduler: 4,
            rr_next: 5,
            ..Default::default()
        };
        services.set(1, service).expect("in range");
        services.set_word(1, 0, 9).expect("in range");
        assert_eq!(services.get(1), Some(Service { rows: 9, ..service }));
    }
}
