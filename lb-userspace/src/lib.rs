//! The node agent and the CLI, as a library so that tests and benchmarks use the same parts.
pub mod agent;
pub mod compile;
pub mod host;
pub mod model;
pub mod observe;
