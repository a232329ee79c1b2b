//! Where membership comes from. Each source turns what it reads into a validated
//! [`crate::model::DesiredState`]; nothing outside this room knows a source's format.
pub mod derive;
pub mod docker;
pub mod file;
mod warning;

pub use warning::{Warning, local_port_warnings};

/// Largest weight: above it one row per weight no longer shows in the smallest row table.
const MAX_WEIGHT: u16 = 1000;
/// How long other nodes wait before they use a task that is new on its home node unless told otherwise, ms.
const HOLD_MS: u64 = 300;
