//! `cargo xtask test`: every test of the workspace (unit, property, kernel and scenario tests),
//! then the verifier budget. The last line is always `N passed, N failed`.

mod programs;
mod side_by_side;
mod tally;

use std::process::ExitCode;

use anyhow::Result;

use crate::{
    budget,
    setup::{self, Need},
};

/// What cargo builds tests with. Not `cargo build` first: tests bring features of their own, so it
/// would compile all twice.
const BUILD_ARGS: [&str; 3] = ["test", "--workspace", "--no-run"];

/// Which tests to run.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// Passed on to the test programs: a part of a test's name, or options such as --nocapture
    #[arg(last = true, value_name = "FILTER")]
    filter: Vec<String>,
}

/// Runs the tests. Fails if one fails, if a test program dies, or if no test ran.
///
/// # Errors
/// Without root, or when nothing could be built: then no test ran at all.
pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    setup::require_root("test")?;
    setup::ensure(Need::Run)?;
    let programs = programs::build()?;
    let mut tally = side_by_side::run(programs, &args.filter);
    if args.filter.is_empty() {
        tally.count("verifier budget", budget::compare(&BUILD_ARGS));
    }
    print!("{tally}");
    Ok(if tally.is_success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
