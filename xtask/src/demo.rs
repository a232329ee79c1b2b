//! `cargo xtask demo`: builds everything, then runs the demo of the test-bed crate.

use anyhow::Result;

use crate::{
    build,
    command::run as run_command,
    setup::{self, Need},
};

/// How the demo ends.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// Leave the cluster running and print the commands to look around in it
    #[arg(long)]
    keep: bool,
}

/// Runs the demo.
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
    run_command(&mut demo)
}
