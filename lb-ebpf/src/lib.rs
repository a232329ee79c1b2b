//! The data plane: packet logic that runs in the kernel, in tests and in benchmarks alike.
//!
//! One way through: [`packet`] bytes -> [`parse`] facts -> [`decide`] with [`tables`] ->
//! [`verdict`] (in overlay networks [`carriage`]) -> [`rewrite`] -> `kernel`, which is all that knows about BPF contexts and helpers
//! and exists only for the BPF target. `testing` runs the same without a kernel.
#![cfg_attr(target_arch = "bpf", no_std)]

pub mod carriage;
pub mod checksum;
pub mod decide;
pub mod headers;
#[cfg(target_arch = "bpf")]
pub mod kernel;
#[cfg(target_arch = "bpf")]
#[expect(missing_docs, reason = "the map's name and type say it; see ARCHITECTURE.md, maps")]
pub mod maps;
pub mod packet;
pub mod parse;
pub mod rewrite;
pub mod tables;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
pub mod verdict;
