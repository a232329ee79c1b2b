//! The cluster file: TOML text in, [`DesiredState`] or every error at once out.
//!
//! text → TOML tables → entries (`read`: types, ranges, unknown keys) → rules across entries
//! (`names`, `dns_names`, `networks`, `subnets`, `addresses`, `numbers`, `ports`), which also derive
//! what was left out → state.
//! Nothing here touches the machine except for reading the file and its `seed_file`.

mod addresses;
mod build;
mod capacity;
mod claims;
mod dns;
mod dns_names;
mod entry;
mod names;
mod netns;
mod networks;
mod numbers;
mod ports;
mod read;
mod read_network;
mod report;
mod section;
mod subnets;
mod suggest;
#[cfg(test)]
mod tests;
mod values;

use std::{io, path::Path};

use toml::de::DeTable;

pub use self::report::{ConfigError, ConfigErrors};
use self::report::{Place, Report};
use super::{Warning, warning};
use crate::model::DesiredState;

/// Reads the cluster file at `path`.
///
/// # Errors
/// As [`parse`]; also where the file cannot be read.
pub fn load(path: &Path) -> Result<(DesiredState, Vec<Warning>), ConfigErrors> {
    let text =
        std::fs::read_to_string(path).map_err(|error| ConfigErrors::unreadable(path, &error))?;
    parse(path, &text)
}

/// Reads a cluster file's text. `path` names the file in errors, and a relative `seed_file` is
/// looked for beside it.
///
/// # Errors
/// Everything that is wrong with the file, each with line, field and fix.
pub fn parse(path: &Path, text: &str) -> Result<(DesiredState, Vec<Warning>), ConfigErrors> {
    let beside = |seed_file: &Path| {
        std::fs::read_to_string(path.parent().unwrap_or_else(|| Path::new("")).join(seed_file))
    };
    parse_with(path, text, &beside)
}

/// [`parse`] with another way to read the `seed_file`; pure as far as that is.
///
/// # Errors
/// As [`parse`].
pub fn parse_with(
    path: &Path,
    text: &str,
    read_seed: &dyn Fn(&Path) -> io::Result<String>,
) -> Result<(DesiredState, Vec<Warning>), ConfigErrors> {
    let mut report = Report::new(text);
    let (root, syntax_errors) = DeTable::parse_recoverable(text);
    if !syntax_errors.is_empty() {
        syntax(&syntax_errors, &mut report);
        return Err(report.into_errors(path));
    }
    let file = read::file(root.get_ref(), &mut report);
    let state = build::state(&file, read_seed, &mut report);
    let warnings = warning::of_file(&state, build::has_seed(&file));
    if report.is_empty() { Ok((state, warnings)) } else { Err(report.into_errors(path)) }
}

fn syntax(errors: &[toml::de::Error], report: &mut Report) {
    for error in errors {
        let line = report.line(error.span().unwrap_or_default());
        let message = format!("no valid TOML: {}", error.message());
        report.add(&Place::entry(line, ""), message, "correct the syntax of this line");
    }
}
