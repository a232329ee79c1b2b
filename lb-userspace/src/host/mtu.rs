//! How much a tunnelled packet may carry.

/// Bytes that the tunnel adds to an IP packet: inner Ethernet 14, VXLAN 8, UDP 8, outer IPv4 20
/// (RFC 7348, section 5).
pub const TUNNEL_OVERHEAD_BYTES: u16 = 50;

/// Largest IP packet that fits the tunnel over an underlay with that MTU, bytes.
#[must_use]
pub const fn tunnel_mtu(underlay_mtu: u16) -> u16 {
    underlay_mtu.saturating_sub(TUNNEL_OVERHEAD_BYTES)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ethernet_carries_1450_bytes() {
        assert_eq!(tunnel_mtu(1500), 1450);
        assert_eq!(tunnel_mtu(20), 0);
    }
}
