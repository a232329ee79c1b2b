//! `cargo xtask build-and-load`: builds, then has `swarmlb load` load, attach and pin one node's
//! programs; that command prints what went where.

use std::path::PathBuf;

use anyhow::Result;

use crate::{
    build,
    command::run as run_command,
    setup::{self, Need},
};

/// Whose data plane to load.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// The cluster file
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// This machine's name in the cluster file
    #[arg(long, value_name = "NAME")]
    node: String,
    /// Where programs, links and maps are pinned
    #[arg(long, value_name = "DIR")]
    pin_root: Option<PathBuf>,
}

/// Builds and loads.
///
/// # Errors
/// Without root, or when building or loading fails.
pub(crate) fn run(args: &Args) -> Result<()> {
    setup::require_root("build-and-load")?;
    setup::ensure(Need::Run)?;
    build::run()?;
    let mut load = build::built("swarmlb")?;
    // A relative path means the caller's directory, while the command runs in the workspace.
    load.args(["load", "--config"]).arg(std::path::absolute(&args.config)?);
    load.args(["--node", &args.node]);
    if let Some(pin_root) = &args.pin_root {
        load.arg("--pin-root").arg(std::path::absolute(pin_root)?);
    }
    run_command(&mut load)
}
