//! Header types that lie in packets: alignment 1, fields as bytes in network order. `network-types`
//! where it fits; its Ethernet header has alignment 2 and its TCP header hides the flags in a
//! bitfield, so those two are here.

use lb_common::addr::{Mac, V4};
pub use network_types::{ip::Ipv4Hdr, udp::UdpHdr, vxlan::VxlanHdr};

/// EtherType of IPv4 (RFC 894).
pub const ETHERTYPE_IPV4: [u8; 2] = [0x08, 0x00];
/// EtherType of ARP (RFC 826).
pub const ETHERTYPE_ARP: [u8; 2] = [0x08, 0x06];
/// Version 4, five words: an IPv4 header without options.
pub const IPV4_PLAIN: u8 = 0x45;

/// A type that may be copied out of and into packet bytes.
///
/// # Safety
/// Alignment 1, even size, no padding, every bit pattern valid.
pub unsafe trait Header: Copy {}

/// Part of a packet, by words of four bytes: what they hold need not lie in one header.
#[repr(transparent)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Words<const N: usize>(pub [[u8; 4]; N]);

// SAFETY: bytes only, an even number of them.
unsafe impl<const N: usize> Header for Words<N> {}

/// Ethernet II.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Eth {
    /// Destination.
    pub dst: Mac,
    /// Source.
    pub src: Mac,
    /// EtherType.
    pub ether_type: [u8; 2],
}

/// TCP (RFC 9293 §3.1) without options.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tcp {
    /// Source port.
    pub src_port: [u8; 2],
    /// Destination port.
    pub dst_port: [u8; 2],
    /// Sequence number.
    pub seq: [u8; 4],
    /// Acknowledgment number.
    pub ack: [u8; 4],
    /// Header length in words in the upper four bits.
    pub offset: u8,
    /// CWR ECE URG ACK PSH RST SYN FIN.
    pub flags: u8,
    /// Window.
    pub window: [u8; 2],
    /// Checksum.
    pub check: [u8; 2],
    /// Urgent pointer.
    pub urgent: [u8; 2],
}

/// TCP flag FIN.
pub const FIN: u8 = 0x01;
/// TCP flag SYN.
pub const SYN: u8 = 0x02;
/// TCP flag RST.
pub const RST: u8 = 0x04;
/// TCP flag ACK.
pub const ACK: u8 = 0x10;

/// ICMP (RFC 792), the eight bytes before the quote.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Icmp {
    /// Type.
    pub kind: u8,
    /// Code.
    pub code: u8,
    /// Checksum over header and quote.
    pub check: [u8; 2],
    /// Rest of header; bytes 2..4 are the next-hop MTU in "fragmentation needed" (RFC 1191).
    pub rest: [u8; 4],
}

/// ARP (RFC 826) for IPv4 over Ethernet.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arp {
    /// [`ARP_IPV4`] where the rest is as this type has it.
    pub format: [u8; 6],
    /// [`ARP_REQUEST`] or [`ARP_REPLY`].
    pub operation: [u8; 2],
    /// Ethernet address of who sends it.
    pub sender_mac: Mac,
    /// Address of who sends it; zeros in a probe (RFC 5227).
    pub sender: V4,
    /// Ethernet address of whom it is about; anything in a request.
    pub target_mac: Mac,
    /// Address of whom it is about.
    pub target: V4,
}

/// Ethernet, IPv4, and the lengths of their addresses.
pub const ARP_IPV4: [u8; 6] = [0, 1, 0x08, 0x00, 6, 4];
/// Who has this address?
pub const ARP_REQUEST: [u8; 2] = [0, 1];
/// I have.
pub const ARP_REPLY: [u8; 2] = [0, 2];

/// ICMP echo request.
pub const ICMP_ECHO_REQUEST: u8 = 8;
/// ICMP echo reply.
pub const ICMP_ECHO_REPLY: u8 = 0;
/// ICMP destination unreachable.
pub const ICMP_UNREACHABLE: u8 = 3;
/// ICMP time exceeded.
pub const ICMP_TIME_EXCEEDED: u8 = 11;
/// ICMP parameter problem.
pub const ICMP_PARAMETER: u8 = 12;
/// Code of destination unreachable: port unreachable.
pub const CODE_PORT: u8 = 3;
/// Code of destination unreachable: fragmentation needed and DF set.
pub const CODE_FRAG_NEEDED: u8 = 4;

macro_rules! header {
    ($($type:ty: $size:literal),* $(,)?) => {
        $(
            // SAFETY: made of bytes and byte arrays only, as the asserts below confirm.
            unsafe impl Header for $type {}
            const _: () = assert!(align_of::<$type>() == 1 && size_of::<$type>() == $size);
        )*
    };
}

header!(Eth: 14, Ipv4Hdr: 20, UdpHdr: 8, VxlanHdr: 8, Tcp: 20, Icmp: 8, Arp: 28, [u8; 2]: 2, [u8; 4]: 4, [u8; 6]: 6, [u8; 8]: 8);
