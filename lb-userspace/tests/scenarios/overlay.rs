//! Overlay networks and virtual IPs: who reaches whom, from which address, over which wire, and who
//! does not.

mod bed;
mod direct;
mod forged;
mod interop;
mod networks;
mod size;
mod survival;
mod vip;
