//! The node outside BPF: interfaces, namespaces, gateway and overlay legs, NAT, sysctls, reserved ports;
//! in `docker` what a Docker Engine has made of these. Wishes come in from the agent as plain values,
//! facts about the node go out as plain values; whatever is changed here can be undone by `detach`.
//!
//! Everything acts on the network namespace of the calling thread, which is the node's.

pub mod docker;
mod error;
pub mod journal;
pub mod legs;
pub mod mtu;
pub mod nat;
pub mod netlink;
pub mod netns;
pub mod network;
mod offload;
pub mod overlay;
pub mod ports;
pub mod preflight;
pub mod sysctl;
mod task_end;
pub mod watch;

pub use error::HostError;
pub use journal::Journal;
pub use netlink::Netlink;

/// Outcome of a change to the node or a question about it.
pub type Result<T> = std::result::Result<T, HostError>;
