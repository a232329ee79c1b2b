//! `cargo xtask bench`: builds everything optimised, then becomes the bench (crate `lb-bench`).

use std::{os::unix::process::CommandExt as _, path::PathBuf};

use anyhow::{Context as _, Result};

use crate::{
    build,
    command::{announce, workspace},
    setup::{self, Need},
};

/// Where results are kept.
const RESULTS: &str = "docs/benchmarks";

/// What to measure.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// Groups, such as `packet`; none: all. `lb-bench --help` lists them
    groups: Vec<String>,
    /// Fewer and shorter rounds, for a first look; no results are kept
    #[arg(long)]
    quick: bool,
    /// Only figures with this in their name; no results are kept
    #[arg(long, value_name = "PART")]
    only: Option<String>,
    /// Also write the numbers to this file
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

/// Runs the bench in place of this process; returns only if that fails.
///
/// # Errors
/// Without root, or when the build fails.
pub(crate) fn run(args: &Args) -> Result<()> {
    setup::require_root("bench")?;
    setup::ensure(Need::Measure)?;
    build::run_release()?;
    let mut bench = build::built_release("lb-bench")?;
    bench.args(&args.groups);
    if args.quick {
        bench.arg("--quick");
    }
    if let Some(part) = &args.only {
        bench.arg("--only").arg(part);
    }
    if !args.quick && args.only.is_none() {
        bench.arg("--results").arg(workspace().join(RESULTS));
    }
    if let Some(file) = &args.json {
        bench.arg("--json").arg(std::path::absolute(file)?);
    }
    let shown = announce(&bench);
    Err(bench.exec()).with_context(|| format!("cannot run `{shown}`"))
}
