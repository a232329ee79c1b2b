//! What becomes of a frame in an overlay network. Comes from `decide::{overlay, arp, beside}`, carried
//! out by `kernel::{overlay, beside}`. A flat record, for the same reason as [`crate::verdict::Verdict`].

use lb_common::{
    addr::{Mac, V4},
    drops::Reason,
};

use crate::{parse::Parsed, verdict::Nat};

/// What is done with a frame.
#[repr(u8)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    /// Dropped; `reason` is counted.
    Drop,
    /// An ARP request: answered with `macs.1`.
    Arp,
    /// An ICMP echo request: answered from `macs.1`.
    Echo,
    /// To the task behind the leg with interface index `ifindex`.
    Local,
    /// To peer `peer` in a frame of network `vni`.
    Remote,
    /// Answered with a TCP RST or ICMP port unreachable; `reason` is counted.
    Refuse,
    /// Answered with ICMP fragmentation needed for `mtu`; `reason` is counted.
    TooBig,
    /// Beside Docker: on to the engine's bridge; untouched, unless `translated` says that the packet
    /// gets new addresses and Ethernet destination `macs.0`.
    Bridge,
    /// Beside Docker: translated, then into another subnet of the network by the namespace's routes.
    Route,
}

/// The end of a decision. Fields that its act does not name are zero.
#[repr(C, align(4))]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Carriage {
    /// Addresses and ports that the packet gets first, where `translated` says so.
    pub nat: Nat,
    /// VXLAN network identifier.
    pub vni: u32,
    /// Node end of the receiver's leg.
    pub ifindex: u32,
    /// Ethernet destination and source.
    pub macs: (Mac, Mac),
    /// Index into `PEERS`.
    pub peer: u16,
    /// [`Act::TooBig`]: next-hop MTU to tell; [`Act::Remote`]: largest IP packet that the way carries
    /// where that is less than the leg does, else 0. Bytes.
    pub mtu: u16,
    /// What to do.
    pub act: Act,
    /// Counted.
    pub reason: Option<Reason>,
    /// Whether `nat` applies.
    pub translated: bool,
    /// Zero: padding would be uninitialised.
    pub reserved: u8,
}

const NOWHERE: Carriage = Carriage {
    nat: Nat { src: [0; 4], dst: [0; 4], src_port: [0; 2], dst_port: [0; 2] },
    vni: 0,
    ifindex: 0,
    macs: ([0; 6], [0; 6]),
    peer: 0,
    mtu: 0,
    act: Act::Drop,
    reason: None,
    translated: false,
    reserved: 0,
};

impl Carriage {
    /// [`Act::Drop`].
    #[inline(always)]
    #[must_use]
    pub const fn drop(reason: Reason) -> Self {
        Self { reason: Some(reason), ..NOWHERE }
    }

    /// [`Act::Arp`] or [`Act::Echo`], in the name of whoever has `mac`.
    #[inline(always)]
    #[must_use]
    pub const fn answer(act: Act, mac: Mac) -> Self {
        Self { act, macs: ([0; 6], mac), ..NOWHERE }
    }

    /// [`Act::Local`].
    #[inline(always)]
    #[must_use]
    pub const fn local(ifindex: u32, macs: (Mac, Mac)) -> Self {
        Self { act: Act::Local, ifindex, macs, ..NOWHERE }
    }

    /// [`Act::Remote`].
    #[inline(always)]
    #[must_use]
    pub const fn remote(peer: u16, vni: u32, macs: (Mac, Mac), mtu: u16) -> Self {
        Self { act: Act::Remote, peer, vni, macs, mtu, ..NOWHERE }
    }

    /// [`Act::Bridge`], as it is.
    #[inline(always)]
    #[must_use]
    pub const fn pass() -> Self {
        Self { act: Act::Bridge, ..NOWHERE }
    }

    /// [`Act::Bridge`] to a task with this Ethernet address; to be translated.
    #[inline(always)]
    #[must_use]
    pub const fn bridge(macs: (Mac, Mac)) -> Self {
        Self { act: Act::Bridge, macs, ..NOWHERE }
    }

    /// [`Act::Route`]; to be translated.
    #[inline(always)]
    #[must_use]
    pub const fn route() -> Self {
        Self { act: Act::Route, ..NOWHERE }
    }

    /// [`Act::Refuse`].
    #[inline(always)]
    #[must_use]
    pub const fn refuse(reason: Reason) -> Self {
        Self { act: Act::Refuse, reason: Some(reason), ..NOWHERE }
    }

    /// [`Act::TooBig`].
    #[inline(always)]
    #[must_use]
    pub const fn too_big(mtu: u16) -> Self {
        Self { act: Act::TooBig, mtu, reason: Some(Reason::TooBig), ..NOWHERE }
    }

    /// The same with other addresses, if there are some.
    #[inline(always)]
    #[must_use]
    pub const fn translated(self, nat: Option<Nat>) -> Self {
        match nat {
            Some(nat) => Self { nat, translated: true, ..self },
            None => self,
        }
    }

    /// The same from another source, or to another destination.
    #[inline(always)]
    #[must_use]
    pub const fn between(self, parsed: &Parsed, src: V4, dst: V4) -> Self {
        self.translated(Some(Nat { src, dst, ..Nat::of(parsed) }))
    }
}

const _: () = assert!(size_of::<Carriage>() == 40);
