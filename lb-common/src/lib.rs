//! What kernel and user space must agree on: map keys and values, the flow hash, row rules, drop
//! reasons and wire constants. No packet access, no I/O, no allocation outside feature `user`.
//!
//! Data comes in as plain values and goes out as plain values; `lb-ebpf` reads these types in the
//! kernel, `lb-userspace` writes them.
#![cfg_attr(not(any(test, feature = "user")), no_std)]
#![forbid(unsafe_op_in_unsafe_fn)]

pub mod addr;
pub mod backend;
pub mod bridge;
pub mod drops;
pub mod endpoint;
pub mod flow;
pub mod hash;
pub mod info;
pub mod leg;
pub mod peer;
#[cfg(feature = "user")]
mod pod;
pub mod port;
pub mod row;
pub mod service;
pub mod stats;
#[cfg(any(test, feature = "user"))]
pub mod table;
pub mod wire;

/// Version of every map's type, size and meaning; part of the pin path (`…/v1/…`), so that two
/// layouts never meet in one map.
pub const LAYOUT_VERSION: u32 = 1;
