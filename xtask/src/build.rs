//! `cargo xtask build`: the whole workspace as a debug build. The BPF object is built on the way,
//! always optimised, by `lb-userspace/build.rs`.

use anyhow::Result;

use crate::{
    command::{cargo, run as run_command},
    setup::{self, Need},
};

/// Builds every crate of the workspace.
///
/// # Errors
/// When something needed is missing and cannot be installed, or the build fails.
pub(crate) fn run() -> Result<()> {
    setup::ensure(Need::Build)?;
    run_command(&mut cargo(["build", "--workspace"]))
}
