//! Finds a compiler that can build BPF programs, and how to call it. The one place that knows:
//! `lb-userspace/build.rs` embeds what it builds, `xtask setup` installs what it misses.
//!
//! Two toolchains will do: a rustc with a prebuilt `core` for `bpfel-unknown-none` (Debian's
//! `libstd-rust-web-dev-bpf`), or rustup's nightly with `rust-src`. Both need `bpf-linker`.

mod build;
mod find;

pub use build::{BIN_NAME, BuildError, TARGET, build};
pub use find::{Compiler, Missing, Toolchain, find, find_compiler, find_linker, has_bpf_core};
