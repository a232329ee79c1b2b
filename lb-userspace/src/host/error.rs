//! What can go wrong on the node, told with the object it happened to and, where the user can help,
//! with the fix.

use std::{io, net::Ipv4Addr, path::PathBuf};

use thiserror::Error;

/// A failed change to the node or a failed question about it.
#[derive(Debug, Error)]
pub enum HostError {
    /// The kernel refused a netlink request.
    #[error("cannot {action}: {source}")]
    Netlink {
        /// What was tried, for example `add interface slb0123456789`.
        action: String,
        /// The kernel's answer.
        source: rtnetlink::Error,
    },
    /// A system call or a file failed.
    #[error("cannot {action}: {source}")]
    Io {
        /// What was tried.
        action: String,
        /// The system's answer.
        source: io::Error,
    },
    /// No network namespace there (yet).
    #[error("no network namespace at {}: {source}; it is attached when it appears", path.display())]
    NoNamespace {
        /// Where it was looked for.
        path: PathBuf,
        /// Why it could not be opened.
        source: io::Error,
    },
    /// The file is there, but names no network namespace.
    #[error("{} is no network namespace; name one made by `ip netns add` or /proc/PID/ns/net", path.display())]
    NotANamespace {
        /// The file.
        path: PathBuf,
    },
    /// A task lives in the node's own namespace, where a leg makes no sense.
    #[error("task {task}: its namespace is the node's own; give the task a namespace of its own")]
    NodeNamespace {
        /// The task.
        task: String,
    },
    /// The task has another way out already.
    #[error(
        "task {task}: its namespace already has a default route by {interface}; \
         remove it there (ip route del default dev {interface}) so that the gateway leg can carry it"
    )]
    ForeignDefaultRoute {
        /// The task.
        task: String,
        /// The interface that carries the default route.
        interface: String,
    },
    /// The name of the leg's task end is taken.
    #[error(
        "task {task}: its namespace already has an interface {interface} that is not this leg's; \
         rename or delete it there, or give each task a namespace of its own"
    )]
    ForeignInterface {
        /// The task.
        task: String,
        /// The interface in the way.
        interface: String,
    },
    /// The name of the leg's node end is taken.
    #[error(
        "task {task}: interface {interface} of this node belongs to {owner}; rename the task or delete the interface"
    )]
    NameTaken {
        /// The task.
        task: String,
        /// The interface in the way.
        interface: String,
        /// Whose it is.
        owner: String,
    },
    /// The address asked for a leg cannot be had.
    #[error("task {task}: gateway address {addr} {reason}")]
    AddressRefused {
        /// The task.
        task: String,
        /// The address asked for.
        addr: Ipv4Addr,
        /// Why not.
        reason: String,
    },
    /// More legs than the gateway subnet has addresses.
    #[error("task {task}: no free address in gateway subnet {subnet}; choose a larger `gateway`")]
    SubnetFull {
        /// The task.
        task: String,
        /// The gateway subnet.
        subnet: String,
    },
    /// No interface carries the address.
    #[error(
        "no interface of this node carries {addr}; give the node's own address, or add it to an interface"
    )]
    NoInterface {
        /// The address looked for.
        addr: Ipv4Addr,
    },
    /// A peer's address is this node's own.
    #[error("{addr} is an address of this node itself, not of a peer")]
    OwnAddress {
        /// The address.
        addr: Ipv4Addr,
    },
    /// No usable route to a peer.
    #[error("no route to {addr} by an Ethernet interface; add one (ip route add {addr} ...)")]
    NoRoute {
        /// The peer's address.
        addr: Ipv4Addr,
    },
    /// The program that writes NAT rules is not installed.
    #[error("the program nft is missing; {}", Self::NFT_FIX)]
    NoNft,
    /// The program that writes NAT rules refused ours.
    #[error("nft refuses the rules for tasks' way out: {said}")]
    Nft {
        /// What it said.
        said: String,
    },
    /// The record of changes to this node cannot be read.
    #[error(
        "{} is damaged ({source}); look what it says, put that back by hand, then delete it",
        path.display()
    )]
    DamagedJournal {
        /// The file.
        path: PathBuf,
        /// Where it stops making sense.
        source: serde_json::Error,
    },
}

impl HostError {
    /// How to get the program that writes NAT rules.
    pub(super) const NFT_FIX: &str = "install it: apt-get install nftables";

    /// Whether the namespace is merely not there yet, which time may heal.
    #[must_use]
    pub const fn is_missing_namespace(&self) -> bool {
        matches!(self, Self::NoNamespace { .. } | Self::NotANamespace { .. })
    }

    /// Names the action that a netlink error interrupted.
    pub(super) fn netlink(action: impl Into<String>) -> impl FnOnce(rtnetlink::Error) -> Self {
        |source| Self::Netlink { action: action.into(), source }
    }

    /// Names the action that a system call interrupted.
    pub(super) fn io<E: Into<io::Error>>(action: impl Into<String>) -> impl FnOnce(E) -> Self {
        |source| Self::Io { action: action.into(), source: source.into() }
    }
}
