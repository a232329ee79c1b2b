//! Which test programs there are: cargo builds them all and names each in its messages, so that none
//! can be left out.

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use super::BUILD_ARGS;
use crate::command::{announce, cargo, command};

/// The programs that start first: they take longest.
const FIRST: [&str; 2] = ["scenarios", "docker"];

/// A program that prints test results as libtest does.
#[derive(Debug)]
pub(super) struct Program {
    /// For people: the target's name and, unless that says it all, the package's.
    pub(super) name: String,
    /// Runs it, in its package's directory as under `cargo test`.
    pub(super) command: Command,
}

/// Builds every test of the workspace and returns the programs in the order in which they shall
/// start, the tests in documentation last.
///
/// # Errors
/// When the build fails; cargo has printed why.
pub(super) fn build() -> Result<Vec<Program>> {
    let mut build = cargo(BUILD_ARGS);
    build.arg("--message-format=json-render-diagnostics");
    let shown = announce(&build);
    let output = build.stderr(Stdio::inherit()).output();
    let output = output.with_context(|| format!("cannot run `{shown}`"))?;
    ensure!(output.status.success(), "`{shown}` failed ({})", output.status);
    let messages = String::from_utf8(output.stdout).context("cargo's messages are no text")?;
    let mut programs: Vec<Program> = messages.lines().filter_map(in_message).collect();
    programs.sort_by_key(|program| place(&program.name));
    let documentation = cargo(["test", "--workspace", "--doc", "--no-fail-fast", "--"]);
    programs.push(Program { name: "documentation".to_owned(), command: documentation });
    Ok(programs)
}

fn in_message(line: &str) -> Option<Program> {
    let message: Value = serde_json::from_str(line).ok()?;
    let is_test = message["profile"]["test"].as_bool()?;
    let file = message["executable"].as_str().filter(|_| is_test)?;
    let package = Path::new(message["manifest_path"].as_str()?).parent()?;
    let mut run = command(PathBuf::from(file), [] as [&str; 0]);
    run.current_dir(package).env("CARGO_MANIFEST_DIR", package);
    let (target, kind) = (message["target"]["name"].as_str()?, &message["target"]["kind"][0]);
    let package = package.file_name()?.to_string_lossy();
    let name = match kind.as_str()? {
        "test" => target.to_owned(),
        "lib" => package.into_owned(),
        kind => format!("{target} ({kind})"),
    };
    Some(Program { name, command: run })
}

fn place(name: &str) -> usize {
    FIRST.iter().position(|first| *first == name).unwrap_or(FIRST.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(kind: &str, name: &str, test: bool) -> String {
        format!(
            r#"{{"reason":"compiler-artifact","manifest_path":"/w/lb-x/Cargo.toml",
                "target":{{"kind":["{kind}"],"name":"{name}"}},
                "profile":{{"test":{test}}},"executable":"/t/{name}-1f"}}"#
        )
    }

    #[test]
    fn a_test_program_runs_in_its_packages_directory() {
        let program = in_message(&message("test", "docker", true)).expect("a test program");
        assert_eq!(program.name, "docker");
        assert_eq!(program.command.get_program(), "/t/docker-1f");
        assert_eq!(program.command.get_current_dir(), Some(Path::new("/w/lb-x")));
    }

    #[test]
    fn units_are_named_after_package_or_binary() {
        let name = |kind, name| in_message(&message(kind, name, true)).map(|program| program.name);
        assert_eq!(name("lib", "lb_x").as_deref(), Some("lb-x"));
        assert_eq!(name("bin", "x").as_deref(), Some("x (bin)"));
    }

    #[test]
    fn what_is_no_test_is_not_run() {
        assert!(in_message(&message("bin", "x", false)).is_none());
        assert!(in_message(r#"{"reason":"build-finished","success":true}"#).is_none());
        assert!(in_message("no json").is_none());
    }

    #[test]
    fn those_that_take_longest_start_first() {
        let mut names = ["lb-x", "docker", "scenarios", "host"];
        names.sort_by_key(|name| place(name));
        assert_eq!(names, ["scenarios", "docker", "lb-x", "host"]);
    }
}
