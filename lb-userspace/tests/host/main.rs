//! The host module against the real kernel, in namespaces that each test makes and removes.
//! Needs root; without it the tests say so and pass.

#![expect(clippy::unwrap_used, reason = "a failed step is a failed test")]

mod docker;
mod egress;
mod legs;
mod network;
mod overlay;
mod ports;
mod preflight;
mod watch;
mod world;
