//! A report as files: numbers for programs, a table for people, plots for both.

mod markdown;
mod svg;

use std::{fs, path::Path};

use anyhow::{Context as _, Result};

pub use markdown::markdown;

use crate::report::Report;

/// Writes `NAME.json`, `NAME.md` and a plot a group to `dir`.
///
/// # Errors
/// A file cannot be written.
pub fn write(report: &Report, dir: &Path, groups: &[&str]) -> Result<()> {
    fs::create_dir_all(dir).with_context(|| format!("cannot make {}", dir.display()))?;
    let name = groups.join("-");
    json(report, &dir.join(format!("{name}.json")))?;
    text(&dir.join(format!("{name}.md")), &markdown(report, groups))?;
    for group in groups {
        for plot in svg::plots(report, group)? {
            text(&dir.join(format!("{}.svg", plot.name)), &plot.svg)?;
        }
    }
    Ok(())
}

/// Writes a report's numbers.
///
/// # Errors
/// The file cannot be written.
pub fn json(report: &Report, file: &Path) -> Result<()> {
    text(file, &format!("{}\n", serde_json::to_string_pretty(report)?))
}

fn text(file: &Path, text: &str) -> Result<()> {
    fs::write(file, text).with_context(|| format!("cannot write {}", file.display()))
}
