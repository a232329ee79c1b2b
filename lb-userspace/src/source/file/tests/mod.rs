//! The cluster file as users write it, right and wrong.
mod bad_dns;
mod bad_entries;
mod bad_network;
mod bad_ports;
mod bad_subnets;
mod derived;
mod example;
mod fields;
mod networks;
mod never_panics;

use std::{fmt::Write as _, io, path::Path};

use super::{ConfigErrors, DesiredState, parse_with};

/// Two nodes and a network, which most tests add to.
const BASE: &str = r#"
[[node]]
name = "n1"
address = "198.18.0.1"
[[node]]
name = "n2"
address = "198.18.0.2"
[[network]]
name = "net"
subnet = "10.1.0.0/24"
"#;

/// Stands at the end of the line that an error must name.
const MARK: &str = "#!";

/// Parses a file whose seed file cannot be read.
fn parsed(text: &str) -> Result<DesiredState, ConfigErrors> {
    let no_seed = |_: &Path| Err(io::Error::from(io::ErrorKind::NotFound));
    parse_with(Path::new("cluster.toml"), text, &no_seed).map(|(state, _)| state)
}

/// Parses [`BASE`] and `text`.
fn parsed_with_base(text: &str) -> Result<DesiredState, ConfigErrors> {
    parsed(&format!("{BASE}{text}"))
}

/// Asserts that [`BASE`] and `text` have exactly one error, in the line that ends in [`MARK`], and
/// that its text has all `essentials`.
#[track_caller]
fn refuses(text: &str, essentials: &[&str]) {
    refuses_file(&format!("{BASE}{text}"), essentials);
}

/// As [`refuses`], of a whole file.
#[track_caller]
fn refuses_file(text: &str, essentials: &[&str]) {
    let errors = parsed(text).expect_err("the file was accepted");
    let shown = errors.to_string();
    assert_eq!(errors.errors.len(), 1, "{shown}");
    let line = 1 + text.lines().position(|line| line.ends_with(MARK)).expect("no line is marked");
    assert!(shown.starts_with(&format!("cluster.toml:{line}:")), "line {line} expected: {shown}");
    for essential in essentials {
        assert!(shown.contains(essential), "{essential:?} is missing in: {shown}");
    }
    assert!(errors.errors.iter().all(|error| !error.fix.is_empty()));
}

/// A service with these lines and without tasks.
fn service(name: &str, lines: &str) -> String {
    format!("\n[[service]]\nname = {name:?}\n{lines}\n")
}

/// A task with these lines, in a namespace of its own name.
fn task(name: &str, node: &str, lines: &str) -> String {
    let mut text =
        format!("[[service.task]]\nname = {name:?}\nnode = {node:?}\nnetns = {name:?}\n");
    writeln!(text, "{lines}").unwrap();
    text
}

/// One test per kind of bad input: its name, the text added to [`BASE`], what the error must say.
macro_rules! refused {
    ($($name:ident: $text:expr => [$($essential:expr),* $(,)?];)*) => {
        $(#[test] fn $name() { super::refuses(&$text, &[$($essential),*]); })*
    };
}
use refused;
