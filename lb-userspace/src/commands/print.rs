//! Prints a view the way the user asked for.
use std::io::{ErrorKind, Write, stdout};

use anyhow::Context;
use lb_userspace::observe::View;

use crate::cli::Output;

/// Prints `view` on standard output.
pub(crate) fn show(view: &impl View, output: Output) -> anyhow::Result<()> {
    let text = match output {
        Output::Table => view.text(),
        Output::Json => serde_json::to_string_pretty(view).context("cannot write JSON")?,
    };
    line(&text)
}

/// Prints `text` and a line break at once. A reader that has gone away (`| head`) is no error.
pub(crate) fn line(text: &str) -> anyhow::Result<()> {
    let mut out = stdout().lock();
    let written = writeln!(out, "{text}").and_then(|()| out.flush());
    match written {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        written => written.context("cannot write to standard output"),
    }
}
