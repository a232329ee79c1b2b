//! Published ports: `PORTS`, an array indexed by protocol and port, so that the question "is this
//! packet ours" costs one array read. Written by `apply`, read first by every path.

/// IP protocol number of TCP (RFC 9293).
pub const TCP: u8 = 6;
/// IP protocol number of UDP (RFC 768).
pub const UDP: u8 = 17;
/// IP protocol number of ICMP (RFC 792).
pub const ICMP: u8 = 1;

/// Elements of `PORTS`: 65 536 TCP ports, then 65 536 UDP ports.
pub const PORTS_LEN: u32 = 2 * 65536;

/// Where `proto`/`port` stands in `PORTS`; `None` for a protocol that is not balanced.
#[inline(always)]
#[must_use]
pub const fn port_index(proto: u8, port: u16) -> Option<u32> {
    match proto {
        TCP => Some(port as u32),
        UDP => Some(65536 + port as u32),
        _ => None,
    }
}

/// [`PublishedPort::flags`]: clients do not get in at this node, since a process of it holds the port;
/// what other nodes let in still reaches its tasks.
pub const PORT_CLOSED: u32 = 1;

/// One published port. All zero: not published.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PublishedPort {
    /// Index into `SERVICES`; 0 means that the port is not published.
    pub service: u16,
    /// The port that the task listens on, host order.
    pub target: u16,
    /// `PORT_*` bits.
    pub flags: u32,
}

impl PublishedPort {
    /// Whether this element publishes anything.
    #[inline(always)]
    #[must_use]
    pub const fn is_published(&self) -> bool {
        self.service != 0
    }

    /// Whether clients get in here.
    #[inline(always)]
    #[must_use]
    pub const fn is_open(&self) -> bool {
        self.is_published() && self.flags & PORT_CLOSED == 0
    }
}

const _: () = assert!(size_of::<PublishedPort>() == 8);
