//! The routing mesh: who reaches which task, by which address and port, and who does not.

mod bed;
mod closed;
mod dump;
mod forged;
mod node;
mod outside;
mod refused;
pub(crate) mod spread;
mod tasks;
