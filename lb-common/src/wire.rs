//! The tunnel on the wire: VXLAN (RFC 7348) with the inner MAC addresses put to use.
//!
//! Forward frames (mesh VNI) carry the row (eight bytes) and the entry node's data-path IPv4 (four
//! bytes) in the twelve bytes of the inner destination and source MAC. Reply frames (reply VNI)
//! carry nothing there.

use crate::{
    addr::{Mac, V4},
    row::Row,
};

/// IANA's VXLAN port, the default data-path port.
pub const VXLAN_PORT: u16 = 4789;
/// Default VNI of the routing mesh; below 4096, where Docker's begin. Replies use the next one.
pub const MESH_VNI: u32 = 4094;
/// First VNI of overlay networks.
pub const FIRST_NETWORK_VNI: u32 = 4096;

/// Outer Ethernet 14, IPv4 20, UDP 8, VXLAN 8.
pub const OUTER_LEN: usize = 50;
/// What the tunnel takes from the underlay's MTU: outer IPv4 20, UDP 8, VXLAN 8, inner Ethernet 14.
pub const TUNNEL_OVERHEAD: u16 = 50;
/// First byte of the VXLAN header: the I flag, "VNI is valid".
pub const VXLAN_FLAGS: u8 = 0x08;
/// TTL of outer packets, as the kernel's vxlan device has it.
pub const OUTER_TTL: u8 = 64;

/// The inner MAC addresses of a forward frame: destination, then source.
#[inline(always)]
#[must_use]
pub const fn carry(row: Row, entry: V4) -> (Mac, Mac) {
    let [a, b, c, d, e, f, g, h] = row.to_wire();
    let [i, j, k, l] = entry;
    ([a, b, c, d, e, f], [g, h, i, j, k, l])
}

/// Reads what [`carry`] wrote.
#[inline(always)]
#[must_use]
pub const fn carried(dst: Mac, src: Mac) -> (Row, V4) {
    let ([a, b, c, d, e, f], [g, h, i, j, k, l]) = (dst, src);
    (Row::from_wire([a, b, c, d, e, f, g, h]), [i, j, k, l])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn row_and_entry_survive_the_inner_macs() {
        let row = Row { backends: [1, 0xfffe, 513, 4] };
        let (dst, src) = carry(row, [198, 18, 0, 7]);
        assert_eq!(carried(dst, src), (row, [198, 18, 0, 7]));
    }
}
