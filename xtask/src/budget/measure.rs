//! Loads the object with bpftool, which prints the verifier's log, and reads the costs from it.
//! That libbpf can load the object at all is part of what is checked: operators use its tools.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use super::record::{Cost, Record};
use crate::command;

/// What the build script of `lb-userspace` calls the object's path.
const OBJECT_VARIABLE: &str = "SWARMLB_BPF_OBJECT";
const INSTRUCTION_BYTES: u64 = 8;

/// Loads every program of the object that `cargo build_args` has built, reads its costs, and unloads
/// it again.
///
/// # Errors
/// When there is no object, or the verifier refuses a program: its last words are in the error.
pub(super) fn measure(build_args: &[&str]) -> Result<Record> {
    let object = object_path(build_args)?;
    let pins = Pins::new()?;
    let mut load = command::command("bpftool", ["-d", "prog", "loadall"]);
    let output = command::output(load.arg(&object).arg(&pins.0))?;
    // The order of the two streams does not matter: the log comes in one of them as a whole.
    let log = [output.stderr, output.stdout].concat();
    let log = String::from_utf8_lossy(&log);
    ensure!(
        output.status.success(),
        "the object does not load; the end of the log:\n{}",
        end(&log)
    );
    let mut costs = parse_log(&log);
    ensure!(!costs.is_empty(), "bpftool loaded {} but printed no log", object.display());
    for cost in &mut costs {
        cost.kept_instructions = kept_instructions(&pins.0.join(&cost.program))?;
    }
    costs.sort_by(|a, b| a.program.cmp(&b.program));
    Ok(Record { circumstances: circumstances()?, costs })
}

/// Asks cargo where the build script put the object, by the build that is already done: other
/// arguments would choose other features and compile everything again.
fn object_path(build_args: &[&str]) -> Result<PathBuf> {
    let mut cargo = command::cargo(build_args);
    cargo.args(["--quiet", "--message-format=json-render-diagnostics"]);
    let shown = command::show(&cargo);
    let output = cargo.output().with_context(|| format!("cannot run `{shown}`"))?;
    ensure!(
        output.status.success(),
        "`{shown}` failed:\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let messages = String::from_utf8(output.stdout).context("cargo's messages are no text")?;
    let object = messages.lines().find_map(object_in_message);
    object.with_context(|| format!("no build script has set {OBJECT_VARIABLE}"))
}

fn object_in_message(line: &str) -> Option<PathBuf> {
    let message: Value = serde_json::from_str(line).ok()?;
    let variables = message.get("env")?.as_array()?;
    let pair = variables.iter().find(|pair| pair.get(0) == Some(&OBJECT_VARIABLE.into()))?;
    Some(PathBuf::from(pair.get(1)?.as_str()?))
}

/// Reads each program's costs from libbpf's debug output.
fn parse_log(log: &str) -> Vec<Cost> {
    let mut costs: Vec<Cost> = Vec::new();
    for line in log.lines() {
        if let Some(program) = between(line, "prog '", "': -- BEGIN PROG LOAD LOG") {
            costs.push(Cost {
                program: program.to_owned(),
                processed_instructions: 0,
                kept_instructions: 0,
                largest_frame_bytes: 0,
            });
        }
        let Some(cost) = costs.last_mut() else { continue };
        if let Some(frames) = line.strip_prefix("stack depth ") {
            let frames = frames.split('+').filter_map(|bytes| bytes.parse::<u64>().ok());
            cost.largest_frame_bytes = frames.max().unwrap_or(0);
        }
        if let Some(count) = between(line, "processed ", " insns") {
            cost.processed_instructions = count.parse().unwrap_or(0);
        }
    }
    costs
}

fn between<'a>(line: &'a str, before: &str, after: &str) -> Option<&'a str> {
    line.split_once(before)?.1.split_once(after).map(|(found, _)| found)
}

fn kept_instructions(pin: &Path) -> Result<u64> {
    let mut show = Command::new("bpftool");
    let output = show.args(["--json", "prog", "show", "pinned"]).arg(pin).output()?;
    let program: Value = serde_json::from_slice(&output.stdout)
        .with_context(|| format!("bpftool does not know the program at {}", pin.display()))?;
    let bytes = program.get("bytes_xlated").and_then(Value::as_u64);
    Ok(bytes.context("bpftool prints no bytes_xlated")? / INSTRUCTION_BYTES)
}

/// Compiler and kernel, as far as they change the numbers.
fn circumstances() -> Result<String> {
    let compiler = bpf_toolchain::find_compiler()?;
    let release = fs::read_to_string("/proc/sys/kernel/osrelease")?;
    let kernel: Vec<&str> = release.trim().splitn(3, '.').take(2).collect();
    Ok(format!("{} and Linux {}", version(&compiler)?, kernel.join(".")))
}

fn version(compiler: &bpf_toolchain::Compiler) -> Result<String> {
    let mut command = match compiler {
        bpf_toolchain::Compiler::Prebuilt(rustc) => Command::new(rustc),
        bpf_toolchain::Compiler::Nightly => {
            let mut rustup = Command::new("rustup");
            rustup.args(["run", "nightly", "rustc"]);
            rustup
        }
    };
    let output = command.arg("--version").output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    // `rustc 1.96.0 (...)`: the commit is noise.
    Ok(text.split_whitespace().take(2).collect::<Vec<_>>().join(" "))
}

/// The log's last lines, without the verifier's notes on what lives on the stack.
fn end(log: &str) -> String {
    let lines: Vec<&str> = log.lines().filter(|line| !line.contains(" +live ")).collect();
    lines.get(lines.len().saturating_sub(30)..).unwrap_or_default().join("\n")
}

/// A directory of pins that is removed when dropped.
struct Pins(PathBuf);

impl Pins {
    fn new() -> Result<Self> {
        let dir = PathBuf::from(format!("/sys/fs/bpf/swarmlb-budget-{}", std::process::id()));
        fs::create_dir(&dir).with_context(|| format!("cannot make {}", dir.display()))?;
        Ok(Self(dir))
    }
}

impl Drop for Pins {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.0) {
            eprintln!("warning: cannot remove {}: {error}", self.0.display());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOG: &str = "\
libbpf: map 'PORTS': created successfully, fd=12
libbpf: prog 'xdp_node': -- BEGIN PROG LOAD LOG --
0: R1=ctx() R10=fp0
verification time 209 usec
stack depth 120+0+48
processed 1500 insns (limit 1000000) max_states_per_insn 0 total_states 1 peak_states 1 mark_read 0
-- END PROG LOAD LOG --
libbpf: prog 'tc_leg': -- BEGIN PROG LOAD LOG --
stack depth 8
processed 15 insns (limit 1000000) max_states_per_insn 0 total_states 1 peak_states 1 mark_read 0
";

    #[test]
    fn costs_are_read_per_program() {
        let costs = parse_log(LOG);
        let short: Vec<_> = costs
            .iter()
            .map(|c| (&*c.program, c.processed_instructions, c.largest_frame_bytes))
            .collect();
        assert_eq!(short, [("xdp_node", 1500, 120), ("tc_leg", 15, 8)]);
    }

    #[test]
    fn the_object_is_found_among_cargos_messages() {
        let line =
            r#"{"reason":"build-script-executed","env":[["SWARMLB_BPF_OBJECT","/t/swarmlb-bpf"]]}"#;
        assert_eq!(object_in_message(line), Some(PathBuf::from("/t/swarmlb-bpf")));
        assert_eq!(object_in_message(r#"{"reason":"build-script-executed","env":[]}"#), None);
        assert_eq!(object_in_message("no json"), None);
    }
}
