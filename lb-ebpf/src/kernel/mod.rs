//! The kernel's side: BPF contexts and helpers. Carries out what `decide` concluded; the only room
//! beside `packet` and `maps` with unsafe code.

pub mod arrive;
mod fib;
mod output;
mod skb_nat;
mod tables;
mod tcx;
mod trace;

pub mod overlay;
pub mod own;
pub mod skb;
pub mod sock;
pub mod vip_leg;
pub mod xdp;

pub use tables::Kernel;
