//! Backends: `BACKENDS`, an array in which each service owns a range indexed by backend number.

use crate::{addr::V4, row::BackendNumber};

/// Elements of `BACKENDS` unless the loader says otherwise: 16 MiB.
pub const BACKENDS_LEN: u32 = 1 << 20;

/// [`Backend::state`]: nobody has this number.
pub const STATE_NONE: u8 = 0;
/// [`Backend::state`]: takes new flows.
pub const STATE_ACTIVE: u8 = 1;
/// [`Backend::state`]: keeps its flows and takes no new ones.
pub const STATE_DRAINING: u8 = 2;

/// [`Backend::flags`]: beside Docker, new flows reach it by full NAT through Docker's ingress network:
/// no agent was heard on its node for a while.
pub const BACKEND_INGRESS: u16 = 1;
/// [`Backend::flags`]: mesh frames do not reach it, since nothing of ours is in force on its node. Without
/// that flag the flows that the mesh carried before go on by it.
pub const BACKEND_CUT_OFF: u16 = 2;

/// [`Backend::node`] of a task on this very node.
pub const NODE_SELF: u16 = 0;

/// A task as a service sees it.
///
/// Two words: user space writes the second before the first when a task comes, so that whoever reads
/// a state other than [`STATE_NONE`] finds the address that belongs to it.
#[repr(C, align(8))]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Backend {
    /// Index into `PEERS` of the node the task runs on; [`NODE_SELF`] for this node.
    pub node: u16,
    /// Index into `LEGS` of the task's gateway leg where it runs on this node; 0: no leg (yet).
    pub leg: u16,
    /// `STATE_*`.
    pub state: u8,
    /// Counts the lives of this number, so that flow cache entries of a former holder do not match.
    pub generation: u8,
    /// `BACKEND_*` bits.
    pub flags: u16,
    /// Of a service that is a virtual IP, the task's address in its network; of any other, beside Docker,
    /// the address in Docker's ingress network of a task on another node: flows that began through that
    /// network go on through it, whoever runs an agent by now; else zeros.
    pub addr: V4,
    /// Zero.
    pub reserved2: u32,
}

const _: () = assert!(size_of::<Backend>() == 16);
const _: () = assert!(size_of::<BackendNumber>() == 2);
