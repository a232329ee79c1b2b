//! `cargo xtask bench`: builds everything, then runs the benchmarks of the test-bed crate.

use std::os::unix::process::CommandExt as _;

use anyhow::{Context as _, Result};

use crate::{
    build,
    command::announce,
    setup::{self, Need},
};

/// What to measure, and further arguments for it.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// `packet`: ns per packet of each path; options follow, such as `--rounds 30`
    #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<String>,
}

/// Runs the benchmark in place of this process; returns only if that fails.
///
/// # Errors
/// Without root, or when the build fails.
pub(crate) fn run(args: &Args) -> Result<()> {
    setup::require_root("bench")?;
    setup::ensure(Need::Run)?;
    build::run()?;
    let mut bench = build::built("bench")?;
    bench.args(&args.arguments);
    let shown = announce(&bench);
    Err(bench.exec()).with_context(|| format!("cannot run `{shown}`"))
}
