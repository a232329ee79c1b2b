//! `cargo xtask build`: the whole workspace as a debug build. The BPF object is built on the way,
//! always optimised, by `lb-userspace/build.rs`.

use std::{env, path::PathBuf, process::Command};

use anyhow::{Context as _, Result};

use crate::{
    command::{cargo, command, run as run_command},
    setup::{self, Need},
};

/// What cargo is called with for figures: optimised, as it is shipped.
pub(crate) const RELEASE_ARGS: [&str; 9] =
    ["build", "--release", "-p", "lb-bench", "-p", "lb-userspace", "-p", "lb-testbed", "--bins"];

/// What cargo is called with.
pub(crate) const ARGS: [&str; 2] = ["build", "--workspace"];

/// Builds every crate of the workspace.
///
/// # Errors
/// When something needed is missing and cannot be installed, or the build fails.
pub(crate) fn run() -> Result<()> {
    setup::ensure(Need::Build)?;
    run_command(&mut cargo(ARGS))
}

/// Builds what is measured, and what measures it.
///
/// # Errors
/// As [`run`].
pub(crate) fn run_release() -> Result<()> {
    setup::ensure(Need::Build)?;
    run_command(&mut cargo(RELEASE_ARGS))
}

/// A program of the workspace that [`run_release`] has built.
///
/// # Errors
/// When this program's own path is unknown.
pub(crate) fn built_release(program: &str) -> Result<Command> {
    let own = env::current_exe().context("cannot find the directory of built programs")?;
    let target = own.ancestors().nth(2).context("this program lies in no target directory")?;
    Ok(command(target.join("release").join(program), [] as [PathBuf; 0]))
}

/// A program of the workspace that [`run`] has built: it lies beside this one. Not `cargo run`,
/// which chooses features for one package only and so compiles dependencies a second time.
///
/// # Errors
/// When this program's own path is unknown.
pub(crate) fn built(program: &str) -> Result<Command> {
    let own = env::current_exe().context("cannot find the directory of built programs")?;
    Ok(command(own.with_file_name(program), [] as [PathBuf; 0]))
}
