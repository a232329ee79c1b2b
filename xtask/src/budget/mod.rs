//! `cargo xtask budget`: loads the built object, asks the verifier what each program cost it
//! ([`measure`]), and compares that with `docs/verifier-budget.txt` ([`record`]). So growth is seen
//! in review, long before a program meets the verifier's limit.

mod measure;
mod record;

use std::fs;

use anyhow::{Context as _, Result, bail};

use self::record::Record;
use crate::{
    build, command,
    setup::{self, Need},
};

const PATH: &str = "docs/verifier-budget.txt";
const UPDATE: &str = "cargo xtask budget --update";

/// Compare or record.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// Write what was measured to docs/verifier-budget.txt instead of comparing with it
    #[arg(long)]
    update: bool,
}

/// The verb.
///
/// # Errors
/// Without root, when a program does not load, or when one has outgrown its budget.
pub(crate) fn run(args: &Args) -> Result<()> {
    setup::require_root("budget")?;
    setup::ensure(Need::Run)?;
    build::run()?;
    if args.update { update(&build::ARGS) } else { compare(&build::ARGS) }
}

/// Measures the object that `cargo build_args` has built, prints the table and compares it with the
/// record.
///
/// # Errors
/// When a program does not load or has outgrown its budget, or when there is no record.
pub(crate) fn compare(build_args: &[&str]) -> Result<()> {
    let now = measure::measure(build_args)?;
    print!("{now}");
    let path = command::workspace().join(PATH);
    let text = fs::read_to_string(path)
        .with_context(|| format!("cannot read {PATH}; write it with `{UPDATE}`"))?;
    let before: Record = text.parse().with_context(|| format!("{PATH} is not readable"))?;
    if before.circumstances != now.circumstances {
        println!(
            "Recorded with {}; other compilers and kernels count differently, so nothing is compared.",
            before.circumstances
        );
        return Ok(());
    }
    let findings = before.outgrown_by(&now);
    if !findings.is_empty() {
        bail!("{}\nIf this is meant: `{UPDATE}`, and commit {PATH}.", findings.join("\n"));
    }
    Ok(())
}

fn update(build_args: &[&str]) -> Result<()> {
    let now = measure::measure(build_args)?;
    print!("{now}");
    let path = command::workspace().join(PATH);
    if let Some(dir) = path.parent() {
        fs::create_dir_all(dir).with_context(|| format!("cannot make {}", dir.display()))?;
    }
    fs::write(&path, now.to_string()).with_context(|| format!("cannot write {PATH}"))?;
    println!("Wrote {PATH}");
    Ok(())
}
