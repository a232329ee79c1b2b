//! What a decision ends with. Comes from `decide`, carried out by `kernel::{xdp,skb}` with the help
//! of `rewrite`.
//!
//! A verdict is a flat record in which every field always has a value, and not an enum with fields:
//! the compiler merges the branches that make it, and a field that one branch leaves out would be
//! an uninitialised register, which the verifier refuses to see stored.

use lb_common::{addr::V4, drops::Reason, row::Row};

use crate::parse::Parsed;

/// The addresses and ports that a packet gets; of an ICMP error, those of the flow it is about.
///
/// Aligned, because values that cross a function call lie on the stack, where the verifier demands
/// aligned accesses.
#[repr(C, align(4))]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Nat {
    /// New source.
    pub src: V4,
    /// New destination.
    pub dst: V4,
    /// New source port, network order.
    pub src_port: [u8; 2],
    /// New destination port, network order.
    pub dst_port: [u8; 2],
}

impl Nat {
    /// The addresses and ports that the packet has: nothing changes.
    #[inline(always)]
    #[must_use]
    pub const fn of(parsed: &Parsed) -> Self {
        Self {
            src: parsed.src,
            dst: parsed.dst,
            src_port: parsed.src_port,
            dst_port: parsed.dst_port,
        }
    }
}

/// What is done with a packet.
#[repr(u8)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Not ours; the kernel goes on with the untouched packet.
    Pass,
    /// Dropped; `reason` is counted.
    Drop,
    /// Translated by `nat`, then to the task behind leg `index`.
    ToTask,
    /// Translated by `nat`, then to the client by this node's routes; `index`: the peer that it came from,
    /// if it came in a frame.
    ToClient,
    /// Translated by `nat`, then to the node's own kernel; `index`: the peer that it came from, in Docker's
    /// ingress network.
    ToSelf,
    /// Translated by `nat`, then to the entry node, peer `index`, in a tunnel frame.
    ToEntry,
    /// Untouched, to peer `index` in a tunnel frame that carries `row` and `entry`.
    Forward,
    /// Translated by `nat`, then to peer `index` in a frame of Docker's ingress network.
    ToIngress,
    /// Another node's reply: out of the tunnel, then to the client by this node's routes.
    Unpack,
    /// Answered with a TCP RST or ICMP port unreachable, by way of peer `index`; `reason` is counted.
    Refuse,
    /// Answered with ICMP fragmentation needed for `mtu`, by way of peer `index`; `reason` is counted.
    TooBig,
}

/// The end of a decision. Fields that its action does not name are zero.
#[repr(C, align(8))]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Row to carry.
    pub row: Row,
    /// Addresses and ports.
    pub nat: Nat,
    /// The entry node's data-path address, to carry.
    pub entry: V4,
    /// Index into `LEGS` or `PEERS`.
    pub index: u16,
    /// Next-hop MTU to tell, bytes.
    pub mtu: u16,
    /// What to do.
    pub action: Action,
    /// Counted.
    pub reason: Option<Reason>,
    /// Zero: padding would be uninitialised.
    pub reserved: u16,
}

const NO_NAT: Nat = Nat { src: [0; 4], dst: [0; 4], src_port: [0; 2], dst_port: [0; 2] };
const PASS: Verdict = Verdict {
    row: Row { backends: [0; 4] },
    nat: NO_NAT,
    entry: [0; 4],
    index: 0,
    mtu: 0,
    action: Action::Pass,
    reason: None,
    reserved: 0,
};

impl Verdict {
    /// [`Action::Pass`].
    #[inline(always)]
    #[must_use]
    pub const fn pass() -> Self {
        PASS
    }

    /// [`Action::Drop`].
    #[inline(always)]
    #[must_use]
    pub const fn drop(reason: Reason) -> Self {
        Self { action: Action::Drop, reason: Some(reason), ..PASS }
    }

    /// [`Action::ToTask`].
    #[inline(always)]
    #[must_use]
    pub const fn to_task(nat: Nat, leg: u16) -> Self {
        Self { action: Action::ToTask, nat, index: leg, ..PASS }
    }

    /// [`Action::ToClient`].
    #[inline(always)]
    #[must_use]
    pub const fn to_client(nat: Nat) -> Self {
        Self { action: Action::ToClient, nat, ..PASS }
    }

    /// [`Action::ToSelf`].
    #[inline(always)]
    #[must_use]
    pub const fn to_self(nat: Nat, peer: u16) -> Self {
        Self { action: Action::ToSelf, nat, index: peer, ..PASS }
    }

    /// [`Action::ToEntry`].
    #[inline(always)]
    #[must_use]
    pub const fn to_entry(nat: Nat, peer: u16) -> Self {
        Self { action: Action::ToEntry, nat, index: peer, ..PASS }
    }

    /// [`Action::Forward`].
    #[inline(always)]
    #[must_use]
    pub const fn forward(peer: u16, row: Row, entry: V4) -> Self {
        Self { action: Action::Forward, row, entry, index: peer, ..PASS }
    }

    /// [`Action::ToIngress`].
    #[inline(always)]
    #[must_use]
    pub const fn to_ingress(nat: Nat, peer: u16) -> Self {
        Self { action: Action::ToIngress, nat, index: peer, ..PASS }
    }

    /// [`Action::Unpack`].
    #[inline(always)]
    #[must_use]
    pub const fn unpack() -> Self {
        Self { action: Action::Unpack, ..PASS }
    }

    /// [`Action::Refuse`].
    #[inline(always)]
    #[must_use]
    pub const fn refuse(reason: Reason, entry: u16) -> Self {
        Self { action: Action::Refuse, reason: Some(reason), index: entry, ..PASS }
    }

    /// [`Action::TooBig`].
    #[inline(always)]
    #[must_use]
    pub const fn too_big(mtu: u16, entry: u16) -> Self {
        Self { action: Action::TooBig, reason: Some(Reason::TooBig), mtu, index: entry, ..PASS }
    }
}

const _: () = assert!(size_of::<Verdict>() == 32);
