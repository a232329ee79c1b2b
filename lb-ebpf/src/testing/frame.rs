//! Frames from their fields, with all lengths and checksums computed in full, independently of what
//! `rewrite` does to them.

use lb_common::{
    addr::{Mac, V4},
    port::{ICMP, TCP, UDP},
    wire::{OUTER_TTL, VXLAN_FLAGS},
};

use crate::{
    checksum::{Sum, sum_bytes},
    headers::ICMP_UNREACHABLE,
};

/// An Ethernet frame with a TCP segment or a UDP datagram, or a piece of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// Ethernet destination and source.
    pub macs: (Mac, Mac),
    /// Source address.
    pub src: V4,
    /// Destination address.
    pub dst: V4,
    /// Source port.
    pub src_port: u16,
    /// Destination port.
    pub dst_port: u16,
    /// [`TCP`] or [`UDP`].
    pub proto: u8,
    /// IP identification.
    pub id: u16,
    /// Flags and fragment offset of the IPv4 header; with an offset there is no transport header.
    pub frags: u16,
    /// Time to live.
    pub ttl: u8,
    /// TCP sequence number.
    pub seq: u32,
    /// TCP acknowledgment number.
    pub ack: u32,
    /// TCP flags.
    pub flags: u8,
    /// TCP window.
    pub window: u16,
    /// TCP options; padded to a multiple of four with zeros.
    pub options: Vec<u8>,
    /// What follows the transport header.
    pub payload: Vec<u8>,
    /// Whether a UDP datagram has a checksum (RFC 768 allows none).
    pub udp_checksum: bool,
}

impl Frame {
    /// A TCP segment without flags.
    #[must_use]
    pub fn tcp(src: (V4, u16), dst: (V4, u16)) -> Self {
        Self {
            macs: ([0xaa; 6], [0xbb; 6]),
            src: src.0,
            dst: dst.0,
            src_port: src.1,
            dst_port: dst.1,
            proto: TCP,
            id: 0x1234,
            frags: 0,
            ttl: 61,
            seq: 1000,
            ack: 0,
            flags: 0,
            window: 512,
            options: Vec::new(),
            payload: Vec::new(),
            udp_checksum: true,
        }
    }

    /// A UDP datagram.
    #[must_use]
    pub fn udp(src: (V4, u16), dst: (V4, u16)) -> Self {
        Self { proto: UDP, payload: b"question".to_vec(), ..Self::tcp(src, dst) }
    }

    /// The same with TCP flags.
    #[must_use]
    pub fn flags(self, flags: u8) -> Self {
        Self { flags, ..self }
    }

    /// The same with an MSS option.
    #[must_use]
    pub fn mss(self, mss: u16) -> Self {
        let [high, low] = mss.to_be_bytes();
        Self { options: vec![2, 4, high, low], ..self }
    }

    /// The same with other payload.
    #[must_use]
    pub fn payload(self, payload: &[u8]) -> Self {
        Self { payload: payload.to_vec(), ..self }
    }

    /// The same between other Ethernet addresses.
    #[must_use]
    pub fn between(self, dst: Mac, src: Mac) -> Self {
        Self { macs: (dst, src), ..self }
    }

    /// The same from somewhere else.
    #[must_use]
    pub fn from(self, src: (V4, u16)) -> Self {
        Self { src: src.0, src_port: src.1, ..self }
    }

    /// The same to somewhere else.
    #[must_use]
    pub fn to(self, dst: (V4, u16)) -> Self {
        Self { dst: dst.0, dst_port: dst.1, ..self }
    }

    /// The frame's bytes.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        ethernet(self.macs, &self.packet())
    }

    /// The IPv4 packet's bytes.
    #[must_use]
    pub fn packet(&self) -> Vec<u8> {
        let body = match (self.frags & 0x1fff, self.proto) {
            (0, TCP) => self.segment(),
            (0, _) => self.datagram(),
            _ => self.payload.clone(),
        };
        ipv4(self, &body)
    }

    fn segment(&self) -> Vec<u8> {
        let mut options = self.options.clone();
        options.resize(options.len().next_multiple_of(4), 0);
        let words = 5 + options.len() / 4;
        let mut bytes = self.ports();
        bytes.extend(self.seq.to_be_bytes());
        bytes.extend(self.ack.to_be_bytes());
        bytes.extend([(words << 4) as u8, self.flags]);
        bytes.extend(self.window.to_be_bytes());
        bytes.extend([0; 4]);
        bytes.extend(options);
        bytes.extend(&self.payload);
        let check = self.pseudo(bytes.len()).and(&bytes).checksum();
        bytes[16..18].copy_from_slice(&check);
        bytes
    }

    fn datagram(&self) -> Vec<u8> {
        let length = 8 + self.payload.len();
        let mut bytes = self.ports();
        bytes.extend((length as u16).to_be_bytes());
        bytes.extend([0; 2]);
        bytes.extend(&self.payload);
        if self.udp_checksum {
            let check = match self.pseudo(length).and(&bytes).checksum() {
                [0, 0] => [0xff, 0xff],
                check => check,
            };
            bytes[6..8].copy_from_slice(&check);
        }
        bytes
    }

    fn ports(&self) -> Vec<u8> {
        [self.src_port.to_be_bytes(), self.dst_port.to_be_bytes()].concat()
    }

    fn pseudo(&self, length: usize) -> Sum {
        pseudo_header(self.src, self.dst, self.proto, length)
    }
}

