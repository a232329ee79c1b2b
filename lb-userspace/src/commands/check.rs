//! `check FILE`: exit status 2 where the file is invalid, with every error on standard error.
use std::process::ExitCode;

use anyhow::Context;
use lb_userspace::check;

use super::print::line;
use crate::cli::{CheckArgs, Output};

/// Exit status for an invalid cluster file.
pub(super) const INVALID: u8 = 2;

/// `check FILE`.
pub(crate) fn run(args: &CheckArgs) -> anyhow::Result<ExitCode> {
    let plan = match check::run(&args.file) {
        Ok(plan) => plan,
        Err(errors) => {
            eprintln!("{errors}");
            return Ok(INVALID.into());
        }
    };
    let text = match args.output {
        Output::Table => plan.to_string().trim_end().to_owned(),
        Output::Json => serde_json::to_string_pretty(&plan).context("cannot write JSON")?,
    };
    line(&text).map(|()| ExitCode::SUCCESS)
}
