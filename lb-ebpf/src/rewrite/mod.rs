//! Changes to packet bytes, each a function of the bytes and of values that a verdict carries. One
//! file per kind of change; all of them run on a byte slice as well as in the kernel.

pub mod arp;
pub mod echo;
pub mod mss;
pub mod nat;
pub mod refusal;
pub mod tunnel;
