//! Decisions: facts about a packet and tables in, a [`Verdict`](crate::verdict::Verdict) out. One
//! file per path, nothing written to packets here.
//!
//! `express` is the short way that nearly every client's packet takes; `ingress` is what a NIC receives, `leg` what a task sends, `client` the part of that which goes to
//! published ports; `entry` finds the row, `home` the task, `slot` the translation; `full_nat` is the way
//! to nodes without agent, `own` its part for the node's own processes. `overlay` is what a task sends into an overlay network, `arrive` what other
//! nodes' tasks send there, `vip` the virtual IPs, `vip_leg` the same where a Docker Engine carries the
//! frames.

mod arp;
pub mod arrive;
pub mod client;
pub mod entry;
pub mod express;
mod frag;
pub mod full_nat;
pub mod home;
pub mod ingress;
pub mod leg;
pub mod overlay;
pub mod own;
mod slot;
mod snat;
pub mod vip;
pub mod vip_leg;
