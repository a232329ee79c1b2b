//! Bridges of networks that a Docker Engine keeps for this node alone, `docker0` first: `BRIDGES`, by
//! interface index. Containers there have no leg, and may dial the node's published ports.

use crate::addr::V4;

/// Elements of `BRIDGES`.
pub const BRIDGES_LEN: u32 = 1024;

/// Such a bridge.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bridge {
    /// Address of its containers' subnet.
    pub addr: V4,
    /// Netmask of that subnet.
    pub mask: V4,
    /// Largest IP packet that its containers' connections may use, bytes.
    pub mtu: u16,
    /// Zero.
    pub reserved: u16,
}

impl Bridge {
    /// Whether a container there may have this address.
    #[inline(always)]
    #[must_use]
    pub fn contains(&self, addr: V4) -> bool {
        let word = u32::from_ne_bytes;
        (word(addr) ^ word(self.addr)) & word(self.mask) == 0
    }
}

const _: () = assert!(size_of::<Bridge>() == 12);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subnet_ends_with_its_mask() {
        let mask = [255, 255, 255, 0];
        let bridge = Bridge { addr: [172, 17, 4, 0], mask, ..Bridge::default() };
        assert!(bridge.contains([172, 17, 4, 255]));
        assert!(!bridge.contains([172, 17, 5, 0]));
    }
}
