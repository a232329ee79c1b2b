//! The data plane without a kernel: plain maps to decide over, a small cluster's contents for them,
//! frames to decide about, and an executor that does to bytes what the kernel's executors do.
//!
//! For unit tests, property tests, benchmarks and, as the reference, for runs of the real object.

mod arrive;
mod cases;
mod frame;
mod full_nat;
mod link;
mod overlay;
#[cfg(test)]
mod properties;
mod run;
mod tables;
mod tc_overlay;
mod tc_vip;
mod valid;
mod world;

pub use arrive::tc_arrive;
pub use cases::{Case, Hook, Step, all, arrive};
pub use frame::{Frame, IcmpError, Tunnelled};
pub use full_nat::tc_own;
pub use link::*;
pub use overlay::*;
pub use run::{End, REPLY_MACS, Ran, from_bridge, from_task, tc_node, xdp};
pub use tables::{Way, World};
pub use tc_overlay::tc_overlay;
pub use tc_vip::{tc_vip_in, tc_vip_out};
pub use valid::{Invalid, check};
pub use world::*;
