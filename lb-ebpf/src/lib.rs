//! The data plane: packet logic that runs in the kernel, in tests and in benchmarks alike.
#![cfg_attr(target_arch = "bpf", no_std)]

#[cfg(target_arch = "bpf")]
#[expect(missing_docs, reason = "the map's name is its documentation; see ARCHITECTURE.md, maps")]
pub mod maps;
