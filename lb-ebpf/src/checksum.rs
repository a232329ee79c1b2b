//! The Internet checksum (RFC 1071) and its incremental update (RFC 1624).
//!
//! Sums are taken over native-endian words of network bytes: the one's complement sum does not care
//! about byte order as long as the result is stored the way the words were loaded (RFC 1071 §2 B).

/// A running one's complement sum, not folded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sum(pub u64);

impl Sum {
    /// Adds four network bytes.
    #[inline(always)]
    #[must_use]
    pub const fn add4(self, bytes: [u8; 4]) -> Self {
        Self(self.0 + u32::from_ne_bytes(bytes) as u64)
    }

    /// Adds two network bytes at an even offset.
    #[inline(always)]
    #[must_use]
    pub const fn add2(self, bytes: [u8; 2]) -> Self {
        Self(self.0 + u16::from_ne_bytes(bytes) as u64)
    }

    /// Records that `old` becomes `new`.
    #[inline(always)]
    #[must_use]
    pub const fn replace4(self, old: [u8; 4], new: [u8; 4]) -> Self {
        Self(self.0 + !u32::from_ne_bytes(old) as u64 + u32::from_ne_bytes(new) as u64)
    }

    /// Records that `old` becomes `new` at an even offset.
    #[inline(always)]
    #[must_use]
    pub const fn replace2(self, old: [u8; 2], new: [u8; 2]) -> Self {
        Self(self.0 + !u16::from_ne_bytes(old) as u64 + u16::from_ne_bytes(new) as u64)
    }

    /// Folds to 32 bits, the form that `bpf_l4_csum_replace` takes as a difference.
    #[inline(always)]
    #[must_use]
    pub const fn fold32(self) -> u32 {
        let once = (self.0 & 0xffff_ffff) + (self.0 >> 32);
        ((once & 0xffff_ffff) + (once >> 32)) as u32
    }

    /// Folds to 16 bits, not inverted.
    #[inline(always)]
    #[must_use]
    pub const fn fold(self) -> u16 {
        let a = (self.0 & 0xffff_ffff) + (self.0 >> 32);
        let b = (a & 0xffff) + (a >> 16);
        let c = (b & 0xffff) + (b >> 16);
        ((c & 0xffff) + (c >> 16)) as u16
    }

    /// The checksum field for what was added.
    #[inline(always)]
    #[must_use]
    pub const fn checksum(self) -> [u8; 2] {
        (!self.fold()).to_ne_bytes()
    }

    /// The new value of a checksum field `old` after the recorded replacements (RFC 1624 eqn. 3:
    /// HC' = ~(~HC + ~m + m')).
    #[inline(always)]
    #[must_use]
    pub const fn update(self, old: [u8; 2]) -> [u8; 2] {
        Self(self.0 + !u16::from_ne_bytes(old) as u64).checksum()
    }

    /// As [`Sum::update`] for UDP, where a zero field means "no checksum" and is left alone, and a
    /// computed zero is sent as all ones (RFC 768).
    #[inline(always)]
    #[must_use]
    pub const fn update_udp(self, old: [u8; 2]) -> [u8; 2] {
        if u16::from_ne_bytes(old) == 0 {
            return old;
        }
        let new = self.update(old);
        if u16::from_ne_bytes(new) == 0 { [0xff, 0xff] } else { new }
    }
}

/// The one's complement sum of any bytes; for tests and slow paths on the host.
#[cfg(not(target_arch = "bpf"))]
#[must_use]
pub fn sum_bytes(bytes: &[u8]) -> Sum {
    bytes
        .chunks(2)
        .fold(Sum::default(), |sum, pair| sum.add2([pair[0], pair.get(1).copied().unwrap_or(0)]))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn rfc_1071_example() {
        let bytes = [0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7];
        assert_eq!(sum_bytes(&bytes).fold().to_ne_bytes(), [0xdd, 0xf2]);
    }

    proptest! {
        #[test]
        fn incremental_update_equals_full_recomputation(
            mut bytes in prop::collection::vec(any::<u8>(), 20..80),
            at in 0usize..4, new in any::<[u8; 4]>(),
        ) {
            bytes.truncate(bytes.len() & !3);
            let before = sum_bytes(&bytes).checksum();
            let at = at * 4;
            let old: [u8; 4] = bytes[at..at + 4].try_into().unwrap();
            bytes[at..at + 4].copy_from_slice(&new);
            let updated = Sum::default().replace4(old, new).update(before);
            let full = sum_bytes(&bytes).checksum();
            // One's complement has two zeros; both are the same checksum.
            let same = updated == full || [updated, full].iter().all(|c| *c == [0, 0] || *c == [0xff, 0xff]);
            prop_assert!(same, "{updated:?} {full:?}");
        }
    }
}
