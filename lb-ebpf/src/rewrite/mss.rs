//! The MSS option of a SYN or SYN+ACK (RFC 9293 §3.7.1), lowered to what every path of the mesh
//! carries, so that neither end ever sends a segment that needs cutting.

use crate::{checksum::Sum, headers::Tcp, packet::Packet, parse::L4};

/// IPv4 and TCP header, which an MSS does not count, bytes.
pub const TCP_OVERHEAD: u16 = 40;

/// Where the option's value stands and what it changes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Clamp {
    /// Offset of the value in the frame.
    pub at: usize,
    /// The value that is there.
    pub old: [u8; 2],
    /// The value to write.
    pub new: [u8; 2],
}

impl Clamp {
    /// What the change adds to the TCP checksum; a value at an odd offset counts with its bytes
    /// swapped (RFC 1071 §2 B).
    #[inline(always)]
    #[must_use]
    pub fn sum(&self) -> Sum {
        let ([a, b], [c, d]) = (self.old, self.new);
        if self.at.is_multiple_of(2) {
            Sum::default().replace2([a, b], [c, d])
        } else {
            Sum::default().replace2([b, a], [d, c])
        }
    }
}

/// Finds an MSS above `limit`. Looks at the options that fit the largest header, 40 bytes.
#[inline(always)]
#[must_use]
pub fn find(packet: &Packet<'_>, limit: u16) -> Option<Clamp> {
    let tcp = packet.read::<Tcp>(L4)?;
    let end = L4 + usize::from(tcp.offset >> 4) * 4;
    let mut at = L4 + 20;
    let mut options = 0;
    while options < 20 && at + 4 <= end {
        options += 1;
        let [kind, length] = packet.read::<[u8; 2]>(at)?;
        match kind {
            0 => return None,
            1 => at += 1,
            2 => return above(packet, at + 2, limit),
            _ if length < 2 => return None,
            _ => at += usize::from(length & 0x3f),
        }
    }
    None
}

#[inline(always)]
fn above(packet: &Packet<'_>, at: usize, limit: u16) -> Option<Clamp> {
    let old = packet.read::<[u8; 2]>(at)?;
    (u16::from_be_bytes(old) > limit).then(|| Clamp { at, old, new: limit.to_be_bytes() })
}

/// Writes the clamp into bytes whose checksum is complete.
#[inline(always)]
pub fn write(packet: &Packet<'_>, clamp: &Clamp) -> Option<()> {
    let mut tcp = packet.read::<Tcp>(L4)?;
    tcp.check = clamp.sum().update(tcp.check);
    packet.write(L4, &tcp)?;
    packet.write(clamp.at, &clamp.new)
}
