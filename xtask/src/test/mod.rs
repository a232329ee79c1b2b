//! `cargo xtask test`: every test of the workspace (unit, property, kernel and scenario tests),
//! then the verifier budget. The last line is always `N passed, N failed`.

mod tally;

use std::{
    env,
    io::{BufRead, BufReader, Write as _},
    process::{ExitCode, ExitStatus, Stdio},
};

use anyhow::{Context as _, Result, anyhow};

use self::tally::Tally;
use crate::{
    budget,
    command::{announce, cargo, run as run_command},
    setup::{self, Need},
};

/// Builds every test, and the programs that they start.
const BUILD_ARGS: [&str; 3] = ["test", "--workspace", "--no-run"];

/// Seed of the property tests' cases, the same in every run unless it is set: a run that fails fails
/// again. Any other number, in a loop, is how to look for new cases.
const SEED: &str = "PROPTEST_RNG_SEED";

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
    // Not `cargo build` first: tests bring features of their own, so it would compile all twice.
    run_command(&mut cargo(BUILD_ARGS))?;
    let mut tally = cargo_test(&args.filter)?;
    if args.filter.is_empty() {
        tally.count("verifier budget", budget::compare(&BUILD_ARGS));
    }
    print!("{tally}");
    Ok(if tally.is_success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn cargo_test(filter: &[String]) -> Result<Tally> {
    let mut command = cargo(["test", "--workspace", "--no-fail-fast"]);
    if !filter.is_empty() {
        command.arg("--").args(filter);
    }
    if env::var_os(SEED).is_none() {
        command.env(SEED, "20260");
    }
    let shown = announce(&command);
    let mut child =
        command.stdout(Stdio::piped()).spawn().with_context(|| format!("cannot run `{shown}`"))?;
    let mut tally = Tally::default();
    if let Some(stdout) = child.stdout.take() {
        copy_and_read(BufReader::new(stdout), &mut tally)?;
    }
    end(child.wait()?, &shown, &mut tally);
    Ok(tally)
}

fn copy_and_read(lines: impl BufRead, tally: &mut Tally) -> Result<()> {
    let mut stdout = std::io::stdout().lock();
    // Split by byte: a test may print anything.
    for line in lines.split(b'\n') {
        let line = line.context("cannot read what cargo test prints")?;
        stdout.write_all(&line)?;
        stdout.write_all(b"\n")?;
        tally.read(&String::from_utf8_lossy(&line));
    }
    Ok(())
}

/// A test program that died prints no result: cargo's status is the only trace of it.
fn end(status: ExitStatus, shown: &str, tally: &mut Tally) {
    if !status.success() && tally.is_success() {
        tally.count(shown, Err(anyhow!("ended with {status} and named no failed test")));
    }
}
