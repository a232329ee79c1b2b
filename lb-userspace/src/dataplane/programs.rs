//! The table of programs: what the object must hold and which hook each one sits on.

use serde::Serialize;

/// Where a program is attached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Hook {
    /// Native XDP on an interface.
    Xdp,
    /// tcx ingress on an interface.
    Tcx,
    /// The root cgroup (v2).
    Cgroup,
}

/// A program on the node's NICs and legs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TcProgram {
    /// Replies of a task, first on the node's end of its gateway leg.
    Leg,
    /// The task as a client of its own node, second there.
    Client,
    /// What a task sends into a network, on the node's end of its overlay leg.
    Overlay,
    /// The slow path of the node's NICs, first there.
    Node,
    /// Overlay frames of other nodes, second there.
    Arrive,
}

/// The XDP program of the node's NICs.
pub const XDP_NODE: &str = "xdp_node";
/// Programs on the root cgroup.
pub const CGROUP_PROGRAMS: [&str; 4] = ["connect4", "sendmsg4", "recvmsg4", "getpeername4"];

/// Every program with its hook; the object must hold all of them.
pub const PROGRAMS: [(&str, Hook); 10] = [
    (XDP_NODE, Hook::Xdp),
    (TcProgram::Leg.name(), Hook::Tcx),
    (TcProgram::Client.name(), Hook::Tcx),
    (TcProgram::Overlay.name(), Hook::Tcx),
    (TcProgram::Node.name(), Hook::Tcx),
    (TcProgram::Arrive.name(), Hook::Tcx),
    (CGROUP_PROGRAMS[0], Hook::Cgroup),
    (CGROUP_PROGRAMS[1], Hook::Cgroup),
    (CGROUP_PROGRAMS[2], Hook::Cgroup),
    (CGROUP_PROGRAMS[3], Hook::Cgroup),
];

impl TcProgram {
    /// The program's name in the object.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Leg => "tc_leg",
            Self::Client => "tc_client",
            Self::Overlay => "tc_overlay",
            Self::Node => "tc_node",
            Self::Arrive => "tc_arrive",
        }
    }

    /// First part of the name of its link's pin; programs that share an interface differ in it.
    #[must_use]
    pub const fn link_kind(self) -> &'static str {
        match self {
            Self::Leg | Self::Overlay | Self::Node => "tcx",
            Self::Client | Self::Arrive => "tcx2",
        }
    }
}
