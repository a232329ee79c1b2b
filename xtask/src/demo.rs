//! `cargo xtask demo`: builds everything, then becomes the demo of the test-bed crate, which alone
//! then gets Ctrl-C and cleans up before the shell's prompt is back.

use std::os::unix::process::CommandExt as _;

use anyhow::{Context as _, Result};

use crate::{
    build,
    command::announce,
    setup::{self, Need},
};

/// How the demo ends.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// Leave the cluster running and print the commands to look around in it
    #[arg(long)]
    keep: bool,
    /// On a real three-node Docker Swarm, whose engines run in namespaces of their own
    #[arg(long)]
    docker: bool,
}

/// Runs the demo in place of this process; returns only if that fails.
///
/// # Errors
/// Without root, or when the build or the demo fails.
pub(crate) fn run(args: &Args) -> Result<()> {
    setup::require_root("demo")?;
    setup::ensure(Need::Run)?;
    build::run()?;
    let mut demo = build::built("demo")?;
    if args.keep {
        demo.arg("--keep");
    }
    if args.docker {
        demo.arg("--docker");
    }
    let shown = announce(&demo);
    Err(demo.exec()).with_context(|| format!("cannot run `{shown}`"))
}
