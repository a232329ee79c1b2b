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
    /// tcx egress on an interface.
    #[serde(rename = "tcx-egress")]
    TcxEgress,
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
    /// Beside Docker, at egress of the node's NICs: its own processes' packets to tasks of nodes without
    /// agent.
    Own,
    /// Beside Docker: what a task sends to virtual IPs, on the node's end of its overlay leg.
    VipOut,
    /// Beside Docker: answers that it gets from them, at egress there.
    VipIn,
}

/// The XDP program of the node's NICs.
pub const XDP_NODE: &str = "xdp_node";
/// Programs on the root cgroup.
pub const CGROUP_PROGRAMS: [&str; 4] = ["connect4", "sendmsg4", "recvmsg4", "getpeername4"];

/// Every program with its hook; the object must hold all of them.
pub const PROGRAMS: [(&str, Hook); 13] = [
    (XDP_NODE, Hook::Xdp),
    (TcProgram::Leg.name(), TcProgram::Leg.hook()),
    (TcProgram::Client.name(), TcProgram::Client.hook()),
    (TcProgram::Overlay.name(), TcProgram::Overlay.hook()),
    (TcProgram::Node.name(), TcProgram::Node.hook()),
    (TcProgram::Arrive.name(), TcProgram::Arrive.hook()),
    (TcProgram::Own.name(), TcProgram::Own.hook()),
    (TcProgram::VipOut.name(), TcProgram::VipOut.hook()),
    (TcProgram::VipIn.name(), TcProgram::VipIn.hook()),
    (CGROUP_PROGRAMS[0], Hook::Cgroup),
    (CGROUP_PROGRAMS[1], Hook::Cgroup),
    (CGROUP_PROGRAMS[2], Hook::Cgroup),
    (CGROUP_PROGRAMS[3], Hook::Cgroup),
];

/// First parts of the names of links on interfaces, and the hook of each.
pub(super) const LINK_KINDS: [(&str, Hook); 4] =
    [("xdp", Hook::Xdp), ("tcx", Hook::Tcx), ("tcx2", Hook::Tcx), ("tcxe", Hook::TcxEgress)];

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
            Self::Own => "tc_own",
            Self::VipOut => "tc_vip_out",
            Self::VipIn => "tc_vip_in",
        }
    }

    /// Where it is attached: [`Hook::Tcx`] or [`Hook::TcxEgress`].
    #[must_use]
    pub const fn hook(self) -> Hook {
        match self {
            Self::Own | Self::VipIn => Hook::TcxEgress,
            _ => Hook::Tcx,
        }
    }

    /// First part of the name of its link's pin; programs that share an interface differ in it.
    #[must_use]
    pub const fn link_kind(self) -> &'static str {
        match self {
            Self::Leg | Self::Overlay | Self::Node | Self::VipOut => LINK_KINDS[1].0,
            Self::Client | Self::Arrive => LINK_KINDS[2].0,
            Self::Own | Self::VipIn => LINK_KINDS[3].0,
        }
    }
}
