//! Frames that are neither TCP nor UDP: ARP (RFC 826) and ICMP echo (RFC 792), as tasks ask for their
//! neighbours and ping them.

use lb_common::{
    addr::{Mac, V4},
    port::ICMP,
};

use super::{
    Frame,
    frame::{ethernet, icmp},
};

/// ARP operation: who has this address?
pub const ARP_REQUEST: u16 = 1;
/// ARP operation: I have.
pub const ARP_REPLY: u16 = 2;
/// ICMP type of an echo request.
pub const ICMP_ECHO: u8 = 8;
/// ICMP type of an echo reply.
pub const ICMP_ECHO_REPLY: u8 = 0;

/// An ARP packet for IPv4 over Ethernet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arp {
    /// Ethernet destination and source.
    pub macs: (Mac, Mac),
    /// [`ARP_REQUEST`] or [`ARP_REPLY`].
    pub operation: u16,
    /// Hardware and protocol address of who sends it.
    pub sender: (Mac, V4),
    /// Hardware and protocol address of whom it is about.
    pub target: (Mac, V4),
}

impl Arp {
    /// A broadcast request of `sender` for `target`.
    #[must_use]
    pub fn request(sender: (Mac, V4), target: V4) -> Self {
        let macs = ([0xff; 6], sender.0);
        Self { macs, operation: ARP_REQUEST, sender, target: ([0; 6], target) }
    }

    /// The reply to this request from whoever has `mac`.
    #[must_use]
    pub fn answered_by(self, mac: Mac) -> Self {
        let macs = (self.sender.0, mac);
        let sender = (mac, self.target.1);
        Self { macs, operation: ARP_REPLY, sender, target: self.sender }
    }

    /// The frame's bytes, without padding.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        let (dst, src) = self.macs;
        let fixed = [0, 1, 0x08, 0x00, 6, 4];
        let head = [&dst[..], &src[..], &[0x08, 0x06], &fixed, &self.operation.to_be_bytes()];
        let sender = [&self.sender.0[..], &self.sender.1];
        let target = [&self.target.0[..], &self.target.1];
        [head.concat(), sender.concat(), target.concat()].concat()
    }
}

/// An ICMP echo request or reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Echo {
    /// Ethernet destination and source.
    pub macs: (Mac, Mac),
    /// Source address.
    pub src: V4,
    /// Destination address.
    pub dst: V4,
    /// [`ICMP_ECHO`] or [`ICMP_ECHO_REPLY`].
    pub kind: u8,
    /// Time to live.
    pub ttl: u8,
    /// IP identification.
    pub id: u16,
    /// Flags and fragment offset of the IPv4 header.
    pub frags: u16,
    /// Identifier and sequence number.
    pub rest: [u8; 4],
    /// What comes back as it is.
    pub payload: Vec<u8>,
}

impl Echo {
    /// A ping.
    #[must_use]
    pub fn request(src: V4, dst: V4) -> Self {
        Self {
            macs: ([0xaa; 6], [0xbb; 6]),
            src,
            dst,
            kind: ICMP_ECHO,
            ttl: 64,
            id: 0x1234,
            frags: 0x4000,
            rest: [0, 7, 0, 1],
            payload: b"abcdefgh".to_vec(),
        }
    }

    /// The same between other Ethernet addresses.
    #[must_use]
    pub fn between(self, dst: Mac, src: Mac) -> Self {
        Self { macs: (dst, src), ..self }
    }

    /// The reply to it, all else unchanged.
    #[must_use]
    pub fn reply(self) -> Self {
        let (src, dst, macs) = (self.dst, self.src, (self.macs.1, self.macs.0));
        Self { src, dst, macs, kind: ICMP_ECHO_REPLY, ..self }
    }

    /// The frame's bytes.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        let body = [&[self.kind, 0, 0, 0], &self.rest[..], &self.payload].concat();
        let like = Frame {
            proto: ICMP,
            id: self.id,
            frags: self.frags,
            ttl: self.ttl,
            ..Frame::tcp((self.src, 0), (self.dst, 0))
        };
        ethernet(self.macs, &icmp(&like, body))
    }
}
