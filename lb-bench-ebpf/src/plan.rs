//! What a driver does to each frame: the one element of map `PLAN`, and the flow that a number names.

/// Bytes of a frame that are restored: outer and inner headers with room to spare.
pub const HEAD_LEN: usize = 128;
/// [`HEAD_LEN`] in the words that are copied.
pub const HEAD_WORDS: usize = HEAD_LEN / 8;
/// Bits of a flow's number that go to the client's port; the others go to its address, or to the far
/// port.
pub const PORT_BITS: u32 = 14;
/// First of the client's ports.
pub const FIRST_PORT: u16 = 0x4000;
/// Entries of the floors' flow tables, as many as production's `NAT` has.
pub const FLOOR_FLOWS: u32 = 1 << 18;
/// Places of the floors' ring, the usual prime near 2^16.
pub const RING_LEN: u32 = 65_537;

/// A frame and how its copies differ.
///
/// The client's end of a flow is {`addr` + high bits, [`FIRST_PORT`] + low bits}, the far end's port
/// is `far_port` + service + high bits. Which high bits count is said by `addr_step` and `far_step`.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Number of the next frame.
    pub next: u64,
    /// A frame's number and this is its flow.
    pub mask: u64,
    /// The frame's first bytes; more than it has are zeros.
    pub head: [u64; HEAD_WORDS],
    /// Length of the frame, bytes.
    pub len: u32,
    /// Services with consecutive ports; each flow has one of them, spread evenly.
    pub services: u32,
    /// Sum (RFC 1071, native words, not folded) of the inner IPv4 header without checksum and without
    /// the low half of the client's address.
    pub ip_sum: u32,
    /// The same of pseudo header, transport header and payload, without the checksum, the low half of
    /// the client's address and both ports.
    pub l4_sum: u32,
    /// 1: flows differ in the client's address.
    pub addr_step: u32,
    /// 1: flows differ in the far port.
    pub far_step: u32,
    /// Low half of the client's address, host order.
    pub addr: u16,
    /// Port of the first service, host order.
    pub far_port: u16,
    /// 1: a UDP datagram, else a TCP segment.
    pub is_udp: u32,
}

const _: () = assert!(size_of::<Plan>() == 16 + HEAD_LEN + 32);

/// What differs in a frame, as 16-bit words in host order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flow {
    /// Low half of the client's address.
    pub addr: u16,
    /// The client's port.
    pub port: u16,
    /// The far port.
    pub far_port: u16,
}

impl Plan {
    /// The flow of frame `number`.
    #[inline(always)]
    #[must_use]
    pub fn flow(&self, number: u64) -> Flow {
        let flow = (number & self.mask) as u32;
        let high = flow >> PORT_BITS;
        // Fibonacci hashing: neighbours are far apart, and all services come up.
        let spread = u64::from(flow.wrapping_mul(0x9e37_79b1));
        let service = (spread * u64::from(self.services)) >> 32;
        Flow {
            addr: self.addr.wrapping_add((high * self.addr_step) as u16),
            port: FIRST_PORT | (flow as u16 & ((1 << PORT_BITS) - 1)),
            far_port: self.far_port.wrapping_add(service as u16 + (high * self.far_step) as u16),
        }
    }

    /// Checksum of the inner IPv4 header, as stored.
    #[inline(always)]
    #[must_use]
    pub fn ip_check(&self, flow: Flow) -> u16 {
        !fold(self.ip_sum + u32::from(flow.addr.to_be()))
    }

    /// Checksum of the transport, as stored.
    #[inline(always)]
    #[must_use]
    pub fn l4_check(&self, flow: Flow) -> u16 {
        let ports = u32::from(flow.port.to_be()) + u32::from(flow.far_port.to_be());
        !fold(self.l4_sum + u32::from(flow.addr.to_be()) + ports)
    }
}

/// Folds a sum of 16-bit words to one.
#[inline(always)]
#[must_use]
pub const fn fold(sum: u32) -> u16 {
    let once = (sum & 0xffff) + (sum >> 16);
    ((once & 0xffff) + (once >> 16)) as u16
}

/// What counts at the end of a traffic measurement.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// Frames that arrived.
    pub packets: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// Where frames go, by interface indices.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Route {
    /// From the generator.
    pub generated: u32,
    /// From a forwarder that only swaps Ethernet addresses.
    pub swapped: u32,
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn plan() -> Plan {
        Plan {
            next: 0,
            mask: u64::MAX,
            head: [0; HEAD_WORDS],
            len: 64,
            services: 1,
            ip_sum: 0,
            l4_sum: 0,
            addr_step: 1,
            far_step: 0,
            addr: 0xfff0,
            far_port: 80,
            is_udp: 0,
        }
    }

    #[test]
    fn numbers_are_flows_and_the_mask_repeats_them() {
        let plan = Plan { mask: 0xffff, ..plan() };
        let flows: BTreeSet<_> =
            (0..0x2_0000).map(|i| (plan.flow(i).addr, plan.flow(i).port)).collect();
        assert_eq!(flows.len(), 0x1_0000);
        assert_eq!(plan.flow(0x1_0001), plan.flow(1));
        assert_eq!(plan.flow(0x4000).addr, 0xfff1);
    }

    #[test]
    fn flows_of_a_fixed_address_differ_in_the_far_port() {
        let plan = Plan { addr_step: 0, far_step: 1, ..plan() };
        let flow = plan.flow(3 << PORT_BITS);
        assert_eq!((flow.addr, flow.far_port), (0xfff0, 83));
    }

    #[test]
    fn every_service_comes_up_about_as_often() {
        let plan = Plan { services: 100, mask: 0xffff, ..plan() };
        let mut counts = [0; 100];
        (0..0x1_0000).for_each(|i| counts[usize::from(plan.flow(i).far_port) - 80] += 1);
        assert!(counts.iter().all(|count| (600..710).contains(count)), "{counts:?}");
    }

    #[test]
    fn a_fold_carries_twice() {
        assert_eq!(fold(0x1_ffff), 1);
        assert_eq!(fold(0xffff_ffff), 0xffff);
    }
}
