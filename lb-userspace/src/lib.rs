//! The node agent and the CLI, as a library so that tests and benchmarks use the same parts.
#![deny(unsafe_code)]

pub mod agent;
pub mod check;
pub mod compile;
pub mod dataplane;
mod descriptors;
pub mod fit;
pub mod host;
pub mod kept;
pub mod model;
pub mod names;
pub mod observe;
pub mod plan;
pub mod ranges;
pub mod source;
