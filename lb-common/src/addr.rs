//! Network addresses as map keys see them: bytes in network order, one type per family, so that
//! keys are generic over the family and IPv6 is a second instance and not a second design.

/// An IPv4 address in network byte order, printed by bpftool as `[10,0,0,1]`.
pub type V4 = [u8; 4];
/// An IPv6 address in network byte order.
pub type V6 = [u8; 16];
/// An Ethernet address as it stands in the frame.
pub type Mac = [u8; 6];

/// An address family's address, usable inside a map key.
///
/// Implemented for [`V4`] and [`V6`] only; keys are zero-padded to a multiple of four bytes by
/// their own fields, so an address needs alignment 1.
pub trait Address: Copy + Eq + AsRef<[u8]> + 'static {
    /// Folds the address into 64 bits for the flow hash; for IPv4 this is the address itself.
    fn fold(self) -> u64;
}

impl Address for V4 {
    #[inline(always)]
    fn fold(self) -> u64 {
        u64::from(u32::from_be_bytes(self))
    }
}

impl Address for V6 {
    #[inline(always)]
    fn fold(self) -> u64 {
        let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p] = self;
        u64::from_be_bytes([a, b, c, d, e, f, g, h])
            ^ u64::from_be_bytes([i, j, k, l, m, n, o, p]).rotate_left(29)
    }
}

/// The Ethernet address that Docker and swarmlb give an endpoint: `02:42` and the IPv4 address
/// (moby `netutils.GenerateMACFromIP`).
#[must_use]
pub const fn mac_of(addr: V4) -> Mac {
    [0x02, 0x42, addr[0], addr[1], addr[2], addr[3]]
}