/// The sum of the pseudo header of TCP (RFC 9293 §3.1) and UDP (RFC 768).
pub(super) fn pseudo_header(src: V4, dst: V4, proto: u8, length: usize) -> Sum {
    Sum::default().add4(src).add4(dst).add2([0, proto]).add2((length as u16).to_be_bytes())
}

impl Sum {
    /// Adds bytes that begin at an even offset.
    fn and(self, bytes: &[u8]) -> Self {
        Self(self.0 + sum_bytes(bytes).0)
    }
}

pub(super) fn ethernet((dst, src): (Mac, Mac), packet: &[u8]) -> Vec<u8> {
    [&dst[..], &src[..], &[0x08, 0x00], packet].concat()
}

/// An IPv4 packet like `frame` with this ICMP message, whose checksum is written.
pub(super) fn icmp(frame: &Frame, mut message: Vec<u8>) -> Vec<u8> {
    let check = sum_bytes(&message).checksum();
    message[2..4].copy_from_slice(&check);
    ipv4(frame, &message)
}

pub(super) fn ipv4(frame: &Frame, body: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0x45, 0];
    bytes.extend(((20 + body.len()) as u16).to_be_bytes());
    bytes.extend(frame.id.to_be_bytes());
    bytes.extend(frame.frags.to_be_bytes());
    bytes.extend([frame.ttl, frame.proto, 0, 0]);
    bytes.extend(frame.src);
    bytes.extend(frame.dst);
    let check = sum_bytes(&bytes).checksum();
    bytes[10..12].copy_from_slice(&check);
    bytes.extend(body);
    bytes
}

/// An ICMP error (RFC 792), as routers, tasks and refusals send them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IcmpError {
    /// Ethernet destination and source.
    pub macs: (Mac, Mac),
    /// Who complains.
    pub src: V4,
    /// Who is told.
    pub dst: V4,
    /// Type.
    pub kind: u8,
    /// Code.
    pub code: u8,
    /// Next-hop MTU (RFC 1191), 0 where there is none.
    pub mtu: u16,
    /// IP identification.
    pub id: u16,
    /// Flags and fragment offset of the IPv4 header.
    pub frags: u16,
    /// Time to live.
    pub ttl: u8,
    /// The packet complained about, as far as it is quoted.
    pub quote: Vec<u8>,
}

impl IcmpError {
    /// Destination unreachable for a reason, quoting the IPv4 header and eight bytes.
    #[must_use]
    pub fn unreachable(src: V4, code: u8, quoted: &Frame) -> Self {
        Self {
            macs: ([0xaa; 6], [0xbb; 6]),
            src,
            dst: quoted.src,
            kind: ICMP_UNREACHABLE,
            code,
            mtu: 0,
            id: 0,
            frags: 0x4000,
            ttl: 64,
            quote: quoted.packet()[..28].to_vec(),
        }
    }

    /// The same between other Ethernet addresses.
    #[must_use]
    pub fn between(self, dst: Mac, src: Mac) -> Self {
        Self { macs: (dst, src), ..self }
    }

    /// The frame's bytes.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        let [high, low] = self.mtu.to_be_bytes();
        let mut body = vec![self.kind, self.code, 0, 0, 0, 0, high, low];
        body.extend(&self.quote);
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

/// A frame in the tunnel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tunnelled {
    /// Outer Ethernet destination and source.
    pub macs: (Mac, Mac),
    /// Outer source.
    pub src: V4,
    /// Outer destination.
    pub dst: V4,
    /// Outer UDP source port.
    pub src_port: u16,
    /// Outer UDP destination port.
    pub port: u16,
    /// VXLAN network identifier.
    pub vni: u32,
    /// The inner frame, from its Ethernet header on.
    pub inner: Vec<u8>,
}

impl Tunnelled {
    /// The frame's bytes, as a node sends them: DF, identification 0, no UDP checksum.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        let [_, a, b, c] = self.vni.to_be_bytes();
        let vxlan = [VXLAN_FLAGS, 0, 0, 0, a, b, c, 0];
        let outer = Frame {
            macs: self.macs,
            id: 0,
            frags: 0x4000,
            ttl: OUTER_TTL,
            udp_checksum: false,
            payload: [&vxlan[..], &self.inner].concat(),
            ..Frame::udp((self.src, self.src_port), (self.dst, self.port))
        };
        outer.bytes()
    }
}
