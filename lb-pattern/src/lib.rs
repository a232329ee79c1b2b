//! Bytes that both ends can make from a seed, and a checksum that notices any byte that is wrong,
//! missing or in another place. A crate of its own, so that debug builds optimise this and nothing else
//! of the test-bed.

/// Multiplier of the mixing steps: the odd number nearest to 2^64 / golden ratio.
const MIX: u64 = 0x9e37_79b9_7f4a_7c15;

/// An endless stream of bytes that depends on nothing but the seed.
#[derive(Clone, Debug)]
pub struct Pattern {
    seed: u64,
    offset: u64,
}

impl Pattern {
    /// The stream of `seed` from its start.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self { seed, offset: 0 }
    }

    /// Fills `buffer` with the next bytes.
    pub fn fill(&mut self, buffer: &mut [u8]) {
        let skip = usize::try_from(self.offset % 8).unwrap_or(0);
        let head = buffer.len().min((8 - skip) % 8);
        let (first, rest) = buffer.split_at_mut(head);
        first.copy_from_slice(&self.word()[skip..][..head]);
        self.offset += head as u64;
        let (words, tail) = rest.as_chunks_mut::<8>();
        for word in words {
            *word = self.word();
            self.offset += 8;
        }
        tail.copy_from_slice(&self.word()[..tail.len()]);
        self.offset += tail.len() as u64;
    }

    /// The eight bytes around the current offset.
    fn word(&self) -> [u8; 8] {
        let mixed = (self.offset / 8).wrapping_add(self.seed).wrapping_mul(MIX);
        (mixed ^ (mixed >> 29)).to_le_bytes()
    }
}

/// Checksum over bytes in order, however they are cut into pieces.
#[derive(Clone, Debug, Default)]
pub struct Checksum {
    state: u64,
    carry: [u8; 8],
    len_bytes: u64,
}

impl Checksum {
    /// Adds the next bytes.
    pub fn add(&mut self, mut bytes: &[u8]) {
        let held = usize::try_from(self.len_bytes % 8).unwrap_or(0);
        self.len_bytes += bytes.len() as u64;
        if held > 0 {
            let taken = bytes.len().min(8 - held);
            self.carry[held..held + taken].copy_from_slice(&bytes[..taken]);
            bytes = &bytes[taken..];
            if held + taken < 8 {
                return;
            }
            self.mix(u64::from_le_bytes(self.carry));
        }
        let (words, rest) = bytes.as_chunks::<8>();
        words.iter().for_each(|word| self.mix(u64::from_le_bytes(*word)));
        self.carry[..rest.len()].copy_from_slice(rest);
    }

    /// The sum of all bytes so far.
    #[must_use]
    pub fn finish(mut self) -> u64 {
        let held = usize::try_from(self.len_bytes % 8).unwrap_or(0);
        self.carry[held..].fill(0);
        self.mix(u64::from_le_bytes(self.carry));
        self.mix(self.len_bytes);
        self.state
    }

    const fn mix(&mut self, word: u64) {
        self.state = (self.state.rotate_left(5) ^ word).wrapping_mul(MIX);
    }
}

/// Checksum of the first `len_bytes` bytes of a seed's pattern.
#[must_use]
pub fn checksum_of(seed: u64, len_bytes: u64) -> u64 {
    let (mut pattern, mut sum) = (Pattern::new(seed), Checksum::default());
    let mut buffer = vec![0; 64 << 10];
    let mut left = len_bytes;
    while left > 0 {
        let piece = usize::try_from(left).map_or(buffer.len(), |left| left.min(buffer.len()));
        pattern.fill(&mut buffer[..piece]);
        sum.add(&buffer[..piece]);
        left -= piece as u64;
    }
    sum.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(seed: u64, cuts: &[usize]) -> Vec<u8> {
        let mut pattern = Pattern::new(seed);
        let mut all = Vec::new();
        for &cut in cuts {
            let start = all.len();
            all.resize(start + cut, 0);
            pattern.fill(&mut all[start..]);
        }
        all
    }

    #[test]
    fn cuts_do_not_matter() {
        let whole = bytes(3, &[100]);
        let cut = bytes(3, &[1, 2, 5, 3, 8, 13, 0, 60, 8]);
        assert_eq!(whole, cut);
        let mut pieces = Checksum::default();
        whole.chunks(7).for_each(|piece| pieces.add(piece));
        assert_eq!(pieces.finish(), checksum_of(3, 100));
    }

    #[test]
    fn every_kind_of_damage_shows() {
        let good = bytes(1, &[1001]);
        let sum = |bytes: &[u8]| {
            let mut sum = Checksum::default();
            sum.add(bytes);
            sum.finish()
        };
        let mut flipped = good.clone();
        flipped[500] ^= 1;
        let mut swapped = good.clone();
        swapped.swap(8, 16);
        let longer = [&good[..], &[0]].concat();
        for bad in [&flipped[..], &swapped, &good[..1000], &longer, &bytes(2, &[1001])] {
            assert_ne!(sum(bad), sum(&good));
        }
    }
}
